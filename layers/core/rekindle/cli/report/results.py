"""The page of `rekindle results`: a report in, one HTML file out. No script, no network; everything is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from rekindle.cli.report import charts, words
from rekindle.cli.report.outcomes import HEADS, cells, sentences, side_name
from rekindle.service.results import Comparison, FlowResult, Report, money

_HERE = Path(__file__).parent
_MOST_DAYS = 92
_RUNS = {
    "entered": "entered",
    "held_out": "held out",
    "converted": "reached the goal",
    "exited": "left by a rule",
    "finished": "came to the end",
    "timed_out": "ran out of time",
}


def render(told: Report, days: Sequence[str]) -> str:
    """Return the page; `days` are those that the report is of."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=words.number, day=words.day)
    template = environment.from_string((_HERE / "results.html").read_text("utf-8"))
    style = Markup((_HERE / "page.css").read_text("utf-8"))  # noqa: S704 - our own file
    return template.render(style=style, **_page(told, days)) + "\n"


def _page(told: Report, days: Sequence[str]) -> dict[str, Any]:
    figures = told.figures
    weekly = len(days) > _MOST_DAYS
    shown = list(dict.fromkeys(map(_monday, days))) if weekly else list(days)
    flows = [one for one in told.flows if one.figures.get("sent") or one.figures.get("orders")]
    return {
        "told": told,
        "period": f"{_long(told.since)} to {_long(told.until)}",
        "headline": _headline(told),
        "figures": [
            (
                words.number(float(figures.get("sent", 0))),
                "messages sent",
                f"{_share(figures, 'delivered', 'sent')} arrived",
            ),
            (_share(figures, "opened", "delivered"), "opened", "by people, of those that arrived"),
            (_share(figures, "clicked", "delivered"), "clicked", "by people, of those that arrived"),
            (words.number(float(figures.get("orders", 0))), "orders", _proofs(told)),
            (f"{money(figures, told.currency):,.0f} {told.currency}", "revenue", "credited, net of refunds"),
        ],
        "heads": HEADS,
        "rows": [(one, cells(one.figures, told.currency)) for one in told.flows],
        "total": cells(figures, told.currency),
        "by": "week" if weekly else "day",
        "sent": _chart(shown, flows, "sent", "Messages", weekly=weekly),
        "earned": _chart(shown, flows, f"revenue:{told.currency}", f"Revenue in {told.currency}", weekly=weekly),
        "cards": [_card(one, told) for one in told.flows],
        "holdout": comparison(told.holdout, told) if told.holdout is not None else None,
    }


def _headline(told: Report) -> str:
    sent, earned = float(told.figures.get("sent", 0)), money(told.figures, told.currency)
    if not sent:
        return "Nothing was sent"
    messages = "1 message" if sent == 1 else f"{words.number(sent)} messages"
    return f"{messages} brought {earned:,.2f} {told.currency}" if earned else f"{messages}, and no order credited yet"


def _share(figures: Mapping[str, Any], part: str, whole: str) -> str:
    return words.share(float(figures.get(part, 0)), float(figures.get(whole, 0)))


def _proofs(told: Report) -> str:
    kinds = (("coupon", "by coupon"), ("click", "by click"), ("open", "by opening"))
    found = [(told.figures.get(f"by_{kind}"), name) for kind, name in kinds]
    return ", ".join(f"{words.number(float(count))} {name}" for count, name in found if count) or "credited to messages"


def _chart(days: list[str], flows: list[FlowResult], figure: str, name: str, *, weekly: bool) -> dict[str, Any]:
    series: dict[str, dict[str, int]] = {}
    for one in flows:
        counts: dict[str, int] = {}
        for line in one.days:
            day = _monday(line.name) if weekly else line.name
            counts[day] = counts.get(day, 0) + max(0, round(line.figures.get(figure, 0)))
        if any(counts.values()):
            series[one.title] = counts
    by = "week" if weekly else "day"
    title = f"{name} by {by} of the message, one colour for each flow"
    return {
        "chart": charts.stacked_days(days, series, days[-1] if days else "", title),
        "names": [(each, charts.colour(place)) for place, each in enumerate(series)],
        "table": [(one, [counts.get(one, 0) for counts in series.values()]) for one in days],
        "title": title,
    }


def _card(one: FlowResult, told: Report) -> dict[str, Any]:
    rows = []
    for step in one.steps:
        rows.append((step.name, "", cells(step.figures, told.currency)))
        rows += [(way.name.partition("=")[2], "way", cells(way.figures, told.currency)) for way in step.ways]
    return {
        "flow": one,
        "runs": [(said, float(one.figures[name])) for name, said in _RUNS.items() if one.figures.get(name)],
        "rows": rows,
        "occurrences": [(line.name, cells(line.figures, told.currency)) for line in one.occurrences],
        "comparisons": [comparison(each, told) for each in one.comparisons],
    }


def comparison(one: Comparison, told: Report) -> dict[str, Any]:
    """Return what a page shows of a comparison: its chart, what it says line by line, and the verdict."""
    did = "reached the goal" if one.goal else "bought"
    sides = [
        (side_name(side.group.name), side.share.low, side.group.share, side.share.high)
        for side in one.sides
        if side.group.people
    ]
    *said, verdict = sentences(one, told.currency)
    return {
        "name": "The holdout" if one.name == "holdout" else f"The split {one.name}",
        "chart": charts.intervals(sides, f"How many {did} on each side, and where that share lies in 95 of 100 cases"),
        "said": said,
        "verdict": verdict,
        "won": one.verdict.winner is not None,
    }


def _monday(day: str) -> str:
    moment = datetime.fromisoformat(day)
    return (moment - timedelta(days=moment.weekday())).date().isoformat()


def _long(day: str) -> str:
    moment = datetime.fromisoformat(day)
    return f"{moment.day} {moment:%B %Y}"
