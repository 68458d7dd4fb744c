"""The words of results, for tables and pages alike: the figures of a row, and what a comparison says."""

from __future__ import annotations

from rekindle.cli.report import words
from rekindle.service.results import Comparison, Figures

#: What `cells` gives, but for the name of the row.
HEADS = ("sent", "delivered", "opened", "clicked", "unsubscribed", "bounced", "complaints", "orders", "revenue")


def cells(figures: Figures, currency: str) -> list[str]:
    """Return the figures of a row as people read them: counts, and shares of what each is a part of."""

    def part(name: str, whole: str) -> str:
        count = float(figures.get(name, 0))
        return f"{words.number(count)} ({words.share(count, float(figures.get(whole, 0)))})" if count else "–"

    sent = words.number(float(figures.get("sent", 0)))
    shares = [part("delivered", "sent"), part("opened", "delivered"), part("clicked", "delivered")]
    shares += [part("unsubscribed", "delivered"), part("bounced", "sent"), part("complained", "delivered")]
    orders = words.number(float(figures["orders"])) if figures.get("orders") else "–"
    return [sent, *shares, orders, revenue(figures, currency)]


def revenue(figures: Figures, currency: str) -> str:
    """Return the revenue, first in the shop's currency."""
    names = sorted((name for name in figures if name.startswith("revenue:")), key=lambda name: name[8:] != currency)
    return ", ".join(f"{figures[name]:,.2f} {name[8:]}" for name in names if figures[name]) or "–"


def sentences(one: Comparison, currency: str) -> list[str]:
    """Return what a comparison says, line by line, for people."""
    did = "reached the goal" if one.goal else "bought"
    lines = [
        f"{side_name(side.group.name)}: {words.number(side.group.hits)} of {words.number(side.group.people)} "
        f"people {did}, "
        f"{100 * side.group.share:.2f} % (between {100 * side.share.low:.2f} and {100 * side.share.high:.2f}), "
        f"{side.spent / side.group.people if side.group.people else 0:,.2f} {currency} a person"
        for side in one.sides
    ]
    if one.apart is not None and one.always is not None:
        first, second = (side_name(side.group.name) for side in one.sides)
        lines.append(
            f"{first} less {second}: "
            f"{100 * (one.sides[0].group.share - one.sides[1].group.share):+.2f} percentage points; "
            f"between {100 * one.apart.low:+.2f} and {100 * one.apart.high:+.2f} if this is your only look, "
            f"{100 * max(one.always.low, -1):+.2f} and {100 * min(one.always.high, 1):+.2f} however often you look"
        )
    if one.each_always is not None:
        more = "less" if one.each < 0 else "more"
        lines.append(
            f"each person spends {abs(one.each):,.2f} {currency} {more}; between {one.each_always.low:+,.2f} and "
            f"{one.each_always.high:+,.2f} however often you look"
        )
    if one.brought is not None:
        lines.append(f"for all who were let in that is {one.brought:+,.2f} {currency}")
    lines.append(judged(one))
    return lines


def judged(one: Comparison) -> str:
    """Return the verdict as a sentence."""
    if one.verdict.winner is not None:
        return f"{side_name(one.verdict.winner)} wins: that is told from chance, however often you have looked"
    if len(one.sides) < 2:  # noqa: PLR2004 - one alone is not compared
        return "nobody is on the other side yet"
    if one.verdict.more is None:
        return "no winner: the numbers are too alike to say how many more people it would take"
    return (
        f"no winner yet: if the difference stays as it is, it takes about {words.number(one.verdict.more)} more people "
        "on the smaller side"
    )


def side_name(name: str) -> str:
    """Return a side's name for people."""
    return {"in": "with", "held": "held out"}.get(name, name)
