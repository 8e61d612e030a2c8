"""How weights move: one file an optimizer, over the weights of a batch of trials.

Each registers itself under its name.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
