"""The public functions as API Gateway calls them, and feedback as SES does: every request gets a 2xx or a 4xx."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rekindle.content.links import FORMS as LINKED_FORMS
from rekindle.content.links import (
    form_of,
    sign_confirm,
    sign_form,
    sign_preferences,
    sign_track,
    sign_unsubscribe,
)
from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Event
from rekindle.domain.profile import Profile, Trait, encode_profile
from rekindle.ports import Message
from tests.attack import hostile
from tests.attack.conftest import Doors
from tests.attack.targets import (
    CLAIM,
    CONFIRM,
    FORM,
    FORMS,
    LINK_KEYS,
    NOTICES,
    PAGE_CLAIM,
    TRACK,
    VISITS,
    Hook,
    headers_of,
    hooks,
)
from tests.functions.conftest import Load
from tests.support.build import T0
from tests.support.needles import NEEDLES, anywhere
from tests.support.worlds import AwsPorts

_SHOPS = {"shopify": "tea", "woocommerce": "plants"}
_PATHS = st.sampled_from(
    ["", "TEA", "tea ", "../tea", "tea%00", "tea\r\nx", "ö", "a" * 5_000, "plants", "nobody", "-", "\ud800"]
)


_LANGUAGES = (
    "",
    "*",
    "ar",
    "de-AT,de;q=0.8",
    "en;q=NaN",
    "en;q=1e999",
    "en;q=-1",
    "x" * 9_000,
    "en," * 3_000,
    "a-" * 3_000,
    ";q=" * 3_000,
    "<script>",
    "../../en",
    "\r\nset-cookie: a=b",
    "\ud800",
    "é",
    "en;q=" + "9" * 5_000,
)


def request(hook: Hook, shop: str | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a webhook as API Gateway hands it over (payload format 2.0): binary, which it encodes itself."""
    return {
        "version": "2.0",
        "routeKey": f"POST /webhooks/{hook.platform}/{{shop}}",
        "pathParameters": {"shop": _SHOPS[hook.platform] if shop is None else shop},
        "headers": headers_of(hook.platform, hook.topic, hook.body) if headers is None else headers,
        "requestContext": {"http": {"method": "POST"}},
        "body": base64.b64encode(hook.body).decode(),
        "isBase64Encoded": True,
    }


