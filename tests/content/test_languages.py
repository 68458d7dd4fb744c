"""Whom to write to in which language: tags, what they fall back to, and what a browser asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.content import languages


@pytest.mark.parametrize(
    ("written", "falls_back"),
    [
        ("en", ("en",)),
        ("en-GB", ("en-GB", "en")),
        ("ar_SA", ("ar-SA", "ar")),
        ("zh-TW", ("zh-Hant-TW", "zh-Hant")),
        ("zh-HK", ("zh-Hant-HK", "zh-Hant")),
        ("zh-Hant-TW", ("zh-Hant-TW", "zh-Hant")),
        ("zh-CN", ("zh-Hans-CN", "zh-Hans")),
        ("zh", ("zh-Hans",)),
        ("sr-Latn-RS", ("sr-Latn-RS", "sr-Latn", "sr")),
        ("es-419", ("es-419", "es")),
        ("iw-IL", ("he-IL", "he")),
        ("no", ("nb",)),
        ("EN-gb-oxendict", ("en-GB", "en")),
        (" pt-br ", ("pt-BR", "pt")),
        ("", ()),
        ("english", ()),
        ("a b", ()),
    ],
)
def test_a_locale_and_what_it_falls_back_to(written: str, falls_back: tuple[str, ...]) -> None:
    """Never from Traditional to Simplified Chinese, nor back: they are read by different people."""
    assert languages.chain(written) == falls_back


def test_the_first_wish_that_can_be_met_is() -> None:
    """With its fallbacks, before the second wish."""
    there = {"en", "ar", "zh-Hant"}
    assert languages.pick(there, "ar-SA", "en") == "ar"
    assert languages.pick(there, "fr", None, "zh-TW") == "zh-Hant"
    assert languages.pick(there, "zh-CN") is None
    assert languages.pick(there) is None


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ar", "ar"),
        ("fr, zh-TW;q=0.9, en;q=0.8", "zh-Hant"),
        ("en;q=0.5, ar-EG;q=0.7", "ar"),
        ("en;q=0, ar;q=0.1", "ar"),
        ("en;q=2, ar;q=0.1", "ar"),
        ("fr", None),
        ("*", None),
        ("", None),
        (None, None),
        (",;q=,en;q", None),
    ],
)
def test_a_browser_asks_for_languages_by_weight(header: str | None, language: str | None) -> None:
    assert languages.accepted(header, {"en", "ar", "zh-Hant"}) == language


@given(st.text(max_size=60))
def test_anything_may_be_asked_for(text: str) -> None:
    """It comes over the network."""
    languages.accepted(text, {"en"})
    for tag in languages.chain(text):
        assert languages.canonical(tag) == tag
