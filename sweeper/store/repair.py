"""What is broken in a results folder, and setting it aside so that the rest can be used again.

A shard is kept or set aside as a whole, with its files of all data sets: a record without its
curve would be half a trial. Nothing is deleted but what an interrupted write left half-written.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.fs as pafs

from sweeper.store.records import RECORD_SCHEMA, Outcome
from sweeper.store.results import ALWAYS, SCHEMAS, ResultsError, ResultsFolder, SchemaError
from sweeper.store.standing import KEY, DoubledError, standing

ASIDE = "set-aside"
_DESCRIPTIONS = ("runs", "state")
Say = Callable[[str], None]
_NONE = pa.schema([RECORD_SCHEMA.field(name) for name in KEY]).empty_table()


@dataclass(frozen=True)
class Finding:
    """Files that cannot be used.

    Attributes:
        files: Under the results folder, in the order in which they are to be moved.
        reason: What is wrong with them.
        trials: Fingerprints of the records that are in them; None where that cannot be told.
    """

    files: list[str]
    reason: str
    trials: list[str] | None


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a results folder.

    Attributes:
        findings: To be set aside.
        leftovers: Files that an interrupted write left, half-written or put into others already;
            to be deleted.
        foreign: What shards of another schema version say, which are whole and stay.
        again: Fingerprints of the trials that have no other record than those to be set aside.
        untold: Shards to be set aside of which nobody can tell what trials they hold.
    """

    findings: list[Finding]
    leftovers: list[str]
    foreign: list[str]
    again: list[str]
    untold: list[str]

    @property
    def well(self) -> bool:
        """Nothing is wrong."""
        return not (self.findings or self.leftovers or self.foreign)


def diagnose(folder: ResultsFolder, say: Say = lambda text: None) -> Diagnosis:
    """Read every file that a sweep rests on, to its last byte; write nothing, and take no lock.

    What a driver is just writing would look broken. So none may be at work, or begin meanwhile;
    that is looked for, and not prevented.

    Args:
        folder: To be read.
        say: Tells people what is waited for.

    Raises:
        ResultsError: There is no such folder, or a driver is at work in it.
        OSError: The folder cannot be listed.
    """
    _check(folder, say)
    runs = _names(folder, "runs", ".json")
    found = _diagnose(folder)
    if _names(folder, "runs", ".json") != runs or folder.driver():
        raise ResultsError(f"{folder.path}: a run began meanwhile; look again when that has ended")
    return found


def repair(
    folder: ResultsFolder, holder: str, say: Say = lambda text: None
) -> tuple[Diagnosis, str | None]:
    """Move what `diagnose` finds under set-aside/, with the reasons, and delete leftovers.

    Args:
        folder: To be repaired.
        holder: Says who does it, for a driver that is refused meanwhile.
        say: Tells people what is waited for.

    Returns:
        What was wrong, and the folder that it was moved to, if anything was.

    Raises:
        ResultsError: There is no such folder, or a driver is at work in it.
        OSError: Something cannot be moved; what was not moved is as it was.
    """
    _check(folder, say)
    leftovers = folder.leftovers()
    with folder.lock(holder, say):  # which deletes leftovers, where it is a lock
        found = _diagnose(folder)
        for name in found.leftovers:
            folder.filesystem.delete_file(f"{folder.path}/{name}")
        aside = _set_aside(folder, found) if found.findings else None
    all_leftovers = sorted({*leftovers, *found.leftovers})
    return Diagnosis(**(vars(found) | {"leftovers": all_leftovers})), aside


def _check(folder: ResultsFolder, say: Say) -> None:
    """That it is a sweep's, for locking makes one, and that nobody is at work in it."""
    if folder.filesystem.get_file_info(folder.path).type != pafs.FileType.Directory:
        raise ResultsError(f"{folder.path}: no such folder")
    marks = [f"{folder.path}/{name}" for name in ("records", "runs")]
    if not any(
        one.type == pafs.FileType.Directory for one in folder.filesystem.get_file_info(marks)
    ):
        text = "no results of a sweep, which have a folder records or runs"
        raise ResultsError(f"{folder.path}: {text}")
    if holder := folder.at_work(say):
        raise ResultsError(f"{folder.path}: in use by {holder}; repair it when that has ended")


def _set_aside(folder: ResultsFolder, found: Diagnosis) -> str:
    numbers = [int(name) for name in _names(folder, ASIDE) if name.isdigit()]
    place = f"{ASIDE}/{max(numbers, default=0) + 1}"
    folder.write_file(f"{place}/why.json", json.dumps(asdict(found), indent=2).encode())
    for finding in found.findings:
        for file in finding.files:
            target = f"{folder.path}/{place}/{file}"
            folder.filesystem.create_dir(target.rpartition("/")[0])
            folder.filesystem.move(f"{folder.path}/{file}", target)
    return f"{folder.path}/{place}"


