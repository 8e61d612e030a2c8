"""`sweeper plan` and `sweeper run`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from sweeper.cli.options import (
    CANNOT_TRAIN,
    EXAMPLE,
    INTERRUPTED,
    SOME_FAILED,
    as_json,
    complains,
    finite,
    results_option,
    spec_argument,
    who_runs,
)
from sweeper.store.results import ResultsFolder
from sweeper.terminal.tables import new_console, rich_table

if TYPE_CHECKING:
    from sweeper.run.forecast import Setting
    from sweeper.run.profile import Profile
    from sweeper.spec.sweep import Sweep


@click.command(epilog=f"{EXAMPLE}sweeper plan specs/quickstart.yaml")
@spec_argument
@results_option
@who_runs
@click.option("--no-calibration", is_flag=True, help="Counts alone; do not time any trial.")
@as_json
@complains
def plan(
    spec: Path,
    results: str,
    executor: str,
    address: str | None,
    device: str,
    no_calibration: bool,
    as_json: bool,
    **resources: float | str | None,
) -> None:
    """Say what a spec would run, and how long it would take.

    Its axes, trials and packs, and what is done already. Trains a few of the missing trials for two
    seconds, to see how fast this machine is; keeps nothing.
    """
    from sweeper.run.forecast import Setting

    _check_address(executor, address)
    setting = Setting(executor, address, device)
    sweep = _with_resources(spec, resources)
    _print_plan(sweep, results, setting, not no_calibration, as_json)


def _check_address(executor: str, address: str | None) -> None:
    """Refuse what can be no cluster's address before anything is written."""
    from sweeper.run.executor import cluster_address

    if executor == "ray":
        try:
            cluster_address(address)
        except ValueError as error:
            raise click.UsageError(str(error)) from None


_TERA_PER_SECOND = 10
"""For an idea of how long a GPU would take; what one sustains depends on it and on the shapes."""


def _with_resources(spec: Path, resources: dict[str, float | str | None]) -> "Sweep":
    from sweeper.spec.sweep import open_sweep

    given = {name: value for name, value in resources.items() if value is not None}
    return open_sweep(spec).with_resources(given)


