"""Manners: nothing at night, not too much of anything, and what must wait may go at the moment that is named."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.profile import Channel, Touch
from rekindle.flow.manners import PATIENCE, QUIET, YIELDS, Go, Hold, Refuse, judge, longest
from rekindle.flow.program import DEFAULT_MANNERS, Cap, Hours, Manner, Manners, manners_of

AMSTERDAM = "Europe/Amsterdam"
NIGHT = Hours(from_="20:00", to="09:00")
OFFICE = Hours(from_="10:00", to="18:00", days=(0, 1, 2, 3, 4))
FREE = Manners(quiet={"sms": ()}, windows={}, caps=(), apart={"email": 0, "sms": 0}, otherwise="skip")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""a Wednesday"""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ask(manners: Manners, when: datetime | str = NOON, *touches: Touch, where: str = AMSTERDAM, **more: Any) -> Any:
    given: dict[str, Any] = {"channel": "email", "category": "marketing", "manner": None} | more
    when = moment(when) if isinstance(when, str) else when
    return judge(touches, at=when, zone=ZoneInfo(where), manners=manners_of(manners, FREE), **given)


def mail(ago: timedelta, *, channel: str = "email", marketing: bool = True) -> Touch:
    return Touch(at=NOON - ago, message="m", channel=channel, marketing=marketing)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def quiet(*parts: Hours) -> Manners:
    return Manners(quiet={"email": parts})


def windows(*parts: Hours) -> Manners:
    return Manners(windows={"email": parts})


# --- quiet hours and windows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "where", "when", "opens"),
    [
        (NIGHT, AMSTERDAM, "2026-03-04T19:00", "2026-03-05T08:00"),
        (NIGHT, AMSTERDAM, "2026-03-05T01:00", "2026-03-05T08:00"),
        (NIGHT, AMSTERDAM, "2026-03-05T07:59:59", "2026-03-05T08:00"),
        (NIGHT, AMSTERDAM, "2026-03-05T08:00", None),
        (NIGHT, AMSTERDAM, "2026-03-05T18:59:59", None),
        (NIGHT, "Pacific/Kiritimati", "2026-03-04T06:00", "2026-03-04T19:00"),
        (NIGHT, "Pacific/Pago_Pago", "2026-03-04T07:00", "2026-03-04T20:00"),
        (NIGHT, "Asia/Kathmandu", "2026-03-04T14:15", "2026-03-05T03:15"),
        (Hours(from_="13:00", to="14:00"), AMSTERDAM, "2026-03-04T12:30", "2026-03-04T13:00"),
        (Hours(from_="22:00", to="24:00"), AMSTERDAM, "2026-03-04T21:30", "2026-03-04T23:00"),
        (Hours(from_="00:00", to="24:00", days=(6,)), AMSTERDAM, "2026-03-08T12:00", "2026-03-08T23:00"),
        (Hours(from_="22:00", to="08:00", days=(4,)), AMSTERDAM, "2026-03-07T02:00", "2026-03-07T07:00"),
        (Hours(from_="22:00", to="08:00", days=(4,)), AMSTERDAM, "2026-03-06T02:00", None),
        (Hours(from_="22:00", to="02:30"), AMSTERDAM, "2026-03-28T22:00", "2026-03-29T01:30"),
        (Hours(from_="02:30", to="06:00"), AMSTERDAM, "2026-03-29T01:15", "2026-03-29T04:00"),
        (Hours(from_="22:00", to="02:30"), AMSTERDAM, "2026-10-25T00:45", "2026-10-25T01:30"),
        (Hours(from_="02:30", to="06:00"), AMSTERDAM, "2026-10-25T00:30", "2026-10-25T05:00"),
        (Hours(from_="22:00", to="02:30"), AMSTERDAM, "2026-10-25T01:30", None),
    ],
    ids=[
        "it begins", "after midnight", "to the last second", "it is over", "before it begins", "far east", "far west",
        "odd offset", "at noon", "until midnight", "all sunday", "of friday, on saturday", "of friday, not of thursday",
        "ends in a gap", "begins in a gap", "ends in a fold", "begins in a fold", "after the fold",
    ],
)  # fmt: skip
def test_quiet_hours_are_those_of_the_recipients_clock(part: Hours, where: str, when: str, opens: str | None) -> None:
    found = ask(quiet(part), when, where=where)
    assert isinstance(found, Go) if opens is None else found == Hold(until=moment(opens), why=QUIET)


