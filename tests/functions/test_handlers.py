"""The functions as AWS calls them: what each is handed, and what it answers."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.aws.packing import unpack
from rekindle.content.links import (
    Confirm,
    FormLink,
    Preferences,
    Track,
    Unsubscribe,
    read_preferences,
    sign_confirm,
    sign_form,
    sign_preferences,
    sign_track,
    sign_unsubscribe,
)
from rekindle.content.sites import site_of
from rekindle.domain.errors import ShopRefusedError
from rekindle.domain.events import Event
from rekindle.domain.facts import Campaign, PreferencesTold, Product, ProductChange, SignUp
from rekindle.domain.labels import Label
from rekindle.domain.profile import Profile
from rekindle.domain.results import one
from rekindle.flow.program import Playbook
from rekindle.memory import World
from rekindle.ports import Bought, Commit, Interested, Lease, Look, Message, Reaction, Record, Tally, Wake, read_hit
from rekindle.service.deliver import Done
from rekindle.service.library import POINTER
from rekindle.service.people import address_hash
from rekindle.shops.shopify.graph import order_body
from tests.content.pagekit import POPUP
from tests.functions.conftest import Load
from tests.support import shopify_nodes
from tests.support.build import CART, CONFIRMATION, ROOT, flow_of, playbook
from tests.support.things import a_lease, a_message, a_profile
from tests.support.worlds import START, AwsPorts

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

CHECKOUT = {
    "token": "k1",
    "cart_token": "c1",
    "email": "ada@example.com",
    "created_at": "2026-03-02T09:00:00Z",
    "updated_at": "2026-03-02T09:00:00Z",
    "currency": "EUR",
    "buyer_accepts_marketing": True,
    "line_items": [{"product_id": 1, "title": "Sencha", "quantity": 1, "price": "9.50"}],
    "abandoned_checkout_url": "https://tea.example/recover",
}


def signed(body: bytes, secret: str = "s1") -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def request(platform: str, shop: str, body: bytes, headers: dict[str, str], *, encoded: bool = False) -> dict[str, Any]:
    """Return what API Gateway hands over (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": f"POST /webhooks/{platform}/{{shop}}",
        "pathParameters": {"shop": shop},
        "headers": headers,
        "requestContext": {"http": {"method": "POST"}},
        "body": base64.b64encode(body).decode() if encoded else body.decode("utf-8", "surrogateescape"),
        "isBase64Encoded": encoded,
    }


def shopify(body: bytes, signature: str | None = None, *, shop: str = "tea", **more: Any) -> dict[str, Any]:
    headers = {
        "x-shopify-topic": "checkouts/update",
        "x-shopify-shop-domain": "tea.myshopify.com",
        "x-shopify-hmac-sha256": signature or signed(body),
        "x-shopify-webhook-id": "w-1",
    }
    return request("shopify", shop, body, headers | more.pop("headers", {}), **more)


@pytest.mark.parametrize("encoded", [False, True])
def test_webhook_stores_before_it_answers(load: Load, ports: AwsPorts, *, encoded: bool) -> None:
    body = json.dumps(CHECKOUT).encode()
    assert load("webhook").handler(shopify(body, encoded=encoded), None)["statusCode"] == 200
    (pending,) = ports.pending_ids()
    assert ports.body(pending) == body


def test_webhook_answers_a_repeat_and_stores_nothing_more(load: Load, ports: AwsPorts) -> None:
    body = json.dumps(CHECKOUT).encode()
    app = load("webhook")
    for _ in range(2):
        assert app.handler(shopify(body), None)["statusCode"] == 200
    assert len(ports.pending_ids()) == 1


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (shopify(b"{}", "forged"), 401),
        (shopify(b"{}", shop="nobody"), 401),
        (shopify(b"{}", shop="../tea"), 401),
        (shopify(b"{}", shop="plants"), 401),
        (shopify(b"{}", headers={"x-shopify-shop-domain": "other.myshopify.com"}), 401),
        (shopify(b"{not json"), 400),
        (shopify(b"[1]"), 400),
    ],
)
def test_webhook_refuses_and_stores_nothing(load: Load, ports: AwsPorts, what: dict[str, Any], status: int) -> None:
    assert load("webhook").handler(what, None)["statusCode"] == status
    assert ports.pending_ids() == set()


def test_webhook_answers_woocommerce_when_it_asks_whether_anybody_is_there(load: Load, ports: AwsPorts) -> None:
    ping = request("woocommerce", "plants", b"webhook_id=7", {"content-type": "application/x-www-form-urlencoded"})
    assert load("webhook").handler(ping, None)["statusCode"] == 200
    assert ports.pending_ids() == set()


def test_webhook_tells_nobody_why_a_signature_is_wrong_and_logs_no_address(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps(CHECKOUT).encode()
    app = load("webhook")
    app.handler(shopify(body), None)
    app.handler(shopify(body, "forged"), None)
    assert "ada@example.com" not in capsys.readouterr().out


def a_visit(body: bytes, shop: str = "tea", **headers: str) -> dict[str, Any]:
    person = {"user-agent": "Mozilla/5.0 Firefox/128.0", "origin": "https://tea.example"}
    return {
        "version": "2.0",
        "routeKey": "POST /collect/{shop}",
        "pathParameters": {"shop": shop},
        "headers": person | headers,
        "requestContext": {"http": {"method": "POST", "sourceIp": "203.0.113.7"}},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


VISIT = json.dumps({"browser": "b" * 22, "events": [{"type": "product.viewed", "id": "p1", "seconds": 70}]}).encode()


def test_collect_stores_before_it_answers_and_lets_the_page_see_it(
    load: Load, ports: AwsPorts, capsys: pytest.CaptureFixture[str]
) -> None:
    app = load("collect")
    for _ in range(2):
        answer = app.handler(a_visit(VISIT), None)
        assert answer["statusCode"] == 204
        assert answer["headers"]["access-control-allow-origin"] == "https://tea.example"
    (pending,) = ports.pending_ids()
    item = ports.item("deliveries", pending)
    assert item is not None
    assert "body" not in item
    stored = unpack(item.pop("events"))
    assert b"product.viewed" in stored
    assert "203.0.113.7" not in repr((item, stored)) + capsys.readouterr().out


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (a_visit(VISIT, "nobody"), 404),
        (a_visit(VISIT, "plants"), 404),
        (a_visit(VISIT, origin="https://evil.example"), 403),
        (a_visit(b"[]"), 400),
        (a_visit(b" " * 40_000), 413),
        (a_visit(VISIT, **{"user-agent": "Googlebot/2.1"}), 204),
    ],
)
def test_collect_stores_nothing_of_what_is_not_a_visitors(
    load: Load, ports: AwsPorts, what: dict[str, Any], status: int
) -> None:
    assert load("collect").handler(what, None)["statusCode"] == status
    assert ports.pending_ids() == set()


