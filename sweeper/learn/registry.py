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
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from torch import Tensor

if TYPE_CHECKING:
    from sweeper.learn.losses import Loss
    from sweeper.learn.network import Network
    from sweeper.learn.optimizers.base import Optimizer

Item = TypeVar("Item")


def _at_home(item: object) -> bool:
    return str(getattr(item, "__module__", "")).startswith("sweeper.")


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
        self._origins: dict[str, str] = {}

    def register(self, name: str) -> Callable[[Item], Item]:
        """A decorator that gives a name.

        Raises:
            ValueError: Something else has this name.
        """

        def add(item: Item) -> Item:
            # else a user's name could take that of a built-in one that comes later
            if not _at_home(item):
                importlib.import_module(self._home)
            known = self._items.setdefault(name, item)
            if known is not item:
                raise ValueError(f"there are two of {self.kind} {name!r}; give one another name")
            self._origins[name] = getattr(item, "__module__", "")
            return item

        return add

    def forget(self, module: str) -> None:
        """Drop what a module has registered."""
        for name in [name for name, origin in self._origins.items() if origin == module]:
            del self._items[name], self._origins[name]

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

ALL: dict[str, Registry[Any]] = {
    registry.kind: registry for registry in (networks, activations, losses, optimizers)
}
"""All registries, by the field of Trial that names an item of theirs."""