@pytest.mark.parametrize(
    ("when", "opens"),
    [
        ("2026-03-04T12:00", None),
        ("2026-03-04T08:59", "2026-03-04T09:00"),
        ("2026-03-04T17:00", "2026-03-05T09:00"),
        ("2026-03-06T17:00", "2026-03-09T09:00"),
        ("2026-03-28T12:00", "2026-03-30T08:00"),
    ],
    ids=["inside", "before", "after", "the weekend", "the weekend on which summer begins"],
)
def test_with_windows_nothing_goes_outside_them(when: str, opens: str | None) -> None:
    found = ask(windows(OFFICE), when)
    assert isinstance(found, Go) if opens is None else found == Hold(until=moment(opens), why="outside the send window")


@pytest.mark.parametrize(
    ("part", "when", "opens"),
    [
        (Hours(from_="01:00", to="02:30"), "2026-10-25T00:15", None),
        (Hours(from_="01:00", to="02:30"), "2026-10-25T01:15", "2026-10-26T00:00"),
        (Hours(from_="02:30", to="06:00"), "2026-03-29T01:15", "2026-03-29T01:30"),
    ],
    ids=["the first time", "the second time", "after a gap"],
)
def test_while_the_clock_changes_a_window_is_open_only_where_there_is_no_doubt(
    part: Hours, when: str, opens: str | None
) -> None:
    found = ask(windows(part), when)
    assert isinstance(found, Go) if opens is None else found.until == moment(opens)


def test_quiet_hours_cut_into_windows() -> None:
    both = Manners(quiet={"email": (Hours(from_="10:00", to="11:00"),)}, windows={"email": (OFFICE,)})
    assert ask(both, "2026-03-04T08:00") == Hold(until=moment("2026-03-04T10:00"), why="outside the send window")
    assert ask(both, "2026-03-04T09:30") == Hold(until=moment("2026-03-04T10:00"), why=QUIET)


def test_two_quiet_times_that_touch_are_one() -> None:
    found = ask(quiet(NIGHT, Hours(from_="09:00", to="12:00")), "2026-03-04T19:00")
    assert found == Hold(until=moment("2026-03-05T11:00"), why=QUIET)


def test_a_step_that_says_skip_does_not_wait_for_the_morning() -> None:
    assert ask(quiet(NIGHT), "2026-03-04T23:00", manner="skip") == Refuse(QUIET)


def test_everyone_elses_skip_is_about_caps_and_not_about_quiet_hours() -> None:
    found = ask(replace(quiet(NIGHT), otherwise="skip"), "2026-03-04T23:00")
    assert isinstance(found, Hold)


def test_what_is_never_allowed_is_refused() -> None:
    assert ask(quiet(Hours(from_="00:00", to="24:00")), manner="wait") == Refuse(QUIET)


def test_each_channel_has_its_own_hours() -> None:
    manners = Manners(quiet={"sms": (NIGHT,)}, windows={"push": (OFFICE,)})
    night = "2026-03-04T23:00"
    assert ask(manners, night) == Go()
    assert isinstance(ask(manners, night, channel="sms"), Hold)
    assert isinstance(ask(manners, night, channel="push"), Hold)


@pytest.mark.parametrize(("category", "channel"), [("transactional", "sms"), ("marketing", "audience")])
def test_what_is_owed_and_what_nobody_sees_always_goes(category: str, channel: str) -> None:
    strict = Manners(
        quiet={"sms": (NIGHT,), "audience": (NIGHT,)}, caps=(Cap(most=0, seconds=60),), apart={"sms": 86_400}
    )
    assert ask(strict, "2026-03-04T23:00", mail(hours(1)), category=category, channel=channel, manner="skip") == Go()


def test_go_says_when_it_will_be_quiet_again() -> None:
    found = ask(quiet(NIGHT))
    assert found == Go(quiet_from=moment("2026-03-04T19:00"), quiet_until=moment("2026-03-05T08:00"))
    assert ask(windows(OFFICE), "2026-03-06T12:00") == Go(
        quiet_from=moment("2026-03-06T17:00"), quiet_until=moment("2026-03-09T09:00")
    )


