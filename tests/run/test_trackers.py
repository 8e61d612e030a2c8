"""Trackers under real Ray: what they show equals the records, and they can do no harm."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest

from sweeper.run.executor import Job
from sweeper.run.trackers import observers
from sweeper.spec.model import Resources
from sweeper.spec.sweep import open_sweep
from sweeper.store.provenance import Provenance
from sweeper.store.results import ResultsFolder
from tests.commands import started

SPEC = """\
name: seen
axes:
  M: [5, 7]
  n_train: {fraction: [0.4, 0.6, 0.8]}
  hidden_size: 8
  learning_rate: 0.05
  weight_decay: 0.0002
  max_steps: 60
  seed: 2
"""
MEASURED_ELSEWHERE = [
    "wall_time_s", "setup_s", "evaluation_s", "started_at", "run_id", "pack_size", "spec_digest",
]  # fmt: skip


def run(folder: Path, trackers: str, *options: str, code: int = 0, **environment: str) -> str:
    """Run the spec in a folder with some trackers; what it printed."""
    spec = folder / "seen.yaml"
    spec.write_text(f"{SPEC}trackers: {trackers}\n")
    words = ["run", spec, "--results", folder, *options]
    answer = started(*words, code=code, env=os.environ | environment)
    return answer.stdout + answer.stderr


def records(folder: Path) -> pd.DataFrame:
    found = ResultsFolder.at(folder / "seen").records().to_pandas()
    return found.set_index("fingerprint").sort_index()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that all trackers follow, each on local files."""
    folder = tmp_path_factory.mktemp("seen")
    said = run(folder, "{tensorboard, mlflow, wandb: {mode: offline}}", "--workers", "1")
    assert "failed" not in said
    assert "did not take in" not in said
    assert len(records(folder)) == 12
    return folder


def packs(folder: Path) -> dict[int, pd.DataFrame]:
    """The records by order: each order is a pack here."""
    return {int(order): pack for order, pack in records(folder).groupby("group_order")}


def hide(folder: Path, *modules: str) -> str:
    """A PYTHONPATH on which these modules are not installed."""
    names = " = ".join(f"sys.modules[{name!r}]" for name in modules)
    (folder / "sitecustomize.py").write_text(f"import sys\n{names} = None\n")
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


