"""What is wrong with a spec is told in whole, each problem with its line and its place."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import open_sweep, open_text
from tests.spec.good import AXES, GOOD, problems, with_axis


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
        "valid keys are from, to, count, step, or log, count",
        "s.yaml:5 axes.hidden_size: found 'wide'; should be a whole number",
        "s.yaml:6 axes.learning_rate.log[1]: found 'a'; should be a number",
        "s.yaml:7 axes.weight_decay: found nan; should be a finite number",
        "s.yaml:8 axes.max_steps: found []; should have at least 1 item, not 0",
        "s.yaml:9 axes.seed: found 0; a number of seeds should be between 1 and 100,000",
        "s.yaml:10 axes.lr: unknown key; did you mean learning_rate? valid keys are "
        "M, group, expression, split, n_train, hidden_size, learning_rate, weight_decay, "
        "max_steps, label_noise, network, activation, loss, optimizer, schedule, "
        "linear_term, output_scale, output_multiplier, ridge, layers, heads, embedding_size, "
        "batch_size, momentum, warmup_steps, decay_every, decay_factor, seed, split_seed, "
        "init_seed",
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
        ("", ["s.yaml:1: should be a mapping with name and axes, found nothing"]),
        ("- 1\n", ["s.yaml:1: should be a mapping with name and axes, found [1]"]),
        (
            GOOD + "name: better\ntask: {split: uniform, split: balanced}\nname: x\n",
            ["s.yaml:9 name: stands twice; the first is on line 1",
             "s.yaml:10 task.split: stands twice; the first is on line 10",
             "s.yaml:11 name: stands twice; the first is on line 1"],
        ),
        (
            with_axis(M="[!!int x, 11, !!int ]") + "description: !!bool maybe\nreuse: [!x y]\n"
            "modules: !!set {}\n? [M]\n: 1\n",
            ["s.yaml:3 axes.M[0]: found 'x', which cannot be read as !!int",
             "s.yaml:3 axes.M[0]: found 'x'; should be a whole number",
             "s.yaml:3 axes.M[2]: found '', which cannot be read as !!int",
             "s.yaml:3 axes.M[2]: found ''; should be a whole number",
             "s.yaml:9 description: found 'maybe', which cannot be read as !!bool",
             "s.yaml:10 reuse[0]: found 'y', which cannot be read as !x",
             "s.yaml:11 modules: found !!set; lists and mappings have no tags here",
             "s.yaml:11 modules: found {}; should be a list",
             "s.yaml:12: found a list or a mapping as a key"],
        ),
        (
            with_axis(learning_rate="2001-13-45") + 'reuse: ["a\\0", "\\ud800"]\n"\\e[1m\\n": 1\n',
            ["s.yaml:6 axes.learning_rate: found '2001-13-45'; should be a number",
             "s.yaml:9 reuse[0]: found 'a\\x00'; NUL and halves of surrogate pairs "
             "are no characters",
             "s.yaml:9 reuse[1]: found '\\ud800'; NUL and halves of surrogate pairs "
             "are no characters",
             "s.yaml:10 '\\x1b[1m\\n': unknown key; valid keys are name, description, task, axes, "
             "zip, exclude, model, training, modules, resources, design, probes, reuse, trackers"],
        ),
        ("%YAML 1.1\n---\nM: 010\n", ["s.yaml:1: calls itself YAML 1.1; a spec is YAML 1.2"]),
        ("a: &a [*a]\n", ["s.yaml:1: is nested too deeply, or holds itself"]),
        (f"a: {'[' * 2000}{']' * 2000}\n", ["s.yaml:1: is nested too deeply, or holds itself"]),
        (
            "a: [1\nb: 2\n",
            ["s.yaml:2: is not YAML: while parsing a flow sequence from line 1 on, expected ',' "
             "or ']', but got ':'"],
        ),
        ("a:\n\tb: 1\n", ["s.yaml:2: is not YAML: a tab, where YAML takes blanks alone"]),
        (
            "a:\n  b: 1\n   c: 2\n",
            ["s.yaml:3: is not YAML: mapping values are not allowed here"],
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            ["s.yaml:3: is not YAML: indented otherwise than the lines that it goes with"],
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
            with_axis(n_train="{fractions: 0.5}", learning_rate="{lgo: [1, 2], count: 3}"),
            ["s.yaml:4 axes.n_train.fraction: missing (n/M², between 0 and 1)",
             "s.yaml:4 axes.n_train.fractions: unknown key; did you mean fraction? valid keys are "
             "fraction",
             "s.yaml:6 axes.learning_rate.from: missing (First value)",
             "s.yaml:6 axes.learning_rate.lgo: unknown key; did you mean log? valid keys are from, "
             "to, count, step, or log, count",
             "s.yaml:6 axes.learning_rate.to: missing (Last value)"],
        ),
        (
            with_axis(M="null", group="S3", learning_rate="-1"),
            ["s.yaml:6 axes.learning_rate: found -1; should be greater than 0",
             "s.yaml:4 axes.n_train: found 60, 70, which at S3 (M = 6) gives no n_train between 1 "
             "and 35 (M² − 1: some pairs must be left to test on)"][::-1],
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
            GOOD + "zip: [[ridge, M]]\nexclude:\n  - {M: 12}\n  - {init_seed: 1}\n"
            "  - {M: [11, 12, true, null]}\n",
            ["s.yaml:13 exclude[2].M[2]: found True; should be a number",
             "s.yaml:13 exclude[2].M[3]: found nothing; should be a number"],
        ),
        (
            GOOD + "zip: [[ridge, M]]\nexclude:\n  - {M: 12}\n  - {init_seed: 1}\n"
            "  - {M: [11, 12]}\n",
            ["s.yaml:9 zip[0][0]: ridge is no axis of this sweep",
             "s.yaml:11 exclude[0].M: 12 is not on the axis; it has 11, 13",
             "s.yaml:12 exclude[1].init_seed: init_seed is no axis of this sweep",
             "s.yaml:13 exclude[2].M[1]: 12 is not on the axis; it has 11, 13"],
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


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            GOOD + "training: {max_steps: 5, lr: 1}\nmodel: {hidden_size: 9, loss: mse}\nseed: 3\n",
            ["s.yaml:9 training.lr: unknown key here; learning_rate belongs under axes",
             "s.yaml:9 training.max_steps: unknown key here; max_steps belongs under axes",
             "s.yaml:10 model.hidden_size: unknown key here; hidden_size belongs under axes",
             "s.yaml:10 model.loss: unknown key here; loss belongs under axes or training",
             "s.yaml:11 seed: unknown key here; seed belongs under axes"],
        ),
        (
            with_axis(n_train="[60, 0.5]"),
            ["s.yaml:4 axes.n_train[1]: found 0.5; should be a number of pairs; a share of M² is "
             "{fraction: 0.5}"],
        ),
        (
            with_axis(n_train="{fractions: 0.5}"),
            ["s.yaml:4 axes.n_train.fraction: missing (n/M², between 0 and 1)",
             "s.yaml:4 axes.n_train.fractions: unknown key; did you mean fraction? valid keys are "
             "fraction"],
        ),
        (
            with_axis(learning_rate="{start: 1, to: 2, count: 2}"),
            ["s.yaml:6 axes.learning_rate.from: missing (First value)",
             "s.yaml:6 axes.learning_rate.start: unknown key; did you mean from? valid keys are "
             "from, to, count, step, or log, count"],
        ),
        (with_axis(M=""), ["s.yaml:2 axes: M has no value"]),
        (
            with_axis(loss="cross-entropy", activation="ReLU"),
            ["s.yaml:9 axes.loss: found 'cross-entropy'; did you mean cross_entropy? there are "
             "mse, cross_entropy, stablemax, and those of your own under modules",
             "s.yaml:10 axes.activation: found 'ReLU'; did you mean relu? there are square, relu, "
             "relu_square, silu, gelu, and those of your own under modules"],
        ),
        (
            GOOD + "design: grids\n",
            ["s.yaml:9 design: found 'grids'; did you mean grid? should be 'grid', 'boundary' or "
             "'refine'"],
        ),
    ],
)  # fmt: skip
def test_slips_are_told_with_what_was_meant(text: str, lines: list[str]) -> None:
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


def test_a_search_and_absent_modules_are_told_beside_other_problems() -> None:
    text = with_axis(n_train="60", learning_rate="-1") + "design: boundary\nmodules: [absent_one]\n"
    assert problems(text) == [
        "s.yaml:4 axes.n_train: found 60 alone; a search needs two ends of a range",
        "s.yaml:6 axes.learning_rate: found -1; should be greater than 0",
        "s.yaml:10 modules[0]: no file absent_one.py beside the spec "
        f"({Path.cwd()}) or on Python's path",
    ]
    assert len(problems(GOOD + "zip: [[M, seed]]\nmodules: [absent_one]\n")) == 2


def test_what_belongs_to_a_misspelt_learner_is_not_held_against_it() -> None:
    text = with_axis(heads="[2, 4]") + "model: {kind: transfomer}\nzip: [[M, heads, seed]]\n"
    first, second = problems(text)
    assert first.startswith("s.yaml:10 model.kind: found 'transfomer'; did you mean transformer?")
    assert second.startswith("s.yaml:11 zip[0]: axes of different lengths")


def test_problems_are_told_in_the_order_of_the_file() -> None:
    places = [line.split()[1] for line in problems(with_axis(M=str([1] * 12)))]
    assert places == [f"axes.M[{i}]:" for i in range(12)]


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.yaml: cannot be read: No such file or directory"):
        open_sweep(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        open_sweep(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="is no UTF-8 text: invalid start byte at byte 0"):
        open_sweep(tmp_path / "binary.yaml")
    with pytest.raises(SpecError, match=r"/dev/zero: larger than 2,000,000 bytes; this is no spec"):
        open_sweep("/dev/zero")


def test_ends_of_lines_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert open_sweep(tmp_path / "s.yaml").text == GOOD


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
