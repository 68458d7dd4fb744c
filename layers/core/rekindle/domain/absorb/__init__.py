"""What an event changes in what is known of a customer, and what it therefore tells.

Facts about a resource are upserts by its id: a delivery that is older than what is known changes nothing and tells
nothing, and each moment of an order's life is told once, whichever delivery brought it first (DESIGN §2). So flows see
clean events however late, doubled or shuffled the shop's deliveries were.

What merely happened (a view, a search, a campaign's hour) has no state that could be older: it is told as it comes. A
repeated delivery is stopped by its id before it comes here. Reviews and referrals are told once all the same, for
several sources may tell of one: their order's mark remembers them.

What nobody signed may say what was looked at, put into a cart or written into a form, and where and in which language
the browser stands. It never changes a contact point, a name or consent, and nothing else is taken from it (DESIGN §6).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.absorb.baskets import BASKET_LIFE, MAX_BASKETS, basket_age, few_baskets, fill, take_basket
from rekindle.domain.absorb.interests import (
    MAX_BROWSED,
    MAX_INTERESTS,
    asked_again,
    few_browsed,
    few_interests,
    take_alert,
    take_change,
    with_interests,
)
from rekindle.domain.absorb.messages import MAX_COUPONS, few_coupons, take_coupon, take_engagement, with_reacted
from rekindle.domain.absorb.orders import (
    MAX_SHIPMENTS,
    few_friends,
    few_reviews,
    few_shipments,
    newness,
    take_order,
    take_referral,
    take_refund,
    take_review,
    take_shipment,
)
from rekindle.domain.absorb.person import LISTED, later_act, take_consent, take_customer, with_contacts, with_person
from rekindle.domain.absorb.preferences import take_preferences
from rekindle.domain.absorb.push import few_browsers, take_push
from rekindle.domain.absorb.sign_ups import take_sign_up
from rekindle.domain.absorb.traits import take_form, take_traits
from rekindle.domain.absorb.views import take_view
from rekindle.domain.events import Event
from rekindle.domain.facts import (
    Alert,
    Basket,
    Consent,
    Coupon,
    Customer,
    Engagement,
    Form,
    Order,
    PreferencesTold,
    ProductChange,
    PushSubscription,
    Recognised,
    Referral,
    Refund,
    Review,
    Search,
    Shipment,
    SignUp,
    TraitsTold,
    View,
)
from rekindle.domain.profile import Profile

__all__ = [
    "BASKET_LIFE",
    "LISTED",
    "MAX_BASKETS",
    "MAX_BROWSED",
    "MAX_COUPONS",
    "MAX_INTERESTS",
    "MAX_SHIPMENTS",
    "Absorbed",
    "absorb",
    "asked_again",
    "basket_age",
    "few_baskets",
    "few_browsed",
    "few_browsers",
    "few_coupons",
    "few_friends",
    "few_interests",
    "few_reviews",
    "few_shipments",
    "fill",
    "later_act",
    "newness",
    "with_reacted",
]

#: What anybody may tell.
_UNSIGNED = (Basket, View, Search, Form, SignUp, Recognised, PushSubscription)

#: Kind of fact → what it changes and tells. All others change nothing, and are told as they come.
_TAKEN: dict[type, Callable[[Profile, Event, Any], Absorbed]] = {
    Refund: take_refund,
    Shipment: take_shipment,
    Consent: take_consent,
    PushSubscription: take_push,
    Engagement: take_engagement,
    Customer: take_customer,
    Form: take_form,
    SignUp: take_sign_up,
    View: take_view,
    ProductChange: take_change,
    Alert: take_alert,
    TraitsTold: take_traits,
    PreferencesTold: take_preferences,
    Coupon: take_coupon,
    Review: take_review,
    Referral: take_referral,
}


def absorb(profile: Profile, event: Event, now: datetime) -> Absorbed:
    """Take the event's facts into the profile. `now` only decides what is old enough to be forgotten."""
    if not event.signed and not isinstance(event.data, _UNSIGNED):
        return Absorbed(profile, ignored="nobody signed it")
    absorbed = _taken(with_person(with_contacts(profile, event), event), event, now)
    # What was looked at was looked at then, however late that is heard of: also of a basket that is ordered by now.
    again = isinstance(event.data, View) and all(told.again for told in absorbed.told)
    looked = with_interests(absorbed.profile, event, again=again)
    return absorbed if looked is absorbed.profile else replace(absorbed, profile=looked)


def _taken(profile: Profile, event: Event, now: datetime) -> Absorbed:
    match event.data:
        case Basket() as basket:
            return take_basket(profile, event, basket, now)
        case Order() as order:
            return take_order(profile, event, order, now)
        case fact:
            take = _TAKEN.get(type(fact))
            return take(profile, event, fact) if take is not None else Absorbed(profile, (event,))
