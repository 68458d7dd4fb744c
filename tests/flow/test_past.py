"""What new conditions ask of the past is answered as it would have been, had it been asked from the beginning."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rekindle.domain.events import Event
from rekindle.domain.facts import Search, View
from rekindle.domain.profile import Profile
from rekindle.flow.engine import advance
from rekindle.flow.past import recall
from rekindle.flow.program import Ask, ask_key
from tests.support.build import T0, at, checkout, consent, engaged, event, order, playbook

ADA = Profile(id="ada", shop="tea", version=1)
#: A segment for every kind of question.
SEGMENTS = {
    "silent": "since('order.placed') > '90d'",
    "clicking": "within('email.clicked', '30d')",
    "green": "count('product.viewed', \"event.kind == 'green'\", '90d') >= 2",
    "searching": "count('search.submitted') > 3",
}
BOOK = playbook(segments=SEGMENTS)


def an_ask(kind: str, when: str = "", keep: int = 1) -> Ask:
    return Ask(key=ask_key(kind, when), event=kind, when=when, keep=keep)


def viewed(minutes: int, kind: str) -> Event:
    when = at(minutes=minutes)
    return event("product.viewed", View(id="p1", at=when, kind=kind), when, id=f"v{minutes}{kind}")


def searched(minutes: int) -> Event:
    return event("search.submitted", Search(query="tea", at=at(minutes=minutes)), at(minutes=minutes))


def clicked(minutes: int) -> Event:
    return engaged("email.clicked", "m1", at(minutes=minutes), ADA)


def recalled(events: list[Event], *asks: Ask) -> dict[str, Any]:
    return recall(ADA, events, asks)


def test_the_newest_of_them_are_kept_newest_first() -> None:
    ask = an_ask("search.submitted", keep=2)
    assert recalled([searched(1), searched(3), searched(2)], ask) == {ask.key: (at(minutes=3), at(minutes=2))}


def test_only_those_count_for_which_the_condition_held() -> None:
    ask = an_ask("product.viewed", "event.kind == 'green'", keep=9)
    assert recalled([viewed(1, "green"), viewed(2, "black")], ask) == {ask.key: (at(minutes=1),)}


def test_a_condition_that_fails_is_false() -> None:
    assert recalled([viewed(1, "green")], an_ask("product.viewed", "event.price > 3")) == {}


def test_what_never_was_has_no_entry() -> None:
    assert recalled([searched(1)], an_ask("email.opened")) == {}
    assert recalled([], an_ask("email.opened")) == {}


def test_an_order_that_was_told_of_five_times_was_placed_once() -> None:
    """Facts are upserts: what a delivery told follows from what was known when it came."""
    ask = an_ask("order.placed", keep=9)
    story = [order(at(hours=hours), kind="order.updated", placed_at=T0) for hours in range(5)]
    assert recalled(story, ask) == {ask.key: (T0,)}


def test_one_question_in_two_places_has_one_answer() -> None:
    ask = an_ask("search.submitted")
    assert recalled([searched(1)], ask, ask) == {ask.key: (at(minutes=1),)}


EVENTS = st.one_of(
    st.builds(viewed, st.integers(0, 50), st.sampled_from(["green", "black"])),
    st.builds(searched, st.integers(0, 50)),
    st.builds(clicked, st.integers(0, 50)),
    st.builds(lambda hours: order(at(hours=hours), placed_at=T0), st.integers(0, 9)),
    st.builds(lambda hours: order(at(hours=hours), id="o2"), st.integers(0, 9)),
    st.builds(lambda hours: checkout(at(hours=hours)), st.integers(0, 9)),
    st.builds(lambda hours: consent(at(hours=hours)), st.integers(0, 9)),
)


@given(st.lists(EVENTS, max_size=25))
def test_the_answers_are_those_of_a_profile_that_was_asked_all_along(story: list[Event]) -> None:
    """Whatever came, in whatever order: the engine writes down the same moments as the past gives afterwards."""
    profile = Profile(id="ada", shop="tea")
    for number, each in enumerate(story):
        profile = advance(profile, each, BOOK, at(days=1, minutes=number)).profile
    assert recall(profile, story, BOOK.asks.values()) == profile.recent
