"""The shop's own site on the deployed stack: a visit over HTTP, and whose it turns out to be."""

from __future__ import annotations

import html
import json
import re
import urllib.request

import pytest

from local.shops import BELL, BIKES, Person, Webhook, woocommerce, woocommerce_order
from local.world import World
from tests.e2e.test_preferences import browse

pytestmark = pytest.mark.xdist_group("e2e-live")

VERA = Person(870, "Vera", "Visitor", "vera.visitor@example.com", "Gent", "9000", country="BE")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
BROWSER = "vera-visitors-browser-01"


def visit(live: World, *events: dict[str, object], **headers: str) -> int:
    body = json.dumps({"browser": BROWSER, "locale": "nl-BE", "zone": "Europe/Brussels", "events": events}).encode()
    sent = {"Origin": f"https://{BIKES.domain}", "User-Agent": AGENT, "Content-Type": "text/plain"} | headers
    return live.post_to(f"{live.stack.api_url}/collect/{BIKES.id}", Webhook(sent, body))


def profiles(live: World) -> set[str]:
    pages = live.stack.dynamodb.get_paginator("scan").paginate(
        TableName=live.stack.tables["Profiles"], ConsistentRead=True, ProjectionExpression="#id",
        ExpressionAttributeNames={"#id": "id"},
    )  # fmt: skip
    return {item["id"]["S"] for page in pages for item in page["Items"]}


def test_what_a_visitor_looked_at_belongs_to_whoever_orders_in_that_browser(live: World) -> None:
    view = {"type": "product.viewed", "id": BELL.id, "title": BELL.title, "seconds": 71, "ago": 75, "look": "look0001"}
    before = profiles(live)
    assert visit(live, view) == 204
    live.runner.wait_until_idle()
    (visitor,) = profiles(live) - before
    at = live.clock.now()
    order = woocommerce_order(VERA, [(BELL, 1)], "processing", at, at)
    order["meta_data"] = [{"key": "_rekindle_browser", "value": BROWSER}]
    assert live.post(BIKES, woocommerce("order.created", order, "vera-1")) == 200
    live.runner.wait_until_idle()
    assert live.reasons(VERA.email), "somebody is known by this address"
    assert profiles(live) == before | {visitor}, "and it is the visitor"
    assert live.stack.dead_letters() == {}


def test_a_foreign_page_and_a_robot_are_not_heard(live: World) -> None:
    stored = live.stack.count("Deliveries")
    view = {"type": "product.viewed", "id": "1", "seconds": 5}
    assert visit(live, view, Origin="https://evil.example") == 403
    assert visit(live, view, **{"User-Agent": "Googlebot/2.1"}) == 204
    assert live.stack.count("Deliveries") == stored


def test_the_script_is_served(live: World) -> None:
    with urllib.request.urlopen(f"{live.stack.api_url}/site/{BIKES.id}/rekindle.js") as answer:  # noqa: S310 - loopback
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert b'"platform":"woocommerce"' in answer.read()


def test_somebody_signs_up_without_scripts_and_is_known_once_they_pressed_the_mails_button(live: World) -> None:
    """The whole road on the deployed stack: the form as a page, one mail, its page, its button."""
    gina = "gina.guest@example.com"
    form = f"{live.stack.api_url}/sign-up/{BIKES.id}/newsletter"
    status, page = browse(form)
    assert (status, "<form" in page) == (200, True)
    assert browse(form, [("email", "nobody"), ("shown_in", "en")])[0] == 422
    assert browse(form, [("email", gina), ("shown_in", "en")])[0] == 200
    live.runner.wait_until_idle()
    (mail,) = [mail for mail in live.ses.mails if mail.address == gina]
    assert live.reasons(gina) == [], "nobody is known by it yet"
    (link,) = set(re.findall(r'href="(https?://[^"]+/confirm/[^"]+)"', mail.html))
    link = html.unescape(link)
    status, page = browse(link)
    assert (status, gina in page, "g••@e…" in page) == (200, False, True)
    assert browse(link, [])[0] == 200
    live.runner.wait_until_idle()
    assert "said: subscribed (email)" in live.reasons(gina)
    assert browse(link + "x")[0] == 404
    assert live.stack.dead_letters() == {}
