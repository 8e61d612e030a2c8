"""Trials that were finished before their probes were on: trained again, for their probes alone."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeper.run.agenda import AllAtOnce, agenda_of, among, missing, without_failed
from sweeper.run.packs import Numbers
from sweeper.run.search import KNOWN_BY
from sweeper.spec.sweep import Sweep
from sweeper.store.results import ResultsFolder

PROBED_BY = ["fingerprint", "probes"]
"""Columns of the probes that say which measured a trial."""


class ProbingAgain(AllAtOnce):
    """Trials that have a record, and no measurements by all the probes that their spec names.

    Attributes:
        differing: Trials of this run that ended at another step or with another outcome than their
            records: of another device, or other libraries.
        failed: Trials that failed this time, or whose probes did: they have no probes.
        error: Of the first one.
    """

    unit = "trials with probes"

    def __init__(
        self, sweep: Sweep, records: pa.Table, probed: pa.Table, raised: pa.Table | None = None
    ) -> None:
        """Take what can be probed.

        Args:
            sweep: Of a spec with probes.
            records: Its results: fingerprint, outcome and final_step; of a search KNOWN_BY.
            probed: PROBED_BY of the trials that were probed.
            raised: Fingerprints of trials whose probes have raised before: they come last.
        """
        scope = agenda_of(sweep, records).scope
        records, _ = without_failed(records.select(["fingerprint", "outcome", "final_step"]))
        finished = scope.filter(among(scope, records["fingerprint"]))
        plan = unprobed(finished, sweep, probed)
        last = among(plan, raised["fingerprint"]).to_numpy() if raised is not None else None
        turns = None if last is None else last.astype(np.int64)
        super().__init__(plan, finished, sweep.spec.resources, turns)
        self.differing = self.failed = 0
        self.error = ""
        self._known = records.filter(among(records, plan["fingerprint"]))

    def steps_of(self, some: pa.Table) -> Numbers:
        """(rows,) how many steps each of some rows of the plan took when it was trained first."""
        known = self._known["fingerprint"].combine_chunks()
        places = pc.index_in(some["fingerprint"], value_set=known)
        return np.asarray(self._known["final_step"].take(places), dtype=float)

    def learn(self, rows: list[int], records: pa.Table) -> None:
        """Count them, and compare them with their records."""
        super().learn(rows, records)
        whole, lost = without_failed(records)
        raised = whole.filter(pc.is_valid(whole["probe_error"]))
        self.failed += lost.num_rows + raised.num_rows
        errors = [*lost["error"].to_pylist(), *raised["probe_error"].to_pylist()]
        self.error = self.error or next(iter(errors), "")
        again = whole.select(self._known.column_names)
        same = again.join(self._known, self._known.column_names, join_type="inner")
        self.differing += again.num_rows - same.num_rows


def open_probing_again(sweep: Sweep, folder: ResultsFolder) -> ProbingAgain:
    """What can be probed in a folder.

    Args:
        sweep: Of a spec with probes.
        folder: Its results.

    Raises:
        ResultsError: The folder cannot be read.
    """
    searches = sweep.spec.search.kind != "grid"
    columns = KNOWN_BY if searches else ["fingerprint", "outcome", "final_step"]
    records = folder.records([*columns, "probe_error"])
    raised = records.filter(pc.is_valid(records["probe_error"]))
    return ProbingAgain(sweep, records, folder.probes(PROBED_BY), raised)


def unprobed(plan: pa.Table, sweep: Sweep, probed: pa.Table) -> pa.Table:
    """The rows of a plan of which not all that the sweep's probes measure is known.

    Args:
        plan: Rows with a fingerprint.
        sweep: It.
        probed: PROBED_BY of the trials that were probed.
    """
    if sweep.spec.probing is None:
        return plan.slice(0, 0)
    for name in sweep.spec.probing.measure:
        probed = probed.filter(pc.match_substring_regex(probed["probes"], rf"\b{name}\b"))
    return missing(plan, probed)
