"""What people did with the messages that they got: opened, clicked, bounced, complained, used the coupon."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.absorb.person import take_consent
from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, ConsentState, Coupon, Engagement
from rekindle.domain.profile import Profile, Run, Touch

_REACTIONS: dict[str, ConsentState] = {"email.bounced": "invalid", "email.complained": "unsubscribed"}


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
    state = _REACTIONS.get(event.type)
    if state is not None and engagement.address is not None:
        said = Consent(
            channel=engagement.channel, state=state, at=engagement.at, source=event.type, address=engagement.address
        )
        profile = take_consent(profile, event, said).profile
    return Absorbed(profile, (event,))


def take_coupon(profile: Profile, event: Event, coupon: Coupon) -> Absorbed:
    """Remember which code a message gave, so that its run knows when it is used."""
    if event.type != "coupon.issued":
        return Absorbed(profile, (event,))
    for run in profile.runs:
        visit = _visit(run, coupon.message_id)
        if visit is None:
            continue
        if run.codes.get(visit) == coupon.code:
            return Absorbed(profile, ignored="already known")
        given = replace(run, codes={**run.codes, visit: coupon.code})
        runs = tuple(given if known.id == run.id else known for known in profile.runs)
        return Absorbed(replace(profile, runs=runs), (event,))
    return Absorbed(profile, (event,))


def redeem(profile: Profile, codes: Iterable[str], when: datetime, order_id: str) -> tuple[Profile, tuple[Coupon, ...]]:
    """Mark the runs whose coupon an order of that moment has used; return each code used, once.

    Where several messages gave the same code, the latest run counts as the one that brought the order.
    """
    used = {_plain(code) for code in codes}
    found: dict[str, Coupon] = {}
    runs = []
    for run in sorted(profile.runs, key=lambda run: (run.entered_at, run.id)):
        visits = [visit for visit, code in run.codes.items() if _plain(code) in used and run.entered_at <= when]
        for visit in visits:
            code = run.codes[visit]
            found[_plain(code)] = Coupon(code=code, at=when, message_id=run.messages.get(visit), order_id=order_id)
        if not set(visits) <= set(run.redeemed):
            runs.append(replace(run, redeemed=tuple(dict.fromkeys((*run.redeemed, *visits)))))
    if runs:
        changed = {run.id: run for run in runs}
        profile = replace(profile, runs=tuple(changed.get(run.id, run) for run in profile.runs))
    return profile, tuple(found[code] for code in sorted(found))


def _plain(code: str) -> str:
    # Shops take codes in any case.
    return code.strip().casefold()


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
