"""`rekindle shop connect`: store a shop's secret and register its webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from rekindle.aws.stack import explained
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.cli.shop.there import API, JSON, There, secret_of, secret_option, shown
from rekindle.service.connecting import Connected, Wanted
from rekindle.shops.registering import FURTHER_SCOPES, SCOPES, compliance_toml, lacking

_PARTLY = 1

_TAKE_OVER = click.option(
    "--take-over", is_flag=True, help="Also redirect webhooks that another installation registered for a shop NAME."
)
_AT = click.option("--api", "api", default=None, metavar="URL", help="Where the shop's API is, if not at its domain.")


@click.group()
def connect() -> None:
    """Store a shop's secret, and register every webhook that Rekindle reads.

    Nothing is stored before the shop has let us in. Run it again at any time: what is registered is left as it is, what
    was ours under another address is brought here, what is switched off is switched on, what is there twice goes, and
    what others have registered is not touched. Exit status 0: connected; 1: connected, but for some topics; 2: not.
    """


@connect.command()
@click.argument("name")
@STACK
@click.option("--domain", required=True, help="Its own Shopify domain, such as example.myshopify.com.")
@secret_option("--token", "REKINDLE_SHOPIFY_TOKEN", "An Admin API access token, where the app has one for good.")
@click.option(
    "--client-id", default=None, envvar="REKINDLE_SHOPIFY_CLIENT_ID", help="The app's client id, in place of a token."
)
@secret_option("--app-secret", "REKINDLE_SHOPIFY_APP_SECRET", "The app's client secret, with which Shopify signs.")
@_AT
@API
@_TAKE_OVER
@JSON
def shopify(
    *,
    name: str,
    stack: str,
    domain: str,
    token: str | None,
    client_id: str | None,
    app_secret: str | None,
    api: str | None,
    webhooks_at: str | None,
    take_over: bool,
    machine: bool,
) -> int:
    """Connect a Shopify shop as NAME.

    An app of the Dev Dashboard has a client id and a client secret, and fetches its tokens itself: give --client-id and
    --app-secret. An older app, made in the shop's admin, has an access token for good: give --token and --app-secret.

    rekindle shop connect shopify acme --stack rekindle-prod --domain acme.myshopify.com --client-id 0a1b…
    """
    by_client = client_id is not None and token is None
    access = {"api_url": api or ""}
    if not by_client:
        access |= {"access_token": secret_of(token, "The Admin API access token") or ""}
    secret = secret_of(app_secret, "The app's client secret")
    if by_client:
        access |= {"client_id": client_id or "", "client_secret": secret or ""}
    wanted = Wanted(platform="shopify", domain=domain, secret=secret, access=access, take_over=take_over)
    return _connect(name, stack, wanted, webhooks_at, machine=machine)


@connect.command()
@click.argument("name")
@STACK
@click.option("--url", required=True, help="The shop's address, such as https://example.com.")
@secret_option("--key", "REKINDLE_WOOCOMMERCE_KEY", "The consumer key of its REST API (ck_…), to read and write.")
@secret_option("--secret", "REKINDLE_WOOCOMMERCE_SECRET", "The consumer secret (cs_…) that belongs to it.")
@API
@_TAKE_OVER
@JSON
def woocommerce(
    *,
    name: str,
    stack: str,
    url: str,
    key: str | None,
    secret: str | None,
    webhooks_at: str | None,
    take_over: bool,
    machine: bool,
) -> int:
    """Connect a WooCommerce shop as NAME.

    The key is made in the shop's admin: WooCommerce, Settings, Advanced, REST API, with the right to read and write.
    The secret that signs its webhooks is made here, and known to nobody else.

    rekindle shop connect woocommerce acme --stack rekindle-prod --url https://acme.example
    """
    access = {
        "api_key": secret_of(key, "The consumer key") or "",
        "api_secret": secret_of(secret, "The consumer secret") or "",
    }
    if url.startswith("http://"):
        # Of this machine alone; anywhere else the key would be read on the way, and is refused.
        access["api_url"] = url
    wanted = Wanted(platform="woocommerce", domain=url, access=access, take_over=take_over)
    return _connect(name, stack, wanted, webhooks_at, machine=machine)


def _connect(name: str, stack: str, wanted: Wanted, webhooks_at: str | None, *, machine: bool) -> int:
    with explained(), shown() as progress:
        done = There(stack, webhooks_at=webhooks_at).connecting(progress).connect(name, wanted)
    if machine:
        click.echo(as_json(_as_data(done, wanted)).encode())
    else:
        for line in _told(done, wanted, stack):
            click.echo(line)
    return _PARTLY if done.registered.refused else 0


def _told(done: Connected, wanted: Wanted, stack: str) -> Iterator[str]:
    hooks = done.registered
    counts = {
        "registered": len(hooks.created),
        "brought here or switched on": len(hooks.changed),
        "removed, being there twice": len(hooks.removed),
        "as they were": len(hooks.kept),
    }
    what = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    yield f"{done.shop} is connected{'' if done.new else ' (it was already)'}. Webhooks come to {done.url}: {what}."
    for topic, said in hooks.refused.items():
        yield f"Not registered: {topic}: {said}"
    if hooks.foreign:
        yield (
            f"{hooks.foreign} webhooks of a shop of this name go to another installation, and were left alone; "
            "--take-over brings them here."
        )
    for scope, serves in lacking(done.scopes, SCOPES).items():
        cure = "Add the scope, release the app's version, run this again."
        yield f"The app may not {scope}: nothing comes of {serves}. {cure}"
    for scope, serves in lacking(done.scopes, FURTHER_SCOPES).items():
        yield f"The app may not {scope}: fine, but without {serves}."
    if wanted.platform == "shopify":
        yield ""
        yield "By hand: in the app's shopify.app.toml (then shopify app deploy), or in the Dev Dashboard, the topics"
        yield "that only the app's own configuration can ask for:"
        yield ""
        yield from compliance_toml({done.shop: done.url}).splitlines()
    yield ""
    yield "By hand, once for the domain that mails come from: DKIM, SPF and DMARC records in its DNS, and production"
    yield "access in the SES console. rekindle shop check, with --repair, prints the records and says what is missing."
    yield ""
    yield "Next:"
    for words in (f"shop add {done.shop}", "publish", f"shop check {done.shop}"):
        yield f"    rekindle {words} --stack {stack}"


def _as_data(done: Connected, wanted: Wanted) -> dict[str, Any]:
    return {
        "shop": done.shop,
        "platform": wanted.platform,
        "url": done.url,
        "new": done.new,
        "webhooks": done.registered,
        "scopes": done.scopes,
        "scopes_missing": sorted(lacking(done.scopes, SCOPES)),
    }
