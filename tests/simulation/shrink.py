"""From a world that fails to the smallest one that fails in the same way: fewer happenings, fewer choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from tests.simulation.run import Plan
from tests.simulation.schedule import Choice
from tests.simulation.story import Happening

_Item = TypeVar("_Item")
_MAX_TRIES = 1_500


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Return a plan of which nothing can be left out, one piece at a time, without that it ceases to fail."""
    tries = 0

    def still(candidate: Plan) -> bool:
        nonlocal tries
        tries += 1
        return tries <= _MAX_TRIES and fails(candidate)

    def with_choices(choices: Sequence[Choice]) -> Plan:
        return Plan(plan.story, tuple(choices))

    def with_happenings(happenings: Sequence[Happening]) -> Plan:
        return Plan(replace(plan.story, happenings=tuple(happenings)), plan.choices)

    before = None
    while plan != before:
        before = plan
        plan = with_choices(_fewest(plan.choices, lambda kept: still(with_choices(kept))))
        plan = with_happenings(_fewest(plan.story.happenings, lambda kept: still(with_happenings(kept))))
        for person in plan.story.habits:
            habits = {name: habit for name, habit in plan.story.habits.items() if name != person}
            simpler = Plan(replace(plan.story, habits=habits), plan.choices)
            plan = simpler if still(simpler) else plan
    return plan


def _fewest(items: Sequence[_Item], fails: Callable[[Sequence[_Item]], bool]) -> Sequence[_Item]:
    """Leave out ever smaller pieces, from halves to single items, as long as it still fails."""
    size = max(1, len(items) // 2)
    while items:
        place = 0
        while place < len(items):
            kept = [*items[:place], *items[place + size :]]
            if fails(kept):
                items = kept
            else:
                place += size
        if size == 1:
            return items
        size //= 2
    return items
