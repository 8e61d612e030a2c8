"""Groups, expressions, operands, splits and label noise in specs: planned as told, or refused."""

import pytest

from sweeper.run.packs import make_packs
from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import open_text
from sweeper.spec.trial import Trial, trials

REST = """\
  hidden_size: 64
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 100
"""


def spec(axes: str, more: str = "") -> str:
    """A spec from axes on one line, "M: 7; n_train: 9", and whatever else, likewise."""
    lines = "".join(f"  {line}\n" for line in axes.split("; "))
    return f"name: x\n{more}{chr(10) if more else ''}axes:\n{lines}{REST}"


def planned(axes: str, more: str = "") -> list[Trial]:
    return trials(open_text(spec(axes, more), "s.yaml").plan)


def problems(axes: str, more: str = "") -> list[str]:
    with pytest.raises(SpecError) as caught:
        open_text(spec(axes, more), "s.yaml")
    return [line.removeprefix("s.yaml:") for line in str(caught.value).splitlines()]


# ------------------------------------------------------------------ what is planned


def test_groups_are_planned_under_their_canonical_names() -> None:
    found = planned('group: [S4, "Z4xZ7", D6, Z5]; n_train: {fraction: 0.5}')
    assert [(one.group, one.group_order, one.n_train) for one in found] == [
        ("Z5", 5, 12), ("D6", 12, 72), ("S4", 24, 288), ("Z4×Z7", 28, 392),
    ]  # fmt: skip


def test_a_cyclic_group_is_the_same_trial_by_either_axis() -> None:
    by_M, by_name = (planned(f"{axis}; n_train: 60") for axis in ("M: 11", "group: Z11"))
    assert by_M == by_name


def test_groups_are_zipped_and_excluded_by_name() -> None:
    text = "zip: [[group, n_train]]\nexclude: [{group: Z4xZ7}, {group: [D6, S3]}]"
    found = planned('group: [S3, "Z4×Z7", D6, A4]; n_train: [20, 100, 30, 40]', text)
    assert [(one.group, one.n_train) for one in found] == [("A4", 40)]


def test_an_expression_is_planned_in_canonical_form() -> None:
    (found,) = planned("M: 7; n_train: 30", 'task: {expression: "y*x+ (x**2)"}')
    assert (found.group, found.expression, found.operands) == ("Z7", "y*x + x**2", 2)
    (found,) = planned("M: 7; n_train: 30", 'task: {expression: "x*y*z"}')
    assert found.operands == 3
    assert found.tuples == 343


def test_n_is_counted_out_of_the_pairs_that_have_a_value() -> None:
    found = planned("M: 7; n_train: {fraction: 0.5}", 'task: {expression: "x/y"}')
    assert [(one.n_train, one.tuples) for one in found] == [(21, 42)]


def test_operands_split_and_noise_reach_the_trials() -> None:
    found = planned("M: [7, 9]; n_train: 20; split: [uniform, balanced]; label_noise: [0, 0.1]")
    assert {(one.group_order, one.split, one.label_noise) for one in found} == {
        (M, split, noise) for M in (7, 9) for split in ("uniform", "balanced")
        for noise in (0.0, 0.1)
    }  # fmt: skip
    (found_one,) = planned("group: S3; n_train: 100", "task: {operands: 3}")
    assert (found_one.operands, found_one.tuples) == (3, 216)


def test_defaults_written_out_change_no_fingerprint() -> None:
    (plain,) = planned("M: 11; n_train: 60")
    (told,) = planned("M: 11; n_train: 60; label_noise: 0", "task: {operands: 2, split: uniform}")
    assert told.fingerprint == plain.fingerprint


def test_packs_are_of_one_task() -> None:
    text = spec('M: [7, 11]; expression: ["x*y", "x + y*z", "x - y"]; n_train: [20, 30]')
    plan = open_text(text, "s.yaml").plan
    rows = trials(plan)
    for pack in make_packs(plan, 2):
        assert len({(rows[i].group, rows[i].expression) for i in pack.rows}) == 1


def test_groups_of_one_order_have_other_candidates() -> None:
    """Else their brackets would agree by construction."""
    found = planned("group: [D6, A4, Z12]; n_train: {fraction: [0.2, 0.9]}", "design: boundary")
    sizes = [{one.n_train for one in found if one.group == name} for name in ("D6", "A4", "Z12")]
    assert len(sizes[0] & sizes[1]) < len(sizes[0]) / 2
    assert len(sizes[0] & sizes[2]) < len(sizes[0]) / 2


