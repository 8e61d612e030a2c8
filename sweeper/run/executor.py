"""What every executor promises."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from sweeper.run.interrupt import Interrupt
from sweeper.run.ledger import Ledger
from sweeper.spec.model import Resources
from sweeper.spec.probes import Probes
from sweeper.spec.trackers import Trackers
from sweeper.store.provenance import Provenance


class ExecutorError(Exception):
    """The executor cannot run: no cluster, no room for a worker, workers that cannot start."""


def cluster_address(given: str | None) -> str:
    """Of a Ray cluster: as given, else RAY_ADDRESS, else `local`, a Ray of the run's own.

    Raises:
        ValueError: It can be none's, whoever listens.
    """
    address = given or os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith("ray://"):
        raise ValueError(
            f"{address} is a Ray Client address, through which the driver's results folder "
            "cannot be reached; run sweeper on a machine of the cluster with --address auto, "
            "or submit it with `ray job submit -- sweeper run …`"
        )
    host, _, port = address.rpartition(":")
    if address not in {"local", "auto"} and not (host and "/" not in host and port.isdecimal()):
        raise ValueError(f"{address!r} is no address of a Ray cluster; it should be HOST:PORT")
    return address


@dataclass(frozen=True)
class Tracking:
    """Who else wants to see a run.

    Attributes:
        trackers: At least one is on.
        folder: For what they keep on this machine; it need not exist.
    """

    trackers: Trackers
    folder: Path


@dataclass(frozen=True)
class Job:
    """Work for an executor.

    Attributes:
        plan: The trials to run, as PLAN_SCHEMA.
        provenance: For their records.
        resources: What each worker gets.
        device: A torch device, or "auto".
        tracking: Who else wants to see it, if anyone does.
        modules: Texts of users' modules, by label.
        probes: What is measured while they train.
    """

    plan: pa.Table
    provenance: Provenance
    resources: Resources
    device: str
    tracking: Tracking | None = None
    modules: Mapping[str, str] = field(default_factory=dict)
    probes: Probes | None = None


class Executor(Protocol):
    """Runs packs somewhere. The same plan gives the same records under every executor."""

    def workers(self, resources: Resources) -> int:
        """How many packs run at once."""
        ...

    def run(self, job: Job, ledger: Ledger, interrupt: Interrupt) -> None:
        """Run packs until the ledger has ended or an end is requested.

        Args:
            job: What to run.
            ledger: Hands out the packs, takes their trials' records and is told their fate.
            interrupt: Asked often.
        """
        ...

    def close(self) -> None:
        """Give back what was started."""
        ...
