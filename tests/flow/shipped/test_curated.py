"""Curated products, played from the file that ships; how a click leads into a segment and the next issue."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Campaign, Engagement
from rekindle.service.recommend import kinds_of
from tests.support.build import T0, at, consent, engaged, event, playbook
from tests.support.shipped import NO, joined, segments, shipped
from tests.support.story import Story

CURATED = shipped("curated")


def came(day: float) -> Event:
    """Return that everybody is sorted by when it is ten, a few hours ahead."""
    when, wall = at(days=day), f"{at(days=day + 0.4):%Y-%m-%d}T10:00"
    fact = Campaign(flow="curated", at=when, occurrence=wall, wall=wall)
    return event("campaign.came", fact, when, id=f"came/{day}")


def clicked(story: Story, issue: int, day: float, kind: str) -> Event:
    told = engaged("email.clicked", story.messages[issue], at(days=day), story.profile)
    assert isinstance(told.data, Engagement)
    return replace(told, id=f"click/{kind}", data=replace(told.data, kind=kind, link=f"https://tea.example/{kind}"))


def test_an_issue_at_ten_each_time() -> None:
    story = Story(playbook(CURATED, segments=segments())).tell(joined(T0), came(6.6), came(20.6)).until(at(days=30))
    assert story.mails == [("curated", at(days=7)), ("curated", at(days=21))]


def test_who_clicks_a_category_joins_its_segment_and_the_next_issue_follows_it() -> None:
    book = playbook(
        CURATED,
        segments={"teaware": "'Teaware' in profile.browsed", **segments()},
        values={"topic_of_interest": "Teaware"},
    )
    story = Story(book).tell(joined(T0), came(6.6)).until(at(days=7))
    story.tell(clicked(story, 0, 7.1, "Tea"), clicked(story, 0, 7.2, "Teaware"))
    assert {"teaware", "interested"} <= story.profile.segments.keys()
    story.tell(came(20.6))
    (run,) = [run for run in story.profile.runs if run.status == "active"]
    assert kinds_of(story.profile, run) == ("Teaware", "Tea")


def test_who_said_no_gets_none() -> None:
    said_no = consent(at(days=6.8), "unsubscribed")
    for told in ([NO, came(6.6)], [joined(T0), came(6.6), said_no]):
        assert Story(playbook(CURATED)).tell(*told).until(at(days=7) + timedelta(hours=9)).mails == []
