"""`rekindle privacy`: hand out what is stored about somebody, or erase it; with a receipt of every store."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any, Literal

import click
import msgspec

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import Stack, explained, read_stack
from rekindle.aws.state import DynamoState
from rekindle.aws.vault import AwsVault
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.domain.events import Who
from rekindle.service.asking import NOBODY, Asked, ask, known, receipt_of, receipts
from rekindle.service.library import Library
from rekindle.service.receipts import Receipt, encode_receipt
from rekindle.shops import contact

_EVERY_SECONDS = 2.0
_WAITED = 900
#: The exit status where the work is not done yet; it goes on by itself.
UNDER_WAY = 1

Wish = Literal["export", "erase", "erase_shop"]


def _shared(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that both wishes have."""
    for option in reversed(
        (
            STACK,
            click.option("--shop", required=True, help="The shop's id."),
            click.option("--email", help="The person's address."),
            click.option("--phone", help="The person's number, with its country code: +31…"),
            click.option("--customer", help="The person's id in the shop."),
            click.option("--reference", help="What the request is called, such as ticket-4711: asked once, ever."),
            click.option("--reason", default="", help="One line for the receipt, which stays for good: name nobody."),
            click.option("--wait/--no-wait", default=True, help="Wait for the receipt (the default), or only ask."),
            click.option("--json", "machine", is_flag=True, help="Print the receipt as JSON."),
        )
    ):
        command = option(command)
    return command


@click.group()
def privacy() -> None:
    """Hand out what is stored about somebody, or erase it, by the road of the shop's own webhooks.

    A request is accepted like `customers/data_request` and `customers/redact`, applied in its turn and carried out by
    the function `privacy`: so it goes on when this command is stopped, and when that function dies. The receipt names
    every table and bucket with what was found, erased and kept there, and why; docs/privacy.md explains it. Account,
    region and endpoint come from the environment, as for the AWS CLI.

    Exit status 0: done; 1: accepted, and not done yet; 2: it cannot be done.
    """


@privacy.command()
@_shared
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write what is handed out to this file.")
def export(*, out: Path | None, **given: Any) -> int:
    """Hand out everything that is stored about one person, as JSON.

    It lies in the raw bucket for 30 days; --out brings it here, for your eyes only (where there are several documents,
    as FILE, FILE-2 …). Nothing is changed.
    """
    if out is not None and out.exists():
        raise click.ClickException(f"{out} is there already: choose another file")
    if out is not None and not given["wait"]:
        raise click.UsageError("--out needs what --no-wait does not wait for: choose one")
    with explained():
        there = _Installation(given["stack"])
        asked, receipt = there.request("export", given)
        if receipt is not None and out is not None:
            for place, key in enumerate(receipt.exports, 1):
                _written(out if place == 1 else out.with_name(f"{out.stem}-{place}{out.suffix}"), there.read(key))
    return _ended(asked, receipt, machine=given["machine"])


@privacy.command()
@_shared
@click.option("--yes", is_flag=True, help="Do not ask whether you are sure.")
def erase(*, yes: bool, **given: Any) -> int:
    """Erase everything that is stored about one person. It cannot be undone.

    They stay suppressed, by a keyed hash of each address: no marketing until they subscribe anew. What comes late of
    the time before is dropped. What SES and the shop itself keep is not Rekindle's. Where a message of theirs is just
    being decided it takes two minutes more.
    """
    with explained():
        there = _Installation(given["stack"])
        who = there.who(given)
        if not yes:
            found = there.known(given["shop"], who)
            about = f"{len(found)} profile{'s' * (len(found) != 1)}: {', '.join(found)}" if found else "nobody known"
            click.echo(f"In {given['shop']} that is {about}.", err=True)
            click.confirm("Erase everything about them, for good?", abort=True, err=True)
        asked, receipt = there.request("erase", given)
    return _ended(asked, receipt, machine=given["machine"])


@privacy.command(name="erase-shop")
@STACK
@click.option("--shop", required=True, help="The id of the shop that has left.")
@click.option("--reference", help="What the request is called: asked once, ever.")
@click.option("--reason", default="", help="One line for the receipt, which stays for good: name nobody.")
@click.option("--yes", is_flag=True, help="Do not ask for the shop's id once more.")
@click.option("--json", "machine", is_flag=True, help="Print the receipt, as it stands, as JSON.")
def erase_shop(*, stack: str, yes: bool, machine: bool, **given: Any) -> int:
    """Erase everything of a shop that has left.

    Its customers, their mails, its secrets; it cannot be undone. As Shopify's `shop/redact` does, which WooCommerce has
    not. Nothing more is accepted from the shop from this moment on. It takes a quarter of an hour and more, and is
    not waited for: `receipts` shows how far it is. Take its file out of the content as well.
    """
    with explained():
        there = _Installation(stack)
        there.require(given["shop"])
        if (
            not yes
            and click.prompt("Everything of the shop goes, for good. Its id once more", err=True) != given["shop"]
        ):
            raise click.ClickException("that is another shop: nothing was done")
        asked, receipt = there.request("erase_shop", {**given, "wait": False}, NOBODY)
    return _ended(asked, receipt, machine=machine)


@privacy.command(name="receipts")
@click.argument("name", required=False)
@STACK
@click.option("--shop", required=True, help="The shop's id.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, one receipt a line.")
def shown(*, name: str | None, stack: str, shop: str, machine: bool) -> int:
    """List a shop's receipts, or show one.

    Of all requests, whoever asked: by hand or by a webhook. NAME is a receipt's, or the number of its request.
    """
    with explained():
        found = list(receipts(shop, _Installation(stack).files))
    if name is not None:
        found = [receipt for receipt in found if name in (receipt.name, receipt.request_id)]
        if not found:
            raise click.ClickException(f"{shop} has no receipt {name}")
        for receipt in found:
            _show(receipt, machine=machine)
        return 0 if all(receipt.done_at for receipt in found) else UNDER_WAY
    for receipt in found:
        click.echo(msgspec.json.encode(receipt) if machine else _headline(receipt))
    if not found and not machine:
        click.echo(f"{shop} has no receipts")
    return 0


