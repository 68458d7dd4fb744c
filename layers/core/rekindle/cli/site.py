"""`rekindle site`: what to paste into the shop, so that its own site tells what visitors look at."""

from __future__ import annotations

import click

from rekindle.content.sites import source


@click.command()
@click.argument("shop")
@click.option("--platform", type=click.Choice(["shopify", "woocommerce"]), required=True, help="What the shop runs on.")
@click.option(
    "--url", required=True, help="Where the links in mails begin: https:// and the link domain, or the stack's ApiUrl."
)
@click.option("--pixel", is_flag=True, help="Shopify: print the web pixel instead of the theme's line.")
def site(shop: str, *, platform: str, url: str, pixel: bool) -> None:
    """Print what to paste for SHOP (docs/site.md).

    Shopify: a line for the theme, and with --pixel the custom pixel. WooCommerce: a must-use plugin.
    """
    base = url.rstrip("/")
    if not base.startswith(("https://", "http://")):
        raise click.UsageError("--url begins with https://")
    script = f"{base}/site/{shop}/rekindle.js"
    if platform == "woocommerce":
        if pixel:
            raise click.UsageError("--pixel is Shopify's: WooCommerce has the plugin alone")
        plugin = source("woocommerce.php").replace("@SCRIPT@", script)
        click.echo(plugin.replace("@WORKER@", f"{base}/site/{shop}/worker.js"), nl=False)
    elif pixel:
        click.echo(source("shopify-pixel.js").replace("@ENDPOINT@", f"{base}/collect/{shop}"), nl=False)
    else:
        click.echo(f'<script async src="{script}"></script>')
