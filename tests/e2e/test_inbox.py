"""The inbox page: safe to open, and what is done on it really happens."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from rich.console import Console

from local.inbox import Controls, InboxServer
from local.ses import InboxMail
from local.shops import (
    BELL,
    BIKES,
    TEA,
    TEAPOT,
    Person,
    shopify,
    shopify_order,
    shopify_product,
    woocommerce,
    woocommerce_order,
)
from local.timeline import Timeline
from local.world import World
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-live")

_numbers = count(800)
GUARD = {"X-Inbox": "1"}


@pytest.fixture
def inbox(live: World) -> Iterator[InboxServer]:
    """Return the page's server."""
    controls = Controls(skip=threading.Event(), next_due=lambda: None)
    with InboxServer(live, Timeline(Console(quiet=True)), controls, port=None).running() as server:
        yield server


@pytest.fixture
def mail(live: World) -> InboxMail:
    """Return a confirmation that somebody new has just got."""
    number = next(_numbers)
    person = Person(number, "Iris", "Inbox", f"iris{number}@example.com", "Hove", "BN3 2FP")
    at = live.clock.now()
    assert live.post(TEA, shopify("products/create", shopify_product(TEAPOT, at), at)) == 200
    live.runner.wait_until_idle()
    body = shopify_order(person, [(TEAPOT, 1)], at)
    assert live.post(TEA, shopify("orders/create", body, at)) == 200
    eventually(lambda: any(mail.address == person.email for mail in live.ses.mails), seconds=20)
    live.runner.wait_until_idle()
    return next(mail for mail in live.ses.mails if mail.address == person.email)


def ask(url: str, headers: dict[str, str] | None = None, *, post: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body, whatever the status."""
    request = urllib.request.Request(url, b"" if post else None, headers or {})  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, dict(refused.headers), refused.read()


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/icon.svg", "/api/state", "/pictures/teapot.png"])
def test_the_page_and_all_that_it_needs_come_from_here(inbox: InboxServer, path: str) -> None:
    status, headers, body = ask(inbox.url + path)
    assert status == 200
    assert body
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert b"https://" not in body or path == "/api/state"


def test_a_mail_is_shown_in_a_sandbox_with_its_pictures(inbox: InboxServer, mail: InboxMail) -> None:
    status, headers, body = ask(f"{inbox.url}/mails/{mail.number}/html")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("sandbox allow-popups")
    assert f"{inbox.url}/pictures/teapot.png".encode() in body


def test_the_state_names_each_mail_with_its_template_and_what_became_of_it(inbox: InboxServer, mail: InboxMail) -> None:
    _, _, body = ask(f"{inbox.url}/api/state")
    state: dict[str, Any] = json.loads(body)
    ours = next(each for each in state["mails"] if each["number"] == mail.number)
    assert (ours["to"], ours["template"], ours["state"]) == (mail.address, "order-confirmation", "delivered")


@pytest.mark.parametrize(
    ("act", "state"),
    [("open", "delivered"), ("click", "delivered"), ("bounce", "bounced"), ("complaint", "complained")],
)
def test_what_is_simulated_reaches_the_message(
    live: World, inbox: InboxServer, mail: InboxMail, act: str, state: str
) -> None:
    status, _, _ = ask(f"{inbox.url}/api/mails/{mail.number}/{act}", GUARD, post=True)
    assert status == 200
    live.runner.wait_until_idle()
    assert [found for _, found, _ in live.messages(mail.address)] == [state]


def test_a_foreign_page_can_neither_act_nor_look(inbox: InboxServer, mail: InboxMail) -> None:
    assert ask(f"{inbox.url}/api/mails/{mail.number}/bounce", post=True)[0] == 403
    assert ask(f"{inbox.url}/api/state", {"Host": "rebound.example.com"})[0] == 403
    assert "Bounce" not in [each.kind for each in mail.happenings]


@pytest.mark.parametrize("path", ["/api/mails/999999", "/mails/999999/html", "/pictures/none.png", "/../stack.py"])
def test_what_is_not_there_is_not_found(inbox: InboxServer, path: str) -> None:
    assert ask(inbox.url + path)[0] == 404


def test_a_sample_is_accepted_by_the_shop_that_it_is_for(live: World, inbox: InboxServer) -> None:
    at = live.clock.now()
    checkout = json.loads(ask(f"{inbox.url}/sample/checkout?email=sample@example.com")[2])
    assert live.post(TEA, shopify("checkouts/create", checkout, at)) == 200
    order = json.loads(ask(f"{inbox.url}/sample/order?email=sample@example.com")[2])
    assert live.post(BIKES, woocommerce("order.updated", order, "sample")) == 200
    assert order["line_items"][0]["product_id"] == BELL.id
    assert (
        order.keys() == woocommerce_order(Person(1, "A", "B", "c@example.com", "D", "E"), [], "pending", at, at).keys()
    )
