import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from analysis import fit_laws, horizon_check, thresholds
from analysis.dims import Dim, dims_of, with_dim
from analysis.figures import boundary, draw_all, learning_curves, phase_diagram, phase_map, save
from analysis.figures.landscape import landscape_figure
from analysis.fitting import preferred_dim
from analysis.tables import threshold_table
from sweeper.spec.trial import Trial
from sweeper.store.results import ResultsFolder

MakeFrame = Callable[..., pd.DataFrame]
MakeTables = Callable[..., tuple[pa.Table, pa.Table]]
MakeTrial = Callable[..., Trial]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


def write_sweep(folder: Path, tables: MakeTables, trial: MakeTrial, **axes: list[float]) -> None:
    """Four orders, two seeds, six sizes, and the settings given."""
    trials = [
        trial(order, round(ratio * order * math.log(order)), seed, **{name: value})
        for name, values in (axes or {"learning_rate": [0.005]}).items()
        for value in values
        for order in (11, 13, 17, 23)
        for ratio in np.geomspace(2, 4, 6)
        for seed in (0, 1)
    ]
    steps = lambda M, n, seed: 400 if n > 2.7 * M * math.log(M) else math.inf  # noqa: E731
    ResultsFolder.at(folder).write_shard("a", *tables(trials, steps))


def test_draw_all_writes_every_figure_whole_and_leaves_matplotlib_alone(
    tmp_path: Path, tables: MakeTables, trial: MakeTrial
) -> None:
    write_sweep(tmp_path / "sweep", tables, trial)
    before = dict(mpl.rcParams)
    paths = draw_all(tmp_path / "sweep", tmp_path / "figures")
    curves = ["curves-Z11", "curves-Z17", "curves-Z23"]
    names = ["phase_diagram", "phases", "boundary", "collapse", *curves]
    assert [path.name for path in paths] == [f"{n}.{s}" for n in names for s in ("png", "svg")]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(
        path.name for path in paths
    )
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []
    for path in paths[::2]:
        height, width, _ = plt.imread(path).shape
        assert 800 < height < 1400
        assert 900 < width < 1700
    assert all(path.read_text().rstrip().endswith("</svg>") for path in paths[1::2])


def test_settings_have_figures_of_their_own(
    tmp_path: Path, tables: MakeTables, trial: MakeTrial
) -> None:
    write_sweep(tmp_path / "sweep", tables, trial, weight_decay=[1e-4, 2e-4])
    paths = draw_all(tmp_path / "sweep", tmp_path / "figures", formats=["png"])
    curves = [f"curves-{i}-Z{M}.png" for i in (1, 2) for M in (11, 17, 23)]
    assert sorted(path.name for path in paths) == sorted(
        [f"{name}.png" for name in ("phase_diagram", "phases")]
        + [f"{name}-{i}.png" for name in ("boundary", "collapse") for i in (1, 2)]
        + curves
    )


def test_an_empty_results_folder_gives_a_figure_that_says_so(tmp_path: Path) -> None:
    paths = draw_all(tmp_path / "nothing", tmp_path, formats=["svg"])
    assert [path.name for path in paths] == ["phase_diagram.svg", "phases.svg"]


