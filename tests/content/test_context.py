"""What a mail may say: every name is always there, and nothing that a stranger wrote can do harm."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.content import context as names
from rekindle.content.brand import Brand
from rekindle.content.mails import render
from rekindle.content.names import shape
from rekindle.content.playbook import Mails
from rekindle.content.samples import SAMPLE_SHOP, bare, parse_sample
from rekindle.domain.events import EVENT_TYPES, FLOW_EVENTS
from rekindle.domain.facts import (
    Address,
    Alarm,
    Basket,
    Campaign,
    Coupon,
    DateCame,
    Fact,
    Form,
    Item,
    Order,
    Person,
    Product,
    ProductChange,
    Referral,
    Refund,
    Review,
    Search,
    SegmentChange,
    Shipment,
    View,
)
from rekindle.domain.profile import Profile, Run, Tag, Trait
from tests.content.mailkit import compiled, refused
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


# --- every kind of event ---------------------------------------------------------------------------------------------

TEAPOT = Product(
    id="101",
    updated_at=T0,
    title="Teapot",
    url="https://shop.example/teapot",
    image="https://shop.example/teapot.png",
    price=Decimal(58),
    currency="EUR",
    kind="Pottery",
)
TOLD = {EVENT_TYPES[kind] for kind in FLOW_EVENTS | {"date.came", "campaign.came", "flow.started"}}


@pytest.mark.parametrize("kind", sorted(TOLD))
def test_a_mail_may_name_something_of_whatever_can_start_a_flow(kind: str) -> None:
    assert names.EVENT_FIELDS[kind] > names.ALWAYS
    assert names.EVENT_FIELDS[kind] <= set(shape()["event"])


def test_no_token_of_anybody_gets_into_a_mail() -> None:
    """Who has a basket's token has the basket."""
    found = made(basket(cart_token="secret", checkout_token="secret"))
    assert "secret" not in repr(found["event"])


def event_of(fact: Fact, *products: Product, kind: str = "", joined: tuple[Fact, ...] = ()) -> dict[str, Any]:
    """Return what a mail knows of this event."""
    run = Run(
        id="r", flow="f", version="v", playbook="b", entered_at=T0, expires_at=T0, trigger=fact, joined=joined,
        event_type=kind,
    )  # fmt: skip
    found = names.context(
        shop=SAMPLE_SHOP,
        brand=Brand(),
        profile=Profile(id="p", shop="sample"),
        run=run,
        products={product.id: product for product in products if product.id in names.product_ids(run)},
        links={},
        formats={},
    )["event"]
    assert isinstance(found, dict)
    return found


def test_a_view_is_shown_as_the_catalogue_has_it() -> None:
    """What the browser said counts only where nobody knows better."""
    view = View(id="101", at=T0, title="teapot!!", price=Decimal(1), url="https://evil.example/", seconds=80)
    found = event_of(view, TEAPOT, kind="product.viewed")
    assert (found["title"], found["kind"], found["price"], found["currency"]) == (
        "Teapot", "Pottery", Decimal(58), "EUR",
    )  # fmt: skip
    assert (found["url"], found["image"]) == (TEAPOT.url, TEAPOT.image)
    assert (found["type"], found["seconds"], found["item_count"]) == ("product.viewed", 80, 1)
    (item,) = found["items"]
    assert (item["title"], item["url"]) == ("Teapot", TEAPOT.url)


def test_a_cart_that_a_page_told_of_is_shown_as_the_catalogue_has_it() -> None:
    """Whoever holds a browser can make its pages say anything: no words, links or pictures of theirs are mailed."""
    forged = Item(
        title="Win at https://evil.example or evil.example",
        variant="see evil.example",
        sku="evil.example",
        product_id="101",
        price=Decimal(1),
        image="https://evil.example/a.png",
        url="https://evil.example/",
    )
    unknown = msgspec.structs.replace(forged, product_id="999")
    told = Basket(id="c", updated_at=T0, items=(forged, unknown), item_count=2, page=True)
    one, other = event_of(told, TEAPOT)["items"]
    assert (one["title"], one["url"], one["price"]) == (TEAPOT.title, TEAPOT.url, TEAPOT.price)
    shown = json.dumps([one, other], default=str)
    assert "https://evil" not in shown
    assert "evil.example" not in shown
    own = event_of(msgspec.structs.replace(told, page=False), TEAPOT)["items"]
    assert own[1]["image"] == "https://evil.example/a.png"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://shop.example/cups", True),
        ("https://www.shop.example/cups", True),
        ("https://shop.example.evil.example/cups", False),
        ("https://evilshop.example/cups", False),
        ("https://evil.example/", False),
        ("https://[", False),
        (None, False),
    ],
)
def test_a_page_of_a_view_is_the_shops_own_or_none(url: str | None, shown: bool) -> None:
    """Anybody can tell the site script anything."""
    for kind in ("product.viewed", "category.viewed"):
        found = event_of(View(id="c", at=T0, title="Cups", url=url), kind=kind)
        assert (found["url"], found["title"]) == (url if shown else None, "Cups")


