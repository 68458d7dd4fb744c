"""What people did with the messages that they got: opened, clicked, bounced, complained, used the coupon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.absorb.person import take_consent
from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, ConsentState, Coupon, Engagement
from rekindle.domain.offers import plain_code
from rekindle.domain.profile import Given, Profile, Reacted, Run, Touch

#: So many codes are remembered of what a person was given.
MAX_COUPONS = 20
#: So many messages are remembered that a person did something with, and so many clicks of each.
MAX_REACTED, MAX_CLICKS = 30, 10

_REACTIONS: dict[str, ConsentState] = {
    "email.bounced": "invalid",
    "email.complained": "unsubscribed",
    "sms.bounced": "invalid",
}


def take_engagement(profile: Profile, event: Event, engagement: Engagement) -> Absorbed:
    """Mark the message, by its id, on its run and among the latest touches; a hard bounce or a complaint is an act."""
    # Who clicks has seen the message, also when the client blocked the pixel.
    act = event.type.rpartition(".")[2]
    seen, clicked = act in ("opened", "clicked"), act == "clicked"
    if seen:
        message = engagement.message_id
        runs = tuple(_engaged(run, message, clicked=clicked) for run in profile.runs)
        touches = tuple(_touched(touch, message, clicked=clicked) for touch in profile.touches)
        if runs != profile.runs:
            profile = replace(profile, runs=runs)
        if touches != profile.touches:
            profile = replace(profile, touches=touches)
        if event.label is not None:
            news = Reacted(event.label, engagement.at, (engagement.at,) if clicked else ())
            profile = replace(profile, reacted=with_reacted(profile.reacted, {message: news}))
    state = _REACTIONS.get(event.type)
    if state is not None and engagement.address is not None:
        said = Consent(
            channel=engagement.channel, state=state, at=engagement.at, source=event.type, address=engagement.address
        )
        profile = take_consent(profile, event, said).profile
    return Absorbed(profile, (event,))


def take_coupon(profile: Profile, event: Event, coupon: Coupon) -> Absorbed:
    """Remember which code a message gave, so that its run, and an order, know what was given.

    An order that has used it already, and was heard of first, is told now.
    """
    if event.type != "coupon.issued":
        return Absorbed(profile, (event,))
    message = coupon.message_id or ""
    planned = profile.planned.get(message)
    label = planned.label if planned is not None and planned.category == "marketing" else None
    given = Given(coupon.code, coupon.at, message, coupon.offer or "", coupon.expires_at)
    if any((known.message, plain_code(known.code)) == (message, plain_code(given.code)) for known in profile.coupons):
        return Absorbed(profile, ignored="already known")
    runs = tuple(_with_coupon(run, given) for run in profile.runs)
    profile = replace(profile, runs=runs, coupons=few_coupons((*profile.coupons, replace(given, label=label))))
    told = [event]
    for order_id, mark in profile.orders.items():
        when = mark.placed_at or mark.updated_at
        if "order.placed" in mark.events and plain_code(given.code) in mark.codes and given.at <= when:
            profile, used = redeem(profile, (given.code,), when, order_id)
            told += [replace(event, type="coupon.redeemed", occurred_at=when, data=one) for one in used]
    return Absorbed(profile, tuple(told))


def few_coupons(coupons: Iterable[Given]) -> tuple[Given, ...]:
    """Return at most `MAX_COUPONS` of these, the newest, oldest first."""
    return tuple(sorted(coupons, key=lambda given: (given.at, given.message, given.code))[-MAX_COUPONS:])


def with_reacted(known: Mapping[str, Reacted], news: Mapping[str, Reacted]) -> dict[str, Reacted]:
    """Return what is known of reactions by message, with the news: at most `MAX_REACTED`, the latest."""
    found = dict(known)
    for message, news_of in news.items():
        before = found.get(message, news_of)
        clicks = tuple(sorted({*before.clicks, *news_of.clicks})[-MAX_CLICKS:])
        opened = min(filter(None, (before.opened, news_of.opened)), default=None)
        found[message] = Reacted(before.label, opened, clicks)
    latest = sorted(found, key=lambda message: (found[message].latest, message))
    return {message: found[message] for message in latest[-MAX_REACTED:]}


def _with_coupon(run: Run, given: Given) -> Run:
    visit = _visit(run, given.message)
    if visit is None:
        return run
    if not given.offer:
        return replace(run, codes={**run.codes, visit: given.code})
    visits = {visit, *(one for one, offer in run.offers.items() if offer == given.offer)}
    codes = {**run.codes, **dict.fromkeys(sorted(visits), given.code)}
    return replace(run, codes=codes, coupons={**run.coupons, given.offer: given})


def redeem(profile: Profile, codes: Iterable[str], when: datetime, order_id: str) -> tuple[Profile, tuple[Coupon, ...]]:
    """Mark the runs whose coupon an order of that moment has used; return each code used, once.

    Where several messages gave the same code, the latest counts as the one that brought the order. What was given
    counts also when its run is long over.
    """
    used = {plain_code(code) for code in codes}
    found: dict[str, Coupon] = {}
    runs = []
    for run in sorted(profile.runs, key=lambda run: (run.entered_at, run.id)):
        visits = [visit for visit, code in run.codes.items() if plain_code(code) in used and run.entered_at <= when]
        for visit in visits:
            code = run.codes[visit]
            found[plain_code(code)] = Coupon(code=code, at=when, message_id=run.messages.get(visit), order_id=order_id)
        if not set(visits) <= set(run.redeemed):
            runs.append(replace(run, redeemed=tuple(dict.fromkeys((*run.redeemed, *visits)))))
    if runs:
        changed = {run.id: run for run in runs}
        profile = replace(profile, runs=tuple(changed.get(run.id, run) for run in profile.runs))
    for given in profile.coupons:
        if plain_code(given.code) in used and given.at <= when:
            found[plain_code(given.code)] = Coupon(
                code=given.code,
                at=when,
                message_id=given.message or None,
                order_id=order_id,
                offer=given.offer or None,
            )
    return profile, tuple(found[code] for code in sorted(found))


def _visit(run: Run, message: str | None) -> str | None:
    return next((visit for visit, planned in run.messages.items() if planned == message), None)


def _engaged(run: Run, message: str, *, clicked: bool) -> Run:
    visit = _visit(run, message)
    if visit is None:
        return run
    if visit not in run.opened:
        run = replace(run, opened=(*run.opened, visit))
    if clicked and visit not in run.clicked:
        run = replace(run, clicked=(*run.clicked, visit))
    return run


def _touched(touch: Touch, message: str, *, clicked: bool) -> Touch:
    if touch.message != message:
        return touch
    return replace(touch, opened=True, clicked=touch.clicked or clicked)
