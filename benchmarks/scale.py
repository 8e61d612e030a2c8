"""The whole path of a sweep but for the training: planned, run, stored, resumed and summarised.

`python -m benchmarks.scale --trials 1000000` runs a spec of so many trials with a learner that
answers at once. Plan, packs, workers, ledger, shards and heartbeat are those of any sweep; what
`sweeper.learn.train.train` would do is all that is left out. Each step is a process of its own,
whose clock and peak memory are told; those of a run's driver leave its workers out.
"""

import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sweeper.spec.probes import Probes
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve, Outcome, TrialResult

STEPS = ("plan", "run", "resume", "status", "report")
POINTS = 40
"""Evaluations of a trial: about what a horizon of 1,000 steps has."""


def instant(
    pack: Sequence[Trial], device: str, *, probes: Probes | None = None, memory_share: float = 1.0
) -> Iterator[list[TrialResult]]:
    """Results of trials that were not trained, one by one, as a CPU gives them."""
    steps = [25 * (i + 1) for i in range(POINTS)]
    now = datetime.now(UTC)
    for trial in pack:
        # not all alike, for what compresses too well would tell nothing of the files
        place = (trial.n_train * 7919 + trial.split_seed * 104729) % 1009 / 1009
        train_accuracy = [min(1.0, (i + 1) / POINTS + place) for i in range(POINTS)]
        test_accuracy = [place * (i + 1) / POINTS for i in range(POINTS)]
        losses = [math.exp(-i * place) for i in range(POINTS)]
        yield [
            TrialResult(
                fingerprint=trial.fingerprint,
                outcome=Outcome.GENERALIZED if place > 0.5 else Outcome.UNRESOLVED,
                fit_step=25,
                generalization_step=steps[-2] if place > 0.5 else None,
                n_test=trial.tuples - trial.n_train,
                train_flops=1e9 * place,
                wall_time_s=1e-6,
                setup_s=0.0,
                evaluation_s=0.0,
                started_at=now,
                curve=Curve(steps, losses, losses, train_accuracy, test_accuracy),
            )
        ]


def spec_of(trials: int, name: str = "scale") -> dict[str, Any]:
    """A grid of about so many trials: up to 50 orders, 40 sizes, 20 rates, seeds for the rest."""
    orders = max(1, min(50, trials // 800))
    return {
        "name": name,
        "axes": {
            "M": [11 + 2 * i for i in range(orders)],
            "n_train": {"fraction": {"from": 0.2, "to": 0.9, "count": 40}},
            "hidden_size": 256,
            "learning_rate": [0.002, 0.004, 0.008, 0.016],
            "weight_decay": [1e-4, 2e-4, 4e-4, 8e-4, 1.6e-3],
            "max_steps": 1000,
            "seed": max(1, round(trials / (orders * 800))),
        },
    }


def plan(spec: Path, results: Path, executor: str) -> dict[str, Any]:
    """Read and expand the spec, and cut it into packs."""
    from sweeper.run.packs import make_packs
    from sweeper.spec.sweep import open_sweep

    sweep = open_sweep(spec)
    packs = make_packs(sweep.plan, 2)
    return {"trials": sweep.plan.num_rows, "packs": len(packs), "plan_mb": sweep.plan.nbytes / 1e6}


def run(spec: Path, results: Path, executor: str) -> dict[str, Any]:
    """Run whatever has no record."""
    from rich.console import Console

    from sweeper.run.driver import run_sweep
    from sweeper.run.executor import Executor
    from sweeper.spec.sweep import open_sweep
    from sweeper.store.results import ResultsFolder

    def open_executor(log_file: Path) -> Executor:
        if executor == "inline":
            from sweeper.run.inline import InlineExecutor

            return InlineExecutor(instant)
        from sweeper.run.ray_tune import RayExecutor

        return RayExecutor(None, log_file, instant)

    sweep = open_sweep(spec)
    folder = ResultsFolder.at(results / sweep.spec.name)
    summary = run_sweep(sweep, folder, open_executor, "cpu", Console(file=sys.stderr))
    return {"ran": summary.ran, "finished": summary.finished}


def status(spec: Path, results: Path, executor: str) -> dict[str, Any]:
    """What `sweeper status` looks at."""
    from sweeper.run.following import Follower
    from sweeper.store.results import ResultsFolder

    look = Follower(ResultsFolder.at(results / spec.stem)).look()
    groups = len(look.by_group())
    return {"finished": look.agenda.finished, "outcomes": look.outcomes(), "groups": groups}


def report(spec: Path, results: Path, executor: str) -> dict[str, Any]:
    """`sweeper report`, as a user calls it."""
    from sweeper.cli import main as command

    command(["report", str(results / spec.stem)], standalone_mode=False)
    return {}


def files(folder: Path) -> dict[str, dict[str, int]]:
    """Number of shards of each data set, their bytes, and those of the largest."""
    found = {}
    for kind in ("records", "curves"):
        sizes = [path.stat().st_size for path in (folder / kind).glob("*.parquet")]
        found[kind] = {"files": len(sizes), "bytes": sum(sizes), "largest": max(sizes, default=0)}
    return found


def measured(step: str, spec: Path, results: Path, executor: str) -> dict[str, Any]:
    """One step in a process of its own: what it tells, its seconds, its peak memory in MB."""
    command = [sys.executable, "-m", "benchmarks.scale", "--step", step]
    options = ["--spec", str(spec), "--results", str(results), "--executor", executor]
    start = time.monotonic()
    ended = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return {"step": step, "seconds": round(time.monotonic() - start, 2)} | told


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--trials", default=1_000_000, show_default=True, help="About how many.")
@click.option("--executor", type=click.Choice(["inline", "ray"]), default="inline")
@click.option("--only", type=click.Choice(STEPS), multiple=True, help="By default all but report.")
@click.option("--results", type=click.Path(path_type=Path), help="By default a folder for once.")
@click.option("--step", type=click.Choice(STEPS), hidden=True)
@click.option("--spec", type=click.Path(path_type=Path), hidden=True)
def main(
    trials: int,
    executor: str,
    only: tuple[str, ...],
    results: Path | None,
    step: str | None,
    spec: Path | None,
) -> None:
    """Measure the path of a sweep of many trials with a learner that answers at once."""
    steps: dict[str, Callable[[Path, Path, str], dict[str, Any]]] = {
        "plan": plan, "run": run, "resume": run, "status": status, "report": report,
    }  # fmt: skip
    if step and spec and results:
        told = steps[step](spec, results, executor)
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = round(used.ru_utime + used.ru_stime, 2)
        click.echo(json.dumps(told | {"cpu_s": cpu, "peak_mb": round(used.ru_maxrss / 1024)}))
        return
    scratch = Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        spec = scratch / "scale.yaml"
        spec.write_text(json.dumps(spec_of(trials)), encoding="utf-8")
        results = results or scratch / "results"
        for name in only or [one for one in STEPS if one != "report"]:
            click.echo(json.dumps(measured(name, spec, results, executor)))
            if name in ("run", "resume"):
                click.echo(json.dumps(files(results / "scale")))
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
