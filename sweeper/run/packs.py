"""Trials grouped into packs, and the queue of the packs that are still to be run."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from sweeper.spec.trial import TRIAL_SCHEMA

_FREE = {
    "n_train", "split", "split_seed", "init_seed", "learning_rate", "weight_decay", "max_steps",
    "eval_every", "target_test_accuracy", "stop_at_target", "give_up_after", "label_noise",
    "output_scale", "momentum", "schedule", "warmup_steps", "decay_every", "decay_factor",
}  # fmt: skip
SHAPE = [name for name in TRIAL_SCHEMA.names if name not in _FREE]
"""Trials that agree in these may share a pack: all fields but those known not to matter."""

MAX_ATTEMPTS = 3
"""A trial that was alone with its worker when it died this often is recorded as failed."""

_PACK_SECONDS = (2.0, 15.0)
_MAX_PACKS = 5000
"""More would weigh on Tune, which keeps every pack it has run in its state."""
GPU_PACK_SIZE = 512
"""Trials of a pack that are trained at once."""
_STEP_SECONDS, _EVALUATION_SECONDS = 45e-6, 75e-6
_FLOPS_PER_SECOND = 9e10

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Pack:
    """Trials that one worker trains together.

    Attributes:
        rows: Their rows in the plan.
        deaths: How many workers have died over it.
    """

    rows: tuple[int, ...]
    deaths: int = 0


def make_packs(
    plan: pa.Table, workers: int, on_gpu: bool = False, pack_size: int | None = None
) -> list[Pack]:
    """Cut a plan into packs of one shape each, the costliest first so that all end together.

    A pack lasts long enough to hide the cost of handing it out and is short enough to leave work
    for everyone: a few seconds on a CPU. On a GPU it is as large as one launch should be.

    Args:
        plan: As `sweeper.spec.plan.PLAN_SCHEMA`.
        workers: How many will share the packs.
        on_gpu: Whether trials of a pack run at once.
        pack_size: Trials in a pack at most, instead of these rules.
    """
    if not plan.num_rows:
        return []
    seconds = estimated_seconds(plan)
    shapes = _shapes(plan)
    shortest, longest = _PACK_SECONDS
    total = float(seconds.sum())
    target = max(float(np.clip(total / (8 * workers), shortest, longest)), total / _MAX_PACKS)
    costs: list[float] = []
    packs: list[Pack] = []
    for shape in range(int(shapes.max()) + 1):
        rows = np.flatnonzero(shapes == shape)
        if pack_size or on_gpu:
            part = np.arange(len(rows)) // (pack_size or GPU_PACK_SIZE)
        else:
            part = (np.cumsum(seconds[rows]) / target).astype(int)
        for piece in np.split(rows, np.flatnonzero(np.diff(part)) + 1):
            packs.append(Pack(tuple(piece.tolist())))
            costs.append(float(seconds[piece].sum()))
    return [packs[i] for i in np.argsort(costs, kind="stable")[::-1]]


def _shapes(plan: pa.Table) -> NDArray[np.int64]:
    """Of each row the number of its shape, in order of appearance."""
    found = np.zeros(plan.num_rows, dtype=np.int64)
    for name in SHAPE:
        column = plan[name].combine_chunks().dictionary_encode()
        if len(column.dictionary) > 1:
            found = found * len(column.dictionary) + column.indices.to_numpy()
            found = pd.factorize(found)[0]
    return found


def estimated_seconds(plan: pa.Table) -> Numbers:
    """Each trial's time to its horizon on one ordinary core, roughly.

    As if all had the two-layer net: right in proportion among trials of one learner, while a
    transformer takes ten times as long.
    """
    (steps,) = _floats(plan, "max_steps")
    return steps * step_seconds(plan) + evaluations(plan, steps) * evaluation_seconds(plan)


def operations(plan: pa.Table) -> Numbers:
    """Floating-point operations of each trial to its horizon, if all had the two-layer net."""
    (steps,) = _floats(plan, "max_steps")
    return steps * _step_operations(plan) + evaluations(plan, steps) * _evaluation_operations(plan)


def step_seconds(plan: pa.Table) -> Numbers:
    """Each trial's time for one training step of the two-layer net."""
    return _step_operations(plan) / _FLOPS_PER_SECOND + _STEP_SECONDS


def evaluation_seconds(plan: pa.Table) -> Numbers:
    """Each trial's time for one evaluation of the two-layer net."""
    return _evaluation_operations(plan) / _FLOPS_PER_SECOND + _EVALUATION_SECONDS


