"""`rekindle redrive`: look at what functions gave up on, and put it back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import partial

import click
import msgspec

from rekindle.aws.alarms import SqsWakeQueue
from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.dead_letters import SqsDeadLetters, dead_letter_queues
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import Stack, explained, read_stack
from rekindle.aws.state import DynamoState
from rekindle.cli.options import STACK
from rekindle.ports import Clock
from rekindle.service.feedback import take_any
from rekindle.service.guard import Guard
from rekindle.service.library import Library
from rekindle.service.redrive import PENDING, Redrive, Redriven, Selected, choices, redrive_pending


@click.command()
@STACK
@click.option("--queue", required=True, metavar="NAME", help="wake, marketing, transactional, feedback … or pending.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only what has this id or is about it; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("--dry-run", is_flag=True, help="Only show what lies there.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, one object a line.")
def redrive(*, stack: str, queue: str, ids: tuple[str, ...], limit: int | None, dry_run: bool, machine: bool) -> None:
    """Put dead letters back on the queue that they came from, all or those that you name.

    Of each it shows its id, what it is about (ids, never addresses), how often it was received, how old it is, and why
    it lies there where that is known; the log of the function says more. `pending` are the accepted events that the
    sweep has stopped trying: their tries begin anew. What lies in `feedback` has no queue to go back to and is taken
    here and now. Everything may be done twice: a letter is deleted only after its copy is queued. Mend the cause first.
    Account, region and endpoint come from the environment, as for the AWS CLI.
    """
    selected = Selected(frozenset(ids), limit)
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))
        done: Counter[str] = Counter()
        for each in _redriven(clients, deployed, clock, queue, selected, dry_run=dry_run):
            done[each.done] += 1
            click.echo(msgspec.json.encode(each) if machine else line(each, clock.now()))
    if not machine:
        click.echo(", ".join(f"{count} {how}" for how, count in sorted(done.items())) or "nothing lies there")


def line(each: Redriven, now: datetime) -> str:
    """Return one letter as a line to read."""
    about = " ".join(f"{name}={value}" for name, value in each.about.items())
    parts = [each.id, about, f"received {each.received} times"]
    if each.sent_at is not None:
        parts.append(f"{_age(now, each.sent_at)} old")
    return "  ".join([*filter(None, (*parts, each.why)), each.done])


def _redriven(
    clients: Clients, stack: Stack, clock: Clock, queue: str, selected: Selected, *, dry_run: bool
) -> Iterator[Redriven]:
    tables, raw_bucket = stack.tables, stack.output("RawBucketName")
    letters = SqsDeadLetters(clients, dead_letter_queues(stack))
    if queue not in choices(letters):
        raise click.ClickException(f"there is no queue {queue}; there are {', '.join(sorted(choices(letters)))}")
    if queue == PENDING:
        return redrive_pending(
            selected,
            state=DynamoState(clients, tables, raw_bucket=raw_bucket),
            wakes=SqsWakeQueue(clients, queue_url=stack.output("WakeQueueUrl")),
            clock=clock,
            dry_run=dry_run,
        )
    library = Library(S3Blobs(clients, stack.output("ContentBucketName")), clock)
    taken = partial(
        take_any,
        outbox=DynamoOutbox(clients, tables),
        intake=DynamoIntake(clients, tables, raw_bucket=raw_bucket),
        clock=clock,
        address_key=CachedSecrets(clients, stack.output("SecretsPrefix")).address_key() if queue == "feedback" else b"",
        guard=Guard(counters=DynamoCounters(clients, tables), clock=clock),
        shops=library.shops,
    )
    return Redrive(letters=letters, take=taken).run(queue, selected, dry_run=dry_run)


def _age(now: datetime, then: datetime) -> str:
    minutes = max(0, int((now - then).total_seconds()) // 60)
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 72 else f"{hours // 24} days"  # noqa: PLR2004 - three days