# ------------------------------------------------------------------ what is refused


WHOLE = "only whole numbers, variables, + - * / ** and parentheses may stand here"
CYCLIC = (
    "its Sylow 2-subgroups are cyclic, so that no set of M pairs has every left operand, right "
    "operand and target once (Hall and Paige)"
)


@pytest.mark.parametrize(
    ("axes", "more", "lines"),
    [
        ("n_train: 9", "", ["2 axes: give either M or group"]),
        ("M: 7; group: S3; n_train: 9", "", ["2 axes: give either M or group"]),
        ("M: 7; group: S3; n_train: 0", "",
         ["2 axes: give either M or group",
          "5 axes.n_train: found 0; should be greater than or equal to 1"]),
        ("group: [S3, C8, 5]; n_train: 9", "",
         ["3 axes.group[1]: unknown group 'C8': found 'C8'; did you mean Z8?",
          "3 axes.group[2]: found 5; should be a string"]),
        ("M: [7, 1]; n_train: 9", "",
         ["3 axes.M[1]: found 1; should be greater than or equal to 2"]),
        ("M: 7; n_train: 9", 'task: {expression: "sin(x) + y"}',
         [f"2 task.expression: found 'sin(x) + y'; calls sin; {WHOLE}"]),
        ("M: [7, 15]; n_train: 9", 'task: {expression: "x/y"}',
         ["2 task.expression: x/y divides, which needs a prime M; found 15 = 3·5"]),
        ("M: 7; n_train: 9", 'task: {expression: "x/(y - y)"}',
         ["2 task.expression: x/(y - y) has a value at no operands modulo 7"]),
        ("group: S3; n_train: 9", 'task: {expression: "x*y"}',
         ["2 task.expression: an expression is computed modulo M; give axes.M instead of "
          "axes.group"]),
        ("M: 7; n_train: 9", 'task: {expression: "x*y", operands: 3}',
         ["2 task.operands: found 3, but x*y has 2 variables"]),
        ("M: 7; split: uniform; n_train: 9", "task: {split: balanced}",
         ["2 task.split: is an axis too; give it here or under axes.split"]),
        ("M: [50, 200]; n_train: 9", "task: {operands: 3}",
         ["2 task.operands: 3 operands at M = 200 make 8,000,000 tuples; at most 4,194,304 can be "
          "held"]),
        ("group: [Z9, D5]; n_train: 9", "task: {split: balanced}",
         [f"2 task.split: D5 (M = 10) has no balanced split: {CYCLIC}"]),
        ("M: 9; n_train: [54, 55]", "task: {split: balanced}",
         ["5 axes.n_train: found 55, which at M = 9 gives no n_train between 1 and 54 (more pairs "
          "cannot be balanced reliably)"]),
        ("M: 7; n_train: 343", "task: {operands: 3}",
         ["5 axes.n_train: found 343, which at M = 7 gives no n_train between 1 and 342 (M^3 − 1: "
          "some tuples must be left to test on)"]),
        ("M: 7; n_train: 42", 'task: {expression: "x/y"}',
         ["5 axes.n_train: found 42, which at M = 7 gives no n_train between 1 and 41 (one less "
          "than the 42 tuples that have a value: some must be left)"]),
        ("group: S3; n_train: 36", "",
         ["4 axes.n_train: found 36, which at S3 (M = 6) gives no n_train between 1 and 35 (M² − "
          "1: some pairs must be left to test on)"]),
        ("group: S3; n_train: 9", "exclude: [{group: S4}, {group: 3}, {M: 7}]",
         ["2 exclude[0].group: 'S4' is not on the axis; it has S3",
          "2 exclude[1].group: 3 is not on the axis; it has S3",
          "2 exclude[2].M: M is no axis of this sweep"]),
        ("M: 7; n_train: 9; label_noise: 1", "",
         ["5 axes.label_noise: found 1; should be less than 1"]),
        ("M: 7; n_train: 9; split: latin", "",
         ["5 axes.split: found 'latin'; should be 'uniform' or 'balanced'"]),
    ],
)  # fmt: skip
def test_tasks_that_cannot_be_are_told_in_whole(axes: str, more: str, lines: list[str]) -> None:
    assert problems(axes, more) == lines
