"""An event: one immutable, normalised fact, and the delivery from outside that brought it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from rekindle.domain.facts import Coupon, Fact, Order, Person, PushSubscription, Refund, Shipment, View
from rekindle.domain.labels import Label
from rekindle.domain.offers import plain_code
from rekindle.domain.push import browser_key

#: Event types, each with the kind of fact that it carries (DESIGN §2).
EVENT_TYPES: dict[str, str] = {
    "cart.updated": "basket",
    "checkout.updated": "basket",
    "order.placed": "order",
    "order.paid": "order",
    "order.updated": "order",
    "order.fulfilled": "order",
    "order.cancelled": "order",
    "order.refunded": "refund",
    "shipment.updated": "shipment",
    "customer.updated": "customer",
    "consent.changed": "consent",
    "product.updated": "product",
    "variant.updated": "stock",
    "email.opened": "engagement",
    "email.clicked": "engagement",
    "email.bounced": "engagement",
    "email.complained": "engagement",
    "sms.clicked": "engagement",
    "sms.bounced": "engagement",
    "sms.received": "text",
    "push.clicked": "engagement",
    "push.subscribed": "push",
    "push.unsubscribed": "push",
    "product.viewed": "view",
    "category.viewed": "view",
    "search.submitted": "search",
    "form.submitted": "form",
    "survey.answered": "form",
    "sign_up.requested": "sign_up",
    "product.alert_requested": "alert",
    "browser.recognised": "recognised",
    "review.submitted": "review",
    "referral.made": "referral",
    "coupon.issued": "coupon",
    "coupon.redeemed": "coupon",
    "product.price_dropped": "product_change",
    "product.back_in_stock": "product_change",
    "product.low_in_stock": "product_change",
    "traits.changed": "traits",
    "preferences.changed": "preferences",
    "segment.entered": "segment",
    "segment.left": "segment",
    "tier.reached": "tier",
    "date.came": "date",
    "campaign.came": "campaign",
    "flow.started": "start",
    "privacy.requested": "privacy",
    "alarm.rang": "alarm",
    "delivery.unknown": "other",
}


#: Event types that a flow can name: those that concern a person and mean something to a marketer. Dates, campaigns and
#: starts by hand are told to one flow alone, which names them by a trigger of its own kind.
FLOW_EVENTS = frozenset(EVENT_TYPES) - {
    "alarm.rang", "browser.recognised", "delivery.unknown", "privacy.requested", "product.updated", "variant.updated",
    "date.came", "campaign.came", "flow.started", "sign_up.requested",
    "product.alert_requested",
}  # fmt: skip

#: What the engine itself tells, and nobody from outside.
INNER_EVENTS = frozenset({"segment.entered", "segment.left", "tier.reached", "date.came", "coupon.redeemed"})


class Who(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The contact points that an event names. All normalised: e-mail in its canonical form, phone in E.164."""

    email: str | None = None
    phone: str | None = None
    shop_customer_id: str | None = None
    cart_token: str | None = None
    checkout_token: str | None = None
    browser_id: str | None = None

    def points(self) -> tuple[tuple[str, str], ...]:
        """Return the known contact points as (kind, value), strongest first."""
        pairs = (
            ("shop_customer_id", self.shop_customer_id),
            ("email", self.email),
            ("phone", self.phone),
            ("checkout_token", self.checkout_token),
            ("cart_token", self.cart_token),
            ("browser_id", self.browser_id),
        )
        return tuple((kind, value) for kind, value in pairs if value)


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened in one shop. Equal input gives an equal event, id included.

    `profile_id` is set where the person is known without looking (an alarm, a link's token, a message's own event).
    `signed` is false for what anybody could have sent: such an event never grants consent and never mails.
    `problems` lists what was unusable in the source and was left out.
    """

    id: str
    shop: str
    type: str
    occurred_at: datetime
    received_at: datetime
    data: Fact
    who: Who = Who()
    person: Person | None = None
    profile_id: str | None = None
    signed: bool = True
    problems: tuple[str, ...] = ()
    message_id: str | None = None
    """by whose link it was said, where `data` does not name the message that it is about"""
    label: Label | None = None
    """of what people do with a marketing message: under what that counts"""
    imported: Literal["silent", "telling"] | None = None
    """brought by an import; `silent`: it becomes part of what is known of somebody, and lets nobody into a flow"""

    @property
    def again(self) -> bool:
        """Whether this was told before, and is only known better now: it does not count a second time."""
        return isinstance(self.data, View) and self.data.again

    @property
    def silent(self) -> bool:
        """Whether it lets nobody into a flow."""
        return self.imported == "silent"

    def points(self) -> tuple[tuple[str, str], ...]:
        """Return every contact point as (kind, value), strongest first; last the order, or the code, that it is about.

        A refund or a parcel may name nobody but its order: whoever placed that is meant. A subscription is a contact
        point itself: it leads to whoever uses that browser.
        """
        match self.data:
            case Order(id=order):
                return (*self.who.points(), ("order", order))
            case Coupon(code=code, friends=True) if self.type == "coupon.issued":
                return (*self.who.points(), ("code", plain_code(code)))
            case Refund(order_id=order) | Shipment(order_id=order):
                return (*self.who.points(), ("order", order))
            case PushSubscription(endpoint=endpoint) if self.type == "push.subscribed":
                return (*self.who.points(), ("push", browser_key(endpoint)))
            case _:
                return self.who.points()


class Delivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accepted request from outside. `id` is the hash of what makes it unique (CONTRACTS, per source).

    `also` holds further ids that must be new as well (Shopify: by event id *and* by body): any known one makes it a
    repeat. `triggered_at` is when the sender says that it happened, in a header that nobody signed: it is kept because
    the events of a body that names no time depend on it, and the body may be read again (`rekindle replay`).
    """

    id: str
    shop: str
    source: str
    topic: str
    received_at: datetime
    triggered_at: datetime | None = None
    events: tuple[Event, ...] = ()
    body: bytes = b""
    also: tuple[str, ...] = ()


class Suppression(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address that must not be written to.

    `covers` is `marketing` (unsubscribe, complaint) or `everything` (hard bounce). `address` is the keyed hash: the
    record outlives an erasure without naming anybody.
    """

    shop: str
    channel: str
    address: str
    covers: str
    reason: str
    since: datetime


_events_encoder = msgspec.json.Encoder()
_events_decoder = msgspec.json.Decoder(tuple[Event, ...])


def encode_events(events: tuple[Event, ...]) -> bytes:
    """Return the events as JSON; `decode_events` gives equal ones back."""
    return _events_encoder.encode(events)


def decode_events(raw: bytes | str) -> tuple[Event, ...]:
    """Return the events that `encode_events` wrote, also in an earlier version."""
    return _events_decoder.decode(raw)
