"""Two profiles that turned out to be one person become one (DESIGN §6, "Who is who"). Pure.

The survivor absorbs what the other knew and what it had under way. Ids stay as they were: a run with an entry key has
the same id on both sides, so that what one has sent the other cannot send again. Suppression is not a matter of
profiles and never lifts by merging.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from msgspec.structs import replace

from rekindle.domain.absorb import later_act, newness
from rekindle.domain.facts import Basket, Person
from rekindle.domain.profile import Entry, OrderMark, Profile, Run, ShipmentMark, Tag, Told
from rekindle.flow.engine import TRANSITIONS

_Value = TypeVar("_Value")


def merge(survivor: Profile, other: Profile, now: datetime) -> Profile:
    """Return the survivor with everything of `other`. Its version and deadline stay: the commit and `advance` set them.

    Whichever of the two survives, what is known afterwards is the same, but for the ids of profiles themselves.
    """
    return replace(
        survivor,
        created_at=min(filter(None, (survivor.created_at, other.created_at)), default=None),
        email=survivor.email or other.email,
        phone=survivor.phone or other.phone,
        shop_customer_id=survivor.shop_customer_id or other.shop_customer_id,
        was=tuple(dict.fromkeys((*survivor.was, *other.was, other.id))),
        erased_at=max(filter(None, (survivor.erased_at, other.erased_at)), default=None),
        aliases=tuple(dict.fromkeys((*survivor.aliases, *other.aliases))),
        **_person(survivor, other),
        consent=_union(survivor.consent, other.consent, later_act),
        tag_marks=_union(survivor.tag_marks, other.tag_marks, _later_tag),
        tags_at=max(filter(None, (survivor.tags_at, other.tags_at)), default=None),
        customer_at=max(filter(None, (survivor.customer_at, other.customer_at)), default=None),
        baskets=_union(survivor.baskets, other.baskets, _basket),
        orders=_union(survivor.orders, other.orders, _order),
        shipments=_union(survivor.shipments, other.shipments, _later_shipment),
        runs=_runs(survivor.runs, other.runs, now),
        entries=_entries(survivor.entries, other.entries),
        planned={**other.planned, **survivor.planned},
    )


def _union(
    one: Mapping[str, _Value], two: Mapping[str, _Value], choose: Callable[[_Value, _Value], _Value]
) -> dict[str, _Value]:
    merged = dict(one)
    for key, value in two.items():
        merged[key] = choose(merged[key], value) if key in merged else value
    return merged


def _person(one: Profile, two: Profile) -> dict[str, Any]:
    """Return `person` and `told`: of each field the newest telling."""
    values: dict[str, str] = {}
    told: dict[str, Told] = {}
    for profile in (one, two):
        for name, telling in profile.told.items():
            if name not in told or (telling.at, getattr(profile.person, name) or "") > (told[name].at, values[name]):
                told[name], values[name] = telling, getattr(profile.person, name)
    return {"person": Person(**values), "told": told}


def _later_tag(one: Tag, two: Tag) -> Tag:
    return max(one, two, key=lambda tag: (tag.at, not tag.on))


def _later_shipment(one: ShipmentMark, two: ShipmentMark) -> ShipmentMark:
    return max(one, two, key=lambda mark: (mark.updated_at, mark.status))


def _basket(one: Basket, two: Basket) -> Basket:
    if (one.completed_at is None) != (two.completed_at is None):
        return one if one.completed_at is not None else two
    return max(one, two, key=lambda basket: basket.updated_at)


def _order(one: OrderMark, two: OrderMark) -> OrderMark:
    newer, older = sorted((one, two), key=newness, reverse=True)
    return replace(
        newer,
        placed_at=newer.placed_at or older.placed_at,
        events=tuple(sorted({*newer.events, *older.events})),
        refunds={**older.refunds, **newer.refunds},
    )


def _entries(one: Mapping[str, dict[str, Entry]], two: Mapping[str, dict[str, Entry]]) -> dict[str, dict[str, Entry]]:
    def later(first: Entry, second: Entry) -> Entry:
        return Entry(max(first.ordinal, second.ordinal), max(first.at, second.at))

    return _union(one, two, lambda first, second: _union(first, second, later))


def _runs(one: tuple[Run, ...], two: tuple[Run, ...], now: datetime) -> tuple[Run, ...]:
    runs = {run.id: run for run in one}
    for run in two:
        runs[run.id] = _same_run(runs[run.id], run) if run.id in runs else run
    # Of a flow without entry key the one that has come furthest goes on; what the others still planned is taken back.
    furthest: dict[str, Run] = {}
    for run in runs.values():
        if run.key is None and run.status == "active":
            known = furthest.get(run.flow)
            furthest[run.flow] = run if known is None else max(known, run, key=_progress)
    return tuple(
        replace(
            run, status=TRANSITIONS[run.status, "merged"], ended_at=now, ended_by="merged with another", resume_at=None
        )
        if run.flow in furthest and run.key is None and run.status == "active" and run.id != furthest[run.flow].id
        else run
        for run in runs.values()
    )


def _same_run(one: Run, two: Run) -> Run:
    ended = next((run for run in (one, two) if run.status != "active"), None)
    further = ended or max(one, two, key=_progress)
    return replace(
        further,
        messages={**one.messages, **two.messages},
        opened=tuple(dict.fromkeys((*one.opened, *two.opened))),
        clicked=tuple(dict.fromkeys((*one.clicked, *two.clicked))),
    )


def _progress(run: Run) -> tuple[int, datetime, str]:
    return len(run.messages), run.entered_at, run.id
