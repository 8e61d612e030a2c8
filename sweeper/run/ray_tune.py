"""Packs as Ray Tune trials, on a cluster or on a local Ray of our own.

Tune schedules packs and nothing more: what is finished stands in the results folder, what failed
is decided by the Ledger. So Tune's own state is written to a temporary folder and thrown away.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # ours asks for an end instead
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the new one speaks even when told to be silent

import ray
from ray import tune

from sweeper.run.executor import ExecutorError, Job, cluster_address
from sweeper.run.feed import Feed, LatestFirst, Request, StopWhen, pack_name
from sweeper.run.interrupt import Interrupt
from sweeper.run.ledger import Ledger
from sweeper.run.mail import CompactPlan, packed, read_rows
from sweeper.run.nodes import RUNTIME_ENV, check_nodes, room, shares_of
from sweeper.run.packs import Pack
from sweeper.run.raylet import knock, quiet
from sweeper.run.trackers.observers import Observers
from sweeper.run.worker import Delivery, Train, work
from sweeper.spec.model import Resources
from sweeper.spec.probes import Probes
from sweeper.store.provenance import Provenance

REPORT_SECONDS = 1.0
"""A worker speaks up this often, with whatever it has finished."""

MAX_WORKERS = 10_000
"""At once, whatever the cluster has room for."""


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
            knock(address)
        self._quiet = quiet(log_file)
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
        feed = Feed(ledger, interrupt, observers, resources, share)
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
                tune.with_resources(trainable, Request(resources.cpus_per_worker)),
                tune_config=tune.TuneConfig(
                    search_alg=feed,
                    scheduler=LatestFirst(),  # type: ignore[no-untyped-call]
                    num_samples=-1,
                    max_concurrent_trials=MAX_WORKERS,
                    reuse_actors=True,
                    trial_name_creator=feed.name,
                    trial_dirname_creator=pack_name,
                ),
                run_config=tune.RunConfig(
                    name=job.provenance.run_id,
                    storage_path=scratch,
                    verbose=0,
                    stop=StopWhen(interrupt, feed),
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


def _given(resources: Resources) -> Callable[[Pack], float]:
    """The share of every pack, where it is given."""
    return lambda pack: resources.least_gpus
