"""Traits: which have a meaning, what may stand in one, and which telling of one holds.

Pure. A trait is what was learned or decided about a person beside what the shop says. A profile holds at most
`MAX_TRAITS`; the oldest go first, and those that Rekindle gives a meaning to never.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from rekindle.domain.profile import Trait, TraitValue

TraitKind = Literal["text", "list", "date", "number", "flag"]

#: Traits that Rekindle itself gives a meaning to, and what stands in them. All others are the shop's own.
STANDARD_TRAITS: dict[str, Literal["text", "list", "date"]] = {
    "birthday": "date",
    "gender": "text",
    "interests": "list",
    "preferred_reward": "text",
}

MAX_TRAITS = 200
#: Characters of a name, of a text; entries of a list.
MAX_NAME, MAX_TEXT, MAX_LIST = 100, 500, 50

_FIRST_YEAR = 1900
_LEAP_YEAR = 2000
#: Every number below is one that JSON carries exactly, and counts something; neither infinity nor NaN is below.
_TOO_LARGE = 1e15
_DAY = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ].*)?")
_DAY_WITHOUT_YEAR = re.compile(r"--(\d{2})-?(\d{2})")
_FLAGS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)


def later_trait(one: Trait, two: Trait) -> Trait:
    """Return the one that holds: the newer; of two tellings of one moment always the same; `one` if they are equal."""
    return two if _age(two) > _age(one) else one


def with_traits(known: Mapping[str, Trait], news: Mapping[str, Trait]) -> dict[str, Trait]:
    """Return what is known after these tellings, whatever the order in which they came."""
    traits = dict(known)
    for name, trait in news.items():
        traits[name] = later_trait(traits[name], trait) if name in traits else trait
    while len(traits) > MAX_TRAITS:
        del traits[min(traits, key=lambda name: (name in STANDARD_TRAITS, traits[name].at, name))]
    return traits


def kind_of(name: str, known: Trait | None) -> TraitKind | None:
    """Return what stands in this trait: what its name says, else what stands there now; `None` where nothing does."""
    if name in STANDARD_TRAITS:
        return STANDARD_TRAITS[name]
    match known.value if known is not None else None:
        case bool():
            return "flag"
        case int() | float():
            return "number"
        case tuple():
            return "list"
        case str():
            return "text"
        case _:
            return None


def fitted(told: TraitValue, kind: TraitKind | None, when: datetime) -> tuple[TraitValue | None, str | None]:
    """Return what was told as this kind of value, cut to its bounds, and what is wrong with it where it cannot be.

    Without a kind any value will do. A birthday becomes `YYYY-MM-DD`, or `--MM-DD` without its year; `when` is when it
    was told: one that lies ahead is none. An empty text or list is nothing told: no value, and nothing wrong.
    """
    told = _bounded(told)
    if told in ("", ()):
        return None, None
    found, problem = (told, "not a number") if kind is None else (_FITS[kind](told, when), _PROBLEMS[kind])
    if found is None or (isinstance(found, (int, float)) and not abs(found) < _TOO_LARGE):
        return None, problem
    return found, None


def birthday(text: str, today: date) -> str | None:
    """Return a birthday as ISO 8601 writes it, `YYYY-MM-DD`, or `--MM-DD` where the year is not known (year 0).

    `None` where it is no day, is ambiguous (`04/05/1990`), or nobody alive can have been born on it.
    """
    text = text.strip()
    without = _DAY_WITHOUT_YEAR.fullmatch(text)
    found = _DAY.fullmatch(text)
    if without:
        year, month, day = 0, int(without[1]), int(without[2])
    elif found:
        year, month, day = int(found[1]), int(found[3]), int(found[4])
    else:
        return None
    try:
        born = date(year or _LEAP_YEAR, month, day)
    except ValueError:
        return None
    if not year:
        return f"--{born:%m-%d}"
    return born.isoformat() if year >= _FIRST_YEAR and born <= today else None


def _age(trait: Trait) -> tuple[datetime, bytes]:
    return trait.at, msgspec.json.encode(trait.value)


def _bounded(told: TraitValue) -> TraitValue:
    if isinstance(told, tuple):
        return tuple(dict.fromkeys(text for each in told if (text := _cut(each))))[:MAX_LIST]
    return _cut(told) if isinstance(told, str) else told


def _cut(text: str) -> str:
    return text.strip()[:MAX_TEXT].rstrip()


def _date(told: TraitValue, when: datetime) -> str | None:
    return birthday(told, when.date()) if isinstance(told, str) else None


def _text(told: TraitValue, _when: datetime) -> str | None:
    if isinstance(told, tuple):
        return told[0] if len(told) == 1 else None
    return str(told)


def _list(told: TraitValue, _when: datetime) -> tuple[str, ...] | None:
    if isinstance(told, tuple):
        return told
    return (told,) if isinstance(told, str) else None


def _number(told: TraitValue, _when: datetime) -> int | float | None:
    if isinstance(told, (bool, tuple)):
        return None
    try:
        number = float(told)
    except (ValueError, OverflowError):
        return None
    if isinstance(told, (int, float)):
        return told
    return int(number) if number.is_integer() else number


def _flag(told: TraitValue, _when: datetime) -> bool | None:
    return told if isinstance(told, bool) else _FLAGS.get(str(told).casefold())


_FITS: dict[TraitKind, Callable[[TraitValue, datetime], TraitValue | None]] = {
    "date": _date,
    "text": _text,
    "list": _list,
    "number": _number,
    "flag": _flag,
}
_PROBLEMS: dict[TraitKind, str] = {
    "date": "not a day that can be a birthday",
    "text": "more than one answer",
    "list": "not a list",
    "number": "not a number",
    "flag": "neither yes nor no",
}
