"""The pages behind a mail's links: in the language of who reads them, and with nothing in them from anybody else."""

from __future__ import annotations

import re
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from rekindle.content.brand import DARK, LIGHT, Brand, contrast
from rekindle.content.pages import layout, texts
from rekindle.content.pages.layout import Look, look_of
from rekindle.content.samples import SAMPLE_SHOP
from tests.content.pagekit import PAGES, SPOKEN, WRONG
from tests.support.build import ROOT

NAME = "Tea <script>& Co</script>"
NAMED, NAMELESS = look_of(Brand(), replace(SAMPLE_SHOP, name=NAME)), Look()
#: Texts whose names are put together from what somebody chooses.
CHOSEN = ("stay.stay", "stay.fewer", "stay.leave", "review.stars.", "review.done.", "survey.reward.")
#: Elements that have no end.
_VOID = {"meta", "img", "input", "br"}


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
    assert texts.language(accept, locale) == spoken


def test_the_first_wish_for_a_language_that_there_is_counts() -> None:
    assert texts.language("en", None, "fr", "zh-TW", "ar") == "zh-Hant"


class Outline(HTMLParser):
    """What a page is made of, and what in it does not fit together."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.labels: list[str] = []
        self.headings: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.feed(html)
        self.close()
        self.wrong += [f"<{tag}> is not closed" for tag in self.open if tag != "html"]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        had = {name: value or "" for name, value in attrs}
        if len(had) != len(attrs):
            self.wrong.append(f"<{tag}> says something twice: {attrs}")
        self.ids += [had["id"]] if "id" in had else []
        for name in ("for", "aria-describedby"):
            self.refers += had.get(name, "").split()
        match tag:
            case "a":
                self._link(had.get("href", ""))
            case "input" | "select" | "textarea" if had.get("type") != "hidden":
                if "label" not in self.open and had.get("id") not in self.labels:
                    self.wrong.append(f"a field has no label: {had}")
            case "label":
                self.labels.append(had.get("for", ""))
            case "h1" | "h2" | "h3":
                self.headings.append(tag)
            case "form":
                self.forms.append(had)
        if tag not in _VOID:
            self.open.append(tag)

    def _link(self, href: str) -> None:
        if not href:
            self.wrong.append("a link leads nowhere")
        if href.startswith("#") and len(href) > 1:
            self.refers.append(href[1:])

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes something else")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("look", [NAMED, NAMELESS], ids=["named", "unknown"])
def test_a_page_is_whole_in_every_language(name: str, spoken: str, look: Look) -> None:
    """Nothing is left open, unlabelled or twice; no gap where a value should be; nobody's HTML but ours."""
    html = PAGES[name](spoken, look).html
    assert f'<html lang="{spoken}" dir="{"rtl" if spoken == "ar" else "ltr"}">' in html
    style, _, rest = html.partition("</style>")
    assert not re.search(r"\{\w*\}|\}\}|\bNone\b|<script|&lt;bdi|&amp;lt;", rest)
    assert not re.search(r"\{\w+\}|\bNone\b", style)
    assert re.search(r"<title>[^<]+</title>", html)
    found = Outline(html)
    assert found.wrong == []
    assert len(set(found.ids)) == len(found.ids)
    assert set(found.refers) <= set(found.ids)
    assert found.headings[0] == "h1"
    assert found.headings.count("h1") == 1
    assert all(form["method"] == "post" for form in found.forms)
    assert len(re.findall("autofocus", rest)) <= 1


@pytest.mark.parametrize("spoken", SPOKEN)
def test_a_page_names_the_shop_as_text_alone(spoken: str) -> None:
    html = PAGES["unsubscribe"](spoken, NAMED).html
    assert "<bdi>Tea &lt;script&gt;&amp; Co&lt;/script&gt;</bdi>" in html
    assert "Tea &lt;script" not in PAGES["unsubscribe"](spoken, NAMELESS).html


def test_only_the_page_that_asks_has_a_form() -> None:
    """And its address says that it was the page, not the mail program."""
    assert PAGES["unsubscribe"]("en", NAMED).html.count('<form method="post" action="?page=1"') == 1
    for other in ("unsubscribed", "bad-link", "refused", "preferences-stopped"):
        assert "<form" not in PAGES[other]("en", NAMED).html


# --- texts -----------------------------------------------------------------------------------------------------------


def test_languages_say_the_same_things() -> None:
    """The same texts, with the same values in each, and none that is empty or still in English."""
    known = texts.TEXTS
    assert tuple(known) == SPOKEN
    english = known["en"]
    for spoken, own in known.items():
        assert own.keys() == english.keys()
        for key, text in own.items():
            assert fields(text) == fields(english[key]), key
            assert text.strip() == text != ""
            assert "<" not in text
            if spoken != "en" and key != "date":
                assert text != english[key], key
                assert not re.search(r"[A-Za-z]", re.sub(r"\{\w+\}", "", text)), key


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_whatever_names_the_shop_can_do_without_it() -> None:
    for own in texts.TEXTS.values():
        naming = {key for key, text in own.items() if "shop" in fields(text)}
        assert {f"{key}.nameless" for key in naming} <= own.keys()
        assert not any("shop" in fields(own[f"{key}.nameless"]) for key in naming)


