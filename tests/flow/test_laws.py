"""What holds for every flow, every playbook and every customer: the engine's laws, tried on what chance draws.

Every story is also held to what `tests.support.story.held_to_promises` says of each single outcome: states load again
to the same value, nothing is scheduled in the past, nobody gets marketing without consent or from a run that has ended.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Order, PreferencesTold
from rekindle.domain.outcome import Outcome
from rekindle.domain.profile import Profile, Run
from rekindle.flow.conditions import condition
from rekindle.flow.engine import LATENESS
from rekindle.flow.library import Library
from rekindle.flow.merge import merge
from rekindle.flow.program import Flow, Playbook, Repeat, Rule, Send, Split, Way, versioned
from rekindle.flow.view import profile_view
from rekindle.flow.wishes import APART, PAUSED, counted
from tests.support import build
from tests.support.build import T0, alarm, at, consent, flow_of, order, playbook
from tests.support.chance import HOUR, SEGMENTS, Move, live, lives, playbooks, states, told
from tests.support.story import EMPTY, Story, templates

LAW = settings(
    deadline=None,
    derandomize=True,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)
#: Longer than any run of a drawn flow lasts.
LONGEST = timedelta(days=20)
LONG = timedelta(days=30)


def end_of(story: Story) -> datetime:
    """Return when the last thing that the story knows of happened."""
    return max((decision.at for decision in story.decisions), default=T0)


# --- once ------------------------------------------------------------------------------------------------------------


@LAW
@given(playbooks(), lives)
def test_every_run_ends_and_no_message_comes_twice(book: Playbook, life: list[Move]) -> None:
    """When nothing happens any more, time ends every run; what still waits is a date or a segment's moment."""
    story = live(Story(book), life)
    assert_over(story, end_of(story) + LONG)
    assert_once(story)


def assert_once(story: Story) -> None:
    """Assert that no message was handed over twice, and that no step outside a repeat planned two in one run."""
    assert max(Counter(story.messages).values(), default=1) == 1
    planned = Counter((one.flow, one.run, one.step) for one in story.profile.planned.values())
    for (flow, _, _), count in planned.items():
        # What takes somebody off the lists of ads networks belongs to no flow: one for each list.
        steps = story.book.flows[flow].steps.values() if flow else ()
        assert count == 1 or not flow or any(isinstance(step, Repeat) for step in steps)


def assert_over(story: Story, now: datetime) -> None:
    """Assert that time has ended every run but those that a date or a segment's moment has started since."""
    story.until(now)
    active = [run for run in story.profile.runs if run.status == "active"]
    assert all(run.entered_at > now - LONGEST for run in active)
    assert all(run.event_type in ("date.came", "segment.entered", "segment.left", "traits.changed") for run in active)
    if not active:
        assert story.profile.deadline == min(story.profile.moments.values(), default=None)


@LAW
@given(playbooks(once=True), states.flatmap(lambda life: st.tuples(st.just(life), shuffled(life))))
def test_any_order_and_repetition_gives_each_message_at_most_once(
    book: Playbook, drawn: tuple[list[Move], Any]
) -> None:
    """States of things come late, twice and shuffled. Who enters once gets each step's message once."""
    life, places = drawn
    happened = list(told(life))
    now = max(event.received_at for event in happened)
    story = Story(book)
    for place, wait in places:
        now += timedelta(seconds=wait)
        story.until(now).take(happened[place % len(happened)], now)
    story.until(now + LONG)
    assert_once(story)
    sending = {(one.flow, one.run) for one in story.decisions if one.what == "planned"}
    for flow, keys in story.profile.entries.items():
        # Who left before anything was sent may come again: so of each key one run at most has sent something.
        assert sum(1 for sent_by, _ in sending if sent_by == flow) <= len(keys)


