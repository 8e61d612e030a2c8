"""A search for n_c as a results folder has it: the candidates, and what is known of them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.run.boundary import BoundarySearch
from sweeper.spec.plan import PLAN_SCHEMA
from sweeper.spec.sweep import Sweep
from sweeper.spec.trial import NUMERICS, TRIAL_SCHEMA
from sweeper.store.records import Outcome

KNOWN_BY = [
    "fingerprint", *TRIAL_SCHEMA.names, "numerics", "outcome", "generalization_step", "final_step",
]  # fmt: skip
"""Columns of the records that a search starts from."""


def open_search(sweep: Sweep, records: pa.Table) -> tuple[pa.Table, BoundarySearch]:
    """The search of a sweep, as far as the records take it.

    Records of the same cells count at any n_train, whatever sweep or grid they were run for.

    Args:
        sweep: Of a design that searches.
        records: Those in its results folder, with KNOWN_BY at least.

    Returns:
        The candidates, as PLAN_SCHEMA, and the search, which speaks of their rows.
    """
    usable = records.filter(pc.equal(records["numerics"], NUMERICS))
    plan = pa.concat_tables([sweep.plan, beside(sweep.plan, usable)])
    required = pc.is_in(plan["fingerprint"], value_set=sweep.required)
    search = BoundarySearch(
        plan, sweep.spec.search.tolerance, required.to_numpy(zero_copy_only=False)
    )
    rows = pc.index_in(usable["fingerprint"], value_set=plan["fingerprint"].combine_chunks())
    known = pc.is_valid(rows)
    learn(search, rows.filter(known).to_pylist(), usable.filter(known))
    return plan, search


def learn(search: BoundarySearch, rows: list[int], records: pa.Table) -> None:
    """Tell a search what finished trials found.

    Args:
        search: To be told.
        rows: Theirs, in its plan.
        records: Theirs, in the same order.
    """
    columns = ["outcome", "generalization_step", "final_step", "max_steps", "eval_every",
               "stop_at_target"]  # fmt: skip
    for row, found in zip(rows, records.select(columns).to_pylist(), strict=True):
        won = found["outcome"] == Outcome.GENERALIZED
        silent = found["outcome"] == Outcome.FAILED  # it says nothing about n_c
        search.tell(
            row, None if silent else won, won and _confirmed(found) <= found["max_steps"] // 2
        )


def _confirmed(found: dict[str, int]) -> int:
    """Step of the second of the two evaluations that make a trial generalized, or a later one."""
    if found["stop_at_target"]:
        return found["final_step"]
    return found["generalization_step"] + found["eval_every"]


def beside(plan: pa.Table, records: pa.Table) -> pa.Table:
    """Trials of the same cells that the plan does not hold, from their records."""
    others = records.filter(
        pc.invert(pc.is_in(records["fingerprint"], value_set=plan["fingerprint"].combine_chunks()))
    )
    names = [name for name in TRIAL_SCHEMA.names if name != "n_train"]
    cells = plan.select(names).group_by(names).aggregate([])
    place = pa.array(np.arange(others.num_rows))
    same = others.select(names).append_column("place", place).join(cells, names, join_type="inner")
    return others.take(same["place"].sort()).select(PLAN_SCHEMA.names).cast(PLAN_SCHEMA)
