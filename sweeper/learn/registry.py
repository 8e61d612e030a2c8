"""The learners by name: networks, activations, losses and optimizers, built in and of users.

A module registers what it defines when it is imported:

    @networks.register("mine")
    class Mine(Network): ...

A built-in network or optimizer is a file in `sweeper/learn/networks/` or `optimizers/`, a built-in
activation or loss a few lines in `activations.py` or `losses.py`; a user's module is one that a
spec names under `modules` (docs/extending.md).
"""

import difflib
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from torch import Tensor

if TYPE_CHECKING:
    from sweeper.learn.losses import Loss
    from sweeper.learn.network import Network
    from sweeper.learn.optimizers.base import Optimizer

Item = TypeVar("Item")


class Registry(Generic[Item]):
    """Things of one kind by their names; the built-in ones are imported when first asked for."""

    def __init__(self, kind: str, home: str) -> None:
        """Start with none.

        Args:
            kind: What they are, for messages.
            home: The module that registers the built-in ones.
        """
        self.kind = kind
        self._home = home
        self._items: dict[str, Item] = {}

    def register(self, name: str) -> Callable[[Item], Item]:
        """A decorator that gives a name.

        Raises:
            ValueError: Something else has this name.
        """

        def add(item: Item) -> Item:
            known = self._items.setdefault(name, item)
            if known is not item:
                raise ValueError(f"there are two of {self.kind} {name!r}; give one another name")
            return item

        return add

    def names(self) -> list[str]:
        """All names, sorted."""
        importlib.import_module(self._home)
        return sorted(self._items)

    def __getitem__(self, name: str) -> Item:
        """The one with this name.

        Raises:
            ValueError: There is none; the message lists those that there are.
        """
        known = self.names()
        if name not in self._items:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ValueError(f"no {self.kind} {name!r}; {hint}there are {', '.join(known)}")
        return self._items[name]


networks: Registry["type[Network]"] = Registry("network", "sweeper.learn.networks")
activations: Registry[Callable[[Tensor], Tensor]] = Registry(
    "activation", "sweeper.learn.activations"
)
losses: Registry["type[Loss]"] = Registry("loss", "sweeper.learn.losses")
optimizers: Registry["type[Optimizer]"] = Registry("optimizer", "sweeper.learn.optimizers")
