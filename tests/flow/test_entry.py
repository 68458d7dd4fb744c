"""Who enters a flow and who does not: the rules of entry and every kind of trigger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Campaign, Person, ProductChange, Start, TraitsTold, View
from rekindle.domain.profile import Profile
from rekindle.flow.engine import MAX_ENTRIES
from tests.support.build import ADA, T0, alarm, at, checkout, consent, event, flow_of, order, playbook
from tests.support.story import EMPTY, Story, templates


def viewed(when: datetime, product: str = "p1", seconds: int = 70) -> Event:
    return event("product.viewed", View(id=product, at=when, seconds=seconds), when, id=f"view/{product}/{when}")


def named(number: int) -> Profile:
    return Profile(id=f"person-{number}", shop="tea")


def test_one_run_for_each_person_where_a_key_is_shared_by_many() -> None:
    """A product is nobody's own: two people who looked at it must get a mail each."""
    flow = flow_of("trigger: {event: product.viewed}\nentry: {key: event.id}\nsteps: [{email: seen}]")
    one, two = (Story(playbook(flow), named(number)).tell(consent(T0), viewed(at(hours=1))) for number in (1, 2))
    assert one.messages != two.messages


def test_one_run_for_a_basket_whoever_holds_it() -> None:
    flow = flow_of("trigger: {event: checkout.updated}\nentry: {key: event.id}\nsteps: [{email: left}]")
    one, two = (Story(playbook(flow), named(number)).tell(consent(T0), checkout(at(hours=1))) for number in (1, 2))
    assert one.messages == two.messages


def test_again_after_a_time_counts_from_the_last_entry() -> None:
    flow = flow_of("trigger: {event: product.viewed}\nentry: {again: 14d}\nsteps: [{email: seen}]")
    story = Story(playbook(flow)).tell(consent(T0))
    story.tell(*(viewed(at(days=day)) for day in (1, 5, 14.9, 15.1, 20)))
    assert [when for _, when in story.mails] == [at(days=1), at(days=15.1)]


GATHER = "trigger: {event: product.viewed}\nentry: {key: event.id, gather: true}\nsteps: [{wait: 1h}, {email: seen}]"


def test_what_happens_while_a_run_waits_joins_it() -> None:
    """One mail for all of it, an hour after the first, and another one for what comes later."""
    story = Story(playbook(flow_of(GATHER))).tell(consent(T0), *(viewed(at(hours=n), f"p{n}") for n in (1, 1.5, 30)))
    assert [when for _, when in story.until(at(hours=40)).mails] == [at(hours=2), at(hours=31)]
    # Each has entered, as if it had come alone.
    assert [rule for what, rule in story.said if what == "gathered"] == ["product.viewed"]
    story.tell(viewed(at(hours=41), "p1.5"))
    assert story.said[-1] == ("not_entered", "entered before")


def test_what_may_not_enter_joins_nothing() -> None:
    told = [viewed(at(hours=1)), viewed(at(hours=3), "p2"), viewed(at(hours=3.5))]
    story = Story(playbook(flow_of(GATHER))).tell(consent(T0), *told)
    assert [(run.key, run.joined) for run in story.profile.runs if run.status == "active"] == [("p2", ())]


def test_no_more_runs_at_once_than_allowed() -> None:
    flow = flow_of(
        "trigger: {event: product.viewed}\nentry: {key: event.id, at_once: 2}\nsteps: [{wait: 1d}, {email: seen}]"
    )
    story = Story(playbook(flow)).tell(consent(T0), *(viewed(at(hours=n), f"p{n}") for n in (1, 2, 3)))
    assert len(story.profile.runs) == 2
    assert ("not_entered", "at_once") in story.said


@pytest.mark.parametrize(("when", "enters"), [(0.9, False), (1.1, True), (2.9, True), (3.1, False)])
def test_people_enter_only_while_the_flow_is_open_on_the_shops_clock(when: float, enters: bool) -> None:
    """T0 is 2 March, ten in the morning in Amsterdam; open from 3 March, ten, to 5 March, ten."""
    flow = flow_of(
        "trigger: {event: product.viewed}\nentry: {window: {from: 2026-03-03T10:00, until: 2026-03-05T10:00}}\n"
        "steps: [{email: seen}]"
    )
    story = Story(playbook(flow)).tell(consent(T0), viewed(at(days=when)))
    assert bool(story.mails) is enters
    assert enters or ("not_entered", "window") in story.said


