import json
import math
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import open_sweep, open_text

AXES = """\
  M: [11, 13]
  n_train: [60, 70]
  hidden_size: 64
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 100
"""
GOOD = f"name: good\naxes:\n{AXES}"


def problems(text: str) -> list[str]:
    """The lines of the error that a spec gives."""
    with pytest.raises(SpecError) as caught:
        open_text(text, "s.yaml")
    return str(caught.value).splitlines()


def column(text: str, name: str) -> list[float]:
    return open_text(text, "s.yaml").plan[name].to_pylist()


def with_axis(**lines: str) -> str:
    """GOOD with some axes written differently."""
    text = GOOD
    for name, value in lines.items():
        old = [line for line in text.splitlines() if line.startswith(f"  {name}:")]
        text = text.replace(old[0], f"  {name}: {value}") if old else text + f"  {name}: {value}\n"
    return text


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


def test_the_plan_does_not_depend_on_the_order_of_keys() -> None:
    turned = "axes:\n" + "\n".join(reversed(AXES.splitlines())) + "\nname: good\n"
    assert open_text(turned, "s.yaml").plan.equals(open_text(GOOD, "s.yaml").plan)


# ------------------------------------------------------------------ what is refused


def test_every_problem_is_told_at_once_with_its_place() -> None:
    text = """\
name: ../../etc
axes:
  M: [7, 1]
  n_train: {times_m_log_m: {from: 1.5, to: 4.0, cont: 3}}
  hidden_size: wide
  learning_rate: {log: [0.002, a], count: 3}
  weight_decay: .nan
  max_steps: []
  seed: 0
  lr: 0.1
trainin: {}
training: {loss: ce, eval_every: 0}
"""
    assert problems(text) == [
        "s.yaml:1 name: found '../../etc'; should be 1 to 100 letters, digits, '.', '_' or '-', "
        "not starting with a sign",
        "s.yaml:3 axes.M[1]: found 1; should be greater than or equal to 2",
        "s.yaml:4 axes.n_train.times_m_log_m.cont: unknown key; did you mean count? "
        "valid keys are from, to, count, step",
        "s.yaml:5 axes.hidden_size: found 'wide'; should be a whole number",
        "s.yaml:6 axes.learning_rate.log[1]: found 'a'; should be a number",
        "s.yaml:7 axes.weight_decay: found nan; should be a finite number",
        "s.yaml:8 axes.max_steps: found []; should have at least 1 item, not 0",
        "s.yaml:9 axes.seed: found 0; a number of seeds should be between 1 and 100,000",
        "s.yaml:10 axes.lr: unknown key; valid keys are M, group, expression, split, n_train, "
        "hidden_size, learning_rate, weight_decay, max_steps, label_noise, network, activation, "
        "loss, optimizer, schedule, linear_term, output_scale, output_multiplier, ridge, layers, "
        "heads, embedding_size, batch_size, momentum, warmup_steps, decay_every, decay_factor, "
        "seed, split_seed, init_seed",
        "s.yaml:11 trainin: unknown key; did you mean training? valid keys are name, description, "
        "task, axes, zip, exclude, model, training, modules, resources, design, probes, reuse, "
        "trackers",
        "s.yaml:12 training.eval_every: found 0; should be greater than or equal to 1",
        "s.yaml:12 training.loss: found 'ce'; there are mse, cross_entropy, stablemax, and those "
        "of your own under modules",
    ]


