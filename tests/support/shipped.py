"""What tests of the flows that ship share: the files themselves, and what happens to somebody in them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, Item, ProductChange, Refund, Shipment, View
from rekindle.flow.definition import parse_flow, parse_segment
from rekindle.flow.program import Flow
from tests.support.build import ADA, T0, at, consent, event, order, playbook
from tests.support.story import Story

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
FLOWS, SEGMENTS = TEMPLATES / "flows", TEMPLATES / "segments"
#: An unsubscription at the very start.
NO = consent(T0, "unsubscribed")
LATER = at(days=30)


@cache
def shipped(name: str) -> Flow:
    """Return a flow of templates/flows."""
    file = FLOWS / f"{name}.yaml"
    flow, problems = parse_flow(file.read_text("utf-8"), file=file.name)
    assert flow is not None, problems
    return flow


@cache
def segments() -> dict[str, str]:
    """Return name → expression of templates/segments."""
    found = {}
    for file in SEGMENTS.glob("*.yaml"):
        segment, problems = parse_segment(file.read_text("utf-8"), file=file.name)
        assert segment is not None, problems
        found[segment.name] = segment.when
    return found


def plays(name: str, told: Iterable[Event], until: datetime = LATER, **shop: Any) -> list[tuple[str, datetime]]:
    """Return the messages that somebody gets to whom this happens in a shop in which only this flow is on."""
    return Story(playbook(shipped(name), segments=segments(), **shop)).tell(*told).until(until).mails


def joined(when: datetime, source: str = "form") -> Event:
    """Return the consent that somebody gives with a form, or wherever `source` says."""
    act = Consent(channel="email", state="subscribed", at=when, source=source, address=ADA.email)
    return event("consent.changed", act, when, id=f"joined/{when}")


def viewed(when: datetime, product: str = "p1", seconds: int = 90) -> Event:
    """Return a look at a product of so many active seconds."""
    return event("product.viewed", View(id=product, at=when, seconds=seconds), when, id=f"view/{product}/{when}")


def capsules(when: datetime, count: int, number: str = "o1") -> Event:
    """Return an order of so many capsules, in a basket of its own."""
    line = Item(title="Capsules", quantity=count, product_id="p9", kind="supplements", price=Decimal("0.30"))
    placed = order(when, id=number, who=replace(ADA, cart_token=f"c-{number}", checkout_token=f"k-{number}"))
    return replace(placed, data=replace(placed.data, items=(line,)))


def parcel(status: Any, when: datetime, number: str = "s1", **more: Any) -> Event:
    """Return news of a parcel of the order `o1`."""
    fact = Shipment(id=number, order_id="o1", updated_at=when, status=status)
    return replace(event("shipment.updated", fact, when, id=f"{number}/{status}/{when}"), **more)


def refund(amount: str, when: datetime) -> Event:
    """Return a refund of the order `o1`."""
    return event("order.refunded", Refund(id=f"r{when}", order_id="o1", at=when, amount=Decimal(amount)), when)


def change(kind: str, when: datetime, product: str = "p1", price: int = 40, **more: Any) -> Event:
    """Return news of a product that cost 50 before."""
    was = Decimal(50) if kind == "price_dropped" else None
    fact = ProductChange(product_id=product, at=when, title=product, price=Decimal(price), was=was, **more)
    return event(f"product.{kind}", fact, when, id=f"{kind}/{product}/{when}")
