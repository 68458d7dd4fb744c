"""The functions as AWS calls them: what each is handed, and what it answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from rekindle.content.links import Unsubscribe, sign_unsubscribe
from tests.functions.conftest import Load
from tests.support.build import ROOT
from tests.support.worlds import AwsPorts

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


def stream_record(ports: AwsPorts, pending: str) -> dict[str, Any]:
    image = ports.item("pending", pending)
    return {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"NewImage": image}}


def test_journey_applies_a_stream_record_and_sets_the_alarm(load: Load, ports: AwsPorts) -> None:
    now = load("journey").clock.now().isoformat()
    body = json.dumps(CHECKOUT | {"created_at": now, "updated_at": now}).encode()
    load("webhook").handler(shopify(body), None)
    (pending,) = ports.pending_ids()
    answer = load("journey").handler({"Records": [stream_record(ports, pending)]}, None)
    assert answer == {"batchItemFailures": []}
    assert ports.pending_ids() == set()
    assert len(ports.schedules()) == 1


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


def visit(token: str, method: str, query: str = "") -> dict[str, Any]:
    return {
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


def test_links_asks_on_get_and_acts_on_post_only(load: Load, ports: AwsPorts) -> None:
    claim = Unsubscribe(shop="tea", channel="email", address="f" * 32, message="m", profile="p")
    token = sign_unsubscribe(ports.secrets.link_keys(), claim)
    app = load("links")
    page = app.handler(visit(token, "GET"), None)
    assert page["statusCode"] == 200
    assert "Tea &amp; Co" in page["body"]
    assert ports.pending_ids() == set()
    assert app.handler(visit(token, "POST"), None)["statusCode"] == 200
    assert len(ports.pending_ids()) == 1
    assert ports.item("suppressions", f"tea#email#{'f' * 32}#marketing") is not None


def test_links_refuses_what_it_did_not_sign(load: Load, ports: AwsPorts) -> None:
    for method in ("GET", "POST"):
        assert load("links").handler(visit("k1.forged.token", method), None)["statusCode"] == 404
    assert ports.pending_ids() == set()


def test_sweep_counts_what_it_finds(load: Load) -> None:
    counts = load("sweep").handler({}, None)
    assert counts == {"OverdueWoken": 0, "PendingRedriven": 0, "PendingStuck": 0, "UnknownMessages": 0}


def test_publish_of_an_empty_bucket_is_refused_with_a_report(load: Load, ports: AwsPorts) -> None:
    assert load("publish").handler({"Records": []}, None) == {"batchItemFailures": []}
    assert ports.blobs.get("reports/latest.txt")
