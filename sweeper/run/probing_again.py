"""Trials that were finished before their probes were on: trained again, for their probes alone."""

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.run.agenda import AllAtOnce, among, missing, open_agenda
from sweeper.spec.sweep import Sweep
from sweeper.store.records import Outcome
from sweeper.store.results import ResultsFolder


class ProbingAgain(AllAtOnce):
    """Trials that have a record, and no measurements by all the probes that their spec names.

    Attributes:
        differing: Trials of this run that ended at another step or with another outcome than their
            records: of another device, or other libraries.
        failed: Trials that failed this time, and have no probes.
        error: Of the first one.
    """

    unit = "trials with probes"

    def __init__(self, sweep: Sweep, folder: ResultsFolder) -> None:
        """Take what can be probed.

        Args:
            sweep: Of a spec with probes.
            folder: Its results.
        """
        scope = open_agenda(sweep, folder).scope
        records = folder.records(["fingerprint", "outcome", "final_step"])
        records = records.filter(pc.not_equal(records["outcome"], Outcome.FAILED))
        finished = scope.filter(among(scope, records["fingerprint"]))
        super().__init__(unprobed(finished, sweep, folder), finished, sweep.spec.resources)
        self.differing = self.failed = 0
        self.error = ""
        self._known = records.filter(among(records, self.plan["fingerprint"]))

    def learn(self, rows: list[int], records: pa.Table) -> None:
        """Count them, and compare them with their records."""
        super().learn(rows, records)
        whole = pc.not_equal(records["outcome"], Outcome.FAILED)
        if errors := records["error"].filter(pc.invert(whole)).to_pylist():
            self.failed += len(errors)
            self.error = self.error or errors[0]
        again = records.filter(whole).select(self._known.column_names)
        same = again.join(self._known, self._known.column_names, join_type="inner")
        self.differing += again.num_rows - same.num_rows


def unprobed(plan: pa.Table, sweep: Sweep, folder: ResultsFolder) -> pa.Table:
    """The rows of a plan of which not all that the sweep's probes measure is in its results."""
    if sweep.spec.probing is None:
        return plan.slice(0, 0)
    probed = folder.probes(["fingerprint", "probes"])
    for name in sweep.spec.probing.measure:
        probed = probed.filter(pc.match_substring_regex(probed["probes"], rf"\b{name}\b"))
    return missing(plan, probed)
