"""Put a mail's source together from its files: layouts (`extends`, `block`), parts (`include`) and macros, in one text.

It happens at publish, in the source, so that CSS can be inlined over the whole mail and `send` compiles one flat
template. Every piece remembers its file and line. Publish only; pure.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rekindle.content import macros
from rekindle.content.macros import Macro
from rekindle.content.pieces import Piece, scan
from rekindle.content.sandbox import MAX_SOURCE
from rekindle.domain.errors import ContentError

_MAX_DEPTH = 10
_FILE = re.compile(r"""\{%[-+]?\s*(?:include|extends)\s+(['"])([^'"]+)\1\s*[-+]?%\}\Z""")
_BLOCK = re.compile(r"\{%[-+]?\s*block\s+(\w+)\s*[-+]?%\}\Z")
_PREHEADER = re.compile(r"\{\{[-+]?\s*preheader\s*[-+]?\}\}\Z")
_PAIRED = frozenset({"if", "for", "with"})
_ALONE = re.compile(r"^[ \t]*((?:\{%(?:[^%]|%(?!\}))*%\}[ \t]*)+)\n", re.MULTILINE)


class Composer:
    """Composes mails out of the files under `emails/`, by their path below it."""

    def __init__(self, files: Mapping[str, str], root: str = "emails/") -> None:
        self._files = files
        self._root = root
        self._size = 0
        self._read: dict[str, _Source | None] = {}

    def compose(self, path: str, preheader: str | None = None) -> list[Piece]:
        """Return the whole source of `path`; `{{ preheader }}` becomes what the file `preheader` says, as HTML text.

        Raises `ContentError`.
        """
        self._size = 0
        return self._expand(path, {}, (path,), preheader)

    def _scan(self, path: str, at: Piece | None) -> list[Piece]:
        source = self._source(path, at)
        self._grow(len(self._files[path]), path)
        return source.pieces

    def _grow(self, characters: int, path: str) -> None:
        self._size += characters
        if self._size > MAX_SOURCE:
            raise ContentError("the mail with all its parts is too long", file=self._root + path, line=1)

    def _source(self, path: str, at: Piece | None) -> _Source:
        if path not in self._files:
            error = f"there is no file {path}"
            raise at.error(error, "names start below emails/, as in _layout/footer.html") if at else ContentError(error)
        if path not in self._read:
            self._read[path] = None
            self._read[path] = self._without_macros(path, scan(self._files[path], self._root + path))
        found = self._read[path]
        if found is None:
            raise (at.error if at else ContentError)(f"{path} leads back to itself")
        return found

    def _without_macros(self, path: str, pieces: list[Piece]) -> _Source:
        """Return the source without its macros, and all that may be called in it: its own, and those taken in."""
        source = _Source([], {})
        index = 0
        while index < len(pieces):
            piece = pieces[index]
            index += 1
            new: dict[str, Macro] = {}
            if piece.keyword == "macro":
                end = _macro_end(pieces, index, piece)
                macro = macros.defined(piece, _without_newlines(pieces[index:end]), path)
                new, index = {macro.name: macro}, end + 1
            elif piece.keyword in {"from", "import"}:
                there, names = macros.imported(piece)
                known = self._source(there, piece).macros
                for name in names.values():
                    if name not in known:
                        raise piece.error(f"there is no macro '{name}' in {there}", _known_macros(known))
                new = {here: known[name] for here, name in names.items()}
            else:
                source.pieces.append(piece)
                continue
            for name in new:
                if name in source.macros:
                    raise piece.error(f"the macro '{name}' is there already", "give each macro a name of its own")
            source.macros.update(new)
            if index < len(pieces) and _ends_line(source.pieces):
                pieces[index] = _without_first_newline(pieces[index])
        return source

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
            elif piece.keyword in {"endblock", "endmacro", "raw", "extends"}:
                raise piece.error(
                    f"{{% {piece.keyword} %}} cannot stand here", "extends comes first, a block has an end"
                )
            elif _PREHEADER.match(piece.text):
                result += self._preheader(preheader, chain)
            elif macro := self._called(piece):
                result += self._written_out(macro, piece, chain)
            else:
                result.append(piece)
        return result

    def _called(self, piece: Piece) -> Macro | None:
        name = macros.name_called(piece)
        source = self._read.get(piece.file.removeprefix(self._root)) if name else None
        return source.macros.get(name) if source is not None else None

    def _written_out(self, macro: Macro, call: Piece, chain: tuple[str, ...]) -> list[Piece]:
        step = f"{macro.path}#{macro.name}"
        if step in chain or len(chain) > _MAX_DEPTH:
            raise call.error(f"the macro '{macro.name}' leads back to itself, or too many are inside one another")
        self._grow(sum(len(piece.text) for piece in macro.body) + len(call.text), call.file.removeprefix(self._root))
        body = self._fill(list(macro.body), {}, (*chain, step), None)
        return [macro.called(call), *body, Piece("tag", "{% endwith %}", call.file, call.line)]

    def _preheader(self, path: str | None, chain: tuple[str, ...]) -> list[Piece]:
        if path is None:
            return []
        part = _without_last_newline(self._fill(self._scan(path, None), {}, (*chain, path), None))
        return [
            Piece("data", html.escape(piece.text), piece.file, piece.line) if piece.kind == "data" else piece
            for piece in part
        ]


@dataclass(frozen=True, slots=True)
class _Source:
    """One file without the macros in it, and the macros that can be called in it, by the name that they have there."""

    pieces: list[Piece]
    macros: dict[str, Macro]


def _macro_end(pieces: list[Piece], start: int, opened: Piece) -> int:
    for index in range(start, len(pieces)):
        if pieces[index].keyword == "endmacro":
            return index
        if pieces[index].keyword in {"macro", "block", "extends", "from", "import"}:
            raise pieces[index].error(
                f"{{% {pieces[index].keyword} %}} cannot stand in a macro", "close the macro first, with {% endmacro %}"
            )
    raise opened.error("the macro is not closed", "end it with {% endmacro %}")


def _known_macros(known: Mapping[str, Macro]) -> str:
    return f"there are {', '.join(sorted(known))}" if known else "it has none: {% macro … %} defines one"


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


def _ends_line(pieces: list[Piece]) -> bool:
    return not pieces or (pieces[-1].kind == "data" and pieces[-1].text.endswith("\n"))


def _without_first_newline(piece: Piece) -> Piece:
    text = piece.text.removeprefix("\r").removeprefix("\n") if piece.kind == "data" else piece.text
    return Piece(piece.kind, text, piece.file, piece.line + piece.text.count("\n") - text.count("\n"))


def _without_newlines(pieces: list[Piece]) -> list[Piece]:
    """Return what stands between two tags without the line ends that only belong to the tags."""
    return [_without_first_newline(pieces[0]), *_without_last_newline(pieces)[1:]] if pieces else []


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
        """Return the same error with the file and line that the marketer knows."""
        file, line = error.file, error.line
        if line is not None and 0 < line <= len(self.places):
            file, line = self.places[line - 1]
        elif self.places:
            file = self.places[0][0]
            line = line and self.places[-1][1]
        return ContentError(error.message, file=file, line=line, hint=error.hint)


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
