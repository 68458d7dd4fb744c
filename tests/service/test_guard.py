"""The reputation guard: what pauses a shop's marketing, what that stops, who is told, and how it goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Who
from rekindle.domain.profile import encode_profile
from rekindle.flow.program import Playbook
from rekindle.memory import MemoryCounters, World
from rekindle.ports import Message, Pause, Tally
from rekindle.service.deliver import Done
from rekindle.service.feedback import take
from rekindle.service.guard import RESTS, Guard, Limits, NotPausedError, Rates, announce, rest, told_of
from rekindle.service.notices import Notice
from tests.support.build import T0, at, checkout, consent, flow_of, order, playbook
from tests.support.plant import Plant

REMINDER = flow_of(
    """
    trigger: {event: checkout.updated, when: event.items}
    entry: {key: event.id}
    steps:
      - email: come-back
        valid_for: 2d
    """,
    "reminder",
)
RECEIPT = flow_of(
    """
    trigger: {event: order.placed}
    entry: {key: event.id}
    steps:
      - email: receipt
        category: transactional
    """,
    "receipt",
)


@pytest.fixture
def plant() -> Plant:
    return Plant(book())


def book(**shop: Any) -> Playbook:
    return playbook(REMINDER, RECEIPT, notify="owner@tea.example", **shop)


def a_guard(world: World, **limits: Limits) -> Guard:
    return Guard(counters=world.counters, clock=world.clock, limits=limits)


def resume(world: World) -> None:
    """Give the shop's word, from a machine of its own."""
    a_guard(world).resume("tea")


def counted(world: World, **tally: int) -> None:
    world.counters.count("tea", world.clock.now(), Tally(**tally))


def paused(plant: Plant) -> None:
    """Let the guard pause the shop now, by one bounce too many."""
    counted(plant.world, sent=1_000, bounced=49)
    assert plant.guard.heard("tea", "bounced") is not None


def subjects(plant: Plant) -> list[str]:
    return [subject for _, subject, _ in plant.mails()]


# --- what pauses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tally", "wrong"),
    [
        (Tally(sent=1_000, bounced=49), None),
        (Tally(sent=1_000, bounced=50), "50 hard bounces of 1,000 mails in 24 hours: 5.0%"),
        (Tally(sent=10_000, complained=9), None),
        (Tally(sent=10_000, complained=10), "10 complaints of 10,000 mails in 24 hours: 0.10%"),
        (Tally(sent=100, complained=2), None),
        (Tally(sent=100, complained=3), "3 complaints of 100 mails"),
        (Tally(sent=99, bounced=99, complained=99), None),
        (Tally(sent=150, bounced=9), None),
        (Tally(bounced=100), "100 hard bounces of 0 mails"),
        (Tally(), None),
    ],
)
def test_rates_are_wrong_from_where_ses_would_begin_a_review(tally: Tally, wrong: str | None) -> None:
    """At 5 % hard bounces and 0.1 % complaints; a handful of mails makes no rate."""
    said = Rates("24 hours", tally).wrong(Limits())
    assert said == wrong if wrong is None else (said or "").startswith(wrong)


def test_the_event_that_is_one_too_many_pauses_and_no_earlier_one() -> None:
    world = World(T0)
    guard = a_guard(world)
    counted(world, sent=1_000)
    begun = [number for number in range(1, 80) if guard.heard("tea", "bounced") is not None]
    assert begun == [50]
    assert (world.pauses["tea"].since, world.pauses["tea"].active) == (T0, True)


def test_another_shop_is_another_reputation() -> None:
    world = World(T0)
    guard = a_guard(world)
    counted(world, sent=100)
    for _ in range(10):
        guard.heard("tea", "bounced")
    assert guard.pause_of("tea") is not None
    assert guard.pause_of("coffee") is None


def test_a_shop_may_have_limits_of_its_own() -> None:
    world = World(T0)
    guard = a_guard(world, tea=Limits(bounces=0.01))
    counted(world, sent=1_000, bounced=9)
    assert guard.heard("tea", "bounced") is not None


@pytest.mark.parametrize(
    ("apart", "pauses"),
    [(timedelta(hours=23), True), (timedelta(days=6, hours=23), True), (timedelta(days=7, hours=1), False)],
)
def test_windows_slide(apart: timedelta, *, pauses: bool) -> None:
    """Of what was counted a week ago nothing counts any more: the mails of today stand for themselves."""
    world = World(T0)
    counted(world, sent=100, bounced=9)
    world.clock.advance_to(T0 + apart)
    assert (a_guard(world).heard("tea", "bounced") is not None) == pauses


