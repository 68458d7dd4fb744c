"""Every word of the pages, by language. One module a language, the same names in each: a test compares them.

A text may hold `{names}`: values are escaped, and kept to their own direction. One that names the shop has a second,
`….nameless`, for a shop that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from markupsafe import Markup

from rekindle.content.languages import accepted, pick
from rekindle.content.pages.texts import ar, en, zh_hant

#: Language → name → words.
TEXTS: Mapping[str, Mapping[str, str]] = {"en": en.TEXTS, "ar": ar.TEXTS, "zh-Hant": zh_hant.TEXTS}
RTL = frozenset({"ar"})

# A value in the other direction keeps it to itself.
_APART = Markup("<bdi>{}</bdi>")


def language(accept: str | None, *wanted: str | None) -> str:
    """Return the language of a page: the first of those wanted that there is, else what the browser asks for."""
    return pick(TEXTS, *wanted) or accepted(accept, TEXTS) or "en"


def say(spoken: str, text: str, **values: Any) -> Markup:
    """Return the text with these values, as HTML. A `shop` that is `None` asks for the text that names none."""
    kept = {name: value if isinstance(value, Markup) else _APART.format(value) for name, value in values.items()}
    return Markup(_words(spoken, text, values)).format(**kept)  # noqa: S704 - our own words


def plain(spoken: str, text: str, **values: Any) -> Markup:
    """Return the same without any element in it: for titles, labels of options, and attributes."""
    return Markup(_words(spoken, text, values)).format(**values)  # noqa: S704 - our own words


def day(spoken: str, when: date) -> Markup:
    """Return a day as the language writes it."""
    return plain(spoken, "date", day=str(when.day), month=plain(spoken, f"month.{when.month}"), year=str(when.year))


def _words(spoken: str, text: str, values: Mapping[str, Any]) -> str:
    texts = TEXTS[spoken]
    nameless = "shop" in values and values["shop"] is None
    return texts.get(f"{text}.nameless", texts[text]) if nameless else texts[text]
