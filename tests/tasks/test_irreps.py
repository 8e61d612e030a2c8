"""Irreps against the literature, and against what holds for every group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.tasks import families
from sweeper.tasks.catalogue import ladder
from sweeper.tasks.groups import Group, group_named
from sweeper.tasks.irreps import Irreps, compute_irreps
from sweeper.tasks.isotypic import irrep_matrices, isotypic_bases, pure_function
from tests.tasks.known_groups import KNOWN, irreps_known

SMALL = [name for name in KNOWN if group_named(name).order <= 64]


def irreps(name: str) -> tuple[Group, Irreps]:
    group = group_named(name)
    return group, compute_irreps(group.table)


def relabelled(group: Group, seed: int) -> np.ndarray:
    """The same group with its elements in random order, the identity first."""
    order = np.concatenate([[0], 1 + np.random.default_rng(seed).permutation(group.order - 1)])
    rank = np.argsort(order)
    return rank[group.table[np.ix_(order, order)]]


@pytest.mark.parametrize("name", KNOWN)
def test_dimensions_and_types_are_those_of_the_literature(name: str) -> None:
    found = irreps(name)[1]
    pairs = zip(found.dims.tolist(), [str(kind)[0] for kind in found.types], strict=True)
    assert sorted(pairs) == irreps_known(name)


@pytest.mark.parametrize("name", KNOWN)
def test_constructors_know_their_dimensions(name: str) -> None:
    group = group_named(name)
    assert group.irrep_dims == tuple(d for d, _ in irreps_known(name))
    assert group.max_irrep_dim == max(group.irrep_dims)


@pytest.mark.parametrize("name", KNOWN)
def test_characters_are_orthogonal_by_rows_and_by_columns(name: str) -> None:
    group, found = irreps(name)
    M, k = group.order, len(found.dims)
    assert found.characters.shape == (k, k)
    assert int(np.sum(found.dims**2)) == M
    assert int(found.class_sizes.sum()) == M
    assert np.all(M % found.dims == 0)
    rows = (found.characters * found.class_sizes) @ found.characters.conj().T
    assert rows == pytest.approx(M * np.eye(k), abs=1e-9 * M)
    columns = found.characters.conj().T @ found.characters
    assert columns == pytest.approx(np.diag(M / found.class_sizes), abs=1e-9 * M)
    assert np.array_equal(found.characters[0], np.ones(k))
    assert found.characters[found.conjugates] == pytest.approx(found.characters.conj(), abs=1e-9)


@pytest.mark.parametrize("name", ["Z7⋊Z3", "S5", "Q16", "Heis3", "AGL(1,8)"])
def test_classes_are_orbits_of_conjugation(name: str) -> None:
    group, found = irreps(name)
    table, inverses = group.table, np.argmax(group.table == 0, axis=1)
    for g in range(group.order):
        orbit = np.unique(table[table[:, g], inverses])
        assert np.array_equal(orbit, np.flatnonzero(found.class_of == found.class_of[g]))


def test_character_tables_are_those_of_the_literature() -> None:
    """A5: the golden ratio on both classes of 5-cycles; Q8: 2, −2 and 0."""
    golden = (1 + 5**0.5) / 2
    threes = irreps("A5")[1].characters[1:3]
    values = sorted({round(float(value), 9) for value in threes.real.ravel()})
    assert values == pytest.approx([-1, 1 - golden, 0, golden, 3])
    assert sorted(irreps("Q8")[1].characters[4].real.round(9)) == [-2, 0, 0, 0, 2]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(SMALL), st.integers(0, 2**32 - 1))
def test_the_order_of_the_elements_does_not_matter(name: str, seed: int) -> None:
    group = group_named(name)
    found = compute_irreps(relabelled(group, seed))
    pairs = zip(found.dims.tolist(), [str(kind)[0] for kind in found.types], strict=True)
    assert sorted(pairs) == irreps_known(name)


@settings(deadline=None, max_examples=40)
@given(st.integers(3, 24), st.integers(2, 6), st.data())
def test_dimensions_of_metacyclic_groups_are_those_of_their_tables(
    m: int, k: int, data: st.DataObject
) -> None:
    r = data.draw(st.sampled_from([r for r in range(1, m) if pow(r, k, m) == 1]))
    group = families.metacyclic(m, k, r, "any")
    assert tuple(compute_irreps(group.table).dims) == group.irrep_dims


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["Z4", "S3", "Q8", "Heis2", "<(1 2 3),(1 2)>"]), max_size=2))
def test_dimensions_of_products_are_those_of_their_tables(names: list[str]) -> None:
    group = group_named("x".join(["A4", *names]))
    if group.order <= 300:
        assert tuple(compute_irreps(group.table).dims) == group.irrep_dims


@pytest.mark.parametrize("name", SMALL)
def test_bases_are_complete_and_invariant(name: str) -> None:
    group, found = irreps(name)
    bases = isotypic_bases(group.table, found)
    together = np.hstack(bases)
    assert together.T @ together == pytest.approx(np.eye(group.order), abs=1e-9)
    for i, basis in zip(found.real, bases, strict=True):
        pair = 2 if found.indicators[i] == 0 else 1
        assert basis.shape == (group.order, pair * found.dims[i] ** 2)
        for g in range(1, group.order, max(1, group.order // 7)):
            for moved in (basis[group.table[g]], basis[group.table[:, g]]):
                assert basis @ (basis.T @ moved) == pytest.approx(moved, abs=1e-9)
        # the projector is the convolution with d_k/M times the character, of the pair together
        character = pair * found.characters[i, found.class_of].real
        assert basis @ basis[0] == pytest.approx(found.dims[i] / group.order * character, abs=1e-9)


@pytest.mark.parametrize("name", ["D7", "Q8", "Z7⋊Z3", "S4"])
def test_a_pure_function_spans_one_copy_of_its_irrep(name: str) -> None:
    group, found = irreps(name)
    bases = isotypic_bases(group.table, found)
    for i, basis in zip(found.real, bases, strict=True):
        real_dim = int(found.real_dims[i])
        u = pure_function(group.table, basis, real_dim, np.random.default_rng(1))
        assert np.linalg.norm(u) == pytest.approx(1)
        assert np.linalg.matrix_rank(u[group.table], tol=1e-9) == real_dim


LARGE = ["Z512", "Z2^9", "Z2×Z256", "Q16×Z32", *ladder("large")[2:]]


@pytest.mark.parametrize(
    "name",
    ["Z128", "Z2^7", "Q16×D8", "Heis5×Z2", "A6"]
    + [pytest.param(name, marks=pytest.mark.slow) for name in LARGE],
)
def test_large_groups_are_as_sound(name: str) -> None:
    group, found = irreps(name)
    assert tuple(found.dims) == group.irrep_dims
    together = np.hstack(isotypic_bases(group.table, found))
    assert together.T @ together == pytest.approx(np.eye(group.order), abs=1e-9)


def test_a_table_that_is_no_group_gives_no_irreps() -> None:
    table = group_named("Z5").table.copy()
    table[[1, 2], 1:] = table[[2, 1], 1:]
    with pytest.raises(ArithmeticError, match="no characters found for this table of order 5"):
        compute_irreps(table)


def test_both_conventions_of_d() -> None:
    found = irreps("Z15⋊Z4[2]")[1]
    by_type = {
        (str(kind), int(d)): (int(real), float(energy))
        for kind, d, real, energy in zip(
            found.types[1:], found.dims[1:], found.real_dims[1:], found.energies[1:], strict=True
        )
    }
    assert by_type == {
        ("real", 1): (1, 60 / 8),
        ("complex", 1): (2, 60 / 16),
        ("real", 2): (2, 60 / 16),
        ("quaternionic", 2): (4, 60 / 32),
        ("real", 4): (4, 60 / 32),
        ("complex", 4): (8, 60 / 64),
    }
    assert np.isnan(found.energies[0])


@pytest.mark.parametrize("name", ["Z12", "D7", "Q16", "S4", "A5", "Z7⋊Z3", "Heis3", "AGL(1,8)"])
def test_irrep_matrices_are_unitary_homomorphisms_with_the_character(name: str) -> None:
    """Real where the irrep is of real type, and there only."""
    group, found = irreps(name)
    for k, d in enumerate(found.dims):
        rho = irrep_matrices(group.table, found, k, np.random.default_rng(k))
        assert rho.shape == (group.order, d, d)
        assert np.isrealobj(rho) == (found.indicators[k] == 1)
        products = rho[:, None] @ rho[None]
        assert products == pytest.approx(rho[group.table], abs=1e-12)
        unitary = rho @ rho.conj().transpose(0, 2, 1)
        assert unitary == pytest.approx(np.tile(np.eye(d), (group.order, 1, 1)), abs=1e-12)
        traces = np.trace(rho, axis1=1, axis2=2)
        assert traces == pytest.approx(found.characters[k][found.class_of], abs=1e-12)
