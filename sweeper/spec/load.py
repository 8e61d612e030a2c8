"""A YAML file into a SweepSpec, or one error that lists every problem with its line."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sweeper.spec.axes import ONE_DOMAIN, FractionOfPairs, LogRange, Range, TimesMLogM
from sweeper.spec.model import Design, SweepSpec
from sweeper.spec.probes import Probes
from sweeper.spec.problems import Problem, SpecError, dotted, shown

Place = tuple[str | int, ...]

MAX_BYTES = 2_000_000
MAX_PIECES = 1_000_000

_TAGGED: dict[str, type[BaseModel]] = {
    "a range": Range,
    "a log range": LogRange,
    "fractions of M²": FractionOfPairs,
    "multiples of M log M": TimesMLogM,
    "a mapping": Design,
    "probes with options": Probes,
}
"""The models behind the tags of unions."""


@dataclass(frozen=True)
class Document:
    """The plain data of a YAML file, and where each piece of it stands.

    Attributes:
        path: The file.
        data: Dicts, lists, strings, numbers, booleans and None.
        lines: Line of every key and item, by its path inside the data; () is the whole.
    """

    path: Path | str
    data: Any
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """The line of the nearest piece that exists at or above a place."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines.get(place, 1)

    def problem(self, place: Place, text: str) -> Problem:
        """A problem at a place of this document."""
        return Problem(self.line(place), dotted(place), text)


