"""The site script in a real browser, on a small shop: what it tells, when, and what it never does."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from rekindle.content.brand import Brand
from rekindle.content.popups import parse_popup
from rekindle.content.sites import Popup, script, site_of, source
from rekindle.shops import onsite
from tests.browser.chromium import Page
from tests.browser.shop import Shop
from tests.browser.shop import shop as opened
from tests.support.build import ROOT, T0, playbook

OUT = ROOT / "out" / "site"
PRODUCT = "single-product postid-301 woocommerce"
BELL = "<h1>Brass bell</h1><a id=next href='/pot'>A pot</a> <a id=out href='about:blank'>Elsewhere</a>" + "<p>x" * 200


@pytest.fixture
def shop(page: Page) -> Iterator[Shop]:
    with opened(page) as made:
        made.put("/", "<h1>Shop</h1><a id=bell href='/bell'>Bell</a>")
        made.put("/bell", BELL, kind=PRODUCT)
        made.put("/pot", "<h1>Pot</h1>", kind=PRODUCT.replace("301", "302"))
        yield made


def set_site(shop: Shop, **more: Any) -> None:
    shop.site = msgspec.structs.replace(shop.site, **more)


def taken(shop: Shop) -> list[Any]:
    """Return what collect makes of everything that was sent."""
    return [
        event
        for batch in shop.sent
        for event in onsite.read(
            json.dumps(batch).encode(),
            shop="tea",
            platform=shop.site.platform,
            url="https://tea.example",
            hosts=(shop.host,),
            currency="EUR",
            received_at=T0,
        ).delivery.events
    ]


# --- seconds ---------------------------------------------------------------------------------------------------------


def test_a_product_looked_at_for_seventy_seconds_is_told_when_the_visitor_leaves(shop: Shop) -> None:
    shop.open("/bell")
    shop.stay(70)
    assert shop.sent == []
    shop.leave()
    (event,) = shop.events()
    assert (event["type"], event["id"], event["title"], event["seconds"]) == ("product.viewed", "301", "Brass bell", 70)
    assert event["url"] == f"{shop.url}/bell"
    assert event["ago"] == pytest.approx(70, abs=1)
    assert re.fullmatch(r"[a-z0-9]{24}", shop.sent[0]["browser"])
    assert shop.kinds == ["text/plain;charset=UTF-8"], "anything else would ask first, with a request of its own"
    (told,) = taken(shop)
    assert (told.type, told.data.seconds, told.signed, told.person.zone is not None) == (
        "product.viewed", 70, False, True,
    )  # fmt: skip


def test_an_idle_tab_does_not_count(shop: Shop) -> None:
    shop.open("/bell")
    shop.stay(600, alive=False)
    shop.leave()
    (event,) = shop.events()
    assert event["seconds"] < 31, "half a minute after the last sign of life nobody sits there"


def test_a_tab_behind_others_does_not_count(shop: Shop) -> None:
    shop.open("/bell")
    shop.page.ask("document.hasFocus = () => false")
    shop.stay(120)
    shop.leave()
    shop.open("/")
    shop.leave()
    assert shop.sent == []


def test_a_hidden_tab_does_not_count_and_a_look_that_goes_on_is_the_same_look(shop: Shop) -> None:
    shop.open("/bell")
    shop.stay(40)
    shop.page.ask("stage.hide()")
    shop.heard(1)
    shop.stay(500)
    shop.page.ask("stage.show()")
    shop.stay(30)
    shop.leave()
    first, second = shop.events(2)
    assert (first["seconds"], second["seconds"]) == (40, 70)
    assert first["look"] == second["look"]


def test_a_glance_at_another_tab_makes_no_request_of_its_own(shop: Shop) -> None:
    shop.open("/bell")
    shop.stay(40)
    for _ in range(3):
        shop.page.ask("stage.hide(); stage.show()")
        shop.stay(3)
    assert len(shop.heard(1)) == 1


def test_a_look_ends_where_another_page_of_the_shop_begins_without_a_load(shop: Shop) -> None:
    shop.open("/bell")
    shop.stay(5)
    shop.page.ask("history.pushState(0, '', '/pot'); document.body.className = 'single-product postid-302'")
    shop.stay(9)
    shop.leave()
    assert [(event["id"], event["seconds"]) for event in shop.events()] == [("301", 6), ("302", 8)]


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_visit_of_several_pages_is_one_request(shop: Shop) -> None:
    shop.open("/")
    shop.stay(3)
    for selector, title in (("#bell", "Brass bell"), ("#next", "Pot")):
        shop.click(selector)
        shop.wait(f"rekindle.version === 1 && document.querySelector('h1').textContent === '{title}'")
        shop.stay(12)
    assert shop.sent == []
    shop.leave()
    assert [(event["id"], event["seconds"]) for event in shop.events()] == [("301", 12), ("302", 12)]
    assert shop.events()[0]["ago"] == pytest.approx(24, abs=2)


def test_going_back_tells_nothing_twice(shop: Shop) -> None:
    shop.open("/bell")
    shop.stay(12)
    shop.click("#next")
    shop.wait("document.querySelector('h1').textContent === 'Pot' && rekindle.version === 1")
    shop.stay(5)
    shop.page.back()
    shop.wait("document.querySelector('h1').textContent === 'Brass bell' && rekindle.version === 1")
    shop.stay(7)
    shop.leave()
    shop.heard(1)
    assert sorted((event["id"], event["seconds"]) for event in shop.events()) == [("301", 7), ("301", 12), ("302", 5)]


def test_a_page_with_nothing_on_it_is_no_request(shop: Shop) -> None:
    shop.open("/")
    shop.stay(60)
    shop.leave()
    shop.open("/bell")
    shop.stay(2)
    shop.leave()
    shop.heard(1)
    assert len(shop.sent) == 1


# --- what is on the page ---------------------------------------------------------------------------------------------

LD = {
    "@graph": [
        {"@type": "BreadcrumbList"},
        {"@type": "Product", "sku": "B-7", "name": "Bell", "offers": [{"price": "24.00", "priceCurrency": "EUR"}]},
    ]
}
SHOPIFY = {
    "currency": "GBP",
    "product": {"id": 7301, "type": "Tea", "variants": [{"id": 1, "price": 1450}]},
    "page": {"pageType": "product", "resourceId": 7301},
}
PAGES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "of WooCommerce": (
        {
            "body": "<h1>Brass bell</h1>",
            "kind": PRODUCT,
            "head": f"<script type=application/ld+json>{json.dumps(LD)}</script>",
        },
        {"type": "product.viewed", "id": "301", "title": "Bell", "price": "24.00", "currency": "EUR"},
    ),
    "of a WooCommerce category": (
        {"body": "<h1>Bells</h1>", "kind": "archive tax-product_cat term-bells term-12"},
        {"type": "category.viewed", "id": "12", "title": "Bells"},
    ),
    "of Shopify": (
        {"body": f"<h1>Darjeeling</h1><script>ShopifyAnalytics = {{meta: {json.dumps(SHOPIFY)}}}</script>"},
        {"type": "product.viewed", "id": 7301, "kind": "Tea", "price": 14.5, "currency": "GBP", "title": "Darjeeling"},
    ),
    "of a Shopify collection": (
        {
            "body": "<h1>Teas</h1>",
            "head": "<script>ShopifyAnalytics = {meta: {page: {pageType: 'collection', resourceId: 9}}}</script>",
        },
        {"type": "category.viewed", "id": 9, "title": "Teas"},
    ),
    "that tells search engines": (
        {"body": "<h1>x</h1>", "head": f"<script type=application/ld+json>{json.dumps(LD)}</script>"},
        {"type": "product.viewed", "id": "B-7", "title": "Bell", "price": "24.00"},
    ),
    "that says it itself": (
        {
            "body": """<i data-rekindle-page='{"type": "product.viewed", "id": "x1", "title": "Own"}'></i>""",
            "kind": PRODUCT,
        },
        {"type": "product.viewed", "id": "x1", "title": "Own"},
    ),
    "with broken words for search engines": (
        {"body": "<h1>Bell</h1>", "kind": PRODUCT, "head": "<script type=application/ld+json>{oops</script>"},
        {"type": "product.viewed", "id": "301", "title": "Bell"},
    ),
}


@pytest.mark.parametrize("what", PAGES)
def test_a_page(shop: Shop, what: str) -> None:
    given, expected = PAGES[what]
    shop.put("/page", **given)
    shop.open("/page")
    shop.stay(5)
    shop.leave()
    (event,) = shop.events()
    assert {key: event.get(key) for key in expected} == expected
    assert len(taken(shop)) == 1


@pytest.mark.parametrize(
    ("path", "kind", "head"),
    [
        ("/search?q=green+tea", "", "<script>ShopifyAnalytics = {meta: {page: {pageType: 'searchresults'}}}</script>"),
        ("/?s=green+tea&post_type=product", "search search-results", ""),
    ],
)
def test_a_search_is_told_once_however_often_its_page_is_loaded(shop: Shop, path: str, kind: str, head: str) -> None:
    shop.put(path.partition("?")[0], "<h1>Found</h1>", kind=kind, head=head)
    for _ in range(2):
        shop.open(path)
        shop.stay(2)
    shop.leave()
    found = shop.events()
    assert [(event["type"], event["query"]) for event in found] == [("search.submitted", "green tea")]


def test_a_page_may_tell_by_itself(shop: Shop) -> None:
    """Before the script has come, too: the snippet keeps what was said."""
    shop.put(
        "/own",
        "<script>window.rekindle = window.rekindle || function () { (rekindle.q = rekindle.q || []).push(arguments) };"
        "rekindle('track', 'search.submitted', {query: 'cups'})</script>",
    )
    shop.open("/own")
    shop.page.ask("rekindle('track', 'product.viewed', {id: 'p9', title: 'Cup'})")
    shop.stay(20)
    shop.leave()
    assert [(event["type"], event.get("seconds")) for event in shop.events()] == [
        ("search.submitted", None), ("product.viewed", 20),
    ]  # fmt: skip


# --- consent ---------------------------------------------------------------------------------------------------------


def nothing(shop: Shop) -> None:
    shop.stay(40)
    assert shop.stored() == {}
    shop.leave()
    shop.open("/bell")
    shop.stay(5)
    shop.page.ask("stage.hide()")
    assert shop.stored() == {}
    assert shop.sent == []


def test_without_consent_nothing_is_stored_or_sent(shop: Shop) -> None:
    set_site(shop, consent="explicit")
    shop.open("/bell")
    nothing(shop)


def test_where_the_shop_has_no_consent_tool_nobody_has_agreed(shop: Shop) -> None:
    set_site(shop, consent="platform")
    shop.open("/bell")
    nothing(shop)


@pytest.mark.parametrize(
    "signal",
    [
        "Navigator.prototype, 'globalPrivacyControl', {get: () => true}",
        "Navigator.prototype, 'doNotTrack', {get: () => '1'}",
    ],
)
def test_a_browser_that_does_not_want_to_be_followed_is_not(shop: Shop, signal: str) -> None:
    said = shop.page.do("Page.addScriptToEvaluateOnNewDocument", source=f"Object.defineProperty({signal})")
    try:
        shop.open("/bell")
        shop.page.ask("rekindle('consent', true)")
        nothing(shop)
    finally:
        shop.page.do("Page.removeScriptToEvaluateOnNewDocument", identifier=said["identifier"])


def test_a_robot_that_says_so_is_not_counted(shop: Shop) -> None:
    shop.page.open("about:blank")
    said = shop.page.do(
        "Page.addScriptToEvaluateOnNewDocument",
        source="Object.defineProperty(Navigator.prototype, 'webdriver', {get: () => true})",
    )
    try:
        shop.page.open(f"{shop.url}/bell")
        shop.stay(40)
        assert shop.page.ask("typeof window.rekindle") == "undefined"
        assert shop.stored() == {}
    finally:
        shop.page.do("Page.removeScriptToEvaluateOnNewDocument", identifier=said["identifier"])


def test_consent_that_is_given_later_counts_from_then_on_and_withdrawn_leaves_nothing(shop: Shop) -> None:
    set_site(shop, consent="explicit")
    shop.open("/bell")
    shop.stay(100)
    shop.page.ask("rekindle('consent', true)")
    shop.stay(15)
    assert "rekindle_id" in shop.stored()["cookie"]
    shop.page.ask("stage.hide(); stage.show()")
    (event,) = shop.events()
    assert event["seconds"] == 15
    assert set(shop.stored()) >= {"cookie", "session"}
    shop.page.ask("rekindle('consent', false)")
    assert shop.stored() == {}
    shop.stay(100)
    shop.leave()
    assert len(shop.sent) == 1


SHOPIFY_PRIVACY = """<script>
let asked = false; window.agreed = false;
window.Shopify = {loadFeatures(features, done) { asked = features[0].name; setTimeout(() => {
  Shopify.customerPrivacy = {marketingAllowed: () => window.agreed}; done(null); }, 0); }};
