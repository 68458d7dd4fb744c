"""The one list of everything that reads what others wrote: each entry says how it is attacked and what must hold.

A test compares the list with the code and the template (`test_targets`): a new route, function, topic or parser joins
here or fails there. `test_fuzz` runs a bounded number of inputs of each; `python -m tests.attack` runs for as long as
told and prints the counts.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import io
import itertools
import json
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.cli.buckets import EventsError, Wanted
from rekindle.cli.buckets import read as read_events
from rekindle.content import links, sandbox
from rekindle.content.assets import look
from rekindle.content.catalogues import read_catalogue
from rekindle.content.links import (
    BadLinkError,
    Confirm,
    Preferences,
    Track,
    Unsubscribe,
    Visit,
    read_confirm,
    read_preferences,
    read_track,
    read_unsubscribe,
    read_visit,
    sign_confirm,
    sign_preferences,
    sign_track,
    sign_unsubscribe,
    sign_visit,
)
from rekindle.content.media import key_of
from rekindle.content.offers import parse_codes, parse_offer
from rekindle.content.pages import layout
from rekindle.content.pages.forms import MAX_VALUE, FormError, read_form
from rekindle.content.pages.settings import PageSettings, Topic, decode_settings
from rekindle.content.playbook import decode_mails
from rekindle.content.popups import parse_popup
from rekindle.content.samples import parse_sample
from rekindle.content.shorts import compile_push, compile_sms
from rekindle.content.sites import decode_sites
from rekindle.content.sources import parse_brand, parse_shop, parse_topics
from rekindle.content.validate import validate
from rekindle.domain.errors import (
    ConditionError,
    ContentError,
    MailRefusedError,
    MailRejectedError,
    MalformedBodyError,
    RequestError,
    ShopRefusedError,
    ShopRejectedError,
    ShopUncertainError,
)
from rekindle.domain.events import Delivery, decode_events, encode_events
from rekindle.domain.offers import Offer
from rekindle.domain.profile import Profile, decode_profile, encode_profile
from rekindle.flow.conditions import Condition
from rekindle.flow.definition import parse_flow, parse_manners, parse_segment, parse_traits
from rekindle.memory import World
from rekindle.outside.admin import admin_of
from rekindle.outside.codes import OutsideShopCodes
from rekindle.outside.http import Answer, Deadline, Http
from rekindle.outside.lists import OutsideShopLists
from rekindle.outside.meta import MetaAudiences
from rekindle.outside.shopify import Shopify
from rekindle.outside.shopify_bulk import ShopifyBulk
from rekindle.outside.woocommerce import woocommerce_of
from rekindle.outside.woocommerce_lists import WooCommerceSource
from rekindle.ports import (
    RESOURCES,
    AudienceChange,
    Listed,
    NewCode,
    Parcel,
    PrivacyTask,
    Record,
    Resource,
    ShardTask,
    ShopSecrets,
    Wake,
)
from rekindle.service.accept import accept
from rekindle.service.desks import Desks
from rekindle.service.lists import ListError, ListFile, Reading, State, read_moment
from rekindle.service.notices import read_notice
from rekindle.service.phones import Incoming, heard
from rekindle.service.receipts import decode_receipt
from rekindle.service.reconcile import Reconciler
from rekindle.shops import imported, intake, onsite
from rekindle.shops.onsite.batch import MAX_EVENTS
from rekindle.shops.reading import Arrival
from rekindle.shops.shopify import graph
from tests.attack import hostile
from tests.support import shopify_nodes
from tests.support.build import CART, CONFIRMATION, ROOT, T0, checkout, consent, order, playbook
from tests.support.pictures import gif, jpeg, png, svg, webp
from tests.support.plant import Plant

Platform = intake.Platform

SECRET = "the shop's secret"
DOMAINS: Mapping[Platform, str] = {"shopify": "tea.myshopify.com", "woocommerce": "plants.example"}

#: topic → the samples under events/ whose bodies are mutated for it.
SHOPIFY: Mapping[str, tuple[str, ...]] = {
    "carts/create": ("carts-update", "carts-update-emptied"),
    "carts/update": ("carts-update", "carts-update-emptied"),
    "checkouts/create": ("checkouts-update",),
    "checkouts/update": ("checkouts-update",),
    "checkouts/delete": ("checkouts-update",),
    "orders/create": ("orders-create",),
    "orders/updated": ("orders-create",),
    "orders/paid": ("orders-create",),
    "orders/cancelled": ("orders-create",),
    "orders/fulfilled": ("orders-create",),
    "orders/partially_fulfilled": ("orders-create",),
    "orders/edited": ("orders-create",),
    "orders/delete": ("orders-create",),
    "draft_orders/create": ("orders-create",),
    "draft_orders/update": ("orders-create",),
    "draft_orders/delete": ("orders-create",),
    "refunds/create": ("refunds-create",),
    "fulfillments/create": ("fulfillments-create",),
    "fulfillments/update": ("fulfillments-create",),
    "fulfillment_events/create": ("fulfillment-events-create",),
    "customers/create": ("customer", "orders-create"),
    "customers/update": ("customer", "orders-create"),
    "customers/enable": ("customer",),
    "customers/disable": ("customer",),
    "customers/delete": ("customer",),
    "customer.tags_added": ("customer-tags-added",),
    "customer.tags_removed": ("customer-tags-added",),
    "customers/purchasing_summary": ("customer",),
    "customers/merge": ("customer",),
    "customers_email_marketing_consent/update": ("said",),
    "customers_marketing_consent/update": ("said",),
    "products/create": ("products-update",),
    "products/update": ("products-update",),
    "products/delete": ("products-update",),
    "variants/in_stock": ("products-update",),
    "variants/out_of_stock": ("products-update",),
    "inventory_levels/update": ("products-update",),
    "inventory_levels/connect": ("products-update",),
    "inventory_levels/disconnect": ("products-update",),
    "collections/create": ("products-update",),
    "collections/update": ("products-update",),
    "collections/delete": ("products-update",),
    "app/uninstalled": ("customers-redact",),
    "customers/data_request": ("customers-redact",),
    "customers/redact": ("customers-redact",),
    "shop/redact": ("customers-redact",),
}
WOOCOMMERCE: Mapping[str, tuple[str, ...]] = {
    "order.created": ("order-created", "order-created-pending"),
    "order.updated": ("order-updated-refunded", "order-created"),
    "order.restored": ("order-created",),
    "order.deleted": ("order-created",),
    "customer.created": ("wc-customer",),
    "customer.updated": ("wc-customer",),
    "customer.deleted": ("wc-customer",),
    "product.created": ("product-updated",),
    "product.updated": ("product-updated",),
    "product.restored": ("product-updated",),
    "product.deleted": ("product-updated",),
    "coupon.created": ("product-updated",),
    "coupon.updated": ("product-updated",),
    "coupon.restored": ("product-updated",),
    "coupon.deleted": ("product-updated",),
}
TOPICS: Mapping[Platform, Mapping[str, tuple[str, ...]]] = {"shopify": SHOPIFY, "woocommerce": WOOCOMMERCE}

#: Bodies of which events/ has no sample.
_OWN: Mapping[str, Any] = {
    "customer": {
        "id": 706405506930370084, "email": "bob@example.org", "first_name": "Bob", "last_name": "Biller",
        "phone": "+31612345678", "created_at": "2026-02-01T10:00:00Z", "updated_at": "2026-03-01T10:00:00Z",
        "tags": "vip, wholesale", "locale": "nl", "default_address": {"country_code": "NL", "city": "Utrecht"},
        "email_marketing_consent": {"state": "subscribed", "consent_updated_at": "2026-02-01T10:00:00Z"},
        "sms_marketing_consent": {"state": "not_subscribed", "consent_updated_at": None},
    },
    "said": {
        "customer_id": 706405506930370084, "id": 706405506930370084, "email_address": "bob@example.org",
        "phone": "+31612345678",
        "email_marketing_consent": {"state": "unsubscribed", "consent_updated_at": "2026-02-01T10:00:00Z"},
        "sms_marketing_consent": {"state": "subscribed", "consent_updated_at": "2026-02-01T10:00:00Z"},
    },
    "wc-customer": {
        "id": 25, "email": "bob@example.org", "first_name": "Bob", "last_name": "O&#039;Biller",
        "date_created_gmt": "2026-02-01T10:00:00", "date_modified_gmt": "2026-03-01T10:00:00",
        "billing": {"country": "NL", "city": "Utrecht", "phone": "0612345678", "email": "bob@example.org"},
        "shipping": {"country": "JP", "state": "JP13"}, "meta_data": [{"key": "marketing_opt_in", "value": "yes"}],
    },
}  # fmt: skip


class Target(NamedTuple):
    """What is attacked. `covers` are the functions (`module.name` below rekindle) whose input this is."""

    covers: tuple[str, ...]
    inputs: st.SearchStrategy[Any]
    attack: Callable[[Any], None]
    examples: int = 60
    """how many inputs the gate tries"""


@cache
def sample(platform: str, name: str) -> Any:
    """Return a sample's body."""
    if name in _OWN:
        return _OWN[name]
    found = json.loads((ROOT / f"events/{platform}/{name}.json").read_text("utf-8"))
    body = found.get("body", found)
    return json.loads(body) if isinstance(body, str) else body


