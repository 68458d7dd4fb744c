"""`rekindle shop list`: the shops of an installation."""

from __future__ import annotations

from typing import Any

import click

from rekindle.aws.stack import explained
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.cli.shop.there import API, JSON, There
from rekindle.shops.registering import path_of


@click.command("list")
@STACK
@API
@JSON
def listing(*, stack: str, webhooks_at: str | None, machine: bool) -> int:
    """List the shops that are connected or published, and what either lacks."""
    with explained():
        rows = _rows(There(stack, webhooks_at=webhooks_at))
    if machine:
        click.echo(as_json(rows).encode())
        return 0
    if not rows:
        click.echo("There is no shop yet: rekindle shop connect begins one.")
    for row in rows:
        lacks = [
            word for word, there in (("connected", row["connected"]), ("published", row["published"])) if not there
        ]
        told = f"  (not {' and not '.join(lacks)})" if lacks else ""
        click.echo(f"{row['shop']}  {row['platform']}  {row['domain']}  {row['webhooks']}{told}")
    return 0


def _rows(there: There) -> list[dict[str, Any]]:
    published = there.library.newest().shops
    connected = set(there.connections.names())
    rows = []
    for name in sorted(connected | set(published)):
        # What is stored may be wrong, and then says nothing here: rekindle shop check says what.
        content = (there.connections.read(name) if name in connected else None) or {}
        file = published.get(name)
        platform = str(content.get("platform") or (file.platform if file is not None else ""))
        rows.append(
            {
                "shop": name,
                "platform": platform,
                "domain": str(content.get("domain") or (file.url if file is not None else "")),
                "webhooks": there.api_url + path_of(platform, name),
                "connected": name in connected,
                "published": file is not None,
                "secrets": len(content.get("webhook_secrets") or ()),
            }
        )
    return rows
