"""How a trial's learning rate changes with the steps."""

from dataclasses import dataclass
from typing import Literal, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from sweeper.spec.trial import Trial

Kind = Literal["constant", "step", "exponential", "cosine"]


@dataclass(frozen=True)
class Schedule:
    """The share of its learning rate that a trial moves with at each step.

    Attributes:
        kind: After the warm-up, with t counted from its end: "constant"; "step",
            decay_factor^⌊t / decay_every⌋ (torch's StepLR); "exponential",
            decay_factor^(t / decay_every) (ExponentialLR with the gamma decay_factor^(1 /
            decay_every)); "cosine", ½(1 + cos(πt / T)) with T the steps from the warm-up to the
            horizon (CosineAnnealingLR, Loshchilov & Hutter 2017 without restarts).
        warmup_steps: w; steps s = 0 … w − 1 take (s + 1) / (w + 1), which is torch's LinearLR with
            start_factor 1 / (w + 1), followed in a SequentialLR.
        decay_every: In steps, at least 1; of "step" and "exponential".
        decay_factor: Above 0, at most 1; of "step" and "exponential".
        max_steps: The horizon; of "cosine".
    """

    kind: Kind = "constant"
    warmup_steps: int = 0
    decay_every: int = 1
    decay_factor: float = 1.0
    max_steps: int = 0

    @classmethod
    def of(cls, trial: Trial) -> Self:
        """That of a trial."""
        return cls(
            kind=cast(Kind, trial.schedule),  # checked below
            warmup_steps=trial.warmup_steps,
            decay_every=trial.decay_every,
            decay_factor=trial.decay_factor,
            max_steps=trial.max_steps,
        )

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: With all that is wrong.
        """
        kinds = get_args(Kind)
        wrong = []
        if self.kind not in kinds:
            wrong.append(f"kind is {self.kind!r}, not one of {', '.join(kinds)}")
        if self.warmup_steps < 0:
            wrong.append(f"warmup_steps is {self.warmup_steps}, below 0")
        if self.decay_every < 1:
            wrong.append(f"decay_every is {self.decay_every}, below 1")
        if not 0 < self.decay_factor <= 1:
            wrong.append(f"decay_factor is {self.decay_factor}, not above 0 and at most 1")
        if self.kind == "cosine" and self.max_steps <= self.warmup_steps:
            wrong.append(
                f"max_steps is {self.max_steps}, not above the {self.warmup_steps} of the warm-up"
            )
        if wrong:
            raise ValueError("learning-rate schedule: " + "; ".join(wrong))

    def factors(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """The share at each of some steps, both (S,); the first update is step 0."""
        t = np.maximum(steps - self.warmup_steps, 0)
        match self.kind:
            case "constant":
                share = np.ones(len(t))
            case "step":
                share = self.decay_factor ** (t // self.decay_every)
            case "exponential":
                share = self.decay_factor ** (t / self.decay_every)
            case "cosine":
                share = (1 + np.cos(np.pi * t / (self.max_steps - self.warmup_steps))) / 2
        return np.where(steps < self.warmup_steps, (steps + 1) / (self.warmup_steps + 1), share)
