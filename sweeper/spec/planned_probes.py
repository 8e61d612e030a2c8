"""The probes of a plan: whether they can measure its trials, by the table."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sweeper.spec.load import Document
from sweeper.spec.model import SweepSpec
from sweeper.spec.probes import PROBES, Probes
from sweeper.spec.problems import Problem


def probe_problems(spec: SweepSpec, values: Mapping[str, Any], document: Document) -> list[Problem]:
    """Probes that cannot measure some of the trials, each with all that is in its way.

    Args:
        spec: The spec.
        values: For each field that the table speaks of one value for all trials, or several.
        document: Which the spec was read from.
    """
    if spec.probing is None:
        return []
    place = ("probes", "measure") if isinstance(spec.probes, Probes) else ("probes",)
    problems = []
    for i, name in enumerate(spec.probing.measure):
        broken = [
            (need, others)
            for need in PROBES[name].needs
            if (others := [one for one in np.unique(values[need.field]) if one not in need.allowed])
        ]
        if broken:
            needs = ", ".join(need.words for need, _ in broken)
            found = ", ".join(
                f"{need.field} {', '.join(map(str, others))}" for need, others in broken
            )
            because = "; ".join(need.because for need, _ in broken)
            text = f"{name} needs {needs}; found {found} ({because})"
            problems.append(document.problem((*place, i), text))
    return problems
