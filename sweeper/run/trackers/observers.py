"""Trackers watch a run and never hold it up: each has a thread, where its failures stay."""

import importlib.util
import logging
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sweeper.run.executor import ExecutorError, Job
from sweeper.run.trackers.pack import PackLog, TrackedPack
from sweeper.run.worker import Delivery
from sweeper.spec.trackers import MLflow, TensorBoard, Trackers, Wandb
from sweeper.store.provenance import Provenance

UPDATE_SECONDS = 5.0
"""A tracker hears of a pack when it begins and ends, and between these so often."""

CLOSING_SECONDS = 60.0
"""So long the end of a run waits for trackers that are behind."""

MAX_BEHIND = 500
"""A tracker that is so many packs behind is told of no new ones."""

MAX_FAILURES = 3
"""A tracker that failed with so many packs in a row is told of no other."""

_NEEDS = {
    "tensorboard": {"tensorboardX": "tensorboardX"},
    "mlflow": {"mlflow": "mlflow-skinny", "sqlalchemy": "sqlalchemy", "alembic": "alembic"},
    "wandb": {"wandb": "wandb"},
}
"""What has to be installed: modules, and the packages that have them."""

_log = logging.getLogger(__name__)


def require(trackers: Trackers) -> None:
    """See that everything the chosen trackers need is installed; imports none of it.

    Raises:
        ExecutorError: With the command that installs what is missing.
    """
    missing = {
        name: [
            package
            for module, package in _NEEDS[name].items()
            if importlib.util.find_spec(module) is None
        ]
        for name in trackers.chosen
    }
    if packages := [package for some in missing.values() for package in some]:
        names = " and ".join(name for name, some in missing.items() if some)
        raise ExecutorError(
            f"the spec's trackers name {names}, for which packages are missing: "
            f"pip install {' '.join(packages)}"
        )