def test_no_text_is_written_for_nobody() -> None:
    """Every name of a text stands somewhere in the pages' code."""
    code = "".join(path.read_text("utf-8") for path in Path(layout.__file__).parent.glob("*.py"))
    code += Path(texts.__file__).read_text("utf-8") + (ROOT / "functions/pages/app.py").read_text("utf-8")
    for desk in ("preferences", "reviews", "stay", "surveys"):
        code += (ROOT / f"layers/core/rekindle/service/{desk}.py").read_text("utf-8")
    unused = {
        key
        for key in texts.TEXTS["en"]
        if f'"{key.removesuffix(".nameless")}"' not in code
        and not key.startswith(("month.", "preferences.frequency.", "preferences.channel.", *CHOSEN))
    }
    assert unused == set()


# --- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logo", "source"),
    [
        ("https://acme.example/logo.png", "https://acme.example/logo.png"),
        ("https://cdn.example:8443/a/b.png?v=1#x", "https://cdn.example:8443/a/b.png"),
        ("https://acme.example/a;b,c d.png", "https://acme.example/a%3Bb%2Cc%20d.png"),
        ("https://acme.example/%3B.png", "https://acme.example/%3B.png"),
        ("https://käse.example/logo.png", "https://xn--kse-qla.example/logo.png"),
        ("http://acme.example", "http://acme.example"),
        ("data:image/png;base64,AA", None),
        ("javascript:alert(1)", None),
        ("https://", None),
        ("https://a.example'; script-src *", None),
        (None, None),
    ],
)
def test_the_logo_is_the_only_thing_that_a_page_fetches(logo: str | None, source: str | None) -> None:
    """The policy names exactly that picture. One that it cannot name is not shown: the shop's name is."""
    page = PAGES["unsubscribe"]("en", look_of(Brand(), replace(SAMPLE_SHOP, logo=logo)))
    assert page.pictures == (() if source is None else (source,))
    assert ("<img" in page.html) is (source is not None)
    policy = layout.answer(200, page)["headers"]["content-security-policy"]
    assert [part for part in policy.split("; ") if part.startswith("img-src")] == (
        [f"img-src {source}"] if source else []
    )
    assert policy.isascii()
    assert "*" not in policy


def test_the_shops_own_logo_goes_before_the_brands_and_a_stranger_gets_neither() -> None:
    brand = Brand(logo="https://brand.example/l.png")
    assert look_of(brand, replace(SAMPLE_SHOP, logo="https://shop.example/l.png")).logo == "https://shop.example/l.png"
    assert look_of(brand, SAMPLE_SHOP).logo == "https://brand.example/l.png"
    assert look_of(brand, None).logo is None


def test_every_colour_of_a_page_can_be_read_where_it_stands() -> None:
    """Also in a brand whose pairs, as mails use them, are fine, and whose others are not."""
    odd = replace(LIGHT, background="#101010", muted="#8a8a8a", text="#1d1d1f", surface="#ffffff", accent="#fff7c2")
    odd = replace(odd, muted="#757575", on_accent="#222222")
    for colors in (LIGHT, DARK, odd):
        css = str(layout._colors(colors))
        value = dict(re.findall(r"--([\w-]+): (#\w+);", css))
        for front, back, least in (
            ("ink", "paper", 4.5), ("soft", "paper", 4.5), ("wrong", "paper", 4.5), ("on-accent", "accent", 4.5),
            ("tick", "paper", 3), ("name", "ground", 4),
        ):  # fmt: skip
            assert contrast(value[front], value[back]) >= least, (front, back, value)


def test_a_font_is_a_list_of_names_or_ours() -> None:
    look = look_of(Brand(font="Georgia; } body { display: none", heading_font="'Noto Serif', serif"), SAMPLE_SHOP)
    html = PAGES["unsubscribe"]("en", look).html
    assert "display: none" not in html
    assert "'Noto Serif', serif" in html


# --- preferences -----------------------------------------------------------------------------------------------------


def test_a_page_shows_no_address_and_no_birthday_as_it_is() -> None:
    html = PAGES["preferences-full"]("en", NAMED).html
    assert "a••@e…" in html
    assert "••78" in html
    for secret in ("ada@", "example.com", "+3120", "1234578"):
        assert secret not in html
    assert "We know it" in html


def test_what_is_wrong_stands_beside_its_field_and_describes_it() -> None:
    html = PAGES["preferences-wrong"]("en", NAMED).html
    assert html.count('role="alert"') == 1
    for id_ in WRONG:
        assert f'<a href="#{id_}">' in html
        assert f'id="{id_}-error"' in html
        assert re.search(rf'id="{id_}"[^>]*aria-describedby="[^"]*{id_}-error"', html)
    assert "<title>Not saved: " in html


def test_the_words_of_a_topic_are_text_and_name_their_language() -> None:
    html = PAGES["preferences-full"]("ar", NAMED).html
    assert "Offers &lt;b&gt;" in html
    assert "أخبار" in html


def test_a_form_sends_along_what_it_showed() -> None:
    html = PAGES["preferences-full"]("en", NAMED).html
    was = set(re.findall(r'name="was" value="([^"]+)"', html))
    ticked = set(re.findall(r'name="on" value="([^"]+)" checked', html))
    assert was == ticked | {"frequency.weekly", "language.ar"}
    assert ticked == {"channel.email", "channel.push", "topic.news", "pause"}