def test_quiet_once_a_week_is_said_too_and_without_quiet_hours_nothing_is() -> None:
    wednesday = quiet(Hours(from_="13:00", to="14:00", days=(2,)))
    assert ask(wednesday, "2026-03-04T13:00").quiet_from == moment("2026-03-11T12:00")
    assert ask(SMART) == Go()


# --- smart sending and caps ------------------------------------------------------------------------------------------

SMART = Manners(apart={"email": 16 * 3_600})
CAPPED = Manners(caps=(Cap(most=2, seconds=7 * 86_400, channel="email"),))
TOGETHER = Manners(caps=(Cap(most=2, seconds=86_400),))


def test_smart_sending_skips_what_would_follow_too_soon() -> None:
    assert ask(SMART, NOON, mail(hours(3))) == Refuse("smart sending: messages 16h apart")
    assert isinstance(ask(SMART, NOON, mail(hours(16))), Go)


def test_or_waits_until_it_no_longer_does() -> None:
    waiting = replace(SMART, otherwise="wait")
    expected = Hold(until=NOON + hours(13), why="smart sending: messages 16h apart")
    assert ask(waiting, NOON, mail(hours(3))) == expected
    assert ask(SMART, NOON, mail(hours(3)), manner="wait") == expected
    assert isinstance(ask(waiting, NOON, mail(hours(3)), manner="skip"), Refuse)


@pytest.mark.parametrize(
    "touch",
    [mail(hours(1), marketing=False), mail(hours(1), channel="sms"), mail(hours(1), channel="audience")],
    ids=["transactional", "another channel", "an audience"],
)
def test_only_marketing_on_the_same_channel_counts_for_smart_sending(touch: Touch) -> None:
    assert isinstance(ask(SMART, NOON, touch), Go)


def test_a_cap_counts_what_lies_within_its_time() -> None:
    assert isinstance(ask(CAPPED, NOON, mail(hours(24))), Go)
    full = (mail(hours(6 * 24)), mail(hours(24)))
    assert ask(CAPPED, NOON, *full) == Refuse("at most 2 e-mails in 7d")
    assert ask(CAPPED, NOON, *full, manner="wait").until == NOON + timedelta(days=1)
    assert isinstance(ask(CAPPED, NOON, mail(hours(7 * 24)), mail(hours(24))), Go)


def test_a_cap_over_all_counts_every_channel_but_audiences() -> None:
    assert ask(TOGETHER, NOON, mail(hours(1), channel="sms"), mail(hours(2), channel="push")) == Refuse(
        "at most 2 messages in 1d"
    )
    assert isinstance(ask(TOGETHER, NOON, mail(hours(1)), mail(hours(2), channel="audience")), Go)
    assert isinstance(ask(TOGETHER, NOON, mail(hours(1)), mail(hours(2), marketing=False)), Go)


def test_what_waits_for_room_waits_for_the_morning_too_and_for_room_again() -> None:
    both = Manners(quiet={"email": (NIGHT,)}, apart={"email": 16 * 3_600}, otherwise="wait")
    # Free at 01:00 UTC, which is 02:00 there: nine in the morning it is.
    assert ask(both, NOON, mail(hours(3))) == Hold(
        until=moment("2026-03-05T08:00"), why="smart sending: messages 16h apart"
    )


def test_at_night_a_message_that_will_be_one_too_many_in_the_morning_is_refused_at_once() -> None:
    both = Manners(quiet={"email": (NIGHT,)}, apart={"email": 16 * 3_600})
    at_night = moment("2026-03-04T20:00")
    assert ask(both, at_night, Touch(at_night - hours(2), "m", "email")) == Refuse("smart sending: messages 16h apart")
    assert ask(both, at_night, Touch(at_night - hours(10), "m", "email")) == Hold(
        until=moment("2026-03-05T08:00"), why=QUIET
    )


