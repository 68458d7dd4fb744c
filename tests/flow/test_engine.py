"""The engine's rules, each by the shortest story that shows it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Person
from rekindle.domain.outcome import RingAt
from rekindle.domain.profile import Profile
from rekindle.flow.engine import LATENESS, MAX_ENTRIES, QUEUE_RETENTION, advance, forget_planned
from rekindle.flow.program import Playbook
from tests.support.build import (
    ADA,
    CART,
    T0,
    alarm,
    at,
    cart,
    checkout,
    consent,
    engaged,
    flow_of,
    order,
    parcel,
    playbook,
)
from tests.support.story import BOTH, Story, templates


def test_an_abandoned_checkout_gets_three_reminders_at_their_times() -> None:
    story = Story().tell(consent(T0), checkout(T0)).until(at(days=30))
    assert story.mails == [
        ("cart-reminder-1", at(hours=1)),
        ("cart-reminder-2", at(hours=24)),
        ("cart-reminder-3", at(days=3)),
    ]
    assert story.profile.deadline is None


def test_every_change_before_the_first_mail_sets_the_clock_back() -> None:
    story = Story().tell(consent(T0), checkout(T0), checkout(at(minutes=30)), cart(at(minutes=50)))
    story.until(at(hours=2))
    assert story.mails == [("cart-reminder-1", at(minutes=110))]


def test_after_the_first_mail_a_change_restarts_nothing() -> None:
    story = Story().tell(consent(T0), checkout(T0), checkout(at(hours=2))).until(at(hours=23))
    assert story.mails == [("cart-reminder-1", at(hours=1))]


def test_who_buys_gets_a_confirmation_and_no_further_reminder() -> None:
    story = Story().tell(consent(T0), checkout(T0), order(at(hours=2))).until(at(days=30))
    assert templates(story) == ["cart-reminder-1", "order-confirmation"]
    assert ("ended", CART.goal[0].when) in story.said


def test_an_order_that_arrives_before_its_checkout_still_ends_the_cart() -> None:
    story = Story().tell(consent(T0), order(at(minutes=1)), checkout(T0)).until(at(days=30))
    assert templates(story) == ["order-confirmation"]
    assert ("ignored", "this basket has been ordered") in story.said


def test_an_emptied_cart_ends_the_run() -> None:
    story = Story().tell(consent(T0), checkout(T0), cart(at(minutes=10), items=())).until(at(days=30))
    assert story.mails == []


def test_a_stale_checkout_restarts_nothing() -> None:
    story = Story().tell(consent(T0), checkout(at(minutes=30)))
    story.take(checkout(at(minutes=5)), at(minutes=40))
    assert story.until(at(hours=3)).mails == [("cart-reminder-1", at(minutes=90))]


def test_without_consent_no_marketing_mail_but_the_confirmation_goes() -> None:
    story = Story().tell(checkout(T0), order(at(days=5))).until(at(days=30))
    assert templates(story) == ["order-confirmation"]
    assert ("skipped", "no consent to marketing e-mail") in story.said


def test_an_unsubscribe_ends_the_reminders() -> None:
    story = Story().tell(consent(T0), checkout(T0), consent(at(hours=2), "unsubscribed")).until(at(days=30))
    assert templates(story) == ["cart-reminder-1"]


def test_an_old_tick_sent_again_never_beats_a_later_unsubscribe() -> None:
    story = Story().tell(consent(T0), consent(at(hours=2), "unsubscribed"))
    story.take(consent(T0), at(hours=3))
    assert not story.profile.consented("email")


def test_who_clicked_the_first_mail_gets_no_second() -> None:
    story = Story().tell(consent(T0), checkout(T0)).until(at(hours=1))
    message = next(iter(story.profile.planned))
    story.take(engaged("email.clicked", message, at(hours=2), story.profile), at(hours=2))
    assert templates(story.until(at(days=30))) == ["cart-reminder-1"]


def test_a_trigger_older_than_max_age_starts_nothing() -> None:
    story = Story().tell(consent(T0))
    story.take(checkout(at(minutes=1)), at(days=2))
    assert story.profile.runs == ()
    assert ("not_entered", "max_age") in story.said


def test_a_second_basket_is_a_second_run_and_the_first_key_never_enters_again() -> None:
    other = Who(email="ada@example.com", shop_customer_id="7", cart_token="c2", checkout_token="k2")
    story = Story().tell(consent(T0), checkout(T0)).until(at(days=5))
    story.tell(checkout(at(days=6)), checkout(at(days=6), who=other)).until(at(days=20))
    assert templates(story) == ["cart-reminder-1", "cart-reminder-2", "cart-reminder-3"] * 2
    assert ("not_entered", "entered before") in story.said


def test_a_run_stays_on_the_version_that_it_started_with() -> None:
    newer = flow_of("trigger: {event: checkout.updated}\nsteps: [{wait: 2h}, {email: other}]", "cart-abandonment")
    story = Story(playbook(CART)).tell(consent(T0), checkout(T0))
    book = playbook(newer, hash_="h2")
    story.book = Playbook(hash=book.hash, flows=book.flows, shops=book.shops, pinned={CART.version: CART})
    assert templates(story.until(at(hours=12))) == ["cart-reminder-1"]


def test_a_condition_that_fails_is_false_and_says_so() -> None:
    flow = flow_of("trigger: {event: order.placed, when: event.total / event.refunded > 1}\nsteps: [{email: x}]")
    story = Story(playbook(flow)).tell(order(T0))
    assert story.mails == []
    assert story.said[0][0] == "error"


def test_a_flow_that_is_off_in_this_shop_starts_nothing() -> None:
    story = Story(playbook(CART, flows={"cart-abandonment": False})).tell(consent(T0), checkout(T0))
    assert story.profile.runs == ()


def test_a_run_that_takes_too_long_times_out() -> None:
    flow = flow_of('trigger: {event: order.placed}\ntimeout: 2d\nsteps: [{wait: "{{ event.total }}d"}, {email: x}]')
    story = Story(playbook(flow)).tell(order(T0)).until(at(days=60))
    assert story.mails == []
    assert ("ended", "timeout") in story.said


def test_goals_are_checked_before_what_is_due() -> None:
    story = Story().tell(consent(T0), checkout(T0))
    story.take(order(at(minutes=59)), at(hours=2))
    assert templates(story) == ["order-confirmation"]


def test_a_little_late_counts_on_from_when_it_was_due_very_late_from_now() -> None:
    for late, second in ((timedelta(minutes=5), at(hours=24)), (LATENESS * 3, at(hours=1 + 3 + 23))):
        story = Story().tell(consent(T0), checkout(T0))
        story.take(alarm(at(hours=1) + late), at(hours=1) + late)
        assert story.profile.deadline == second


def test_every_ring_sets_the_next_alarm() -> None:
    story = Story().tell(consent(T0), checkout(T0))
    outcome = advance(story.profile, alarm(at(minutes=10)), BOTH, at(minutes=10))
    assert outcome.profile == story.profile
    assert outcome.effects == (RingAt(at(hours=1)),)


def test_a_planned_message_stays_until_settled_or_past_all_queues() -> None:
    story = Story().tell(consent(T0), checkout(T0)).until(at(hours=1))
    (message,) = story.profile.planned
    over = story.profile.planned[message].not_after + QUEUE_RETENTION
    assert message in forget_planned(story.profile, [], over - timedelta(seconds=1)).planned
    assert message not in forget_planned(story.profile, [], over).planned
    assert message not in forget_planned(story.profile, [message], at(hours=1)).planned


def test_unsigned_consent_grants_nothing() -> None:
    story = Story().tell(consent(T0, signed=False), checkout(T0)).until(at(days=30))
    assert story.mails == []


DAY = [
    consent(T0),
    checkout(at(minutes=1)),
    checkout(at(minutes=9)),
    cart(at(minutes=12)),
    order(at(minutes=30)),
    order(at(minutes=31), kind="order.updated", placed_at=at(minutes=30), paid_at=at(minutes=31)),
    consent(at(minutes=40), "unsubscribed"),
]


@given(st.lists(st.sampled_from(DAY), max_size=14).flatmap(lambda extra: st.permutations(DAY + extra)))
def test_any_order_and_repetition_gives_each_message_at_most_once(events: Iterable[Event]) -> None:
    """Deliveries come late, twice and shuffled, all before the first wait is over."""
    story = Story()
    for event in events:
        story.take(event, at(minutes=45))
    story.until(at(days=40))
    assert templates(story) == ["order-confirmation"]
    assert story.profile.deadline is None


@given(st.permutations(DAY))
def test_any_order_gives_the_same_knowledge(events: Iterable[Event]) -> None:
    told, straight = Story(), Story()
    for event in events:
        told.take(event, at(minutes=45))
    for event in DAY:
        straight.take(event, at(minutes=45))
    for story in (told, straight):
        story.until(at(days=40))
    assert told.profile.consent == straight.profile.consent
    assert told.profile.baskets == straight.profile.baskets
    assert {key: (mark.updated_at, sorted(mark.events)) for key, mark in told.profile.orders.items()} == {
        key: (mark.updated_at, sorted(mark.events)) for key, mark in straight.profile.orders.items()
    }


def test_ada_is_who_the_events_name() -> None:
    story = Story().tell(checkout(T0))
    assert (story.profile.email, story.profile.shop_customer_id) == (ADA.email, ADA.shop_customer_id)


def test_what_is_remembered_of_entries_stays_small() -> None:
    flow = flow_of("trigger: {event: order.placed}\nentry: {key: event.id}\nsteps: [{exit: true}]")
    story = Story(playbook(flow))
    for number in range(MAX_ENTRIES + 20):
        story.tell(order(at(minutes=number), id=f"o{number}"))
    entered = story.profile.entries["test"]
    assert len(entered) == MAX_ENTRIES
    assert f"o{MAX_ENTRIES + 19}" in entered


LATER = """
category: transactional
trigger: {event: order.placed}
steps:
  - wait_until: 10:00
    on: weekdays
  - email: x
