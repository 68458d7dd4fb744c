"""Ads audiences: on a list only with consent at that moment, off it at every refusal; erased people come off first."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from msgspec.structs import replace

from rekindle.domain.errors import MailRefusedError
from rekindle.domain.events import Event
from rekindle.domain.facts import PrivacyRequest
from rekindle.domain.profile import OnList, Profile
from rekindle.flow.merge import merge
from rekindle.memory import Crash, Fate
from rekindle.ports import Message
from rekindle.service.people import address_hash
from tests.service.test_texting import ADA_WITH_PHONE, AWAKE, PHONE, allowed, decisions
from tests.support.build import ADA, at, checkout, consent, event, flow_of, order, parcel, playbook
from tests.support.plant import Plant

META = "23851234567890123"
LIST = ("tea", META)
EMAIL = "ada@example.com"
FLOW = flow_of(
    """
    trigger: {event: checkout.updated, when: event.items}
    entry: {key: event.id}
    goal: {event: order.placed}
    steps:
      - audience: abandoners
        action: add
      - wait: 3d
    """
)
BOUGHT = flow_of(
    """
    trigger: {event: order.placed}
    steps:
      - audience: abandoners
        action: remove
    """,
    "bought",
)


@pytest.fixture
def plant() -> Plant:
    book = playbook(FLOW, BOUGHT, manners=AWAKE, channels=("email", "audience"), audiences={"abandoners": META})
    return Plant(book)


def listed(plant: Plant) -> set[str]:
    return plant.world.audience_members.get(LIST, set())


def states(plant: Plant) -> list[tuple[str, str | None]]:
    ordered = sorted(plant.world.messages.values(), key=lambda message: (message.at or at(), message.id))
    return [(message.state, message.why) for message in ordered]


def fates(plant: Plant, *given: Fate) -> None:
    left = iter(given)
    plant.world.decide_audience_fate = lambda _change: next(left, "accept")


def with_basket(plant: Plant) -> None:
    plant.post(consent(at()), checkout(at()))
    plant.settle()


def test_somebody_is_put_on_by_the_address_that_they_consented_for_alone(plant: Plant) -> None:
    plant.post(consent(at(), who=ADA_WITH_PHONE), checkout(at(), who=ADA_WITH_PHONE))
    plant.settle()
    assert listed(plant) == {EMAIL}
    assert states(plant) == [("sent", None)]
    mark = plant.profile(EMAIL).audiences["abandoners"]
    assert (mark.on, mark.emails, mark.phones) == (True, (EMAIL,), ())


def test_both_addresses_where_both_are_consented_for(plant: Plant) -> None:
    plant.post(allowed(), consent(at(), who=ADA_WITH_PHONE, id="c"), checkout(at(), who=ADA_WITH_PHONE))
    plant.settle()
    assert listed(plant) == {EMAIL, PHONE}


def test_without_consent_nobody_is_put_on(plant: Plant) -> None:
    plant.post(checkout(at()))
    plant.settle()
    assert (listed(plant), plant.world.messages) == (set(), {})
    assert "no consent to marketing" in {decision.rule for decision in decisions(plant)}


def test_whoever_orders_is_taken_off(plant: Plant) -> None:
    with_basket(plant)
    plant.post(order(at(hours=1)))
    plant.until(at(hours=2))
    assert listed(plant) == set()
    assert not plant.profile(EMAIL).audiences["abandoners"].on


def test_whoever_is_on_until_they_order_is_taken_off_although_the_flow_is_long_over() -> None:
    flow = flow_of(
        "trigger: {event: checkout.updated}\nentry: {key: event.id}\n"
        "steps:\n  - audience: abandoners\n    until: order.placed\n",
        "ads",
    )
    plant = Plant(playbook(flow, channels=("email", "audience"), audiences={"abandoners": META}))
    plant.post(consent(at()), checkout(at()))
    plant.until(at(days=60))
    assert len(listed(plant)) == 1
    plant.post(parcel(at(days=60)), order(at(days=60, hours=1), id="o9"))
    plant.until(at(days=60, hours=2))
    assert listed(plant) == set()
    assert any(decision.values.get("why") == "order.placed came" for decision in decisions(plant))


@pytest.mark.parametrize(
    "refusal",
    [consent(at(hours=1), "unsubscribed"), consent(at(hours=1), "invalid"), allowed("unsubscribed", hours=1)],
    ids=["mails", "an address that bounces", "texts"],
)
def test_whoever_refuses_any_address_that_they_are_on_by_is_taken_off(plant: Plant, refusal: Event) -> None:
    plant.post(allowed(), consent(at(), who=ADA_WITH_PHONE, id="c"), checkout(at(), who=ADA_WITH_PHONE))
    plant.settle()
    plant.post(refusal)
    plant.until(at(hours=2))
    assert listed(plant) == set()
    assert states(plant) == [("sent", None), ("sent", None)]
    plant.until(at(days=10))
    assert len(plant.world.audience_changes) == 2


def test_a_refusal_on_its_way_stops_an_add_that_is_planned(plant: Plant) -> None:
    fates(plant, "throttled")
    with_basket(plant)
    hashed = address_hash(plant.world.secret_address_key, "email", EMAIL)
    plant.post(consent(at(seconds=5), "unsubscribed"))
    plant.world.stream.clear()  # accepted, and not yet applied
    plant.until(at(minutes=5))
    assert plant.world.suppressed("tea", "email", hashed, "marketing")
    assert (listed(plant), states(plant)) == (set(), [("skipped", "suppressed")])


def test_a_bounce_stops_an_add_and_never_a_removal(plant: Plant) -> None:
    with_basket(plant)
    plant.post(consent(at(hours=1), "invalid"))
    plant.until(at(hours=2))
    assert listed(plant) == set()


@pytest.mark.parametrize("fate", ["hang", "answer_lost", "throttled", "not_connected"])
def test_what_nobody_knows_the_outcome_of_is_asked_again(plant: Plant, fate: Fate) -> None:
    fates(plant, fate, fate)
    with_basket(plant)
    plant.until(at(minutes=20))
    assert (listed(plant), states(plant)) == ({EMAIL}, [("sent", None)])
    assert len(plant.world.audience_changes) == 3


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["audiences.change", "outbox.record", "outbox.lease"])
def test_wherever_the_worker_dies_the_list_is_right_in_the_end(
    plant: Plant, call: str, moment: Literal["before", "after"]
) -> None:
    plant.crash_at(call, moment)
    with_basket(plant)
    plant.until(at(hours=1))
    assert (listed(plant), states(plant)) == ({EMAIL}, [("sent", None)])


def test_the_sweep_leaves_to_the_queue_what_may_be_asked_again_and_closes_what_nobody_asks(plant: Plant) -> None:
    """Else a worker's death in the very call that takes somebody off would leave them on the list."""
    plant.crash_at("audiences.change", "before")
    with_basket(plant)
    (message,) = plant.world.messages.values()
    assert message.state == "leased"
    plant.world.clock.advance_to(at(minutes=5))
    assert plant.sweep().unknown == 0
    plant.until(at(hours=1))
    assert (listed(plant), states(plant)) == ({EMAIL}, [("sent", None)])
    plant.world.messages[message.id] = replace(message, leased_at=at(days=-2))
    assert plant.sweep().unknown == 1


