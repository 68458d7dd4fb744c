"""What publish leaves for the pages: how they look, of which shops, and what people can choose among."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from rekindle.content.brand import Brand
from rekindle.content.languages import pick
from rekindle.flow.program import Shop


class Topic(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that people can switch on or off. `title` and `about` are language → words; empty: for all of them."""

    name: str
    title: dict[str, str]
    about: dict[str, str] = {}
    on: bool = True
    """for those who have not chosen"""


class PageSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that pages need of one published set."""

    hash: str
    brand: Brand = Brand()
    shops: dict[str, Shop] = {}
    topics: tuple[Topic, ...] = ()
    languages: dict[str, str] = {}
    """what some shop writes in → the language's name in itself"""


def worded(words: Mapping[str, str], *readers: str) -> tuple[str, str]:
    """Return the words and the language that they are in (empty where nobody said), for the first reader of theirs.

    Where no reader's language is among them, English stands in, else the first that there is.
    """
    tag = pick(words, *readers, "en") or next(iter(words), "")
    return words.get(tag, ""), tag


_decoder = msgspec.json.Decoder(PageSettings)


def decode_settings(raw: bytes) -> PageSettings:
    """Return what publishing wrote as `pages.json`."""
    return _decoder.decode(raw)
