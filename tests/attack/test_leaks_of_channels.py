"""Texts, push messages, ads audiences and coupons: whoever answers whatever, what is told names nobody.

Phone numbers, browsers' endpoints (who knows one can reach the browser), the hashes by which an ads network knows
people, and the code that somebody was given: none of them in logs, metrics, queues or keys, nor in an outcome's record.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import urllib3
from botocore.exceptions import ClientError
from msgspec.structs import replace

from rekindle.aws.messages import parse_message
from rekindle.content.validate import validate
from rekindle.domain.facts import Consent
from rekindle.domain.ids import digest
from rekindle.domain.profile import Browser, Channel, OnList, Planned, Profile
from rekindle.domain.profile import Run as Trip
from rekindle.domain.push import browser_key
from rekindle.outside.webpush import public_key
from rekindle.ports import Commit, Parcel
from rekindle.service.library import POINTER
from tests.attack.test_leaks import SHOP, Run
from tests.content.mailkit import shipped
from tests.domain.test_absorb_push import AUTH
from tests.functions.conftest import Load, load, ports
from tests.support import needles
from tests.support.needles import NEEDLES, anywhere
from tests.support.opened import opened
from tests.support.worlds import AwsPorts

__all__ = ["load", "ports"]

#: A browser whose key is a real one, as `public_key` returns them.
KEY = public_key(b"a browser's")
ENDPOINT = "https://fcm.googleapis.com/fcm/send/needle-endpoint-77aa31"
LIST = "23851234567890123"
_WAYS: tuple[tuple[Channel, str], ...] = (
    ("sms", "hello"),
    ("push", "hello"),
    ("audience", "needles"),
    ("email", "welcome-1"),
)
HASHES = tuple(
    hashlib.sha256(value.encode()).hexdigest() for value in (NEEDLES["email"], NEEDLES["phone"].removeprefix("+"))
)
NAMELESS = ("needle-endpoint", KEY, AUTH, *HASHES)
CONTENT = {
    "sms/hello.txt": b"{{ shop.name }}: your basket waits. {{ shop.url }} STOP to end\n",
    "push/hello.yaml": b"title: Your basket\nbody: It waits for you.\nurl: '{{ shop.url }}/cart'\n",
    "offers/gift.yaml": b"title: A gift\nkind: unique\nprefix: GIFT\npercent: 10%\nlife: 5d\n",
    "shops/tea.yaml": SHOP.replace(
        b"flows: {cart-abandonment: on, order-confirmation: on}",
        b"""channels: [sms, push, audience]
