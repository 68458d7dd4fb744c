"""The engine: what one event costs, over one compiled condition (budgets of DESIGN §8)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from bench.figures import Figure, measure
from rekindle.domain.facts import Customer
from rekindle.domain.profile import Profile, encode_profile
from rekindle.flow.conditions import condition
from rekindle.flow.engine import advance
from tests.support.build import ADA, CART, T0, at, checkout, consent, event, flow_of, order, playbook

_ROUNDS = 40
_A_ROUND = 100


@measure
def advancing() -> Iterator[Figure]:
    """Advance for an event that triggers nothing, with 20 published flows, and for a cart event."""
    text = "trigger: {{event: order.placed, when: event.total > {0}}}\nsteps: [{{wait: 1d}}, {{email: m{0}}}]"
    book = playbook(CART, *(flow_of(text.format(number), f"flow-{number}") for number in range(19)))
    known = _settled(book.hash)
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


def _settled(playbook_hash: str) -> Profile:
    """Return a customer with some past."""
    profile = Profile(id="ada", shop="tea")
    book = playbook(hash_=playbook_hash)
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
