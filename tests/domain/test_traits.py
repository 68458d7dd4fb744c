"""Traits: what is told of a person beside what the shop says; the newest telling of each holds."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.absorb import Absorbed, absorb
from rekindle.domain.events import Event
from rekindle.domain.facts import Form, TraitsTold
from rekindle.domain.profile import Profile, Trait, TraitValue, decode_profile, encode_profile
from rekindle.domain.traits import MAX_LIST, MAX_TEXT, MAX_TRAITS, STANDARD_TRAITS, birthday, with_traits
from tests.support.build import T0, at, event

EMPTY = Profile(id="ada", shop="tea")


def told(when: datetime, values: dict[str, Any], **more: Any) -> Event:
    return event("traits.changed", TraitsTold(at=when, values=values), when, id=f"{values}@{when}", **more)


def form(when: datetime, answers: dict[str, str | tuple[str, ...]], kind: str = "form.submitted", **more: Any) -> Event:
    return event(kind, Form(name="hello", at=when, answers=answers), when, **more)


def after(*events: Event, start: Profile = EMPTY) -> Absorbed:
    absorbed = Absorbed(start)
    for each in events:
        absorbed = absorb(absorbed.profile, each, each.received_at)
    return absorbed


def values(profile: Profile) -> dict[str, TraitValue | None]:
    return {name: trait.value for name, trait in profile.traits.items()}


def changes(absorbed: Absorbed) -> list[dict[str, TraitValue | None]]:
    return [each.data.values for each in absorbed.told if isinstance(each.data, TraitsTold)]


# --- tellings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected", "tells"),
    [
        ({"size": "M"}, {"size": "L"}, {"size": "L"}, [{"size": "L"}]),
        ({"size": "M"}, {"size": "M", "pets": 2}, {"size": "M", "pets": 2}, [{"pets": 2}]),
        ({"size": "M"}, {"size": "M"}, {"size": "M"}, []),
        ({"size": "M"}, {"size": None}, {"size": None}, [{"size": None}]),
        ({}, {"size": None}, {"size": None}, []),
        ({"vip": 1}, {"vip": True}, {"vip": True}, [{"vip": True}]),
        ({"size": "M"}, {"size": "  "}, {"size": "M"}, []),
    ],
)
def test_the_newest_telling_holds_and_only_what_changed_is_told(
    first: dict[str, Any], second: dict[str, Any], expected: dict[str, Any], tells: list[dict[str, Any]]
) -> None:
    absorbed = after(told(T0, first), told(at(hours=1), second))
    assert values(absorbed.profile) == expected
    assert changes(absorbed) == tells
    assert bool(absorbed.ignored) == (not tells)


def test_an_older_telling_changes_nothing() -> None:
    absorbed = after(told(at(hours=1), {"size": "L"}), told(T0, {"size": "M"}))
    assert values(absorbed.profile) == {"size": "L"}
    assert (absorbed.told, absorbed.ignored) == ((), "older than what is known")


TELLINGS = [
    told(at(hours=hour), {name: value})
    for hour in (1, 2)
    for name in ("size", "pets")
    for value in ("M", "", None, 3, True, ("a", "b"))
]


@given(st.permutations(TELLINGS), st.permutations(TELLINGS + TELLINGS[:4]))
def test_any_order_and_repetition_of_tellings_gives_the_same_traits(one: list[Event], two: list[Event]) -> None:
    assert after(*one).profile == after(*two).profile


def test_traits_come_back_from_their_stored_form_as_they_were() -> None:
    profile = after(told(T0, {"a": 1, "b": 1.5, "c": True, "d": "x", "e": ("y", "z"), "f": None})).profile
    assert decode_profile(encode_profile(profile)) == profile


def test_state_stays_small() -> None:
    many = {f"t{number:03}": "x" for number in range(MAX_TRAITS + 20)}
    standard = after(told(T0, {"birthday": "1990-05-04"})).profile
    full = after(told(at(hours=1), many), start=standard).profile
    assert len(full.traits) == MAX_TRAITS
    assert full.traits["birthday"].value == "1990-05-04"
    long = {"text": "x" * 9_999, "list": tuple(f"{'y' * 600}{number}" for number in range(99)), "n" * 101: "x"}
    kept = values(after(told(T0, long)).profile)
    assert kept == {"text": "x" * MAX_TEXT, "list": ("y" * MAX_TEXT,)}
    distinct = told(T0, {"list": tuple(str(number) for number in range(99))})
    listed = values(after(distinct).profile)["list"]
    assert isinstance(listed, tuple)
    assert len(listed) == MAX_LIST


NAMES = st.sampled_from([f"t{number}" for number in range(MAX_TRAITS + 6)] + list(STANDARD_TRAITS))
TRAITS = st.dictionaries(NAMES, st.builds(Trait, st.integers(0, 3).map(lambda n: at(hours=n)), st.sampled_from("ab")))


@given(TRAITS, TRAITS, TRAITS)
def test_uniting_traits_does_not_mind_order(
    one: dict[str, Trait], two: dict[str, Trait], three: dict[str, Trait]
) -> None:
    full = {f"t{number}": Trait(at(hours=2), "c") for number in range(MAX_TRAITS)}
    assert with_traits(one, two) == with_traits(two, one)
    assert with_traits(with_traits(full, one), with_traits(two, three)) == with_traits(
        with_traits(with_traits(full, one), two), three
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, 10**16])
def test_what_no_number_is_is_left_out(value: float) -> None:
    absorbed = after(told(T0, {"pets": value}))
    assert (values(absorbed.profile), absorbed.ignored) == ({}, "pets: not a number")


# --- birthdays -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("1990-05-04", "1990-05-04"),
        (" 1990-05-04 ", "1990-05-04"),
        ("1990/5/4", "1990-05-04"),
        ("1990.05.04", "1990-05-04"),
        ("1990-05-04T00:00:00Z", "1990-05-04"),
        ("--05-04", "--05-04"),
        ("--0504", "--05-04"),
        ("0000-05-04", "--05-04"),
        ("1992-02-29", "1992-02-29"),
        ("--02-29", "--02-29"),
        ("1990-02-29", None),
        ("--02-30", None),
        ("1990-13-01", None),
        ("04/05/1990", None),
        ("05-04", None),
        ("1990-05.04", None),
        ("4 May", None),
        ("1604-05-04", None),
        ("2026-03-03", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_birthday_becomes_an_iso_date_or_nothing(said: str, day: str | None) -> None:
    assert birthday(said, date(2026, 3, 2)) == day


@given(st.text(max_size=14))
def test_a_birthday_that_was_read_reads_as_itself(said: str) -> None:
    day = birthday(said, date(2026, 3, 2))
    assert day is None or birthday(day, date(2026, 3, 2)) == day


@pytest.mark.parametrize("said", ["31.02.", 5, True, ("a", "b")])
def test_an_unusable_birthday_is_left_out_and_the_rest_is_taken(said: TraitValue) -> None:
    (tells,) = after(told(T0, {"birthday": said, "size": "M"})).told
    assert tells.problems == ("birthday: not a day that can be a birthday",)
    assert isinstance(tells.data, TraitsTold)
    assert tells.data.values == {"size": "M"}
    alone = after(told(T0, {"birthday": said}))
    assert (alone.told, alone.ignored) == ((), "birthday: not a day that can be a birthday")


# --- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["form.submitted", "survey.answered"])
def test_the_answers_that_are_traits_are_taken_and_the_form_is_told(kind: str) -> None:
    answers: dict[str, str | tuple[str, ...]] = {
        "birthday": "1990/5/4",
        "interests": "tea",
        "gender": ("f",),
        "preferred_reward": "",
        "comment": "hi",
    }
    absorbed = after(form(T0, answers, kind))
    expected = {"birthday": "1990-05-04", "interests": ("tea",), "gender": "f"}
    assert values(absorbed.profile) == expected
    assert [each.type for each in absorbed.told] == [kind, "traits.changed"]
    assert changes(absorbed) == [expected]
    assert isinstance(absorbed.told[0].data, Form)
    assert absorbed.told[0].data.answers == answers


def test_a_form_that_changes_nothing_is_told_all_the_same() -> None:
    absorbed = after(form(T0, {"gender": "f"}), form(at(hours=1), {"gender": "f"}))
    assert [each.type for each in absorbed.told] == ["form.submitted"]


def test_an_answer_about_a_trait_that_the_person_has_keeps_its_kind() -> None:
    known = after(told(T0, {"size": "M", "pets": 2, "news": False, "likes": ("tea",)})).profile
    said = form(at(hours=1), {"size": "L", "pets": "3", "news": "yes", "likes": ("cups", "tea"), "new": "x"})
    assert values(after(said, start=known).profile) == {
        "size": "L",
        "pets": 3,
        "news": True,
        "likes": ("cups", "tea"),
    }
    absorbed = after(form(at(hours=1), {"size": ("L", "M"), "pets": "many", "news": "perhaps"}), start=known)
    assert absorbed.profile == known
    (tells,) = absorbed.told
    assert set(tells.problems) == {"size: more than one answer", "pets: not a number", "news: neither yes nor no"}


def test_a_form_that_nobody_signed_may_say_what_is_asked_there_and_nothing_else() -> None:
    absorbed = after(form(T0, {"interests": ("tea",), "email": "x@example.com"}, signed=False))
    assert values(absorbed.profile) == {"interests": ("tea",)}
    assert absorbed.profile.anonymous
    assert after(told(T0, {"size": "M"}, signed=False)) == Absorbed(EMPTY, ignored="nobody signed it")


def test_a_telling_that_was_taken_back_is_not_brought_back_by_an_older_one() -> None:
    gone = after(told(at(hours=2), {"size": None})).profile
    assert after(told(T0, {"size": "M"}), start=gone).profile == gone
    back = after(told(at(hours=3), {"size": "S"}), start=gone)
    assert values(back.profile) == {"size": "S"}
    assert replace(gone, traits=back.profile.traits) == back.profile
