"""Letters to those who have not bought: the flow that ships, played from its file after the welcome flow."""

from __future__ import annotations

from rekindle.domain.events import Event
from tests.support.build import T0, at, engaged, order, playbook
from tests.support.shipped import NO, joined, segments, shipped
from tests.support.story import EMPTY, Story


def letters(*told: Event, reads: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    """Return which letters somebody gets on which day who opens at once the mails whose names begin like this."""
    story = Story(playbook(shipped("welcome"), shipped("nurture"), segments=segments()))
    ahead, seen = sorted(told, key=lambda each: each.received_at), 0
    for day in range(90):
        due = [each for each in ahead if each.received_at <= at(days=day)]
        ahead = ahead[len(due) :]
        story.tell(*due).until(at(days=day))
        for (name, _), message in list(zip(story.mails, story.messages, strict=True))[seen:]:
            seen += 1
            if name.startswith(reads):
                story.take(engaged("email.opened", message, at(days=day), EMPTY), at(days=day))
    return [(name, (when - T0).days) for name, when in story.mails if name.startswith("nurture")]


def test_after_the_welcome_a_letter_a_week() -> None:
    found = letters(joined(T0), reads=("welcome", "nurture"))
    assert found == [("nurture-1", 10), ("nurture-2", 17), ("nurture-3", 24), ("nurture-4", 31)]


def test_who_leaves_them_unopened_gets_them_at_half_the_pace() -> None:
    assert letters(joined(T0)) == [("nurture-1", 10), ("nurture-2", 24), ("nurture-3", 38), ("nurture-4", 52)]


def test_an_order_ends_it_before_it_begins_and_on_the_way() -> None:
    assert letters(joined(T0), order(at(days=5)), reads=("welcome",)) == []
    assert letters(joined(T0), order(at(days=20)), reads=("welcome", "nurture"))[-1] == ("nurture-2", 17)


def test_who_never_agreed_gets_none() -> None:
    assert letters(NO) == []
