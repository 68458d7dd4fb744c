"""The push channel: RFC 8291's own example, one attempt, and an exact answer to what became of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from local.emulator import free_port
from local.pushes import RETRY_AFTER, BrowserHere, Fault, LocalPushes
from rekindle.domain.errors import AddressGoneError, MailRefusedError, MailRejectedError, MailUncertainError
from rekindle.domain.profile import Browser
from rekindle.memory import Fate, VirtualClock, World
from rekindle.outside.http import Http
from rekindle.outside.webpush import MAX_PLAIN, WebPusher, encrypted, key_pair, public_key
from rekindle.ports import PushMessage
from tests.support.worlds import START, Ports

SECRET = b"the installation's secret"


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def message(browser: BrowserHere, text: str = "Your tea waits") -> PushMessage:
    payload = json.dumps({"notification": {"title": text}}).encode()
    return PushMessage(
        message_id="m1", browser=Browser(START, browser.endpoint, browser.p256dh, browser.auth), payload=payload,
        contact="mailto:help@tea.example", topic="t" * 32, marketing=True, seconds=3_600,
    )  # fmt: skip


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def services(clock: VirtualClock) -> Iterator[LocalPushes]:
    with LocalPushes(clock).running() as running:
        yield running


@pytest.fixture
def pusher(services: LocalPushes, clock: VirtualClock) -> WebPusher:
    return WebPusher(secret=SECRET, clock=clock, instead=services.url)


def test_the_rfcs_own_example_comes_out_byte_for_byte() -> None:
    """RFC 8291, appendix A."""
    number = int.from_bytes(raw("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    body = encrypted(
        b"When I grow up, I want to be a watermelon",
        key="BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        secret="BTBZMqHH6r4Tts7J_aSIgg",
        salt=raw("DGv6ra1nlYgDCS1FRnbzlw"),
        own=lambda: ec.derive_private_key(number, ec.SECP256R1()),
    )
    assert body == raw(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_a_browser_opens_what_was_sent_and_its_service_knows_who_sent_it(
    services: LocalPushes, pusher: WebPusher
) -> None:
    browser = services.browser("ada")
    assert pusher.send(message(browser)) == "000001"
    (shown,) = services.shown
    assert shown.message == {"notification": {"title": "Your tea waits"}}
    assert (shown.headers["ttl"], shown.headers["urgency"], shown.headers["topic"]) == ("3600", "normal", "t" * 32)
    assert shown.claims["aud"] == "https://fcm.googleapis.com"
    assert shown.claims["sub"] == "mailto:help@tea.example"
    assert shown.headers["authorization"].endswith(public_key(SECRET))


def test_each_service_gets_a_signature_for_itself_and_a_fresh_one_in_time(
    services: LocalPushes, pusher: WebPusher, clock: VirtualClock
) -> None:
    chrome, firefox = services.browser("a"), services.browser("b", "updates.push.services.mozilla.com")
    for browser in (chrome, firefox, chrome):
        pusher.send(message(browser))
    clock.advance(hours=11)
    pusher.send(message(chrome))
    tokens = [shown.headers["authorization"] for shown in services.shown]
    assert len(set(tokens)) == 3
    assert tokens[0] == tokens[2]
    assert services.shown[-1].claims["exp"] == int((clock.now() + timedelta(hours=12)).timestamp())


def test_a_message_is_kept_no_longer_than_it_is_worth_and_than_services_keep(
    services: LocalPushes, pusher: WebPusher
) -> None:
    browser = services.browser("ada")
    for seconds in (-5, 10**9):
        pusher.send(replace(message(browser), seconds=seconds, marketing=False))
    assert [shown.headers["ttl"] for shown in services.shown] == ["0", str(28 * 86_400)]
    assert services.shown[0].headers["urgency"] == "high"


def test_the_largest_message_fits_and_a_larger_one_is_never_tried(services: LocalPushes, pusher: WebPusher) -> None:
    browser = services.browser("ada")
    fits = json.dumps("x" * (MAX_PLAIN - 2)).encode()
    pusher.send(replace(message(browser), payload=fits))
    with pytest.raises(MailRejectedError, match="too large"):
        pusher.send(replace(message(browser), payload=fits + b" "))
    assert services.attempts == 1


@pytest.mark.parametrize("fault", ["gone", "not_found"])
def test_a_browser_that_is_gone_is_told_apart(services: LocalPushes, pusher: WebPusher, fault: Fault) -> None:
    services.plan(fault)
    with pytest.raises(AddressGoneError):
        pusher.send(message(services.browser("ada")))


def test_a_service_that_asks_for_patience_is_left_alone_for_as_long(services: LocalPushes, pusher: WebPusher) -> None:
    services.plan("throttle")
    with pytest.raises(MailRefusedError) as caught:
        pusher.send(message(services.browser("ada")))
    assert caught.value.reason == "throttled"
    assert caught.value.after == RETRY_AFTER + 1
    assert services.attempts == 1


@pytest.mark.parametrize(
    ("fault", "raised", "shown"),
    [
        ("denied", (MailRefusedError, "not_allowed"), 0),
        ("too_large", (MailRejectedError, "too large"), 0),
        ("odd", (MailRejectedError, "418"), 0),
        ("fail", (MailUncertainError, "503"), 0),
        ("lose_answer", (MailUncertainError, "Protocol"), 1),
    ],
)
def test_what_a_service_answers_means(
    services: LocalPushes, pusher: WebPusher, fault: Fault, raised: tuple[type[Exception], str], shown: int
) -> None:
    services.plan(fault)
    with pytest.raises(raised[0], match=raised[1]):
        pusher.send(message(services.browser("ada")))
    assert (services.attempts, len(services.shown)) == (1, shown)


def test_a_service_that_does_not_answer_in_time_is_uncertain(services: LocalPushes, clock: VirtualClock) -> None:
    services.plan("hang")
    impatient = WebPusher(secret=SECRET, clock=clock, instead=services.url, http=Http(tries=1, read=0.2, budget=0.5))
    with pytest.raises(MailUncertainError):
        impatient.send(message(services.browser("ada")))
    assert services.attempts == 1


def test_nobody_listening_is_not_connected(services: LocalPushes, clock: VirtualClock) -> None:
    lost = WebPusher(secret=SECRET, clock=clock, instead=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(MailRefusedError) as caught:
        lost.send(message(services.browser("ada")))
    assert caught.value.reason == "not_connected"


@pytest.mark.parametrize(
    "endpoint",
    ["https://127.0.0.1/x", "http://fcm.googleapis.com/x", "https://169.254.169.254/x", "https://evil.example/x"],
)
def test_nobody_but_a_push_service_is_ever_asked(services: LocalPushes, pusher: WebPusher, endpoint: str) -> None:
    push = message(services.browser("ada"))
    with pytest.raises(MailRejectedError):
        pusher.send(replace(push, browser=Browser(START, endpoint, push.browser.p256dh, push.browser.auth)))
    assert services.attempts == 0


def test_a_key_that_is_no_point_of_the_curve_is_rejected(services: LocalPushes, pusher: WebPusher) -> None:
    push = message(services.browser("ada"))
    nowhere = base64.urlsafe_b64encode(b"\x04" + b"\x01" * 64).decode().rstrip("=")
    with pytest.raises(MailRejectedError, match="encrypts nothing"):
        pusher.send(replace(push, browser=Browser(START, push.browser.endpoint, nowhere, push.browser.auth)))
    assert services.attempts == 0


def test_the_installations_key_follows_from_its_secret_alone() -> None:
    numbers = [key_pair(secret).private_numbers().private_value for secret in (SECRET, SECRET, b"another")]
    assert numbers[0] == numbers[1] != numbers[2]
    point = key_pair(SECRET).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert raw(public_key(SECRET)) == point
    assert len(point) == 65


def test_the_secret_is_the_installations_own(make_ports: Callable[[], Ports]) -> None:
    """The same at every call: a browser that allowed push knows the key for ever."""
    secrets = make_ports().secrets
    assert secrets.push_secret()
    assert secrets.push_secret() == secrets.push_secret()


@pytest.mark.parametrize(
    ("fate", "error", "sent"),
    [
        ("throttled", MailRefusedError, 0),
        ("reject", MailRejectedError, 0),
        ("gone", AddressGoneError, 0),
        ("hang", MailUncertainError, 0),
        ("answer_lost", MailUncertainError, 1),
    ],
)
def test_in_ram_the_channel_does_what_it_is_told_once(fate: Fate, error: type[Exception], sent: int) -> None:
    world = World(START)
    fates = iter([fate])
    world.decide_push_fate = lambda _push: next(fates, "accept")
    push = message(BrowserHere("https://fcm.googleapis.com/x", "k", "a", ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(error):
        world.pusher.send(push)
    assert len(world.pushes) == sent
    assert world.pusher.send(push) == world.pushes[-1].vendor_id
    assert [chosen for _, chosen in world.push_attempts] == [fate, "accept"]
