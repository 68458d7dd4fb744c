"""What Shopify sends, topic by topic, and the events that it becomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import EVENT_TYPES, Event, Who
from rekindle.domain.facts import (
    Address,
    Basket,
    Consent,
    Customer,
    Item,
    Order,
    Person,
    Product,
    Variant,
    VariantStock,
)
from tests.shops.payloads import (
    RECEIVED,
    bag,
    shopify,
    shopify_cart,
    shopify_checkout,
    shopify_customer,
    shopify_fulfillment,
    shopify_line,
    shopify_order,
    shopify_product,
    shopify_refund,
    shopify_report,
)


def order_of(event: Event) -> Order:
    """Return the event's order."""
    assert isinstance(event.data, Order)
    return event.data


def basket_of(event: Event) -> Basket:
    """Return the event's basket."""
    assert isinstance(event.data, Basket)
    return event.data


def consents_of(events: tuple[Event, ...]) -> list[Consent]:
    """Return the consents that these events tell."""
    return [event.data for event in events if isinstance(event.data, Consent)]


def at(text: str) -> datetime:
    """Return a moment of 2 March 2026, UTC."""
    return datetime.fromisoformat(f"2026-03-02T{text}").replace(tzinfo=UTC)


# --- orders ----------------------------------------------------------------------------------------------------------


def test_an_order_is_read_whole() -> None:
    """Every field of the fact, exactly."""
    (event,) = shopify("orders/create", shopify_order())
    assert event.data == Order(
        id="450789469",
        number="#1001",
        status="placed",
        cart_token="cart-1",
        checkout_token="checkout-1",
        items=(
            Item(
                title="Jasmine Pearls",
                quantity=2,
                product_id="632910392",
                variant_id="808950810",
                variant="100 g",
                sku="JP-100",
                price=Decimal("14.50"),
                total=Decimal("29.00"),
            ),
        ),
        item_count=2,
        currency="CAD",
        subtotal=Decimal("29.00"),
        discount=Decimal("0.00"),
        shipping=Decimal("5.00"),
        tax=Decimal("4.42"),
        total=Decimal("38.42"),
        placed_at=at("09:49:58"),
        url="https://northwind-tea.example.com/1/orders/abc/authenticate?key=k",
        ship_to=Address(
            name="Ann Ivory",
            line1="12 Rideau Street",
            line2="Apt 4",
            city="Ottawa",
            region="Ontario",
            postcode="K1N 5X4",
            country="CA",
        ),
        updated_at=at("09:50:03"),
    )
    assert event.type == "order.placed"
    assert event.occurred_at == at("09:49:58")
    assert event.who == Who(
        email="ann@example.com", shop_customer_id="207119551", cart_token="cart-1", checkout_token="checkout-1"
    )
    assert event.person == Person(first_name="Ann", last_name="Ivory", locale="en-CA", country="CA", city="Ottawa")
    assert event.problems == ()


@pytest.mark.parametrize(
    ("topic", "changes", "kind", "status"),
    [
        ("orders/create", {}, "order.placed", "placed"),
        ("orders/updated", {}, "order.updated", "placed"),
        ("orders/paid", {}, "order.paid", "placed"),
        ("orders/fulfilled", {"fulfillment_status": "fulfilled"}, "order.fulfilled", "placed"),
        ("orders/partially_fulfilled", {"fulfillment_status": "partial"}, "order.updated", "placed"),
        ("orders/cancelled", {"cancelled_at": "2026-03-02T05:00:00-05:00"}, "order.cancelled", "cancelled"),
        ("orders/updated", {"cancelled_at": "2026-03-02T05:00:00-05:00"}, "order.updated", "cancelled"),
    ],
)
def test_each_topic_tells_its_event_with_the_whole_order(topic: str, changes: Any, kind: str, status: str) -> None:
    """One shape for all of them."""
    (event,) = shopify(topic, shopify_order(**changes))
    assert (event.type, order_of(event).status, event.problems) == (kind, status, ())
    assert order_of(event).total == Decimal("38.42")


