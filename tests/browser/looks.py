"""What is looked at in the browser: each shipped mail in each language, and which of them must be looked at now.

A look that was taken is known by the hash of the very pages and of what they were held against, in `taken.json`. So
`make test` looks at what has changed since, in a fresh clone too, and `make test-long` at everything. Take all looks
anew, when mails were meant to change:

    PYTHONPATH=layers/core .venv/bin/python -m tests.browser.record
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from rekindle.content.previews import Drafts, Named, drafts, names_in, preview
from rekindle.content.samples import SAMPLE_SHOP, Sample, SamplePerson, bare
from rekindle.domain import ids
from rekindle.domain.facts import Basket, Item, Order
from tests.browser.chromium import Page
from tests.browser.conftest import Site
from tests.content.mailkit import shipped
from tests.support.build import T0

TAKEN = Path(__file__).parent / "taken.json"
AUDIT = (Path(__file__).parent / "audit.js").read_text("utf-8")
WIDTHS, SCHEMES = (360, 640), ("light", "dark")
FILES = shipped()
NAMES = tuple(named.name for named in names_in(FILES) if named.root == "emails")

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
_LARGE_SHOP = msgspec.structs.replace(SAMPLE_SHOP, name="Kettle & Leaf of the Northern Harbour, since 1887")


class Look(Struct, frozen=True):
    """A mail in a language: its pages with all that is known, with nothing that can be missing, and with too much."""

    name: str
    locale: str
    pages: dict[str, str]

    def __str__(self) -> str:
        """Return by what it is known."""
        return f"{self.name}.{self.locale}"

    @property
    def hash(self) -> str:
        """What stands for these pages and for what they are held against."""
        against = (AUDIT, repr((WIDTHS, SCHEMES)))
        return ids.digest("look", *against, *(part for kind in sorted(self.pages) for part in (kind, self.pages[kind])))


def looks(name: str) -> Iterator[Look]:
    """Yield the looks of one mail, one for each of its languages."""
    named = Named("emails", name)
    plain, branded = drafts(FILES, (named,)), drafts(FILES | {"brand.yaml": BRAND}, (named,))
    assert (plain.problems, branded.problems) == ((), ())
    for locale in plain.locales_of(named):
        sample = plain.sample(named, locale)
        pages = {
            "full": html(plain, name, locale, sample),
            "bare": html(plain, name, locale, bare(sample)),
            "long": html(branded, name, locale, _too_much(sample), _LARGE_SHOP),
        }
        yield Look(name, locale, pages)


def _too_much(sample: Sample) -> Sample:
    """Return titles of a mile, of the other direction and of another script, for somebody with a long name."""
    items = tuple(
        Item(title=title, variant=title, quantity=n + 1, price=Decimal("1234567.5"), total=Decimal("12345678.9"))
        for n, title in enumerate(TITLES)
    )
    fact = Order if isinstance(sample.event, Order) else Basket
    sum_ = Decimal("12345678.9")
    event = fact(id="1", updated_at=T0, items=items, currency="EUR", subtotal=sum_, total=sum_)
    return Sample(profile=SamplePerson(first_name="Wolfeschlegelsteinhausenbergerdorff-Ωμέγα"), event=event)


def html(found: Drafts, name: str, locale: str, sample: Sample, shop: Any = SAMPLE_SHOP) -> str:
    """Return the mail's HTML."""
    return preview(
        found,
        name,
        locale=locale,
        shop=shop,
        profile=sample.person(shop),
        run=sample.trip("draft"),
        products=sample.products,
        recommend=sample.recommended(),
        coupon=sample.given(shop),
    ).rendered.html


def taken() -> dict[str, str]:
    """Return look → hash of those that were taken and found right."""
    return msgspec.json.decode(TAKEN.read_bytes(), type=dict[str, str])


def is_due(look: Look, known: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this look must be taken: it is not the one that was, or all of them are wanted."""
    return bool(environment.get("REKINDLE_LONG")) or known.get(str(look)) != look.hash


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


def wrong_with(look: Look, page: Page, site: Site) -> dict[str, dict[tuple[int, str], list[str]]]:
    """Take the look: return what is wrong, by the kind of page."""
    told = {kind: audited(page, site.put(f"/{look}.{kind}", mail)) for kind, mail in look.pages.items()}
    return {kind: found for kind, found in told.items() if found}
