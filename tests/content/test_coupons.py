"""What a mail says of a coupon: in the reader's words, numbers and zone; and links that apply it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.content import locales
from rekindle.content.brand import Brand
from rekindle.content.context import context
from rekindle.content.coupons import NOTHING, coupon_link, coupon_names, worth
from rekindle.content.mails import MailTemplate, render
from rekindle.content.playbook import Mails
from rekindle.content.samples import SAMPLE_SHOP
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Basket, Fact, Item, Order, Product
from rekindle.domain.offers import Coupon, Gift, Offer
from rekindle.domain.profile import Profile, Run
from rekindle.flow.program import Shop

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TEN = Offer(name="ten", kind="unique", percent=Decimal(10))
GIFT = Gift(product="31", title={"en": "a cup", "ar": "كوب"}, worth={"EUR": Decimal(12)})
WOO = replace(SAMPLE_SHOP, platform="woocommerce", url="https://plants.example")
BASKET = Basket(
    id="c1",
    updated_at=NOW,
    recovery_url="https://checkout.shop.example/carts/c1/recover?key=a&x=b",
    items=(
        Item(title="Tea", product_id="1", variant_id="11", quantity=2),
        Item(title="Cup", product_id="2", quantity=1),
    ),
)


def coupon(offer: Offer = TEN, **more: Any) -> Coupon:
    told: dict[str, Any] = {
        "run": "r",
        "offer": offer.name,
        "shop": "sample",
        "profile_id": "ada",
        "message_id": "m",
        "state": "made",
        "terms": offer,
        "issued_at": NOW,
        "code": "TEA-7K3MQ",
    }
    return Coupon(**(told | more))


def link(offer: Offer = TEN, shop: Shop = SAMPLE_SHOP, trigger: Fact | None = None, **products: Product) -> Any:
    return coupon_link(coupon(offer), shop, trigger, products)


# --- what it is worth ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "locale", "said"),
    [
        (TEN, "en", "10%"),
        (replace(TEN, percent=Decimal("12.50")), "en", "12.5%"),
        (replace(TEN, percent=Decimal("12.5")), "de", "12,5\xa0%"),
        (replace(TEN, percent=Decimal("12.5")), "fr", "12,5\xa0%"),
        (replace(TEN, percent=None, amount={"EUR": Decimal(5), "GBP": Decimal(4)}), "en", "€5.00"),
        (replace(TEN, percent=None, amount={"EUR": Decimal(5)}), "de", "5,00\xa0€"),
        (replace(TEN, percent=None, amount={"GBP": Decimal(5)}), "en", None),
        (replace(TEN, percent=None, free_shipping=True), "en", "free shipping"),
        (replace(TEN, percent=None, free_shipping=True), "ar", "شحن مجاني"),
        (replace(TEN, percent=None, free_shipping=True), "zh-Hant", "免運費"),
        (replace(TEN, percent=None, free_shipping=True), "de", "free shipping"),
        (replace(TEN, percent=None, free_shipping=True, says={"de": "versandfrei"}), "de-AT", "versandfrei"),
        (replace(TEN, percent=None, gift=GIFT), "en-GB", "a gift: a cup"),
        (replace(TEN, percent=None, gift=GIFT), "ar", "هدية: كوب"),
        (replace(TEN, says={"": "a treat"}), "zh-Hant", "a treat"),
    ],
)
def test_the_value_is_said_in_the_readers_way(offer: Offer, locale: str, said: str | None) -> None:
    assert worth(offer, "EUR", locales.freeze(locale), locale) == said


def test_the_percentage_of_arabic_is_of_arabic() -> None:
    said = worth(TEN, "EUR", locales.freeze("ar"), "ar")
    assert said is not None
    assert said.replace("\u200e", "") == "10%"


@pytest.mark.parametrize(
    ("offer", "kind"),
    [
        (TEN, "percent"),
        (replace(TEN, percent=None, amount={"EUR": Decimal(5)}), "amount"),
        (replace(TEN, percent=None, free_shipping=True), "free_shipping"),
        (replace(TEN, percent=None, gift=GIFT), "gift"),
        (replace(TEN, says={"": "a treat"}), "words"),
        (replace(TEN, name=""), "code"),
    ],
)
def test_a_mail_can_tell_how_it_is_said(offer: Offer, kind: str) -> None:
    found = coupon_names(
        coupon(offer), shop=SAMPLE_SHOP, trigger=None, products={}, form=locales.freeze("en"), language="en"
    )
    assert found["kind"] == kind
    assert found.keys() == NOTHING.keys()


# --- until when ------------------------------------------------------------------------------------------------------


def rendered(source: str, given: Coupon | None, **shop: Any) -> str:
    moment = NOW
    names = context(
        shop=replace(SAMPLE_SHOP, **shop),
        brand=Brand(),
        profile=Profile(id="ada", shop="sample"),
        run=Run(id="r", flow="f", version="", playbook="", entered_at=moment, expires_at=moment),
        products={},
        links={},
        formats={"en": locales.freeze("en")},
        coupon=given,
    )
    return render(MailTemplate(name="m", subject="s", html=source, text=source), names).text.strip()


@pytest.mark.parametrize(
    ("zone", "ends", "shown"),
    [
        ("Asia/Taipei", datetime(2026, 3, 5, 15, 59, 59, tzinfo=UTC), "March 5, 2026"),
        ("America/New_York", datetime(2026, 3, 6, 4, 59, 59, tzinfo=UTC), "March 5, 2026"),
        ("Europe/London", datetime(2026, 3, 5, 23, 59, 59, tzinfo=UTC), "March 5, 2026"),
        ("", datetime(2026, 3, 5, 23, 59, 59, tzinfo=UTC), "March 5, 2026"),
    ],
)
def test_the_end_of_a_local_day_reads_right(zone: str, ends: datetime, shown: str) -> None:
    given = coupon(zone=zone, expires_at=ends)
    assert rendered("{{ coupon.expires_at | date }}", given) == shown
    assert rendered("{{ coupon.expires_at | date('time') }}", given) == "11:59\u202fPM"


def test_a_template_can_still_choose_a_zone() -> None:
    given = coupon(zone="Asia/Taipei", expires_at=datetime(2026, 3, 5, 15, 59, 59, tzinfo=UTC))
    assert rendered("{{ coupon.expires_at | date('long', 'UTC') }}", given) == "March 5, 2026"
    assert rendered("{{ run.entered_at | date }}", given, zone="Pacific/Apia") == "March 2, 2026"


def test_without_a_coupon_its_parts_are_nothing() -> None:
    assert rendered("{% if coupon %}yes{% else %}no{% endif %}{{ coupon.code }}", None) == "no"


def test_a_minimum_is_an_amount_in_the_shops_currency() -> None:
    offer = replace(TEN, minimum={"EUR": Decimal(40), "GBP": Decimal(35)})
    assert rendered("{{ coupon.minimum }}", coupon(offer)) == "€40.00"


# --- links -----------------------------------------------------------------------------------------------------------


def test_shopify_applies_a_code_by_its_discount_link() -> None:
    assert link() == ("https://shop.example/discount/TEA-7K3MQ?redirect=%2F", True)


def test_a_basket_is_opened_with_the_code_where_the_basket_is() -> None:
    found, automatic = link(trigger=BASKET)
    assert found == (
        "https://checkout.shop.example/discount/TEA-7K3MQ?redirect=%2Fcarts%2Fc1%2Frecover%3Fkey%3Da%26x%3Db"
    )
    assert automatic


@pytest.mark.parametrize("recovery", ["javascript:alert(1)", "//evil", "", None])
def test_a_basket_that_leads_nowhere_leads_to_the_shop(recovery: str | None) -> None:
    found, _ = link(trigger=replace(BASKET, recovery_url=recovery))
    assert found == "https://shop.example/discount/TEA-7K3MQ?redirect=%2F"


def test_a_gift_leads_to_its_own_page() -> None:
    product = Product(id="31", updated_at=NOW, url="https://shop.example/products/cup")
    offer = replace(TEN, percent=None, gift=GIFT)
    assert coupon_link(coupon(offer), SAMPLE_SHOP, None, {"31": product})[0] == (
        "https://shop.example/discount/TEA-7K3MQ?redirect=%2Fproducts%2Fcup"
    )


def test_a_code_is_written_into_a_link_safely() -> None:
    found, _ = coupon_link(coupon(code="A/B?x=1&y"), SAMPLE_SHOP, None, {})
    assert found == "https://shop.example/discount/A%2FB%3Fx%3D1%26y?redirect=%2F"


def test_woocommerce_applies_a_code_together_with_a_basket() -> None:
    basket = replace(BASKET, recovery_url=None)
    assert link(shop=WOO, trigger=basket) == (
        "https://plants.example/checkout-link/?products=11:2,2:1&coupon=TEA-7K3MQ",
        True,
    )
    own = replace(BASKET, recovery_url="https://plants.example/checkout-link/?products=5:1&coupon=OLD")
    assert link(shop=WOO, trigger=own)[0] == "https://plants.example/checkout-link/?products=5:1&coupon=TEA-7K3MQ"


def test_woocommerce_puts_a_gift_into_the_basket() -> None:
    offer = replace(TEN, percent=None, gift=GIFT)
    assert link(offer, WOO)[0] == "https://plants.example/checkout-link/?products=31:1&coupon=TEA-7K3MQ"
    assert link(offer, WOO, replace(BASKET, recovery_url=None))[0].endswith("products=11:2,2:1,31:1&coupon=TEA-7K3MQ")


@pytest.mark.parametrize(
    "trigger",
    [
        None,
        Order(id="o", updated_at=NOW),
        Basket(id="c", updated_at=NOW),
        Basket(id="c", updated_at=NOW, items=(Item(title="Tea"),)),
        Basket(id="c", updated_at=NOW, items=(Item(title="Tea", product_id="tea"),)),
        Basket(id="c", updated_at=NOW, items=(Item(title="Tea", product_id="1", quantity=0),)),
    ],
)
def test_without_a_basket_a_code_of_woocommerce_must_be_typed_in(trigger: Fact | None) -> None:
    assert link(shop=WOO, trigger=trigger) == ("https://plants.example/", False)


# --- the last gate ---------------------------------------------------------------------------------------------------

MAILS = Mails(
    hash="h",
    templates={
        "gift": MailTemplate(name="gift", subject="s", html="h", text="t", coupon=("code", "value")),
        "plain": MailTemplate(name="plain", subject="s", html="h", text="t"),
        "code": MailTemplate(name="code", subject="s", html="h", text="t", coupon=("code", "link")),
    },
    shops={"sample": SAMPLE_SHOP},
    formats={"en": locales.freeze("en")},
)


@pytest.mark.parametrize(
    ("name", "given", "goes"),
    [
        ("gift", None, False),
        ("gift", coupon(), True),
        ("gift", coupon(replace(TEN, name="")), False),
        ("code", coupon(replace(TEN, name="")), True),
        ("code", None, False),
        ("plain", None, True),
    ],
)
def test_a_mail_that_shows_a_coupon_is_not_made_without_one(name: str, given: Coupon | None, *, goes: bool) -> None:
    run = Run(id="r", flow="f", version="", playbook="", entered_at=NOW, expires_at=NOW)

    def build() -> str:
        profile = Profile(id="ada", shop="sample")
        return MAILS.build(name, profile=profile, run=run, products={}, links={}, coupon=given).html

    if goes:
        assert build() == "h"
    else:
        with pytest.raises(ContentError, match="shows a coupon, and is given none"):
            build()
