"""From the first look to the mail: a visitor signs up in a real browser, and everything behind it is the real thing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from rekindle.content.links import read_confirm
from rekindle.content.pages.settings import decode_settings
from rekindle.content.sites import decode_sites
from rekindle.content.validate import validate
from rekindle.ports import ShopSecrets
from rekindle.service.collect import Collector
from rekindle.service.compose import Composer
from rekindle.service.confirm import ConfirmDesk
from rekindle.service.library import POINTER
from rekindle.service.sites import Sites
from tests.browser.chromium import Page
from tests.browser.shop import Shop
from tests.browser.shop import shop as opened
from tests.content.mailkit import shipped
from tests.support.build import at, playbook
from tests.support.plant import Plant

SHOP = """
name: Brass & Bells
platform: woocommerce
url: {url}
sender: {{name: Brass & Bells, email: hello@bells.example}}
postal_address: 1 Bell Lane, Gent
currency: EUR
locale: en
locales: [en, ar, zh-Hant]
zone: Europe/Brussels
site: {{consent: assumed}}
flows: {{browse-abandonment: on}}
"""
#: What of the templates a sign-up needs; the rest only takes time.
NEEDED = re.compile(
    r"brand.yaml|topics.yaml|offers/welcome|flows/(browse|welcome)|emails/(_|browse|welcome|confirm)|popups/"
)
AGENT = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
INSIDE = "document.querySelector('[data-rekindle-popup]').shadowRoot"
CLEO = "cleo@example.com"


class Behind:
    """Everything that stands behind the shop's page: what the templates say, published, and the workers."""

    def __init__(self, shop: Shop) -> None:
        files = {path: raw for path, raw in shipped().items() if NEEDED.match(path)}
        files["popups/newsletter.yaml"] = files["popups/newsletter.yaml"].replace(b"enabled: off", b"enabled: on", 1)
        files["shops/tea.yaml"] = SHOP.format(url=shop.url).encode()
        verdict = validate(files)
        assert verdict.published is not None, verdict.problems
        self.shop = shop
        self.plant = Plant(playbook())
        self.world = world = self.plant.world
        world.files.update(verdict.published.files())
        world.files[POINTER] = msgspec.json.encode({"hash": verdict.published.hash})
        world.shops["tea"] = ShopSecrets(shop="tea", platform="woocommerce", domain=shop.host, webhook_secrets=("s",))
        self.plant.builder = lambda wallet: Composer(
            library=self.plant.library,
            blobs=world.blobs,
            outbox=world.outbox,
            secrets=world.secrets,
            link_base=shop.url,
            wallet=wallet,
        )
        self.plant.restart()
        where = f"playbooks/{verdict.published.hash}"
        self.published = decode_settings(world.files[f"{where}/pages.json"])
        shop.site = decode_sites(world.files[f"{where}/site.json"])["tea"]
        self.door = Collector(
            intake=world.intake,
            secrets=world.secrets,
            sites=Sites(world.blobs, world.clock),
            clock=world.clock,
            limits=world.limits,
        )
        self.desk = ConfirmDesk(
            desk=world.desk, intake=world.intake, clock=world.clock, address_key=world.secret_address_key
        )

    def hears(self, requests: int) -> None:
        """Take what the browser has sent, once it is so many requests, and let everybody do their work."""
        for batch in self.shop.heard(requests):
            self.door.receive("tea", AGENT, json.dumps(batch).encode(), "203.0.113.7")
            self.plant.settle()
        self.shop.sent.clear()

    def mails(self) -> list[Any]:
        """Return the mails that left, oldest first."""
        return [sent.mail for sent in self.world.inbox]

    def serve_confirmation(self, link: str) -> str:
        """Serve the page behind a mail's link from here; return its path."""
        path = "/confirm/" + link.rpartition("/")[2]
        claim = read_confirm(self.world.secrets.link_keys(), link.rpartition("/")[2])
        self.shop.pages[path] = self.desk.show(claim, self.published).page.html
        self.shop.forms[path] = lambda: self.desk.confirm(claim, self.published).page.html
        return path


@pytest.fixture
def behind(page: Page) -> Iterator[Behind]:
    with opened(page) as shop:
        page.do("Emulation.setUserAgentOverride", userAgent="Mozilla/5.0 Firefox/128.0", acceptLanguage="zh-TW")
        bell = "<h1>黃銅鈴</h1>" + "<p>x" * 300
        shop.put("/bell", bell, kind="single-product postid-301 woocommerce", lang="zh-TW")
        yield Behind(shop)
        page.do("Emulation.setUserAgentOverride", userAgent="")


def test_what_a_visitor_looked_at_twice_is_in_the_mail_that_follows_their_sign_up_in_their_language(
    behind: Behind,
) -> None:
    shop = behind.shop
    for _ in range(2):
        shop.open("/bell")
        shop.page.ask("rekindle('track', 'product.viewed', {id: '301', title: '黃銅鈴', url: location.href})")
        shop.page.ask("localStorage.setItem('rekindle', JSON.stringify({newsletter: Date.now()}))")
        shop.stay(70)
        shop.leave()
        behind.hears(1)
        behind.plant.until(behind.world.clock.now() + timedelta(minutes=5))
    assert behind.mails() == []

    shop.open("/bell")
    shop.page.ask("rekindle('popup', 'newsletter')")
    shop.wait(INSIDE)
    assert shop.page.ask(f"{INSIDE}.querySelector('.box').lang") == "zh-Hant"
    shop.page.ask(f"{INSIDE}.querySelector('#email').value = '{CLEO}'")
    shop.page.ask(f"{INSIDE}.querySelector('[type=submit]').click()")
    shop.wait(f"{INSIDE}.querySelector('.told').textContent.startsWith('還差一步')")
    behind.hears(1)
    (asked,) = behind.mails()
    assert (asked.to, asked.subject) == (CLEO, "Brass & Bells｜請確認您的電子郵件地址")
    (link,) = set(re.findall(rf"{shop.url}/confirm/[\w.-]+", asked.html))
    assert "List-Unsubscribe" not in asked.headers

    path = behind.serve_confirmation(link)
    shop.page.open(shop.url + path)
    assert "c••@e…" in shop.page.ask("document.body.innerText")
    shop.click("button")
    shop.wait("document.title === '訂閱完成'")
    behind.plant.settle()
    behind.plant.until(at(hours=3))
    (seen,) = (mail for mail in behind.mails() if mail.tags["flow"] == "browse-abandonment")
    assert seen.to == CLEO
    assert "黃銅鈴" in seen.html
    assert 'lang="zh-Hant"' in seen.html
    assert {mail.tags["flow"] for mail in behind.mails()} == {"sign-up", "browse-abandonment"}
