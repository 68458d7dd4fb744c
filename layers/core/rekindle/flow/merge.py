"""Two profiles that turned out to be one person become one (DESIGN §6, "Who is who"). Pure.

The survivor absorbs what the other knew and what it had under way. Ids stay as they were: a run whose key names what
one customer only can have has the same id on both sides, so that what one has sent the other cannot send again.
Suppression is not a matter of profiles and never lifts by merging.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from rekindle.domain.absorb import (
    basket_age,
    few_baskets,
    few_browsed,
    few_browsers,
    few_coupons,
    few_friends,
    few_interests,
    few_reviews,
    few_shipments,
    fill,
    later_act,
    newness,
    with_reacted,
)
from rekindle.domain.facts import Basket, Person
from rekindle.domain.preferences import both
from rekindle.domain.profile import (
    Browser,
    Entry,
    Given,
    OnList,
    OrderMark,
    Planned,
    Profile,
    Run,
    ShipmentMark,
    Tag,
    Told,
    Touch,
    Trial,
)
from rekindle.domain.referrals import MAX_PLACES
from rekindle.domain.results import better, few_trials
from rekindle.domain.traits import with_traits
from rekindle.flow.runs import TRANSITIONS

_Key = TypeVar("_Key")
#: Why a run ended of which there may be one only.
MERGED = "merged with another"
#: The shape of whoever was just made one of two, and has not been looked at since: it is no playbook's.
UNITED = "united"
#: So much of what a browser did comes along when it is seen whose it is.
REMEMBERED = timedelta(days=14)

_Value = TypeVar("_Value")


def unite(survivor: Profile, other: Profile, now: datetime) -> Profile:
    """Return `merge` of the two. Of somebody who was nobody until now, only what they did lately comes along."""
    if not other.anonymous:
        return merge(survivor, other, now)
    since = now - REMEMBERED
    recent = {key: tuple(moment for moment in moments if moment >= since) for key, moments in other.recent.items()}
    return merge(survivor, replace(other, recent={key: moments for key, moments in recent.items() if moments}), now)


def merge(survivor: Profile, other: Profile, now: datetime) -> Profile:
    """Return the survivor with everything of `other`. Its version and deadline stay: the commit and `advance` set them.

    Whichever of the two survives, what is known afterwards is the same, but for the ids of the profiles themselves, and
    for contact points on which they disagree: the survivor's stay. Merging once more changes nothing, and of several
    profiles it does not matter which two are merged first.

    The survivor has to be looked at anew: what it is in, and when that may change, was worked out from half of what is
    known now. So its shape becomes `UNITED`; memberships of either side stand until `advance` has looked, and nobody
    who was in a segment on one side enters it a second time. What the playbook asks of the past counts as answered only
    where both sides had answered it.
    """
    return replace(
        survivor,
        created_at=min(filter(None, (survivor.created_at, other.created_at)), default=None),
        email=survivor.email or other.email,
        phone=survivor.phone or other.phone,
        shop_customer_id=survivor.shop_customer_id or other.shop_customer_id,
        was=tuple(dict.fromkeys((*survivor.was, *other.was, other.id))),
        erased_at=_latest(survivor.erased_at, other.erased_at),
        aliases=tuple(dict.fromkeys((*survivor.aliases, *other.aliases))),
        **_person(survivor, other),
        consent=_union(survivor.consent, other.consent, later_act),
        **_tags(survivor, other),
        own_tags=_union(survivor.own_tags, other.own_tags, _later_tag),
        traits=with_traits(survivor.traits, other.traits),
        browsers=few_browsers(_union(survivor.browsers, other.browsers, _later_browser)),
        preferences=both(survivor.preferences, other.preferences),
        audiences=_union(survivor.audiences, other.audiences, _list_mark),
        customer_at=_latest(survivor.customer_at, other.customer_at),
        baskets=few_baskets(_union(survivor.baskets, other.baskets, _basket)),
        orders=_union(survivor.orders, other.orders, _order),
        shipments=few_shipments(_union(survivor.shipments, other.shipments, _later_shipment)),
        runs=_runs(survivor.runs, other.runs, now),
        entries=_entries(survivor.entries, other.entries),
        planned=_union(survivor.planned, other.planned, _planned),
        touches=_touches(survivor.touches, other.touches),
        coupons=few_coupons({*survivor.coupons, *other.coupons}),
        looks=dict(sorted(_union(survivor.looks, other.looks, max).items())),
        interests=few_interests(survivor.interests, other.interests),
        browsed=few_browsed(survivor.browsed, other.browsed),
        # No place has a time: which of too many stay must not hang on who survives, or who was merged first.
        places=tuple(sorted({*survivor.places, *other.places}))[-MAX_PLACES:],
        friends=few_friends(survivor.friends, other.friends),
        referred_by=min(filter(None, (survivor.referred_by, other.referred_by)), default=None),
        reviews=few_reviews(survivor.reviews, other.reviews),
        tiers=_union(survivor.tiers, other.tiers, min),
        reacted=with_reacted(survivor.reacted, other.reacted),
        credits=_union(survivor.credits, other.credits, better),
        trials=few_trials(_union(survivor.trials, other.trials, _trial)),
        recent=_union(survivor.recent, other.recent, _moments),
        segments=_union(survivor.segments, other.segments, min),
        moments=_union(survivor.moments, other.moments, min),
        shape=UNITED,
        asked=tuple(sorted({*survivor.asked} & {*other.asked})),
    )


def _union(
    one: Mapping[_Key, _Value], two: Mapping[_Key, _Value], choose: Callable[[_Value, _Value], _Value]
) -> dict[_Key, _Value]:
    merged = dict(one)
    for key, value in two.items():
        merged[key] = choose(merged[key], value) if key in merged else value
    return merged


def _latest(*moments: datetime | None) -> datetime | None:
    return max(filter(None, moments), default=None)


# --- what is known ---------------------------------------------------------------------------------------------------


def _person(one: Profile, two: Profile) -> dict[str, Any]:
    """Return `person` and `told`: of each field the newest telling."""
    values: dict[str, str] = {}
    told: dict[str, Told] = {}

    def age(telling: Told, value: str | None) -> tuple[datetime, str, str]:
        return telling.at, value or "", telling.source

    for profile in (one, two):
        for name, telling in profile.told.items():
            value = getattr(profile.person, name)
            if name not in told or age(telling, value) > age(told[name], values[name]):
                told[name], values[name] = telling, value
    return {"person": Person(**values), "told": told}


def _tags(one: Profile, two: Profile) -> dict[str, Any]:
    """Return `tag_marks` and `tags_at`: what was not among all tags, when the shop last sent all, was off then."""
    floor = _latest(one.tags_at, two.tags_at)
    marks = _union(one.tag_marks, two.tag_marks, _later_tag)
    if floor is not None:
        marks = {name: tag for name, tag in marks.items() if tag.at >= floor}
    return {"tag_marks": marks, "tags_at": floor}


def _later_tag(one: Tag, two: Tag) -> Tag:
    return max(one, two, key=lambda tag: (tag.at, not tag.on))


def _list_mark(one: OnList, two: OnList) -> OnList:
    later = max(one, two, key=lambda mark: (mark.at, not mark.on, mark.until))
    emails, phones = ({*one.emails, *two.emails}, {*one.phones, *two.phones})
    return OnList(later.at, later.on, tuple(sorted(emails)), tuple(sorted(phones)), later.until)


def _later_browser(one: Browser, two: Browser) -> Browser:
    return max(one, two, key=lambda browser: (browser.at, browser.p256dh, browser.auth))


def _later_shipment(one: ShipmentMark, two: ShipmentMark) -> ShipmentMark:
    return max(one, two, key=lambda mark: (mark.updated_at, mark.status))


def _basket(one: Basket, two: Basket) -> Basket:
    def standing(basket: Basket) -> tuple[bool, tuple[datetime, bytes], bytes]:
        return basket.completed_at is not None, basket_age(basket), msgspec.json.encode(basket)

    older, newer = sorted((one, two), key=standing)
    return fill(newer, older)


def _order(one: OrderMark, two: OrderMark) -> OrderMark:
    older, newer = sorted((one, two), key=newness)
    return replace(
        newer,
        placed_at=min(filter(None, (one.placed_at, two.placed_at)), default=None),
        events=tuple(sorted({*newer.events, *older.events})),
        refunds=_union(older.refunds, newer.refunds, max),
    )


def _moments(one: tuple[datetime, ...], two: tuple[datetime, ...]) -> tuple[datetime, ...]:
    """Return the moments of both, newest first. What both know of happened once, and counts as often as one knows."""
    return tuple(sorted((Counter(one) | Counter(two)).elements(), reverse=True))


# --- what is under way -----------------------------------------------------------------------------------------------


def _entries(one: Mapping[str, dict[str, Entry]], two: Mapping[str, dict[str, Entry]]) -> dict[str, dict[str, Entry]]:
    def later(first: Entry, second: Entry) -> Entry:
        last = max(first, second, key=lambda entry: (entry.ordinal, not entry.void))
        return Entry(last.ordinal, max(first.at, second.at), last.void)

    return _union(one, two, lambda first, second: _union(first, second, later))


def _planned(one: Planned, two: Planned) -> Planned:
    return min(one, two, key=lambda planned: (planned.planned_at, msgspec.json.encode(planned)))


def _touches(one: tuple[Touch, ...], two: tuple[Touch, ...]) -> tuple[Touch, ...]:
    """Return the touches of both, oldest first. The next message that is planned forgets the oldest."""

    def both(first: Touch, second: Touch) -> Touch:
        earlier = min(first, second, key=lambda touch: (touch.at, touch.channel, touch.marketing))
        return replace(earlier, opened=first.opened or second.opened, clicked=first.clicked or second.clicked)

    touches = _union({touch.message: touch for touch in one}, {touch.message: touch for touch in two}, both)
    return tuple(sorted(touches.values(), key=lambda touch: (touch.at, touch.message)))


def _runs(one: tuple[Run, ...], two: tuple[Run, ...], now: datetime) -> tuple[Run, ...]:
    """Return the runs of both: of one flow under one key only the one that has come furthest goes on."""
    runs = _union({run.id: run for run in one}, {run.id: run for run in two}, _same_run)
    furthest: dict[tuple[str, str | None], Run] = {}
    for run in runs.values():
        if run.status == "active":
            known = furthest.get((run.flow, run.key))
            furthest[run.flow, run.key] = run if known is None else max(known, run, key=_progress)

    def settled(run: Run) -> Run:
        # What the others still planned is taken back: `send` skips what belongs to a run that was ended so.
        if run.status != "active" or furthest[run.flow, run.key].id == run.id:
            return run
        status = TRANSITIONS[run.status, "merged"]
        return replace(run, status=status, ended_at=now, ended_by=MERGED, resume_at=None)

    return tuple(sorted(map(settled, runs.values()), key=lambda run: (run.entered_at, run.id)))


def _same_run(one: Run, two: Run) -> Run:
    """Return the one run that both are: it stands where the further one stands, and has done what either has done.

    An ended one is further than any that goes on. Rounds of a repeat belong to where it stands, as the time at which it
    came there does.
    """
    further, other = sorted((one, two), key=lambda run: (run.status != "active", *_progress(run)), reverse=True)
    return replace(
        further,
        messages={**other.messages, **further.messages},
        codes={**other.codes, **further.codes},
        offers={**other.offers, **further.offers},
        coupons=_union(one.coupons, two.coupons, _earlier_coupon),
        opened=_visits(one.opened, two.opened),
        clicked=_visits(one.clicked, two.clicked),
        redeemed=_visits(one.redeemed, two.redeemed),
        ways={**other.ways, **further.ways},
    )


def _trial(one: Trial, two: Trial) -> Trial:
    earlier = min(one, two, key=lambda trial: (trial.at, trial.label.key, trial.until))
    return replace(earlier, goal=one.goal or two.goal)


def _earlier_coupon(one: Given, two: Given) -> Given:
    return min(one, two, key=lambda given: (given.at, given.message, given.code))


def _visits(one: tuple[str, ...], two: tuple[str, ...]) -> tuple[str, ...]:
    return one if one == two else tuple(sorted({*one, *two}))


def _progress(run: Run) -> tuple[int, int, datetime, str, bytes]:
    # The last of these only makes two states of one run stand in one order; what is united plays no part in it.
    stand = replace(run, messages={}, codes={}, offers={}, coupons={}, opened=(), clicked=(), redeemed=(), ways={})
    return len(run.messages), sum(run.visits.values()), run.entered_at, run.id, msgspec.json.encode(stand)
