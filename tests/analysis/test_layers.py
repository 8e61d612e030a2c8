"""What the probe of layers measured, as a frame and a figure, of small sweeps that were run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import load, load_probe_summaries, load_probed_layers, load_probed_run, load_probes
from analysis.figures import draw_dynamics, layers_over_steps
from analysis.report import write_report
from sweeper.store.probes import INDICATORS
from sweeper.store.results import ResultsFolder
from tests.commands import called

SPEC = """\
name: layered
axes:
  M: 7
  n_train: [30, 40]
  hidden_size: 16
  learning_rate: 0.01
  weight_decay: 0.0005
  max_steps: 100
  seed: 2
training: {stop_at_target: false}
"""
DEEP = "axes:\n  layers: [2, 3]\n"
NETS = {
    "a": SPEC.replace("axes:\n", DEEP) + "model: {kind: residual}\nprobes: [layers]\n",
    "b": SPEC + "model: {kind: embedding, embedding_size: 8, activation: relu}\nprobes: [layers]\n",
    "c": SPEC + "probes: [stages]\n",
}
ROWS, KINDS = 9, 3


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder: two depths, the notes' net, and the theory's without the probe."""
    place = tmp_path_factory.mktemp("layered")
    for name, text in NETS.items():
        (place / f"{name}.yaml").write_text(text)
        called("run", place / f"{name}.yaml", "--results", place, "--executor", "inline")
    return place / "layered"


@pytest.fixture(scope="module")
def records(layered: Path) -> pd.DataFrame:
    return load(layered).merge(load_probe_summaries(layered)[["fingerprint", "irreps"]])


def test_measurements_and_matrices_are_rows(layered: Path) -> None:
    frame = load_probed_layers(layered)
    rows = ResultsFolder.at(layered).probes().to_pylist()
    probed = {row["fingerprint"]: row for row in rows if row["layer"] is not None}
    assert len(rows) == 16
    assert len(probed) == 12
    assert set(frame["fingerprint"]) == set(probed)
    for mark, part in frame.groupby("fingerprint"):
        row = probed[str(mark)]
        many = len(row["layer"])
        assert part["layer"].tolist() == row["layer"] * len(row["step"])
        assert part["step"].tolist() == list(np.repeat(row["step"], many))
        for name in INDICATORS["layers"]:
            expected = np.array(row[name], float).ravel()
            np.testing.assert_array_equal(part[name.removeprefix("layer_")], expected)
    neurons = frame["layer"].str.startswith("W")
    assert frame.loc[neurons, "label_cosine"].notna().all()
    assert frame.loc[~neurons, "label_cosine"].isna().all()
    some = [*probed][:3]
    assert set(load_probed_layers(layered, some)["fingerprint"]) == set(some)
    assert load_probed_layers(layered, []).empty


def test_rows_of_other_probes_leave_them_out(layered: Path) -> None:
    frame = load_probes(layered)
    assert not [name for name in frame.columns if name.startswith("layer")]
    assert frame["fingerprint"].nunique() == 16
    mark = load_probed_layers(layered)["fingerprint"].iloc[0]
    run = load_probed_run(layered, mark)
    assert run.probes["layer"].tolist()[-1] == "V"
    assert run.probes["layer_W_norm"].shape == (len(run.probes["step"]), len(run.probes["layer"]))


def test_sweeps_without_the_probe_have_no_rows_and_no_figure(tmp_path: Path) -> None:
    for name, more in (("without", ""), ("stages", "probes: [stages]\n")):
        text = SPEC.replace("layered", name).replace("100", "20")
        (tmp_path / f"{name}.yaml").write_text(text + more)
        called("run", tmp_path / f"{name}.yaml", "--results", tmp_path, "--executor", "inline")
        assert load_probed_layers(tmp_path / name).empty
        assert "layers" not in draw_dynamics(tmp_path / name, load(tmp_path / name))


def panel(figure: Figure, row: int, column: int) -> Axes:
    return figure.axes[row * KINDS + column]


def test_lines_are_medians_over_the_runs_of_a_kind_of_net(
    layered: Path, records: pd.DataFrame
) -> None:
    frame = load_probed_layers(layered)
    figure = layers_over_steps(records, frame)
    assert len(figure.axes) == ROWS * KINDS
    titles = [
        panel(figure, 0, i).get_title().replace("\N{NO-BREAK SPACE}", " ").replace("\n", " ")
        for i in range(KINDS)
    ]
    assert titles == [
        "embedding, relu (4 runs)",
        "residual, 2 layers, square (4 runs)",
        "residual, 3 layers, square (4 runs)",
    ]
    deep = records[records["layers"] == 3]["fingerprint"]
    own = frame[frame["fingerprint"].isin(deep)]
    for row, name, layers in ((0, "W_norm", ["V", "W1", "W2"]), (3, "energy_alignment", None)):
        lines = [line for line in panel(figure, row, 2).get_lines() if len(line.get_xdata()) > 2]
        drawn = sorted(np.asarray(line.get_ydata()).tolist() for line in lines)
        medians = own.pivot_table(name, "layer", "step", aggfunc="median")
        expected = medians.loc[layers or ["W1", "W2"]].to_numpy().tolist()
        np.testing.assert_allclose(drawn, sorted(expected))
    (theory,) = (line for line in panel(figure, 3, 2).get_lines() if line.get_linestyle() == "--")
    assert theory.get_ydata()[0] == 1
    (irreps,) = (line for line in panel(figure, 8, 0).get_lines() if line.get_linestyle() == "--")
    assert irreps.get_ydata()[0] == 3


def test_no_line_goes_on_where_half_of_the_runs_have_ended(
    layered: Path, records: pd.DataFrame
) -> None:
    frame = load_probed_layers(layered)
    runs = records[records["layers"] == 2]
    short = runs["fingerprint"].iloc[:2]
    ended = frame[~(frame["fingerprint"].isin(short) & (frame["step"] > 16))]
    figure = layers_over_steps(runs, ended[ended["fingerprint"].isin(runs["fingerprint"])])
    assert max(figure.axes[0].get_lines()[0].get_xdata()) == 16


def test_figures_and_report_show_them(layered: Path, tmp_path: Path) -> None:
    assert set(draw_dynamics(layered, load(layered))) == {"stages", "layers"}
    assert "layered/figures/layers.png" in called("figures", layered).output
    page = write_report(layered, tmp_path / "report.html").read_text()
    assert "Layer by layer: norms, alignment" in page