@pytest.mark.parametrize(
    ("topic", "changes"),
    [
        ("orders/cancelled", {"cancelled_at": None}),
        ("orders/paid", {"financial_status": "pending"}),
        ("orders/fulfilled", {"fulfillment_status": None}),
    ],
)
def test_a_body_that_contradicts_its_unsigned_topic_is_only_an_update(topic: str, changes: Any) -> None:
    """A captured orders/create comes back as a cancellation: the body is signed, the header is not."""
    (event,) = shopify(topic, shopify_order(**changes))
    assert event.type == "order.updated"
    assert event.problems
    order = order_of(event)
    assert (order.status, order.paid_at, order.fulfilled_at, order.cancelled_at) == ("placed", None, None, None)
    (believed,) = shopify(topic, shopify_order(**changes, test=True))
    assert believed.type != "order.updated"
    assert order_of(believed).test


def test_the_moments_of_an_order() -> None:
    """Paid when the paid webhook says so, fulfilled with the last parcel, cancelled when it was."""
    (paid,) = shopify("orders/paid", shopify_order())
    assert order_of(paid).paid_at == at("09:50:03")
    parcels = [{"created_at": "2026-03-02T06:00:00-05:00"}, {"created_at": "2026-03-02T07:00:00-05:00"}, {}]
    (sent,) = shopify("orders/fulfilled", shopify_order(fulfillment_status="fulfilled", fulfillments=parcels))
    assert (order_of(sent).fulfilled_at, sent.occurred_at) == (at("12:00:00"), at("12:00:00"))
    (partly,) = shopify("orders/updated", shopify_order(fulfillment_status="partial", fulfillments=parcels))
    assert order_of(partly).fulfilled_at is None


def test_an_imported_order_was_placed_when_it_was_processed() -> None:
    """Apps that import history set `processed_at` to the past: nothing fresh must start from it."""
    (event,) = shopify("orders/create", shopify_order(processed_at="2019-05-01T00:00:00Z"))
    assert event.occurred_at == order_of(event).placed_at == datetime(2019, 5, 1, tzinfo=UTC)


def test_money_is_the_shops_where_shopify_sends_both() -> None:
    """The buyer paid in euros; the order counts in the shop's dollars."""
    body = shopify_order(
        presentment_currency="EUR",
        total_price="26.10",
        total_price_set=bag("38.42", presentment="26.10"),
        line_items=[shopify_line(price="9.85", price_set=bag("14.50", presentment="9.85"))],
    )
    order = order_of(shopify("orders/create", body)[0])
    assert (order.currency, order.total, order.items[0].price) == ("CAD", Decimal("38.42"), Decimal("14.50"))


def test_money_is_plain_where_there_is_nothing_else() -> None:
    """Subscriptions with a field filter send no bags; a yen has no cents."""
    body = {"id": 1, "currency": "jpy", "total_price": "1200", "line_items": [{"title": "茶", "price": "1200"}]}
    order = order_of(shopify("orders/create", body)[0])
    assert (order.currency, str(order.total), str(order.items[0].price)) == ("JPY", "1200", "1200")


def test_a_lines_total_is_after_its_discounts() -> None:
    """Allocations hold what codes and the line's own discounts take off; without them, the line's own."""
    allocated = shopify_line(
        discount_allocations=[{"amount": "3.00", "amount_set": bag("3.00")}, {"amount": "1.50"}], total_discount="9.99"
    )
    own = shopify_line(total_discount="2.00", total_discount_set=bag("2.00"))
    items = order_of(shopify("orders/create", shopify_order(line_items=[allocated, own]))[0]).items
    assert [item.total for item in items] == [Decimal("24.50"), Decimal("27.00")]
    assert [item.price for item in items] == [Decimal("14.50")] * 2


