"""`rekindle shop`: over a deployed stack, found by its name (MiniStack), and shops on loopback."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from local.shopify_api import LocalShopify
from local.woocommerce_api import LocalWooCommerce
from rekindle.aws.secrets import CachedSecrets
from rekindle.cli.main import main
from rekindle.content.sources import parse_shop
from rekindle.flow.program import Playbook
from tests.adapters.test_replay_command import Deployed, deployed
from tests.adapters.test_rollout_command import publish
from tests.support.connecting import LocalApi, name_server

__all__ = ["deployed"]

SECRETS = ("shpat_local", "shpss_local", "ck_local", "cs_local")


class Live:
    """A stack whose API is on loopback, and the two shops that it is connected to."""

    def __init__(self, base: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
        self.base, self.ports = base, base.ports
        self.stack = f"{base.stack}-shops"
        self.connect_secrets = CachedSecrets(base.ports.clients, base.ports.installation.secrets_prefix)
        self.api = LocalApi(self.connect_secrets)
        self.shopify, self.woocommerce = LocalShopify(), LocalWooCommerce()
        self.dns = ""
        self._capsys = capsys
        sns: Any = base.ports.clients.session.create_client("sns", endpoint_url=base.ports.clients.endpoint_url)
        outputs = {
            "ConfigurationSetName": "tea-mails",
            "AlarmTopicArn": sns.create_topic(Name=f"{self.stack}-alarms")["TopicArn"],
            "LinkBase": self.api.url,
            "SecretsPrefix": base.ports.installation.secrets_prefix,
            "ContentBucketName": base.ports.installation.content_bucket,
            "ApiUrl": self.api.url,
        }
        base.deploy(self.stack, outputs)

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run the command; return what it says, on whichever stream. No secret is ever among it."""
        # Nothing of this machine's own DNS.
        more = ("--resolver", self.dns) if arguments[0] == "check" else ()
        assert main(["shop", *arguments, "--stack", self.stack, *more]) == status
        told = self._capsys.readouterr()
        assert not any(secret in told.out + told.err for secret in SECRETS)
        return told.err if status == 2 else told.out

    def tea(self, *more: str, status: int = 0) -> str:
        at = ("--domain", "local.myshopify.com", "--api", self.shopify.url)
        return self.run("connect", "shopify", "tea", *at, *more, status=status)

    def bikes(self, *more: str, status: int = 0) -> str:
        return self.run("connect", "woocommerce", "bikes", "--url", self.woocommerce.url, *more, status=status)


