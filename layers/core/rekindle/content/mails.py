"""A published mail, and rendering it: subject, HTML and text from one context, in milliseconds and within bounds.

What is slow or needs a parser (CSS, MJML, the text part) happened at publish, in `rekindle.content.compile`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2.environment import Template
from msgspec import Struct

from rekindle.content import sandbox
from rekindle.domain.profile import Category

#: How long one mail may take to render, in seconds; normal ones take a few thousandths.
MAX_SECONDS = 2.0
#: The longest subject, in characters. Mail programs show about sixty.
MAX_SUBJECT = 200
#: All mails of a large shop in three languages: in a smaller cache, taking turns, none would ever be found.
_CACHED = 500

# Line breaks would start a new header; bidirectional overrides let a name rewrite how the rest of the line reads.
# Isolates alone may stay, in pairs: mails from right to left put them around values, which have none themselves.
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066\u2067\ufeff\ud800-\udfff]+")
_ISOLATES = re.compile("[\u2068\u2069]")
_EMPTY = "\u2068\u2069"
_LINE_ENDS = re.compile(r"(?<![ \t\u00a0])[ \t\u00a0]+\n")
_LINE_STARTS = re.compile(r"^ (?! )", re.MULTILINE)
_GAPS = re.compile(r"\n{3,}")


class MailTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mail, as three Jinja2 sources. `html` is complete: layout in, CSS inlined, brand filled in."""

    name: str
    locale: str = ""
    """the language that it is written in; empty where nobody said"""
    subject: str
    html: str
    text: str
    category: Category = "marketing"
    coupon: tuple[str, ...] = ()
    """the parts of `coupon` that it shows whatever happens: without one it cannot be sent"""
    preheader: str = ""
    """as its writer wrote it; it is part of `html` already"""
    recommend: tuple[str, ...] = ()
    """the lists of `recommend` that it uses, in the order in which they come first"""
    forms: tuple[str, ...] = ()
    """the forms (`links.FORMS`) that it links to"""
    needs: tuple[str, ...] = ()
    """the lists of `recommend` without which there is nothing to say"""


class Rendered(Struct, frozen=True):
    """A mail for one person. `subject` is one line without control characters."""

    subject: str
    html: str
    text: str


def render(
    template: MailTemplate,
    context: Mapping[str, Any],
    clock: Callable[[], float] | None = None,
    seconds: float = MAX_SECONDS,
) -> Rendered:
    """Return the mail for this context (`rekindle.content.context`). `clock` is monotonic, in seconds, and bounds it.

    Raises `ContentError` when the mail is too long, takes too long, or an operation does not fit its values: the same
    context will always give the same error.
    """
    subject, html, text = compiled(template)
    budget = sandbox.Budget(clock, seconds)
    context = {**context, sandbox.BUDGET: budget}
    return Rendered(
        subject=one_line(sandbox.run(subject, context, budget)),
        html=sandbox.run(html, context, budget),
        text=tidy(sandbox.run(text, context, budget)),
    )


def one_line(text: str) -> str:
    """Return the text fit for a header: one line, no control or direction-changing characters, not too long."""
    line = " ".join((text if text.isprintable() else _UNWANTED.sub(" ", text).replace(_EMPTY, "")).split())
    if len(line) > MAX_SUBJECT:
        line = line[: MAX_SUBJECT - 1].rstrip() + "…"
    return line if line.isprintable() or _paired(line) else " ".join(_ISOLATES.sub(" ", line).split())


def _paired(line: str) -> bool:
    marks = "".join(_ISOLATES.findall(line))
    return not marks.replace(_EMPTY, "")


def tidy(text: str) -> str:
    """Return the text with no stray space around its lines and never two empty lines in a row."""
    if _EMPTY in text:
        text = text.replace(_EMPTY, "")
    lines: list[str] = []
    gap = False
    for written in text.split("\n"):
        line = written.rstrip(" \t\u00a0")
        if not line:
            gap = bool(lines)
            continue
        if gap:
            lines.append("")
            gap = False
        # Two spaces are meant: a list within a list.
        lines.append(line[1:] if line[0] == " " and line[1] != " " else line)
    return "\n".join(lines).strip() + "\n"


@lru_cache(maxsize=_CACHED)
def compiled(template: MailTemplate) -> tuple[Template, Template, Template]:
    """Return subject, HTML and text, ready to run. Raises `ContentError` for what is no template."""
    name = template.name
    return (
        sandbox.compiled(template.subject, f"{name}/subject.txt", html=False),
        sandbox.compiled(template.html, f"{name}/body.html", html=True, own=True),
        sandbox.compiled(template.text, f"{name}/body.txt", html=False, own=True),
    )
