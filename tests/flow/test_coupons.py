"""What a run does about the coupon of an offer: plans with it, waits for it, reminds of it, ends with it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.facts import Coupon
from rekindle.domain.labels import Label
from rekindle.domain.offers import Offer
from rekindle.domain.profile import Given
from rekindle.flow.engine import forget_planned
from tests.support.build import T0, TEN, at, consent, flow_of, issued, order, playbook
from tests.support.story import Story, templates

PLACED = "trigger: {event: order.placed}\nentry: {key: event.id}\ntimeout: 60d\nsteps:\n"
REMINDED = PLACED + (
    "  - email: gift\n    offer: ten\n"
    "  - wait_until: coupon.expires_at\n    before: 1d\n    at: '10:00'\n"
    "  - branch:\n      - if: \"'gift' in run.redeemed\"\n        steps: [{exit: used}]\n"
    "  - email: last-day\n    offer: ten\n"
)
ENDS = datetime(2026, 3, 5, 22, 59, 59, tzinfo=UTC)


def story_of(text: str, *offers: Offer, **shop: Any) -> Story:
    return Story(playbook(flow_of(text), gives=offers or (TEN,), **shop)).tell(consent(T0))


def given(story: Story, when: datetime, message: int = 0) -> Story:
    return story.tell(issued(story.messages[message], "TEA-1", when, offer="ten", expires_at=ENDS))


# --- planning --------------------------------------------------------------------------------------------------------


def test_a_message_is_planned_with_its_offer() -> None:
    story = story_of(PLACED + "  - email: gift\n    offer: ten\n").tell(order(at(hours=1)))
    assert [planned.offer for planned in story.profile.planned.values()] == ["ten"]


@pytest.mark.parametrize(
    ("offer", "switches", "planned"),
    [
        (TEN, {}, "ten"),
        (TEN, {"ten": False}, ""),
        (replace(TEN, enabled=False), {}, ""),
        (replace(TEN, enabled=False), {"ten": True}, "ten"),
        (replace(TEN, shop="tea"), {}, "ten"),
        (replace(TEN, shop="bikes"), {"ten": True}, ""),
        (replace(TEN, name="another"), {}, ""),
    ],
)
def test_what_the_shop_does_not_give_the_message_goes_without(
    offer: Offer, switches: dict[str, bool], planned: str
) -> None:
    text = PLACED + "  - email: gift\n    offer: ten\n"
    story = story_of(text, offer, offers=switches).tell(order(at(hours=1)))
    assert [one.offer for one in story.profile.planned.values()] == [planned]


# --- one coupon of one run -------------------------------------------------------------------------------------------


def test_the_run_and_the_person_know_what_was_given() -> None:
    story = given(story_of(REMINDED).tell(order(at(hours=1))), at(hours=2))
    (run,) = story.profile.runs
    known = Given("TEA-1", at(hours=2), story.messages[0], "ten", ENDS)
    labelled = replace(known, label=Label("2026-03-02", "test", "gift"))
    assert (run.codes, run.coupons, story.profile.coupons) == ({"gift": "TEA-1"}, {"ten": known}, (labelled,))


def test_a_reminder_comes_before_the_end_and_gives_the_same_code() -> None:
    story = given(story_of(REMINDED).tell(order(at(hours=1))), at(hours=2)).until(at(days=20))
    assert story.mails == [("gift", at(hours=1)), ("last-day", datetime(2026, 3, 4, 9, 0, tzinfo=UTC))]
    assert ("waiting", "for the coupon") in story.said
    (run,) = story.profile.runs
    assert run.codes == {"gift": "TEA-1", "last-day": "TEA-1"}


def test_a_coupon_that_never_comes_ends_the_run() -> None:
    story = story_of(REMINDED).tell(order(at(hours=1))).until(at(days=20))
    assert templates(story) == ["gift"]
    assert ("ended", "nobody knows how long to wait") in story.said


def test_a_coupon_that_comes_late_is_still_waited_for() -> None:
    story = given(story_of(REMINDED).tell(order(at(hours=1))), at(hours=20)).until(at(days=20))
    assert templates(story) == ["gift", "last-day"]


def test_an_offer_without_an_end_has_no_day_before_it() -> None:
    story = story_of(REMINDED).tell(order(at(hours=1)))
    story.tell(issued(story.messages[0], "TEA-1", at(hours=2), offer="ten")).until(at(days=20))
    assert templates(story) == ["gift"]
    assert ("ended", "nobody knows how long to wait") in story.said


def test_of_two_offers_the_one_that_is_still_to_come_is_waited_for() -> None:
    text = PLACED + (
        "  - email: gift\n    offer: ten\n  - wait: 1h\n  - email: more\n    offer: twenty\n    manners: wait\n"
        "  - wait_until: coupon.expires_at\n    at: '10:00'\n  - email: last-day\n    manners: wait\n"
    )
    book = playbook(
        flow_of(text), gives=(TEN, replace(TEN, name="twenty")), manners=replace(playbook().manners, apart={"email": 0})
    )
    story = given(Story(book).tell(consent(T0), order(at(hours=1))), at(hours=1))
    story.until(at(hours=3))
    assert templates(story) == ["gift", "more"]
    later = datetime(2026, 3, 9, 22, 59, 59, tzinfo=UTC)
    story.tell(issued(story.messages[1], "TEA-2", at(hours=4), offer="twenty", expires_at=later)).until(at(days=20))
    assert story.mails[-1] == ("last-day", datetime(2026, 3, 9, 9, 0, tzinfo=UTC))


def test_a_reminder_after_the_end_is_not_sent() -> None:
    text = PLACED + "  - email: gift\n    offer: ten\n  - wait: 5d\n  - email: last-day\n    offer: ten\n"
    story = given(story_of(text).tell(order(at(hours=1))), at(hours=2)).until(at(days=20))
    assert templates(story) == ["gift"]
    assert ("skipped", "its coupon has expired") in story.said


def test_conditions_read_the_coupon() -> None:
    text = PLACED + (
        "  - email: gift\n    offer: ten\n  - wait: 1d\n"
        "  - branch:\n      - if: coupon.offer == 'ten' and coupon.code\n        steps: [{email: you-have-one}]\n"
        "      - else: true\n        steps: [{email: you-have-none}]\n"
    )
    assert templates(given(story_of(text).tell(order(at(hours=1))), at(hours=2)).until(at(days=3)))[1] == "you-have-one"
    assert templates(story_of(text).tell(order(at(hours=1))).until(at(days=3)))[1] == "you-have-none"


# --- used ------------------------------------------------------------------------------------------------------------

FIRST = "trigger: {event: order.placed, when: event.id == 'o1'}"
THANKS = "trigger: {event: coupon.redeemed, when: event.offer == 'ten'}\nsteps:\n  - email: thanks\n    manners: wait\n"


def test_a_code_that_is_used_when_its_run_is_long_over_is_told_and_names_its_message() -> None:
    gift = flow_of(PLACED.replace("trigger: {event: order.placed}", FIRST) + "  - email: gift\n    offer: ten\n")
    story = Story(playbook(gift, flow_of(THANKS, "thanks"), gives=(TEN,))).tell(consent(T0), order(at(hours=1)))
    given(story, at(hours=2))
    story.profile = replace(story.profile, planned={}, runs=())
    story.tell(order(at(days=2), id="o2", codes=("tea-1",)))
    assert templates(story) == ["gift", "thanks"]
    (run,) = [run for run in story.profile.runs if run.flow == "thanks"]
    used = Coupon(code="TEA-1", at=at(days=2), message_id=story.messages[0], order_id="o2", offer="ten")
    assert run.trigger == used


def test_an_order_that_is_heard_of_before_the_coupon_that_it_used_is_told_when_that_is_known() -> None:
    gift = flow_of(PLACED.replace("trigger: {event: order.placed}", FIRST) + "  - email: gift\n    offer: ten\n")
    story = Story(playbook(gift, flow_of(THANKS, "thanks"), gives=(TEN,))).tell(consent(T0), order(at(hours=1)))
    story.tell(order(at(hours=3), id="o2", codes=("TEA-1",)))
    late = issued(story.messages[0], "TEA-1", at(hours=2), offer="ten", expires_at=ENDS)
    story.take(replace(late, received_at=at(hours=4)), at(hours=4))
    story.take(replace(late, received_at=at(hours=5)), at(hours=5))
    story.until(at(days=3))
    assert templates(story) == ["gift", "thanks"]


def test_a_goal_is_reached_by_the_code_of_its_own_run() -> None:
    text = REMINDED.replace("trigger: {event: order.placed}", FIRST).replace(
        "timeout", "goal: {event: coupon.redeemed}\ntimeout"
    )
    story = given(story_of(text).tell(order(at(hours=1))), at(hours=2))
    story.tell(order(at(days=1), id="o2", codes=("TEA-1",)))
    assert [run.status for run in story.profile.runs] == ["converted"]
    assert templates(story.until(at(days=20))) == ["gift"]


def test_a_mail_that_never_went_gave_nobody_its_code() -> None:
    story = story_of(PLACED + "  - email: gift\n    code: TEN\n").tell(order(at(hours=1)))
    (message,) = story.messages
    assert [given.code for given in story.profile.coupons] == ["TEN"]
    forgotten = forget_planned(story.profile, [message], at(days=1), unsent=[message])
    assert forgotten.coupons == ()
    assert forget_planned(story.profile, [message], at(days=1)).coupons == story.profile.coupons


@pytest.mark.parametrize(("total", "planned"), [("99.00", ""), ("100.00", "ten")])
def test_an_offer_can_be_for_some_only(total: str, planned: str) -> None:
    text = PLACED + "  - email: gift\n    offer: ten\n    offer_if: event.total >= 100\n"
    told = order(at(hours=1))
    story = story_of(text).tell(replace(told, data=replace(told.data, total=Decimal(total))))
    assert [one.offer for one in story.profile.planned.values()] == [planned]
