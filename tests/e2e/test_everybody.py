"""Reaching everybody on the deployed template: a new win-back after a year of silence, and a campaign's hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from local.demo import opening
from local.shops import CUP, TEA, Person, shopify, shopify_order
from local.world import World, world
from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.queues import SqsFanoutQueue
from rekindle.service.library import Library
from rekindle.service.passes import Passes, PassStatus, pass_status
from tests.support.content import demo_content
from tests.support.waiting import eventually
from tests.support.worlds import session

pytestmark = pytest.mark.xdist_group("e2e-story")

LONDON = ZoneInfo("Europe/London")
SILVIA = Person(500, "Silvia", "Silent", "silvia@example.com", "Hove", "BN3 2FP")
MAIL = b"""\
{% extends "_layout/marketing.html" %}
{% block why %}You get this mail because you agreed to hear from us.{% endblock %}
{% block content %}<p>It has been a while.</p>{% endblock %}
"""
LETTER = {
    f"emails/{name}/{part}": text
    for name in ("come-back", "letter")
    for part, text in {"subject.txt": name.encode(), "body.html": MAIL, "sample.json": b"{}"}.items()
}
WIN_BACK = {
    "segments/silent.yaml": b"when: since('order.placed') > '365d'\n",
    "flows/win-back.yaml": b"enabled: on\ntrigger: {segment: silent}\nsteps:\n  - email: come-back\n",
}
CAMPAIGN = {
    "flows/letter.yaml": (
        b"enabled: on\ntrigger:\n  schedule: {cron: '0 10 * * *', segment: silent}\nsteps:\n  - email: letter\n"
    )
}


@pytest.fixture(scope="module")
def there() -> Iterator[World]:
    """A stack on which Silvia bought something, 370 days ago."""
    content = demo_content()
    # At noon, so that the campaign's hour comes more than the 16 hours of smart sending after the win-back's mail.
    noon = opening(datetime.now(UTC)) + timedelta(hours=12)
    with world(port=None, start=noon, content=content) as made:
        now = made.clock.now()
        assert made.post(TEA, shopify("orders/create", shopify_order(SILVIA, [(CUP, 1)], now), now)) == 200
        made.runner.wait_until_idle()
        made.clock.move_to(now + timedelta(days=370))
        # After a year without a tick a campaign's hours of the last day would be caught up, whatever time it is now.
        made.stack.invoke("campaign", {})
        yield made


def status(there: World) -> PassStatus | None:
    return pass_status(S3Blobs(Clients(session(), endpoint_url=there.stack.endpoint), there.stack.content_bucket))


def mails(there: World) -> list[str]:
    ours = {"come-back", "letter"}
    return [mail.subject for mail in there.ses.mails if mail.address == SILVIA.email and mail.subject in ours]


def test_a_new_win_back_reaches_who_has_been_silent_for_a_year(there: World) -> None:
    before = there.stack.published()
    there.stack.upload(WIN_BACK | LETTER)
    there.stack.await_playbook(before)
    eventually(lambda: status(there) is not None, seconds=20)
    # Publish has put the pass on its queue, for in a minute and a half. Not to wait for it, begin another by hand then.
    there.clock.move_to(there.clock.now() + timedelta(minutes=2))
    clients = Clients(session(), endpoint_url=there.stack.endpoint)
    blobs = S3Blobs(clients, there.stack.content_bucket)
    queue = SqsFanoutQueue(clients, queue_url=there.stack.queues["FanoutQueue"])
    passes = Passes(blobs=blobs, library=Library(blobs, there.clock), queue=queue, clock=there.clock, shards=4)
    assert passes.start() is not None
    eventually(lambda: (found := status(there)) is not None and found.done, seconds=20)
    eventually(lambda: mails(there) == ["come-back"], seconds=20)


def test_a_campaign_reaches_its_segment_in_its_hour(there: World) -> None:
    before = there.stack.published()
    there.stack.upload(CAMPAIGN)
    there.stack.await_playbook(before)
    there.runner.wait_until_idle()
    ten = (there.clock.now() + timedelta(days=1)).astimezone(LONDON).replace(hour=10, minute=0, second=0, microsecond=0)
    there.runner.run_until(ten + timedelta(hours=1))
    there.runner.wait_until_idle()
    eventually(lambda: mails(there)[:2] == ["come-back", "letter"], seconds=20)
    hours = {mail.at.astimezone(LONDON).strftime("%H:%M") for mail in there.ses.mails if mail.subject == "letter"}
    assert hours == {"10:00"}
    assert there.stack.dead_letters() == {}
