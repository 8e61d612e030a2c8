"""From records to thresholds, laws and figures. Reads results through sweeper.store alone.

    records = load("results/mod_add")
    cells = thresholds(records)
    checks = {check.setting: check for check in horizon_check(records)}
    for fit in fit_laws(cells):
        print(verdict(fit, checks[fit.setting]))

`verdict` says what a fit means, `analysis.tables` has tables and plain values. `phases` tells
comprehension from grokking, memorization, confusion and collapse; `collapse` scales the accuracies
of all orders onto one curve. `analysis.figures` draws them; it is imported on its own, for
matplotlib takes longer to import than most fits.
"""

from analysis.brackets import Bracket, BracketStatus, bracket, thresholds
from analysis.censored import CensoredFit, CensoredStatus, fit_censored
from analysis.covariates import CovariateFit, CovariateStatus, fit_covariates
from analysis.declarations import DeclaredLaw, built_in_laws, declare, read_laws
from analysis.declared import DeclaredFit, DeclaredStatus, fit_declared, fit_declared_laws
from analysis.dims import Dim, with_dim
from analysis.finite_size import Collapse, CollapseStatus, collapse, collapse_words
from analysis.fitting import fit_laws, fit_power_law, fit_theorem4
from analysis.formulas import InputError
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
    "constants",
    "covariate_words",
    "declare",
    "fit_censored",
    "fit_covariates",
    "fit_declared",
    "fit_declared_laws",
    "fit_laws",
    "fit_power_law",
    "fit_scaling_law",
    "fit_theorem4",
    "group_means",
    "horizon_check",
    "horizon_tables",
    "horizon_words",
    "limits_as_thresholds",
    "load",
    "load_curves",
    "phase_shares",
    "phases",
    "read_laws",
    "read_thresholds",
    "scatter_words",
    "seed_scatter",
    "setting_labels",
    "settings",
    "theorem4_constants",
    "threshold_limits",
    "thresholds",
    "verdict",
    "with_dim",
]