def test_refunds_add_up_in_the_shops_currency() -> None:
    """What went back: successful refund transactions, or a refund's lines where those are in another currency."""
    same = {
        "transactions": [
            {"kind": "refund", "status": "success", "amount": "10.00", "currency": "CAD"},
            {"kind": "refund", "status": "failure", "amount": "99.00", "currency": "CAD"},
            {"kind": "capture", "status": "success", "amount": "99.00", "currency": "CAD"},
        ]
    }
    other = {
        "transactions": [{"kind": "refund", "status": "success", "amount": "5.00", "currency": "EUR"}],
        "refund_line_items": [{"subtotal_set": bag("7.00", presentment="4.75"), "total_tax_set": bag("0.35")}],
        "order_adjustments": [{"amount_set": bag("-2.00"), "tax_amount_set": bag("-0.10")}],
    }
    order = order_of(shopify("orders/updated", shopify_order(refunds=[same, other]))[0])
    assert (order.refunded, order.refunds) == (Decimal("19.45"), ())
    assert order_of(shopify("orders/updated", shopify_order())[0]).refunded is None


@pytest.mark.parametrize(
    ("changes", "who"),
    [
        ({"customer": None}, {"email": "ann@example.com"}),
        ({"email": "", "contact_email": None, "customer": None}, {}),
        ({"email": "", "contact_email": ""}, {"email": "ann@example.com", "shop_customer_id": "207119551"}),
        (
            {"email": "gift@example.com"},
            {"email": "gift@example.com", "shop_customer_id": "207119551"},
        ),
        ({"phone": "613-555-0142", "customer": None}, {"email": "ann@example.com", "phone": "+16135550142"}),
        (
            {"customer": shopify_customer(id=9007199254740995)},
            {"email": "ann@example.com", "shop_customer_id": "9007199254740995"},
        ),
        ({"customer": [], "shipping_address": []}, {"email": "ann@example.com"}),
    ],
    ids=["no-customer", "nobody", "account", "another-address", "phone", "long-id", "empty-lists"],
)
def test_who_placed_an_order(changes: Any, who: dict[str, str]) -> None:
    """The order's own address first, then the account's; a phone number is the buyer's, not the receiver's."""
    (event,) = shopify("orders/create", shopify_order(**changes))
    assert event.who == Who(**who, cart_token="cart-1", checkout_token="checkout-1")


def test_two_addresses_in_one_order_are_noted() -> None:
    """Whoever merges people must see that the account's address is another one."""
    (event,) = shopify("orders/create", shopify_order(email="gift@example.com"))
    assert event.problems == ("customer.email: is not the address used here, and was left out",)


def test_what_is_unusable_is_left_out_and_said() -> None:
    """The order counts all the same."""
    body = shopify_order(
        email="ann@", contact_email=None, customer=None, phone="call me", total_price="much", total_price_set=None
    )
    (event,) = shopify("orders/create", body | {"currency": "dollars", "customer_locale": "?"})
    assert {problem.partition(":")[0] for problem in event.problems} == {
        "email",
        "phone",
        "total_price",
        "currency",
        "customer_locale",
    }
    order = order_of(event)
    assert (order.id, order.total, order.currency, event.who.email) == ("450789469", None, None, None)


@pytest.mark.parametrize("title", ["شاي الياسمين", "茉莉龍珠", "Tea 🍵 for two 👩‍❤️‍👨", "Jasmine\u202e sl", "x" * 5000])
def test_titles_in_any_script(title: str) -> None:
    """Kept as written, without what turns the text after it round."""
    order = order_of(shopify("orders/create", shopify_order(line_items=[shopify_line(title=title)]))[0])
    assert order.items[0].title == title.replace("\u202e", "")


def test_five_hundred_lines() -> None:
    """Shopify's limit; every line is there."""
    order = order_of(shopify("orders/create", shopify_order(line_items=[shopify_line()] * 500))[0])
    assert (len(order.items), order.item_count) == (500, 1000)


