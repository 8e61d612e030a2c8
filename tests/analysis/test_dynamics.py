"""What probes measured, as frames and figures, of a small sweep that was really run."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from analysis import load, load_probe_summaries, load_probed_run, load_probes
from analysis.dynamics import ProbedRun
from analysis.figures import draw_dynamics, irreps_learned, stage_timeline, strip
from analysis.figures.strip import STAGE_COLOURS
from analysis.report import write_report
from sweeper.store.results import ResultsError, ResultsFolder
from tests.commands import called

SPEC = """\
name: seen
axes:
  group: [Z7, S3]
  n_train: {fraction: [0.6, 0.9]}
  hidden_size: 32
  learning_rate: 0.01
  weight_decay: 0.0005
  max_steps: 600
  seed: 2
training: {stop_at_target: false}
probes: {measure: [stages, energy, irreps], frames: 6, neurons: 12}
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder; of the trials with S3 there are no energies."""
    place = tmp_path_factory.mktemp("seen")
    for name, text in (
        ("a", SPEC.replace("[Z7, S3]", "S3").replace("energy, ", "")),
        ("b", SPEC.replace("[Z7, S3]", "Z7")),
        ("c", SPEC.replace("[Z7, S3]", "Z5").partition("probes:")[0]),
    ):
        (place / f"{name}.yaml").write_text(text)
        called("run", place / f"{name}.yaml", "--results", place, "--executor", "inline")
    return place / "seen"


@pytest.fixture(scope="module")
def records(seen: Path) -> pd.DataFrame:
    return load(seen)


def one(seen: Path, records: pd.DataFrame, group: str) -> ProbedRun:
    runs = records[(records["group"] == group)].sort_values("n_train")
    return load_probed_run(seen, runs["fingerprint"].iloc[-1])


def with_irreps(seen: Path) -> pd.DataFrame:
    summaries = load_probe_summaries(seen)[["fingerprint", "irreps"]]
    return load_probes(seen).merge(summaries, on="fingerprint")


def test_measurements_are_rows(seen: Path, records: pd.DataFrame) -> None:
    frame = load_probes(seen)
    rows = {row["fingerprint"]: row for row in ResultsFolder.at(seen).probes().to_pylist()}
    assert len(rows) == 8
    assert not {"irrep_neurons", "height_counts", "neuron", "irrep"} & set(frame.columns)
    for name, part in frame.groupby("fingerprint"):
        row = rows[str(name)]
        assert part["step"].tolist() == row["step"]
        assert part["purity"].tolist() == row["purity"]
        assert part["height"].isna().all() == (row["height"] is None)
        assert part["grad_features"].isna().all()
        assert part["step"].iloc[-1] == records.set_index("fingerprint").loc[name, "final_step"]
    some = [*rows][:3]
    assert set(load_probes(seen, some)["fingerprint"]) == set(some)


def test_summaries_are_those_of_the_records(seen: Path, records: pd.DataFrame) -> None:
    found = load_probe_summaries(seen).set_index("fingerprint")
    known = records.set_index("fingerprint").loc[found.index]
    for name in ("independent_step", "interactive_step", "settled_step", "irreps_covered"):
        pd.testing.assert_series_equal(found[name], known[name].astype("Int64"))
    assert found.groupby(known["group"])["irreps"].unique().map(list).to_dict() == {
        "S3": [2], "Z7": [3],
    }  # fmt: skip
    assert set(records[records["group"] == "Z5"]["probes"]) == {""}


def test_a_run_that_was_not_probed_is_told(seen: Path, records: pd.DataFrame) -> None:
    name = records[records["group"] == "Z5"]["fingerprint"].iloc[0]
    with pytest.raises(ResultsError, match=f"^{name} was not probed; `probes` in its spec and "):
        load_probed_run(seen, name)
    assert called("probes", seen, name, code=2).output.startswith(f"{name} was not probed")
    assert "no record in" in called("probes", seen, "0" * 32, code=2).output


def panels(figure: Figure, label: str) -> list[Axes]:
    return [axes for axes in figure.axes if label in (axes.get_ylabel() + axes.get_xlabel())]


def test_a_strip_shows_frames_energies_and_stages(seen: Path, records: pd.DataFrame) -> None:
    run = one(seen, records, "Z7")
    figure = strip(run)
    spectra = [axes for axes in figure.axes if axes.get_images()]
    shown = [axes.get_title() for axes in spectra]
    steps = run.probes["frame_step"]
    assert shown[0] == f"step {steps[0]:,.0f}"
    assert shown[-1] == f"step {steps[-1]:,.0f}"
    assert len(shown) == 5
    last = np.asarray(spectra[-1].get_images()[0].get_array())
    assert sorted(last.sum(axis=1)) == pytest.approx(np.ones(12), abs=1e-5)
    np.testing.assert_allclose(
        np.sort(last, axis=None), np.sort(run.probes["neuron_share"][-1], None)
    )
    places = last.argmax(axis=1)
    assert (np.diff(places) >= 0).all()  # sorted by the irrep that they end in
    energies = [axes for axes in figure.axes if axes.get_xlabel() == "neuron"]
    assert len(energies) == 5
    for axes in energies:
        (maximum,) = (line for line in axes.get_lines() if len(set(line.get_ydata())) == 1)
        assert maximum.get_ydata()[0] == pytest.approx(0.5)  # of a complex pair with d_k = 1
        assert [text.get_text() for text in axes.texts] == ["M/16"]
    (below,) = (axes for axes in figure.axes if axes.get_xlabel() == "step")
    grounds = {plt.matplotlib.colors.to_hex(patch.get_facecolor()) for patch in below.patches}
    assert grounds == {STAGE_COLOURS[int(stage)] for stage in set(run.probes["stage"][:-1])}


def test_a_strip_leaves_out_what_was_not_measured(seen: Path, records: pd.DataFrame) -> None:
    figure = strip(one(seen, records, "S3"))
    assert not [axes for axes in figure.axes if axes.get_xlabel() == "neuron"]
    assert [axes for axes in figure.axes if axes.get_images()]


def test_timelines_have_the_stages_of_all_runs(seen: Path, records: pd.DataFrame) -> None:
    frame = with_irreps(seen)
    figure = stage_timeline(records, frame)
    (axes,) = figure.axes
    assert axes.get_title().replace("\N{NO-BREAK SPACE}", " ").startswith("stages of 8 runs: ")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["S3, n = 22", "S3, n = 32", "Z7, n = 29", "Z7, n = 44"]
    area = 0.0
    for boxes in axes.collections:
        for path in boxes.get_paths():
            extents = path.get_extents()
            assert extents.height == pytest.approx(0.84)
            area += extents.width
    assert area == pytest.approx(8 * (600 - 1))  # no gap, nothing twice
    again = stage_timeline(records, frame, total=5000)
    assert "8\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}5,000" in again.axes[0].get_title()


def test_irreps_are_drawn_as_shares_of_the_groups(seen: Path, records: pd.DataFrame) -> None:
    figure = irreps_learned(records, with_irreps(seen))
    titles = [axes.get_title() for axes in figure.axes[:2]]
    assert titles == ["S3 (4 runs)", "Z7 (4 runs)"]
    frame = load_probes(seen).merge(records[["fingerprint", "group"]], on="fingerprint")
    for axes, (group, irreps) in zip(figure.axes, (("S3", 2), ("Z7", 3)), strict=False):
        drawn = np.concatenate([s[:, 1] for s in axes.collections[0].get_segments()])
        expected = frame[frame["group"] == group]["irreps_covered"] / irreps
        assert sorted(drawn) == pytest.approx(sorted(expected))


def test_figures_and_report_have_them_where_there_are_probes(seen: Path, tmp_path: Path) -> None:
    records = load(seen)
    assert set(draw_dynamics(seen, records)) == {"stages", "irreps"}
    assert "seen/figures/stages.png" in called("figures", seen).output
    page = write_report(seen, tmp_path / "report.html").read_text()
    strips = page.count("<summary>Run ")
    assert 1 <= strips <= 3
    assert page.count('<img src="data:image/png;base64,') == 2 + strips
    assert "8 of 12 runs were probed (energy, irreps, stages)" in page
    none = records[records["group"] == "Z5"].iloc[0]["fingerprint"]
    assert none not in page.partition('id="tables"')[0].partition('id="dynamics"')[2]


def test_a_sweep_without_probes_has_no_such_figures(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(SPEC.replace("[Z7, S3]", "Z11").partition("probes:")[0])
    called("run", tmp_path / "c.yaml", "--results", tmp_path, "--executor", "inline")
    assert draw_dynamics(tmp_path / "seen", load(tmp_path / "seen")) == {}
    assert load_probes(tmp_path / "seen").empty
    page = write_report(tmp_path / "seen").read_text()
    assert 'id="dynamics"' not in page


def test_the_command_draws_a_picture_or_a_film(
    seen: Path, records: pd.DataFrame, tmp_path: Path
) -> None:
    run = one(seen, records, "Z7")
    mark = run.record["fingerprint"]
    path = Path(called("probes", seen, mark[:12]).output.strip())
    assert path == seen / "figures" / f"probes-{mark[:8]}.png"
    with Image.open(path) as picture:
        assert picture.size[0] > 1000
    film = tmp_path / "film.gif"
    called("probes", seen, mark, "--out", film)
    with Image.open(film) as moving:
        assert moving.n_frames >= run.frames
    assert (
        "none of .png, .svg, .pdf and .gif"
        in called("probes", seen, mark, "--out", tmp_path / "film.doc", code=2).output
    )
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]
