"""`rekindle trace`: from a webhook to its mails, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.function_logs import FunctionLogs, LogLine
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.aws.state import DynamoState
from rekindle.aws.vault import AwsVault
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.service.trace import Became, Chain
from rekindle.service.trace import trace as traced
from rekindle.service.wording import phrase

_UTC = ZoneInfo("UTC")
#: Before what is known first and after what is known last: the lines of a function come a little before and after.
_AROUND = timedelta(minutes=5)
#: What stands in every line, or beside it already.
_KNOWN = frozenset({"level", "location", "timestamp"})


@click.command()
@click.argument("wanted", metavar="ID")
@STACK
@click.option("--logs", "look", is_flag=True, help="Look into the logs as well: half a cent for each GB of them.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def trace(*, wanted: str, stack: str, look: bool, machine: bool) -> None:
    """Show what led to a message, or what came of a webhook.

    ID is a delivery's, as the log of `webhook` and the table Deliveries have it, or a message's, as in the log of
    `send`, in the header X-Rekindle-Message of every mail, and in `rekindle explain --json`. It prints the deliveries,
    the decisions about their runs and what became of each message; and a query for CloudWatch Logs Insights that finds
    the same chain in the logs of all functions, or with --logs what it finds. Ids only: nothing of it is personal.
    Nothing is changed. Account, region and endpoint come from the environment, as for the AWS CLI.
    """
    if not wanted.strip():
        raise click.UsageError("name a delivery or a message by its id")
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        raw_bucket, prefix = deployed.output("RawBucketName"), deployed.output("SecretsPrefix")
        chain = traced(
            wanted.strip(),
            vault=AwsVault(clients, deployed.tables, raw_bucket=raw_bucket, secrets_prefix=prefix),
            state=DynamoState(clients, deployed.tables, raw_bucket=raw_bucket),
            key=CachedSecrets(clients, prefix).address_key(),
        )
        since, until = span(chain)
        # Where the clock is ahead (`make run`), logs are older than what they tell of by as much as it is now, at most.
        ahead = clock_for(os.environ.get("CLOCK_OFFSET_FILE")).now() - datetime.now(UTC)
        logs = FunctionLogs(clients, groups(stack))
        lines = list(logs.lines(chain.ids, since - max(ahead, timedelta(0)), until)) if look else None
    if machine:
        click.echo(as_json(as_data(chain, stack, lines)))
        return
    for line in told(chain, stack, lines):
        click.echo(line)


def told(chain: Chain, stack: str, lines: Sequence[LogLine] | None = None) -> Iterator[str]:
    """Yield the chain as lines to read, and what the logs say of it, or how to find that; times are UTC."""
    yield f"{chain.shop}, profile {', '.join(chain.profiles) or 'nobody'}"
    yield ""
    for arrival in chain.arrivals:
        types = ", ".join(arrival.events) or "erased"
        yield f"{_at(arrival.received_at)}  accepted  {arrival.source} {arrival.topic} ({types})  delivery {arrival.id}"
    for step in chain.steps:
        run = f"  run {step.decision.run}" if step.decision.run else ""
        cause = f"  delivery {step.delivery_id}" if step.delivery_id else "  alarm"
        flow = f"{step.decision.flow}: " if step.decision.flow else ""
        said = phrase(step.decision, _UTC) or step.decision.what
        yield f"{_at(step.at)}  decided   {flow}{said}{run}{cause}"
    for message in chain.messages:
        yield f"{_at(message.at or message.leased_at)}  {message.state.ljust(8)}  {_about(message)}"
    yield ""
    since, until = span(chain)
    if lines is not None:
        yield f"In the logs, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC:" if lines else "Nothing in the logs."
        yield from map(_said, lines)
        return
    yield f"The same in the logs, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC, by CloudWatch Logs Insights:"
    yield f"choose all log groups that begin with {groups(stack)}, and paste"
    yield ""
    yield from (f"    {line}" for line in query(chain).splitlines())


def groups(stack: str) -> str:
    """Return how the names of all log groups of the stack's functions begin."""
    return f"/aws/lambda/{stack}-"


def query(chain: Chain) -> str:
    """Return the query that finds the chain's lines in these logs, oldest first."""
    return (
        "fields @timestamp, service, level, message, delivery_id, profile_id, message_id, why\n"
        f"| filter @message like /{'|'.join(chain.ids)}/\n"
        "| sort @timestamp asc"
    )


def span(chain: Chain) -> tuple[datetime, datetime]:
    """Return from when until when the logs of the chain are."""
    known = [
        *(arrival.received_at for arrival in chain.arrivals),
        *(step.at for step in chain.steps),
        *(at for message in chain.messages for at in (message.leased_at, message.at, message.opened_at) if at),
    ] or [datetime.now(UTC)]
    return min(known).astimezone(UTC) - _AROUND, max(known).astimezone(UTC) + _AROUND


def as_data(chain: Chain, stack: str, lines: Sequence[LogLine] | None = None) -> dict[str, Any]:
    """Return the chain as plain data."""
    return {
        "id": chain.id,
        "shop": chain.shop,
        "profiles": chain.profiles,
        "deliveries": chain.arrivals,
        "decisions": chain.steps,
        "messages": chain.messages,
        "logs": {"groups": groups(stack), "query": query(chain), "between": span(chain), "lines": lines},
    }


def _said(line: LogLine) -> str:
    said = dict(line.said)
    function, message = str(said.pop("service", "")).rpartition("-")[2], said.pop("message", "")
    about = " ".join(f"{name}={value}" for name, value in said.items() if name not in _KNOWN and value is not None)
    return f"{_at(line.at)}  {function.ljust(8)}  {message}  {about}".rstrip()


def _about(message: Became) -> str:
    parts = [message.channel, message.template or message.step, f"message {message.id}"]
    if message.vendor_id:
        parts.append(f"vendor's id {message.vendor_id}")
    if message.opened_at is not None:
        parts.append(f"opened {_at(message.opened_at)}")
    if message.clicked:
        parts.append(f"clicked {message.clicked}")
    if message.why:
        parts.append(message.why)
    return "  ".join(parts)


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if moment is not None else " " * 19
