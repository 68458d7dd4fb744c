"""Checking a shop: each link there, missing, or not to be told; and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.content.sources import parse_shop
from rekindle.domain.errors import ShopUncertainError
from rekindle.flow.definition import parse_flow
from rekindle.flow.program import Flow, Playbook, Shop
from rekindle.ports import Allowance, SenderDomain
from rekindle.service.shop_check import Checking, Installation, Link
from rekindle.service.shop_files import NewShop, with_own_mails, written
from tests.support.build import ROOT
from tests.support.connecting import Bench, bench

__all__ = ["bench"]

NEW = NewShop(
    platform="shopify",
    name="Tea",
    url="https://tea.example",
    sender_email="hello@mail.tea.example",
    postal_address="Tea Ltd, 1 Leaf Lane",
    currency="GBP",
    locale="en-GB",
    zone="Europe/London",
)
KNOWN = SenderDomain(
    name="mail.tea.example",
    verified=True,
    dkim="SUCCESS",
    mail_from="bounce.mail.tea.example",
    mail_from_state="SUCCESS",
)
RECORDS = {
    "bounce.mail.tea.example": ["v=spf1 include:amazonses.com ~all"],
    "_dmarc.tea.example": ["v=DMARC1; p=none"],
}
ALL_OK = Allowance(rate=14.0, quota=50_000.0, sent=0.0, trial=False)


@dataclass
class Outside:
    """What SES, the DNS and SNS say."""

    domains: dict[str, SenderDomain] = field(default_factory=lambda: {KNOWN.name: KNOWN})
    records: dict[str, list[str]] = field(default_factory=lambda: dict(RECORDS))
    hosts: set[str] = field(default_factory=lambda: {"links.tea.example"})
    account: Allowance = ALL_OK
    receivers: tuple[int, int] = (1, 0)
    sets: set[str] = field(default_factory=lambda: {"tea-mails"})
    down: bool = False
    region: str = "eu-west-1"

    def domain(self, name: str) -> SenderDomain | None:
        return self.domains.get(name)

    def introduce(self, name: str) -> SenderDomain:
        self.domains[name] = SenderDomain(name=name, verified=False, dkim="PENDING", tokens=("a1", "b2", "c3"))
        return self.domains[name]

    def envelope(self, name: str, mail_from: str) -> None:
        self.domains[name] = replace(self.domains[name], mail_from=mail_from, mail_from_state="PENDING")

    def has_set(self, name: str) -> bool:
        return name in self.sets

    def allowance(self) -> Allowance:
        return self.account

    def texts(self, name: str) -> Sequence[str]:
        if self.down:
            raise ShopUncertainError("the DNS does not answer")
        return self.records.get(name, [])

    def exists(self, name: str) -> bool:
        return name in self.hosts


class Checked:
    """A checking of the bench's shops, and all that it looks at."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.outside = Outside()
        self.book = Playbook(hash="h", shops={"tea": shop()}, flows={name: flow(name) for name in FLOWS})
        self.installation = Installation(configuration_set="tea-mails", link_base=bench.api.url, marketing_senders=2)

    def run(self, name: str = "tea", *, repair: bool = False) -> dict[str, Link]:
        checking = Checking(
            connecting=self.bench.connecting,
            book=lambda: self.book,
            desk=self.outside,
            account=self.outside,
            names=self.outside,
            receivers=lambda: self.outside.receivers,
            installation=self.installation,
        )
        return {link.name: link for link in checking.run(name, repair=repair)}

    def file(self, **changes: Any) -> None:
        self.book = replace(self.book, shops={"tea": replace(shop(), **changes)})


FLOWS = ("order-confirmation", "cart-abandonment", "welcome")


def shop(text: str | None = None) -> Shop:
    found, problems = parse_shop(text or written("tea", NEW), file="shops/tea.yaml")
    assert found is not None, problems
    return found


def flow(name: str) -> Flow:
    path = f"flows/{name}.yaml"
    found, problems = parse_flow((ROOT / "templates" / path).read_text("utf-8"), file=path)
    assert found is not None, problems
    return found


@pytest.fixture
def checked(bench: Bench) -> Checked:
    bench.tea()
    return Checked(bench)


def states(links: dict[str, Link]) -> dict[str, str]:
    return {name: link.state for name, link in links.items() if link.state != "ok"}


def test_of_a_shop_in_good_order_nothing_is_missing(checked: Checked) -> None:
    checked.file(own_mails={"orders": False, "carts": False})
    links = checked.run()
    assert states(links) == {"compliance topics": "unknown"}
    assert 'compliance_topics = ["customers/data_request"' in links["compliance topics"].cure
    assert set(links) >= {"shop file", "secret", "rights", "webhooks", "signed webhook", "forged webhook", "DKIM"}
    assert links["own order mails"].cure == "switch on order-confirmation in shops/tea.yaml, under flows"


