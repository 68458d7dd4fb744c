"""What facts and time make of a person: their segments and loyalty tiers, and the days that flows wait for. Pure.

A segment is evaluated again only when something that it reads has changed, or when the moment has come that it named
itself. So membership is live without anybody ever scanning: that moment is part of the profile's deadline (DESIGN §5).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from rekindle.domain import ids
from rekindle.domain.errors import ConditionError
from rekindle.domain.facts import DateCame, SegmentChange, TierReached
from rekindle.domain.profile import Profile
from rekindle.flow.conditions import condition
from rekindle.flow.dates import next_date
from rekindle.flow.library import Library
from rekindle.flow.program import Flow, OnDate, Segment, Shop
from rekindle.flow.turn import Turn
from rekindle.flow.view import PROFILE, RECENT, ProfileView, sources_of

_SEGMENT, _DATE = "segment:", "date:"
_WATCHED = tuple(sorted({RECENT, *(source for field in PROFILE.values() for source in field.sources)}))
_TICK = timedelta(microseconds=1)

_sources_of = functools.lru_cache(maxsize=4096)(sources_of)


def refresh(turn: Turn, seen: Profile, *, rung: bool) -> None:
    """Bring segments and dates up to date with what changed since the profile was `seen`, and tell what that changed.

    `rung`: also what the clock alone has changed by now.
    """
    playbook, profile = turn.playbook, turn.profile
    anew = profile.shape != playbook.shape
    if anew:
        _reshape(turn)
    if not playbook.shape:
        return
    changed: frozenset[str] = frozenset()
    if profile is not seen:
        changed = frozenset(name for name in _WATCHED if getattr(profile, name) is not getattr(seen, name))
    due = {name for name, moment in turn.profile.moments.items() if moment <= turn.at} if rung else set[str]()
    if not (anew or changed or due):
        return
    # Whoever is looked at under new definitions comes in now. Else it is since what happened did: an import of years
    # ago makes nobody a newcomer.
    since = turn.at if due or (anew and turn.before.version) else min(turn.event.occurred_at, turn.at)
    moved: set[str] = set()
    for segment in playbook.ordered_segments:
        key = f"{_SEGMENT}{segment.name}"
        touched = not (_sources_of(segment.inputs).isdisjoint(changed) and moved.isdisjoint(segment.needs))
        if (anew or key in due or touched) and _evaluate(turn, segment, key, since):
            moved.add(segment.name)
    if turn.shop is not None and turn.shop.tiers and (anew or "orders" in changed):
        _climb(turn, turn.shop, since)
    for day in _dates(turn):
        if anew or day.key in due or not _date_sources(day.trigger).isdisjoint(changed):
            _look_ahead(turn, day)


def _reshape(turn: Turn) -> None:
    """Forget what no published definition speaks of any more."""
    profile, playbook = turn.profile, turn.playbook
    wanted = {f"{_SEGMENT}{name}" for name in playbook.segments} | {day.key for day in _dates(turn)}
    turn.change(
        shape=playbook.shape,
        asked=playbook.marks,
        recent={
            key: moments[: playbook.asks[key].keep] for key, moments in profile.recent.items() if key in playbook.asks
        },
        segments={name: since for name, since in profile.segments.items() if name in playbook.segments},
        moments={key: moment for key, moment in profile.moments.items() if key in wanted},
    )


# --- segments --------------------------------------------------------------------------------------------------------


def _evaluate(turn: Turn, segment: Segment, key: str, since: datetime) -> bool:
    """Work out whether the person is in the segment, and when to look again; return whether that changed anything."""
    library = Library(turn.profile, turn.at)
    names = {**turn.names(None), "library": library}
    inside = turn.true(segment.when, names)
    _expect(turn, key, library.next_change)
    known = turn.profile.segments
    if inside == (segment.name in known):
        return False
    values: dict[str, Any] = {"segment": segment.name, **turn.read(segment.when, names)}
    if inside:
        turn.change(segments={**known, segment.name: since})
    else:
        turn.change(segments={name: moment for name, moment in known.items() if name != segment.name})
    turn.decide("joined" if inside else "left_segment", segment.when, values=values)
    kind = "segment.entered" if inside else "segment.left"
    event_id = ids.digest(kind, turn.profile.id, segment.name, since.isoformat(), turn.event.id)
    turn.tell(turn.own_event(kind, SegmentChange(name=segment.name, at=since), since, event_id))
    return True


# --- loyalty tiers ---------------------------------------------------------------------------------------------------


def _climb(turn: Turn, shop: Shop, since: datetime) -> None:
    """Tell the highest tier that is reached now, if it never was before; those below it pass without a word.

    A refund can take a tier away again. That it was told is remembered for good.
    """
    view: ProfileView = turn.names(None)["profile"]
    reached, known = shop.earned(view.past), turn.profile.tiers
    fresh = [name for name in reached if name not in known]
    if not fresh:
        return
    turn.change(tiers={**known, **dict.fromkeys(fresh, since)})
    name = reached[-1]
    if name in known:
        return
    values = {"spent": str(view.spent()), "items": view.past.items, "orders": view.past.orders}
    turn.decide("reached", name, values=values)
    event_id = ids.digest("tier.reached", turn.profile.id, name)
    turn.tell(turn.own_event("tier.reached", TierReached(name=name, at=since), since, event_id))


# --- dates -----------------------------------------------------------------------------------------------------------


class _Day(NamedTuple):
    """A trigger that waits for a day: its flow, its place among the flow's triggers, and its key in `moments`."""

    key: str
    flow: Flow
    place: int
    trigger: OnDate


def _dates(turn: Turn) -> Iterator[_Day]:
    for flow, place, trigger in turn.playbook.dated:
        if turn.enabled(flow):
            yield _Day(f"{_DATE}{flow.name}.{place}", flow, place, trigger)


@functools.lru_cache(maxsize=1024)
def _date_sources(trigger: OnDate) -> frozenset[str]:
    # Where somebody lives decides when their day begins.
    return _sources_of((*condition(trigger.date).inputs, "country"))


def _look_ahead(turn: Turn, awaited: _Day) -> None:
    """Tell the day if it has come, and find the next one."""
    key, flow, place, trigger = awaited
    names = turn.names(None)
    try:
        value = condition(trigger.date).value(names)
    except ConditionError as error:
        turn.decide("error", str(error), flow=flow)
        value = None

    def following(after: datetime) -> tuple[datetime, str] | None:
        return next_date(
            value, after=after, zone=turn.where(), at=trigger.at, offset=trigger.offset, yearly=trigger.yearly
        )

    moment = turn.profile.moments.get(key)
    if moment is not None and moment <= turn.at:
        found = following(moment - _TICK)
        if found is not None and found[0] == moment:
            day = found[1]
            turn.decide("due", trigger.date, flow=flow, values={"date": day})
            event_id = ids.digest("date.came", turn.profile.id, key, day)
            turn.tell(
                turn.own_event(
                    "date.came", DateCame(flow=flow.name, trigger=place, at=moment, date=day), moment, event_id
                )
            )
    upcoming = following(turn.at)
    _expect(turn, key, upcoming[0] if upcoming else None)


def _expect(turn: Turn, key: str, moment: datetime | None) -> None:
    known = turn.profile.moments
    if known.get(key) != moment:
        kept = {name: when for name, when in known.items() if name != key}
        turn.change(moments=kept if moment is None else {**kept, key: moment})
