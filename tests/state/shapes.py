"""What is stored, type by type: which types, what each of them looks like, one value of each with everything set."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct

from rekindle import ports
from rekindle.content import links, playbook, sites
from rekindle.content.pages import settings as page_settings
from rekindle.domain import events, facts, offers, outcome, profile, results, shelves
from rekindle.flow import program
from rekindle.service import campaigns, fanout, receipts, reconcile, sets, stops
from tests.support.build import T0

__all__ = ["ROOTS", "full", "shapes"]

#: Name → the type of everything that lies in a table, a bucket or on a queue as JSON, or in a link.
ROOTS: Mapping[str, Any] = {
    "profile": profile.Profile,
    "tombstone": profile.Tombstone,
    "event": events.Event,
    "delivery": events.Delivery,
    "suppression": events.Suppression,
    "decision": outcome.Decision,
    "count": results.Count,
    "pending": ports.Pending,
    "message": ports.Message,
    "product": facts.Product,
    "near": shelves.Near,
    "shelf": shelves.Shelf,
    "coupon": offers.Coupon,
    "stock": ports.Stock,
    "tally": ports.Tally,
    "pause": ports.Pause,
    "queue/wake": ports.Wake,
    "queue/parcel": ports.Parcel,
    "queue/shard": ports.ShardTask,
    "queue/catalogue bought": ports.Bought,
    "queue/catalogue reshelve": ports.Reshelve,
    "queue/catalogue stocked": ports.Stocked,
    "queue/catalogue news": ports.News,
    "queue/reaction": ports.Reaction,
    "queue/privacy": ports.PrivacyTask,
    "queue/look": ports.Look,
    "file/pointer": sets.Pointer,
    "file/history": sets.Line,
    "file/flow": program.Flow,
    "file/playbook": program.Playbook,
    "file/mails": playbook.Mails,
    "file/pages": page_settings.PageSettings,
    "file/site": sites.Site,
    "file/campaign": campaigns.Started,
    "file/stop": stops.Stop,
    "file/pass": fanout.Pass,
    "file/shard": fanout.Progress,
    "file/reconcile": reconcile.Marks,
    "file/receipt": receipts.Receipt,
    "link/unsubscribe": links.Unsubscribe,
    "link/preferences": links.Preferences,
    "link/form": links.FormLink,
    "link/confirm": links.Confirm,
    "link/visit": links.Visit,
}

#: What a text is made of, where something reads more from it than that it is one.
_TEXTS = {"email": "ada@example.com", "phone": "+31612345678", "locale": "nl", "zone": "Europe/Amsterdam"}
_ID = "a1" * 16


def structs(kind: Any) -> Iterator[type[Struct]]:
    """Yield every struct that a type is made of, the type itself first, each once."""
    seen: set[Any] = set()
    waiting = [kind]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if isinstance(one, type) and issubclass(one, Struct):
            yield one
            waiting += [hint for name, hint in _hints(one).items() if name not in _NEVER_STORED]
        waiting += [part for part in get_args(one) if not isinstance(part, str)]


#: Fields that are put back in their places, and never stored.
_NEVER_STORED = {"unread"}


def shapes() -> dict[str, dict[str, str]]:
    """Return type → field, as it is stored → its type and default, of everything in `ROOTS`."""
    found = {}
    for root in ROOTS.values():
        for kind in structs(root):
            found[f"{kind.__module__.removeprefix('rekindle.')}.{kind.__qualname__}"] = _shape(kind)
    found["domain.facts.Fact"] = {kind.__name__: "a fact" for kind in get_args(facts.Fact)}
    return dict(sorted(found.items()))


def clashes(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return what of the earlier shapes is no longer so: then what was stored would be read as something else.

    A type may have new fields, which have a default; a field may take more than it did. All else is a clash.
    """
    found = []
    for kind, fields in before.items():
        if kind not in now:
            found.append(f"{kind} is gone")
            continue
        found += [f"{kind}.{name}: {hint}" for name, hint in fields.items() if not _takes(now[kind].get(name), hint)]
        new = {name: hint for name, hint in now[kind].items() if name not in fields}
        found += [
            f"{kind}.{name} has no default"
            for name, hint in new.items()
            if " = " not in hint and kind != "domain.facts.Fact"
        ]
    return found