def test_a_bad_day_is_not_hidden_by_a_good_week() -> None:
    world = World(T0)
    counted(world, sent=100_000)
    world.clock.advance(days=2)
    counted(world, sent=200, bounced=9)
    pause = None
    for _ in range(2):
        pause = pause or a_guard(world).heard("tea", "bounced")
    assert pause is not None
    assert "in 24 hours" in pause.why


def test_only_one_of_several_who_see_it_begins_the_pause() -> None:
    world = World(T0)
    counted(world, sent=100, bounced=20)
    workers = [a_guard(world) for _ in range(3)]
    for worker in workers:
        assert worker.pause_of("tea") is None
    assert [worker.heard("tea", "bounced") is not None for worker in workers] == [True, False, False]


# --- what is counted -------------------------------------------------------------------------------------------------


def test_a_batch_is_counted_in_one_call_when_it_was_sent(plant: Plant) -> None:
    for number in range(3):
        who = Who(email=f"c{number}@example.com", cart_token=f"c{number}")
        plant.post(consent(T0, who=who), checkout(T0, who=who))
    while plant.world.stream:
        plant.journey.from_stream(plant.world.stream.popleft())
    parcels = plant.world.send_queues["marketing"].values()
    assert plant.deliver.batch([(parcel, 0) for parcel in parcels]) == [Done("sent")] * 3
    assert plant.world.tallies == {("tea", T0): Tally(sent=3)}
    assert plant.world.calls["counters.count"] == 1


def test_what_did_not_go_out_is_not_counted(plant: Plant) -> None:
    plant.world.fates.append("reject")
    plant.post(consent(T0), checkout(T0))
    plant.settle()
    assert plant.world.tallies == {}


def test_a_count_that_fails_brings_no_batch_back(plant: Plant) -> None:
    def refuse(call: str, _moment: str) -> None:
        if call == "counters.count":
            raise ConnectionError("throttled")

    plant.world.hook = refuse
    plant.post(consent(T0), checkout(T0))
    plant.settle()
    assert subjects(plant) == ["come-back"]
    assert plant.world.send_queues["marketing"].messages == []


def tell(plant: Plant, kind: Any, message: Message, **more: Any) -> str:
    world = plant.world
    told = Notice(kind=kind, message_id=message.id, vendor_id="v", at=world.clock.now(), permanent=True, **more)
    return take(
        told,
        outbox=world.outbox,
        intake=world.intake,
        clock=world.clock,
        address_key=world.secret_address_key,
        guard=plant.guard,
    )


@pytest.mark.parametrize("kind", ["bounced", "complained"])
def test_a_bounce_counts_once_however_often_ses_tells_of_it(plant: Plant, kind: str) -> None:
    plant.post(consent(T0), checkout(T0))
    plant.settle()
    (message,) = plant.world.messages.values()
    for _ in range(3):
        tell(plant, kind, message)
    assert getattr(plant.world.tallies["tea", T0], kind) == 1


@pytest.mark.parametrize("kind", ["bounced", "complained"])
def test_what_ses_did_not_even_try_harms_nobody(plant: Plant, kind: str) -> None:
    plant.post(consent(T0), checkout(T0))
    plant.settle()
    (message,) = plant.world.messages.values()
    tell(plant, kind, message, detail="OnAccountSuppressionList")
    assert plant.world.tallies["tea", T0] == Tally(sent=1)


# --- what a pause stops ----------------------------------------------------------------------------------------------


def test_marketing_waits_and_transactional_goes(plant: Plant) -> None:
    paused(plant)
    plant.post(consent(T0), checkout(T0), order(T0))
    plant.until(at(hours=5))
    assert subjects(plant) == ["receipt"]
    profile = plant.profile("ada@example.com")
    assert {planned.template for planned in profile.planned.values()} == {"come-back", "receipt"}
    assert plant.world.send_queues["marketing"].dead == []


def test_journeys_go_on_planning(plant: Plant) -> None:
    paused(plant)
    plant.post(consent(T0), checkout(T0))
    plant.settle()
    (run,) = plant.profile("ada@example.com").runs
    assert run.flow == "reminder"
    assert len(plant.world.send_queues["marketing"].messages) == 1


def test_what_waits_goes_out_within_a_quarter_of_an_hour_of_the_shops_word(plant: Plant) -> None:
    paused(plant)
    plant.post(consent(T0), checkout(T0))
    plant.until(at(hours=5))
    resume(plant.world)
    plant.until(at(hours=5, minutes=16))
    assert subjects(plant) == ["come-back"]


def test_what_is_not_worth_sending_any_more_is_skipped(plant: Plant) -> None:
    paused(plant)
    plant.post(consent(T0), checkout(T0))
    plant.until(at(days=2))
    (message,) = plant.world.messages.values()
    assert (message.state, message.why) == ("skipped", "too late")
    assert plant.world.send_queues["marketing"].messages == []


