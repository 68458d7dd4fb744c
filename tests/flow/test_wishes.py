"""What people chose on their preference page, as flows and `send` keep to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from rekindle.domain.facts import PreferencesTold
from rekindle.domain.outcome import LiftSuppression
from rekindle.domain.profile import Choice, Pause, Planned, Preferences, Profile, Tag, Touch
from rekindle.flow.manners import Go, Hold, Refuse, judge
from rekindle.flow.program import Hours, Manner, Manners, manners_of
from rekindle.flow.wishes import PAUSED, RARELY, refused, too_often, unwanted
from tests.support.build import T0, at, consent, event, flow_of, order, playbook
from tests.support.story import EMPTY, Story, templates

FREE = Manners(quiet={"sms": ()}, windows={}, caps=(), apart={"email": 0, "sms": 0}, otherwise="skip")
TOPIC = {"news": True, "offers": False}


def prefer(when: datetime, **chosen: Any) -> Any:
    return event("preferences.changed", PreferencesTold(at=when, **chosen), when)


def frequency(wish: str) -> Preferences:
    return Preferences(frequency=Choice(T0, wish))


def paused(until: datetime) -> Preferences:
    return Preferences(pause=Pause(T0, until))


# --- topics ----------------------------------------------------------------------------------------------------------

OFF, ON = Preferences(topics={"news": Tag(T0, on=False)}), Preferences(topics={"offers": Tag(T0)})


@pytest.mark.parametrize(
    ("preferences", "topic", "why"),
    [
        (Preferences(), "", None),
        (Preferences(), "news", None),
        (Preferences(), "offers", "they have not asked for the topic offers"),
        (Preferences(), "gone", None),
        (OFF, "news", "they switched off the topic news"),
        (OFF, "", None),
        (ON, "offers", None),
    ],
)
def test_a_topic_is_as_it_was_chosen_else_as_marketers_say(
    preferences: Preferences, topic: str, why: str | None
) -> None:
    assert unwanted(preferences, topic, TOPIC) == why


# --- frequency -------------------------------------------------------------------------------------------------------


def ask(preferences: Preferences, *touches: Touch, manners: Manners = Manners(), **more: Any) -> Any:  # noqa: B008
    given: dict[str, Any] = {"channel": "email", "category": "marketing", "manner": None, "at": T0} | more
    return judge(
        touches, zone=ZoneInfo("Europe/Amsterdam"), manners=manners_of(manners, FREE), preferences=preferences, **given
    )


def mail(ago: timedelta, channel: str = "email", *, marketing: bool = True) -> Touch:
    return Touch(T0 - ago, "m", channel, marketing)


@pytest.mark.parametrize(
    ("wish", "touch", "manner", "verdict"),
    [
        ("everything", mail(timedelta(hours=1)), None, Go()),
        ("weekly", mail(timedelta(days=7)), None, Go()),
        ("weekly", mail(timedelta(days=6)), None, Refuse(RARELY["weekly"])),
        ("weekly", mail(timedelta(days=6), "sms"), None, Refuse(RARELY["weekly"])),
        ("weekly", mail(timedelta(days=6)), "skip", Refuse(RARELY["weekly"])),
        ("weekly", mail(timedelta(days=6)), "wait", Hold(until=T0 + timedelta(days=1), why=RARELY["weekly"])),
        ("monthly", mail(timedelta(days=29)), "wait", Hold(until=T0 + timedelta(days=1), why=RARELY["monthly"])),
        ("weekly", mail(timedelta(days=1), marketing=False), None, Go()),
        ("weekly", mail(timedelta(days=1), "audience"), None, Go()),
    ],
    ids=[
        "whatever comes", "a week ago", "too soon", "over channels", "skipped", "waits", "a month", "transactional",
        "an audience",
    ],
)  # fmt: skip
def test_how_often_is_a_cap_over_all_channels(wish: str, touch: Touch, manner: Manner | None, verdict: object) -> None:
    assert ask(frequency(wish), touch, manner=manner) == verdict


def test_a_more_important_message_that_comes_within_the_week_is_left_its_room() -> None:
    coming = [T0 + timedelta(days=3)]
    assert isinstance(ask(frequency("weekly"), ahead=coming), Refuse)
    assert isinstance(ask(frequency("everything"), ahead=coming), Go)
    assert ask(frequency("weekly"), ahead=coming, manner="wait").until == T0 + timedelta(days=10)


# --- pause -----------------------------------------------------------------------------------------------------------


def test_a_pause_is_waited_for_as_quiet_hours_are_and_skipped_where_those_are() -> None:
    end = T0 + timedelta(days=29, hours=3)
    assert ask(paused(end)) == Hold(until=end, why=PAUSED)
    assert ask(paused(end), manner="skip") == Refuse(PAUSED)
    assert ask(paused(end), at=end) == Go()
    assert ask(paused(T0 + timedelta(days=31))) == Refuse(PAUSED)


def test_after_a_pause_it_is_night_as_at_any_other_time_and_still_too_soon_if_it_is() -> None:
    """The pause ends at two at night, a fortnight and more ahead: quiet hours and caps are asked of that moment."""
    end = datetime.fromisoformat("2026-03-27T01:00:00+00:00")
    night = Manners(quiet={"email": (Hours(from_="20:00", to="09:00"),)})
    assert ask(paused(end), manners=night) == Hold(until=end + timedelta(hours=7), why=PAUSED)
    both = replace(paused(end), frequency=Choice(T0, "monthly"))
    found = ask(both, mail(timedelta(days=1)), manner="wait")
    assert found == Hold(until=T0 + timedelta(days=29), why=PAUSED)
    assert ask(both, mail(timedelta(days=1))) == Refuse(RARELY["monthly"])


@pytest.mark.parametrize("preferences", [paused(at(days=30)), frequency("monthly"), OFF])
def test_what_is_owed_goes_whatever_was_chosen(preferences: Preferences) -> None:
    assert ask(preferences, mail(timedelta(hours=1)), category="transactional") == Go()


# --- in a flow -------------------------------------------------------------------------------------------------------

LETTERS = """
    trigger: {event: order.placed}
    entry: {key: event.id}
    topic: news
    steps:
      - wait: 1h
      - email: first
        valid_for: 40d
      - wait: 2d
      - email: second
      - email: receipt
        category: transactional
