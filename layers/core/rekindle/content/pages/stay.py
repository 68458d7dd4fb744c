"""The page that asks who has been silent whether to go on: as before, at most once a month, or not at all."""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup

from rekindle.content.pages import forms
from rekindle.content.pages.layout import Look, Page, document, link, paragraph
from rekindle.content.pages.texts import plain, say

Choice = Literal["stay", "fewer", "leave"]
CHOICES: tuple[Choice, ...] = ("stay", "fewer", "leave")


def ask(spoken: str, look: Look, *, nonce: str, wrong: str = "") -> Page:
    """Return the page that asks, a button for each answer. `wrong`: the text that says what went wrong."""
    shop = look.name
    parts = [paragraph(say(spoken, "stay.said", shop=shop))]
    if wrong:
        parts.insert(0, forms.mistakes(spoken, {"stay": say(spoken, wrong)}))
    each = [_choice(spoken, choice, nonce) for choice in CHOICES]
    parts.append(Markup('<div id="stay" class="choices" tabindex="-1">{}</div>').format(Markup("").join(each)))
    title = plain(spoken, "stay", shop=shop)
    said = plain(spoken, "wrong.title", title=title) if wrong else title
    return document(spoken, look, said, *parts, heading=say(spoken, "stay", shop=shop))


def done(spoken: str, look: Look, choice: Choice, more: str) -> Page:
    """Return the page that confirms the answer. `more` is the address of the preference page."""
    return document(
        spoken,
        look,
        plain(spoken, f"stay.{choice}.done"),
        paragraph(say(spoken, f"stay.{choice}.done.said", shop=look.name)),
        link(more, say(spoken, "unsubscribe.again")),
    )


def _choice(spoken: str, choice: Choice, nonce: str) -> Markup:
    # A field that nobody sees has an id; of three forms on one page only the first may have it.
    hidden = forms.hidden("nonce", nonce) + (forms.trap(spoken) if choice == CHOICES[0] else Markup(""))
    return forms.form(say(spoken, f"stay.{choice}"), hidden, act=choice, quiet=choice != CHOICES[0])