def test_who_unsubscribes_meanwhile_is_not_mailed_afterwards(plant: Plant) -> None:
    paused(plant)
    plant.post(consent(T0), checkout(T0))
    plant.settle()
    plant.post(consent(at(minutes=1), "unsubscribed"))
    plant.until(at(hours=1))
    (message,) = plant.world.messages.values()
    assert message.state == "skipped"


def test_a_mail_rests_longer_the_longer_it_has_waited() -> None:
    rests = [rest(timedelta(seconds=waited)) for waited in (0, 59, 60, 130, 500, 900, 100_000)]
    assert rests == [60, 60, 60, 120, 480, 900, 900]
    assert max(RESTS) <= 900


def test_who_is_paused_is_asked_at_most_every_thirty_seconds() -> None:
    world = World(T0)
    guard = a_guard(world)
    for _ in range(100):
        guard.pause_of("tea")
    assert world.calls["counters.pauses"] == 1
    world.clock.advance(seconds=30)
    guard.pause_of("tea")
    assert world.calls["counters.pauses"] == 2


def test_a_merged_persons_mail_waits_as_well(plant: Plant) -> None:
    """The parcel names the profile that was; the shop is that of the one that it became."""
    plant.post(consent(T0), checkout(T0))
    while plant.world.stream:
        plant.journey.from_stream(plant.world.stream.popleft())
    profile = plant.profile("ada@example.com")
    (parcel,) = plant.world.send_queues["marketing"].values()
    plant.world.profiles["a" * 32] = encode_profile(replace(profile, id="a" * 32))
    counted(plant.world, sent=1_000, bounced=49)
    plant.guard.heard("tea", "bounced")
    assert plant.deliver.batch([(replace(parcel, profile_id="a" * 32), 0)]) == [Done("held")]


# --- who is told -----------------------------------------------------------------------------------------------------


def notices(plant: Plant) -> list[tuple[str, datetime]]:
    return [(to, when) for to, subject, when in plant.mails() if "paused" in subject]


def test_the_shop_is_told_once_a_pause(plant: Plant) -> None:
    paused(plant)
    for _ in range(3):
        plant.sweep()
        plant.world.clock.advance(minutes=5)
    assert notices(plant) == [("owner@tea.example", T0)]
    (sent,) = plant.world.inbox
    assert "50 hard bounces of 1,000 mails" in sent.mail.text
    resume(plant.world)
    plant.world.clock.advance(minutes=1)
    plant.guard.pause_of("tea")
    paused(plant)
    plant.sweep()
    assert len(notices(plant)) == 2


@pytest.mark.parametrize("fate", ["throttled", "quota", "not_connected"])
def test_what_ses_refused_for_now_is_said_five_minutes_later(plant: Plant, fate: Any) -> None:
    paused(plant)
    plant.world.fates.append(fate)
    plant.sweep()
    assert notices(plant) == []
    plant.world.clock.advance(minutes=5)
    plant.sweep()
    assert notices(plant) == [("owner@tea.example", at(minutes=5))]


def word(plant: Plant) -> Message:
    """Return the record of the mail about the pause."""
    (message,) = plant.world.messages.values()
    assert (message.to, message.shop, message.profile_id) == ("shop", "tea", "")
    return message


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["counters.pauses", "outbox.lease", "mailer.send", "outbox.record", "counters.told"])
def test_killed_while_it_tells_send_says_it_once_or_lists_it(plant: Plant, call: str, moment: Any) -> None:
    paused(plant)
    announce(counters=plant.world.counters, queues=plant.world.queues, clock=plant.world.clock)
    plant.crash_at(call, moment)
    plant.settle()
    plant.world.hook = None
    for minutes in (5, 10, 15):
        plant.until(at(minutes=minutes))
        plant.sweep()
    said, record = notices(plant), word(plant)
    if (call, moment) in {("outbox.lease", "after"), ("mailer.send", "before")}:
        assert (said, record.state) == ([], "unknown")
    elif (call, moment) in {("mailer.send", "after"), ("outbox.record", "before")}:
        assert (len(said), record.state) == (1, "unknown")
    else:
        assert (len(said), record.state) == (1, "sent")
    assert plant.world.pauses["tea"].told_at is not None
    assert plant.world.send_queues["transactional"].messages == []


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_lease_whose_answer_was_lost_is_known_for_its_own(plant: Plant, *, carried_out: bool) -> None:
    """Else nobody would say it: who took the lease would take itself for somebody else."""
    paused(plant)
    plant.lose_answer_of("outbox.lease", carried_out=carried_out)
    plant.sweep()
    assert len(notices(plant)) == 1
    assert word(plant).state == "sent"


