"""What a worker does with a pack; the only part of `run` that loads torch, and only when called."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sweeper.spec.trial import trials
from sweeper.store.provenance import Provenance
from sweeper.store.records import curves_table, records_table


@dataclass(frozen=True)
class Delivery:
    """Finished trials on their way from a worker to the driver.

    Attributes:
        rows: Their rows in the plan.
        records: As RECORD_SCHEMA, in the same order.
        curves: As CURVE_SCHEMA.
    """

    rows: list[int]
    records: pa.Table
    curves: pa.Table


def work(
    plan: pa.Table, rows: Sequence[int], provenance: Provenance, device: str
) -> Iterator[Delivery | None]:
    """Train the given rows of a plan.

    Args:
        plan: As PLAN_SCHEMA.
        rows: Of one shape.
        provenance: For the records.
        device: A torch device, or "auto": a GPU where this worker sees one.

    Raises:
        RuntimeError: At the first item: this worker cannot use the device.

    Yields:
        None once all is ready; then at every evaluation what has ended since the last one, or None.
    """
    from sweeper.learn.train import train, usable_device

    device = usable_device(device)
    pack = trials(plan.take(rows))
    yield None
    places = {trial.fingerprint: place for place, trial in enumerate(pack)}
    for ended in train(pack, device):
        if not ended:
            yield None
            continue
        at = [places[result.fingerprint] for result in ended]
        records = records_table([pack[i] for i in at], ended, provenance, device, len(pack))
        yield Delivery([rows[i] for i in at], records, curves_table(ended))
