"""Carry a template's tags safely through tools that know HTML and not Jinja2: MJML, the CSS inliner, the text part.

HTML parsers move text that stands where no text may stand: `{% for %}` between two table rows would land above the
table. So each tag becomes a comment (or, inside an attribute, a word) that every parser keeps in place, and afterwards
becomes itself again. What a parser changes in spite of that is an error, and no surprise in a mailbox. Publish only.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import css_inline
import mrml

from rekindle.content.pieces import Piece
from rekindle.domain.errors import ContentError

_COMMENT, WORD = "<!--jq:{}-->", "jq{}qj"
MARK = re.compile(r"<!--jq:(\d+)-->|jq(\d+)qj")
# <bdi> says the same, and mail programs drop it.
_ISOLATED = '<span dir="auto" data-text="isolate">{}</span>'
_RAW = frozenset({"style", "script", "title", "textarea", "mj-style", "mj-title", "mj-preview"})
_RAW_END = {name: re.compile(f"</{name}", re.IGNORECASE) for name in _RAW}
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_IMPLIED = frozenset({"html", "head", "body", "tbody", "style"})
_TAG_START = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]*)")
_TAG_END = re.compile(r"[\"'>]")
_ATTRIBUTE = re.compile(r"""([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_TBODY = re.compile(r"</?tbody>")
_HINTS = re.compile(r' data-(?:text|track)="[^"]*"')
_INDENTATION = re.compile(r"(?<![ \t])[ \t]*\r?\n\s*")
_TOKEN = re.compile(r"<!--.*?-->|<(/?)([A-Za-z][A-Za-z0-9:-]*)(?:[^>\"']|\"[^\"]*\"|'[^']*')*?(/?)>", re.DOTALL)
_STYLE = re.compile(r"<!--.*?-->|<(style|title)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
#: How deep elements may stand in one another. The parsers recurse: far deeper, and they end the whole process.
_MAX_NESTING = 200
_FLATTEN = f"at most {_MAX_NESTING} deep; close each <div> with </div> and not with <div/>"
_MJML_AT = re.compile(r"position (\d+)")


@dataclass(slots=True)
class Tag:
    """A start tag of the source, with Jinja2 in its attributes masked."""

    name: str
    attributes: dict[str, str | None]
    file: str
    line: int


@dataclass(slots=True)
class Masked:
    """HTML in which no Jinja2 is left; `originals` are what the marks stand for."""

    html: str
    originals: list[Piece]
    tags: list[Tag] = field(default_factory=list)

    def restore(self, text: str) -> str:
        """Return the text with every mark as the source that it stands for."""
        return MARK.sub(lambda found: self.originals[int(found.group(1) or found.group(2))].text, text)


class Masker:
    """Walks through the pieces of a source and knows at each whether it stands in text, in a tag, in a value."""

    def __init__(self, constant: Callable[[Piece], str | None], *, isolate: bool = False) -> None:
        """`constant` gives the value of what is known at publish (the brand), `None` for the rest.

        `isolate` puts a tag around each value in the text that keeps its direction to itself: a Latin name in an Arabic
        sentence would else turn what stands around it.
        """
        self._constant = constant
        self._isolate = isolate
        self._state = "text"
        self._raw = ""
        self._tag = ""
        self._tag_at: tuple[str, int] = ("", 1)
        self._out: list[str] = []
        self._originals: list[Piece] = []
        self._tags: list[Tag] = []
        self._open: list[tuple[str, str, int]] = []
        self._slashed = 0

    def mask(self, pieces: list[Piece]) -> Masked:
        """Return the masked source. Raises `ContentError` for Jinja2 where a parser could not keep it in place."""
        for piece in pieces:
            if piece.kind == "data":
                self._data(piece.text, piece)
            else:
                self._jinja(piece)
        if self._state != "text" and not self._state.startswith("raw"):
            what, end = ("<!--", "-->") if self._state == "comment" else ("the tag", ">")
            file, line = self._tag_at
            raise ContentError(f"{what} is not closed", file=file, line=line, hint=f"end it with {end}")
        if self._open:
            raise _unclosed(*self._open[-1])
        return Masked("".join(self._out), self._originals, self._tags)

    def _emit(self, text: str) -> None:
        self._out.append(text)
        if self._state.startswith(("tag", "value")):
            self._tag += text

    def _jinja(self, piece: Piece) -> None:
        known = self._constant(piece) if piece.kind == "value" else None
        # An empty value inside an attribute stands in a branch that is not taken: it is left to that branch.
        if known is not None and (known or not self._state.startswith("value")):
            shown = known if self._state == "raw" else html.escape(known)
            self._emit(_ISOLATED.format(shown) if self._isolate and shown and self._state == "text" else shown)
            return
        if self._state == "raw" and self._raw in {"style", "mj-style", "script"}:
            raise piece.error(
                "only {{ brand.… }} can be used inside <style>",
                "use a style attribute, or a class that is set by a condition",
            )
        if self._state == "tag":
            raise piece.error(
                "a tag of the template stands between the attributes of an HTML tag",
                'put it inside the quotes, as in class="{{ … }}"',
            )
        number = len(self._originals)
        self._originals.append(piece)
        commented = piece.kind == "tag" and self._state == "text"
        mark = (_COMMENT if commented else WORD).format(number)
        if self._isolate and piece.kind == "value" and self._state == "text":
            mark = _ISOLATED.format(mark)
        self._emit(mark)

    def _data(self, text: str, piece: Piece) -> None:
        at, line = 0, piece.line
        while at < len(text):
            end = getattr(self, f"_in_{self._state.split(' ')[0]}")(text, at, (piece.file, line))
            line += text.count("\n", at, end)
            at = end

    def _in_text(self, text: str, at: int, where: tuple[str, int]) -> int:
        start = text.find("<", at)
        if start < 0:
            self._emit(text[at:])
            return len(text)
        self._emit(text[at:start])
        if text.startswith("<!--", start):
            self._emit("<!--")
            self._state = "comment"
            self._tag_at = (where[0], where[1] + text.count("\n", at, start))
            return start + 4
        if text.startswith("<!", start) or text.startswith("<?", start) or _TAG_START.match(text, start):
            self._state, self._tag = "tag", ""
            self._tag_at = (where[0], where[1] + text.count("\n", at, start))
            self._emit("<")
            return start + 1
        self._emit("&lt;")
        return start + 1

    def _in_comment(self, text: str, at: int, where: tuple[str, int]) -> int:
        del where
        end = text.find("-->", at)
        stop = end + 3 if end >= 0 else len(text)
        self._emit(text[at:stop])
        if end >= 0:
            self._state = "text"
        return stop

    def _in_tag(self, text: str, at: int, where: tuple[str, int]) -> int:
        del where
        found = _TAG_END.search(text, at)
        stop = found.end() if found else len(text)
        self._emit(text[at:stop])
        if found and found.group() == ">":
            self._close_tag()
        elif found:
            self._state = f"value {found.group()}"
        return stop

    def _in_value(self, text: str, at: int, where: tuple[str, int]) -> int:
        del where
        quote = self._state[-1]
        end = text.find(quote, at)
        stop = end + 1 if end >= 0 else len(text)
        self._emit(text[at:stop])
        if end >= 0:
            self._state = "tag"
        return stop

    def _in_raw(self, text: str, at: int, where: tuple[str, int]) -> int:
        del where
        found = _RAW_END[self._raw].search(text, at)
        stop = found.start() if found else len(text)
        self._emit(text[at:stop])
        if found:
            self._state = "text"
        return stop

    def _close_tag(self) -> None:
        self._state = "text"
        found = _TAG_START.match(self._tag)
        if found is None:
            return
        name = found.group(2).lower()
        if found.group(1):
            self._balance(name)
            return
        inside = self._tag[found.end() : -1]
        attributes = {
            one.group(1).lower(): html.unescape(next((part for part in one.groups()[1:] if part is not None), ""))
            for one in _ATTRIBUTE.finditer(inside)
            if one.group(1)
        }
        self._tags.append(Tag(name, dict(attributes), *self._tag_at))
        if name in _VOID:
            return
        closed = inside.rstrip().endswith("/")
        # HTML has no <div/>: its parser takes it for one that is opened.
        self._slashed += closed and not name.startswith("mj-")
        if len(self._open) + self._slashed >= _MAX_NESTING:
            file, line = self._tag_at
            raise ContentError("elements stand too deep in one another", file=file, line=line, hint=_FLATTEN)
        if closed:
            return
        self._open.append((name, *self._tag_at))
        if name in _RAW:
            self._state, self._raw = "raw", name

    def _balance(self, name: str) -> None:
        if self._open and self._open[-1][0] == name:
            self._open.pop()
        elif any(opened == name for opened, _, _ in self._open):
            raise _unclosed(*self._open[-1])
        else:
            file, line = self._tag_at
            hint = "remove it, or open the tag before"
            raise ContentError(f"</{name}> closes what was never opened", file=file, line=line, hint=hint)


def inline(masked: Masked, file: str) -> str:
    """Return the HTML with its CSS in style attributes; what cannot go there (media queries, hover) stays in `<style>`.

    Raises `ContentError` when the parser had to repair the HTML: then the tags of the template would be misplaced.
    """
    inliner = css_inline.CSSInliner(
        keep_style_tags=True, remove_inlined_selectors=True, minify_css=True, load_remote_stylesheets=False
    )
    try:
        result = inliner.inline(masked.html)
    except (css_inline.InlineError, ValueError) as error:
        raise ContentError(f"the CSS cannot be used: {error}", file=file, line=1) from error
    # Parsers put a tbody into every table, and so around half of a loop. HTML lets it be left out.
    result = _INDENTATION.sub("\n", _HINTS.sub("", _TBODY.sub("", result)))
    _same_structure(masked, result, file)
    return result


def from_mjml(masked: Masked, file: str) -> Masked:
    """Return the HTML that the MJML stands for, masked as before. Raises `ContentError`."""
    try:
        output = mrml.to_html(
            masked.html,
            mrml.ParserOptions(include_loader=mrml.noop_loader()),
            mrml.RenderOptions(fonts={}),
        )
    except OSError as error:
        found = _MJML_AT.search(str(error))
        line = masked.html.count("\n", 0, int(found.group(1))) + 1 if found else 1
        hint = "check that every mj- tag is closed, and sits in the parent that it belongs to"
        raise ContentError(f"not valid MJML: {error}", file=file, line=line, hint=hint) from error
    result = Masked(output.content, masked.originals, masked.tags)
    seen = [int(found.group(1) or found.group(2)) for found in MARK.finditer(output.content)]
    for number, piece in enumerate(masked.originals):
        times = seen.count(number)
        if times == 0 or (piece.kind == "tag" and times > 1):
            raise piece.error(
                "MJML does not let a tag of the template stand here", "put it around or inside an mj- element"
            )
    return result


def _unclosed(name: str, file: str, line: int) -> ContentError:
    hint = f"end it with </{name}>, before what was opened earlier is closed"
    return ContentError(f"<{name}> is not closed", file=file, line=line, hint=hint)


def _same_structure(masked: Masked, result: str, file: str) -> None:
    before, after = _structure(masked.html), _structure(result)
    for mine, theirs in zip(before, after, strict=False):
        if mine[0] != theirs[0]:
            raise _misplaced(masked, mine, file)
    if len(before) != len(after):
        raise _misplaced(masked, before[-1] if before else ("", 0), file)


def _misplaced(masked: Masked, at: tuple[str, int], file: str) -> ContentError:
    # The lines of a composed mail come from several files: the nearest tag of the template above says which.
    marks = [found for found in MARK.finditer(masked.html, 0, at[1] + 1) if found.group(1)]
    piece = masked.originals[int(marks[-1].group(1))] if marks else None
    name = at[0] if at[0].startswith(("<", "/")) else "a tag of the template"
    said = (
        f"the HTML is not well formed near <{name}>"
        if at[0] and not at[0].startswith("<")
        else "the HTML is not well formed"
    )
    return ContentError(
        said,
        file=piece.file if piece else file,
        line=piece.line if piece else 1,
        hint="close every tag in the order that it was opened, inside the same if or for; rows belong in tables",
    )


def _structure(text: str) -> list[tuple[str, int]]:
    text = _STYLE.sub(lambda found: " " * len(found.group()) if found.group(1) else found.group(), text)
    found: list[tuple[str, int]] = []
    for match in _TOKEN.finditer(text):
        mark = MARK.fullmatch(match.group())
        if mark:
            found.append((f"<{mark.group(1)}", match.start()))
            continue
        name = (match.group(2) or "").lower()
        if name and name not in _IMPLIED and not (match.group(1) and name in _VOID):
            found.append((match.group(1) + name, match.start()))
            if match.group(3) and name not in _VOID:
                found.append((f"/{name}", match.start()))
    return found
