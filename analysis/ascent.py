"""Climbing Ê(w) on the sphere: conjugate gradients with an exact line search, for many w at once.

Along the great circle cos θ·w + sin θ·d, with ‖d‖ = 1 and d ⟂ w, the output Ỹᵀσ(Xw) is

    m + k cos 2θ + q sin 2θ,   m = (p + r)/2,   k = (p − r)/2,

of which p, q and r are Ỹᵀ times (Xw)², (Xw)(Xd) and (Xd)². So Ê(θ) is a trigonometric polynomial of
degree four in θ whose first maximum can be found exactly: there is no step size to choose, and Ê
rises all along the way. The end thus lies in that part of {Ê ≥ Ê(start)} that holds the start.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.energy import PairEnergy, Reals

_REFRESH = 50
"""Steps after which Xw, which is carried along, is computed anew, against rounding."""

_TURNS = np.concatenate([np.geomspace(1e-8, 0.1, 24), np.arange(0.2, 2 * np.pi + 0.1, 0.1)])
"""Angles 2θ between which the slope of Ê(θ) is looked at; it has four zeros at most."""

_NEWTON_STEPS = 6
"""Each at least halves the interval."""


@dataclass(frozen=True, eq=False)
class Ascent:
    """Where many ascents have ended.

    Attributes:
        w: (2M, nodes), of unit norm.
        arrived: (nodes,) whether the gradient on the sphere has vanished; if not, max_steps were
            not enough.
        steps: (nodes,) taken.
    """

    w: Reals
    arrived: NDArray[np.bool_]
    steps: NDArray[np.int64]


def climb(
    energy: PairEnergy, starts: Reals, tolerance: float = 1e-6, max_steps: int = 5000
) -> Ascent:
    """Climb Ê from each start to a local maximum on the unit sphere.

    Directions are those of Polak and Ribière, β = max(0, gᵀ(g − g₋)/‖g₋‖²), moved along with w.

    Args:
        energy: What to climb.
        starts: (2M, nodes), of any norm but 0.
        tolerance: A start has arrived when the gradient on the sphere is at most this times
            wᵀ∂Ê/∂w = 4Ê. Gradients so small move w by some 1e-5.
        max_steps: Where to give up.
    """
    ended = starts / np.linalg.norm(starts, axis=0)
    arrived = np.zeros(starts.shape[1], np.bool_)
    steps = np.full(starts.shape[1], max_steps)
    live = np.arange(starts.shape[1])
    w = ended.copy()
    hidden = energy.hidden(w)
    output = energy.output(np.square(hidden))
    direction, before = np.zeros_like(w), np.ones_like(w)
    for step in range(max_steps + 1):
        gradient = energy.gradient(hidden, output)
        radial = _dot(gradient, w)
        gradient -= radial * w
        there = np.linalg.norm(gradient, axis=0) <= tolerance * radial
        if there.any() or step == max_steps:
            ended[:, live], arrived[live], steps[live[there]] = w, there, step
            left = ~there
            live = live[left]
            if step == max_steps or not len(live):
                break
            w, gradient, direction, before, hidden, output = (
                some[:, left] for some in (w, gradient, direction, before, hidden, output)
            )
        direction = _next_direction(gradient, before, direction, w)
        before = gradient
        length = np.linalg.norm(direction, axis=0)
        unit = direction / length
        along = energy.hidden(unit)
        cross, beyond = energy.output(hidden * along), energy.output(np.square(along))
        turn = _first_maximum((output + beyond) / 2, (output - beyond) / 2, cross)
        c, s = np.cos(turn / 2), np.sin(turn / 2)
        w, direction = c * w + s * unit, length * (c * unit - s * w)
        hidden = c * hidden + s * along
        output = c**2 * output + 2 * s * c * cross + s**2 * beyond
        if step % _REFRESH == _REFRESH - 1:
            w /= np.linalg.norm(w, axis=0)
            hidden = energy.hidden(w)
            output = energy.output(np.square(hidden))
    return Ascent(ended, arrived, steps)


def _dot(first: Reals, second: Reals) -> Reals:
    return np.asarray(np.einsum("ij,ij->j", first, second))


def _next_direction(gradient: Reals, before: Reals, last: Reals, w: Reals) -> Reals:
    """(2M, nodes) uphill and tangent at w: the gradient, and some of the last direction."""
    beta = np.maximum(_dot(gradient, gradient - before) / _dot(before, before), 0)
    direction = gradient + beta * last
    direction -= _dot(direction, w) * w
    return np.where(_dot(direction, gradient) > 0, direction, gradient)


def _first_maximum(m: Reals, k: Reals, q: Reals) -> Reals:
    """The least φ > 0, (nodes,), at which ½‖m + k cos φ + q sin φ‖² stops rising.

    All of them are (M, nodes); the slope at φ = 0 is positive. It is mq cos φ − mk sin φ +
    kq cos 2φ + ½(qq − kk) sin 2φ.
    """
    factors = np.array([_dot(m, q), -_dot(m, k), _dot(k, q), (_dot(q, q) - _dot(k, k)) / 2])
    place = np.argmax(_waves(_TURNS) @ factors <= 0, axis=0)
    high = _TURNS[place]
    low = np.where(place > 0, _TURNS[place - 1], 0.0)
    turn = (low + high) / 2
    for _ in range(_NEWTON_STEPS):
        cos, sin, cos2, sin2 = waves = _waves(turn).T
        slope = np.sum(waves * factors, axis=0)
        curvature = np.sum(np.array([-sin, cos, -2 * sin2, 2 * cos2]) * factors, axis=0)
        low, high = np.where(slope > 0, turn, low), np.where(slope > 0, high, turn)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = turn - slope / curvature
        turn = np.where((newton > low) & (newton < high), newton, (low + high) / 2)
    return np.asarray(turn)


def _waves(turn: Reals) -> Reals:
    """Columns cos φ, sin φ, cos 2φ and sin 2φ, (turns, 4)."""
    return np.stack([np.cos(turn), np.sin(turn), np.cos(2 * turn), np.sin(2 * turn)], axis=1)
