"""What simulating and exporting read of a deployed stack: its stored events, and what it has published."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from rekindle.aws.archive import DynamoArchive
from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.stack import explained, read_stack
from rekindle.flow.program import Playbook
from rekindle.service.library import Library

_TOLD_EVERY = 200


class Deployed:
    """A stack, by its name. Account, region and endpoint come from the environment, as for the AWS CLI.

    Its methods raise `StackError` where AWS refuses, and change nothing.
    """

    def __init__(self, stack: str) -> None:
        with explained():
            self._clients = Clients()
            self._stack = read_stack(self._clients, stack)

    def playbook(self) -> Playbook:
        """Return what is published now; an empty one before the first publish."""
        with explained():
            blobs = S3Blobs(self._clients, self._stack.output("ContentBucketName"))
            return Library(blobs, clock_for(os.environ.get("CLOCK_OFFSET_FILE"))).newest()

    def write_events(
        self,
        path: Path,
        shop: str,
        until: datetime | None,
        progress: Callable[[str, int, int], None],
        since: datetime | None = None,
    ) -> int:
        """Write the shop's stored events to a file, one a line, in no order; return how many.

        It reads the whole Deliveries table, whatever is wanted of it.
        """
        count = 0
        with explained(), path.open("wb") as out:
            archive = DynamoArchive(self._clients, self._stack.tables, raw_bucket=self._stack.output("RawBucketName"))
            for number, delivery in enumerate(archive.deliveries(shop, since, until)):
                if not number % _TOLD_EVERY:
                    progress("fetching", number, 0)
                for event in delivery.events:
                    out.write(msgspec.json.encode(event) + b"\n")
                    count += 1
        return count