def shuffled(life: list[Move]) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Return orders in which every event comes at least once, each with how much time passes before it."""
    places = st.lists(st.integers(0, len(life) - 1), max_size=6).flatmap(
        lambda more: st.permutations([*range(len(life)), *more])
    )
    return places.flatmap(
        lambda order: st.lists(st.sampled_from([0, 60, HOUR]), min_size=len(order), max_size=len(order)).map(
            lambda waits: list(zip(order, waits, strict=True))
        )
    )


@LAW
@given(playbooks(), states, st.data())
def test_a_state_that_is_told_again_changes_nothing(book: Playbook, life: list[Move], data: st.DataObject) -> None:
    """Whenever it comes again, and however often, among whatever else: the story goes on as it would have."""
    happened = list(told(life))
    again = data.draw(
        st.lists(st.tuples(st.integers(0, len(happened) - 1), st.integers(0, len(happened) - 1)), max_size=5)
    )
    straight, doubled = Story(book), Story(book)
    for place, event in enumerate(happened):
        straight.tell(event)
        doubled.tell(event)
        for earlier, then in again:
            if then == place and earlier <= place:
                doubled.take(happened[earlier], event.received_at)
    assert doubled.profile == straight.profile
    until = end_of(straight) + LONG
    assert doubled.until(until).mails == straight.until(until).mails
    assert doubled.messages == straight.messages


@LAW
@given(states, st.data())
def test_any_order_gives_the_same_knowledge(life: list[Move], data: st.DataObject) -> None:
    happened = list(told(life))
    now = happened[-1].received_at
    straight, mixed = Story(Playbook(hash="none")), Story(Playbook(hash="none"))
    for event in happened:
        straight.take(event, now)
    for event in data.draw(st.permutations(happened)):
        mixed.take(event, now)
    assert knowledge(mixed.profile) == knowledge(straight.profile)


def knowledge(profile: Profile) -> dict[str, Any]:
    """Return what is known of a person and of their things."""
    names = ("consent", "baskets", "orders", "shipments", "traits", "person", "told", "tags", "email", "phone")
    return {name: getattr(profile, name) for name in names}


# --- the end of runs -------------------------------------------------------------------------------------------------


@LAW
@given(playbooks(), lives)
def test_a_goal_or_an_exit_ends_every_run_that_waits_for_it(book: Playbook, life: list[Move]) -> None:
    """On the event itself, before any step: none of them is inside afterwards, and none has planned anything."""
    story = Story(book)
    for event in told(life, story):
        story.until(event.received_at)
        before = story.profile
        outcome = story.take(event, event.received_at)
        heard = first_told(event, before, outcome)
        for run in before.runs:
            flow = book.flows[run.flow]
            if run.status == "active" and any(
                rule.event == heard and not rule.when for rule in flow.goal + flow.exit_on
            ):
                left = next((known for known in story.profile.runs if known.id == run.id), None)
                assert left is None or left.status in ("converted", "exited")
                assert left is None or left.messages == run.messages


def first_told(event: Event, before: Profile, outcome: Outcome) -> str | None:
    """Return what this event told flows first of all; `None` where it said nothing new."""
    ignored = any(decision.what == "ignored" for decision in outcome.decisions)
    if isinstance(event.data, Order):
        known = before.orders[event.data.id].events if event.data.id in before.orders else ()
        moments = [kind for kind in ("order.placed", "order.paid") if kind not in known]
        return next((kind for kind in moments if kind in outcome.profile.orders[event.data.id].events), None)
    return None if ignored else event.type


@LAW
@given(playbooks(), lives)
def test_nothing_is_planned_for_a_run_that_has_ended(book: Playbook, life: list[Move]) -> None:
    """Neither after a goal, an exit or a time-out, nor at the hands of a later event: it stays as it ended."""
    story = Story(book)
    ended: dict[str, Run] = {}
    for event in told(life, story):
        story.tell(event)
        for run in story.profile.runs:
            if run.id in ended:
                assert (run.status, run.messages) == (ended[run.id].status, ended[run.id].messages)
            elif run.status != "active":
                ended[run.id] = run
    story.until(end_of(story) + LONG)
    for run in story.profile.runs:
        assert run.id not in ended or (run.status, run.messages) == (ended[run.id].status, ended[run.id].messages)


@LAW
@given(playbooks(), lives)
def test_after_an_unsubscribe_no_marketing_is_planned(book: Playbook, life: list[Move]) -> None:
    story = live(Story(book), life)
    now = end_of(story)
    for last in (Move(0, "unsubscribe"), Move(0, "text", 1)):
        event = last.event(now)
        assert event is not None
        story.until(now).take(event, now)
    before = set(story.profile.planned)
    story.until(now + LONG)
    later = [planned for message, planned in story.profile.planned.items() if message not in before]
    assert [planned for planned in later if planned.category == "marketing"] == []


@LAW
@given(playbooks(), lives, st.sampled_from(["monthly", "weekly"]))
def test_who_wants_less_gets_less_however_much_there_is(book: Playbook, life: list[Move], wish: str) -> None:
    """From the choice on, two marketing messages are never nearer to one another than was asked for."""
    choice = build.event("preferences.changed", PreferencesTold(at=T0, frequency=wish), T0)  # type: ignore[arg-type]
    story = Story(book)
    story.take(choice, T0)
    times: list[datetime] = []
    for happened in [each for each in told(life, story) if each.type != "preferences.changed"]:
        story.tell(happened)
    story.until(end_of(story) + 3 * LONG)
    times = sorted(touch.at for touch in counted(story.profile.touches))
    assert all(later - earlier >= APART[wish] for earlier, later in pairwise(times))


@LAW
@given(playbooks(), lives, st.integers(1, 30))
def test_a_pause_is_kept_and_ends_by_itself(book: Playbook, life: list[Move], days: int) -> None:
    """Nothing is planned within it, and what it holds back waits for its end at least."""
    until = T0 + timedelta(days=days)
    story = Story(book)
    story.take(build.event("preferences.changed", PreferencesTold(at=T0, paused_until=until), T0), T0)
    for happened in [each for each in told(life, story) if each.type != "preferences.changed"]:
        story.tell(happened)
    story.until(end_of(story) + LONG)
    held = [one.values["until"] for one in story.decisions if (one.what, one.rule) == ("held", PAUSED)]
    assert all(datetime.fromisoformat(moment) >= until for moment in held)
    assert [touch for touch in counted(story.profile.touches) if touch.at < until] == []


# --- time ------------------------------------------------------------------------------------------------------------


@LAW
@given(playbooks(), lives, st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_late_alarms_do_what_alarms_on_time_would_have_done(book: Playbook, life: list[Move], late: list[int]) -> None:
    """Each alarm may ring up to `LATENESS` late, and one ring then do the work of several.

    The same messages are planned, as of the same moments; runs stand at the same steps until the same times; segments
    and traits are the same. Only the ledger, and when a run is said to have ended, tell when it was really done.
    """
    exact, belated = Story(book), Story(book)
    delays = [min(timedelta(minutes=minutes), LATENESS) for minutes in late]
    rings = 0

    def pass_time(until: datetime) -> None:
        nonlocal rings
        exact.until(until)
        while belated.profile.deadline is not None and belated.profile.deadline <= until:
            ring = min(belated.profile.deadline + delays[rings % len(delays)], until)
            rings += 1
            belated.take(alarm(ring), ring)

    for event in told(life, exact):
        pass_time(event.received_at)
        exact.take(event, event.received_at)
        belated.take(event, event.received_at)
        assert as_of_its_time(belated.profile) == as_of_its_time(exact.profile)
    pass_time(end_of(exact) + LONG)
    assert as_of_its_time(belated.profile) == as_of_its_time(exact.profile)
    assert Counter(belated.messages) == Counter(exact.messages)


def as_of_its_time(profile: Profile) -> Profile:
    """Return the profile without when runs were seen to have ended, and without the ids that alarms gave to events."""
    runs = tuple(replace(run, ended_at=None, event_id="") for run in profile.runs)
    return replace(profile, runs=runs)


@LAW
@given(playbooks(), lives, st.lists(st.integers(0, 20 * 24), min_size=1, max_size=6))
def test_however_late_alarms_are_the_promises_hold(book: Playbook, life: list[Move], late: list[int]) -> None:
    """After an outage of days: nothing in the past, nothing twice, nobody stuck."""
    story = Story(book)
    for place, event in enumerate(told(life, story)):
        now = event.received_at
        if story.profile.deadline is not None and story.profile.deadline < now and place % 2:
            story.take(alarm(now), now)
        story.take(event, now)
    now = end_of(story)
    for hours in late:
        now += timedelta(hours=hours)
        story.take(alarm(now), now)
    assert_over(story, now + LONG)
    assert_once(story)


def test_a_held_message_whose_time_is_over_is_not_planned() -> None:
    """It waits for its distance until one in the night; the alarm rings ten hours after it was worth sending."""
    text = "trigger: {event: order.placed}\nsteps: [{email: first}, {email: second, manners: wait, valid_for: 20h}]"
    story = Story(playbook(flow_of(text))).tell(consent(T0), order(T0))
    story.take(alarm(at(hours=30)), at(hours=30))
    assert templates(story) == ["first"]


@LAW
@given(playbooks(most=1), lives, st.lists(st.integers(0, 40 * 24 * 60), max_size=5))
def test_a_ring_for_nothing_does_nothing(book: Playbook, life: list[Move], minutes: list[int]) -> None:
    """Alarms are never cancelled: one that rings while nothing is due changes nothing, and keeps the next one."""
    story = live(Story(book), life)
    now = end_of(story)
    for moment in sorted(now + timedelta(minutes=number) for number in minutes):
        story.until(moment)
        before = story.profile
        outcome = story.take(alarm(moment), moment)
        assert story.profile == before
        assert outcome.decisions == ()


# --- segments --------------------------------------------------------------------------------------------------------


@LAW
@given(playbooks(most=1), lives)
def test_membership_is_live(book: Playbook, life: list[Move]) -> None:
    """It is what evaluating the segment then and there gives, though nobody scans, up to the tick before each alarm."""
    story = Story(book)
    for event in told(life, story):
        assert_live(story, event.received_at)
        story.take(event, event.received_at)
        assert_fresh(story, event.received_at)
    assert_live(story, end_of(story) + LONG)


def assert_live(story: Story, until: datetime) -> None:
    while story.profile.deadline is not None and story.profile.deadline <= until:
        ring = story.profile.deadline
        assert_fresh(story, ring - timedelta(microseconds=1))
        story.take(alarm(ring), ring)
        assert_fresh(story, ring)
    assert_fresh(story, until)


def assert_fresh(story: Story, now: datetime) -> None:
    profile, shop = story.profile, story.book.shops["tea"]
    inside: set[str] = set()
    for segment in story.book.ordered_segments:
        # Evaluated one on the other from nothing: what is stored must not be what it is compared with.
        seen = replace(profile, segments=dict.fromkeys(inside, now))
        names = {
            "profile": profile_view(seen, shop, None, story.book.topics),
            "event": None,
            "shop": shop,
            "library": Library(seen, now),
        }
        if condition(segment.when).holds(names):
            inside.add(segment.name)
    assert set(profile.segments) == inside


@LAW
@given(playbooks(most=2), lives)
def test_who_comes_and_who_leaves_is_told_in_turn(book: Playbook, life: list[Move]) -> None:
    """Nobody joins twice without having left in between."""
    story = live(Story(book), life)
    story.until(end_of(story) + LONG)
    for name in SEGMENTS:
        told_of = [said.what for said in story.decisions if said.values.get("segment") == name]
        moved = [what for what in told_of if what in ("joined", "left_segment")]
        assert all(one != two for one, two in pairwise(moved))
        assert moved[:1] in ([], ["joined"])
        assert (moved[-1:] == ["joined"]) == (name in story.profile.segments)


# --- chance that is none ---------------------------------------------------------------------------------------------


@LAW
@given(playbooks(), lives)
def test_the_same_story_is_told_the_same_way(book: Playbook, life: list[Move]) -> None:
    """No clock and no dice: splits and holdouts fall as they fell before."""
    one, two = live(Story(book), life), live(Story(book), life)
    assert (one.profile, one.decisions, one.effects) == (two.profile, two.decisions, two.effects)


@LAW
@given(st.text(min_size=1, max_size=8), st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 10_000))
def test_a_person_always_goes_the_same_way_and_is_always_held_out_or_never(
    person: str, shares: list[int], holdout: int
) -> None:
    """In every run, and under a newer version of the flow in which something else has changed."""
    ways = tuple(Way(f"way-{number}", share, f"mail-{number}") for number, share in enumerate(shares))
    mails = {
        way.to or "": Send(
            id=way.to or "", channel="email", template=way.name, category="transactional", valid_seconds=9
        )
        for way in ways
    }
    flow = Flow(
        name="try",
        triggers=(Rule(event="order.placed"),),
        key="event.id",
        unique_key=True,
        first="split",
        steps={"split": Split(id="split", ways=ways), **mails},
        holdout=holdout,
    )
    story = Story(playbook(versioned(flow)), replace(EMPTY, id=person))
    for number in range(4):
        if number == 2:  # published anew
            story.book = playbook(versioned(replace(flow, timeout=flow.timeout + HOUR)))
        story.tell(order(at(hours=number), id=f"o{number}"))
    assert len(set(templates(story))) == (0 if ("not_entered", "holdout") in story.said else 1)
    assert len(story.mails) in (0, 4)
    assert {0: 4, 10_000: 0}.get(holdout, len(story.mails)) == len(story.mails)


# --- merging ---------------------------------------------------------------------------------------------------------


@LAW
@given(playbooks(), lives, lives, st.integers(0, 5 * 24))
def test_merging_two_in_either_order_gives_one_and_the_same_person(
    book: Playbook, life: list[Move], other: list[Move], hours: int
) -> None:
    """But for the ids. Afterwards a flow without key has one run at most, and nothing that was planned comes again."""
    one = live(Story(book, replace(EMPTY, id="one")), life)
    two = live(Story(book, replace(EMPTY, id="two")), other)
    now = max(end_of(one), end_of(two)) + timedelta(hours=hours)
    one.until(now)
    two.until(now)
    known = set(one.messages) | set(two.messages)
    merged = merge(one.profile, two.profile, now), merge(two.profile, one.profile, now)
    assert without_ids(merged[0]) == without_ids(merged[1])
    for profile in merged:
        keyless = [run.flow for run in profile.runs if run.status == "active" and run.key is None]
        assert len(set(keyless)) == len(keyless)
        story = Story(book, profile)
        story.take(alarm(now), now)
        assert_fresh(story, now)
        story.until(now + LONG)
        assert not known & set(story.messages)
        assert max(Counter(story.messages).values(), default=1) == 1


def without_ids(profile: Profile) -> Profile:
    runs = tuple(sorted(profile.runs, key=lambda run: run.id))
    return replace(profile, id="", was=(), version=0, deadline=None, runs=runs, aliases=tuple(sorted(profile.aliases)))
