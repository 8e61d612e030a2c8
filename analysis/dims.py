"""Which irrep dimension d a law goes with: there are two conventions, and both are worth a fit.

Complex: d = max d_k of the complex irreps, 1 for every abelian group. Effective: d = M/(8E*), which
is d_k for a real irrep and 2d_k for a complex or quaternionic one (a cyclic frequency is a rotation
of the plane), E* its energy by Theorem 2 of arXiv 2509.21519.
"""

import re
from enum import StrEnum

import pandas as pd

from analysis.formulas import InputError


class Dim(StrEnum):
    """A convention of d."""

    COMPLEX = "complex"
    EFFECTIVE = "effective"


def with_dim(thresholds: pd.DataFrame, dim: Dim | str) -> pd.DataFrame:
    """The same thresholds, with the column `irrep_dim` that the laws take as d.

    Args:
        thresholds: As `thresholds` gives them, or a table of them with a column effective_dim.
        dim: The convention.

    Raises:
        InputError: The effective dimension of a group is not known.
    """
    if Dim(dim) is Dim.COMPLEX:
        return thresholds.assign(irrep_dim=thresholds["max_irrep_dim"])
    if "effective_dim" in thresholds:
        return thresholds.assign(irrep_dim=thresholds["effective_dim"])
    return thresholds.assign(irrep_dim=thresholds["group"].map(effective_dim))


def effective_dim(group: str) -> int:
    """The largest effective dimension of a group's irreps, from its name.

    The one place to ask `sweeper.tasks` for the irreps of other groups.

    Args:
        group: Z followed by its order.

    Raises:
        InputError: Another group; a column effective_dim can give it.
    """
    cyclic = re.fullmatch(r"Z(\d+)", group)
    if not cyclic:
        raise InputError(
            f"{group}: its effective dimension is not known here; put thresholds into a table with"
            " a column effective_dim, and take --thresholds FILE"
        )
    return 2 if int(cyclic[1]) > 2 else 1  # all characters of Z1 and Z2 are real
