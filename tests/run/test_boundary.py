"""The search for n_c against an oracle: few runs, the same law, nothing twice, nobody waits."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pytest

from sweeper.run.boundary import BoundarySearch
from sweeper.spec.sweep import open_text
from sweeper.tasks.cuts import best_cut

ORDERS = [11, 13, 17, 23, 29, 37, 43, 53]
SEEDS = 5
CELLS = len(ORDERS) * SEEDS
UNIFORM = 24

Outcome = tuple[bool, bool]


def candidates(
    seeds: int = SEEDS, orders: Iterable[int] = ORDERS, tolerance: float = 0.05
) -> pa.Table:
    return open_text(
        f"""\
name: x
axes:
  M: {list(orders)}
  n_train: {{times_m_log_m: [1.5, 4.5]}}
  hidden_size: 256
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 8000
  seed: {seeds}
design: {{kind: boundary, tolerance: {tolerance}}}
""",
        "x",
    ).plan


class Oracle:
    """Trials that generalize from n_c on, near which they err and take long.

    n_c is 2.6 M log M at M = 20 and grows as M^1.3, times a scatter from seed to seed; the steps
    to generalize grow as (n/n_c − 1)^-0.8, as measured in real sweeps.
    """

    def __init__(
        self,
        seed: int,
        scatter: float = 0.03,
        violations: float = 0.02,
        odd_one: float = 1.0,
    ) -> None:
        """Args are the standard deviation of log n_c, the chance of an error, n_c(29)'s factor."""
        self.random = np.random.default_rng(seed)
        self.violations = violations
        self.n_c = {
            (M, split): 2.6
            * 20
            * np.log(20)
            * (M / 20) ** 1.3
            * (odd_one if M == 29 else 1.0)
            * np.exp(self.random.normal(0, scatter))
            for M in ORDERS
            for split in range(SEEDS)
        }

    def __call__(self, trial: dict[str, int]) -> Outcome:
        distance = trial["n_train"] / self.n_c[trial["group_order"], trial["split_seed"]] - 1
        wrong = self.random.random() < self.violations * np.exp(-abs(distance) / 0.05)
        if distance <= 0:
            return bool(wrong), False
        steps = 250 * distance**-0.8
        return bool(steps <= 8000 and not wrong), bool(steps <= 4000 and not wrong)


Runs = list[tuple[dict[str, int], Outcome]]


def search(
    plan: pa.Table,
    oracle: Callable[[dict[str, int]], Outcome],
    workers: int = 2,
    tolerance: float = 0.05,
) -> Runs:
    """All runs of a search; the workers take equally long."""
    trials, boundary, out, runs = plan.to_pylist(), BoundarySearch(plan, tolerance), [], []
    while True:
        out += boundary.ask(workers - len(out))
        if not out:
            break
        row = out.pop(0)
        outcome = oracle(trials[row])
        boundary.tell(row, *outcome)
        runs.append((trials[row], outcome))
    assert boundary.done
    assert boundary.settled == boundary.cells
    return runs


def uniform(oracle: Callable[[dict[str, int]], Outcome]) -> Runs:
    """What a grid of 24 points between the same ends finds."""
    runs = []
    for M in ORDERS:
        for seed in range(SEEDS):
            for n in np.rint(np.geomspace(1.5, 4.5, UNIFORM) * M * np.log(M)).astype(int).tolist():
                trial = {"group_order": M, "split_seed": seed, "n_train": n}
                runs.append((trial, oracle(trial)))
    return runs


def thresholds(runs: Runs, half: bool = False) -> dict[tuple[int, int], float]:
    """log n_c of every cell, NaN where there is none."""
    cells: dict[tuple[int, int], list[tuple[int, bool]]] = defaultdict(list)
    for trial, outcome in runs:
        cells[trial["group_order"], trial["split_seed"]].append((trial["n_train"], outcome[half]))
    cuts = {
        cell: best_cut(np.array([n for n, _ in found]), np.array([won for _, won in found]))
        for cell, found in cells.items()
    }
    return {cell: float(np.log(cut.n_low * cut.n_high) / 2) for cell, cut in cuts.items()}


