"""A flow drawn as a graph: every step and way is there, in order, and nothing lies on top of anything."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations, count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rekindle.cli.report import graph, words
from rekindle.flow.program import Arm, Branch, Exit, Flow, OnSchedule, Rule, Send, Split, Step, Wait, WaitFor, Way
from rekindle.service.simulation.replay import ways
from tests.support.build import CART, flow_of

_SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]


def boxes(picture: str, css: str) -> list[Box]:
    """Return left, top, right, bottom of every box of that class."""
    root = ET.fromstring(picture)  # noqa: S314 - our own picture
    found = []
    for rect in root.iter(f"{_SVG}rect"):
        if rect.get("class") == css:
            left, top = float(rect.get("x", 0)), float(rect.get("y", 0))
            found.append((left, top, left + float(rect.get("width", 0)), top + float(rect.get("height", 0))))
    return found


def texts(picture: str) -> str:
    return " ".join("".join(text.itertext()) for text in ET.fromstring(picture).iter(f"{_SVG}text"))  # noqa: S314


def apart(one: Box, two: Box) -> bool:
    return one[2] <= two[0] + 0.2 or two[2] <= one[0] + 0.2 or one[3] <= two[1] + 0.2 or two[3] <= one[1] + 0.2


_KINDS = st.sampled_from(("branch", "split", "wait_for"))
_trees = st.recursive(
    st.sampled_from(("wait", "send", "exit")),
    lambda inner: st.tuples(_KINDS, st.lists(st.lists(inner, max_size=3), min_size=2, max_size=3)),
    max_leaves=14,
)


def flow_from(tree: list[object]) -> Flow:
    """Return a flow of these nested steps."""
    steps: dict[str, Step] = {}
    numbers = count(1)

    def chain(parts: list[object], after: str | None) -> str | None:
        for part in reversed(parts):
            after = build(part, after)
        return after

    def build(part: object, after: str | None) -> str:
        name = f"s{next(numbers)}"
        step: Step
        if isinstance(part, tuple):
            kind, several = part
            to = [chain(one, after) for one in several]
            if kind == "split":
                step = Split(id=name, ways=tuple(Way(f"w{place}", 1, one) for place, one in enumerate(to)))
            elif kind == "branch":
                step = Branch(id=name, arms=tuple(Arm("profile.orders > 1", one) for one in to[:-1]), otherwise=to[-1])
            else:
                step = WaitFor(id=name, event="order.placed", seconds=3_600, then=to[0], otherwise=to[1])
        elif part == "wait":
            step = Wait(id=name, seconds=3_600, next=after)
        elif part == "send":
            step = Send(id=name, channel="email", template=name, category="marketing", valid_seconds=3_600, next=after)
        else:
            step = Exit(id=name)
        steps[name] = step
        return name

    first = chain(tree, None)
    return Flow(name="drawn", triggers=(Rule(event="order.placed"),), first=first, steps=steps)


@settings(max_examples=150, deadline=None)
@given(st.lists(_trees, max_size=4))
def test_boxes_and_labels_never_overlap(tree: list[object]) -> None:
    """Law: whatever the flow, every reachable step is one box, and no box or label lies on another."""
    flow = flow_from(tree)
    passed = {("", ""): 10} | {(step.id, way): 5 for step in flow.steps.values() for way, _ in ways(step)}
    picture = graph.draw(flow, passed)
    nodes = boxes(picture, "box")
    reachable, waiting = set(), [flow.first] if flow.first else []
    while waiting:
        step = waiting.pop()
        if step not in reachable:
            reachable.add(step)
            waiting += [to for _, to in ways(flow.steps[step]) if to]
    ends = flow.first is None or any(to is None for step in reachable for _, to in ways(flow.steps[step]))
    assert len(nodes) == len(reachable) + 1 + ends
    for one, two in combinations([*nodes, *boxes(picture, "pill")], 2):
        assert apart(one, two), (one, two)


def test_counts_and_shares_stand_on_the_ways() -> None:
    passed = {("", ""): 200, ("wait-1", ""): 150}
    told = texts(graph.draw(CART, passed))
    assert "200" in told
    assert "150 · 75 %" in told
    assert "if not run.clicked" in told
    assert "E-mail cart-reminder-2" in told


def test_without_counts_it_is_the_flow_alone() -> None:
    picture = graph.draw(CART)
    assert "%" not in texts(picture)
    assert len(boxes(picture, "box")) == len(CART.steps) + 2


def test_steps_come_from_top_to_bottom_and_ways_from_left_to_right() -> None:
    flow = flow_of(
        """
        trigger: {event: order.placed}
        steps:
          - split:
              - {share: 1, name: one, steps: [{email: left}]}
              - {share: 1, name: two, steps: [{email: right}]}
          - email: last
        """
    )
    picture = graph.draw(flow)
    at = {
        "".join(text.itertext()): (float(text.get("x", 0)), float(text.get("y", 0)))
        for text in ET.fromstring(picture).iter(f"{_SVG}text")  # noqa: S314
        if text.get("class") == "t"
    }
    assert at["E-mail left"][0] < at["E-mail right"][0]
    assert at["Split by chance"][1] < at["E-mail left"][1] < at["E-mail last"][1]


def test_a_round_leads_back_to_its_repeat() -> None:
    flow = flow_of(
        """
        trigger: {event: order.placed}
        steps:
          - repeat: {times: 3}
            steps: [{email: nudge}, {wait: 1d}]
          - email: last
        """
    )
    picture = graph.draw(flow, {("", ""): 3, ("repeat-1", "again"): 9})
    assert "once more" in texts(picture)
    for one, two in combinations([*boxes(picture, "box"), *boxes(picture, "pill")], 2):
        assert apart(one, two)
    assert len(re.findall(r'class="way', picture)) == 6


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3_600, "1 hour"), (5_400, "1 hour 30 minutes"), (86_400, "1 day"), (1_209_600, "2 weeks"), (0, "no time")],
)
def test_durations_in_words(seconds: int, said: str) -> None:
    assert words.span(seconds) == said


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"once": "2026-10-20T10:00"}, "once, on 20 October 2026 at 10:00"),
        ({"holiday": "black-friday", "offset": -4}, "4 days before Black Friday, at 10:00"),
        ({"holiday": "christmas", "offset": 1, "at": "09:00"}, "1 day after Christmas, at 09:00"),
        ({"cron": "0 10 8,22 * *"}, "on day 8 and 22 of each month, at 10:00"),
        ({"cron": "0 10 * * thu"}, "every Thu, at 10:00"),
        ({"cron": "5 9 * * *"}, "every day, at 09:05"),
        ({"cron": "*/5 9 1 * mon"}, "cron */5 9 1 * mon"),
        (
            {"cron": "0 10 1 * *", "zone": "recipient"},
            "on day 1 of each month, at 10:00, by each recipient's own clock",
        ),
    ],
)
def test_when_a_campaign_comes_is_said_as_people_say_it(schedule: dict[str, Any], said: str) -> None:
    assert words.trigger(OnSchedule(**schedule))[0] == f"Campaign: {said}"