def test_a_category_is_no_product() -> None:
    found = event_of(View(id="101", at=T0, title="Pots", kind="Pottery"), TEAPOT, kind="category.viewed")
    assert (found["title"], found["items"], found["item_count"]) == ("Pots", [], 0)


def test_a_change_of_a_product_is_told_as_it_is_now() -> None:
    """The catalogue may have moved on since the mail was planned."""
    change = ProductChange(product_id="101", at=T0, price=Decimal(40), was=Decimal(58), currency="EUR")
    for price, shown in ((40, 40), (45, 45), (None, 40)):
        now = replace(TEAPOT, price=None if price is None else Decimal(price))
        found = event_of(change, now, kind="product.price_dropped")
        said = (found["title"], found["price"], found["was"], found["url"])
        assert said == ("Teapot", Decimal(shown), Decimal(58), TEAPOT.url)
        assert [(line["price"], line["was"]) for line in found["items"]] == [(Decimal(shown), Decimal(58))]


@pytest.mark.parametrize(
    "now",
    [{"price": Decimal(58)}, {"in_stock": False}, {"deleted": True}, {"published": False}],
    ids=["as dear again", "sold out", "gone", "hidden"],
)
def test_a_change_that_is_no_longer_so_is_no_news(now: dict[str, Any]) -> None:
    change = ProductChange(product_id="101", at=T0, price=Decimal(40), was=Decimal(58), currency="EUR")
    assert event_of(change, replace(TEAPOT, **now), kind="product.price_dropped")["items"] == []


def test_nearly_gone_is_no_news_once_there_is_plenty() -> None:
    change = ProductChange(product_id="101", at=T0, price=Decimal(40))
    for quantity, lines in ((3, 1), (30, 0), (None, 1)):
        now = replace(TEAPOT, quantity=quantity)
        assert len(event_of(change, now, kind="product.low_in_stock")["items"]) == lines


def test_a_mail_is_about_all_that_joined_its_run() -> None:
    first, more = (ProductChange(product_id=key, at=T0, title=key, price=Decimal(5)) for key in ("101", "102"))
    found = event_of(first, kind="product.back_in_stock", joined=(more,))
    assert ([line["title"] for line in found["items"]], found["title"]) == (["101", "102"], "101")


def test_a_review_shows_its_product_if_that_is_known() -> None:
    review = Review(rating=2, at=T0, product_id="101", text="Leaks.Badly, see evil.example/x")
    found = event_of(review, TEAPOT)
    assert (found["rating"], found["text"]) == (2, "Leaks. Badly, see evil. example/x")
    assert [item["title"] for item in found["items"]] == ["Teapot"]
    assert event_of(review)["items"] == []


def test_a_parcel_has_its_lines_and_a_way_to_follow_it() -> None:
    parcel = Shipment(
        id="s", order_id="o", updated_at=T0, status="in_transit", carrier="DHL", tracking_number="1Z",
        tracking_url="https://dhl.example/1Z", items=(Item(title="Teapot", quantity=2),),
    )  # fmt: skip
    found = event_of(parcel)
    assert (found["status"], found["tracking_url"], found["item_count"]) == ("in_transit", "https://dhl.example/1Z", 2)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (Refund(id="r", order_id="o", at=T0, amount=Decimal(5), currency="EUR", number="#7"), {"amount": Decimal(5)}),
        (Search(query="see evil.example", at=T0, results=3), {"query": "see evil. example", "results": 3}),
        (Referral(order_id="o", at=T0, total=Decimal(9)), {"total": Decimal(9)}),
        (Coupon(code="ADA-10", at=T0, expires_at=T0), {"code": "ADA-10", "expires_at": T0}),
        (SegmentChange(name="vip", at=T0), {"name": "vip"}),
        (DateCame(flow="f", at=T0, date="2026-03-02"), {"date": "2026-03-02", "flow": "f"}),
        (Campaign(flow="f", at=T0, occurrence="easter"), {"occurrence": "easter"}),
        (
            Form(name="quiz", at=T0, answers={"size": "L", "likes": ("tea", "evil.example")}),
            {"name": "quiz", "answers": {"size": "L", "likes": ["tea", "evil. example"]}},
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict) else "",
)
def test_other_events_say_what_they_carry(fact: Fact, expected: dict[str, Any]) -> None:
    found = event_of(fact)
    assert {part: found[part] for part in expected} == expected


