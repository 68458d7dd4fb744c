"""Segments are live: people come in and leave when their data or the clock says so, and flows hear of it."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import View
from tests.support.build import T0, alarm, at, consent, event, flow_of, order, playbook
from tests.support.story import EMPTY, Story, templates

LAPSED = "profile.orders > 0 and since(profile.last_order_at) > '90d'"
WINBACK = flow_of("trigger: {segment: lapsed, change: entered}\nsteps: [{email: we-miss-you}]", "win-back")


def viewed(when: datetime) -> Event:
    return event("product.viewed", View(id="p1", at=when), when, id=f"view/{when}")


def test_time_alone_brings_somebody_in_through_the_alarm() -> None:
    story = Story(playbook(WINBACK, segments={"lapsed": LAPSED})).tell(consent(T0), order(at(hours=1)))
    assert story.profile.deadline is not None
    assert at(days=90, hours=1) <= story.profile.deadline <= at(days=90, hours=1, seconds=1)
    assert templates(story.until(at(days=89))) == []
    assert templates(story.until(at(days=91))) == ["we-miss-you"]
    assert "lapsed" in story.profile.segments


def test_an_order_takes_them_out_and_they_can_lapse_again() -> None:
    story = Story(playbook(WINBACK, segments={"lapsed": LAPSED})).tell(consent(T0), order(at(hours=1)))
    story.until(at(days=100)).tell(order(at(days=100), id="o2"))
    assert "lapsed" not in story.profile.segments
    assert ("left_segment", LAPSED) in story.said
    assert "lapsed" in story.until(at(days=191)).profile.segments


def test_leaving_is_a_trigger_too() -> None:
    back = flow_of("trigger: {segment: lapsed, change: left}\nsteps: [{email: welcome-back}]", "back")
    story = Story(playbook(back, segments={"lapsed": LAPSED})).tell(consent(T0), order(at(hours=1)))
    story.until(at(days=100)).tell(order(at(days=100), id="o2"))
    assert templates(story) == ["welcome-back"]


def test_counted_events_fall_out_of_their_time() -> None:
    keen = "count('product.viewed', '7d') >= 2"
    story = Story(playbook(segments={"keen": keen})).tell(viewed(at(hours=1)))
    assert story.profile.segments == {}
    story.tell(viewed(at(days=2)))
    assert "keen" in story.profile.segments
    assert story.until(at(days=7, hours=2)).profile.segments == {}
    assert story.profile.deadline is None


def test_a_segment_of_a_segment_follows_it() -> None:
    book = playbook(
        segments={
            "buyers": "profile.orders > 0",
            "quiet-buyers": "in_segment('buyers') and not profile.subscribed",
        }
    )
    story = Story(book).tell(order(at(hours=1)))
    assert set(story.profile.segments) == {"buyers", "quiet-buyers"}
    assert set(story.tell(consent(at(hours=2))).profile.segments) == {"buyers"}


def test_publishing_a_segment_reaches_who_has_been_silent_for_a_year() -> None:
    before = Story(playbook()).tell(consent(T0), order(at(hours=1)))
    assert before.profile.deadline is None
    before.book = playbook(WINBACK, hash_="h2", segments={"lapsed": LAPSED})
    before.profile = replace(before.profile, version=7)
    before.take(alarm(at(days=365)), at(days=365))
    assert templates(before) == ["we-miss-you"]


def test_an_import_of_years_ago_starts_nothing_but_counts() -> None:
    story = Story(playbook(WINBACK, segments={"lapsed": LAPSED})).tell(consent(T0))
    old = order(at(days=-700))
    story.take(old, at(hours=1))
    assert "lapsed" in story.profile.segments
    assert story.mails == []
    assert ("not_entered", "max_age") in story.said


def test_what_nobody_defines_any_more_is_forgotten_without_a_word() -> None:
    story = Story(playbook(segments={"buyers": "profile.orders > 0"})).tell(order(at(hours=1)))
    story.book = playbook(hash_="h2")
    story.said.clear()
    story.take(alarm(at(days=1)), at(days=1))
    assert story.profile.segments == {}
    assert story.said == []


@pytest.mark.parametrize("orders", [5, 200])
def test_only_what_conditions_ask_for_is_remembered(orders: int) -> None:
    book = playbook(segments={"fans": "count('product.viewed', '90d') >= 3"})
    story = Story(book, EMPTY).tell(*(viewed(at(minutes=n)) for n in range(orders)))
    assert [len(moments) for moments in story.profile.recent.values()] == [4]


def test_a_run_is_ended_by_a_segment() -> None:
    flow = flow_of(
        "trigger: {event: order.placed}\nexit_on: {event: segment.entered, when: event.name == 'vip'}\n"
        "steps: [{wait: 5d}, {email: later}]"
    )
    book = playbook(flow, segments={"vip": "profile.spent > 30"})
    story = Story(book).tell(consent(T0), order(at(hours=1)), order(at(days=1), id="o2")).until(at(days=9))
    assert story.mails == []
    assert ("ended", "event.name == 'vip'") in story.said


def test_money_in_a_currency_in_which_nothing_was_paid_is_none() -> None:
    story = Story(playbook(segments={"dollars": "profile.revenue.USD > 5", "euros": "profile.revenue.EUR > 5"}))
    story.tell(consent(T0), order(at(hours=1)))
    assert set(story.profile.segments) == {"euros"}
    assert [what for what, _ in story.said if what == "error"] == []