@pytest.fixture
def live(deployed: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setenv("REKINDLE_SHOPIFY_TOKEN", "shpat_local")
    monkeypatch.setenv("REKINDLE_SHOPIFY_APP_SECRET", "shpss_local")
    monkeypatch.setenv("REKINDLE_WOOCOMMERCE_KEY", "ck_local")
    monkeypatch.setenv("REKINDLE_WOOCOMMERCE_SECRET", "cs_local")
    few = {"shopify": ("orders/paid", "carts/update"), "woocommerce": ("order.created",)}
    for module in ("connecting", "shop_check"):
        monkeypatch.setattr(f"rekindle.service.{module}.topics_of", few.__getitem__)
    there = Live(deployed, capsys)
    with there.api.running(), there.shopify.running(), there.woocommerce.running(), name_server({}) as there.dns:
        yield there


def test_both_shops_are_connected_added_and_listed(live: Live, tmp_path: Path) -> None:
    told = live.tea()
    assert f"Webhooks come to {live.api.url}/webhooks/shopify/tea: 2 registered." in told
    assert 'compliance_topics = ["customers/data_request"' in told
    assert "tea is connected (it was already)" in live.tea()
    told = json.loads(live.bikes("--json"))
    assert (told["new"], told["webhooks"]["created"], told["scopes"]) == (True, ["order.created"], None)
    assert live.ports.secrets.shop("bikes") is not None

    (tmp_path / "emails/hello/texts").mkdir(parents=True)
    for tag in ("en", "zh-Hant"):
        (tmp_path / f"emails/hello/texts/{tag}.yaml").write_text("hello: hello", "utf-8")
    told = live.run("add", "tea", "--content", str(tmp_path))
    assert "is written" in told
    assert "locales" not in told
    shop, problems = parse_shop((tmp_path / "shops/tea.yaml").read_text("utf-8"), file="shops/tea.yaml")
    assert problems == ()
    assert shop is not None
    assert (shop.name, shop.currency, shop.zone, shop.url) == (
        "Local shop",
        "GBP",
        "Europe/London",
        "https://local.example.com",
    )
    (tmp_path / "shops/tea.yaml").write_text("mine", "utf-8")
    assert "is there already" in live.run("add", "tea", "--content", str(tmp_path))
    assert (tmp_path / "shops/tea.yaml").read_text("utf-8") == "mine"

    sender = ("--sender", "hello@mail.bikes.example", "--title", "Bikes: the shop")
    live.ports.blobs.put("content/emails/hello/texts/en.yaml", b"hello: hello")
    told = live.run("add", "bikes", "--in-bucket", *sender)
    assert "goes live" in told
    assert "No mail is written in Dutch" in told
    assert "add emails/<mail>/texts/nl.yaml for each mail, or the line locales: [en]" in told
    assert "is there already" in live.run("add", "bikes", "--in-bucket", *sender)
    raw = live.ports.blobs.get("content/shops/bikes.yaml")
    shop, _ = parse_shop((raw or b"").decode(), file="shops/bikes.yaml")
    assert shop is not None
    assert (shop.name, shop.sender_email, shop.locale) == ("Bikes: the shop", "hello@mail.bikes.example", "nl-BE")

    rows = {row["shop"]: row for row in json.loads(live.run("list", "--json"))}
    assert rows["tea"]["webhooks"] == f"{live.api.url}/webhooks/shopify/tea"
    assert (rows["bikes"]["connected"], rows["bikes"]["published"]) == (True, False)
    assert "(not published)" in live.run("list")


def test_secrets_come_from_stdin_and_a_wrong_one_is_one_line_and_exit_2(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("shpat_wrong\nshpss_local\n"))
    told = live.tea("--token", "-", "--app-secret", "-", status=2)
    assert "the access token is wrong" in told
    assert len(told.splitlines()) == 1
    assert "shpat_wrong" not in told
    monkeypatch.setattr("sys.stdin", io.StringIO("shpat_local\nshpss_local\n"))
    live.tea("--token", "-", "--app-secret", "-")


def test_a_secret_that_nobody_gives_is_asked_for(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REKINDLE_SHOPIFY_APP_SECRET")
    assert "client secret is missing" in live.tea(status=2)


def test_what_an_app_may_not_do_is_told_with_what_it_serves(live: Live) -> None:
    live.shopify.granted -= {"read_orders", "write_discounts"}
    told = live.tea(status=1)
    assert "Not registered: orders/paid" in told
    assert "The app may not read_orders: nothing comes of carts, checkouts, orders, refunds." in told
    assert "The app may not write_discounts: fine, but" in told


def test_a_file_of_which_not_all_is_known_says_what_to_give(
    live: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del live
    assert main(["shop", "add", "acme", "--content", str(tmp_path), "--platform", "shopify"]) == 2
    assert "--postal-address" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- check and rotate ------------------------------------------------------------------------------------------------

FILE = """\
name: Tea
platform: shopify
url: https://local.example.com
sender: {name: Tea, email: hello@mail.tea.example}
postal_address: Tea Ltd, 1 Leaf Lane
currency: GBP
locale: en-GB
zone: Europe/London
own_mails: on    # as ever
"""


def test_check_says_what_is_missing_and_writes_what_the_shop_says(live: Live, tmp_path: Path) -> None:
    shop, _ = parse_shop(FILE, file="shops/tea.yaml")
    assert shop is not None
    publish(live.base, Playbook(hash="shops", shops={"tea": shop}))
    live.tea()
    first = next(iter(live.shopify.subscriptions))
    del live.shopify.subscriptions[first]
    told = json.loads(live.run("check", "tea", "--json", status=1))
    links = {link["name"]: link for link in told["links"]}
    assert told["complete"] is False
    assert {name for name, link in links.items() if link["state"] == "ok"} >= {
        *("shop file", "secret", "shop's API", "rights", "signed webhook", "forged webhook", "link domain")
    }
    assert (links["webhooks"]["state"], links["alarms"]["state"]) == ("missing", "missing")

    told_again = live.run("check", "tea", "--repair", status=1)
    assert "ok       webhooks: not registered: orders/paid: mended (repaired)" in told_again
    assert len(live.shopify.subscriptions) == 2

    assert "there is no content/shops/tea.yaml" in live.run("check", "tea", "--own-mails", "off", status=2)
    live.ports.blobs.put("content/shops/tea.yaml", FILE.encode())
    (tmp_path / "shops").mkdir()
    (tmp_path / "shops/tea.yaml").write_text(FILE, "utf-8")
    live.run("check", "tea", "--own-mails", "carts=off", status=1)
    live.run("check", "tea", "--own-mails", "carts=off", "--content", str(tmp_path), status=1)
    stored = (live.ports.blobs.get("content/shops/tea.yaml") or b"").decode()
    assert "own_mails: {orders: on, carts: off}" in stored
    assert (tmp_path / "shops/tea.yaml").read_text("utf-8") == stored
    assert "write off, on" in live.run("check", "tea", "--own-mails", "perhaps", status=2)


def test_check_asks_whether_the_shops_own_mails_are_off(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, _ = parse_shop(FILE.replace("own_mails: on", "own_mails: {orders: off, carts: on}"), file="shops/tea.yaml")
    assert shop is not None
    publish(live.base, Playbook(hash="shops", shops={"tea": shop}))
    live.ports.blobs.put("content/shops/tea.yaml", FILE.encode())
    asked: list[str] = []

    def confirm(question: str, **_: object) -> bool:
        asked.append(question)
        return True

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("click.confirm", confirm)
    monkeypatch.setattr("sys.stdin", Terminal())
    live.run("check", "tea", status=1)
    assert asked == ["Are the shop's own cart mails switched off?"]
    assert b"own_mails: {orders: on, carts: off}" in (live.ports.blobs.get("content/shops/tea.yaml") or b"")


def test_a_secret_is_rotated_and_finished(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.bikes()
    monkeypatch.setattr("rekindle.service.rotating.SETTLE", timedelta(0))
    live.connect_secrets.shop("bikes")
    monkeypatch.setattr(live.connect_secrets, "_monotonic", lambda: monotonic() + 3_600)
    told = live.run("rotate-secret", "bikes")
    assert told.startswith("1 webhooks sign with the new secret.")
    assert "try again after" in live.run("rotate-secret", "bikes", "--finish", status=2)
    assert "two are live since" in live.run("check", "bikes", status=1)
    done = json.loads(live.run("rotate-secret", "bikes", "--finish", "--anyway", "--json"))
    assert done["step"] == "finished"
    known = live.ports.secrets.shop("bikes")
    assert known is not None
    assert (known.webhook_secrets,) == (tuple(live.woocommerce.secrets.values()),)
    assert "not connected" in live.run("rotate-secret", "coffee", status=2)
    assert "belongs to --finish" in live.run("rotate-secret", "bikes", "--anyway", status=2)
