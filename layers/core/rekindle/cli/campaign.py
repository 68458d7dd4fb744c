"""`rekindle campaign`: what goes out when and to how many; how far it has come; pause it, go on, or cancel it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.everybody import DynamoEverybody
from rekindle.aws.mailer import SesAccount
from rekindle.aws.stack import explained, read_stack
from rekindle.aws.tables import Tables
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.domain.profile import Profile
from rekindle.flow.program import Playbook
from rekindle.ports import Clock
from rekindle.service.campaigns import Campaigned, Occurrence, due, standing
from rekindle.service.costs import beside_mails, bill, forecast, total
from rekindle.service.library import Library
from rekindle.service.planning import Plan, next_occurrence, plan
from rekindle.service.prices import prices
from rekindle.service.stops import Stopping, put_stop

#: So far ahead campaigns are looked for by name, and listed unless told otherwise.
_AHEAD, _SHOWN = 370, 14

_shop = click.option("--shop", help="Which shop; needed where several have it.")
_at = click.option("--at", "occurrence", help="Which one, as the list names it: the one under way, else the next.")


@click.group()
def campaign() -> None:
    """List campaigns and what is to come; try one without sending; pause, resume or cancel one.

    A campaign is a flow whose trigger is a schedule. Account, region and endpoint come from the environment, as for the
    AWS CLI.
    """


@campaign.command("list")
@STACK
@click.option("--shop", default=None, help="Only this shop's.")
@click.option(
    "--days", type=click.IntRange(1, _AHEAD), default=_SHOWN, show_default=True, help="So far back and ahead."
)
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def listed(*, stack: str, shop: str | None, days: int, machine: bool) -> None:
    """Show which campaigns went out, are under way, and are to come."""
    with explained():
        there = _Installation.read(stack)
        now, span = there.clock.now(), timedelta(days=days)
        found = standing(there.blobs, there.book, since=now - span, now=now, until=now + span)
    found = [one for one in found if shop in (None, one.shop)]
    if machine:
        click.echo(as_json([_as_data(one) for one in found]).encode())
        return
    if not found:
        click.echo(f"No campaign went out in {days} days, and none is to come in the next {days}.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("campaign", "shop", "when", "state", "parts", "people told")
    for one in found:
        parts = f"{sum(shard.done for shard in one.shards)} of {one.started.shards}" if one.started else ""
        table.add_row(one.flow, one.shop, one.occurrence, one.state, parts, f"{one.reached:,}" if one.started else "")
    Console(width=None if os.isatty(1) else 140).print(table)


@campaign.command(short_help="Hold a campaign back for some hours.")
@click.argument("flow")
@STACK
@_shop
@_at
def pause(*, flow: str, stack: str, shop: str | None, occurrence: str | None) -> None:
    """Hold a campaign back: nobody more is reached, and what is planned waits as long as it is worth sending.

    It takes half a minute until every worker knows. Whom it has not reached within a day of its hour it does not reach
    any more (the flow's `max_age`), and a message that waits longer than its `valid_for` is skipped.
    """
    _stop(flow, stack, shop, occurrence, "paused")


@campaign.command()
@click.argument("flow")
@STACK
@_shop
@_at
def resume(*, flow: str, stack: str, shop: str | None, occurrence: str | None) -> None:
    """Let a paused campaign go on from where it stood."""
    _stop(flow, stack, shop, occurrence, None)


@campaign.command(short_help="Stop a campaign for good.")
@click.argument("flow")
@STACK
@_shop
@_at
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(*, flow: str, stack: str, shop: str | None, occurrence: str | None, yes: bool) -> None:
    """Stop a campaign for good: nobody more is reached, and whatever of it is not sent yet is skipped.

    The next one of the same flow comes as ever; to stop those, switch the flow off.
    """
    if not yes:
        click.confirm(f"Cancel {flow} for good? What is not sent yet will not be.", abort=True)
    _stop(flow, stack, shop, occurrence, "cancelled")


@campaign.command("plan", short_help="Try a campaign on everybody, without sending anything.")
@click.argument("flow")
@STACK
@_shop
@_at
@click.option("--sample", type=click.IntRange(1, 10_000), default=1, help="Look at one person in so many, and reckon.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def planned(*, flow: str, stack: str, shop: str | None, occurrence: str | None, sample: int, machine: bool) -> None:
    """Try a campaign on everybody without sending anything: how many, when, in which language, who not and why.

    The engine of production decides for each person, at the campaign's hour, on what is known now; the flow may be off.
    Other flows stand still meanwhile. The table is read page by page; of millions, --sample 100 is quick and near.
    """
    chosen, found = next_planned(stack, flow, shop, occurrence, sample)
    with explained():
        allowance = SesAccount(Clients(), patient=True).allowance()
    mails = found.channels.get("email", 0) * sample
    data = {
        "flow": chosen.flow,
        "shop": chosen.shop,
        "occurrence": chosen.name,
        "sample": sample,
        "people": found.people * sample,
        "messages": found.messages * sample,
        **{name: _times(getattr(found, name), sample) for name in ("channels", "languages", "hours", "left_out")},
        "prices_of": prices().of,
        "cost": {price.plan: price.of(mails) for price in prices().mail},
        "beside_ses": total(beside_mails(bill(forecast({"campaign": mails}), prices()))),
        "mails_a_second": allowance.rate,
        "seconds": round(mails / allowance.rate) if allowance.rate else None,
    }
    if machine:
        click.echo(as_json(data).encode())
    else:
        click.echo("\n".join(_plan_lines(data)))


def next_planned(
    stack: str, flow: str, shop: str | None, occurrence: str | None, sample: int
) -> tuple[Occurrence, Plan]:
    """Return the next campaign of this flow (or this one), and what it would come to. Raises `RekindleError`."""
    with explained():
        there = _Installation.read(stack)
        now = there.clock.now()
        whole = timedelta(days=_AHEAD)
        on = {name: replace(one, flows={**one.flows, flow: True}) for name, one in there.book.shops.items()}
        coming = due(replace(there.book, shops=on), now, now + whole)
        wanted = (one for one in coming if occurrence in (None, one.name))
        chosen = next_occurrence(wanted, flow, shop)
        everybody = DynamoEverybody(there.clients, there.tables)
        return chosen, plan(_people(everybody, chosen.shop, sample), there.book, chosen)


def _people(everybody: DynamoEverybody, shop: str, sample: int) -> Iterator[Profile]:
    cursor: str | None = None
    while True:
        page, cursor = everybody.people(0, sample, cursor, shop=shop)
        yield from page
        if cursor is None:
            return


def _times(counts: Mapping[str, int], sample: int) -> dict[str, int]:
    return {name: count * sample for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))}


def _plan_lines(data: Mapping[str, Any]) -> Iterator[str]:
    about = "about " if data["sample"] > 1 else ""
    yield f"{data['flow']} of {data['occurrence']} ({data['shop']}): nothing was sent"
    yield f"{about}{data['messages']:,} of {data['people']:,} people would get a message"
    for name, title in (("channels", "by channel"), ("languages", "by language")):
        if data[name]:
            yield f"  {title}: " + ", ".join(f"{one} {count:,}" for one, count in data[name].items())
    for hour, count in sorted(data["hours"].items()):
        yield f"  from {hour} on the shop's clock: {count:,}"
    for rule, count in data["left_out"].items():
        yield f"  not {count:,}: {rule}"
    costs = " or ".join(f"${cost:,.2f} ({plan})" for plan, cost in data["cost"].items())
    yield f"mails cost {costs}, by Amazon SES's prices of {data['prices_of']} in {prices().region}"
    yield f"all else that AWS does for them costs about ${data['beside_ses']:,.2f} (rekindle cost says of what)"
    if data["seconds"]:
        took = timedelta(seconds=data["seconds"])
        yield f"at the account's {data['mails_a_second']:g} mails a second that takes {took}, if nothing else is sent"


class _Installation(Struct, frozen=True):
    clients: Clients
    tables: Tables
    blobs: S3Blobs
    book: Playbook
    clock: Clock

    @staticmethod
    def read(stack: str) -> _Installation:
        clients = Clients()
        deployed = read_stack(clients, stack)
        blobs = S3Blobs(clients, deployed.output("ContentBucketName"))
        clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))
        return _Installation(clients, deployed.tables, blobs, Library(blobs, clock).newest(), clock)


def _stop(flow: str, stack: str, shop: str | None, occurrence: str | None, how: Stopping | None) -> None:
    with explained():
        there = _Installation.read(stack)
        now, ahead = there.clock.now(), timedelta(days=_AHEAD)
        found = standing(there.blobs, there.book, since=now - timedelta(days=60), now=now, until=now + ahead, flow=flow)
        chosen = _chosen([one for one in found if shop in (None, one.shop)], flow, occurrence, how)
        changed = put_stop(chosen.shop, chosen.flow, chosen.occurrence, how, blobs=there.blobs, clock=there.clock)
    name = f"{chosen.flow} of {chosen.occurrence} ({chosen.shop})"
    said = {"paused": "is paused", "cancelled": "is cancelled", None: "goes on"}[how]
    if changed:
        click.echo(f"{name} {said}, within half a minute")
    elif chosen.stop == "cancelled":
        raise click.ClickException(f"{name} was cancelled, and that is for good")
    else:
        click.echo(f"{name} {said} already: nothing changes")


def _chosen(found: list[Campaigned], flow: str, occurrence: str | None, how: Stopping | None) -> Campaigned:
    """Return the campaign that is meant: the one named, else the one stopped or under way, else the next to come."""
    if occurrence is not None:
        named = [one for one in found if one.occurrence == occurrence]
        wanted = named
    else:
        stopped = [one for one in found if one.stop == "paused"]
        going = [one for one in found if one.state == "under way"]
        next_ones = [one for one in found if one.state == "to come"]
        wanted = (stopped if how is None else going or stopped or next_ones) or found[-1:]
        wanted = [one for one in wanted if one.occurrence == wanted[0].occurrence]
    if not wanted:
        of = f" of {occurrence}" if occurrence else ""
        raise click.ClickException(f"no campaign {flow}{of} is known: rekindle campaign list shows which there are")
    if len({one.shop for one in wanted}) > 1:
        raise click.ClickException(
            f"several shops have it, say which with --shop: {', '.join(one.shop for one in wanted)}"
        )
    return wanted[0]


def _as_data(one: Campaigned) -> dict[str, Any]:
    return {
        "flow": one.flow,
        "shop": one.shop,
        "occurrence": one.occurrence,
        "at": one.at,
        "state": one.state,
        "reached": one.reached,
        "shards": [msgspec.to_builtins(shard) for shard in one.shards],
    }
