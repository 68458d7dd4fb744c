"""A campaign tried on everybody without sending anything: who would get it, when, in which language, and who not.

The engine of production decides, one person at a time, at the campaign's hour, on what is known now. Other flows stand
still meanwhile: what they would have sent by then, and so whom manners would hold back for it, nobody can know. Pure,
but for the people that are handed in one by one: nothing is kept of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import RekindleError
from rekindle.domain.events import Event
from rekindle.domain.facts import Alarm, Campaign
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Profile
from rekindle.domain.zones import zone_of
from rekindle.flow.engine import advance
from rekindle.flow.local_time import wall_moment, zone
from rekindle.flow.program import Playbook
from rekindle.service.campaigns import Occurrence

#: The first message is waited for so long; what comes later nobody can foresee.
_PATIENCE = timedelta(days=7)
_MOST_RINGS = 20


class Plan(Struct, kw_only=True):
    """What a campaign would do. Counts are of people; `hours` are of the shop's clock, `2026-11-27 10:00`."""

    people: int = 0
    entered: int = 0
    messages: int = 0
    """people who would get a first message within a week"""
    channels: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    hours: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    """why not: a rule of the ledger"""


def plan(people: Iterable[Profile], book: Playbook, occurrence: Occurrence) -> Plan:
    """Return what the campaign would do for these people. The flow counts as switched on."""
    found = Plan()
    shop = book.shops[occurrence.shop]
    on = replace(shop, flows={**shop.flows, occurrence.flow: True})
    book = replace(book, shops={**book.shops, shop.id: on})
    own = zone(shop.zone) or ZoneInfo("UTC")
    for person in people:
        found.people += 1
        _try(found, person, book, occurrence, own)
    return found


def _try(found: Plan, person: Profile, book: Playbook, occurrence: Occurrence, own: ZoneInfo) -> None:
    now = _hour_of(person, occurrence, own)
    # Without what other flows have under way: their versions need not be loaded for it.
    profile = replace(person, runs=(), moments={}, deadline=None)
    came = _event(profile, occurrence, now)
    for _ in range(_MOST_RINGS):
        outcome = advance(profile, came, book, now)
        profile = outcome.profile
        mine = [decision for decision in outcome.decisions if decision.flow == occurrence.flow]
        found.entered += any(decision.what == "entered" for decision in mine)
        told = next((one for one in mine if one.what in ("planned", "skipped", "not_entered", "ended")), None)
        if told is not None:
            _note(found, told, profile.locale or book.shops[profile.shop].locale, now.astimezone(own))
            return
        if profile.deadline is None or profile.deadline > now + _PATIENCE:
            break
        now = profile.deadline
        came = replace(came, id=ids.digest("ring", came.id), type="alarm.rang", data=Alarm(), occurred_at=now)
    found.left_out["nothing within a week"] += 1


def _note(found: Plan, told: Decision, locale: str, local: datetime) -> None:
    if told.what != "planned":
        found.left_out[told.rule] += 1
        return
    found.messages += 1
    found.channels[told.rule] += 1
    found.languages[locale.replace("_", "-").partition("-")[0].lower()] += 1
    found.hours[f"{local:%Y-%m-%d %H:00}"] += 1


def _hour_of(person: Profile, occurrence: Occurrence, own: ZoneInfo) -> datetime:
    if not occurrence.wall:
        return occurrence.at
    known = zone_of(person)
    return wall_moment(occurrence.wall, (zone(known[0]) if known is not None else None) or own)


def _event(profile: Profile, occurrence: Occurrence, now: datetime) -> Event:
    return Event(
        id=ids.digest("plan", occurrence.flow, occurrence.name, profile.id),
        shop=profile.shop,
        type="campaign.came",
        occurred_at=now,
        received_at=now,
        profile_id=profile.id,
        data=Campaign(
            flow=occurrence.flow,
            at=now,
            occurrence=occurrence.name,
            trigger=occurrence.trigger,
            wall=occurrence.wall,
        ),
    )


def next_occurrence(found: Iterable[Occurrence], flow: str, shop: str | None) -> Occurrence:
    """Return the next of a flow's campaigns. Raises `RekindleError` where there is none, or several shops have it."""
    mine = sorted((one for one in found if one.flow == flow and shop in (None, one.shop)), key=lambda one: one.at)
    if not mine:
        raise RekindleError(f"no campaign {flow} is to come within a year: is it a campaign, and when does it go out?")
    if len({one.shop for one in mine}) > 1:
        shops = ", ".join(sorted({one.shop for one in mine}))
        raise RekindleError(f"several shops have it, say which with --shop: {shops}")
    return mine[0]
