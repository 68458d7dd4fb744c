"""Results in words that people ask for: by flow, step, way, campaign and day, with what the comparisons say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.comparing import (
    Group,
    Interval,
    Verdict,
    anytime_share,
    anytime_spent,
    difference,
    verdict,
    wilson,
)
from rekindle.domain.labels import Label
from rekindle.flow.program import Flow, OnSchedule, Playbook

Figures = dict[str, Decimal]

_NOTHING = Decimal(0)
_HOLDOUT = "holdout"


class Line(Struct, frozen=True):
    """The figures of something, by its name."""

    name: str
    figures: Figures


class StepResult(Struct, frozen=True):
    """A message, with its figures by way of the flow's splits."""

    name: str
    figures: Figures
    ways: tuple[Line, ...] = ()


class Side(Struct, frozen=True, kw_only=True):
    """One side of a comparison. `spent` is in the shop's currency."""

    group: Group
    share: Interval
    purchases: int
    spent: Decimal


class Comparison(Struct, frozen=True, kw_only=True):
    """A split, or who was let in against who was held out.

    `goal`: what counts is the flow's goal, not a purchase. `apart` is by how much the first side's share is higher
    than the second's if you look once, `always` the same however often you look, `each` what a person spends more;
    these where there are two sides. `brought` is what that comes to for all who were let in.
    """

    name: str
    goal: bool
    sides: tuple[Side, ...]
    verdict: Verdict
    apart: Interval | None = None
    always: Interval | None = None
    each: float = 0.0
    each_always: Interval | None = None
    brought: float | None = None


