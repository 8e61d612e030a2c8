"""From records to thresholds, laws and figures. Reads results through sweeper.store alone.

    records = load("results/quickstart")
    cells = thresholds(records)
    law = fit_law(cells, "Theorem 4")
    (check,) = horizon_check(records)
    print(verdict(law, check))
    compared = compare_laws(cells)
    Path("laws.tex").write_text(comparison_latex(compared))
    phase_diagram(records, cells, [law]).savefig("phases.pdf")

These are of one setting; of several, `for _, part in cells.groupby("setting")`. Results print as
tables, and `to_frame` makes data frames of them; `verdict` says what a fit means. `phases` tells
comprehension from grokking, memorization, confusion and collapse; `collapse` scales the accuracies
of all orders onto one curve; `load_probes` has what probes measured. The other figures are in
`analysis.figures`.
"""

from typing import TYPE_CHECKING

from analysis.brackets import Bracket, BracketStatus, bracket, thresholds
from analysis.censored import CensoredFit, CensoredStatus, fit_censored
from analysis.covariates import CovariateFit, CovariateStatus, fit_covariates
from analysis.declarations import DeclaredLaw, built_in_laws, declare, read_laws
from analysis.declared import DeclaredFit, DeclaredStatus
from analysis.dims import Dim, with_dim
from analysis.dynamics import (
    ProbedRun,
    load_probe_summaries,
    load_probed_layers,
    load_probed_run,
    load_probes,
)
from analysis.finite_size import Collapse, CollapseStatus, collapse, collapse_words
from analysis.fitting import fit_law, fit_laws
from analysis.formulas import InputError
from analysis.frames import limit_frame, threshold_frame
from analysis.groups import GroupMeans, group_means
from analysis.horizon import (
    HorizonCheck,
    HorizonStatus,
    check_tables,
    horizon_check,
    horizon_tables,
)
from analysis.laws import Constants, Estimate, FitStatus, Form, Law, LawFit, constants
from analysis.learning_phases import Phase, phase_shares, phases
from analysis.limits import Limit, LimitStatus, limits_as_thresholds, threshold_limits
from analysis.loading import load, load_curves, setting_labels, settings
from analysis.paper_tables import comparison_latex, law_latex, threshold_latex
from analysis.rivals import compare_laws
from analysis.scaling import ScalingFit, ScalingStatus, fit_scaling_law
from analysis.seeds import SeedScatter, SeedStatus, seed_scatter
from analysis.threshold_files import read_thresholds
from analysis.words import (
    censored_words,
    covariate_words,
    horizon_words,
    scatter_words,
    theorem4_constants,
    verdict,
)

if TYPE_CHECKING:
    from analysis.figures import phase_diagram

__all__ = [
    "Bracket",
    "BracketStatus",
    "CensoredFit",
    "CensoredStatus",
    "Collapse",
    "CollapseStatus",
    "Constants",
    "CovariateFit",
    "CovariateStatus",
    "DeclaredFit",
    "DeclaredLaw",
    "DeclaredStatus",
    "Dim",
    "Estimate",
    "FitStatus",
    "Form",
    "GroupMeans",
    "HorizonCheck",
    "HorizonStatus",
    "InputError",
    "Law",
    "LawFit",
    "Limit",
    "LimitStatus",
    "Phase",
    "ProbedRun",
    "ScalingFit",
    "ScalingStatus",
    "SeedScatter",
    "SeedStatus",
    "bracket",
    "built_in_laws",
    "censored_words",
    "check_tables",
    "collapse",
    "collapse_words",
    "compare_laws",
    "comparison_latex",
    "constants",
    "covariate_words",
    "declare",
    "fit_censored",
    "fit_covariates",
    "fit_law",
    "fit_laws",
    "fit_scaling_law",
    "group_means",
    "horizon_check",
    "horizon_tables",
    "horizon_words",
    "law_latex",
    "limit_frame",
    "limits_as_thresholds",
    "load",
    "load_curves",
    "load_probe_summaries",
    "load_probed_layers",
    "load_probed_run",
    "load_probes",
    "phase_diagram",
    "phase_shares",
    "phases",
    "read_laws",
    "read_thresholds",
    "scatter_words",
    "seed_scatter",
    "setting_labels",
    "settings",
    "theorem4_constants",
    "threshold_frame",
    "threshold_latex",
    "threshold_limits",
    "thresholds",
    "verdict",
    "with_dim",
]


def __getattr__(name: str) -> object:
    """`phase_diagram`, when it is asked for: importing matplotlib takes longer than most fits."""
    if name == "phase_diagram":
        from analysis.figures import phase_diagram

        return phase_diagram
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
