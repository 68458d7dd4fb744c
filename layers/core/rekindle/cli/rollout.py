"""`rekindle rollout`: how far what was published has reached everybody."""

from __future__ import annotations

import os
from time import sleep
from typing import Any

import click
import msgspec
from msgspec import Struct

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.queues import SqsFanoutQueue
from rekindle.aws.stack import Stack, explained, read_stack
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.service.fanout import SHARDS, last_pass
from rekindle.service.library import Library
from rekindle.service.passes import Passes, PassStatus, pass_status

_EVERY_SECONDS = 2.0


class _Seen(Struct, frozen=True):
    status: PassStatus | None
    due: bool
    """the published playbook asks for a pass that has not been started yet"""
    profiles: int
    """about how many there are"""


@click.command()
@STACK
@click.option("--watch", is_flag=True, help="Go on showing it until everybody is reached.")
@click.option("--start", is_flag=True, help="Begin anew first, whether there is reason to or not.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def rollout(*, stack: str, watch: bool, start: bool, machine: bool) -> None:
    """Show how far what was published has reached everybody.

    Publishing segments, dates or questions about the past that are new starts one pass over all profiles, in parts,
    about two minutes later; it goes on from where it was after any failure. --start begins one by hand: it does no
    harm, and whoever is up to date already is not written. Account, region and endpoint come from the environment, as
    for the AWS CLI.
    """
    if watch and machine:
        raise click.UsageError("--watch is for people, --json for programs: choose one")
    with explained():
        there = _Installation(Clients(), stack)
        if start:
            there.start()
        if machine:
            click.echo(as_json(_as_data(there.look())).encode())
        elif watch:
            _watch(there)
        else:
            _show(there.look())


class _Installation:
    """A deployed stack, as far as this command looks at it."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._clients = clients
        self._stack: Stack = read_stack(clients, name)
        self._blobs = S3Blobs(clients, self._stack.output("ContentBucketName"))
        self._clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))
        self._library = Library(self._blobs, self._clock)

    def start(self) -> None:
        last, _ = last_pass(self._blobs)
        Passes(
            blobs=self._blobs,
            library=self._library,
            queue=SqsFanoutQueue(self._clients, queue_url=self._stack.output("FanoutQueueUrl")),
            clock=self._clock,
            shards=last.shards if last is not None else SHARDS,
        ).start()

    def look(self) -> _Seen:
        status = pass_status(self._blobs)
        shape = self._library.newest().shape
        table = self._clients.dynamodb.describe_table(TableName=self._stack.tables.profiles)["Table"]
        return _Seen(
            status=status,
            due=shape != (status.newest.shape if status is not None else ""),
            profiles=table.get("ItemCount", 0),
        )


def _watch(there: _Installation) -> None:
    from rich.live import Live

    with Live(_drawn(there.look()), auto_refresh=False) as live:
        while True:
            seen = there.look()
            live.update(_drawn(seen), refresh=True)
            if not seen.due and (seen.status is None or seen.status.done):
                return
            sleep(_EVERY_SECONDS)


def _show(seen: _Seen) -> None:
    from rich.console import Console

    click.echo(_headline(seen))
    if seen.status is not None:
        Console().print(_bars(seen, seen.status))


def _drawn(seen: _Seen) -> Any:
    from rich.console import Group

    return _headline(seen) if seen.status is None else Group(_headline(seen), _bars(seen, seen.status))


def _bars(seen: _Seen, status: PassStatus) -> Any:
    """Return a bar for each part and one for all."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    known = {shard.shard: shard for shard in status.shards}
    share = max(1, seen.profiles // status.newest.shards)
    reached = expected = 0
    for number in range(status.newest.shards):
        shard = known.get(number)
        woken, done = (shard.woken, shard.done) if shard is not None else (0, False)
        # How many there are is an estimate, and some are left out: only a part that is through fills its bar.
        total = max(woken, 1) if done else max(share, woken + 1)
        reached, expected = reached + (total if done else woken), expected + total
        bar = ProgressBar(total=total, completed=total if done else woken, width=40)
        table.add_row(f"part {number + 1}", bar, f"{woken:,}", "done" if done else "…" if woken else "")
    table.add_row("all", ProgressBar(total=expected, completed=reached, width=40), f"{status.woken:,}", "")
    return table


def _headline(seen: _Seen) -> str:
    status = seen.status
    due = "What is published has not begun to reach everybody: it does within a minute." if seen.due else ""
    if status is None:
        return due or "Nothing that was published has had to reach everybody yet."
    newest = status.newest
    how_far = (
        "has reached everybody"
        if status.done
        else f"is on its way: {status.shards_done} of {newest.shards} parts are through"
    )
    told = f"What went live as {newest.hash[:8]} ({newest.started_at:%Y-%m-%d %H:%M} UTC) {how_far}."
    return f"{told}\n{due}" if due else told


def _as_data(seen: _Seen) -> dict[str, Any]:
    status = seen.status
    if status is None:
        return {"due": seen.due, "pass": None}
    return {
        "due": seen.due,
        "pass": msgspec.to_builtins(status.newest),
        "done": status.done,
        "woken": status.woken,
        "shards_done": status.shards_done,
        "shards": [msgspec.to_builtins(shard) for shard in status.shards],
    }
