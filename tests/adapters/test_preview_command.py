"""`rekindle preview` with a customer of a deployed stack, and to a mailbox (MiniStack)."""

from __future__ import annotations

import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rekindle.aws.clients import Clients
from rekindle.cli import preview as command
from rekindle.cli.main import main
from rekindle.domain.facts import Basket, Item, Person, Product
from rekindle.domain.profile import Profile, Run
from rekindle.ports import Alias, Commit, Mail
from rekindle.service.catalogue import Catalogue, Change
from rekindle.service.people import alias_key
from tests.adapters.test_replay_command import Deployed, deployed
from tests.content.mailkit import TEMPLATES
from tests.shops.payloads import SHOP
from tests.support.build import T0

__all__ = ["deployed"]

SHOP_FILE = """\
name: Northwind Tea
platform: shopify
url: https://northwind.example
sender: {name: Northwind Tea, email: hello@northwind.example, reply_to: help@northwind.example}
postal_address: 1 Harbour Row
currency: EUR
locale: en-IE
zone: Europe/Dublin
"""


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    (folder / "shops").mkdir(parents=True)
    (folder / "shops" / f"{SHOP}.yaml").write_text(SHOP_FILE)
    shutil.copytree(TEMPLATES / "emails", folder / "emails")
    return folder


@pytest.fixture
def known(deployed: Deployed) -> Deployed:
    """A stack that knows Laila, who left two baskets and reads Arabic."""
    ports = deployed.ports
    key = alias_key(ports.secrets.address_key(), SHOP, "email", "laila@example.com")
    runs = tuple(
        Run(
            id=f"r{day}", flow="cart-abandonment", version="v", playbook="p", entered_at=T0 + timedelta(days=day),
            expires_at=T0 + timedelta(days=30),
            trigger=Basket(
                id=f"b{day}", updated_at=T0, currency="EUR", total=Decimal(day), items=(Item(title=f"Tea {day}"),)
            ),
        )
        for day in (1, 2)
    )  # fmt: skip
    laila = Profile(
        id="a" * 32, shop=SHOP, version=1, email="laila@example.com", aliases=(key,), runs=runs,
        person=Person(first_name="Laila", locale="ar-AE"),
    )  # fmt: skip
    ports.state.commit(Commit(profile=laila, aliases=(Alias(key, laila.id),), at=T0))
    return deployed


def run(content: Path, *arguments: str) -> int:
    return main(["preview", "--content", str(content), "--out", str(content.parent / "out"), *arguments])


def test_a_customer_gets_their_own_basket_in_their_own_language(
    known: Deployed, content: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That of their newest run, from the shop's own file."""
    who = ("--stack", known.stack, "--shop", SHOP, "--email", "Laila@example.com")
    assert run(content, "cart-reminder-1", *who) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "cart-reminder-1 in ar, for laila@example.com, from Northwind Tea" in told.out
    text = (content.parent / "out" / "cart-reminder-1.ar.txt").read_text("utf-8")
    assert "\u2068Laila\u2069، سلّتك كما تركتها" in text
    assert "Tea 2" in text
    assert "Tea 1" not in text


def test_a_customer_is_recommended_what_the_shop_would_recommend_now(known: Deployed, content: Path) -> None:
    """And not what the sample has."""
    ports = known.ports
    goods = [
        Product(
            id=key,
            updated_at=T0,
            created_at=T0,
            title=key.title(),
            url=f"https://northwind.example/{key}",
            in_stock=True,
        )
        for key in ("pot", "strainer")
    ]
    ports.state.commit(Commit(shop=SHOP, products=tuple(goods)))
    catalogue = Catalogue(shelves=ports.shelves, queue=ports.catalogue_tasks, fanout=ports.fanout)
    catalogue.heard([Change(SHOP, None, product) for product in goods])
    who = ("--stack", known.stack, "--shop", SHOP, "--email", "laila@example.com")
    assert run(content, "cart-reminder-2", *who) == 0
    text = (content.parent / "out" / "cart-reminder-2.ar.txt").read_text("utf-8")
    assert "Strainer" in text
    assert "shop.example/products/honey" not in text


def test_who_has_no_such_event_gets_the_samples(
    known: Deployed, content: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    who = ("--stack", known.stack, "--shop", SHOP, "--email", "laila@example.com")
    assert run(content, "order-confirmation", *who) == 0
    assert "the sample's event is shown" in capsys.readouterr().err


@pytest.mark.parametrize("email", ["stranger@example.com", "no address"])
def test_a_stranger_is_one_line_and_exit_2(
    known: Deployed, content: Path, email: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(content, "cart-reminder-1", "--stack", known.stack, "--shop", SHOP, "--email", email) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


class _Sent:
    """What would have gone to SES."""

    def __init__(self) -> None:
        self.mails: list[tuple[Mail, str | None]] = []

    def mailer(self, clients: Clients, *, configuration_set: str | None) -> Any:
        del clients
        sent = self

        class Mailer:
            def send(self, mail: Mail) -> str:
                sent.mails.append((mail, configuration_set))
                return "id"

        return Mailer()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> _Sent:
    made = _Sent()
    monkeypatch.setattr(command, "SesMailer", made.mailer)
    return made


def test_a_test_mail_says_so_and_is_counted_nowhere(
    known: Deployed, content: Path, sent: _Sent, capsys: pytest.CaptureFixture[str]
) -> None:
    """No message id that anything waits for, no tags, no configuration set, nobody's unsubscribe link."""
    to = ("--stack", known.stack, "--shop", SHOP, "--email", "laila@example.com", "--send-to", "Me@northwind.example")
    assert run(content, "cart-reminder-1", *to) == 0
    ((mail, configuration_set),) = sent.mails
    assert (mail.to, mail.sender) == ("me@northwind.example", "Northwind Tea <hello@northwind.example>")
    assert mail.subject.startswith("[Test] ")
    assert mail.headers == {"X-Rekindle-Test": "cart-reminder-1"}
    assert (dict(mail.tags), configuration_set) == ({}, None)
    assert "https://links.example/u/sample" in mail.html
    assert "sent to me@northwind.example, as a test" in capsys.readouterr().out


def test_a_stack_that_is_not_there_sends_nothing(
    known: Deployed, content: Path, sent: _Sent, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(content, "cart-reminder-1", "--stack", f"{known.stack}x", "--send-to", "me@northwind.example") == 2
    assert sent.mails == []
    assert capsys.readouterr().err.startswith("rekindle: ")
    assert run(content, "cart-reminder-1", "--stack", known.stack, "--send-to", "nobody") == 2
    assert sent.mails == []
