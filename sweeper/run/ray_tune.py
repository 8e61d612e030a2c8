"""Packs as Ray Tune trials, on a cluster or on a local Ray of our own.

Tune schedules packs and nothing more: what is finished stands in the results folder, what failed
is decided by the Ledger. So Tune's own state is written to a temporary folder and thrown away.
"""

import logging
import math
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # ours asks for an end instead
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the new one speaks even when told to be silent

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from sweeper.run.executor import ExecutorError, Job, cluster_address
from sweeper.run.interrupt import Interrupt
from sweeper.run.ledger import Ledger
from sweeper.run.mail import CompactPlan, Here, packed, read_rows, unpacked, write_rows
from sweeper.run.nodes import RUNTIME_ENV, check_nodes, room, shares_of, total_room
from sweeper.run.packs import Pack
from sweeper.run.trackers.observers import Observers
from sweeper.run.worker import Delivery, Train, work
from sweeper.spec.model import Resources
from sweeper.spec.probes import Probes
from sweeper.store.provenance import Provenance

REPORT_SECONDS = 1.0
"""A worker speaks up this often, with whatever it has finished."""

RAYLET_SECONDS = 1.0
"""Distance of two looks at whether this node's raylet lives."""

MAX_MUTE_DEATHS = 6
"""So many workers in a row dead before they could train: it is the cluster, not a trial."""

MAX_WORKERS = 10_000
"""At once, whatever the cluster has room for."""

LOOK_SECONDS = 3.0
"""Nodes come and go: their room is looked at this often."""

BOOT_SECONDS = 1.5
"""A pack that has not begun after this long waits for a process to start, not to be handed over."""


