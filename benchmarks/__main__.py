"""The benchmarks' command line: measure, print, write."""

import os
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import click
from rich.console import Console

from benchmarks import engine, law, learners, linear, memory, optimizers, overhead, sweep
from benchmarks.origin import origin
from benchmarks.report import show, write

BENCHMARKS = {
    "engine": engine.measure,
    "sweep": sweep.measure,
    "overhead": overhead.measure,
    "linear": linear.measure,
    "memory": memory.measure,
    "law": law.measure,
    "learners": learners.measure,
    "optimizers": optimizers.measure,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--only", type=click.Choice(list(BENCHMARKS)), multiple=True, help="By default all.")
@click.option("--smoke", is_flag=True, help="Tiny, to see that it works; the numbers mean nothing.")
@click.option(
    "--out", type=click.Path(path_type=Path),
    help="Folder for the tables.  [default: results/bench; of a smoke test results/bench-smoke]",
)  # fmt: skip
def main(device: str, only: tuple[str, ...], smoke: bool, out: Path | None) -> None:
    """Measure sweeper against what people write instead, and against the machine.

    Prints tables, and writes each as Parquet and Markdown.
    """
    out = out or Path("results") / ("bench-smoke" if smoke else "bench")
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    options = ["--device", device, *(f"--only {name}" for name in only), *["--smoke"] * smoke]
    made = origin(" ".join(["python -m benchmarks", *options]), device)
    for name in only or BENCHMARKS:
        for table in BENCHMARKS[name](device, smoke, out):
            show(table, console)
            write(table, out, made)


if __name__ == "__main__":
    main()
