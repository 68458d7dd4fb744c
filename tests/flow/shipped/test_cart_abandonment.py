"""Baskets that were left: the three flows that ship, played from their files."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Basket
from rekindle.domain.offers import Offer
from tests.domain.test_absorb_push import told as pushed
from tests.service.test_texting import ADA_WITH_PHONE, allowed
from tests.support.build import ADA, T0, at, cart, checkout, consent, engaged, order, playbook
from tests.support.shipped import NO, joined, plays, shipped
from tests.support.story import EMPTY, Story

OFFER = Offer(name="cart-reminder", kind="unique", percent=Decimal(10), prefix="BASKET")
TEXTS: dict[str, Any] = {"channels": ("sms", "push"), "sms_sender": "+447700900000"}
ADS: dict[str, Any] = {"channels": ("audience",), "audiences": {"baskets": "23850000000000000"}}


def worth(told: Event, total: int) -> Event:
    assert isinstance(told.data, Basket)
    return replace(told, data=replace(told.data, total=Decimal(total)))


def offers(*told: Event) -> list[tuple[str, str]]:
    """Return each mail that goes out and the offer in it."""
    book = playbook(shipped("cart-abandonment"), gives=[OFFER])
    story = Story(book).tell(*told).until(at(days=9))
    return [
        (name, story.profile.planned[message].offer)
        for (name, _), message in zip(story.mails, story.messages, strict=True)
    ]


def test_an_hour_a_day_and_three_days_after_the_basket_was_last_touched() -> None:
    told = [joined(T0), checkout(at(hours=1)), checkout(at(hours=1, minutes=40))]
    assert plays("cart-abandonment", told, at(days=9)) == [
        ("cart-reminder-1", at(hours=2, minutes=40)),
        ("cart-reminder-2", at(days=1, hours=1, minutes=40)),
        ("cart-reminder-3", at(days=3, hours=1, minutes=40)),
    ]


def test_who_clicks_is_reminded_no_more() -> None:
    story = Story(playbook(shipped("cart-abandonment"))).tell(joined(T0), checkout(at(hours=1))).until(at(hours=3))
    story.tell(engaged("email.clicked", story.messages[0], at(hours=3), EMPTY)).until(at(days=9))
    assert [name for name, _ in story.mails] == ["cart-reminder-1"]


def test_the_last_mail_alone_gives_something_to_new_customers_and_for_large_baskets() -> None:
    three = ["cart-reminder-1", "cart-reminder-2", "cart-reminder-3"]
    bought = order(at(hours=1), id="o0", who=replace(ADA, cart_token="c0", checkout_token="k0"))
    left = checkout(at(days=2))
    assert offers(joined(T0), left) == list(zip(three, ["", "", "cart-reminder"], strict=True))
    assert offers(joined(T0), bought, worth(left, 40)) == list(zip(three, ["", "", ""], strict=True))
    assert offers(joined(T0), bought, worth(left, 100)) == list(zip(three, ["", "", "cart-reminder"], strict=True))


@pytest.mark.parametrize(
    "told",
    [
        [joined(T0), checkout(at(hours=1)), order(at(hours=1.5))],
        [joined(T0), cart(at(hours=1)), checkout(at(hours=1.1)), cart(at(hours=1.5), items=())],
        [NO, checkout(at(hours=1))],
    ],
    ids=["ordered", "emptied", "no consent"],
)
def test_nothing_goes(told: list[Event]) -> None:
    assert plays("cart-abandonment", told) == []


# --- by text or push -------------------------------------------------------------------------------------------------


def texted(*told: Event, **shop: Any) -> list[tuple[str, float]]:
    return [(name, (when - T0).total_seconds() / 3600) for name, when in plays("cart-text", told, **(TEXTS | shop))]


def test_who_cannot_be_mailed_gets_one_text() -> None:
    assert texted(allowed(), checkout(at(hours=1), who=ADA_WITH_PHONE)) == [("cart-reminder", 2)]


def test_of_whom_nothing_else_is_known_the_browser_is_told() -> None:
    left = cart(at(hours=1))
    left = replace(left, who=Who(cart_token="c1", browser_id="b1"))
    assert texted(pushed("push.subscribed", T0), left) == [("cart-reminder", 2)]


def test_no_text_goes_to_who_gets_mails_bought_or_allowed_none() -> None:
    left = checkout(at(hours=1), who=ADA_WITH_PHONE)
    assert texted(consent(T0, who=ADA_WITH_PHONE), allowed(), left) == []
    assert texted(allowed(), left, consent(at(hours=1.5), who=ADA_WITH_PHONE)) == []
    assert texted(allowed(), left, order(at(hours=1.5), who=ADA_WITH_PHONE)) == []
    assert texted(left) == []
    assert texted(allowed(), left, channels=("push",)) == []


# --- ads -------------------------------------------------------------------------------------------------------------


def test_on_the_ads_audience_until_the_next_order() -> None:
    told = [joined(T0), checkout(at(hours=1))]
    bought = order(at(days=20), id="o9", who=replace(ADA, cart_token="c9", checkout_token="k9"))
    assert plays("cart-ads", [*told, bought], **ADS) == [("baskets", at(hours=2)), ("baskets", at(days=20))]


def test_whoever_said_no_or_has_ordered_is_on_none_and_a_shop_without_meta_breaks_nothing() -> None:
    left = checkout(at(hours=1))
    assert plays("cart-ads", [NO, left], **ADS) == []
    assert plays("cart-ads", [joined(T0), left, order(at(hours=1.5))], **ADS) == []
    story = Story(playbook(shipped("cart-ads"))).tell(joined(T0), left).until(at(days=1))
    assert (story.mails, ("skipped", "audience is not connected") in story.said) == ([], True)
