"""What an import brings becomes part of what is known, and lets nobody into a flow, however young it is."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who, decode_events, encode_events
from rekindle.domain.facts import Consent, Customer, Order
from rekindle.domain.outcome import Enqueue, LiftSuppression, Refer
from tests.support.build import CART, CONFIRMATION, T0, at, checkout, consent, event, flow_of, order, playbook
from tests.support.story import Story, templates

VIP = flow_of("trigger: {segment: vip, change: entered}\nsteps: [{email: hello-vip}]", "vip-hello")
SEGMENTS = {"vip": "profile.spent > 15", "lapsed": "profile.orders > 0 and since(profile.last_order_at) > '90d'"}
BOOK = playbook(CART, CONFIRMATION, VIP, segments=SEGMENTS)


def imported(told: Event, how: str = "silent") -> Event:
    """Return the event as an import brings it."""
    return replace(told, imported=how)


def listed(when: datetime, state: str = "subscribed") -> Event:
    """Return what a list of the shop's says."""
    said = consent(when, state)
    assert isinstance(said.data, Consent)
    return imported(replace(said, data=replace(said.data, source="import")))


def test_it_counts_for_everything_and_starts_nothing_although_it_is_a_minute_old() -> None:
    story = Story(BOOK).tell(imported(consent(T0)), imported(order(at(minutes=1))))
    assert set(story.profile.segments) == {"vip"}
    assert story.profile.segments["vip"] == at(minutes=1)
    assert ("joined", "profile.spent > 15") in story.said
    assert (story.mails, story.profile.runs, story.profile.entries) == ([], (), {})
    assert {decision.flow for decision in story.decisions if decision.rule == "imported"} == {
        "order-confirmation",
        "vip-hello",
    }


@pytest.mark.parametrize("how", [None, "telling"])
def test_what_may_tell_starts_what_webhooks_start(how: str) -> None:
    story = Story(BOOK).tell(imported(consent(T0), how), imported(order(at(minutes=1)), how))
    assert sorted(templates(story)) == ["hello-vip", "order-confirmation"]


def test_what_may_tell_is_held_to_the_age_that_a_flow_allows() -> None:
    story = Story(BOOK).tell(consent(T0))
    story.take(imported(order(at(days=-30)), "telling"), at(hours=1))
    assert ("not_entered", "max_age") in story.said
    assert story.mails == []


def test_an_import_sets_the_alarm_for_what_time_will_bring() -> None:
    """Who was silent for a month when they were imported is won back when their time comes."""
    lapsed = flow_of("trigger: {segment: lapsed, change: entered}\nsteps: [{email: we-miss-you}]", "win-back")
    story = Story(playbook(lapsed, segments=SEGMENTS)).tell(imported(consent(at(days=-40))))
    story.take(imported(order(at(days=-30))), T0)
    assert templates(story.until(at(days=59))) == []
    assert templates(story.until(at(days=61))) == ["we-miss-you"]


def test_what_was_published_meanwhile_is_no_import_s_doing() -> None:
    """A new segment takes people in at their first event under it; that this came by an import changes nothing."""
    story = Story(playbook(VIP)).tell(consent(T0), order(at(hours=1)))
    story.profile = replace(story.profile, version=3)
    story.book = playbook(VIP, hash_="h2", segments=SEGMENTS)
    story.take(imported(event("customer.updated", Customer(id="7", updated_at=at(days=1)), at(days=1))), at(days=2))
    assert templates(story) == ["hello-vip"]


def test_what_the_import_itself_changes_under_a_new_playbook_starts_nothing() -> None:
    story = Story(playbook(VIP)).tell(consent(T0))
    story.profile = replace(story.profile, version=3)
    story.book = playbook(VIP, hash_="h2", segments=SEGMENTS)
    story.take(imported(order(at(hours=1))), at(hours=2))
    assert "vip" in story.profile.segments
    assert story.mails == []


def test_conditions_know_the_past_that_was_imported() -> None:
    often = flow_of(
        "trigger: {event: checkout.updated, when: \"count('order.placed', '365d') >= 2\"}\nsteps: [{email: again}]"
    )
    story = Story(playbook(often)).tell(consent(T0))
    for day in (-20, -10):
        story.take(imported(order(at(days=day), id=f"o{day}", who=Who(email="ada@example.com"))), at(hours=1))
    assert templates(story.tell(checkout(at(hours=2)))) == ["again"]


def test_a_run_ends_by_an_order_that_was_missed_and_not_by_one_of_years_ago() -> None:
    story = Story(playbook(CART)).tell(consent(T0), checkout(at(minutes=1)))
    story.take(imported(order(at(days=-400), id="old")), at(minutes=2))
    assert story.left_with() == ["active"]
    story.take(imported(order(at(minutes=3), id="o1")), at(minutes=5))
    assert story.left_with() != ["active"]


def test_an_import_repeated_by_a_webhook_is_told_once() -> None:
    """So what an import has told as known no later delivery tells as news."""
    story = Story(BOOK).tell(consent(T0), imported(order(at(minutes=1))))
    story.tell(order(at(minutes=2)))
    assert "order-confirmation" not in templates(story)


def test_an_imported_order_with_a_friend_s_code_rewards_nobody() -> None:
    told = order(at(minutes=1))
    assert isinstance(told.data, Order)
    told = replace(told, data=replace(told.data, referrer="bo"))
    assert any(isinstance(effect, Refer) for effect in Story(BOOK).tell(told).effects)
    story = Story(BOOK).tell(imported(told))
    assert not any(isinstance(effect, Refer) for effect in story.effects)
    assert story.profile.referred_by is None


def test_the_mark_is_kept_with_the_event() -> None:
    told = imported(order(at(minutes=1)))
    assert decode_events(encode_events((told,))) == (told,)
    assert decode_events(encode_events((order(T0),)))[0].imported is None


# --- what a list allows


def test_a_list_allows_who_never_spoke_and_lifts_nothing() -> None:
    story = Story(BOOK).tell(listed(T0))
    assert story.profile.consent["email:ada@example.com"].state == "subscribed"
    assert not any(isinstance(effect, (LiftSuppression, Enqueue)) for effect in story.effects)


@pytest.mark.parametrize("listed_first", [False, True])
def test_a_list_never_allows_what_was_refused_however_late_it_says_so(listed_first: bool) -> None:
    refused, allowed = consent(T0, "unsubscribed"), listed(at(days=9))
    story = Story(BOOK)
    for told in (allowed, refused) if listed_first else (refused, allowed):
        story.take(told, at(days=10))
    assert story.profile.consent["email:ada@example.com"].state == "unsubscribed"


def test_what_a_list_refuses_is_as_good_as_said() -> None:
    story = Story(BOOK).tell(consent(T0), (listed(at(days=1), "unsubscribed")))
    assert story.profile.consent["email:ada@example.com"].state == "unsubscribed"


def test_who_allows_it_after_a_list_s_refusal_is_believed() -> None:
    story = Story(BOOK).tell(listed(T0, "unsubscribed"), consent(at(days=1)))
    assert story.profile.consent["email:ada@example.com"].state == "subscribed"
    assert any(isinstance(effect, LiftSuppression) for effect in story.effects)
