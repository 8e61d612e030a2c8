import math
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.spec.sweep import open_sweep, open_text
from tests.spec.good import AXES, GOOD, problems, with_axis


def column(text: str, name: str) -> list[float]:
    return open_text(text, "s.yaml").plan[name].to_pylist()


# ------------------------------------------------------------------ what an axis may be


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("0.005", [0.005]),
        ("[0.001, 2e-3]", [0.001, 0.002]),
        ("{from: 0.001, to: 0.003, count: 3}", [0.001, 0.002, 0.003]),
        ("{from: 0.001, to: 0.0034, step: 0.001}", [0.001, 0.002, 0.003]),
        ("{log: [0.001, 0.1], count: 3}", [0.001, 0.01, 0.1]),
        ("1", [1.0]),
    ],
)
def test_an_axis_is_a_value_a_list_or_a_range(written: str, values: list[float]) -> None:
    found = sorted(set(column(with_axis(learning_rate=written), "learning_rate")))
    assert found == pytest.approx(values, rel=1e-12)


def test_generated_values_are_the_numbers_a_person_would_write() -> None:
    """Else the same trial, written as a list, would have another fingerprint and run again."""
    written = with_axis(learning_rate="[0.1, 0.2, 0.3]", weight_decay="[0.002, 0.004, 0.008]")
    generated = with_axis(
        learning_rate="{from: 0.1, to: 0.3, step: 0.1}",
        weight_decay="{log: [0.002, 0.008], count: 3}",
    )
    assert column(generated, "fingerprint") == column(written, "fingerprint")


def test_whole_number_axes_take_ranges_and_floats_that_are_whole() -> None:
    text = with_axis(
        M="{from: 11, to: 31, step: 10}", hidden_size="{log: [16, 64], count: 3}", max_steps="1e3"
    )
    assert sorted(set(column(text, "group_order"))) == [11, 21, 31]
    assert sorted(set(column(text, "hidden_size"))) == [16, 32, 64]
    assert set(column(text, "max_steps")) == {1000}


def test_training_pairs_as_fractions_and_multiples() -> None:
    assert column(with_axis(M="11", n_train="{fraction: [0.25, 0.5]}"), "n_train") == [30, 60]
    text = with_axis(M="[11, 23]", n_train="{times_m_log_m: 2.7}")
    assert column(text, "n_train") == [round(2.7 * M * math.log(M)) for M in (11, 23)]


def test_a_number_of_seeds_counts_from_zero_and_sets_both() -> None:
    plan = open_text(with_axis(seed="3"), "s.yaml").plan
    assert plan["split_seed"].to_pylist() == plan["init_seed"].to_pylist()
    assert set(plan["split_seed"].to_pylist()) == {0, 1, 2}


def test_seeds_beyond_twelve_digits_are_what_is_written() -> None:
    first = 2**53 - 9
    plan = open_text(with_axis(seed=f"{{from: {first}, to: {first + 5}, count: 6}}"), "s.yaml").plan
    assert set(plan["init_seed"].to_pylist()) == set(range(first, first + 6))


def test_split_and_init_seed_are_axes_of_their_own() -> None:
    plan = open_text(with_axis(split_seed="2", init_seed="[5, 6, 7]"), "s.yaml").plan
    seeds = set(zip(plan["split_seed"].to_pylist(), plan["init_seed"].to_pylist(), strict=True))
    assert seeds == {(s, i) for s in (0, 1) for i in (5, 6, 7)}


def test_all_combinations_are_planned_once() -> None:
    plan = open_text(with_axis(learning_rate="[0.1, 0.2, 0.3]", seed="2"), "s.yaml").plan
    assert plan.num_rows == 2 * 2 * 3 * 2
    assert len(set(plan["fingerprint"].to_pylist())) == plan.num_rows


def test_values_that_round_to_the_same_n_are_one_trial() -> None:
    assert column(with_axis(M="11", n_train="{fraction: [0.5, 0.501, 0.51]}"), "n_train") == [
        60,
        61,
        62,
    ]
    assert column(with_axis(M="11", n_train="{fraction: [0.49, 0.491]}"), "n_train") == [59]


