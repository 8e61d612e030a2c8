"""Collections of groups to sweep over, by name. All names are canonical."""

import math
from dataclasses import dataclass

from sweeper.tasks.predictions import critical_pairs

FIGURE_5_ORDERS = range(6, 128, 2)
"""Up to 127, those of non-abelian groups with max d_k = 2: d_k divides M, and so M is even."""


@dataclass(frozen=True)
class Catalogue:
    """A collection of groups.

    Attributes:
        name: Of the collection.
        title: What they have in common, and what for.
        groups: Their canonical names.
    """

    name: str
    title: str
    groups: tuple[str, ...]


def figure_5_non_abelian() -> tuple[str, ...]:
    """One non-abelian group with max d_k = 2 for each order up to 127 that has one.

    Dihedral all of them: D_n is such a group for every n ≥ 3.
    """
    return tuple(f"D{order // 2}" for order in FIGURE_5_ORDERS)


def figure_5_products() -> tuple[str, ...]:
    """The products of figure 5."""
    return (
        "Z4×Z7", "Z5×Z6", "Z2×Z2×Z9", "Z13×Z11", "Z5×Z2×Z2×Z2", "Z6×Z4×Z2", "Z3×Z2×Z17",
        "Z2×Z3×Z3×Z5",
    )  # fmt: skip


def ladder(size: str) -> tuple[str, ...]:
    """Groups of nearly one order whose max d_k climbs 1, 2, 3, ….

    So d_k varies while M hardly does, and γ in n ~ d_k^γ can be fitted. At 2.7482·d_k² M log M, the
    paper's constant with the theorem's power, all M² pairs are too few below order 41 for d_k = 2,
    118 for 3, 242 for 4, 415 for 5 and 640 for 6.

    Args:
        size: "small", orders 52 to 57 and d_k to 6, for two cores; "medium", 237 to 244 and d_k
            to 4; "large", 628 to 692 and d_k to 6, for a GPU: room for d_k² throughout.

    Raises:
        KeyError: There is no such size.
    """
    return {
        "small": ("Z53", "D27", "Z19⋊Z3", "Z13⋊Z4", "Z11⋊Z5", "Z9⋊Z6"),
        "medium": ("Z241", "D121", "Z79⋊Z3", "Z61⋊Z4"),
        "large": ("Z653", "D325", "Z223⋊Z3", "Z173⋊Z4", "Z131⋊Z5", "Z109⋊Z6"),
    }[size]


def of_dim(dim: int, order: float) -> tuple[str, int]:
    """A group with max d_k = d whose order is as near as can be to a given one.

    Z_p⋊Z_d for a prime p ≡ 1 modulo d (a Frobenius group; the dihedral D_p for d = 2): d irreps of
    dimension 1 and (p − 1)/d of dimension d. Only those with room: twice what the paper's code
    takes for the threshold, for complex irreps need that, is less than 0.7 of all M² pairs.

    Args:
        dim: d, 2 or more.
        order: About which M.

    Returns:
        Its name and its order p·d.
    """
    room = next(M for M in range(8, 10**6) if 2 * critical_pairs(M, dim) < 0.7 * M**2)
    primes = [
        p for p in range(3, round(2 * max(order, room) / dim) + 20 * dim) if p % dim == 1
        and p * dim >= room and all(p % k for k in range(2, math.isqrt(p) + 1))
    ]  # fmt: skip
    p = min(primes, key=lambda p: abs(math.log(p * dim / order)))
    return (f"D{p}" if dim == 2 else f"Z{p}⋊Z{dim}"), p * dim


CATALOGUES = {
    one.name: one
    for one in (
        Catalogue("figure5-products", "the products of figure 5", figure_5_products()),
        Catalogue(
            "figure5-nonabelian",
            "max d_k = 2: one group for each order up to 127 that has a non-abelian one",
            figure_5_non_abelian(),
        ),
        Catalogue("ladder-small", "d_k = 1 … 6 near order 54, for two cores", ladder("small")),
        Catalogue("ladder-medium", "d_k = 1 … 4 near order 240", ladder("medium")),
        Catalogue(
            "ladder-large", "d_k = 1 … 6 near order 650, with room for d_k²", ladder("large")
        ),
    )
}
"""All collections, by name."""
