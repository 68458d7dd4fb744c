"""The whole life of every flow of the catalogue: the happy path, the exit, and the case in which nothing goes.

The flows here are the shortest that show the combination of steps which each needs; what ships is under templates/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import (
    Campaign,
    Consent,
    Engagement,
    Form,
    Item,
    Person,
    ProductChange,
    Referral,
    Refund,
    Review,
    Start,
    View,
)
from rekindle.domain.profile import OrderMark, Profile, Trait
from rekindle.flow.calendar import occurrences
from rekindle.flow.program import OnSchedule
from tests.support.build import ADA, T0, at, cart, checkout, consent, event, flow_of, order, parcel, playbook
from tests.support.story import EMPTY, Story

PHONE = "+31201234567"
EVERYTHING: dict[str, Any] = {"channels": ("email", "sms", "push", "audience"), "notify": "team@tea.example"}


# --- what can happen -------------------------------------------------------------------------------------------------


class Did(NamedTuple):
    """What the person did with the newest message of a template."""

    what: str
    template: str
    when: datetime


def opened(template: str, when: datetime) -> Did:
    return Did("email.opened", template, when)


def clicked(template: str, when: datetime) -> Did:
    return Did("email.clicked", template, when)


def viewed(when: datetime, product: str = "p1", seconds: int = 90, **more: Any) -> Event:
    fact = View(id=product, at=when, seconds=seconds, **more)
    return event("product.viewed", fact, when, id=f"view/{product}/{when}")


def joined(when: datetime, source: str = "form") -> Event:
    act = Consent(channel="email", state="subscribed", at=when, source=source, address=ADA.email)
    return event("consent.changed", act, when)


def texts(when: datetime) -> Event:
    act = Consent(channel="sms", state="subscribed", at=when, source="test", address=PHONE)
    return event("consent.changed", act, when, who=replace(ADA, phone=PHONE), id=f"sms/{when}")


def reviewed(when: datetime, rating: int, order_id: str = "o1") -> Event:
    return event("review.submitted", Review(rating=rating, at=when, order_id=order_id), when)


def bought(when: datetime, number: str = "o1", *items: Item, **more: Any) -> Event:
    placed = order(when, id=number, who=replace(ADA, cart_token=f"c-{number}", checkout_token=f"k-{number}"), **more)
    return replace(placed, data=replace(placed.data, items=items)) if items else placed


def came(when: datetime, flow: str) -> Event:
    return event("campaign.came", Campaign(flow=flow, at=when, occurrence=when.isoformat()), when, id=f"{flow}/{when}")


def answered(when: datetime, **answers: str | tuple[str, ...]) -> Event:
    return event("survey.answered", Form(name="about-you", at=when, answers=answers), when)


def dropped(when: datetime, *, asked: bool = False) -> Event:
    fact = ProductChange(product_id="p1", at=when, price=Decimal(5), was=Decimal(9), currency="EUR", asked=asked)
    return event("product.price_dropped", fact, when)


def gave_back(when: datetime, amount: int, order_id: str = "o1") -> Event:
    fact = Refund(id=f"r-{when}", order_id=order_id, at=when, amount=Decimal(amount), currency="EUR")
    return event("order.refunded", fact, when)


def by_hand(flow: str) -> Event:
    return event("flow.started", Start(flow=flow, at=T0, by="mia"), T0)


def capsules(count: int) -> Item:
    return Item(title="Capsules", quantity=count, product_id="p9", kind="supplements", price=Decimal("0.30"))


NO = consent(T0, "unsubscribed")
YES = consent(T0)
PAST = OrderMark(
    updated_at=at(days=-60), placed_at=at(days=-60), total=Decimal(40), currency="EUR", events=("order.placed",)
)
BUYER = replace(EMPTY, orders={"o0": PAST})


# --- the catalogue ---------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """What happens, and what the person gets: (template, when)."""

    told: Iterable[Event | Did]
    gets: list[tuple[str, datetime]]
    says: tuple[str, str] | None = None
    """a decision that must have been taken"""
    known: Profile = EMPTY
    until: datetime = at(days=60)
    then: Callable[[Profile], bool] = lambda _: True
    """what is true of the person in the end"""


class Plan(NamedTuple):
    """One row of the catalogue."""

    flows: dict[str, str]
    cases: dict[str, Case]
    segments: Mapping[str, str] = MappingProxyType({})


WELCOME = """
trigger:
  event: consent.changed
  when: event.channel == 'email' and event.state == 'subscribed' and event.source != 'import'
goal: {event: order.placed}
steps:
  - email: welcome
  - wait: 1d
  - branch:
      - if: count('product.viewed', '30d') >= 1
        steps: [{email: what-you-looked-at}]
      - else: true
        steps: [{email: best-sellers}]
  - wait: 2d
  - email: first-order-code
    code: HELLO10
  - set: {traits: {welcomed: true}}
