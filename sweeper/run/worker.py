"""What a worker does with a pack; the only part of `run` that loads torch, and only when called."""

import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa

from sweeper.spec.probes import Probes
from sweeper.spec.trial import Trial, planned_trials
from sweeper.store.probes import PROBE_SCHEMA, probes_table
from sweeper.store.provenance import Provenance, host
from sweeper.store.records import TrialResult, curves_table, records_table

DELIVERY_SECONDS = 0.25
"""Trials that end within this time of each other are delivered together."""

MAX_DELIVERY = 2048
"""So many trials at most."""


class Plan(Protocol):
    """A plan, or what stands for one on a worker."""

    def take(self, rows: Sequence[int]) -> pa.Table:
        """Some of its rows, as PLAN_SCHEMA."""
        ...


class Train(Protocol):
    """What trains a pack: `sweeper.learn.train.train`, or what stands for it in a benchmark."""

    def __call__(
        self, pack: Sequence[Trial], device: str, *, probes: Probes | None, memory_share: float
    ) -> Iterator[list[TrialResult]]:
        """After each evaluation, the results of the trials that ended with it."""
        ...


@dataclass(frozen=True)
class Delivery:
    """Finished trials on their way from a worker to the driver.

    Attributes:
        rows: Their rows in the plan.
        records: As RECORD_SCHEMA, in the same order.
        curves: As CURVE_SCHEMA.
        worker: Host and process that trained them.
        ended_at: For each, when the evaluation that ended it was over, by the worker's clock.
        probes: As PROBE_SCHEMA, of those of them that were probed.
    """

    rows: list[int]
    records: pa.Table
    curves: pa.Table
    worker: str
    ended_at: list[datetime]
    probes: pa.Table = field(default_factory=PROBE_SCHEMA.empty_table)


def work(
    plan: Plan,
    rows: Sequence[int],
    provenance: Provenance,
    device: str,
    modules: Mapping[str, str] | None = None,
    probes: Probes | None = None,
    train: Train | None = None,
    gpus: float = 1,
) -> Generator[Delivery | None, bool | None, None]:
    """Train the given rows of a plan.

    Args:
        plan: As PLAN_SCHEMA.
        rows: Of one shape.
        provenance: For the records.
        device: A torch device, or "auto": a GPU where this worker sees one.
        modules: Texts of users' modules, by label; imported where a trial names one.
        probes: What is measured while they train.
        train: What trains a pack; by default `sweeper.learn.train.train`.
        gpus: That this worker was given. Of a part of one it takes that part of the memory; with
            0 it shares what it sees with nobody.

    Raises:
        RuntimeError: At the first item: this worker cannot use the device, or import a module.

    Yields:
        None once all is ready; then at every evaluation None, or what has ended, DELIVERY_SECONDS
        after the last time. Sent True it hands over at once what has ended.
    """
    hardware = None
    if train is None:
        from sweeper.learn import devices
        from sweeper.learn import train as engine

        device, train = devices.usable_device(device), engine.train
        hardware = devices.hardware_of(device)
    pack = planned_trials(plan.take(rows))
    import_modules(pack, modules or {})
    yield None
    places = {trial.fingerprint: place for place, trial in enumerate(pack)}
    worker = f"{host()}, process {os.getpid()}"
    ready: list[TrialResult] = []
    ended_at: list[datetime] = []
    sent = time.monotonic()

    def delivery() -> Delivery:
        at = [places[result.fingerprint] for result in ready]
        return Delivery(
            [rows[i] for i in at],
            records_table([pack[i] for i in at], ready, provenance, device, len(pack), hardware),
            curves_table(ready),
            worker,
            ended_at,
            probes_table([result.probed for result in ready if result.probed]),
        )

    for ended in train(pack, device, probes=probes, memory_share=min(1.0, gpus or 1.0)):
        ready += ended
        ended_at += [datetime.now(UTC)] * len(ended)
        due = time.monotonic() - sent >= DELIVERY_SECONDS or len(ready) >= MAX_DELIVERY
        if not (ready and due):
            at_once = yield None
            if not (ready and at_once):
                continue
        yield delivery()
        ready, ended_at, sent = [], [], time.monotonic()
    if ready:
        yield delivery()


def import_modules(pack: Sequence[Trial], modules: Mapping[str, str]) -> None:
    """Import the users' modules that trials name.

    Args:
        pack: The trials.
        modules: Texts, by label.

    Raises:
        RuntimeError: A module is missing, or raises.
    """
    labels = dict.fromkeys(label for trial in pack for label in trial.modules.split())
    if not labels:
        return
    from sweeper.learn.modules import load

    for label in labels:
        if label not in modules:
            raise RuntimeError(f"the text of module {label} is not known here")
        try:
            load({label: modules[label]})
        except Exception as error:
            raise RuntimeError(f"module {label} cannot be imported: {error!r}") from error