def test_a_holdout_keeps_its_share_out_always_the_same_people() -> None:
    flow = flow_of("trigger: {event: product.viewed}\nentry: {holdout: 20%, again: always}\nsteps: [{email: seen}]")
    out = []
    for number in range(300):
        story = Story(playbook(flow), named(number)).tell(consent(T0), viewed(at(hours=1)), viewed(at(days=3)))
        assert len(story.mails) in (0, 2)
        out.append(not story.mails)
    assert 40 <= sum(out) <= 80
    assert ("not_entered", "holdout") in Story(playbook(flow), named(out.index(True))).tell(viewed(at(hours=1))).said


def test_entries_that_are_remembered_are_bounded() -> None:
    flow = flow_of("trigger: {event: product.viewed}\nentry: {key: event.id}\nsteps: [{exit: done}]")
    story = Story(playbook(flow)).tell(*(viewed(at(minutes=n), f"p{n}") for n in range(1, MAX_ENTRIES + 20)))
    assert len(story.profile.entries["test"]) == MAX_ENTRIES


# --- triggers --------------------------------------------------------------------------------------------------------

BIRTHDAY = (
    "trigger: {date: profile.birthday, before: 7d, at: '09:00'}\nsteps:\n  - email: soon\n"
    "  - wait_until: profile.birthday\n    at: '09:00'\n  - email: today\n"
)


def born(day: str, when: datetime = T0) -> Event:
    return event("traits.changed", TraitsTold(at=when, values={"birthday": day}), when)


@pytest.mark.parametrize(
    ("country", "nine"),
    [("NZ", "2026-03-12T20:00"), ("GB", "2026-03-13T09:00"), ("WS", "2026-03-12T20:00"), ("AS", "2026-03-13T20:00")],
)
def test_a_birthday_comes_on_their_own_clock_also_beside_the_date_line(country: str, nine: str) -> None:
    story = Story(playbook(flow_of(BIRTHDAY)), replace(EMPTY, person=Person(country=country)))
    story.tell(consent(T0), born("1990-03-20")).until(at(days=30))
    soon = datetime.fromisoformat(nine).replace(tzinfo=UTC)
    assert story.mails[0] == ("soon", soon)
    assert story.mails[1] == ("today", soon + timedelta(days=7))


def test_a_birthday_comes_every_year_also_one_of_29_february() -> None:
    story = Story(playbook(flow_of(BIRTHDAY))).tell(consent(T0), born("2000-02-29")).until(at(days=3 * 366))
    assert [when.date().isoformat() for name, when in story.mails if name == "today"] == [
        "2027-02-28", "2028-02-29", "2029-02-28",
    ]  # fmt: skip


def test_another_birthday_moves_the_day() -> None:
    story = Story(playbook(flow_of(BIRTHDAY))).tell(consent(T0), born("1990-03-20"), born("1990-05-20", at(days=1)))
    assert templates(story.until(at(days=40))) == []
    assert templates(story.until(at(days=90))) == ["soon", "today"]


def test_a_day_that_was_slept_through_for_longer_than_max_age_starts_nothing() -> None:
    story = Story(playbook(flow_of(BIRTHDAY))).tell(consent(T0), born("1990-03-20"))
    story.take(alarm(at(days=15)), at(days=15))
    assert story.mails == []
    assert ("not_entered", "max_age") in story.said
    assert story.profile.deadline is not None
    assert story.profile.deadline > at(days=300)


def test_a_campaign_reaches_each_of_its_segment_once_for_each_occurrence() -> None:
    flow = flow_of(
        "trigger: {schedule: {cron: '0 10 * * mon', segment: readers}}\nentry: {again: never}\nsteps: [{email: news}]"
    )
    readers = "profile.subscribed"
    story = Story(playbook(flow, segments={"readers": readers}))

    def came(week: int) -> Event:
        when = at(days=7 * week)
        return event("campaign.came", Campaign(flow="test", at=when, occurrence=when.isoformat()), when, id=f"c{week}")

    story.tell(came(1))
    assert ("not_entered", "segment: readers") in story.said
    story.tell(consent(at(days=8)), came(2), came(2), came(3))
    assert [when for _, when in story.mails] == [at(days=14), at(days=21)]


