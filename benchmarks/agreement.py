"""Whether two ways of training have trained the same thing.

Rounding makes any two float32 trainings drift apart, faster and faster; they are compared before it
matters, relative to the loss, and at a later step against the loss at the start, which is near 1.
"""

import math
from collections.abc import Sequence

from sweeper.store.records import Curve

TOLERANCE = 1e-4
EARLY_STEPS = 25


class DisagreementError(Exception):
    """Two ways of training the same trials have different losses: no timing of them compares."""


def differences(
    curves: Sequence[Curve], reference: Sequence[Curve], late_step: int
) -> tuple[float, float]:
    """The largest differences of the training losses of two ways, over the trials both have.

    Args:
        curves: One way's, a trial each.
        reference: Another way's, in the same order.
        late_step: An evaluated step.

    Returns:
        Up to step 25, relative; and at the late step, relative or absolute, the smaller.
    """
    early = late = 0.0
    for curve, other in zip(curves, reference, strict=False):
        if curve.step != other.step:
            raise DisagreementError(f"evaluated at {curve.step[-3:]} and at {other.step[-3:]}")
        for step, loss, wanted in zip(curve.step, curve.train_loss, other.train_loss, strict=True):
            apart = abs(loss - wanted)
            if step <= EARLY_STEPS:
                early = _worse(early, apart / wanted)
            if step == late_step:
                late = _worse(late, apart / max(1.0, wanted))
    return early, late


def check(way: str, found: tuple[float, float], tolerance: float = TOLERANCE) -> None:
    """Refuse differences above the tolerance.

    Args:
        way: For the message.
        found: As `differences` gives them.
        tolerance: For both.

    Raises:
        DisagreementError: They are above it.
    """
    if not max(found) <= tolerance:
        raise DisagreementError(
            f"{way}: training losses differ by {found[0]:.1e} (relative) up to step {EARLY_STEPS} "
            f"and by {found[1]:.1e} later; {tolerance:.0e} is allowed"
        )


def _worse(so_far: float, value: float) -> float:
    """The larger; NaN is the worst."""
    return math.inf if math.isnan(value) else max(so_far, value)
