"""What a worker does with a pack; the only part of `run` that loads torch, and only when called."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from sweeper.spec.probes import Probes
from sweeper.spec.trial import Trial, trials
from sweeper.store.probes import PROBE_SCHEMA, probes_table
from sweeper.store.provenance import Provenance, host
from sweeper.store.records import curves_table, records_table


@dataclass(frozen=True)
class Delivery:
    """Finished trials on their way from a worker to the driver.

    Attributes:
        rows: Their rows in the plan.
        records: As RECORD_SCHEMA, in the same order.
        curves: As CURVE_SCHEMA.
        worker: Host and process that trained them.
        ended_at: When the evaluation that ended them was over, by the worker's clock.
        probes: As PROBE_SCHEMA, of those of them that were probed.
    """

    rows: list[int]
    records: pa.Table
    curves: pa.Table
    worker: str
    ended_at: datetime
    probes: pa.Table = field(default_factory=PROBE_SCHEMA.empty_table)


def work(
    plan: pa.Table,
    rows: Sequence[int],
    provenance: Provenance,
    device: str,
    modules: Mapping[str, str] | None = None,
    probes: Probes | None = None,
    gpus: float = 1,
) -> Iterator[Delivery | None]:
    """Train the given rows of a plan.

    Args:
        plan: As PLAN_SCHEMA.
        rows: Of one shape.
        provenance: For the records.
        device: A torch device, or "auto": a GPU where this worker sees one.
        modules: Texts of users' modules, by label; imported where a trial names one.
        probes: What is measured while they train.
        gpus: That this worker was given. Of a part of one it takes that part of the memory; with
            0 it shares what it sees with nobody.

    Raises:
        RuntimeError: At the first item: this worker cannot use the device, or import a module.

    Yields:
        None once all is ready; then at every evaluation what has ended since the last one, or None.
    """
    from sweeper.learn.train import train, usable_device

    device = usable_device(device)
    pack = trials(plan.take(rows))
    import_modules(pack, modules or {})
    yield None
    places = {trial.fingerprint: place for place, trial in enumerate(pack)}
    for ended in train(pack, device, probes=probes, memory_share=min(1.0, gpus or 1.0)):
        if not ended:
            yield None
            continue
        ended_at = datetime.now(UTC)
        at = [places[result.fingerprint] for result in ended]
        records = records_table([pack[i] for i in at], ended, provenance, device, len(pack))
        yield Delivery(
            [rows[i] for i in at],
            records,
            curves_table(ended),
            f"{host()}, process {os.getpid()}",
            ended_at,
            probes_table([result.probed for result in ended if result.probed]),
        )


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
