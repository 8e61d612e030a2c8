"""Collapses of synthetic accuracies whose exponents are known."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import CollapseStatus, collapse, collapse_words
from analysis.figures import collapse_figure
from analysis.finite_size import quality
from analysis.rises import rises

MakeFrame = Callable[..., pd.DataFrame]
MakeTrial = Callable[..., object]
MakeAccuracies = Callable[..., pd.DataFrame]
ORDERS = (11, 13, 17, 19, 23, 29)
STAR = math.exp(sum(map(math.log, ORDERS)) / len(ORDERS))


@pytest.fixture(scope="module")
def accuracies(trial: MakeTrial, records: MakeFrame) -> MakeAccuracies:
    """Sweeps whose accuracies are f((n/n_c − 1)(M/M*)^(1/ν)) with n_c ~ M^1.3, and scatter.

    Each seed's threshold is shifted, and each run's accuracy scattered about its curve. `bend`
    makes 1/ν change with ln(M/M*).
    """

    def make(
        seed: int,
        inverse_nu: float = 0.5,
        seeds: int = 4,
        step: float = 0.015,
        shift: float = 0.01,
        noise: float = 0.03,
        bend: float = 0.0,
        orders: tuple[int, ...] = ORDERS,
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        trials, best = [], []
        for M in orders:
            sharp = (M / STAR) ** (inverse_nu + bend * math.log(M / STAR))
            n_c = 0.45 * STAR**2 * (M / STAR) ** 1.3
            sizes = n_c * np.exp(np.arange(-0.16 + rng.uniform(0, step), 0.16, step))
            for s in range(seeds):
                own = n_c * (1 + shift / sharp * rng.normal())
                for n in np.unique(np.round(sizes).astype(int)):
                    p = 1 / (1 + math.exp(-(n / own - 1) * sharp / 0.025))
                    p = np.clip(p + noise * 2 * math.sqrt(p * (1 - p)) * rng.normal(), 0, 1)
                    trials.append(trial(M, int(n), s))
                    best.append(1 / M + (0.9 - 1 / M) * p)
        return records(trials, lambda *_: math.inf).assign(best_test_accuracy=best)

    return make


def test_the_exponent_of_a_known_collapse_is_within_its_interval(
    accuracies: MakeAccuracies,
) -> None:
    found = [
        (truth, collapse(accuracies(seed, truth))) for seed, truth in enumerate((0.0, 0.5, 1.0))
    ]
    for truth, one in found:
        assert one.status is CollapseStatus.OK
        assert truth in one.inverse_nu
        assert one.inverse_nu.half_width < 0.4
        assert 0.5 < one.quality < 2.5
        assert one.order_star == pytest.approx(STAR)
        assert one.terms > 40


def test_accuracies_rise_from_the_chance_of_their_task(accuracies: MakeAccuracies) -> None:
    """A product modulo a prime is 0 for 2M − 1 of the M² pairs."""
    sums = accuracies(0)
    products = sums.assign(expression="x*y")
    plain, found = rises(sums), rises(products)
    for M in (11, 29):
        place = [one.order for one in found.rises].index(M)
        other = [one.order for one in plain.rises].index(M)
        told = dict(zip(found.rises[place].n_train, found.rises[place].means, strict=True))
        chance = (2 * M - 1) / M**2
        for n, mean in zip(plain.rises[other].n_train, plain.rises[other].means, strict=True):
            accuracy = 1 / M + (0.9 - 1 / M) * mean
            if n in told:
                assert told[n] == pytest.approx((accuracy - chance) / (0.9 - chance))
    hopeless = collapse(sums.assign(target_test_accuracy=1 / sums["group_order"]))
    assert hopeless.status is CollapseStatus.TOO_FEW_ORDERS
    assert "Z11: its target is no better than chance" in hopeless.dropped


@pytest.mark.slow
def test_the_interval_covers_the_truth_about_as_often_as_it_says(
    accuracies: MakeAccuracies,
) -> None:
    found = [collapse(accuracies(seed)) for seed in range(60)]
    assert np.mean([0.5 in one.inverse_nu for one in found]) >= 0.85
    assert abs(np.mean([one.inverse_nu.value for one in found]) - 0.5) < 0.05
    # five in a hundred may wander by chance
    assert np.mean([one.quotable for one in found]) > 0.8


def test_thresholds_are_where_the_accuracy_is_half_way_up(accuracies: MakeAccuracies) -> None:
    found = rises(accuracies(0, shift=0.0, noise=0.0))
    expected = np.log(0.45 * STAR**2) + 1.3 * np.log(np.array(ORDERS) / STAR)
    np.testing.assert_allclose(found.log_n_c, expected, atol=3e-3)


def test_quality_is_the_mean_square_deviation_in_units_of_its_error() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([np.sort(rng.uniform(-1, 1, 200)) for _ in range(3)])
    order = np.repeat([0, 1, 2], 200)
    dy = np.full(600, 0.02)
    S, terms = quality(x, 3 * x + 0.02 * rng.normal(size=600), dy, order)
    assert pytest.approx(1, abs=0.15) == S
    assert terms >= 590
    twice, _ = quality(x, 3 * x + 0.04 * rng.normal(size=600), dy, order)
    assert twice == pytest.approx(4, abs=0.6)
    exact, _ = quality(x, 3 * x, dy, order)
    assert exact == pytest.approx(0, abs=1e-12)


def test_quality_by_hand() -> None:
    """One point between two of another order: Y by the line through them, dY by its errors."""
    x = np.array([0.0, 1.0, 0.25])
    y, dy = np.array([0.0, 1.0, 0.4]), np.array([0.1, 0.2, 0.1])
    variance = (0.75 * 0.1) ** 2 + (0.25 * 0.2) ** 2
    assert quality(x, y, dy, np.array([0, 0, 1])) == (np.inf, 1)  # 1 of 3: too few to compare
    x, y, dy = (np.append(a, b) for a, b in ((x, 0.5), (y, 0.5), (dy, 0.1)))
    variances = np.array([variance, (0.5 * 0.1) ** 2 + (0.5 * 0.2) ** 2])
    S, terms = quality(x, y, dy, np.array([0, 0, 1, 1]))
    assert terms == 2
    assert pytest.approx(np.mean(np.array([0.15**2, 0.0]) / (0.01 + variances))) == S


def test_curves_that_scale_otherwise_are_told(accuracies: MakeAccuracies) -> None:
    found = collapse(accuracies(3, shift=0.002, noise=0.01, bend=4.0))
    assert found.status in (CollapseStatus.POOR, CollapseStatus.WANDERS)
    assert not found.quotable
    assert "1/ν is not quoted (" in collapse_words(found)


def test_errors_that_are_too_large_are_told(accuracies: MakeAccuracies) -> None:
    even = accuracies(4, shift=0.0, noise=0.0)
    sign = even["init_seed"].map({0: 1, 1: -1, 2: 1, 3: -1}) * (-1) ** even["n_train"]
    wide = even["best_test_accuracy"] + 0.05 * sign  # over seeds the means stay as they are
    found = collapse(even.assign(best_test_accuracy=wide))
    assert found.status is CollapseStatus.OVERFITTED


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"orders": (11, 13, 17)}, CollapseStatus.TOO_FEW_ORDERS),
        ({"step": 0.12}, CollapseStatus.TOO_FEW_ORDERS),
        ({"seeds": 1}, CollapseStatus.TOO_FEW_SEEDS),
    ],
)
def test_what_is_missing_is_told_with_its_remedy(
    accuracies: MakeAccuracies, how: dict[str, object], status: CollapseStatus
) -> None:
    found = collapse(accuracies(5, **how))
    assert found.status is status
    assert found.inverse_nu is None
    assert collapse_words(found).startswith(f"{found.setting}: no collapse, because {status}.")
    (text,) = [text.get_text() for text in collapse_figure(found).texts]
    assert text.replace("\n", " ") == f"No collapse: {status}."


def test_accuracies_above_the_target_are_alike_for_runs_may_stop_there(
    accuracies: MakeAccuracies,
) -> None:
    records = accuracies(6)
    beyond = records["best_test_accuracy"] >= 0.89
    longer = records.assign(best_test_accuracy=records["best_test_accuracy"].mask(beyond, 1.0))
    shorter = records.assign(best_test_accuracy=records["best_test_accuracy"].mask(beyond, 0.9))
    assert collapse(longer).inverse_nu == collapse(shorter).inverse_nu


def test_one_setting_at_a_time(accuracies: MakeAccuracies) -> None:
    records = accuracies(7, seeds=2)
    two = pd.concat([records, records.assign(learning_rate=0.01)], ignore_index=True)
    with pytest.raises(ValueError, match="records of 2 settings; collapse one at a time"):
        collapse(two)


def test_the_figure_shows_the_accuracies_as_they_are_and_scaled(
    accuracies: MakeAccuracies,
) -> None:
    found = collapse(accuracies(1))
    figure = collapse_figure(found)
    left, right = figure.axes
    assert left.get_xlabel() == "$n/n_c - 1$"
    assert right.get_xlabel() == f"$(n/n_c - 1)\\,(M/{STAR:.1f})^{{1/\\nu}}$"
    nu = found.inverse_nu
    assert right.get_title() == (
        f"$1/\\nu$ = {nu.value:.2f} ± {nu.half_width:.2f}, $S$ = {found.quality:.2f}"
        f" ({found.terms} points)"
    )
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"$M$ = {M}" for M in ORDERS]
