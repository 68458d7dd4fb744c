"""Find the links of a mail or a text at publish, so that `send` numbers them without reading HTML: no parser, no regex.

Around every address that leads to the web comes the filter `_link` (`rekindle.content.tracker`): of a fixed address, of
one that a value gives, of one put together from both, in loops and in branches alike. What stays as it is: addresses of
other kinds (`mailto:`, `tel:`, `#…`), links with `data-track="no"`, and those in `links` (unsubscribe and the like).
What `data-about` says of a link, the category that it leads to, becomes the filter's argument.
Publish only; pure.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from rekindle.content.markup import MARK, WORD, Masked
from rekindle.content.pieces import Piece

# Start tags whose address a reader can follow: also VML's buttons, which Outlook reads inside a comment.
_LINKS = re.compile(r"<(?:a|area|v:[a-z]+)(?=[\s/])(?:[^<>\"']|\"[^\"]{0,4000}\"|'[^']{0,4000}')*>", re.IGNORECASE)
_HREF = re.compile(r"""(?<=[\s"'])(href\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
_UNCOUNTED = re.compile(r"""(?<=[\s"'])data-track\s*=\s*["']?no\b""", re.IGNORECASE)
_ABOUT = re.compile(r"""\s+data-about\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_OF_OURS = re.compile(r"\blinks\s*[.\[]")
_EXPRESSION = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}\Z", re.DOTALL)
_OPEN = {"(": ")", "[": "]", "<": ">", "{": "}"}
#: What ends a sentence rather than an address.
_TRAILING = "".join(_OPEN.values()) + ".,;:!?'\"…。、，；：！？）」』】》؟،؛"
_WORDS = re.compile(r"\S+|\s+")
_COUNTED_VALUE = re.compile(r"\{\{ (?:([\w.]+)|\((.*)\)) \| _link(?:\(.*\))? \}\}\Z", re.DOTALL)
_PATH = re.compile(r"[\w.]+\Z")
_COUNTED_TEXT = re.compile(r'\{\{ "((?:[^"\\]|\\.)*)" \| _link(?:\(.*\))? \}\}\Z', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PAIRED = frozenset({"if", "for", "with"})


def number(masked: Masked) -> Masked:
    """Return the masked HTML with a mark in place of each link's address that stands for the address, counted."""
    originals = list(masked.originals)

    def tag(found: re.Match[str]) -> str:
        whole = _ABOUT.sub("", found.group())
        if _UNCOUNTED.search(whole):
            return whole
        said = _ABOUT.search(found.group())
        about = _about(_unquoted(said.group(1)), originals) if said else ""

        def address(found: re.Match[str]) -> str:
            name, value = found.groups()
            counted = _counted(_unquoted(value), originals, about)
            if counted is None:
                return found.group()
            originals.append(counted)
            return f'{name}"{WORD.format(len(originals) - 1)}"'

        return _HREF.sub(address, whole, count=1)

    return Masked(_LINKS.sub(tag, masked.html), originals, masked.tags)


def number_text(pieces: Sequence[Piece]) -> list[Piece]:
    """Return a plain text in which every address of the web is counted: those written out, and those that values give.

    An address that runs into a tag (`https://a.example/{% if … %}`) stays as it is: where it ends, only `send` knows.
    """
    result: list[Piece] = []
    word: list[Piece] = []
    words = list(_words(pieces))
    for place, piece in enumerate(words):
        if piece.kind == "tag" or piece.text.isspace():
            result += _counted_word(word) if _ends(words, place) else word
            result.append(piece)
            word = []
        else:
            word.append(piece)
    return result + _counted_word(word)


def uncounted(source: str) -> str:
    """Return what a source was before its address was counted, where it is one address and nothing else."""
    if found := _COUNTED_VALUE.match(source):
        return f"{{{{ {found.group(1) or found.group(2)} }}}}"
    found = _COUNTED_TEXT.match(source)
    return _ESCAPED.sub(r"\1", found.group(1)) if found else source


def _unquoted(value: str) -> str:
    return value[1:-1] if value[0] in "\"'" else value


def _about(value: str, originals: Sequence[Piece]) -> str:
    """Return the filter's argument: what a link is about, as an expression. Raises `ContentError` for a tag in it."""
    parts = list(_parts(value, originals))
    for piece in parts:
        if piece.kind == "tag":
            raise piece.error("data-about takes words and values", "write {{ … }} alone, without {% … %}")
    inner = " ~ ".join(_quoted(piece.text) if piece.kind == "data" else _expression(piece) for piece in parts)
    return f"({inner})" if inner else ""


def _counted(address: str, originals: Sequence[Piece], about: str = "") -> Piece | None:
    """Return what stands for the counted address: `{{ … | _link }}`; `None` for one that is left alone."""
    parts = list(_parts(address, originals))
    if not parts or any(piece.kind != "data" and _OF_OURS.search(piece.text) for piece in parts):
        return None
    first = parts[0]
    if first.kind == "data" and not _WEB.match(first.text):
        return None
    where = next((piece for piece in parts if piece.line), first)
    if any(piece.kind == "tag" for piece in parts):
        inner = "".join(_quoted(piece.text, shown=True) if piece.kind == "data" else piece.text for piece in parts)
        return Piece("value", f"{{% filter _link{about} %}}{inner}{{% endfilter %}}", where.file, where.line)
    return Piece("value", _link_of(parts, about), where.file, where.line)


def _parts(address: str, originals: Sequence[Piece]) -> Iterator[Piece]:
    """Yield the pieces of an attribute's value; literal text as what it means."""
    at = 0
    address = address.strip()
    for found in MARK.finditer(address):
        if found.start() > at:
            yield Piece("data", html.unescape(address[at : found.start()]), "", 0)
        yield originals[int(found.group(1) or found.group(2))]
        at = found.end()
    if at < len(address):
        yield Piece("data", html.unescape(address[at:]), "", 0)


def _link_of(parts: Sequence[Piece], about: str = "") -> str:
    """Return the output of literal text and values, put together, as a counted link."""
    inner = " ~ ".join(_quoted(piece.text) if piece.kind == "data" else _expression(piece) for piece in parts)
    inner = inner if len(parts) == 1 else f"({inner})"
    # The signs that take the space around a value away, too.
    start = "{{-" if parts[0].text.startswith("{{-") else "{{"
    end = "-}}" if parts[-1].kind == "value" and parts[-1].text.endswith("-}}") else "}}"
    return f"{start} {inner} | _link{about} {end}"


def _expression(piece: Piece) -> str:
    found = _EXPRESSION.match(piece.text)
    if found is None:
        raise piece.error("this is no value", "write it as {{ … }}")
    inner = found.group(1).strip()
    return inner if _PATH.match(inner) else f"({inner})"


def _quoted(text: str, *, shown: bool = False) -> str:
    literal = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return f"{{{{ {literal} }}}}" if shown else literal


def _words(pieces: Sequence[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        if piece.kind != "data":
            yield piece
            continue
        line = piece.line
        for found in _WORDS.finditer(piece.text):
            yield Piece("data", found.group(), piece.file, line)
            line += found.group().count("\n")


def _ends(words: Sequence[Piece], place: int) -> bool:
    """Whether nothing that comes from `place` on can belong to the word before it."""
    depth = 0
    for piece in words[place:]:
        keyword = piece.keyword
        if depth or keyword in {"else", "elif"}:
            # Another branch: the word goes on after all of them.
            depth += (keyword in _PAIRED or not depth) - (keyword.startswith("end") and keyword[3:] in _PAIRED)
        elif piece.kind != "tag":
            return piece.kind == "data" and (piece.text.isspace() or not piece.text.strip(_TRAILING))
        elif keyword in _PAIRED:
            return False
    return True


def _counted_word(word: list[Piece]) -> list[Piece]:
    """Return a word of a text with its address, if it is or may be one, counted."""
    if not word or any(piece.kind == "value" and _OF_OURS.search(piece.text) for piece in word):
        return word
    before: list[Piece] = []
    first = word[0]
    if first.kind == "data":
        found = _WEB.search(first.text)
        start = found.start() if found else len(first.text)
        if start:
            before, word = [_part(first, 0, start)], [_part(first, start, None), *word[1:]]
        if not word[0].text:
            word = word[1:]
    if not word:
        return before
    after: list[Piece] = []
    last = word[-1]
    if last.kind == "data":
        kept = len(last.text.rstrip(_TRAILING))
        after, word = [_part(last, kept, None)], [*word[:-1], _part(last, 0, kept)]
    word = [piece for piece in word if piece.text]
    if not word or (word[0].kind == "data" and not _WEB.match(word[0].text)):
        return [*before, *word, *after]
    return [*before, Piece("value", _link_of(word), word[0].file, word[0].line), *after]


def _part(piece: Piece, start: int, end: int | None) -> Piece:
    return Piece(piece.kind, piece.text[start:end], piece.file, piece.line)