def test_records_are_those_of_a_run_that_nobody_follows(seen: Path, tmp_path: Path) -> None:
    """Nor need anything be installed for that."""
    path = hide(tmp_path, "tensorboardX", "mlflow")
    said = run(tmp_path, "{mlflow, tensorboard: {}}", "--executor", "inline", PYTHONPATH=path)
    note = "trackers follow runs under ray alone: tensorboard and mlflow will not see this one"
    assert said.count(note) == 1
    assert not (tmp_path / "seen" / "trackers").exists()
    alone, followed = (
        records(folder).drop(columns=MEASURED_ELSEWHERE) for folder in (tmp_path, seen)
    )
    pd.testing.assert_frame_equal(alone, followed, check_exact=True)


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
def test_mlflow_has_a_run_for_each_pack_with_its_records(seen: Path, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{seen}/seen/trackers/mlflow.db")
    experiment = client.get_experiment_by_name("seen")
    found = {
        int(run.data.params["group_order"]): run
        for run in client.search_runs([experiment.experiment_id])
    }
    assert set(found) == set(packs(seen))
    for order, pack in packs(seen).items():
        run = found[order]
        assert run.info.status == "FINISHED"
        assert run.data.tags["run_id"] == pack["run_id"].iloc[0]
        assert run.data.params["group"] == f"Z{order}"
        assert run.data.params["trials"] == "6"
        assert run.data.params["n_train_min"] == str(pack["n_train"].min())
        assert run.data.params["n_train_max"] == str(pack["n_train"].max())
        metrics = run.data.metrics
        assert metrics["trials_finished"] == 6
        counts = {name: metrics[f"outcomes/{name}"] for name in set(pack["outcome"])}
        assert counts == pack["outcome"].value_counts().to_dict()
        assert metrics["best_test_accuracy"] == pack["best_test_accuracy"].max()
        assert metrics["mean_test_accuracy"] == pytest.approx(pack["test_accuracy"].mean())
        assert metrics["training_steps"] == pack["final_step"].sum()
        assert "mail" not in metrics
        path = client.download_artifacts(run.info.run_id, "records.parquet", str(tmp_path))
        attached = pd.read_parquet(path).set_index("fingerprint").sort_index()
        pd.testing.assert_frame_equal(attached, pack, check_exact=True, check_dtype=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_has_curves_hyperparameters_and_records(seen: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    by_order = packs(seen)
    (run_id,) = set(records(seen)["run_id"])
    folders = list((seen / "seen" / "trackers" / "tensorboard" / run_id).iterdir())
    assert len(folders) == 2
    for folder in folders:
        events = EventAccumulator(str(folder)).Reload()
        (text,) = events.Tensors("records/text_summary")
        table = text.tensor_proto.string_val[0].decode()
        order = next(order for order in by_order if f"| Z{order} |" in table)
        pack = by_order.pop(order)
        assert table.count("\n") == 7
        for fingerprint, record in pack.iterrows():
            assert f"| {fingerprint} | Z{order} | {record['n_train']} | 8 |" in table
            assert f"| {record['best_test_accuracy']!r} |".replace("np.float64", "") in table
        last = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
        assert last["ray/tune/trials_finished"] == 6
        assert last["ray/tune/training_steps"] == pack["final_step"].sum()
        best = pack["best_test_accuracy"].max()
        assert last["ray/tune/best_test_accuracy"] == pytest.approx(best)
        for outcome, count in pack["outcome"].value_counts().items():
            assert last[f"ray/tune/outcomes/{outcome}"] == count
        start = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        assert b"n_train_min" in start
    assert not by_order


def test_wandb_has_the_records_as_a_table(seen: Path) -> None:
    tables = sorted(
        (seen / "seen" / "trackers" / "wandb").glob("offline-run-*/files/media/table/*.json")
    )
    found = []
    for path in tables:
        table = json.loads(path.read_text())
        found.append(pd.DataFrame(table["data"], columns=table["columns"]))
    assert len(found) == 2
    attached = pd.concat(found).set_index("fingerprint").sort_index()
    names = ["n_train", "outcome", "final_step", "best_test_accuracy", "learning_rate"]
    pd.testing.assert_frame_equal(attached[names], records(seen)[names], check_dtype=False)


class _BrieflyMLflow(BaseHTTPRequestHandler):
    """A tracking server that goes away when it has begun one run."""

    def answer(self) -> None:
        body = {}
        if "get-by-name" in self.path:
            body = {"experiment": {"experiment_id": "1", "name": "seen"}}
        elif "runs/create" in self.path:
            body = {"run": {"info": {"run_id": "a", "run_uuid": "a", "experiment_id": "1"}}}
            threading.Thread(target=self.server.shutdown).start()
        content = json.dumps(body).encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_trackers_that_fail_cost_a_line_and_no_record(tmp_path: Path) -> None:
    """A file where TensorBoard's folder should be, and a tracking server that goes away."""
    (tmp_path / "seen" / "trackers").mkdir(parents=True)
    (tmp_path / "seen" / "trackers" / "tensorboard").write_text("in the way")
    server = HTTPServer(("127.0.0.1", 0), _BrieflyMLflow)
    address = f"http://127.0.0.1:{server.server_port}"

    def serve() -> None:
        with server:  # closes the port when it is shut down
            server.serve_forever(0.05)

    serving = threading.Thread(target=serve)
    serving.start()
    trackers = f"{{tensorboard, mlflow: {{tracking_uri: '{address}'}}}}"
    try:
        said = run(
            tmp_path, trackers, "--workers", "2", "--pack-size", "2",
            MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
        )  # fmt: skip
    finally:
        server.shutdown()
        serving.join()
    assert len(records(tmp_path)) == 12
    assert "12 of 12 done" in said
    assert said.count("tensorboard failed: [Errno 20] Not a directory") == 1
    assert said.count("mlflow failed: API request to ") == 1
    assert said.count("the run goes on, and no record is lost by it") == 2
    assert "tensorboard did not take in 6 of 6 packs\n" in said
    assert "mlflow did not take in 6 of 6 packs\n" in said
    log = next((tmp_path / "seen" / "logs").iterdir()).read_text()
    assert "Traceback" not in said
    assert "NotADirectoryError" in log


def test_a_missing_package_is_told_before_anything_runs(tmp_path: Path) -> None:
    path = hide(tmp_path, "mlflow", "wandb")
    said = run(tmp_path, "{tensorboard, mlflow, wandb}", code=3, PYTHONPATH=path)
    assert said == (
        "the spec's trackers name mlflow and wandb, for which packages are missing: "
        "pip install mlflow-skinny wandb\n"
    )
    assert not (tmp_path / "seen").exists()


def test_a_tracker_that_hangs_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observers, "CLOSING_SECONDS", 0.2)
    monkeypatch.setattr(observers, "MAX_BEHIND", 3)
    (tmp_path / "seen.yaml").write_text(SPEC)
    plan = open_sweep(tmp_path / "seen.yaml").plan
    said: list[str] = []
    watching = observers.Observers(
        Job(plan, Provenance("seen", "r", "d"), Resources(), "cpu"), said.append
    )
    hang = threading.Event()
    slow = observers.Observer("slow", hang.wait, tmp_path, "r", said.append)
    watching._observers.append(slow)
    began = time.monotonic()
    with watching:
        for i in range(8):
            watching.start(str(i), [i])
            watching.end(str(i), failed=False)
    assert time.monotonic() - began < 5
    assert said == ["slow did not take in 8 of 8 packs within 0.2 s of the end"]
    assert len(slow._queued) == 3
    hang.set()