def test_an_add_that_is_late_does_not_undo_a_removal(plant: Plant) -> None:
    fates(plant, "throttled")
    with_basket(plant)
    plant.post(order(at(seconds=5), id="o2", who=ADA))
    plant.until(at(hours=1))
    assert listed(plant) == set()
    assert sorted(state for state, _ in states(plant)) == ["sent", "skipped"]


def test_what_meta_will_never_take_failed(plant: Plant) -> None:
    fates(plant, "reject")
    with_basket(plant)
    plant.until(at(hours=1))
    assert states(plant) == [("failed", "rejected")]


def test_a_network_that_cannot_even_be_asked_touches_nothing_else_of_the_batch() -> None:
    """As where the secret with the token cannot be read: nobody was asked, and it is asked again."""
    mails = flow_of("trigger: {event: checkout.updated}\nsteps: [{email: hello}]", "hello")
    book = playbook(FLOW, mails, manners=AWAKE, channels=("email", "audience"), audiences={"abandoners": META})
    plant = Plant(book)
    plant.post(consent(at()), checkout(at()))
    while plant.world.stream:
        plant.journey.from_stream(plant.world.stream.popleft())
    received = plant.world.send_queues["marketing"].receive(10, visibility=90)
    plant.lose_answer_of("audiences.change", carried_out=False)
    verdicts = plant.deliver.batch([(parcel.value, 0) for parcel in received])
    assert sorted(type(verdict).__name__ for verdict in verdicts) == ["AnswerLostError", "Done"]
    assert len(plant.mails()) == 1
    plant.until(at(hours=1))
    assert (listed(plant), len(plant.mails())) == ({EMAIL}, 1)