class FlowResult(Struct, frozen=True, kw_only=True):
    """One flow."""

    name: str
    title: str
    segment: str = ""
    """of a campaign: to whom it goes"""
    campaign: bool = False
    figures: Figures
    days: tuple[Line, ...] = ()
    steps: tuple[StepResult, ...]
    occurrences: tuple[Line, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    """A shop's results from day `since` to day `until`, both included."""

    shop: str
    name: str
    currency: str
    since: str
    until: str
    figures: Figures
    days: tuple[Line, ...]
    flows: tuple[FlowResult, ...]
    holdout: Comparison | None = None


def report(
    figures: Mapping[Label, Figures], book: Playbook, shop: str, since: str, until: str, *, flow: str | None = None
) -> Report:
    """Return the results of a shop, or of one of its flows."""
    known = book.shops[shop]
    rows = {label: sums for label, sums in figures.items() if flow is None or label.flow == flow}
    names = sorted({label.flow for label in rows} - {""})
    of_messages = {label: _plain(sums) for label, sums in rows.items()}
    flows = (_flow(name, book.flows.get(name), rows, known.currency) for name in names)
    return Report(
        shop=shop,
        name=known.name,
        currency=known.currency,
        since=since,
        until=until,
        figures=_sum(of_messages.values()),
        days=_lines(of_messages, lambda label: label.day),
        flows=tuple(sorted(flows, key=lambda one: (-money(one.figures, known.currency), one.name))),
        holdout=_compared("holdout", _trials(rows, "", ""), known.currency, goal=False) if flow is None else None,
    )


def money(figures: Figures, currency: str) -> Decimal:
    """Return the revenue in this currency."""
    return figures.get(f"revenue:{currency}", _NOTHING)


def _flow(name: str, flow: Flow | None, rows: Mapping[Label, Figures], currency: str) -> FlowResult:
    mine = {label: sums for label, sums in rows.items() if label.flow == name}
    plain = {label: _plain(sums) for label, sums in mine.items()}
    schedules = [one for one in flow.triggers if isinstance(one, OnSchedule)] if flow is not None else []
    return FlowResult(
        name=name,
        title=(flow.title if flow is not None else "") or name,
        segment=", ".join(one.segment for one in schedules if one.segment),
        campaign=bool(schedules) or any(label.occurrence for label in mine),
        figures=_sum(plain.values()),
        days=_lines(plain, lambda one: one.day),
        steps=tuple(_step(step, plain) for step in _in_order(flow, plain)),
        occurrences=_lines({one: sums for one, sums in plain.items() if one.occurrence}, lambda one: one.occurrence),
        comparisons=tuple(_comparisons(name, mine, currency)),
    )


def _in_order(flow: Flow | None, rows: Mapping[Label, Figures]) -> list[str]:
    """Return the steps that have figures, as they stand in the flow; first the others, which it has no more."""
    known = list(flow.steps) if flow is not None else []
    found = {label.step for label, sums in rows.items() if label.step and sums}
    return sorted(found, key=lambda step: (known.index(step) if step in known else -1, step))


def _step(step: str, rows: Mapping[Label, Figures]) -> StepResult:
    mine = {label: sums for label, sums in rows.items() if label.step == step}
    ways: dict[str, list[Figures]] = {}
    for label, sums in mine.items():
        for way in filter(None, label.ways.split(",")):
            ways.setdefault(way, []).append(sums)
    lines = tuple(Line(way, _sum(ways[way])) for way in sorted(ways))
    return StepResult(step, _sum(mine.values()), lines)


def _comparisons(flow: str, rows: Mapping[Label, Figures], currency: str) -> Iterable[Comparison]:
    for step in sorted({label.step for label, sums in rows.items() if "people" in sums}):
        sides = _trials(rows, flow, step)
        goal = bool(step) and any(sums.get("goals") for sums in sides.values())
        found = _compared(step or _HOLDOUT, sides, currency, goal=goal)
        if found is not None:
            yield found


def _trials(rows: Mapping[Label, Figures], flow: str, step: str) -> dict[str, Figures]:
    sides: dict[str, list[Figures]] = {}
    for label, sums in rows.items():
        if (label.flow, label.step) == (flow, step) and "people" in sums:
            sides.setdefault(label.ways.partition("=")[2], []).append(sums)
    return {side: _sum(sums) for side, sums in sides.items()}


def _compared(name: str, sides: Mapping[str, Figures], currency: str, *, goal: bool) -> Comparison | None:
    if not sides:
        return None
    # Who was let in stands before who was held out, so that a difference is what the flow brings.
    order = sorted(sides, key=lambda side: (side == "held", side))
    found = [_side(side, sides[side], currency, goal=goal) for side in order]
    groups = [side.group for side in found]
    bought = [_group(side, sides[side], currency, goal=False) for side in order]
    whole = Comparison(name=name, goal=goal, sides=tuple(found), verdict=verdict(groups))
    if len(groups) != 2:  # noqa: PLR2004 - a difference is between two
        return whole
    each = bought[0].each - bought[1].each
    return replace(
        whole,
        apart=difference(groups[0], groups[1]),
        always=anytime_share(groups[0], groups[1]),
        each=each,
        each_always=anytime_spent(bought[0], bought[1]),
        brought=each * groups[0].people if order[1] == "held" else None,
    )


def _side(name: str, sums: Figures, currency: str, *, goal: bool) -> Side:
    group = _group(name, sums, currency, goal=goal)
    return Side(
        group=group,
        share=wilson(group.hits, group.people),
        purchases=int(sums.get("purchases", 0)),
        spent=sums.get(f"spent:{currency}", _NOTHING),
    )


def _group(name: str, sums: Figures, currency: str, *, goal: bool) -> Group:
    return Group(
        name=name,
        people=int(sums.get("people", 0)),
        hits=int(sums.get("goals" if goal else "buyers", 0)),
        spent=sums.get(f"spent:{currency}", _NOTHING),
        squares=sums.get(f"squares:{currency}", _NOTHING),
    )


def _plain(sums: Figures) -> Figures:
    """Return the figures but for those of comparisons."""
    return {name: amount for name, amount in sums.items() if name.partition(":")[0] not in _OF_TRIALS and amount}


_OF_TRIALS = frozenset({"people", "goals", "buyers", "purchases", "spent", "squares"})


def _lines(rows: Mapping[Label, Figures], name: Callable[[Label], str]) -> tuple[Line, ...]:
    found: dict[str, list[Figures]] = {}
    for label, sums in rows.items():
        if sums:
            found.setdefault(name(label), []).append(sums)
    return tuple(Line(one, _sum(found[one])) for one in sorted(found))


def _sum(rows: Iterable[Figures]) -> Figures:
    total: Figures = {}
    for sums in rows:
        for name, amount in sums.items():
            total[name] = total.get(name, _NOTHING) + amount
    return total