def test_nobody_waits_longer_than_a_month() -> None:
    rare = Manners(caps=(Cap(most=1, seconds=90 * 86_400),), otherwise="wait")
    assert ask(rare, NOON, mail(hours(1))) == Refuse("at most 1 messages in 90d")
    assert ask(rare, NOON, mail(timedelta(days=61))).until == NOON + timedelta(days=29)
    assert ask(Manners(caps=(Cap(most=0, seconds=60),), otherwise="wait")) == Refuse("at most 0 messages in 1m")


def test_a_more_important_message_that_follows_goes_first() -> None:
    coming = [NOON + hours(5)]
    assert ask(SMART, NOON, ahead=coming) == Refuse(YIELDS)
    assert ask(SMART, NOON, ahead=coming, manner="wait") == Hold(until=NOON + hours(21), why=YIELDS)
    assert isinstance(ask(SMART, NOON, ahead=[NOON + hours(16)]), Go)


def test_what_is_coming_keeps_its_room_under_a_cap() -> None:
    coming = [NOON + hours(24)]
    assert ask(CAPPED, NOON, mail(hours(24)), ahead=coming) == Refuse(YIELDS)
    assert isinstance(ask(CAPPED, NOON, ahead=coming), Go)
    # By then the old one no longer counts: there is room for both.
    assert isinstance(ask(CAPPED, NOON, mail(hours(6 * 24 + 1)), ahead=coming), Go)


def test_the_defaults_keep_mails_apart_and_text_messages_out_of_the_night() -> None:
    assert ask(DEFAULT_MANNERS, "2026-03-04T23:00") == Go()
    assert isinstance(ask(DEFAULT_MANNERS, NOON, mail(hours(15))), Refuse)
    assert isinstance(ask(DEFAULT_MANNERS, "2026-03-04T23:00", channel="sms"), Hold)


def test_touches_are_wanted_for_as_long_as_manners_look_back() -> None:
    assert longest(FREE) == timedelta(0)
    assert longest(manners_of(SMART, FREE)) == hours(16)
    assert longest(manners_of(replace(CAPPED, apart={"sms": 86_400}), FREE)) == timedelta(days=7)


# --- laws ------------------------------------------------------------------------------------------------------------

CHANNELS: tuple[Channel, ...] = ("email", "sms", "push")
ZONES = ("Europe/Amsterdam", "America/Havana", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "Pacific/Niue")


def at_quarters() -> st.SearchStrategy[str]:
    return st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))


def some_hours() -> st.SearchStrategy[tuple[Hours, ...]]:
    days = st.one_of(st.just(()), st.lists(st.integers(0, 6), unique=True, min_size=1).map(tuple))
    part = st.builds(Hours, from_=at_quarters(), to=at_quarters() | st.just("24:00"), days=days)
    return st.lists(part, max_size=2).map(tuple)


def some_manners() -> st.SearchStrategy[Manners]:
    lengths = st.sampled_from((3_600, 16 * 3_600, 86_400, 3 * 86_400, 7 * 86_400))
    cap = st.builds(Cap, most=st.integers(1, 3), seconds=lengths, channel=st.sampled_from(("", *CHANNELS)))
    by_channel = st.dictionaries(st.sampled_from(CHANNELS), some_hours(), max_size=2)
    return st.builds(
        Manners,
        quiet=by_channel,
        windows=by_channel,
        caps=st.lists(cap, max_size=2).map(tuple),
        apart=st.dictionaries(st.sampled_from(CHANNELS), lengths, max_size=2),
        otherwise=st.sampled_from(("skip", "wait")),
    )


def near_changes() -> st.SearchStrategy[datetime]:
    """Return moments of 2026, many of them in the nights in which some zone changes its clocks."""
    nights = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-04-24", "2026-10-04", "2026-10-25", "2026-10-30")
    night = st.builds(
        lambda day, minutes: moment(day) + timedelta(minutes=minutes), st.sampled_from(nights), st.integers(-720, 1_440)
    )
    return night | st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    at = draw(near_changes())
    ago = st.integers(0, 10 * 86_400).map(lambda seconds: at - timedelta(seconds=seconds))
    channel = st.sampled_from((*CHANNELS, "audience"))
    touches = st.lists(st.builds(Touch, at=ago, message=st.just("m"), channel=channel, marketing=st.booleans()))
    return {
        "touches": draw(touches),
        "channel": draw(st.sampled_from(CHANNELS)),
        "category": "marketing",
        "at": at,
        "zone": ZoneInfo(draw(st.sampled_from(ZONES))),
        "manners": draw(some_manners()),
        "manner": draw(st.sampled_from((None, "skip", "wait"))),
        "ahead": draw(st.lists(ago.map(lambda moment: at + (at - moment)), max_size=2)),
    }