sms: {sender: '+31970102030'}
audiences: {needles: '%s'}
offers: {gift: true}
flows: {}
"""
        % LIST.encode(),
    ),
}


def told_of(*things: object) -> list[str]:
    """Return what any of these gives away: of the person, or what reaches them."""
    texts = [each if isinstance(each, str) else repr(each) for each in things]
    return anywhere(texts) + [needle for needle in NAMELESS for text in texts if needle in text]


@functools.cache
def content() -> Any:
    """Return what is published: as little as reaches somebody by every channel."""
    needed = ("brand.yaml", "emails/_", "emails/welcome-1/")
    files = {path: raw for path, raw in shipped().items() if path.startswith(needed)}
    return validate(files | CONTENT)


def with_content(run: Run) -> None:
    verdict = content()
    assert verdict.published is not None, verdict.problems
    for key, raw in verdict.published.files().items():
        run.ports.blobs.put(key, raw)
    run.ports.blobs.put(POINTER, msgspec.json.encode({"hash": verdict.published.hash}))


def queued(run: Run) -> list[dict[str, Any]]:
    """Let the person leave a checkout behind, with a phone and a browser; return what the queue hands to send."""
    now = run.load("webhook").webhooks._clock.now()
    secret = {
        "platform": "shopify",
        "domain": "tea.myshopify.com",
        "webhook_secrets": ["s1"],
        "access_token": "shpat_nobodys",
        "meta_token": "nobodys",
    }
    name = f"{run.ports.installation.secrets_prefix}/shops/tea"
    run.ports.clients.secrets.put_secret_value(SecretId=name, SecretString=json.dumps(secret))
    run.post("checkouts/update", needles.checkout_body((now - timedelta(minutes=30)).isoformat()))
    names = [
        item["id"]["S"]
        for item in run.ports.clients.dynamodb.scan(TableName=run.ports.installation.tables.profiles)["Items"]
    ]
    (profile,) = [one for one in map(run.ports.state.profile, names) if isinstance(one, Profile)]
    assert profile.consented("sms")
    act = Consent(channel="email", state="subscribed", at=now, source="test", address=NEEDLES["email"])
    trip = Trip(
        id="r" * 32,
        flow="reach",
        version="v",
        playbook=content().published.hash,
        entered_at=now,
        expires_at=now + timedelta(days=3),
    )
    planned = {
        digest("message", channel): Planned(
            run=trip.id,
            step=channel,
            flow="reach",
            template=template,
            channel=channel,
            category="marketing",
            action="add" if channel == "audience" else "",
            offer="gift" if channel == "email" else "",
            planned_at=now,
            not_after=now + timedelta(days=1),
        )
        for channel, template in _WAYS
    }
    ready = replace(
        profile,
        browsers={browser_key(ENDPOINT): Browser(now, ENDPOINT, KEY, AUTH)},
        consent={**profile.consent, f"email:{NEEDLES['email']}": act},
        # Not by the number: who is just told to have opted out goes on no list.
        audiences={"needles": OnList(now, on=True, emails=(NEEDLES["email"],))},
        runs=(trip,),
        planned=planned,
        version=profile.version + 1,
    )
    run.ports.state.commit(Commit(profile=ready))
    run.ports.queues.enqueue([Parcel(message_id=one, profile_id=profile.id, version=ready.version) for one in planned])
    return run.drain("marketing")


@pytest.fixture
def run(load: Load, ports: AwsPorts) -> Run:
    """Return an installation with this content published."""
    made = Run(load, ports)
    with_content(made)
    return made


class Answering:
    """Whoever is asked over HTTP: quotes all that it was sent, in its answer or in how it fails."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[str] = []

    def __call__(self, method: str, url: str, **sent: Any) -> Any:
        self.asked.append(url)
        quoted = f"{method} {url} {sent.get('headers')} {sent.get('body')!r} {ENDPOINT} {HASHES} {NEEDLES['email']}"
        if not self.status:
            raise urllib3.exceptions.ProtocolError(quoted)
        body = json.dumps({"error": {"message": quoted, "code": 100}, "errors": [{"message": quoted}]}).encode()
        return urllib3.HTTPResponse(body=io.BytesIO(body), status=self.status, headers={}, preload_content=False)


@pytest.mark.parametrize("status", [0, 400, 410, 500])
@pytest.mark.filterwarnings("ignore:No application metrics")
def test_whatever_a_channel_answers_is_told_without_whom_it_was_about(
    run: Run,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    answering = Answering(status)
    monkeypatch.setattr(urllib3.PoolManager, "request", lambda _, *args, **sent: answering(*args, **sent))
    monkeypatch.setattr("rekindle.outside.http.Http.pause", lambda *_: False)
    records = queued(run)
    assert len(records) == 4
    texted: list[str] = []

    def refuse(params: dict[str, Any], **_: Any) -> None:
        texted.append(repr(params))
        answer: Any = {
            "Error": {"Code": "ConflictException", "Message": f"{NEEDLES['phone']} has opted out"},
            "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT",
            "ResponseMetadata": {"HTTPStatusCode": 409},
        }
        raise ClientError(answer, "SendTextMessage")

    send = run.load("send")
    send.clients.sms.meta.events.register("before-call", refuse)
    told = [send.handler({"Records": records}, None)]
    told.append(run.load("mint").handler({"Records": run.drain("marketing-mint")}, None))
    # That the number has opted out, and of the browser where that is gone, is accepted.
    assert len(run.ports.pending_ids()) == (2 if status == 410 else 1)
    run.drain("marketing")
    said = capsys.readouterr()
    hosts = {url.split("/")[2] for url in answering.asked}
    assert hosts == {"fcm.googleapis.com", "graph.facebook.com", "tea.myshopify.com"}
    assert NEEDLES["phone"] in texted[0]
    items = run.ports.clients.dynamodb.scan(TableName=run.ports.installation.tables.messages)["Items"]
    assert {parse_message(item).channel for item in items} == {"sms", "push", "audience"}
    items = [opened({name: value for name, value in item.items() if name != "targets"}) for item in items]
    codes = run.ports.clients.dynamodb.scan(TableName=run.ports.installation.tables.coupons)["Items"]
    given = [item["code"]["S"] for item in codes if "code" in item]
    kept = list(run.kept())
    assert told_of(said.out, said.err, caplog.text, told, items, run.bodies, kept) == []
    assert not [code for code in given for text in (said.out, said.err, caplog.text) if code in text]


def test_a_channel_that_quotes_what_it_was_sent_is_not_passed_on() -> None:
    assert told_of(f"POST {ENDPOINT}", f"data {HASHES[0]}") != []
    assert told_of("nothing") == []
