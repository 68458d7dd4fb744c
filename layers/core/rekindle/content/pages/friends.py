"""The page for whoever was sent by a friend: the code, and the way to the shop. It asks nothing, and nothing acts."""

from __future__ import annotations

from markupsafe import Markup

from rekindle.content.pages.layout import Look, Page, document, paragraph
from rekindle.content.pages.texts import plain, say


def welcome(spoken: str, look: Look, code: str, address: str | None) -> Page:
    """Return the page with the code, and the address in the shop where it is used."""
    parts = [
        paragraph(say(spoken, "friend.said", shop=look.name)),
        Markup('<p class="code"><bdi dir="ltr">{}</bdi></p>').format(code),
        paragraph(say(spoken, "friend.how")),
    ]
    if address:
        go = Markup('<p><a class="go" href="{}" rel="noopener">{}</a></p>')
        parts.append(go.format(address, say(spoken, "friend.go")))
    title = plain(spoken, "friend", shop=look.name)
    return document(spoken, look, title, *parts, heading=say(spoken, "friend", shop=look.name))


def over(spoken: str, look: Look) -> Page:
    """Return the page for a code that nobody gives any more."""
    said = paragraph(say(spoken, "friend.over.said", shop=look.name))
    return document(spoken, look, plain(spoken, "friend.over"), said)
