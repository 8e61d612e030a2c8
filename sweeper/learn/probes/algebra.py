"""The algebra of a learned solution: its order at each frequency, its factors, their forms.

Of a finished net on an abelian group. The nodes with the same dominant frequency are taken for one
of CoGO's solutions, their number being its order; one of 4 or 6 nodes is a product of two smaller
solutions if its nodes can be laid out in 2 rows of 2 or 3 whose ratio is the same in all columns.
The definitions, thresholds included, are those of the table of solutions in Y. Tian, arXiv
2410.01779 ("CoGO").
"""

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.group import Group
from sweeper.tasks.sum_potentials import LEFT, OUT, Complexes, Reals, coefficients, loss

SMALL = 0.05
"""A node whose largest |z_a| is no larger has no frequency: weight decay has taken it."""

FACTORABLE = 0.1
"""A solution of q nodes is a product if its error is at most this times √(3q)."""

NEARLY = 0.1
"""Within which a factor has one of the known forms."""

ALIKE = 2.0
"""Ways to factorize are equally good up to this ratio of their errors."""

OTHER = "other"
FORMS = ("nu_i * xi", "nu_i * syn_ab", "nu * syn", OTHER)
"""CoGO's z_{ν=i} * z_ξ of order 4, z_{ν=i} * z_{syn,αβ} and z_ν * z_syn of order 6; others."""

UNFACTORABLE = "not factorable"


@dataclass(frozen=True)
class FrequencySolution:
    """The nodes of one frequency.

    Attributes:
        irrep: Of the pair of characters, the first.
        order: How many nodes.
        error: ‖ratios − their mean‖ of the two rows over the columns, (3, q/2), in the best layout;
            NaN where the order is neither 4 nor 6.
        form: One of FORMS, UNFACTORABLE, or "" where the order is neither 4 nor 6.
    """

    irrep: int
    order: int
    error: float
    form: str


@dataclass(frozen=True)
class Algebra:
    """What a net on an abelian group has come to.

    Attributes:
        potential_loss: The loss over all pairs, from the sum potentials.
        solutions: One a pair of complex characters.
    """

    potential_loss: float
    solutions: tuple[FrequencySolution, ...]

    @property
    def orders(self) -> Counter[int]:
        """How many frequencies have a solution of each order."""
        return Counter(solution.order for solution in self.solutions)

    @property
    def forms(self) -> Counter[str]:
        """How many solutions of order 4 and 6 have each form."""
        return Counter(solution.form for solution in self.solutions if solution.form)


def algebra(group: Group, W: Reals, V: Reals) -> Algebra:
    """Read a solution.

    Args:
        group: Abelian; characters that are real have no pair, and are not looked at.
        W: (2M, K) float64.
        V: (K, M) float64.

    Raises:
        GroupError: The group is not abelian.
    """
    z = coefficients(group, W, V)
    solutions = [solution_of(k, nodes) for k, nodes in frequency_nodes(group, z).items()]
    return Algebra(loss(group, z), tuple(solutions))


def frequency_nodes(group: Group, z: Complexes) -> dict[int, Complexes]:
    """The nodes of each frequency, (3, order), z at the frequency; by the first of its characters.

    Args:
        group: Abelian.
        z: (3, M, K), as `coefficients` gives it.
    """
    firsts = np.flatnonzero(np.arange(group.order) < group.irreps.conjugates)
    if not len(firsts):  # all characters are real, as in Z2×Z2
        return {}
    sizes = np.abs(z[LEFT, firsts])  # (frequencies, nodes)
    dominant, large = np.argmax(sizes, axis=0), sizes.max(axis=0) > SMALL
    return {k: z[:, k, large & (dominant == i)] for i, k in enumerate(firsts.tolist())}


def solution_of(irrep: int, nodes: Complexes) -> FrequencySolution:
    """Read the nodes of one frequency.

    Args:
        irrep: Which.
        nodes: (3, order), z_a, z_b and z_c there.
    """
    order = nodes.shape[1]
    if order not in (4, 6):
        return FrequencySolution(irrep, order, float("nan"), "")
    ways = factors(nodes)
    factorable = ways[0].error <= FACTORABLE * np.sqrt(3 * order)
    form = form_of(ways) if factorable else UNFACTORABLE
    return FrequencySolution(irrep, order, ways[0].error, form)


