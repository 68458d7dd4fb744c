"""`rekindle replay`: read the stored webhooks of a deployed shop again."""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from rekindle.aws.archive import DynamoArchive
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.cli.events import as_json, shown
from rekindle.cli.options import STACK, Moment
from rekindle.service.replay import Replay, Replayed

_QUIET = ("same",)


@click.command()
@STACK
@click.option("--shop", required=True, help="The shop's id.")
@click.option("--since", type=Moment(), help="Only what was received at this moment (UTC) or later.")
@click.option("--until", type=Moment(), help="Only what was received before this moment (UTC).")
@click.option("--topic", help="Only this topic. Privacy requests are accepted only when their topic is named here.")
@click.option("--dry-run", is_flag=True, help="Show what differs, and accept nothing.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, with the events as they are read now.")
def replay(
    *,
    stack: str,
    shop: str,
    since: datetime | None,
    until: datetime | None,
    topic: str | None,
    dry_run: bool,
    machine: bool,
) -> None:
    """Read a shop's stored webhooks again with this checkout's code, and tell anew what is now read differently.

    Use it after an update has learnt a topic or mended a misreading: run it with --dry-run first. Every stored body is
    read again and compared with the events that it gave when it came; what was added or changed is accepted as a new
    delivery and applied like any other. Facts are upserts and ids come from the content, so a second run changes
    nothing. What is no longer told is shown, and cannot be taken back.

    It reads the whole Deliveries table, whatever the options say: count on one read unit for each 8 KB stored. Account,
    region and endpoint come from the environment, as for the AWS CLI.
    """
    counts: Counter[str] = Counter()
    types: dict[str, Counter[str]] = defaultdict(Counter)
    listed: list[dict[str, Any]] = []
    with explained():
        service = _connect(stack)
        found = service.run(shop, since=since, until=until, topic=topic, dry_run=dry_run)
        with _progress(found) as replayed:
            for each in replayed:
                counts[each.outcome] += 1
                for difference in each.differences:
                    types[difference.type][difference.what] += 1
                if each.outcome in _QUIET:
                    continue
                if machine:
                    listed.append(_as_data(each))
                else:
                    click.echo(_as_line(each))
    summary = {"read": counts.total(), **counts}
    if machine:
        types_seen = {kind: dict(what) for kind, what in sorted(types.items())}
        click.echo(as_json({"summary": summary, "types": types_seen, "deliveries": listed}).encode())
        return
    for kind, what in sorted(types.items()):
        click.echo(f"{kind}: {', '.join(f'{number} {name}' for name, number in sorted(what.items()))}")
    click.echo(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in summary.items()))


def _connect(stack: str) -> Replay:
    clients = Clients()
    deployed = read_stack(clients, stack)
    raw_bucket = deployed.output("RawBucketName")
    return Replay(
        archive=DynamoArchive(clients, deployed.tables, raw_bucket=raw_bucket),
        intake=DynamoIntake(clients, deployed.tables, raw_bucket=raw_bucket),
        secrets=CachedSecrets(clients, deployed.output("SecretsPrefix")),
        clock=clock_for(os.environ.get("CLOCK_OFFSET_FILE")),
    )


@contextmanager
def _progress(found: Iterable[Replayed]) -> Iterator[Iterable[Replayed]]:
    """Show on a terminal how many have been read. How many there will be nobody knows before the table is read."""
    if not sys.stderr.isatty():
        yield found
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed} deliveries read"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress.track(found, total=None)


def _as_line(each: Replayed) -> str:
    told = "; ".join(
        f"{difference.what} {difference.type}" + (f" ({', '.join(difference.fields)})" if difference.fields else "")
        for difference in each.differences
    )
    head = f"{each.received_at:%Y-%m-%dT%H:%M:%SZ} {each.topic} {each.delivery_id}: {each.outcome.replace('_', ' ')}"
    return f"{head}: {told}" if told else head


def _as_data(each: Replayed) -> dict[str, Any]:
    return {
        "id": each.delivery_id,
        "topic": each.topic,
        "received_at": each.received_at,
        "outcome": each.outcome,
        "differences": [
            {
                "what": difference.what,
                "type": difference.type,
                "fields": difference.fields,
                "event": None if difference.event is None else shown(difference.event),
            }
            for difference in each.differences
        ],
    }