def test_a_start_by_hand_starts_that_flow_and_no_other() -> None:
    one, two = (flow_of("trigger: {manual: true}\nsteps: [{email: hello}]", name) for name in ("one", "two"))
    start = event("flow.started", Start(flow="two", at=at(hours=1), by="mia"), at(hours=1))
    story = Story(playbook(one, two)).tell(consent(T0), start)
    assert [run.flow for run in story.profile.runs] == ["two"]


def test_a_price_drop_is_a_trigger() -> None:
    flow = flow_of("trigger: {product: price_dropped, when: event.price < event.was}\nsteps: [{email: cheaper}]")
    change = ProductChange(product_id="p1", at=at(hours=1), price=5, was=9)  # type: ignore[arg-type]
    assert templates(Story(playbook(flow)).tell(consent(T0), event("product.price_dropped", change, at(hours=1)))) == [
        "cheaper"
    ]


# --- flows that change or go -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("removed", "sent"), [("finish", ["later"]), ("end", [])])
def test_a_removed_flow_lets_its_runs_finish_or_ends_them_as_its_file_said(removed: str, sent: list[str]) -> None:
    flow = flow_of(f"trigger: {{event: order.placed}}\nif_removed: {removed}\nsteps: [{{wait: 2d}}, {{email: later}}]")
    story = Story(playbook(flow)).tell(consent(T0), order(at(hours=1), who=ADA))
    story.book = replace(playbook(hash_="h2"), pinned={flow.version: flow})
    assert templates(story.until(at(days=9))) == sent
    assert story.profile.deadline is None


def test_an_anonymous_person_can_enter_too() -> None:
    flow = flow_of("trigger: {event: product.viewed}\nsteps: [{email: seen}]")
    nobody = replace(viewed(at(hours=1)), who=Who(browser_id="b1"))
    assert ("skipped", "no e-mail address") in Story(playbook(flow)).tell(nobody).said


def test_each_of_two_schedules_has_its_own_segment() -> None:
    flow = flow_of(
        "trigger:\n  - schedule: {cron: '0 10 * * mon', segment: readers}\n"
        "  - schedule: {cron: '0 18 * * mon', segment: buyers}\nsteps: [{email: news}]"
    )
    story = Story(playbook(flow, segments={"readers": "profile.subscribed", "buyers": "profile.orders > 0"}))
    story.tell(consent(T0))
    for hour, trigger in ((10, 0), (18, 1)):
        when = at(hours=hour)
        came = Campaign(flow="test", at=when, occurrence=when.isoformat(), trigger=trigger)
        story.tell(event("campaign.came", came, when))
    assert [when for _, when in story.mails] == [at(hours=10)]
    assert story.said.count(("not_entered", "segment: buyers")) == 1


def test_who_left_before_anything_was_sent_may_come_again() -> None:
    """A basket that was emptied and filled again within the hour is abandoned like any other."""
    emptied = checkout(at(minutes=10), items=())
    story = Story().tell(consent(T0), checkout(T0), emptied, checkout(at(minutes=20))).until(at(hours=2))
    assert story.mails == [("cart-reminder-1", at(minutes=80))]


CIRCLE = """
trigger: {segment: golden}
entry: {again: always, restart: true}
steps:
  - set: {traits: {tier: gold}}
  - wait: 1m
  - set: {traits: {tier: tin}}
"""
INNER = CIRCLE + "  - wait: 1m\n"


@pytest.mark.parametrize("written", [CIRCLE, INNER], ids=["comes again", "starts anew"])
def test_a_circle_of_flows_ends(written: str) -> None:
    """Else one person whose steps undo what brought them in would wake the shop's machines every minute, for ever."""
    book = playbook(flow_of(written), segments={"golden": "profile.orders > 0 and profile.traits.tier != 'gold'"})
    story = Story(book).tell(order(T0)).until(at(hours=5))
    assert [one.at for one in story.decisions if one.what in ("entered", "restarted")] == [T0]
    assert [rule for what, rule in story.said if what == "not_entered"]
    assert story.profile.deadline is None
