"""The dead-letter queues, for the tools that look into them and put back what lies there. No function uses this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from rekindle.aws.queues import send_all
from rekindle.ports import DeadLetter

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.stack import Stack

#: What is held longer comes back by itself: long enough to show a few thousand and put them back.
_HELD_SECONDS = 300
_DEPTH: Any = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_ASKED: Any = ("ApproximateReceiveCount", "SentTimestamp")


class Pair(Struct, frozen=True):
    """A dead-letter queue, and the queue that its messages come from (empty: a function was called without one)."""

    dead: str
    source: str = ""


def dead_letter_queues(stack: Stack) -> dict[str, Pair]:
    """Return name → URLs of every dead-letter queue that the stack's outputs name."""
    dead = {
        output.removesuffix("DeadQueueUrl"): url
        for output, url in stack.outputs.items()
        if output.endswith("DeadQueueUrl")
    }
    return {name.lower(): Pair(url, stack.outputs.get(f"{name}QueueUrl", "")) for name, url in sorted(dead.items())}


class SqsDeadLetters:
    """`ports.DeadLetters`."""

    def __init__(self, clients: Clients, queues: Mapping[str, Pair]) -> None:
        self._clients = clients
        self._queues = queues

    def names(self) -> Sequence[str]:
        """Return the names."""
        return tuple(self._queues)

    def depth(self, queue: str) -> int:
        """Return about how many messages lie there."""
        answer = self._clients.sqs.get_queue_attributes(QueueUrl=self._queues[queue].dead, AttributeNames=_DEPTH)
        return sum(int(answer["Attributes"].get(name, 0)) for name in _DEPTH)

    def receive(self, queue: str, limit: int = 10) -> Sequence[DeadLetter]:
        """Hold messages. It waits a second for them: an answer at once may be empty though some are there."""
        answer = self._clients.sqs.receive_message(
            QueueUrl=self._queues[queue].dead,
            MaxNumberOfMessages=limit,
            VisibilityTimeout=_HELD_SECONDS,
            WaitTimeSeconds=1,
            AttributeNames=_ASKED,
        )
        return [
            DeadLetter(
                id=message["MessageId"],
                body=message["Body"],
                sent_at=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1_000, UTC),
                received=int(message["Attributes"]["ApproximateReceiveCount"]),
                receipt=message["ReceiptHandle"],
            )
            for message in answer.get("Messages", ())
        ]

    def put_back(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Send them anew."""
        source = self._queues[queue].source
        if not source:
            raise ValueError(f"what lies in the dead-letter queue of {queue} comes from no queue")
        if not source.endswith(".fifo"):
            send_all(self._clients.sqs, source, [letter.body for letter in letters], 0)
            return
        for letter in letters:
            # One group, as the template has it; the queue's own deduplication makes a repeat harmless.
            self._clients.sqs.send_message(
                QueueUrl=source,
                MessageBody=letter.body,
                MessageGroupId="content",
                MessageDeduplicationId=f"redrive-{letter.id}",
            )

    def delete(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Delete them; one that somebody else holds by now stays."""
        entries: Any = [{"Id": str(place), "ReceiptHandle": each.receipt} for place, each in enumerate(letters)]
        if entries:
            self._clients.sqs.delete_message_batch(QueueUrl=self._queues[queue].dead, Entries=entries)

    def release(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        """Let them be received again."""
        for start in range(0, len(letters), 10):
            chunk = letters[start : start + 10]
            entries: Any = [
                {"Id": str(place), "ReceiptHandle": each.receipt, "VisibilityTimeout": 0}
                for place, each in enumerate(chunk)
            ]
            self._clients.sqs.change_message_visibility_batch(QueueUrl=self._queues[queue].dead, Entries=entries)