@pytest.mark.parametrize(
    "topic",
    [
        "orders/create",
        "refunds/create",
        "fulfillments/create",
        "fulfillment_events/create",
        "customers/update",
        "customers/delete",
        "customer.tags_added",
        "products/update",
        "products/delete",
        "carts/update",
        "checkouts/update",
    ],
)
def test_a_resource_without_its_id_is_malformed(topic: str) -> None:
    """There is nothing to upsert."""
    with pytest.raises(MalformedBodyError, match=topic):
        shopify(topic, {"updated_at": "2026-03-02T04:50:03-05:00"})


# --- carts and checkouts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["carts/create", "carts/update"])
def test_a_cart_is_a_basket_that_names_nobody(topic: str) -> None:
    """Its subtotal is that of its lines, in the shop's currency."""
    (event,) = shopify(topic, shopify_cart())
    assert event.type == "cart.updated"
    assert event.who == Who(cart_token="cart-1")
    assert event.data == Basket(
        id="cart-1",
        cart_token="cart-1",
        items=(
            Item(
                title="Jasmine Pearls - 100 g",
                quantity=2,
                product_id="632910392",
                variant_id="808950810",
                sku="JP-100",
                price=Decimal("14.50"),
                total=Decimal("27.00"),
            ),
        ),
        item_count=2,
        currency="CAD",
        subtotal=Decimal("27.00"),
        created_at=at("09:00:00"),
        updated_at=at("09:05:00"),
    )


def test_an_emptied_cart_is_a_basket_without_items() -> None:
    """Also when a line of quantity zero is left in it."""
    for lines in ([], [{"title": "Jasmine Pearls", "quantity": 0}]):
        (event,) = shopify("carts/update", shopify_cart(line_items=lines), currency="CAD")
        basket = basket_of(event)
        assert (basket.items, basket.item_count, basket.subtotal, basket.currency) == ((), 0, Decimal(0), "CAD")


def test_a_carts_token_is_joined_without_its_key() -> None:
    """Newer carts carry a secret behind the token; checkout and order do not."""
    (event,) = shopify("carts/update", shopify_cart(token="abc?key=secret"))
    assert (basket_of(event).id, event.who.cart_token) == ("abc", "abc")


@pytest.mark.parametrize("topic", ["checkouts/create", "checkouts/update"])
def test_a_checkout_is_the_same_basket(topic: str) -> None:
    """It shares the cart's id, names the buyer, and has the link that brings them back."""
    (event,) = shopify(topic, shopify_checkout())
    basket = basket_of(event)
    assert event.type == "checkout.updated"
    assert event.occurred_at == basket.updated_at == at("09:10:00")
    assert (basket.id, basket.cart_token, basket.checkout_token) == ("cart-1", "cart-1", "checkout-1")
    assert basket.recovery_url == "https://northwind-tea.example.com/1/checkouts/checkout-1/recover?key=k"
    assert (basket.total, basket.subtotal, basket.codes) == (Decimal("36.42"), Decimal("27.00"), ("SPRING",))
    assert basket.completed_at is None
    (item,) = basket.items
    assert (item.title, item.variant, item.price, item.total) == (
        "Perles de jasmin",
        "100 g",
        Decimal("14.50"),
        Decimal("27.00"),
    )
    assert event.who == Who(email="ann@example.com", cart_token="cart-1", checkout_token="checkout-1")
    assert event.person == Person(locale="fr-CA")


def test_a_checkout_without_a_cart_is_its_own_basket() -> None:
    """A "buy now" button makes none."""
    (event,) = shopify("checkouts/update", shopify_checkout(cart_token=None))
    assert (basket_of(event).id, event.who.cart_token) == ("checkout-1", None)


@pytest.mark.parametrize(
    "changes", [{"email": None}, {"email": ""}, {"email": None, "customer": None, "shipping_address": []}, {"id": 98}]
)
def test_a_checkout_in_any_state_of_being_filled_in(changes: Any) -> None:
    """Most arrive before anybody has typed an address; old API versions have an id."""
    (event,) = shopify("checkouts/update", shopify_checkout(**changes))
    assert event.problems == ()
    assert basket_of(event).item_count == 2


