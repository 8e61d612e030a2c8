"""The command line of the measurements of dynamics."""

from pathlib import Path

import click

from benchmarks.dynamics import algebra, covering, energy, gradient, interaction, layers, notes, one
from benchmarks.dynamics.kept import Kept

_PATH = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--measured", type=_PATH, default=Path("docs/measured/dynamics"), show_default=True,
    help="Folder of what is measured.",
)  # fmt: skip
@click.option(
    "--figures", type=_PATH, default=Path("docs/img/dynamics"), show_default=True,
    help="Folder of the figures.",
)  # fmt: skip
@click.option("--draw-only", is_flag=True, help="From what was measured before.")
@click.pass_context
def main(context: click.Context, measured: Path, figures: Path, draw_only: bool) -> None:
    """Measure what happens inside nets while they train; docs/dynamics.md shows it."""
    context.obj = Kept(measured, figures, draw_only)


for _command in (
    one.main,
    notes.main,
    gradient.main,
    energy.main,
    covering.main,
    interaction.main,
    algebra.main,
    layers.main,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
