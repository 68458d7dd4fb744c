"""Every shipped mail in a real browser: on a phone and a desk, in the light and the dark, in each of its languages."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rekindle.content.previews import Drafts, drafts, names_in, preview
from rekindle.content.samples import SAMPLE_SHOP, Sample, SamplePerson, bare
from rekindle.domain.facts import Basket, Item, Order
from tests.browser.chromium import Page
from tests.browser.conftest import Site
from tests.content.mailkit import shipped
from tests.support.build import T0

AUDIT = (Path(__file__).parent / "audit.js").read_text("utf-8")
WIDTHS, SCHEMES = (360, 640), ("light", "dark")
FILES = shipped()
BRAND = b"""
social: [{name: Instagram, url: https://instagram.com/acme}, {name: Pinterest, url: https://pinterest.com/acme}]
contact: {phone: "+44 20 7946 0000", url: https://acme.example/help}
logo: {url: https://shop.example/pictures/cup.png, width: 120}
"""
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
TITLES = (
    LONG,
    "حقيبة جلدية مصنوعة يدوياً",
    "a \u202e\u2066backwards",
    "石器茶壺（竹提把，0.9 公升）" * 4,
    "<b>x</b>" * 30,
)


@pytest.fixture(scope="module")
def found() -> Drafts:
    made = drafts(FILES, names_in(FILES))
    assert made.problems == ()
    return made


def written() -> list[tuple[str, str]]:
    """Return each shipped mail with each of its languages."""
    made = drafts(FILES, names_in(FILES))
    return [(name, locale) for name in made.mails.templates for locale in made.locales_of(name)]


def html(found: Drafts, name: str, locale: str, sample: Sample, shop: Any = SAMPLE_SHOP) -> str:
    return preview(
        found,
        name,
        locale=locale,
        shop=shop,
        profile=sample.person(shop),
        run=sample.trip("draft"),
        products=sample.products,
        recommend=sample.recommended(),
    ).rendered.html


def audited(page: Page, url: str) -> dict[tuple[int, str], list[str]]:
    """Return what is wrong with the page, by width and scheme."""
    page.look(width=WIDTHS[0], scheme=SCHEMES[0])
    page.open(url)
    wrong = {}
    for width in WIDTHS:
        for scheme in SCHEMES:
            page.look(width=width, scheme=scheme)
            wrong[width, scheme] = page.ask(AUDIT)
    return {where: told for where, told in wrong.items() if told}


@pytest.mark.parametrize(("name", "locale"), written())
def test_a_shipped_mail_can_be_read_everywhere(page: Page, site: Site, found: Drafts, name: str, locale: str) -> None:
    """With its own sample, and when nothing is known but the event itself."""
    sample = found.sample(name, locale)
    for kind, one in (("full", sample), ("bare", bare(sample))):
        url = site.put(f"/{name}.{locale}.{kind}", html(found, name, locale, one))
        assert audited(page, url) == {}


@pytest.mark.parametrize(("name", "locale"), written())
def test_it_takes_whatever_a_shop_sells_and_a_brand_has(page: Page, site: Site, name: str, locale: str) -> None:
    """Titles of a mile, of the other direction and of another script; a logo, networks, and a phone number."""
    found = drafts(FILES | {"brand.yaml": BRAND}, (name,))
    items = tuple(
        Item(title=title, variant=title, quantity=n + 1, price=Decimal("1234567.5"), total=Decimal("12345678.9"))
        for n, title in enumerate(TITLES)
    )
    fact = Order if isinstance(found.sample(name, locale).event, Order) else Basket
    event = fact(
        id="1", updated_at=T0, items=items, currency="EUR", subtotal=Decimal("12345678.9"), total=Decimal("12345678.9")
    )
    sample = Sample(profile=SamplePerson(first_name="Wolfeschlegelsteinhausenbergerdorff-Ωμέγα"), event=event)
    shop = msgspec.structs.replace(SAMPLE_SHOP, name="Kettle & Leaf of the Northern Harbour, since 1887")
    assert audited(page, site.put(f"/{name}.{locale}.long", html(found, name, locale, sample, shop))) == {}


def test_a_mail_from_right_to_left_is_the_mirror_of_one_from_left_to_right(
    page: Page, site: Site, found: Drafts
) -> None:
    """The picture of an item stands where the line begins, its price where it ends."""
    where = (
        "['.picture', '.item-title', '.item-price', 'h1'].map(one => { const box = "
        "document.querySelector(one).getBoundingClientRect(); return [box.left, box.right]; })"
    )
    sides = {}
    for locale in ("en", "ar"):
        page.look(width=640, scheme="light")
        page.open(
            site.put(
                f"/mirror.{locale}", html(found, "cart-reminder-1", locale, found.sample("cart-reminder-1", locale))
            )
        )
        sides[locale] = page.ask(where)
    (picture, title, price, heading), (picture_r, title_r, price_r, heading_r) = sides["en"], sides["ar"]
    assert picture[1] < title[0] < price[0]
    assert picture_r[0] > title_r[0] > price_r[0]
    assert picture[0] == pytest.approx(640 - picture_r[1], abs=1)
    assert heading == pytest.approx([640 - heading_r[1], 640 - heading_r[0]], abs=1)
    assert page.ask("getComputedStyle(document.querySelector('.item-title')).textAlign") == "right"


def test_a_latin_name_does_not_turn_an_arabic_sentence_round(page: Page, site: Site, found: Drafts) -> None:
    """The comma that follows the name stands left of it, as the sentence goes."""
    sample = found.sample("cart-reminder-1", "ar")
    person = msgspec.structs.replace(sample.profile, first_name="Ann (VIP)")
    page.look(width=640, scheme="light")
    page.open(site.put("/bidi", html(found, "cart-reminder-1", "ar", msgspec.structs.replace(sample, profile=person))))
    spots = page.ask(
        "(() => { const h1 = document.querySelector('h1'), walk = document.createTreeWalker(h1, 4), all = [];"
        " while (walk.nextNode()) { const range = document.createRange(); range.selectNodeContents(walk.currentNode);"
        " all.push([walk.currentNode.data, range.getBoundingClientRect().left]); } return all; })()"
    )
    (name, name_left), (rest, rest_left) = spots
    assert name == "Ann (VIP)"
    assert rest.startswith("،")
    assert rest_left < name_left


BROKEN = {
    "overflow": "<div style='width: 900px'>wide</div>",
    "picture": "<img src='/pictures/nobody.png' alt='x' width=10 height=10>",
    "contrast": "<p style='color: #999; background: #fff'>faint</p>",
    "small": "<p style='font-size: 11px'>tiny</p>",
    "touch": "<a class='button-link' style='display: inline-block; height: 30px; width: 90px'>Go</a>",
    "cut off": "<p style='overflow: hidden; width: 50px; white-space: nowrap'>longer than its place</p>",
    "letters": "<p style='letter-spacing: 1px'>سلّتك</p>",
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_audit_finds(page: Page, site: Site, what: str) -> None:
    """What it is there for: each, and nothing else."""
    css = "body { background: #fff; color: #111 }"
    url = site.put(
        f"/broken/{what.replace(' ', '-')}",
        f"<!doctype html><html dir=rtl><title>x</title><style>{css}</style><body>{BROKEN[what]}",
    )
    wrong = audited(page, url)
    assert (360, "light") in wrong
    assert {re.match(r"[a-z ]+", one).group() for one in wrong[360, "light"]} == {what}  # type: ignore[union-attr]


def test_the_audit_reads_the_colours_of_the_dark(page: Page, site: Site) -> None:
    style = "body { background: #fff; color: #111 } @media (prefers-color-scheme: dark) { body { background: #222 } }"
    url = site.put("/broken/dark", f"<!doctype html><html><title>x</title><style>{style}</style><body><p>lost</p>")
    assert {scheme for _, scheme in audited(page, url)} == {"dark"}
