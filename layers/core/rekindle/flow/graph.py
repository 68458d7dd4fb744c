"""A flow as a graph: does every way lead somewhere, is every step reached, does every round end, is there time?

Pure, and on `program.Flow`, so that what was stored can be looked at as well as what somebody writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from rekindle.flow.durations import spoken
from rekindle.flow.program import (
    Audience,
    Branch,
    Exit,
    Flow,
    Notify,
    Repeat,
    Send,
    Split,
    Step,
    Wait,
    WaitFor,
    WaitUntil,
)

#: More steps than a person can keep in mind, many times over.
MAX_STEPS = 300
#: The most steps that one run can go through, rounds of repeats included: as many as the engine takes in one go.
MAX_VISITS = 1_000


class Fault(Struct, frozen=True):
    """One thing that is wrong with a graph: at which step (`None`: with the flow as a whole), and the cure."""

    message: str
    step: str | None = None
    hint: str | None = None


def ways(step: Step) -> tuple[str | None, ...]:
    """Return where a step can lead, `None` for the end of the flow. An exit leads nowhere."""
    match step:
        case Exit():
            return ()
        case Branch():
            return (*(arm.to for arm in step.arms), step.otherwise)
        case Split():
            return tuple(way.to for way in step.ways)
        case WaitFor():
            return (step.then, step.otherwise)
        case Repeat():
            return (step.body, step.next)
        case _:
            return (step.next,)


def faults(flow: Flow) -> tuple[Fault, ...]:
    """Return what is wrong with the flow's graph: nothing for what may be published."""
    broken = tuple(_broken(flow))
    if broken:
        # Nothing else can be said of a graph that leads nowhere.
        return broken
    circles = tuple(_circles(flow))
    found = [*_lost(flow), *circles, *_same_ways(flow)]
    if not circles:
        rounds = tuple(_idle(flow))
        found += [*rounds, *(_Times(flow).faults() if not rounds else ())]
    return tuple(found)


def doubts(flow: Flow) -> tuple[Fault, ...]:
    """Return what is allowed, and probably not meant."""
    return tuple(
        Fault("it goes on in the same way whether the event comes or not", step.id, "say then or else, or use wait")
        for step in flow.steps.values()
        if isinstance(step, WaitFor) and step.then == step.otherwise
    )


def _broken(flow: Flow) -> Iterator[Fault]:
    if len(flow.steps) > MAX_STEPS:
        yield Fault(f"the flow has {len(flow.steps)} steps", None, f"keep it under {MAX_STEPS}, or make it two flows")
    if flow.first is not None and flow.first not in flow.steps:
        yield Fault(f"the flow begins with the step '{flow.first}', which is not there")
    for name, step in flow.steps.items():
        if step.id != name:
            yield Fault(f"the step '{name}' calls itself '{step.id}'", name)
        for target in dict.fromkeys(ways(step)):
            if target is not None and target not in flow.steps:
                yield Fault(f"the step '{name}' leads to '{target}', which is not there", name)


def _reached(flow: Flow, start: str | None, *, stop: str | None = None) -> set[str]:
    """Return the steps that can be come to from `start`, it included, without going through `stop`."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name is not None and name != stop and name not in seen:
            seen.add(name)
            todo.extend(ways(flow.steps[name]))
    return seen


def _lost(flow: Flow) -> Iterator[Fault]:
    lost = flow.steps.keys() - _reached(flow, flow.first)
    # One word for a whole stretch: the steps behind the first are not reached because the first is not.
    behind = {target for name in lost for target in ways(flow.steps[name])}
    for name in flow.steps:
        if name in lost and name not in behind:
            yield Fault("this step is never reached", name, "every way before it ends in an exit")


def _circles(flow: Flow) -> Iterator[Fault]:
    """Find circles that no repeat bounds: with the way into each repeat's body taken away there must be none."""
    done: set[str] = set()
    for start in flow.steps:
        path: dict[str, Iterator[str | None]] = {}
        if start not in done:
            path[start] = iter(_onward(flow.steps[start]))
        while path:
            name, onward = next(reversed(path.items()))
            target = next(onward, "")
            if target == "":
                done.add(name)
                del path[name]
            elif target in path:
                yield Fault("the steps go round in a circle without end", target, "use repeat, which is bounded")
            elif target is not None and target not in done:
                path[target] = iter(_onward(flow.steps[target]))