</script>"""
WORDPRESS = (
    "<script>window.agreed = false; window.wp_has_consent = (what) => what === 'marketing' && window.agreed</script>"
)


@pytest.mark.parametrize(
    ("platform", "head", "told"),
    [
        ("shopify", SHOPIFY_PRIVACY, "visitorConsentCollected"),
        ("woocommerce", WORDPRESS, "wp_listen_for_consent_change"),
    ],
)
def test_the_platforms_own_consent_is_asked_and_heard(shop: Shop, platform: str, head: str, told: str) -> None:
    set_site(shop, consent="platform", platform=platform)
    shop.put("/asks", '<i data-rekindle-page=\'{"type": "product.viewed", "id": "1"}\'></i>', head=head)
    shop.open("/asks")
    shop.stay(30)
    assert shop.stored() == {}
    shop.page.ask(f"window.agreed = true; document.dispatchEvent(new CustomEvent('{told}'))")
    shop.stay(12)
    shop.page.ask("stage.hide(); stage.show()")
    assert [event["seconds"] for event in shop.events()] == [12]
    shop.page.ask(f"window.agreed = false; document.dispatchEvent(new CustomEvent('{told}'))")
    assert shop.stored() == {}


# --- a mail led here -------------------------------------------------------------------------------------------------


def test_a_mails_token_is_told_once_and_taken_out_of_the_address(shop: Shop) -> None:
    shop.open("/bell?colour=red&rk_visit=k1.abc.def")
    assert shop.page.ask("location.href") == f"{shop.url}/bell?colour=red"
    shop.stay(3)
    shop.leave()
    assert shop.heard()[0]["visit"] == "k1.abc.def"
    shop.open("/pot")
    shop.stay(3)
    shop.leave()
    assert "visit" not in shop.heard(2)[1]


def test_a_mails_token_is_taken_out_of_the_address_without_consent_too_and_told_to_nobody(shop: Shop) -> None:
    set_site(shop, consent="explicit")
    shop.open("/bell?rk_visit=k1.abc.def")
    assert shop.page.ask("location.href") == f"{shop.url}/bell"
    nothing(shop)


# --- carts -----------------------------------------------------------------------------------------------------------


def in_cart(quantity: int, *more: dict[str, Any]) -> dict[str, Any]:
    totals = {"currency_code": "EUR", "currency_minor_unit": 2, "total_price": str(2400 * quantity)}
    bell = {
        "id": 301, "type": "simple", "name": "Brass &amp; bell", "quantity": quantity, "variation": [],
        "extensions": {}, "prices": {"price": "2400"}, "permalink": "https://tea.example/bell",
    }  # fmt: skip
    return {"totals": totals, "coupons": [{"code": "ten"}], "items": [bell, *more] if quantity else []}


def baskets(shop: Shop) -> list[Any]:
    return [event.data for event in taken(shop) if event.type in ("cart.updated", "checkout.updated")]


def test_a_woocommerce_cart_is_read_when_its_cookie_changes_and_comes_with_a_link_that_restores_it(shop: Shop) -> None:
    variation = {
        "id": 399, "type": "variation", "name": "Pot", "quantity": 1,
        "variation": [{"attribute": "Size", "value": "L"}], "prices": {"price": "1950"},
        "permalink": "https://tea.example/pot", "extensions": {"rekindle": {"id": 302}},
    }  # fmt: skip
    shop.open("/bell")
    shop.stay(3)
    assert shop.cart_reads == 0
    shop.cart = in_cart(2, variation)
    shop.page.ask("document.cookie = 'woocommerce_cart_hash=h1;path=/'")
    shop.stay(1)
    shop.read_cart()
    shop.stay(5)
    shop.leave()
    shop.heard()
    (basket,) = baskets(shop)
    assert basket.recovery_url == "https://tea.example/checkout-link/?products=301:2,399:1&coupon=ten"
    assert [(item.product_id, item.title, str(item.price)) for item in basket.items] == [
        ("301", "Brass & bell", "24.00"), ("302", "Pot", "19.50"),
    ]  # fmt: skip
    assert (basket.items[1].variant, basket.currency, basket.page) == ("L", "EUR", True)
    assert shop.cart_reads == 1, "an unchanged cart is not read again"


def test_a_cart_that_is_emptied_is_told_and_one_that_was_ordered_is_another_cart(shop: Shop) -> None:
    shop.put("/done", "<h1>Thanks</h1>", kind="woocommerce-order-received woocommerce-checkout")
    shop.cart = in_cart(1)
    tokens: list[str] = []
    for hash_, quantity in (("h1", 1), ("h2", 0)):
        shop.open("/bell")
        shop.cart = in_cart(quantity)
        shop.page.ask(f"document.cookie = 'woocommerce_cart_hash={hash_};path=/'")
        shop.stay(1)
        shop.read_cart()
        shop.leave()
        shop.heard(len(tokens) + 1)
        tokens.append(baskets(shop)[-1].id)
    assert [basket.item_count for basket in baskets(shop)] == [1, 0]
    assert tokens[0] == tokens[1]
    shop.open("/done")
    shop.page.ask("document.cookie = 'woocommerce_cart_hash=;path=/;max-age=0'")
    shop.stay(2)
    assert "rekindle_cart" not in shop.stored().get("cookie", "")


def test_the_checkout_tells_the_cart_once_more_as_a_checkout(shop: Shop) -> None:
    shop.put("/checkout", "<h1>Checkout</h1>", kind="woocommerce-checkout")
    shop.cart = in_cart(1)
    shop.open("/checkout")
    shop.page.ask("document.cookie = 'woocommerce_cart_hash=h1;path=/'")
    shop.stay(1)
    shop.read_cart()
    shop.leave()
    assert [event["type"] for event in shop.events()] == ["checkout.updated"]


# --- forms -----------------------------------------------------------------------------------------------------------

FORM = """<form data-rekindle-form=newsletter><input name=email value=ada@example.com>
<input type=checkbox name=likes value=tea checked><input type=checkbox name=likes value=cups checked>
<button id=go>Go</button></form>"""


@pytest.mark.parametrize("consent", ["assumed", "explicit"])
def test_a_form_on_the_page_is_sent_with_and_without_consent_and_without_it_nothing_is_kept(
    shop: Shop, consent: str
) -> None:
    set_site(shop, consent=consent)
    shop.put("/form", FORM)
    shop.open("/form")
    shop.click("#go")
    shop.wait("document.querySelector('form').hasAttribute('data-rekindle-sent')")
    (event,) = taken(shop)
    assert (event.type, event.data.claimed, event.data.answers) == (
        "form.submitted", "ada@example.com", {"likes": ("tea", "cups")},
    )  # fmt: skip
    assert (shop.stored() == {}) == (consent == "explicit")


def test_a_form_that_is_refused_says_so(shop: Shop) -> None:
    shop.status = 400
    shop.put("/form", FORM)
    shop.open("/form")
    shop.click("#go")
    shop.wait("document.querySelector('form').hasAttribute('data-rekindle-failed')")


# --- popups ----------------------------------------------------------------------------------------------------------

DIALOG = "document.querySelector('[data-rekindle-popup]')"
INSIDE = f"{DIALOG}.shadowRoot"


def newsletter(**more: Any) -> Popup:
    text = (ROOT / "templates/popups/newsletter.yaml").read_text("utf-8")
    popup, problems = parse_popup(text, file="popups/newsletter.yaml")
    assert popup is not None, problems
    return msgspec.structs.replace(popup, enabled=True, **more)


def show(shop: Shop, lang: str = "en", path: str = "/long", **more: Any) -> None:
    """Let the shop have the popup, and go to a long page of it."""
    about = msgspec.structs.replace(playbook().shops["tea"], platform="woocommerce", site_consent="assumed")
    shop.site = site_of(about, [newsletter(**more)], Brand())
    body = "<h1>A long page</h1><button id=before>Before</button>" + "<p>words" * 300
    shop.put(path, body, lang=lang)
    shop.open(path)


def appears(shop: Shop) -> None:
    shop.wait(DIALOG)


def stays_away(shop: Shop) -> None:
    """Nothing was even asked for."""
    shop.page.ask("fetch('/').then(() => 0)")
    assert "popup.js" not in shop.scripts


def test_a_popup_comes_after_its_time_and_not_before(shop: Shop) -> None:
    show(shop, scroll=0, exit=False)
    shop.stay(24)
    stays_away(shop)
    shop.stay(2)
    appears(shop)


def test_time_in_which_nobody_looks_does_not_count(shop: Shop) -> None:
    show(shop, scroll=0, exit=False)
    shop.page.ask("stage.hide()")
    shop.stay(300)
    stays_away(shop)


def test_a_popup_comes_when_enough_was_scrolled(shop: Shop) -> None:
    show(shop, after=0, exit=False)
    shop.page.ask("window.scrollTo(0, document.body.scrollHeight * 0.4)")
    stays_away(shop)
    shop.page.ask("window.scrollTo(0, document.body.scrollHeight)")
    appears(shop)


def test_a_popup_comes_when_the_mouse_leaves_at_the_top(shop: Shop) -> None:
    show(shop, after=0, scroll=0)
    leave = "document.dispatchEvent(new MouseEvent('mouseout', {bubbles: true, clientX: 300, clientY: %d}))"
    shop.page.ask(leave % 400)
    stays_away(shop)
    shop.page.ask(leave % -1)
    appears(shop)


@pytest.mark.parametrize("path", ["/checkout", "/cart", "/pages/jobs/cook"])
def test_a_popup_is_not_shown_where_it_must_not_be(shop: Shop, path: str) -> None:
    show(shop, path=path, except_=("/checkout", "/cart", "/pages/jobs"))
    shop.stay(100)
    stays_away(shop)


def test_a_popup_that_was_closed_comes_again_only_after_its_time(shop: Shop) -> None:
    show(shop)
    shop.stay(26)
    appears(shop)
    shop.page.ask(f"{INSIDE}.querySelector('.close').click()")
    shop.scripts.clear()
    shop.stay(60)
    shop.open("/long")
    shop.stay(60)
    stays_away(shop)
    shop.page.ask("sessionStorage.setItem('stage', 31 * 864e5)")
    shop.open("/long")
    shop.stay(26)
    appears(shop)


def test_whoever_came_from_a_mail_or_has_signed_up_sees_none(shop: Shop) -> None:
    show(shop)
    shop.open("/long?rk_visit=k1.abc.def")
    shop.stay(60)
    stays_away(shop)


def test_without_consent_there_is_no_popup_for_it_could_not_remember_that_it_was_closed(shop: Shop) -> None:
    show(shop)
    shop.page.ask("rekindle('consent', false)")
    shop.stay(100)
    stays_away(shop)


def test_signing_up_sends_the_address_as_claimed_and_says_what_is_next(shop: Shop) -> None:
    show(shop)
    shop.stay(26)
    appears(shop)
    shop.page.ask(f"{INSIDE}.querySelector('#email').value = 'ada@example.com'")
    shop.page.ask(f"{INSIDE}.querySelector('[type=submit]').click()")
    shop.wait(f"{INSIDE}.querySelector('.told').textContent.startsWith('Nearly there')")
    (event,) = taken(shop)
    assert (event.data.name, event.data.claimed) == ("newsletter", "ada@example.com")
    assert event.who.email is None
    shop.page.ask(f"{INSIDE}.querySelector('.close').click()")
    shop.scripts.clear()
    shop.page.ask("sessionStorage.setItem('stage', 90 * 864e5)")
    shop.open("/long")
    shop.stay(60)
    stays_away(shop)


def test_an_address_that_was_not_taken_can_be_tried_again(shop: Shop) -> None:
    shop.status = 503
    show(shop)
    shop.stay(26)
    appears(shop)
    shop.page.ask(f"{INSIDE}.querySelector('#email').value = 'ada@example.com'")
    shop.page.ask(f"{INSIDE}.querySelector('[type=submit]').click()")
    shop.wait(f"{INSIDE}.querySelector('.told').textContent")
    assert shop.page.ask(f"{INSIDE}.querySelector('[type=submit]').disabled") is False


def test_what_fills_in_the_trap_is_thanked_and_sends_nothing(shop: Shop) -> None:
    show(shop)
    shop.stay(26)
    appears(shop)
    shop.page.ask(f"{INSIDE}.querySelector('#email').value = 'ada@example.com'")
    shop.page.ask(f"{INSIDE}.querySelector('.trap').value = 'https://spam.example'")
    shop.page.ask(f"{INSIDE}.querySelector('[type=submit]').click()")
    shop.wait(f"{INSIDE}.querySelector('.told').textContent")
    assert shop.sent == []


def test_the_keyboard_stays_in_the_dialog_escape_closes_it_and_the_focus_goes_back(shop: Shop) -> None:
    show(shop)
    shop.page.ask("document.querySelector('#before').focus()")
    shop.stay(26)
    appears(shop)
    where = f"{INSIDE}.activeElement && ({INSIDE}.activeElement.id || {INSIDE}.activeElement.className || 'button')"
    walk = [shop.page.ask(where)]
    for back in (False, False, False, True, True, True):
        shop.key("Tab", shift=back)
        walk.append(shop.page.ask(where))
    assert walk == ["email", "button", "close", "email", "close", "button", "email"]
    shop.key("Escape")
    assert shop.page.ask(DIALOG) is None
    assert shop.page.ask("document.activeElement.id") == "before"


def test_a_screen_reader_hears_what_it_is(shop: Shop) -> None:
    show(shop)
    shop.stay(26)
    appears(shop)
    shop.page.do("Accessibility.enable")
    nodes = shop.page.do("Accessibility.getFullAXTree")["nodes"]
    said = {node["role"]["value"]: node["name"]["value"] for node in nodes if node.get("name", {}).get("value")}
    assert said["dialog"] == "New things, before anybody else"
    assert said["textbox"] == "Your e-mail address"
    names = {
        node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "button" and "name" in node
    }
    assert {"Close", "Sign me up"} <= names


@pytest.mark.parametrize(
    ("lang", "heading", "direction"),
    [
        ("en-GB", "New things, before anybody else", "ltr"),
        ("ar", "كُن أوّل من يعلم بالجديد", "rtl"),
        ("zh-TW", "新品消息，搶先知道", "ltr"),
        ("de", "New things, before anybody else", "ltr"),
    ],
)
@pytest.mark.parametrize("width", [360, 1_000])
def test_a_popup_speaks_the_pages_language_and_fits(
    shop: Shop, lang: str, heading: str, direction: str, width: int
) -> None:
    shop.page.look(width=width, scheme="light", height=640)
    show(shop, lang)
    shop.stay(26)
    appears(shop)
    box = f"{INSIDE}.querySelector('.box')"
    assert shop.page.ask(f"{INSIDE}.querySelector('h2').textContent") == heading
    assert shop.page.ask(f"{box}.dir") == direction
    left, right, top, bottom = shop.page.ask(
        f"(() => {{ const box = {box}.getBoundingClientRect(); return [box.left, box.right, box.top, box.bottom] }})()"
    )
    assert left >= 0 and right <= width and top >= 0 and bottom <= 640  # noqa: PT018
    assert left == pytest.approx(width - right, abs=16), "in the middle, but for a scroll bar"
    touched = f"Array.from({INSIDE}.querySelectorAll('button')).every(one => one.getBoundingClientRect().height >= 44)"
    assert shop.page.ask(touched)
    shop.page.ask(f"{box}.getAnimations().forEach(one => one.finish())")
    OUT.mkdir(parents=True, exist_ok=True)
    shot = shop.page.do("Page.captureScreenshot", format="png")["data"]
    (OUT / f"popup-{lang}-{width}.png").write_bytes(base64.b64decode(shot))


def test_the_themes_styles_do_not_reach_the_dialog(shop: Shop) -> None:
    show(shop)
    shop.page.ask(
        "document.head.insertAdjacentHTML('beforeend', '<style>* { color: red !important; font-size: 4px }</style>')"
    )
    shop.stay(26)
    appears(shop)
    look = shop.page.ask(
        f"(({{color, fontSize}}) => [color, fontSize])(getComputedStyle({INSIDE}.querySelector('h2')))"
    )
    assert look == ["rgb(29, 29, 31)", "24px"]


def test_a_page_can_open_a_popup_itself(shop: Shop) -> None:
    show(shop, after=0, scroll=0, exit=False)
    shop.page.ask("rekindle('popup', 'newsletter')")
    appears(shop)


# --- Shopify's web pixel ----------------------------------------------------------------------------------------------

PIXEL = """const heard = {}; const analytics = {subscribe: (name, act) => (heard[name] = act)};
const browser = {cookie: {get: () => Promise.resolve(window.id)}};"""


def test_the_web_pixel_tells_whose_checkout_it_is_by_tokens_alone(shop: Shop) -> None:
    set_site(shop, platform="shopify")
    pixel = source("shopify-pixel.js").replace("@ENDPOINT@", f"{shop.door}/collect/tea")
    shop.put("/pixel", f"<script>{PIXEL}{pixel}</script>")
    shop.open("/pixel")
    told = "heard.%s({data: {checkout: {token: '%s', email: 'ada@example.com', phone: '+31'}}})"
    shop.page.ask(told % ("checkout_started", "k" * 32) + ".then(() => 0)")
    assert shop.sent == [], "without the script's id nothing is told"
    shop.page.ask("window.id = 'b'.repeat(24)")
    for name in ("checkout_started", "checkout_completed"):
        shop.page.ask(told % (name, "k" * 32) + ".then(() => 0)")
    shop.heard(2)
    assert "ada@example.com" not in json.dumps(shop.sent)
    assert [(event.data.by, event.who.checkout_token, event.who.browser_id) for event in taken(shop)] == [
        ("cart", "k" * 32, "b" * 24), ("order", "k" * 32, "b" * 24),
    ]  # fmt: skip


# --- the file itself -------------------------------------------------------------------------------------------------


def test_the_script_is_small() -> None:
    """Under 6 KB as it travels, with a popup's rules in it."""
    site = site_of(playbook().shops["tea"], [newsletter()])
    assert len(gzip.compress(script(site).encode(), 9)) < 6 * 1024


@pytest.mark.parametrize("name", ["rekindle.js", "popup.js"])
def test_the_script_is_one_that_old_browsers_read(name: str) -> None:
    """Safari 13 knows nothing of ES2020."""
    code = "\n".join(line for line in source(name).splitlines() if not line.strip().startswith("//"))
    for newer in (
        r"\?\.[a-zA-Z(\[]",
        r"\?\?",
        r"\|\|=",
        r"&&=",
        r"\.replaceAll\(",
        r"\.at\(",
        r"#[a-z]+\s*[=(;]",
        r"\bimport\(",
    ):
        assert not re.search(newer, code), newer