def test_a_word_that_ses_may_have_taken_is_listed_and_not_said_again(plant: Plant) -> None:
    paused(plant)
    plant.world.fates.append("answer_lost")
    for minutes in (0, 5, 10):
        plant.until(at(minutes=minutes))
        swept = plant.sweep()
    assert len(notices(plant)) == 1
    assert word(plant).state == "unknown"
    assert swept.unknown == 1


def test_what_ses_tells_of_the_word_settles_it_and_nothing_else(plant: Plant) -> None:
    paused(plant)
    plant.world.fates.append("answer_lost")
    plant.sweep()
    tallies = dict(plant.world.tallies)
    assert tell(plant, "delivered", word(plant)) == "delivered"
    assert word(plant).state == "delivered"
    assert tell(plant, "bounced", word(plant)) == "bounced"
    assert (word(plant).state, plant.world.tallies, plant.world.deliveries) == ("bounced", tallies, {})


def test_the_word_about_an_earlier_pause_is_not_said_any_more(plant: Plant) -> None:
    paused(plant)
    world = plant.world
    announce(counters=world.counters, queues=world.queues, clock=world.clock)
    resume(plant.world)
    plant.settle()
    assert (notices(plant), world.messages) == ([], {})


def test_a_shop_that_names_nobody_is_told_as_soon_as_it_does() -> None:
    plant = Plant(playbook(REMINDER))
    paused(plant)
    plant.sweep()
    assert plant.mails() == []
    plant.publish(replace(book(), hash="h2"))
    plant.world.clock.advance(minutes=5)
    plant.sweep()
    assert len(notices(plant)) == 1


def test_how_many_are_paused_is_what_the_alarm_watches(plant: Plant) -> None:
    world = plant.world
    assert announce(counters=world.counters, queues=world.queues, clock=world.clock) == 0
    paused(plant)
    assert announce(counters=world.counters, queues=world.queues, clock=world.clock) == 1
    resume(plant.world)
    assert announce(counters=world.counters, queues=world.queues, clock=world.clock) == 0


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "the shop has not been told yet"),
        ("reopened", "the shop has not been told yet"),
        ("leased", "the shop is being told"),
        ("sent", "the shop was told"),
        ("delivered", "the shop was told"),
        ("unknown", "the shop may not have been told"),
        ("failed", "the shop could not be told: not verified"),
        ("bounced", "the shop could not be told: bounced"),
    ],
)
def test_what_became_of_the_word_is_said_in_plain_words(state: Any, said: str) -> None:
    pause = Pause(shop="tea", since=T0, why="bounces")
    why = "not verified" if state == "failed" else None
    record = Message(id="m", shop="tea", state=state, why=why) if state else None
    assert told_of(pause, record) == said
    assert told_of(replace(pause, told_at=T0), None) == "the shop was told", "before there were records of it"


# --- how it goes on --------------------------------------------------------------------------------------------------


def test_rates_begin_anew_with_the_shops_word(plant: Plant) -> None:
    """Else the very next bounce would pause it again, for what was told already."""
    world = plant.world
    paused(plant)
    world.clock.advance(minutes=20)
    resume(world)
    world.clock.advance(minutes=1)
    assert [rates.tally for rates in plant.guard.rates("tea")] == [Tally(), Tally()]
    counted(world, sent=100, bounced=8)
    assert plant.guard.heard("tea", "bounced") is None
    assert plant.guard.heard("tea", "bounced") is not None


def test_what_is_counted_just_after_the_shops_word_is_judged(plant: Plant) -> None:
    """A warm worker knew of the pause, and would have gone on with that for half a minute."""
    world = plant.world
    paused(plant)
    assert plant.guard.heard("tea", "bounced") is None
    resume(plant.world)
    counted(world, sent=100, bounced=9)
    assert plant.guard.heard("tea", "bounced") is not None


def test_what_is_counted_while_the_shop_gives_its_word_is_judged(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """It came after the tallies that are forgiven were read, and found the pause in force still."""
    world = plant.world
    paused(plant)
    written = type(world.counters).resume

    def resume_late(counters: MemoryCounters, pause: Pause) -> bool:
        counted(world, sent=100, bounced=9)
        assert plant.guard.heard("tea", "bounced") is None
        return written(counters, pause)

    monkeypatch.setattr(type(world.counters), "resume", resume_late)
    resume(world)
    assert world.pauses["tea"].active


def test_only_a_pause_that_is_in_force_can_be_ended(plant: Plant) -> None:
    world = plant.world
    with pytest.raises(NotPausedError):
        resume(world)
    paused(plant)
    resume(world)
    with pytest.raises(NotPausedError):
        resume(world)
