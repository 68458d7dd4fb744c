"""`ports.Counters`, in RAM, on moto and on MiniStack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from rekindle.aws.clients import Clients
from rekindle.aws.counting import CallCounter
from rekindle.ports import Pause, Tally
from tests.support.worlds import START, AwsPorts, Ports, session

HOUR = START.replace(minute=0)
PAUSE = Pause(shop="tea", since=START, why="50 hard bounces")


def test_counts_of_an_hour_add_up(ports: Ports) -> None:
    ports.counters.count("tea", HOUR, Tally(sent=3))
    ports.counters.count("tea", HOUR + timedelta(minutes=59, seconds=59), Tally(sent=2, bounced=1))
    ports.counters.count("tea", HOUR + timedelta(hours=1), Tally(complained=1))
    ports.counters.count("tea", HOUR, Tally())
    assert ports.counters.tallies("tea", HOUR) == {
        HOUR: Tally(sent=5, bounced=1),
        HOUR + timedelta(hours=1): Tally(complained=1),
    }


def test_hours_are_told_from_that_of_the_moment_on_and_of_one_shop(ports: Ports) -> None:
    for hours in range(4):
        ports.counters.count("tea", HOUR + timedelta(hours=hours), Tally(sent=hours + 1))
    ports.counters.count("tea-2", HOUR, Tally(sent=100))
    found = ports.counters.tallies("tea", HOUR + timedelta(hours=2, minutes=30))
    assert {tally.sent for tally in found.values()} == {3, 4}
    assert ports.counters.tallies("nobody", HOUR) == {}


def test_a_pause_is_begun_by_one(ports: Ports) -> None:
    assert ports.counters.pauses() == []
    assert ports.counters.pause(PAUSE)
    assert not ports.counters.pause(replace(PAUSE, why="another"))
    assert ports.counters.pause(replace(PAUSE, shop="coffee"))
    assert ports.counters.pauses() == [replace(PAUSE, shop="coffee"), PAUSE]


def test_that_nothing_is_left_to_say_is_noted_once_and_of_the_newest_pause(ports: Ports) -> None:
    ports.counters.pause(PAUSE)
    assert [ports.counters.told(PAUSE, START + timedelta(minutes=more)) for more in range(3)] == [True, True, True]
    assert ports.counters.pauses() == [replace(PAUSE, told_at=START)]
    assert not ports.counters.told(replace(PAUSE, since=START + timedelta(hours=1)), START)
    assert not ports.counters.told(replace(PAUSE, shop="nobody"), START)
    assert ports.counters.pauses() == [replace(PAUSE, told_at=START)]


def test_who_writes_the_same_again_is_told_that_it_is_written(ports: Ports) -> None:
    """So a call whose answer was lost, and which tries again by itself, does not take itself for somebody else."""
    over = replace(PAUSE, resumed_at=START + timedelta(days=1))
    assert [ports.counters.pause(PAUSE) for _ in range(2)] == [True, True]
    assert [ports.counters.resume(over) for _ in range(2)] == [True, True]
    assert not ports.counters.resume(replace(over, resumed_at=START + timedelta(days=2)))
    assert ports.counters.pauses() == [over]


def test_a_pause_is_ended_by_one_and_another_may_begin(ports: Ports) -> None:
    ports.counters.pause(PAUSE)
    ports.counters.told(PAUSE, START)
    later = START + timedelta(days=1)
    over = replace(PAUSE, resumed_at=later, less=Tally(sent=7, bounced=2))
    assert not ports.counters.resume(replace(over, since=later))
    assert ports.counters.resume(over)
    (stored,) = ports.counters.pauses()
    assert stored == replace(over, told_at=START)
    assert not stored.active
    again = Pause(shop="tea", since=later, why="3 complaints")
    assert ports.counters.pause(again)
    assert ports.counters.pauses() == [again]


def test_counts_expire_and_pauses_do_not(moto_ports: AwsPorts) -> None:
    ports = moto_ports
    ports.counters.count("tea", HOUR, Tally(sent=1))
    ports.counters.pause(PAUSE)
    items = ports.clients.dynamodb.scan(TableName=ports.installation.tables.counters)["Items"]
    (expires,) = [int(item["expires"]["N"]) for item in items if "expires" in item]
    assert datetime.fromtimestamp(expires, UTC) == HOUR + timedelta(days=35)
    assert len(items) == 2


def test_an_hour_is_one_call_and_a_week_is_one_call(moto_ports: AwsPorts) -> None:
    made = session()
    counter = CallCounter(made)
    ports = moto_ports.with_clients(Clients(made))
    for hours in range(168):
        ports.counters.count("tea", HOUR + timedelta(hours=hours), Tally(sent=1, bounced=1, complained=1))
    assert counter.calls["dynamodb.UpdateItem"] == 168
    counter.reset()
    assert len(ports.counters.tallies("tea", HOUR)) == 168
    ports.counters.pauses()
    assert counter.calls.total() == 2


def test_a_pause_that_is_over_must_say_since_when(moto_ports: AwsPorts) -> None:
    with pytest.raises(ValueError, match="since when"):
        moto_ports.counters.resume(PAUSE)
