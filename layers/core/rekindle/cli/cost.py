"""`rekindle cost`: what the last days cost, line by line, and what a campaign or a growth will."""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.stack import explained, read_stack
from rekindle.aws.usage import CloudWatchUsage, Usage
from rekindle.cli.events import as_json
from rekindle.service.costs import Line, Used, beside_mails, bill, forecast, grown, measured, total
from rekindle.service.prices import Prices, own_prices, prices

_DAYS = 7


@click.command()
@click.option("--stack", help="The name of the deployed stack, such as rekindle-prod; or set REKINDLE_STACK.")
@click.option(
    "--days", type=click.IntRange(1, 400), default=_DAYS, show_default=True, help="The last so many whole days, UTC."
)
@click.option(
    "--forecast",
    "ahead",
    metavar="campaign:FLOW|growth:FACTOR",
    help="Instead: what the next campaign of this flow will cost, or a month in which so many times as much happens.",
)
@click.option("--shop", help="Of a campaign: which shop; needed where several have it.")
@click.option("--profiles", type=click.IntRange(1), help="Instead, without a stack: a month of so many profiles …")
@click.option("--mails-per-profile", type=click.FloatRange(0), default=4.0, show_default=True, help="… with campaigns,")
@click.option("--carts-per-profile", type=click.FloatRange(0), default=0.1, show_default=True, help="cart reminders,")
@click.option("--orders-per-profile", type=click.FloatRange(0), default=0.1, show_default=True, help="orders,")
@click.option(
    "--events-per-profile", type=click.FloatRange(0), default=2.0, show_default=True, help="and further events."
)
@click.option(
    "--reactions-per-mail",
    type=click.FloatRange(0),
    default=0.3,
    show_default=True,
    help="Of forecasts: openings and clicks of people.",
)
@click.option(
    "--prices",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your region's prices, or a discount (docs/cost.md).",
)
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def cost(
    *,
    stack: str | None,
    days: int,
    ahead: str | None,
    shop: str | None,
    profiles: int | None,
    mails_per_profile: float,
    carts_per_profile: float,
    orders_per_profile: float,
    events_per_profile: float,
    reactions_per_mail: float,
    file: Path | None,
    machine: bool,
) -> None:
    """Show what a stack cost in the last days, line by line: for each thousand events, for each thousand mails.

    Counted from CloudWatch's metrics of the stack's own resources, at the prices of a dated list (us-east-1), without
    free tiers and discounts: AWS's bill has the last word. Forecasts reckon with what the benchmark measured of a mail
    and of an event. Account, region and endpoint come from the environment, as for the AWS CLI.

    \b
    rekindle cost --stack rekindle-prod
    rekindle cost --stack rekindle-prod --forecast campaign:sale
    rekindle cost --stack rekindle-prod --forecast growth:3
    rekindle cost --profiles 50000 --mails-per-profile 4
    """  # noqa: D301 - click reads the control character
    listed = own_prices(file.read_bytes(), str(file)) if file is not None else prices()
    if profiles is not None:
        if stack is not None or ahead is not None:
            raise click.UsageError("--profiles reckons without a stack: leave --stack and --forecast out")
        mails = {"campaign": mails_per_profile, "cart": carts_per_profile, "confirmation": orders_per_profile}
        counts = {name: _times(profiles, each) for name, each in mails.items()}
        count = sum(counts.values())
        others = {"event": _times(profiles, events_per_profile), "reaction": _times(count, reactions_per_mail)}
        lines = bill(forecast(counts, others, months=1), listed)
        _show(_data(f"a month of {profiles:,} profiles", lines, listed, mails=count), machine=machine)
        return
    stack = stack or os.environ.get("REKINDLE_STACK")
    if not stack:
        raise click.UsageError("say which --stack, or of how many --profiles a month is to be reckoned")
    kind, _, what = (ahead or "").partition(":")
    if kind == "campaign" and what:
        count, name = _planned(stack, what, shop)
        lines = bill(forecast({"campaign": count}, {"reaction": _times(count, reactions_per_mail)}), listed)
        _show(_data(name, lines, listed, mails=count), machine=machine)
        return
    factor = _factor(kind, what) if ahead is not None else None
    found = _used(stack, days)
    if factor is None:
        lines = bill([*found.used, *found.standing], listed)
        said = f"{stack}, {found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}"
        _show(_data(said, lines, listed, mails=found.mails, events=found.events), machine=machine)
        return
    month = Decimal(730) / 24 / found.days
    standing = [Used(one.line, one.what, one.amount * month) for one in found.standing]
    lines = bill(grown(found.used, standing, factor * month), listed)
    said = f"{stack}, a month in which {factor:g} times as much happens as from {found.since:%Y-%m-%d} on"
    mails_then, events_then = (int(count * factor * month) for count in (found.mails, found.events))
    _show(_data(said, lines, listed, mails=mails_then, events=events_then), machine=machine)


