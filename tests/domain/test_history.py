"""What a customer has bought: exact after edits, refunds and cancellations, in whatever order these are heard of."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.absorb import absorb
from rekindle.domain.events import Event
from rekindle.domain.facts import Customer, Item, Refund, Shipment
from rekindle.domain.history import history
from rekindle.domain.profile import Profile, encode_profile
from tests.support.build import T0, at, event, order

EMPTY = Profile(id="ada", shop="tea")
TEA = Item(title="Sencha", quantity=2, product_id="p1", kind="tea")
CUP = Item(title="Cup", quantity=1, product_id="p2", kind="stoneware")


def refund(when: float, amount: str, id_: str = "r1", order_id: str = "o1") -> Event:
    fact = Refund(id=id_, order_id=order_id, at=at(hours=when), amount=Decimal(amount), currency="EUR")
    return event("order.refunded", fact, at(hours=when))


def edited(when: float, total: str, items: tuple[Item, ...], **more: object) -> Event:
    told = order(at(hours=when), kind="order.updated", placed_at=T0)
    return replace(told, data=replace(told.data, total=Decimal(total), items=items, **more), id=f"edit@{when}")


def known(*events: Event) -> Profile:
    return reduce(lambda profile, each: absorb(profile, each, each.received_at).profile, events, EMPTY)


PLACED = edited(0, "19.00", (TEA,))
EDITED = edited(2, "31.00", (TEA, CUP))
REFUND = refund(3, "12.00")
AFTER_REFUND = edited(3, "31.00", (TEA,), refunds=(REFUND.data,), refunded=Decimal("12.00"))
SECOND = refund(5, "4.00", "r2")


def test_an_order_counts_as_it_stands_net_of_refunds() -> None:
    past = history(known(PLACED, EDITED, REFUND, SECOND))
    assert past.orders == 1
    assert past.items == 3
    assert past.revenue == {"EUR": Decimal("15.00")}
    assert past.average == {"EUR": Decimal("15.00")}
    assert past.products == {"p1", "p2"}
    assert past.kinds == {"tea", "stoneware"}


def test_a_refund_that_two_bodies_tell_counts_once() -> None:
    assert history(known(PLACED, EDITED, REFUND, AFTER_REFUND)).revenue == {"EUR": Decimal("19.00")}


def test_a_refund_that_comes_before_its_order_counts_when_the_order_comes() -> None:
    assert history(known(REFUND)).revenue == {}
    assert history(known(REFUND, EDITED)).revenue == {"EUR": Decimal("19.00")}


@pytest.mark.parametrize("fate", [{"status": "cancelled"}, {"test": True}, {"status": "failed", "placed_at": None}])
def test_what_is_cancelled_a_test_or_failed_does_not_count(fate: dict[str, object]) -> None:
    gone = edited(6, "19.00", (TEA,), **fate)
    past = history(known(gone if "test" in fate or fate["status"] == "failed" else PLACED, gone))
    assert (past.orders, past.revenue, past.products) == (0, {}, frozenset())


def test_currencies_are_never_added_up() -> None:
    yen = edited(1, "1500", (CUP,), id="o2", currency="JPY")
    past = history(known(PLACED, yen))
    assert past.revenue == {"EUR": Decimal("19.00"), "JPY": Decimal(1500)}
    assert past.average == past.revenue
    assert (past.first_order_at, past.last_order_at) == (T0, T0)


LIFE = [PLACED, EDITED, REFUND, AFTER_REFUND, SECOND, edited(9, "31.00", (TEA,), status="cancelled")]


@given(st.lists(st.sampled_from(LIFE), max_size=8).flatmap(lambda extra: st.permutations(LIFE + extra)))
def test_any_order_and_repetition_of_one_orders_life_gives_the_same_profile(events: list[Event]) -> None:
    assert known(*events) == known(*LIFE)


@given(st.lists(st.sampled_from(LIFE[:-1]), max_size=8).flatmap(lambda extra: st.permutations(LIFE[:-1] + extra)))
def test_each_refund_is_told_once(events: list[Event]) -> None:
    told: list[Event] = []
    profile = EMPTY
    for each in events:
        absorbed = absorb(profile, each, each.received_at)
        profile, told = absorbed.profile, [*told, *absorbed.told]
    refunds = [each.data for each in told if each.type == "order.refunded"]
    assert sorted(fact.id for fact in refunds if isinstance(fact, Refund)) == ["r1", "r2"]


def tags(when: float, **said: Any) -> Event:
    fact = Customer(id="7", updated_at=at(hours=when), **said)
    return event("customer.updated", fact, at(hours=when), id=f"tags@{when}")


TAGS = [
    tags(1, tags=("vip", "tea")),
    tags(2, tags_added=("wholesale",)),
    tags(3, tags_removed=("vip",)),
    tags(4, tags=("tea", "wholesale", "press")),
    tags(5, tags_added=("vip",)),
]


@given(st.permutations(TAGS + TAGS[:2]))
def test_tags_are_as_they_stood_last_in_any_order(events: list[Event]) -> None:
    assert known(*events).tags == ("press", "tea", "vip", "wholesale")


def shipped(when: float, status: str) -> Event:
    fact = Shipment(id="s1", order_id="o1", updated_at=at(hours=when), status=status)  # type: ignore[arg-type]
    return event("shipment.updated", fact, at(hours=when))


def test_a_parcel_tells_each_change_once() -> None:
    told: list[Event] = []
    profile = EMPTY
    for each in (shipped(1, "in_transit"), shipped(2, "in_transit"), shipped(3, "delivered"), shipped(2, "in_transit")):
        absorbed = absorb(profile, each, each.received_at)
        profile, told = absorbed.profile, [*told, *absorbed.told]
    assert [each.data.status for each in told if isinstance(each.data, Shipment)] == ["in_transit", "delivered"]


def test_a_heavy_customer_stays_small_when_stored() -> None:
    """200 orders of three products each: under 12 KB stored (issue: the flow engine's state)."""
    from rekindle.aws.profiles import profile_item

    events = []
    for number in range(200):
        items = tuple(Item(title="x", product_id=str(7_800_000_000_000 + number * 7 + n), kind="tea") for n in range(3))
        told = edited(number, f"{number}.50", items, id=str(5_500_000_000_000 + number * 31), paid_at=at(hours=number))
        events.append(told)
    item = profile_item(known(*events), None)
    stored = sum(len(name) + len(next(iter(value.values()))) for name, value in item.items())
    assert len(encode_profile(known(*events))) > 12_000
    assert stored < 12_000