class _Installation:
    """A deployed stack, as far as this command looks at it."""

    def __init__(self, name: str) -> None:
        clients = Clients()
        stack: Stack = read_stack(clients, name)
        prefix, raw_bucket = stack.output("SecretsPrefix"), stack.output("RawBucketName")
        self.files = S3Blobs(clients, raw_bucket)
        self._clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))
        self._secrets = CachedSecrets(clients, prefix)
        self._library = Library(S3Blobs(clients, stack.output("ContentBucketName")), self._clock)
        self._intake = DynamoIntake(clients, stack.tables, raw_bucket=raw_bucket)
        self._state = DynamoState(clients, stack.tables, raw_bucket=raw_bucket)
        self._vault = AwsVault(clients, stack.tables, raw_bucket=raw_bucket, secrets_prefix=prefix)

    def who(self, given: dict[str, Any]) -> Who:
        """Return whom the options name. Refuses what is no address, and a shop that is none of this installation's."""
        region = self.require(given["shop"])
        email, no_email = contact.email(given["email"])
        phone, no_phone = contact.phone(given["phone"], region)
        for name, problem in (("--email", no_email), ("--phone", no_phone)):
            if problem:
                raise click.ClickException(f"{name} {problem}")
        customer = (given["customer"] or "").strip() or None
        return Who(email=email, phone=phone, shop_customer_id=customer)

    def require(self, shop: str) -> str | None:
        """Return in which region (ISO 3166) numbers without a country code are; refuse a shop that is none of ours."""
        connected = self._secrets.shop(shop)
        if connected is None and shop not in self._library.newest().shops:
            raise click.ClickException(f"no shop {shop} is connected or published here")
        return connected.region if connected is not None else None

    def known(self, shop: str, who: Who) -> tuple[str, ...]:
        """Return whom that leads to."""
        return known(shop, who, vault=self._vault, state=self._state, key=self._secrets.address_key())

    def request(self, wish: Wish, given: dict[str, Any], who: Who | None = None) -> tuple[Asked, Receipt | None]:
        """Ask, and wait for the receipt if that is wanted; `None` where it is not there yet."""
        asked = ask(
            wish,
            given["shop"],
            who or self.who(given),
            intake=self._intake,
            clock=self._clock,
            key=self._secrets.address_key(),
            reference=given["reference"],
            reason=given["reason"],
        )
        click.echo(f"{'accepted' if asked.new else 'asked for before'} as {asked.name}", err=True)
        return asked, self._awaited(asked) if given["wait"] else receipt_of(asked, self.files)

    def read(self, key: str) -> bytes:
        """Return a document of an export."""
        stored = self.files.get(key)
        if stored is None:
            raise click.ClickException(f"{key} is gone: exports are kept for 30 days")
        return stored

    def _awaited(self, asked: Asked) -> Receipt | None:
        with _shows() as told:
            for _ in range(int(_WAITED / _EVERY_SECONDS)):
                receipt = receipt_of(asked, self.files)
                if receipt is not None and receipt.done_at is not None:
                    return receipt
                told("under way" if receipt is not None else "waiting for its turn")
                sleep(_EVERY_SECONDS)
        return receipt_of(asked, self.files)


@contextmanager
def _shows() -> Iterator[Callable[[str], None]]:
    """Show how far it is on stderr, where somebody looks at it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("waiting for its turn") as status:
        yield status.update


def _ended(asked: Asked, receipt: Receipt | None, *, machine: bool) -> int:
    if receipt is not None:
        _show(receipt, machine=machine)
        return 0 if receipt.done_at is not None else UNDER_WAY
    if machine:
        click.echo(as_json({"name": asked.name, "delivery_id": asked.delivery_id, "done_at": None}))
    else:
        click.echo(f"not begun yet: `rekindle privacy receipts {asked.name}` will show it")
    return UNDER_WAY


def _show(receipt: Receipt, *, machine: bool) -> None:
    if machine:
        click.echo(encode_receipt(receipt))
        return
    for line in told(receipt):
        click.echo(line)


def told(receipt: Receipt) -> Iterator[str]:
    """Yield a receipt as lines to read."""
    yield _headline(receipt)
    yield f"    {receipt.key}"
    yield from (f"    {key}" for key in receipt.exports)
    yield from (f"    {note}" for note in receipt.notes)
    yield ""
    width = max(map(len, receipt.stores), default=0)
    yield f"{'store'.ljust(width)}  found  erased  kept"
    for store, line in sorted(receipt.stores.items(), key=lambda each: not (each[1].found or each[1].kept)):
        yield f"{store.ljust(width)}  {line.found:5,}  {line.erased:6,}  {line.kept:4,}  {line.why}".rstrip()


def _headline(receipt: Receipt) -> str:
    wish = {"export": "handed out", "erase": "erased", "erase_shop": "the shop erased"}[receipt.wish]
    done = f"{wish} {receipt.done_at:%Y-%m-%d %H:%M} UTC" if receipt.done_at is not None else "under way"
    reason = f" ({receipt.reason})" if receipt.reason else ""
    return f"{receipt.name}: asked for {receipt.asked_at:%Y-%m-%d %H:%M} UTC{reason}, {done}"


def _written(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read, and none that is there already."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
    click.echo(f"written to {path}", err=True)
