"""`sweeper status`, `sweeper show` and `sweeper debug`: a sweep, and its trials one by one."""

import json
import sys

import click

from sweeper.cli.options import (
    CANNOT_TRAIN,
    EXAMPLE,
    SOME_FAILED,
    as_json,
    complains,
    device_name,
    finite,
    folder_argument,
)
from sweeper.store.results import ResultsFolder
from sweeper.terminal.tables import new_console


@click.command(epilog=f"{EXAMPLE}sweeper status results/quickstart --watch")
@folder_argument
@click.option("--watch", is_flag=True, help="Look again and again, until all is done or Ctrl-C.")
@click.option(
    "--every", type=click.FloatRange(0.1), default=2.0, show_default=True, callback=finite,
    metavar="SECONDS", help="How often, with --watch.",
)  # fmt: skip
@as_json
@complains
def status(results: str, watch: bool, every: float, as_json: bool) -> None:
    """Say how far a sweep is, also while it runs.

    From any machine that can read the results. Maps the outcomes and the thresholds so far.
    """
    try:
        from sweeper.terminal import watching

        view, console = watching.StatusView(ResultsFolder.at(results)), new_console()
        if watch:
            watching.watch(view, console, every, as_json)
        elif as_json:
            click.echo(json.dumps(view.plain(), indent=2, ensure_ascii=False))
        else:
            console.print(view.text())
    except KeyboardInterrupt:
        if not watch:
            raise


@click.command(epilog=f"{EXAMPLE}sweeper show results/quickstart 3fa2")
@folder_argument
@click.argument("fingerprint")
@as_json
@complains
def show(results: str, fingerprint: str, as_json: bool) -> None:
    """Show one trial: axes, outcome, curve, cost, provenance, error.

    The first digits of its fingerprint will do.
    """
    from sweeper.terminal import single

    folder = ResultsFolder.at(results)
    if as_json:
        click.echo(json.dumps(single.plain_trial(folder, fingerprint), indent=2))
    else:
        single.show(folder, fingerprint, new_console())


@click.command(epilog=f"{EXAMPLE}sweeper debug results/quickstart 3fa2 --pdb")
@folder_argument
@click.argument("fingerprint")
@click.option("--pdb", is_flag=True, help="Enter the debugger where the trial raises.")
@click.option("--device", callback=device_name, help="By default what the record names.")
@complains
def debug(results: str, fingerprint: str, pdb: bool, device: str | None) -> None:
    """Train one trial again, here, and write nothing.

    Prints its evaluations as they come, raises what it raises, and compares it with its record in
    the end. Exit code 1 if it raised or differs.
    """
    from sweeper.run.executor import ExecutorError
    from sweeper.terminal import single

    try:
        well = single.debug(ResultsFolder.at(results), fingerprint, device, pdb)
    except ExecutorError as error:
        click.echo(str(error), err=True)
        sys.exit(CANNOT_TRAIN)
    if not well:
        sys.exit(SOME_FAILED)
