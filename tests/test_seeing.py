"""Seeing a sweep: how far it is, one trial of it, and that trial again. Real runs, real kills."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sweeper.learn import train
from sweeper.run.following import Follower, cause_of
from sweeper.spec.trial import Trial
from sweeper.store.provenance import host
from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.terminal.watching import StatusView, watch
from tests.commands import SWEEPER, called

SMALL = """\
name: small
axes:
  M: [7, 11]
  n_train: {fraction: [0.4, 0.6, 0.8]}
  hidden_size: 32
  learning_rate: 0.01
  weight_decay: 0.0002
  max_steps: 150
  seed: 2
"""
SEARCH = """\
name: searched
axes:
  M: [7, 9]
  n_train: {fraction: [0.4, 0.95]}
  hidden_size: 32
  learning_rate: 0.01
  weight_decay: 0.0002
  max_steps: 300
design: {kind: boundary, tolerance: 0.1}
"""
LIVE = """\
name: live
axes:
  M: [11]
  n_train: {fraction: {from: 0.5, to: 0.9, count: 6}}
  hidden_size: 32
  learning_rate: [0.004, 0.005]
  weight_decay: 0.0002
  max_steps: 200
  seed: 2
"""
SLOWLY = """\
import sys
if "run" in sys.orig_argv:
    import time
    import sweeper.learn.train as t
    original = t.initial_weights
    def weights(trial):
        time.sleep(0.25)
        return original(trial)
    t.initial_weights = weights
"""
"""Makes the trials of a run take as long on any machine."""
NOWHERE = """\
import sys
if "debug" in sys.orig_argv:
    import sweeper.learn.train as t
    def weights(trial): raise RuntimeError("none")
    t.initial_weights = weights
"""


def changed(folder: Path, code: str) -> dict[str, str]:
    """An environment in which this code runs first."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def sweeper(*words: str, code: int = 0) -> str:
    """What a command prints, run in this process."""
    return called(*words, code=code).output


def run_inline(spec: Path, text: str, code: int = 0) -> Path:
    spec.write_text(text)
    sweeper("run", str(spec), "--results", str(spec.parent), "--executor", "inline", code=code)
    return spec.parent / spec.stem


def breaks(some: set[int]) -> Callable[[Trial], Any]:
    """The engine's weights, but trials of these n_train raise."""
    original = train.initial_weights

    def weights(trial: Trial) -> Any:  # noqa: ANN401
        if trial.n_train in some:
            raise OSError(28, f"no room for {trial.n_train} pairs\nand a second line")
        return original(trial)

    return weights


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of twelve trials, of which the four of 39 and of 48 pairs have failed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "initial_weights", breaks({39, 48}))
        return run_inline(tmp_path_factory.mktemp("broken") / "small.yaml", SMALL, code=1)


def files(folder: Path) -> dict[Path, tuple[int, int]]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def failed(folder: Path) -> str:
    frame = ResultsFolder.at(folder).records().to_pandas()
    return str(frame.loc[frame["outcome"] == "failed", "fingerprint"].iloc[0])


# ---------------------------------------------------------------- status


def test_status_counts_and_maps_and_groups_failures(broken: Path) -> None:
    found = json.loads(sweeper("status", str(broken), "--json"))
    assert (found["unit"], found["finished"], found["total"]) == ("trials", 12, 12)
    assert found["run"]["life"] == "finished"
    assert found["run"]["goes_on"] is False
    assert found["run"]["heartbeat"]["trials_ran"] == 12
    assert found["outcomes"]["failed"] == 4
    (cause,) = found["failures"]  # they differ in a number alone
    assert cause["count"] == 4
    assert re.fullmatch(r"OSError: \[Errno 28\] no room for (39|48) pairs", cause["cause"])
    assert len(cause["example"]) == 32
    assert found["speed"]["trials"] == 12
    assert found["speed"]["trials_per_s"] > 0
    (setting,) = found["settings"]
    assert [row["group_order"] for row in setting["rows"]] == [7, 11]
    assert [row["planned"] for row in setting["rows"]] == [6, 6]
    assert sum(cell == "failed" for row in setting["rows"] for cell in row["cells"]) == 2
    said = sweeper("status", str(broken))
    assert "small: 12 of 12 trials done (100%)" in said
    assert f"4 failed, such as {cause['example']}: OSError" in said
    assert "! failed" in said
    assert re.search(r"^ 7 .*!", said, re.MULTILINE)