def test_a_checkouts_money_is_the_buyers() -> None:
    """It has plain amounts only, and those are in the presentment currency."""
    (event,) = shopify("checkouts/update", shopify_checkout(presentment_currency="EUR"))
    assert basket_of(event).currency == "EUR"


def test_a_completed_checkout_says_when() -> None:
    """And has become an order."""
    (event,) = shopify("checkouts/update", shopify_checkout(completed_at="2026-03-02T04:50:00-05:00"))
    assert basket_of(event).completed_at == at("09:50:00")


def test_a_deleted_checkout_empties_nothing() -> None:
    """Shopify clears it away after completion or expiry: that must not end a reminder, nor start one."""
    (event,) = shopify("checkouts/delete", {"id": 981820079255243537, "cart_token": "cart-1"})
    assert (event.type, event.who.points()) == ("delivery.unknown", ())


# --- consent ---------------------------------------------------------------------------------------------------------


def test_a_ticked_box_is_consent_from_the_moment_the_checkout_began() -> None:
    """However late it is sent again: an old tick never beats a later unsubscribe."""
    body = shopify_checkout(buyer_accepts_marketing=True, updated_at="2026-03-09T00:00:00Z")
    events = shopify("checkouts/update", body)
    assert [event.type for event in events] == ["checkout.updated", "consent.changed"]
    consent = Consent(
        channel="email", state="subscribed", at=at("09:06:00"), source="checkout", address="ann@example.com"
    )
    assert events[1].data == consent
    assert events[1].occurred_at == consent.at
    assert events[1].who == events[0].who


def test_a_ticked_box_on_an_order_counts_from_the_order() -> None:
    """From the earlier of created and processed: an import is not an act of today."""
    events = shopify("orders/updated", shopify_order(buyer_accepts_marketing=True, updated_at="2026-03-09T00:00:00Z"))
    (consent,) = consents_of(events)
    assert (consent.source, consent.at, consent.address) == ("order", at("09:49:58"), "ann@example.com")


@pytest.mark.parametrize("value", [False, None, "true", 1])
def test_not_ticking_is_no_act(value: object) -> None:
    """It neither grants nor takes anything away; neither does what is no boolean."""
    assert consents_of(shopify("checkouts/update", shopify_checkout(buyer_accepts_marketing=value))) == []
    assert consents_of(shopify("orders/create", shopify_order(buyer_accepts_marketing=value))) == []


def test_a_box_without_a_usable_address_grants_nothing() -> None:
    """Consent is per address."""
    assert consents_of(shopify("checkouts/update", shopify_checkout(buyer_accepts_marketing=True, email=None))) == []


def test_the_sms_box_is_consent_for_its_number() -> None:
    """Which need not be the buyer's other number."""
    events = shopify(
        "checkouts/update",
        shopify_checkout(buyer_accepts_sms_marketing=True, sms_marketing_phone="+16135550142", phone="+16135550199"),
    )
    (consent,) = consents_of(events)
    assert (consent.channel, consent.address, consent.at) == ("sms", "+16135550142", at("09:06:00"))
    assert events[1].who.phone == "+16135550142"


STATES = ["not_subscribed", "pending", "subscribed", "unsubscribed", "redacted", "invalid"]


@pytest.mark.parametrize("state", STATES)
def test_every_consent_state_comes_through_at_its_own_time(state: str) -> None:
    """By its own topic and inline, for e-mail and SMS, in either case."""
    when = "2026-02-01T00:00:00Z"
    said = {"state": state.upper(), "opt_in_level": "single_opt_in", "consent_updated_at": when}
    own = shopify(
        "customers_email_marketing_consent/update",
        {"customer_id": 7, "email_address": "Ann@example.com", "email_marketing_consent": said},
    )
    sms = shopify(
        "customers_marketing_consent/update", {"id": 7, "phone": "+16135550142", "sms_marketing_consent": said}
    )
    customer = shopify_customer(phone="+16135550142", email_marketing_consent=said, sms_marketing_consent=said)
    inline = shopify("customers/update", customer)
    in_order = shopify("orders/updated", shopify_order(customer=customer))
    expected = [
        Consent(channel=channel, state=state, at=datetime(2026, 2, 1, tzinfo=UTC), source="customer", address=address)  # type: ignore[arg-type]
        for channel, address in (("email", "ann@example.com"), ("sms", "+16135550142"))
    ]
    assert [*consents_of(own), *consents_of(sms)] == expected
    assert consents_of(inline) == expected
    assert consents_of(in_order) == expected
    assert own[0].who == Who(email="ann@example.com", shop_customer_id="7")
    assert sms[0].who == Who(phone="+16135550142", shop_customer_id="7")


