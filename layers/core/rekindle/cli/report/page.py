"""The page of `rekindle simulate`: findings in, one HTML file out. No script, no network; everything is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from rekindle.cli.report import charts, graph, words
from rekindle.flow.local_time import zone
from rekindle.flow.program import Flow
from rekindle.service.simulation.findings import (
    SES_PRICES,
    SES_PRICES_OF,
    Change,
    Findings,
    FlowFindings,
    Pair,
    Result,
    Why,
)

_HERE = Path(__file__).parent
_MOST_DAYS = 92
_MOST_BARS = 12
_GOAL_SPANS = (
    (1, "< 1 h"),
    (6, "1–6 h"),
    (24, "6–24 h"),
    (72, "1–3 d"),
    (168, "3–7 d"),
    (336, "1–2 w"),
    (math.inf, "later"),
)
_STATUS_COLOURS = {"converted": 3, "finished": 1, "exited": 8, "timed_out": 2, "active": 5}
_SHOWN_WHYS = 8


def render(result: Result, flows: Mapping[str, Flow], *, missing: Sequence[str] = ()) -> str:
    """Return the page. `flows` are those that were played, by name; `missing` the mails that are not written yet."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(signed=words.signed, number=words.number, money=words.money, day=words.day)
    environment.globals.update(share=words.share, statuses=words.STATUSES, channels=words.CHANNELS)
    template = environment.from_string((_HERE / "page.html").read_text("utf-8"))
    style = Markup((_HERE / "page.css").read_text("utf-8") + graph.STYLE)  # noqa: S704 - our own files
    return template.render(style=style, missing=missing, **_page(result, flows)) + "\n"


def _page(result: Result, flows: Mapping[str, Flow]) -> dict[str, Any]:
    found = result.findings
    colours = {flow.name: charts.colour(place) for place, flow in enumerate(found.flows)}
    return {
        "found": found,
        "against": result.against,
        "against_name": result.against_name,
        "base": _base(result),
        "shops": ", ".join(found.shops.values()) or "no shop",
        "period": _period(found),
        "run_out": words.span((found.until - found.last).total_seconds()),
        "headline": _headline(found),
        "figures": _figures(result),
        "colours": colours,
        "days": _by_day(found),
        "week": charts.week(found.hours, "Messages by weekday and hour of the shop's clock"),
        "busiest": _busiest(found),
        "per_person": _per_person(found),
        "cards": [card(flow, flows.get(flow.name), colours[flow.name]) for flow in found.flows],
        "together": _matrix(found, found.together),
        "same_day": _matrix(found, found.same_day),
        "segments": _segments(found),
        "errors": [_why(why, found.events, "", why.rule) for why in found.errors],
        "changes": [_change(change) for change in result.changes],
        "prices": SES_PRICES,
        "prices_of": SES_PRICES_OF,
        "titles": {flow.name: flow.title for flow in found.flows},
    }


# --- the top ---------------------------------------------------------------------------------------------------------


def _where(found: Findings) -> ZoneInfo:
    return zone(found.zone) or ZoneInfo("UTC")


def _period(found: Findings) -> str:
    first, last = (moment.astimezone(_where(found)) for moment in (found.since, found.last))
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {first:%B}{year} to {last.day} {last:%B} {last.year}"


def _headline(found: Findings) -> str:
    if not found.entered:
        return "Nobody would have entered"
    if not found.sent:
        return f"{words.number(found.entered)} runs, and not one message"
    messages = "message" if found.sent == 1 else "messages"
    people = "person" if found.reached == 1 else "people"
    return f"{words.number(found.reached)} {people} would have got {words.number(found.sent)} {messages}"


def _figures(result: Result) -> list[dict[str, str]]:
    found, old = result.findings, result.against
    goals = f"{words.share(found.converted, found.entered)} of entries"
    small = {
        "entries": f"of {words.number(found.people)} people known",
        "messages": _each(found),
        "people reached": f"of {words.number(found.reachable)} with an address",
        "goals reached": goals,
    }
    was, base = _totals(old) if old is not None else {}, _base(result)
    told = [
        {"value": words.number(now), "name": name, "small": small[name], "delta": _delta(now, was.get(name), base)}
        for name, now in _totals(found).items()
    ]
    cost = {
        "value": words.money(found.cost),
        "name": "for sending",
        "small": f"SES, {SES_PRICES[0].plan}",
        "delta": "" if old is None else f"{base}: {words.money(old.cost)}",
    }
    return [*told, cost]


def _totals(found: Findings) -> dict[str, int]:
    return {
        "entries": found.entered,
        "messages": found.sent,
        "people reached": found.reached,
        "goals reached": found.converted,
    }


