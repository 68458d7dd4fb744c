"""A birthday: the flow that ships, played from its file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rekindle.domain.facts import Consent, TraitsTold
from rekindle.domain.offers import Offer
from tests.support.build import ADA, T0, at, consent, engaged, event, issued, order, playbook
from tests.support.shipped import LATER, NO, segments, shipped
from tests.support.story import EMPTY, Story

PRESENT = Offer(name="birthday", kind="unique", percent=Decimal(15), prefix="BIRTHDAY", enabled=True)
#: Ten days after the beginning of the story.
DAY = "1990-03-12"


def born(day: str = DAY) -> Any:
    return event("traits.changed", TraitsTold(at=T0, values={"birthday": day}), T0)


def celebrates(
    *told: Any,
    opens: str = "",
    given: bool = True,
    uses: float | None = None,
    until: datetime = LATER,
    **shop: Any,
) -> list[tuple[str, datetime]]:
    """Play this; codes are made as soon as they are planned, mails whose name is `opens` are opened at once."""
    gives = (PRESENT,) if given else ()
    story = Story(playbook(shipped("birthday"), segments=segments(), gives=gives, **shop)).tell(*told)
    seen = 0
    while story.profile.deadline is not None and story.profile.deadline <= until:
        if uses is not None and story.profile.deadline > at(days=uses):
            story.tell(order(at(days=uses), codes=("BIRTHDAY-1",)))
            uses = None
            continue
        story.until(story.profile.deadline)
        for (name, when), message in list(zip(story.mails, story.messages, strict=True))[seen:]:
            seen += 1
            if given and name in ("birthday", "birthday-2"):
                made = issued(message, "BIRTHDAY-1", when, offer="birthday", expires_at=when + timedelta(days=14))
                story.take(made, when)
            if name == opens:
                story.take(
                    engaged("email.opened", message, when + timedelta(hours=1), EMPTY), when + timedelta(hours=1)
                )
    return story.mails


@pytest.mark.parametrize("opens", ["", "birthday-2"])
def test_a_week_before_on_the_day_and_a_reminder_of_the_present(opens: str) -> None:
    """On their own clock: at ten, at nine, and four days later."""
    assert celebrates(consent(T0), born(), opens=opens) == [
        ("birthday-1", datetime(2026, 3, 5, 9, tzinfo=UTC)),
        ("birthday-2", datetime(2026, 3, 12, 8, tzinfo=UTC)),
        ("birthday-3", datetime(2026, 3, 16, 8, tzinfo=UTC)),
    ]


def test_who_has_used_it_is_not_reminded() -> None:
    assert [name for name, _ in celebrates(consent(T0), born(), uses=12)] == ["birthday-1", "birthday-2"]


def test_where_nothing_is_given_there_is_nothing_to_remind_of() -> None:
    assert [name for name, _ in celebrates(consent(T0), born(), given=False)] == ["birthday-1", "birthday-2"]


def test_who_takes_texts_and_no_mails_gets_one_on_the_day() -> None:
    act = Consent(channel="sms", state="subscribed", at=T0, source="form", address="+447700900100")
    texts = event("consent.changed", act, T0, who=type(ADA)(phone="+447700900100", shop_customer_id="7"), id="sms")
    told = celebrates(NO, texts, born(), channels=("email", "sms"))
    assert told == [("birthday", datetime(2026, 3, 12, 8, tzinfo=UTC))]


@pytest.mark.parametrize(("year", "day"), [(2027, 28), (2028, 29)])
def test_the_29_of_february_is_the_28_in_years_without_one(year: int, day: int) -> None:
    mails = celebrates(consent(T0), born("--02-29"), until=datetime(2028, 4, 1, tzinfo=UTC), given=False)
    assert [when.day for name, when in mails if name == "birthday-2" and when.year == year] == [day]


@pytest.mark.parametrize("told", [at(days=8), at(days=9)])
def test_whose_birthday_is_heard_of_within_the_week_is_congratulated_on_the_day(told: datetime) -> None:
    late = event("traits.changed", TraitsTold(at=told, values={"birthday": DAY}), told)
    assert celebrates(consent(T0), late, given=False) == [("birthday-2", datetime(2026, 3, 12, 8, tzinfo=UTC))]


def test_each_year_has_its_own() -> None:
    mails = celebrates(consent(T0), born(), until=datetime(2027, 6, 1, tzinfo=UTC), given=False)
    assert [(name, when.year) for name, when in mails] == [
        ("birthday-1", 2026), ("birthday-2", 2026), ("birthday-1", 2027), ("birthday-2", 2027),
    ]  # fmt: skip


def test_who_said_no_or_of_whom_no_birthday_is_known_gets_nothing() -> None:
    assert celebrates(NO, born()) == []
    assert celebrates(consent(T0)) == []
