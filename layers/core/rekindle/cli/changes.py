"""What differs between two sets of content, in lines that a marketer reads. Pure.

Steps are told apart by what they do, not by their ids: a wait that is put in at the beginning is one new step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rekindle.cli.report import words
from rekindle.content.media import Asset
from rekindle.content.playbook import Mails
from rekindle.domain.words import counted
from rekindle.flow.durations import spoken
from rekindle.flow.graph import ways
from rekindle.flow.program import Branch, Flow, OnDate, OnSchedule, Playbook, Rule, Send, Split, Step

Kind = Literal["flow", "segment", "mail", "sms", "push", "offer", "shop", "manners", "brand", "asset"]
How = Literal["added", "removed", "changed"]

_LINKS = frozenset({"id", "next", "then", "otherwise", "body"})
_DERIVED = frozenset({"name", "version", "steps", "first", "asks", "inputs", "needs", "unique_key", "hash"})
_SECONDS = frozenset({"seconds", "valid_seconds", "max_age", "timeout", "again"})
_LABELS = {"seconds": "length", "valid_seconds": "valid_for"}
#: So many lines of a text, and so many letters of a value, are shown.
_MOST_LINES, _MOST_LETTERS = 12, 160


class Change(Struct, frozen=True, kw_only=True):
    """One thing that differs. `details` says in what, a line each; `templates` are the messages that a flow sends."""

    kind: Kind
    name: str
    how: How
    details: tuple[str, ...] = ()


def changes(before: tuple[Playbook, Mails], after: tuple[Playbook, Mails]) -> list[Change]:
    """Return what differs, flows first, each kind by name."""
    (old, old_mails), (new, new_mails) = before, after
    found = [
        *_compared("flow", old.flows, new.flows),
        *_compared("segment", old.segments, new.segments),
        *_compared("mail", old_mails.templates, new_mails.templates),
        *_compared("sms", old_mails.sms, new_mails.sms),
        *_compared("push", old_mails.push, new_mails.push),
        *_compared("offer", old.offers, new.offers),
        *_compared("shop", old.shops, new.shops),
        *_compared("manners", {"manners": old.manners}, {"manners": new.manners}),
        *_compared("asset", old_mails.assets, new_mails.assets),
        *_compared("brand", {"brand": old_mails.brand}, {"brand": new_mails.brand}),
    ]
    return [one for one in found if one.how != "changed" or one.details]


def senders(books: tuple[Playbook, ...], channel: str, template: str) -> set[str]:
    """Return the flows that send this."""
    return {
        flow.name
        for book in books
        for flow in book.flows.values()
        for step in flow.steps.values()
        if isinstance(step, Send) and (step.channel, step.template) == (channel, template)
    }


def _compared(kind: Kind, old: Mapping[str, Struct], new: Mapping[str, Struct]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one is None and other is not None:
            yield Change(kind=kind, name=name, how="added", details=tuple(_outline(other)))
        elif other is None:
            yield Change(kind=kind, name=name, how="removed")
        elif one != other and one is not None:
            yield Change(kind=kind, name=name, how="changed", details=tuple(_differences(one, other)))


def _outline(part: Struct) -> Iterator[str]:
    if isinstance(part, Flow):
        yield f"starts: {words.triggers(part)}"
        for step in in_order(part):
            yield f"+ {_step(step)}"


def _differences(one: Struct, other: Struct) -> Iterator[str]:
    told = list(_fields(_plain(one), _plain(other)))
    yield from told
    if isinstance(one, Asset) and not told:
        yield "another file of the same size"
    if isinstance(one, Flow) and isinstance(other, Flow):
        steps = list(_steps(in_order(one), in_order(other)))
        yield from steps
        if not told and not steps and one.version != other.version:
            yield "the steps are the same, and lead to one another in another way"


def in_order(flow: Flow) -> list[Step]:
    """Return the steps that can be reached, each after one that leads to it, first ways first."""
    found: dict[str, Step] = {}
    left = [flow.first]
    while left:
        name = left.pop()
        if name is not None and name in flow.steps and name not in found:
            found[name] = flow.steps[name]
            left.extend(reversed(ways(found[name])))
    return list(found.values())


def _steps(old: list[Step], new: list[Step]) -> Iterator[str]:
    keys, others = ([msgspec.json.encode(_deed(step), order="sorted") for step in steps] for steps in (old, new))
    for what, i1, i2, j1, j2 in difflib.SequenceMatcher(a=keys, b=others, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        gone, come = old[i1:i2], new[j1:j2]
        for step in gone:
            same = next((one for one in come if type(one) is type(step)), None)
            if same is None:
                yield f"− {_step(step)}"
                continue
            for added in come[: come.index(same)]:
                yield f"+ {_step(added)}"
            come = come[come.index(same) + 1 :]
            for line in _fields(_deed(step), _deed(same)):
                yield f"{same.id}: {line}"
        for step in come:
            yield f"+ {_step(step)}"


def _deed(step: Step) -> dict[str, Any]:
    """Return what a step does, whatever it is called and wherever it leads."""
    if isinstance(step, Branch):
        return {"conditions": [arm.when for arm in step.arms], "otherwise": step.otherwise is not None}
    if isinstance(step, Split):
        return {"ways": [f"{way.name} {way.share}" for way in step.ways]}
    plain = {name: value for name, value in msgspec.to_builtins(step).items() if name not in _LINKS}
    return {name: value for name, value in plain.items() if value is not None}


def _step(step: Step) -> str:
    does, small = words.step(step)
    return f"{step.id}: {does}{f' ({small})' if small else ''}"


def _plain(part: Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(part)
    if isinstance(part, Flow):
        plain["triggers"] = [_trigger(one) for one in part.triggers]
        plain["goal"] = [_trigger(one) for one in part.goal]
        plain["exit_on"] = [_trigger(one) for one in part.exit_on]
    return {name: value for name, value in plain.items() if name not in _DERIVED}


def _trigger(one: Rule | OnDate | OnSchedule) -> str:
    said, when = words.trigger(one)
    return f"{said} and {when}" if when else said


def _fields(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        label = f"{path}{_LABELS.get(name, name)}"
        if isinstance(one, dict) or isinstance(other, dict):
            yield from _fields(one or {}, other or {}, f"{label}.")
        elif isinstance(one, str) and isinstance(other, str) and "\n" in one.strip() + other.strip():
            yield from _text(label, one, other)
        else:
            yield f"{label}: {_said(name, one)} → {_said(name, other)}"


def _text(label: str, one: str, other: str) -> Iterator[str]:
    lines = [
        line
        for line in difflib.unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@")) and line[1:].strip()
    ]
    yield f"{label}: {counted(len(lines), 'line')} differ{'s' if len(lines) == 1 else ''}"
    if "html" in label:
        return
    for line in lines[:_MOST_LINES]:
        yield f"    {line[0].replace('-', '−')} {_short(line[1:].strip())}"
    if len(lines) > _MOST_LINES:
        yield "    …"


def _said(name: str, value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            return "nothing"
        case bool():
            return "on" if value else "off"
        case int() if name == "holdout":
            return f"{value / 100:g} %"
        case int() if name in _SECONDS:
            return spoken(value)
        case list():
            return _short("; ".join(_said("", each) for each in value))
        case dict():
            return _short(", ".join(f"{key} {_said(key, each)}" for key, each in value.items()))
        case _:
            return _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
