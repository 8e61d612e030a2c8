"""The door: a spec's path in, a sweep that can be run out, or every problem at once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from sweeper.spec.load import Document, parse, read_text, validate, validated
from sweeper.spec.model import SweepSpec
from sweeper.spec.modules import UserModule, find_modules
from sweeper.spec.plan import combined, expand
from sweeper.spec.problems import Problem, SpecError

_NEUTRAL: dict[str, Any] = {
    "hidden_size": 1,
    "learning_rate": 1.0,
    "weight_decay": 0.0,
    "max_steps": 1,
}
"""Values that stand in for the other axes while those of the task are looked at."""

_WHAT = (
    "axes.M", "axes.group", "axes.expression", "axes.split", "axes.n_train", "task", "zip",
    "exclude",
)  # fmt: skip
"""Where a problem keeps the combinations from being looked at."""

_HOW = ("model", "training", "modules")


@dataclass(frozen=True)
class Sweep:
    """A valid spec and its plan.

    Attributes:
        spec: The spec.
        text: The file's text, kept with the results.
        plan: Every trial once, as `sweeper.spec.plan.PLAN_SCHEMA`; where n_c is searched, every
            candidate.
        required: Fingerprints of those of them that are run whatever comes.
        path: Where the spec comes from.
        modules: Users' modules that it names.
    """

    spec: SweepSpec
    text: str
    plan: pa.Table
    required: pa.Array
    path: str | Path = ""
    modules: tuple[UserModule, ...] = ()

    @property
    def digest(self) -> str:
        """Names the text of the spec, and of its modules."""
        parts = [self.text, *(module.label for module in self.modules)]
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    @property
    def module_texts(self) -> dict[str, str]:
        """The texts of the users' modules, by label: what workers import."""
        return {module.label: module.text for module in self.modules}

    def with_resources(self, changes: dict[str, Any]) -> "Sweep":
        """The same sweep with other resources for its workers; no trial changes."""
        resources = self.spec.resources.model_copy(update=changes)
        return replace(self, spec=self.spec.model_copy(update={"resources": resources}))


def open_sweep(path: str | Path) -> Sweep:
    """Read, validate and expand a spec. Runs and writes nothing.

    Raises:
        SpecError: Every problem, those of single fields and those of their combinations.
    """
    return open_text(read_text(Path(path)), path)


def open_text(text: str, path: str | Path, modules: Mapping[str, str] | None = None) -> Sweep:
    """Validate and expand the text of a spec.

    Args:
        text: YAML.
        path: Where it comes from, for messages; its modules are looked for beside it.
        modules: Texts of its modules by name, to be taken instead.

    Raises:
        SpecError: Every problem, those of single fields and those of their combinations.
    """
    document = parse(text, path)
    try:
        spec = validate(document)
    except SpecError as error:
        more = _other_problems(document, error, modules)
        raise SpecError(path, error.problems + more) from None
    found, missing = find_modules(spec.modules, document, modules)
    labels = " ".join(sorted(module.label for module in found))
    try:
        plan = required = expand(spec, document, labels)
    except SpecError as error:
        raise SpecError(path, error.problems + missing) from None
    if missing:
        raise SpecError(path, missing)
    if spec.search.kind == "boundary":
        required = plan.slice(0, 0)
    elif spec.search.kind == "refine":
        required = expand(spec.model_copy(update={"design": "grid"}), document, labels)
    return Sweep(spec, text, plan, required["fingerprint"].combine_chunks(), path, found)


def _other_problems(
    document: Document, error: SpecError, modules: Mapping[str, str] | None
) -> list[Problem]:
    """What is wrong beside some fields: absent modules, and combinations that cannot be."""
    broken = {problem.place for problem in error.problems}
    names = document.data.get("modules", [])
    sound = not any(place.startswith("modules") for place in broken)
    missing = find_modules(names, document, modules)[1] if sound else []
    return missing + _combination_problems(document, broken)


def _combination_problems(document: Document, broken: set[str]) -> list[Problem]:
    """What is wrong with the combinations of axes, as far as the broken fields let it be seen."""
    data, axes = document.data, document.data.get("axes")
    if not isinstance(axes, dict) or any(
        place == "axes" or place.startswith(_WHAT) for place in broken
    ):
        return []
    combining = {name: data[name] for name in ("zip", "exclude") if name in data}
    kept = {name: data[name] for name in ("task", "design", "probes", *_HOW) if name in data}
    kept = {n: part for n, part in kept.items() if not any(p.startswith(n) for p in broken)}
    if not any(place.startswith("axes") for place in broken):
        sound = axes
    elif combining:
        return []  # they may speak of the broken axes
    else:
        what = ("M", "group", "expression", "split", "n_train")
        sound = _NEUTRAL | {name: axes[name] for name in what if name in axes}
        kept = {name: part for name, part in kept.items() if name not in _HOW}
    try:
        combined(validated({"name": "x", "axes": sound} | combining | kept), document)
    except SpecError as second:
        if set(_HOW) & set(data) <= set(kept):
            return second.problems
        told = (*_WHAT, "design")  # what is said of learners and probes takes them for the usual
        return [one for one in second.problems if one.place == "axes" or one.place.startswith(told)]
    except ValidationError:
        pass
    return []