"""
NURTURE = """
trigger: {event: traits.changed, when: profile.traits.welcomed and profile.orders == 0}
timeout: 120d
goal: {event: order.placed}
steps:
  - repeat: {times: 4}
    steps:
      - wait: 7d
      - branch:
          - if: profile.unopened >= 3
            steps: [{wait: 7d}]
      - email: good-to-know
"""
BROWSE = """
trigger:
  event: product.viewed
  when: event.seconds >= 60 and count('product.viewed', "event.seconds >= 60", '7d') >= 2
entry: {again: 14d}
goal: {event: order.placed}
exit_on: [{event: cart.updated}, {event: checkout.updated}]
steps:
  - wait: 2h
  - email: you-looked-at
  - wait: 22h
  - email: similar-ones
"""
LEFT = """
trigger: {event: checkout.updated, when: event.items and profile.email}
entry: {key: event.id, restart: true}
goal: {event: order.placed, when: "run.key in (event.cart_token, event.checkout_token)"}
exit_on: {event: cart.updated, when: event.id == run.key and not event.items}
timeout: 14d
steps:
  - wait: 1h
  - branch:
      - if: profile.sms_subscribed
        steps: [{sms: left-something}]
      - else: true
        steps: [{email: left-something}]
  - audience: cart-leavers
  - wait: 23h
  - branch: [{if: not run.clicked, steps: [{email: still-there}]}]
  - wait: 2d
  - branch:
      - if: not run.clicked and (profile.orders == 0 or event.total > 100)
        steps: [{email: an-offer, code: BACK10}]
"""
UPSELL = """
trigger: {event: product.viewed, when: event.price < 20}
goal: {event: order.placed}
steps:
  - wait: 10m
  - branch:
      - if: profile.email
        steps: [{email: better-ones}]
      - else: true
        steps: [{push: better-ones}]
  - wait: 2d
  - email: better-ones-again
"""
CROSS_SELL = """
trigger: {event: order.placed}
entry: {key: event.id}
steps:
  - wait: 1d
  - email: thanks-and-complements
  - wait_for: {event: order.placed, when: event.id != run.key, limit: 2d}
    then: [{wait: 3d}, {email: review-request}]
    else: [{email: complements-again}]
"""
OFFER = """
trigger: {schedule: {holiday: black-friday, before: 7d, at: '09:00', segment: dutch}}
goal: {event: coupon.redeemed}
timeout: 10d
steps:
  - wait_until: 10:00
  - email: announcement
    code: BLACK25
  - wait_for: {event: email.clicked, limit: 4d}
    then: [{email: how-to-redeem, category: transactional}]
    else: [{email: reminder}]
  - wait_until: '2026-11-27'
    at: '08:00'
  - email: last-day
    manners: wait
"""
ASK_REVIEW = """
trigger: {event: shipment.updated, when: event.status == 'delivered'}
entry: {key: event.order_id}
goal: {event: review.submitted, when: event.order_id == run.key}
timeout: 60d
steps:
  - branch:
      - if: "ordered(('furniture', 'appliances'), '60d')"
        steps: [{wait: 21d}]
      - else: true
        steps: [{wait: 10d}]
  - email: how-was-it
  - wait: 7d
  - email: how-was-it-again
"""
ANSWER_REVIEW = """
trigger: {event: review.submitted}
entry: {key: event.order_id}
category: transactional
steps:
  - branch:
      - if: event.rating >= 4
        steps: [{email: thanks-for-the-stars}]
      - else: true
        steps: [{email: let-us-make-it-right}, {notify: bad-review}]
"""
REPLENISH = """
trigger: {event: order.placed, when: "ordered('supplements', '1d')"}
entry: {key: event.id}
goal: {event: order.placed, when: event.id != run.key}
timeout: 200d
steps:
  - wait: "{{ event.items[0].quantity * 1 - shop.shipping_days - 3 }}d"
  - email: running-low
"""
BIRTHDAY = """
trigger: {date: profile.birthday, before: 7d}
steps:
  - email: nearly-your-day
    code: CAKE15
  - wait_until: profile.birthday
  - email: happy-birthday
    code: CAKE15
  - wait: 3d
  - branch:
      - if: run.redeemed
        steps: [{exit: redeemed}]
      - if: run.opened
        steps: [{email: still-yours}]
      - else: true
        steps: [{email: did-you-see-it}]
