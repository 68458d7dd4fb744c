"""Push messages in a real browser: nobody is asked before the shop asks, and what comes is shown and leads on.

Headless Chromium has no push service, so the subscription itself is made here; everything else is the browser's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from rekindle.content.sites import site_of, source
from rekindle.domain.facts import PushSubscription
from rekindle.shops import onsite
from tests.browser.chromium import Page
from tests.browser.shop import Shop
from tests.browser.shop import shop as opened
from tests.content.pagekit import POPUP
from tests.domain.test_absorb_push import AUTH, KEY, PLACE
from tests.support.build import T0, playbook

#: In the page, before all else: a browser that has a push service, and counts how often it asks.
SERVICE = """
(() => {
  const made = MADE;
  const known = { toJSON: () => made };
  let subscribed = sessionStorage.getItem("subscribed");
  PushManager.prototype.getSubscription = () => Promise.resolve(subscribed ? known : null);
  PushManager.prototype.subscribe = function (how) {
    window.keyed = how.applicationServerKey.length + (how.userVisibleOnly ? "!" : "");
    sessionStorage.setItem("subscribed", (subscribed = "1"));
    return Promise.resolve(known);
  };
  const ask = Notification.requestPermission.bind(Notification);
  window.asked = 0;
  Notification.requestPermission = () => (window.asked++, ask());
})();
"""
MADE = json.dumps({"endpoint": PLACE, "keys": {"p256dh": KEY, "auth": AUTH}})
NOTE = {"title": "Back in stock", "body": "The bell", "navigate": "https://links.example/c/token/0", "lang": "en"}


@pytest.fixture
def shop(page: Page) -> Iterator[Shop]:
    with opened(page) as made:
        service = page.do("Page.addScriptToEvaluateOnNewDocument", source=SERVICE.replace("MADE", MADE))["identifier"]
        about = msgspec.structs.replace(
            playbook().shops["tea"], platform="woocommerce", site_consent="assumed", push_key=KEY
        )
        words = {lang: msgspec.structs.replace(text, push="Tell me here, too") for lang, text in POPUP.texts.items()}
        made.site = site_of(about, [msgspec.structs.replace(POPUP, enabled=True, texts=words)])
        made.put("/", "<h1>Shop</h1><button data-rekindle-push>Notify me</button>" + "<p>words" * 300)
        allow(made, "granted")
        yield made
        made.page.open(made.url + "/")
        page.ask(
            "navigator.serviceWorker.getRegistrations().then((all) => Promise.all(all.map((one) => one.unregister())))"
        )
        page.do("Browser.resetPermissions")
        page.do("Page.removeScriptToEvaluateOnNewDocument", identifier=service)


def allow(shop: Shop, setting: str) -> None:
    shop.page.do("Browser.setPermission", permission={"name": "notifications"}, setting=setting, origin=shop.url)


def taken(shop: Shop) -> list[Any]:
    """Return what collect makes of the subscriptions that were sent."""
    found = []
    for batch in shop.sent:
        read = onsite.read(
            json.dumps(batch).encode(), shop="tea", platform="woocommerce", url="https://tea.example",
            hosts=(shop.host,), currency="EUR", received_at=T0,
        )  # fmt: skip
        found += [event for event in read.delivery.events if event.type == "push.subscribed"]
    return found


def test_nobody_is_asked_and_nothing_is_fetched_before_the_shop_asks(shop: Shop) -> None:
    allow(shop, "prompt")
    shop.open("/")
    shop.stay(600)
    shop.leave()
    shop.open("/")
    assert shop.page.ask("window.asked") == 0
    assert "push.js" not in shop.scripts
    assert taken(shop) == []


def test_a_button_asks_and_what_reaches_this_browser_is_sent_with_its_id(shop: Shop) -> None:
    shop.open("/")
    shop.click("[data-rekindle-push]")
    shop.heard(1)
    (event,) = taken(shop)
    assert event.data == PushSubscription(endpoint=PLACE, at=event.data.at, p256dh=KEY, auth=AUTH)
    assert event.who.browser_id == shop.page.ask("document.cookie.match(/rekindle_id=([^;]*)/)[1]")
    assert (shop.page.ask("window.asked"), shop.page.ask("window.keyed")) == (1, "65!")


def test_who_says_no_is_heard_and_nothing_is_sent(shop: Shop) -> None:
    allow(shop, "denied")
    shop.open("/")
    assert shop.page.ask("rekindle('push')") == "denied"
    assert taken(shop) == []


def test_a_browser_that_allowed_it_says_so_again_once_a_visit_so_that_it_follows_who_uses_it(shop: Shop) -> None:
    shop.open("/")
    assert shop.page.ask("rekindle('push')") == "granted"
    shop.sent.clear()
    shop.open("/")
    shop.page.ask("navigator.serviceWorker.ready.then(() => new Promise((done) => setTimeout(done, 50)))")
    shop.leave()
    assert [event.data.endpoint for event in taken_when_sent(shop)] == [PLACE]
    assert shop.page.ask("window.asked || 0") == 0


def taken_when_sent(shop: Shop) -> list[Any]:
    shop.heard(1)
    return taken(shop)


def test_the_popup_may_ask_once_its_form_was_sent(shop: Shop) -> None:
    inside = "document.querySelector('[data-rekindle-popup]').shadowRoot"
    shop.open("/")
    shop.page.ask("rekindle('popup', 'newsletter')")
    shop.wait(inside)
    shop.page.ask(f"{inside}.querySelector('#email').value = 'ada@example.com'")
    shop.page.ask(f"{inside}.querySelector('[type=submit]').click()")
    shop.wait(f"{inside}.querySelector('.told + button')")
    shop.page.ask(f"{inside}.querySelector('.told + button').click()")
    shop.wait("!document.querySelector('[data-rekindle-popup]')")
    assert len(taken_when_sent(shop)) <= 1
    shop.heard(2)
    assert [event.data.endpoint for event in taken(shop)] == [PLACE]


def test_a_message_is_shown_by_the_worker(shop: Shop) -> None:
    shop.open("/")
    shop.page.ask("rekindle('push')")
    shop.page.do("ServiceWorker.enable")
    shop.page.ask("navigator.serviceWorker.ready.then(() => 0)")
    worker = shop.page.heard(
        "ServiceWorker.workerRegistrationUpdated",
        lambda told: next(
            (one["registrationId"] for one in told["registrations"] if one["scopeURL"] == f"{shop.url}/"), None
        ),
    )
    # Whoever asks for what is shown while it is being shown makes Chromium forget it: it is asked once, afterwards.
    shop.page.do("BackgroundService.setRecording", shouldRecord=True, service="notifications")
    shop.page.do("BackgroundService.startObserving", service="notifications")
    data = json.dumps({"web_push": 8030, "notification": NOTE})
    shop.page.do("ServiceWorker.deliverPushMessage", origin=shop.url, registrationId=worker, data=data)
    shop.page.heard(
        "BackgroundService.backgroundServiceEventReceived",
        lambda told: told["backgroundServiceEvent"]["eventName"] == "Notification displayed" or None,
    )
    shown = "navigator.serviceWorker.ready.then((made) => made.getNotifications()).then((all) => all.map((one) => "
    got = shop.page.ask(shown + "[one.title, one.body, one.data.url]))")
    assert got == [[NOTE["title"], NOTE["body"], NOTE["navigate"]]]
    shop.page.do("BackgroundService.stopObserving", service="notifications")
    shop.page.do("ServiceWorker.disable")


def test_a_tap_opens_the_messages_own_link_and_no_script() -> None:
    """What opens a window needs a person's tap, which no test can give a notification: the rule stands in the code."""
    code = source("worker.js")
    assert "openWindow(url)" in code
    assert "/^https?:/.test(url)" in code