def test_too_many_pairs_are_told_beside_other_problems() -> None:
    text = with_axis(M="[7, 11]", n_train="{times_m_log_m: [2, 4.9]}", learning_rate="-1")
    assert problems(text) == [
        "s.yaml:4 axes.n_train.times_m_log_m: found 4.9, which at M = 7 gives no n_train between 1 "
        "and 48 (M² − 1: some pairs must be left to test on)",
        "s.yaml:4 axes.n_train.times_m_log_m: found 4.9, which at M = 11 gives no n_train between "
        "1 and 120 (M² − 1: some pairs must be left to test on)",
        "s.yaml:6 axes.learning_rate: found -1; should be greater than 0",
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["s.yaml:1: should be a mapping with name and axes, found None"]),
        ("- 1\n", ["s.yaml:1: should be a mapping with name and axes, found [1]"]),
        ("a: 1\na: 2\n", ["s.yaml:2: key 'a' stands twice; the first is on line 1"]),
        (
            "a: [1\nb: 2\n",
            ["s.yaml:2: is not YAML: while parsing a flow sequence expected ',' or ']', "
             "but got ':'"],
        ),
        ("a: *b\n", ["s.yaml:1: is not YAML: found undefined alias 'b'"]),
        (
            "name: x\n",
            ["s.yaml:1 axes: missing (What is swept. All combinations are run, but for zip and "
             "exclude)"],
        ),
        (
            with_axis(n_train="[0, 60]"),
            ["s.yaml:4 axes.n_train[0]: found 0; should be greater than or equal to 1"],
        ),
        (
            with_axis(n_train="[121]", M="11"),
            ["s.yaml:4 axes.n_train: found 121, which at M = 11 gives no n_train between 1 and 120 "
             "(M² − 1: some pairs must be left to test on)"],
        ),
        (
            with_axis(n_train="{fraction: 1.0}"),
            ["s.yaml:4 axes.n_train.fraction: found 1.0; should be less than 1"],
        ),
        (
            with_axis(learning_rate=".inf"),
            ["s.yaml:6 axes.learning_rate: found inf; should be a finite number"],
        ),
        (
            with_axis(learning_rate="{from: 0.1, to: 0.2}"),
            ["s.yaml:6 axes.learning_rate: give either count or step"],
        ),
        (
            with_axis(max_steps="true"),
            ["s.yaml:8 axes.max_steps: found True; should be a whole number"],
        ),
        (
            with_axis(seed="2", init_seed="2"),
            ["s.yaml:2 axes: give either seed, or split_seed and init_seed"],
        ),
        (
            GOOD + "zip:\n  - [M, seed]\n  - [M, learning_rate]\n",
            ["s.yaml:10 zip[0]: axes of different lengths (M 2, seed 1) cannot be zipped",
             "s.yaml:11 zip[1]: axes of different lengths (M 2, learning_rate 1) cannot be zipped",
             "s.yaml:11 zip[1][0]: M is zipped twice"],
        ),
        (
            GOOD + "exclude:\n  - {M: 12}\n  - {init_seed: 1}\n",
            ["s.yaml:10 exclude[0].M: 12 is not on the axis; it has 11, 13",
             "s.yaml:11 exclude[1].init_seed: init_seed is no axis of this sweep"],
        ),
        (
            GOOD + "exclude:\n  - {M: [11, 13]}\n",
            ["s.yaml:9 exclude: leaves no trial at all"],
        ),
        (
            with_axis(learning_rate="{from: 1, to: 2, count: 100000}",
                      weight_decay="{from: 1, to: 2, count: 1000}"),
            ["s.yaml:2 axes: 400,000,000 combinations; at most 10,000,000 make one sweep"],
        ),
        (
            with_axis(max_steps="100000000"),
            ["s.yaml:8 axes.max_steps: 4,000,000 evaluations a trial, by training.eval_every; at "
             "most 100,000 can be kept"],
        ),
        (
            GOOD + "task: {group: dihedral}\n",
            ["s.yaml:9 task.group: found 'dihedral'; should be 'cyclic'"],
        ),
        (
            GOOD + "trackers: [tensorboard]\n",
            ["s.yaml:9 trackers: found ['tensorboard']; should be a mapping from tensorboard, "
             "mlflow, wandb to their options, such as {tensorboard, mlflow: {experiment: mine}}"],
        ),
        (
            GOOD + "trackers: {mlfow, mlflow: {uri: x}, tensorboard: {a: 1}, wandb: 5}\n",
            ["s.yaml:9 trackers.mlflow.uri: unknown key; valid keys are tracking_uri, experiment",
             "s.yaml:9 trackers.mlfow: unknown key; did you mean mlflow? valid keys are "
             "tensorboard, mlflow, wandb",
             "s.yaml:9 trackers.tensorboard.a: unknown key; valid keys are none",
             "s.yaml:9 trackers.wandb: found 5; should be a mapping"],
        ),
    ],
)  # fmt: skip
def test_bad_specs_are_told_in_whole(text: str, lines: list[str]) -> None:
    assert problems(text) == lines


