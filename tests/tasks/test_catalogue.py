"""The collections hold what they say."""

import pytest

from sweeper.tasks.catalogue import (
    CATALOGUES,
    figure_5_non_abelian,
    figure_5_products,
    ladder,
    of_dim,
)
from sweeper.tasks.groups import group_named
from sweeper.tasks.predictions import CRITICAL_RATIO, critical_pairs, theorem4_pairs


@pytest.mark.parametrize("name", CATALOGUES)
def test_all_names_are_canonical(name: str) -> None:
    for group in CATALOGUES[name].groups:
        assert group_named(group).name == group


def test_figure_5_has_a_non_abelian_group_for_each_order_that_has_one() -> None:
    """Max d_k = 2 needs an even order: dimensions divide it. 6 is the first non-abelian one."""
    groups = [group_named(name) for name in figure_5_non_abelian()]
    assert [group.order for group in groups] == list(range(6, 127, 2))
    assert {group.max_irrep_dim for group in groups} == {2}


def test_figure_5_has_its_eight_products() -> None:
    orders = [28, 30, 36, 143, 40, 48, 102, 90]
    assert [group_named(name).order for name in figure_5_products()] == orders


@pytest.mark.parametrize(
    ("size", "low", "high", "top"),
    [("small", 52, 57, 6), ("medium", 237, 244, 4), ("large", 628, 692, 6)],
)
def test_ladders_climb_in_d_at_one_order(size: str, low: int, high: int, top: int) -> None:
    groups = [group_named(name) for name in ladder(size)]
    assert [group.max_irrep_dim for group in groups] == list(range(1, top + 1))
    assert all(low <= group.order <= high for group in groups)


@pytest.mark.parametrize("size", ["medium", "large"])
def test_ladders_have_room_for_the_square_of_d(size: str) -> None:
    for name in ladder(size):
        group = group_named(name)
        pairs = CRITICAL_RATIO * theorem4_pairs(group.order, group.max_irrep_dim, 1.0)
        assert pairs < group.order**2


def test_predictions_are_those_of_theorem_and_code() -> None:
    assert theorem4_pairs(23, 1, 1.0) == pytest.approx(72.11636696637044)
    assert theorem4_pairs(24, 3, 0.1) == pytest.approx(9 * 24 * 5.480638923341991)
    assert critical_pairs(23, 1) == pytest.approx(2.7482 * 72.11636696637044)
    assert critical_pairs(14, 2) == pytest.approx(2.7482 * 14 * 2.6390573296152584)
    assert critical_pairs(24, 3) == pytest.approx(1.5 * 2.7482 * 24 * 3.1780538303479458)


@pytest.mark.parametrize("order", [11, 54, 240])
@pytest.mark.parametrize("dim", [2, 3, 4, 5, 6])
def test_a_group_is_proposed_for_any_d_near_an_order(dim: int, order: int) -> None:
    name, M = of_dim(dim, order)
    group = group_named(name)
    assert (group.name, group.order, group.max_irrep_dim) == (name, M, dim)
    assert 2 * critical_pairs(M, dim) < 0.7 * M**2
    assert max(1.3 * order, 160) > M