def _onward(step: Step) -> tuple[str | None, ...]:
    return (step.next,) if isinstance(step, Repeat) else ways(step)


def _same_ways(flow: Flow) -> Iterator[Fault]:
    for step in flow.steps.values():
        if isinstance(step, Branch | Split) and len(set(ways(step))) == 1:
            yield Fault("every way leads to the same step", step.id, "give at least one of them steps of its own")


def _idle(flow: Flow) -> Iterator[Fault]:
    for step in flow.steps.values():
        if not isinstance(step, Repeat):
            continue
        body = _reached(flow, step.body, stop=step.id)
        if not any(step.id in ways(flow.steps[name]) for name in body):
            yield Fault("no round ever ends", step.id, "every way through its steps ends in an exit")
        elif not any(
            isinstance(flow.steps[name], Wait | WaitUntil | WaitFor | Send | Audience | Notify) for name in body
        ):
            yield Fault("its rounds neither wait nor send anything", step.id, "put a wait or a message into its steps")


class _Times:
    """How long people have waited at the latest when they come to each step, as far as the flow itself says so."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._rounds: dict[str, tuple[int, int]] = {}

    def faults(self) -> Iterator[Fault]:
        """Tell the first step to which the flow's time-out lets nobody come on some way, and a flow that never ends."""
        flow = self._flow
        latest, visits = self._longest(flow.first, None, 0, 0)
        if visits.get(None, 0) > MAX_VISITS or any(count > MAX_VISITS for count in visits.values()):
            yield Fault(f"its repeats add up to more than {MAX_VISITS} steps", None, "repeat less often")
            return
        for name in flow.steps:
            if name in latest and latest[name] >= flow.timeout:
                needed = max(latest.values())
                yield Fault(
                    f"people who wait longest come here after {spoken(latest[name])}, "
                    f"and the flow's timeout ends their run after {spoken(flow.timeout)}",
                    name,
                    f"say 'timeout: {-(-needed // 86_400) + 1}d' or more, or wait less",
                )
                return

    def _longest(
        self, start: str | None, stop: str | None, seconds: int, visits: int
    ) -> tuple[dict[str, int], dict[str | None, int]]:
        """Return the longest waits, and the most steps, from `start` to each step before `stop`, and to `stop`."""
        latest: dict[str, int] = {}
        counts: dict[str | None, int] = {}
        for name in _in_order(self._flow, start, stop):
            before = latest.setdefault(name, seconds) if name == start else latest[name]
            count = counts.setdefault(name, visits) if name == start else counts[name]
            if name == stop:
                continue
            for target, took, steps in self._moves(name, before, latest, count, counts):
                counts[target] = max(counts.get(target, 0), count + steps)
                if target is not None:
                    latest[target] = max(latest.get(target, 0), before + took)
        return latest, counts

    def _moves(
        self, name: str, before: int, latest: dict[str, int], count: int, counts: dict[str | None, int]
    ) -> Iterable[tuple[str | None, int, int]]:
        step = self._flow.steps[name]
        match step:
            case Wait():
                return ((step.next, 0 if step.amount else step.seconds, 1),)
            case WaitFor():
                return ((step.then, 0, 1), (step.otherwise, step.seconds, 1))
            case Repeat():
                took, steps = self._round(step)
                # The last round is the one that the time-out may cut off.
                inner, within = self._longest(
                    step.body, name, before + took * (step.times - 1), count + steps * (step.times - 1)
                )
                latest.update({inside: moment for inside, moment in inner.items() if inside != name})
                counts.update({inside: number for inside, number in within.items() if inside not in (name, None)})
                return ((step.next, took * step.times, steps * step.times + 1),)
            case _:
                return tuple((target, 0, 1) for target in ways(step))

    def _round(self, step: Repeat) -> tuple[int, int]:
        if step.id not in self._rounds:
            latest, counts = self._longest(step.body, step.id, 0, 1)
            self._rounds[step.id] = latest.get(step.id, 0), counts.get(step.id, 1)
        return self._rounds[step.id]


def _in_order(flow: Flow, start: str | None, stop: str | None) -> Iterable[str]:
    """Return the steps from `start` up to `stop`, each after all that lead to it; bodies of repeats are left out."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str | None) -> None:
        if name is None or name in seen:
            return
        seen.add(name)
        if name != stop:
            for target in _onward(flow.steps[name]):
                visit(target)
        order.append(name)

    visit(start)
    return reversed(order)