@dataclass(frozen=True)
class Factors:
    """A way to write nodes as a product x * y.

    Attributes:
        error: ‖ratios of the two rows − their mean‖.
        two: x, (3, 2), with 1 for its first node.
        rest: y, (3, q/2), likewise.
    """

    error: float
    two: Complexes
    rest: Complexes


def factors(nodes: Complexes) -> list[Factors]:
    """Write q nodes as x * y, x of two nodes and y of q/2, in all the ways, the best first.

    x * y has rows y and x₂∘y, so that the ratio of the rows is x₂ in all columns. Tried are all the
    pairings of nodes, either way round. The signs (−1, −1, 1), which change no outputs, are chosen
    to bring the ratios near that of the first column.

    Args:
        nodes: (3, q), z_a, z_b and z_c at their frequency; q even.
    """
    found = []
    flip = np.array([-1, -1, 1])[:, None]
    for pairs in _pairings(tuple(range(nodes.shape[1]))):
        for ways in itertools.product((False, True), repeat=len(pairs) - 1):
            turned = [p[::-1] if way else p for p, way in zip(pairs, (False, *ways), strict=True)]
            upper, lower = np.array(turned).T
            ratios = nodes[:, lower] / nodes[:, upper]
            away = np.linalg.norm(ratios - ratios[:, :1], axis=0)
            flipped = np.linalg.norm(flip * ratios - ratios[:, :1], axis=0)
            ratios = np.where(flipped < away, flip * ratios, ratios)
            mean = ratios.mean(axis=1, keepdims=True)
            two = np.concatenate([np.ones((3, 1)), mean], axis=1)
            rest = nodes[:, upper] / nodes[:, upper[:1]]
            found.append(Factors(float(np.linalg.norm(ratios - mean)), two, rest))
    return sorted(found, key=lambda one: one.error)


def _pairings(items: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """All ways to sort an even number of items into pairs."""
    if not items:
        return [[]]
    first, rest = items[0], items[1:]
    return [
        [(first, other), *others]
        for i, other in enumerate(rest)
        for others in _pairings(rest[:i] + rest[i + 1 :])
    ]


def form_of(ways: list[Factors]) -> str:
    """Which of FORMS a product has.

    Where x₂∘x₂ = 1, as for ν = 1, a column either way round is as good. So the first known form
    counts of all ways whose error is at most ALIKE times the least.

    Args:
        ways: As `factors` gives them.
    """
    for way in ways:
        if way.error > ALIKE * ways[0].error + 1e-9:
            break
        rest = _order_two(way.rest) if way.rest.shape[1] == 2 else _order_three(way.rest)
        known = {_order_two(way.two), rest}
        if known == {"nu_i", "xi"}:
            return FORMS[0]
        if known in ({"nu_i", "syn"}, {"nu_i", "syn_ab"}):
            return FORMS[1]
        if known == {"nu", "syn"}:
            return FORMS[2]
    return OTHER


def _order_two(factor: Complexes) -> str:
    """1 + [ξ, ±i/ξ, ±i] is xi, 1 + [±i, ∓i, 1] nu_i, and any 1 + [ν, −ν, −1/ν²] nu."""
    a, b, c = _unit_product(factor[:, 1])
    if min(abs(c - 1j), abs(c + 1j)) < NEARLY:
        return "xi"
    if abs(c - 1) < NEARLY and min(abs(a - 1j), abs(a + 1j)) < NEARLY:
        return "nu_i"
    return "nu" if abs(a + b) < NEARLY else OTHER


def _order_three(factor: Complexes) -> str:
    """1 + [ω, ω, ω] + [ω̄, ω̄, ω̄] is syn, ω³ = 1; with ω and ω̄ in z_c alone it is syn_ab."""
    nodes = np.stack([_unit_product(node) for node in factor[:, 1:].T], axis=1)
    nodes[:OUT] *= np.where(nodes[LEFT].real > 0, -1, 1)  # the sign (−1, −1, 1)
    if nodes[OUT, 0].imag < 0:
        nodes = nodes.conj()
    omega = np.exp(2j * np.pi / 3)
    away = nodes - np.array([omega, omega.conj()])
    if np.all(np.linalg.norm(away, axis=0) < NEARLY * np.sqrt(3)):
        return "syn"
    return "syn_ab" if np.all(np.abs(away[OUT]) < NEARLY) else OTHER


def _unit_product(node: Complexes) -> NDArray[np.complex128]:
    """Over the cube root of z_a·z_b·z_c, their phase's too: nodes may turn together."""
    return np.asarray(node / np.prod(node) ** (1 / 3))
