"""Macros: parts of mails with arguments, written out where they are called, in the source. Publish only; pure.

`{{ button(shop.url, label=texts.button) }}` becomes the macro's body inside `{% with url=…, label=… %}`. So nothing is
ever called when a mail is rendered, and what a macro may do is what the rest of a mail may do. Like an `include`, the
body sees every name of the mail besides its own arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, TemplateSyntaxError

from rekindle.content.pieces import Piece

_FROM = re.compile(r"""\{%[-+]?\s*from\s+(['"])([^'"]+)\1\s+import\s+([\w\s,]+?)\s*[-+]?%\}\Z""")
_IMPORTED = re.compile(r"(\w+)(?:\s+as\s+(\w+))?\Z")
_CALLED = re.compile(r"\{\{[-+]?\s*(\w+)\s*\(")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")

_HOW_TO_DEFINE = 'as in {% macro button(url, label="Shop now") %} … {% endmacro %}'
_HOW_TO_IMPORT = 'as in {% from "_layout/macros.html" import button %}'


@dataclass(frozen=True, slots=True)
class Macro:
    """A part with arguments: parameter → the source of its default (`None`: it must be given)."""

    name: str
    parameters: Mapping[str, str | None]
    body: tuple[Piece, ...]
    path: str
    """the file that it stands in, below emails/: its own macros are those of that file"""

    def called(self, call: Piece) -> Piece:
        """Return the `with` that gives the arguments of this call their names.

        Raises `ContentError` for a call that does not fit.
        """
        given: dict[str, str] = {}
        names = list(self.parameters)
        for position, (said, value) in enumerate(_arguments(call)):
            if said is None and position >= len(names):
                raise call.error(f"{self.name} takes {_counted(len(names))}", self._said())
            name = names[position] if said is None else said
            if name not in self.parameters:
                raise call.error(f"{self.name} has no '{name}'", self._said())
            if name in given:
                raise call.error(f"{self.name} gets '{name}' twice", self._said())
            given[name] = value
        values = {name: given.get(name, default) for name, default in self.parameters.items()}
        lacking = [name for name, value in values.items() if value is None]
        if lacking:
            raise call.error(f"{self.name} needs {' and '.join(lacking)}", self._said())
        named = ", ".join(f"{name}={value}" for name, value in values.items())
        return Piece("tag", f"{{% with {named} %}}" if named else "{% with %}", call.file, call.line)

    def _said(self) -> str:
        parts = (name if default is None else f"{name}={default}" for name, default in self.parameters.items())
        return f"it is called as {self.name}({', '.join(parts)})"


def defined(opening: Piece, body: Sequence[Piece], path: str) -> Macro:
    """Return the macro that `{% macro … %}` opens. Raises `ContentError` for a line that is none."""
    tokens = _tokens(opening)
    words = [token.strip() for token in tokens]
    # macro name ( … )
    if len(words) < 4 or words[0] != "macro" or not words[1].isidentifier() or (words[2], words[-1]) != ("(", ")"):  # noqa: PLR2004
        raise opening.error("a macro needs a name and, in brackets, its parameters", _HOW_TO_DEFINE)
    parameters: dict[str, str | None] = {}
    for part in _parts(tokens[3:-1]):
        said, written = _named(part)
        name, default = (written, None) if said is None else (said, written)
        if not name.isidentifier() or name in parameters:
            raise opening.error(f"'{name}' cannot be a parameter", _HOW_TO_DEFINE)
        parameters[name] = default
    return Macro(words[1], parameters, tuple(body), path)


def imported(tag: Piece) -> tuple[str, dict[str, str]]:
    """Return the file that `{% from … import … %}` names, and name here → name there. Raises `ContentError`."""
    found = _FROM.match(tag.text)
    if found is None:
        raise tag.error("this takes in nothing", _HOW_TO_IMPORT)
    names: dict[str, str] = {}
    for part in found.group(3).split(","):
        one = _IMPORTED.match(part.strip())
        if one is None:
            raise tag.error("this takes in nothing", _HOW_TO_IMPORT)
        names[one.group(2) or one.group(1)] = one.group(1)
    return found.group(2), names


def name_called(piece: Piece) -> str:
    """Return the name of what this value calls, and nothing besides; empty where it is no such call."""
    found = _CALLED.match(piece.text) if piece.kind == "value" else None
    return found.group(1) if found else ""


def _arguments(call: Piece) -> list[tuple[str | None, str]]:
    """Return the arguments of a call, each with its name where one is given, as they are written."""
    tokens = _tokens(call)
    depth = 0
    name = tokens[0].strip()
    for place, token in enumerate(tokens[1:], 1):
        depth += _turn(token)
        if depth == 0:
            if place != len(tokens) - 1:
                raise call.error(f"{name} writes a part out: nothing can follow it", "call it by itself, in {{ }}")
            break
    found = [_named(part) for part in _parts(tokens[2:-1])]
    if any(not value for _, value in found):
        raise call.error("an argument is empty", f"as in {name}(shop.url)")
    by_name = [name is not None for name, _ in found]
    if by_name != sorted(by_name):
        raise call.error("what has a name comes after what has none", f"as in {name}(shop.url, label=shop.name)")
    return found


def _tokens(piece: Piece) -> list[str]:
    """Return the words and signs of a tag or a value, without its braces; a space where there was any before one."""
    try:
        lexed = [(kind, text) for _, kind, text in _environment().lex(piece.text)]
    except TemplateSyntaxError as error:
        raise piece.error(error.message or "this cannot be read", _HOW_TO_DEFINE) from error
    tokens, space = [], ""
    for kind, text in lexed[1:-1]:
        if kind == "whitespace":
            space = " "
        else:
            tokens.append(space + text)
            space = ""
    return tokens


def _parts(tokens: Sequence[str]) -> list[list[str]]:
    """Return what stands between the commas that no bracket holds; one at the end may be left over."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += _turn(token)
        if token.strip() == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts if parts[-1] else parts[:-1]


def _named(part: Sequence[str]) -> tuple[str | None, str]:
    if len(part) > 1 and part[1].strip() == "=":
        return part[0].strip(), "".join(part[2:]).strip()
    return None, "".join(part).strip()


def _turn(token: str) -> int:
    """Return 1 for a bracket that opens, -1 for one that closes."""
    return (token.strip() in _OPENING) - (token.strip() in _CLOSING)


def _counted(number: int) -> str:
    return "nothing" if number == 0 else "one argument" if number == 1 else f"{number} arguments"


@cache
def _environment() -> Environment:
    return Environment(autoescape=True)
