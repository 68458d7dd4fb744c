"""What WooCommerce sends, topic by topic, and the events that it becomes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import (
    Address,
    Consent,
    Customer,
    Item,
    Order,
    Other,
    Person,
    Product,
    Refund,
    Variant,
    VariantStock,
)
from tests.shops.payloads import RECEIVED, woo, woo_customer, woo_line, woo_order, woo_product


def order_of(event: Event) -> Order:
    """Return the event's order."""
    assert isinstance(event.data, Order)
    return event.data


def at(text: str) -> datetime:
    """Return a moment of 2 March 2026, UTC."""
    return datetime.fromisoformat(f"2026-03-02T{text}").replace(tzinfo=UTC)


# --- orders ----------------------------------------------------------------------------------------------------------


def test_an_order_is_read_whole() -> None:
    """Every field of the fact, exactly; entities decoded, times UTC, a blank shipping address is the billing one."""
    (event,) = woo("order.created", woo_order())
    assert event.data == Order(
        id="727",
        number="727",
        status="placed",
        items=(
            Item(
                title="Sencha & Mint",
                quantity=2,
                product_id="93",
                variant_id="94",
                variant="50 g",
                sku="SM-50",
                price=Decimal(10),
                total=Decimal("20.00"),
                image="https://northwind-tea.example.com/sencha.jpg",
            ),
        ),
        item_count=2,
        currency="EUR",
        subtotal=Decimal("20.00"),
        discount=Decimal("0.00"),
        shipping=Decimal("5.00"),
        tax=Decimal("2.50"),
        total=Decimal("27.50"),
        placed_at=at("09:50:07"),
        paid_at=at("09:50:07"),
        ship_to=Address(name="Bo Lind", line1="Storgatan 1", city="Umeå", postcode="903 26", country="SE"),
        updated_at=at("09:50:08"),
    )
    assert event.type == "order.placed"
    assert event.who == Who(email="bo@example.com", phone="+46701740605")
    assert event.person == Person(first_name="Bo", last_name="Lind", country="SE", city="Umeå")
    assert event.problems == ()


@pytest.mark.parametrize(
    ("topic", "status", "kind", "stands"),
    [
        ("order.created", "processing", "order.placed", "placed"),
        ("order.created", "on-hold", "order.placed", "placed"),
        ("order.created", "completed", "order.placed", "placed"),
        ("order.created", "pending", "order.updated", "open"),
        ("order.created", "checkout-draft", "order.updated", "open"),
        ("order.created", "failed", "order.updated", "failed"),
        ("order.created", "wc-processing", "order.placed", "placed"),
        ("order.updated", "processing", "order.updated", "placed"),
        ("order.updated", "on-hold", "order.updated", "placed"),
        ("order.updated", "completed", "order.updated", "placed"),
        ("order.updated", "refunded", "order.updated", "placed"),
        ("order.updated", "pending", "order.updated", "open"),
        ("order.updated", "failed", "order.updated", "failed"),
        ("order.updated", "cancelled", "order.cancelled", "cancelled"),
        ("order.updated", "trash", "order.updated", "cancelled"),
        ("order.restored", "processing", "order.updated", "placed"),
    ],
)
def test_how_an_order_stands(topic: str, status: str, kind: str, stands: str) -> None:
    """Pending and failed are not placed; what becomes placed later is an update that says so."""
    (event,) = woo(topic, woo_order(status=status))
    assert (event.type, order_of(event).status) == (kind, stands)


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({}, "placed"),
        ({"date_paid_gmt": None}, "open"),
        ({"date_paid_gmt": None, "payment_method": "cod"}, "placed"),
        ({"date_paid_gmt": None, "payment_method": "bacs"}, "placed"),
    ],
)
def test_what_a_plugins_status_means_the_money_says(changes: Any, stands: str) -> None:
    """`awaiting-roast` comes after placing and `quote` before it: nobody but the plugin knows which is which."""
    (event,) = woo("order.created", woo_order(status="wc-awaiting-roast", **changes))
    assert order_of(event).status == stands
    assert event.type == ("order.placed" if stands == "placed" else "order.updated")