@pytest.mark.parametrize(
    ("state", "dated"),
    [
        ("subscribed", datetime(2025, 6, 1, 14, tzinfo=UTC)),
        ("pending", datetime(2025, 6, 1, 14, tzinfo=UTC)),
        ("unsubscribed", at("09:00:00")),
        ("invalid", at("09:00:00")),
        ("not_subscribed", None),
        (None, None),
    ],
)
def test_a_state_on_a_record_without_a_time_is_dated_with_caution(state: str | None, dated: datetime | None) -> None:
    """A grant as early as the record, a refusal as late as the change; never having said anything is no act."""
    body = shopify_customer(email_marketing_consent={"state": state, "consent_updated_at": None})
    assert [consent.at for consent in consents_of(shopify("customers/update", body))] == ([dated] if dated else [])


@pytest.mark.parametrize(
    ("state", "triggered", "dated"),
    [
        ("unsubscribed", None, RECEIVED),
        ("not_subscribed", None, RECEIVED),
        ("unsubscribed", RECEIVED - timedelta(hours=3), RECEIVED - timedelta(hours=3)),
        ("subscribed", RECEIVED - timedelta(hours=3), RECEIVED - timedelta(hours=3)),
        ("subscribed", None, None),
    ],
)
def test_a_consent_webhook_without_a_time_is_dated_by_itself(
    state: str, triggered: datetime | None, dated: datetime | None
) -> None:
    """A late retry of a grant must not beat the unsubscribe in between: undated, it grants nothing."""
    body = {"customer_id": 7, "email_address": "ann@example.com", "email_marketing_consent": {"state": state}}
    events = shopify("customers_email_marketing_consent/update", body, triggered_at=triggered)
    assert [consent.at for consent in consents_of(events)] == ([dated] if dated else [])
    assert len(events) == 1
    assert bool(events[0].problems) is (dated is None)


def test_a_refusal_needs_no_address_where_a_grant_does() -> None:
    """Refused is refused, for whichever address that customer has."""
    for state, told in (("unsubscribed", 1), ("subscribed", 0)):
        said = {"state": state, "consent_updated_at": "2026-02-01T00:00:00Z"}
        body = {"customer_id": 7, "email_address": None, "email_marketing_consent": said}
        events = shopify("customers_email_marketing_consent/update", body)
        assert len(consents_of(events)) == told
        assert events[0].type == ("consent.changed" if told else "delivery.unknown")


def test_an_accounts_consent_is_about_the_accounts_address() -> None:
    """Also in an order that names another one."""
    said = {"state": "unsubscribed", "consent_updated_at": "2026-02-01T00:00:00Z"}
    body = shopify_order(email="gift@example.com", customer=shopify_customer(email_marketing_consent=said))
    order, consent = shopify("orders/updated", body)
    assert order.who.email == "gift@example.com"
    assert consent.who == Who(email="ann@example.com", shop_customer_id="207119551")


# --- customers and products ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["customers/create", "customers/update", "customers/enable", "customers/disable"])
def test_a_customer_is_a_person_with_tags(topic: str) -> None:
    """Since API 2025-01 without tags, which then are not known rather than none."""
    (event,) = shopify(topic, shopify_customer(phone="+16135550142"))
    assert event.type == "customer.updated"
    assert event.data == Customer(id="207119551", tags=("wholesale", "tea club"), updated_at=at("09:00:00"))
    assert event.who == Who(email="ann@example.com", phone="+16135550142", shop_customer_id="207119551")
    assert event.person == Person(first_name="Ann", last_name="Ivory", country="CA", city="Ottawa")
    body = shopify_customer()
    del body["tags"]
    (untagged,) = shopify(topic, body)
    assert untagged.data == Customer(id="207119551", tags=None, updated_at=at("09:00:00"))


