"""What a mail may say: every name is always there, and nothing that a stranger wrote can do harm."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.content import context as names
from rekindle.content.brand import Brand
from rekindle.content.names import shape
from rekindle.content.samples import SAMPLE_SHOP
from rekindle.domain.facts import Address, Alarm, Basket, Fact, Item, Order, Person, Product
from rekindle.domain.profile import Profile, Run
from tests.support.build import T0


def made(
    trigger: Fact | None = None, person: Person | None = None, products: dict[str, Product] | None = None
) -> dict[str, Any]:
    """Return the names for one mail."""
    return names.context(
        shop=SAMPLE_SHOP,
        brand=Brand(),
        profile=Profile(id="p", shop="sample", email="ada@example.com", person=person or Person()),
        run=Run(id="r", flow="f", version="v", playbook="b", entered_at=T0, expires_at=T0, trigger=trigger),
        products=products or {},
        links={"unsubscribe": "https://l.example/u/x"},
        formats={},
    )


def basket(*items: Item, **more: Any) -> Basket:
    """Return a basket with these items."""
    return Basket(id="c1", updated_at=T0, items=items, **more)


def keys(value: object) -> object:
    """Return what names a value has, all the way down; lists by their first element."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items() if not key.startswith("_")}
    return None


@pytest.mark.parametrize("trigger", [None, basket(), Order(id="1", updated_at=T0), Alarm()])
def test_every_known_name_is_there_whatever_started_the_run(trigger: Fact | None) -> None:
    """A template that passed the check can never meet a name that is not there."""
    found = made(trigger)
    assert set(shape()) == {name for name in found if not name.startswith("_")}
    for name in ("shop", "profile", "run", "event", "links", "brand"):
        assert set(found[name]) == set(shape()[name])
    assert found["event"]["items"] == []


def test_what_is_known_of_the_product_fills_what_the_basket_does_not_say() -> None:
    """The basket's own word goes first; a deleted product is still shown, and not linked."""
    known = {
        "1": Product(
            id="1",
            updated_at=T0,
            title="Cup",
            url="https://s.example/cup",
            image="https://s.example/c.png",
            image_alt="A cup",
        ),
        "2": Product(id="2", updated_at=T0, url="https://s.example/pot", image="https://s.example/p.png", deleted=True),
    }
    items = (
        Item(title="Blue cup", product_id="1", quantity=2, price=Decimal("4.50")),
        Item(title="Pot", product_id="2", url=None, image="https://s.example/own.png", total=Decimal(9)),
        Item(title="", product_id="1"),
        Item(title="", sku="X-1"),
    )
    cup, pot, untitled, bare = made(basket(*items), products=known)["event"]["items"]
    assert (cup["title"], cup["url"], cup["image"], cup["alt"]) == (
        "Blue cup",
        "https://s.example/cup",
        "https://s.example/c.png",
        "A cup",
    )
    assert cup["total"] == Decimal("9.00")
    assert (pot["url"], pot["image"], pot["alt"], pot["total"]) == (
        None,
        "https://s.example/own.png",
        "Pot",
        Decimal(9),
    )
    assert untitled["title"] == "Cup"
    assert (bare["title"], bare["image"], bare["total"]) == ("X-1", None, None)


def test_shopifys_pictures_are_asked_for_in_the_size_that_is_shown() -> None:
    """An original can be several megabytes."""
    (item,) = made(basket(Item(title="x", image="https://cdn.shopify.com/s/files/a.jpg?v=1")))["event"]["items"]
    assert item["image"] == "https://cdn.shopify.com/s/files/a.jpg?v=1&width=320"
    assert item["picture"] == "https://cdn.shopify.com/s/files/a.jpg?v=1&width=1200"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \n Lovelace ", "Ada Lovelace"),
        ("José Ångström-O’Neill Jr.", "José Ångström-O’Neill Jr."),
        ("علي", "علي"),
        ("می\u200cرا", "می\u200cرا"),
        ("Visit evil.example now", None),
        ("https://evil.example", None),
        ("www evil", None),
        ("a@b", None),
        ("<b>Ada</b>", None),
        ("Ada\u202e\u2066gnirts", "Ada gnirts"),
        ("Ada\r\nBcc: x", "Ada Bcc: x"),
        ("\x00\x1b[31m", "[31m"),
        ("", None),
        ("   ", None),
        ("x" * 100, "x" * 59 + "…"),
        (None, None),
    ],
)
def test_names_of_people(written: str | None, shown: str | None) -> None:
    """A name with a link in it is a spammer's: better no name at all."""
    assert made(person=Person(first_name=written))["profile"]["first_name"] == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://s.example/a?b=1&c=2#d", "https://s.example/a?b=1&c=2#d"),
        ("//cdn.example/a.png", "https://cdn.example/a.png"),
        (" https://s.example/ ", "https://s.example/"),
        ("http://127.0.0.1:4566/cup.png", "http://127.0.0.1:4566/cup.png"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://s.example/\"onclick='x'", None),
        ("https://s.example/a b", None),
        ("https://s.example/<script>", None),
        ("/relative", None),
        ("https://" + "a" * 2_000, None),
        ("", None),
        (None, None),
    ],
)
def test_addresses_are_of_the_web_or_not_there(written: str | None, shown: str | None) -> None:
    """In every place where a shop or a customer could have written one."""
    found = made(basket(Item(title="x", url=written, image=written), recovery_url=written))["event"]
    assert (found["recovery_url"], found["items"][0]["url"], found["items"][0]["image"]) == (shown, shown, shown)


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        (
            Address(name="Max M.", line1="Weg 1", city="Berlin", postcode="10969", region="BE", country="DE"),
            ["Max M.", "Weg 1", "10969 Berlin", "DE"],
        ),
        (
            Address(
                name="Ann",
                company="Acme",
                line1="1 Main St",
                line2="#2",
                city="Troy",
                region="NY",
                postcode="12180",
                country="US",
            ),
            ["Ann", "Acme", "1 Main St", "#2", "Troy NY 12180", "US"],
        ),
        (Address(), []),
    ],
)
def test_an_address_is_lines_in_the_order_of_its_country(address: Address, lines: list[str]) -> None:
    """What is missing leaves no empty line."""
    assert made(Order(id="1", updated_at=T0, ship_to=address))["event"]["ship_to"]["lines"] == lines


def test_a_mail_shows_at_most_a_hundred_lines_and_counts_what_it_can() -> None:
    """A basket of thousands of lines does not become a mail of megabytes."""
    found = made(basket(*(Item(title="x", quantity=2) for _ in range(300))))["event"]
    assert (len(found["items"]), found["item_count"]) == (names.MAX_ITEMS, 200)
    assert made(basket(Item(title="x"), item_count=7))["event"]["item_count"] == 7


def test_the_products_of_a_run_are_asked_for_once_each() -> None:
    """In the order of the lines; a run about something else needs none."""
    run = Run(id="r", flow="f", version="v", playbook="b", entered_at=T0, expires_at=T0)
    lines = basket(*(Item(title="x", product_id=one) for one in ("2", "1", "2", None)))
    assert names.product_ids(msgspec.structs.replace(run, trigger=lines)) == ("2", "1")
    assert names.product_ids(run) == ()


@given(st.text(max_size=300))
def test_cleaned_text_is_one_harmless_line(text: str) -> None:
    """For any text: no control, no line break, no direction override, no lone surrogate, not too long."""
    found = names.clean(text)
    if found is not None:
        assert found == found.strip() != ""
        assert len(found) <= 200
        assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0x202A <= ord(char) <= 0x202E for char in found)
        found.encode()
