"""Intervals hold what they promise; a winner is seldom wrong however often one looks, and found where there is one."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from rekindle.domain.comparing import (
    Group,
    Interval,
    anytime_share,
    anytime_spent,
    difference,
    verdict,
    wilson,
)


def group(name: str, people: int, hits: int) -> Group:
    return Group(name=name, people=people, hits=hits)


def drawn(dice: random.Random, people: int, share: float) -> int:
    """Draw a binomial number: by its normal limit where that is good, which is quicker by far."""
    mean = people * share
    if mean > 60 and people - mean > 60:
        return min(people, max(0, round(dice.gauss(mean, (mean * (1 - share)) ** 0.5))))
    return sum(dice.random() < share for _ in range(people))


def test_wilson_and_newcombe_as_published() -> None:
    """Newcombe, Statistics in Medicine 17 (1998): 15/148, and 56/70 against 48/80."""
    assert (round(wilson(15, 148).low, 4), round(wilson(15, 148).high, 4)) == (0.0624, 0.1605)
    apart = difference(group("a", 70, 56), group("b", 80, 48))
    assert (round(apart.low, 4), round(apart.high, 4)) == (0.0524, 0.3339)


def test_of_nobody_nothing_is_known() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)
    assert verdict([group("a", 0, 0), group("b", 10, 3)]).winner is None
    assert anytime_spent(group("a", 10, 3), group("b", 10, 3)) is None
    assert Group(name="a", people=0, hits=0).each == 0


@pytest.mark.parametrize(("one", "two", "people"), [(0.03, 0.05, 400), (0.10, 0.10, 100), (0.002, 0.01, 1_000)])
def test_the_interval_for_one_look_holds_in_95_of_100_cases(one: float, two: float, people: int) -> None:
    dice = random.Random(1)  # noqa: S311 - chance, not secrets
    worlds = 600
    held = sum(
        one - two
        in difference(group("a", people, drawn(dice, people, one)), group("b", people, drawn(dice, people, two)))
        for _ in range(worlds)
    )
    assert 0.93 <= held / worlds <= 0.99


@pytest.mark.parametrize("ways", [2, 4])
def test_who_looks_every_day_is_wrong_in_less_than_5_of_100_cases(ways: int) -> None:
    """Ways that are the same, looked at after each hundred people a way, for a hundred days."""
    dice, wrong, worlds = random.Random(ways), 0, 80  # noqa: S311
    for _ in range(worlds):
        hits = [0] * ways
        for day in range(1, 101):
            hits = [known + drawn(dice, 100, 0.05) for known in hits]
            if verdict([group(str(place), 100 * day, count) for place, count in enumerate(hits)]).winner:
                wrong += 1
                break
    assert wrong / worlds <= 0.05


def test_a_look_a_day_at_the_interval_for_one_look_would_be_wrong_far_more_often() -> None:
    """Why the other one is used."""
    dice, wrong, worlds = random.Random(5), 0, 120  # noqa: S311
    for _ in range(worlds):
        one = two = 0
        for day in range(1, 101):
            one, two = one + drawn(dice, 100, 0.05), two + drawn(dice, 100, 0.05)
            if 0 not in difference(group("a", 100 * day, one), group("b", 100 * day, two)):
                wrong += 1
                break
    assert wrong / worlds > 0.2


def test_a_real_difference_is_found_and_the_right_one() -> None:
    dice, found = random.Random(7), 0  # noqa: S311
    for _ in range(40):
        one = two = 0
        for day in range(1, 101):
            one, two = one + drawn(dice, 100, 0.05), two + drawn(dice, 100, 0.07)
            winner = verdict([group("a", 100 * day, one), group("b", 100 * day, two)]).winner
            if winner is not None:
                found += winner == "b"
                break
    assert found >= 38


def test_how_many_more_it_takes_is_about_right() -> None:
    told = verdict([group("a", 1_000, 50), group("b", 1_000, 60)])
    assert told.winner is None
    assert told.more is not None
    there = 1_000 + told.more
    share = verdict([group("a", there, round(there * 0.05)), group("b", there, round(there * 0.06))])
    assert share.winner == "b"
    before = round(there * 0.9)
    assert verdict([group("a", before, round(before * 0.05)), group("b", before, round(before * 0.06))]).winner is None


def test_where_there_is_no_difference_nobody_can_say_how_many_it_takes() -> None:
    assert verdict([group("a", 1_000, 50), group("b", 1_000, 50)]).more is None


def test_few_people_name_no_winner_however_far_apart_they_are() -> None:
    told = verdict([group("a", 30, 20), group("b", 30, 0)])
    assert told.winner is None
    assert told.more is not None


def spending(dice: random.Random, name: str, people: int, share: float) -> Group:
    """Draw what people spend: most nothing, the others a log-normal sum, as orders are."""
    sums = [dice.lognormvariate(3.5, 0.8) for _ in range(drawn(dice, people, share))]
    spent, squares = Decimal(round(sum(sums), 2)), Decimal(round(sum(one * one for one in sums), 2))
    return Group(name=name, people=people, hits=len(sums), spent=spent, squares=squares)


def together(one: Group, two: Group) -> Group:
    return Group(
        name=one.name,
        people=one.people + two.people,
        hits=one.hits + two.hits,
        spent=one.spent + two.spent,
        squares=one.squares + two.squares,
    )


def test_what_people_spend_is_compared_as_honestly() -> None:
    dice, wrong, worlds = random.Random(11), 0, 120  # noqa: S311
    for _ in range(worlds):
        one, two = Group(name="a", people=0, hits=0), Group(name="b", people=0, hits=0)
        for _ in range(20):
            one, two = (together(known, spending(dice, known.name, 200, 0.05)) for known in (one, two))
            apart = anytime_spent(one, two)
            if apart is not None and 0 not in apart:
                wrong += 1
                break
    assert wrong / worlds <= 0.05


def test_more_spent_shows_when_it_is_real() -> None:
    dice = random.Random(13)  # noqa: S311
    apart = anytime_spent(spending(dice, "a", 20_000, 0.08), spending(dice, "b", 20_000, 0.05))
    assert apart is not None
    assert apart.low > 0
    assert anytime_share(group("a", 20_000, 1_600), group("b", 20_000, 1_000)).low > 0