def _each(found: Findings) -> str:
    return f"{found.sent / found.reached:.1f} for each person reached" if found.reached else "to nobody"


def _base(result: Result) -> str:
    """Return a short name for what the draft is held against."""
    return "published" if result.against_name == "published" else "before"


def _delta(now: int, was: int | None, base: str) -> str:
    return "" if was is None else f"{base}: {words.number(was)} ({words.signed(now - was)})"


# --- days and people -------------------------------------------------------------------------------------------------


def _by_day(found: Findings) -> dict[str, Any]:
    days = _trimmed(found)
    series = {flow.title: _sum(message.by_day for message in flow.messages) for flow in found.flows}
    last, by = found.last_day, "day"
    if len(days) > _MOST_DAYS:
        days, by = _weeks(days), "week"
        last = _monday(last)
        series = {name: _weekly(counts) for name, counts in series.items()}
    return {
        "by": by,
        "chart": charts.stacked_days(days, series, last, f"Messages by {by}, one colour for each flow"),
        "names": list(series),
        "rows": [(one, [counts.get(one, 0) for counts in series.values()]) for one in days],
        "last": last,
    }


def _trimmed(found: Findings) -> list[str]:
    """Return the days up to the last one on which anything was sent, and at least to the last event."""
    sent = {day for flow in found.flows for message in flow.messages for day in message.by_day}
    end = max([found.last_day, *sent])
    return [one for one in found.days if one <= end]


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def _monday(day: str) -> str:
    moment = datetime.fromisoformat(day)
    return (moment - timedelta(days=moment.weekday())).date().isoformat()


def _weeks(days: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_monday(day) for day in days))


def _weekly(counts: Mapping[str, int]) -> dict[str, int]:
    return _sum({_monday(day): count} for day, count in counts.items())


def _busiest(found: Findings) -> str:
    count, weekday, hour = max(
        (count, -weekday, -hour) for weekday, row in enumerate(found.hours) for hour, count in enumerate(row)
    )
    if not count:
        return "Nothing was sent."
    names = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
    until = (1 - hour) % 24
    return f"Most go out on {names[-weekday]} between {-hour:02d}:00 and {until:02d}:00 ({words.number(count)})."


def _per_person(found: Findings) -> dict[str, Any]:
    bars = _folded(found.per_person, 0)
    day_bars = _folded(found.most_in_a_day, 1)
    most = max(found.per_person, default=0)
    return {
        "chart": charts.histogram(bars, "Messages per person: how many people got how many", 0),
        "bars": bars,
        "day_chart": charts.histogram(day_bars, "The most messages on one day: how many people", 1),
        "day_bars": day_bars,
        "most": most,
        "twice_a_day": sum(people for messages, people in found.most_in_a_day.items() if messages > 1),
    }


def _folded(counts: Mapping[int, int], first: int) -> list[tuple[str, int]]:
    most = max(counts, default=first)
    bars = [(str(one), counts.get(one, 0)) for one in range(first, min(most, first + _MOST_BARS - 1) + 1)]
    rest = sum(people for messages, people in counts.items() if messages > first + _MOST_BARS - 1)
    return [*bars, (f"{first + _MOST_BARS}+", rest)] if rest else bars


# --- a flow ----------------------------------------------------------------------------------------------------------


def card(found: FlowFindings, flow: Flow | None, colour: int) -> dict[str, Any]:
    """Return what a page shows of one flow: its graph with counts, why people did not enter, why nothing was sent."""
    asked = found.entered + sum(why.times for why in found.refused)
    skipped = sum(why.times for why in found.skipped)
    return {
        "flow": found,
        "colour": colour,
        "trigger": words.triggers(flow) if flow is not None else "",
        "graph": _graph(found, flow) if flow is not None else None,
        "asked": asked,
        "refused": [_why(why, asked, *words.refusal(why.rule)[::-1]) for why in found.refused[:_SHOWN_WHYS]],
        "entered_share": _percent(found.entered, asked),
        "skipped": _by_rule(found.skipped, found.sent + skipped),
        "held": _by_rule(found.held, found.sent + skipped),
        "statuses": [
            (
                status,
                words.STATUSES.get(status, status),
                count,
                _percent(count, found.entered),
                _STATUS_COLOURS.get(status, 7),
            )
            for status, count in sorted(found.ended.items(), key=lambda item: list(_STATUS_COLOURS).index(item[0]))
        ],
        "exits": [
            (words.STATUSES.get(status, status), rule, count)
            for status, rule, count in found.ended_by
            if status in ("exited", "timed_out")
        ],
        "goal": _goal(found),
        "median": "" if found.goal.median_hours is None else _hours(found.goal.median_hours),
    }


