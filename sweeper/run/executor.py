"""What every executor promises."""

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