"""


@pytest.mark.parametrize(
    ("person", "when", "sent"),
    [
        (Person(), at(minutes=30), at(hours=24)),
        (Person(), at(hours=-1), T0),
        (Person(), T0, T0),
        (Person(country="JP"), T0, at(hours=16)),
        (Person(country="US", region="CA"), T0, at(hours=9)),
        (Person(zone="Mars/Olympus"), at(hours=-1), T0),
        (Person(), at(days=4, hours=2), at(days=7)),
    ],
    ids=["tomorrow", "today", "now", "japan", "california", "unknown zone", "friday afternoon"],
)
def test_a_time_of_day_is_the_recipients(person: Person, when: datetime, sent: datetime) -> None:
    """The shop is in Amsterdam, where the story begins on a Monday at 10:00."""
    story = Story(playbook(flow_of(LATER))).tell(replace(order(when), person=person)).until(at(days=30))
    assert story.mails == [("x", sent)]


@given(st.integers(0, 5000))
def test_a_split_sends_each_person_the_same_way_each_time(number: int) -> None:
    text = (
        "category: transactional\ntrigger: {event: order.placed}\nentry: {key: event.id}\n"
        "steps: [{split: [{share: 3, steps: [{email: a}]}, {share: 1, steps: [{email: b}]}]}]"
    )
    story = Story(playbook(flow_of(text)), Profile(id=f"p{number}", shop="tea"))
    story.tell(order(T0, id="one"), order(at(days=1), id="two"))
    assert len(story.mails) == 2
    assert len(set(templates(story))) == 1


def test_a_split_keeps_its_shares() -> None:
    steps = "steps: [{split: [{share: 3, steps: [{email: a}]}, {share: 1}]}]"
    book = playbook(flow_of(f"category: transactional\ntrigger: {{event: order.placed}}\n{steps}"))
    mails = [len(Story(book, Profile(id=f"p{number}", shop="tea")).tell(order(T0)).mails) for number in range(400)]
    assert 270 <= sum(mails) <= 330


AWAITED = """
category: transactional
trigger: {event: order.placed}
entry: {key: event.id}
steps:
  - wait_for:
      event: shipment.updated
      when: event.order_id == run.key and event.status == 'delivered'
      limit: 3d
    then: [{email: arrived}]
    else: [{email: still-waiting}]
  - wait: 1d
  - email: after
