"""Mails while they flow: at the account's rate, and while a marketer edits what they say in the bucket.

SES takes twenty mails a second here and refuses more, so the workers' own pace decides. Order confirmations have a
fifth of it: orders that come faster wait, and mails leave all through a test.
"""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message
from itertools import count

import pytest

from local.ses import InboxMail, Limits
from local.shops import BIKES, PLANT, Person, woocommerce, woocommerce_order
from local.stack import ROOT
from local.world import World, world
from tests.support.content import demo_content
from tests.support.pictures import png
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-flow")

RATE = 20.0
#: What order confirmations have of it (template.yaml, TransactionalShare).
SHARE = 0.2
BURST = 24
#: For so long a worker may go by what was published before (rekindle.service.library).
KNOWN = timedelta(seconds=31)
MARKETER = "marketing@pedal-and-petal.example.com"

_numbers = count(900)


@pytest.fixture(scope="module")
def slow() -> Iterator[World]:
    """Return a stack whose SES refuses what comes faster than its rate; nothing but these tests moves its clock."""
    content = demo_content()
    shop = "shops/pedal-and-petal.yaml"
    with world(port=None, content=content | {shop: content[shop] + f"notify: {MARKETER}\n".encode()}) as there:
        there.ses.limits = Limits(rate=RATE)
        yield there


def buy(there: World) -> Person:
    """Let somebody new place an order."""
    number = next(_numbers)
    person = Person(number, "Bo", "Burst", f"bo{number}@example.com", "Gent", "9000", country="BE")
    at = there.clock.now()
    body = woocommerce_order(person, [(PLANT, 1)], "processing", at, at)
    assert there.post(BIKES, woocommerce("order.created", body, f"order-{number}")) == 200
    return person


def confirmations(there: World) -> list[InboxMail]:
    return [mail for mail in there.ses.mails if mail.address != MARKETER]


def test_a_burst_of_orders_is_confirmed_at_the_accounts_rate_and_hardly_a_mail_is_throttled(slow: World) -> None:
    people = [buy(slow) for _ in range(BURST)]
    eventually(lambda: len(slow.ses.history) > 0, seconds=20)
    began = time.monotonic()
    eventually(lambda: len(confirmations(slow)) >= BURST, seconds=60)
    took = time.monotonic() - began
    assert Counter(mail.address for mail in confirmations(slow)) == {person.email: 1 for person in people}
    assert sum(attempt.refused for attempt in slow.ses.history) <= 2
    assert took >= 0.7 * BURST / (RATE * SHARE), "they went faster than their share of the rate"
    assert slow.stack.dead_letters() == {}


# --- edited while they flow ------------------------------------------------------------------------------------------

MAIL = "emails/order-confirmation"
SUBJECT = (ROOT / "templates" / MAIL / "subject.txt").read_bytes().rstrip()
BODY = (ROOT / "templates" / MAIL / "body.html").read_bytes()
BEGIN = b"{% block content %}"
#: New words in every part of the mail, and a picture that was not there before.
NEWER = {
    f"{MAIL}/subject.txt": SUBJECT + b" (second wording)\n",
    f"{MAIL}/body.html": BODY.replace(
        BEGIN, BEGIN + b'<p>The second wording.</p><img src="assets/thanks.png" alt="Thank you" width="40">'
    ),
    "assets/thanks.png": png(40, 40),
}
#: A third wording, of which one line is wrong.
BROKEN = {
    f"{MAIL}/subject.txt": SUBJECT + b" (third wording)\n",
    f"{MAIL}/body.html": BODY.replace(BEGIN, BEGIN + b"<p>The third wording, {{ event.numbr }}.</p>"),
}


@dataclass
class Customers:
    """People who go on buying, one after another, faster than their confirmations leave."""

    there: World
    people: list[Person]
    stop: threading.Event

    def go_on(self) -> None:
        """Buy until told to stop."""
        while not self.stop.wait(0.12):
            self.people.append(buy(self.there))