def _takes(now: str | None, before: str) -> bool:
    """Whether a field's type takes all that it took, and what was left out means the same."""
    if now is None:
        return False
    (kind, _, default), (kind_before, _, default_before) = now.partition(" = "), before.partition(" = ")
    return default == default_before and _parts(kind_before) <= _parts(kind)


def _parts(kind: str) -> set[str]:
    if kind.startswith("one of "):
        return set(kind.removeprefix("one of ").split(", "))
    return set(kind.split(" | "))


def _shape(kind: type[Struct]) -> dict[str, str]:
    hints, config = _hints(kind), kind.__struct_config__
    shape = {} if config.tag is None else {"(tag)": str(config.tag)}
    for place, field in enumerate(msgspec.structs.fields(kind)):
        if field.name not in _NEVER_STORED:
            # What is stored as a list has its fields by their place.
            name = f"{place:02d} {field.name}" if config.array_like else field.encode_name
            shape[name] = _written(hints[field.name]) + _default(field)
    return shape


def _default(field: Any) -> str:
    if field.default is not NODEFAULT:
        value = field.default
        return f" = {msgspec.json.encode(value).decode()}"
    if field.default_factory is not NODEFAULT:
        return f" = {msgspec.json.encode(field.default_factory()).decode()}"
    return ""


def _written(hint: Any) -> str:
    """Return a type as one reads it; structs by their name alone, for they stand in the list themselves."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        told = set(args) - {types.NoneType}
        names = ["Fact"] if told == set(get_args(facts.Fact)) else [_written(one) for one in told]
        return " | ".join(sorted([*names, *(["nothing"] if types.NoneType in args else [])]))
    if origin is Literal:
        return f"one of {', '.join(sorted(map(str, args)))}"
    if origin is not None:
        return f"{origin.__name__}[{', '.join('…' if one is ... else _written(one) for one in args)}]"
    return getattr(hint, "__name__", str(hint))


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in kind.__struct_fields__}


def full(kind: Any, name: str = "") -> Any:
    """Return a value of this type with every field set, and none to its default where there is a choice."""
    origin, args = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Struct):
        fields = [field for field in msgspec.structs.fields(kind) if field.name not in _NEVER_STORED]
        hints = _hints(kind)
        return kind(
            **{
                field.name: (not field.default)
                if isinstance(field.default, bool)
                else full(hints[field.name], field.name)
                for field in fields
            }
        )
    if origin in (Union, types.UnionType):
        return full(next(one for one in args if one is not type(None)), name)
    if origin is Literal:
        return args[-1]
    if origin is tuple:
        inner = args[:1] if args[-1] is ... else args
        return tuple(full(one, name) for one in inner)
    if origin is frozenset:
        return frozenset({full(args[0], name)})
    if origin is list:
        return [full(args[0], name)]
    if origin in (dict, Mapping) or getattr(origin, "__name__", "") == "Mapping":
        return {str(full(args[0], "key")): full(args[1], name)}
    return _plain(kind, name)


def _plain(kind: Any, name: str) -> Any:
    values: dict[Any, Any] = {
        str: _TEXTS.get(name, _ID if name == "id" or name.endswith("_id") or name in {"message", "profile"} else name),
        int: 3,
        float: 2.5,
        bool: True,
        bytes: b"body",
        Decimal: Decimal("12.34"),
        datetime: T0,
        date: T0.date(),
        timedelta: timedelta(hours=3),
        Any: name,
        object: name,
    }
    return values[kind]