def signature(body: bytes, secret: str = SECRET) -> str:
    """Return what both platforms sign a body with."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def headers_of(platform: Platform, topic: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a true request."""
    if platform == "shopify":
        return {
            "x-shopify-topic": topic,
            "x-shopify-shop-domain": DOMAINS[platform],
            "x-shopify-hmac-sha256": signature(body, secret),
            "x-shopify-triggered-at": "2026-03-02T09:00:00Z",
            "x-shopify-event-id": "e-1",
        }
    return {
        "x-wc-webhook-topic": topic,
        "x-wc-webhook-source": f"https://{DOMAINS[platform]}/",
        "x-wc-webhook-signature": signature(body, secret),
        "x-wc-webhook-id": "7",
        "x-wc-webhook-delivery-id": "d-1",
    }


class Hook(NamedTuple):
    """A webhook that its shop really signed, whatever is in it."""

    platform: Platform
    topic: str
    body: bytes


@st.composite
def hooks(draw: st.DrawFn, platform: Platform) -> Hook:
    """Draw a signed webhook of any topic."""
    topic = draw(st.sampled_from(sorted(TOPICS[platform])))
    names = TOPICS[platform][topic]
    shown = (
        topic if draw(st.integers(0, 9)) else draw(st.sampled_from(["", "orders/none", "action.x", "\x00", "ö" * 300]))
    )
    return Hook(platform, shown, draw(hostile.bodies(*(sample(platform, name) for name in names))))


#: One body tells a handful of events: the resource, and what was agreed to with it.
MOST_EVENTS = 12


def told(hook: Hook) -> Delivery | None:
    """Return what the door makes of a webhook, having held it to its bounds; `None` where it refuses."""
    try:
        delivery = intake.parse(
            hook.platform,
            headers_of(hook.platform, hook.topic, hook.body),
            hook.body,
            shop="tea",
            domain=DOMAINS[hook.platform],
            secrets=(SECRET,),
            received_at=T0,
            region="NL",
            currency="EUR",
        )
    except RequestError as error:
        refused: RequestError | None = error
    else:
        refused = None
    if refused is not None:
        assert 400 <= refused.status < 500
        assert len(str(refused)) < 500
        return None
    written = encode_events(delivery.events)
    assert decode_events(written) == delivery.events
    assert 1 <= len(delivery.events) <= MOST_EVENTS
    assert len(written) <= 12 * len(hook.body) + 20_000
    return delivery


def _hear(hook: Hook) -> None:
    told(hook)


def _apply(hook: Hook) -> None:
    """What the door accepts, journey can apply, and time can pass afterwards: nothing is poison."""
    delivery = told(hook)
    if delivery is None:
        return
    plant = Plant(playbook(CART, CONFIRMATION))
    accept(delivery, plant.world.intake, plant.world.secret_address_key)
    plant.until(T0 + timedelta(days=3))
    assert not plant.world.pending
    for profile in plant.world.profiles.values():
        # What stands in the place of somebody erased or merged is short anyway.
        assert not isinstance(profile, bytes) or len(profile) < 400_000


# --- what is not a shop ----------------------------------------------------------------------------------------------


def _file(name: str) -> Any:
    return json.loads((ROOT / f"events/ses/{name}.json").read_text("utf-8"))


#: What pages of a shop send.
VISITS: tuple[dict[str, Any], ...] = tuple(
    {"browser": "b" * 22, "locale": "nl-NL", "zone": "Europe/Amsterdam", "visit": "k1.abc.def", "events": events}
    for events in (
        [
            {"type": "product.viewed", "ago": 75.5, "id": "301", "title": "Bell", "kind": "Bicycle", "price": "24.00",
             "url": "https://plants.example/bell", "currency": "EUR", "seconds": 71, "look": "k3x9q0aa"},
            {"type": "category.viewed", "ago": 9, "id": "7", "title": "Bells", "seconds": 3},
            {"type": "search.submitted", "ago": 3, "query": "bell", "results": 4},
        ],
        [
            {"type": "cart.updated", "ago": 2, "cart": "c" * 22, "currency": "EUR", "total": "48.00", "codes": ["TEN"],
             "items": [{"id": 301, "variation": 302, "title": "Bell", "variant": "Brass", "quantity": 2,
                        "price": "24.00", "url": "https://plants.example/bell"}]},
            {"type": "browser.recognised", "cart": "c" * 22, "checkout": "k" * 32, "ordered": True},
            {"type": "form.submitted", "name": "newsletter", "email": "ada@example.com",
             "answers": {"taste": "smoky", "likes": ["tea", "cups"]}},
        ],
    )
)  # fmt: skip


def _visit(body: bytes) -> None:
    """What pages send is refused or read, within bounds; and whatever is read, journey can apply."""
    try:
        batch = onsite.read(
            body,
            shop="tea",
            platform="woocommerce",
            url="https://plants.example",
            hosts=("plants.example",),
            currency="EUR",
            received_at=T0,
        )
    except RequestError as error:
        refused: RequestError | None = error
    else:
        refused = None
    if refused is not None:
        assert 400 <= refused.status < 500
        assert len(str(refused)) < 500
        return
    delivery = onsite.recognised(batch, "p" * 32) if batch.visit else batch.delivery
    written = encode_events(delivery.events)
    assert decode_events(written) == delivery.events
    assert len(delivery.events) <= MAX_EVENTS + 1
    assert len(written) <= 60 * onsite.BODY_LIMIT
    for event in delivery.events:
        assert event.signed == (event.profile_id is not None)
        assert event.who.points()[-1] == ("browser_id", batch.browser)
        assert {event.who.email, event.who.phone, event.who.shop_customer_id} == {None}
        assert T0 - timedelta(days=1) <= event.occurred_at <= T0
    plant = Plant(playbook(CART, CONFIRMATION))
    accept(delivery, plant.world.intake, plant.world.secret_address_key)
    plant.until(T0 + timedelta(days=3))
    assert not plant.world.pending
    assert not plant.world.inbox
    assert not plant.world.suppressions
    for profile in plant.world.profiles.values():
        assert not isinstance(profile, bytes) or len(profile) < 400_000


TEXTS = tuple(
    json.loads((ROOT / f"events/sms/{name}.json").read_text("utf-8"))
    for name in ("delivered", "invalid", "blocked", "stop", "question")
)
_SAID = tuple(json.loads(event["Records"][0]["Sns"]["Message"]) for event in TEXTS)


def _heard_of_phones(event: Any) -> None:
    """What a topic hands over is read, or said to be unreadable; nothing else happens."""
    try:
        for found in heard(event if isinstance(event, dict) else {"Records": [{"Sns": {"Message": event}}]}):
            msgspec.json.encode(found)
            if isinstance(found, Incoming):
                assert found.wish in {"stop", "start", "other"}
                assert len(found.text) <= 1_600
    except MalformedBodyError:
        return