"""


def waiting_for() -> Story:
    return Story(playbook(flow_of(AWAITED))).tell(order(T0))


def test_what_is_waited_for_comes() -> None:
    story = waiting_for().tell(parcel(at(days=1), "in_transit"), parcel(at(days=2))).until(at(days=30))
    assert story.mails == [("arrived", at(days=2)), ("after", at(days=3))]


def test_what_is_waited_for_does_not_come() -> None:
    story = waiting_for().tell(parcel(at(days=1), order_id="another")).until(at(days=30))
    assert story.mails == [("still-waiting", at(days=3)), ("after", at(days=4))]


def test_what_happened_in_time_and_is_heard_of_late_counts_what_happened_late_does_not() -> None:
    in_time, late = waiting_for(), waiting_for()
    in_time.take(parcel(at(days=2)), at(days=3, minutes=5))
    late.take(parcel(at(days=3, minutes=1)), at(days=3, minutes=5))
    assert templates(in_time)[0] == "arrived"
    assert templates(late)[0] == "still-waiting"


def test_what_is_waited_for_is_heard_once() -> None:
    story = waiting_for().tell(parcel(at(days=2)))
    story.take(parcel(at(days=2, hours=1)), at(days=2, hours=1))
    assert templates(story.until(at(days=30))) == ["arrived", "after"]
