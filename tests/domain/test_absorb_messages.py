"""What people did with the messages that they got, and the coupons in them."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from rekindle.domain.absorb import MAX_COUPONS, Absorbed, absorb
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Coupon, Engagement
from rekindle.domain.profile import Given, Profile, Run, Touch
from tests.support.build import T0, at, event, order

FIRST = Run(
    id="r1",
    flow="welcome",
    version="v1",
    playbook="h1",
    entered_at=T0,
    expires_at=at(days=30),
    messages={"hello": "m1", "offer": "m2"},
    codes={"offer": "Tea-10"},
)
SECOND = replace(FIRST, id="r2", flow="offers", entered_at=at(hours=1), messages={"offer": "m3"})
PROFILE = Profile(
    id="ada", shop="tea", runs=(FIRST, SECOND), touches=(Touch(T0, "m1", "email"), Touch(at(hours=1), "m3", "sms"))
)


def after(*events: Event, start: Profile = PROFILE) -> Absorbed:
    absorbed = Absorbed(start)
    for each in events:
        absorbed = absorb(absorbed.profile, each, each.received_at)
    return absorbed


def did(kind: str, message: str) -> Event:
    return event(kind, Engagement(message_id=message, at=at(hours=2)), at(hours=2), who=Who())


def issued(message: str, code: str) -> Event:
    return event("coupon.issued", Coupon(code=code, at=at(hours=2), message_id=message), at(hours=2))


# --- engagement ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "opened", "clicked"),
    [("email.opened", True, False), ("email.clicked", True, True), ("email.complained", False, False)],
)
def test_an_open_and_a_click_mark_the_run_and_the_touch(kind: str, *, opened: bool, clicked: bool) -> None:
    profile = after(did(kind, "m1")).profile
    assert profile.touches[0] == Touch(T0, "m1", "email", opened=opened, clicked=clicked)
    assert (profile.runs[0].opened, profile.runs[0].clicked) == (("hello",) * opened, ("hello",) * clicked)
    assert (profile.touches[1], profile.runs[1]) == (PROFILE.touches[1], SECOND)


def test_a_text_that_was_clicked_is_found_by_its_message() -> None:
    profile = after(did("email.clicked", "m3")).profile
    assert profile.touches[1].clicked
    assert profile.runs[1].clicked == ("offer",)


def test_engagement_in_any_order_and_repetition_marks_the_same() -> None:
    marks = [did("email.opened", "m1"), did("email.clicked", "m1")]
    assert after(*marks).profile == after(*reversed(marks), *marks).profile


def test_what_became_of_a_forgotten_message_changes_nothing_and_is_told() -> None:
    absorbed = after(did("email.clicked", "m9"))
    assert absorbed.profile == PROFILE
    assert [each.type for each in absorbed.told] == ["email.clicked"]


# --- coupons ---------------------------------------------------------------------------------------------------------


def test_a_code_that_was_issued_belongs_to_the_run_of_its_message() -> None:
    absorbed = after(issued("m1", "ONLY-ADA"))
    assert absorbed.profile.runs[0].codes == {"hello": "ONLY-ADA", "offer": "Tea-10"}
    assert [each.type for each in absorbed.told] == ["coupon.issued"]
    again = after(issued("m1", "ONLY-ADA"), issued("m1", "ONLY-ADA"))
    assert (again.told, again.ignored) == ((), "already known")


def test_an_order_that_uses_a_code_redeems_it_once_it_is_placed() -> None:
    absorbed = after(issued("m1", "ONLY-ADA"), order(at(days=1), codes=("only-ada ", "other"), paid_at=at(days=1)))
    assert [each.type for each in absorbed.told] == ["order.placed", "coupon.redeemed", "order.paid", "order.updated"]
    assert absorbed.told[1].data == Coupon(code="ONLY-ADA", at=at(days=1), message_id="m1", order_id="o1")
    assert absorbed.profile.runs[0].redeemed == ("hello",)
    again = after(
        order(at(days=2), kind="order.updated", placed_at=at(days=1), codes=("ONLY-ADA",)), start=absorbed.profile
    )
    assert [each.type for each in again.told] == ["order.updated"]


def test_an_order_that_is_not_placed_yet_redeems_nothing() -> None:
    waiting = order(at(days=1), kind="order.updated", status="open", placed_at=None, codes=("TEA-10",))
    placed = order(at(days=2), kind="order.updated", placed_at=at(days=2), codes=("TEA-10",))
    assert [each.type for each in after(waiting).told] == ["order.updated"]
    assert "coupon.redeemed" in [each.type for each in after(waiting, placed).told]


def test_a_code_that_two_runs_gave_is_redeemed_in_both_and_told_once_by_the_later() -> None:
    absorbed = after(order(at(days=1), codes=("tea-10",)))
    assert [run.redeemed for run in absorbed.profile.runs] == [("offer",), ("offer",)]
    (told,) = [each.data for each in absorbed.told if each.type == "coupon.redeemed"]
    assert isinstance(told, Coupon)
    assert told.message_id == "m3"


@pytest.mark.parametrize(
    ("placed", "redeemed"),
    [(at(hours=-1), [(), ()]), (at(minutes=30), [("offer",), ()]), (at(hours=2), [("offer",)] * 2)],
)
def test_an_order_from_before_the_run_did_not_use_its_coupon(placed: datetime, redeemed: list[tuple[str, ...]]) -> None:
    profile = after(order(at(days=1), placed_at=placed, codes=("TEA-10",))).profile
    assert [run.redeemed for run in profile.runs] == redeemed


def test_an_order_without_our_code_redeems_nothing() -> None:
    absorbed = after(order(at(days=1), codes=("OTHER",)))
    assert absorbed.profile.runs == PROFILE.runs
    assert "coupon.redeemed" not in [each.type for each in absorbed.told]


def test_a_code_of_an_offer_belongs_to_every_message_of_its_run_that_gives_it() -> None:
    run = replace(FIRST, offers={"hello": "ten", "offer": "ten"}, codes={})
    start = replace(PROFILE, runs=(run, SECOND))
    fact = Coupon(code="TEA-1", at=at(hours=2), message_id="m1", offer="ten", expires_at=at(days=3))
    profile = after(event("coupon.issued", fact, at(hours=2)), start=start).profile
    given = Given("TEA-1", at(hours=2), "m1", "ten", at(days=3))
    assert profile.runs[0].codes == {"hello": "TEA-1", "offer": "TEA-1"}
    assert (profile.runs[0].coupons, profile.runs[1], profile.coupons) == ({"ten": given}, SECOND, (given,))


def test_the_newest_codes_are_remembered() -> None:
    events = [
        event(
            "coupon.issued", Coupon(code=f"c{number}", at=at(hours=number), message_id=f"n{number}"), at(hours=number)
        )
        for number in range(MAX_COUPONS + 3)
    ]
    assert [given.code for given in after(*events).profile.coupons] == [f"c{n}" for n in range(3, MAX_COUPONS + 3)]
    assert after(*reversed(events)).profile.coupons == after(*events).profile.coupons
