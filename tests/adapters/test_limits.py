"""`ports.Limits`, in RAM, on moto and on MiniStack."""

from __future__ import annotations

from datetime import timedelta

from tests.support.worlds import START, Ports

HOUR = START.replace(minute=0)


def take(ports: Ports, name: str = "tea#sign-up", minutes: int = 0) -> bool:
    return ports.limits.take(name, HOUR + timedelta(minutes=minutes), most=2, seconds=3_600)


def test_there_are_so_many_in_a_stretch_of_time_and_then_none(ports: Ports) -> None:
    assert [take(ports, minutes=minutes) for minutes in (0, 20, 59)] == [True, True, False]
    assert take(ports, minutes=60), "the next hour has its own"


def test_each_name_has_its_own(ports: Ports) -> None:
    assert [take(ports) for _ in range(3)] == [True, True, False]
    assert take(ports, "plants#sign-up")
    assert ports.counters.pauses() == [], "and no guard sees them"
