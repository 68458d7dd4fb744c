"""The plain-text part of a mail, made out of its HTML at publish, so that `send` only renders it.

Works on masked HTML (`rekindle.content.markup`): the tags of the template go through and stand where they stood. Links
become `label: address`, or their label alone with `data-text="label"`. What is hidden, and what has `data-text="none"`,
is left out. Publish only; pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

from rekindle.content.catalogues import END_ISOLATE, ISOLATE
from rekindle.content.compose import tags_alone
from rekindle.content.markup import MARK
from rekindle.content.numbering import uncounted
from rekindle.content.pieces import Piece

_PARAGRAPH = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table", "section", "hr"})
_LINE = frozenset({"div", "tr", "li", "header", "footer", "center", "article"})
_SKIPPED = frozenset({"head", "style", "script", "title"})
_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n]+")
# A line break as a value: a line of the source that holds tags alone is joined to the next, a value never is.
_BREAK = '{{ "\\n" }}'
_TAG = re.compile(r"\{%(?:[^%]|%(?!\}))*%\}")
_SIGNS = {"br": _BREAK, "hr": "-" * 40 + _BREAK, "li": "- "}
_OPENS_JINJA = re.compile(r"\{(?=[{%#])")


def derive(html: str, originals: Sequence[Piece]) -> str:
    """Return the source of the text part. `originals` are what the marks in `html` stand for."""
    reader = _Reader(originals)
    reader.feed(html)
    reader.close()
    return reader.source()


class _Reader(HTMLParser):
    def __init__(self, originals: Sequence[Piece]) -> None:
        super().__init__(convert_charrefs=True)
        self._originals = originals
        self._lines: list[str] = [""]
        self._hidden: list[str] = []
        self._links: list[tuple[str, int, str]] = []
        self._spans: list[str] = []
        self._cell = False

    def source(self) -> str:
        text = "\n".join(line.strip() for line in self._lines)
        text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
        return tags_alone(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._hidden or tag in _SKIPPED or _is_hidden(given):
            if tag not in _VOID:
                self._hidden.append(tag)
            return
        self._break(tag)
        if tag == "span":
            self._spans.append(END_ISOLATE if given.get("data-text") == "isolate" else "")
            self._lines[-1] += ISOLATE if self._spans[-1] else ""
        elif tag in {"td", "th"} and self._cell and _visible(self._lines[-1]):
            self._lines[-1] = self._lines[-1].rstrip() + "  "
        elif tag == "img":
            self._data(given.get("alt") or "")
        elif tag == "a":
            target = "" if given.get("data-text") == "label" else given.get("href") or ""
            self._links.append((target, len(self._lines), self._lines[-1]))
        else:
            self._lines[-1] += _SIGNS.get(tag, "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag in self._hidden:
                while self._hidden.pop() != tag:
                    pass
            return
        if tag == "span" and self._spans:
            self._lines[-1] += self._spans.pop()
        if tag == "a" and self._links:
            self._end_link(*self._links.pop())
        if tag in {"td", "th"}:
            self._cell = True
        self._break(tag)
        if tag == "tr":
            self._cell = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._data(data)

    def handle_comment(self, data: str) -> None:
        found = MARK.fullmatch(f"<!--{data}-->")
        if found and not self._hidden:
            self._lines[-1] += self._restored(found)

    def _data(self, data: str) -> None:
        text = _SPACE.sub(
            " ", data.replace("\u00a0", " ").replace("\u200c", "").replace("\u200b", "").replace("\u00ad", "")
        )
        at = 0
        for found in MARK.finditer(text):
            self._write(_OPENS_JINJA.sub('{{ "{" }}', text[at : found.start()]))
            self._lines[-1] += self._restored(found)
            at = found.end()
        self._write(_OPENS_JINJA.sub('{{ "{" }}', text[at:]))

    def _write(self, text: str) -> None:
        line = self._lines[-1]
        if text == " " and not _visible(line):
            return
        self._lines[-1] += text.lstrip(" ") if not line or line.endswith((" ", _BREAK)) else text

    def _restored(self, found: re.Match[str]) -> str:
        piece = self._originals[int(found.group(1) or found.group(2))]
        return re.sub(r"^(\{[{%])[-+]|[-+]([%}]\})$", lambda sign: sign.group(1) or sign.group(2), piece.text)

    def _break(self, tag: str) -> None:
        # Empty lines in plenty: `source` here, and `mails.tidy` at send, leave one of several.
        if tag in _PARAGRAPH or tag in _LINE:
            if self._lines[-1]:
                self._lines.append("")
            if tag in _PARAGRAPH:
                self._lines.append("")

    def _end_link(self, href: str, line: int, before: str) -> None:
        said = "\n".join(self._lines[line - 1 :])[len(before) :] if len(self._lines) >= line else ""
        target = MARK.sub(self._restored, href).strip()
        if not said.strip() or not target or target.startswith("#"):
            return
        if uncounted(target).removeprefix("mailto:").removeprefix("tel:") == said.strip():
            # The address itself is what is shown: once is enough, and that one is to count.
            if uncounted(target) != target:
                self._lines[line - 1 :] = [before + target]
            return
        self._lines[-1] = f"{self._lines[-1].rstrip()}: {target}" if self._lines[-1].strip() else target


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("data-text") == "none"
        or bool(_HIDDEN.search(attributes.get("style") or ""))
    )


def _visible(line: str) -> str:
    return _TAG.sub("", line).strip()
