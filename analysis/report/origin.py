"""Where the records of a report come from, and what went wrong in them, as plain values."""

import json
from dataclasses import dataclass

import pandas as pd

from analysis.tables import Table
from sweeper.store.records import Outcome
from sweeper.store.results import ResultsError, ResultsFolder

MOST_CAUSES, MOST_RUNS, MOST_SPECS = 20, 100, 20
_LONGEST = 20_000
"""Characters of a traceback or a spec."""


@dataclass(frozen=True)
class Failure:
    """Runs that failed alike.

    Attributes:
        cause: The last line of their errors.
        count: How many.
        example: The fingerprint of one.
        where: It in words.
        error: Its traceback.
    """

    cause: str
    count: int
    example: str
    where: str
    error: str


@dataclass(frozen=True)
class Origin:
    """Where records come from.

    Attributes:
        facts: What and its values, each with the number of records it stands for.
        runs: One row a run of the sweeper, with its spec, records and dates.
        runs_left_out: How many more there are.
        specs: Digest and text of each spec as it was run.
    """

    facts: list[tuple[str, list[str]]]
    runs: Table
    runs_left_out: int
    specs: list[tuple[str, str]]


def failures(records: pd.DataFrame) -> list[Failure]:
    """The causes of failure, the most frequent first, at most MOST_CAUSES.

    Args:
        records: As `load` gives them.
    """
    failed = records[records["outcome"] == Outcome.FAILED]
    errors = failed["error"].fillna("no error was kept")
    causes = errors.str.strip().str.rsplit("\n", n=1).str[-1]
    found = []
    for cause, part in failed.assign(error=errors).groupby(causes):
        one = part.sort_values("fingerprint").iloc[0].to_dict()
        seeds = f"seeds {one['split_seed']}/{one['init_seed']}"
        where = f"{one['group']}, n = {one['n_train']}, {seeds}"
        error = one["error"][-_LONGEST:]
        found.append(Failure(str(cause), len(part), one["fingerprint"], where, error))
    return sorted(found, key=lambda one: -one.count)[:MOST_CAUSES]


def origin(folder: ResultsFolder, records: pd.DataFrame) -> Origin:
    """Specs, versions, hosts, runs and dates.

    Args:
        folder: Where the records are.
        records: As `load` gives them.

    Raises:
        ResultsError: A spec is there and cannot be read.
    """
    facts = [
        ("sweep", _counted(records["sweep"])),
        ("code", _counted(records["code_version"])),
        ("numerics", _counted(records["numerics"])),
        ("libraries", [_libraries(text) for text in _counted(records["library_versions"])]),
        ("hosts", _counted(records["host"])),
        ("devices", _counted(records["hardware"].fillna(records["device"]))),
    ]
    grouped = records.groupby("run_id")
    rows = grouped.agg(
        spec=("spec_digest", "first"),
        records=("fingerprint", "size"),
        first=("started_at", "min"),
        last=("started_at", "max"),
    ).sort_values("first")
    runs = [
        [
            str(run_id),
            str(row["spec"]),
            f"{row['records']:,}",
            _date(row["first"]),
            _date(row["last"]),
        ]
        for run_id, row in rows.iloc[:MOST_RUNS].iterrows()
    ]
    digests = records["spec_digest"].drop_duplicates().tolist()
    specs = [(digest, _spec(folder, digest)) for digest in digests[:MOST_SPECS]]
    columns = ["run", "spec", "records", "first trial started", "last trial started"]
    return Origin(facts, Table(columns, runs), max(0, len(rows) - MOST_RUNS), specs)


def _spec(folder: ResultsFolder, digest: str) -> str:
    try:
        return folder.spec(digest)[:_LONGEST]
    except ResultsError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return "This spec is not kept in the results folder."
        raise


def _counted(column: "pd.Series[str]") -> list[str]:
    counts = column.value_counts()
    if len(counts) == 1:
        return [str(counts.index[0])]
    shown = [f"{value} ({count:,} records)" for value, count in counts.iloc[:MOST_CAUSES].items()]
    more = len(counts) - MOST_CAUSES
    return shown + ([f"and {more:,} more"] if more > 0 else [])


def _libraries(text: str) -> str:
    """JSON of versions, with a count behind it perhaps, in words."""
    try:
        found, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return text
    return ", ".join(f"{name} {version}" for name, version in found.items()) + text[end:]


def _date(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
