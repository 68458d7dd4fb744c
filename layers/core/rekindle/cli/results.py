"""`rekindle results`: what messages have brought, by flow, step, way, campaign and day; and what comparisons say."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.results import DynamoResults
from rekindle.aws.stack import explained, read_stack
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK, Moment
from rekindle.cli.report import words
from rekindle.cli.report.outcomes import HEADS, cells, sentences
from rekindle.flow.local_time import zone
from rekindle.service.library import Library
from rekindle.service.results import Comparison, Figures, FlowResult, Report, report

_DAYS = 30


@click.command()
@click.argument("flow", required=False)
@STACK
@click.option("--shop", help="Which shop; needed where there are several.")
@click.option("--days", type=click.IntRange(1, 4_000), help=f"The last so many days; {_DAYS} unless told otherwise.")
@click.option("--since", type=Moment(), help="From this day on, by the shop's calendar.")
@click.option("--until", type=Moment(), help="Up to this day, which is included.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with charts.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def results(
    *,
    flow: str | None,
    stack: str,
    shop: str | None,
    days: int | None,
    since: datetime | None,
    until: datetime | None,
    html: Path | None,
    machine: bool,
) -> None:
    """Show what messages have brought: of all flows, or of one by step and way.

    The day of a figure is the day on which its message was planned, or its run began, so what comes of it later counts
    there too. An order is credited to the message whose coupon it used, else to the last one clicked within the shop's
    window. Comparisons (splits, holdouts) name a winner only where the numbers allow it however often you look, and
    else say how many more people it takes. Account, region and endpoint come from the environment, as for the AWS CLI.
    """
    if days is not None and since is not None:
        raise click.UsageError("--days counts back from --until: leave --since out, or --days")
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))
        book = Library(S3Blobs(clients, deployed.output("ContentBucketName")), clock).newest()
        chosen = _shop(shop, sorted(book.shops))
        today = clock.now().astimezone(zone(book.shops[chosen].zone) or ZoneInfo("UTC")).date()
        last = until.date() if until is not None else today
        first = since.date() if since is not None else last - timedelta(days=(days or _DAYS) - 1)
        if first > last:
            raise click.UsageError(f"--since {first} is after --until {last}")
        found = DynamoResults(clients, deployed.tables, clock).figures(chosen, str(first), str(last))
    if flow is not None and flow not in book.flows and not any(label.flow == flow for label in found):
        raise click.ClickException(f"no flow {flow} is published, and none has results from {first} to {last}")
    told = report(found, book, chosen, str(first), str(last), flow=flow)
    if html is not None:
        from rekindle.cli.report.results import render

        html.write_text(render(told, every_day(first, last)), "utf-8")
        click.echo(f"written to {html}")
    if machine:
        click.echo(as_json(msgspec.to_builtins(told)).encode())
    elif html is None:
        _show(told, whole=flow is None)


def every_day(first: date, last: date) -> list[str]:
    """Return the days from the first to the last, both included."""
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def _shop(shop: str | None, known: list[str]) -> str:
    if shop is None and len(known) == 1:
        return known[0]
    if shop not in known or shop is None:
        said = f"no shop {shop} is published" if shop else "say which shop with --shop"
        raise click.ClickException(f"{said}: {', '.join(known) or 'there is none'}")
    return shop


# --- tables ----------------------------------------------------------------------------------------------------------


def _show(told: Report, *, whole: bool) -> None:
    from rich.console import Console

    console = Console(width=None if os.isatty(1) else 140, soft_wrap=False)
    console.print(f"{told.name}, {told.since} to {told.until}")
    if not told.flows and told.holdout is None:
        console.print("Nothing was sent in this time.")
        return
    if whole:
        console.print(_table("Flows", [(one.name, one.figures) for one in told.flows], told, "all"))
    for one in told.flows:
        if not whole:
            _show_flow(console, one, told)
        for comparison in one.comparisons:
            console.print(_title(one, comparison), *_sentences(comparison, told.currency), sep="\n")
    if told.holdout is not None:
        console.print(
            "The shop's holdout: people without any marketing", *_sentences(told.holdout, told.currency), sep="\n"
        )


def _show_flow(console: Any, one: FlowResult, told: Report) -> None:
    rows: list[tuple[str, Figures]] = []
    for step in one.steps:
        rows.append((step.name, step.figures))
        rows += [(f"  {way.name}", way.figures) for way in step.ways]
    console.print(_table(one.title, rows, told, "", one.figures))
    ends = ("entered", "held_out", "converted", "exited", "finished", "timed_out")
    runs = [
        f"{words.number(float(one.figures[name]))} {name.replace('_', ' ')}" for name in ends if name in one.figures
    ]
    if runs:
        console.print(f"Runs: {', '.join(runs)}.")
    if one.occurrences:
        to = f", to {one.segment}" if one.segment else ""
        lines = [(line.name, line.figures) for line in one.occurrences]
        console.print(_table(f"Campaigns{to}", lines, told, ""))


def _table(title: str, rows: list[tuple[str, Figures]], told: Report, total: str, sums: Figures | None = None) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for head in ("", *HEADS):
        table.add_column(head, justify="left" if not head else "right")
    for name, figures in rows:
        table.add_row(name, *cells(figures, told.currency))
    if total or sums is not None:
        table.add_section()
        table.add_row(total or "all", *cells(sums or told.figures, told.currency))
    return table


# --- comparisons -----------------------------------------------------------------------------------------------------


def _title(flow: FlowResult, comparison: Comparison) -> str:
    return f"{flow.name}: {'its holdout' if comparison.name == 'holdout' else comparison.name}"


def _sentences(one: Comparison, currency: str) -> list[str]:
    return [f"  {line}" for line in sentences(one, currency)]
