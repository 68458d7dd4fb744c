"""`rekindle reconcile`: looks now for what a shop has and no webhook brought, and applies it."""

from __future__ import annotations

import os
from datetime import datetime

import click
import msgspec

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.bulk import DynamoBulkIntake
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.known import DynamoKnown
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK, Moment
from rekindle.outside.http import Http
from rekindle.outside.lists import OutsideShopLists
from rekindle.service.reconcile import Looked, Reconciler

#: Nobody waits behind it: a page may take longer than in the function.
_BUDGET, _READ = 60.0, 30.0


@click.command()
@STACK
@click.option("--shop", required=True, help="The shop's id.")
@click.option("--since", type=Moment(), help="Look at all that was changed since then; else since the last look.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def reconcile(*, stack: str, shop: str, since: datetime | None, machine: bool) -> None:
    """Find what a shop has and no webhook brought, apply it, and say what it was.

    The stack does the same every quarter of an hour, but for the last ten minutes, which it leaves to webhooks that are
    still on their way. Orders, customers and products count as if their webhooks had come, so they may start flows, as
    far as a flow's max_age allows; for a shop's history there is `rekindle import`. It needs access to the shop's API
    in the shop's secret. Account, region and endpoint come from the environment, as for the AWS CLI.
    """
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        keys = CachedSecrets(clients, deployed.output("SecretsPrefix"))
        reconciler = Reconciler(
            lists=OutsideShopLists(keys, Http(budget=_BUDGET, read=_READ)),
            known=DynamoKnown(clients, deployed.tables),
            intake=DynamoBulkIntake(clients, deployed.tables, raw_bucket=deployed.output("RawBucketName")),
            secrets=keys,
            blobs=S3Blobs(clients, deployed.output("ContentBucketName")),
            clock=clock_for(os.environ.get("CLOCK_OFFSET_FILE")),
        )
        looked = reconciler.one(shop, since)
    if looked.how == "skipped":
        raise click.ClickException(f"{shop}: {looked.why}")
    if machine:
        click.echo(as_json(msgspec.to_builtins(looked)).encode())
        return
    for line in told(looked):
        click.echo(line)


def told(looked: Looked) -> list[str]:
    """Return what a look found, for people."""
    lines = [
        f"{one.resource[:-1]} {one.id}, changed {one.at:%Y-%m-%d %H:%M} UTC: fetched and accepted"
        for one in looked.missing
    ]
    found = f"{len(looked.missing):,} of {looked.seen:,} changes were missing"
    lines.append(found if looked.seen else "nothing was changed in the shop")
    if looked.silent:
        lines.append(f"the shop sends no webhooks of these topics any more: {', '.join(looked.silent)}")
    return lines
