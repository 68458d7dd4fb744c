"""`rekindle reputation`: a shop's bounce and complaint rates, whether it is paused, and the word that resumes it."""

from __future__ import annotations

import os
from typing import Any

import click
import msgspec
from msgspec import Struct

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.stack import explained, read_stack
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.ports import Outbox, Pause
from rekindle.service.guard import Guard, Limits, Rates, told_of, word_of
from rekindle.service.library import Library


class _Standing(Struct, frozen=True):
    shop: str
    rates: tuple[Rates, ...]
    pause: Pause | None
    word: str
    """what became of the mail that tells the shop of it"""


@click.command()
@STACK
@click.option("--shop", help="Only this shop.")
@click.option("--resume", "resumes", is_flag=True, help="End the pause of --shop: on the shop's word, not before.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def reputation(*, stack: str, shop: str | None, resumes: bool, machine: bool) -> None:
    """Show the bounce and complaint rates of the shops, and whether their marketing is paused because of them.

    Marketing mails of a shop are paused by themselves where 5 % of its mails bounce or 0.1 % are complained about:
    there SES begins to review the account. --resume lets them go on, within a quarter of an hour, and its rates begin
    anew. Account, region and endpoint come from the environment, as for the AWS CLI.
    """
    if resumes and shop is None:
        raise click.UsageError("--resume needs --shop")
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))
        counters = DynamoCounters(clients, deployed.tables)
        shops = Library(S3Blobs(clients, deployed.output("ContentBucketName")), clock).newest().shops
        if shop is not None and shop not in shops:
            raise click.ClickException(f"no shop {shop} is published")
        guard, outbox = Guard(counters=counters, clock=clock), DynamoOutbox(clients, deployed.tables)
        if resumes and shop is not None:
            guard.resume(shop)
        found = [_standing(name, guard, outbox) for name in ([shop] if shop else sorted(shops))]
    if machine:
        click.echo(as_json([_as_data(standing) for standing in found]).encode())
        return
    for standing in found:
        click.echo(_told(standing))


def _standing(shop: str, guard: Guard, outbox: Outbox) -> _Standing:
    pause = guard.pause_of(shop)
    word = told_of(pause, outbox.message(word_of(pause))) if pause is not None else ""
    return _Standing(shop, guard.rates(shop), pause, word)


def _told(standing: _Standing) -> str:
    limits = Limits()
    lines = [standing.shop]
    for rates in standing.rates:
        tally = rates.tally
        lines.append(
            f"  {rates.window}: {tally.sent:,} mails, {tally.bounced:,} hard bounces ({rates.bounces:.1%}, limit "
            f"{limits.bounces:.0%}), {tally.complained:,} complaints ({rates.complaints:.2%}, limit "
            f"{limits.complaints:.1%})"
        )
    pause = standing.pause
    lines.append(f"  paused since {pause.since:%Y-%m-%d %H:%M} UTC: {pause.why}" if pause else "  not paused")
    if standing.word:
        lines.append(f"  {standing.word}")
    return "\n".join(lines)


def _as_data(standing: _Standing) -> dict[str, Any]:
    return {
        "shop": standing.shop,
        "rates": {
            rates.window: {
                **{name: getattr(rates.tally, name) for name in rates.tally.__struct_fields__},
                "bounce_rate": rates.bounces,
                "complaint_rate": rates.complaints,
            }
            for rates in standing.rates
        },
        "pause": msgspec.to_builtins(standing.pause) if standing.pause else None,
        "word": standing.word or None,
    }
