"""`rekindle members`: who is in a segment now, as a list for the shop's own people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

import click
from msgspec import Struct

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.everybody import DynamoEverybody
from rekindle.aws.items import Wanted, batch_get, text
from rekindle.aws.profiles import parse_profile
from rekindle.aws.stack import explained, read_stack
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.domain.errors import RekindleError
from rekindle.domain.profile import Profile
from rekindle.service.library import Library

_AT_ONCE = 100


class _Member(Struct, frozen=True):
    profile: str
    since: datetime
    email: str | None


@click.command()
@click.argument("segment")
@STACK
@click.option("--shop", required=True, help="The shop's id.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def members(*, segment: str, stack: str, shop: str, machine: bool) -> None:
    """List who is in SEGMENT now: since when, the address, the profile; oldest first.

    `rekindle members sunset …` lists whom the flow sunset has given up. The list holds addresses of customers: keep it
    as you would keep those. It reads the whole Profiles table; nothing is changed.
    """
    with explained():
        clients = Clients()
        there = read_stack(clients, stack)
        blobs = S3Blobs(clients, there.output("ContentBucketName"))
        known = Library(blobs, clock_for(os.environ.get("CLOCK_OFFSET_FILE"))).newest().segments
        if segment not in known:
            listed = ", ".join(sorted(known)) or "none is published"
            raise RekindleError(f"no segment is called '{segment}' (there are: {listed})")
        found = [
            _Member(profile.id, profile.segments[segment], profile.email)
            for profile in _profiles(clients, DynamoEverybody(clients, there.tables), there.tables.profiles, shop)
            if segment in profile.segments
        ]
    found.sort(key=lambda member: (member.since, member.profile))
    if machine:
        click.echo(as_json(found).encode())
        return
    for member in found:
        click.echo(f"{member.since:%Y-%m-%d %H:%M}\t{member.email or '–'}\t{member.profile}")
    click.echo(f"{len(found):,} in {segment}", err=True)


def _profiles(clients: Clients, everybody: DynamoEverybody, table: str, shop: str) -> Iterator[Profile]:
    cursor: str | None = None
    while True:
        page = everybody.profile_ids(0, 1, cursor, shop=shop)
        for start in range(0, len(page.ids), _AT_ONCE):
            keys = [{"id": text(one)} for one in page.ids[start : start + _AT_ONCE]]
            for item in batch_get(clients.dynamodb, [Wanted(table, keys)], fresh=False)[table]:
                profile = parse_profile(item)
                if isinstance(profile, Profile):
                    yield profile
        cursor = page.cursor
        if cursor is None:
            return