def shows(when: datetime, zone: ZoneInfo, part: Hours) -> bool:
    """Whether the clock there shows a time of this part of the day."""
    local = when.astimezone(zone)
    begin, end = time.fromisoformat(part.from_), time.fromisoformat("00:00" if part.to == "24:00" else part.to)

    def begins(day: int) -> bool:
        return not part.days or day % 7 in part.days

    now, today = local.time(), local.weekday()
    if begin < end:
        return begin <= now < end and begins(today)
    return (now >= begin and begins(today)) or (now < end and begins(today - 1))


def broken(case: dict[str, Any], when: datetime) -> list[str]:
    """Return which rules a message at this moment would break, by the plainest reading of each."""
    channel, manners = case["channel"], case["manners"]
    counted = [touch for touch in case["touches"] if touch.marketing and touch.channel != "audience"]
    own = [touch.at for touch in counted if touch.channel == channel]
    found = [f"quiet {part}" for part in manners.quiet.get(channel, ()) if shows(when, case["zone"], part)]
    allowed = manners.windows.get(channel, ())
    if allowed and not any(shows(when, case["zone"], part) for part in allowed):
        found.append("window")
    if any(when - sent < timedelta(seconds=manners.apart.get(channel, 0)) for sent in own):
        found.append("apart")
    for cap in manners.caps:
        sent = own if cap.channel == channel else [touch.at for touch in counted] if not cap.channel else []
        if (
            cap.channel in ("", channel)
            and sum(when - one < timedelta(seconds=cap.seconds) for one in sent) >= cap.most
        ):
            found.append(f"cap {cap}")
    return found


@given(cases())
def test_what_may_go_breaks_no_rule(case: dict[str, Any]) -> None:
    if isinstance(judge(**case), Go):
        assert broken(case, case["at"]) == []


@given(cases())
def test_what_is_held_may_go_when_it_is_said_to(case: dict[str, Any]) -> None:
    found = judge(**case)
    if isinstance(found, Hold):
        assert case["at"] < found.until <= case["at"] + PATIENCE
        assert isinstance(judge(**(case | {"at": found.until, "ahead": ()})), Go)


@given(cases())
def test_what_breaks_no_rule_goes_unless_the_clock_is_about_to_change(case: dict[str, Any]) -> None:
    """Nothing is held for no reason. Around a change of the clock, doubtful times count as forbidden."""
    at: datetime = case["at"]
    offsets = {(at + timedelta(days=away)).astimezone(case["zone"]).utcoffset() for away in (-2, -1, 0, 1, 2)}
    if len(offsets) == 1 and not broken(case, at):
        assert isinstance(judge(**(case | {"ahead": ()})), Go)


@given(cases(), st.sampled_from(("skip", "wait")))
def test_skip_never_waits(case: dict[str, Any], otherwise: Manner) -> None:
    manners = replace(case["manners"], otherwise=otherwise)
    assert not isinstance(judge(**(case | {"manner": "skip", "manners": manners})), Hold)


@given(cases())
def test_the_quiet_time_that_is_named_is_where_it_becomes_quiet(case: dict[str, Any]) -> None:
    """Between now and then it is open; then it is closed, until it opens again."""
    bare = case | {"manners": replace(case["manners"], caps=(), apart={}), "manner": "wait", "ahead": ()}
    found = judge(**bare)
    if not isinstance(found, Go) or found.quiet_from is None:
        return
    assert found.quiet_until is not None
    assert case["at"] < found.quiet_from < found.quiet_until
    just_before = judge(**(bare | {"at": found.quiet_from - timedelta(microseconds=1)}))
    assert isinstance(just_before, Go)
    assert judge(**(bare | {"at": found.quiet_from})).until == found.quiet_until  # type: ignore[union-attr]
