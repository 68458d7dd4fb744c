"""The logs of all functions at once, by CloudWatch Logs Insights, for a tool on a laptop. No function uses this."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from rekindle.aws.stack import is_of
from rekindle.domain.errors import RekindleError

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

#: StartQuery takes so many groups, and gives so many lines unless it is asked for more ("CloudWatch Logs quotas").
_GROUPS, _LINES = 50, 1000
_EVERY_SECONDS, _LOOKS = 0.5, 240
_UNDER_WAY = frozenset({"Scheduled", "Running"})


class LogLine(Struct, frozen=True):
    """One line that a function of ours has written: when (UTC), and its keys."""

    at: datetime
    said: Mapping[str, Any]


class LogsError(RekindleError):
    """The logs cannot be read, or not in time."""


class FunctionLogs:
    """The log groups of a stack's functions: those of which `prefix` and a function's name are the whole name."""

    def __init__(self, clients: Clients, prefix: str) -> None:
        self._logs: Any = clients.session.create_client("logs", endpoint_url=clients.endpoint_url)
        self._prefix = prefix

    def lines(self, wanted: Sequence[str], since: datetime, until: datetime) -> Iterator[LogLine]:
        """Yield the lines between these moments that hold one of the words (letters and digits), oldest first.

        What is scanned costs half a cent for each GB. Raises `LogsError`.
        """
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._prefix)
        named = (group["logGroupName"] for page in pages for group in page["logGroups"])
        groups = [name for name in named if is_of(self._prefix.removesuffix("-"), name)]
        if not groups:
            raise LogsError(f"there is no log group that begins with {self._prefix}")
        query = f"fields @timestamp, @message | filter @message like /{'|'.join(wanted)}/ | sort @timestamp asc"
        started = self._logs.start_query(
            logGroupNames=groups[:_GROUPS],
            startTime=int(since.timestamp()),
            endTime=int(until.timestamp()) + 1,
            queryString=query,
            limit=_LINES,
        )
        for row in self._results(started["queryId"]):
            fields = {field["field"]: field["value"] for field in row}
            at = datetime.fromisoformat(fields["@timestamp"].replace(" ", "T")).replace(tzinfo=UTC)
            for text in fields["@message"].splitlines():
                said = _read(text)
                if said and any(word in text for word in wanted):
                    yield LogLine(at, said)

    def _results(self, query: str) -> list[list[dict[str, str]]]:
        for _ in range(_LOOKS):
            answer = self._logs.get_query_results(queryId=query)
            if answer["status"] not in _UNDER_WAY:
                break
            time.sleep(_EVERY_SECONDS)
        if answer["status"] != "Complete":
            raise LogsError(f"the query in the logs is {answer['status'].lower()}: paste it in CloudWatch instead")
        results: list[list[dict[str, str]]] = answer["results"]
        return results


def _read(text: str) -> dict[str, Any]:
    """Return the keys of a line; of what is no JSON none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