def _read_phone(said: Any) -> None:
    _heard_of_phones({"Records": [{"Sns": {"Message": json.dumps(said), "Timestamp": "2026-03-02T10:00:04.312Z"}}]})


NOTICES = tuple(_file(name) for name in ("bounced", "clicked", "complained", "delivered", "opened"))


def _notice(body: object) -> None:
    try:
        notice = read_notice(body)
    except MalformedBodyError:
        return
    assert notice.message_id is None or len(notice.message_id) <= 64
    msgspec.json.encode(notice)


LINK_KEYS = {"k2": b"the second key", "k1": b"the first key"}
CLAIM = Unsubscribe(shop="tea", channel="email", address="f" * 32, message="m" * 32, profile="p" * 32)


PAGE_CLAIM = Preferences(shop="tea", channel="email", address="f" * 32, message="m" * 32, profile="p" * 32)
VISIT = Visit(shop="tea", profile="p" * 32, until=1_772_442_000)


def _token(read: Callable[..., Any], claim: object, ours: tuple[str, ...]) -> Callable[[str], None]:
    """Return what attacks tokens of one purpose: `ours` are read as what was signed, and nothing else is."""

    def attack(token: str) -> None:
        try:
            found = read(LINK_KEYS, token)
        except BadLinkError:
            return
        assert token in ours
        assert found == claim

    return attack


FORM = "application/x-www-form-urlencoded"
FORMS = (
    "&", "=", "%", "%0", "%00", "%0d%0a", "%ff%fe", "%ED%A0%80", "%u0041", "+", ";", "ö", "\x00", "\ud800", "&on" * 300,
    "a=b&" * 300, "x" * 40_000, "%E2%80%AE", "[]", "on[]=1", "__proto__=1", "<script>", "=" * 500, "QQ==",
)  # fmt: skip


def _form(sent: tuple[str, bool, str]) -> None:
    """A form is refused with a 4xx, or a few short lines of what can be shown."""
    try:
        posted = read_form(sent[0], encoded=sent[1], content_type=sent[2])
    except FormError as refused:
        posted, status = None, refused.status
    if posted is None:
        assert status in {400, 413, 415}
        return
    assert sent[2].startswith(FORM)
    for name in ("on", "was", "frequency", "day", "", "x"):
        for value in (posted.one(name), *posted.all(name)):
            assert len(value) <= MAX_VALUE
            assert value.isprintable()


_PAGES = PageSettings(
    hash="h",
    shops=playbook().shops,
    topics=(Topic(name="news", title={"": "News"}), Topic(name="sales", title={"": "Sales"}, on=False)),
    languages={"en": "English", "ar": "العربية"},
)
#: Page → what is posted there, and what may be told then.
POSTED: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "p": (
        ("on=channel.email&on=topic.news&was=channel.email&frequency=weekly&language=ar&day=3&month=2&year=1990&act=",),
        frozenset({"consent.changed", "preferences.changed", "traits.changed"}),
    ),
    "stay": (
        ("act=stay&page=nonce", "act=leave", "act=fewer&act=stay", "act=unsubscribe"),
        frozenset({"form.submitted", "consent.changed", "preferences.changed"}),
    ),
    "survey": (
        ("interest=tea&interest=cups&reward=gift&day=29&month=2&year=1992&page=nonce", "act=unsubscribe"),
        frozenset({"form.submitted", "survey.answered", "consent.changed", "traits.changed"}),
    ),
    "review": (
        ("stars=5&text=Good+tea&page=nonce", "stars=1&text=", "act=unsubscribe"),
        frozenset({"review.submitted", "consent.changed"}),
    ),
    "friend": (("act=unsubscribe", "to=ada@example.com"), frozenset({"consent.changed"})),
}


def _page(form: str) -> Callable[[tuple[str, bool, str, str | None, str]], None]:
    """Return what attacks a page behind a signed link: it is refused or taken whole, and journey can apply it.

    Nothing of it is anybody else's, shows an address, or is done by looking.
    """
    keys = {"k1": LINK_KEYS["k1"]}
    token = (
        sign_preferences(keys, PAGE_CLAIM) if form == "p" else links.sign_form(keys, links.form_of(CLAIM, form, "7"))
    )
    may_tell = POSTED[form][1]

    def attack(sent: tuple[str, bool, str, str | None, str]) -> None:
        body, encoded, kind, asked, spoken = sent
        plant = Plant(playbook(CART, CONFIRMATION))
        world = plant.world
        world.secret_link_keys = keys
        known = Profile(id=CLAIM.profile, shop="tea", version=1, email="ada@example.com", phone="+31612345678")
        world.profiles[known.id] = encode_profile(known)
        desks = Desks(
            desk=world.desk,
            intake=world.intake,
            clock=world.clock,
            secrets=world.secrets,
            new_nonce=lambda: "nonce",
        )
        claim, desk = desks.of(form, token)
        answers = [desk.show(claim, _PAGES, spoken, {} if asked is None else {"stars": asked, "lang": asked})]
        assert not world.deliveries
        try:
            posted = read_form(body, encoded=encoded, content_type=kind)
        except FormError:
            posted = None
        if posted is not None:
            answers.append(desk.save(claim, posted, _PAGES, spoken))
        for answer in answers:
            assert answer.status in {200, 422}
            shown = layout.answer(answer.status, answer.page)["body"]
            assert len(shown) < 80_000
            assert "<script" not in shown.lower()
            assert "ada@example.com" not in shown
        told = [event for delivery in world.deliveries.values() for event in delivery.events]
        assert not told or answers[-1].status == 200
        assert {event.type for event in told} <= may_tell
        assert {event.profile_id for event in told} <= {known.id}
        assert len(encode_events(tuple(told))) < 60_000
        plant.until(T0 + timedelta(days=3))
        assert not world.pending

    return attack


def _posts(form: str) -> Target:
    return Target(
        (),
        st.tuples(
            hostile.edited(POSTED[form][0], (*FORMS, "&leave_this_empty=x", "&act=stay", "&stars=6", "&text=", "٣")),
            st.booleans(),
            st.sampled_from([FORM, FORM, FORM, f"{FORM}; charset=utf-16", "", "text/plain"]),
            st.none() | st.sampled_from([text for text in hostile.TEXTS if len(text) < 9_000]),
            st.sampled_from(["", "ar", "en;q=1e999", "\r\nx: y", "\ud800", "a" * 9_000]),
        ),
        _page(form),
        40,
    )


def _refused_or_read(parse: Callable[..., Any], file: str) -> Callable[[str], None]:
    """Return what attacks a parser of a marketer's file: it says what is wrong, and with which file."""

    def attack(text: str) -> None:
        try:
            found = parse(text, file=file)
        except ContentError as refused:
            problems: tuple[ContentError, ...] = (refused,)
        else:
            problems = found[1] if isinstance(found, tuple) else ()
        for problem in problems:
            assert problem.file == file
            str(problem)

    return attack


NAMES: Mapping[str, Any] = {
    "profile": {"orders": 3, "email": "a@b.example", "last_order_at": T0, "spent": 12.5, "tags": ("vip", "new")},
    "event": checkout(T0).data,
    "shop": None,
    "run": {"entered_at": T0, "key": "k"},
}


def _condition(source: str) -> None:
    try:
        found = Condition(source)
    except ContentError:
        return
    try:
        found.value(NAMES)
    except ConditionError:
        return


def _template(source: str) -> None:
    names = {
        "_formats": {}, "event": {"items": [{"title": text} for text in hostile.TEXTS if len(text) < 1000]},
        "words": ["a", "b"], "text": "<script>\r\n", "total": 12, "name": None,
    }  # fmt: skip
    for html in (True, False):
        file, said = "body.html", ""
        try:
            said = sandbox.run(sandbox.compiled(source, file, html=html), names, sandbox.Budget())
        except ContentError as refused:
            file = refused.file or ""
        assert file == "body.html"
        assert len(said) <= sandbox.MAX_OUTPUT


