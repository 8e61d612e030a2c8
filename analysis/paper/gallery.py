"""A page of the paper's figures beside ours, and the files that the gallery keeps."""

import base64
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import save, styled
from analysis.paper.catalogue import FIGURES, PaperFigure
from analysis.paper.numbers import NotRunError, Numbers, measured
from analysis.paper.statements import RULES, Statement
from analysis.report.render import symbols, write
from sweeper.store.provenance import code_version


@dataclass(frozen=True)
class Shown:
    """A figure as the page has it.

    Attributes:
        figure: Which.
        full: Whether its full grid was run, not the reduced one.
        cost: How many runs, what they took and on what.
        statements: Judged.
        images: Ours, as data addresses or paths, by name.
    """

    figure: PaperFigure
    full: bool
    cost: str
    statements: list[Statement]
    images: dict[str, str]

    @property
    def anchor(self) -> str:
        """Of its heading, as GitHub and Sphinx make it."""
        kept = re.sub(r"[^\w\- ]", "", self.figure.title.lower())
        return kept.replace(" ", "-")

    @property
    def command(self) -> str:
        """What makes its sweep."""
        folder = "specs/paper/full" if self.full else "specs/paper"
        return f"sweeper run {folder}/{self.figure.spec}.yaml --results results/paper"


def write_page(results: str, out: Path) -> tuple[Path, list[str]]:
    """Write one HTML file of all figures whose sweeps have records.

    Args:
        results: Where the results folders lie; a folder that ends in "_full" comes before the
            reduced one.
        out: The file.

    Returns:
        The file, and the specs that have no records yet.

    Raises:
        ResultsError: A shard cannot be read; the message names it.
        NotRunError: No sweep has records.
    """
    shown, missing = [], []
    for figure in FIGURES:
        try:
            numbers = measured(results, figure.spec, figure.curves, figure.probes)
        except NotRunError:
            missing.append(figure.spec)
            continue
        images = {name: _address(image) for name, image in figure.draw(numbers).items()}
        shown.append(_shown(figure, numbers, images))
    if not shown:
        raise NotRunError(results)
    return write(_rendered("paper.html.j2", shown, missing), out), missing


def write_gallery(results: str, folder: Path) -> Iterator[Path]:
    """Keep figures as PNG, their numbers as Parquet, and a page of Markdown that shows them.

    Figures whose sweep has no records keep what the folder has of them.

    Args:
        results: As for `write_page`.
        folder: Such as docs/gallery.
    """
    for figure in FIGURES:
        try:
            numbers = measured(results, figure.spec, figure.curves, figure.probes)
        except NotRunError:
            continue
        numbers.keep(folder / "numbers", figure.spec)
        for name, image in figure.draw(numbers).items():
            yield save(image, folder / f"{figure.key}_{name}.png")
    yield write(gallery_text(folder), folder / "README.md")


def gallery_text(folder: Path) -> str:
    """The page of a gallery, from its numbers alone."""
    shown = []
    for figure in FIGURES:
        try:
            numbers = Numbers.kept(folder / "numbers", figure.spec)
        except FileNotFoundError:
            continue
        names = sorted(path.name for path in folder.glob(f"{figure.key}_*.png"))
        images = {name.removeprefix(f"{figure.key}_").removesuffix(".png"): name for name in names}
        shown.append(_shown(figure, numbers, images))
    return _rendered("gallery.md.j2", shown, [])


def _shown(figure: PaperFigure, numbers: Numbers, images: dict[str, str]) -> Shown:
    records = numbers.records
    full = bool(records["sweep"].str.endswith("_full").all())
    return Shown(figure, full, _cost(records), figure.judge(numbers), images)


def _cost(records: pd.DataFrame) -> str:
    """As in "36 runs, 8.3 minutes of one worker on Intel(R) Xeon(R) Processor"."""
    told = records[["device", "hardware"]].astype("string")  # a column may be all null
    device = told["hardware"].fillna(told["device"]).fillna("an unknown device")
    minutes = records["wall_time_s"].sum() / 60
    devices = " and ".join(device.unique())
    return f"{len(records):,} runs, {minutes:,.1f} minutes of one worker on {devices}"


def _address(figure: Figure) -> str:
    """A figure as a data address."""
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format="png", dpi=160)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _rendered(name: str, shown: Sequence[Shown], missing: Sequence[str]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text), autoescape=name.endswith("html.j2"),
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["symbols"] = symbols
    return environment.get_template(name).render(
        shown=shown, missing=missing, version=code_version(), rules=RULES
    )


def _text(name: str) -> str:
    return files("analysis.paper").joinpath("page", name).read_text(encoding="utf-8")
