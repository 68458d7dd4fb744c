"""What conditions and mails may know of a profile, a run and a shop, each part with its kind and where it comes from.

Pure. The kinds are what `rekindle.flow.check` holds expressions against; the sources say which conditions an event can
have changed, so that only those are evaluated again (DESIGN §5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, get_args

from msgspec import Struct

from rekindle.domain.facts import Frequency
from rekindle.domain.history import History, history, rhythm_of
from rekindle.domain.profile import Profile, Rated, Run, Touch
from rekindle.domain.traits import STANDARD_TRAITS
from rekindle.flow.program import CYCLE_DAYS, Shop

#: `moment` is a point in time; `date` is a day (`2001-02-29`, or `--02-29` without a year); `money` maps currencies to
#: numbers, `rhythms` products and categories to numbers of days; `any` is what nothing is known of.
Kind = Literal[
    "text", "number", "flag", "moment", "date", "list", "money", "rhythms", "basket", "traits", "values", "any"
]

_NOTHING = Decimal(0)
_DAY = timedelta(days=1)
#: Nobody has lapsed sooner than this after an order, nor is waited for longer than that once the next was expected.
_SOONEST, _LATEST = timedelta(days=14), timedelta(days=90)
#: Engagement is that with so many of the latest marketing mails.
_LATELY = 5
#: How often people are written to who have not chosen.
EVERYTHING: Frequency = "everything"


class Field(Struct, frozen=True):
    """One name: what kind of value it has, the parts of the profile that it is computed from, and how.

    `choices` are all the texts that it can be, where there are few.
    """

    kind: Kind
    sources: tuple[str, ...] = ()
    read: Callable[[ProfileView], Any] | None = None
    choices: tuple[str, ...] = ()


class ProfileView(dict[str, Any]):
    """What conditions know of a profile: the names of `PROFILE`, each worked out when it is first asked for."""

    def __init__(
        self,
        profile: Profile,
        shop: Shop | None,
        past: History | None = None,
        topics: Mapping[str, bool] = {},
    ) -> None:
        """Take the profile, its history if that is at hand, and the topics that there are (`Playbook.topics`)."""
        super().__init__()
        self.profile = profile
        self.shop = shop
        self.past_if_read = past
        self.declared = topics

    def __missing__(self, name: str) -> Any:
        """Work this name out. Raises `KeyError` for one that no profile has."""
        read = PROFILE[name].read
        found = self[name] = read(self) if read is not None else None
        return found

    @property
    def past(self) -> History:
        """What the person has bought."""
        if self.past_if_read is None:
            self.past_if_read = history(self.profile)
        return self.past_if_read

    @property
    def traits(self) -> Traits:
        """What is known of the person beside what the shop says."""
        return Traits((name, trait.value) for name, trait in self.profile.traits.items() if trait.value is not None)

    def topics(self) -> tuple[str, ...]:
        """The topics that the person gets: those that they switched on, and those that are on unless switched off."""
        own = {name: tag.on for name, tag in self.profile.preferences.topics.items()}
        return tuple(sorted(name for name, on in {**self.declared, **own}.items() if on))

    def cycle(self) -> timedelta:
        """The time that usually lies between two of the person's orders, as far as they show it; else the shop's."""
        return self.past.rhythm or timedelta(days=self.shop.cycle_days if self.shop is not None else CYCLE_DAYS)

    def expected_order_at(self) -> datetime | None:
        """When the next order is to be expected; nothing before the first one."""
        last = self.past.last_order_at
        return last + self.cycle() if last is not None else None

    def lapses_at(self) -> datetime | None:
        """When whoever has not ordered until then has lapsed: twice the cycle after the last order.

        Never sooner than after `_SOONEST`, and never more than `_LATEST` after the order was to be expected.
        """
        last, cycle = self.past.last_order_at, self.cycle()
        return last + max(_SOONEST, cycle + min(cycle, _LATEST)) if last is not None else None

    def tier(self) -> str | None:
        """The highest of the shop's loyalty tiers that the person has reached."""
        return next(reversed(self.shop.earned(self.past)), None) if self.shop is not None else None

    def lately(self) -> list[Touch]:
        """The latest marketing mails, the newest first."""
        return self.touches[:_LATELY]

    @cached_property
    def touches(self) -> list[Touch]:
        """The marketing mails that are remembered, the newest first."""
        return [touch for touch in reversed(self.profile.touches) if touch.channel == "email" and touch.marketing]

    def spent(self) -> Decimal:
        """What the person has paid, in the shop's own currency."""
        return self.past.revenue.get(self.shop.currency, _NOTHING) if self.shop is not None else _NOTHING


