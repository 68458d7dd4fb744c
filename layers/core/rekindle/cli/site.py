"""`rekindle site`: what to paste into the shop, so that its own site tells what visitors look at."""

from __future__ import annotations

from pathlib import Path

import click

from rekindle.content.sites import source
from rekindle.content.sources import parse_shop
from rekindle.flow.program import Shop


@click.command()
@click.argument("shop")
@click.option(
    "--content",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("templates"),
    show_default=True,
    help="The folder that marketers edit: shops/SHOP.yaml in it says platform and link domain.",
)
@click.option(
    "--platform", type=click.Choice(["shopify", "woocommerce"]), help="What the shop runs on, if not as there."
)
@click.option("--url", help="Where the links in mails begin: https:// and the link domain, or the stack's ApiUrl.")
@click.option("--pixel", is_flag=True, help="Shopify: print the web pixel instead of the theme's line.")
def site(shop: str, *, content: Path, platform: str | None, url: str | None, pixel: bool) -> None:
    """Print what to paste for SHOP (docs/site.md).

    Shopify: a line for the theme, and with --pixel the custom pixel. WooCommerce: a must-use plugin.

    \b
    rekindle site acme
    rekindle site acme --pixel --url https://links.acme.example
    """  # noqa: D301 - click reads the control character
    known = _known(shop, content)
    platform = platform or (known.platform if known is not None else None)
    if platform is None:
        raise click.UsageError(f"there is no {content}/shops/{shop}.yaml: say --platform, or where it is, --content")
    domain = known.link_domain if known is not None else None
    base = (url or (f"https://{domain}" if domain else "")).rstrip("/")
    if not base:
        raise click.UsageError("the shop has no link_domain: say --url, which is then the stack's ApiUrl")
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


def _known(shop: str, content: Path) -> Shop | None:
    """Return what the folder says of the shop; `None` where it has no such file. Raises `click.ClickException`."""
    file = content / "shops" / f"{shop}.yaml"
    if not file.is_file():
        return None
    found, problems = parse_shop(file.read_text("utf-8"), file=f"shops/{shop}.yaml")
    if found is None:
        raise click.ClickException(str(problems[0]))
    return found
