"""What giving up hopeless trials would have spared a finished sweep, and which outcomes it costs.

    python -m benchmarks.giving_up results/mod_add

The rule of `give_up_after` is replayed on the sweep's curves, for several numbers of steps.
"""

from pathlib import Path

import click
import pandas as pd
from rich.console import Console
from rich.table import Table

from sweeper.learn.train import is_hopeless
from sweeper.store.records import Curve, Outcome
from sweeper.store.results import ResultsFolder

PATIENCE = [250, 500, 750, 1000, 1500, 2000, 3000]


def given_up_at(curve: Curve, fit_step: int | None, patience: int) -> int | None:
    """The step at which a trial with this whole curve would have been stopped, or None.

    Args:
        curve: All its evaluations.
        fit_step: First with the training pairs fitted, or None.
        patience: In steps.
    """
    for i in range(len(curve.step) - 1):
        past = Curve(
            curve.step[: i + 1],
            test_loss=curve.test_loss[: i + 1],
            test_accuracy=curve.test_accuracy[: i + 1],
        )
        fitted = fit_step if fit_step is not None and fit_step <= curve.step[i] else None
        if is_hopeless(past, fitted, patience):
            return curve.step[i]
    return None


def replay(folder: ResultsFolder, patience: int) -> pd.DataFrame:
    """Every trial of a results folder that was seen to its end.

    Args:
        folder: Whose trials were run without giving up.
        patience: In steps.

    Returns:
        One row a trial: outcome, final_step, and stopped_at, NaN where it would not be.
    """
    names = ["fingerprint", "outcome", "fit_step", "final_step"]
    rows = []
    curves = {row["fingerprint"]: row for row in folder.curves().to_pylist()}
    for record in folder.records(names).to_pylist():
        found = curves[record["fingerprint"]]
        curve = Curve(
            found["step"], test_loss=found["test_loss"], test_accuracy=found["test_accuracy"]
        )
        at = given_up_at(curve, record["fit_step"], patience)
        rows.append((record["outcome"], record["final_step"], at))
    return pd.DataFrame(rows, columns=["outcome", "final_step", "stopped_at"])


@click.command()
@click.argument("results", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(results: Path) -> None:
    """Replay the rule on the sweep in RESULTS."""
    table = Table(box=None, header_style="bold")
    for name in ("give_up_after", "stopped", "of them generalized", "steps spared"):
        table.add_column(name, justify="right")
    folder = ResultsFolder.at(results)
    for patience in PATIENCE:
        trials = replay(folder, patience)
        stopped = trials[trials["stopped_at"].notna()]
        spared = (stopped["final_step"] - stopped["stopped_at"]).sum()
        table.add_row(
            f"{patience:,}",
            f"{len(stopped):,} of {len(trials):,}",
            f"{(stopped['outcome'] == Outcome.GENERALIZED).sum():,}",
            f"{spared / trials['final_step'].sum():.0%}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