class Money(dict[str, Decimal]):
    """Money by currency; of one in which nothing was paid it is none."""

    def __missing__(self, key: str) -> Decimal:
        """Nothing was paid in this currency."""
        return _NOTHING


class Traits(dict[str, Any]):
    """Traits by name; one that is not known is `None`."""

    def __missing__(self, key: str) -> None:
        """Nothing is known under this name."""


class Rhythms(dict[str, float | None]):
    """How many days usually lie between two orders of a product or category; `None` where fewer than three show it."""

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile

    def __missing__(self, key: str) -> float | None:
        """Work it out when it is asked for."""
        found = rhythm_of(self._profile, key)
        return found / _DAY if found is not None else None


def _person(name: str) -> Field:
    return Field("text", ("person",), lambda of: getattr(of.profile.person, name))


def _bought(kind: Kind, read: Callable[[History], Any]) -> Field:
    return Field(kind, ("orders",), lambda of: read(of.past))


def _trait(name: str, kind: Kind) -> Field:
    return Field(kind, ("traits",), lambda of: of["traits"][name])


PROFILE: dict[str, Field] = {
    "email": Field("text", ("email",), lambda of: of.profile.email),
    "phone": Field("text", ("phone",), lambda of: of.profile.phone),
    **{name: _person(name) for name in ("first_name", "last_name")},
    "locale": Field("text", ("person", "preferences"), lambda of: of.profile.locale),
    "language": Field("text", ("person", "preferences"), lambda of: _language(of.profile)),
    **{name: _person(name) for name in ("country", "region", "city")},
    "tags": Field("list", ("tag_marks", "own_tags"), lambda of: of.profile.tags),
    "anonymous": Field("flag", ("email", "phone", "shop_customer_id"), lambda of: of.profile.anonymous),
    "subscribed": Field("flag", ("consent", "email"), lambda of: of.profile.consented("email")),
    "suppressed": Field("text", ("consent", "email"), lambda of: _suppressed(of.profile)),
    "sms_subscribed": Field("flag", ("consent", "phone"), lambda of: of.profile.consented("sms")),
    "push_subscribed": Field("flag", ("browsers",), lambda of: of.profile.consented("push")),
    "created_at": Field("moment", ("created_at",), lambda of: of.profile.created_at),
    "orders": _bought("number", lambda past: past.orders),
    "items": _bought("number", lambda past: past.items),
    "revenue": _bought("money", lambda past: Money(past.revenue)),
    "average": _bought("money", lambda past: Money(past.average)),
    "spent": Field("number", ("orders",), ProfileView.spent),
    "first_order_at": _bought("moment", lambda past: past.first_order_at),
    "last_order_at": _bought("moment", lambda past: past.last_order_at),
    "expected_order_at": Field("moment", ("orders",), ProfileView.expected_order_at),
    "lapses_at": Field("moment", ("orders",), ProfileView.lapses_at),
    "cycle_days": Field("number", ("orders",), lambda of: of.cycle() / _DAY),
    "rhythms": Field("rhythms", ("orders",), lambda of: Rhythms(of.profile)),
    "discounted": _bought("number", lambda past: past.discounted),
    "tier": Field("text", ("orders",), ProfileView.tier),
    "products": _bought("list", lambda past: tuple(sorted(past.products))),
    "kinds": _bought("list", lambda past: tuple(sorted(past.kinds))),
    "viewed": Field("list", ("interests",), lambda of: _latest_first(of.profile.interests, lambda one: one.at)),
    "viewed_again": Field("list", ("interests",), lambda of: _viewed_again(of.profile)),
    "browsed": Field("list", ("browsed",), lambda of: _latest_first(of.profile.browsed, lambda at: at)),
    "basket": Field("basket", ("baskets",), lambda of: _open_basket(of.profile)),
    "referrals": Field("number", ("friends",), lambda of: len(of.profile.friends)),
    "referred": Field("flag", ("referred_by",), lambda of: of.profile.referred_by is not None),
    "rating": Field("number", ("reviews",), lambda of: getattr(_latest_review(of.profile), "rating", None)),
    "reviewed_at": Field("moment", ("reviews",), lambda of: getattr(_latest_review(of.profile), "at", None)),
    "unopened": Field("number", ("touches",), lambda of: _unopened(of.touches)),
    "recent_mails": Field("number", ("touches",), lambda of: len(of.lately())),
    "recent_opens": Field("number", ("touches",), lambda of: sum(touch.opened for touch in of.lately())),
    "recent_clicks": Field("number", ("touches",), lambda of: sum(touch.clicked for touch in of.lately())),
    "topics": Field("list", ("preferences",), ProfileView.topics),
    "frequency": Field("text", ("preferences",), lambda of: _frequency(of.profile), get_args(Frequency)),
    "birth_year": Field("number", ("traits",), lambda of: _birth_year(of["birthday"])),
    "paused_until": Field("moment", ("preferences",), lambda of: _pause(of.profile)),
    "traits": Field("traits", ("traits",), lambda of: of.traits),
    **{name: _trait(name, kind) for name, kind in STANDARD_TRAITS.items()},
}

