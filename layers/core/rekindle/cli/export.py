"""`rekindle export`: a shop's stored events as a file, one a line."""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import click

from rekindle.cli.buckets import in_order
from rekindle.cli.options import STACK, Moment


@click.command()
@STACK
@click.option("--shop", required=True, help="The shop's id.")
@click.option("--since", type=Moment(), help="Only what was received at this moment (UTC) or later.")
@click.option("--until", type=Moment(), help="Only what was received before this moment (UTC).")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="The file to write; stdout unless given.",
)
def export(*, stack: str, shop: str, since: datetime | None, until: datetime | None, out: Path | None) -> None:
    """Write a shop's stored events, one JSON object a line, in the order in which they were received.

    `rekindle simulate --events` reads it. The file holds names, addresses and orders of customers: keep it as you would
    keep those. It reads the whole Deliveries table, whatever the options say; nothing is changed.
    """
    from rekindle.cli.deployed import Deployed

    with tempfile.TemporaryDirectory(prefix="rekindle-") as folder:
        raw = Path(folder) / "stored.jsonl"
        count = Deployed(stack).write_events(raw, shop, until, lambda _stage, _done, _whole: None, since)
        ordered = in_order(raw, Path(folder))
        if out is None:
            with ordered.open("rb") as lines:
                for line in lines:
                    sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        else:
            shutil.move(ordered, out)
    click.echo(f"{count:,} events", err=True)
