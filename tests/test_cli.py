"""What a user types and sees: help, tables, JSON, figures, exit codes."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.analysis.report_sweep import write_report_sweep
from tests.commands import called

COMMANDS = [
    "plan",
    "run",
    "status",
    "show",
    "debug",
    "repair",
    "thresholds",
    "fit",
    "scaling",
    "collapse",
    "figures",
    "probes",
    "report",
    "paper",
    "landscape",
    "groups",
    "schema",
    "version",
]

FITTABLE = """\
name: fittable
axes:
  M: [5, 7, 9]
  n_train: {fraction: {from: 0.5, to: 0.95, count: 8}}
  hidden_size: 64
  learning_rate: 0.01
  weight_decay: 0.0002
  max_steps: 1500
"""


def sweeper(*words: str, code: int = 0) -> str:
    """Standard output, and standard error where the command fails."""
    answer = called(*words, code=code)
    return answer.stderr if code else answer.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished sweep."""
    folder = tmp_path_factory.mktemp("fittable")
    spec = folder / "fittable.yaml"
    spec.write_text(FITTABLE)
    sweeper("run", str(spec), "--results", str(folder), "--executor", "inline")
    return folder / "fittable"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    said = sweeper(command, "--help")
    assert "Example:" in said
    assert f"sweeper {command}" in said.split("Example:")[1]
    assert command in sweeper("--help")


def test_the_help_lists_nothing_else() -> None:
    lines = sweeper("--help").split("Commands:")[1].splitlines()
    assert [
        line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "
    ] == COMMANDS
    assert "..." not in "".join(lines)  # each says all of its line in 80 columns


def test_version_names_what_can_move_a_number() -> None:
    found = json.loads(sweeper("version", "--json"))
    assert {"sweeper", "python", "torch", "numpy", "ray", "pyarrow", "platform"} <= set(found)
    assert "torch" in sweeper("version")


