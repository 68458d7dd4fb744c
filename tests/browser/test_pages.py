"""Every page behind a link in a real browser: on a phone and a desk, in light and dark, in each of its languages."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from rekindle.content.brand import Brand
from rekindle.content.pages.layout import Look, look_of
from rekindle.content.samples import SAMPLE_SHOP
from tests.browser.chromium import Page
from tests.browser.conftest import Site
from tests.browser.looks import AUDIT
from tests.content.pagekit import PAGES, SPOKEN
from tests.support.build import ROOT

WIDTHS, SCHEMES = (360, 1280), ("light", "dark")
#: A folder to which every page is written as a picture, for people to look at: REKINDLE_PICTURES=out/pages
PICTURES = os.environ.get("REKINDLE_PICTURES")


def looks(site: Site) -> dict[str, Look]:
    """Return a plain shop, and one whose name is long, with a logo and colours of its own."""
    own = replace(
        SAMPLE_SHOP,
        name="Kettle & Leaf of the Northern Harbour, since 1887",
        logo=f"{site.url}/pictures/cup.png",
    )
    colors = replace(Brand().colors, accent="#7a1f3d", background="#fdf1e7", muted="#6b5b53")
    brand = replace(Brand(), colors=colors, heading_font="Georgia, 'Times New Roman', serif", radius=24)
    return {"plain": look_of(Brand(), SAMPLE_SHOP), "own": look_of(brand, own)}


def keep(page: Page, name: str, width: int, scheme: str) -> None:
    # Chromium moves a page from right to left aside when it captures beyond the window: so the window becomes as tall.
    page.look(width=width, scheme=scheme, height=page.ask("document.documentElement.scrollHeight"))
    folder = Path(ROOT / str(PICTURES))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(base64.b64decode(page.do("Page.captureScreenshot", format="png")["data"]))


@pytest.mark.parametrize("look", ["plain", "own"])
@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_everywhere(page: Page, site: Site, name: str, spoken: str, look: str) -> None:
    """Nothing wider than the screen, missing, too faint, too small or cut off; buttons as large as a thumb."""
    url = site.put(f"/pages/{name}.{spoken}.{look}", PAGES[name](spoken, looks(site)[look]).html)
    page.look(width=WIDTHS[0], scheme=SCHEMES[0])
    page.open(url)
    wrong = {}
    for width in WIDTHS:
        for scheme in SCHEMES:
            page.look(width=width, scheme=scheme)
            wrong[width, scheme] = page.ask(AUDIT)
            if PICTURES:
                keep(page, f"{name}.{spoken}.{look}.{width}.{scheme}.png", width, scheme)
    assert {where: told for where, told in wrong.items() if told} == {}
