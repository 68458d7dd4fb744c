"""From a mail that was delivered to its reader's own page, and what they choose there holds the next mail back."""

from __future__ import annotations

import html
import re
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from local.demo import opening
from local.shops import CUP, TEA, Person, shopify, shopify_checkout
from local.world import world
from tests.support.content import demo_content

pytestmark = pytest.mark.xdist_group("e2e-preferences")

NORA = Person(4711, "Nora", "Choice", "nora@example.com", "Hove", "BN3 2FP")


def browse(url: str, form: list[tuple[str, str]] | None = None) -> tuple[int, str]:
    """Do what a browser does: open the page, or send its form."""
    request = urllib.request.Request(url, None if form is None else urlencode(form).encode())  # noqa: S310 - loopback
    if form is not None:
        request.add_header("Content-Type", "application/x-www-form-urlencoded")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_what_somebody_chooses_on_their_page_holds_the_next_mail_back() -> None:
    start = opening(datetime.now(UTC)) + timedelta(hours=9)
    with world(port=None, start=start, content=demo_content()) as there:
        left = there.clock.now()
        body = shopify_checkout(NORA, [(CUP, 1)], left)
        assert there.post(TEA, shopify("checkouts/create", body, left)) == 200
        there.runner.run_until(left + timedelta(hours=2))
        (mail,) = [mail for mail in there.ses.mails if mail.address == NORA.email]
        url = html.unescape(re.findall(r'href="(https?://[^"]+/p/[^"]+)"', mail.html)[0])

        status, page = browse(url)
        assert status == 200
        assert NORA.email not in page
        assert "n••@e…" in page
        assert 'name="on" value="topic.reminders" checked' in page
        sent = [("was", was) for was in re.findall(r'name="was" value="([^"]+)"', page)]
        ticked = [("on", on) for on in re.findall(r'name="on" value="([^"]+)" checked', page)]
        kept = [pair for pair in ticked if pair != ("on", "topic.reminders")]
        status, page = browse(url, [*sent, *kept, ("frequency", "everything"), ("act", "save")])
        assert status == 200
        assert 'name="on" value="topic.reminders" checked' not in page
        there.runner.wait_until_idle()
        assert 'name="on" value="topic.reminders" checked' not in browse(url)[1]

        there.runner.run_until(left + timedelta(days=5))
        assert [mail for mail in there.ses.mails if mail.address == NORA.email] == [mail]
        assert any("they switched off the topic reminders" in reason for reason in there.reasons(NORA.email))
        assert there.stack.dead_letters() == {}
