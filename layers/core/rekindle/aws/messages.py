"""The message item: its lease, its outcome, what became of it. While it is open it stands in the `open` index."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import structs

from rekindle.aws.items import KEPT, Item, epoch, moment, octets, stamp, text
from rekindle.ports import OPEN_STATES, Message

#: The first of these stays.
_FIRSTS = ("opened_at", "machine_opened_at", "machine_clicked_at")
_TIMES = frozenset({"leased_at", "at", *_FIRSTS})
_FIELDS = tuple(field.name for field in structs.fields(Message))
#: What each write does not simply replace.
_SETS = ("links", "hits", "gone")
_SPECIAL = frozenset({"id", "targets", *_FIRSTS, *_SETS})
#: Targets over so many bytes are compressed: with them a message should fit into the kilobyte that a write costs.
_MAX_PLAIN = 300


def message_item(message: Message) -> Item:
    """Return the item of a message that is written as a whole: without hits, of which it has none yet."""
    item = {"id": text(message.id), **_given(message)}
    item |= {name: text(stamp(when)) for name in _FIRSTS if (when := getattr(message, name)) is not None}
    if message.links:
        item["links"] = {"SS": list(dict.fromkeys(message.links))}
    if message.targets:
        item["targets"] = _packed(message.targets)
    if message.state in OPEN_STATES:
        item["open_shard"] = text(message.id[0])
    return item


def parse_message(item: Mapping[str, Any]) -> Message:
    """Return what an item says."""
    read_apart = {"targets", *_SETS}
    fields: dict[str, Any] = {name: item[name]["S"] for name in _FIELDS if name not in read_apart and name in item}
    for name in _TIMES & fields.keys():
        fields[name] = moment(fields[name])
    fields |= {name: tuple(sorted(item[name]["SS"])) for name in _SETS if name in item}
    if "targets" in item:
        fields["targets"] = _unpacked(item["targets"])
    return Message(**fields)


def message_update(message: Message) -> dict[str, Any]:
    """Return an update that adds what the message says: given fields win, the first opening stays, links add up."""
    given = _given(message)
    sets = {name: f"#{name} = :{name}" for name in given}
    for name in _FIRSTS:
        when = getattr(message, name)
        if when is not None:
            given[name] = text(stamp(when))
            sets[name] = f"#{name} = if_not_exists(#{name}, :{name})"
    if message.gone:
        given["gone"] = {"SS": list(message.gone)}
        sets["gone"] = "#gone = :gone"
    used = ["open_shard", *sets]
    if message.state in OPEN_STATES:
        given["open_shard"] = text(message.id[0])
        sets["open_shard"] = "#open_shard = :open_shard"
        removal = ""
    else:
        removal = " REMOVE #open_shard"
    addition = ""
    if message.links:
        used.append("links")
        given["links"] = {"SS": list(dict.fromkeys(message.links))}
        addition = " ADD #links :links"
    return {
        "Key": {"id": text(message.id)},
        "UpdateExpression": f"SET {', '.join(sets.values())}{removal}{addition}",
        "ExpressionAttributeNames": {f"#{name}": name for name in used},
        "ExpressionAttributeValues": {f":{name}": value for name, value in given.items()},
    }


def _given(message: Message) -> Item:
    """Return the attributes that a write simply replaces."""
    item: Item = {}
    for name in _FIELDS:
        value = getattr(message, name)
        if name not in _SPECIAL and value:
            item[name] = text(stamp(value) if isinstance(value, datetime) else value)
    newest = message.at or message.leased_at
    if newest is not None:
        item["expires"] = epoch(newest + KEPT)
    return item


def _packed(targets: tuple[str, ...]) -> Any:
    # An address holds no line break (`content.links.Tracker`).
    whole = "\n".join(targets)
    raw = whole.encode()
    return text(whole) if len(raw) <= _MAX_PLAIN else {"B": zlib.compress(raw)}


def _unpacked(value: Mapping[str, Any]) -> tuple[str, ...]:
    whole: str = value["S"] if "S" in value else zlib.decompress(octets(value)).decode()
    return tuple(whole.split("\n"))
