"""Simulating: the same decisions as production, counted; whatever came before only makes people who they are."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.cli import demo_month
from rekindle.domain.absorb import absorb
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Customer
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.flow.merge import merge
from rekindle.flow.program import OnSchedule, Playbook, Segment, versioned
from rekindle.ports import QUARANTINE, Pending, Work
from rekindle.service.costs import beside_mails, bill, forecast, total
from rekindle.service.people import alias_key, share_out, shared_addresses
from rekindle.service.prices import prices
from rekindle.service.simulation.findings import Findings, FlowFindings, changes, findings
from rekindle.service.simulation.people import Directory
from rekindle.service.simulation.replay import RUN_OUT, Record, Scenario, Stage, replay
from rekindle.service.simulation.tally import Tally
from tests.support.build import CART, CONFIRMATION, T0, at, cart, checkout, consent, event, flow_of, order, playbook
from tests.support.plant import Plant

BOOK = playbook(CART, CONFIRMATION)
BEN = Who(email="ben@example.com", shop_customer_id="8", cart_token="c2", checkout_token="k2")

WELCOME = flow_of(
    """
    trigger: {event: order.placed}
    entry: {key: event.id}
    steps:
      - wait: 1d
      - branch:
          - if: event.total > 100
            steps:
              - email: large
          - else: true
            steps:
              - email: small
      - split:
          - share: 1
            name: with
            steps:
              - email: more
          - share: 1
            name: without
      - wait_for: {event: order.placed, limit: 2d}
        id: back
        then:
          - exit: came back
        else:
          - email: come-back
    """,
    "welcome",
)


def people(events: Iterable[Event]) -> list[list[Record]]:
    """Return the records of each person, as the command puts them into buckets."""
    directory = Directory("tea")
    placed = [(told, directory.place(told)) for told in events]
    lives: dict[int, list[Record]] = defaultdict(list)
    for told, where in placed:
        if where is not None:
            raw = msgspec.json.encode(told)
            record = Record(where.person, raw, where.new, where.absorbed, where.nameless)
            lives[directory.one(where.person)].append(record)
    return list(lives.values())


def scenario(events: Sequence[Event], book: Playbook = BOOK, **more: object) -> Scenario:
    first, last = events[0].received_at, events[-1].received_at
    return Scenario(**({"playbook": book, "since": first, "last": last, "until": last + RUN_OUT} | more))  # type: ignore[arg-type]


def simulate(events: Sequence[Event], book: Playbook = BOOK, **more: object) -> Findings:
    """Replay these events, and return what was found."""
    played = scenario(events, book, **more)
    tally = Tally()
    for records in people(events):
        replay(records, {"": Stage(played)}, {"": tally})
    return findings(tally, played, ["tea"], 0)


def of(found: Findings, name: str = "cart-abandonment") -> FlowFindings:
    return next(flow for flow in found.flows if flow.name == name)


def sent(flow: FlowFindings) -> dict[str, int]:
    return {message.step: message.count for message in flow.messages}


def passed(flow: FlowFindings) -> dict[tuple[str, str], int]:
    return {(edge.step, edge.way): edge.count for edge in flow.edges if edge.count}


def of_tea(events: Iterable[Event]) -> list[Event]:
    return sorted((replace(told, shop="tea") for told in events), key=lambda told: (told.received_at, told.id))


# --- the same as production ------------------------------------------------------------------------------------------


def test_it_sends_what_the_services_send() -> None:
    """A month of 40 people: the same mails to the same people, each within the minutes that queues and alarms take."""
    events = of_tea(demo_month.month(40, "plant"))
    book = playbook(CART, CONFIRMATION, WELCOME)
    plant = Plant(book, events[0].received_at)
    for told in events:
        plant.until(told.received_at)
        plant.post(told)
        plant.settle()
    plant.until(events[-1].received_at + RUN_OUT)
    asked = tuple(sorted({told.who.email for told in events if told.who.email}))
    found = simulate(events, book, people=asked)
    counted = {(flow.name, message.template): message.count for flow in found.flows for message in flow.messages}
    really: dict[str, int] = defaultdict(int)
    for _, template, _ in plant.mails():
        really[template] += 1
    assert sum(really.values()) > 50
    assert {template: count for (_, template), count in counted.items() if count} == really
    assert found.sent == len(plant.mails())
    days = {day: count for flow in found.flows for message in flow.messages for day, count in message.by_day.items()}
    assert set(days) >= {when.date().isoformat() for _, _, when in plant.mails() if 3 < when.hour < 21}


_TOKENS = st.sampled_from(("t1", "t2", "t3"))
_WHO = st.builds(
    Who,
    email=st.none() | st.sampled_from(("a@example.com", "b@example.com")),
    shop_customer_id=st.none() | st.sampled_from([str(number) for number in range(QUARANTINE + 3)]),
    cart_token=st.none() | _TOKENS,
    browser_id=st.none() | _TOKENS,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_WHO, st.booleans(), st.booleans()), max_size=25))
def test_who_is_who_is_decided_as_in_production(said: list[tuple[Who, bool, bool]]) -> None:
    """Law: the directory places every event, and merges people, as `share_out` over stored profiles does."""
    directory, stored = Directory("tea"), _Stored()
    for number, (who, account, signed) in enumerate(said):
        when = T0 + timedelta(minutes=number)
        fact = Customer(id="x", updated_at=when)
        told = event("customer.updated" if account else "order.placed", fact, when, who=who, signed=signed)
        told = replace(told, id=f"e{number}")
        if not account:
            told = replace(told, type="cart.updated", data=cart(when).data)
        placed = directory.place(told)
        expected = stored.take(told)
        assert (placed is None) == (expected is None)
        if placed is not None and expected is not None:
            assert (stored.number(expected[0]), placed.absorbed, placed.nameless) == (
                placed.person,
                tuple(stored.number(other) for other in expected[1]),
                expected[2],
            )


class _Stored:
    """Profiles and aliases as the tables hold them."""

    def __init__(self) -> None:
        self.profiles: dict[str, Profile | Signpost | Tombstone] = {}
        self.owners: dict[str, str] = {}
        self.sharing: dict[str, set[str]] = defaultdict(set)
        self.order: list[str] = []

    def number(self, profile_id: str) -> int:
        return self.order.index(profile_id)

    def take(self, told: Event) -> tuple[str, tuple[str, ...], bool] | None:
        quarantined = frozenset(key for key, customers in self.sharing.items() if len(customers) >= QUARANTINE)
        work = Work(
            pending=Pending(id="", delivery_id="", shop="tea"),
            events=(told,),
            owners=dict(self.owners),
            quarantined=quarantined,
        )
        shares, _ = share_out(work, (told,), self.profiles.get, b"k", told.received_at)
        for alias, customer in shared_addresses((told,), shares, b"k"):
            self.sharing[alias].add(customer)
        if not shares:
            return None
        (share,) = shares
        profile = share.profile
        for other in share.absorbed:
            profile = merge(profile, other, told.received_at)
            self.profiles[other.id] = Signpost(profile.id)
        self.owners.update((written.key, written.profile_id) for written in share.aliases)
        profile = absorb(profile, share.events[0], told.received_at).profile
        keys = tuple(dict.fromkeys((*profile.aliases, *(alias.key for alias in share.aliases))))
        self.profiles[profile.id] = replace(profile, aliases=keys)
        if profile.id not in self.order:
            self.order.append(profile.id)
        email = told.who.email
        nameless = email is not None and alias_key(b"k", "tea", "email", email) in quarantined
        return profile.id, tuple(other.id for other in share.absorbed), nameless


# --- what is counted -------------------------------------------------------------------------------------------------


def test_a_left_basket_gets_three_reminders_and_every_way_is_counted() -> None:
    found = simulate([consent(at()), checkout(at(minutes=1))])
    flow = of(found)
    assert (flow.entered, flow.people, flow.reached, flow.sent) == (1, 1, 1, 3)
    assert sent(flow) == {"cart-reminder-1": 1, "cart-reminder-2": 1, "cart-reminder-3": 1}
    assert flow.ended == {"finished": 1}
    assert set(passed(flow).values()) == {1}
    assert {step for step, _ in passed(flow)} == {"", *CART.steps}
    assert found.per_person == {3: 1}
    assert flow.sent_after == 3, "all of them after the last event"


def test_an_order_is_the_goal_and_says_when() -> None:
    found = simulate([consent(at()), checkout(at(minutes=1)), order(at(hours=2, minutes=1))])
    flow = of(found)
    assert (flow.goal.converted, flow.goal.after_message, flow.goal.median_hours) == (1, 1, 2)
    assert flow.left == (("wait-2", "converted", 1),)
    early = of(simulate([consent(at()), checkout(at(minutes=1)), order(at(minutes=30))]))
    assert (early.goal.converted, early.goal.after_message, early.sent) == (1, 0, 0)


def test_who_does_not_enter_is_counted_by_rule_with_masked_examples() -> None:
    found = simulate([cart(at()), cart(at(minutes=5), items=()), checkout(at(hours=1), who=BEN)])
    (why,) = of(found).refused
    assert why.rule == "filter: event.items and profile.email"
    assert (why.times, why.people) == (2, 1)
    assert why.examples[0].values["profile.email"] == "nothing"
    (skipped, *_) = of(found).skipped
    assert (skipped.step, skipped.rule) == ("cart-reminder-1", "no consent to marketing e-mail")
    assert skipped.examples[0].person == "be…@example.com"
    assert "ben@example.com" not in msgspec.json.encode(found).decode()


def test_a_basket_that_changes_starts_anew_and_passes_no_way_twice() -> None:
    events = [consent(at()), *(checkout(at(minutes=10 * number)) for number in range(1, 5))]
    flow = of(simulate(events))
    assert (flow.entered, flow.restarted) == (1, 3)
    assert set(passed(flow).values()) == {1}


def test_branches_splits_and_waiting_are_followed() -> None:
    """Ten orders by ten people; what went each way adds up at every step."""
    events = [
        order(
            at(minutes=number), id=f"o{number}", who=Who(email=f"p{number}@example.com", shop_customer_id=str(number))
        )
        for number in range(10)
    ]
    back = order(at(days=1, hours=5), id="again", who=Who(email="p3@example.com", shop_customer_id="3"))
    everybody = [consent(at(), who=told.who) for told in events]
    flow = of(simulate([*everybody, *events, back], playbook(WELCOME)), "welcome")
    ways = passed(flow)
    assert ways["branch-1", "else"] == 11
    assert ("branch-1", "0") not in ways
    assert ways["split-1", "with"] + ways["split-1", "without"] == 11
    assert ways["back", "then"] + ways["back", "else"] == 11
    assert ways["back", "then"] == 1
    assert flow.ended == {"finished": 11}
    into: dict[str | None, int] = defaultdict(int)
    for edge in flow.edges:
        into[edge.to] += edge.count
    assert {step: into[step] for step in flow.visits} == flow.visits


def test_a_repeat_goes_round_and_on() -> None:
    text = """
    trigger: {event: order.placed}
    steps:
      - repeat: {times: 3}
        steps:
          - email: nudge
          - wait: 1d
      - email: last
    """
    flow = of(simulate([consent(at()), order(at(minutes=1))], playbook(flow_of(text, "again"))), "again")
    assert passed(flow)["repeat-1", "again"] == 3
    assert passed(flow)["repeat-1", "on"] == 1
    assert flow.ended == {"finished": 1}


def test_two_flows_at_once_and_messages_on_one_day_meet() -> None:
    slow = flow_of(
        "trigger: {event: checkout.updated}\nsteps: [{wait: 2h}, {email: slow, category: transactional}]", "slow"
    )
    found = simulate([consent(at()), checkout(at(minutes=1))], playbook(CART, slow))
    assert [(pair.one, pair.two, pair.people) for pair in found.together] == [("cart-abandonment", "slow", 1)]
    assert ("cart-abandonment", "slow", 1) in [(pair.one, pair.two, pair.people) for pair in found.same_day]
    assert max(found.most_in_a_day) == 2


def test_messages_are_counted_on_the_shops_clock() -> None:
    """23:30 UTC is half past midnight in Amsterdam: the mail is of the next day, at midnight, on a Tuesday."""
    late = at(hours=13, minutes=30)
    found = simulate([consent(at()), checkout(late)])
    assert list(of(found).messages[0].by_day) == ["2026-03-03"]
    assert found.hours[1][0] == 1


def test_costs_are_those_of_the_mails() -> None:
    found = simulate([consent(at()), checkout(at(minutes=1))])
    assert found.sent == 3
    assert {plan: str(cost) for plan, cost in found.costs.items()} == {"à la carte": "0.0003", "Essentials": "0.0005"}
    reminders = forecast({"cart": 3})
    assert found.beside == round(total(beside_mails(bill(reminders, prices()))), 4) > 0


def test_a_story_is_told_in_words() -> None:
    found = simulate([consent(at()), checkout(at(minutes=1))], people=("ada@example.com", "nobody@example.com"))
    assert list(found.stories) == ["ada@example.com"]
    assert any("cart-reminder-1" in line for line in found.stories["ada@example.com"])


# --- time ------------------------------------------------------------------------------------------------------------


def test_what_came_before_makes_people_who_they_are_and_starts_nothing() -> None:
    events = [consent(at()), checkout(at(minutes=1)), checkout(at(days=10), who=replace(BEN, email="ada@example.com"))]
    events[2] = checkout(at(days=10), who=Who(email="ada@example.com", shop_customer_id="7", cart_token="c9"))
    found = simulate(events, since=at(days=5))
    flow = of(found)
    assert (found.before, found.events) == (2, 1)
    assert flow.entered == 1
    assert flow.sent == 3, "the consent of the time before counts"
    assert found.subscribed == 1


def test_nobody_enters_after_the_last_event() -> None:
    """A daily campaign comes as long as there are events, and not in the time in which runs finish."""
    daily = replace(
        flow_of("trigger: {event: order.placed}\nentry: {again: always}\nsteps: [{email: news}]", "daily"),
        triggers=(OnSchedule(cron="0 9 * * *", zone="UTC"),),
    )
    events = [consent(at()), checkout(at(days=3, hours=1))]
    flow = of(simulate(events, playbook(versioned(daily))), "daily")
    assert flow.entered == 3
    assert flow.sent_after == 0


def test_a_campaign_reaches_those_who_are_known_by_then_and_in_its_segment() -> None:
    campaign = replace(
        flow_of("trigger: {event: order.placed}\nsteps: [{email: news}]", "news"),
        triggers=(OnSchedule(once="2026-03-04T10:00", segment="buyers", zone="UTC"),),
    )
    book = replace(
        playbook(versioned(campaign)),
        segments={"buyers": Segment(name="buyers", when="profile.orders > 0", inputs=("orders",))},
    )
    late = Who(email="late@example.com", shop_customer_id="9")
    events = [
        consent(at()),
        consent(at(minutes=1), who=BEN),
        order(at(minutes=2)),
        order(at(days=3), id="o2", who=late),
    ]
    found = simulate(events, book)
    assert (of(found, "news").entered, of(found, "news").sent) == (1, 1)
    (segment,) = found.segments
    assert (segment.at_end, segment.joined) == (2, {"2026-03-02": 1, "2026-03-05": 1})


def test_who_is_inside_when_the_events_end_is_counted_where_they_stand() -> None:
    found = simulate([consent(at()), checkout(at(minutes=1)), order(at(hours=5), id="x", who=BEN)])
    assert of(found).inside == {"wait-2": 1}


def test_a_new_segment_takes_people_in_when_it_is_switched_on() -> None:
    """As publishing does: whoever fits comes in at once, and the flow that waits for that takes them."""
    flow = flow_of(
        "trigger: {event: segment.entered, when: event.name == 'buyers'}\nsteps: [{email: thanks}]", "thanks"
    )
    segments = {"buyers": Segment(name="buyers", when="profile.orders > 0", inputs=("orders",))}
    book = replace(playbook(flow), segments=segments)
    events = [consent(at()), order(at(minutes=1)), cart(at(days=40), token="c77")]
    assert of(simulate(events, book, since=at(days=30), settled={}), "thanks").entered == 1
    assert of(simulate(events, book, since=at(days=30)), "thanks").entered == 0, "they were in it long ago"


# --- adding up -------------------------------------------------------------------------------------------------------


def test_it_does_not_matter_who_counts_what() -> None:
    """Three counters, each with a third of the people, and one who counts all come to the same."""
    events = of_tea(demo_month.month(60, "thirds"))
    played = scenario(events, playbook(CART, CONFIRMATION, WELCOME))
    stage, lives = Stage(played), people(events)
    whole, parts = Tally(), [Tally(), Tally(), Tally()]
    for records in lives:
        replay(records, {"": stage}, {"": whole})
    for records, part in zip(reversed(lives), itertools.cycle(parts)):
        replay(records, {"": stage}, {"": part})
    added = Tally()
    for part in reversed(parts):
        added.add(part)
    assert msgspec.json.encode(findings(added, played, ["tea"], 0)) == msgspec.json.encode(
        findings(whole, played, ["tea"], 0)
    )


def test_a_draft_is_compared_flow_by_flow() -> None:
    events = [consent(at()), checkout(at(minutes=1)), order(at(hours=5), id="x", who=BEN)]
    gentle = flow_of(
        """
        trigger: {event: checkout.updated, when: event.items}
        entry: {key: event.id}
        steps: [{wait: 2h}, {email: cart-reminder-1}]
        """,
        "cart-abandonment",
    )
    found = changes(simulate(events, playbook(CART)), simulate(events, playbook(gentle, WELCOME)))
    by_name = {change.name: change for change in found}
    cart_change = by_name["cart-abandonment"]
    assert not cart_change.same
    assert cart_change.inside == 1
    assert {step.step: (step.before, step.after) for step in cart_change.steps} == {
        "cart-reminder-1": (1, 1),
        "cart-reminder-2": (1, None),
        "cart-reminder-3": (1, None),
    }
    assert by_name["welcome"].before is None


@pytest.mark.parametrize("after", [timedelta(minutes=30), timedelta(days=40)])
def test_the_same_flows_change_nothing(after: timedelta) -> None:
    events = [consent(at()), checkout(at(minutes=1)), cart(T0 + after, token="c5")]
    (change,) = changes(simulate(events, playbook(CART)), simulate(events, playbook(CART)))
    assert change.same
    assert change.before == change.after