def test_zipped_axes_advance_together() -> None:
    text = with_axis(hidden_size="[32, 64]") + "zip:\n  - [M, hidden_size]\n"
    plan = open_text(text, "s.yaml").plan
    pairs = zip(plan["group_order"].to_pylist(), plan["hidden_size"].to_pylist(), strict=True)
    assert set(pairs) == {(11, 32), (13, 64)}
    assert plan.num_rows == 4


def test_excluded_combinations_are_left_out() -> None:
    text = GOOD + "exclude:\n  - {M: 11, n_train: [70]}\n"
    plan = open_text(text, "s.yaml").plan
    pairs = zip(plan["group_order"].to_pylist(), plan["n_train"].to_pylist(), strict=True)
    assert sorted(pairs) == [(11, 60), (13, 60), (13, 70)]


def test_excluding_makes_an_impossible_combination_good() -> None:
    text = with_axis(M="[5, 11]", n_train="[20, 60]")
    assert len(problems(text)) == 1
    assert open_text(text + "exclude:\n  - {M: 5, n_train: 60}\n", "s.yaml").plan.num_rows == 3


def test_exclusions_hold_where_axes_are_zipped_and_for_any_of_several_values() -> None:
    text = with_axis(hidden_size="[32, 64]", weight_decay="[0.1, 0.2, 0.3]", seed="2")
    text += "zip: [[hidden_size, M]]\nexclude: [{hidden_size: 32, weight_decay: [0.1, 0.3]}]\n"
    plan = open_text(text, "s.yaml").plan.to_pylist()
    assert len(plan) == 2 * 2 * 3 * 2 - 2 * 2 * 2
    assert {row["weight_decay"] for row in plan if row["group_order"] == 11} == {0.2}
    assert {row["weight_decay"] for row in plan if row["group_order"] == 13} == {0.1, 0.2, 0.3}


def test_a_search_narrower_than_its_tolerance_stays_between_its_ends() -> None:
    """At M = 13 the step beyond the smaller end would be 170 of 169 pairs."""
    text = with_axis(n_train="{fraction: [0.985, 0.995]}") + "design: boundary\n"
    assert column(text, "n_train") == [119, 168]


def test_the_plan_does_not_depend_on_the_order_of_keys() -> None:
    turned = "axes:\n" + "\n".join(reversed(AXES.splitlines())) + "\nname: good\n"
    assert open_text(turned, "s.yaml").plan.equals(open_text(GOOD, "s.yaml").plan)


def test_a_tracker_is_on_where_it_is_named_and_changes_no_trial() -> None:
    plain = open_text(GOOD, "s.yaml")
    tracked = open_text(GOOD + "trackers: {tensorboard, wandb: {mode: offline}}\n", "s.yaml")
    assert plain.spec.trackers.chosen == []
    assert tracked.spec.trackers.chosen == ["tensorboard", "wandb"]
    assert tracked.plan.equals(plain.plan)


# ------------------------------------------------------------------ shipped specs, size


def test_the_shipped_specs_can_be_planned() -> None:
    for path in Path("specs").rglob("*.yaml"):
        assert open_sweep(path).plan.num_rows >= 4


MILLION = """\
name: million
axes:
  M: {from: 11, to: 110, step: 1}
  n_train: {fraction: {from: 0.1, to: 0.9, count: 100}}
  hidden_size: 256
  learning_rate: {log: [0.001, 0.01], count: 10}
  weight_decay: [0.0001, 0.0002]
  max_steps: 4000
  seed: 5
"""
MEASURE = """\
import re, sys, time
from pathlib import Path
from sweeper.spec.sweep import open_text
clock = time.process_time()  # a busy machine has its own time
rows = open_text(sys.stdin.read(), "million.yaml").plan.num_rows
seconds = time.process_time() - clock
# of this process alone; its ru_maxrss begins with that of the process that forked it
print(rows, seconds, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_a_million_trials_are_planned_in_20_seconds_of_a_core_and_1_gigabyte() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE], input=MILLION, capture_output=True, text=True, check=True
    )
    rows, seconds, kilobytes = map(float, answer.stdout.split())
    assert rows > 990_000
    assert seconds < 20
    assert kilobytes < 1_000_000