def test_nobody_is_put_on_by_an_address_that_nothing_notes(plant: Plant) -> None:
    """Consent for another address that comes between planning and asking: nobody would find it to take it off."""
    plant.post(allowed(), checkout(at(), who=ADA_WITH_PHONE))
    while not plant.world.send_queues["marketing"].messages:
        plant.work_once()
    plant.post(consent(at(seconds=1), who=ADA_WITH_PHONE))
    plant.journey.from_stream(plant.world.stream.popleft())
    plant.settle()
    assert listed(plant) == {PHONE}
    assert plant.profile(EMAIL).audiences["abandoners"].emails == ()


def test_whoever_takes_somebody_off_waits_for_whoever_is_putting_them_on(plant: Plant) -> None:
    """A worker may hold the right to ask and be slow: what it asks for must not come last."""
    plant.post(consent(at()), checkout(at()))
    while not plant.world.send_queues["marketing"].messages:
        plant.work_once()
    plant.crash_at("audiences.change", "before")
    with pytest.raises(Crash):
        plant.work_once()
    plant.post(order(at(minutes=1)))
    plant.world.clock.advance_to(at(minutes=1))
    plant.settle()
    assert plant.world.audience_changes == []
    plant.until(at(hours=1))
    assert [change.action for change, _ in plant.world.audience_changes] == ["remove"]


def test_all_of_a_batch_that_go_on_one_list_are_one_call(plant: Plant) -> None:
    people = ("ada@example.com", "ben@example.com", "cleo@example.com")
    for number, email in enumerate(people):
        who = type(ADA)(email=email, cart_token=f"c{number}", checkout_token=f"k{number}")
        plant.post(consent(at(), who=who), checkout(at(), who=who))
    while plant.world.stream:
        plant.journey.from_stream(plant.world.stream.popleft())
    received = plant.world.send_queues["marketing"].receive(10)
    verdicts = plant.deliver.batch([(parcel.value, 0) for parcel in received])
    assert [verdict.how for verdict in verdicts if not isinstance(verdict, Exception) and hasattr(verdict, "how")] == [
        "sent"
    ] * 3
    ((change, _),) = plant.world.audience_changes
    assert (len(change.people), listed(plant)) == (3, set(people))


def erase() -> Event:
    wish = PrivacyRequest(wish="erase", at=at(hours=1), email=EMAIL)
    return event("privacy.requested", wish, at(hours=1), id="erase")


def test_whoever_is_erased_is_taken_off_first(plant: Plant) -> None:
    with_basket(plant)
    plant.world.clock.advance(hours=1)
    plant.post(erase())
    plant.settle()
    assert listed(plant) == set()
    assert not [each for each in map(plant.world.profile, plant.world.profiles) if isinstance(each, Profile)]


def test_an_erasure_waits_for_a_network_that_does_not_answer(plant: Plant) -> None:
    with_basket(plant)
    plant.world.clock.advance(hours=1)
    plant.post(erase())
    fates(plant, "not_connected")
    with pytest.raises(MailRefusedError):
        plant.settle()
    plant.world.clock.advance(minutes=2)
    plant.settle()
    assert listed(plant) == set()


def test_an_erasure_that_meta_will_not_carry_out_says_so_and_goes_on(plant: Plant) -> None:
    with_basket(plant)
    plant.world.clock.advance(hours=1)
    plant.post(erase())
    fates(plant, "reject")
    plant.settle()
    (receipt,) = [raw for key, raw in plant.world.raw_files.items() if key.startswith("receipts/")]
    assert b"audience abandoners: not taken off, do it by hand: rejected" in receipt
    assert EMAIL.encode() not in receipt


def test_people_who_turn_out_to_be_one_are_on_the_list_as_whoever_was_put_on_last() -> None:
    def marked(id_: str, hours: float, email: str, *, on: bool) -> Profile:
        return Profile(id=id_, shop="tea", audiences={"x": OnList(at(hours=hours), on, (email,))})

    one, two = marked("p", 1, "a@x.example", on=True), marked("q", 2, "b@x.example", on=False)
    mark = OnList(at(hours=2), on=False, emails=("a@x.example", "b@x.example"))
    assert merge(one, two, at()).audiences == merge(two, one, at()).audiences == {"x": mark}


def test_a_shop_that_names_no_such_list_fails_the_message_and_says_where() -> None:
    plant = Plant(playbook(FLOW, manners=AWAKE, channels=("email", "audience")))
    with_basket(plant)
    message: Any = next(iter(plant.world.messages.values()))
    assert isinstance(message, Message)
    assert (message.state, message.why) == ("failed", "template: shops/tea.yaml names no audience abandoners")
