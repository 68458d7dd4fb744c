"""Every page that there is, with something on it: what tests of all pages, and the browser, go through."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rekindle.content.pages import layout, unsubscribe
from rekindle.content.pages.layout import Look, Page

SPOKEN = ("en", "ar", "zh-Hant")
Made = Callable[[str, Look], Page]

#: Name → the page in this language and look. A new page joins here, in each state that looks different.
PAGES: Mapping[str, Made] = {
    "bad-link": lambda spoken, _look: layout.bad_link(spoken),
    "unsubscribe": lambda spoken, look: unsubscribe.ask(spoken, look, "/p/token"),
    "unsubscribed": lambda spoken, look: unsubscribe.done(spoken, look, "/p/token"),
}
