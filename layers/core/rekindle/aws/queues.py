"""The send queues, those of other functions, and how a batch of messages gets onto any queue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from rekindle.domain.errors import NotQueuedError
from rekindle.domain.profile import Category
from rekindle.ports import MAX_DELAY, CatalogueTask, Look, Parcel, PrivacyTask, Reaction, ShardTask

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from rekindle.aws.clients import Clients

T = TypeVar("T")

#: SendMessageBatch takes so many.
_WAITING: Any = "ApproximateNumberOfMessages"
_BATCH = 10

_log = logging.getLogger(__name__)


class SqsSendQueues:
    """`ports.SendQueues`."""

    def __init__(self, clients: Clients, *, transactional_url: str, marketing_url: str) -> None:
        self._clients = clients
        self._urls: dict[Category, str] = {"transactional": transactional_url, "marketing": marketing_url}

    def enqueue(self, parcels: Sequence[Parcel], delay: int = 0) -> None:
        """Put each on the queue of its category."""
        for category, url in self._urls.items():
            bodies = [msgspec.json.encode(parcel).decode() for parcel in parcels if parcel.category == category]
            send_all(self._clients.sqs, url, bodies, delay)


class SqsPrivacyQueue:
    """`ports.PrivacyQueue`."""

    def __init__(self, clients: Clients, *, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def ask(self, tasks: Sequence[PrivacyTask], delay: int = 0) -> None:
        """Put these on the queue."""
        send_all(self._clients.sqs, self._queue_url, [msgspec.json.encode(task).decode() for task in tasks], delay)


class SqsCatalogueQueue:
    """`ports.CatalogueQueue`."""

    def __init__(self, clients: Clients, *, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def ask(self, tasks: Sequence[CatalogueTask], delay: int = 0) -> None:
        """Put these on the queue."""
        send_all(self._clients.sqs, self._queue_url, [msgspec.json.encode(task).decode() for task in tasks], delay)


class SqsSending:
    """`ports.Sending`."""

    def __init__(self, clients: Clients, *, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def waiting(self) -> int:
        """Return SQS's estimate."""
        return waiting(self._clients.sqs, self._queue_url)


class SqsFanoutQueue:
    """`ports.FanoutQueue`."""

    def __init__(self, clients: Clients, *, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def ask(self, tasks: Sequence[ShardTask], delay: int = 0) -> None:
        """Put these on the queue."""
        send_all(self._clients.sqs, self._queue_url, [msgspec.json.encode(task).decode() for task in tasks], delay)


class SqsReactions:
    """`ports.Reactions`."""

    def __init__(self, clients: Clients, *, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def put(self, reaction: Reaction, delay: int = 0) -> None:
        """Put it on the queue."""
        send_all(self._clients.sqs, self._queue_url, [msgspec.json.encode(reaction).decode()], delay)


class SqsPublishQueue:
    """`ports.PublishQueue`: a FIFO queue that takes equal bodies for one, in the group of the uploads themselves."""

    def __init__(self, clients: Clients, *, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def look(self, look: Look) -> None:
        """Put it on the queue."""
        body = msgspec.json.encode(look).decode()
        self._clients.sqs.send_message(QueueUrl=self._queue_url, MessageBody=body, MessageGroupId="content")


class Opened(Struct, Generic[T], frozen=True):
    """A batch as it was received."""

    messages: list[tuple[dict[str, Any], T, int]]
    """each record with what it says and how often it had been received before"""
    unreadable: list[str]
    """SQS's ids of records that are no message of ours: the queue parks them in the end"""

    @property
    def values(self) -> list[tuple[T, int]]:
        """What the messages say, each with how often it had been received before."""
        return [(said, looks) for _, said, looks in self.messages]


def opened(records: Sequence[dict[str, Any]], kind: type[T]) -> Opened[T]:
    """Return what a batch of an SQS event source (`event["Records"]`) says."""
    decoder = msgspec.json.Decoder(kind)
    found = Opened[T]([], [])
    for record in records:
        try:
            said = decoder.decode(record["body"])
        except (ValueError, RecursionError):
            _log.warning("not a message of ours, the queue parks it", extra={"sqs_message": record["messageId"]})
            found.unreadable.append(record["messageId"])
        else:
            found.messages.append((record, said, int(record["attributes"]["ApproximateReceiveCount"]) - 1))
    return found


def waiting(client: SQSClient, url: str) -> int:
    """Return about how many messages can be received now, as SQS estimates."""
    answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=[_WAITING])
    return int(answer["Attributes"][_WAITING])


def look_again(clients: Clients, url: str, receipt: str, delay: int) -> None:
    """Let a message that was received come back in `delay` seconds instead of at the end of its visibility."""
    clients.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=delay)


def send_all(client: SQSClient, url: str, bodies: Sequence[str], delay: int) -> None:
    """Put every body on the queue, `delay` seconds (at most 900) from now, ten a call.

    SendMessageBatch succeeds also when it took only some: what it did not take is sent once more, then
    `NotQueuedError`, even where the other bodies were taken.
    """
    if not 0 <= delay <= MAX_DELAY:
        raise ValueError(f"a queue delays by 0 to {MAX_DELAY} seconds, not {delay}")
    for start in range(0, len(bodies), _BATCH):
        left: list[Any] = [
            {"Id": str(place), "MessageBody": body, "DelaySeconds": delay}
            for place, body in enumerate(bodies[start : start + _BATCH])
        ]
        for _ in range(2):
            failed = {
                entry["Id"]: entry for entry in client.send_message_batch(QueueUrl=url, Entries=left).get("Failed", ())
            }
            left = [entry for entry in left if entry["Id"] in failed]
            if not left:
                break
        else:
            codes = sorted({entry["Code"] for entry in failed.values()})
            raise NotQueuedError(f"{len(left)} messages were not taken twice: {', '.join(codes)}")