def _step_operations(plan: pa.Table) -> Numbers:
    """6·n·K·M, n the samples of a step."""
    M, n, K, batch = _floats(plan, "group_order", "n_train", "hidden_size", "batch_size")
    n = np.where(batch > 0, np.minimum(n, batch), n)
    return np.asarray(6 * n * K * M)


def _evaluation_operations(plan: pa.Table) -> Numbers:
    """2·M²·K·M, with k operands 2·M^k·K·M."""
    M, K, operands = _floats(plan, "group_order", "hidden_size", "operands")
    return np.asarray(2 * M ** (operands + 1) * K)


def evaluations(plan: pa.Table, steps: Numbers) -> Numbers:
    """How many evaluations each trial makes in so many steps; `sweeper.learn.train` says when."""
    (every,) = _floats(plan, "eval_every")
    early = np.ceil(np.log2(np.minimum(every, steps)))
    return early + np.ceil(steps / every)


def measurements(plan: pa.Table, steps: Numbers, every: int) -> Numbers:
    """How often each trial is measured by its probes; `sweeper.learn.probing` says when."""
    (between,) = _floats(plan, "eval_every")
    early = np.ceil(np.log2(np.minimum(between, steps)))
    return early + np.ceil(steps / between / every)


def _floats(plan: pa.Table, *names: str) -> list[Numbers]:
    return [plan[name].to_numpy().astype(float) for name in names]


class PackQueue:
    """Which packs wait and which trials are finished; knows no executor.

    A worker that dies loses only what it had not delivered. The rest of its pack is tried again;
    if that dies too it is halved, until a trial is alone with its deaths and given up.
    """

    def __init__(self, trials: int) -> None:
        """Start with no pack.

        Args:
            trials: Rows of the plan that the packs' rows refer to.
        """
        self._waiting: deque[Pack] = deque()
        self._unfinished = 0
        self._finished = np.zeros(trials, dtype=bool)

    @property
    def ended(self) -> bool:
        """Every trial of every pack is finished."""
        return not self._unfinished

    @property
    def waiting(self) -> int:
        """Packs to be handed out."""
        return len(self._waiting)

    def unfinished(self, packs: Iterable[Pack]) -> int:
        """How many trials of some packs are not finished."""
        return sum(int(np.sum(~self._finished[list(pack.rows)])) for pack in packs)

    def add(self, packs: list[Pack]) -> None:
        """Let more packs wait, to be handed out in this order; no trial of theirs came before."""
        self._waiting.extend(packs)
        self._unfinished += sum(len(pack.rows) for pack in packs)

    def take(self) -> Pack | None:
        """The next pack, or None while there is none to hand out."""
        return self._waiting.popleft() if self._waiting else None

    def deliver(self, rows: list[int]) -> list[bool]:
        """Note finished trials; for each, whether this is the first time it is delivered."""
        fresh = ~self._finished[rows]
        self._finished[rows] = True
        self._unfinished -= int(fresh.sum())
        return [bool(flag) for flag in fresh]

    def close(self, pack: Pack) -> None:
        """Take back a pack that came to its end."""
        if self._left(pack):
            raise RuntimeError(f"a pack ended without {len(self._left(pack))} of its trials")

    def put_back(self, pack: Pack) -> None:
        """Take back a pack that no worker has begun: the next to be handed out."""
        self._waiting.appendleft(pack)

    def lose(self, pack: Pack) -> list[int]:
        """Take back a pack whose worker died.

        Returns:
            Rows that are given up, to be recorded as failed; the others wait again.
        """
        left, deaths = self._left(pack), pack.deaths + 1
        if not left:
            return []
        if len(pack.rows) == 1 and deaths >= MAX_ATTEMPTS:
            self.deliver(list(left))
            return list(left)
        if deaths == 1 or len(pack.rows) == 1:
            pieces = [left]
        else:
            half = len(left) // 2
            pieces = [piece for piece in (left[:half], left[half:]) if piece]
        for piece in pieces:
            # a trial that is alone for the first time has all its attempts before it
            newly_alone = len(piece) == 1 and len(pack.rows) > 1
            self._waiting.append(Pack(piece, 0 if newly_alone else deaths))
        return []

    def _left(self, pack: Pack) -> tuple[int, ...]:
        return tuple(row for row in pack.rows if not self._finished[row])
