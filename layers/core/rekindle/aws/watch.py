"""What a tool on a laptop asks beside: who is told of alarms, and when a shop's older secret last signed anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from rekindle.aws.items import code_of

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

#: What the webhook function writes beside a webhook that the older of two secrets has signed.
OLD_SECRET = "old_secret"  # noqa: S105 - the name of a field
_PENDING = frozenset({"PendingConfirmation", "Deleted"})


def alarm_receivers(clients: Clients, topic: str) -> tuple[int, int]:
    """Return how many subscriptions of the alarm topic are confirmed, and how many wait to be."""
    sns: Any = clients.session.create_client("sns", endpoint_url=clients.endpoint_url)
    confirmed = waiting = 0
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
        for found in page.get("Subscriptions", ()):
            pending = found.get("SubscriptionArn") in _PENDING
            confirmed, waiting = confirmed + (not pending), waiting + pending
    return confirmed, waiting


class WebhookLog:
    """`service.rotating.OldSecrets`, from the log of the webhook function."""

    def __init__(self, clients: Clients, stack: str) -> None:
        self._clients = clients
        self._group = f"/aws/lambda/{stack}-webhook"

    def last_use(self, shop: str, since: datetime) -> datetime | None:
        """Return when the older secret last signed a webhook. Raises `LookupError` where there is no log to read."""
        logs: Any = self._clients.session.create_client("logs", endpoint_url=self._clients.endpoint_url)
        asked = {
            "logGroupName": self._group,
            "startTime": int(since.timestamp() * 1000),
            "filterPattern": f'"{OLD_SECRET}"',
        }
        newest = None
        try:
            for page in logs.get_paginator("filter_log_events").paginate(**asked):
                for found in page.get("events", ()):
                    line = _line(found.get("message", ""))
                    if line.get(OLD_SECRET) and line.get("shop") == shop:
                        newest = max(newest or 0, int(found["timestamp"]))
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                raise LookupError("the webhook function has no log") from error
            raise
        return None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)


def _line(message: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(message, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