def _content(files: Mapping[str, bytes]) -> None:
    verdict = validate(files)
    assert (verdict.published is None) == bool(verdict.problems)
    for problem in verdict.problems:
        str(problem)


def _decoder(decode: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    """Return what attacks the decoder of something that we stored ourselves: a value, or one kind of error."""

    def attack(raw: bytes) -> None:
        try:
            decode(raw)
        except (ValueError, RecursionError):
            return

    return attack


_PICTURES: Mapping[str, bytes] = {
    "a.png": png(9, 9),
    "a.jpg": jpeg(9, 9),
    "a.gif": gif(9, 9),
    "a.webp": webp("VP8X", 9, 9),
    "a.svg": svg('<g fill="url(#a)"/><style>.a{fill:#123}</style>'),
    "a.ico": b"\x00\x00\x01\x00\x01\x00",
}


@st.composite
def _pictures(draw: st.DrawFn) -> bytes:
    """Draw a picture of any kind, with a stretch of it overwritten, cut out or doubled."""
    raw = draw(st.sampled_from(sorted(_PICTURES.values())))
    start, length = draw(st.integers(0, len(raw))), draw(st.integers(0, 12))
    return raw[:start] + draw(st.binary(max_size=12) | st.just(raw[start:] * 2)) + raw[start + length :]


def _picture(given: tuple[str, bytes]) -> None:
    path = f"assets/{given[0]}"
    found = look(path, given[1])
    problem = found.problem(path)
    assert (problem is None) == (found.asset is not None)
    assert problem is None or (problem.file == path and problem.hint)
    for doubt in found.doubts(path):
        str(doubt)
    if found.asset is not None:
        assert 0 <= found.asset.width < 2**32
        assert key_of(found.asset.hash, found.asset.name) == found.asset.key


def _lines(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_bytes(raw)
        problem = str(path)
        try:
            read_events(path, Wanted(), Path(folder), lambda _stage, _done, _whole: None)
        except EventsError as refused:
            problem = str(refused)
        assert str(path) in problem


def _shipped(pattern: str) -> tuple[str, ...]:
    return tuple(path.read_text("utf-8") for path in sorted((ROOT / "templates").glob(pattern)))


_YAML = (
    "- ",
    ": ",
    "? ",
    "&a ",
    "*a",
    "!!python/object/apply:os.system [id]",
    "!!binary aGk=",
    "<<: ",
    "{",
    "[",
    "}",
    "]",
    "|",
    ">",
    "#",
    "%YAML 1.1\n",
    "---\n",
    "\t",
    "\x00",
    "\x85",
    "\ufeff",
    '"\\ud800"',
    "'",
    '"',
    "0x" + "F" * 6_000,
    "9" * 6_000,
    "1e999",
    ".nan",
    "2026-02-30",
    "1:30:00",
    "yes",
    "null",
    "~",
    "[" * 300,
    "- " * 300,
    "a: 1\n" * 300,
    "x" * 3_000,
    "{{ 7 * 7 }}",
    "{{ event.total / 0 }}d",
    "since('order.placed') > '90d'",
    "../../x",
    "99999999999d",
    "-1d",
    "wait: 0s\n",
    "steps:\n",
    "🙂",
)
_EXPRESSIONS = (
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    '"',
    "\\",
    "**",
    "*",
    "/",
    "//",
    "%",
    "~",
    "|",
    ".",
    ",",
    " and ",
    " or ",
    " not ",
    " in ",
    " is ",
    "==",
    "<",
    " if ",
    " else ",
    "__class__",
    "._",
    "profile",
    "event",
    "run",
    "shop",
    "self",
    "library",
    "since(",
    "count(",
    "within('order.placed', '30d')",
    "in_segment('vip')",
    "9" * 4_500,
    "1e308",
    "0x" + "f" * 400,
    "|attr('x')",
    "|map",
    "|abs",
    "|round(99)",
    "|first",
    "|float",
    "|sum",
    "|max",
    "()" * 60,
    "-" * 90,
    "not " * 90,
    "\x00",
    "\ud800",
    "1/0",
    "'a'*9",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
)
_CONDITIONS = (
    "profile.orders > 2 and profile.spent >= 12.5",
    "since('order.placed') > '90d' or count('product.viewed', \"event.id == 'p1'\", '90d') >= 3",
    "event.total is none or event.currency in ('EUR', 'USD')",
    "within(profile.last_order_at, '30d') and in_segment('vip') and not ordered('p1')",
    "(profile.tags | length) > 1 and (profile.email | lower) == 'a@b.example'",
)
_HTML = (
    *_EXPRESSIONS,
    "<",
    ">",
    "</",
    "/>",
    "<!--",
    "-->",
    "<![CDATA[",
    "<style>",
    "</style>",
    "<title>",
    "<b>",
    "<a href=",
    "<div/>",
    "&#" + "9" * 5_000,
    "{% for a in words %}",
    "{% endfor %}",
    "{% if text %}",
    "{% endif %}",
    "{% include ",
    "{% extends ",
    "{% set text = text ~ text %}",
    "<mj-raw>",
    " " * 3_000,
    "<table>",
    "<script>alert(1)</script>",
    'href="javascript:alert(1)"',
    "@import url(http://169.254.169.254/)",
    "\\'" * 500,
    "<p " * 300,
)
_TEMPLATES = (
    "Hello {{ name | default('there') }}, {% for item in event.items %}{{ item.title | truncate(20) }}{% endfor %}",
    "{% if total > 10 and 'a' in words %}{{ total * 2 + 1 }}{% else %}{{ words | join('-') | upper }}{% endif %}",
)


@st.composite
def _contents(draw: st.DrawFn) -> dict[str, bytes]:
    """Draw the shipped content of one mail, with one of its files attacked."""
    found = _mail_files()
    path = draw(st.sampled_from(sorted(found)))
    kept = found[path].decode()
    text = draw(hostile.edited((kept,), _HTML if path.startswith("emails/") else _YAML))
    return {**found, path: text.encode("utf-8", "surrogatepass")}


@cache
def _mail_files() -> dict[str, bytes]:
    root = ROOT / "templates"
    chosen = [*root.glob("emails/_layout/*"), *root.glob("emails/cart-reminder-1/*"), *root.glob("*.yaml")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in chosen if path.is_file()}


class _Shop(Http):
    """A shop whose server answers everything with this."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(sleep=lambda _: None)
        self._answer = answer
        self._asked = 0

    def call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        deadline: Deadline,
        repeatable: bool,
        window: tuple[int, int] | None = None,
    ) -> Answer:
        del method, url, headers, body, deadline, repeatable, window
        self._asked += 1
        assert self._asked < 20
        return self._answer


_TAKEN = {"data": {"discountCodeBasicCreate": {"userErrors": [{"code": "TAKEN", "message": "x", "field": ["code"]}]}}}
_OF_SHOPIFY: tuple[Any, ...] = (
    {"data": {"discountCodeBasicCreate": {"codeDiscountNode": {"id": "1"}, "userErrors": []}}},
    _TAKEN | {"extensions": {"cost": {"requestedQueryCost": 10}}},
    {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]},
    {"data": {**_TAKEN["data"], "codeDiscountNodeByCode": {"codeDiscount": {"title": "Rekindle ten mark"}}}},
)
_OF_WOOCOMMERCE: tuple[Any, ...] = (
    {"id": 1, "code": "x", "meta_data": [{"key": "rekindle_mark", "value": "mark"}]},
    [{"id": 1, "code": "x", "meta_data": [{"key": "rekindle_mark", "value": "mark"}]}],
    {"code": "woocommerce_rest_coupon_code_already_exists", "message": "x", "data": {"status": 400}},
)


def _answers(samples: tuple[Any, ...]) -> st.SearchStrategy[Answer]:
    statuses = st.sampled_from((200, 201, 204, 301, 400, 401, 403, 404, 418, 422))
    headers = st.dictionaries(st.sampled_from(("retry-after", "x-shopify-api-version")), st.text(max_size=9))
    return st.builds(Answer, statuses, headers, hostile.bodies(*samples))


def _connected(platform: Literal["shopify", "woocommerce"]) -> ShopSecrets:
    return ShopSecrets(
        shop="tea",
        platform=platform,
        domain="tea.example",
        webhook_secrets=(),
        access_token="a",
        api_key="k",
        api_secret="s",
    )


def _answer(platform: Literal["shopify", "woocommerce"]) -> Callable[[Answer], None]:
    """Return what lets a shop answer: what it says is believed, or one of three errors says what it means."""
    known = _connected(platform)

    def attack(answer: Answer) -> None:
        world = World(T0)
        world.shops["tea"] = known
        offer = Offer(name="ten", kind="unique", percent=Decimal(10))
        wanted = NewCode(code="X", mark="mark", offer=offer, currency="EUR", starts_at=T0)
        try:
            assert OutsideShopCodes(world.secrets, _Shop(answer)).make("tea", wanted) in (True, False)
        except (ShopRefusedError, ShopRejectedError, ShopUncertainError) as said:
            assert len(str(said)) < 1_000  # noqa: PT017

    return attack


_PAGE: dict[str, Any] = {"hasNextPage": False, "endCursor": None}
_STANDS = {"id": "gid://shopify/BulkOperation/1", "status": "COMPLETED", "url": "https://files.example/1?signature=s"}
_LISTS_OF_SHOPIFY: tuple[Any, ...] = (
    {"data": {"order": {**shopify_nodes.order(7), "lineItems": {"nodes": [shopify_nodes.line()], "pageInfo": _PAGE}}}},
    {"data": {"product": {**shopify_nodes.product(), "variants": {"nodes": [], "pageInfo": _PAGE}}}},
    {"data": {"customer": shopify_nodes.customer()}},
    {"data": {"orders": {"nodes": [{"id": "gid://shopify/Order/1", "updatedAt": "2026-03-02"}], "pageInfo": _PAGE}}},
    {"data": {"webhookSubscriptions": {"nodes": [{"id": "1", "topic": "A", "uri": "u"}], "pageInfo": _PAGE}}},
    {"data": {"bulkOperation": _STANDS, "ordersCount": {"count": 3}}},
)
_LISTS_OF_WOOCOMMERCE: tuple[Any, ...] = (
    [{"id": 1, "date_modified_gmt": "2026-03-02T09:00:00", "date_created_gmt": "2026-03-02T09:00:00"}],
    [{"id": 1, "topic": "order.updated", "delivery_url": "https://x.example/", "status": "disabled"}],
)
_SELF_OF_SHOPIFY: tuple[Any, ...] = (
    {
        "data": {
            "shop": {
                "name": "Tea",
                "currencyCode": "EUR",
                "ianaTimezone": "Europe/Amsterdam",
                "contactEmail": "hello@tea.example",
                "primaryDomain": {"url": "https://tea.example"},
                "billingAddress": {"address1": "1 Leaf Lane", "city": "Utrecht", "countryCodeV2": "NL"},
            },
            "shopLocales": [{"locale": "nl", "primary": True}],
            "currentAppInstallation": {"accessScopes": [{"handle": "read_orders"}]},
        }
    },
    _LISTS_OF_SHOPIFY[4],
)
_SELF_OF_WOOCOMMERCE: tuple[Any, ...] = (
    {"name": "Tea", "url": "https://tea.example", "timezone_string": "Europe/Amsterdam", "language": "nl-NL"},
    [{"id": "woocommerce_currency", "value": "EUR"}, {"id": "woocommerce_store_city", "value": "Utrecht"}],
    _LISTS_OF_WOOCOMMERCE[1],
)
_RESOURCES: tuple[tuple[Resource, str], ...] = (("orders", "7"), ("products", "7"), ("customers", "7"))


def _list(platform: Literal["shopify", "woocommerce"]) -> Callable[[Answer], None]:
    """Return what lets a shop say what it has: that is read into events, or one of three errors says why not."""
    known = _connected(platform)

    def attack(answer: Answer) -> None:
        world = World(T0)
        world.shops["tea"] = known
        arrival = Arrival(shop="tea", delivery_id="d", received_at=T0)
        for resource, number in _RESOURCES:
            made = OutsideShopLists(world.secrets, _Shop(answer))
            for ask in (
                partial(made.read, "tea", resource, [number]),
                partial(made.changed, "tea", resource, T0, T0),
                partial(made.hooks, "tea"),
                partial(ShopifyBulk(Shopify(_Shop(answer), domain="tea.example", token="t"), _Shop(answer)).total),
            ):
                try:
                    found = ask()
                except (ShopRefusedError, ShopRejectedError, ShopUncertainError) as said:
                    assert len(str(said)) < 1_000  # noqa: PT017
                    continue
                for record in found if isinstance(found, list) else ():
                    if isinstance(record, Record):
                        assert intake.read_again(platform, record.topic, record.body, arrival)

    return attack


def _says(platform: Literal["shopify", "woocommerce"]) -> Callable[[Answer], None]:
    """Return what lets a shop say what it is, and answer when it is connected: that is taken, or refused by name."""
    known = _connected(platform)

    def attack(answer: Answer) -> None:
        for name in ("webhooks", "scopes", "details"):
            try:
                found = getattr(admin_of(_Shop(answer), known), name)()
            except (ShopRefusedError, ShopRejectedError, ShopUncertainError) as said:
                assert len(str(said)) < 1_000  # noqa: PT017
                continue
            assert found is None or len(str(found)) < 60 * len(answer.body) + 1_000

    return attack


def _looked_at(platform: Literal["shopify", "woocommerce"]) -> Callable[[Answer], None]:
    """Return what lets a shop answer a whole look: it ends, with a word for what went wrong; what came is applied."""
    known = _connected(platform)

    def attack(answer: Answer) -> None:
        plant = Plant(playbook(CART, CONFIRMATION))
        world = plant.world
        world.shops["tea"] = known
        reconciler = Reconciler(
            lists=OutsideShopLists(world.secrets, _Shop(answer)),
            known=world.known,
            intake=world.bulk,
            secrets=world.secrets,
            blobs=world.blobs,
            clock=world.clock,
        )
        ticks = itertools.count(200, -15)
        (looked,) = reconciler.all(["tea"], lambda: next(ticks))
        # What nobody foresaw is told by the name of its error alone.
        assert not looked.why.endswith("Error"), looked
        assert len(looked.why) < 1_000
        plant.until(T0 + timedelta(days=3))
        assert not world.pending

    return attack


def _page_of_woocommerce(answer: Answer) -> None:
    """What a shop shows an import is read into events, or one of three errors says why not."""
    known, arrival = _connected("woocommerce"), Arrival(shop="tea", delivery_id="d", received_at=T0)
    for resource in RESOURCES:
        made = WooCommerceSource(woocommerce_of(_Shop(answer), known), (resource,), since=T0)
        for ask in (made.total, partial(made.page, None)):
            try:
                found = ask()
            except (ShopRefusedError, ShopRejectedError, ShopUncertainError) as said:
                assert len(str(said)) < 1_000  # noqa: PT017
                continue
            for record in getattr(found, "records", ()):
                with contextlib.suppress(MalformedBodyError):
                    imported.read("woocommerce", record.topic, record.body, arrival, "silent")


_OF_META: tuple[Any, ...] = (
    {"audience_id": "1", "session_id": "2", "num_received": 2, "num_invalid_entries": 0},
    {"error": {"message": "ada@example.com", "code": 80003, "error_subcode": 1870145, "is_transient": False}},
)


def _listed(answer: Answer) -> None:
    """What an ads network answers is its word for what it took, or one of two errors, which name nobody."""
    world = World(T0)
    world.shops["tea"] = replace(_connected("shopify"), meta_token="t")
    change = AudienceChange(shop="tea", audience="1", action="add", people=(Listed(("ada@example.com",)),))
    try:
        said = MetaAudiences(world.secrets, _Shop(answer)).change(change)
    except (MailRefusedError, MailRejectedError) as refused:
        said = str(refused)
    assert len(said) < 200
    assert "@" not in said


_KLAVIYO = """\
Email,First Name,Phone Number,Country,Email Marketing Consent,Email Marketing Consent Timestamp
ada@example.com,Ada,+31612345678,Netherlands,SUBSCRIBED,2026-01-02 03:04:05
bob@example.com,"Bob, ""the"" tea",,NL,NEVER_SUBSCRIBED,
"""
_CSV = (
    _KLAVIYO,
    "sep=;\r\nE-Mail Address;CLEAN_TIME;Birthday;Shoe size\r\ncarol@example.com;2026-01-01;04/05;38\r\n",
    "email\tUNSUB_TIME\tOPTIN_TIME\tsource\n\ndora@example.com\t\t2026-01-01T00:00+01:00\ta till\n",
)
_CELLS = (
    '"',
    '""',
    '"\n',
    ",",
    ";",
    "\t",
    "|",
    "\r",
    "\n",
    "\x00",
    "\ufeff",
    "٣",
    "sep=",
    "x" * 9_000,
    ",,,,,,",
)
_SAYS: tuple[State | None, ...] = (None, "subscribed", "unsubscribed", "cleaned")
#: How an operator says that a file is written.
_WRITTEN = (("", ""), ("cp1252", ";"), ("utf-7", ","), ("utf-16", "\t"), ("base64", ""), ("no\0", ""), ("idna", "é"))


@st.composite
def _readings(draw: st.DrawFn) -> Reading:
    """Draw how a file is to be read: mostly as it is found to be written."""
    encoding, delimiter = draw(st.sampled_from([("", "")] * 9 + [*_WRITTEN]))
    return Reading(
        as_of=T0,
        consent=draw(st.sampled_from(_SAYS)),
        consent_at=draw(st.sampled_from((None, T0))),
        encoding=encoding,
        delimiter=delimiter,
        columns=draw(st.sampled_from([{}] * 9 + [{"email": "ignore"}, {"source": "customer_id"}, {"x": "y"}])),
    )


def _csv(given: tuple[bytes, Reading]) -> None:
    """A file is refused with a word, or read to its end: each row once, or told by its line, and by nothing in it."""
    raw, reading = given
    arrival = Arrival(shop="tea", delivery_id="d", received_at=T0)
    try:
        made = ListFile(io.BytesIO(raw), reading)
    except ListError:
        return
    assert len(made.fields) == len(made.header)
    rows, cursor = 0, None
    for _ in range(raw.count(b"\n") + raw.count(b"\r") + 2):
        page = made.page(cursor)
        rows += len(page.records)
        for told_ in page.unusable:
            assert told_.where.startswith("line ")
            assert "example.com" not in told_.why
        for record in page.records:
            with contextlib.suppress(MalformedBodyError):
                imported.read("shopify", record.topic, record.body, arrival, None)
        cursor = page.cursor
        if cursor is None:
            break
    assert cursor is None
    assert rows <= raw.count(b"\n") + 1


def _bulk_files() -> st.SearchStrategy[bytes]:
    """Return files of a bulk operation: an order and the lines of it, any of them spoilt."""
    order_of = {name: value for name, value in shopify_nodes.order(7).items() if name != "lineItems"}
    row = {**shopify_nodes.line(), "__parentId": order_of["id"]}
    lines = hostile.bodies(order_of) | hostile.bodies(row) | st.sampled_from([json.dumps(order_of).encode()])
    return st.lists(lines, max_size=4).map(b"\n".join)


class _File(_Shop):
    """A shop whose bulk operation is done, and its file."""

    def __init__(self, file: bytes) -> None:
        super().__init__(Answer(200, {}, json.dumps({"data": {"bulkOperation": _STANDS}}).encode()))
        self._file = file

    def part(self, url: str, start: int, size: int, *, deadline: Deadline) -> tuple[bytes, bool]:
        del url, size, deadline
        return self._file[start:], True


def _read_bulk(file: bytes) -> None:
    shop = _File(file)
    source = ShopifyBulk(Shopify(shop, domain="tea.example", token="t"), shop, resources=("orders",))
    cursor: str | None = json.dumps({"resource": "orders", "operation": "gid://shopify/BulkOperation/1"})
    try:
        page = source.page(cursor)
    except ShopUncertainError as said:
        assert len(str(said)) < 1_000  # noqa: PT017
        return
    arrival = Arrival(shop="tea", delivery_id="d", received_at=T0)
    for record in page.records:
        assert intake.read_again("shopify", record.topic, record.body, arrival)


#: A row of a list, as an import keeps it.
_ROW = [{"topic": "list.row", "body": {"email": "ada@example.com", "consent": "subscribed"}}]
_TIMES = ("2026-03-02 09:00", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59", "2026-W10-1", "20260302T090000Z", "")


def _imported(body: bytes) -> None:
    arrival = Arrival(shop="tea", delivery_id="d", received_at=T0)
    attacks: tuple[Callable[[], object], ...] = (
        partial(imported.read_again, "shopify", body, arrival, "silent"),
        partial(imported.read, "shopify", "orders/updated", body, arrival, "silent"),
        partial(imported.read, "woocommerce", "list.row", body, arrival, None),
    )
    for attack in attacks:
        with contextlib.suppress(MalformedBodyError):
            attack()


def _timed(text: str) -> None:
    found = read_moment(text)
    assert found is None or found.utcoffset() == timedelta(0)


def _yaml(parse: Callable[..., Any], file: str, *samples: str, examples: int = 60) -> Target:
    name = f"{parse.__module__.removeprefix('rekindle.')}.{parse.__name__}"
    return Target((name,), hostile.edited(samples, _YAML), _refused_or_read(parse, file), examples)


def _stored(decode: Callable[[bytes], Any], name: str, *samples: Any) -> Target:
    plain = tuple(msgspec.json.decode(msgspec.json.encode(sample)) for sample in samples)
    return Target((name,) if name else (), hostile.bodies(*plain), _decoder(decode), 40)


def _state() -> tuple[Any, Any]:
    """Return a profile and events as they are stored."""
    plant = Plant(playbook(CART, CONFIRMATION))
    told = (consent(T0), checkout(T0), order(T0))
    plant.post(*told)
    plant.settle()
    return plant.profile("ada@example.com"), told


_PROFILE, _EVENTS = _state()
_EVENT_LINES = b"\n".join(msgspec.json.encode(event) for event in _EVENTS)
_TOKENS = tuple(sign_unsubscribe({name: key}, CLAIM) for name, key in LINK_KEYS.items())
_VISITS = tuple(sign_visit({name: key}, VISIT) for name, key in LINK_KEYS.items())
TRACK = Track("0f" * 16)
_TRACKS = tuple(sign_track({name: key}, TRACK) for name, key in LINK_KEYS.items())
_SPOILT = ("=", ".", "..", "k1", "k2.", "A", "-", "_", "/", "+", "%2e", "\x00", "ö", " ", "\ud800", "A" * 2_000)
_PAGE_TOKENS = tuple(sign_preferences({name: key}, PAGE_CLAIM) for name, key in LINK_KEYS.items())
FORM_CLAIM = links.form_of(CLAIM, "stay", "900100")
_FORM_TOKENS = tuple(links.sign_form({name: key}, FORM_CLAIM) for name, key in LINK_KEYS.items())
CONFIRM = Confirm(shop="tea", profile="p" * 32, request="r" * 32, until=1_772_442_000, locale="en")
_CONFIRMS = tuple(sign_confirm({name: key}, CONFIRM) for name, key in LINK_KEYS.items())

TARGETS: Mapping[str, Target] = {
    "webhooks of Shopify": Target(
        ("shops.intake.parse", "shops.intake.decode", "shops.intake.read"), hooks("shopify"), _hear, 250
    ),
    "webhooks of WooCommerce": Target(("shops.intake.parse",), hooks("woocommerce"), _hear, 200),
    "webhooks, applied": Target(("shops.intake.read_again",), hooks("shopify") | hooks("woocommerce"), _apply, 250),
    "visits of the shop's site": Target(
        ("shops.onsite.batch.read",),
        hostile.mutated(VISITS).map(hostile.as_bytes) | hostile.bodies(*VISITS),
        _visit,
        250,
    ),
    "stored sites": _stored(
        decode_sites,
        "content.sites.decode_sites",
        {
            "tea": {
                "shop": "tea",
                "platform": "shopify",
                "url": "https://tea.example",
                "currency": "EUR",
                "locale": "en",
            }
        },
    ),
    "SES notices": Target(
        ("service.notices.read_notice",), hostile.mutated(NOTICES) | hostile.bodies(*NOTICES), _notice, 250
    ),
    "texts, and what became of them": Target(
        ("service.phones.read_phone",), hostile.mutated(_SAID) | hostile.mutated(TEXTS), _read_phone, 200
    ),
    "what the feedback topic hands over": Target((), hostile.mutated(TEXTS), _heard_of_phones, 100),
    "unsubscribe tokens": Target(
        ("content.links.read_unsubscribe",),
        hostile.edited(_TOKENS, _SPOILT) | st.text(max_size=80),
        _token(read_unsubscribe, CLAIM, _TOKENS),
        200,
    ),
    "visit tokens": Target(
        ("content.links.read_visit",),
        hostile.edited((*_VISITS, *_TOKENS), _SPOILT) | st.text(max_size=80),
        _token(read_visit, VISIT, _VISITS),
        200,
    ),
    "tokens of clicks and of pictures": Target(
        ("content.links.read_track",),
        hostile.edited((*_TRACKS, *_TOKENS, *_VISITS), _SPOILT) | st.text(max_size=80),
        _token(read_track, TRACK, _TRACKS),
        200,
    ),
    "preference tokens": Target(
        ("content.links.read_preferences",),
        hostile.edited((*_PAGE_TOKENS, *_TOKENS), _SPOILT) | st.text(max_size=80),
        _token(read_preferences, PAGE_CLAIM, _PAGE_TOKENS),
        200,
    ),
    "tokens of forms": Target(
        ("content.links.read_form",),
        hostile.edited((*_FORM_TOKENS, *_PAGE_TOKENS, *_TOKENS), _SPOILT) | st.text(max_size=80),
        _token(links.read_form, FORM_CLAIM, _FORM_TOKENS),
        200,
    ),
    "confirmation tokens": Target(
        ("content.links.read_confirm",),
        hostile.edited((*_CONFIRMS, *_PAGE_TOKENS), _SPOILT) | st.text(max_size=80),
        _token(read_confirm, CONFIRM, _CONFIRMS),
        200,
    ),
    "posted forms": Target(
        ("content.pages.forms.read_form",),
        st.tuples(
            hostile.edited(("on=email&on=topic.news&was=email&frequency=weekly&day=3&month=2&year=&act=",), FORMS),
            st.booleans(),
            st.sampled_from([FORM, f"{FORM}; charset=utf-16", "", "text/plain", "multipart/form-data; boundary=x"]),
        ),
        _form,
        200,
    ),
    "preference pages": _posts("p"),
    "stay-or-leave pages": _posts("stay"),
    "survey pages": _posts("survey"),
    "review pages": _posts("review"),
    "referral pages": _posts("friend"),
    "flows": Target(
        ("flow.definition.parse_flow", "flow.definition.read_flow"),
        hostile.edited(_shipped("flows/*.yaml"), _YAML),
        _refused_or_read(parse_flow, "flows/x.yaml"),
        80,
    ),
    "segments": Target(
        ("flow.definition.parse_segment", "flow.definition.read_segment"),
        hostile.edited(("title: Silent\nwhen: since('order.placed') > '90d'\n",), _YAML),
        _refused_or_read(parse_segment, "segments/x.yaml"),
        80,
    ),
    "texts of mails": _yaml(
        read_catalogue,
        "emails/a/texts/en.yaml",
        *_shipped("emails/*/texts/en.yaml"),
        "title: Hello\nitems:\n  one: One thing\n  other: '{{ event.items | length }} things'\n",
    ),
    "manners": _yaml(
        parse_manners,
        "manners.yaml",
        "quiet:\n  email: {from: '21:00', until: '08:00'}\ncaps:\n  - {channel: email, most: 3, per: 7d}\n",
    ),
    "traits": _yaml(parse_traits, "traits.yaml", "shoe_size: number\nbirthday: date\ninterests: list\nvip: flag\n"),
    "shops": _yaml(
        parse_shop,
        "shops/tea.yaml",
        *_shipped("shops/*.yaml"),
        (ROOT / "local/content/shops/tea.yaml").read_text("utf-8")
        if (ROOT / "local/content/shops/tea.yaml").exists()
        else "name: Tea\n",
    ),
    "offers": _yaml(
        parse_offer,
        "offers/a.yaml",
        *_shipped("offers/*.yaml"),
        "kind: pool\namount: {EUR: 5, GBP: 4.50}\nminimum: {EUR: 40}\nuntil: 2026-12-31\nlow: 5\n",
        "kind: unique\ngift: {product: 31, title: {en: A cup}, worth: {EUR: 12}}\nsays: {de: eine Tasse}\n",
    ),
    "codes of a pool": Target(
        ("content.offers.parse_codes",),
        hostile.edited(("A-1\nB-2\nC-3\n", "Times used;Code\n0;A-1\n"), ('"', ";", ",", "\n", "\r", "\x00", "A" * 99)),
        _refused_or_read(parse_codes, "offers/a.csv"),
    ),
    "what an import brings": Target(
        ("shops.imported.read", "shops.imported.read_again"),
        hostile.bodies([{"topic": "orders/updated", "body": graph.order_body(shopify_nodes.order())}], _ROW),
        _imported,
    ),
    "times in a list": Target(("service.lists.read_moment",), st.sampled_from(_TIMES) | st.text(max_size=40), _timed),
    "lists of Shopify": Target((), _answers(_LISTS_OF_SHOPIFY), _list("shopify"), 150),
    "lists of WooCommerce": Target((), _answers(_LISTS_OF_WOOCOMMERCE), _list("woocommerce"), 100),
    "looks at a Shopify shop": Target((), _answers(_LISTS_OF_SHOPIFY), _looked_at("shopify"), 60),
    "looks at a WooCommerce shop": Target((), _answers(_LISTS_OF_WOOCOMMERCE), _looked_at("woocommerce"), 60),
    "what a Shopify shop says of itself": Target((), _answers(_SELF_OF_SHOPIFY), _says("shopify"), 60),
    "what a WooCommerce shop says of itself": Target((), _answers(_SELF_OF_WOOCOMMERCE), _says("woocommerce"), 60),
    "pages of WooCommerce for an import": Target((), _answers(_LISTS_OF_WOOCOMMERCE), _page_of_woocommerce, 60),
    "lists in files": Target(
        (),
        st.tuples(
            hostile.spoilt(hostile.edited(_CSV, _CELLS).map(lambda text: text.encode("utf-8", "surrogatepass"))),
            _readings(),
        ),
        _csv,
        150,
    ),
    "answers of an ads network": Target((), _answers(_OF_META), _listed, 100),
    "files of bulk operations": Target((), _bulk_files(), _read_bulk, 100),
    "answers of Shopify": Target((), _answers(_OF_SHOPIFY), _answer("shopify"), 150),
    "answers of WooCommerce": Target((), _answers(_OF_WOOCOMMERCE), _answer("woocommerce"), 150),
    "topics": _yaml(
        parse_topics,
        "topics.yaml",
        *_shipped("topics.yaml"),
        "news:\n  title: {en: News, ar: أخبار}\n  about: More\n  default: off\n",
    ),
    "brand": _yaml(parse_brand, "brand.yaml", *_shipped("brand.yaml")),
    "popups": _yaml(parse_popup, "popups/a.yaml", *_shipped("popups/*.yaml")),
    "SMS": Target(
        (),
        hostile.edited(("{{ shop.name }}: hi {{ profile.first_name }}, {{ texts.x }} https://tea.example \n",), _YAML),
        _refused_or_read(lambda text, file: compile_sms("a", {file.removeprefix("sms/"): text}), "sms/a.txt"),
        60,
    ),
    "push": Target(
        (),
        hostile.edited(
            ("title: Back\nbody: Hi {{ profile.first_name }}\nurl: '{{ shop.url }}/{{ event.id }}'\n",), _YAML
        ),
        _refused_or_read(lambda text, file: compile_push("a", {file.removeprefix("push/"): text}), "push/a.yaml"),
        60,
    ),
    "samples of mails": Target(
        ("content.samples.parse_sample",),
        hostile.bodies({}, {"event": {"items": [{"title": "Tea"}]}, "profile": {"first_name": "Ada"}}).map(
            lambda raw: raw.decode("utf-8", "replace")
        ),
        _refused_or_read(parse_sample, "emails/a/sample.json"),
    ),
    "conditions": Target(("flow.conditions.parse",), hostile.edited(_CONDITIONS, _EXPRESSIONS), _condition, 300),
    "templates": Target(("content.sandbox.parse",), hostile.edited(_TEMPLATES, _HTML), _template, 150),
    "content as a whole": Target(("content.markup.from_mjml",), _contents(), _content, 40),
    "pictures": Target(
        (),
        st.tuples(
            st.sampled_from([*_PICTURES, "a.js", "a.css", "a.woff2", "a.exe", "../a.png", "a b.png"]),
            st.binary(max_size=80) | _pictures(),
        ),
        _picture,
        200,
    ),
    "stored profiles": _stored(decode_profile, "domain.profile.decode_profile", _PROFILE),
    "stored events": _stored(decode_events, "domain.events.decode_events", _EVENTS),
    "stored mails": _stored(
        decode_mails, "content.playbook.decode_mails", {"templates": {}, "shops": {}, "brand": {}, "formats": {}}
    ),
    "stored settings of pages": _stored(
        decode_settings,
        "content.pages.settings.decode_settings",
        {"hash": "h", "brand": {}, "shops": {}, "topics": [{"name": "news", "title": {"": "News"}}], "languages": {}},
    ),
    "stored receipts": _stored(
        decode_receipt,
        "service.receipts.decode_receipt",
        {"wish": "erase", "shop": "tea", "profiles": [], "stores": {}},
    ),
    "events of simulate": Target(
        (),
        st.binary(max_size=40)
        | hostile.bodies(*json.loads(b"[" + _EVENT_LINES.replace(b"\n", b",") + b"]")).map(
            lambda raw: _EVENT_LINES + b"\n" + raw
        ),
        _lines,
        60,
    ),
    **{
        f"what lies on queues: {kind.__name__}": _stored(
            msgspec.json.Decoder(kind).decode,
            "",
            {"message_id": "m", "profile_id": "p", "version": 1, "since": T0, "delivery_id": "d"},
        )
        for kind in (Wake, Parcel, PrivacyTask, ShardTask)
    },
}

#: Functions that are named as if they read what others wrote, and do not: each with what it reads.
NOT_FROM_OUTSIDE: Mapping[str, str] = {
    "flow.local_time.readings": "a moment's clocks in a zone",
    "domain.shelves.decode_near": "what we wrote beside a product",
    "domain.shelves.decode_shelf": "a shelf that we wrote",
}

#: Every public route, and the test that attacks it over the whole function (tests/attack/test_endpoints.py).
ROUTES: Mapping[str, str] = {
    "POST /webhooks/shopify/{shop}": "test_a_disordered_webhook_gets_a_2xx_or_a_4xx",
    "POST /webhooks/woocommerce/{shop}": "test_a_disordered_webhook_gets_a_2xx_or_a_4xx",
    "POST /collect/{shop}": "test_a_disordered_visit_gets_a_2xx_or_a_4xx_and_a_foreign_page_none",
    "GET /site/{shop}/{file}": "test_a_disordered_request_for_a_script_gets_the_script_or_a_404",
    "GET /u/{token}": "test_a_disordered_link_gets_the_same_page_and_does_nothing",
    "POST /u/{token}": "test_a_disordered_link_gets_the_same_page_and_does_nothing",
    "GET /p/{token}": "test_a_disordered_preference_page_is_masked_and_speaks_for_nobody_else",
    "POST /p/{token}": "test_a_disordered_preference_page_is_masked_and_speaks_for_nobody_else",
    "GET /stay/{token}": "test_a_disordered_answer_gets_a_page_acts_on_a_post_alone_and_for_its_own_form",
    "POST /stay/{token}": "test_a_disordered_answer_gets_a_page_acts_on_a_post_alone_and_for_its_own_form",
    "GET /review/{token}": "test_a_disordered_answer_gets_a_page_acts_on_a_post_alone_and_for_its_own_form",
    "POST /review/{token}": "test_a_disordered_answer_gets_a_page_acts_on_a_post_alone_and_for_its_own_form",
    "GET /survey/{token}": "test_a_disordered_answer_gets_a_page_acts_on_a_post_alone_and_for_its_own_form",
    "POST /survey/{token}": "test_a_disordered_answer_gets_a_page_acts_on_a_post_alone_and_for_its_own_form",
    "GET /sign-up/{shop}/{form}": "test_a_disordered_sign_up_gets_a_page_and_reflects_no_markup",
    "POST /sign-up/{shop}/{form}": "test_a_disordered_sign_up_gets_a_page_and_reflects_no_markup",
    "GET /confirm/{token}": "test_a_disordered_sign_up_gets_a_page_and_reflects_no_markup",
    "POST /confirm/{token}": "test_a_disordered_sign_up_gets_a_page_and_reflects_no_markup",
    "GET /friend/{token}": "test_a_disordered_answer_gets_a_page_acts_on_a_post_alone_and_for_its_own_form",
    "GET /c/{token}/{index}": "test_a_disordered_click_leads_where_the_mail_said_or_home_and_nowhere_else",
    "HEAD /c/{token}/{index}": "test_a_disordered_click_leads_where_the_mail_said_or_home_and_nowhere_else",
    "GET /o/{image}": "test_a_disordered_picture_is_the_same_picture",
    "GET /a/{hash}/{name}": "test_assets_leads_nowhere_but_to_published_files",
}
#: Every module that speaks to somebody else's server → the targets whose answers it reads; none: why that needs none.
OUTSIDE: Mapping[str, tuple[str, ...] | str] = {
    "admin": ("what a Shopify shop says of itself", "what a WooCommerce shop says of itself"),
    "codes": ("answers of Shopify", "answers of WooCommerce"),
    "door": "our own API, of whose answer the status is read",
    "http": "what all of them ask through",
    "lists": ("lists of Shopify", "lists of WooCommerce", "looks at a Shopify shop", "looks at a WooCommerce shop"),
    "meta": ("answers of an ads network",),
    "shopify": ("answers of Shopify", "lists of Shopify"),
    "shopify_bulk": ("files of bulk operations", "lists of Shopify"),
    "shopify_lists": ("lists of Shopify", "looks at a Shopify shop"),
    "webpush": "of a push service's answer the status and one header are read",
    "woocommerce": ("answers of WooCommerce", "lists of WooCommerce"),
    "woocommerce_changes": ("lists of WooCommerce", "looks at a WooCommerce shop"),
    "woocommerce_lists": ("pages of WooCommerce for an import",),
}
#: Every page behind a signed link → the target that posts to it.
PAGES: Mapping[str, str] = {
    "p": "preference pages",
    "stay": "stay-or-leave pages",
    "survey": "survey pages",
    "review": "review pages",
    "friend": "referral pages",
}
#: Every function, and who may call it.
FUNCTIONS: Mapping[str, str] = {
    "webhook": "anybody",
    "links": "anybody",
    "pages": "anybody",
    "signup": "anybody",
    "assets": "anybody",
    "collect": "anybody",
    "track": "anybody",
    "feedback": "SES, AWS End User Messaging, our queue",
    "journey": "our table's stream, our queue",
    "send": "our queues",
    "mint": "our queues, the clock",
    "reconcile": "the clock",
    "privacy": "our queue",
    "campaign": "our queue, the clock",
    "publish": "our queue",
    "sweep": "the clock",
    "catalogue": "our queue, our table's stream",
    "tally": "our tables' streams",
}
