"""Muon on the hidden matrices, Adam on all other weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, cast, get_args

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.optimizers.adam import BETA1, BETA2, Adam
from sweeper.learn.optimizers.base import Optimizer, Rule, chosen, rates_of, zeros_beside
from sweeper.learn.optimizers.schedule import Schedule
from sweeper.learn.registry import optimizers
from sweeper.spec.trial import Trial

Scaling = Literal["none", "original", "match_rms_adamw"]

MOMENTUM = 0.95
NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315
NEWTON_SCHULZ_STEPS = 5
SMALLEST_NORM = 1e-7


@dataclass(frozen=True)
class Matrix:
    """Where a matrix lies in the weights of a trial.

    Attributes:
        start: Its first entry, in the flattened weights of a trial.
        rows: It follows row by row.
        columns: Of each row.
        inputs_first: Whether its rows belong to the inputs, as those of W do; else to the outputs,
            as in torch.nn.Linear. Matters to the scaling "original" alone.
    """

    start: int
    rows: int
    columns: int
    inputs_first: bool = False

    @property
    def stop(self) -> int:
        """One behind its last entry."""
        return self.start + self.rows * self.columns

    def scale(self, scaling: Scaling) -> float:
        """What the orthogonalized step is multiplied with, beside the learning rate.

        Args:
            scaling: "none" is 1; "original" is √max(1, outputs / inputs) (Jordan et al. 2024);
                "match_rms_adamw" is 0.2 √max(rows, columns), which makes a step about as large as
                one of AdamW (Liu et al. 2025, arXiv 2502.16982).
        """
        outputs, inputs = self.rows, self.columns
        if self.inputs_first:
            outputs, inputs = inputs, outputs
        match scaling:
            case "none":
                return 1.0
            case "original":
                return math.sqrt(max(1.0, outputs / inputs))
            case "match_rms_adamw":
                return 0.2 * math.sqrt(max(outputs, inputs))


@optimizers.register("muon")
class Muon(Optimizer):
    """Muon on some matrices, `Adam` with coupled weight decay on the rest, at the same rates.

    On each matrix, as torch.optim.Muon does it: m ← μm + (1 − μ)g; O = NS(m), or with Nesterov's
    momentum NS((1 − μ)g + μm); w ← (1 − rate · weight_decay) w − rate · scale · O, where NS is
    `orthogonalized`. (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/, sum m without
    the factor 1 − μ: NS does not see it.) The theory's Muon (arXiv 2509.21519, Theorem 8) is
    O = UVᵀ of the gradient's singular value decomposition, with neither momentum nor scale, so its
    nearest is `scaling="none"`.

    Attributes:
        rules: Muon's, one a matrix, then Adam's, one a stretch of weights between them.
    """

    def __init__(
        self,
        weights: Tensor,
        learning_rate: Sequence[float],
        weight_decay: Sequence[float],
        schedules: Sequence[Schedule] = (),
        *,
        matrices: Sequence[Matrix],
        momentum: Sequence[float] = (),
        nesterov: bool = True,
        scaling: Scaling = "original",
        product_dtype: torch.dtype | None = None,
        beta1: float = BETA1,
        beta2: float = BETA2,
    ) -> None:
        """Start from zero moments.

        Args:
            weights: (B, …), or those of a single trial, contiguous for each trial; `update` changes
                them in place.
            learning_rate: One a trial.
            weight_decay: One a trial.
            schedules: One a trial; by default the rates are constant.
            matrices: What Muon takes.
            momentum: μ, one a trial; by default 0.95.
            nesterov: Of all trials.
            scaling: Of all trials; see `Matrix.scale`.
            product_dtype: Of the products in NS, by default that of the weights. Jordan et al. and
                torch.optim.Muon take bfloat16, which few CPUs are fast with.
            beta1: Adam's, of all trials.
            beta2: Adam's, of all trials.

        Raises:
            ValueError: With all that is wrong with the matrices and the scaling.
        """
        self.weights = weights
        size = weights.numel() // len(learning_rate)
        matrices = sorted(matrices, key=lambda one: one.start)
        _check(matrices, size, scaling)
        rates = learning_rate, weight_decay, schedules
        edges = [0, *(edge for one in matrices for edge in (one.start, one.stop)), size]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        self._parts: list[tuple[slice, tuple[int, ...]]] = [
            (slice(one.start, one.stop), (one.rows, one.columns)) for one in matrices
        ]
        self._parts += [(slice(a, b), (b - a,)) for a, b in gaps if a < b]
        parts = self._split(weights, len(learning_rate))
        self.rules: list[Rule] = [
            MatrixMuon(
                part, *rates, scale=matrix.scale(scaling),
                momentum=momentum, nesterov=nesterov, product_dtype=product_dtype,
            )
            for part, matrix in zip(parts, matrices, strict=False)
        ]  # fmt: skip
        rest = parts[len(matrices) :]
        self.rules += [Adam(part, *rates, beta1=beta1, beta2=beta2) for part in rest]

    @classmethod
    def for_trials(
        cls, trials: Sequence[Trial], weights: Tensor, matrices: Sequence[Matrix]
    ) -> Self:
        """See `Optimizer`."""
        first = trials[0]
        return cls(
            weights,
            *rates_of(trials),
            matrices=matrices,
            momentum=[one.momentum for one in trials],
            nesterov=first.nesterov,
            scaling=cast(Scaling, first.muon_scaling),  # checked there
            beta1=first.beta1,
            beta2=first.beta2,
        )

    def _split(self, batch: Tensor, trials: int) -> list[Tensor]:
        lead = (trials,) if trials > 1 else ()
        flat = batch.view(*lead, -1)
        return [flat[..., part].view(*lead, *shape) for part, shape in self._parts]

    def update(self, gradient: Tensor) -> None:
        """One step, in place; the gradient, shaped as the weights, is overwritten if faster."""
        parts = self._split(gradient.contiguous(), len(self.rules[0].learning_rate))
        for rule, part in zip(self.rules, parts, strict=True):
            rule.update(part)

    def keep(self, alive: list[int], weights: Tensor) -> None:
        """Forget all trials but some.

        Args:
            alive: Their places, fewer than there were.
            weights: Theirs, as `chosen` picks them.
        """
        self.weights = weights
        for rule, part in zip(self.rules, self._split(weights, len(alive)), strict=True):
            rule.keep(alive, part)


class MatrixMuon(Rule):
    """Muon on one matrix a trial.

    Attributes:
        momentum: μ, one a trial.
        nesterov: Of all trials.
        scale: Of the orthogonalized step, beside the learning rate.
        mean: m, shaped as the weights.
    """

    def __init__(
        self,
        weights: Tensor,
        learning_rate: Sequence[float],
        weight_decay: Sequence[float],
        schedules: Sequence[Schedule] = (),
        *,
        scale: float,
        momentum: Sequence[float] = (),
        nesterov: bool = True,
        product_dtype: torch.dtype | None = None,
    ) -> None:
        """Start from a zero moment.

        Args:
            weights: (B, rows, columns), or (rows, columns) of a single trial.
            learning_rate: One a trial.
            weight_decay: One a trial.
            schedules: One a trial; by default the rates are constant.
            scale: Of all trials, as `Matrix.scale` gives it.
            momentum: One a trial; by default 0.95.
            nesterov: Of all trials.
            product_dtype: Of the products in NS, by default that of the weights.
        """
        super().__init__(weights, learning_rate, weight_decay, schedules)
        self.momentum = list(momentum) or [MOMENTUM] * len(self.learning_rate)
        self.nesterov, self.scale = nesterov, scale
        self.mean = zeros_beside(weights)
        self._dtype = product_dtype or weights.dtype
        self._place()

    def _place(self) -> None:
        super()._place()
        self._momentum = self._per_trial(np.array(self.momentum))
        self._means = self._by_trial(self.mean)

    def _update_one(self, place: int, gradient: Tensor, rate: float) -> None:
        direction = self._direction(self._means[place], gradient, self.momentum[place])
        kept = 1 - rate * self.weight_decay[place]
        self._rows[place].mul_(kept).add_(direction, alpha=-rate * self.scale)

    def _update_all(self, gradient: Tensor, rates: Tensor) -> None:
        direction = self._direction(self.mean, gradient, self._momentum)
        kept = 1 - rates * self._decay
        self.weights.mul_(kept).addcmul_(direction, rates, value=-self.scale)

    def _direction(self, mean: Tensor, gradient: Tensor, momentum: float | Tensor) -> Tensor:
        mean.lerp_(gradient, 1 - momentum)
        step = gradient.lerp_(mean, momentum) if self.nesterov else mean
        return orthogonalized(step.to(self._dtype)).to(self.weights.dtype)

    def _keep_state(self, alive: list[int]) -> None:
        self.momentum = [self.momentum[i] for i in alive]
        self.mean = chosen(self.mean, alive)


def orthogonalized(matrices: Tensor) -> Tensor:
    """About UVᵀ of each matrix's singular value decomposition UΣVᵀ, in the matrices' own precision.

    Five Newton–Schulz steps X ← aX + (bXXᵀ + c(XXᵀ)²)X from G/‖G‖, with the coefficients of Jordan
    et al. (2024). Singular vectors are kept; singular values from 0.002 ‖G‖ on
    end between 0.68 and 1.21, smaller ones grow 485-fold at most.

    Args:
        matrices: (…, rows, columns) with at most one leading dimension.
    """
    a, b, c = NEWTON_SCHULZ
    product = torch.addmm if matrices.dim() == 2 else torch.baddbmm
    wide = matrices.shape[-2] <= matrices.shape[-1]
    X = matrices if wide else matrices.mT  # the smaller of XXᵀ and XᵀX
    X = X / torch.linalg.matrix_norm(X, keepdim=True).clamp(min=SMALLEST_NORM)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = X @ X.mT
        X = product(X, product(gram, gram, gram, beta=b, alpha=c), X, beta=a)
    return X if wide else X.mT


def _check(matrices: Sequence[Matrix], size: int, scaling: str) -> None:
    wrong = []
    if not matrices:
        wrong.append("there is none")
    ends = [0]
    for one in matrices:
        name = f"that of {one.rows} × {one.columns} from {one.start}"
        if min(one.rows, one.columns) < 1:
            wrong.append(f"{name} is empty")
        if one.start < ends[-1]:
            wrong.append(f"{name} begins before {ends[-1]}, where the one before ends")
        if one.stop > size:
            wrong.append(f"{name} ends at {one.stop}, behind the {size} weights of a trial")
        ends.append(one.stop)
    if scaling not in get_args(Scaling):
        wrong.append(f"scaling is {scaling!r}, not one of {', '.join(get_args(Scaling))}")
    if wrong:
        raise ValueError("matrices of Muon: " + "; ".join(wrong))
