"""`ports.Survey` and `State.reset_tries`, in RAM, on moto and on MiniStack; the dead-letter queues on MiniStack."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rekindle.aws.dead_letters import Pair, SqsDeadLetters, dead_letter_queues
from rekindle.aws.stack import Stack
from rekindle.domain import ids
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.ports import Commit, DeadLetter
from tests.support.things import a_delivery, a_message, a_profile
from tests.support.worlds import START, AwsPorts, Ports

NAMES = [f"{number:032x}" for number in range(7)]


def test_every_profile_is_seen_once_with_signposts_and_tombstones(ports: Ports) -> None:
    for name in NAMES:
        ports.state.commit(Commit(profile=a_profile(profile_id=name)))
    ports.put_signpost("s" * 32, NAMES[0])
    ports.vault.bury("b" * 32, Tombstone(erased_at=START, shop="tea"), None)
    assert ports.survey.size() == 9
    found: list[tuple[str, Any]] = []
    looked, cursor = 0, None
    for _ in range(20):
        page = ports.survey.profiles(cursor, limit=2)
        found += page.profiles
        looked += page.looked_at
        cursor = page.cursor
        if cursor is None:
            break
    assert looked == 9
    kinds = {name: type(each) for name, each in found}
    assert kinds == {**dict.fromkeys(NAMES, Profile), "s" * 32: Signpost, "b" * 32: Tombstone}


def test_messages_are_seen_by_when_they_were_attempted(ports: Ports) -> None:
    for number in range(6):
        message = a_message(message_id=ids.digest(f"m{number}"), leased_at=START + timedelta(hours=number))
        ports.outbox.record(message)
    found, cursor = set(), None
    for _ in range(20):
        page = ports.survey.attempted(START + timedelta(hours=3), cursor, limit=2)
        found |= {message.id for message in page.messages}
        cursor = page.cursor
        if cursor is None:
            break
    assert found == {ids.digest(f"m{number}") for number in (3, 4, 5)}


def test_tries_begin_anew_and_what_is_gone_stays_gone(ports: Ports) -> None:
    delivery = a_delivery()
    ports.intake.accept(delivery)
    for _ in range(5):
        ports.state.count_try(delivery.id)
    assert ports.state.reset_tries(delivery.id)
    pending = ports.state.pending(delivery.id)
    assert pending is not None
    assert pending.tries == 0
    assert not ports.state.reset_tries("gone")
    assert ports.state.pending("gone") is None


# --- dead letters ----------------------------------------------------------------------------------------------------


@pytest.fixture
def letters(ministack_ports: AwsPorts) -> tuple[SqsDeadLetters, dict[str, Pair], Any]:
    """Three pairs of queues: an ordinary one, one in order, and one without a source."""
    sqs, prefix = ministack_ports.clients.sqs, ministack_ports.installation.prefix
    fifo: Any = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}

    def made(name: str, attributes: Any = None) -> str:
        return sqs.create_queue(QueueName=f"{prefix}-{name}", Attributes=attributes or {})["QueueUrl"]

    pairs = {
        "wake": Pair(made("w-dead"), made("w")),
        "publish": Pair(made("p-dead.fifo", fifo), made("p.fifo", fifo)),
        "feedback": Pair(made("f-dead")),
    }
    return SqsDeadLetters(ministack_ports.clients, pairs), pairs, sqs


def all_of(letters: SqsDeadLetters, queue: str) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    while batch := letters.receive(queue):
        found += batch
    return found


def test_letters_are_held_put_back_and_deleted(letters: tuple[SqsDeadLetters, dict[str, Pair], Any]) -> None:
    tool, pairs, sqs = letters
    for number in range(12):
        sqs.send_message(QueueUrl=pairs["wake"].dead, MessageBody=f"body {number}")
    assert tool.depth("wake") == 12
    held = all_of(tool, "wake")
    assert {letter.body for letter in held} == {f"body {number}" for number in range(12)}
    assert {letter.received for letter in held} == {1}
    assert len({letter.id for letter in held}) == 12
    assert tool.depth("wake") == 12
    tool.put_back("wake", held[:5])
    tool.delete("wake", held[:5])
    tool.release("wake", held[5:])
    assert {letter.id for letter in all_of(tool, "wake")} == {letter.id for letter in held[5:]}
    back = sqs.receive_message(QueueUrl=pairs["wake"].source, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in back} == {letter.body for letter in held[:5]}


def test_a_queue_in_order_takes_a_repeat_for_what_it_is(letters: tuple[SqsDeadLetters, dict[str, Pair], Any]) -> None:
    tool, pairs, sqs = letters
    sqs.send_message(QueueUrl=pairs["publish"].dead, MessageBody="an upload", MessageGroupId="content")
    (held,) = tool.receive("publish")
    for _ in range(2):
        tool.put_back("publish", [held])
    tool.delete("publish", [held])
    back = sqs.receive_message(QueueUrl=pairs["publish"].source, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in back] == ["an upload"]
    assert tool.depth("publish") == 0


def test_what_has_no_queue_to_go_back_to_is_not_put_anywhere(
    letters: tuple[SqsDeadLetters, dict[str, Pair], Any],
) -> None:
    tool, _, _ = letters
    with pytest.raises(ValueError, match="no queue"):
        tool.put_back("feedback", [])


def test_the_queues_are_those_of_the_stacks_outputs() -> None:
    outputs = {"WakeDeadQueueUrl": "wd", "WakeQueueUrl": "w", "FeedbackDeadQueueUrl": "fd", "ApiUrl": "a"}
    assert dead_letter_queues(Stack(outputs)) == {"feedback": Pair("fd"), "wake": Pair("wd", "w")}
