"""Three questions: the flow that ships, played from its file."""

from __future__ import annotations

from datetime import datetime

from rekindle.domain.events import Event
from rekindle.domain.facts import Form, TraitsTold
from rekindle.domain.offers import Offer
from tests.support.build import T0, at, consent, event, order, playbook
from tests.support.shipped import NO, plays, shipped
from tests.support.story import Story

GIVEN = [Offer(name=name, kind="unique", prefix="A") for name in ("survey", "survey-shipping")]


def welcomed(when: datetime) -> Event:
    """Return what the welcome series leaves behind when it ends."""
    return event("traits.changed", TraitsTold(at=when, values={"welcomed": True}), when)


def answered(when: datetime, **answers: str) -> Event:
    return event("survey.answered", Form(name="survey", at=when, answers=dict(answers)), when)


def asked(*told: Event) -> list[tuple[str, int]]:
    return [(name, (when - T0).days) for name, when in plays("survey", told, at(days=40))]


def test_asked_after_the_welcome_and_thanked_for_answering() -> None:
    told = [consent(T0), welcomed(at(days=10)), answered(at(days=14), birthday="--02-03")]
    assert asked(*told) == [("survey", 12), ("survey-thanks", 14)]


def test_the_thank_you_is_the_one_they_like_best() -> None:
    for reward, offer in (("free_shipping", "survey-shipping"), ("gift", "survey")):
        book = playbook(shipped("survey"), gives=GIVEN, offers={"survey": True, "survey-shipping": True})
        story = Story(book).tell(consent(T0), welcomed(at(days=10)))
        story.tell(answered(at(days=14), preferred_reward=reward))
        assert [planned.offer for planned in story.profile.planned.values()][-1] == offer


def test_who_does_not_answer_is_left_alone() -> None:
    assert asked(consent(T0), welcomed(at(days=10))) == [("survey", 12)]


def test_nobody_is_asked_who_said_no_or_was_never_welcomed() -> None:
    assert asked(NO, welcomed(at(days=10))) == []
    assert asked(consent(T0), order(at(hours=1))) == []


def test_the_welcome_series_hands_over() -> None:
    book = playbook(shipped("welcome"), shipped("survey"))
    story = Story(book).tell(consent(T0)).until(at(days=30))
    assert [name for name, _ in story.mails] == ["welcome-1", "welcome-2", "welcome-3", "survey"]