@pytest.mark.parametrize(
    ("changes", "placed"),
    [
        ({}, at("09:50:07")),
        ({"date_paid_gmt": None}, at("09:50:00")),
        ({"payment_method": "bacs", "date_paid_gmt": "2026-03-05T00:00:00"}, at("09:50:00")),
        ({"payment_method": "cod", "status": "completed", "date_paid_gmt": "2026-03-05T00:00:00"}, at("09:50:00")),
        ({"status": "pending", "date_paid_gmt": None}, None),
        ({"status": "failed", "date_paid_gmt": None}, None),
        ({"status": "cancelled", "date_paid_gmt": None}, None),
        ({"status": "cancelled"}, at("09:50:07")),
        ({"status": "cancelled", "payment_method": "bacs", "date_paid_gmt": None}, at("09:50:00")),
    ],
)
def test_when_an_order_was_placed(changes: Any, placed: datetime | None) -> None:
    """Paying places it, unless it is paid later by its kind; what timed out unpaid never was."""
    assert order_of(woo("order.updated", woo_order(**changes))[0]).placed_at == placed


def test_an_open_order_can_still_be_paid() -> None:
    """Its link is the way to pay; a placed one has no page that a guest can open."""
    assert order_of(woo("order.created", woo_order(status="pending"))[0]).url
    assert order_of(woo("order.created", woo_order())[0]).url is None


def test_prices_carry_the_tax_where_the_shop_shows_it() -> None:
    """A buyer who saw 11.00 must not read 10.00."""
    order = order_of(woo("order.created", woo_order(prices_include_tax=True, discount_tax="0.00"))[0])
    assert (order.items[0].price, order.items[0].total) == (Decimal("11.00"), Decimal("22.00"))
    assert (order.subtotal, order.shipping, order.total) == (Decimal("22.00"), Decimal("5.50"), Decimal("27.50"))


@pytest.mark.parametrize(
    ("line", "price", "total"),
    [
        (
            {"price": Decimal("33.333333"), "subtotal": "100.00", "total": "100.00", "quantity": 3},
            "33.333333",
            "100.00",
        ),
        ({"price": Decimal("8.5"), "subtotal": "20.00", "total": "17.00"}, "10.00", "17.00"),
        ({"price": None, "subtotal": "100.00", "total": "100.00", "quantity": 3}, "33.33", "100.00"),
        ({"price": 1200, "subtotal": "2400", "total": "2400"}, "1200", "2400"),
        ({"quantity": 0}, "10", "20.00"),
        ({"quantity": "2", "price": "10.00"}, "10.00", "20.00"),
    ],
)
def test_a_lines_price_is_before_its_total_after_discounts(line: Any, price: str, total: str) -> None:
    """As sent where nothing was taken off, else from the line's subtotal."""
    (item,) = order_of(woo("order.created", woo_order(line_items=[woo_line(**line)]))[0]).items
    assert (str(item.price), str(item.total)) == (price, total)


def test_refunds_add_up() -> None:
    """WooCommerce writes them as negative amounts."""
    refunds = [{"id": 1, "reason": "Dented", "total": "-5.00"}, {"id": 2, "reason": "", "total": "-2.50"}]
    body = woo_order(refunds=[*refunds, {"id": 3, "total": None}, {"id": 4, "total": "0.00"}])
    order = order_of(woo("order.updated", body)[0])
    assert order.refunded == Decimal("7.50")
    of: Any = {"order_id": "727", "number": "727", "currency": "EUR", "at": at("09:50:08")}
    assert order.refunds == (
        Refund(id="1", amount=Decimal("5.00"), reason="Dented", **of),
        Refund(id="2", amount=Decimal("2.50"), **of),
    )
    assert order_of(woo("order.updated", woo_order())[0]).refunded is None


