"""YAML that people write, read into plain values together with the line that each of them stands on.

Flows, shops and the brand are all read here, so that every message about them can name a line. Imports domain, and
ruamel.yaml inside the one function that needs it: only `publish` and `lint` ever call it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from rekindle.domain.errors import ContentError
from rekindle.flow.sandbox import is_whole

#: The largest file that is read, in characters: about a hundred times a long flow.
MAX_LENGTH = 500_000
_MAX_DEPTH = 40
_MAX_NUMBER = 10**18

Path = tuple[str | int, ...]


class Positions:
    """Where each value of a YAML text stands. A path is the keys and indices that lead to it, from the top."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        self._lines = lines

    def line(self, path: Path) -> int:
        """Return the line (from 1) of the key or list item at `path`, else that of the nearest thing above it.

        So the path of a key that is missing gives the line of the mapping that ought to hold it.
        """
        for length in range(len(path), -1, -1):
            found = self._lines.get(tuple(path[:length]))
            if found is not None:
                return found
        return 1

    def __iter__(self) -> Iterator[Path]:
        return iter(self._lines)


def load(text: str, file: str) -> tuple[Any, Positions]:
    """Return the text's plain value (dict, list, str, int, float, bool, None) and where everything stands.

    YAML 1.2: `on`, `no` and `10:00` are text, and so is a date; keys are always text. Raises `ContentError` with
    file and line for a syntax error, a key that stands twice, an anchor, alias or tag, and more than one document.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    text = text.removeprefix("\ufeff")
    if len(text) > MAX_LENGTH:
        raise ContentError(
            "the file is too long to be settings", file=file, hint=f"keep it under {MAX_LENGTH} characters"
        )
    yaml = YAML(typ="safe", pure=True)
    try:
        # One document, as nodes: constructing them here keeps every line and lets nothing but plain values through.
        with warnings.catch_warnings():
            # Of anchors that stand twice: none may stand at all.
            warnings.simplefilter("ignore")
            node = yaml.compose(text)
        walker = _Walker(yaml.constructor, file)
        data = walker.value(node, ()) if node is not None else None
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark is not None else None
        said = " ".join(str(part) for part in (problem.context, problem.problem) if part)
        raise ContentError(f"not valid YAML: {said}", file=file, line=line, hint=_cure(said)) from problem
    except YAMLError as problem:
        position = getattr(problem, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
        raise ContentError(
            "not valid YAML: a character that no text may hold",
            file=file,
            line=line,
            hint="delete the invisible character, or type the line again",
        ) from problem
    except RecursionError as problem:
        raise ContentError("nested too deeply", file=file) from problem
    return data, Positions(walker.lines)


def _cure(said: str) -> str:
    if "\\t" in said:
        return "indent with spaces, not with tabs"
    if "mapping values are not allowed" in said:
        return "put a text that holds a colon and a space between quotes"
    if "expected a single document" in said:
        return "one file holds one document: remove the line with ---"
    if "alias" in said or "anchor" in said:
        return "put a text that begins with * or & between quotes"
    return "check the indentation, the colons and the quotes on this line and the one above"


class _Walker:
    def __init__(self, constructor: Any, file: str) -> None:
        self._constructor = constructor
        self._file = file
        self.lines: dict[Path, int] = {}

    def value(self, node: Any, path: Path) -> Any:
        self.lines.setdefault(path, self._line(node))
        if node.anchor is not None:
            raise self._error(
                node, f"the anchor &{node.anchor} is not supported", "write the value out where it is needed"
            )
        if len(path) > _MAX_DEPTH:
            raise self._error(node, "nested too deeply", None)
        if node.id == "mapping":
            return self._mapping(node, path)
        if node.id == "sequence":
            return self._sequence(node, path)
        return self._scalar(node)

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                raise self._error(key_node, "a key must be one word or text", "put a text with braces between quotes")
            if _tag(key_node) == "merge":
                raise self._error(key_node, "merge keys (<<) are not supported", "write the values out")
            key = self._text(key_node)
            if key in result:
                before = self.lines[(*path, key)]
                raise self._error(
                    key_node, f"“{key}” stands here twice", f"it is on line {before} already: keep one of them"
                )
            self.lines[(*path, key)] = self._line(key_node)
            result[key] = self.value(value_node, (*path, key))
        return result

    def _sequence(self, node: Any, path: Path) -> list[Any]:
        result = []
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = self._line(item)
            result.append(self.value(item, (*path, index)))
        return result

    def _scalar(self, node: Any) -> Any:
        tag = _tag(node)
        if tag in {"str", "timestamp"}:
            return self._text(node)
        if tag in {"null", "bool", "int", "float"}:
            try:
                value = self._constructor.construct_object(node)
            except ValueError as problem:
                raise self._error(
                    node, f"“{node.value}” is not a number", "put it between quotes if it is text"
                ) from problem
            if (isinstance(value, float) and not math.isfinite(value)) or abs(value or 0) > _MAX_NUMBER:
                raise self._error(node, f"“{node.value}” is not a number that can be used", None)
            return value
        raise self._error(
            node, f"the tag {node.tag or '!'} is not supported", "put a text that begins with ! between quotes"
        )

    def _text(self, node: Any) -> str:
        text = str(node.value)
        if is_whole(text):
            return text
        raise self._error(
            node, "a character that no text may hold", "write the character itself, and not two halves of it"
        )

    def _line(self, node: Any) -> int:
        return int(node.start_mark.line) + 1

    def _error(self, node: Any, message: str, hint: str | None) -> ContentError:
        return ContentError(message, file=self._file, line=self._line(node), hint=hint)


def _tag(node: Any) -> str:
    prefix = "tag:yaml.org,2002:"
    tag = str(node.tag)
    return tag.removeprefix(prefix) if tag.startswith(prefix) else ""
