"""The ledger's decisions in plain words: what was decided, by which rule, on which values, on a person's own clock.

Pure. Words never name the flow: whoever shows them does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rekindle.domain.events import EVENT_TYPES
from rekindle.domain.outcome import Decision
from rekindle.domain.preferences import TAKEN_BACK, TOPIC

#: decision → how a person would say it; `because` is its rule, `read` the values that it read
PHRASES: Mapping[str, str] = {
    "entered": "entered{because}",
    "not_entered": "did not enter: {reason}",
    "restarted": "started anew: it was triggered again before anything was sent",
    "gathered": "took in what happened too: it is about {together} things now",
    "waiting": "waits until {until}",
    "held": "holds the next message back until {until}: {rule}",
    "heard": "what it waited for has come{because}",
    "branched": "went on{because}",
    "split": "was sent the way “{rule}” ({share})",
    "repeated": "begins {rule}",
    "planned": "{plan}",
    "skipped": "{skip}: {rule}",
    "set": "{writes}",
    "suppressed": "is given up, because of {rule}: no more marketing by {channel} until they agree to it anew",
    "referred": "was sent by somebody, who is told: {rule}",
    "not_referred": "counts as nobody's friend: {rule}",
    "not_suppressed": "is not given up: {rule}",
    "ended": "{end}: {rule}{read}",
    "joined": "came into the segment {segment}{because}",
    "left_segment": "left the segment {segment}: no longer {rule}{read}",
    "reached": "reached the loyalty tier {rule}{read}",
    "due": "the day has come: {rule} is {date}",
    "chose": "chose {rule}: {choices}",
    "said": "is now {rule}, by {source}",
    "ignored": "{event} changed nothing: {rule}",
    "merged": "turned out to be one person with profile {profile}: {rule}",
    "credited": "order {order} is credited to this message, by its {rule}",
    "error": "a condition failed and counted as false: {rule}",
}

#: Why somebody did not enter: the rule's word, and how a person would say it. `what` follows the word's colon.
REASONS: Mapping[str, str] = {
    "filter": "its filter did not hold: {what}{read}",
    "segment": "not in the segment {what}",
    "key": "{what} is empty, and by it one run is told from the next",
    "imported": "what would have started it came by an import",
    "max_age": "what would have started it is of {occurred_at}, too long ago",
    "window": "it lets people in {open}, by the shop's clock",
    "already inside": "already inside{keyed}",
    "at_once": "{inside} of its runs are under way, and it allows no more at once",
    "entered before": "entered before, {at}{keyed}",
    "entered within the hour": "entered at {at}{keyed}: what flows bring about lets nobody in twice within the hour",
    "holdout": "held out: {share} of people never enter, so that what it brings can be measured",
}

_ENDS = {
    "converted": "reached its goal",
    "finished": "came to its end",
    "exited": "was taken out",
    "timed_out": "ran out of time",
}
_FREQUENCIES = {
    "everything": "whatever comes",
    "weekly": "at most one message a week",
    "monthly": "at most one message a month",
}
_SAID_ALREADY = frozenset({"segment", "as"})
_MESSAGES = {"email": "the mail", "sms": "the text message", "push": "the push message"}


def phrase(decision: Decision, zone: ZoneInfo) -> str:
    """Return one decision as a person would say it; times are of `zone`."""
    values = {name: _said(value, zone) for name, value in decision.values.items()}
    read = ", ".join(f"{name} = {value}" for name, value in values.items() if name not in _SAID_ALREADY)
    known: dict[str, Any] = {**values, "rule": decision.rule, "read": f" [{read}]" if read else ""}
    known["because"] = _because(decision.rule) + known["read"]
    match decision.what:
        case "branched" if decision.rule == "else":
            known["because"] = ": none of its conditions held"
        case "not_entered":
            known["reason"] = _reason(decision.rule, known)
        case "planned":
            known["plan"] = _plan(decision)
        case "skipped":
            known["skip"] = _skip(decision)
        case "chose":
            known["choices"] = ", ".join(choices(decision.values, zone))
        case "set":
            known["writes"] = _writes(decision.values)
        case "ended":
            known["end"] = _ENDS.get(str(decision.values.get("as")), "ended")
        case _:
            pass
    template = PHRASES.get(decision.what, decision.what.replace("_", " ") + ": {rule}{read}")
    return template.format_map(defaultdict(str, known))


def moment(when: datetime, zone: ZoneInfo) -> str:
    """Return a moment as that zone's clock shows it."""
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M}"


def choices(values: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    """Yield what somebody chose of how they want to be written to, as the ledger keeps it, in words."""
    for name, value in values.items():
        topic = name.removeprefix(TOPIC)
        if topic != name:
            yield f"the topic {topic} {'on' if value else 'off'}"
        elif name == "frequency":
            yield _FREQUENCIES.get(str(value), str(value))
        elif name == "language":
            yield f"the language {value}"
        else:
            yield "no pause any longer" if value == TAKEN_BACK else f"a pause until {_said(value, zone)}"


def _reason(rule: str, known: Mapping[str, Any]) -> str:
    word, _, what = rule.partition(": ")
    if word not in REASONS:
        return rule
    opens, closes = known.get("opens", "nothing"), known.get("closes", "nothing")
    window = [f"from {opens}"] * (opens != "nothing") + [f"until {closes}"] * (closes != "nothing")
    key = known.get("key", "nothing")
    details = {**known, "what": what, "open": " ".join(window), "keyed": "" if key == "nothing" else f" for {key}"}
    return REASONS[word].format_map(defaultdict(str, details))


def _because(rule: str) -> str:
    return f": {rule} came" if rule in EVENT_TYPES else f", because {rule}"


def _plan(decision: Decision) -> str:
    template = decision.values.get("template", "")
    if decision.values.get("to") == "shop":
        return f"the shop is to get the mail {template}"
    if decision.rule in ("add", "remove"):
        return f"is to be {'put on' if decision.rule == 'add' else 'taken off'} the audience {template}"
    return f"is to get {_MESSAGES.get(decision.rule, 'the message')} {template}"


def _skip(decision: Decision) -> str:
    values = decision.values
    if "audience" in values:
        done = "taken off" if values.get("action") == "remove" else "put on"
        return f"is not {done} the audience {values['audience']}"
    message = _MESSAGES.get(str(values.get("channel", "email")), "the message")
    return f"does not get {message} {values.get('template', '')}"


def _writes(values: Mapping[str, Any]) -> str:
    done = []
    for name, value in values.items():
        tag = name.removeprefix("tag ")
        if tag != name:
            done.append(f"{'put on' if value else 'took off'} the tag {tag}")
        else:
            done.append(f"took {name} back" if value is None else f"set {name} = {_said(value, ZoneInfo('UTC'))}")
    return ", ".join(done)


def _said(value: Any, zone: ZoneInfo) -> str:
    """Return a value as people write it: nothing, yes, a list, a moment on that zone's clock."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(_said(each, zone) for each in value) or "nothing"
        case datetime():
            return moment(value, zone)
        case str():
            return _as_moment(value, zone)
        case _:
            return str(value)


def _as_moment(text: str, zone: ZoneInfo) -> str:
    # The ledger keeps values as JSON: a moment comes back as its text.
    try:
        read = datetime.fromisoformat(text) if "T" in text or " " in text else None
    except ValueError:
        return text
    return moment(read, zone) if read is not None and read.tzinfo is not None else text