def a_script(name: str = "rekindle.js", shop: str = "tea", **headers: str) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "GET /site/{shop}/{file}",
        "pathParameters": {"shop": shop, "file": name},
        "headers": headers,
        "requestContext": {"http": {"method": "GET"}},
    }


def test_collect_serves_the_script_small_and_once(load: Load, ports: AwsPorts) -> None:
    del ports
    app = load("collect")
    plain = app.handler(a_script(), None)
    packed = app.handler(a_script(**{"accept-encoding": "gzip, br"}), None)
    assert plain["body"].encode() == gzip.decompress(base64.b64decode(packed["body"]))
    assert packed["headers"]["content-encoding"] == "gzip"
    assert plain["headers"]["cache-control"] == "public, max-age=600, stale-while-revalidate=86400"
    again = app.handler(a_script(**{"if-none-match": f"W/{plain['headers']['etag']}"}), None)
    assert (again["statusCode"], again.get("body")) == (304, None)
    assert app.handler(a_script(**{"if-none-match": '"other"'}), None)["statusCode"] == 200
    assert "rekindle.dialog" in app.handler(a_script("popup.js"), None)["body"]


@pytest.mark.parametrize(
    ("name", "shop"), [("rekindle.js", "nobody"), ("woocommerce.php", "tea"), ("../app.py", "tea"), ("", "tea")]
)
def test_collect_serves_nothing_else(load: Load, ports: AwsPorts, name: str, shop: str) -> None:
    del ports
    assert load("collect").handler(a_script(name, shop), None)["statusCode"] == 404


def stream_record(ports: AwsPorts, pending: str) -> dict[str, Any]:
    image = as_streamed(ports.item("pending", pending))
    return {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"NewImage": image}}


def as_streamed(item: Any) -> Any:
    """Return an item as an event of a stream shows it to a function: JSON, so octets are base64."""
    if isinstance(item, bytes):
        return base64.b64encode(item).decode()
    if isinstance(item, dict):
        return {name: as_streamed(value) for name, value in item.items()}
    return [as_streamed(value) for value in item] if isinstance(item, list) else item


def test_journey_applies_a_stream_record_and_sets_the_alarm(load: Load, ports: AwsPorts) -> None:
    now = load("journey").clock.now().isoformat()
    body = json.dumps(CHECKOUT | {"created_at": now, "updated_at": now}).encode()
    load("webhook").handler(shopify(body), None)
    (pending,) = ports.pending_ids()
    answer = load("journey").handler({"Records": [stream_record(ports, pending)]}, None)
    assert answer == {"batchItemFailures": []}
    assert ports.pending_ids() == set()
    assert len(ports.schedules()) == 1


def test_journey_applies_what_comes_of_an_address_that_customers_share(load: Load, ports: AwsPorts) -> None:
    for customer in ("71", "72"):
        body = json.dumps({"id": customer, "email": "till@tea.example", "updated_at": "2026-03-02T09:00:00Z"}).encode()
        more = {"x-shopify-topic": "customers/update", "x-shopify-webhook-id": customer}
        load("webhook").handler(shopify(body, headers=more), None)
        (pending,) = ports.pending_ids()
        load("journey").handler({"Records": [stream_record(ports, pending)]}, None)
        assert ports.pending_ids() == set()


def test_journey_lets_a_wake_come_back_that_failed_and_the_others_go(load: Load, ports: AwsPorts) -> None:
    del ports
    records = [
        {"eventSource": "aws:sqs", "messageId": "good", "body": '{"profile_id": "nobody"}'},
        {"eventSource": "aws:sqs", "messageId": "bad", "body": "{"},
    ]
    assert load("journey").handler({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}


def test_send_lets_a_parcel_come_back_whose_commit_is_not_there_yet(load: Load, ports: AwsPorts) -> None:
    app = load("send")
    ports.clients.sqs.send_message(
        QueueUrl=ports.installation.queue_urls["marketing"],
        MessageBody=json.dumps(
            {"message_id": "m", "profile_id": "p", "version": 1, "since": app.clock.now().isoformat()}
        ),
    )
    (message,) = ports.clients.sqs.receive_message(
        QueueUrl=ports.installation.queue_urls["marketing"], AttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    record = {
        "messageId": "one",
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:marketing",
    }
    assert app.handler({"Records": [record]}, None) == {"batchItemFailures": [{"itemIdentifier": "one"}]}


@pytest.mark.parametrize(
    ("why", "counted"), [("not_allowed", {"SendNotAllowed"}), ("throttled", {"MailThrottled"}), ("quota", set())]
)
def test_send_counts_apart_what_somebody_must_do_something_about(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], why: str, counted: set[str]
) -> None:
    app = load("send")
    monkeypatch.setattr(app.deliver, "batch", lambda items: [Done("reopened", why) for _ in items])
    body = json.dumps({"message_id": "m", "profile_id": "p", "version": 1, "since": app.clock.now().isoformat()})
    arn = "arn:aws:sqs:us-east-1:000000000000:marketing"
    record: dict[str, Any] = {"messageId": "one", "receiptHandle": "r", "body": body, "eventSourceARN": arn}
    record["attributes"] = {"ApproximateReceiveCount": "1"}
    assert app.handler({"Records": [record]}, None) == {"batchItemFailures": []}
    printed = capsys.readouterr().out
    assert {name for name in ("SendNotAllowed", "MailThrottled") if name in printed} == counted


def test_feedback_takes_events_by_both_roads_and_logs_no_address(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    event = json.loads((ROOT / "events/ses/bounced.json").read_text(encoding="utf-8"))
    app = load("feedback")
    app.handler(event, None)
    app.handler({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(event["detail"])}}]}, None)
    said = capsys.readouterr().out
    assert said.count('"NoticeBounced":[1.0]') == 2
    assert "ada@example.com" not in said


