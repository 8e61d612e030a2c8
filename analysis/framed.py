"""Results that print as a table and become a data frame."""

from abc import ABC, abstractmethod
from html import escape
from typing import ClassVar

import pandas as pd


class Framed(ABC):
    """A result with a title and a table, in a terminal and in a notebook."""

    _brief: ClassVar[tuple[str, ...]] = ("parameter", "estimate", "low", "high")
    """The columns of the table that are printed."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is of, and how it went, in one line."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Its numbers as a table of plain values."""

    def __repr__(self) -> str:
        table = self.to_frame()[[*self._brief]]
        if table["estimate"].isna().all():
            return self.title
        shown = table.to_string(index=False, na_rep="–", float_format="{:.5g}".format)
        return f"{self.title}\n{shown}"

    def _repr_html_(self) -> str:
        table = self.to_frame()[[*self._brief]]
        head = f"<p>{escape(self.title)}</p>"
        if table["estimate"].isna().all():
            return head
        return head + table.to_html(index=False, na_rep="–", float_format="{:.5g}".format)