@st.composite
def disordered(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a webhook whose path, headers or encoding are not what they should be."""
    hook = draw(hooks("shopify") | hooks("woocommerce"))
    headers = headers_of(hook.platform, hook.topic, hook.body)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(sorted(headers)))
        match draw(st.integers(0, 4)):
            case 0:
                headers.pop(name)
            case 1:
                headers[name] = headers.pop(name) + "," + draw(st.sampled_from(["x", "tea.myshopify.com", ""]))
            case 2:
                headers[name.upper()] = headers.pop(name)
            case 3:
                headers[name] = draw(st.sampled_from([text for text in hostile.TEXTS if len(text) < 9_000]))
            case _:
                headers[name] = f" {headers[name]}\t"
        if not headers:
            break
    made = request(hook, draw(st.none() | _PATHS), headers)
    if draw(st.booleans()):
        made |= {"body": hook.body.decode("utf-8", "surrogateescape"), "isBase64Encoded": False}
    if draw(st.integers(0, 9)) == 0:
        made.pop("body")
    return made


def test_a_disordered_webhook_gets_a_2xx_or_a_4xx(doors: Doors) -> None:
    @settings(max_examples=300, suppress_health_check=list(HealthCheck), database=None)
    @given(disordered())
    def attack(event: dict[str, Any]) -> None:
        answer = doors.webhook.handler(event, None)
        assert answer["statusCode"] in {200, 400, 401, 413}
        assert "Traceback" not in answer["body"]
        assert len(answer["body"]) < 500
        if answer["statusCode"] != 200:
            assert len(doors.world.stream) == len(doors.world.deliveries)

    attack()


def test_a_disordered_link_gets_the_same_page_and_does_nothing(doors: Doors) -> None:
    token = sign_unsubscribe(LINK_KEYS, CLAIM)

    @settings(max_examples=200, suppress_health_check=list(HealthCheck), database=None)
    @given(
        hostile.edited((token,), ("=", ".", "k1", "A", "%", "\x00", "ö", "\ud800", "<script>", "/../", "A" * 9_000)),
        st.sampled_from(["GET", "POST", "HEAD", "PUT", "", "post"]),
        st.sampled_from([None, "", "page=1", "page=1&page=2", "&" * 9_000, "\ud800"]),
        st.none() | st.sampled_from(_LANGUAGES) | st.text(max_size=20),
    )
    def attack(path: str, method: str, query: str | None, languages: str | None) -> None:
        headers = {} if languages is None else {"accept-language": languages}
        event = {
            "headers": headers,
            "pathParameters": {"token": path},
            "rawQueryString": query,
            "requestContext": {"http": {"method": method}},
        }
        answer = doors.links.handler(event, None)
        assert answer["statusCode"] == (200 if path == token else 404)
        assert "<script" not in answer["body"]
        if path != token or method != "POST":
            assert not doors.world.deliveries
        doors.open()

    attack()


_POSTS = (
    "on=channel.email&on=topic.news&was=channel.email&frequency=weekly&language=en&day=3&month=2&year=1990&act=",
    "act=unsubscribe",
    "on=channel.email&on=channel.sms&on=pause&was=&frequency=seldom&forget=1",
    "on=channel.push&was=channel.push&frequency=%00&language=../../en&day=99&month=x&year=-1",
)


@pytest.fixture
def known(doors: Doors) -> Profile:
    """Whose page it is: somebody with an address, a number and a birthday."""
    person = Profile(
        id=PAGE_CLAIM.profile,
        shop="tea",
        version=1,
        email=NEEDLES["email"],
        phone=NEEDLES["phone"],
        traits={"birthday": Trait(T0, "1990-03-14")},
    )
    doors.world.profiles[person.id] = encode_profile(person)
    return person


def test_a_disordered_preference_page_is_masked_and_speaks_for_nobody_else(doors: Doors, known: Profile) -> None:
    token = sign_preferences(LINK_KEYS, PAGE_CLAIM)

    @settings(max_examples=250, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.just(token)
        | hostile.edited((token,), ("=", ".", "k1", "%", "\x00", "ö", "\ud800", "<script>", "A" * 9_000)),
        st.sampled_from(["GET", "POST", "POST", "POST", "HEAD", "PUT", "", "post"]),
        st.none() | hostile.edited(_POSTS, FORMS),
        st.tuples(
            st.booleans(),
            st.sampled_from([FORM, f"{FORM}; charset=utf-16", "", "text/plain", "multipart/form-data; boundary=x"]),
        ),
        st.none() | st.sampled_from(_LANGUAGES),
    )
    def attack(path: str, method: str, body: str | None, how: tuple[bool, str], languages: str | None) -> None:
        encoded, kind = how
        event = {
            "headers": {"content-type": kind} | ({} if languages is None else {"Accept-Language": languages}),
            "routeKey": f"{method} /p/{{token}}",
            "pathParameters": {"token": path},
            "requestContext": {"http": {"method": method}},
            "body": body,
            "isBase64Encoded": encoded,
        }
        answer = doors.pages.handler(event, None)
        assert answer["statusCode"] in ({200, 400, 413, 415, 422} if path == token else {404})
        assert "<script" not in answer["body"]
        assert not anywhere([answer["body"]])
        assert len(answer["body"]) < 60_000
        if path != token or method != "POST" or answer["statusCode"] != 200:
            assert not doors.world.deliveries
        told = [event for delivery in doors.world.deliveries.values() for event in delivery.events]
        assert {event.profile_id for event in told} <= {known.id}
        assert {event.type for event in told} <= {"consent.changed", "preferences.changed", "traits.changed"}
        # Nobody agrees for an address that their link was not sent to.
        assert not [event for event in told if getattr(event.data, "state", "") == "subscribed" and _is_mail(event)]
        doors.world.deliveries.clear()
        doors.world.pending.clear()
        doors.world.stream.clear()

    attack()


def _is_mail(event: Event) -> bool:
    return getattr(event.data, "channel", "") == "email"


_ORIGINS = (
    "https://tea.example",
    "https://evil.example",
    "null",
    "",
    "x" * 9_000,
    "https://[",
    "\r\nx: y",
    "\ud800",
    "é",
)
_AGENTS = ("Mozilla/5.0 Firefox/128.0", "", "curl/8", "bot" * 3_000, "a" * 900, "\ud800", "(" * 900)


@st.composite
def visits(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a page, or anybody else, may post to collect."""
    body = draw(hostile.mutated(VISITS).map(hostile.as_bytes) | hostile.bodies(*VISITS) | st.binary(max_size=30))
    headers = {"origin": draw(st.sampled_from(_ORIGINS)), "user-agent": draw(st.sampled_from(_AGENTS))}
    for name in list(headers):
        if draw(st.integers(0, 9)) == 0:
            del headers[name]
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "POST /collect/{shop}",
        "pathParameters": {"shop": draw(st.just("tea") | _PATHS)},
        "headers": headers,
        "requestContext": {"http": {"method": "POST"}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    if draw(st.booleans()):
        made |= {"body": body.decode("utf-8", "surrogateescape"), "isBase64Encoded": False}
    if draw(st.integers(0, 9)) == 0:
        made.pop("body")
    return made


def test_a_disordered_visit_gets_a_2xx_or_a_4xx_and_a_foreign_page_none(doors: Doors) -> None:
    @settings(max_examples=300, suppress_health_check=list(HealthCheck), database=None)
    @given(visits())
    def attack(event: dict[str, Any]) -> None:
        answer = doors.collect.handler(event, None)
        assert answer["statusCode"] in {204, 400, 403, 404, 413, 422}
        assert len(answer.get("body", "")) < 500
        origin = event["headers"].get("origin")
        if answer["statusCode"] != 204 or origin not in ("https://tea.example", "null", None):
            assert not doors.world.deliveries
            assert "headers" not in answer or "access-control-allow-origin" not in answer["headers"]
        doors.open()

    attack()


@st.composite
def sign_ups(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a request to a sign-up form, or to what its mail leads to."""
    method = draw(st.sampled_from(["GET", "POST"]))
    fields = st.sampled_from(["email", "first_name", "shown_in", "leave_this_empty", "product", "price"])
    values = st.sampled_from(["ada@example.com", "<b>@example.com", "en", "\r\nBcc: x@y.example"]) | st.text()
    body = urlencode(draw(st.lists(st.tuples(fields, values), max_size=6)), errors="surrogatepass").encode()
    tokens = st.just(sign_confirm(LINK_KEYS, CONFIRM)) | st.sampled_from(["", "k2.x.y", "é"]) | st.text(max_size=40)
    form = {
        "shop": draw(st.just("tea") | _PATHS),
        "form": draw(st.sampled_from(["newsletter", "product-alert"]) | _PATHS),
    }
    return {
        "version": "2.0",
        "pathParameters": draw(st.just(form) | tokens.map(lambda token: {"token": token})),
        "headers": {
            "content-type": draw(st.just("application/x-www-form-urlencoded") | st.text(max_size=20)),
            "accept-language": draw(st.sampled_from(["ar", "zh-TW", "", "\ud800", "a" * 9_000])),
        },
        "queryStringParameters": draw(
            st.none() | st.dictionaries(st.sampled_from(["lang", "product", "stop"]), values)
        ),
        "requestContext": {"http": {"method": method, "sourceIp": draw(st.sampled_from(["203.0.113.7", "", "x\n"]))}},
        "body": base64.b64encode(draw(st.just(body) | st.binary(max_size=40))).decode(),
        "isBase64Encoded": draw(st.booleans()),
    }


def test_a_disordered_sign_up_gets_a_page_and_reflects_no_markup(doors: Doors) -> None:
    @settings(max_examples=150, suppress_health_check=list(HealthCheck), database=None)
    @given(sign_ups())
    def attack(event: dict[str, Any]) -> None:
        answer = doors.signup.handler(event, None)
        assert answer["statusCode"] in {200, 400, 404, 410, 413, 415, 422, 429}
        assert "<b>@" not in answer["body"]
        posted = event["requestContext"]["http"]["method"] == "POST"
        told = [event.type for delivery in doors.world.deliveries.values() for event in delivery.events]
        assert told == [] or (posted and told == ["sign_up.requested"])
        doors.open()

    attack()


_LINKED = {"p": sign_preferences(LINK_KEYS, PAGE_CLAIM)}
_LINKED |= {form: sign_form(LINK_KEYS, form_of(PAGE_CLAIM, form, "o1")) for form in LINKED_FORMS}


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a request to a page behind a signed link: its own, another's, or none of ours."""
    fields = st.sampled_from(["act", "stars", "text", "interest", "reward", "day", "month", "year", "on", "was", "x"])
    values = st.sampled_from(["stay", "leave", "send", "5", "gift", "29", "<script>alert(1)</script>", "٣"]) | st.text()
    body = urlencode(draw(st.lists(st.tuples(fields, values), max_size=8)), errors="surrogatepass").encode()
    method = draw(st.sampled_from(["GET", "POST"]))
    tokens = st.sampled_from([*_LINKED.values(), "", "k2.x.y", "é"]) | st.text(max_size=40)
    return {
        "version": "2.0",
        "routeKey": f"{method} /{draw(st.sampled_from([*_LINKED]))}/{{token}}",
        "pathParameters": {"token": draw(tokens)},
        "headers": {
            "content-type": draw(st.just("application/x-www-form-urlencoded") | st.text(max_size=20)),
            "accept-language": draw(st.sampled_from(_LANGUAGES)),
        },
        "queryStringParameters": draw(st.none() | st.fixed_dictionaries({"stars": values})),
        "requestContext": {"http": {"method": method}},
        "body": base64.b64encode(draw(st.just(body) | st.binary(max_size=40))).decode(),
        "isBase64Encoded": draw(st.booleans()),
    }


def test_a_disordered_answer_gets_a_page_acts_on_a_post_alone_and_for_its_own_form(doors: Doors) -> None:
    @settings(max_examples=200, suppress_health_check=list(HealthCheck), database=None, deadline=None)
    @given(answers())
    def attack(event: dict[str, Any]) -> None:
        person = Profile(id=PAGE_CLAIM.profile, shop=PAGE_CLAIM.shop, version=1, email="ada@example.com")
        doors.world.profiles[person.id] = encode_profile(person)
        answer = doors.pages.handler(event, None)
        assert answer["statusCode"] in {200, 400, 404, 413, 415, 422}
        assert "<script" not in answer["body"]
        assert "ada@example.com" not in answer["body"]
        method, _, form = event["routeKey"].partition(" /")
        own = _LINKED[form.partition("/")[0]] == event["pathParameters"]["token"]
        assert (answer["statusCode"] == 404) is not own
        assert not doors.world.deliveries or (own and method == "POST")
        doors.open()

    attack()


def test_assets_leads_nowhere_but_to_published_files(load: Load, ports: AwsPorts) -> None:
    """Whatever stands in the path, in either part, raw or decoded."""
    ports.blobs.put(f"public/a/{'a' * 32}/logo.png", b"a picture")
    ports.blobs.put("playbooks/current.json", b"{}")
    app = load("assets")
    texts = st.sampled_from(["a" * 32, "..", ".", "", "logo.png", "playbooks/current.json", "../logo.png"]) | st.text()

    @settings(max_examples=200, suppress_health_check=list(HealthCheck), database=None, deadline=None)
    @given(texts, texts, st.none() | st.text())
    def attack(hash_: str, name: str, known: str | None) -> None:
        headers = {} if known is None else {"if-none-match": known}
        answer = app.handler({"pathParameters": {"hash": hash_, "name": name}, "headers": headers}, None)
        found = (hash_, name) == ("a" * 32, "logo.png")
        assert answer["statusCode"] in ({200, 304} if found else {404, 304})
        assert b"{}" not in answer.get("body", "").encode()

    attack()


_PLACES = st.sampled_from(
    [
        "0", "1", "2", "-1", "01", "0.", "0/..", "%30", "", "x", "0\r\nset-cookie: a=b", "٠", "9" * 5_000,
        "\x00", "\ud800",
        "https://evil.example", "//evil.example", "0?to=https://evil.example", "0#https://evil.example",
    ]
)  # fmt: skip
_HOSTS = st.sampled_from(
    ["", "links.example", "evil.example", "tea.example", "links.example\r\nx: y", "a" * 9_000, "\ud800", "[::1"]
)


def test_a_disordered_click_leads_where_the_mail_said_or_home_and_nowhere_else(doors: Doors) -> None:
    """Whatever stands in the path, the query or the headers, no address outside the message's own is ever led to."""
    token = sign_track(LINK_KEYS, TRACK)
    targets = ("https://tea.example/a?b=c", "https://instagram.example/tea")

    @settings(max_examples=400, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.just(token)
        | hostile.edited((token,), ("=", ".", "k1", "A", "%", "\x00", "ö", "\ud800", "/../", "A" * 9_000)),
        st.none() | _PLACES,
        st.sampled_from(["GET", "HEAD", "POST", "", "get"]),
        _HOSTS,
        st.none() | st.text(max_size=30) | st.sampled_from(_LANGUAGES),
        st.sampled_from([None, "to=https://evil.example", "utm_source=x&url=//evil.example", "\ud800"]),
    )
    def attack(  # noqa: PLR0917 - whatever a request has
        path: str, place: str | None, method: str, host: str, header: str | None, query: str | None
    ) -> None:
        doors.world.messages[TRACK.message] = Message(
            id=TRACK.message,
            profile_id="p",
            shop="tea",
            state="sent",
            leased_at=T0 - timedelta(days=1),
            targets=targets,
        )
        told = {} if header is None else dict.fromkeys(("user-agent", "accept-language", "purpose", "referer"), header)
        event = {
            "pathParameters": {"token": path} if place is None else {"token": path, "index": place},
            "headers": {"host": host, "x-forwarded-host": "evil.example", **told},
            "rawQueryString": query,
            "requestContext": {"http": {"method": method}},
        }
        answer = doors.track.handler(event, None)
        if path != token:
            assert answer["statusCode"] == 404
            assert "location" not in answer["headers"]
            assert not doors.world.reactions_queue.messages
        else:
            assert answer["statusCode"] == 302
            led = answer["headers"]["location"]
            assert led.isascii()
            assert led.isprintable()
            where = {"0": "https://tea.example/a?b=c&utm_", "1": "https://instagram.example/tea"}
            assert led.startswith(where.get(place or "", "https://tea.example"))
            assert "evil" not in led
        assert set(answer["headers"]) <= {
            "location", "cache-control", "referrer-policy", "x-robots-tag", "content-type", "content-security-policy",
            "x-content-type-options",
        }  # fmt: skip
        assert "<script" not in answer["body"]
        assert not doors.world.deliveries
        doors.open()


def test_a_disordered_request_for_a_script_gets_the_script_or_a_404(doors: Doors) -> None:
    @settings(max_examples=200, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.just("tea") | _PATHS,
        st.sampled_from(
            ["rekindle.js", "popup.js", "rekindle.js/", "../rekindle.js", "woocommerce.php", "", "a" * 9_000, "\ud800"]
        ),
        st.sampled_from(["", "gzip", "gzip;q=0", "*", "x" * 9_000, "\ud800"]),
        st.sampled_from(["", "*", '"x"', "W/", "\ud800", "x" * 9_000]),
    )
    def attack(shop: str, name: str, encoding: str, tag: str) -> None:
        event = {
            "routeKey": "GET /site/{shop}/{file}",
            "pathParameters": {"shop": shop, "file": name},
            "headers": {"accept-encoding": encoding, "if-none-match": tag},
            "requestContext": {"http": {"method": "GET"}},
        }
        good = shop == "tea" and name in ("rekindle.js", "popup.js")
        answer = doors.collect.handler(event, None)
        assert answer["statusCode"] == (200 if good else 404)
        if not good:
            assert len(answer["body"]) < 100

    attack()


def test_a_disordered_picture_is_the_same_picture(doors: Doors) -> None:
    token = sign_track(LINK_KEYS, TRACK)
    pictures = set()

    @settings(max_examples=150, suppress_health_check=list(HealthCheck), database=None)
    @given(
        hostile.edited((f"{token}.gif", token), (".gif", ".", "=", "%", "\x00", "ö", "\ud800", "/../", "A" * 9_000)),
        st.none() | st.text(max_size=30),
    )
    def attack(image: str, agent: str | None) -> None:
        headers = {} if agent is None else {"user-agent": agent}
        event = {"pathParameters": {"image": image}, "headers": headers, "requestContext": {"http": {"method": "GET"}}}
        answer = doors.track.handler(event, None)
        assert answer["statusCode"] == (200 if image in (token, f"{token}.gif") else 404)
        pictures.add(answer["body"])
        assert not doors.world.deliveries
        doors.open()

    attack()
    assert len(pictures) == 1


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_feedback_takes_or_names_what_is_wrong_with_a_notice(doors: Doors) -> None:
    @settings(max_examples=200, suppress_health_check=list(HealthCheck), database=None)
    @given(hostile.mutated(NOTICES))
    def attack(notice: Any) -> None:
        sns = {"Records": [{"Sns": {"Message": hostile.as_bytes(notice).decode("utf-8", "replace")}}]}
        for event in (notice, sns):
            if not isinstance(event, dict) or ("Records" in event and event is not sns):
                continue
            problem = ""
            try:
                doors.feedback.handler(event, None)
            except MalformedBodyError as refused:
                problem = str(refused)
            assert len(problem) < 200

    attack()


#: What lies on a queue by a mistake of somebody's.
_MISTAKES = {
    "cut": "{",
    "empty": "",
    "nothing": "null",
    "a list": "[]",
    "a number": '{"profile_id": 1}',
    "half a character": "\ud800",
    "deep": "[" * 3_000,
}


@pytest.mark.parametrize("body", _MISTAKES.values(), ids=_MISTAKES)
def test_one_bad_parcel_does_not_bring_its_batch_back(load: Load, ports: AwsPorts, body: str) -> None:
    """The bad one comes back until it is parked; for the other, which nobody planned any more, that was it."""
    app = load("send")
    url = ports.installation.queue_urls["marketing"]
    late = (app.clock.now() - timedelta(days=1)).isoformat()
    parcel = {"message_id": "m" * 32, "profile_id": "p" * 32, "version": 1, "since": late}
    ports.clients.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(parcel))
    (message,) = ports.clients.sqs.receive_message(QueueUrl=url)["Messages"]
    attributes = {"ApproximateReceiveCount": "1"}
    good = {
        "messageId": "good",
        "body": message["Body"],
        "receiptHandle": message["ReceiptHandle"],
        "attributes": attributes,
    }
    bad = {"messageId": "bad", "body": body, "receiptHandle": "none", "attributes": attributes}
    assert app.handler({"Records": [bad, good]}, None) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}


@pytest.mark.parametrize("function", ["journey", "privacy", "campaign", "feedback"])
@pytest.mark.parametrize("body", _MISTAKES.values(), ids=_MISTAKES)
def test_a_bad_message_on_a_queue_comes_back_alone(load: Load, ports: AwsPorts, function: str, body: str) -> None:
    del ports
    record = {"eventSource": "aws:sqs", "messageId": "bad", "body": body}
    assert load(function).handler({"Records": [record]}, None) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
