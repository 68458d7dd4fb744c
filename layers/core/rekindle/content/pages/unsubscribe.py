"""The unsubscribe page: it asks, and when that was answered, confirms."""

from __future__ import annotations

from rekindle.content.pages.forms import form
from rekindle.content.pages.layout import Look, Page, document, link, paragraph
from rekindle.content.pages.texts import plain, say


def ask(spoken: str, look: Look, rather: str | None = None) -> Page:
    """Return the page that asks; its button posts, so that a scanner that opens every link unsubscribes nobody.

    `rather` is the address of the preference page, for who wants less and not nothing.
    """
    shop = look.name
    parts = [
        paragraph(say(spoken, "unsubscribe.ask.said", shop=shop)),
        form(say(spoken, "unsubscribe.button"), query="page=1"),
    ]
    if rather:
        parts.append(link(rather, say(spoken, "unsubscribe.rather")))
    title = plain(spoken, "unsubscribe.ask", shop=shop)
    return document(spoken, look, title, *parts, heading=say(spoken, "unsubscribe.ask", shop=shop))


def done(spoken: str, look: Look, again: str | None = None) -> Page:
    """Return the page that confirms. `again` is the address of the preference page."""
    parts = [
        paragraph(say(spoken, "unsubscribe.done.said", shop=look.name)),
        paragraph(say(spoken, "close")),
    ]
    if again:
        parts.append(link(again, say(spoken, "unsubscribe.again")))
    return document(spoken, look, plain(spoken, "unsubscribe.done"), *parts)
