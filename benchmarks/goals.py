"""What the engine should reach, against the other ways of training and against the machine.

Each goal holds at some orders: a ratio of trial-steps per second, or a share of the limit.
"""

from benchmarks.report import Row, against

IDIOMATIC, BFLOAT16, VMAP, LIMIT = (
    "ours / idiomatic", "bfloat16 / idiomatic", "ours / vmap", "ours / limit",
)  # fmt: skip

GOALS: dict[str, dict[str, dict[int, float]]] = {
    "cpu": {
        IDIOMATIC: {11: 5, 23: 5, 71: 2, 127: 2},
        BFLOAT16: {71: 5, 127: 5},
        VMAP: {23: 3, 71: 2},
        LIMIT: {11: 0.60, 23: 0.60, 47: 0.75, 71: 0.75, 127: 0.85},
    },
    "cuda": {
        IDIOMATIC: {11: 100, 23: 100, 71: 10, 127: 10},
        VMAP: {23: 1.5, 71: 1.5},
        LIMIT: dict.fromkeys((11, 23, 47, 71, 127), 0.60),
    },
}
"""By device, quantity and M."""


def judged(shape: Row, rates: dict[str, float], device: str) -> list[Row]:
    """The ratios of one shape, those with a goal beside it.

    Args:
        shape: The columns that name the shape.
        rates: Trial-steps per second of "ours", "bfloat16", "idiomatic", "vmap" and "limit".
        device: "cpu" or "cuda".
    """
    rows: list[Row] = []
    for quantity in (IDIOMATIC, BFLOAT16, VMAP, LIMIT):
        over, under = (rates[name] for name in quantity.split(" / "))
        goal = GOALS[device].get(quantity, {}).get(shape["M"])
        found = {"measured": over / under} if goal is None else against(goal, over / under)
        rows.append(shape | {"quantity": quantity} | found)
    return rows
