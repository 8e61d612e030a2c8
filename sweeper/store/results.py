"""The results folder of one sweep: whole shards or none, and exactly one record a trial.

    results/<name>/
      records/<run>-000000.parquet   one row a trial; a shard here is what makes its trials finished
      curves/<run>-000000.parquet    the same trials' curves; counts only with its records shard
      probes/<run>-000000.parquet    what their probes measured, where any were on
      runs/<run>.json                who ran what, where and when
      state/<run>.json               where a run stands or how it ended, kept fresh by its driver
      specs/<digest>.yaml            each spec as run
      specs/<digest>/<name>.py       modules of its own that it was run with
      logs/<run>.log                 what Ray had to say
      figures/                       what `sweeper figures` drew
      report.html                    what `sweeper report` wrote
      profile/<run>.json             a trace of where a run's time went, if it was asked for
      trackers/                      what trackers keep on this machine, if a spec names any
      set-aside/                     what `sweeper repair` took out, and why
      driver.lock                    who is its driver now
      lock/                          the same on object stores: claims that beat

Only the driver writes; workers send their records to it. So a worker that outlives its driver has
nobody to hand a second record to, and workers need no disk in common with the driver.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from sweeper.store.errors import ResultsError as ResultsError
from sweeper.store.lock import Check, at_work, local_owner, locked
from sweeper.store.probes import PROBE_SCHEMA, PROBE_VERSION, READABLE_PROBES
from sweeper.store.records import (
    CURVE_SCHEMA,
    LATER_COLUMNS,
    READABLE_VERSIONS,
    RECORD_SCHEMA,
    SCHEMA_VERSION,
)
from sweeper.store.shards import (
    SUFFIX,
    Shard,
    counting,
    holders,
    part,
    rows_metadata,
    rows_of,
)
from sweeper.store.standing import KEY, DoubledError, standing, standing_curves

SCHEMAS = {"records": RECORD_SCHEMA, "curves": CURVE_SCHEMA, "probes": PROBE_SCHEMA}
"""Of the data sets, by folder. A shard's file of the records makes it count; one of probes is there
where any were on, and alone where trials were probed that have records."""

ALWAYS = ("records", "curves")
"""Those that have a file of every shard."""

_ROW_GROUP_BYTES = 32_000_000
_RUN_TIME = "%Y%m%dT%H%M%S"
_WRITTEN_ASIDE = (*SCHEMAS, "runs", "state", "specs", "profile")
"""Folders that this module alone writes to; others may keep hidden files of their own."""
_ASIDE_NAME = re.compile(r"\..+\.[0-9a-f]+\.tmp")


class SchemaError(ResultsError):
    """A shard is whole but of a schema that this version does not read."""


@dataclass(frozen=True)
class ResultsFolder:
    """All file names of a sweep's results, on any `pyarrow.fs` file system.

    Attributes:
        filesystem: Where it is.
        path: The folder's path there.
        location: What `at` takes for it.
    """

    filesystem: pafs.FileSystem
    path: str
    location: str

    @classmethod
    def at(cls, location: str | Path) -> "ResultsFolder":
        """The folder at a local path or a URI such as s3://bucket/sweep; it need not exist.

        Raises:
            ResultsError: No file system answers to this URI.
        """
        try:
            if "://" not in str(location):
                path = str(Path(location).absolute())
                path.encode()  # pyarrow takes nothing else
                return cls(pafs.LocalFileSystem(), path, path)
            filesystem, path = pafs.FileSystem.from_uri(str(location))
            if not path.strip("/") and not isinstance(filesystem, pafs.LocalFileSystem):
                raise ValueError("it names no bucket")
        except (ValueError, OSError, ImportError) as error:
            raise ResultsError(f"{location}: cannot open this location: {error}") from error
        return cls(filesystem, path.rstrip("/"), str(location))

    def below(self, name: str) -> "ResultsFolder":
        """The folder of this name in this one."""
        address, mark, options = self.location.partition("?")  # s3://bucket/path?region=...
        location = f"{address.rstrip('/')}/{name}{mark}{options}"
        return ResultsFolder(self.filesystem, f"{self.path}/{name}", location)

    @property
    def local_path(self) -> Path | None:
        """The folder's path where it lies on a local disk."""
        return Path(self.path) if isinstance(self.filesystem, pafs.LocalFileSystem) else None

    @property
    def figures(self) -> Path:
        """Where figures go: here, or under the working folder where results are remote."""
        return (self.local_path or Path("results") / Path(self.path).name) / "figures"

    @property
    def report(self) -> Path:
        """Where the report goes: beside the figures."""
        return self.figures.with_name("report.html")

    @property
    def logs(self) -> Path:
        """Where logs go: as figures do."""
        return self.figures.with_name("logs")

    @property
    def trackers(self) -> Path:
        """Where trackers keep their files: as figures do."""
        return self.figures.with_name("trackers")

    def log_file(self, run_id: str) -> Path:
        """The log of one run, always on this machine."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{run_id}.log"

    # ---------------------------------------------------------------- reading

    def records(self, columns: list[str] | None = None) -> pa.Table:
        """Every record, as RECORD_SCHEMA, in the order of writing; none is an empty table.

        Where a failed trial was tried again it is the record that stands, and that alone.

        Args:
            columns: Read only these.

        Raises:
            ResultsError: A shard is broken or of another schema, or a trial has two records.
        """
        read = None if columns is None else list(dict.fromkeys([*columns, *KEY]))
        shards = [self.records_shard(name, read) for name in self.shards()]
        return self.together(shards, read).select(columns or RECORD_SCHEMA.names)

    def shards(self) -> list[str]:
        """The file names of all shards that count, in the order of writing.

        Each can be read from then on, and has the same rows, though its file may be replaced.
        """
        return counting(self._names("records"))

    def records_shard(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The records in one shard.

        Args:
            name: One of `shards`.
            columns: Read only these.

        Raises:
            ResultsError: It is broken or of another schema.
        """
        return self.shard_file("records", name, columns)

    def curves_shard(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The curves of the records in one shard.

        Args:
            name: One of `shards`.
            columns: Read only these.

        Raises:
            ResultsError: It is missing, broken or of another schema.
        """
        return self.shard_file("curves", name, columns)

    def together(self, tables: list[pa.Table], columns: list[str] | None = None) -> pa.Table:
        """The records of several shards that stand, as one table; none is an empty table.

        Args:
            tables: In the order of writing, with `standing.KEY`.
            columns: That they have; by default all.

        Raises:
            ResultsError: A trial has two records.
        """
        schema = RECORD_SCHEMA if columns is None else pa.schema(map(RECORD_SCHEMA.field, columns))
        try:
            return standing(pa.concat_tables(tables) if tables else schema.empty_table())
        except DoubledError as error:
            raise ResultsError(f"{self.path}: {error}; {self._mended}") from error

    def curves(self) -> pa.Table:
        """The curves of every record that stands, as CURVE_SCHEMA.

        Raises:
            ResultsError: A shard is missing, broken or of another schema.
        """
        tables = [self.curves_shard(name) for name in self.shards()]
        return standing_curves(pa.concat_tables(tables or [CURVE_SCHEMA.empty_table()]))

    def probes(
        self, columns: list[str] | None = None, fingerprints: pa.Array | None = None
    ) -> pa.Table:
        """What probes measured in trials that have records, as PROBE_SCHEMA, one row a trial.

        A trial that was probed again counts with its latest row; one that was killed between its
        probes and its record does not count.

        Args:
            columns: Read only these.
            fingerprints: Of the wanted trials; by default all.

        Raises:
            ResultsError: A shard is broken or of another schema.
        """
        names = PROBE_SCHEMA.names if columns is None else columns
        reading = list(dict.fromkeys(["fingerprint", *names]))
        known = self.records(["fingerprint"])["fingerprint"].combine_chunks()
        found: list[pa.Table] = []
        seen = pa.array([], pa.string())
        for name in reversed(self.probe_shards()):
            table = self.shard_file("probes", name, reading)
            marks = table["fingerprint"]
            new = pc.and_not(pc.is_in(marks, known), pc.is_in(marks, seen))
            if fingerprints is not None:
                new = pc.and_(new, pc.is_in(marks, fingerprints))
            table = table.filter(new)
            seen = pa.concat_arrays([seen, *table["fingerprint"].chunks])
            found.append(table.select(names))
        schema = pa.schema(map(PROBE_SCHEMA.field, names))
        return pa.concat_tables(found[::-1]) if found else schema.empty_table()

    def probe_shards(self) -> list[str]:
        """The file names of all shards of probes, in the order of writing."""
        return self._names("probes")

    def runs(self) -> list[dict[str, Any]]:
        """The description of every run, oldest first.

        Raises:
            ResultsError: One cannot be read.
        """
        return [self._read_run(path) for path in self._list("runs", ".json")]

    def latest_run(self) -> dict[str, Any] | None:
        """The description of the latest run, or None where none has begun.

        Raises:
            ResultsError: It cannot be read.
        """
        paths = self._list("runs", ".json")
        return self._read_run(paths[-1]) if paths else None

    def state(self, run_id: str) -> dict[str, Any] | None:
        """What a run's driver has last told of it, or None where it has told nothing.

        Raises:
            ResultsError: It cannot be read.
        """
        path = f"{self.path}/state/{_plain(run_id)}.json"
        try:
            return self._read_run(path)
        except ResultsError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def spec(self, digest: str) -> str:
        """The text of a spec as it was run.

        Raises:
            ResultsError: It cannot be read.
        """
        path = f"{self.path}/specs/{_plain(digest)}.yaml"
        try:
            return self._read_bytes(path).decode()
        except (ValueError, OSError) as error:
            raise ResultsError(f"{path}: cannot read this spec: {error}") from error

    def spec_modules(self, digest: str) -> dict[str, str]:
        """The texts of the modules that a spec was run with, by name.

        Raises:
            ResultsError: One cannot be read.
        """
        return dict(self._modules(f"specs/{_plain(digest)}"))

    def modules(self) -> list[tuple[str, str]]:
        """The names and texts of the modules of all specs: of one name there may be several.

        Raises:
            ResultsError: One cannot be read.
        """
        return self._modules("specs")

    def _modules(self, folder: str) -> list[tuple[str, str]]:
        below = pafs.FileSelector(f"{self.path}/{folder}", allow_not_found=True, recursive=True)
        found = []
        for info in self.filesystem.get_file_info(below):
            if info.extension == "py":
                try:
                    found.append((info.base_name[:-3], self._read_bytes(info.path).decode()))
                except (ValueError, OSError) as error:
                    raise ResultsError(f"{info.path}: cannot read this module: {error}") from error
        return found

    def _read_run(self, path: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._read_bytes(path))
        except (ValueError, OSError) as error:
            raise ResultsError(f"{path}: cannot read this run: {error}") from error
        return found

    def _names(self, kind: str) -> list[str]:
        """The names of all files of a data set.

        A listing may miss both a file that is deleted meanwhile and the one that replaces it, but
        the listing before has one of them: one that has all that was there before missed nothing.
        """
        paths, before = self._list(kind, SUFFIX), [""]
        while not set(before) <= set(paths):
            paths, before = self._list(kind, SUFFIX), paths
        return [path.rpartition("/")[2] for path in paths]

    def _list(self, folder: str, suffix: str) -> list[str]:
        selector = pafs.FileSelector(f"{self.path}/{folder}", allow_not_found=True)
        found = [info.path for info in self.filesystem.get_file_info(selector)]
        return sorted(
            path
            for path in found
            if path.endswith(suffix) and not path.rpartition("/")[2].startswith(".")
        )

    @property
    def _mended(self) -> str:
        return f"`sweeper repair {self.path}` says what can be done"

    def shard_file(self, kind: str, name: str, columns: list[str] | None = None) -> pa.Table:
        """One file of a shard, or its rows in the file that it was put into since.

        Args:
            kind: A data set: one of SCHEMAS.
            name: Of the file.
            columns: Read only these.

        Raises:
            SchemaError: It is of another schema.
            ResultsError: It is missing or broken.
        """
        schema, file = SCHEMAS[kind], name
        while True:
            path = f"{self.path}/{kind}/{file}"
            try:
                with pq.ParquetFile(
                    path, filesystem=self.filesystem, page_checksum_verification=True
                ) as shard:
                    found = shard.schema_arrow
                    _check_schema(path, kind, found, schema)
                    wanted = pa.schema(schema if columns is None else map(schema.field, columns))
                    there = [name for name in wanted.names if name in found.names]
                    table = part(shard.read(columns=there), found, file, name)
                    return _with_defaults(table, wanted, schema.metadata)
            except (pa.ArrowException, OSError, ValueError) as error:
                holder = holders([file], self.shards()).get(file)
                if holder is None:
                    raise ResultsError(
                        f"{path}: cannot read this shard: {error}; {self._mended}"
                    ) from error
                file = holder

    def _read_bytes(self, path: str) -> bytes:
        with self.filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())

    # ---------------------------------------------------------------- writing

    def new_run_id(self) -> str:
        """A name for a run: later in order than that of any run before, whatever the clock says.

        Runs and shards are put in order by it. It begins with the time; where the clock was set
        back, with a second after the latest run's.
        """
        paths = [*self._list("runs", ".json"), *self._list("records", ".parquet")]
        times = [datetime.now(UTC).replace(tzinfo=None, microsecond=0)]
        for path in paths:
            with suppress(ValueError):
                begun = datetime.strptime(path.rpartition("/")[2][:15], _RUN_TIME)
                times.append(begun + timedelta(seconds=1))
        return f"{max(times):{_RUN_TIME}}-{secrets.token_hex(3)}"

    def write_shard(
        self, name: str, records: pa.Table, curves: pa.Table, probes: pa.Table | None = None
    ) -> None:
        """Make these trials finished: probes and curves first, then, as the commit, the records.

        Args:
            name: Of the shard, without folder and suffix; not used before.
            records: As RECORD_SCHEMA.
            curves: As CURVE_SCHEMA, of the same trials.
            probes: As PROBE_SCHEMA, of those of them that were probed.
        """
        self.write_probes(name, probes)
        self._write_parquet(f"curves/{name}.parquet", curves.cast(CURVE_SCHEMA))
        self._write_parquet(f"records/{name}.parquet", records.cast(RECORD_SCHEMA))

    def write_probes(self, name: str, probes: pa.Table | None) -> None:
        """Keep what was measured in trials that have records, or get them next.

        Args:
            name: Of the shard, without folder and suffix; not used before.
            probes: As PROBE_SCHEMA; where there are none no file is written.
        """
        if probes is not None and probes.num_rows:
            self._write_parquet(f"probes/{name}.parquet", probes.cast(PROBE_SCHEMA))

    def shard_bytes(self, some: Sequence[Shard]) -> int:
        """Bytes of the files of some shards."""
        names = [f"{kind}/{one.stem}{SUFFIX}" for kind in SCHEMAS for one in some]
        found = self.filesystem.get_file_info([f"{self.path}/{name}" for name in names])
        return sum(info.size or 0 for info in found)

    def compact(self, some: Sequence[Shard], check: Check = lambda: None) -> Shard:
        """Put shards of one run into one; readers see every row once at any moment.

        Like a new shard it is written aside, and its records are moved into place last: from then
        on it counts, and the others, which are deleted, do not. For the run's own driver, beside
        `write_shard`; no shard may be given to two calls at a time.

        Args:
            some: Whose numbers follow one another.
            check: Called before the new shard counts, and before the others are deleted; raises if
                the folder is another driver's by now, who deletes what does not count.

        Returns:
            The new shard.

        Raises:
            ResultsError: One cannot be read, or the folder is another driver's by now.
            OSError: The new one cannot be written; all others still count.
        """
        if any(one.last + 1 != other.first for one, other in pairwise(some)):
            raise ValueError(f"the numbers of {[one.stem for one in some]} do not follow")
        whole = Shard(some[0].run, some[0].first, some[-1].last)
        for kind in reversed(SCHEMAS):
            if kind == "records":
                check()
            self._write_together(kind, some, whole)
        check()
        self._delete_replaced(whole.run)
        return whole

    def _write_together(self, kind: str, parts: Sequence[Shard], whole: Shard) -> None:
        """One file of a data set from several, a few row groups in memory at a time."""
        paths: list[str] = []
        rows: list[int] = []
        for one in parts:
            path = f"{self.path}/{kind}/{one.stem}{SUFFIX}"
            if kind not in ALWAYS and not self._there(path):  # no trial of it has any
                rows += [0] * (one.last - one.first + 1)
                continue
            with self._opened(path) as file:
                rows += rows_of(file.schema_arrow, file.metadata.num_rows)
                schema = file.schema_arrow
            paths.append(path)
        if not paths:
            return
        schema = schema.with_metadata(schema.metadata | rows_metadata(rows))
        with (
            self._aside(f"{kind}/{whole.stem}{SUFFIX}") as stream,
            pq.ParquetWriter(
                stream, schema, compression="zstd", write_page_checksum=True
            ) as writer,
        ):
            waiting: list[pa.Table] = []
            for path in paths:
                with self._opened(path) as file:
                    for group in range(file.num_row_groups):
                        waiting.append(file.read_row_group(group).cast(schema))
                        if sum(table.nbytes for table in waiting) >= _ROW_GROUP_BYTES:
                            writer.write_table(pa.concat_tables(waiting))
                            waiting = []
            if waiting:
                writer.write_table(pa.concat_tables(waiting))

    def _there(self, path: str) -> bool:
        return bool(self.filesystem.get_file_info(path).type != pafs.FileType.NotFound)

    @contextmanager
    def _opened(self, path: str) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(
                path, filesystem=self.filesystem, page_checksum_verification=True
            ) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            text = f"{path}: cannot read this shard: {error}; {self._mended}"
            raise ResultsError(text) from error

    def _delete_replaced(self, run_id: str) -> None:
        """Delete what compaction of a run leaves, the records first."""
        for name in self._replaced(run_id):
            self.filesystem.delete_file(f"{self.path}/{name}")

    def _replaced(self, run_id: str | None = None) -> list[str]:
        """Files that compaction leaves: shards that were put into others, and what it only began.

        Args:
            run_id: Look at this run's shards alone; another one's driver may be at work on its own.

        Returns:
            Paths under this folder, the records first; nothing counts on them.
        """
        found: list[str] = []
        files = {kind: self._names(kind) for kind in SCHEMAS}
        count = counting(files["records"])
        whole = [name for name in count if all(name in files[kind] for kind in ALWAYS)]
        numbered = [shard for name in count if (shard := Shard.named(name))]
        for kind, there in files.items():
            gone = holders(there, whole)
            for name in there:
                shard = Shard.named(name)
                if shard is None or run_id not in (None, shard.run):
                    continue
                # what it was to hold must be there: else its records are lost, not yet written
                begun = name not in count and any(map(shard.holds, numbered))
                if name in gone or begun:
                    found.append(f"{kind}/{name}")
        return found

    def write_run(self, run_id: str, description: dict[str, Any]) -> None:
        """Keep the description of a run."""
        self.write_file(f"runs/{run_id}.json", json.dumps(description, indent=2).encode())

    def write_state(self, run_id: str, state: dict[str, Any]) -> None:
        """Tell where a run stands."""
        content = json.dumps(state, indent=2).encode()
        self.write_file(f"state/{run_id}.json", content, lasting=False)

    def write_profile(self, run_id: str, trace: bytes) -> str:
        """Keep a run's trace; the path it has."""
        self.write_file(f"profile/{run_id}.json", trace)
        return f"{self.path}/profile/{run_id}.json"

    def write_spec(self, digest: str, text: str, modules: Mapping[str, str] | None = None) -> None:
        """Keep a spec as it was run, and its modules' texts by name."""
        for name, module in (modules or {}).items():
            self.write_file(f"specs/{digest}/{name}.py", module.encode())
        self.write_file(f"specs/{digest}.yaml", text.encode())

    def _write_parquet(self, name: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        self.write_file(name, sink.getvalue())

    def write_file(self, name: str, content: Any, lasting: bool = True) -> None:  # noqa: ANN401
        """Write aside, then move into place: the file is there whole or not at all.

        Args:
            name: Under this folder.
            content: Bytes.
            lasting: Whether it has to outlive a power cut.
        """
        with self._aside(name, lasting) as stream:
            stream.write(content)

    @contextmanager
    def _aside(self, name: str, lasting: bool = True) -> Iterator[pa.NativeFile]:
        """A file to be written, moved into place at the end unless an error comes first."""
        folder, _, base = f"{self.path}/{name}".rpartition("/")
        self.filesystem.create_dir(folder)
        aside = f"{folder}/.{base}.{time.time_ns():x}.tmp"
        try:
            with self.filesystem.open_output_stream(aside) as stream:
                yield stream
            if lasting:
                self._sync(aside)
            self.filesystem.move(aside, f"{folder}/{base}")
            if lasting:
                self._sync(folder)
        except BaseException as error:
            error.add_note(f"{folder}/{base} could not be written")
            with suppress(OSError):
                self.filesystem.delete_file(aside)
            raise

    def _sync(self, path: str) -> None:
        """See a file, or a folder's names, on the disk: a power cut then cannot undo it."""
        if self.local_path is not None:
            number = os.open(path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    # ---------------------------------------------------------------- owning

    def driver(self) -> str | None:
        """Who is running a sweep into this folder now, or None; local disks only."""
        return None if self.local_path is None else local_owner(self.local_path)

    def at_work(self, say: Callable[[str], None] = lambda text: None) -> str | None:
        """The same on any file system, at the price of `lock.SILENT_SECONDS` where one has died.

        Args:
            say: Tells people what is waited for.

        Raises:
            OSError: The store does not answer.
        """
        return at_work(self.filesystem, self.path, say)

    @contextmanager
    def lock(self, holder: str, say: Callable[[str], None] = lambda text: None) -> Iterator[Check]:
        """Be the only driver of this folder; a dead owner's lock is free.

        At once on a local disk, elsewhere after `lock.SILENT_SECONDS`.

        Args:
            holder: Says who holds it, for the message that another driver gets.
            say: Tells people what is waited for.

        Raises:
            ResultsError: Another live process holds it.

        Yields:
            What to call before records are written: it raises ResultsError if another driver, who
            heard nothing of this one for too long, has taken over.
        """
        with locked(self.filesystem, self.path, holder, say) as check:
            self._remove_leftovers()
            yield check

    def _remove_leftovers(self) -> None:
        for name in self.leftovers():
            self.filesystem.delete_file(f"{self.path}/{name}")

    def leftovers(self) -> list[str]:
        """Files that a killed driver was writing aside or has put into others, by path below this.

        Nothing counts on them; they may be deleted by the lock's holder, for a live driver has such
        files too.
        """
        found: list[str] = []
        for kind in _WRITTEN_ASIDE:
            place = f"{self.path}/{kind}"
            below = pafs.FileSelector(place, allow_not_found=True, recursive=True)
            found += [
                info.path.removeprefix(f"{self.path}/")
                for info in self.filesystem.get_file_info(below)
                if _ASIDE_NAME.fullmatch(info.base_name)
            ]
        return found + self._replaced()


def _plain(name: str) -> str:
    """A name that was read in a file, if it names a file of its folder and none elsewhere.

    Raises:
        ResultsError: It does not.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ResultsError(f"{name!r} is no name of a file in a results folder")
    return name


def _check_schema(path: str, kind: str, found: pa.Schema, expected: pa.Schema) -> None:
    version = (found.metadata or {}).get(f"sweeper.{kind}".encode(), b"none").decode()
    of_probes = kind == "probes"
    readable = READABLE_PROBES if of_probes else READABLE_VERSIONS
    if version not in map(str, readable):
        span = " to ".join(map(str, sorted({readable[0], readable[-1]})))
        raise SchemaError(f"{path}: schema version {version}; this sweeper reads {span}")
    if version != str(PROBE_VERSION if of_probes else SCHEMA_VERSION):
        expected = pa.schema(
            [one for one in expected if one.name in found.names or one.name not in LATER_COLUMNS]
        )
    if not found.equals(expected):
        missing = sorted(set(expected.names) ^ set(found.names))
        raise SchemaError(f"{path}: columns differ from schema version {version}: {missing}")


def _with_defaults(table: pa.Table, schema: pa.Schema, metadata: dict[bytes, bytes]) -> pa.Table:
    """A shard's columns in the order of a schema; what an older version lacks has its default."""
    columns = [
        table[one.name]
        if one.name in table.column_names
        else pa.repeat(pa.scalar(LATER_COLUMNS[one.name], one.type), table.num_rows)
        for one in schema
    ]
    return pa.table(columns, schema=schema.with_metadata(metadata))