def test_what_nobody_has_said_is_asked_for_and_what_would_go_out_twice_is_missing(checked: Checked) -> None:
    checked.file(own_mails={})
    assert states(checked.run())["own order mails"] == "unknown"
    checked.file(own_mails={}, flows={"order-confirmation": True})
    link = checked.run()["own order mails"]
    assert (link.state, "order-confirmation is on here" in link.told) == ("missing", True)
    assert link.cure.endswith("then --own-mails orders=off")
    assert "own cart mails" in states(checked.run())


def test_of_a_shop_that_nobody_has_begun_all_is_missing(checked: Checked) -> None:
    links = checked.run("coffee")
    assert (links["shop file"].state, links["secret"].state) == ("missing", "missing")
    assert links["shop file"].cure == "rekindle shop add coffee, then rekindle publish"
    assert "webhooks" not in links
    assert links["sandbox"].state == "ok"


def test_a_file_of_another_platform_is_missing(checked: Checked) -> None:
    checked.file(platform="woocommerce")
    assert "says woocommerce" in checked.run()["secret"].told


def test_webhooks_that_are_gone_or_elsewhere_are_registered_by_repair(checked: Checked) -> None:
    first, second, *_ = checked.bench.shopify.subscriptions
    gone = checked.bench.shopify.subscriptions.pop(first)
    link = checked.run()["webhooks"]
    assert (link.state, "not registered" in link.told, link.cure) == (
        "missing",
        True,
        "--repair registers what is missing",
    )
    mended = checked.run(repair=True)["webhooks"]
    assert (mended.state, mended.repaired) == ("ok", True)
    assert gone.topic in {one.topic for one in checked.bench.shopify.subscriptions.values()}
    assert second in checked.bench.shopify.subscriptions
    assert checked.run()["webhooks"].told.startswith("all 4 topics")


@pytest.mark.parametrize(("version", "state"), [("2024-10", "ok"), ("2024-07", "missing"), ("2026-10", "missing")])
def test_webhooks_come_in_a_version_that_is_read(checked: Checked, version: str, state: str) -> None:
    checked.bench.shopify.webhooks_version = version
    assert checked.run()["webhook version"].state == state


def test_a_webhook_that_woocommerce_has_switched_off_is_told_and_switched_on(bench: Bench) -> None:
    bench.bikes()
    checked = Checked(bench)
    number = next(iter(bench.woocommerce.webhooks))
    bench.woocommerce.fail(number)
    topic = bench.woocommerce.webhooks[number]["topic"]
    assert checked.run("bikes")["ping"].state == "ok"
    assert f"switched off by the shop: {topic}" in checked.run("bikes")["webhooks"].told
    assert checked.run("bikes", repair=True)["webhooks"].repaired
    assert bench.woocommerce.webhooks[number]["status"] == "active"


def test_rights_that_are_missing_are_named_with_what_they_serve(checked: Checked) -> None:
    checked.bench.shopify.granted -= {"read_customers"}
    link = checked.run()["rights"]
    assert (link.state, "without read_customers: no customers" in link.told) == ("missing", True)
    checked.bench.shopify.granted = frozenset({"read_orders", "read_fulfillments", "read_customers", "read_products"})
    assert "write_discounts" in checked.run()["rights"].told


@pytest.mark.parametrize(("fault", "state"), [("denied", "missing"), ("html", "unknown"), ("fail", "unknown")])
def test_a_shop_that_does_not_answer_hides_nothing_else(checked: Checked, fault: Any, state: str) -> None:
    checked.bench.shopify.weather = lambda: fault
    links = checked.run()
    assert (links["shop's API"].state, links["webhooks"].state) == (state, "unknown")
    assert (links["signed webhook"].state, links["DKIM"].state) == ("ok", "ok")
    assert "shpat_local" not in str(links)


def test_a_door_that_lets_nobody_in_or_everybody_is_missing(checked: Checked) -> None:
    stored = checked.bench.connections.stored["tea"]
    checked.bench.connections.stored["tea"] = stored | {"webhook_secrets": ["another"]}
    assert "answers with 401" in checked.run()["signed webhook"].told
    checked.bench.connecting.door = Open()
    assert "off the net" in checked.run()["forged webhook"].cure


class Open:
    """A door that anybody may come through."""

    def knock(self, *_: object) -> int:
        return 200


