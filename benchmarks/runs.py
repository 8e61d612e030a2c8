"""Whole sweeps as a user starts them: processes of their own, timed from start to exit."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from sweeper.store.results import ResultsFolder

WORKERS = 2

Spec = dict[str, Any]


def seconds_of_process(*arguments: str | Path) -> float:
    """Run this Python with arguments; its wall time, start-up included.

    Raises:
        RuntimeError: It fails; the message has what it said.
    """
    root = str(Path(__file__).parents[1])
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"RAY_ADDRESS", "SWEEPER_RESULTS"}
    }
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    command = [sys.executable, *map(str, arguments)]
    start = time.perf_counter()
    answer = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if answer.returncode:
        said = "\n".join(answer.stdout.splitlines()[-30:])
        raise RuntimeError(f"{' '.join(command)} exits {answer.returncode}:\n{said}")
    return seconds


def write_spec(spec: Spec, folder: Path) -> Path:
    """The spec as a file; JSON is YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spec.yaml"
    path.write_text(json.dumps(spec, indent=2), encoding="utf-8")
    return path


def run_sweep(
    spec: Spec, folder: Path, device: str, workers: int = WORKERS, executor: str = "ray"
) -> tuple[float, pd.DataFrame]:
    """`sweeper run` on all of a spec.

    Args:
        spec: The spec.
        folder: New or empty; for the spec and the results.
        device: "cpu", or "cuda", which the workers share.
        workers: That train at once.
        executor: As for `sweeper run`.

    Returns:
        The wall time of the process, and the records.

    Raises:
        RuntimeError: It fails.
    """
    shared = ["--gpus-per-worker", str(1 / workers)] if device == "cuda" else []
    path, results = write_spec(spec, folder), folder / "results"
    seconds = seconds_of_process(
        "-m", "sweeper", "run", path, "--results", results, "--executor", executor,
        "--workers", str(workers), *shared,
    )  # fmt: skip
    records = ResultsFolder.at(results / spec["name"]).records()
    return seconds, records.to_pandas()
