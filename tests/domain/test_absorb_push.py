"""Browsers that push messages may go to: allowed by the browser alone, refused by the person for all of them."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import pytest

from rekindle.domain.absorb import absorb
from rekindle.domain.absorb.push import MAX_BROWSERS
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Consent, PushSubscription
from rekindle.domain.profile import Profile, decode_profile, encode_profile
from rekindle.domain.push import browser_key, endpoint_fault, subscription_fault
from rekindle.flow.merge import merge
from tests.support.build import at

KEY = base64.urlsafe_b64encode(b"\x04" + b"k" * 64).decode().rstrip("=")
AUTH = base64.urlsafe_b64encode(b"a" * 16).decode().rstrip("=")
PLACE = "https://fcm.googleapis.com/fcm/send/abc"


def told(kind: str, when: datetime, place: str = PLACE, *, signed: bool = False, **more: Any) -> Event:
    given = {"p256dh": KEY, "auth": AUTH} if kind == "push.subscribed" else {}
    return Event(
        id=f"{kind}{when}{place}", shop="tea", type=kind, occurred_at=when, received_at=when,
        who=Who(browser_id="b1"), signed=signed, data=PushSubscription(endpoint=place, at=when, **(given | more)),
    )  # fmt: skip


def refused(when: datetime, *, signed: bool = True, state: Any = "unsubscribed") -> Event:
    return Event(
        id=f"no{when}", shop="tea", type="consent.changed", occurred_at=when, received_at=when, profile_id="p",
        data=Consent(channel="push", state=state, at=when, source="link"), signed=signed,
    )  # fmt: skip


def after(*events: Event, profile: Profile | None = None) -> Profile:
    profile = profile or Profile(id="p", shop="tea")
    for event in events:
        profile = absorb(profile, event, event.received_at).profile
    return profile


def test_a_browser_that_allows_push_is_consent_for_itself_and_needs_no_signature() -> None:
    profile = after(told("push.subscribed", at()))
    assert profile.consented("push")
    assert not profile.consented("email")
    (browser,) = profile.browsers.values()
    assert (browser.endpoint, browser.p256dh, browser.auth) == (PLACE, KEY, AUTH)
    assert decode_profile(encode_profile(profile)) == profile


def test_the_same_browser_again_is_no_news_and_keeps_its_newest_keys() -> None:
    first = after(told("push.subscribed", at()))
    other = base64.urlsafe_b64encode(b"\x04" + b"n" * 64).decode().rstrip("=")
    second = absorb(first, told("push.subscribed", at(days=1), p256dh=other), at(days=1))
    assert (second.told, second.ignored) == ((), "already known")
    assert [browser.p256dh for browser in second.profile.browsers.values()] == [other]
    late = absorb(second.profile, told("push.subscribed", at(hours=1)), at(days=1))
    assert late.profile == second.profile


def test_of_many_browsers_those_heard_of_last_stay() -> None:
    profile = after(*(told("push.subscribed", at(hours=n), f"{PLACE}{n}") for n in range(MAX_BROWSERS + 2)))
    assert set(profile.browsers) == {browser_key(f"{PLACE}{n}") for n in range(2, MAX_BROWSERS + 2)}


def test_a_browser_that_is_gone_is_forgotten_and_an_older_word_does_not_forget_it() -> None:
    profile = after(told("push.subscribed", at(hours=1)), told("push.unsubscribed", at()))
    assert profile.consented("push")
    assert not after(told("push.unsubscribed", at(hours=2)), profile=profile).browsers


def test_a_refusal_forgets_all_browsers_and_only_a_newer_one_allows_push_again() -> None:
    profile = after(
        told("push.subscribed", at()), told("push.subscribed", at(hours=1), f"{PLACE}2"), refused(at(hours=2))
    )
    assert not profile.consented("push")
    assert not after(told("push.subscribed", at(minutes=5)), profile=profile).browsers
    assert after(told("push.subscribed", at(hours=3)), profile=profile).consented("push")


def test_nothing_but_a_browser_allows_push() -> None:
    assert not after(refused(at(), state="subscribed")).consented("push")


def test_what_nobody_signed_refuses_nothing() -> None:
    profile = after(told("push.subscribed", at()), refused(at(hours=1), signed=False))
    assert profile.consented("push")


def test_people_who_turn_out_to_be_one_keep_their_browsers() -> None:
    one = after(told("push.subscribed", at()))
    two = after(told("push.subscribed", at(hours=1), f"{PLACE}2"), profile=Profile(id="q", shop="tea"))
    assert set(merge(one, two, at()).browsers) == {browser_key(PLACE), browser_key(f"{PLACE}2")}
    assert merge(one, two, at()).browsers == merge(two, one, at()).browsers


@pytest.mark.parametrize(
    "place",
    [
        PLACE,
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
        "https://web.push.apple.com/QGuQy",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%3d%3d",
        "https://fcm.googleapis.com:443/wp/x",
    ],
)
def test_the_push_services_of_browsers_are_known(place: str) -> None:
    assert endpoint_fault(place) is None


@pytest.mark.parametrize(
    "place",
    [
        "http://fcm.googleapis.com/x", "https://127.0.0.1/x", "https://[::1]/x", "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/", "https://fcm.googleapis.com.evil.example/x", "https://evil.example/fcm.googleapis.com",
        "https://fcm.googleapis.com@evil.example/x", "https://user:pw@fcm.googleapis.com/x", "https://fcm.googleapis.com:8080/x",
        "https://fcm.googleapis.com:99999/x", "https://evilnotify.windows.com/x", "https://fcm.googleapis.com\\@evil.example/",
        "file:///etc/passwd", "", "x", None, 7, f"{PLACE}{'x' * 1_000}", f"{PLACE}\r\nHost: evil", "https://ＦＣＭ.googleapis.com/x",
    ],
)  # fmt: skip
def test_we_post_to_nobody_else(place: object) -> None:
    assert endpoint_fault(place) is not None


@pytest.mark.parametrize(
    ("key", "secret"),
    [("", AUTH), (KEY, ""), (KEY[:-4], AUTH), ("A" * 87, AUTH), (KEY, "!" * 22), (None, AUTH), (KEY + "=" * 300, AUTH)],
)
def test_keys_that_could_encrypt_nothing_are_refused(key: object, secret: object) -> None:
    assert subscription_fault(PLACE, key, secret) is not None
    profile = after(told("push.subscribed", at(), p256dh=str(key or ""), auth=str(secret)))
    assert not profile.browsers