def test_a_complaint_too_many_pauses_and_the_shop_is_told(
    load: Load, ports: AwsPorts, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way: feedback counts and pauses, the sweep has it said, send says it and knows who is paused."""
    app = load("feedback")
    now = app.clock.now()
    ports.counters.count("tea", now, Tally(sent=1_000, complained=2))
    ports.outbox.record(Message(id="m1", profile_id="p", shop="tea", state="sent", leased_at=now))
    event = json.loads((ROOT / "events/ses/complained.json").read_text(encoding="utf-8"))
    for _ in range(2):
        app.handler(event, None)
    (pause,) = ports.counters.pauses()
    assert pause.why.startswith("3 complaints of 1,000 mails")
    live_since(ports, playbook(CART, hash_="h2", notify="owner@tea.example"), LONG_AGO)
    assert load("sweep").handler({}, None)["MarketingPaused"] == 1
    url = ports.installation.queue_urls["transactional"]
    (message,) = ports.clients.sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
    ports.clients.ses.create_email_identity(EmailIdentity="hello@tea.example")
    ports.clients.ses.create_configuration_set(ConfigurationSetName="rekindle-test")
    record = {
        "messageId": "one",
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
    }
    send = load("send")
    assert send.handler({"Records": [record]}, None) == {"batchItemFailures": []}
    assert ports.counters.pauses()[0].told_at is not None
    said = capsys.readouterr().out
    assert '"MailTold":[1.0]' in said
    assert "owner@tea.example" not in said
    assert send.deliver._guard.pause_of("tea") is not None


def visit(token: str, method: str, query: str = "", *, form: str = "p") -> dict[str, Any]:
    return {
        "routeKey": f"{method} /{form}/{{token}}",
        "pathParameters": {"token": token},
        "rawQueryString": query,
        "requestContext": {"http": {"method": method}},
    }


def test_privacy_carries_a_request_out_and_logs_no_address(
    load: Load, ports: AwsPorts, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way: the shop's webhook, journey, which hands it over, and the receipt in the raw bucket."""
    redact = {"shop_id": 1, "shop_domain": "tea.myshopify.com", "customer": {"email": "ada@example.com"}}
    load("webhook").handler(shopify(json.dumps(CHECKOUT).encode()), None)
    (checkout,) = ports.pending_ids()
    journey, privacy = load("journey"), load("privacy")
    journey.handler({"Records": [stream_record(ports, checkout)]}, None)
    load("webhook").handler(shopify(json.dumps(redact).encode(), headers={"x-shopify-topic": "customers/redact"}), None)
    (request,) = ports.pending_ids()
    journey.handler({"Records": [stream_record(ports, request)]}, None)
    (message,) = ports.clients.sqs.receive_message(QueueUrl=ports.installation.queue_urls["privacy"])["Messages"]
    bad = {"messageId": "bad", "body": "{"}
    answer = privacy.handler({"Records": [{"messageId": "good", "body": message["Body"]}, bad]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    (key,) = ports.raw.list("receipts/tea/")
    receipt = json.loads(ports.raw.get(key) or b"{}")
    assert (receipt["wish"], receipt["stores"]["deliveries"]["erased"]) == ("erase", 1)
    assert set(ports.item("deliveries", checkout) or ()) & {"body", "events"} == set()
    assert set(ports.item("deliveries", request) or ()) & {"body", "events"} == set()
    said = capsys.readouterr().out
    assert '"PrivacyDone":[1.0]' in said
    assert "ada@example.com" not in said


def test_links_asks_on_get_and_acts_on_post_only(load: Load, ports: AwsPorts, caplog: pytest.LogCaptureFixture) -> None:
    claim = Unsubscribe(shop="tea", channel="email", address="f" * 32, message="m", profile="p")
    token = sign_unsubscribe(ports.secrets.link_keys(), claim)
    app = load("links")
    page = app.handler(visit(token, "GET"), None)
    assert page["statusCode"] == 200
    assert "Tea &amp; Co" in page["body"]
    rather = page["body"].partition("../p/")[2].partition('"')[0]
    assert read_preferences(ports.secrets.link_keys(), rather).profile == "p"
    assert ports.pending_ids() == set()
    assert app.handler(visit(token, "POST"), None)["statusCode"] == 200
    assert [*ports.pending_ids()] == logged(caplog)
    assert ports.item("suppressions", f"tea#email#{'f' * 32}") is not None


def test_links_unsubscribes_also_where_the_published_set_cannot_be_read(load: Load, ports: AwsPorts) -> None:
    ports.blobs.put(POINTER, b'{"hash": "gone"}')
    claim = Unsubscribe(shop="tea", channel="email", address="f" * 32, message="m", profile="p")
    token = sign_unsubscribe(ports.secrets.link_keys(), claim)
    app = load("links")
    assert app.handler(visit(token, "GET"), None)["statusCode"] == 200
    assert app.handler(visit(token, "POST"), None)["statusCode"] == 200
    assert ports.item("suppressions", f"tea#email#{'f' * 32}") is not None


def test_links_refuses_what_it_did_not_sign(load: Load, ports: AwsPorts) -> None:
    for method in ("GET", "POST"):
        assert load("links").handler(visit("k1.forged.token", method), None)["statusCode"] == 404
    assert ports.pending_ids() == set()


AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
MESSAGE = "0f" * 16


def followed(path: dict[str, str], method: str = "GET", **headers: str) -> dict[str, Any]:
    """Return what API Gateway hands to `track`."""
    told = {"host": "links.example", "user-agent": AGENT, **headers}
    return {"pathParameters": path, "headers": told, "requestContext": {"http": {"method": method}}}


def sent_message(ports: AwsPorts, age: timedelta = timedelta(hours=2)) -> str:
    """Put a message on record that went out so long ago; return the token of its links."""
    when = datetime.now(UTC) - age
    message = Message(
        id=MESSAGE, profile_id="p", shop="tea", state="leased", token="t", leased_at=when, flow="cart", step="first",
        targets=("https://tea.example/recover?key=1", "https://instagram.example/tea"),
    )  # fmt: skip
    ports.state.commit(Commit(profile=replace(a_profile(), id="p", shop="tea")))
    lease = Lease(message=message, profile_id="p", profile_version=1, covers=())
    assert ports.outbox.lease(lease) == "taken"
    assert ports.outbox.record(replace(message, state="sent", vendor_id="v", at=when), token="t")
    return sign_track(ports.secrets.link_keys(), Track(MESSAGE))


def test_track_leads_on_and_feedback_tells(load: Load, ports: AwsPorts, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way of a click and of an opening, as AWS hands things over; nothing in the logs says where it led."""
    token = sent_message(ports)
    app = load("track")
    answer = app.handler(followed({"token": token, "index": "0"}), None)
    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (302, "no-store")
    assert answer["headers"]["location"].startswith("https://tea.example/recover?key=1&utm_source=rekindle&")
    opened = app.handler(followed({"image": f"{token}.gif"}), None)
    assert (opened["statusCode"], opened["headers"]["content-type"]) == (200, "image/gif")
    reactions = ports.waiting("reactions").visible
    assert {(one.kind, one.message_id, one.machine) for one in reactions} == {
        ("clicked", MESSAGE, ""), ("opened", MESSAGE, ""),
    }  # fmt: skip
    records = [
        {"eventSource": "aws:sqs", "messageId": str(n), "body": msgspec.json.encode(one).decode()}
        for n, one in enumerate(reactions)
    ]
    assert load("feedback").handler({"Records": records}, None) == {"batchItemFailures": []}
    stored = ports.outbox.message(MESSAGE)
    assert stored is not None
    assert (stored.state, stored.links) == ("delivered", ("https://tea.example/recover?key=1",))
    assert len(ports.pending_ids()) == 2
    said = capsys.readouterr().out
    assert "recover" not in said
    assert AGENT not in said


def test_the_picture_is_one_transparent_pixel(load: Load, ports: AwsPorts) -> None:
    """By the format itself: GIF89a, one by one, its one colour transparent (W3C, GIF89a specification)."""
    app = load("track")
    for image, status in ((f"{sent_message(ports)}.gif", 200), ("forged.gif", 404), ("", 404), (".gif", 404)):
        answer = app.handler(followed({"image": image}), None)
        raw = base64.b64decode(answer["body"])
        assert (answer["statusCode"], answer["isBase64Encoded"]) == (status, True)
        assert raw[:6] == b"GIF89a"
        assert struct.unpack("<HH", raw[6:10]) == (1, 1)
        control = raw.index(b"\x21\xf9\x04")
        assert raw[control + 3] & 1
        assert raw.endswith(b"\x3b")
        assert answer["headers"]["cache-control"] == "no-store"


def test_a_head_is_answered_and_is_a_machines(load: Load, ports: AwsPorts) -> None:
    token = sent_message(ports)
    answer = load("track").handler(followed({"token": token, "index": "1"}, "HEAD"), None)
    assert (answer["statusCode"], answer["headers"]["location"]) == (302, "https://instagram.example/tea")
    (reaction,) = ports.waiting("reactions").visible
    assert (reaction.machine, reaction.index) == ("head", 1)


def test_an_early_click_waits_on_the_queue(load: Load, ports: AwsPorts) -> None:
    token = sent_message(ports, timedelta(seconds=20))
    load("track").handler(followed({"token": token, "index": "1"}), None)
    waiting = ports.waiting("reactions")
    assert (waiting.visible, waiting.delayed) == ([], 1)
    stored = ports.outbox.message(MESSAGE)
    assert stored is not None
    assert [read_hit(one)[0] for one in stored.hits] == [1]


def test_a_link_that_cannot_be_told_of_leads_on_and_an_alarm_will_say_so(
    load: Load, ports: AwsPorts, capsys: pytest.CaptureFixture[str]
) -> None:
    token = sent_message(ports)
    app = load("track")
    ports.clients.sqs.delete_queue(QueueUrl=ports.installation.queue_urls["reactions"])
    answer = app.handler(followed({"token": token, "index": "1"}), None)
    assert (answer["statusCode"], answer["headers"]["location"]) == (302, "https://instagram.example/tea")
    assert '"ReactionLost":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize("index", ["7", "x", ""])
def test_a_link_that_was_never_there_leads_home(load: Load, ports: AwsPorts, index: str) -> None:
    token = sent_message(ports)
    answer = load("track").handler(followed({"token": token, "index": index}), None)
    assert (answer["statusCode"], answer["headers"]["location"]) == (302, "https://tea.example")
    assert ports.waiting("reactions").visible == []


@pytest.mark.parametrize("path", [{"token": "k1.forged.token", "index": "0"}, {}, {"token": "x"}])
def test_what_is_no_link_of_ours_gets_the_page(load: Load, path: dict[str, str]) -> None:
    event = followed(path, **{"accept-language": "ar"})
    answer = load("track").handler(event, None)
    assert answer["statusCode"] == 404
    assert 'dir="rtl"' in answer["body"]
    assert "location" not in answer["headers"]


def test_one_bad_reaction_does_not_bring_its_batch_back(load: Load, ports: AwsPorts) -> None:
    sent_message(ports)
    good = Reaction(message_id=MESSAGE, kind="opened", at=datetime.now(UTC), machine="agent")
    bodies = {"bad": "{", "good": msgspec.json.encode(good).decode(), "none": "null"}
    records = [{"eventSource": "aws:sqs", "messageId": name, "body": body} for name, body in bodies.items()]
    assert load("feedback").handler({"Records": records}, None) == {
        "batchItemFailures": [{"itemIdentifier": "bad"}, {"itemIdentifier": "none"}]
    }
    stored = ports.outbox.message(MESSAGE)
    assert stored is not None
    assert stored.machine_opened_at is not None


def test_pages_shows_on_get_saves_on_post_and_refuses_what_is_no_form(
    load: Load, ports: AwsPorts, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The whole way: the profile read, the form as API Gateway hands it over, one delivery, and no address in a log."""
    ada = a_profile()
    ports.state.commit(Commit(profile=ada))
    claim = Preferences(shop=ada.shop, channel="email", address="f" * 32, message="m", profile=ada.id)
    token = sign_preferences(ports.secrets.link_keys(), claim)
    app = load("pages")
    shown = app.handler(visit(token, "GET"), None)
    assert shown["statusCode"] == 200
    assert 'value="save"' in shown["body"]
    assert ports.pending_ids() == set()
    body = base64.b64encode(b"act=save&frequency=weekly&was=frequency.everything").decode()
    form = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": body, "isBase64Encoded": True}
    assert app.handler(visit(token, "POST") | form, None)["statusCode"] == 200
    (pending,) = ports.pending_ids()
    (event,) = told(ports, pending)
    assert isinstance(event.data, PreferencesTold)
    assert (event.type, event.data.frequency, event.profile_id) == ("preferences.changed", "weekly", ada.id)
    for wrong, status in (({"body": "x"}, 415), (form | {"body": "%%%"}, 400), (form | {"body": "A" * 90_000}, 413)):
        assert app.handler(visit(token, "POST") | wrong, None)["statusCode"] == status
    for method in ("GET", "POST"):
        assert app.handler(visit("k1.forged.token", method) | form, None)["statusCode"] == 404
    assert ports.pending_ids() == {pending}
    said = capsys.readouterr().out
    assert '"PreferencesSaved":[1.0]' in said
    assert logged(caplog) == [pending]
    assert ada.email is not None
    assert ada.email not in said


def test_a_form_is_answered_under_its_own_name_alone(load: Load, ports: AwsPorts) -> None:
    ada = a_profile()
    ports.state.commit(Commit(profile=ada))
    claim = FormLink(shop=ada.shop, channel="email", address="f" * 32, message="m", profile=ada.id, form="stay")
    token, app = sign_form(ports.secrets.link_keys(), claim), load("pages")
    assert app.handler(visit(token, "GET", form="stay"), None)["statusCode"] == 200
    assert app.handler(visit(token, "GET"), None)["statusCode"] == 404
    assert ports.pending_ids() == set()
    form = {"headers": {"content-type": "application/x-www-form-urlencoded"}, "body": "act=leave"}
    assert app.handler(visit(token, "POST", form="stay") | form, None)["statusCode"] == 200
    (pending,) = ports.pending_ids()
    assert [event.type for event in told(ports, pending)][:2] == ["form.submitted", "consent.changed"]


def test_signup_takes_a_form_as_a_page_and_what_its_mail_leads_to(
    load: Load, ports: AwsPorts, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The whole way of somebody without scripts: the form, the request, and the button behind the mail's link."""
    shop = playbook(CART, CONFIRMATION).shops["tea"]
    site = {"tea": site_of(shop, [POPUP])}
    ports.blobs.put("playbooks/h1/site.json", msgspec.json.encode(site))
    app = load("signup")
    where = {"pathParameters": {"shop": "tea", "form": "newsletter"}}

    def request(method: str, path: dict[str, Any], body: str = "") -> dict[str, Any]:
        form = {"content-type": "application/x-www-form-urlencoded", "accept-language": "zh-TW"}
        http = {"method": method, "sourceIp": "203.0.113.7"}
        return {"headers": form, "requestContext": {"http": http}, "body": body} | path

    shown = app.handler(request("GET", where), None)
    assert (shown["statusCode"], ports.pending_ids()) == (200, set())
    assert "我要訂閱" in shown["body"]
    assert app.handler(request("POST", where, "email=nobody"), None)["statusCode"] == 422
    assert app.handler(request("POST", where, "email=cleo%40example.com"), None)["statusCode"] == 200
    (pending,) = ports.pending_ids()
    accepted = [pending]
    (event,) = told(ports, pending)
    assert isinstance(event.data, SignUp)
    assert (event.data.email, event.signed, event.data.proof.wording[:6]) == ("cleo@example.com", False, "新品消息，搶")
    asked = Profile(id=event.profile_id or "", shop="tea", version=1, sign_ups={event.data.id: event.data})
    ports.state.commit(Commit(profile=asked, pending_id=pending))
    until = int((START + timedelta(days=7)).timestamp())
    claim = Confirm(shop="tea", profile=asked.id, request=event.data.id, until=until, locale="zh-Hant")
    link = {"pathParameters": {"token": sign_confirm(ports.secrets.link_keys(), claim)}}
    assert (app.handler(request("GET", link), None)["statusCode"], ports.pending_ids()) == (200, set())
    assert app.handler(request("POST", link), None)["statusCode"] == 200
    (pending,) = ports.pending_ids()
    accepted.append(pending)
    assert [(each.type, each.signed) for each in told(ports, pending)] == [
        ("consent.changed", True),
        ("form.submitted", True),
    ]
    for wrong in ({"shop": "tea", "form": "x"}, {"shop": "x", "form": "newsletter"}, {"token": "k1.x.y"}):
        assert app.handler(request("GET", {"pathParameters": wrong}), None)["statusCode"] == 404
    said = capsys.readouterr().out
    assert "cleo@example.com" not in said
    assert logged(caplog) == accepted


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the deliveries that the log names, in order: `rekindle trace` goes on from these."""
    named = (getattr(record, "delivery_id", None) for record in caplog.records)
    return [delivery for delivery in named if delivery]


def told(ports: AwsPorts, pending: str) -> tuple[Event, ...]:
    """Return the events of what was accepted."""
    found = ports.state.pending(pending)
    assert found is not None
    work = ports.state.work(found)
    assert work is not None
    return work.events


def asked(hash_: str, name: str, **headers: str) -> dict[str, Any]:
    """Return the request for a file, as API Gateway hands it over."""
    return {
        "version": "2.0",
        "routeKey": "GET /a/{hash}/{name}",
        "pathParameters": {"hash": hash_, "name": name},
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
    }


def test_assets_hands_out_what_was_published(load: Load, ports: AwsPorts) -> None:
    app = load("assets")
    ports.blobs.put(f"public/a/{'a' * 32}/logo.png", b"a picture", "image/png")
    answer = app.handler(asked("a" * 32, "logo.png"), None)
    assert base64.b64decode(answer["body"]) == b"a picture"
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "image/png")
    again = app.handler(asked("a" * 32, "logo.png", if_none_match=answer["headers"]["ETag"]), None)
    assert (again["statusCode"], "body" in again) == (304, False)


@pytest.mark.parametrize(
    ("hash_", "name"),
    [
        ("b" * 32, "logo.png"),
        ("a" * 32, "other.png"),
        ("a" * 32, "../../../playbooks/current.json"),
        ("", ""),
        ("a", "b"),
    ],
)
def test_assets_hands_out_nothing_else(load: Load, ports: AwsPorts, hash_: str, name: str) -> None:
    ports.blobs.put(f"public/a/{'a' * 32}/logo.png", b"a picture", "image/png")
    answer = load("assets").handler(asked(hash_, name, if_none_match='"x"'), None)
    assert answer["statusCode"] == 404
    assert "no such file" in answer["body"]


def test_sweep_counts_what_it_finds(load: Load) -> None:
    counts = load("sweep").handler({}, None)
    assert set(counts) == {"OverdueWoken", "PendingRedriven", "PendingStuck", "UnknownMessages", "MarketingPaused"}
    assert set(counts.values()) == {0}


def test_publish_of_an_empty_bucket_is_refused_with_a_report(load: Load, ports: AwsPorts) -> None:
    assert load("publish").handler({"Records": []}, None) == {"batchItemFailures": []}
    assert ports.blobs.get("reports/latest.txt")


def test_publish_looks_again_while_an_upload_is_young_and_publishes_when_it_is_asked(
    load: Load, ports: AwsPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUIET_SECONDS", "600")
    ports.blobs.put("content/sms/hi.txt", b"Hi")
    upload = {"messageId": "1", "body": json.dumps({"detail-type": "Object Created", "source": "aws.s3"})}
    assert load("publish").handler({"Records": [upload]}, None) == {"batchItemFailures": []}
    assert ports.blobs.get("reports/latest.json") is None
    (look,) = ports.waiting("publish").visible
    assert look.asked_by == ""
    monkeypatch.setenv("QUIET_SECONDS", "0")
    app = load("publish")
    body = msgspec.json.encode(Look(look_at=look.look_at, asked_by="ada")).decode()
    for _ in range(2):
        app.handler({"Records": [upload, {"messageId": "2", "body": body}]}, None)
    report = json.loads(ports.blobs.get("reports/latest.json") or b"")
    assert (report["outcome"], report["by"]) == ("unchanged", "ada")


def live_since(ports: AwsPorts, book: Playbook, when: datetime) -> None:
    """Make this the published playbook, live since then."""
    ports.blobs.put(f"playbooks/{book.hash}/flows.json", msgspec.json.encode(book))
    ports.blobs.put(POINTER, msgspec.json.encode({"hash": book.hash, "published_at": when}))


def test_campaign_starts_a_pass_and_wakes_everybody_shard_by_shard(load: Load, ports: AwsPorts) -> None:
    """The whole way: the tick, the queue, and what journey is told; a second tick starts nothing."""
    live_since(ports, playbook(segments={"buyers": "profile.orders > 0"}, hash_="h2"), LONG_AGO)
    ports.state.commit(Commit(profile=a_profile()))
    app = load("campaign")
    assert app.handler({}, None) == {"CampaignsStarted": 0, "PassesStarted": 1}
    assert app.handler({}, None) == {"CampaignsStarted": 0, "PassesStarted": 0}
    tasks = ports.waiting("fanout").visible
    records = [
        {"messageId": str(number), "body": msgspec.json.encode(task).decode()} for number, task in enumerate(tasks)
    ]
    answer = app.handler({"Records": [*records, {"messageId": "bad", "body": "{"}]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert ports.waiting("wake").visible == [Wake(profile_id=a_profile().id)]


def test_publish_starts_the_pass_that_what_is_live_asks_for(load: Load, ports: AwsPorts) -> None:
    """Also when the upload itself is refused, or changes nothing: an earlier try may have died in between."""
    ports.blobs.put("content/flows/broken.yaml", b"title: [")
    live_since(ports, playbook(segments={"buyers": "profile.orders > 0"}, hash_="h2"), LONG_AGO)
    for _ in range(2):
        load("publish").handler({"Records": []}, None)
    assert len(ports.waiting("fanout").visible) == 4


def test_journey_tells_a_campaign_that_came_and_reads_a_past_that_is_missing(load: Load, ports: AwsPorts) -> None:
    app = load("journey")
    now = app.clock.now()
    letter = flow_of("trigger: {schedule: {once: 2026-03-02T12:00}}\nsteps:\n  - wait: 1d\n", "letter")
    live_since(ports, playbook(letter, segments={"silent": "since('order.placed') > '9d'"}, hash_="h3"), LONG_AGO)
    ports.state.commit(Commit(profile=a_profile()))
    wake = Wake(profile_id=a_profile().id, campaign=Campaign(flow="letter", at=now, occurrence="o1"))
    record = {"eventSource": "aws:sqs", "messageId": "one", "body": msgspec.json.encode(wake).decode()}
    for _ in range(2):
        assert load("journey").handler({"Records": [record]}, None) == {"batchItemFailures": []}
    profile = ports.state.profile(a_profile().id)
    assert isinstance(profile, Profile)
    assert ([run.flow for run in profile.runs], profile.version, len(profile.asked)) == (["letter"], 2, 1)


def test_campaign_takes_what_scheduler_and_its_queue_hand_it(load: Load, ports: AwsPorts) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    tick, shard = (json.loads((ROOT / f"events/campaign/{name}.json").read_text("utf-8")) for name in ("tick", "shard"))
    app = load("campaign")
    assert app.handler(tick, None) == {"CampaignsStarted": 0, "PassesStarted": 0}
    body = json.loads(shard["Records"][0]["body"])
    for number in range(body["of"]):
        shard["Records"][0]["body"] = json.dumps(body | {"shard": number})
        assert app.handler(shard, None) == {"batchItemFailures": []}
    (wake,) = ports.waiting("wake").visible
    assert (wake.profile_id, wake.campaign.flow) == (a_profile().id, "letter")


def test_feedback_hears_stop_before_it_answers(load: Load, ports: AwsPorts) -> None:
    """The number is that of no shop: so it is meant for the one that texts. No number stands in a log or in a key."""
    book = playbook(CART, channels=("email", "sms"))
    ports.blobs.put(f"playbooks/{book.hash}/flows.json", msgspec.json.encode(book))
    ports.blobs.put(POINTER, msgspec.json.encode({"hash": book.hash}))
    load("feedback").handler(json.loads((ROOT / "events/sms/stop.json").read_text("utf-8")), None)
    (pending,) = ports.pending_ids()
    assert "447700900123" not in pending
    hashed = address_hash(ports.secrets.address_key(), "phone", "+447700900123")
    assert [each.reason for each in ports.vault.suppressions("tea", "sms", hashed)] == ["unsubscribed"]


def of_queue(*bodies: str) -> dict[str, Any]:
    """Return a batch of an SQS event source."""
    records = [
        {
            "eventSource": "aws:sqs",
            "messageId": str(number),
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1"},
        }
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def test_catalogue_counts_orders_and_gives_back_what_is_none_of_its_own(load: Load, ports: AwsPorts) -> None:
    """A stream's note in its queue, say: the queue parks that in the end."""
    bought = Bought(shop="tea", order="o1", at=LONG_AGO, products=("p1", "p2"))
    body = msgspec.json.encode(bought).decode()
    batch = of_queue(body, '{"DDBStreamBatchInfo": {}}', body)
    assert load("catalogue").handler(batch, None) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    found = ports.shelves.shelved("tea", near=["p1"], orders=["o1"])
    assert set(found.near["p1"].beside) == {"p2"}
    assert found.orders == {"o1"}


def test_catalogue_hears_of_products_from_their_stream(load: Load, ports: AwsPorts) -> None:
    """As the table has them: also one of which only the deletion was heard."""
    page = "https://s.example/pot"
    pot = Product(id="p1", updated_at=LONG_AGO, created_at=LONG_AGO, title="Pot", url=page, kind="Pots", in_stock=True)
    ports.state.commit(Commit(shop="tea", products=(pot,)))
    ports.state.commit(Commit(shop="tea", products=(Product(id="p2", updated_at=LONG_AGO, deleted=True),)))
    items = [ports.item("products", f"tea#{key}") for key in ("p1", "p2")]
    records = [
        {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"NewImage": as_streamed(item)}}
        for item in items
    ]
    assert load("catalogue").handler({"Records": records}, None) == {"batchItemFailures": []}
    found = ports.shelves.shelved("tea", shelves=["new", "kind/pots", "best"])
    assert {name: list(shelf.spots) for name, shelf in found.shelves.items()} == {"new": ["p1"], "kind/pots": ["p1"]}


def test_tally_adds_up_what_both_streams_tell_once(load: Load, ports: AwsPorts) -> None:
    label = Label("2026-03-02", "cart", "mail-1")
    counts = (one(Label("2026-03-02", "cart"), "entered"),)
    ports.state.commit(Commit(profile=a_profile(), at=LONG_AGO, counts=counts))
    (line,) = ports.clients.dynamodb.scan(TableName=ports.installation.tables.ledger)["Items"]
    message = Message(id="0" * 32, shop="tea", state="skipped", at=LONG_AGO, day=label.day, flow="cart", step="mail-1")
    assert ports.outbox.record(message)
    record = as_streamed(ports.item("messages", message.id))
    keys = ({"profile_id": line["profile_id"], "at": line["at"]}, {"id": {"S": message.id}})
    records = [
        {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"Keys": key, "NewImage": image}}
        for key, image in zip(keys, (line, record), strict=True)
    ]
    gone = {"eventSource": "aws:dynamodb", "eventName": "REMOVE", "dynamodb": {"Keys": keys[1], "OldImage": record}}
    app = load("tally")
    for batch in (records, [*records, gone], records[1:]):
        assert app.handler({"Records": batch}, None) == {"batchItemFailures": []}
    assert ports.results.figures("tea", label.day, label.day) == {
        label: {"skipped": 1},
        Label("2026-03-02", "cart"): {"entered": 1},
    }


def test_tally_reads_a_message_with_so_many_links_that_its_record_is_packed(load: Load, ports: AwsPorts) -> None:
    links = tuple(f"https://tea.example/products/{n}?variant={n}" for n in range(40))
    message = a_message(day="2026-03-02", flow="cart", step="mail-1", targets=links)
    ports.state.commit(Commit(profile=a_profile()))
    assert ports.outbox.lease(replace(a_lease(), message=message)) == "taken"
    before = as_streamed(ports.item("messages", message.id))
    assert ports.outbox.record(replace(message, state="sent", at=LONG_AGO), token="t1")
    image = as_streamed(ports.item("messages", message.id))
    assert "B" in image["targets"]
    change = {"Keys": {"id": {"S": message.id}}, "OldImage": before, "NewImage": image}
    record = {"eventName": "MODIFY", "dynamodb": change}
    assert load("tally").handler({"Records": [record]}, None) == {"batchItemFailures": []}
    assert ports.results.figures("tea", "2026-03-02", "2026-03-02") == {
        Label("2026-03-02", "cart", "mail-1"): {"sent": 1}
    }


def test_mint_sends_on_what_needs_no_coupon_and_counts_what_is_left(
    load: Load, ports: AwsPorts, capsys: pytest.CaptureFixture[str]
) -> None:
    app = load("mint")
    message, stock = (
        json.loads((ROOT / f"events/mint/{name}.json").read_text("utf-8")) for name in ("message", "stock")
    )
    (record,) = message["Records"]
    records = [record, {**record, "messageId": "bad", "body": "{"}]
    assert app.handler({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    (sent_on,) = ports.waiting("marketing").visible
    parcel = json.loads(record["body"])
    assert (sent_on.message_id, sent_on.profile_id) == (parcel["message_id"], parcel["profile_id"])
    assert app.handler(stock, None) == {"batchItemFailures": []}
    said = capsys.readouterr().out
    assert '"CouponPassed":[1.0]' in said
    assert '"CouponPoolsLow":[0' in said


def test_a_price_that_drops_reaches_who_looked(load: Load, ports: AwsPorts) -> None:
    """From the stream to the queue of shards, and from there to what journey applies."""
    drops = flow_of("trigger: {product: price_dropped}\nsteps:\n  - email: drop\n", "drops")
    live_since(ports, playbook(drops), LONG_AGO)
    pot = Product(id="p1", updated_at=LONG_AGO, title="Pot", url="https://s.example/pot", price=Decimal(50))
    images = []
    for price in (50, 40):
        ports.state.commit(Commit(shop="tea", products=(replace(pot, price=Decimal(price)),)))
        images.append(ports.item("products", "tea#p1"))
    looked = (Interested(product_id="p1", at=LONG_AGO),)
    ports.state.commit(Commit(profile=a_profile(), interests=looked))
    record = {
        "eventSource": "aws:dynamodb",
        "eventName": "MODIFY",
        "dynamodb": {"OldImage": as_streamed(images[0]), "NewImage": as_streamed(images[1])},
    }
    load("catalogue").handler({"Records": [record]}, None)
    (task,) = ports.waiting("fanout").visible
    batch = {"Records": [{"messageId": "1", "body": msgspec.json.encode(task).decode()}] * 2}
    assert load("campaign").handler(batch, None) == {"batchItemFailures": []}
    (pending_id,) = ports.pending_ids()
    pending = ports.state.pending(pending_id)
    work = ports.state.work(pending) if pending is not None else None
    assert work is not None
    (event,) = work.events
    assert isinstance(event.data, ProductChange)
    assert (event.type, event.profile_id, event.data.was) == ("product.price_dropped", a_profile().id, Decimal(50))


def test_reconcile_applies_what_no_webhook_brought_and_tells_of_shops_that_refuse(
    load: Load,
    ports: AwsPorts,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = json.loads((ROOT / "events/reconcile/clock.json").read_text("utf-8"))
    app = load("reconcile")
    shop, now = World(START), datetime.now(UTC)
    monkeypatch.setattr(app.reconciler, "_lists", shop.lists)
    nothing = {"ReconcileMissing": 0, "ReconcileRefused": 0, "ReconcileFailed": 0, "WebhooksOff": 0}
    assert app.handler(clock, None) == nothing
    said = capsys.readouterr().out
    assert '"ReconcileMissing":[0' in said
    assert "ReconcileRefused" not in said, "what does not happen costs nothing"
    changed = now - timedelta(minutes=5)
    node = shopify_nodes.order(7, updatedAt=changed.isoformat())
    record = Record(topic="orders/updated", body=json.dumps(order_body(node)).encode())
    shop.shop_things["tea", "orders"] = {"7": (changed, record)}
    monkeypatch.setattr(app.reconciler, "_clock", SimpleNamespace(now=lambda: now + timedelta(minutes=15)))
    assert app.handler(clock, None) == nothing | {"ReconcileMissing": 1}
    (pending,) = ports.pending_ids()
    delivery = ports.vault.delivery(pending)
    assert delivery is not None
    assert (delivery.source, delivery.topic) == ("shopify", "orders/updated")

    def revoked(*_: Any) -> Any:
        raise ShopRefusedError("not_allowed", "store a new token")

    monkeypatch.setattr(shop.lists, "changed", revoked)
    assert app.handler(clock, None) == nothing | {"ReconcileRefused": 1}
    said = capsys.readouterr().out
    assert '"ReconcileMissing":[1.0]' in said
    assert '"ReconcileRefused":[1.0]' in said
    logged = str([vars(record) for record in caplog.records])
    assert "orders 7" in logged
    assert "store a new token" in logged
    assert "ann@example.com" not in logged + said