def _used(stack: str, days: int) -> Usage:
    with explained():
        clients = Clients()
        read_stack(clients, stack)
        reader = CloudWatchUsage(clients)
        now = clock_for(os.environ.get("CLOCK_OFFSET_FILE")).now()
        return reader.read(stack, reader.resources(stack), now, days)


def _planned(stack: str, flow: str, shop: str | None) -> tuple[int, str]:
    """Return how many mails the next campaign of this flow is, as `campaign plan` counts them, and its name."""
    from rekindle.cli.campaign import next_planned

    chosen, found = next_planned(stack, flow, shop, None, 1)
    return found.channels.get("email", 0), f"{flow} of {chosen.name} ({chosen.shop})"


def _factor(kind: str, what: str) -> Decimal:
    try:
        factor = Decimal(what)
    except InvalidOperation:
        factor = Decimal(0)
    if kind != "growth" or not factor.is_finite() or factor <= 0:
        raise click.UsageError(
            "--forecast takes campaign:FLOW, such as campaign:sale, or growth:FACTOR, such as growth:3"
        )
    return factor


def _times(count: int, each: float) -> int:
    return round(count * each)


def _data(said: str, lines: Sequence[Line], listed: Prices, *, mails: int, events: int | None = None) -> dict[str, Any]:
    beside = total(beside_mails(lines))
    return {
        "of": said,
        "lines": [
            {
                "line": line.line,
                "what": line.what,
                "amount": line.amount,
                "unit": line.unit,
                "cost": line.cost,
                "confirmed": line.confirmed,
            }
            for line in lines
        ],
        "currency": listed.currency,
        "prices_of": listed.of,
        "region": listed.region,
        "mails": mails,
        "events": events,
        "cost": total(lines),
        "beside_ses": beside,
        "per_thousand_mails": beside / mails * 1_000 if mails else None,
        "per_thousand_events": beside / events * 1_000 if events else None,
        "of_the_ses_price": float(beside / (listed.mail[0].per_thousand * mails) * 1_000) if mails else None,
        "measured": measured().of,
    }


def _show(data: dict[str, Any], *, machine: bool) -> None:
    if machine:
        click.echo(as_json(data).encode())
        return
    from rich.console import Console
    from rich.table import Table

    whole = data["cost"]
    table = Table(
        "line", "of", "amount", "unit", f"{data['currency']}", "share", title=data["of"], title_justify="left"
    )
    for column in (2, 4, 5):
        table.columns[column].justify = "right"
    small = Decimal(0)
    for line in data["lines"]:
        if line["cost"] * 1_000 < whole:
            small += line["cost"]
            continue
        mark = "" if line["confirmed"] else " *"
        share = f"{line['cost'] / whole:.1%}"
        table.add_row(
            line["line"], line["what"], _amount(line["amount"]), line["unit"], f"{line['cost']:,.4f}{mark}", share
        )
    if small:
        table.add_row("", "what is under a thousandth each", "", "", f"{small:,.4f}", f"{small / whole:.1%}")
    console = Console(width=None if os.isatty(1) else 140)
    console.print(table)
    for said in _sentences(data):
        click.echo(said)


def _sentences(data: dict[str, Any]) -> list[str]:
    currency, beside = data["currency"], data["beside_ses"]
    said = [f"{currency} {data['cost']:,.2f} in all, {beside:,.2f} of it beside SES"]
    for count, name in ((data["mails"], "mails"), (data["events"], "events")):
        if count:
            said.append(f"{currency} {beside / count * 1_000:,.4f} beside SES for each thousand of {count:,} {name}")
        elif count == 0:
            said.append(f"no {name} in this time")
    if data["of_the_ses_price"] is not None:
        said.append(f"that is {data['of_the_ses_price']:.0%} of what SES takes for a mail")
    said.append(f"prices of {data['prices_of']} in {data['region']}, without free tiers; AWS's bill has the last word")
    if not all(line["confirmed"] for line in data["lines"]):
        said.append("* a price that could not be confirmed from a page that quotes it: docs/cost.md")
    return said


def _amount(amount: Decimal) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:,.3g}"  # noqa: PLR2004 - as one reads them