def test_a_search_is_counted_in_thresholds(tmp_path: Path) -> None:
    folder = run_inline(tmp_path / "searched.yaml", SEARCH)
    found = json.loads(sweeper("status", str(folder), "--json"))
    assert (found["unit"], found["finished"], found["total"]) == ("thresholds", 2, 2)
    assert found["done"] < found["trials"]
    said = sweeper("status", str(folder), "--watch")  # complete: it ends by itself
    assert f"2 of 2 thresholds done (100%), with {found['done']} trials" in said
    assert "· not run" in said


def test_the_maps_fit_80_columns_and_say_what_they_leave_out(tmp_path: Path) -> None:
    many = SMALL.replace("[7, 11]", "{from: 101, to: 131, step: 6}").replace(
        "learning_rate: 0.01", "learning_rate: {from: 0.01, to: 0.05, count: 5}"
    )
    many = many.replace("fraction: [0.4, 0.6, 0.8]", "fraction: {from: 0.1, to: 0.9, count: 200}")
    folder = ResultsFolder.at(tmp_path)
    folder.write_spec("d", many.replace("max_steps: 150", "max_steps: 150000"))
    folder.write_run("r", {"run_id": "r", "sweep": "small", "spec_digest": "d"})
    screen = io.StringIO()
    Console(file=screen, width=80).print(StatusView(folder).text())
    lines = screen.getvalue().splitlines()
    assert sum("n/(M log M)" in line for line in lines) == 3
    assert "and 2 more settings: --json has all" in lines
    rows = [line for line in lines if re.match(r"1\d\d ", line)]
    assert len(rows) == 18
    assert all(row.endswith("0/2") and len(row) <= 80 for row in rows)
    screen = io.StringIO()
    Console(file=screen, width=80).print(StatusView(folder).text(height=24))
    assert len(screen.getvalue().splitlines()) <= 24


def test_a_heartbeat_is_believed_only_while_it_is_fresh_and_the_lock_is_held(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ResultsFolder.at(broken)
    (run,) = folder.runs()
    name = run["run_id"]
    ended = folder.state(name)
    assert ended is not None
    now = time.time()

    def life(age_s: float = 0.0, **changes: object) -> tuple[str, str]:
        at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now - age_s))
        folder.write_state(name, ended | {"phase": "running", "updated_at": at} | changes)
        found = Follower(folder).look().pulse
        return found.life, found.text

    try:
        assert life()[0] == "died"
        assert life(age_s=60)[0] == "died"
        assert "ended without a word, last heard of 1 min" in life(age_s=60)[1]
        assert life(host="elsewhere")[0] == "unconfirmed"
        assert life(host="elsewhere")[1].startswith("perhaps running: ")
        assert life(age_s=60, host="elsewhere")[0] == "died"
        with folder.lock(f"run {name} of me on {host()}"):
            assert life()[0] == "running"
            assert life(age_s=60)[0] == "silent"
            assert life(phase="starting")[0] == "starting"
        with folder.lock("run of another name"):
            assert life(phase="finished")[0] == "starting"
        with folder.lock("sweeper repair on a host, process 7"):
            assert life(phase="finished")[0] == "finished"
            assert life()[0] == "died"
        assert life(phase="failed", error="OSError: full")[1].endswith("OSError: full")
        monkeypatch.setattr(ResultsFolder, "local_path", None)  # where nobody can see a lock
        assert life()[0] == "running"
        assert life(age_s=60)[0] == "died"
    finally:
        monkeypatch.undo()
        folder.write_state(name, ended)


def test_the_cause_is_the_line_after_the_last_frame() -> None:
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'
    assert cause_of(f"{text}ValueError: first\nCompile with X\n") == "ValueError: first"
    assert cause_of("the worker died 3 times") == "the worker died 3 times"


# ---------------------------------------------------------------- status of a live run


