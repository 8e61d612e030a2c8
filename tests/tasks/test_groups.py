"""Every constructor's table is a group, the right one, and cheap until its table is asked for."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.tasks import families
from sweeper.tasks.groups import MAX_ORDER, Group, cyclic, group_named
from tests.tasks.known_groups import INVOLUTIONS, KNOWN, ORDERS


def is_group(table: np.ndarray) -> bool:
    """By the axioms, with all M³ triples: independent of what checks tables that users give."""
    elements = np.arange(len(table))
    return (
        np.array_equal(table[0], elements)
        and np.array_equal(table[:, 0], elements)
        and all(np.array_equal(np.sort(row), elements) for row in (*table, *table.T))
        and all(np.array_equal(table[table[a]], table[a][table]) for a in elements)
    )


@pytest.mark.parametrize("name", KNOWN)
def test_every_constructor_makes_a_group(name: str) -> None:
    group = group_named(name)
    assert group.table.shape == (group.order, group.order)
    assert group.table.dtype == np.int64
    if group.order <= 128:
        assert is_group(group.table)


def test_what_is_no_group_is_seen() -> None:
    table = cyclic(5).table.copy()
    table[[1, 2]] = table[[2, 1]]
    assert not is_group(table)


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_orders_are_those_of_the_literature(name: str, order: int) -> None:
    assert group_named(name).order == order


@pytest.mark.parametrize(("name", "count"), INVOLUTIONS.items())
def test_involutions_are_those_of_the_literature(name: str, count: int) -> None:
    assert np.count_nonzero(np.diag(group_named(name).table) == 0) == count + 1


@settings(deadline=None)
@given(st.integers(1, 30))
def test_dihedral_groups_reflect_and_rotate(n: int) -> None:
    """A reflection turns rotations around, and is undone by itself."""
    group = families.dihedral(n)
    assert is_group(group.table)
    assert group.order == 2 * n
    turn, flip = 1 % n, n
    assert group.table[flip, flip] == 0
    assert group.table[group.table[flip, turn], flip] == (n - 1) % n


@settings(deadline=None)
@given(st.integers(1, 15))
def test_dicyclic_groups_have_their_relations(n: int) -> None:
    table = families.dicyclic(n).table
    assert is_group(table)
    a, b = 1, 2 * n
    assert table[b, b] == n  # b² = aⁿ
    assert table[table[b, a], table[b, n]] == 2 * n - 1  # b·a·b⁻¹ = a⁻¹, and b⁻¹ = b·aⁿ


@settings(deadline=None)
@given(st.lists(st.integers(2, 6), min_size=1, max_size=3))
def test_products_multiply_in_each_factor(orders: list[int]) -> None:
    group = families.product([cyclic(order) for order in orders])
    digits = np.array(np.unravel_index(np.arange(group.order), orders))
    summed = (digits[:, :, None] + digits[:, None, :]) % np.array(orders)[:, None, None]
    assert np.array_equal(group.table, np.ravel_multi_index(tuple(summed), orders))


@pytest.mark.parametrize("q", [2, 3, 4, 5, 7, 8, 9, 16, 25, 27, 32])
def test_affine_groups_have_normal_translations(q: int) -> None:
    """Their translations, elements 0 … q − 1, are a normal subgroup."""
    group = group_named(f"AGL(1,{q})")
    inverses = np.argmax(group.table == 0, axis=1)
    moved = group.table[group.table[:, :q], inverses[:, None]]
    assert moved.max() < q
    assert is_group(group.table[:q, :q])


def test_permutations_multiply_from_right_to_left() -> None:
    """(1 2)·(2 3) sends 3 to 2, then to 1: it is (1 2 3), elements in lexicographic order."""
    table = group_named("S3").table
    assert table[2, 1] == 3  # (0 1)(1 2) = images 1, 2, 0
    assert table[1, 2] == 4


def test_generators_and_their_order_do_not_move_the_table() -> None:
    s4 = group_named("S4").table
    assert np.array_equal(group_named("<(1 2),(1 2 3 4)>").table, s4)
    assert np.array_equal(group_named("<(3 4),(2 3),(1 2)>").table, s4)


def test_cyclic_groups_are_what_they_were() -> None:
    """Splits and fingerprints are named by group: neither name nor table may change."""
    for order in (2, 5, 23):
        group = group_named(f"Z{order}")
        assert group.name == f"Z{order}"
        assert group.table.tolist() == [
            [(a + b) % order for b in range(order)] for a in range(order)
        ]
        assert group.irrep_dims == (1,) * order


def test_orders_and_dimensions_are_known_without_a_table() -> None:
    def never() -> np.ndarray:
        raise AssertionError("the table was made")

    for name in ("Z2048", "Z4×Z7", "D500", "S6", "AGL(1,32)", "Z223⋊Z3", "Heis11", "Q8×A5"):
        group = group_named(name)
        untouched = Group(group.name, group.order, never, group.known_dims)
        assert sum(d**2 for d in untouched.irrep_dims) == untouched.order <= MAX_ORDER


@pytest.mark.parametrize("name", ["Z5", "Z2×S3", "AGL(1,4)", "<(1 2 3),(1 2)>"])
def test_groups_travel_between_processes(name: str) -> None:
    sent = pickle.loads(pickle.dumps(group_named(name)))
    assert np.array_equal(sent.table, group_named(name).table)
