"""Reaching everybody: every known profile in exactly one shard, page by page; and what waits on the queues."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rekindle.domain import ids
from rekindle.domain.facts import Campaign, Person
from rekindle.domain.profile import Profile, Tombstone
from rekindle.ports import Commit, ShardTask, Wake
from tests.support.things import ANNA, a_profile
from tests.support.worlds import START, Ports

OF = 4
PEOPLE = [ids.digest("person", str(number)) for number in range(17)]
TASK = ShardTask(fanout="f1", kind="pass", started_at=START, shard=1, of=OF)


def shard(ports: Ports, number: int, *, shop: str = "", limit: int = 2) -> list[str]:
    """Return all of one shard, page by page."""
    found: list[str] = []
    cursor: str | None = None
    for _ in range(100):
        page = ports.everybody.profile_ids(number, OF, cursor, shop=shop, limit=limit)
        assert len(page.ids) <= limit
        found += page.ids
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("a shard without an end")


def test_people_come_with_all_that_is_known_of_them(ports: Ports) -> None:
    there = a_profile(profile_id=ANNA, person=Person(country="JP"))
    ports.state.commit(Commit(profile=there))
    ports.state.commit(Commit(profile=a_profile(profile_id=PEOPLE[0])))
    found: list[Profile] = []
    cursor: str | None = None
    while True:
        page, cursor = ports.everybody.people(0, 1, cursor, shop="tea", limit=1)
        found += page
        if cursor is None:
            break
    assert sorted(found, key=lambda one: one.id) == sorted(
        [there, a_profile(profile_id=PEOPLE[0])], key=lambda one: one.id
    )
    zones = {key: zone for number in range(OF) for key, zone in zones_of(ports, number)}
    assert zones == {ANNA: "Asia/Tokyo", PEOPLE[0]: ""}


def zones_of(ports: Ports, number: int) -> list[tuple[str, str]]:
    page = ports.everybody.profile_ids(number, OF, shop="tea", limit=100)
    return list(zip(page.ids, page.zones, strict=True))


def everybody(ports: Ports, shop: str = "") -> list[str]:
    return sorted(each for number in range(OF) for each in shard(ports, number, shop=shop))


def test_everybody_is_in_one_shard_whatever_the_size_of_a_page(ports: Ports) -> None:
    for person in PEOPLE:
        ports.state.commit(Commit(profile=a_profile(profile_id=person)))
    assert everybody(ports) == sorted(PEOPLE)
    assert [shard(ports, 0, limit=1), shard(ports, 0, limit=50)] == [shard(ports, 0)] * 2


def test_who_went_elsewhere_was_erased_or_is_not_known_is_left_out(ports: Ports) -> None:
    anonymous, merged, erased = PEOPLE[:3]
    ports.state.commit(Commit(profile=a_profile()))
    nobody = a_profile(profile_id=anonymous, email=None)
    ports.state.commit(Commit(profile=nobody, expires_at=START + timedelta(days=90)))
    ports.put_signpost(merged, ANNA)
    ports.vault.bury(erased, Tombstone(erased_at=START, shop="tea"), None)
    assert everybody(ports) == [ANNA]


def test_a_shops_customers_can_be_had_alone(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    assert everybody(ports, shop="tea") == [ANNA]
    assert everybody(ports, shop="coffee") == []


def test_nobody_is_an_empty_page(ports: Ports) -> None:
    assert everybody(ports) == []


@pytest.mark.parametrize("campaign", [None, Campaign(flow="spring", at=START, occurrence="2035-03-05T09:00Z")])
def test_shards_and_wakes_come_off_their_queues_as_they_were_put_on(ports: Ports, campaign: Campaign | None) -> None:
    task = ShardTask(
        fanout="f1",
        kind="pass" if campaign is None else "campaign",
        started_at=START,
        shard=3,
        of=OF,
        step=2,
        cursor=ANNA,
        woken=12,
        campaign=campaign,
    )
    ports.fanout.ask([task])
    ports.fanout.ask([TASK], delay=900)
    waiting = ports.waiting("fanout")
    assert (waiting.visible, waiting.delayed) == ([task], 1)
    wake = Wake(profile_id=ANNA, campaign=campaign)
    ports.alarms.wake([wake])
    assert ports.waiting("wake").visible == [wake]


def test_the_backlog_is_what_could_be_done_now(ports: Ports) -> None:
    assert ports.alarms.backlog() == 0
    ports.alarms.wake([Wake(profile_id=each) for each in PEOPLE])
    ports.alarms.wake([Wake(profile_id=ANNA)], delay=900)
    assert ports.alarms.backlog() == len(PEOPLE)
