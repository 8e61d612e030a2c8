"""What Tune asks of us: the next pack, what to do with what workers report, and when to end."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from sweeper.run.executor import ExecutorError
from sweeper.run.interrupt import Interrupt
from sweeper.run.ledger import Ledger
from sweeper.run.mail import Here, unpacked, write_rows
from sweeper.run.nodes import total_room
from sweeper.run.packs import Pack
from sweeper.run.raylet import Raylet
from sweeper.run.trackers.observers import Observers
from sweeper.run.worker import Delivery
from sweeper.spec.model import Resources

MAX_MUTE_DEATHS = 6
"""So many workers in a row dead before they could train: it is the cluster, not a trial."""

LOOK_SECONDS = 3.0
"""Nodes come and go: their room is looked at this often."""

BOOT_SECONDS = 1.5
"""A pack that has not begun after this long waits for a process to start, not to be handed over."""


class Feed(Here, Searcher):
    """Tune asks here for its next trial, a pack of the ledger, and brings here what workers report.

    No callback does the latter: given one, Tune imports all loggers that are installed, mlflow
    and wandb among them, to count which are in use.
    """

    def __init__(
        self,
        ledger: Ledger,
        interrupt: Interrupt,
        observers: Observers,
        resources: Resources,
        share: Callable[[Pack], float],
    ) -> None:
        super().__init__()
        self._ledger, self._interrupt, self._observers = ledger, interrupt, observers
        self._resources, self._looked, self._full = resources, -math.inf, False
        self._share = share
        self._out: dict[str, Pack] = {}
        self._since: dict[str, float] = {}
        self._ready: set[str] = set()
        self._tune_trials: dict[str, TuneTrial] = {}
        self._mute_deaths = 0
        self.error: Exception | None = None

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Say that this is seen to here: the limit changes while nodes come and go."""
        return True

    def suggest(self, trial_id: str) -> Any:  # noqa: ANN401
        """The next pack, as a Tune trial's config; None while there is none."""
        if self._ledger.ended or self.error:
            return Searcher.FINISHED
        self._look_at_nodes()
        if len(self._out) >= self._ledger.workers + self._spare():
            return None
        pack = self._ledger.take()
        if pack is None:
            return None
        self._out[trial_id], self._since[trial_id] = pack, time.monotonic()
        self._observers.start(trial_id, list(pack.rows))
        return {"pack": write_rows(pack.rows), "gpus": self._share(pack)}

    def name(self, trial: TuneTrial) -> str:
        """Names Tune's trial, and keeps it at hand: it alone is told why its worker died."""
        self._tune_trials[trial.trial_id] = trial
        return pack_name(trial)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Deliver what a worker has sent, and then tell the trackers."""
        self._ready.add(trial_id)
        self._since.pop(trial_id, None)
        self._mute_deaths = 0
        deliveries: list[Delivery] = []
        try:
            deliveries = unpacked(result["mail"])
            for delivery in deliveries:
                self._ledger.deliver(delivery)
        except Exception as error:  # Tune would swallow it: keep it, and end
            self.error = error
        self._observers.add(trial_id, deliveries)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take a pack back; its last result, if it has one, comes here and nowhere else."""
        if result is not None:
            self.on_trial_result(trial_id, result)
        self._observers.end(trial_id, failed=error)
        self._since.pop(trial_id, None)
        trial = self._tune_trials.pop(trial_id, None)
        pack = self._out.pop(trial_id, None)
        if pack is None or self.error or self._interrupt.requested:
            return
        try:
            self._take_back(
                trial_id, pack, death_reason(trial.error_file if trial else None) if error else None
            )
        except Exception as failure:  # as in `on_trial_result`
            self.error = failure

    def _spare(self) -> int:
        """One pack more than workers while a process starts and the nodes have no further room.

        Whoever ends a pack meanwhile takes that one. Else it would be given the pack for which the
        process starts, and Tune would end this process: where packs are shorter than a start, a
        node that joins never gets to work.
        """
        starting = self._since and time.monotonic() - min(self._since.values()) > BOOT_SECONDS
        return int(bool(starting and self._full))

    def _look_at_nodes(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        fits = total_room(self._resources)
        # where no node is left, what is out may still come back, and a node too
        now = max(1, min(fits, self._resources.workers or fits))
        self._full = fits <= now
        if now != self._ledger.workers and self._out:
            self._ledger.say(f"room for {now:,} workers now, {self._ledger.workers:,} before")
        self._ledger.workers = now

    def _take_back(self, trial_id: str, pack: Pack, error: str | None) -> None:
        if error and trial_id not in self._ready:
            self._ledger.put_back(pack)
            self._mute_deaths += 1
            if self._mute_deaths >= MAX_MUTE_DEATHS:
                self.error = ExecutorError(
                    f"{MAX_MUTE_DEATHS} workers in a row ended before they could train, the last "
                    f"one because {error.rstrip('.')}: are sweeper and torch installed, in the same"
                    " versions, on every node, and is the device there?"
                )
        elif error:
            self._ledger.lose(pack, error)
        else:
            self._ledger.close(pack)
        self._ready.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing of it is kept: the results folder is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing of it was kept."""


@dataclass(frozen=True)
class Request:
    """What Ray is asked for, for a pack.

    Attributes:
        cpus: For each.
    """

    cpus: float

    def __call__(self, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """For a pack of this config."""
        bundle = {"CPU": self.cpus}
        return tune.PlacementGroupFactory(
            [bundle | {"GPU": config["gpus"]} if config["gpus"] else bundle]
        )


class LatestFirst(FIFOScheduler):
    """Of packs that wait, the one that came last: no process is being started for it yet."""

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:  # noqa: ANN401
        """The next one."""
        trials = reversed(tune_controller.get_trials())
        return next((trial for trial in trials if trial.status == TuneTrial.PENDING), None)


class StopWhen(Here, tune.Stopper):
    """Ends the whole run, on request or on an error; never a single pack."""

    def __init__(self, interrupt: Interrupt, feed: Feed) -> None:
        self._interrupt, self._feed, self._raylet = interrupt, feed, Raylet()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never a single pack."""
        return False

    def stop_all(self) -> bool:
        """Whether an end is wished for, or cannot be put off."""
        if not self._feed.error and self._raylet.gone:
            self._feed.error = ExecutorError(
                "Ray's process on this node, the raylet, is gone: killed, perhaps by the kernel "
                "where memory ran out; what was finished is kept, the same command goes on"
            )
        return self._interrupt.requested or self._feed.error is not None


def pack_name(trial: TuneTrial) -> str:
    """What Tune calls a pack."""
    return f"pack-{trial.trial_id}"


def death_reason(error_file: str | None) -> str:
    """Why a worker died, as far as Ray knows.

    Args:
        error_file: Where Tune writes what it was told; it may not be there.
    """
    text = ""
    if error_file:
        with suppress(OSError):
            text = Path(error_file).read_text()
    if "low on memory" in text or "OutOfMemoryError" in text:  # Ray's memory monitor
        return "its node ran low on memory"
    if "SIGKILL" in text or "SYSTEM_ERROR" in text:
        return "its process was killed or crashed; where memory runs out, the kernel kills"
    return (text.strip().splitlines() or ["of an unknown cause"])[-1].strip()