@pytest.fixture
def customers(slow: World) -> Iterator[Customers]:
    """Let people buy for the length of a test."""
    slow.runner.wait_until_idle()
    made = Customers(slow, [], threading.Event())
    thread = threading.Thread(target=made.go_on, daemon=True)
    thread.start()
    yield made
    made.stop.set()
    thread.join()


def wording(mail: InboxMail) -> set[str]:
    """Return which wording each part of a mail is of."""
    parts = (mail.subject, mail.html, mail.text)
    return {found.group(1) if (found := re.search(r"(second|third) wording", part)) else "first" for part in parts}


def test_a_template_that_is_edited_while_mails_flow(slow: World, customers: Customers) -> None:
    """New mails use the new words, a broken edit changes nothing and is reported; no mail is half, lost or twice."""
    earlier = len(slow.ses.mails)

    def since() -> list[InboxMail]:
        return [mail for mail in slow.ses.mails[earlier:] if mail.address != MARKETER]

    eventually(lambda: len(since()) >= 8, seconds=30)
    before = slow.stack.published()
    slow.stack.upload(NEWER)
    second = slow.stack.await_playbook(before)
    slow.clock.move_to(slow.clock.now() + KNOWN)
    # What was under way when the clock moved may still go by the old set: the mails after those are all new.
    at_work = len(since()) + 4
    eventually(lambda: len(since()) >= at_work + 8, seconds=30)
    changed = len(since())

    slow.stack.upload(BROKEN)
    eventually(lambda: b"has no 'numbr'" in (slow.stack.read("reports/latest.txt") or b""), seconds=60)
    slow.clock.move_to(slow.clock.now() + KNOWN)
    eventually(lambda: len(since()) >= changed + 12, seconds=30)
    customers.stop.set()
    eventually(lambda: len(since()) >= len(customers.people), seconds=90)
    slow.runner.wait_until_idle()

    assert slow.stack.published() == second
    assert Counter(mail.address for mail in since()) == {person.email: 1 for person in customers.people}
    assert all(len(wording(mail)) == 1 for mail in since()), "a mail is wholly of one wording"
    worded = [next(iter(wording(mail))) for mail in since()]
    assert set(worded) == {"first", "second"}
    assert worded[:8] == ["first"] * 8
    assert set(worded[at_work:]) == {"second"}
    report = (slow.stack.read("reports/latest.txt") or b"").decode()
    assert f"{MAIL}/body.html:" in report
    assert "not published" in report
    eventually(lambda: any(mail.address == MARKETER for mail in slow.ses.mails), seconds=30)
    told = [mail for mail in slow.ses.mails if mail.address == MARKETER]
    assert [f"{MAIL}/body.html" in mail.text and "numbr" in mail.text for mail in told] == [True]
    assert slow.stack.dead_letters() == {}


def test_the_picture_in_those_mails_is_there_and_is_kept(slow: World) -> None:
    """At an address of its own content, also when the file in the bucket has become another one."""
    mail = next(mail for mail in reversed(slow.ses.mails) if "second wording" in mail.subject)
    found = re.search(r'src="([^"]+/a/[0-9a-f]{32}/thanks\.png)"', mail.html)
    assert found is not None
    assert found.group(1).startswith(slow.stack.api_url)
    slow.stack.upload({"assets/thanks.png": png(50, 50)} | {f"{MAIL}/body.html": BODY})
    eventually(lambda: b"published" in (slow.stack.read("reports/latest.txt") or b"").split(b"\n")[0][:40], seconds=60)
    status, headers, body = fetch(found.group(1))
    assert (status, body) == (200, png(40, 40))
    assert headers["Content-Type"] == "image/png"
    assert "immutable" in headers["Cache-Control"]
    assert fetch(found.group(1), {"If-None-Match": headers["ETag"]})[0] == 304
    assert fetch(found.group(1).replace("thanks", "other"))[0] == 404


def fetch(url: str, headers: Mapping[str, str] = {}) -> tuple[int, Message, bytes]:
    """Return status, headers and body of what stands there."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - our own stack
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read()