RUN: dict[str, Field] = {
    "key": Field("text"),
    "entered_at": Field("moment"),
    "opened": Field("list"),
    "clicked": Field("list"),
    "messages": Field("list"),
    "redeemed": Field("list"),
}

#: What a run has got: the coupon that it was given last.
COUPON: dict[str, Field] = {
    "offer": Field("text"),
    "code": Field("text"),
    "given_at": Field("moment"),
    "expires_at": Field("moment"),
}

SHOP: dict[str, Field] = {
    "id": Field("text"),
    "name": Field("text"),
    "platform": Field("text"),
    "currency": Field("text"),
    "locale": Field("text"),
    "zone": Field("text"),
    "shipping_days": Field("number"),
    "values": Field("values"),
}

#: Parts of the profile whose change can change what a segment says, beside those that `PROFILE` names.
RECENT = "recent"
SEGMENTS = "segments"


def sources_of(inputs: tuple[str, ...]) -> frozenset[str]:
    """Return the parts of a profile that these names (of `PROFILE`, or `recent`, `segments`) are computed from."""
    return frozenset(source for name in inputs for source in (PROFILE[name].sources if name in PROFILE else (name,)))


def profile_view(
    profile: Profile,
    shop: Shop | None,
    past: History | None = None,
    topics: Mapping[str, bool] = {},
) -> ProfileView:
    """Return what conditions know of a profile, as `ProfileView` takes it."""
    return ProfileView(profile, shop, past, topics)


def run_view(run: Run) -> dict[str, Any]:
    """Return what conditions know of a run: exactly the names of `RUN`."""
    return {
        "key": run.key,
        "entered_at": run.entered_at,
        "opened": steps(run.opened),
        "clicked": steps(run.clicked),
        "messages": steps(run.messages),
        "redeemed": steps(run.redeemed),
    }


def coupon_view(run: Run) -> dict[str, Any]:
    """Return what conditions know of a run's latest coupon: exactly the names of `COUPON`; nothing before there is one.

    Codes that stand in a message's own words have neither an offer nor an end.
    """
    given = max(run.coupons.values(), key=lambda one: (one.at, one.offer), default=None)
    if given is None:
        return dict.fromkeys(COUPON)
    return {"offer": given.offer, "code": given.code, "given_at": given.at, "expires_at": given.expires_at}


def steps(visits: Iterable[str]) -> tuple[str, ...]:
    """Return the steps, each once: in whichever round of a repeat it was."""
    return tuple(dict.fromkeys(visit.partition(".")[0] for visit in visits))


def _open_basket(profile: Profile) -> Any:
    left = [basket for basket in profile.baskets.values() if basket.items and basket.completed_at is None]
    return max(left, key=lambda basket: (basket.updated_at, basket.id), default=None)


def _latest_review(profile: Profile) -> Rated | None:
    return max(profile.reviews.values(), key=lambda rated: (rated.at, rated.rating), default=None)


def _suppressed(profile: Profile) -> str | None:
    """Return why a flow has given this person up, if one has and they have not agreed to mails since."""
    act = profile.consent.get(f"email:{profile.email}")
    return act.source if act is not None and act.state == "suppressed" else None


def _frequency(profile: Profile) -> str:
    chosen = profile.preferences.frequency
    return chosen.value if chosen is not None else EVERYTHING


def _viewed_again(profile: Profile) -> tuple[str, ...]:
    """Return the products that somebody looked at at least twice, or put into a basket after a look."""
    return tuple(sorted(product for product, interest in profile.interests.items() if interest.before is not None))


def _pause(profile: Profile) -> Any:
    pause = profile.preferences.pause
    return pause.until if pause is not None else None


def _unopened(touches: Iterable[Touch]) -> int:
    """Return how many of the latest marketing mails in a row nobody opened."""
    count = 0
    for touch in touches:
        if touch.opened:
            break
        count += 1
    return count


def _language(profile: Profile) -> str | None:
    return profile.locale.partition("-")[0].lower() if profile.locale else None


def _birth_year(birthday: str | None) -> int | None:
    # `--02-29` is a birthday whose year nobody told.
    return int(birthday[:4]) if birthday and birthday[:4].isdigit() else None


def _latest_first(known: Mapping[str, Any], at: Callable[[Any], datetime]) -> tuple[str, ...]:
    return tuple(sorted(known, key=lambda name: (at(known[name]), name), reverse=True))