def _print_plan(
    sweep: "Sweep",
    results: str,
    setting: "Setting",
    calibrated: bool,
    as_json: bool,
    **asked: Any,  # noqa: ANN401
) -> None:
    """Print what `overview` finds; `asked` are the options that it has beyond."""
    from sweeper.run.overview import overview
    from sweeper.run.progress import duration, many

    folder = ResultsFolder.at(results).below(sweep.spec.name)
    found = overview(sweep, folder, setting, calibrated, **asked)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    console = new_console()
    console.print(rich_table(["axis", "values", "from", "to"], found["axes"]))
    for name, path in found["modules"].items():
        text = f"whoever trains imports the module {name} ({path}), which runs what is in it"
        console.print(text, highlight=False, soft_wrap=True)
    console.print(_counts_in_words(found), highlight=False, soft_wrap=True)
    if found["probes"]:
        console.print(_probes_in_words(found), highlight=False, soft_wrap=True)
    for steps, count in found["other_horizons"].items():
        text = f"{count:,} of these were run with max_steps {steps:,}; another horizon is"
        console.print(f"{text} another trial, run from its start", highlight=False, soft_wrap=True)
    if expected := found["forecast"]:
        workers = expected["workers"]
        console.print(
            f"about {duration(expected['seconds'])} with {many(workers, 'worker')} "
            f"(at most {duration(expected['at_most_seconds'])}, if no trial ends early)",
            highlight=False,
        )
    elif calibrated and found["missing"]:
        console.print(f"how long it takes cannot be told here: {found['no_forecast']}")
    if calibrated and found["missing"]:
        count, rate = found["operations"], _TERA_PER_SECOND
        console.print(
            f"at most {count:.1e} floating-point operations, of two-layer nets (others take more): "
            f"{duration(count / rate / 1e12)} at {rate} TFLOP/s",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def _counts_in_words(found: dict[str, Any]) -> str:
    from sweeper.run.progress import many

    part = f"{found['asked']:,} of " if found["asked"] < found["missing"] else ""
    rest = ""
    if found["missing"]:
        rest = f"; {many(found['packs'], 'pack')} for {part}the other {found['missing']:,}"
    if found["unit"] == "trials":
        return f"{many(found['trials'], 'trial')}, {found['done']:,} of them done{rest}"
    if found["unit"] == "trials with probes":
        again = ", to train them again" if rest else ""
        return (
            f"{found['total']:,} trials have records, {found['finished']:,} of them all that these "
            f"probes measure{rest}{again}"
        )
    return (
        f"{found['total']:,} {found['unit']} among {found['trials']:,} candidates, "
        f"{found['finished']:,} of them found with {found['done']:,} trials; "
        f"the others will take about {found['missing']:,} more"
        + (f", {found['asked']:,} of them now" if part else "")
    )


def _probes_in_words(found: dict[str, Any]) -> str:
    text = f"probes are on: {', '.join(found['probes'])}"
    if (expected := found["forecast"]) and expected["probe_share"]:
        text += f"; they will take {expected['probe_share']:.0%} of the workers' time"
    if found["unprobed"] and found["unit"] != "trials with probes":
        text += (
            f"\n{found['unprobed']:,} trials have records but no probes, or not all of these; "
            "`sweeper run --probe-finished` trains them again for these alone"
        )
    return text


@click.command(epilog=f"{EXAMPLE}sweeper run specs/quickstart.yaml --results results")
@spec_argument
@results_option
@who_runs
@click.option("--max-trials", type=click.IntRange(1), help="Run so many trials at most.")
@click.option(
    "--max-hours", type=click.FloatRange(0, min_open=True), callback=finite,
    help="End after so many hours, well: what is finished is kept.",
)  # fmt: skip
@click.option("--retry-failed", is_flag=True, help="Also run again the trials that failed.")
@click.option("--dry-run", is_flag=True, help="Only say what would be run, as `plan` does.")
@click.option(
    "--profile", is_flag=True, help="Say where the time went, and keep a trace of it for Perfetto."
)
@click.option(
    "--probe-finished", is_flag=True,
    help="Train those again that have a record but not all that `probes` measure, and keep the "
    "probes alone.",
)  # fmt: skip
@complains
def run(
    spec: Path,
    results: str,
    executor: str,
    address: str | None,
    device: str,
    max_trials: int | None,
    max_hours: float | None,
    retry_failed: bool,
    dry_run: bool,
    profile: bool,
    probe_finished: bool,
    **resources: float | str | None,
) -> None:
    """Run whatever of a spec has no record yet.

    The same command again goes on after any end.
    """
    if executor == "inline" and address:
        raise click.UsageError("--address is for the ray executor; inline is this process")
    _check_address(executor, address)
    from sweeper.run.driver import Budget, run_sweep
    from sweeper.run.executor import Executor, ExecutorError
    from sweeper.run.forecast import Setting
    from sweeper.run.profile import Profile
    from sweeper.run.progress import duration, many

    def open_executor(log_file: Path) -> Executor:
        if executor == "inline":
            from sweeper.run.inline import InlineExecutor

            return InlineExecutor()
        from sweeper.run.ray_tune import RayExecutor

        return RayExecutor(address, log_file)

    sweep = _with_resources(spec, resources)
    if probe_finished and sweep.spec.probing is None:
        raise click.UsageError(f"--probe-finished: {spec} names no probes")
    if probe_finished and retry_failed:
        text = "--probe-finished leaves failed trials alone; --retry-failed is another run"
        raise click.UsageError(text)
    if dry_run:
        setting = Setting(executor, address, device)
        _print_plan(
            sweep, results, setting, True, False,
            retry_failed=retry_failed, probe_finished=probe_finished, max_trials=max_trials,
        )  # fmt: skip
        return
    if sweep.modules:
        from sweeper.run.extensions import check_modules

        check_modules(sweep)
    folder = ResultsFolder.at(results).below(sweep.spec.name)
    console = new_console()
    try:
        if executor == "ray" and sweep.spec.trackers.chosen:
            from sweeper.run.trackers.observers import require

            require(sweep.spec.trackers)
        timeline = Profile() if profile else None
        budget = Budget(max_trials, max_hours)
        summary = run_sweep(
            sweep,
            folder,
            open_executor,
            device,
            console,
            timeline,
            budget,
            probe_finished=probe_finished,
            retry_failed=retry_failed,
        )
    except ExecutorError as error:
        click.echo("\n".join([str(error), *getattr(error, "__notes__", [])]), err=True)
        sys.exit(CANNOT_TRAIN)
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in summary.outcomes.most_common())
    unit = "" if summary.unit == "trials" else f" {summary.unit}"
    console.print(
        f"{many(summary.ran, 'trial')} run in {duration(summary.seconds)}; "
        f"{summary.finished:,} of {summary.total:,}{unit} done: {counts or 'none'}\n"
        f"results are in {folder.location}",
        highlight=False,
        soft_wrap=True,
    )
    if summary.differing:
        text = "ended otherwise than their records, as on another device or with other libraries"
        console.print(f"{summary.differing:,} of the {summary.ran:,} {text}", soft_wrap=True)
    if summary.unprobed:
        text = f"{summary.unprobed:,} failed this time and have no probes, the first with: "
        if not probe_finished:
            text = f"the probes of {summary.unprobed:,} trials raised, whose records are whole: "
        console.print(text + summary.error, highlight=False, soft_wrap=True)
        if not probe_finished:
            text = "the same command with --probe-finished measures them once that is mended"
            console.print(text, soft_wrap=True)
    if summary.spent:
        console.print(f"{summary.spent}; the same command goes on", highlight=False)
    if timeline and summary.trace:
        _print_profile(timeline, summary.trace, console)
    if summary.interrupted:
        sys.exit(INTERRUPTED)
    if summary.outcomes["failed"]:
        click.echo(
            f"`sweeper status {folder.location}` tells the causes; logs are in {folder.logs}; "
            "the same command with --retry-failed tries them again"
        )
    if summary.outcomes["failed"] or summary.unprobed:
        sys.exit(SOME_FAILED)


def _print_profile(profile: "Profile", trace: str, console: Console) -> None:
    from sweeper.run.progress import duration

    seconds = profile.end - profile.start
    title = f"share of {profile.workers} × {duration(seconds)}"
    shares = profile.shares()
    rows = [[name, f"{share:.1%}"] for name, share in shares.items()]
    console.print(rich_table(["of the workers", title], rows))
    driver = [[name, f"{spent:.2f} s"] for name, spent in profile.driver_seconds().items()]
    console.print(rich_table(["of the driver", ""], driver))
    console.print(f"open {trace} in https://ui.perfetto.dev", highlight=False, soft_wrap=True)
