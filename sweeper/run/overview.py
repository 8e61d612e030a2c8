"""What a spec would run, for `sweeper plan`."""

import os
from typing import Any

from sweeper.run.driver import missing
from sweeper.run.packs import make_packs
from sweeper.spec.sweep import Sweep
from sweeper.store.results import ResultsFolder

_SHOWN = [
    "group_order", "n_train", "hidden_size", "learning_rate", "weight_decay", "max_steps",
    "split_seed", "init_seed",
]  # fmt: skip


def overview(sweep: Sweep, folder: ResultsFolder) -> dict[str, Any]:
    """Counts of a plan against the results that are there; starts no executor.

    Returns:
        `axes`: rows of (column, distinct values, smallest, largest); `trials`, `done`, `missing`
        and `packs`: counts, packs as they would be cut for this machine's cores.
    """
    todo = missing(sweep.plan, folder.records(["fingerprint"]))
    resources = sweep.spec.resources
    workers = resources.workers or max(1, int((os.cpu_count() or 1) / resources.cpus_per_worker))
    packs = make_packs(todo, workers, resources.gpus_per_worker > 0, resources.pack_size)
    frame = sweep.plan.select(_SHOWN).to_pandas()
    return {
        "sweep": sweep.spec.name,
        "axes": [
            [name, int(column.nunique()), column.min().item(), column.max().item()]
            for name, column in frame.items()
        ],
        "trials": sweep.plan.num_rows,
        "done": sweep.plan.num_rows - todo.num_rows,
        "missing": todo.num_rows,
        "packs": len(packs),
    }