def _by_rule(whys: Sequence[Why], whole: int) -> list[dict[str, Any]]:
    """Return one row for each rule, with the steps that it was said at."""
    rules: dict[str, list[Why]] = {}
    for why in whys:
        rules.setdefault(why.rule, []).append(why)
    rows = [
        {
            "said": rule,
            "source": "",
            "times": sum(why.times for why in several),
            "percent": _percent(sum(why.times for why in several), whole),
            "steps": [(why.step, why.times) for why in several],
            "why": several[0],
        }
        for rule, several in rules.items()
    ]
    return sorted(rows, key=lambda row: (-int(str(row["times"])), str(row["said"])))


def _hours(hours: int) -> str:
    return "1 hour" if not hours else words.span(hours * 3_600)


def _goal(found: FlowFindings) -> dict[str, Any] | None:
    if not found.goal.converted:
        return None
    bars, before = [], 0.0
    for most, name in _GOAL_SPANS:
        bars.append((name, sum(count for hours, count in found.goal.by_hours.items() if before <= hours < most)))
        before = most
    return {"bars": bars, "chart": charts.histogram(bars, "Time from entry to goal", 2)}


def _graph(found: FlowFindings, flow: Flow) -> Markup:
    passed = {(edge.step, edge.way): edge.count for edge in found.edges}
    notes: dict[str, list[str]] = {}
    for message in found.messages:
        notes.setdefault(message.step, []).append(f"{words.number(message.count)} sent")
    for name, whys in (("held", found.held), ("not sent", found.skipped)):
        for step, count in _sum({why.step: why.times} for why in whys).items():
            notes.setdefault(step, []).append(f"{words.number(count)} {name}")
    left: dict[str, list[str]] = {}
    for step, status, count in found.left:
        left.setdefault(step, []).append(f"{words.number(count)} {_LEFT_HERE.get(status, status)}")
    for step, told in left.items():
        notes.setdefault(step, []).append(", ".join(told))
    for step, count in found.inside.items():
        notes.setdefault(step, []).append(f"{words.number(count)} stood here at the last event")
    if found.restarted:
        notes.setdefault("", []).append(f"{words.number(found.restarted)} started anew")
    title = f"The flow {found.title} as a graph: {words.number(found.entered)} entered; counts stand on every way"
    return graph.draw(flow, passed, notes, title=title)


_LEFT_HERE = {"converted": "reached the goal", "exited": "left by a rule", "timed_out": "ran out of time"}


def _why(why: Why, whole: int, source: str, said: str) -> dict[str, Any]:
    return {
        "why": why,
        "said": said,
        "source": source,
        "times": why.times,
        "steps": (),
        "percent": _percent(why.times, whole),
    }


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "0"


# --- the rest --------------------------------------------------------------------------------------------------------


def _matrix(found: Findings, pairs: Sequence[Pair]) -> dict[str, Any] | None:
    if all(pair.one == pair.two for pair in pairs):
        return None
    counted = {(pair.one, pair.two): pair.people for pair in pairs}
    names = [flow.name for flow in found.flows if any(flow.name in pair for pair in counted)]
    most = max(counted.values())

    def cell(one: str, two: str) -> tuple[int, str]:
        count = counted.get((one, two), counted.get((two, one), 0))
        return count, f"{55 * math.sqrt(count / most):.0f}" if count else "0"

    return {"names": names, "rows": [(one, [cell(one, two) for two in names]) for one in names]}


def _segments(found: Findings) -> list[dict[str, Any]]:
    days = [one for one in found.days if one <= found.last_day]
    return [
        {
            "segment": segment,
            "joined": sum(segment.joined.values()),
            "left": sum(segment.left.values()),
            "spark": charts.spark(days, segment.joined, segment.left, f"{segment.title}: came in and left, day by day"),
        }
        for segment in found.segments
    ]


def _change(change: Change) -> dict[str, Any]:
    was, now = _numbers(change.before), _numbers(change.after)
    return {
        "change": change,
        "rows": [_row(name, was.get(name), now.get(name)) for name in now or was],
        "steps": [_row(step.step, step.before, step.after) for step in change.steps],
        "shares": (_goal_share(change.before), _goal_share(change.after)),
    }


def _numbers(flow: FlowFindings | None) -> dict[str, int]:
    if flow is None:
        return {}
    return {
        "entries": flow.entered,
        "people": flow.people,
        "messages": flow.sent,
        "people reached": flow.reached,
        "goals reached": flow.goal.converted,
        "of these after a message": flow.goal.after_message,
    }


def _row(name: str, was: int | None, now: int | None) -> tuple[str, int | None, int | None, int | None]:
    return name, was, now, None if was is None or now is None else now - was


def _goal_share(flow: FlowFindings | None) -> str:
    return "–" if flow is None else words.share(flow.goal.converted, flow.entered)
