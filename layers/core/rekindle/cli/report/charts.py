"""The charts of reports, as SVG text: stacked days, the week by hour, histograms, small bars. Everything is escaped.

Each picture says what it shows to a screen reader; the page puts a table with the same numbers beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from rekindle.cli.report.words import day, number
from rekindle.flow.local_time import WEEKDAYS

_WIDTH, _HEIGHT = 1000, 240
_LEFT, _BOTTOM, _TOP = 44, 26, 20
_COLOURS = 8


def colour(place: int) -> int:
    """Return the number of the colour of the series at this place."""
    return place % _COLOURS + 1


def stacked_days(days: Sequence[str], series: Mapping[str, Mapping[str, int]], last_day: str, title: str) -> Markup:
    """Return the series (name → day → count) on top of one another, day by day; what is after `last_day` is shaded."""
    sums = [sum(counts.get(one, 0) for counts in series.values()) for one in days]
    top, lines = _scale(max(sums, default=0))
    step = (_WIDTH - _LEFT - 8) / max(len(days), 1)
    wide = max(1.5, step * 0.78)
    base = _HEIGHT - _BOTTOM

    def up(value: float) -> float:
        return base - (base - _TOP) * value / top

    parts = [_rules(lines, up)]
    if last_day in days and days[-1] != last_day:
        x = _LEFT + step * (list(days).index(last_day) + 1)
        parts.append(
            Markup(
                '<rect class="after" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>'
                '<text class="small" text-anchor="end" x="{}" y="{}">after the last event</text>'
            ).format(x, _TOP, _WIDTH - 8 - x, base - _TOP, _WIDTH - 10, _TOP - 5)
        )
    for place, one in enumerate(days):
        x, below = _LEFT + step * place + (step - wide) / 2, 0
        for index, (name, counts) in enumerate(series.items()):
            count = counts.get(one, 0)
            if not count:
                continue
            bottom, head = up(below), up(below + count)
            parts.append(
                Markup(
                    '<rect class="s{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="1.5">'
                    "<title>{}, {}: {}</title></rect>"
                ).format(colour(index), x, head, wide, max(bottom - head, 0.6), day(one), name, number(count))
            )
            below += count
    every = max(1, math.ceil(len(days) / 12))
    parts += [
        Markup('<text class="small" text-anchor="middle" x="{:.1f}" y="{}">{}</text>').format(
            _LEFT + step * (place + 0.5), _HEIGHT - 8, day(one)
        )
        for place, one in enumerate(days)
        if place % every == 0
    ]
    return _svg(_WIDTH, _HEIGHT, title, parts)


def week(hours: Sequence[Sequence[int]], title: str) -> Markup:
    """Return messages by weekday (rows, Monday first) and hour (columns), the darker the more."""
    cell, gap, left = 36, 3, 44
    most = max((count for row in hours for count in row), default=0)
    parts = []
    for weekday, row in enumerate(hours):
        y = weekday * (22 + gap)
        parts.append(
            Markup('<text class="small" text-anchor="end" x="{}" y="{}">{}</text>').format(
                left - 8, y + 15, WEEKDAYS[weekday].capitalize()
            )
        )
        for hour, count in enumerate(row):
            depth = 0.0 if not most else 0.12 + 0.88 * math.sqrt(count / most) if count else 0.0
            parts.append(
                Markup(
                    '<rect class="heat" fill-opacity="{:.3f}" x="{}" y="{}" width="{}" height="22" rx="4">'
                    "<title>{} {:02d}:00–{:02d}:59: {}</title></rect>"
                ).format(
                    max(depth, 0.04), left + hour * (cell + gap), y, cell, WEEKDAYS[weekday].capitalize(), hour, hour,
                    number(count),
                )
            )  # fmt: skip
    base = 7 * (22 + gap) + 12
    parts += [
        Markup('<text class="small" text-anchor="middle" x="{}" y="{}">{:02d}:00</text>').format(
            left + hour * (cell + gap) + cell / 2, base, hour
        )
        for hour in range(0, 24, 3)
    ]
    return _svg(left + 24 * (cell + gap), base + 6, title, parts)


def histogram(bars: Sequence[tuple[str, int]], title: str, place: int = 0) -> Markup:
    """Return upright bars, each with its name below and its count above."""
    width, height, base = 460, 190, 164
    most = max((count for _, count in bars), default=0) or 1
    step = width / max(len(bars), 1)
    wide = min(step * 0.72, 64)
    parts = []
    for index, (name, count) in enumerate(bars):
        tall = (base - 26) * count / most
        x = step * index + (step - wide) / 2
        parts.append(
            Markup(
                '<rect class="s{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="3">'
                "<title>{}: {}</title></rect>"
                '<text class="small" text-anchor="middle" x="{:.1f}" y="{}">{}</text>'
                '<text class="figure" text-anchor="middle" x="{:.1f}" y="{:.1f}">{}</text>'
            ).format(
                colour(place), x, base - max(tall, 1), wide, max(tall, 1), name, number(count),
                x + wide / 2, height - 8, name, x + wide / 2, base - tall - 6, number(count),
            )
        )  # fmt: skip
    return _svg(width, height, title, parts)


def intervals(rows: Sequence[tuple[str, float, float, float]], title: str, place: int = 0) -> Markup:
    """Return a line for each (name, low, value, high), all shares: a dot where it is, a bar where it may be."""
    width, left, each = 460, 120, 34
    low = min((row[1] for row in rows), default=0.0)
    high = max((row[3] for row in rows), default=1.0)
    room = (high - low) * 0.08 or 0.01
    low, high = max(0.0, low - room), min(1.0, high + room)

    def across(share: float) -> float:
        return left + (width - left - 12) * (share - low) / (high - low)

    parts = []
    for number_, (name, start, share, end) in enumerate(rows):
        y = each * number_ + 20
        parts.append(
            Markup(
                '<text class="small" text-anchor="end" x="{}" y="{}">{}</text>'
                '<rect class="s{}" fill-opacity="0.35" x="{:.1f}" y="{}" width="{:.1f}" height="8" rx="4">'
                "<title>{}: {:.2%}, between {:.2%} and {:.2%}</title></rect>"
                '<circle class="s{}" cx="{:.1f}" cy="{}" r="6"/>'
                '<text class="small" text-anchor="middle" x="{:.1f}" y="{}">{:.2%}</text>'
            ).format(
                left - 12, y + 4, name, colour(place + number_), across(start), y - 4,
                max(across(end) - across(start), 1), name, share, start, end,
                colour(place + number_), across(share), y, across(share), y - 9, share,
            )
        )  # fmt: skip
    return _svg(width, each * len(rows) + 10, title, parts)


def spark(days: Sequence[str], joined: Mapping[str, int], left: Mapping[str, int], title: str) -> Markup:
    """Return who came (up) and who went (down), day by day, in the size of a line of text."""
    width, height = 220, 34
    most = max([*joined.values(), *left.values()], default=0) or 1
    step = width / max(len(days), 1)
    parts = [Markup('<path class="axis" d="M0 17H{}"/>').format(width)]
    for place, one in enumerate(days):
        for counts, css, up in ((joined, "s3", True), (left, "s4", False)):
            tall = 15 * counts.get(one, 0) / most
            if tall:
                parts.append(
                    Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                        css, place * step, 17 - tall if up else 17, max(step * 0.8, 0.8), tall
                    )
                )
    return _svg(width, height, title, parts)


def _scale(most: int) -> tuple[float, list[int]]:
    """Return the top of the axis, and where its lines are: round numbers, four or five of them."""
    if most <= 0:
        return 1.0, []
    rough = most / 4
    size = 10 ** math.floor(math.log10(rough)) if rough >= 1 else 1
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough)
    step = max(1, round(step))
    count = math.ceil(most / step)
    return float(step * count), [step * place for place in range(1, count + 1)]


def _rules(lines: Sequence[int], place: Callable[[float], float]) -> Markup:
    parts = [
        Markup(
            '<path class="rule" d="M{} {:.1f}H{}"/><text class="small" text-anchor="end" x="{}" y="{:.1f}">{}</text>'
        ).format(_LEFT, place(line), _WIDTH - 8, _LEFT - 8, place(line) + 4, number(line))
        for line in lines
    ]
    base = Markup('<path class="axis" d="M{} {:.1f}H{}"/>').format(_LEFT, place(0), _WIDTH - 8)
    return Markup("").join([*parts, base])


def _svg(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}" '
        'xmlns="http://www.w3.org/2000/svg">{}</svg>'
    ).format(title, round(width), round(height), round(width), round(height), Markup("").join(parts))
