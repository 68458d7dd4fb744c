"""How runs end: by goal, by exit rule, by time, or because their flow is gone. Pure.

Everything that changes a run's status goes through `end` and `TRANSITIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.profile import Run, RunStatus
from rekindle.domain.results import one
from rekindle.flow.attribution import label_of, reach_goal
from rekindle.flow.program import Rule
from rekindle.flow.turn import Turn

Signal = Literal["goal", "exit", "end", "timeout", "merged", "removed"]

#: What ends a run, and as what. Only an active run can end; an ended one stays as it is.
TRANSITIONS: Mapping[tuple[RunStatus, Signal], RunStatus] = {
    ("active", "goal"): "converted",
    ("active", "exit"): "exited",
    ("active", "end"): "finished",
    ("active", "timeout"): "timed_out",
    ("active", "merged"): "exited",
    ("active", "removed"): "exited",
}


def end(turn: Turn, run: Run, signal: Signal, rule: str, values: Mapping[str, Any] | None = None) -> None:
    """End an active run; `rule` is what said so."""
    status = TRANSITIONS[run.status, signal]
    ended = replace(run, status=status, ended_at=turn.at, ended_by=rule, resume_at=None)
    turn.put(ended)
    if signal == "exit" and not run.messages:
        _void(turn, run)
    turn.counts.append(one(label_of(turn, ended, ended.entered_at), status))
    if signal == "goal":
        reach_goal(turn, run.flow)
    turn.decide("ended", rule, run=ended, values={"as": status, **(values or {})})


def _void(turn: Turn, run: Run) -> None:
    """Let the person in again: a basket that was emptied and filled once more is a basket like any other."""
    entries = turn.profile.entries.get(run.flow, {})
    known = entries.get(run.key or "")
    if known is not None:
        entries = {**entries, run.key or "": replace(known, void=True)}
        turn.change(entries={**turn.profile.entries, run.flow: entries})


def end_by_rule(turn: Turn, run: Run, told: Event) -> None:
    """End the run if this event is its goal or one of its exits; the goal counts first."""
    flow = turn.flow_of(run)
    signals: tuple[tuple[Signal, tuple[Rule, ...]], ...] = (("goal", flow.goal), ("exit", flow.exit_on))
    for signal, rules in signals:
        for rule in rules:
            if rule.event != told.type:
                continue
            names = turn.names(told.data, run)
            if turn.true(rule.when, names, run=run):
                end(turn, run, signal, rule.when or rule.event, turn.read(rule.when, names))
                return


def end_removed(turn: Turn) -> None:
    """End the runs of flows whose file is gone, where the file had said so."""
    for run in turn.active():
        if run.flow not in turn.playbook.flows and turn.flow_of(run).removed == "end":
            end(turn, run, "removed", "the flow was removed")
