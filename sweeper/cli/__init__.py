"""The command line: parse, call, print. One module a group of commands."""

import click

from sweeper.cli.analysing import collapse, fit, landscape, scaling, thresholds
from sweeper.cli.drawing import figures, paper, probes, report
from sweeper.cli.reference import groups, schema, version
from sweeper.cli.repairing import repair
from sweeper.cli.running import plan, run
from sweeper.cli.trials import debug, show, status


class _InOrder(click.Group):
    """Lists its commands in the order of the work, not of the alphabet."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def main() -> None:
    """Scaling-law sweeps over tasks that grok: YAML in, one Parquet row a trial, laws out."""


for command in (
    plan, run, status, show, debug, repair, thresholds, fit, scaling, collapse, figures, probes,
    report, paper, landscape, groups, schema, version,
):  # fmt: skip
    main.add_command(command)
