"""What real shops send and no documentation shows: one table for each oddity, over both platforms."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from rekindle.domain.events import Event
from rekindle.domain.facts import Order
from tests.shops.payloads import (
    Json,
    bag,
    shopify,
    shopify_checkout,
    shopify_customer,
    shopify_line,
    shopify_order,
    woo,
    woo_line,
    woo_order,
)

Send = Callable[..., Event]


def send_shopify(**changes: Any) -> Event:
    """Return the event of a Shopify order."""
    return shopify("orders/updated", shopify_order(**changes))[0]


def send_woo(**changes: Any) -> Event:
    """Return the event of a WooCommerce order."""
    return woo("order.updated", woo_order(**changes))[0]


BOTH = pytest.mark.parametrize(
    ("send", "line"), [(send_shopify, shopify_line), (send_woo, woo_line)], ids=["shopify", "woocommerce"]
)


def order_of(event: Event) -> Order:
    """Return the event's order."""
    assert isinstance(event.data, Order)
    return event.data


@BOTH
@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("شاي الياسمين", "شاي الياسمين"),
        ("茉莉龍珠", "茉莉龍珠"),
        ("Tea 🍵 for 👩‍❤️‍👨", "Tea 🍵 for 👩‍❤️‍👨"),
        ("Jasmine\u202e slraeP", "Jasmine slraeP"),
        ("\u2067עברית\u2069", "עברית"),
        ("two\r\nlines\x00", "two  lines"),
        ("{{ 7 * 7 }} <b>&copy;</b>", None),
    ],
)
def test_names_in_any_script(send: Send, line: Callable[..., Json], name: str, clean: str | None) -> None:
    """Kept as written but for what turns text round or hides; nothing in them is a template or markup here."""
    person = {"first_name": name, "last_name": ""}
    who: Json = {"customer": shopify_customer(**person)} if send is send_shopify else {"billing": person}
    item = line(title=name) if send is send_shopify else line(name=name, parent_name=None)
    event = send(line_items=[item], **who)
    expected = clean or (name if send is send_shopify else "{{ 7 * 7 }} <b>©</b>")
    assert order_of(event).items[0].title == expected
    assert event.person is not None
    assert event.person.first_name == expected


@BOTH
def test_five_hundred_lines(send: Send, line: Callable[..., Json]) -> None:
    order = order_of(send(line_items=[line(sku=str(number)) for number in range(500)]))
    assert (len(order.items), order.item_count) == (500, 1000)
    assert [item.sku for item in order.items] == [str(number) for number in range(500)]


@BOTH
@pytest.mark.parametrize("number", [9007199254740993, 18446744073709551615, 2**100])
def test_ids_beyond_what_a_float_holds(send: Send, line: Callable[..., Json], number: int) -> None:
    """To the last digit, wherever they stand."""
    order = order_of(send(id=number, line_items=[line(product_id=number)]))
    assert (order.id, order.items[0].product_id) == (str(number), str(number))


@BOTH
@pytest.mark.parametrize(
    ("currency", "total"),
    [("JPY", "1200"), ("KRW", "38000"), ("CLP", "12990"), ("KWD", "12.345"), ("EUR", "0.30"), ("USD", "123456789.01")],
)
def test_money_of_any_currency_is_exact(send: Send, line: Callable[..., Json], currency: str, total: str) -> None:
    """With the digits that the shop wrote: none, two or three."""
    del line
    order = order_of(send(currency=currency, total=total, total_price=total, total_price_set=None))
    assert (order.currency, str(order.total)) == (currency, total)


@BOTH
@pytest.mark.parametrize("lines", [None, [], {}, "x", [None], [[]], ["x"]])
def test_an_order_may_have_no_lines(send: Send, line: Callable[..., Json], lines: Any) -> None:
    del line
    assert order_of(send(line_items=lines)).items == ()


@pytest.mark.parametrize(
    ("send", "field"),
    [
        *((send_shopify, field) for field in sorted(shopify_order())),
        *((send_woo, field) for field in sorted(woo_order())),
    ],
)
@pytest.mark.parametrize("value", [None, [], {}, "", "x", 0, -1, True, Decimal("0.1"), [[]], [{}], {"a": []}])
def test_any_field_may_hold_anything(send: Send, field: str, value: Any) -> None:
    """The rest is told all the same; only an order without its id is nothing."""
    if field == "id":
        return
    event = send(**{field: value})
    assert isinstance(event.data, Order)
    assert event.data.id in ("450789469", "727")


def test_shops_with_several_currencies() -> None:
    """Shopify's orders count in the shop's, its checkouts in the buyer's."""
    both = {"presentment_currency": "EUR", "total_price": "26.10", "total_price_set": bag("38.42", presentment="26.10")}
    assert (order_of(send_shopify(**both)).currency, order_of(send_shopify(**both)).total) == ("CAD", Decimal("38.42"))
    (event,) = shopify("checkouts/update", shopify_checkout(presentment_currency="EUR", currency="CAD"))
    assert event.data.currency == "EUR"  # type: ignore[union-attr]


def test_a_test_order_says_so() -> None:
    """The road decides what becomes of it."""
    assert order_of(send_shopify(test=True)).test
    assert not order_of(send_shopify(test="true")).test


@pytest.mark.parametrize("address", [None, [], {}, {"phone": "613-555-0142"}, {"city": "  "}, "12 Rideau Street"])
def test_an_address_with_nothing_in_it_is_none(address: Any) -> None:
    """Shopify sends `[]` for a missing one, and gift cards have one that is blank."""
    order = order_of(send_shopify(shipping_address=address))
    assert order.ship_to is None
