"""`rekindle shop add`: write a shop's file for the content."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec.structs import replace

from rekindle.aws.stack import explained
from rekindle.cli.shop.there import CONTENT, There
from rekindle.content.sources import parse_shop
from rekindle.domain.errors import RekindleError
from rekindle.outside.admin import admin_of
from rekindle.ports import ShopDetails
from rekindle.service.connecting import as_secrets, check_shop_id
from rekindle.service.shop_files import NewShop, path_of, unwritten, written

_DEFAULT = Path("templates")


@click.command()
@click.argument("name")
@click.option("--stack", default=None, help="The deployed stack, where the shop is connected already.")
@CONTENT
@click.option("--in-bucket", is_flag=True, help="Put the file into the stack's bucket, which publishes it.")
@click.option(
    "--platform", type=click.Choice(["shopify", "woocommerce"]), default=None, help="Where it is not connected yet."
)
@click.option("--title", default="", help="Its name as customers know it.")
@click.option("--url", default="", help="Its own address, such as https://acme.example.")
@click.option("--sender", default="", help="The address that mails come from, of a domain that SES knows.")
@click.option("--sender-name", default="", help="Who mails come from; its name unless given.")
@click.option("--postal-address", default="", help="The law asks for it in marketing mails.")
@click.option("--currency", default="", help="ISO 4217, such as EUR.")
@click.option("--locale", default="", help="Language and country, such as en-GB.")
@click.option("--zone", default="", help="IANA time zone, such as Europe/London.")
def add(
    *,
    name: str,
    stack: str | None,
    content: Path | None,
    in_bucket: bool,
    platform: str | None,
    title: str,
    url: str,
    sender: str,
    sender_name: str,
    postal_address: str,
    currency: str,
    locale: str,
    zone: str,
) -> int:
    """Write the file shops/NAME.yaml for the content, unless it is there.

    NAME is the shop's id: lower-case letters, digits and hyphens; it stands in the address of its webhooks. With
    --stack, where the shop is connected, the shop itself is asked for what no option says: name, address, currency,
    language, time zone, sender. The file goes to the folder of content, or with --in-bucket straight to the stack.

    All flows are off until the file switches them on, and those that say what the shop's own mails say stay off as long
    as it says own_mails: on (rekindle shop check asks). For instance:

    rekindle shop add acme --stack rekindle-prod --sender hello@mail.acme.example
    """
    check_shop_id(name)
    if in_bucket and (content is not None or stack is None):
        raise click.UsageError("--in-bucket needs --stack, and no --content")
    given = NewShop(
        platform=platform or "",
        name=title,
        url=url,
        sender_email=sender,
        sender_name=sender_name,
        postal_address=postal_address,
        currency=currency,
        locale=locale,
        zone=zone,
    )
    with explained():
        there = There(stack) if stack is not None else None
        click.echo(put(there, name, given, None if in_bucket else content or _DEFAULT))
    return 0


def put(there: There | None, name: str, given: NewShop, folder: Path | None) -> str:
    """Write the file, unless it is there; return what was done, and what is left to do about the shop's language.

    `folder` `None` is the bucket.

    Raises `RekindleError`, and `click.ClickException` where there is nothing to write to.
    """
    path = path_of(name)
    where = f"content/{path}" if folder is None else str(folder / path)
    if folder is not None and not folder.is_dir():
        raise click.ClickException(f"there is no folder {folder}: name one with --content")
    if _is_there(there, path, folder):
        return f"{where} is there already: nothing was changed."
    text = written(name, completed(there, name, given))
    found, problems = parse_shop(text, file=path)
    if found is None:
        raise problems[0]
    if folder is not None:
        (folder / "shops").mkdir(exist_ok=True)
        (folder / path).write_text(text, "utf-8")
        files = [file.relative_to(folder).as_posix() for file in folder.glob("emails/*/texts/*")]
        said = f"{where} is written: look at it, then rekindle publish."
    elif there is None or not there.blobs.swap(f"content/{path}", text.encode(), expected=None):
        return f"{where} is there already: nothing was changed."
    else:
        files = [key.removeprefix("content/") for key in there.blobs.list("content/emails/")]
        said = f"{where} is written: it goes live within a minute, if all that is there is right."
    return "\n".join(filter(None, (said, unwritten(name, found.locale, files))))


def _is_there(there: There | None, path: str, folder: Path | None) -> bool:
    if folder is not None:
        return (folder / path).exists()
    return there is not None and there.blobs.get(f"content/{path}") is not None


def completed(there: There | None, name: str, given: NewShop) -> NewShop:
    """Return the shop with what it says of itself where nothing is given. Raises `RekindleError`."""
    content = there.connections.read(name) if there is not None else None
    if there is None or content is None:
        if not given.platform:
            raise RekindleError(f"{name} is not connected: say --platform, or connect it first and give --stack")
        return given
    known = as_secrets(name, content)
    if given.platform and given.platform != known.platform:
        raise RekindleError(f"{name} is connected, and a {known.platform} shop")
    given = replace(given, platform=known.platform)
    return merged(given, admin_of(there.http, known).details()) if given.lacking() else given


def merged(given: NewShop, told: ShopDetails) -> NewShop:
    """Return what was given, and what the shop says where nothing was."""
    return replace(
        given,
        name=given.name or told.name,
        url=given.url or told.url,
        sender_email=given.sender_email or told.email,
        postal_address=given.postal_address or told.address,
        currency=given.currency or told.currency,
        locale=given.locale or told.locale,
        zone=given.zone or told.zone,
    )