def test_what_is_known_of_a_person_and_a_run_beside_the_shops_word() -> None:
    traits = {
        "birthday": Trait(T0, "1990-04-01"),
        "interests": Trait(T0, ("tea", "www.evil.example")),
        "cups": Trait(T0, 3),
        "gone": Trait(T0, None),
    }
    found = names.context(
        shop=msgspec.structs.replace(SAMPLE_SHOP, values={"club": "https://shop.example/club", "line": 200}),
        brand=Brand(),
        profile=Profile(id="p", shop="sample", traits=traits, own_tags={"fan": Tag(T0)}),
        run=Run(
            id="r", flow="f", version="v", playbook="b", entered_at=T0, expires_at=T0, codes={"last-offer": "ADA-10"}
        ),
        products={},
        links={},
        formats={},
    )
    profile = found["profile"]
    assert (profile["birthday"], profile["gender"], profile["interests"]) == (
        "1990-04-01", None, ["tea", "www. evil. example"],
    )  # fmt: skip
    assert profile["traits"].keys() == {"birthday", "interests", "cups"}
    assert (profile["tags"], profile["orders"], profile["spent"]) == (["fan"], 0, 0)
    assert found["run"]["codes"] == {"last-offer": "ADA-10"}
    assert found["shop"]["values"] == {"club": "https://shop.example/club", "line": 200}


OPEN_PARTS = (
    "{{ profile.traits.cups }}|{{ run.codes['last-offer'] }}|{{ shop.values.line | default('none') }}"
    "|{% for one in event.answers.likes %}{{ one }} {% endfor %}|{{ event.answers['items'] }}{{ event.answers.size.x }}"
)


def test_names_that_nobody_knows_beforehand_may_be_used_and_are_empty_when_they_are_not_there() -> None:
    """Traits, codes, a shop's values and answers: no check can know them, and none can break a mail."""
    template = compiled(f"<p>{OPEN_PARTS}</p>")
    empty = render(template, made()).text
    assert empty.strip() == "||none||"
    full = made(Form(name="quiz", at=T0, answers={"likes": ("tea", "cake")}))
    full["profile"]["traits"]["cups"] = 3
    full["run"]["codes"]["last-offer"] = "ADA-10"
    assert render(template, full).text.strip() == "3|ADA-10|none|tea cake |"


def test_names_beside_them_are_still_checked() -> None:
    assert "has no 'trait'" in refused("<p>{{ profile.trait.cups }}</p>").message


@given(st.text(max_size=200))
def test_nothing_that_anybody_wrote_reads_as_a_link(text: str) -> None:
    found = names.said(f"{text} evil.example https://evil.example/x")
    assert found is not None
    assert "://" not in found
    assert not re.search(r"\w\.[a-z]", found)


@pytest.mark.parametrize(
    "event",
    [
        '{"type": "view", "id": "101", "at": "2026-03-02T09:00:00Z", "title": "Pot"}',
        '{"type": "review", "rating": 5, "at": "2026-03-02T09:00:00Z", "text": "Lovely"}',
        '{"type": "shipment", "id": "s", "order_id": "o", "updated_at": "2026-03-02T09:00:00Z", "items": []}',
    ],
    ids=["view", "review", "shipment"],
)  # fmt: skip
def test_a_sample_may_be_about_any_event_and_can_be_stripped_to_what_is_always_there(event: str) -> None:
    """What a mail is tried out with, before any customer gets it."""
    sample = parse_sample(f'{{"event": {event}, "profile": {{"traits": {{"cups": 3}}}}}}', "sample.json")
    stripped = bare(sample)
    assert type(stripped.event) is type(sample.event)
    assert stripped.profile.traits == {}
    template = compiled("<p>{{ event.title }}{{ event.text }}{{ event.item_count }}·{{ profile.traits.cups }}</p>")
    mails = Mails(hash="h", templates={"m": template}, shops={SAMPLE_SHOP.id: SAMPLE_SHOP})
    assert "·3" in sample.build("m", SAMPLE_SHOP, mails).text
    assert "·3" not in stripped.build("m", SAMPLE_SHOP, mails).text
