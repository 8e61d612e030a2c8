"""Where measurements and figures are written, and read again to be drawn."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import save


@dataclass(frozen=True)
class Kept:
    """Two folders.

    Attributes:
        measured: Of Parquet files.
        figures: Of PNG files.
        draw_only: Take the measurements from their files.
    """

    measured: Path
    figures: Path
    draw_only: bool = False

    def frame(self, name: str, measure: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Measure and write, or read."""
        path = self.measured / f"{name}.parquet"
        if self.draw_only:
            return pd.read_parquet(path)
        found = measure()
        self.measured.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.part")
        try:
            found.to_parquet(aside, index=False, compression="zstd")
            aside.replace(path)
        finally:
            with suppress(FileNotFoundError):
                aside.unlink()
        return found

    def figure(self, name: str, figure: Figure) -> None:
        """Write it, over an older one."""
        self.figures.mkdir(parents=True, exist_ok=True)
        save(figure, self.figures / f"{name}.png")