@pytest.mark.parametrize(
    ("changes", "who"),
    [
        ({"customer_id": 0}, {}),
        ({"customer_id": 25}, {"shop_customer_id": "25"}),
        ({"customer_id": "25"}, {"shop_customer_id": "25"}),
    ],
)
def test_customer_zero_is_a_guest(changes: Any, who: dict[str, str]) -> None:
    """Nobody's id: else all guests would be one person."""
    assert woo("order.created", woo_order(**changes))[0].who == Who(email="bo@example.com", phone="+46701740605", **who)


@pytest.mark.parametrize("billing", [{}, [], None, {"email": "", "phone": ""}])
def test_an_order_made_in_the_back_office_can_name_nobody(billing: object) -> None:
    """That is no problem of the order."""
    (event,) = woo("order.created", woo_order(billing=billing))
    assert event.who.points() == ()
    assert event.problems == ()


def test_a_deleted_order_undoes_no_sale() -> None:
    """Only the id is sent."""
    (event,) = woo("order.deleted", {"id": 727})
    assert event.type == "delivery.unknown"


@pytest.mark.parametrize("topic", ["order.created", "customer.updated", "product.updated", "product.deleted"])
def test_a_resource_without_its_id_is_malformed(topic: str) -> None:
    """There is nothing to upsert."""
    with pytest.raises(MalformedBodyError, match=topic):
        woo(topic, {"status": "processing"})


# --- consent ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["yes", "1", 1, True, "on", " TRUE "])
def test_the_checkouts_box_is_consent_from_the_orders_creation(value: object) -> None:
    """However late the order is sent again."""
    meta = [{"id": 1, "key": "_rekindle_consent", "value": value}]
    order, consent = woo("order.updated", woo_order(meta_data=meta, date_modified_gmt="2026-03-09T00:00:00"))
    expected = Consent(
        channel="email", state="subscribed", at=at("09:50:00"), source="checkout", address="bo@example.com"
    )
    assert consent.data == expected
    assert consent.who == order.who


@pytest.mark.parametrize(
    "meta",
    [
        [],
        None,
        "yes",
        [{"key": "_rekindle_consent", "value": "no"}],
        [{"key": "_rekindle_consent", "value": ""}],
        [{"key": "_rekindle_consent", "value": 0}],
        [{"key": "_rekindle_consent", "value": {"yes": True}}],
        [{"key": "_rekindle_consent", "value": ["yes"]}],
        [{"key": ["_rekindle_consent"], "value": "yes"}],
        [{"key": "gift_wrap", "value": "yes"}],
        ["_rekindle_consent"],
    ],
)
def test_anything_else_is_no_act(meta: object) -> None:
    """Meta values are of any type, and most say nothing about marketing."""
    assert [event.type for event in woo("order.created", woo_order(meta_data=meta))] == ["order.placed"]


def test_the_boxs_meta_key_is_the_shops_choice() -> None:
    """Every checkout plugin writes its own."""
    body = woo_order(meta_data=[{"key": "_wc_other/shop/newsletter", "value": "1"}])
    assert len(woo("order.created", body)) == 1
    assert len(woo("order.created", body, consent_keys=("_wc_other/shop/newsletter",))) == 2


def test_a_box_counts_once_the_checkout_is_sent() -> None:
    """A draft is saved while the buyer still types; a pending order was sent."""
    meta = [{"key": "marketing_opt_in", "value": "yes"}]
    assert len(woo("order.created", woo_order(status="checkout-draft", meta_data=meta))) == 1
    assert len(woo("order.created", woo_order(status="pending", meta_data=meta))) == 2