class Observers:
    """All trackers of one run. While entered, every method returns at once and raises nothing."""

    def __init__(self, job: Job, say: Callable[[str], None]) -> None:
        """Start the trackers that the job names.

        Args:
            job: With its tracking.
            say: For people.
        """
        self._plan = job.plan
        self._packs: dict[str, PackLog] = {}
        self._told: dict[str, float] = {}
        self._count = 0
        self._observers: list[Observer] = []
        # what is handed to a tracker for upload; event files stay in the results folder
        self._scratch = tempfile.TemporaryDirectory("", "sweeper-tracker-", None, True)
        if not job.tracking:
            return
        run_id, folder = job.provenance.run_id, job.tracking.folder
        for name in job.tracking.trackers.chosen:
            place = folder if name == "tensorboard" else Path(self._scratch.name)
            open_logger = _opener(name, job.tracking.trackers, folder, job.provenance)
            self._observers.append(Observer(name, open_logger, place / name / run_id, run_id, say))

    def start(self, pack_id: str, rows: list[int]) -> None:
        """A worker has begun with a pack."""
        if self._observers:
            self._count += 1
            self._packs[pack_id] = PackLog(pack_id, self._plan, rows)
            self._tell(pack_id)

    def add(self, pack_id: str, deliveries: list[Delivery]) -> None:
        """A pack's worker has sent finished trials."""
        if deliveries and pack_id in self._packs:
            self._packs[pack_id].add([delivery.records for delivery in deliveries])
            if time.monotonic() - self._told[pack_id] >= UPDATE_SECONDS:
                self._tell(pack_id)

    def end(self, pack_id: str, failed: bool) -> None:
        """A pack has come to its end, or its worker to another."""
        if pack_id in self._packs:
            self._packs[pack_id].failed = failed
            self._packs[pack_id].ended = True
            self._tell(pack_id)
            del self._packs[pack_id], self._told[pack_id]

    def _tell(self, pack_id: str) -> None:
        self._told[pack_id] = time.monotonic()
        for observer in self._observers:
            observer.tell(self._packs[pack_id])

    def __enter__(self) -> Self:
        for observer in self._observers:
            observer.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close packs that did not end, and wait for the trackers, but not for long."""
        for pack_id in tuple(self._packs):
            self.end(pack_id, failed=True)
        deadline = time.monotonic() + CLOSING_SECONDS
        for observer in self._observers:
            observer.close()
        for observer in self._observers:
            observer.wait(deadline, self._count)
        self._scratch.cleanup()


class Observer:
    """One tracker in a thread of its own, told of packs by their logs.

    It always goes by a log's latest state: where it is slow it draws fewer points.
    """

    def __init__(
        self,
        name: str,
        open_logger: Callable[[], Any],
        place: Path,
        run_id: str,
        say: Callable[[str], None],
    ) -> None:
        """Nothing happens before it begins.

        Args:
            name: Of the tracker.
            open_logger: Makes one of Ray Tune's logger callbacks, and sets it up.
            place: Where each pack gets a folder.
            run_id: Names the run.
            say: For people.
        """
        self._name, self._open_logger, self._say = name, open_logger, say
        self._place, self._run_id = place, run_id
        self._queue: queue.SimpleQueue[PackLog | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._queued: set[PackLog] = set()
        self._tracked: dict[PackLog, TrackedPack] = {}
        self._left_out: set[PackLog] = set()
        self._failures, self._off, self._spoke = 0, False, False
        # daemon: a server that never answers must not keep the process alive
        self._thread = threading.Thread(target=self._observe, name=f"tracker {name}", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def tell(self, pack: PackLog) -> None:
        """There is news of a pack."""
        with self._lock:
            if pack in self._queued:
                return
            if len(self._queued) >= MAX_BEHIND and pack not in self._tracked:
                self._left_out.add(pack)
            elif pack not in self._left_out:
                self._queued.add(pack)
                self._queue.put(pack)

    def close(self) -> None:
        """There will be no more news."""
        self._queue.put(None)

    def wait(self, deadline: float, packs: int) -> None:
        """Wait for the thread, and say what it did not take in.

        Args:
            deadline: Until then, by the monotonic clock.
            packs: How many it was to take in.
        """
        self._thread.join(max(0, deadline - time.monotonic()))
        with self._lock:
            late = self._thread.is_alive()
            missing = len(self._left_out.union(self._queued, self._tracked))
            self._spoke = True
        if late or missing:
            when = f" within {CLOSING_SECONDS:g} s of the end" if late else ""
            self._say(f"{self._name} did not take in {missing:,} of {packs:,} packs{when}")

    def _observe(self) -> None:
        logger = None
        try:
            logger = self._open_logger()
        except Exception as error:
            self._off = True
            self._complain(error)
        for pack in iter(self._queue.get, None):
            with self._lock:
                self._queued.discard(pack)
                if self._off:
                    self._left_out.add(pack)
                if pack in self._left_out:
                    continue
            self._try(logger, pack)
        if logger is not None:
            try:
                logger.on_experiment_end([])
            except Exception as error:
                self._complain(error)

    def _try(self, logger: Any, pack: PackLog) -> None:  # noqa: ANN401
        try:
            self._log(logger, pack)
            self._failures = 0
        except Exception as error:
            self._failures += 1
            self._off = self._failures >= MAX_FAILURES
            with self._lock:
                self._left_out.add(pack)
                self._tracked.pop(pack, None)
            self._complain(error)

    def _log(self, logger: Any, pack: PackLog) -> None:  # noqa: ANN401
        """Bring what the tracker has of a pack up to date."""
        ended = pack.ended  # before its records: whatever comes later will be told again
        records = pack.records
        if pack not in self._tracked:
            tracked = TrackedPack(
                pack.pack_id, pack.shape, self._run_id,
                str(self._place / f"pack-{pack.pack_id}"), records,
            )  # fmt: skip
            tracked.init_local_path()
            self._tracked[pack] = tracked
            logger.log_trial_start(tracked)
        tracked = self._tracked[pack]
        if records.num_rows:
            metrics = {"training_iteration": pack.reports} | pack.metrics(records)
            logger.log_trial_result(pack.reports, tracked, metrics)
        if ended:
            tracked.records = records
            logger.log_trial_end(tracked, failed=pack.failed)
            del self._tracked[pack]

    def _complain(self, error: Exception) -> None:
        """Say the first thing that went wrong; the log has them all."""
        _log.error("tracker %s failed", self._name, exc_info=error)
        if not self._spoke:
            self._spoke = True
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self._say(
                f"{self._name} failed: {reason if len(reason) <= 200 else reason[:197] + '...'}; "
                "the run goes on, and no record is lost by it"
            )


def _opener(
    name: str, trackers: Trackers, folder: Path, provenance: Provenance
) -> Callable[[], Any]:
    """Makes a tracker's logger; the imports, which take seconds, are its thread's."""

    def open_logger() -> Any:  # noqa: ANN401
        folder.mkdir(parents=True, exist_ok=True)
        match getattr(trackers, name):
            case TensorBoard():
                from sweeper.run.trackers.tensorboard import open_tensorboard

                return open_tensorboard()
            case MLflow() as options:
                from sweeper.run.trackers.mlflow import open_mlflow

                return open_mlflow(options, folder, provenance)
            case Wandb() as options:
                from sweeper.run.trackers.wandb import open_wandb

                return open_wandb(options, folder, provenance)

    return open_logger