"""


def story(text: str = LETTERS, **topics: bool) -> Story:
    book = replace(playbook(flow_of(text), manners=Manners(apart={"email": 0})), topics=topics)
    return Story(book).tell(consent(T0))


def skipped(found: Story) -> list[tuple[str, str]]:
    return [(str(one.values["template"]), one.rule) for one in found.decisions if one.what == "skipped"]


def test_a_topic_that_was_switched_off_sends_nothing_but_what_is_owed() -> None:
    found = story(news=True).tell(order(at(hours=1)), prefer(at(hours=3), topics={"news": False})).until(at(days=9))
    assert templates(found) == ["first", "receipt"]
    assert skipped(found) == [("second", "they switched off the topic news")]
    assert found.profile.planned[found.messages[0]].topic == "news"
    assert found.profile.planned[found.messages[1]].topic == ""


def test_a_topic_that_is_off_unless_chosen_comes_to_those_who_chose_it() -> None:
    assert templates(story(news=False).tell(order(at(hours=1))).until(at(days=9))) == ["receipt"]
    asked = story(news=False).tell(prefer(T0, topics={"news": True}), order(at(hours=1))).until(at(days=9))
    assert templates(asked) == ["first", "second", "receipt"]


def test_a_pause_holds_what_can_wait_and_skips_what_cannot() -> None:
    """The end of the pause is a moment: the alarm rings exactly then."""
    end = at(days=30)
    found = story().tell(prefer(T0, paused_until=end), order(at(hours=1))).until(at(days=5))
    (run,) = found.profile.runs
    assert (run.resume_at, found.profile.deadline) == (end, end)
    assert ("held", PAUSED) in found.said
    assert found.until(at(days=40)).mails[0] == ("first", end)
    short = story(LETTERS.replace("valid_for: 40d", "valid_for: 2d"))
    short.tell(prefer(T0, paused_until=end), order(at(hours=1))).until(at(days=9))
    assert templates(short) == ["receipt"]
    assert skipped(short)[0] == ("first", f"{PAUSED}, and then it is too late")


def test_who_ends_the_pause_early_gets_what_it_held_back_at_once() -> None:
    found = story().tell(prefer(T0, paused_until=at(days=30)), order(at(hours=1))).until(at(days=5))
    found.tell(prefer(at(days=5), paused_until=at(days=5))).until(at(days=6))
    assert found.mails == [("first", at(days=5))]


def test_who_wants_one_a_week_gets_one_a_week() -> None:
    found = story().tell(prefer(T0, frequency="weekly"), order(at(hours=1))).until(at(days=9))
    assert templates(found) == ["first", "receipt"]
    assert skipped(found) == [("second", RARELY["weekly"])]


def test_touches_are_remembered_for_a_month_whatever_is_sent_beside() -> None:
    """Who wants one a month must not get a second because a dozen parcels came in between."""
    parcels = "\n".join(
        f"      - email: parcel-{n}\n        category: transactional\n      - wait: 1h" for n in range(12)
    )
    text = (
        f"trigger: {{event: order.placed}}\ntimeout: 60d\nsteps:\n      - email: first\n{parcels}\n      - email: last"
    )
    found = story(text).tell(prefer(T0, frequency="monthly"), order(at(hours=1))).until(at(days=9))
    assert templates(found)[0] == "first"
    assert skipped(found) == [("last", RARELY["monthly"])]


def test_conditions_read_what_was_chosen() -> None:
    text = """
        trigger: {event: order.placed}
        steps:
          - branch:
              - if: profile.frequency == 'weekly' and 'offers' in profile.topics and not 'news' in profile.topics
                steps: [{email: weekly}]
              - else: true
                steps: [{email: other}]
    """
    chosen = prefer(T0, frequency="weekly", topics={"offers": True, "news": False})
    assert templates(story(text, news=True, offers=False).tell(chosen, order(at(hours=1)))) == ["weekly"]
    assert templates(story(text, news=True, offers=False).tell(order(at(hours=1)))) == ["other"]
    assert templates(story(text, news=False, offers=True).tell(order(at(hours=1)))) == ["other"]


def test_a_segment_of_those_who_paused_ends_with_the_pause() -> None:
    book = playbook(segments={"resting": "within(profile.paused_until, '1m')"})
    found = Story(book).tell(consent(T0), prefer(at(hours=1), paused_until=at(days=30)))
    assert "resting" in found.profile.segments
    found.until(at(days=30, minutes=2))
    assert "resting" not in found.profile.segments
    assert ("left_segment", "within(profile.paused_until, '1m')") in found.said


def test_a_changed_default_looks_at_everybody_only_where_a_segment_reads_topics() -> None:
    reads = playbook(segments={"readers": "'news' in profile.topics"})
    other = playbook(segments={"buyers": "profile.orders > 0"})
    assert replace(reads, topics={"news": True}).shape != replace(reads, topics={"news": False}).shape
    assert replace(other, topics={"news": True}).shape == other.shape


def test_the_ledger_says_what_was_chosen() -> None:
    found = story().tell(prefer(T0, frequency="weekly", topics={"news": False}))
    assert ("chose", "on the preference page") in found.said
    assert found.decisions[-1].values == {"frequency": "weekly", "topic news": False}


def test_a_grant_by_a_link_lifts_also_where_it_is_known_already() -> None:
    """An unsubscribe that was accepted before may be applied after it, and then says nothing new."""
    known = consent(at(days=2))
    by_link = replace(known, id="again", data=replace(known.data, at=at(days=3), address_key="f" * 32))
    found = Story().tell(consent(T0), replace(by_link, received_at=at(days=3)))
    assert found.effects[-1] == LiftSuppression("email", "ada@example.com", at(days=3))
    quiet = Story().tell(consent(T0), replace(known, data=replace(known.data, at=at(days=3))))
    assert [effect for effect in quiet.effects if isinstance(effect, LiftSuppression)][1:] == []


# --- once more before it is sent -------------------------------------------------------------------------------------


def planned(**more: Any) -> Planned:
    given: dict[str, Any] = {
        "run": "r", "step": "s", "flow": "f", "template": "t", "channel": "email", "category": "marketing",
        "planned_at": T0, "not_after": at(days=1), "topic": "news",
    } | more  # fmt: skip
    return Planned(**given)


def reader(preferences: Preferences, *touches: Touch) -> Profile:
    return replace(EMPTY, preferences=preferences, touches=(Touch(T0, "m2", "email"), *touches))


@pytest.mark.parametrize(
    ("profile", "message", "why"),
    [
        (reader(Preferences()), planned(), None),
        (reader(OFF), planned(), "they switched off the topic news"),
        (reader(OFF), planned(topic=""), None),
        (reader(OFF), planned(category="transactional"), None),
        (reader(OFF), planned(to="shop"), None),
        (reader(OFF), planned(channel="audience", action="remove"), None),
        (reader(paused(at(hours=2))), planned(), PAUSED),
        (reader(paused(at(minutes=30))), planned(), None),
        (reader(frequency("weekly")), planned(), None),
        (reader(frequency("weekly"), mail(timedelta(days=6))), planned(), RARELY["weekly"]),
        (reader(frequency("weekly"), mail(timedelta(days=7))), planned(), None),
        (reader(frequency("weekly"), Touch(T0, "m1", "sms")), planned(), RARELY["weekly"]),
        (reader(frequency("weekly"), Touch(T0, "m3", "sms")), planned(), None),
        (reader(frequency("weekly"), Touch(at(minutes=1), "m1", "sms")), planned(), None),
    ],
    ids=[
        "nothing chosen", "topic off", "no topic", "owed", "to the shop", "off a list", "paused", "pause over", "alone",
        "another before", "long before", "of one moment", "of one moment, the other", "a later one",
    ],
)  # fmt: skip
def test_what_was_planned_is_asked_again(profile: Profile, message: Planned, why: str | None) -> None:
    assert refused(profile, "m2", message, at(hours=1)) == why


def test_a_message_is_not_too_near_to_itself() -> None:
    own = (Touch(T0, "m", "email"),)
    assert too_often(frequency("weekly"), own, T0, "m") is None
    assert too_often(frequency("weekly"), own, T0) == RARELY["weekly"]
