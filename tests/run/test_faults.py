"""Faults that a run meets on its way: disks, memory, numbers, clocks, files. Nothing is lost."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from sweeper.store.results import ResultsFolder
from tests.commands import called
from tests.run.faults import Watched
from tests.run.sweeps import MEDIUM, inline, records, table

Note = Callable[..., None]
Watch = Callable[..., Watched]

INLINE = ("--executor", "inline")


def inside(
    script: str, *words: str, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A shell script with mounts of its own, which end with it."""
    return subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-uc", script, "sh", *words],
        capture_output=True, text=True, timeout=280, check=False, env=environment,
    )  # fmt: skip


@pytest.fixture(scope="session")
def mounts() -> None:
    """Skips where this user may not mount anything, not even for itself alone."""
    try:
        answer = inside("mount -t tmpfs -o size=64k tmpfs /mnt")
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if answer.returncode:
        pytest.skip(f"mounts are not allowed here: {answer.stderr.strip()}")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_undisturbed(spec: Path) -> None:
    """The records are those of a sweep to which nothing happened, to the last bit."""
    inline(spec, "--results", str(spec.parent / "undisturbed"))
    pd.testing.assert_frame_equal(table(spec), table(spec, "undisturbed"), check_exact=True)


# ---------------------------------------------------------------- disks


@pytest.mark.slow
@pytest.mark.usefixtures("mounts")
def test_a_full_disk_ends_the_run_and_loses_nothing(
    tmp_path: Path, note: Note, watch: Watch
) -> None:
    """A tmpfs of a megabyte, nearly full; then there is room again."""
    spec = tmp_path / "medium.yaml"
    spec.write_text(MEDIUM.replace("max_steps: 6000", "max_steps: 3000"))
    watched = watch(spec)
    results = watched.folder.parent
    results.mkdir()
    answer = inside(
        """
        mount -t tmpfs -o size=1m tmpfs "$1"; head -c 900k /dev/zero > "$1/ballast"
        shift; results=$1; copy=$2; shift 2
        "$@" > "$copy.first" 2>&1; echo $? >> "$copy.first"
        cp -r "$results" "$copy"
        rm "$results/../ballast"
        "$@" > "$copy.second" 2>&1; echo $? >> "$copy.second"
        cp -r "$results" "$copy-after"
        """,
        *map(str, (results, watched.folder, tmp_path / "full")),
        *watched.command(*INLINE),
        environment=watched.environment,
    )  # fmt: skip
    assert not answer.stderr
    said = (tmp_path / "full.first").read_text()
    assert said.endswith("\n2\n"), said
    assert "No space left on device" in said
    assert ".parquet could not be written" in said
    assert "what is finished is kept; once that is mended the same command goes on" in said
    assert "Traceback" not in said
    assert (tmp_path / "full.second").read_text().endswith("\n0\n")
    full, after = files(tmp_path / "full"), files(tmp_path / "full-after")
    kept = {name for name in full if name.endswith(".parquet")}
    assert kept  # some were written before
    assert not [name for name in full if name.endswith(".tmp")]
    assert {name: after[name] for name in kept} == {name: full[name] for name in kept}
    shutil.copytree(tmp_path / "full-after", watched.folder)
    assert_undisturbed(spec)
    before = ResultsFolder.at(tmp_path / "full").records().num_rows
    assert 0 < before < 36
    repeated = f"{watched.repeated} of {watched.begun().total()}"
    note("full disk (tmpfs): exit code 2", lost=0, repeated=repeated)


