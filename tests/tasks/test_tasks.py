import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from sweeper.tasks.groups import cyclic, group_named
from sweeper.tasks.splits import split_order
from sweeper.tasks.streams import bounded_floats, normal_floats, random_order
from sweeper.tasks.task import task_of


@given(st.integers(2, 40))
def test_cyclic_table_is_an_abelian_group(order: int) -> None:
    group = cyclic(order)
    elements = np.arange(order)
    assert np.array_equal(group.table, group.table.T)
    assert np.array_equal(group.table[0], elements)
    assert all(np.array_equal(np.sort(row), elements) for row in group.table)
    left = group.table[group.table]  # (a·b)·c
    right = group.table[:, group.table]  # a·(b·c)
    assert np.array_equal(left, right)


def test_irrep_dimensions_square_to_the_order() -> None:
    group = cyclic(12)
    assert sum(d * d for d in group.irrep_dims) == group.order
    assert group.max_irrep_dim == 1


def test_group_is_found_by_its_name() -> None:
    assert group_named("Z23").order == 23


def test_unknown_group_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown group 'C8': found 'C8'; did you mean Z8\?"):
        group_named("C8")


def test_split_order_holds_every_pair_once() -> None:
    order = split_order(task_of("Z13"), 5)
    assert np.array_equal(np.sort(order), np.arange(169))


def test_split_depends_on_group_and_seed_alone() -> None:
    assert np.array_equal(split_order(task_of("Z13"), 5), split_order(task_of("Z13"), 5))
    assert not np.array_equal(split_order(task_of("Z13"), 5), split_order(task_of("Z13"), 6))


def test_split_is_uniform() -> None:
    """Each pair is among the first tenth of 100 in about a tenth of 2,000 splits."""
    hits = np.zeros(100)
    for seed in range(2000):
        hits[split_order(task_of("Z10"), seed)[:10]] += 1
    z = (hits - 200) / np.sqrt(2000 * 0.1 * 0.9)
    assert np.abs(z).max() < 4.5
    assert 0.7 < z.var() < 1.3


def test_streams_are_the_same_for_ever() -> None:
    """These numbers are part of every fingerprint's meaning: they must never change."""
    assert random_order("split/uniform/Z5/0", 6).tolist() == [2, 3, 5, 1, 0, 4]
    drawn = bounded_floats("init/two_layer/5/3/0/W", (2,), 1.0)
    assert drawn.tolist() == [-0.7285721605670186, -0.483364347244708]


def test_bounded_floats_are_uniform() -> None:
    drawn = bounded_floats("x", (100_000,), 2.0)
    assert np.abs(drawn).max() <= 2.0
    assert abs(drawn.mean()) < 0.02
    assert drawn.var() == pytest.approx(4 / 3, rel=0.02)


def test_normal_floats_are_normal_and_stay_as_they_are() -> None:
    drawn = normal_floats("a test", (3,), 0.5)
    assert drawn.tolist() == [-0.6393888890743256, 0.3406984508037567, 0.002974987030029297]
    assert kstest(normal_floats("x", (100_000,), 2.0) / 2.0, "norm").pvalue > 0.01
