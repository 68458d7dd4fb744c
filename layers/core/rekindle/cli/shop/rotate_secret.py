"""`rekindle shop rotate-secret`: change the secret that signs a shop's webhooks, and lose none."""

from __future__ import annotations

import click

from rekindle.aws.stack import explained
from rekindle.aws.watch import WebhookLog
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.cli.shop.there import API, JSON, There, secret_of, secret_option, shown
from rekindle.service.connecting import ConnectError, as_secrets, check_shop_id
from rekindle.service.rotating import Rotated, Rotating


@click.command("rotate-secret")
@click.argument("name")
@STACK
@secret_option("--app-secret", "REKINDLE_SHOPIFY_NEW_APP_SECRET", "Shopify: the new client secret of the app.")
@click.option("--finish", is_flag=True, help="Drop the old secret, a day later.")
@click.option(
    "--anyway", is_flag=True, help="With --finish: also if the old one may still be in use. What it signs is lost."
)
@API
@JSON
def rotate_secret(
    *, name: str, stack: str, app_secret: str | None, finish: bool, anyway: bool, webhooks_at: str | None, machine: bool
) -> int:
    """Change the secret that signs the webhooks of the shop NAME; no webhook is lost.

    First the new secret is stored beside the old, both are good, and a minute later the shop signs with it. For
    WooCommerce all that is done here. Shopify makes its secrets itself: rotate it in the app's settings in the Dev
    Dashboard, run this with the new one, and revoke the old one there when this says so. An app that several shops have
    has one secret: run this for each of them before you revoke.

    A day later --finish drops the old one; it refuses while the log shows that the old one still signs. What is broken
    off goes on when this is run again.
    """
    check_shop_id(name)
    if anyway and not finish:
        raise click.UsageError("--anyway belongs to --finish")
    with explained(), shown() as progress:
        there = There(stack, webhooks_at=webhooks_at)
        log = WebhookLog(there.clients, stack)
        rotating = Rotating(there.connecting(progress), old=log, clock=there.clock)
        content = there.connections.read(name)
        if content is None:
            raise ConnectError(f"{name} is not connected")
        known = as_secrets(name, content)
        if finish:
            done = rotating.finish(name, anyway=anyway)
        else:
            needed = known.platform == "shopify" and len(known.webhook_secrets) < 2  # noqa: PLR2004 - one is live
            done = rotating.rotate(name, secret_of(app_secret, "The app's new client secret", needed=needed))
    if machine:
        click.echo(as_json({"shop": name, **_as_data(done)}).encode())
    else:
        click.echo(_told(name, done, known.platform))
    return 0


def _told(name: str, done: Rotated, platform: str) -> str:
    if done.step == "finished":
        return f"{name} has one secret again." + (
            "" if done.known else " (No log says when the old one was last used.)"
        )
    when = f"From {done.from_:%Y-%m-%d %H:%M} UTC on: rekindle shop rotate-secret {name} --finish" if done.from_ else ""
    if platform == "shopify":
        return f"Both secrets are good. Now revoke the old one in the app's settings, for good. {when}"
    changed = f"{done.changed} webhooks sign with the new secret. " if done.changed else ""
    return f"{changed}The old one is good for what is under way. {when}"


def _as_data(done: Rotated) -> dict[str, object]:
    return {
        "step": done.step,
        "changed": done.changed,
        "finish_from": done.from_,
        "old_last_used": done.seen,
        "old_use_known": done.known,
    }