@pytest.mark.usefixtures("mounts")
def test_a_read_only_folder_is_refused_and_can_be_read(
    small_spec: Path, note: Note, watch: Watch
) -> None:
    inline(small_spec, "--max-trials", "5")
    watched = watch(small_spec)
    before = files(watched.folder)
    answer = inside(
        'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99; shift; "$@"',
        str(watched.folder), *watched.command(*INLINE),
    )  # fmt: skip
    assert answer.returncode == 2, answer.stderr
    assert "Read-only file system" in answer.stderr
    assert str(watched.folder) in answer.stderr
    assert "Traceback" not in answer.stderr
    status = [*watched.command()[:3], "status", str(watched.folder)]
    answer = inside(
        'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99; shift; "$@"',
        str(watched.folder), *status,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "5 of 12 trials done" in answer.stdout
    assert files(watched.folder) == before
    assert "7 trials run" in inline(small_spec)
    assert_undisturbed(small_spec)
    note("read-only results folder: exit code 2", lost=0)


@pytest.mark.parametrize("garbage", [b"", b"PAR1 and nothing more"])
def test_a_garbage_shard_stops_a_run_until_it_is_repaired(
    small_spec: Path, garbage: bytes, note: Note, watch: Watch
) -> None:
    inline(small_spec, "--max-trials", "5")
    inline(small_spec, "--max-trials", "3")
    folder = small_spec.parent / "results" / "small"
    first, second = sorted((folder / "records").iterdir())
    lost, kept = pq.read_table(first), pq.read_table(second)
    first.write_bytes(garbage)
    before = files(folder)
    said = inline(small_spec, code=2)
    assert said.startswith(f"{first}: cannot read this shard: ")
    assert said.endswith(f"; `sweeper repair {folder}` says what can be done\n")
    assert files(folder) | {"driver.lock": b""} == before | {"driver.lock": b""}
    assert "5 trials have no other record" in called("repair", folder, "--apply").output
    assert "9 trials run" in inline(small_spec)
    assert_undisturbed(small_spec)
    assert records(small_spec).index.isin(lost["fingerprint"].to_pylist()).sum() == 5
    assert (folder / "records" / second.name).read_bytes() == before[f"records/{second.name}"]
    assert kept.num_rows == 3
    note("garbage shard, after `sweeper repair --apply`", lost=0, repeated="its 5 of 12")


def test_a_folder_of_an_older_version_is_gone_on_with(
    small_spec: Path, note: Note, watch: Watch
) -> None:
    """Version 2 lacks whatever has come since with a default; no trial runs again for that."""
    inline(small_spec, "--max-trials", "5")
    folder = small_spec.parent / "results" / "small"
    later = ["operands", "expression", "label_noise", "give_up_after"]
    for kind in ("records", "curves"):
        (path,) = (folder / kind).iterdir()
        old = pq.ParquetFile(path).read()
        old = old.drop_columns([name for name in later if name in old.column_names])
        pq.write_table(old.replace_schema_metadata({f"sweeper.{kind}": "2"}), path)
    assert "7 trials run" in inline(small_spec)
    assert_undisturbed(small_spec)
    note("folder of schema version 2", lost=0)


def test_a_folder_of_an_unreadable_version_is_refused_by_name(
    small_spec: Path, note: Note, watch: Watch
) -> None:
    inline(small_spec, "--max-trials", "5")
    (path,) = (small_spec.parent / "results" / "small" / "records").iterdir()
    table = pq.ParquetFile(path).read().replace_schema_metadata({"sweeper.records": "1"})
    pq.write_table(table, path)
    written = path.read_bytes()
    assert f"{path}: schema version 1; this sweeper reads " in inline(small_spec, code=2)
    assert path.read_bytes() == written
    note("folder of schema version 1, which no release reads: exit code 2", lost=0)


# ---------------------------------------------------------------- memory

LIMIT = """\
limited = False

def disturb(trial):
    \"\"\"A gigabyte more than this process has now, and no further.\"\"\"
    global limited
    if not limited:
        import resource
        limited = True
        with open("/proc/self/status") as file:
            now = next(line for line in file if line.startswith("VmSize")).split()[1]
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (int(now) * 1024 + 2**30, hard))
"""


@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_trial_that_does_not_fit_fails_alone_and_says_memory(
    small_spec: Path, executor: str, note: Note, watch: Watch
) -> None:
    """`ulimit -v` in whoever trains. With more memory it is tried again on demand."""
    fits = small_spec.read_text().replace("[7, 11]", "7").replace("[0.4, 0.6, 0.8]", "[0.6, 0.8]")
    small_spec.write_text(
        fits.replace("M: 7", "M: [7, 127]").replace("hidden_size: 32", "hidden_size: [32, 100000]")
        + "exclude: [{hidden_size: 100000, M: 7}, {hidden_size: 32, M: 127}]\n"
    )
    watched = watch(small_spec, LIMIT)
    said = watched.run("--executor", executor, code=1)
    assert "8 of 8 done" in said
    found = records(small_spec)
    large = found["hidden_size"] == 100000
    assert (found["outcome"] == "failed").equals(large)
    failed = found[large]
    assert failed["error"].str.startswith("out of memory on cpu, with this trial alone: ").all()
    (cause,) = json.loads(called("status", watched.folder, "--json").output)["failures"]
    assert cause["cause"].startswith("out of memory on cpu")
    assert watched.repeated == 0
    small_spec.write_text(fits)
    inline(small_spec, "--results", str(small_spec.parent / "undisturbed"))
    pd.testing.assert_frame_equal(
        table(small_spec)[~large], table(small_spec, "undisturbed"), check_exact=True
    )
    note(f"four trials too large for `ulimit -v`, {executor}: failed", lost=0)


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A control group of 200 MB; skips where none can be made."""
    name = f"sweeper-test-{os.getpid()}"
    for parent, limit in [
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ("/sys/fs/cgroup", "memory.max"),
    ]:
        path = Path(parent) / name
        try:
            path.mkdir()
        except OSError:
            continue
        if (path / limit).exists():
            (path / limit).write_text(str(200 * 2**20))
            yield path
            path.rmdir()
            return
        path.rmdir()
    pytest.skip("no control group with a memory limit can be made here")


@pytest.mark.slow
def test_a_trial_for_which_the_kernel_kills_its_worker_is_found_and_fails_alone(
    small_spec: Path, cgroup: Path, note: Note, watch: Watch
) -> None:
    watched = watch(small_spec)
    victim = called_plan(small_spec)[5]
    watched.disturb(
        "def disturb(trial):\n"
        f"    if trial.fingerprint == {victim!r}:\n"
        f"        with open({str(cgroup / 'cgroup.procs')!r}, 'w') as file:\n"
        "            file.write(str(os.getpid()))\n"
        "        hog = bytearray(2**30)\n"
        "        hog[::4096] = bytes(len(hog) // 4096)\n"
    )
    start = time.monotonic()
    said = watched.run("--workers", "1", "--pack-size", "4", code=1)
    seconds = time.monotonic() - start
    assert "a worker died (its process was killed or crashed; where memory runs out" in said
    control = cgroup / "memory.oom_control"
    events = (control if control.exists() else cgroup / "memory.events").read_text()
    assert int(events.split("oom_kill ")[1].split()[0]) >= 3  # it was the kernel
    found = records(small_spec)
    assert len(found) == 12
    assert found.index[found["outcome"] == "failed"].tolist() == [victim]
    assert found.loc[victim, "error"] == (
        "the worker died 3 times while it trained this trial alone, the last time because its "
        "process was killed or crashed; where memory runs out, the kernel kills"
    )
    watched.disturb("")  # more memory
    watched.run("--workers", "1", "--retry-failed")
    assert_undisturbed(small_spec)
    note(
        "a trial for which the kernel kills its worker: failed; --retry-failed",
        lost=0,
        repeated=f"{watched.repeated} of {watched.begun().total()}",
        seconds=f"{seconds:.0f} for the whole run",
    )


def called_plan(spec: Path) -> list[str]:
    from sweeper.spec.sweep import open_sweep

    found: list[str] = open_sweep(spec).plan["fingerprint"].to_pylist()
    return found


# ---------------------------------------------------------------- numbers


def test_trials_that_become_nan_diverge_alone(small_spec: Path, note: Note, watch: Watch) -> None:
    """In one pack with others: a learning rate so large that the loss overflows at once."""
    tame = small_spec.read_text()
    small_spec.write_text(tame.replace("learning_rate: 0.01", "learning_rate: [0.01, 1.0e+30]"))
    assert "12 diverged" in inline(small_spec)
    found = records(small_spec)
    wild = found["learning_rate"] > 1
    assert (found["outcome"] == "diverged").equals(wild)
    assert found.loc[wild, "test_accuracy"].between(0, 1).all()
    assert found["error"].isna().all()
    small_spec.write_text(tame)
    inline(small_spec, "--results", str(small_spec.parent / "undisturbed"))
    pd.testing.assert_frame_equal(
        table(small_spec)[~wild], table(small_spec, "undisturbed"), check_exact=True
    )
    note("12 NaN trials in packs with others: diverged", lost=0)


# ---------------------------------------------------------------- clocks

CLOCK = """\
import time as _time
from datetime import datetime as _datetime, timedelta as _timedelta

_offset, begun = {start}, 0
_seconds, _nanoseconds = _time.time, _time.time_ns
_time.time = lambda: _seconds() + _offset
_time.time_ns = lambda: _nanoseconds() + int(_offset * 1e9)

class _Clock(_datetime):
    @classmethod
    def now(cls, tz=None):
        return _datetime.now(tz) + _timedelta(seconds=_offset)

def disturb(trial):
    global begun, _offset
    begun += 1
    if begun == 3:
        _offset += {jump}

import sweeper.learn.train, sweeper.run.driver, sweeper.run.inline
for name, module in list(sys.modules.items()):
    if name.startswith("sweeper") and getattr(module, "datetime", None) is _datetime:
        module.datetime = _Clock
"""
"""For a process: its wall clock is off from the start, and jumps when the third trial begins."""


@pytest.mark.parametrize("jump", [-3600, pytest.param(3600, marks=pytest.mark.slow)])
def test_a_clock_that_jumps_changes_no_record_and_no_order(
    small_spec: Path, jump: int, note: Note, watch: Watch
) -> None:
    """By an hour within two runs; and by two hours back from one run to the next."""
    watched = watch(small_spec, CLOCK.format(start=0, jump=jump))
    watched.run(*INLINE, "--max-trials", "5", "--profile")
    watched.disturb(CLOCK.format(start=-7200, jump=jump))
    watched.run(*INLINE, "--max-trials", "5", "--profile")
    found = records(small_spec)
    assert (found["started_at"].max() - found["started_at"].min()) > pd.Timedelta(hours=1)
    assert found["wall_time_s"].between(0, 60).all()  # as no clock jumped
    folder = ResultsFolder.at(watched.folder)
    first, second = (run["run_id"] for run in folder.runs())
    in_order = folder.records(["run_id"])["run_id"].to_pylist()
    assert in_order == [first] * 5 + [second] * 5
    assert folder.latest_run() == folder.runs()[1]
    assert folder.runs()[1]["started_at"] < folder.runs()[0]["started_at"]
    seen = json.loads(called("status", watched.folder, "--json").output)
    assert seen["run"]["heartbeat"]["run_id"] == second
    assert 0 < seen["speed"]["seconds"] < 120
    for run_id in (first, second):
        trace = json.loads((watched.folder / "profile" / f"{run_id}.json").read_text())
        assert all(0 <= event["dur"] < 120e6 for event in trace["traceEvents"] if "dur" in event
                   and event["pid"] == 1)  # fmt: skip
    watched.disturb("")
    assert "2 trials run" in watched.run(*INLINE)
    assert_undisturbed(small_spec)
    assert watched.repeated == 0
    note(f"wall clock {jump:+,} s in two runs, −7,200 s between them", lost=0)


# ---------------------------------------------------------------- specs


def test_a_spec_edited_between_runs_keeps_old_rows_and_tells_them_apart(
    small_spec: Path, note: Note, watch: Watch
) -> None:
    inline(small_spec)
    before, written = records(small_spec), small_spec.read_text()
    folder = small_spec.parent / "results" / "small"
    shards = files(folder / "records")
    small_spec.write_text(written.replace("learning_rate: 0.01", "learning_rate: 0.02"))
    said = inline(small_spec)
    assert "12 trials run" in said
    assert "12 of 12 done" in said
    after = records(small_spec)
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    assert files(folder / "records").items() > shards.items()
    assert (after["spec_digest"].value_counts() == 12).all()
    assert len(after[["spec_digest", "learning_rate"]].drop_duplicates()) == 2
    results = ResultsFolder.at(folder)
    for digest, part in after.groupby("spec_digest"):
        assert f"learning_rate: {part['learning_rate'].iloc[0]}" in results.spec(str(digest))
    seen = json.loads(called("status", folder, "--json").output)
    assert (seen["total"], seen["done"]) == (12, 12)
    small_spec.write_text(written + "# the same meaning\n")
    assert "0 trials run" in inline(small_spec)
    pd.testing.assert_frame_equal(records(small_spec), after)
    note("spec edited between runs", lost=0, repeated="0 (12 new fingerprints)")
