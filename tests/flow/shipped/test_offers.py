"""Offers on a schedule: the three flows that ship, played from their files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Campaign, Person
from rekindle.domain.offers import Offer
from rekindle.flow.calendar import occurrences
from rekindle.flow.program import OnSchedule
from tests.support.build import ADA, T0, at, consent, engaged, event, issued, order, playbook
from tests.support.shipped import NO, joined, segments, shipped
from tests.support.story import Story

FLOWS = {"holiday-offer": "holiday", "monthly-offer": "monthly", "sale": "sale"}
#: When everybody is sorted by their hour, which hour that is, and when it comes in Amsterdam.
CAME = datetime(2026, 4, 30, 22, tzinfo=UTC)
WALL = "2026-05-01T10:00"
MORNING = CAME + timedelta(hours=10)


def came(flow: str, trigger: int = 0) -> Event:
    """Return that the campaign's hour came."""
    fact = Campaign(flow=flow, at=CAME, occurrence=WALL, trigger=trigger, wall=WALL)
    return event("campaign.came", fact, CAME, id=f"came/{flow}/{trigger}")


def saver() -> list[Event]:
    """Return the life of a subscriber who buys when something is off."""
    orders = [
        order(at(days=day), id=f"o{day}", codes=("TEN",), who=replace(ADA, cart_token=f"c{day}", checkout_token=None))
        for day in (1, 20)
    ]
    return [joined(T0), *orders]


def story(flow: str, *told: Event, coupons: bool = False, person: Person | None = None) -> Story:
    """Return the life of a saver until the campaign came."""
    gives = [Offer(name=FLOWS[flow], kind="unique", percent=Decimal(10), prefix="X")] if coupons else []
    found = Story(playbook(shipped(flow), segments=segments(), gives=gives))
    life = list(told or saver())
    if person is not None:
        life[0] = replace(life[0], person=person)
    return found.tell(*life, came(flow)).until(MORNING)


def mails(found: Story, days: float = 9) -> list[tuple[str, timedelta]]:
    found.until(MORNING + timedelta(days=days))
    return [(name, when - MORNING) for name, when in found.mails]


@pytest.mark.parametrize("flow", FLOWS)
def test_announced_brought_to_mind_and_the_last_day(flow: str) -> None:
    assert mails(story(flow)) == [
        ("offer-1", timedelta(0)), ("offer-2", timedelta(days=2)), ("offer-3", timedelta(days=5)),
    ]  # fmt: skip


@pytest.mark.parametrize("flow", FLOWS)
def test_the_last_day_is_the_codes_own(flow: str) -> None:
    found = story(flow, coupons=True)
    ends = MORNING + timedelta(days=4, hours=13, minutes=59)
    given = issued(found.messages[0], "X-1", MORNING + timedelta(minutes=1), offer=FLOWS[flow], expires_at=ends)
    found.tell(replace(given, profile_id=found.profile.id))
    assert mails(found)[2] == ("offer-3", timedelta(days=4))


@pytest.mark.parametrize("flow", FLOWS)
def test_who_responds_is_told_how_to_use_it_and_no_more(flow: str) -> None:
    found = story(flow)
    found.tell(engaged("email.clicked", found.messages[0], MORNING + timedelta(hours=5), found.profile))
    assert mails(found) == [("offer-1", timedelta(0)), ("offer-how", timedelta(hours=8))]
    found = story(flow).until(MORNING + timedelta(days=2))
    found.tell(engaged("email.clicked", found.messages[1], MORNING + timedelta(days=2, hours=1), found.profile))
    assert [name for name, _ in mails(found)] == ["offer-1", "offer-2", "offer-how"]


@pytest.mark.parametrize("flow", FLOWS)
def test_who_orders_leaves(flow: str) -> None:
    found = story(flow)
    found.tell(engaged("email.clicked", found.messages[0], MORNING + timedelta(hours=5), found.profile))
    found.tell(order(MORNING + timedelta(hours=6), id="new", who=replace(ADA, cart_token="new", checkout_token=None)))
    assert [name for name, _ in mails(found)] == ["offer-1"]
    assert found.left_with() in ([], ["converted"])


@pytest.mark.parametrize("flow", FLOWS)
def test_who_said_no_gets_nothing(flow: str) -> None:
    assert mails(story(flow, NO, *saver()[1:])) == []
    assert mails(story(flow, *saver(), consent(at(days=40), "unsubscribed"))) == []


@pytest.mark.parametrize("flow", FLOWS)
def test_ten_in_the_morning_where_people_live(flow: str) -> None:
    for person, where in (
        (Person(country="US", region="CA"), "America/Los_Angeles"),
        (Person(country="JP"), "Asia/Tokyo"),
    ):
        found = story(flow, person=person).until(MORNING + timedelta(days=1))
        assert [f"{when.astimezone(ZoneInfo(where)):%d %H:%M}" for _, when in found.mails] == ["01 10:00"]


def test_the_monthly_offer_is_for_those_who_buy_when_something_is_off() -> None:
    assert mails(story("monthly-offer", joined(T0))) == []


@pytest.mark.parametrize(
    ("language", "trigger", "mailed"),
    [("en", 1, True), ("ar", 1, False), ("ar", 2, True), ("en", 2, False), ("zh-TW", 3, True), ("en", 3, False)],
)
def test_holidays_of_some_go_to_them(language: str, trigger: int, mailed: bool) -> None:
    flow = shipped("holiday-offer")
    greeting = replace(joined(T0), person=Person(locale=language))
    found = Story(playbook(flow, segments=segments())).tell(greeting, came("holiday-offer", trigger))
    assert bool(found.until(MORNING).mails) is mailed


def test_the_campaigns_come_when_their_files_say() -> None:
    """On the clock of whoever they come to."""

    def days(flow: str) -> list[str]:
        start = datetime(2027, 1, 1, 12, tzinfo=UTC)
        times = [
            moment
            for trigger in shipped(flow).triggers
            if isinstance(trigger, OnSchedule)
            for moment in occurrences(replace(trigger, zone="UTC"), "UTC", start, start + timedelta(days=364))
        ]
        return [f"{moment:%m-%d %H:%M}" for moment in times]

    assert days("holiday-offer") == ["11-22 10:00", "12-11 10:00", "02-27 10:00", "01-23 10:00"]
    assert days("monthly-offer") == [f"{month:02}-01 10:00" for month in range(2, 13)]
    assert days("sale") == []