def test_a_range_of_whole_numbers_is_not_rounded() -> None:
    text = with_axis(M="{from: 5, to: 10, count: 3}", n_train="{fraction: 0.5}")
    assert problems(text) == ["s.yaml:3 axes.M: steps on 7.5; only whole numbers will do"]


def test_combinations_are_checked_beside_other_problems() -> None:
    text = with_axis(n_train="[60, 99]") + "zip:\n  - [M, seed]\ntraining: {loss: ce}\n"
    assert problems(text) == [
        "s.yaml:10 zip[0]: axes of different lengths (M 2, seed 1) cannot be zipped",
        "s.yaml:11 training.loss: found 'ce'; there are mse, cross_entropy, stablemax, and those "
        "of your own under modules",
    ]


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.yaml: cannot be read: No such file or directory"):
        open_sweep(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        open_sweep(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="is no UTF-8 text: invalid start byte at byte 0"):
        open_sweep(tmp_path / "binary.yaml")


def test_a_spec_never_runs_code(tmp_path: Path) -> None:
    target = tmp_path / "made"
    evil = f"name: !!python/object/apply:os.mkdir ['{target}']\naxes:\n{AXES}"
    with pytest.raises(SpecError):
        open_text(evil, "s.yaml")
    assert not target.exists()


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    (line,) = problems("\n".join(lines))
    assert "more than 1,000,000 keys and values, aliases written out" in line


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
)


@settings(deadline=None, max_examples=200)
@given(
    name=st.sampled_from(["name", "axes", "zip", "exclude", "task", "training", "resources"])
    | st.text(max_size=5),
    axis=st.sampled_from(["M", "n_train", "learning_rate", "seed", "max_steps"]),
    tree=TREES,
    range_=st.fixed_dictionaries(
        {"from": LEAVES, "to": LEAVES}, optional={"count": LEAVES, "step": LEAVES}
    ),
)
def test_no_spec_makes_a_traceback(name: str, axis: str, tree: object, range_: object) -> None:
    """Whatever is written, the answer is a plan or a SpecError."""
    base = {"name": "x", "axes": {"M": 5, "n_train": 5, "hidden_size": 4, "learning_rate": 1.0,
                                  "weight_decay": 0.0, "max_steps": 1}}  # fmt: skip
    for data in (base | {name: tree}, {**base, "axes": {**base["axes"], axis: range_}},
                 {**base, "axes": {**base["axes"], axis: tree}}):  # fmt: skip
        with suppress(SpecError):
            assert open_text(json.dumps(data), "s.yaml").plan.num_rows > 0


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
clock = time.monotonic()
rows = open_text(sys.stdin.read(), "million.yaml").plan.num_rows
seconds = time.monotonic() - clock
# of this process alone; its ru_maxrss begins with that of the process that forked it
print(rows, seconds, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_a_million_trials_are_planned_in_20_seconds_and_1_gigabyte() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE], input=MILLION, capture_output=True, text=True, check=True
    )
    rows, seconds, kilobytes = map(float, answer.stdout.split())
    assert rows > 990_000
    assert seconds < 20
    assert kilobytes < 1_000_000
