"""The indicators layer by layer, for any net that tells its hidden layers; one trial at a time.

Layer l gets x = h_{l−1}W_l, and hands on h_l, which is σ(x) or with residual connections
h_{l−1} + σ(x). Its neurons climb Ê_l(w) = ½‖Ỹᵀσ(h_{l−1}w)‖² if the gradient sent back to their
activations is a multiple of ỸỸᵀσ(x) (arXiv 2509.21519, Theorem 1, section 6). Any σ and any loss
will do; gradients are autograd's, over all training pairs.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.autograd_batch import views
from sweeper.learn.data import training_sets, tuples
from sweeper.learn.learner import network_of
from sweeper.learn.network import Hidden
from sweeper.learn.probes.basis import IrrepBasis, dominant_irreps, irrep_powers
from sweeper.learn.probes.irreps import PURE
from sweeper.learn.probes.snapshot import ACTIVE, TrainingPairs
from sweeper.learn.probes.stages import mean_cosine, participation
from sweeper.spec.trial import Trial
from sweeper.tasks.groups import group_named

LayerMeasured = dict[str, float | int | str | list[float]]
"""The indicators of one matrix of weights."""


class LayerProbe:
    """Measures a trial; it reads its weights and changes nothing.

    Attributes:
        basis: The group's irreps.
    """

    def __init__(self, one: Trial, weights: Tensor) -> None:
        """Place what is needed beside the weights, those before the first step.

        Args:
            one: On pairs of a group, without batch norm.
            weights: (D,), flat.

        Raises:
            ValueError: The trial has batch norm, other than two operands, or an expression.
        """
        if one.batch_norm or one.operands != 2 or one.expression:
            raise ValueError("layers are measured of nets on pairs of a group, without batch norm")
        self._network, self._group = network_of(one), group_named(one.group)
        M, samples = one.group_order, training_sets([one])
        self._pairs = TrainingPairs.of(M, samples, weights)
        self.basis = IrrepBasis.of(self._group, weights)
        place = weights.device
        self._inputs = torch.from_numpy(tuples(samples[0][0], M, 2)).to(place)[None]
        self._every = torch.from_numpy(tuples(np.arange(M * M), M, 2)).to(place)[None]
        by_target = np.argsort(self._group.table.ravel(), kind="stable")  # each has M pairs
        self._by_target = torch.from_numpy(by_target).to(place)
        self._before, self._step = weights.clone(), 0

    def measure(self, step: int, weights: Tensor) -> list[LayerMeasured]:
        """The indicators of every matrix, from the inputs to the outputs.

        Args:
            step: Updates made, more than at the measurement before.
            weights: (D,), now.

        Returns:
            Of each matrix: weights (its name), W_norm, W_grad_norm and W_change as in
            `stage_indicators`. Of those of hidden layers also the others of `hidden_indicators` and
            `power_indicators`; NaN, or an empty list, of the rest.
        """
        network = self._network
        parameters = views(weights[None], network.parameters)
        before = views(self._before[None], network.parameters)
        leaves = {name: one.detach().requires_grad_() for name, one in parameters.items()}
        with torch.enable_grad():
            layers = list(network.hidden(leaves, self._inputs))
            outputs = network.read_out(leaves, layers[-1].outputs)
            outputs = outputs * network.trial.output_multiplier
            if network.loss.centred:
                outputs = outputs - outputs.mean(-1, keepdim=True)
            loss = network.loss.values(outputs, self._pairs.labels).mean()
            wanted = [*leaves.values(), *(layer.activations for layer in layers)]
            slopes = torch.autograd.grad(loss, wanted, retain_graph=True)
        of_parameters = dict(zip(leaves, slopes, strict=False))
        found = {
            layer.name: self.hidden_indicators(layer, leaves, of_parameters[layer.name], slope)
            for layer, slope in zip(layers, slopes[len(leaves) :], strict=True)
        }
        with torch.no_grad():
            for layer in network.hidden(parameters, self._every):
                found[layer.name] |= self.power_indicators(layer)
        rows: list[LayerMeasured] = []
        nothing: LayerMeasured = {
            name: [] if isinstance(value, list) else math.nan
            for name, value in found[layers[0].name].items()
        }
        for name, one in network.parameters.items():
            if len(one.shape) == 2:
                now, then = parameters[name], before[name]
                row: LayerMeasured = {
                    "weights": name,
                    "W_norm": now.norm().item(),
                    "W_grad_norm": of_parameters[name].norm().item(),
                    "W_change": ((now - then).norm() / then.norm()).item() / (step - self._step),
                }
                rows.append(row | found.get(name, nothing))
        self._before, self._step = weights.clone(), step
        return rows

    def hidden_indicators(
        self, layer: Hidden, leaves: Mapping[str, Tensor], gradient: Tensor, slope: Tensor
    ) -> LayerMeasured:
        """How the neurons of a layer move, on the training pairs.

        Args:
            layer: On them, still in autograd's graph.
            leaves: The parameters, at the roots of that graph.
            gradient: (1, rows, K), ∂loss/∂W of the layer.
            slope: (1, n, K), ∂loss/∂σ(x).

        Returns:
            gradient_cosine (mean over pairs of active neurons of the cosine between their
            gradients), energy_alignment (mean of the cosine between −∂loss/∂w and ∂Ê_l/∂w, weighted
            by ‖σ̃(x)‖), feature_rank ((Σλ)²/Σλ² of H̃ᵀH̃, H = h_l), grad_features (n‖P ∂loss/∂h_l‖,
            P = I − 11ᵀ/n; twice `gradient_indicators`' for the squared error), label_cosine (of
            −P ∂loss/∂h_l and ỸỸᵀH̃) and active_neurons (‖σ̃(x)‖ at least ACTIVE of the largest).
        """
        Y = self._pairs.targets
        with torch.enable_grad():
            energy = (Y.mT @ layer.activations).square().sum() / 2
            [upwards] = torch.autograd.grad(energy, leaves[layer.name], retain_graph=True)
        with torch.no_grad():
            sizes = _centred(layer.activations).norm(dim=1)
            active = sizes >= ACTIVE * sizes.amax(1, keepdim=True)
            aligned = -torch.cosine_similarity(gradient, upwards, dim=1, eps=1e-30)
            features, sent = _centred(layer.outputs), -_centred(slope)
            labelled = Y @ (Y.mT @ features)
            return {
                "gradient_cosine": mean_cosine(gradient, active).item(),
                "energy_alignment": _mean(aligned, sizes * active),
                "feature_rank": participation(features).item(),
                "grad_features": slope.shape[1] * sent.norm().item(),
                "label_cosine": ((sent * labelled).sum() / (sent.norm() * labelled.norm())).item(),
                "active_neurons": int(active.sum()),
            }

    def power_indicators(self, layer: Hidden) -> LayerMeasured:
        """What a layer knows of operands and target, on all M² pairs.

        A function of (a, b) less its mean has a part that is a sum of functions of a and of b, its
        means over the other, a part that is a function of a·b, its mean over the pairs of that
        target, and more; the parts are orthogonal.

        Args:
            layer: At all pairs, in the order of their codes.

        Returns:
            operand_share (of the variance of what the neurons get, the first part), target_share
            (of that of what they hand on, the second); operand_powers and target_powers, (R,) lists
            (those parts' shares by irreps); operand_purity, target_purity (mean over neurons,
            weighted by the part's norm, of the purity of each one's dominant irrep), operand_irreps
            and target_irreps (irreps with a neuron of purity PURE, whose part has at least ACTIVE
            of the largest norm). Powers, purities and irreps are NaN or 0 where a part is 0.
        """
        M = self._group.order
        sums, outputs = _centred(layer.sums), _centred(layer.outputs)
        square = sums.view(M, M, -1)
        of_operands = torch.cat([square.mean(1), square.mean(0)])[None]
        of_target = outputs[:, self._by_target].view(1, M, M, -1).mean(2)
        found: LayerMeasured = {}
        for name, part, whole in (
            ("operand", of_operands, sums),
            ("target", of_target, outputs),
        ):
            total = whole.square().sum() / M
            share = (part.square().sum() / total).item()
            doubled = part if name == "operand" else torch.cat([part, torch.zeros_like(part)], 1)
            powers = irrep_powers(doubled, self.basis)
            place, purity = dominant_irreps(powers, self.basis)
            sizes = part.norm(dim=1)
            pure = (sizes >= ACTIVE * sizes.amax()) & (sizes > 0) & (purity >= PURE)
            found |= {
                f"{name}_share": share,
                f"{name}_powers": (powers.sum(2) / powers.sum((1, 2))[:, None])[0].tolist(),
                f"{name}_purity": _mean(purity, sizes),
                f"{name}_irreps": len(set(place[pure].tolist())),
            }
        return found


def _centred(values: Tensor) -> Tensor:
    """(1, n, K) less its mean over the samples."""
    return values - values.mean(1, keepdim=True)


def _mean(values: Tensor, weights: Tensor) -> float:
    return (torch.where(weights > 0, values * weights, 0).sum() / weights.sum()).item()
