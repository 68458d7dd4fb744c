"""The source of a mail as pieces, each with its file and line: what compiling works on. Publish only; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rekindle.domain.errors import ContentError

_OPENERS = re.compile(r"\{\{|\{%|\{#")
# A quote that nothing closes reaches to the end of the text: to try it again from each place behind it would take long.
_INSIDE = re.compile(r"""'(?:[^'\\]|\\.)*(?:'|\\?\Z)|"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{(\[]|[})\]]|%\}""", re.DOTALL)
_KEYWORD = re.compile(r"\{%[-+]?\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a source: literal text, `{{ … }}`, or `{% … %}`; and where it stands."""

    kind: Literal["data", "value", "tag"]
    text: str
    file: str
    line: int

    @property
    def keyword(self) -> str:
        """The first word of a tag, empty for the rest."""
        found = _KEYWORD.match(self.text) if self.kind == "tag" else None
        return found.group(1) if found else ""

    def error(self, message: str, hint: str | None = None) -> ContentError:
        """Return an error that points here."""
        return ContentError(message, file=self.file, line=self.line, hint=hint)


def scan(text: str, file: str) -> list[Piece]:
    """Return the pieces of a source, comments left out. Raises `ContentError` for a tag that is not closed."""
    pieces: list[Piece] = []
    at, line = 0, 1

    def take(kind: Literal["data", "value", "tag"] | None, end: int) -> None:
        nonlocal at, line
        part = text[at:end]
        if kind is not None and part:
            pieces.append(Piece(kind, part, file, line))
        line += part.count("\n")
        at = end

    while found := _OPENERS.search(text, at):
        take("data", found.start())
        if found.group() == "{#":
            end = text.find("#}", at)
            if end < 0:
                raise ContentError("the comment {# is not closed", file=file, line=line, hint="end it with #}")
            take(None, end + 2)
            continue
        take("value" if found.group() == "{{" else "tag", _end(text, at, found.group(), file, line))
    take("data", len(text))
    return pieces


def _end(text: str, start: int, opener: str, file: str, line: int) -> int:
    closer = "}}" if opener == "{{" else "%}"
    depth = 0
    at = start + 2
    while found := _INSIDE.search(text, at):
        mark = found.group()
        at = found.end()
        if mark in {"{", "(", "["}:
            depth += 1
        elif depth == 0 and text.startswith(closer, found.start()):
            return found.start() + 2
        elif mark in {"}", ")", "]"}:
            depth -= 1
    raise ContentError(f"{opener} is not closed", file=file, line=line, hint=f"end it with {closer}")
