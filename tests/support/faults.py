"""Failures of AWS at will, through botocore's own event hooks: answers made up, requests lost, answers lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Literal

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from rekindle.aws.clients import Clients

Loss = Literal["request", "answer"]


class Count:
    """How often something happened."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def answering(client: Any, operation: str, answers: Sequence[tuple[int, dict[str, Any]]]) -> Iterator[Count]:
    """Answer the next calls of an operation with these (status, parsed body), without sending anything."""
    left = list(answers)
    count = Count()

    def answer(**_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        if not left:
            return None
        count.count += 1
        status, parsed = left.pop(0)
        metadata = {"HTTPStatusCode": status, "RetryAttempts": 0}
        return AWSResponse("", status, HTTPHeaders(), None), {"ResponseMetadata": metadata, **parsed}

    event = f"before-call.*.{operation}"
    client.meta.events.register(event, answer)
    try:
        yield count
    finally:
        client.meta.events.unregister(event, answer)


def failing(client: Any, operation: str, code: str, *, status: int = 400, times: int = 1) -> Any:
    """Answer the next calls of an operation with this error."""
    return answering(client, operation, [(status, {"Error": {"Code": code, "Message": "as told"}})] * times)


def refuse_transactions(clients: Clients, codes: Sequence[str], *, times: int) -> Any:
    """Cancel the next transactions for these reasons."""
    reasons = [{"Code": code} for code in codes]
    error = {"Error": {"Code": "TransactionCanceledException", "Message": "as told"}, "CancellationReasons": reasons}
    return answering(clients.dynamodb, "TransactWriteItems", [(400, error)] * times)


@contextmanager
def throttling(client: Any, operation: str, *, after: int) -> Iterator[Count]:
    """Throttle every attempt at an operation, retries included, but the first `after`."""
    count = Count()

    def throttle(request: Any, **_: Any) -> AWSResponse | None:
        count.count += 1
        if count.count <= after:
            return None
        return _throttled(request)

    event = f"before-send.*.{operation}"
    client.meta.events.register_last(event, throttle)
    try:
        yield count
    finally:
        client.meta.events.unregister(event, throttle)


@contextmanager
def throttling_first(
    client: Any, operation: str, attempts: int, code: str = "ThrottlingException", reasons: Sequence[str] = ()
) -> Iterator[Count]:
    """Throttle the first `attempts` at an operation, retries included, and let the others pass.

    Or answer them with another error of DynamoDB's; of a transaction that is cancelled, with these reasons.
    """
    count = Count()

    def throttle(request: Any, **_: Any) -> AWSResponse | None:
        if count.count == attempts:
            return None
        count.count += 1
        return _throttled(request, code, reasons)

    event = f"before-send.*.{operation}"
    client.meta.events.register_last(event, throttle)
    try:
        yield count
    finally:
        client.meta.events.unregister(event, throttle)


def _throttled(request: Any, code: str = "ThrottlingException", reasons: Sequence[str] = ()) -> AWSResponse:
    """Return what AWS's JSON services answer above their rate."""
    said: dict[str, Any] = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "as told"}
    if reasons:
        said["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    body = json.dumps(said).encode()
    headers = HTTPHeaders.from_dict({"Content-Type": "application/x-amz-json-1.0"})
    return AWSResponse(request.url, 400, headers, _Raw(body))


class _Raw(BytesIO):
    """A body as `AWSResponse` reads it."""

    def stream(self) -> Iterator[bytes]:
        """Return all of it."""
        yield self.read()


@contextmanager
def losing(client: Any, operation: str, loss: Loss, *, attempts: int) -> Iterator[Count]:
    """Lose the next attempts at an operation, retries included: the request before it arrives, or the answer to it.

    With `answer` the request is really sent and carried out. Either way botocore sees a read time-out.
    """
    count = Count()

    def lose(request: Any, **_: Any) -> None:
        if count.count >= attempts:
            return
        count.count += 1
        if loss == "answer":
            sender = URLLib3Session()
            try:
                sender.send(request).content  # noqa: B018 - reads the answer, so that the request is over
            finally:
                sender.close()
        raise ReadTimeoutError(endpoint_url=request.url)

    event = f"before-send.*.{operation}"
    client.meta.events.register_first(event, lose)
    try:
        yield count
    finally:
        client.meta.events.unregister(event, lose)


def without_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore retry at once."""

    class Sleepless:
        """Stands in for `time` in botocore's endpoint."""

        @staticmethod
        def sleep(_seconds: float) -> None:
            """Return at once."""

    monkeypatch.setattr(botocore.endpoint, "time", Sleepless)
