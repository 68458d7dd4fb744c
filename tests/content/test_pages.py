"""The pages behind a mail's links: in the language of who reads them, and with nothing in them from anybody else."""

from __future__ import annotations

import re

import pytest

from rekindle.content import pages

SPOKEN = ("en", "ar", "zh-Hant")
NAME = "Tea <script>& Co</script>"


@pytest.mark.parametrize(
    ("locale", "accept", "spoken"),
    [
        ("ar", "en", "ar"),
        ("zh-Hant", None, "zh-Hant"),
        ("", "ar-SA, en;q=0.5", "ar"),
        ("fr", "zh-TW", "zh-Hant"),
        ("fr", "de", "en"),
        ("", None, "en"),
    ],
)
def test_a_page_speaks_as_the_mail_did_else_as_the_browser_asks(locale: str, accept: str | None, spoken: str) -> None:
    """A link from before mails had languages names none."""
    assert pages.language(locale, accept) == spoken


@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("shop", [NAME, None], ids=["named", "unknown"])
def test_a_page_is_whole_in_every_language(spoken: str, shop: str | None) -> None:
    """The one that asks has the only form, which posts; none has a gap for a name, or somebody's HTML."""
    asks, confirms, fails = pages.ask(shop, spoken), pages.done(shop, spoken), pages.bad_link(spoken)
    direction = "rtl" if spoken == "ar" else "ltr"
    for page in (asks, confirms, fails):
        assert f'<html lang="{spoken}" dir="{direction}">' in page
        assert not re.search(r"\{|\}\}|None|<script", page.partition("</style>")[2])
        assert re.search(r"<title>[^<]+</title>", page)
    assert ("<bdi>Tea &lt;script&gt;&amp; Co&lt;/script&gt;</bdi>" in asks) is (shop is not None)
    assert asks.count('<form method="post"') == 1
    assert "<form" not in confirms + fails


def test_languages_say_the_same_things() -> None:
    texts = pages._TEXTS
    assert {locale: one.keys() for locale, one in texts.items()} == dict.fromkeys(SPOKEN, texts["en"].keys())
    for key, english in texts["en"].items():
        assert {one[key].count("{shop}") for one in texts.values()} == {english.count("{shop}")}