# --- customers and products ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["customer.created", "customer.updated"])
def test_a_customer_is_a_person(topic: str) -> None:
    """The account's address, not the billing one."""
    (event,) = woo(topic, woo_customer())
    assert event.data == Customer(id="25", updated_at=datetime(2026, 2, 1, tzinfo=UTC))
    assert event.who == Who(email="bo@example.com", phone="+46701740605", shop_customer_id="25")
    assert event.person == Person(first_name="Bo", last_name="Lind", country="SE", city="Umeå")


def test_a_customer_that_was_never_changed_is_as_old_as_its_account() -> None:
    """`date_modified_gmt` is null until then."""
    (event,) = woo("customer.created", woo_customer(date_modified_gmt=None))
    assert event.occurred_at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("topic", ["product.created", "product.updated"])
def test_a_product_is_what_the_catalogue_shows(topic: str) -> None:
    """With the regular price beside the sale's."""
    (event,) = woo(topic, woo_product(), currency="EUR")
    assert event.data == Product(
        id="93",
        title="Sencha & Mint",
        url="https://northwind-tea.example.com/product/sencha-mint/",
        image="https://northwind-tea.example.com/sencha.jpg",
        image_alt="Sencha with mint leaves",
        price=Decimal("9.00"),
        compare_at=Decimal("10.00"),
        currency="EUR",
        in_stock=True,
        kind="Green tea",
        tags=("mint",),
        updated_at=datetime(2026, 3, 1, tzinfo=UTC),
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
        published=True,
        collections=("Green tea",),
    )


@pytest.mark.parametrize(
    ("changes", "quantity", "low_at"),
    [
        ({"manage_stock": True, "stock_quantity": 4, "low_stock_amount": 2}, 4, 2),
        ({"manage_stock": True, "stock_quantity": -1, "low_stock_amount": ""}, 0, None),
        ({"manage_stock": False, "stock_quantity": None, "low_stock_amount": None}, None, None),
        ({"manage_stock": "parent", "stock_quantity": 9}, None, None),
    ],
)
def test_pieces_are_known_where_somebody_counts(changes: Any, quantity: int | None, low_at: int | None) -> None:
    data = woo("product.updated", woo_product(**changes))[0].data
    assert isinstance(data, Product)
    assert (data.quantity, data.low_at) == (quantity, low_at)


def test_only_a_simple_product_says_that_it_has_no_variants() -> None:
    """The body of a variable one has ids only: what its variations told by themselves stays known."""
    for kind, variants in (("simple", ()), ("variable", None)):
        data = woo("product.updated", woo_product(type=kind, variations=[94, 95]))[0].data
        assert isinstance(data, Product)
        assert data.variants == variants


@pytest.mark.parametrize("changes", [{"status": "private"}, {"status": "draft"}, {"catalog_visibility": "hidden"}])
def test_a_product_that_is_not_shown_has_no_address(changes: Any) -> None:
    """Nobody should be sent there."""
    data = woo("product.updated", woo_product(**changes))[0].data
    assert isinstance(data, Product)
    assert data.url is None


@pytest.mark.parametrize(
    ("status", "in_stock"), [("instock", True), ("onbackorder", True), ("outofstock", False), (None, None)]
)
def test_stock(status: str | None, in_stock: bool | None) -> None:
    """What can be ordered is in stock."""
    data = woo("product.updated", woo_product(stock_status=status))[0].data
    assert isinstance(data, Product)
    assert data.in_stock is in_stock


def test_a_product_without_a_price_has_none() -> None:
    """WooCommerce writes an empty text."""
    (event,) = woo("product.updated", woo_product(price="", regular_price=""))
    assert isinstance(event.data, Product)
    assert (event.data.price, event.data.compare_at, event.problems) == (None, None, ())