def test_a_sender_that_ses_does_not_know_is_introduced_by_repair_and_its_records_are_told(checked: Checked) -> None:
    checked.outside.domains.clear()
    assert "--repair makes mail.tea.example known" in checked.run()["sender"].cure
    links = checked.run(repair=True)
    assert "a1._domainkey.mail.tea.example. CNAME a1.dkim.amazonses.com." in links["DKIM"].cure
    assert "bounce.mail.tea.example. MX 10 feedback-smtp.eu-west-1.amazonses.com." in links["MAIL FROM"].cure
    assert "include:amazonses.com" not in links["MAIL FROM"].told
    assert states(checked.run()).keys() >= {"sender", "DKIM", "MAIL FROM"}


def test_a_domain_above_the_senders_serves_and_an_address_alone_is_not_signed(checked: Checked) -> None:
    checked.outside.domains = {"tea.example": replace(KNOWN, name="tea.example")}
    assert checked.run()["sender"].told == "mails may come from tea.example"
    alone = SenderDomain(name="hello@mail.tea.example", verified=True)
    checked.outside.domains = {alone.name: alone}
    links = checked.run()
    assert (links["sender"].state, links["DKIM"].state) == ("ok", "missing")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("DKIM", {"domains": {KNOWN.name: replace(KNOWN, dkim="PENDING", tokens=("a1",))}}),
        ("sender", {"domains": {KNOWN.name: replace(KNOWN, verified=False)}}),
        ("MAIL FROM", {"domains": {KNOWN.name: replace(KNOWN, mail_from="", mail_from_state="")}}),
        ("MAIL FROM", {"records": RECORDS | {"bounce.mail.tea.example": []}}),
        ("DMARC", {"records": RECORDS | {"_dmarc.tea.example": ["hello"]}}),
        ("default set", {"domains": {KNOWN.name: replace(KNOWN, default_set="other")}}),
        ("sandbox", {"account": replace(ALL_OK, trial=True)}),
        ("pace", {"account": replace(ALL_OK, rate=200.0)}),
        ("configuration set", {"sets": set()}),
        ("alarms", {"receivers": (0, 1)}),
        ("alarms", {"receivers": (0, 0)}),
    ],
)
def test_what_is_missing_outside_is_told_with_its_cure(checked: Checked, name: str, change: dict[str, Any]) -> None:
    checked.file(own_mails={"orders": False, "carts": False})
    for what, value in change.items():
        setattr(checked.outside, what, value)
    links = checked.run()
    assert states(links) == {"compliance topics": "unknown", name: "missing"}
    assert links[name].cure


def test_a_dns_that_does_not_answer_is_no_record_that_is_missing(checked: Checked) -> None:
    checked.outside.down = True
    found = states(checked.run())
    assert (found["DMARC"], found["MAIL FROM"]) == ("unknown", "unknown")


def test_a_link_domain_leads_to_our_api(checked: Checked) -> None:
    checked.file(link_domain="links.tea.example")
    checked.outside.hosts.clear()
    assert "leads nowhere" in checked.run()["link domain"].told
    checked.outside.hosts.add("127.0.0.1")
    checked.file()
    checked.installation = replace(checked.installation, link_base=checked.bench.api.url + "/elsewhere")
    assert checked.run()["link domain"].state == "ok"
    checked.installation = replace(checked.installation, link_base=checked.bench.shopify.url)
    checked.bench.shopify.weather = lambda: "html"
    assert "answers with 200 where our API answers with 404" in checked.run()["link domain"].told


def test_a_new_file_says_that_the_shop_sends_its_own_until_somebody_says_otherwise() -> None:
    text = written("tea", NEW)
    assert shop(text).own_mails == {"orders": True, "carts": True}
    commented = text.replace("currency: GBP", "# ours\ncurrency: GBP")
    half = with_own_mails(commented, {"orders": True, "carts": False})
    assert shop(half).own_mails == {"orders": True, "carts": False}
    off = with_own_mails(half, {"orders": False, "carts": False})
    assert shop(off).own_mails == {"orders": False, "carts": False}
    assert off.replace("own_mails: off", "own_mails: on") == commented
    block = text.replace(text.splitlines()[-1], "own_mails:\n  orders: on\n  carts: on\nflows: {}")
    assert shop(with_own_mails(block, {"orders": False, "carts": False})).own_mails == {"orders": False, "carts": False}
    assert "flows: {}" in with_own_mails(block, {"orders": False, "carts": False})


@pytest.mark.parametrize(
    "name", ["Tea", "on", "1234", "Tea: the shop", 'Ti\'ana "T"', "# tea", "Café & Co, Ltd", "- x", "茶"]
)
def test_any_name_can_stand_in_a_file(name: str) -> None:
    assert shop(written("tea", replace(NEW, name=name))).name == name
