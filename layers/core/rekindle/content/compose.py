"""Put a mail's source together from its files: layouts (`extends`, `block`) and parts (`include`) become one text.

It happens at publish, in the source, so that CSS can be inlined over the whole mail and `send` compiles one flat
template. Every piece remembers its file and line. Publish only; pure.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rekindle.content.sandbox import MAX_SOURCE
from rekindle.domain.errors import ContentError

_MAX_DEPTH = 10
_OPENERS = re.compile(r"\{\{|\{%|\{#")
# A quote that nothing closes reaches to the end of the text: to try it again from each place behind it would take long.
_INSIDE = re.compile(r"""'(?:[^'\\]|\\.)*(?:'|\\?\Z)|"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{(\[]|[})\]]|%\}""", re.DOTALL)
_KEYWORD = re.compile(r"\{%[-+]?\s*(\w+)")
_FILE = re.compile(r"""\{%[-+]?\s*(?:include|extends)\s+(['"])([^'"]+)\1\s*[-+]?%\}\Z""")
_BLOCK = re.compile(r"\{%[-+]?\s*block\s+(\w+)\s*[-+]?%\}\Z")
_PREHEADER = re.compile(r"\{\{[-+]?\s*preheader\s*[-+]?\}\}\Z")
_PAIRED = frozenset({"if", "for", "with"})
_ALONE = re.compile(r"^[ \t]*((?:\{%(?:[^%]|%(?!\}))*%\}[ \t]*)+)\n", re.MULTILINE)


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


class Composer:
    """Composes mails out of the files under `emails/`, by their path below it."""

    def __init__(self, files: Mapping[str, str], root: str = "emails/") -> None:
        self._files = files
        self._root = root
        self._size = 0

    def compose(self, path: str, preheader: str | None = None) -> list[Piece]:
        """Return the whole source of `path`; `{{ preheader }}` becomes what the file `preheader` says, as HTML text.

        Raises `ContentError`.
        """
        self._size = 0
        return self._expand(path, {}, (path,), preheader)

    def _scan(self, path: str, at: Piece | None) -> list[Piece]:
        if path not in self._files:
            error = f"there is no file {path}"
            raise at.error(error, "names start below emails/, as in _layout/footer.html") if at else ContentError(error)
        self._size += len(self._files[path])
        if self._size > MAX_SOURCE:
            raise ContentError("the mail with all its parts is too long", file=self._root + path, line=1)
        return scan(self._files[path], self._root + path)

    def _expand(
        self,
        path: str,
        blocks: dict[str, list[Piece]],
        chain: tuple[str, ...],
        preheader: str | None,
        at: Piece | None = None,
    ) -> list[Piece]:
        pieces = self._scan(path, at)
        first = next((piece for piece in pieces if piece.kind != "data" or piece.text.strip()), None)
        if first is None or first.keyword != "extends":
            return self._fill(pieces, blocks, chain, preheader)
        parent = self._named(first, chain)
        own = _blocks([piece for piece in pieces if piece is not first])
        return self._expand(parent, own | blocks, (*chain, parent), preheader, first)

    def _named(self, piece: Piece, chain: tuple[str, ...]) -> str:
        found = _FILE.match(piece.text)
        if found is None:
            raise piece.error(f"{piece.keyword} needs the name of a file", 'as in {% include "_layout/footer.html" %}')
        path = found.group(2)
        if path in chain or len(chain) > _MAX_DEPTH:
            raise piece.error(f"{path} leads back to itself, or too many files deep")
        return path

    def _fill(
        self, pieces: list[Piece], blocks: dict[str, list[Piece]], chain: tuple[str, ...], preheader: str | None
    ) -> list[Piece]:
        result: list[Piece] = []
        index = 0
        while index < len(pieces):
            piece = pieces[index]
            index += 1
            if piece.keyword == "include":
                path = self._named(piece, chain)
                part = self._fill(self._scan(path, piece), blocks, (*chain, path), preheader)
                result += _without_last_newline(part)
            elif piece.keyword == "block":
                end = _block_end(pieces, index, piece)
                own = pieces[index:end]
                result += self._fill(blocks.get(_block_name(piece), own), blocks, chain, preheader)
                index = end + 1
            elif piece.keyword in {"endblock", "raw", "extends"}:
                raise piece.error(
                    f"{{% {piece.keyword} %}} cannot stand here", "extends comes first, a block has an end"
                )
            elif _PREHEADER.match(piece.text):
                result += self._preheader(preheader, chain)
            else:
                result.append(piece)
        return result

    def _preheader(self, path: str | None, chain: tuple[str, ...]) -> list[Piece]:
        if path is None:
            return []
        part = _without_last_newline(self._fill(self._scan(path, None), {}, (*chain, path), None))
        return [
            Piece("data", html.escape(piece.text), piece.file, piece.line) if piece.kind == "data" else piece
            for piece in part
        ]


def _block_name(piece: Piece) -> str:
    found = _BLOCK.match(piece.text)
    if found is None:
        raise piece.error("a block needs a name, and nothing else", "as in {% block content %}")
    return found.group(1)


def _block_end(pieces: list[Piece], start: int, opened: Piece) -> int:
    depth = 1
    for index in range(start, len(pieces)):
        depth += {"block": 1, "endblock": -1}.get(pieces[index].keyword, 0)
        if depth == 0:
            return index
    raise opened.error("the block is not closed", "end it with {% endblock %}")


def _blocks(pieces: list[Piece]) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    index = 0
    while index < len(pieces):
        piece = pieces[index]
        index += 1
        if piece.keyword == "block":
            name = _block_name(piece)
            if name in found:
                raise piece.error(f"the block {name} is there already", "give each block one place")
            end = _block_end(pieces, index, piece)
            found[name] = pieces[index:end]
            index = end + 1
        elif piece.kind != "data" or piece.text.strip():
            line = piece.line + piece.text[: len(piece.text) - len(piece.text.lstrip())].count("\n")
            hint = "move it into a {% block … %}"
            raise ContentError(
                "this stands outside every block and would be lost", file=piece.file, line=line, hint=hint
            )
    return found


def _without_last_newline(pieces: list[Piece]) -> list[Piece]:
    if pieces and pieces[-1].kind == "data" and pieces[-1].text.endswith("\n"):
        last = pieces[-1]
        return [*pieces[:-1], Piece("data", last.text.removesuffix("\n").removesuffix("\r"), last.file, last.line)]
    return pieces


def check_tags(pieces: Iterable[Piece]) -> None:
    """Look whether each `if`, `for` and `with` has its end. Raises `ContentError` at the tag that has none."""
    opened: list[Piece] = []
    for piece in pieces:
        keyword = piece.keyword
        if keyword in _PAIRED:
            opened.append(piece)
        elif keyword.startswith("end") and keyword[3:] in _PAIRED:
            if not opened:
                raise piece.error(f"{{% {keyword} %}} ends what was never begun", "remove it")
            begun = opened.pop()
            if begun.keyword != keyword[3:]:
                raise _endless(begun)
    if opened:
        raise _endless(opened[-1])


def _endless(piece: Piece) -> ContentError:
    return piece.error(f"{{% {piece.keyword} … %}} has no end", f"close it with {{% end{piece.keyword} %}}")


def join(pieces: Iterable[Piece]) -> str:
    """Return the source as one text."""
    return "".join(piece.text for piece in pieces)


def tags_alone(source: str) -> str:
    """Return a plain-text source in which a line that holds nothing but tags leaves no empty line behind."""
    return _ALONE.sub(lambda found: found.group(1).rstrip(), source)


@dataclass(frozen=True, slots=True)
class Located:
    """A source for checking: it means the same, and each of its lines is known to come from one place."""

    text: str
    places: tuple[tuple[str, int], ...]

    def relocate(self, error: ContentError) -> ContentError:
        """Return the error with the file and line that the marketer knows."""
        if error.line is not None and 0 < error.line <= len(self.places):
            error.file, error.line = self.places[error.line - 1]
        elif self.places:
            error.file = self.places[0][0]
            error.line = error.line and self.places[-1][1]
        return error


def located(pieces: Iterable[Piece], file: str) -> Located:
    """Return the source with a line break, inside a comment, wherever the next piece comes from somewhere else."""
    texts: list[str] = []
    places: list[tuple[str, int]] = []
    after: tuple[str, int] | None = None
    for piece in pieces:
        here = (piece.file, piece.line)
        if after is None:
            places.append(here)
        elif after != here:
            texts.append("{#\n#}")
            places.append(here)
        texts.append(piece.text)
        breaks = piece.text.count("\n")
        places.extend((piece.file, piece.line + number) for number in range(1, breaks + 1))
        after = (piece.file, piece.line + breaks)
    return Located("".join(texts), tuple(places) or ((file, 1),))
