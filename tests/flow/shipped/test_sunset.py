"""Subscribers who never open: the flow that ships, played from its file."""

from __future__ import annotations

import pytest

from rekindle.domain.facts import Form, PreferencesTold
from tests.support.build import T0, at, consent, engaged, event, flow_of, order, playbook
from tests.support.shipped import segments, shipped
from tests.support.story import Story, templates

#: Five mails in the first weeks: what somebody must have left unopened.
LETTERS = "trigger: {event: consent.changed, when: event.state == 'subscribed'}\ntimeout: 60d\nsteps:\n"
LETTERS += "  - repeat: {times: 5}\n    steps: [{email: letter}, {wait: 7d}]\n"
OWN = ["reactivation", "stay-or-leave"]
FORM = Form(name="stay-or-leave", at=at(days=160), answers={"answer": "stay"})


def story() -> Story:
    """Return somebody who subscribes, orders, and gets five letters."""
    book = playbook(flow_of(LETTERS, "letters"), shipped("sunset"), segments=segments())
    return Story(book).tell(consent(T0), order(at(hours=1)))


def test_who_never_answers_is_asked_twice_and_then_given_up() -> None:
    told = story().until(at(days=230))
    assert [(name, (when - T0).days) for name, when in told.mails if name in OWN] == [
        ("reactivation", 150), ("stay-or-leave", 160),
    ]  # fmt: skip
    assert told.profile.consent["email:ada@example.com"].state == "suppressed"
    assert "sunset" in told.profile.segments
    told.tell(consent(at(days=240)))
    assert told.profile.consented("email")
    assert "sunset" not in told.profile.segments


@pytest.mark.parametrize(
    "back",
    [order(at(days=160), id="o2"), event("form.submitted", FORM, at(days=160)), consent(at(days=160), "unsubscribed")],
    ids=["an order", "an answer", "an unsubscribe"],
)
def test_who_answers_is_not_given_up(back: object) -> None:
    told = story().tell(back).until(at(days=230))  # type: ignore[arg-type]
    assert [name for name in templates(told) if name in OWN] == ["reactivation"]
    assert told.profile.consent["email:ada@example.com"].state != "suppressed"


def test_who_opens_and_does_not_buy_is_kept_as_interested() -> None:
    told = story().until(at(days=155))
    told.tell(engaged("email.opened", told.messages[-1], at(days=155), told.profile)).until(at(days=230))
    assert [name for name in templates(told) if name in OWN] == ["reactivation"]
    assert told.profile.tags == ("interested",)
    assert "silent" not in told.profile.segments
    assert told.profile.consented("email")


def test_nobody_is_given_up_who_was_not_asked() -> None:
    """Here a pause: no mail may go out for so long that both are skipped."""
    told = story().until(at(days=150))
    pause = PreferencesTold(at=at(days=150), paused_until=at(days=300))
    told.tell(event("preferences.changed", pause, at(days=150))).until(at(days=230))
    assert [name for name in templates(told) if name in OWN] == []
    assert told.profile.consented("email")


def test_who_has_said_no_or_reads_is_no_concern_of_it() -> None:
    assert not set(OWN) & set(templates(story().tell(consent(at(days=40), "unsubscribed")).until(at(days=230))))
    reader = story().until(at(days=29))
    reader.tell(engaged("email.opened", reader.messages[-1], at(days=29), reader.profile)).until(at(days=230))
    assert not set(OWN) & set(templates(reader))