def test_equal_figures_are_equal_files(tmp_path: Path, diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(5, (11, 17))
    files = [
        save(phase_diagram(records, thresholds(records)), tmp_path / f"{i}.svg") for i in (1, 2)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_landscape_shows_shares_and_three_thresholds() -> None:
    names = ["Z11", "Z13", "D6"]
    rows = pd.DataFrame(
        {
            "setting": "a setting", "group": names, "group_order": [11, 13, 12],
            "max_irrep_dim": [1, 1, 2], "trained_seeds": 1, "kept_seeds": 1,
            "papers_code": 80.0, "theorem4": 90.0, "all_pairs": [121, 169, 144],
        }
        | {
            f"{name}{end}": [n + shift, n + 5 + shift, np.nan if name == "fitted" else n]
            for name, n in (("trained", 70), ("kept_half", 80), ("kept_most", 95), ("fitted", 71))
            for end, shift in (("", 0), ("_low", -2), ("_high", 2))
        }
    )  # fmt: skip
    shares = pd.DataFrame(
        [
            {"group": name, "n_train": n, "split_seed": 0, "start": start, "irrep_dim": d,
             "share": n / 121}
            for name, d in zip(names, (1, 1, 2), strict=True)
            for start, d in (("feature", d), ("random", 0))
            for n in (40, 80, 121)
        ]
    )  # fmt: skip
    figure = landscape_figure(rows, shares, 0.1)
    shown = texts(figure)
    for text in (
        "features that $\\hat E$ keeps",
        "random starts that end in a single irrep",
        "kept by $\\hat E$: 90 % of the features",
        "measured in training, $n_c$",
        "law fitted to $n_c$, at $d_k = 1$",
        "all $M^2$ pairs",
        "D6, $d_k = 2$",
    ):
        assert text in shown
    (kept,) = [line for line in figure.axes[0].lines if line.get_label() == "Z11"]
    assert kept.get_xdata() == pytest.approx(np.array([40, 80, 121]) / (11 * math.log(11)))
    assert kept.get_ydata() == pytest.approx(np.array([40, 80, 121]) / 121)


# ---------------------------------------------------------------- what they show


def test_the_phase_diagram_names_its_axes_setting_and_marks(diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(5)
    cells = thresholds(records)
    figure = phase_diagram(records, cells, fit_laws(cells)[1:])
    shown = texts(figure)
    for text in (
        "group order $M$",
        "training fraction $p = n/M^2$",
        "best test accuracy, mean over seeds",
        "threshold $n_c$, all seeds' brackets",
        "Theorem 4, fitted, 95 % band (scatter)",
        "$2.7482\\,\\log M / M$ (paper's code)",
        "not run",
    ):
        assert text in shown
    title = figure.axes[0].get_title().replace("\N{NO-BREAK SPACE}", " ").replace("\n", " ")
    assert title == "two_layer, K 256, square, mse, adam, lr 0.005, wd 0.0002, horizon 4000 steps"


def test_cells_lie_at_their_sizes_and_do_not_overlap(records: MakeFrame, trial: MakeTrial) -> None:
    sizes = {11: [50, 60, 90], 13: [70, 100], 23: [150]}
    frame = records([trial(M, n) for M, ns in sizes.items() for n in ns], lambda *_: math.inf)
    (cells,) = phase_diagram(frame, thresholds(frame)).axes[0].collections[:1]
    boxes = [path.get_extents() for path in cells.get_paths()]
    expected = [(M, n / M**2) for M, ns in sizes.items() for n in ns]
    assert len(boxes) == len(expected)
    for box, (order, fraction) in zip(boxes, expected, strict=True):
        assert box.x0 < order < box.x1
        assert box.y0 < fraction < box.y1
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            apart = [
                other.x1 - one.x0,
                one.x1 - other.x0,
                other.y1 - one.y0,
                one.y1 - other.y0,
            ]
            assert min(apart) < 1e-12


def test_groups_of_one_order_stand_side_by_side(diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(5, (11, 17))
    twin = records[records["group"] == "Z17"].assign(group="D17", max_irrep_dim=2)
    both = pd.concat([twin, records], ignore_index=True)
    axes = phase_diagram(both, thresholds(both)).axes[0]
    (cells,) = axes.collections[:1]
    edges = {round(float(path.get_extents().x0), 6) for path in cells.get_paths()}
    assert edges == {-0.5, 0.5, 1.5}
    ticks = [axes.xaxis.get_major_formatter()(place, 0) for place in range(3)]
    assert ticks == ["Z11 (11)", "Z17 (17)", "D17 (17)"]
    ((points, *_),) = axes.containers
    assert list(points.get_xdata()) == [0, 2, 1]  # by order and name, D17 before Z17
    assert {"1", "2", "$d_k$ ="} <= {text.get_text() for text in axes.texts}
    phases_of = phase_map(both).axes[0]
    assert phases_of.get_xlabel() == "group (order $M$)"


def several_dims(make_cells: MakeFrame) -> pd.DataFrame:
    """Thresholds that go with the effective d = 2, 2, 3, 6 and not with the complex 1, 2, 3, 3."""
    groups = {
        "Z21": (21, 1, 2), "Z31": (31, 1, 2), "Z41": (41, 1, 2), "Z53": (53, 1, 2),
        "D10": (20, 2, 2), "D15": (30, 2, 2), "D21": (42, 2, 2), "D27": (54, 2, 2),
        "S4": (24, 3, 3), "Z7⋊Z3": (21, 3, 6), "Z13⋊Z3": (39, 3, 6), "Z19⋊Z3": (57, 3, 6),
    }  # fmt: skip
    M, d, effective = np.array(list(groups.values())).T
    noise = np.random.default_rng(0).normal(0, 0.02, len(M))
    found = make_cells(M, 1.6 * M**1.3 * effective**0.8 * np.exp(noise), d, width=0.03)
    names = list(groups)
    return found.assign(group=names, task=names)


def test_the_preferred_dimension_is_the_one_that_leaves_clearly_less(
    cells: MakeFrame,
) -> None:
    found = several_dims(cells)
    assert preferred_dim(found) is Dim.EFFECTIVE
    straight = found.assign(
        n_c=found["n_c"] * (found["max_irrep_dim"] / dims_of(with_dim(found, "effective"))) ** 0.8
    )
    assert preferred_dim(straight) is Dim.COMPLEX
    assert preferred_dim(found.assign(group="no such group")) is Dim.COMPLEX


@pytest.mark.parametrize("dim", list(Dim))
def test_nothing_that_the_boundary_writes_covers_another(cells: MakeFrame, dim: Dim) -> None:
    found = with_dim(several_dims(cells), dim)
    figure = boundary(found, fit_laws(found))
    figure.draw_without_rendering()
    top = figure.axes[0]
    boxes = [text.get_window_extent() for text in top.texts if text.get_text()]
    assert len(boxes) == 13  # the groups and the note
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:i])
        assert one.x0 > 0
        assert one.x1 < figure.bbox.width
    effective = any("effective" in text for text in texts(figure))
    assert effective == (dim is Dim.EFFECTIVE)
    symbol = "d" if effective else "d_k"
    shown = {f"$n_c$ at ${symbol} = {d}$, mean over seeds" for d in set(found["irrep_dim"])}
    assert shown <= set(texts(figure))


@pytest.mark.parametrize("orders", [(11, 17, 23, 31)])
def test_legends_lie_within_the_figure(diverging_sweep: MakeFrame, orders: tuple[int, ...]) -> None:
    records = diverging_sweep(5, orders)
    twins = records.assign(group="D" + records["group"], max_irrep_dim=2)
    both = pd.concat([records, twins], ignore_index=True)
    found = thresholds(both)
    for figure in (
        phase_diagram(both, found, fit_laws(found)[1:]), phase_map(both), boundary(found),
    ):  # fmt: skip
        figure.draw_without_rendering()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height


def test_the_boundary_is_annotated_with_its_exponents_and_horizon(
    diverging_sweep: MakeFrame,
) -> None:
    records = diverging_sweep(60)
    cells = thresholds(records)
    fits, (check,) = fit_laws(cells), horizon_check(records)
    figure = boundary(cells, fits, check)
    top, below = figure.axes
    (note,) = [text.get_text() for text in top.texts]
    beta = fits[0].law.quoted_beta
    drift = f"{check.drift:+.3f}".replace("-", "−")
    assert note.splitlines() == [
        f"power law: $\\beta$ = {beta.value:.2f} ± {beta.half_width:.2f}",
        f"Theorem 4: $\\beta$ = {fits[1].law.quoted_beta.value:.2f}"
        f" ± {fits[1].law.quoted_beta.half_width:.2f}",
        "6 groups, horizon 4,000 steps",
        f"$\\beta$ moved {drift} over the last half of it: no verdict",
    ]
    assert top.get_ylabel() == "threshold $n_c$ (training pairs)"
    assert below.get_ylabel() == "relative to power law"
    assert below.get_xlabel() == "group order $M$"


def test_the_boundary_tells_groups_that_some_seeds_leave_from_those_fitted(
    diverging_sweep: MakeFrame,
) -> None:
    records = diverging_sweep(5, (11, 17, 23, 31))
    lost = (records["group"] == "Z31") & (records["init_seed"] == 1)
    records.loc[lost, ["generalization_step", "outcome"]] = [pd.NA, "memorized"]
    records.loc[lost, "final_step"] = 4000
    cells = thresholds(records)
    shown = texts(boundary(cells, fit_laws(cells)))
    assert "seed's threshold above the largest $n$" in shown
    assert "the same over some seeds: not fitted" in shown
    assert any("3 groups, horizon 4,000 steps" in text for text in shown)


def test_irrep_dimensions_have_a_line_each(diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(5, (11, 17, 23, 31))
    twins = records.assign(group="D" + records["group"], max_irrep_dim=2)
    both = pd.concat([records, twins], ignore_index=True)
    cells = thresholds(both)
    fits = fit_laws(cells)
    assert fits[0].law.gamma.value == pytest.approx(0, abs=1e-6)
    shown = texts(boundary(cells, fits))
    assert "$n_c$ at $d_k = 1$, mean over seeds" in shown
    assert "$n_c$ at $d_k = 2$, mean over seeds" in shown
    assert "Theorem 4, fitted, 95 % band (scatter), for each $d_k$" in texts(
        phase_diagram(both, cells, fits[1:])
    )


def test_groups_that_the_order_does_not_tell_are_named(diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(5, (11, 17, 23))
    names = {"Z11": "D5", "Z17": "A4", "Z23": "Z7⋊Z3"}
    others = records.assign(group=records["group"].map(names))
    assert set(names.values()) <= set(texts(boundary(thresholds(others), ())))
    assert not set(names) & set(texts(boundary(thresholds(records), ())))


def test_three_operands_are_a_fraction_of_all_triples(records: MakeFrame, trial: MakeTrial) -> None:
    frame = records(
        [trial(5, n, operands=3) for n in (40, 60, 80)], lambda M, n, seed: 500 if n > 50 else 9e9
    )
    cells = thresholds(frame)
    assert cells["task"].tolist() == ["Z5^3"]
    assert cells["tuples"].tolist() == [125]
    figure = phase_diagram(frame, cells)
    assert figure.axes[0].get_ylabel() == "training fraction $p = n/M^3$"
    assert not any("paper's code" in text for text in texts(figure))
    (bracket,) = (one for one in figure.axes[0].containers)
    assert bracket[0].get_ydata() == pytest.approx([(40 * 60) ** 0.5 / 125])


def test_expressions_are_named_in_tables(records: MakeFrame, trial: MakeTrial) -> None:
    trials = [trial(5, n, expression="x*y") for n in (10, 20)]
    frame = records(trials, lambda M, n, seed: 500 if n > 15 else 9e9)
    (row,) = threshold_table(thresholds(frame)).rows
    assert row[:3] == ["x*y mod 5", "5", "14.1"]


def test_the_learning_curves_mark_target_and_generalization(
    tmp_path: Path, tables: MakeTables, trial: MakeTrial
) -> None:
    write_sweep(tmp_path / "sweep", tables, trial)
    from analysis import load, load_curves

    records = load(tmp_path / "sweep").query("group == 'Z13'")
    figure = learning_curves(records, load_curves(tmp_path / "sweep"))
    test, train, bar = figure.axes
    assert (test.get_ylabel(), train.get_ylabel()) == ("test accuracy", "training accuracy")
    assert (train.get_xlabel(), bar.get_ylabel()) == ("step", "training pairs $n$")
    assert "target 90%" in texts(figure)
    lines, dots = test.collections
    assert len(lines.get_paths()) == len(records)
    won = records.dropna(subset="generalization_step")
    assert sorted(dots.get_offsets()[:, 0]) == sorted(won["generalization_step"])


# ---------------------------------------------------------------- little or nothing to show


def test_a_single_run_is_drawn(tmp_path: Path, tables: MakeTables, trial: MakeTrial) -> None:
    ResultsFolder.at(tmp_path).write_shard("a", *tables([trial(11, 80)], lambda *_: 500))
    names = [path.name for path in draw_all(tmp_path, tmp_path / "figures", formats=["png"])]
    assert names == ["phase_diagram.png", "phases.png", "boundary.png", "curves-Z11.png"]


@pytest.mark.parametrize("orders", [(11,), (11, 17)])
def test_few_groups_are_drawn_without_a_law(
    tmp_path: Path, diverging_sweep: MakeFrame, orders: tuple[int, ...]
) -> None:
    records = diverging_sweep(5, orders)
    cells = thresholds(records)
    fits, (check,) = fit_laws(cells), horizon_check(records)
    save(phase_diagram(records, cells, fits), tmp_path / "phase.png")
    figure = boundary(cells, fits, check)
    save(figure, tmp_path / "boundary.png")
    assert "no law fitted" in texts(figure)


def test_without_thresholds_the_figures_say_so(tmp_path: Path, cell: MakeFrame) -> None:
    records = cell({150: "memorized", 180: "memorized"})
    cells = thresholds(records)
    save(phase_diagram(records, cells, fit_laws(cells)), tmp_path / "phase.png")
    (text,) = texts(boundary(cells))
    assert text.replace("\n", " ") == (
        "No boundary: no cell has runs on both sides of a threshold."
    )
    (text,) = texts(phase_diagram(records[:0], cells[:0]))
    assert text.replace("\n", " ") == "No phase diagram: no run left a test accuracy."
    (text,) = texts(learning_curves(records, pd.DataFrame({"fingerprint": []})))
    assert text.replace("\n", " ") == "No learning curves: no run of this cell left one."


def test_thresholds_do_not_need_matplotlib() -> None:
    code = "import sys; from analysis import thresholds; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