def exponent(found: dict[tuple[int, int], float]) -> float:
    means = [np.nanmean([y for (M, _), y in found.items() if order == M]) for order in ORDERS]
    return float(np.polyfit(np.log(ORDERS), means, 1)[0])


@pytest.mark.parametrize("nature", [
    {}, {"scatter": 0.0, "violations": 0.0}, {"scatter": 0.06, "violations": 0.1}, {"odd_one": 1.4},
])  # fmt: skip
def test_a_sixth_of_a_uniform_grid_finds_the_exponent_as_well(nature: dict[str, float]) -> None:
    """At 4 %, finer than the grid's 4.9 %, which it can afford."""
    plan = candidates(tolerance=0.04)
    errors: dict[str, list[float]] = defaultdict(list)
    counts = []
    for seed in range(20):
        oracle = Oracle(seed, **nature)
        found = search(plan, oracle, tolerance=0.04)
        counts.append(len(found))
        true = exponent({cell: float(np.log(n_c)) for cell, n_c in oracle.n_c.items()})
        errors["search"].append(exponent(thresholds(found)) - true)
        errors["uniform"].append(exponent(thresholds(uniform(oracle))) - true)
    assert np.mean(counts) <= UNIFORM * CELLS / 6
    rmse = {name: np.sqrt(np.mean(np.square(some))) for name, some in errors.items()}
    assert rmse["search"] <= 1.05 * rmse["uniform"]


def test_every_threshold_is_found_at_half_the_horizon_too() -> None:
    runs = search(candidates(), Oracle(1))
    assert len(thresholds(runs)) == CELLS
    assert np.isfinite(list(thresholds(runs, half=True).values())).mean() > 0.95


def test_brackets_are_as_narrow_as_asked() -> None:
    runs = search(candidates(), Oracle(0, violations=0.0))
    oracle = Oracle(0, violations=0.0)
    for cell, log_n in thresholds(runs).items():
        # half a step of 5 %, what rounding to whole pairs adds, and what the horizon hides
        assert abs(log_n - np.log(oracle.n_c[cell])) < 0.025 + 0.02 + 0.03


def test_a_wrong_start_is_widened() -> None:
    """One order in the middle lies 40 % above what its neighbours predict."""
    runs = search(candidates(), Oracle(3, violations=0.0, odd_one=1.4))
    found = thresholds(runs)
    expected = np.log(2.6 * 20 * np.log(20) * (29 / 20) ** 1.3 * 1.4)
    assert np.mean([found[29, seed] for seed in range(SEEDS)]) == pytest.approx(expected, abs=0.05)
    assert len(runs) <= UNIFORM * CELLS / 6


@pytest.mark.parametrize("outcome", [True, False])
def test_a_range_without_a_crossing_is_given_up_at_its_end(outcome: bool) -> None:
    plan = candidates(seeds=2, orders=[11, 13])
    runs = search(plan, lambda _: (outcome, outcome))
    sizes = defaultdict(set)
    for trial in plan.to_pylist():
        sizes[trial["group_order"], trial["split_seed"]].add(trial["n_train"])
    for cell, all_of_them in sizes.items():
        tried = {t["n_train"] for t, _ in runs if (t["group_order"], t["split_seed"]) == cell}
        assert (min if outcome else max)(all_of_them) in tried
    assert len(runs) < 0.6 * plan.num_rows


@pytest.mark.parametrize("workers", [1, 7, 64, 1000])
def test_no_row_is_asked_for_twice_and_nobody_waits(workers: int) -> None:
    plan = candidates(seeds=2)
    boundary, oracle, trials = BoundarySearch(plan, 0.05), Oracle(0), plan.to_pylist()
    asked: list[int] = []
    out: list[int] = []
    while rows := (more := boundary.ask(workers - len(out))) + out:
        assert len(rows) == min(workers, len(rows))
        asked += more
        out = rows[1:]
        boundary.tell(rows[0], *oracle(trials[rows[0]]))
        if not boundary.done and len(out) < workers // 2:
            # what is not handed out now is settled, or everything of it is out
            assert not boundary.ask(0)
    assert boundary.done
    assert len(asked) == len(set(asked))


