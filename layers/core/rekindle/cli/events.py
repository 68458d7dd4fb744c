"""Events as people read them: every field is there, and what is not known is null."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from rekindle.domain.events import Event


def shown(event: Event) -> dict[str, Any]:
    """Return the event for printing: `who` and `data` with all their fields, `person` and `problems` where present."""
    told: dict[str, Any] = {
        "id": event.id,
        "type": event.type,
        "shop": event.shop,
        "occurred_at": event.occurred_at,
        "who": _fields(event.who),
    }
    if event.person is not None:
        told["person"] = _fields(event.person)
    told["data"] = _fields(event.data)
    if event.problems:
        told["problems"] = event.problems
    return told


def as_json(value: Any) -> str:
    """Return indented JSON; money is exact text, times are ISO 8601 in UTC."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _fields(value: Any) -> Any:
    if isinstance(value, Struct):
        tag = value.__struct_config__.tag
        named = {} if tag is None else {"type": tag}
        return named | {name: _fields(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_fields(each) for each in value]
    return value
