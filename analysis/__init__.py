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
from analysis.finite_size import Collapse, CollapseStatus, collapse, collapse_words
from analysis.fitting import fit_laws, fit_power_law, fit_theorem4
from analysis.groups import GroupMeans, group_means
from analysis.horizon import HorizonCheck, HorizonStatus, horizon_check
from analysis.laws import Constants, Estimate, FitStatus, Form, Law, LawFit, constants
from analysis.learning_phases import Phase, phase_shares, phases
from analysis.loading import load, load_curves, setting_labels, settings
from analysis.rivals import compare_laws
from analysis.words import horizon_words, theorem4_constants, verdict

__all__ = [
    "Bracket",
    "BracketStatus",
    "Collapse",
    "CollapseStatus",
    "Constants",
    "Estimate",
    "FitStatus",
    "Form",
    "GroupMeans",
    "HorizonCheck",
    "HorizonStatus",
    "Law",
    "LawFit",
    "Phase",
    "bracket",
    "collapse",
    "collapse_words",
    "compare_laws",
    "constants",
    "fit_laws",
    "fit_power_law",
    "fit_theorem4",
    "group_means",
    "horizon_check",
    "horizon_words",
    "load",
    "load_curves",
    "phase_shares",
    "phases",
    "setting_labels",
    "settings",
    "theorem4_constants",
    "thresholds",
    "verdict",
]