def test_idle_workers_get_work_while_any_cell_is_open() -> None:
    plan = candidates(seeds=1, orders=[11, 23])
    boundary = BoundarySearch(plan, 0.05)
    assert len(boundary.ask(2)) == 2
    assert len(boundary.ask(6)) == 6  # speculation, rather than nothing
    assert len(boundary.ask(1000)) == plan.num_rows - 8


def test_it_goes_on_from_outcomes_alone() -> None:
    """Killed after any run, another search told what is known needs no more runs than the first."""
    plan = candidates(seeds=2)
    trials = plan.to_pylist()
    full = search(plan, Oracle(5, violations=0.0))
    row_of = {trial["fingerprint"]: row for row, trial in enumerate(trials)}
    for kept in (0, 1, 17, len(full) // 2, len(full)):
        oracle = Oracle(5, violations=0.0)
        boundary = BoundarySearch(plan, 0.05)
        known = [row_of[trial["fingerprint"]] for trial, _ in full[:kept]]
        for row, (_, outcome) in zip(known, full, strict=False):
            boundary.tell(row, *outcome)
        count = kept
        while rows := boundary.ask(1):
            assert rows[0] not in known
            boundary.tell(rows[0], *oracle(trials[rows[0]]))
            count += 1
        assert boundary.done
        assert count <= len(full) + 6


def test_runs_that_say_nothing_are_worked_around() -> None:
    plan = candidates(seeds=1, orders=[23])
    trials = plan.to_pylist()
    boundary = BoundarySearch(plan, 0.05)
    oracle = Oracle(0, violations=0.0)
    silent = set(range(0, plan.num_rows, 3))
    while rows := boundary.ask(1):
        boundary.tell(rows[0], *((None,) if rows[0] in silent else oracle(trials[rows[0]])))
    assert boundary.done


def test_required_rows_are_run_first_and_all_of_them() -> None:
    plan = candidates(seeds=1, orders=[11, 23])
    required = np.zeros(plan.num_rows, dtype=bool)
    required[::5] = True
    boundary, oracle, trials = BoundarySearch(plan, 0.05, required), Oracle(0), plan.to_pylist()
    asked = []
    while rows := boundary.ask(1):
        asked += rows
        boundary.tell(rows[0], *oracle(trials[rows[0]]))
    assert set(np.flatnonzero(required)) <= set(asked)
    assert len(asked) < plan.num_rows / 2


def test_the_steps_of_orders_and_seeds_are_offset_against_each_other() -> None:
    """On one grid in n/(M log M) all brackets would agree about M log M by construction."""
    frame = candidates(seeds=20, orders=range(101, 181, 4)).to_pandas()
    multiple = frame["n_train"] / (frame["group_order"] * np.log(frame["group_order"]))
    phase = (np.log(multiple / 1.5) / np.log(1.05)) % 1
    first = phase.groupby([frame["group_order"], frame["split_seed"]]).first()
    histogram = np.histogram(first, bins=5, range=(0, 1))[0]
    assert histogram.min() > 0.5 * len(first) / 5


def test_a_group_is_predicted_by_those_of_its_dimension() -> None:
    """n_c has d_k in it: D8 is aimed at by D7, not by S4 with its larger n_c or Z17."""
    plan = open_text(
        """\
name: x
axes:
  group: [D7, Z17, S4, D8]
  n_train: {times_m_log_m: [1.5, 4.5]}
  hidden_size: 256
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 8000
design: boundary
""",
        "x",
    ).plan
    frame = plan.to_pandas()
    level = (frame["n_train"] / (frame["group_order"] * np.log(frame["group_order"]))).to_numpy()
    search = BoundarySearch(plan, 0.05)
    known = {"D7": 3.0, "Z17": 2.0, "S4": 4.0}
    for row in np.flatnonzero(frame["group"] != "D8").tolist():
        search.tell(row, bool(level[row] > known[frame["group"][row]]), early=True)
    (row, *_) = search.ask(1)
    assert frame["group"][row] == "D8"
    assert level[row] == pytest.approx(3.0, rel=0.05)
