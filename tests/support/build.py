"""Builders: the smallest valid fact, event or profile, with only what a test is about spelled out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import (
    Alarm,
    Basket,
    Consent,
    Coupon,
    Engagement,
    Fact,
    Item,
    Order,
    Shipment,
    ShipmentStatus,
)
from rekindle.domain.offers import Offer
from rekindle.domain.profile import Profile
from rekindle.flow.conditions import condition
from rekindle.flow.definition import parse_flow
from rekindle.flow.program import Flow, Manners, Playbook, Segment, Shop

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning: when stories begin."""

ROOT = Path(__file__).resolve().parents[2]
ADA = Who(email="ada@example.com", shop_customer_id="7", cart_token="c1", checkout_token="k1")
TEN = Offer(name="ten", kind="unique", percent=Decimal(10), prefix="TEA")
TEA = Item(title="Sencha", quantity=2, product_id="p1", price=Decimal("9.50"), total=Decimal("19.00"))


def at(**later: float) -> datetime:
    """Return the moment this long after the beginning."""
    return T0 + timedelta(**later)


def event(kind: str, data: Fact, when: datetime, *, who: Who = ADA, **more: Any) -> Event:
    """Return an event whose id follows from what it says, as everywhere in Rekindle."""
    more.setdefault("id", f"{kind}@{when.isoformat()}/{who.email or who.cart_token}")
    return Event(shop="tea", type=kind, occurred_at=when, received_at=when, data=data, who=who, **more)


def checkout(when: datetime, *, who: Who = ADA, items: tuple[Item, ...] = (TEA,), **more: Any) -> Event:
    """Return somebody's checkout as it stood at `when`."""
    basket = Basket(
        id=who.cart_token or who.checkout_token or "c1",
        updated_at=when,
        cart_token=who.cart_token,
        checkout_token=who.checkout_token,
        items=items,
        item_count=len(items),
        currency="EUR",
        recovery_url="https://tea.example/recover",
        **more,
    )
    return event("checkout.updated", basket, when, who=who)


def cart(when: datetime, *, items: tuple[Item, ...] = (TEA,), token: str = "c1") -> Event:
    """Return an anonymous cart as it stood at `when`."""
    basket = Basket(id=token, updated_at=when, cart_token=token, items=items, item_count=len(items))
    return event("cart.updated", basket, when, who=Who(cart_token=token))


def order(when: datetime, *, kind: str = "order.placed", who: Who = ADA, **more: Any) -> Event:
    """Return an order as it stood at `when`."""
    more.setdefault("placed_at", when)
    data = Order(
        id=more.pop("id", "o1"),
        updated_at=when,
        cart_token=who.cart_token,
        checkout_token=who.checkout_token,
        items=(TEA,),
        item_count=1,
        currency="EUR",
        total=Decimal("19.00"),
        **more,
    )
    return event(kind, data, when, who=who)


def parcel(when: datetime, status: ShipmentStatus = "delivered", *, order_id: str = "o1") -> Event:
    """Return how an order's parcel stood at `when`."""
    fact = Shipment(id=f"s-{order_id}", order_id=order_id, updated_at=when, status=status)
    return event("shipment.updated", fact, when)


def consent(when: datetime, state: str = "subscribed", *, who: Who = ADA, **more: Any) -> Event:
    """Return what somebody said about marketing e-mail at `when`."""
    act = Consent(channel="email", state=state, at=when, source="test", address=who.email)  # type: ignore[arg-type]
    return event("consent.changed", act, when, who=who, **({"id": f"{state}@{when.isoformat()}/{who.email}"} | more))


def issued(message: str, code: str, when: datetime, **more: Any) -> Event:
    """Return that a message gave a code, as whoever makes codes tells it."""
    fact = Coupon(code=code, at=when, message_id=message, **more)
    return event("coupon.issued", fact, when, who=Who(), id=f"coupon/{message}")


def engaged(kind: str, message: str, when: datetime, profile: Profile) -> Event:
    """Return what somebody did with a message."""
    return event(kind, Engagement(message_id=message, at=when), when, who=Who(), profile_id=profile.id)


def alarm(when: datetime) -> Event:
    """Return the ring of the alarm clock at `when`."""
    return event("alarm.rang", Alarm(), when, who=Who())


def shipped_flow(name: str) -> Flow:
    """Return a flow as it ships under templates/."""
    file = f"flows/{name}.yaml"
    flow, problems = parse_flow((ROOT / "templates" / file).read_text(encoding="utf-8"), file=file)
    assert flow is not None, problems
    return flow


def flow_of(text: str, name: str = "test") -> Flow:
    """Return the flow that this YAML says."""
    flow, problems = parse_flow(text, file=f"flows/{name}.yaml")
    assert flow is not None, problems
    return flow


def segment_of(name: str, when: str) -> Segment:
    """Return the segment that this expression says."""
    read = condition(when)
    return Segment(name=name, when=when, inputs=read.inputs, needs=read.segments, asks=read.asks)


def playbook(
    *flows: Flow,
    hash_: str = "h1",
    segments: Mapping[str, str] | None = None,
    manners: Manners = Manners(),  # noqa: B008 - frozen
    gives: Collection[Offer] = (),
    **shop: Any,
) -> Playbook:
    """Return a playbook in which all these flows are on, in the one shop; `segments` is name → expression."""
    settings: dict[str, Any] = {
        "id": "tea",
        "name": "Tea & Co",
        "platform": "shopify",
        "url": "https://tea.example",
        "sender_email": "hello@tea.example",
        "sender_name": "Tea & Co",
        "postal_address": "1 Leaf Lane, Utrecht",
        "currency": "EUR",
        "locale": "en",
        "zone": "Europe/Amsterdam",
        "flows": {flow.name: True for flow in flows},
    }
    return Playbook(
        hash=hash_,
        flows={flow.name: flow for flow in flows},
        segments={name: segment_of(name, when) for name, when in (segments or {}).items()},
        manners=manners,
        shops={"tea": Shop(**(settings | shop))},
        offers={offer.name: offer for offer in gives},
    )


CART = shipped_flow("cart-abandonment")
CONFIRMATION = shipped_flow("order-confirmation")