def test_a_product_is_what_the_catalogue_shows() -> None:
    """The cheapest variant's price, the link on the shop's domain, the picture with its text."""
    (event,) = shopify("products/update", shopify_product(), currency="CAD")
    assert event.type == "product.updated"
    assert event.who.points() == ()
    assert event.data == Product(
        id="632910392",
        title="Jasmine Pearls",
        url="https://northwind-tea.myshopify.com/products/jasmine-pearls",
        image="https://cdn.example.com/pearls.jpg",
        image_alt="A tin of hand-rolled pearls",
        price=Decimal("14.50"),
        compare_at=Decimal("18.00"),
        currency="CAD",
        in_stock=True,
        kind="Green tea",
        vendor="Northwind Tea",
        tags=("green", "scented"),
        updated_at=datetime(2026, 3, 1, 5, tzinfo=UTC),
        created_at=datetime(2026, 1, 1, 5, tzinfo=UTC),
        published=True,
        quantity=8,
        variants=(
            Variant("808950811", price=Decimal("52.00")),
            Variant("808950810", price=Decimal("14.50"), in_stock=True, quantity=8, compare_at=Decimal("18.00")),
        ),
    )


def test_no_more_is_kept_of_a_product_than_fits_its_place() -> None:
    """A hundred variants, fifty tags, and names of a length that somebody would write."""
    data = shopify(
        "products/update",
        shopify_product(
            title="T" * 4000,
            tags=[f"{number:04} {'tag' * 900}" for number in range(2000)],
            variants=[{"id": number + 1, "title": "V" * 4000, "price": "1"} for number in range(2048)],
            image={"src": f"https://cdn.example.com/{'p' * 4000}.jpg", "alt": "A" * 4000},
            product_type="K" * 4000,
        ),
    )[0].data
    assert isinstance(data, Product)
    assert len(data.variants or ()) == 100
    assert len(data.tags) == 50
    assert data.image == "https://cdn.example.com/pearls.jpg"
    assert len(msgspec.json.encode(data)) < 40_000


@pytest.mark.parametrize(
    ("topic", "changes", "in_stock", "quantity", "problems"),
    [
        ("variants/out_of_stock", {"inventory_quantity": 0}, False, 0, 0),
        ("variants/out_of_stock", {}, False, 0, 0),
        ("variants/in_stock", {"inventory_quantity": 3}, True, 3, 0),
        ("variants/in_stock", {}, True, None, 0),
        ("variants/out_of_stock", {"inventory_quantity": 3}, True, 3, 1),
        ("variants/in_stock", {"inventory_quantity": 0, "inventory_management": "shopify"}, False, 0, 1),
    ],
)
def test_a_variant_by_itself_is_there_or_sold_out(
    topic: str, changes: Any, in_stock: bool, quantity: int | None, problems: int
) -> None:
    """The topic is a header that nobody signed: where the body says otherwise, that counts."""
    body = {"id": 7, "product_id": 8, "title": "Small", "price": "9.00", "updated_at": "2026-03-01T00:00:00Z"}
    (event,) = shopify(topic, body | changes)
    when = datetime(2026, 3, 1, tzinfo=UTC)
    variant = Variant("7", "Small", Decimal("9.00"), in_stock, quantity, at=when)
    assert event.data == VariantStock(product_id="8", variant=variant, updated_at=when)
    assert (event.type, event.who.points(), len(event.problems)) == ("variant.updated", (), problems)


@pytest.mark.parametrize("body", [{"id": 7}, {"product_id": 8}])
def test_a_variant_of_nothing_is_refused(body: Any) -> None:
    with pytest.raises(MalformedBodyError):
        shopify("variants/in_stock", body)