def read_text(path: Path) -> str:
    """The text of a spec's file.

    Raises:
        SpecError: It cannot be read, is far too large, or is no UTF-8.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _refusal(path, f"larger than {MAX_BYTES:,} bytes; this is no spec", 0)
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _refusal(path, f"cannot be read: {error.strerror or error}", 0) from None
    except UnicodeDecodeError as error:
        raise _refusal(path, f"is no UTF-8 text: {error.reason} at byte {error.start}", 0) from None


def validate(document: Document) -> SweepSpec:
    """The spec in a document.

    Raises:
        SpecError: Everything that is wrong with its fields.
    """
    try:
        return validated(document.data)
    except ValidationError as error:
        problems = [_explain(document, detail) for detail in error.errors()]
        axes = document.data.get("axes")
        if isinstance(axes, dict) and ("M" in axes) == ("group" in axes):
            problems.append(document.problem(("axes",), ONE_DOMAIN))
        raise SpecError(document.path, problems) from None


def validated(data: dict[str, Any]) -> SweepSpec:
    """The spec in some data; names of learners are free where it has modules of its own.

    Raises:
        ValidationError: Of pydantic, with all that is wrong.
    """
    return SweepSpec.model_validate(data, context={"modules": data.get("modules")})


def _refusal(path: Path | str, text: str, line: int = 1) -> SpecError:
    return SpecError(path, [Problem(line, "", text)])


def parse(text: str, path: Path | str) -> Document:
    """The data of a YAML 1.2 text; nothing in it is ever executed.

    Args:
        text: Of the file.
        path: Of the file, for messages.

    Raises:
        SpecError: Not YAML, or not a mapping.
    """
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.composer.warn_double_anchors = False  # the later one counts, as YAML has it
        root = yaml.compose(text)
        lines: dict[Place, int] = {}
        data = _plain(root, (), lines, yaml) if root is not None else None
    except DuplicateKeyError as error:
        raise _refusal(path, str(error.problem), error.problem_mark.line + 1) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise _refusal(path, f"is not YAML: {_reason(error, line)}", line) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise _refusal(path, f"is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise _refusal(path, f"should be a mapping with name and axes, found {shown(data)}")
    return Document(path, data, lines)


def _reason(error: MarkedYAMLError, line: int) -> str:
    """What a YAML parser found wrong on a line, and on which line began what it is part of."""
    problem = str(error.problem or "")
    if r"'\t'" in problem:
        return "a tab, where YAML takes blanks alone"
    if "but found '<block" in problem:
        return "indented otherwise than the lines that it goes with"
    context = str(error.context or "")
    if context and error.context_mark and error.context_mark.line + 1 != line:
        context += f" from line {error.context_mark.line + 1} on,"
    return f"{context} {problem}".strip()


def _plain(node: Node, place: Place, lines: dict[Place, int], yaml: YAML) -> Any:  # noqa: ANN401
    """The data of a node; the line of every key and item is noted on the way."""
    lines.setdefault(place, node.start_mark.line + 1)
    if len(lines) > MAX_PIECES:  # aliases of aliases grow without bound
        raise ValueError(f"more than {MAX_PIECES:,} keys and values, aliases written out")
    if isinstance(node, MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            line = key_node.start_mark.line + 1
            if key in mapping:
                problem = f"key {key!r} stands twice; the first is on line {lines[*place, key]}"
                raise DuplicateKeyError(None, None, problem, key_node.start_mark)
            lines[*place, key] = line
            mapping[key] = _plain(value_node, (*place, key), lines, yaml)
        return mapping
    if isinstance(node, SequenceNode):
        return [_plain(item, (*place, i), lines, yaml) for i, item in enumerate(node.value)]
    value = yaml.constructor.construct_object(node)
    if value is not None and not isinstance(value, str | int | float | bool):
        return str(node.value)  # a date, say: as text, to be refused where it stands
    return value


def _explain(document: Document, detail: ErrorDetails) -> Problem:
    """One of pydantic's errors in our words."""
    place, model = _locate(document.data, detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return document.problem(place, _unknown_key(str(place[-1]), model))
    if kind == "missing":
        # The place is the missing key's; its line is that of the mapping it is missing from.
        fields = dict(zip(_keys(model), model.model_fields.values(), strict=True)) if model else {}
        field = fields.get(str(detail["loc"][-1]))
        what = f" ({field.description.rstrip('.')})" if field and field.description else ""
        return document.problem((*place, str(detail["loc"][-1])), f"missing{what}")
    if kind == "value_error":
        text, found = str(context["error"]), shown(detail["input"])
        if not isinstance(detail["input"], dict) and not (found[0] in "'\"" and found in text):
            text = f"found {found}; {text}"
        return document.problem(place, text)
    if kind == "string_pattern_mismatch":
        wanted = "should be 1 to 100 letters, digits, '.', '_' or '-', not starting with a sign"
        if place[-1:] != ("name",):
            wanted = "should be a name: letters, digits and '_', starting with a letter"
        return document.problem(place, f"found {shown(detail['input'])}; {wanted}")
    hint = ""
    if kind == "literal_error":
        hint = _meant(str(detail["input"]), re.findall("'([^']+)'", context["expected"]))
    wanted = re.sub(r"^(Input|List|Dictionary|String) ", "", detail["msg"])
    wanted = re.sub(r"a valid dictionary or instance of \w+", "a mapping", wanted)
    wanted = (
        wanted.replace(" after validation", "")
        .replace("a valid integer", "a whole number")
        .replace("a valid ", "a ")
    )
    return document.problem(place, f"found {shown(detail['input'])}; {hint}{wanted}")


def _locate(data: Any, location: Place) -> tuple[Place, type[BaseModel] | None]:  # noqa: ANN401
    """The place in the file that an error is about, and the model that the place belongs to.

    Pydantic puts the tags of unions between the keys ("a list", "fractions of M²"); no key has
    a blank in it, so that is how they are told apart.
    """
    place: list[str | int] = []
    model: type[BaseModel] | None = SweepSpec
    for i, part in enumerate(location):
        if isinstance(part, str) and " " in part and not (isinstance(data, dict) and part in data):
            model = _TAGGED.get(part, model)
            continue
        if isinstance(data, dict) and part in data and part != "[key]":
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            break
        place.append(part)
        if i < len(location) - 1 and model is not None and part in model.model_fields:
            annotation = model.model_fields[str(part)].annotation
            for kind in (annotation, *get_args(annotation)):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    model = kind
    return tuple(place), model


_ALSO_CALLED = {
    "epochs": "max_steps",
    "k": "hidden_size",
    "lr": "learning_rate",
    "modulus": "M",
    "n": "n_train",
    "num": "count",
    "p": "M",
    "start": "from",
    "steps": "max_steps",
    "stop": "to",
    "train_fraction": "n_train",
    "wd": "weight_decay",
    "width": "hidden_size",
}
"""Keys by the other names that papers and scripts have for them."""


def _unknown_key(key: str, model: type[BaseModel] | None) -> str:
    valid = _keys(model)
    name = _ALSO_CALLED.get(key.lower(), key)
    if name not in valid and (homes := _homes(name)):
        return f"unknown key here; {name} belongs under {' or '.join(homes)}"
    others = f", or {', '.join(_keys(LogRange))}" if model is Range else ""
    return f"unknown key; {_meant(name, valid)}valid keys are {', '.join(valid) or 'none'}{others}"


def _meant(found: str, valid: list[str]) -> str:
    """The nearest of some names as a question, or nothing."""
    spelt = {one.lower(): one for one in valid}
    close = difflib.get_close_matches(found.lower(), spelt, n=1)
    return f"did you mean {spelt[close[0]]}? " if close else ""


def _homes(key: str) -> list[str]:
    """The parts of a spec that have such a key."""
    parts = {name: field.annotation for name, field in SweepSpec.model_fields.items()}
    return [
        name
        for name, part in parts.items()
        if isinstance(part, type) and issubclass(part, BaseModel) and key in _keys(part)
    ]


def _keys(model: type[BaseModel] | None) -> list[str]:
    fields = model.model_fields if model else {}
    return [field.alias or name for name, field in fields.items()]
