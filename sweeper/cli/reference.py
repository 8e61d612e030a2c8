"""`sweeper groups`, `sweeper schema` and `sweeper version`: what needs no sweep."""

import json
import platform
from pathlib import Path

import click

from sweeper.cli.options import EXAMPLE, as_json, complains, finite
from sweeper.store.provenance import code_version, library_versions
from sweeper.tasks.catalogue import CATALOGUES
from sweeper.terminal.tables import new_console


@click.command(epilog=f"{EXAMPLE}sweeper groups S4")
@click.argument("name", required=False)
@click.option(
    "--table", type=click.Path(path_type=Path), metavar="FILE",
    help="A Cayley table instead of a name: CSV, JSON lines or Parquet.",
)  # fmt: skip
@click.option("--catalogue", type=click.Choice(list(CATALOGUES)), help="List a collection.")
@click.option(
    "--delta", type=click.FloatRange(0, 1, min_open=True), default=0.05, show_default=True,
    callback=finite, help="Failure probability in Theorem 4.",
)  # fmt: skip
@as_json
@complains
def groups(
    name: str | None, table: Path | None, catalogue: str | None, delta: float, as_json: bool
) -> None:
    """List groups by name, or tell what theory says of one.

    Its irreps with their types, both conventions of d, the energies of its features, and the
    number of training pairs that is predicted.
    """
    if sum(one is not None for one in (name, table, catalogue)) > 1:
        raise click.UsageError("give one of NAME, --table and --catalogue")
    from sweeper.tasks.groups import group_named, read_table
    from sweeper.terminal import groups as terminal

    console = new_console()
    found: object
    if catalogue:
        if as_json:
            found = terminal.listed(CATALOGUES[catalogue], delta)
        else:
            terminal.print_catalogue(CATALOGUES[catalogue], delta, console)
    elif table or name is not None:
        group = read_table(table) if table else group_named(name)
        if as_json:
            found = terminal.described(group, delta)
        else:
            terminal.print_group(group, delta, console)
    elif as_json:
        found = terminal.listing()
    else:
        terminal.print_listing(console)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@click.command(epilog=f"{EXAMPLE}sweeper schema > sweep.schema.json")
def schema() -> None:
    """Print the JSON schema of a spec, for editors."""
    from sweeper.spec.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@click.command(epilog=f"{EXAMPLE}sweeper version --json")
@as_json
def version(as_json: bool) -> None:
    """Print the versions that can move a number."""
    found: dict[str, str] = {"sweeper": code_version(), **json.loads(library_versions())}
    found["platform"] = platform.platform()
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"{name:10} {value}")