@pytest.mark.parametrize("changes", [{"status": "draft"}, {"status": "archived"}, {"published_at": None}])
def test_a_product_that_is_not_on_sale_has_no_address(changes: Any) -> None:
    """Its page would be a 404."""
    data = shopify("products/update", shopify_product(**changes))[0].data
    assert isinstance(data, Product)
    assert data.url is None


@pytest.mark.parametrize(
    ("variants", "in_stock"),
    [
        ([{"inventory_policy": "deny", "inventory_quantity": 1}], True),
        ([{"inventory_policy": "continue", "inventory_quantity": 0}], True),
        ([{"inventory_management": None, "inventory_quantity": 0}], True),
        ([{"inventory_management": "shopify", "inventory_quantity": 0}], False),
        ([{"inventory_policy": "deny", "inventory_quantity": 0}], None),
        ([{"inventory_management": "shopify"}], None),
        ([], None),
    ],
)
def test_stock_is_known_or_not(variants: list[Any], in_stock: bool | None) -> None:
    """A quantity of zero means nothing while it is not said whether anybody counts."""
    data = shopify("products/update", shopify_product(variants=variants))[0].data
    assert isinstance(data, Product)
    assert data.in_stock is in_stock


def test_a_product_of_many_variants_is_not_sold_out_by_those_that_are_shown() -> None:
    """Beyond a hundred variants the rest come as ids only."""
    sold_out = {"inventory_management": "shopify", "inventory_quantity": 0}
    gids = [{"admin_graphql_api_id": f"gid://shopify/ProductVariant/{number}"} for number in range(2)]
    for variants, in_stock in (([sold_out], None), ([sold_out] * 2, False)):
        data = shopify("products/update", shopify_product(variants=variants, variant_gids=gids))[0].data
        assert isinstance(data, Product)
        assert data.in_stock is in_stock


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({}, "Green tea"), ({"product_type": "", "category": {"name": "Tea & Infusions"}}, "Tea & Infusions")],
)
def test_a_products_kind_is_the_shops_own_word_for_it(changes: Any, kind: str) -> None:
    """Else the name in Shopify's taxonomy."""
    data = shopify("products/update", shopify_product(**changes))[0].data
    assert isinstance(data, Product)
    assert data.kind == kind


def test_a_whole_product_under_the_topic_of_deletions_is_not_deleted() -> None:
    """A captured products/update comes back under another topic: the body is signed, the header is not."""
    (event,) = shopify("products/delete", shopify_product())
    assert isinstance(event.data, Product)
    assert (event.data.deleted, event.data.title) == (False, "Jasmine Pearls")
    assert event.problems


def test_a_deleted_product_is_only_an_id() -> None:
    """As of when the shop says, or of now; it stays known."""
    triggered = RECEIVED - timedelta(minutes=1)
    (event,) = shopify("products/delete", {"id": 788032119674292922}, triggered_at=triggered)
    assert event.data == Product(id="788032119674292922", deleted=True, updated_at=triggered)


def test_every_event_is_of_a_known_type_and_carries_its_fact() -> None:
    """Flows name these types."""
    bodies = {
        "orders/create": shopify_order(buyer_accepts_marketing=True),
        "refunds/create": shopify_refund(),
        "fulfillments/update": shopify_fulfillment(),
        "fulfillment_events/create": shopify_report(),
        "customer.tags_added": {"customerId": "gid://shopify/Customer/7", "tags": ["vip"]},
        "customers/redact": {"shop_id": 1, "customer": {"email": "ann@example.com"}, "orders_to_redact": []},
        "carts/update": shopify_cart(),
        "checkouts/update": shopify_checkout(),
        "customers/update": shopify_customer(),
        "products/update": shopify_product(),
        "themes/publish": {"id": 1},
    }
    for topic, body in bodies.items():
        for event in shopify(topic, body):
            assert EVENT_TYPES[event.type] == event.data.__struct_config__.tag