def _diagnose(folder: ResultsFolder) -> Diagnosis:
    findings: list[Finding] = []
    foreign: list[str] = []
    good: dict[str, pa.Table] = {}
    leftovers = folder.leftovers()
    gone = set(leftovers)
    files = {
        kind: {name for name in _names(folder, kind, ".parquet") if f"{kind}/{name}" not in gone}
        for kind in SCHEMAS
    }
    for name in sorted(set.union(*files.values())):
        kinds = [kind for kind in SCHEMAS if name in files[kind]]
        found = _shard(folder, name, kinds)
        if isinstance(found, Finding):
            findings.append(found)
        elif isinstance(found, str):
            foreign.append(found)
        else:
            good[name] = found
    findings += _doubled(good, files)
    findings += [
        Finding([f"{kind}/{name}"], reason, [])
        for kind in _DESCRIPTIONS
        for name in _names(folder, kind, ".json")
        if (reason := _description(folder, f"{kind}/{name}"))
    ]
    doubled = {file.rpartition("/")[2] for finding in findings for file in finding.files}
    kept = {
        fingerprint
        for name, table in good.items()
        if name not in doubled
        for fingerprint in table["fingerprint"].to_pylist()
    }
    lost = {one for finding in findings for one in finding.trials or []}
    untold = [finding.files[0] for finding in findings if finding.trials is None]
    return Diagnosis(findings, sorted(leftovers), foreign, sorted(lost - kept), untold)


def _shard(folder: ResultsFolder, name: str, kinds: list[str]) -> Finding | str | pa.Table:
    """What is wrong with a shard, or what one of another schema says, or its records' KEY."""
    tables: dict[str, pa.Table] = {}
    wrong: list[str] = []
    for kind in kinds:
        try:
            tables[kind] = folder.shard_file(kind, name)
        except SchemaError as error:
            return str(error)
        except ResultsError as error:
            wrong.append(f"{kind}: {error.__cause__ or error}")
    fingerprints = {kind: set(table["fingerprint"].to_pylist()) for kind, table in tables.items()}
    files = [f"{kind}/{name}" for kind in kinds]
    if kinds == ["probes"]:  # of trials that have records
        return Finding(files, wrong[0], []) if wrong else _NONE
    if "records" not in kinds:
        return Finding(files, "no records came with it: its run was killed between the two", [])
    wrong += [f"{kind}: missing" for kind in ALWAYS if kind not in kinds]
    trials = fingerprints.get("records")
    if not wrong and trials != fingerprints["curves"]:
        wrong.append("records and curves are not of the same trials")
    if not wrong:
        return tables["records"].select(KEY)
    if trials is None:  # those of any other data set; the curves have them all
        trials = fingerprints.get("curves")
    return Finding(files, "; ".join(wrong), None if trials is None else sorted(trials))


def _doubled(good: dict[str, pa.Table], files: dict[str, set[str]]) -> list[Finding]:
    """Shards with a trial that one before them has, and not because it failed there."""
    try:
        standing(pa.concat_tables(good.values())) if good else None
    except DoubledError:
        pass
    else:
        return []
    findings = []
    seen: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for name, table in good.items():
        rows = table.to_pylist()
        doubled = [row for row in rows if _clashes(row, seen[row["fingerprint"]])]
        if not doubled:
            for row in rows:
                seen[row["fingerprint"]].append(row | {"shard": name})
            continue
        other = seen[doubled[0]["fingerprint"]][0]["shard"]
        findings.append(
            Finding(
                [f"{kind}/{name}" for kind in SCHEMAS if name in files[kind]],
                f"{len(doubled)} of its {len(rows)} trials have a record in {other} too",
                sorted(row["fingerprint"] for row in rows),
            )
        )
    return findings


def _clashes(row: dict[str, str], others: Iterable[dict[str, str]]) -> bool:
    return any(
        row["run_id"] == other["run_id"] or Outcome.FAILED not in (row["outcome"], other["outcome"])
        for other in others
    )


def _description(folder: ResultsFolder, name: str) -> str | None:
    """What is wrong with a JSON object."""
    try:
        with folder.filesystem.open_input_stream(f"{folder.path}/{name}") as stream:
            found = json.loads(stream.read())
    except (ValueError, OSError) as error:
        return str(error)
    return None if isinstance(found, dict) else "it is no JSON object"


def _names(folder: ResultsFolder, kind: str, suffix: str = "") -> list[str]:
    """Of the files and folders below one, but for hidden ones."""
    selector = pafs.FileSelector(f"{folder.path}/{kind}", allow_not_found=True)
    names = [info.base_name for info in folder.filesystem.get_file_info(selector)]
    return sorted(name for name in names if name.endswith(suffix) and name[0] != ".")
