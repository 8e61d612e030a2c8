"""Users' modules, imported from the texts that came with the trials."""

import linecache
import sys
import types
from collections.abc import Mapping

from sweeper.learn.registry import ALL


def load(modules: Mapping[str, str]) -> None:
    """Import modules, each once in a process; a new text takes the place of an old one's learners.

    Args:
        modules: Text by label, a name, "@" and a hash.

    Raises:
        Exception: Whatever a module raises.
    """
    for label, text in modules.items():
        own = f"_sweeper_module_{label.partition('@')[0]}"
        before = sys.modules.get(own)
        if before is not None and before.__file__ == label:
            continue
        for registry in ALL.values():
            registry.forget(own)
        module = types.ModuleType(own)
        module.__file__ = label
        linecache.cache[label] = len(text), None, text.splitlines(keepends=True), label
        sys.modules[own] = module
        try:
            exec(compile(text, label, "exec"), module.__dict__)
        except BaseException:
            del sys.modules[own]
            for registry in ALL.values():
                registry.forget(own)
            raise