"""
REFERRAL = """
trigger: {event: review.submitted, when: event.rating == 5 and profile.orders >= 2}
goal: {event: referral.made}
steps: [{email: invite-a-friend}, {wait: 7d}, {email: what-you-miss}]
"""
REWARD = """
trigger: {event: referral.made}
entry: {key: event.order_id}
category: transactional
steps: [{email: your-reward}]
"""
WIN_BACK = """
trigger: {segment: lapsed}
entry: {again: always}
goal: {event: order.placed}
timeout: 90d
steps:
  - email: whats-new
  - wait_for: {event: email.clicked, limit: 15d}
    then: [{email: glad-you-are-back, manners: wait}, {exit: active again}]
  - email: an-offer
  - wait: 15d
  - email: a-larger-offer
  - wait: 30d
  - email: stay-or-leave
"""
SUNSET = """
trigger: {segment: unengaged}
exit_on: [{event: email.opened}, {event: order.placed}]
timeout: 90d
steps:
  - email: are-you-still-there
  - wait: 14d
  - email: last-call
  - wait: 14d
  - set: {tags: [sunset]}
  - audience: customers
    action: remove
  - notify: gone-quiet
"""
CONFIRMATION = """
category: transactional
trigger: {event: order.placed, when: not event.cancelled_at and profile.email}
entry: {key: event.id}
steps: [{email: order-confirmation}]
"""
SHIPPING = """
category: transactional
trigger: {event: shipment.updated}
entry: {key: event.id + ' ' + event.status}
steps:
  - branch:
      - if: event.status == 'delivered'
        steps: [{email: delivered}]
      - if: event.status == 'failed'
        steps: [{email: delivery-failed}]
      - else: true
        steps: [{email: on-its-way}]
"""
CANCELLED = """
category: transactional
trigger: [{event: order.cancelled}, {event: order.refunded}]
entry: {key: event.id}
steps:
  - branch:
      - if: event.amount
        steps: [{email: refunded}]
      - else: true
        steps: [{email: cancelled}]
"""
PRICE_DROP = """
trigger: {product: price_dropped, when: event.price < event.was}
entry: {key: event.product_id, again: 7d}
goal: {event: order.placed}
steps:
  - branch:
      - if: event.asked
        steps: [{email: cheaper-as-you-asked, category: transactional}]
      - else: true
        steps: [{wait_until: '10:00'}, {email: cheaper-now}]
"""
SALE = """
trigger: {event: product.viewed, when: "count('product.viewed', '30d') >= 3 and profile.orders == 0"}
entry: {again: 90d}
goal: {event: order.placed}
steps: [{wait: 1h}, {email: a-discount, code: LOOK5}]
"""
CURATED = """
trigger: {schedule: {cron: '0 10 * * mon', segment: readers}}
steps:
  - branch:
      - if: in_segment('matcha')
        steps: [{email: all-about-matcha}]
      - else: true
        steps: [{email: this-week}]
  - wait_for: {event: email.clicked, when: "'matcha' in event.link", limit: 3d}
    then: [{set: {tags: [matcha]}}]
"""
SURVEY = """
trigger: {manual: true}
steps:
  - email: about-you
  - wait_for: {event: survey.answered, limit: 7d}
    then:
      - email: here-is-your-reward
        category: transactional
      - exit: answered
  - email: about-you-again
"""
FIRST = """
trigger: {event: order.placed, when: profile.orders == 1}
goal: {event: order.placed, when: profile.orders > 1}
steps:
  - email: thanks
  - wait: 4d
  - email: how-to-use-it
  - wait: 10d
  - email: your-second-order
"""
LOYALTY = """
trigger: {segment: gold}
steps:
  - set: {traits: {tier: gold}}
  - email: you-are-gold