def start(spec: Path) -> "subprocess.Popen[bytes]":
    command = [*SWEEPER, "run", str(spec), "--results", str(spec.parent), "--executor", "inline"]
    quiet = subprocess.DEVNULL
    slow = changed(spec.parent / "slow", SLOWLY)
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, env=slow)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.timeout(180)
def test_a_live_run_is_followed_from_other_processes(tmp_path: Path) -> None:
    """Killed with -9, told so, begun again, watched to its end."""
    spec = tmp_path / "live.yaml"
    spec.write_text(LIVE)
    folder = ResultsFolder.at(tmp_path / "live")
    process = start(spec)
    try:
        wait_until(lambda: folder.latest_run() is not None)
        view = StatusView(folder)
        wait_until(lambda: view.plain()["finished"] > 0)
        found = view.plain()
        assert found["run"]["life"] == "running"
        assert found["run"]["heartbeat"]["pid"] == process.pid
        assert f"process {process.pid}" in found["driver"]
    finally:
        process.kill()
        process.wait()
    found = view.plain()
    assert (found["run"]["life"], found["run"]["goes_on"]) == ("died", False)
    assert found["driver"] is None
    assert 0 < found["finished"] < found["total"] == 24
    assert_watched_in_a_terminal(tmp_path / "live")

    process = start(spec)
    watcher = subprocess.Popen(
        [*SWEEPER, "status", folder.path, "--watch", "--json", "--every", "0.2"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen = [view.plain()]
    while process.poll() is None:
        seen.append(view.plain())
        time.sleep(0.1)
    seen.append(view.plain())
    blocks = watcher.communicate(timeout=30)[0].splitlines()
    assert watcher.returncode == 0
    for looks in (seen, [json.loads(block) for block in blocks]):
        counts = [look["finished"] for look in looks]
        assert counts == sorted(counts)
        assert counts[-1] == 24
        assert looks[-1]["run"]["life"] == "finished"
        assert "running" in {look["run"]["life"] for look in looks}
    assert any(look["speed"] and look["speed"]["seconds_left"] for look in seen[1:-1])
    assert any((look["run"]["heartbeat"] or {}).get("packs_out") == 1 for look in seen)
    # shards were read once, and give what a fresh look finds
    assert seen[-1]["settings"] == StatusView(folder).plain()["settings"]
    assert len(seen[-1]["settings"]) == 2


def test_a_look_that_fails_is_told_and_the_watch_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class View(StatusView):
        """Of a folder that cannot be read the second time, and is complete the third."""

        def __init__(self) -> None:
            self.looks, self.complete = 0, False

        def plain(self) -> dict[str, Any]:
            self.looks += 1
            if self.looks == 2:
                raise ResultsError("x: cannot read this shard")
            self.complete = self.looks == 3
            return {"look": self.looks}

    watch(View(), Console(), 0.01, as_json=True)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [{"look": 1}, {"error": "x: cannot read this shard"}, {"look": 3}]


def assert_watched_in_a_terminal(folder: Path) -> None:
    """In place, until Ctrl-C, which is no error."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"}
    watcher = subprocess.Popen(
        [*SWEEPER, "status", str(folder), "--watch", "--every", "0.1"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while seen.count(b"not running") < 3:
        seen += os.read(ours, 4096)
    watcher.send_signal(signal.SIGINT)
    try:
        while more := os.read(ours, 4096):
            seen += more
    except OSError:  # the other end is closed
        pass
    assert watcher.wait(timeout=20) == 0, seen.decode()
    assert b"Traceback" not in seen
    assert b"\x1b[1A" in seen  # goes up, to draw in place
    os.close(ours)


# ---------------------------------------------------------------- one trial


def test_show_tells_all_of_a_trial(broken: Path) -> None:
    frame = ResultsFolder.at(broken).records().to_pandas().set_index("fingerprint")
    name = str(frame.index[frame["outcome"] != "failed"][0])
    found = json.loads(sweeper("show", str(broken), name, "--json"))
    assert found["fingerprint"] == name
    assert set(frame.columns) < set(found)
    assert found["curve"]["step"][-1] == found["final_step"]
    said = sweeper("show", str(broken), name.upper()[:12])
    assert f"trial {name}" in said
    for name in frame.columns:
        assert name in said or name in {"error", "probe_error"}
    assert len(re.findall(r"^ +\d+( +[\d.e-]+){4}$", said, re.MULTILINE)) >= 10


def test_show_prints_the_whole_traceback(broken: Path) -> None:
    said = sweeper("show", str(broken), failed(broken))
    assert "Traceback (most recent call last)" in said
    assert said.rstrip().endswith("pairs\nand a second line")


@pytest.mark.parametrize("command", ["show", "debug"])
def test_names_of_no_trial_and_of_several_are_refused(command: str, broken: Path) -> None:
    names = ResultsFolder.at(broken).records()["fingerprint"].to_pylist()
    digit = next(d for d in "0123456789abcdef" if sum(n.startswith(d) for n in names) > 1)
    several = sorted(name for name in names if name.startswith(digit))
    said = sweeper(command, str(broken), digit, code=2)
    listed = ", ".join(several[:5])
    assert f"{digit}: {len(several)} trials begin with it: {listed}" in said
    assert said.endswith("; give more digits\n")
    assert sweeper(command, str(broken), "xyz", code=2) == (
        "'xyz' is no fingerprint: it should be 32 hexadecimal digits or the first of them\n"
    )
    said = sweeper(command, str(broken), "0" * 32, code=2)
    assert said.startswith(f"{'0' * 32}: no trial in {broken} has a fingerprint that begins so")
    assert "/none: no such folder" in sweeper(command, str(broken / "none"), "0", code=2)


def test_a_planned_trial_has_nothing_to_show_but_can_be_debugged(
    broken: Path, tmp_path: Path
) -> None:
    folder = ResultsFolder.at(tmp_path)
    folder.write_spec("d", SMALL)
    folder.write_run("r", {"run_id": "r", "sweep": "small", "spec_digest": "d"})
    name = failed(broken)
    said = sweeper("show", str(tmp_path), name, code=2)
    assert said == f"{name}: this trial is planned, but has no record yet\n"
    assert "there is no record to compare it with" in sweeper("debug", str(tmp_path), name)


def test_debug_finds_the_record_again_and_writes_nothing(broken: Path) -> None:
    frame = ResultsFolder.at(broken).records().to_pandas().set_index("fingerprint")
    before = files(broken)
    name = str(frame.index[frame["outcome"] != "failed"][-1])
    said = sweeper("debug", str(broken), name)
    assert "equal to its record, to the last bit" in said
    steps = train.evaluation_steps(150, 25)
    last = steps.index(frame.loc[name, "final_step"])
    shown = re.findall(r"^ +(\d+)(?: +[\d.e-]+){4}$", said, re.MULTILINE)
    assert [int(step) for step in shown] == steps[: last + 1]
    assert files(broken) == before


def test_debug_raises_what_the_trial_raises(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = failed(broken)
    said = sweeper("debug", str(broken), name, code=1)
    assert "differs in outcome: failed in the record" in said
    assert "the record's error did not come again" in said
    monkeypatch.setattr(train, "initial_weights", breaks({39, 48}))
    said = sweeper("debug", str(broken), name, code=1)
    assert "Traceback (most recent call last)" in said
    assert "OSError: [Errno 28] no room for" in said
    assert "(Pdb)" not in said


def test_debug_enters_the_debugger(broken: Path, tmp_path: Path) -> None:
    answer = subprocess.run(
        [*SWEEPER, "debug", str(broken), failed(broken), "--pdb"],
        input="p 'pairs', trial.n_train\nq\n", capture_output=True, text=True, timeout=60,
        env=changed(tmp_path, NOWHERE), check=False,
    )  # fmt: skip
    assert answer.returncode == 1, answer.stderr
    assert "RuntimeError: none" in answer.stderr
    assert re.search(r"\(Pdb\) \('pairs', (39|48)\)", answer.stdout)


def test_debug_says_in_what_it_differs(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = ResultsFolder.at(broken).records().to_pandas().set_index("fingerprint")
    name = str(frame.index[frame["outcome"] != "failed"][0])
    original = train.initial_weights
    monkeypatch.setattr(train, "initial_weights", lambda trial: original(trial) * 1.0001)
    said = sweeper("debug", str(broken), name, code=1)
    assert "differs in train_loss: " in said
    assert "differs in curve, train_loss at step 1: " in said
    assert "equal bits are promised on a CPU of the same kind" in said