def test_a_variation_is_one_kind_of_its_product() -> None:
    """It comes under the product's topic, and lines of orders name the parent."""
    sizes = [{"id": 1, "name": "Size", "option": "100&nbsp;g"}, {"id": 2, "name": "Grind", "option": "fine"}]
    stock = {"manage_stock": True, "stock_quantity": 2}
    body = woo_product(type="variation", parent_id=93, id=94, attributes=sizes, sku="S-100", **stock)
    (event,) = woo("product.updated", body)
    when = datetime(2026, 3, 1, tzinfo=UTC)
    variant = Variant("94", "100\xa0g, fine", Decimal("9.00"), True, 2, Decimal("10.00"), "S-100", when)
    assert (event.type, event.data) == (
        "variant.updated", VariantStock(product_id="93", variant=variant, updated_at=when),
    )  # fmt: skip


def test_a_variation_that_is_switched_off_cannot_be_bought() -> None:
    data = woo("product.updated", woo_product(type="variation", parent_id=93, id=94, status="private"))[0].data
    assert isinstance(data, VariantStock)
    assert data.variant.in_stock is False


def test_a_variation_that_does_not_say_whose_it_is_is_kept_as_sent() -> None:
    """As the REST API lists it."""
    body = {"id": 94, "price": "9.00", "status": "publish", "image": {"src": "https://x.example/94.jpg"}}
    (event,) = woo("product.updated", body)
    assert event.type == "delivery.unknown"


def test_a_restored_product_is_there_again() -> None:
    (event,) = woo("product.restored", woo_product())
    assert isinstance(event.data, Product)
    assert not event.data.deleted


def test_a_deleted_account_is_only_an_id() -> None:
    (event,) = woo("customer.deleted", {"id": 25})
    assert event.data == Customer(id="25", deleted=True, updated_at=RECEIVED)
    assert event.who == Who(shop_customer_id="25")


@pytest.mark.parametrize(("topic", "body"), [("customer.deleted", woo_customer()), ("product.deleted", woo_product())])
def test_a_whole_resource_under_the_topic_of_deletions_is_not_deleted(topic: str, body: Any) -> None:
    """A captured update comes back under another topic: the body is signed, the header is not."""
    (event,) = woo(topic, body)
    assert isinstance(event.data, Customer | Product)
    assert not event.data.deleted
    assert event.problems


def test_a_place_has_its_region_where_it_is_a_code() -> None:
    """Some have the country before it, and some are whatever the buyer typed."""
    for country, state, region in (
        ("AU", "nsw", "NSW"),
        ("JP", "JP13", "13"),
        ("TH", "TH-10", "10"),
        ("SE", "Skåne", None),
    ):
        person = woo("customer.updated", woo_customer(shipping={"country": country, "state": state}))[0].person
        assert person is not None
        assert (person.country, person.region) == (country, region)


# --- the rest --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "named", "problems"),
    [
        ({"action": "woocommerce_payment_complete", "arg": 727}, "727", 0),
        ({"action": "woocommerce_payment_complete", "arg": {"x": 1}}, None, 0),
        ({"arg": 727}, "727", 0),
        ({"action": "other"}, None, 1),
    ],
)
def test_an_action_is_kept_under_its_name(body: Any, named: str | None, problems: int) -> None:
    """With its argument where that is an id; the name in the body is signed, the one in the header is not."""
    (event,) = woo("action.woocommerce_payment_complete", body)
    name = body.get("action", "woocommerce_payment_complete")
    assert (event.type, event.data) == ("delivery.unknown", Other(topic=f"action.{name}", id=named))
    assert len(event.problems) == problems


@pytest.mark.parametrize("topic", ["coupon.created", "coupon.updated", "coupon.deleted", "coupon.restored"])
def test_a_coupon_is_kept_as_sent(topic: str) -> None:
    (event,) = woo(topic, {"id": 16, "code": "spring", "amount": "5.00"})
    assert (event.type, event.data) == ("delivery.unknown", Other(topic=topic, id="16"))


def test_a_deleted_product_is_only_an_id() -> None:
    """WooCommerce does not say when: as of now."""
    (event,) = woo("product.deleted", {"id": 93})
    assert event.data == Product(id="93", deleted=True, updated_at=RECEIVED)