"""
LET_OUT = """
trigger: {event: order.placed}
entry: {again: always}
steps: [{audience: cart-leavers, action: remove}]
"""

CATALOGUE: dict[str, Plan] = {
    "1 welcome series": Plan(
        {"welcome": WELCOME},
        {
            "all three, after what they looked at": Case(
                [viewed(at(hours=-1)), joined(T0)],
                [("welcome", T0), ("what-you-looked-at", at(days=1)), ("first-order-code", at(days=3))],
                then=lambda ada: ada.traits["welcomed"].value is True,
            ),
            "ordered": Case([joined(T0), bought(at(hours=3))], [("welcome", T0)], ("ended", "order.placed")),
            "imported": Case([joined(T0, "import")], []),
            "taken back": Case([joined(T0), consent(at(hours=1), "unsubscribed")], [("welcome", T0)]),
        },
    ),
    "2 nurture": Plan(
        {"welcome": WELCOME, "nurture": NURTURE},
        {
            "slower when nobody opens": Case(
                [joined(T0)],
                [
                    ("welcome", T0), ("best-sellers", at(days=1)), ("first-order-code", at(days=3)),
                    *(("good-to-know", at(days=3 + 14 * n)) for n in (1, 2, 3, 4)),
                ],
            ),
            "weekly for readers": Case(
                [joined(T0), opened("first-order-code", at(days=4)), opened("good-to-know", at(days=11))],
                [
                    ("welcome", T0), ("best-sellers", at(days=1)), ("first-order-code", at(days=3)),
                    *(("good-to-know", at(days=day)) for day in (10, 17, 24, 31)),
                ],
            ),
            "ordered": Case(
                [joined(T0), opened("best-sellers", at(days=2)), bought(at(days=12))],
                [("welcome", T0), ("best-sellers", at(days=1)), ("first-order-code", at(days=3)),
                 ("good-to-know", at(days=10))],
            ),
        },
    ),
    "3 browse abandonment": Plan(
        {"browse": BROWSE},
        {
            "looked twice": Case(
                [YES, viewed(at(hours=1)), viewed(at(hours=2))],
                [("you-looked-at", at(hours=4)), ("similar-ones", at(hours=26))],
            ),
            "went on to a cart": Case([YES, viewed(at(hours=1)), viewed(at(hours=2)), checkout(at(hours=3))], []),
            "ordered after the first": Case(
                [YES, viewed(at(hours=1)), viewed(at(hours=2)), bought(at(hours=5))], [("you-looked-at", at(hours=4))]
            ),
            "only an open tab": Case([YES, *(viewed(at(hours=n), seconds=0) for n in (1, 2, 3))], []),
        },
    ),
    "4 cart abandonment": Plan(
        {"cart": LEFT},
        {
            "three mails, the last with an offer": Case(
                [YES, checkout(T0), checkout(at(minutes=20))],
                [
                    ("left-something", at(minutes=80)), ("cart-leavers", at(minutes=80)),
                    ("still-there", at(days=1, minutes=20)), ("an-offer", at(days=3, minutes=20)),
                ],
            ),
            "a text message where allowed": Case(
                [YES, texts(T0), checkout(T0)],
                [("left-something", at(hours=1)), ("cart-leavers", at(hours=1)), ("still-there", at(days=1)),
                 ("an-offer", at(days=3))],
            ),
            "clicked": Case(
                [YES, checkout(T0), clicked("left-something", at(hours=2))],
                [("left-something", at(hours=1)), ("cart-leavers", at(hours=1))],
            ),
            "ordered that cart": Case([YES, checkout(T0), order(at(minutes=30))], []),
            "emptied": Case([YES, checkout(T0), cart(at(minutes=30), items=())], []),
            "no consent": Case([NO, checkout(T0)], [], ("skipped", "no consent to marketing e-mail")),
        },
    ),
    "5 upsell": Plan(
        {"upsell": UPSELL},
        {
            "better ones, and a reminder": Case(
                [YES, viewed(at(hours=1), price=Decimal(9))],
                [("better-ones", at(hours=1, minutes=10)), ("better-ones-again", at(days=2, hours=1, minutes=10))],
            ),
            "ordered": Case(
                [YES, viewed(at(hours=1), price=Decimal(9)), bought(at(hours=2))],
                [("better-ones", at(hours=1, minutes=10))],
            ),
            "no address and no browser to push to": Case(
                [replace(viewed(at(hours=1), price=Decimal(9)), who=Who(browser_id="b1"))],
                [], ("skipped", "no browser to push to"),
            ),
        },
    ),
    "6 cross-sell": Plan(
        {"cross-sell": CROSS_SELL},
        {
            "none bought": Case(
                [YES, bought(T0)], [("thanks-and-complements", at(days=1)), ("complements-again", at(days=3))]
            ),
            "one bought": Case(
                [YES, bought(T0), bought(at(days=2), "o2")],
                [
                    ("thanks-and-complements", at(days=1)), ("thanks-and-complements", at(days=3)),
                    ("review-request", at(days=5)),
                ],
                # The second order's own follow-up would come at the very moment of the first one's request.
                ("skipped", "smart sending: messages 16h apart"),
            ),
            "no consent": Case([NO, bought(T0)], []),
        },
    ),
    "8 review request": Plan(
        {"ask": ASK_REVIEW, "answer": ANSWER_REVIEW},
        {
            "soft goods": Case(
                [YES, bought(T0), parcel(at(days=2))], [("how-was-it", at(days=12)), ("how-was-it-again", at(days=19))]
            ),
            "hard goods": Case(
                [YES, bought(T0, "o1", Item(title="Sofa", kind="furniture", product_id="p7")), parcel(at(days=2)),
                 reviewed(at(days=24), 5)],
                [("how-was-it", at(days=23)), ("thanks-for-the-stars", at(days=24))],
            ),
            "a bad one": Case(
                [YES, bought(T0), parcel(at(days=2)), reviewed(at(days=5), 1)],
                [("let-us-make-it-right", at(days=5)), ("bad-review", at(days=5))],
            ),
            "never arrived": Case([YES, bought(T0), parcel(at(days=2), "failed")], []),
        },
    ),
    "9 replenishment": Plan(
        {"replenish": REPLENISH},
        {
            "a hundred capsules": Case(
                [YES, bought(T0, "o1", capsules(100))], [("running-low", at(days=92))], until=at(days=150)
            ),
            "reordered": Case(
                [YES, bought(T0, "o1", capsules(30)), bought(at(days=20), "o2", capsules(100))],
                [("running-low", at(days=112))], until=at(days=150),
            ),
            "something else": Case([YES, bought(T0)], [], until=at(days=150)),
        },
    ),
    "10 birthday": Plan(
        {"birthday": BIRTHDAY},
        {
            "seen and not redeemed": Case(
                [YES, answered(T0, birthday="1990-03-20"), opened("happy-birthday", at(days=18.5))],
                [("nearly-your-day", at(days=10, hours=23)), ("happy-birthday", at(days=17, hours=23)),
                 ("still-yours", at(days=20, hours=23))],
            ),
            "not even seen": Case(
                [YES, answered(T0, birthday="--03-20")],
                [("nearly-your-day", at(days=10, hours=23)), ("happy-birthday", at(days=17, hours=23)),
                 ("did-you-see-it", at(days=20, hours=23))],
            ),
            "redeemed": Case(
                [YES, answered(T0, birthday="1990-03-20"), bought(at(days=19), codes=("CAKE15",))],
                [("nearly-your-day", at(days=10, hours=23)), ("happy-birthday", at(days=17, hours=23))],
                ("ended", "redeemed"),
            ),
            "no consent": Case([NO, answered(T0, birthday="1990-03-20")], []),
        },
    ),
    "11 referral": Plan(
        {"referral": REFERRAL, "reward": REWARD},
        {
            "a friend ordered": Case(
                [YES, bought(T0), reviewed(at(days=1), 5),
                 event("referral.made", Referral(order_id="f1", at=at(days=3)), at(days=3))],
                [("invite-a-friend", at(days=1)), ("your-reward", at(days=3))], known=BUYER,
            ),
            "nobody did": Case(
                [YES, bought(T0), reviewed(at(days=1), 5)],
                [("invite-a-friend", at(days=1)), ("what-you-miss", at(days=8))], known=BUYER,
            ),
            "not satisfied": Case([YES, bought(T0), reviewed(at(days=1), 3)], [], known=BUYER),
        },
    ),
    "12 win-back": Plan(
        {"win-back": WIN_BACK},
        {
            "up to the last": Case(
                [YES, bought(T0)],
                [(name, at(days=day)) for name, day in
                 (("whats-new", 60), ("an-offer", 75), ("a-larger-offer", 90), ("stay-or-leave", 120))],
                until=at(days=200),
            ),
            "came back by a click": Case(
                [YES, bought(T0), clicked("whats-new", at(days=62))],
                [("whats-new", at(days=60)), ("glad-you-are-back", at(days=62))], ("ended", "active again"),
                until=at(days=200),
            ),
            "bought, and lapsed again": Case(
                [YES, bought(T0), bought(at(days=61), "o2")],
                [(name, at(days=day)) for name, day in (("whats-new", 60), ("whats-new", 121), ("an-offer", 136))],
                until=at(days=140),
            ),
            "no consent": Case([NO, bought(T0)], [], until=at(days=200)),
        },
        {"lapsed": "profile.orders > 0 and since(profile.last_order_at) >= '60d'"},
    ),
    "13 sunset": Plan(
        {"sunset": SUNSET, "news": CURATED},
        {
            "no answer": Case(
                [YES, *(came(at(days=7 * n), "news") for n in (1, 2, 3))],
                [*(("this-week", at(days=7 * n)) for n in (1, 2, 3)),
                 ("last-call", at(days=35)), ("customers", at(days=49)), ("gone-quiet", at(days=49))],
                then=lambda ada: ada.own_tags["sunset"].on, known=BUYER,
            ),
            "opened one": Case(
                [YES, *(came(at(days=7 * n), "news") for n in (1, 2, 3)), opened("this-week", at(days=22))],
                [("this-week", at(days=7 * n)) for n in (1, 2, 3)], known=BUYER,
            ),
        },
        {"unengaged": "profile.unopened >= 3", "readers": "profile.subscribed", "matcha": "'matcha' in profile.tags"},
    ),
    "14 order confirmation": Plan(
        {"confirmation": CONFIRMATION},
        {
            "also without consent": Case([NO, bought(T0)], [("order-confirmation", T0)]),
            "told again": Case(
                [bought(T0), bought(T0), bought(at(hours=1), placed_at=T0)], [("order-confirmation", T0)]
            ),
            "never placed": Case([bought(T0, status="failed", placed_at=None)], []),
        },
    ),
    "15 shipping": Plan(
        {"shipping": SHIPPING},
        {
            "each change once": Case(
                [NO, bought(T0), parcel(at(days=1), "in_transit"), parcel(at(days=1, hours=2), "in_transit"),
                 parcel(at(days=2), "delivered")],
                [("on-its-way", at(days=1)), ("delivered", at(days=2))],
            ),
            "failed": Case([bought(T0), parcel(at(days=1), "failed")], [("delivery-failed", at(days=1))]),
            "heard of days later": Case([bought(T0), replace(parcel(at(days=1)), received_at=at(days=4))], []),
        },
    ),
    "16 cancellation and refund": Plan(
        {"cancelled": CANCELLED},
        {
            "a partial refund, then all": Case(
                [NO, bought(T0), gave_back(at(days=1), 1), gave_back(at(days=2), 18)],
                [("refunded", at(days=1)), ("refunded", at(days=2))],
            ),
            "cancelled": Case(
                [bought(T0), bought(at(days=1), placed_at=T0, status="cancelled", cancelled_at=at(days=1))],
                [("cancelled", at(days=1))],
            ),
            "neither": Case([bought(T0)], []),
        },
    ),
    "17 price drop": Plan(
        {"price-drop": PRICE_DROP},
        {
            "looked at it: in the morning": Case([YES, dropped(at(hours=10))], [("cheaper-now", at(days=1))]),
            "asked: at once, and without any other consent": Case(
                [NO, dropped(at(hours=10), asked=True)], [("cheaper-as-you-asked", at(hours=10))]
            ),
            "ordered meanwhile": Case([YES, dropped(at(hours=10)), bought(at(hours=12))], []),
            "twice in a week": Case([YES, dropped(at(hours=10)), dropped(at(days=3))], [("cheaper-now", at(days=1))]),
            "no consent": Case([NO, dropped(at(hours=10))], []),
        },
    ),
    "18 viewed, not bought": Plan(
        {"sale": SALE},
        {
            "once a quarter": Case(
                [YES, *(viewed(at(days=n)) for n in range(1, 41))], [("a-discount", at(days=3, hours=1))]
            ),
            "ordered": Case([YES, *(viewed(at(hours=n)) for n in (1, 2, 3)), bought(at(hours=3, minutes=5))], []),
            "not often enough": Case([YES, viewed(at(days=1)), viewed(at(days=20)), viewed(at(days=40))], []),
        },
    ),
    "19 curated products": Plan(
        {"news": CURATED},
        {
            "the next issue follows the click": Case(
                [YES, came(at(days=7), "news"), clicked("this-week", at(days=8)), came(at(days=14), "news")],
                [("this-week", at(days=7)), ("all-about-matcha", at(days=14))],
                then=lambda ada: "matcha" in ada.segments,
            ),
            "not a reader": Case([NO, came(at(days=7), "news")], [], ("not_entered", "segment: readers")),
            "told twice": Case([YES, came(at(days=7), "news"), came(at(days=7), "news")], [("this-week", at(days=7))]),
        },
        {"readers": "profile.subscribed", "matcha": "'matcha' in profile.tags"},
    ),
    "20 survey": Plan(
        {"survey": SURVEY},
        {
            "answered": Case(
                [YES, by_hand("survey"), answered(at(days=2), birthday="1990-03-20")],
                [("about-you", T0), ("here-is-your-reward", at(days=2))],
                then=lambda ada: ada.traits["birthday"].value == "1990-03-20",
            ),
            "not answered": Case(
                [YES, by_hand("survey")],
                [("about-you", T0), ("about-you-again", at(days=7))],
            ),
            "another flow was started": Case([YES, by_hand("else")], []),
        },
    ),
    "21 first-time buyer": Plan(
        {"first": FIRST},
        {
            "one order": Case(
                [YES, bought(T0)], [("thanks", T0), ("how-to-use-it", at(days=4)), ("your-second-order", at(days=14))]
            ),
            "a second one": Case(
                [YES, bought(T0), bought(at(days=6), "o2")], [("thanks", T0), ("how-to-use-it", at(days=4))]
            ),
            "an old customer": Case([YES, bought(T0)], [], known=BUYER),
        },
    ),
    "22 loyalty rewards": Plan(
        {"loyalty": LOYALTY},
        {
            "crossed once, fell back, crossed again": Case(
                [YES, bought(T0), bought(at(days=1), "o2"), gave_back(at(days=2), 19, "o2"), bought(at(days=3), "o3")],
                [("you-are-gold", at(days=1))], then=lambda ada: ada.traits["tier"].value == "gold",
            ),
            "not yet": Case([YES, bought(T0)], []),
        },
        {"gold": "profile.spent >= shop.values.gold_line"},
    ),
    "23 ads audiences": Plan(
        {"cart": LEFT, "let-out": LET_OUT},
        {
            "in by leaving a cart, out by buying": Case(
                [YES, checkout(T0), order(at(hours=2))],
                [("left-something", at(hours=1)), ("cart-leavers", at(hours=1)), ("cart-leavers", at(hours=2))],
            ),
            "never without consent": Case([NO, checkout(T0)], [], ("skipped", "no consent to marketing")),
        },
    ),
}  # fmt: skip

CASES = [
    pytest.param(plan, case, id=f"{name}: {what}")
    for name, plan in CATALOGUE.items()
    for what, case in plan.cases.items()
]


def play(story: Story, happened: Iterable[Event | Did]) -> Story:
    for one in happened:
        if isinstance(one, Event):
            story.tell(one)
            continue
        story.until(one.when)
        message = dict(zip((template for template, _ in story.mails), story.messages, strict=True))[one.template]
        fact = Engagement(message_id=message, at=one.when, link="https://tea.example/matcha")
        story.take(event(one.what, fact, one.when, who=Who(), profile_id=story.profile.id), one.when)
    return story


@pytest.mark.parametrize(("plan", "case"), CASES)
def test_the_catalogue(plan: Plan, case: Case) -> None:
    flows = [flow_of(text, name) for name, text in plan.flows.items()]
    book = playbook(*flows, segments=plan.segments, values={"gold_line": 30}, **EVERYTHING)
    story = play(Story(book, case.known), case.told).until(case.until)
    assert story.mails == case.gets
    assert case.says is None or case.says in story.said
    assert case.then(story.profile)


def test_every_row_of_the_catalogue_is_here() -> None:
    """Row 7 needs November, and stands by itself below."""
    assert sorted({int(name.split()[0]) for name in CATALOGUE} | {7}) == list(range(1, 24))


# --- a campaign around a holiday -------------------------------------------------------------------------------------


def campaign(*happened: Event | Did, country: str = "NL", first: Event = YES) -> Story:
    """Play the offer of row 7 to somebody, on the shop's schedule of 2026."""
    flow = flow_of(OFFER, "offer")
    (schedule,) = flow.triggers
    assert isinstance(schedule, OnSchedule)
    year = datetime(2026, 1, 1, tzinfo=UTC)
    (start,) = occurrences(schedule, "Europe/Amsterdam", year, datetime(2027, 1, 1, tzinfo=UTC))
    book = playbook(flow, segments={"dutch": "profile.country in ('NL', 'BE', 'US')"}, **EVERYTHING)
    story = Story(book, replace(EMPTY, person=Person(country=country, region="CA" if country == "US" else None)))
    return play(story.tell(first), [came(start, "offer"), *happened]).until(datetime(2026, 12, 31, tzinfo=UTC))


