"""What people choose of how they want to be written to: the latest of each choice, in whatever order it is heard of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.absorb import Absorbed, absorb
from rekindle.domain.events import Event
from rekindle.domain.facts import Person, PreferencesTold
from rekindle.domain.preferences import MAX_TOPICS, TAKEN_BACK, as_values, both, chosen, paused_until
from rekindle.domain.profile import Choice, Pause, Preferences, Profile, Tag, decode_profile, encode_profile
from tests.support.build import T0, at, event

EMPTY = Profile(id="ada", shop="tea")


def said(when: datetime, **chosen: Any) -> Event:
    return event("preferences.changed", PreferencesTold(at=when, **chosen), when)


def after(*events: Event) -> Absorbed:
    absorbed = Absorbed(EMPTY)
    for one in events:
        absorbed = absorb(absorbed.profile, one, one.received_at)
    return absorbed


def test_each_choice_is_kept_with_its_moment() -> None:
    found = after(
        said(T0, topics={"news": False}, frequency="weekly", language="ar", paused_until=at(days=30)),
        said(at(hours=1), topics={"offers": True}),
    ).profile
    assert found.preferences == Preferences(
        topics={"news": Tag(T0, on=False), "offers": Tag(at(hours=1))},
        frequency=Choice(T0, "weekly"),
        language=Choice(T0, "ar"),
        pause=Pause(T0, at(days=30)),
    )
    assert decode_profile(encode_profile(found)) == found
    assert EMPTY.preferences == decode_profile(encode_profile(EMPTY)).preferences
    assert b"preferences" not in encode_profile(EMPTY)


def test_only_what_changed_is_told() -> None:
    first = said(T0, topics={"news": False, "offers": True}, frequency="weekly")
    again = after(first, said(at(hours=1), topics={"news": False, "offers": False}, frequency="weekly", language="ar"))
    (told,) = again.told
    assert told.data == PreferencesTold(at=at(hours=1), topics={"offers": False}, language="ar")
    assert after(first, said(at(hours=1), frequency="weekly")).ignored == "already known"
    assert after(said(at(hours=1), frequency="monthly"), first).profile.preferences.frequency == Choice(
        at(hours=1), "monthly"
    )
    assert after(said(at(hours=1), frequency="monthly"), said(T0, frequency="weekly")).ignored == (
        "older than what is known"
    )


def test_what_nobody_signed_chooses_nothing() -> None:
    absorbed = after(replace(said(T0, frequency="monthly"), signed=False))
    assert (absorbed.profile, absorbed.ignored) == (EMPTY, "nobody signed it")


def test_the_language_that_was_chosen_goes_before_what_the_shop_says() -> None:
    """However much later the shop says it."""
    known = after(said(T0, language="ar")).profile
    checkout = replace(said(at(days=1), frequency="weekly"), person=Person(locale="de-AT"))
    later = absorb(known, checkout, at(days=1)).profile
    assert (later.person.locale, later.locale) == ("de-AT", "ar")
    assert replace(EMPTY, person=Person(locale="de-AT")).locale == "de-AT"


@pytest.mark.parametrize(
    ("until", "now", "paused"),
    [(at(days=30), at(days=29), True), (at(days=30), at(days=30), False), (T0, T0, False)],
    ids=["while it lasts", "at its end", "taken back"],
)
def test_a_pause_lasts_until_its_end(until: datetime, now: datetime, *, paused: bool) -> None:
    found = after(said(T0, paused_until=until)).profile.preferences
    assert paused_until(found, now) == (until if paused else None)


def test_the_ledger_keeps_choices_as_plain_values() -> None:
    told = PreferencesTold(at=T0, topics={"b": False, "a": True}, frequency="weekly", paused_until=T0)
    assert as_values(chosen(told)) == {
        "frequency": "weekly",
        "paused_until": TAKEN_BACK,
        "topic a": True,
        "topic b": False,
    }
    assert as_values(chosen(replace(told, paused_until=at(days=1))))["paused_until"] == at(days=1).isoformat()


moments = st.integers(0, 3).map(lambda hours: at(hours=hours))
tellings = st.builds(
    PreferencesTold,
    at=moments,
    topics=st.dictionaries(st.sampled_from(["news", "offers", "tips"]), st.booleans()),
    frequency=st.none() | st.sampled_from(["everything", "weekly", "monthly"]),
    language=st.none() | st.sampled_from(["ar", "en"]),
    paused_until=st.none() | moments,
)


@given(st.lists(tellings, max_size=6).flatmap(lambda drawn: st.tuples(st.just(drawn), st.permutations(drawn))))
def test_any_order_gives_the_same_preferences(orders: tuple[list[PreferencesTold], list[PreferencesTold]]) -> None:
    """Also twice, and in two heaps that are merged: taking in and merging are one operation."""
    one, two = (
        after(*(event("preferences.changed", told, told.at) for told in order)).profile.preferences for order in orders
    )
    assert one == two
    left, right = orders[1][: len(orders[1]) // 2], orders[1][len(orders[1]) // 2 :]
    halves = [
        after(*(event("preferences.changed", told, told.at) for told in half)).profile.preferences
        for half in (left, right)
    ]
    assert both(*halves) == both(*reversed(halves)) == both(one, halves[0]) == one


def test_of_two_of_one_moment_the_more_careful_topic_wins() -> None:
    for order in (True, False), (False, True):
        found = after(*(said(T0, topics={"news": on}) for on in order)).profile.preferences
        assert found.topics["news"].on is False


def test_topics_are_few() -> None:
    """The oldest choices go first."""
    found = after(
        said(T0, topics={f"old-{number}": False for number in range(MAX_TOPICS)}),
        said(at(hours=1), topics={"new": False}),
    ).profile.preferences
    assert len(found.topics) == MAX_TOPICS
    assert "new" in found.topics
