"""The engine: what one event costs, over one compiled condition (budgets of DESIGN §8)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from bench.figures import Figure, measure
from rekindle.aws.profiles import profile_item
from rekindle.domain.facts import Customer, Item, View
from rekindle.domain.profile import Profile, encode_profile
from rekindle.flow.conditions import condition
from rekindle.flow.engine import advance
from rekindle.flow.program import Playbook
from tests.support.build import ADA, CART, T0, at, checkout, consent, event, flow_of, order, playbook

_ROUNDS = 40
_A_ROUND = 100

#: Definitions of the kinds that shops write, so that nothing is measured against an empty playbook.
_SEGMENTS = {
    "prospects": "profile.subscribed and profile.orders == 0",
    "buyers": "profile.orders > 0",
    "loyal": "in_segment('buyers') and count('order.placed', '365d') >= 3",
    "lapsed": "profile.orders > 0 and since(profile.last_order_at) > '90d'",
    "active-browsers": "count('product.viewed', '7d') >= 3 and not within('order.placed', '7d')",
    "engaged": "within('email.opened', '60d') or within('email.clicked', '90d')",
    "vip": "profile.spent > 500",
    "dutch": "profile.country == 'NL'",
}


@measure
def advancing() -> Iterator[Figure]:
    """Advance for an event that triggers nothing, with 20 published flows, and for a cart event."""
    text = "trigger: {{event: order.placed, when: event.total > {0}}}\nsteps: [{{wait: 1d}}, {{email: m{0}}}]"
    flows = (CART, *(flow_of(text.format(number), f"flow-{number}") for number in range(19)))
    book = playbook(*flows, segments=_SEGMENTS)
    known = _settled(book)
    quiet = event("customer.updated", Customer(id="7", updated_at=at(days=9)), at(days=9))
    cart = checkout(at(days=9), who=replace(ADA, cart_token="c9", checkout_token="k9"))
    one = condition("event.items and not event.completed_at and profile.email")
    names = {"event": cart.data, "profile": {"email": "ada@example.com"}}

    def yardstick() -> object:
        return one.holds(names)

    def nothing() -> object:
        return advance(known, quiet, book, at(days=9))

    def a_cart() -> object:
        return advance(known, cart, book, at(days=9))

    if advance(known, quiet, book, at(days=9)).effects or not advance(known, cart, book, at(days=9)).effects:
        raise AssertionError("the events do not do what they are measured for")
    rounds = [(_seconds(yardstick), _seconds(nothing), _seconds(a_cart)) for _ in range(_ROUNDS)]
    yield Figure("advance, nothing triggered, 20 flows ÷ a condition", _ratio(rounds, 1), "", 10)
    yield Figure("advance, a cart event, 20 flows ÷ a condition", _ratio(rounds, 2), "", 30)
    yield Figure("one compiled condition, on this machine", statistics.median(row[0] for row in rounds) * 1e6, "µs")
    yield Figure("a profile with three orders and a basket, as JSON", len(encode_profile(known)), "bytes")


@measure
def remembering() -> Iterator[Figure]:
    """What is stored of a heavy customer: 5,000 events, 200 of them orders, under 20 flows and eight segments."""
    flows = (
        CART,
        *(
            flow_of(f"trigger: {{event: order.paid}}\nsteps: [{{wait: 1d}}, {{email: m{n}}}]", f"f{n}")
            for n in range(19)
        ),
    )
    book = playbook(*flows, segments=_SEGMENTS)
    profile = Profile(id="ada", shop="tea")
    profile = advance(profile, consent(T0), book, T0).profile
    for number in range(200):
        day = number * 4
        items = tuple(
            Item(title="Tea", product_id=f"p{(number * 7 + n) % 90}", kind=f"k{n}", quantity=n) for n in range(1, 4)
        )
        for n in range(23):
            when = at(days=day, minutes=n)
            view = event("product.viewed", View(id=f"p{n}", at=when, kind="Tea", seconds=70), when)
            profile = advance(profile, view, book, when).profile
        basket = replace(ADA, cart_token=f"c{number}", checkout_token=f"k{number}")
        profile = advance(profile, checkout(at(days=day, hours=1), who=basket), book, at(days=day, hours=1)).profile
        bought = order(at(days=day, hours=2), id=f"o{number}", who=basket)
        bought = replace(bought, data=replace(bought.data, items=items, item_count=6))
        profile = advance(profile, bought, book, at(days=day, hours=2)).profile
    stored = profile_item(profile, None)
    size = len(stored["packed"]["B"])
    yield Figure("a heavy customer (5,000 events, 200 orders), stored", size, "bytes", 12_000)
    yield Figure("the same, as JSON", len(encode_profile(profile)), "bytes")


def _settled(book: Playbook) -> Profile:
    """Return a customer with some past."""
    profile = Profile(id="ada", shop="tea")
    for told in (consent(T0), checkout(T0), *(order(at(days=n), id=f"o{n}") for n in range(1, 4))):
        profile = advance(profile, told, book, told.received_at).profile
    return profile


def _ratio(rounds: list[tuple[float, float, float]], place: int) -> float:
    return statistics.median(row[place] / row[0] for row in rounds)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(_A_ROUND):
        work()
    return (time.perf_counter() - start) / _A_ROUND
