"""A YAML file into a SweepSpec, or one error that lists every problem with its line."""

import difflib
import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from sweeper.spec.axes import FractionOfPairs, LogRange, Range, TimesMLogM, not_one_domain
from sweeper.spec.model import Design, SweepSpec
from sweeper.spec.probes import Probes
from sweeper.spec.problems import Problem, SpecError, dotted, shown

Place = tuple[str | int, ...]

MAX_BYTES = 2_000_000
MAX_PIECES = 1_000_000

_TAG = "tag:yaml.org,2002:"
_COLLECTIONS = {f"{_TAG}map", f"{_TAG}seq"}
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

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
        problems: What could not be read.
    """

    path: Path | str
    data: Any
    lines: dict[Place, int]
    problems: tuple[Problem, ...] = ()

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
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise _refusal(path, f"larger than {MAX_BYTES:,} bytes; this is no spec", 0)
        return StringIO(data.decode(), newline=None).read()
    except OSError as error:
        raise _refusal(path, f"cannot be read: {error.strerror or error}", 0) from None
    except UnicodeDecodeError as error:
        raise _refusal(path, f"is no UTF-8 text: {error.reason} at byte {error.start}", 0) from None


def validate(document: Document) -> SweepSpec:
    """The spec in a document.

    Raises:
        SpecError: What could not be read, and everything that is wrong with its fields.
    """
    problems = list(document.problems)
    try:
        spec = validated(document.data)
    except ValidationError as error:
        problems += [_explain(document, detail) for detail in error.errors()]
        axes = document.data.get("axes")
        if isinstance(axes, dict) and (reason := not_one_domain(axes)):
            problems.append(document.problem(("axes",), reason))
    if problems:
        raise SpecError(document.path, problems)
    return spec


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
        if (version := yaml.resolver.processing_version) != (1, 2):
            found = ".".join(map(str, version))
            raise _refusal(path, f"calls itself YAML {found}; a spec is YAML 1.2")
        reader = _Reader(path, yaml)
        data = reader.plain(root, ()) if root is not None else None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise _refusal(path, f"is not YAML: {_reason(error, line)}", line) from None
    except RecursionError:
        raise _refusal(path, "is nested too deeply, or holds itself") from None
    except (YAMLError, ValueError) as error:
        raise _refusal(path, f"is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise _refusal(path, f"should be a mapping with name and axes, found {shown(data)}")
    return Document(path, data, reader.lines, tuple(reader.problems))


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


class _Reader:
    """Makes plain data of a YAML tree; notes the line of every key and item on the way."""

    def __init__(self, path: Path | str, yaml: YAML) -> None:
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._path = path
        self._construct = yaml.constructor.construct_object

    def plain(self, node: Node, place: Place) -> Any:  # noqa: ANN401
        """The data of a node."""
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        if len(self.lines) > MAX_PIECES:  # aliases of aliases grow without bound
            text = f"more than {MAX_PIECES:,} keys and values, aliases written out"
            raise _refusal(self._path, text, line)
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        if node.tag not in _COLLECTIONS:
            self._problem(node, place, f"found {_tag(node)}; lists and mappings have no tags here")
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        return [self.plain(item, (*place, i)) for i, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, place, "found a list or a mapping as a key")
                continue
            key = str(key_node.value)
            inside = (*place, key)
            if key in mapping:
                text = f"stands twice; the first is on line {self.lines[inside]}"
                self._problem(key_node, inside, text)
                continue
            self.lines[inside] = key_node.start_mark.line + 1
            mapping[key] = self.plain(value_node, inside)
        return mapping

    def _scalar(self, node: ScalarNode, place: Place) -> Any:  # noqa: ANN401
        if node.tag == _TAG + "timestamp":
            return str(node.value)  # as text, to be refused where it stands
        try:
            value = self._construct(node)
        except (ValueError, LookupError, YAMLError):
            text = f"found {shown(node.value)}, which cannot be read as {_tag(node)}"
            self._problem(node, place, text)
            return str(node.value)
        if isinstance(value, str) and _NO_TEXT.search(value):
            text = "NUL and halves of surrogate pairs are no characters"
            self._problem(node, place, f"found {shown(value)}; {text}")
            return _NO_TEXT.sub("?", value)
        known = value is None or isinstance(value, str | int | float | bool)
        return value if known else str(node.value)

    def _problem(self, node: Node, place: Place, text: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1, dotted(place), text))


def _tag(node: Node) -> str:
    return str(node.tag).replace(_TAG, "!!")


def _explain(document: Document, detail: ErrorDetails) -> Problem:
    """One of pydantic's errors in our words."""
    place, model = _locate(document.data, detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return document.problem(place, _unknown_key(place, model))
    if kind == "missing":
        # The place is the missing key's; its line is that of the mapping it is missing from.
        field = _fields(model).get(str(detail["loc"][-1]))
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


def _fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """The fields of a model by the keys that they have in a file."""
    fields = model.model_fields.items() if model else ()
    return {field.alias or name: field for name, field in fields}


def _unknown_key(place: Place, model: type[BaseModel] | None) -> str:
    valid, key = list(_fields(model)), str(place[-1])
    name = _ALSO_CALLED.get(key.lower(), key)
    if name not in valid and (homes := _homes(name)):
        return f"unknown key here; {name} belongs under {' or '.join(homes)}"
    other = list(_fields(LogRange)) if model is Range else []  # the other way to write a range
    told = ", or ".join(", ".join(keys) for keys in (valid, other) if keys) or "none"
    return f"unknown key; {_meant(name, valid + other)}valid keys are {told}"


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
        if isinstance(part, type) and issubclass(part, BaseModel) and key in _fields(part)
    ]
