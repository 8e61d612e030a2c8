"""Which of a trial's records stands, where it failed and was tried again.

Records are only ever added. A trial that failed in one run may have a record of a later run too:
one that did not fail stands before those that did, and among these the latest.
"""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.store.records import Outcome

KEY = ["fingerprint", "outcome", "run_id"]
"""Columns of the records that say which stand."""


class DoubledError(ValueError):
    """Trials have two records, and not because they failed and were tried again."""


def standing(records: pa.Table) -> pa.Table:
    """The records that stand: one a trial, in the same order.

    Args:
        records: In the order of writing, with KEY at least.

    Raises:
        DoubledError: A trial has two records of one run, or two that did not fail.
    """
    doubled = _doubled(records["fingerprint"])
    if not len(doubled):
        return records
    places: defaultdict[str, list[tuple[int, str, str]]] = defaultdict(list)
    again = pc.is_in(records["fingerprint"], value_set=doubled)
    at = np.flatnonzero(again.to_numpy())
    for place, row in zip(at, records.select(KEY).filter(again).to_pylist(), strict=True):
        places[row["fingerprint"]].append((int(place), row["outcome"], row["run_id"]))
    stands = np.ones(records.num_rows, dtype=bool)
    wrong = []
    for fingerprint, found in places.items():
        whole = [place for place, outcome, _ in found if outcome != Outcome.FAILED]
        if len(whole) > 1 or len({run for _, _, run in found}) < len(found):
            wrong.append(fingerprint)
        stands[[place for place, _, _ in found]] = False
        stands[whole[0] if whole else found[-1][0]] = True
    if wrong:
        raise DoubledError(
            f"{len(wrong)} trials have more than one record, {wrong[0]} among them; "
            "two copies of a shard, perhaps"
        )
    return records.filter(pa.array(stands))


def standing_curves(curves: pa.Table) -> pa.Table:
    """The curves of the records that stand: a trial that failed has an empty one.

    Args:
        curves: As CURVE_SCHEMA, in the order of writing.
    """
    doubled = _doubled(curves["fingerprint"])
    if not len(doubled):
        return curves
    again = pc.is_in(curves["fingerprint"], value_set=doubled).to_numpy()
    empty = pc.equal(pc.list_value_length(curves["step"]), 0).to_numpy()
    stands = ~(again & empty)
    kept = set(curves["fingerprint"].filter(pa.array(stands)).to_pylist())
    fingerprints = curves["fingerprint"].to_pylist()
    for place in np.flatnonzero(again & empty)[::-1]:
        if fingerprints[place] not in kept:
            kept.add(fingerprints[place])
            stands[place] = True
    return curves.filter(pa.array(stands))


def _doubled(fingerprints: pa.ChunkedArray) -> pa.Array:
    counts = pc.value_counts(fingerprints)
    return counts.field("values").filter(pc.greater(counts.field("counts"), 1))
