"""How many training pairs are said to be enough."""

import math

CRITICAL_RATIO = 2.7482
"""Of the paper's public code: n/M² = 2.7482·log(M)/M, for groups with d_k = 1."""


def theorem4_pairs(order: float, max_irrep_dim: float, delta: float) -> float:
    """d_k² M log(M/δ) of Theorem 4, which is sufficient up to a constant that it does not give.

    Args:
        order: M.
        max_irrep_dim: d_k, of the complex irreps, or the effective d of the real ones.
        delta: Failure probability δ, above 0 and at most 1.
    """
    return max_irrep_dim**2 * order * math.log(order / delta)


def critical_pairs(order: float, max_irrep_dim: int) -> float:
    """What the paper's public code takes for the threshold: 2.7482·M log M, times d_k/2 if d_k > 1.

    Linear in d_k, unlike the theorem.

    Args:
        order: M.
        max_irrep_dim: The largest d_k; 1 for an abelian group.
    """
    factor = max_irrep_dim / 2 if max_irrep_dim > 1 else 1.0
    return CRITICAL_RATIO * factor * order * math.log(order)
