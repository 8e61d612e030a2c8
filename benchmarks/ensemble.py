"""Many trials at once as torch.func offers it: the same module, stacked, vmapped, one Adam for all.

The trials share their training pairs, so the inputs are not copied: the best case for vmap. Rates
are one a member, as a sweep needs them.
"""

import copy

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.idiomatic import add, metrics, new_net, squared_error
from benchmarks.setting import pairs
from sweeper.learn.train import evaluation_steps
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve

_EVALUATED_ELEMENTS = 1 << 28
"""Hidden activations of an evaluation at once: a gigabyte."""

Weights = dict[str, Tensor]


def train_ensemble(trials: list[Trial], device: str = "cpu") -> list[Curve]:
    """Train trials of one shape and one split to their last step.

    Args:
        trials: They may differ in first weights and rates.
        device: A torch device.

    Returns:
        All evaluations of each.
    """
    first = trials[0]
    data = pairs(first, device)
    nets = [new_net(trial, device) for trial in trials]
    skeleton = copy.deepcopy(nets[0]).to("meta")
    stacked, _ = stack_module_state(nets)
    weights = {name: tensor.detach() for name, tensor in stacked.items()}

    def outputs(member: Weights, x: Tensor) -> Tensor:
        return functional_call(skeleton, member, (x,))  # type: ignore[no-any-return]

    def loss(member: Weights) -> Tensor:
        return squared_error(outputs(member, data.train), data.train_targets)

    def evaluation(member: Weights) -> Tensor:
        return metrics(outputs(member, data.every), data)

    hidden = first.group_order**2 * first.hidden_size
    gradients = vmap(grad(loss))
    evaluate = vmap(evaluation, chunk_size=max(1, _EVALUATED_ELEMENTS // hidden))
    adam = _Adam(weights, trials)
    evaluations = set(evaluation_steps(first.max_steps, first.eval_every))
    curves = [Curve() for _ in trials]
    with torch.no_grad():
        for step in range(1, first.max_steps + 1):
            adam.update(weights, gradients(weights))
            if step in evaluations:
                for curve, measured in zip(curves, evaluate(weights).tolist(), strict=True):
                    add(curve, step, measured)
    return curves


class _Adam:
    """Adam over stacked weights, each member with its own rates."""

    def __init__(self, weights: Weights, trials: list[Trial]) -> None:
        def a_member(values: list[float]) -> Weights:
            rates = next(iter(weights.values())).new_tensor(values)
            return {
                name: rates.view(-1, *[1] * (tensor.dim() - 1)) for name, tensor in weights.items()
            }

        self.rate = a_member([trial.learning_rate for trial in trials])
        self.decay = a_member([trial.weight_decay for trial in trials])
        self.mean = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
        self.square = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
        self.step = 0

    def update(self, weights: Weights, gradients: Weights) -> None:
        """One step, in place."""
        self.step += 1
        for name, weight in weights.items():
            gradient = gradients[name].addcmul_(weight, self.decay[name])
            mean, square = self.mean[name], self.square[name]
            mean.lerp_(gradient, 0.1)
            square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            deviation = square.sqrt().div_((1 - 0.999**self.step) ** 0.5).add_(1e-8)
            direction = mean.div(deviation).mul_(self.rate[name])
            weight.sub_(direction, alpha=1 / (1 - 0.9**self.step))
