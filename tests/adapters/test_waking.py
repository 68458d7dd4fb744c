"""Alarms and queues: the schedule of each minute, the direct way for what is near, batches that fail in part."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rekindle.aws.alarms import SqsWakeQueue
from rekindle.aws.queues import look_again
from rekindle.domain import ids
from rekindle.domain.errors import NotQueuedError
from rekindle.ports import Parcel, Wake
from tests.support.faults import answering, failing
from tests.support.things import ANNA, MAIL
from tests.support.worlds import START, AwsPorts, Ports, Waiting

NAME = ids.alarm_name


# --- alarms


@pytest.mark.parametrize(
    ("ahead", "minute"),
    [
        (timedelta(minutes=2), timedelta(minutes=2)),
        (timedelta(hours=1, seconds=1), timedelta(hours=1, minutes=1)),
        (timedelta(hours=1, microseconds=1), timedelta(hours=1, minutes=1)),
        (timedelta(days=30), timedelta(days=30)),
    ],
)
def test_an_alarm_is_one_schedule_at_the_full_minute_after_it(
    ports: Ports, ahead: timedelta, minute: timedelta
) -> None:
    at = START + ahead
    ports.alarms.ring(ANNA, at, START)
    wake = Wake(profile_id=ANNA, due=at)
    assert ports.schedules() == {NAME(ANNA, START + minute): (START + minute, wake)}
    assert ports.waiting("wake") == Waiting([])


def test_the_same_alarm_again_is_the_same_schedule(ports: Ports) -> None:
    for seconds in (3600, 3600, 3590):
        ports.alarms.ring(ANNA, START + timedelta(seconds=seconds), START)
    assert list(ports.schedules()) == [NAME(ANNA, START + timedelta(hours=1))]
    assert ports.waiting("wake") == Waiting([])


def test_two_profiles_and_two_minutes_are_three_schedules(ports: Ports) -> None:
    later = START + timedelta(hours=1)
    ports.alarms.ring(ANNA, later, START)
    ports.alarms.ring("bert", later, START)
    ports.alarms.ring(ANNA, later + timedelta(minutes=1), START)
    assert set(ports.schedules()) == {
        NAME(ANNA, later),
        NAME("bert", later),
        NAME(ANNA, later + timedelta(minutes=1)),
    }


@pytest.mark.parametrize("ahead", [timedelta(seconds=119, milliseconds=999), timedelta(seconds=1)])
def test_an_alarm_under_two_minutes_ahead_goes_to_the_queue_with_a_delay(ports: Ports, ahead: timedelta) -> None:
    ports.alarms.ring(ANNA, START + ahead, START)
    assert ports.schedules() == {}
    assert ports.waiting("wake") == Waiting([], delayed=1)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=-3)])
def test_an_alarm_that_is_due_goes_to_the_queue_at_once(ports: Ports, ahead: timedelta) -> None:
    ports.alarms.ring(ANNA, START + ahead, START)
    assert ports.schedules() == {}
    assert ports.waiting("wake") == Waiting([Wake(profile_id=ANNA, due=START + ahead)])


def test_an_alarm_over_thirty_days_ahead_is_left_to_the_sweep(ports: Ports) -> None:
    ports.alarms.ring(ANNA, START + timedelta(days=30, seconds=1), START)
    assert ports.schedules() == {}
    assert ports.waiting("wake") == Waiting([])


def test_a_schedule_that_lingers_after_its_minute_does_not_swallow_an_alarm(ports: Ports) -> None:
    """Scheduler fires, the schedule is not deleted yet, and a slow worker that began before asks for that minute."""
    at = START + timedelta(minutes=3)
    ports.alarms.ring(ANNA, at, START)
    ports.clock.advance_to(at)
    ports.alarms.ring(ANNA, at, START)
    assert ports.waiting("wake") == Waiting([Wake(profile_id=ANNA, due=at)])


def test_the_delay_is_in_whole_seconds_and_never_too_short(moto_ports: AwsPorts) -> None:
    with answering(moto_ports.clients.sqs, "SendMessageBatch", [(200, {})]), sent_to(moto_ports) as entries:
        moto_ports.alarms.ring(ANNA, START + timedelta(seconds=90, microseconds=1), START)
    assert [entry["DelaySeconds"] for entry in entries] == [91]


# --- queues


def test_wakes_of_both_kinds_arrive_as_they_were_put(ports: Ports) -> None:
    wakes = [Wake(profile_id=ANNA, due=START), Wake(pending_id="p1", tries=3)]
    ports.alarms.wake(wakes)
    waiting = ports.waiting("wake")
    assert sorted(waiting.visible, key=repr) == sorted(wakes, key=repr)


def test_parcels_go_to_the_queue_of_their_category(ports: Ports) -> None:
    marketing = Parcel(message_id=MAIL, profile_id=ANNA, version=3, category="marketing", since=START)
    transactional = Parcel(message_id="m2", profile_id=ANNA, version=3, category="transactional")
    ports.queues.enqueue([marketing, transactional])
    assert ports.waiting("marketing") == Waiting([marketing])
    assert ports.waiting("transactional") == Waiting([transactional])


def test_any_number_of_messages_is_put(ports: Ports) -> None:
    ports.alarms.wake([Wake(pending_id=str(number)) for number in range(23)])
    ports.queues.enqueue([Parcel(message_id=str(number), profile_id=ANNA, version=1) for number in range(11)])
    assert {wake.pending_id for wake in ports.waiting("wake").visible} == {str(number) for number in range(23)}
    assert len(ports.waiting("marketing").visible) == 11


def test_nothing_is_put_where_there_is_nothing(ports: Ports) -> None:
    ports.alarms.wake([])
    ports.queues.enqueue([])
    assert [ports.waiting(queue) for queue in ("wake", "transactional", "marketing")] == [Waiting([])] * 3


def test_a_delay_hides_the_message(ports: Ports) -> None:
    ports.alarms.wake([Wake(pending_id="p1")], delay=900)
    ports.queues.enqueue([Parcel(message_id=MAIL, profile_id=ANNA, version=1)], delay=60)
    assert ports.waiting("wake") == Waiting([], delayed=1)
    assert ports.waiting("marketing") == Waiting([], delayed=1)


@pytest.mark.parametrize("delay", [-1, 901])
def test_a_delay_that_no_queue_offers_is_refused(ports: Ports, delay: int) -> None:
    with pytest.raises(ValueError, match="900"):
        ports.alarms.wake([Wake(pending_id="p1")], delay=delay)
    with pytest.raises(ValueError, match="900"):
        ports.queues.enqueue([Parcel(message_id=MAIL, profile_id=ANNA, version=1)], delay=delay)
    assert ports.waiting("wake") == Waiting([])


# --- on SQS and Scheduler only


class sent_to:  # noqa: N801 - used like a function
    """Record the entries of every SendMessageBatch."""

    def __init__(self, ports: AwsPorts) -> None:
        self._events = ports.clients.sqs.meta.events
        self._entries: list[dict[str, Any]] = []

    def __enter__(self) -> list[dict[str, Any]]:
        self._events.register("provide-client-params.sqs.SendMessageBatch", self._note)
        return self._entries

    def __exit__(self, *_: object) -> None:
        self._events.unregister("provide-client-params.sqs.SendMessageBatch", self._note)

    def _note(self, **event: Any) -> None:
        self._entries.extend(event["params"]["Entries"])


def failed(*places: int) -> tuple[int, dict[str, Any]]:
    return 200, {"Failed": [{"Id": str(place), "Code": "InternalError", "SenderFault": False} for place in places]}


def test_what_a_batch_did_not_take_is_sent_once_more(moto_ports: AwsPorts) -> None:
    wakes = [Wake(pending_id=str(number)) for number in range(3)]
    with answering(moto_ports.clients.sqs, "SendMessageBatch", [failed(1)]), sent_to(moto_ports) as entries:
        moto_ports.alarms.wake(wakes)
    assert [entry["Id"] for entry in entries] == ["0", "1", "2", "1"]
    assert moto_ports.waiting("wake").visible == [wakes[1]]


def test_what_is_not_taken_twice_is_an_error_after_the_rest_of_its_batch(moto_ports: AwsPorts) -> None:
    wakes = [Wake(pending_id=str(number)) for number in range(3)]
    with (
        answering(moto_ports.clients.sqs, "SendMessageBatch", [failed(0, 2), failed(2)]),
        pytest.raises(NotQueuedError, match="InternalError"),
    ):
        moto_ports.alarms.wake(wakes)


def test_the_wake_queue_alone_can_be_had_without_the_alarms(moto_ports: AwsPorts) -> None:
    queue = SqsWakeQueue(moto_ports.clients, queue_url=moto_ports.installation.queue_urls["wake"])
    queue.wake([Wake(pending_id="p1")])
    assert moto_ports.waiting("wake") == Waiting([Wake(pending_id="p1")])


def test_what_must_be_looked_at_again_comes_back_when_told(moto_ports: AwsPorts) -> None:
    parcel = Parcel(message_id=MAIL, profile_id=ANNA, version=1)
    moto_ports.queues.enqueue([parcel])
    url = moto_ports.installation.queue_urls["marketing"]
    (received,) = moto_ports.clients.sqs.receive_message(QueueUrl=url, VisibilityTimeout=300)["Messages"]
    assert moto_ports.waiting("marketing").visible == []
    look_again(moto_ports.clients, url, received["ReceiptHandle"], 0)
    assert moto_ports.waiting("marketing").visible == [parcel]


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 429), ("ServiceQuotaExceededException", 402), ("InternalServerException", 500)],
)
def test_what_scheduler_cannot_take_now_is_left_to_the_sweep(moto_ports: AwsPorts, code: str, status: int) -> None:
    """The commit that follows must not fail for it: the deadline is in its index, and the sweep rings."""
    with failing(moto_ports.clients.scheduler, "CreateSchedule", code, status=status) as refused:
        moto_ports.alarms.ring(ANNA, START + timedelta(hours=1), START)
    assert refused.count == 1
    assert moto_ports.schedules() == {}
    assert moto_ports.waiting("wake") == Waiting([])


def test_a_mistake_of_ours_with_scheduler_comes_through(moto_ports: AwsPorts) -> None:
    client = moto_ports.clients.scheduler
    with failing(client, "CreateSchedule", "ValidationException"), pytest.raises(client.exceptions.ValidationException):
        moto_ports.alarms.ring(ANNA, START + timedelta(hours=1), START)
