"""The page on which somebody says what they think of an order: the stars of the mail, confirmed here, and a word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from markupsafe import Markup

from rekindle.content.pages import forms
from rekindle.content.pages.forms import MAX_VALUE, Notes, Option
from rekindle.content.pages.layout import Look, Page, document, paragraph
from rekindle.content.pages.texts import day, plain, say

BEST = 5
#: Up to this many stars something was wrong, and the shop sees to it; from `GOOD` on somebody is happy.
BAD, GOOD = 2, 4


def ask(
    spoken: str, look: Look, *, nonce: str, ordered: date | None, stars: str = "", text: str = "", wrong: str = ""
) -> Page:
    """Return the page that asks. `ordered` is when; `stars` and `text` are chosen and written already.

    `wrong` is the name of the text that says what is wrong with the stars.
    """
    shop = look.name
    errors = {"stars": say(spoken, wrong)} if wrong else {}
    when = say(spoken, "review.said")
    if ordered is not None:
        when = say(spoken, "review.ordered", date=day(spoken, ordered))
    parts = [forms.mistakes(spoken, errors)] if errors else []
    parts.append(paragraph(when))
    options = [Option(str(count), _stars(spoken, count)) for count in range(BEST, 0, -1)]
    fields = [
        forms.hidden("nonce", nonce) + forms.trap(spoken),
        forms.radios("stars", say(spoken, "review.stars"), options, stars, Notes(error=errors.get("stars"))),
        forms.area("text", say(spoken, "review.text"), text, Notes(say(spoken, "review.text.hint")), most=MAX_VALUE),
    ]
    parts.append(forms.form(say(spoken, "review.send"), *fields, act="send"))
    title = plain(spoken, "review", shop=shop)
    said = plain(spoken, "wrong.title", title=title) if wrong else title
    return document(spoken, look, said, *parts, heading=say(spoken, "review", shop=shop))


def done(spoken: str, look: Look, rating: int, sites: Mapping[str, str]) -> Page:
    """Return the page that thanks. `sites` are where they can say it publicly: name → address.

    They are offered whatever was said: whoever asks only the happy ones for a public word misleads its readers (FTC, 16
    CFR 465; Google's and Trustpilot's rules say the same).
    """
    kind = "bad" if rating <= BAD else "good" if rating >= GOOD else "fair"
    parts = [paragraph(say(spoken, f"review.done.{kind}", shop=look.name))]
    if sites:
        each = Markup("").join(
            Markup('<li><a href="{}" rel="noopener">{}</a></li>').format(address, Markup("<bdi>{}</bdi>").format(name))
            for name, address in sites.items()
        )
        parts.append(
            Markup('<section><h2>{}</h2><ul class="sites">{}</ul></section>').format(say(spoken, "review.sites"), each)
        )
    return document(spoken, look, plain(spoken, "review.done"), *parts)


def _stars(spoken: str, count: int) -> Markup:
    shown = Markup('<span class="stars" aria-hidden="true">{}<i>{}</i></span> ')
    return shown.format("★" * count, "★" * (BEST - count)) + say(spoken, f"review.stars.{count}")