class RayExecutor:
    """Workers are Ray actors, reused from pack to pack."""

    def __init__(self, address: str | None, log_file: Path, train: Train | None = None) -> None:
        """Connect to a cluster, or start a local one.

        Args:
            address: As `cluster_address` has it.
            log_file: For whatever Ray has to say.
            train: What trains packs; by default `sweeper.learn.train.train`.

        Raises:
            ExecutorError: No cluster answers, or no Ray starts here.
            ValueError: The address can be none's.
        """
        self._train = train
        address = cluster_address(address)
        if address not in {"local", "auto"}:
            _knock(address)
        self._quiet = _quiet(log_file)
        self._quiet.__enter__()
        # Resources may only be given to a Ray that this call starts.
        self._mine = address == "local"
        try:
            ray.init(
                address=address,
                num_cpus=os.cpu_count() if self._mine else None,
                include_dashboard=False if self._mine else None,
                runtime_env=None if self._mine else RUNTIME_ENV,
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
        except BaseException as error:
            self._quiet.__exit__(None, None, None)
            if not isinstance(error, Exception):
                raise
            # whatever it is: where a node does not come up Ray raises Exception itself
            reason = str(error.__cause__ or error).strip() or repr(error)
            if reason.startswith("Version mismatch"):
                raise ExecutorError(reason) from error
            failed = "Ray does not start here" if self._mine else f"no Ray cluster at {address}"
            raise ExecutorError(f"{failed}: {reason.splitlines()[-1]}") from error

    def workers(self, resources: Resources) -> int:
        """How many workers the cluster's nodes have room for.

        Raises:
            ExecutorError: No node has room for one.
        """
        return room(resources)

    def run(self, job: Job, ledger: Ledger, interrupt: Interrupt) -> None:
        """Run packs until the ledger has ended or an end is requested.

        Raises:
            ExecutorError: Nodes differ from the driver, or workers cannot start.
        """
        if not self._mine:
            check_nodes(job.resources, job.modules)
        observers = Observers(job, ledger.say)
        resources, share = job.resources, _given(job.resources)
        if resources.gpus_per_worker == "auto":
            shares = shares_of(job)
            share = shares.of
            least = float(shares.shares.min())
            resources = resources.model_copy(update={"gpus_per_worker": least})
        feed = _Feed(ledger, interrupt, observers, resources, share)
        # A worker that was given no GPU may still see them all; it would share them with everyone.
        no_gpu = job.device == "auto" and not resources.on_gpu
        device = "cpu" if no_gpu else job.device
        trainable = tune.with_parameters(
            PackTrainable,
            plan=CompactPlan(job.plan),
            provenance=job.provenance,
            device=device,
            modules=job.modules,
            probes=job.probes,
            train=self._train,
        )
        with tempfile.TemporaryDirectory(prefix="sweeper-tune-") as scratch, observers:
            tuner = tune.Tuner(
                tune.with_resources(trainable, _Request(resources.cpus_per_worker)),
                tune_config=tune.TuneConfig(
                    search_alg=feed,
                    scheduler=_LatestFirst(),  # type: ignore[no-untyped-call]
                    num_samples=-1,
                    max_concurrent_trials=MAX_WORKERS,
                    reuse_actors=True,
                    trial_name_creator=feed.name,
                    trial_dirname_creator=_name,
                ),
                run_config=tune.RunConfig(
                    name=job.provenance.run_id,
                    storage_path=scratch,
                    verbose=0,
                    stop=_StopWhen(interrupt, feed),
                    failure_config=tune.FailureConfig(max_failures=0),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
            )
            tuner.fit()
        if feed.error:
            raise feed.error

    def close(self) -> None:
        """Disconnect; a Ray that was started here ends."""
        try:
            ray.shutdown()
        finally:
            self._quiet.__exit__(None, None, None)


class PackTrainable(tune.Trainable):
    """One pack at a time, trained in slices of REPORT_SECONDS."""

    def setup(  # type: ignore[override]
        self,
        config: dict[str, Any],
        plan: CompactPlan,
        provenance: Provenance,
        device: str,
        modules: Mapping[str, str],
        probes: Probes | None,
        train: Train | None,
    ) -> None:
        """Take the plan; once a worker."""
        self._plan, self._provenance, self._device = plan, provenance, device
        self._modules, self._probes, self._train = modules, probes, train
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another pack in the same process."""
        rows = read_rows(new_config["pack"])
        self._deliveries: Iterator[Delivery | None] = work(
            self._plan, rows, self._provenance, self._device, self._modules, self._probes,
            self._train, new_config["gpus"],
        )  # fmt: skip
        self._ready = False
        return True

    def step(self) -> dict[str, Any]:
        """Train on for a while; return what ended, and whether the pack has.

        The first answer comes before any training: from then on, a death is a trial's doing.
        """
        if not self._ready:
            self._ready = next(self._deliveries) is None
            return {"done": False, "mail": b""}
        deadline = time.monotonic() + REPORT_SECONDS
        ready: list[Delivery] = []
        for delivery in self._deliveries:
            if delivery:
                ready.append(delivery)
            if time.monotonic() >= deadline:
                return {"done": False, "mail": packed(ready)}
        return {"done": True, "mail": packed(ready)}


class _Feed(Here, Searcher):
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
        return _name(trial)

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
class _Request:
    """What Ray is asked for, for a pack.

    Attributes:
        cpus: For each.
    """

    cpus: float

    def __call__(self, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        bundle = {"CPU": self.cpus}
        return tune.PlacementGroupFactory(
            [bundle | {"GPU": config["gpus"]} if config["gpus"] else bundle]
        )


def _given(resources: Resources) -> Callable[[Pack], float]:
    """The share of every pack, where it is given."""
    return lambda pack: resources.least_gpus


class _LatestFirst(FIFOScheduler):
    """Of packs that wait, the one that came last: no process is being started for it yet."""

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:  # noqa: ANN401
        trials = reversed(tune_controller.get_trials())
        return next((trial for trial in trials if trial.status == TuneTrial.PENDING), None)


class _StopWhen(Here, tune.Stopper):
    """Ends the whole run, on request or on an error; never a single pack."""

    def __init__(self, interrupt: Interrupt, feed: _Feed) -> None:
        self._interrupt, self._feed, self._raylet = interrupt, feed, _Raylet()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if not self._feed.error and self._raylet.gone:
            self._feed.error = ExecutorError(
                "Ray's process on this node, the raylet, is gone: killed, perhaps by the kernel "
                "where memory ran out; what was finished is kept, the same command goes on"
            )
        return self._interrupt.requested or self._feed.error is not None


class _Raylet:
    """The process of Ray that a driver cannot outlive: it is ended some 10 s after it, unheard."""

    def __init__(self) -> None:
        here = ray.get_runtime_context().get_node_id()
        (node,) = (one for one in ray.nodes() if one["NodeID"] == here)  # type: ignore[no-untyped-call]
        self._address = node["NodeManagerAddress"], node["NodeManagerPort"]
        self._asked = time.monotonic()

    @property
    def gone(self) -> bool:
        """Whether nobody listens at its port; asked no more than once in RAYLET_SECONDS."""
        now = time.monotonic()
        if now - self._asked < RAYLET_SECONDS:
            return False
        self._asked = now
        try:
            socket.create_connection(self._address, timeout=RAYLET_SECONDS).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            pass  # slow, or out of sockets: no proof
        return False


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


def _knock(address: str) -> None:
    """Ray waits for minutes where nobody answers; a user should know at once."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ExecutorError(f"no Ray cluster at {address}: {error}") from None


def _name(trial: TuneTrial) -> str:
    return f"pack-{trial.trial_id}"


@contextmanager
def _quiet(log_file: Path) -> Iterator[None]:
    """Send what Ray logs, and what its C++ core prints to this process's stderr, to a file."""
    with log_file.open("ab", buffering=0) as log:
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