def in_november(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


def test_7_offers_are_announced_reminded_of_and_end_on_a_last_day() -> None:
    assert campaign().mails == [
        ("announcement", in_november("20T09:00")),
        ("reminder", in_november("24T09:00")),
        ("last-day", in_november("27T07:00")),
    ]


def test_7_offers_come_at_the_recipients_hour() -> None:
    assert campaign(country="US").mails[0] == ("announcement", in_november("20T18:00"))


def test_7_who_responds_is_told_how_to_redeem_and_who_redeems_is_out() -> None:
    assert campaign(clicked("announcement", in_november("21T12:00"))).mails[1] == (
        "how-to-redeem", in_november("21T12:00")
    )  # fmt: skip
    used = campaign(bought(in_november("22T12:00"), codes=("black25",)))
    assert used.mails == [("announcement", in_november("20T09:00"))]
    assert [(run.status, run.redeemed) for run in used.profile.runs] == [("converted", ("announcement",))]


def test_7_offers_go_to_their_segment_and_to_who_agreed_only() -> None:
    assert campaign(country="DE").mails == []
    assert campaign(first=NO).mails == []


# --- clocks and calendars --------------------------------------------------------------------------------------------


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def after_order(steps: str, when: str, person: Person = Person(), **known: Any) -> list[str]:  # noqa: B008 - frozen
    """Return when mails come (UTC) to somebody, of a shop in Amsterdam, who orders at `when`."""
    text = "category: transactional\ntrigger: {event: order.placed}\nentry: {key: event.id}\ntimeout: 400d\nsteps:\n"
    story = Story(playbook(flow_of(text + steps), **EVERYTHING), replace(EMPTY, person=person, **known))
    story.tell(order(utc(when))).until(utc(when) + timedelta(days=400))
    return [moment.strftime("%Y-%m-%dT%H:%M") for _, moment in story.mails]


AT_NIGHT = "  - wait_until: '02:30'\n  - email: x\n"
MORNING = "  - wait_until: '10:00'\n  - email: x\n"


@pytest.mark.parametrize(
    ("steps", "ordered", "comes"),
    [
        (AT_NIGHT, "2026-03-28T20:00", "2026-03-29T01:30"),
        (AT_NIGHT, "2026-03-29T01:10", "2026-03-29T01:30"),
        (AT_NIGHT, "2026-10-24T20:00", "2026-10-25T00:30"),
        (AT_NIGHT, "2026-10-25T00:40", "2026-10-26T01:30"),
        (MORNING, "2026-03-28T20:00", "2026-03-29T08:00"),
        (MORNING, "2026-10-24T20:00", "2026-10-25T09:00"),
        ("  - wait: 1d\n  - email: x\n", "2026-03-28T09:00", "2026-03-29T09:00"),
        ("  - wait: 1d\n  - wait_until: '10:00'\n  - email: x\n", "2026-03-28T09:00", "2026-03-30T08:00"),
        ("  - wait: 1d\n  - wait_until: '10:00'\n  - email: x\n", "2026-10-24T08:00", "2026-10-25T09:00"),
    ],
    ids=[
        "02:30 does not exist: 03:30", "already within the gap's hour", "02:30 comes twice: its first coming",
        "its second coming is none", "the day after the gap", "the day after the fold", "a day is 24 hours",
        "which leads past ten in spring", "and to before it in autumn",
    ],
)  # fmt: skip
def test_when_clocks_are_set(steps: str, ordered: str, comes: str) -> None:
    """In Amsterdam clocks go forward on 29 March 2026 and back on 25 October."""
    assert after_order(steps, ordered) == [comes]


@pytest.mark.parametrize(
    ("zone", "comes"),
    [
        ("Pacific/Kiritimati", "2026-12-31T20:00"),
        ("Pacific/Auckland", "2026-12-31T21:00"),
        ("Europe/Amsterdam", "2026-12-31T09:00"),
        ("America/Los_Angeles", "2026-12-31T18:00"),
        ("Pacific/Pago_Pago", "2026-12-31T21:00"),
    ],
)
def test_ten_in_the_morning_is_at_another_time_for_everybody(zone: str, comes: str) -> None:
    """An order on the last day of the year at six in the morning, UTC: on the first islands it is evening already."""
    assert after_order(MORNING, "2026-12-31T06:00", Person(zone=zone)) == [comes]


@pytest.mark.parametrize(
    ("offset", "ordered", "comes"),
    [
        ("after: 1d", "2026-01-31T09:00", "2026-02-01T08:00"),
        ("after: 30d", "2026-01-31T09:00", "2026-03-02T08:00"),
        ("after: 30d", "2028-01-31T09:00", "2028-03-01T08:00"),
        ("after: 1d", "2028-02-28T09:00", "2028-02-29T08:00"),
        ("after: 1d", "2026-12-31T09:00", "2027-01-01T08:00"),
        ("after: 7d", "2026-10-20T09:00", "2026-10-27T08:00"),
        ("after: 30d", "2026-03-01T09:00", "2026-03-31T07:00"),
    ],
)
def test_days_are_counted_over_the_ends_of_months_and_years(offset: str, ordered: str, comes: str) -> None:
    steps = f"  - wait_until: event.placed_at\n    {offset}\n    at: '09:00'\n    yearly: false\n  - email: x\n"
    assert after_order(steps, ordered) == [comes]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Europe/Amsterdam", "Pacific/Pago_Pago"])
def test_somebody_of_29_february_has_a_birthday_every_year(zone: str) -> None:
    """On the 28th where there is no 29th; each at nine on their own clock, wherever that is."""
    flow = flow_of("trigger: {date: profile.birthday}\nsteps: [{email: party}]", "birthday")
    born = replace(EMPTY, person=Person(zone=zone), traits={"birthday": Trait(T0, "2000-02-29")})
    story = Story(playbook(flow), born).tell(consent(at(days=1))).until(T0 + timedelta(days=5 * 366))
    local = [moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") for _, moment in story.mails]
    assert local == [f"{day} 09:00" for day in ("2027-02-28", "2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28")]


@pytest.mark.parametrize(
    ("when", "comes"),
    [
        ("2026-03-28T20:30", "2026-03-29T07:00"),
        ("2026-10-24T20:30", "2026-10-25T08:00"),
        ("2026-03-28T12:00", "2026-03-28T12:00"),
    ],
)
def test_quiet_hours_are_as_long_as_the_night_is(when: str, comes: str) -> None:
    """Text messages rest from 20:00 to 09:00 on the recipient's clock, also in the nights in which it is set."""
    flow = flow_of("trigger: {event: order.placed}\nsteps: [{sms: thanks}]")
    story = Story(playbook(flow, **EVERYTHING)).tell(texts(utc(when) - timedelta(days=2)), order(utc(when)))
    assert story.until(utc(when) + timedelta(days=9)).mails == [("thanks", utc(comes))]
