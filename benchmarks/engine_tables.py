"""The engine's measurements as tables: rates, ratios against goals, the limit, the samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.agreement import EARLY_STEPS
from benchmarks.goals import judged
from benchmarks.limit import PRODUCTS, Limit
from benchmarks.report import SHAPE, Column, Row, Table, count, goal_columns, text
from benchmarks.setting import Shape
from benchmarks.timing import Timing
from benchmarks.trainings import BFLOAT16, OURS, VMAP

_ABOUT = (
    "All ways train the same trials in float32 (same pairs, first weights, rates, evaluations); on "
    "a CPU with one thread and subnormals flushed. One sample of each way is taken in turn, round "
    "after round; numbers are medians over the rounds, set-up included."
)


@dataclass(frozen=True)
class Measured:
    """One way of training, timed.

    Attributes:
        together: Trials in one call.
        timing: Of one call.
        early_difference: Of the training losses, as `benchmarks.agreement` has it.
        late_difference: The same, later.
    """

    together: int
    timing: Timing
    early_difference: float
    late_difference: float

    def rate(self, steps: int) -> float:
        """Trial-steps per second."""
        return self.together * steps / self.timing.median


@dataclass(frozen=True)
class Found:
    """All that was measured at one shape.

    Attributes:
        shape: The shape.
        ways: "ours", "bfloat16", "idiomatic" and "vmap", in all sizes that were timed.
        limit: What the machine could do.
    """

    shape: Shape
    ways: dict[str, list[Measured]]
    limit: Limit

    @property
    def cells(self) -> Row:
        """The columns that name the shape."""
        return {"M": self.shape.M, "K": self.shape.K, "n": self.shape.n}

    def best(self, way: str) -> Measured:
        """The fastest of a way."""
        return max(self.ways[way], key=lambda one: one.rate(self.shape.steps))

    def rates(self) -> dict[str, float]:
        """Trial-steps per second of every way at its best, and of the limit."""
        best = {way: self.best(way).rate(self.shape.steps) for way in self.ways}
        return best | {"limit": self.limit.steps_per_second}


def tables(found: Sequence[Found], packs: Sequence[int], device: str) -> Iterator[Table]:
    """Every table of the engine's measurements.

    Args:
        found: A shape each.
        packs: Sizes of packs that have a column.
        device: "cpu" or "cuda".
    """
    yield _rates(found, packs)
    yield Table(
        "engine_goals",
        "The engine against other ways and against the machine",
        f"{_ABOUT} Ratios are of the rates in the table `engine`, each way at its best.",
        [*SHAPE, text("quantity", "Which rate is divided by which."), *goal_columns("The ratio.")],
        [row for one in found for row in judged(one.cells, one.rates(), device)],
    )
    yield _limits(found)
    yield _samples(found)


def _rates(found: Sequence[Found], packs: Sequence[int]) -> Table:
    def pack(size: int) -> Column:
        return Column(f"ours_{size}", f"`sweeper.learn.train` on packs of {size}.", ",.0f")

    rows = []
    for one in found:
        steps = one.shape.steps
        ours = {f"ours_{way.together}": way.rate(steps) for way in one.ways[OURS]}
        sizes = {
            "vmap_members": one.best(VMAP).together,
            "bfloat16_pack": one.best(BFLOAT16).together,
        }
        rows.append(one.cells | {"steps": steps} | one.rates() | ours | sizes)
    return Table(
        "engine",
        "Trial-steps per second",
        f"{_ABOUT} A dash: it would have taken too long, or more memory than there is.",
        [
            *SHAPE,
            count("steps", "Training steps of each trial."),
            *map(pack, packs),
            Column(
                "bfloat16", "`train` with bfloat16 products, on packs of the best size.", ",.0f"
            ),
            count("bfloat16_pack", "Trials in those packs."),
            Column("idiomatic", "A module, one-hot inputs, autograd, torch.optim.Adam.", ",.0f"),
            Column("vmap", "torch.func ensembles of that module, of the best size.", ",.0f"),
            count("vmap_members", "Trials in those ensembles."),
            Column("limit", "What the products' rates and the bandwidth allow.", ",.0f"),
        ],
        rows,
    )


def _limits(found: Sequence[Found]) -> Table:
    rows = []
    for one in found:
        limit = one.limit
        row = one.cells | {
            "bandwidth": limit.bytes_per_second,
            "products_us": 1e6 * limit.products_s,
            "traffic_us": 1e6 * limit.traffic_s,
            "evaluations_us": 1e6 * limit.evaluations_s,
            "limit": limit.steps_per_second,
        }
        for product in PRODUCTS:
            row[product] = limit.flops_per_second[product]
            row[f"{product} by"] = limit.best_way[product]
        rows.append(row)
    products = [
        column
        for product in PRODUCTS
        for column in (
            Column(product, "Operations per second of this product, done the best way.", ".3g"),
            text(f"{product} by", "The best way: rows at once, and how the small matrix lies."),
        )
    ]
    return Table(
        "engine_limit",
        "What one step of one trial takes at the least",
        f"{_ABOUT} `benchmarks/limit.py` says what is counted.",
        [
            *SHAPE,
            *products,
            Column("bandwidth", "Bytes per second of torch.mul(a, b, out=c) on n·K floats."),
            Column("products_us", "Microseconds of the three products, 6·n·K·M operations."),
            Column("traffic_us", "Microseconds of the bytes that a step has to move."),
            Column("evaluations_us", "Microseconds of the evaluations' products, a step's share."),
            Column("limit", "Trial-steps per second if nothing else took time.", ",.0f"),
        ],
        rows,
    )


def _samples(found: Sequence[Found]) -> Table:
    rows = [
        one.cells
        | {
            "way": way,
            "together": measured.together,
            "rounds": len(measured.timing.seconds),
            "calls": measured.timing.calls,
            "median_s": measured.timing.median,
            "fastest_s": min(measured.timing.seconds),
            "slowest_s": max(measured.timing.seconds),
            "early_difference": measured.early_difference,
            "late_difference": measured.late_difference,
        }
        for one in found
        for way, sizes in one.ways.items()
        for measured in sizes
    ]
    return Table(
        "engine_samples",
        "What the rates are made of",
        f"{_ABOUT} Ways whose losses differ by more than 1e-4 are refused, but for bfloat16.",
        [
            *SHAPE,
            text("way", "How the trials are trained."),
            count("together", "Trials in one call."),
            count("rounds", "Samples of this way."),
            count("calls", "Calls in each sample."),
            Column("median_s", "Seconds of a call, set-up included: the median sample."),
            Column("fastest_s", "Seconds of a call in the fastest sample."),
            Column("slowest_s", "Seconds of a call in the slowest sample."),
            Column(
                "early_difference",
                f"Of the training losses from ours in float32, relative, up to step {EARLY_STEPS}.",
                ".1e",
            ),
            Column(
                "late_difference",
                "Of the training losses from ours in float32 at the last step (on a GPU at an "
                "eighth of it), relative or absolute, the smaller.",
                ".1e",
            ),
        ],
        rows,
    )
