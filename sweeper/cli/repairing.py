"""`sweeper repair`: what is broken in a results folder, named and set aside."""

import json
import os
import sys
from dataclasses import asdict

import click

from sweeper.cli.options import EXAMPLE, SOME_FAILED, as_json, complains, folder_argument
from sweeper.store.provenance import host
from sweeper.store.results import ResultsFolder

_SHOWN = 5


@click.command(epilog=f"{EXAMPLE}sweeper repair results/quickstart --apply")
@folder_argument
@click.option("--apply", is_flag=True, help="Do it; else only say what would be done.")
@as_json
@complains
def repair(results: str, apply: bool, as_json: bool) -> None:
    """Find broken files, and set them aside.

    Reads every shard to its last byte, where no driver is at work. With --apply what is broken is
    moved to set-aside/ in the folder, with the reasons; what an interrupted write left is deleted.
    Trials that lose their record so run again with `sweeper run`. Without, nothing is written and
    no lock is taken. Exit code 1 if something is wrong that stays as it is.
    """
    from sweeper.store.repair import diagnose
    from sweeper.store.repair import repair as set_aside

    def say(text: str) -> None:
        click.echo(text, err=True)

    folder = ResultsFolder.at(results)
    aside = None
    if apply:
        found, aside = set_aside(folder, f"sweeper repair on {host()}, process {os.getpid()}", say)
    else:
        found = diagnose(folder, say)
    if as_json:
        said = {"folder": folder.path, "applied": apply, "moved_to": aside, **asdict(found)}
        click.echo(json.dumps(said, indent=2))
    elif found.well:
        click.echo(f"{folder.path}: nothing is broken")
    else:
        for finding in found.findings:
            click.echo(f"{' and '.join(finding.files)}: {finding.reason}")
        for name in found.leftovers:
            click.echo(f"{name}: left by a process that ended while it wrote; nothing counts on it")
        for text in found.foreign:
            click.echo(f"{text}; it is whole, and left as it is")
        if found.again:
            some = ", ".join(found.again[:_SHOWN]) + (", …" if len(found.again) > _SHOWN else "")
            click.echo(
                f"{len(found.again):,} trials have no other record; the next `sweeper run` of their"
                f" spec runs them again: {some}"
            )
        for name in found.untold:
            click.echo(f"which trials {name} held cannot be told; what has no record runs again")
        if aside:
            click.echo(f"moved to {aside}, where why.json has the reasons")
        elif not apply and (found.findings or found.leftovers):
            does = [
                text
                for text, some in (
                    ("moves these to set-aside/ in the folder", found.findings),
                    ("deletes what such a process left", found.leftovers),
                )
                if some
            ]
            click.echo(f"nothing was changed; --apply {' and '.join(does)}")
    if found.foreign or not (apply or found.well):
        sys.exit(SOME_FAILED)