def test_the_schema_is_a_json_schema() -> None:
    schema = json.loads(sweeper("schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == "SweepSpec"


def test_plan_counts_and_runs_nothing(tmp_path: Path) -> None:
    found = json.loads(
        sweeper("plan", "specs/quickstart.yaml", "--results", str(tmp_path), "--json")
    )
    assert (found["trials"], found["done"], found["missing"]) == (198, 0, 198)
    assert ["group_order", 11, 11, 31] in found["axes"]
    assert found["packs"] >= 11
    assert not list(tmp_path.iterdir())


def test_status_tells_how_far_a_sweep_is(results: Path) -> None:
    found = json.loads(sweeper("status", str(results), "--json"))
    assert (found["trials"], found["done"], found["driver"]) == (24, 24, None)
    assert [row["group"] for row in found["by_group"]] == ["Z5", "Z7", "Z9"]
    assert all(row["planned"] == 8 for row in found["by_group"])
    assert "fittable: 24 of 24 trials done" in sweeper("status", str(results))


def test_thresholds_as_table_and_as_json(results: Path) -> None:
    cells = json.loads(sweeper("thresholds", str(results), "--json"))
    assert [cell["group"] for cell in cells] == ["Z5", "Z7", "Z9"]
    for cell in cells:
        assert cell["status"] == "bracketed"
        assert cell["n_low"] < cell["n_c"] < cell["n_high"]
    table = sweeper("thresholds", str(results))
    assert "Z7" in table
    assert f"{cells[1]['n_low']:.0f}–{cells[1]['n_high']:.0f}" in table


def test_fit_gives_both_laws_and_a_verdict(results: Path) -> None:
    fits = json.loads(sweeper("fit", str(results), "--json"))
    assert [one["form"] for one in fits] == ["power", "theorem_4"]
    for one in fits:
        assert one["law"]["beta"]["low"] < one["law"]["beta"]["value"] < one["law"]["beta"]["high"]
        assert "two_layer, K 64, square, mse, adam" in one["verdict"]
        assert one["horizon_check"]["status"]
    said = sweeper("fit", str(results))
    assert "power law" in said
    assert "Horizon: β is " in said


def test_settings_are_fitted_together_over_covariates(tmp_path: Path) -> None:
    write_report_sweep(tmp_path)
    names = ["--covariates", "learning_rate, weight_decay"]
    power, _ = json.loads(sweeper("fit", str(tmp_path), *names, "--json"))
    slopes = power["covariates"]["slopes"]
    # 8 % more with half the decay, and nothing with the rate
    assert slopes["weight_decay"]["value"] == pytest.approx(-0.111, abs=0.05)
    assert slopes["learning_rate"]["value"] == pytest.approx(0, abs=0.02)
    assert "at the mean of 4 settings" in power["verdict"]
    assert power["horizon_check"]["status"]
    said = sweeper("fit", str(tmp_path), "--covariates", "learning_rate,width", code=2)
    assert said.splitlines() == [
        "width is no axis of a setting; valid are learning_rate, weight_decay, hidden_size,"
        " max_steps",
        "weight_decay varies too: pick one of its values, or take it in",
    ]
    assert "needs the settings of RESULTS" in sweeper(
        "fit", "--thresholds", "t.csv", *names, code=2
    )


def test_figures_are_drawn_where_they_are_told(results: Path, tmp_path: Path) -> None:
    phases = ["--phase-axes", "n_train, group_order", "--phase-gap", "100"]
    said = sweeper("figures", str(results), "--out", str(tmp_path), *phases).split()
    assert sorted(said) == sorted(str(path) for path in tmp_path.iterdir())
    names = {path.name for path in tmp_path.iterdir()}
    assert {
        "phases.png",
        "phase_diagram.png",
        "phase_diagram.svg",
        "boundary.png",
        "curves-Z5.svg",
    } <= names
    assert all(path.stat().st_size > 5000 for path in tmp_path.iterdir())


def test_the_report_is_one_file_and_says_where(results: Path, tmp_path: Path) -> None:
    said = sweeper("report", str(results), "--out", str(tmp_path / "deep" / "page.html"))
    assert said.strip() == str(tmp_path / "deep" / "page.html")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["page.html"]
    assert sweeper("report", str(results)).strip() == str(results / "report.html")
    assert "two_layer, K 64, square, mse, adam" in (results / "report.html").read_text()
    none = sweeper("report", str(results), "--laws", str(tmp_path / "no.yaml"), code=2)
    assert "No such file" in none


def test_axes_of_the_phases_that_are_none_are_told(results: Path) -> None:
    said = sweeper("figures", str(results), "--phase-axes", "learning_rat,n_train", code=2)
    assert "learning_rat is no axis of a phase diagram; valid are" in said


def test_collapse_says_what_is_missing(results: Path) -> None:
    assert "no collapse, because fewer than four orders have" in sweeper("collapse", str(results))
    (one,) = json.loads(sweeper("collapse", str(results), "--json"))
    assert (one["status"], one["inverse_nu"]) == ("too_few_orders", None)
    assert one["verdict"].startswith("two_layer, K 64, square, mse, adam")


@pytest.mark.parametrize(
    "command", ["status", "thresholds", "fit", "collapse", "figures", "report"]
)
def test_a_folder_without_results_is_told(command: str, tmp_path: Path) -> None:
    said = sweeper(command, str(tmp_path / "none"), code=2)
    assert str(tmp_path / "none") in said
    assert "Traceback" not in said
    assert not (tmp_path / "none").exists()


def test_a_broken_shard_is_named_by_every_reader(results: Path, tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "a.parquet").write_bytes(b"not parquet")
    for command in ("thresholds", "fit", "collapse", "figures", "report"):
        said = sweeper(command, str(tmp_path), code=2)
        assert f"{tmp_path}/records/a.parquet: cannot read this shard" in said
        assert "Traceback" not in said


def test_bad_input_has_exit_code_2(tmp_path: Path) -> None:
    spec = tmp_path / "bad.yaml"
    spec.write_text("name: bad\n")
    for command in ("plan", "run"):
        said = sweeper(command, str(spec), "--results", str(tmp_path / "r"), code=2)
        assert said.startswith(f"{spec}:1 axes: missing")
    assert "No such file" in sweeper("plan", str(tmp_path / "none.yaml"), code=2)
    assert not (tmp_path / "r").exists()
