"""Which irrep dimension d a law goes with: there are two conventions, and both are worth a fit.

Complex: d = max d_k of the complex irreps, 1 for every abelian group. Effective: d = M/(8E*), which
is d_k for a real irrep and 2d_k for a complex or quaternionic one (a cyclic frequency is a rotation
of the plane), E* its energy by Theorem 2 of arXiv 2509.21519.
"""

import re
from enum import StrEnum

import pandas as pd

from analysis.formulas import InputError
from sweeper.tasks.groups import GroupError, group_named


class Dim(StrEnum):
    """A convention of d."""

    COMPLEX = "complex"
    EFFECTIVE = "effective"


def with_dim(thresholds: pd.DataFrame, dim: Dim | str) -> pd.DataFrame:
    """The same thresholds, with the column `irrep_dim` that the laws take as d.

    Args:
        thresholds: As `thresholds` gives them, or a table of them with a column effective_dim; or
            records.
        dim: The convention.

    Raises:
        InputError: The effective dimension of a group is not known.
    """
    if Dim(dim) is Dim.COMPLEX:
        return thresholds.assign(irrep_dim=thresholds["max_irrep_dim"])
    if "effective_dim" in thresholds:
        return thresholds.assign(irrep_dim=thresholds["effective_dim"])
    known = {group: effective_dim(group) for group in thresholds["group"].unique()}
    return thresholds.assign(irrep_dim=thresholds["group"].map(known))


def dims_of(frame: pd.DataFrame) -> "pd.Series[int]":
    """The d of each row: the column irrep_dim, as `with_dim` adds it, or else max_irrep_dim."""
    return frame["irrep_dim" if "irrep_dim" in frame else "max_irrep_dim"]


def symbol(frame: pd.DataFrame) -> str:
    """How figures write d: as d_k wherever it is the largest d_k of every group."""
    return "d_k" if (dims_of(frame) == frame["max_irrep_dim"]).all() else "d"


def effective_dim(group: str) -> int:
    """The largest effective dimension of a group's irreps.

    Args:
        group: Its name, as records have it.

    Raises:
        InputError: No group has this name here, such as one from a file; a column effective_dim
            can give it.
    """
    if cyclic := re.fullmatch(r"Z(\d+)", group):
        return 2 if int(cyclic[1]) > 2 else 1  # all characters of Z1 and Z2 are real
    try:
        return int(group_named(group).irreps.real_dims.max())
    except GroupError as error:
        raise InputError(
            f"{error}; put thresholds into a table with a column effective_dim, and take"
            " --thresholds FILE"
        ) from None
