"""Records of other sweeps' folders that are a sweep's too: taken over instead of run again."""

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.run.agenda import without_failed
from sweeper.run.probing_again import PROBED_BY
from sweeper.run.search import KNOWN_BY, beside
from sweeper.spec.load import parse
from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import Sweep
from sweeper.spec.trial import NUMERICS
from sweeper.store.records import RECORD_SCHEMA, Outcome
from sweeper.store.results import ResultsError, ResultsFolder


def check_reuse(sweep: Sweep) -> None:
    """Look whether all folders that a sweep's spec names under `reuse` hold records.

    Raises:
        SpecError: Those that hold none, or cannot be read.
    """
    wrong: dict[int, str] = {}
    for i, location in enumerate(sweep.spec.reuse):
        try:
            if not ResultsFolder.at(location).records(["fingerprint"]).num_rows:
                wrong[i] = f"{location} holds no records"
        except (ResultsError, OSError) as error:
            wrong[i] = str(error)
    if wrong:
        document = parse(sweep.text, sweep.path)
        problems = [document.problem(("reuse", i), reason) for i, reason in wrong.items()]
        raise SpecError(sweep.path, problems)


def known_records(
    sweep: Sweep, folder: ResultsFolder, retry_failed: bool = False
) -> tuple[pa.Table, pa.Table | None]:
    """What a sweep may start from: the records in its folder, and those that it would take over.

    Args:
        sweep: It.
        folder: Its own.
        retry_failed: Trials that failed are to be run again.

    Returns:
        KNOWN_BY of them; and where failed trials are to be run again what `agenda_of` takes.

    Raises:
        ResultsError: The folder cannot be read.
        SpecError: One to be reused cannot be read, or holds no records.
    """
    check_reuse(sweep)
    own, again = folder.records([*KNOWN_BY, "run_id"]), None
    if retry_failed:
        own, again = without_failed(own)
    tables = [own, *(records for records, _ in _reusable(sweep, own["fingerprint"]))]
    return pa.concat_tables([table.select(KNOWN_BY) for table in tables]), again


def known_probes(sweep: Sweep, folder: ResultsFolder, records: pa.Table) -> pa.Table:
    """By which probes the trials of `known_records` were measured, those taken over too.

    Args:
        sweep: It.
        folder: Its own.
        records: As `known_records` has them.

    Returns:
        Columns fingerprint and probes.

    Raises:
        ResultsError: A folder cannot be read.
    """
    known = _set(records["fingerprint"])
    own = _set(folder.records(["fingerprint"])["fingerprint"])
    others = known.filter(pc.invert(pc.is_in(known, own)))
    found = [folder.probes(PROBED_BY)]
    if len(others):
        found += [ResultsFolder.at(one).probes(PROBED_BY, others) for one in sweep.spec.reuse]
    return pa.concat_tables(found)


def take_over(sweep: Sweep, folder: ResultsFolder, run_id: str, retry_failed: bool = False) -> int:
    """Copy the records, with their curves and probes, that other folders have and this one misses.

    They keep their provenance. Call it with the folder's lock.

    Args:
        sweep: Its spec names the folders under `reuse`.
        folder: The sweep's own.
        run_id: Of the run that does it.
        retry_failed: Also those of trials that failed here.

    Returns:
        How many there were.

    Raises:
        ResultsError: A folder cannot be read.
        OSError: They cannot be written.
    """
    count = 0
    if not sweep.spec.reuse:
        return 0
    own = folder.records(["fingerprint", "outcome"])
    if retry_failed:
        own, _ = without_failed(own)
    for place, (records, source) in enumerate(_reusable(sweep, own["fingerprint"])):
        curves = source.curves()
        taken = _set(records["fingerprint"])
        curves = curves.filter(pc.is_in(curves["fingerprint"], taken))
        probes = source.probes(fingerprints=taken)
        folder.write_shard(f"{run_id}-reused-{place:03}", records, curves, probes)
        count += records.num_rows
    return count


def _reusable(sweep: Sweep, own: pa.ChunkedArray) -> list[tuple[pa.Table, ResultsFolder]]:
    """For each folder under `reuse` that has any, the records that are missing, and the folder."""
    taken = own
    found = []
    for location in sweep.spec.reuse:
        source = ResultsFolder.at(location)
        records = source.records()
        usable = pc.and_(
            pc.not_equal(records["outcome"], Outcome.FAILED),
            pc.and_(
                pc.equal(records["numerics"], NUMERICS),
                pc.invert(pc.is_in(records["fingerprint"], _set(taken))),
            ),
        )
        records = records.filter(usable)
        ours = pc.is_in(records["fingerprint"], _set(sweep.plan["fingerprint"]))
        if sweep.spec.search.kind != "grid":
            more = beside(sweep.plan, records)["fingerprint"]
            ours = pc.or_(ours, pc.is_in(records["fingerprint"], _set(more)))
        records = records.filter(ours)
        if records.num_rows:
            taken = pa.chunked_array([*taken.chunks, *records["fingerprint"].chunks], pa.string())
            found.append((records.cast(RECORD_SCHEMA), source))
    return found


def _set(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
