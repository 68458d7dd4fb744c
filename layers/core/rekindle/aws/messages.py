"""The message item: its lease, its outcome, what became of it. While it is open it stands in the `open` index."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import structs

from rekindle.aws.items import KEPT, Item, epoch, moment, number, stamp, text
from rekindle.aws.packing import STATE, pack, unpack
from rekindle.ports import OPEN_STATES, Message

#: The first of these stays.
_FIRSTS = ("opened_at", "machine_opened_at", "machine_clicked_at")
_TIMES = frozenset({"leased_at", *_FIRSTS})
_FIELDS = tuple(field.name for field in structs.fields(Message))
#: What it is about from its lease on, packed together in this order: no table looks for it. `day` is apart, because the
#: stream to the figures looks for that.
_ABOUT = ("channel", "address", "flow", "step", "template", "category", "ways", "occurrence", "to")
#: What each write does not simply replace.
_SETS = ("links", "hits", "gone")
_SPECIAL = frozenset({"id", "at", "targets", *_FIRSTS, *_SETS, *_ABOUT})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, ...]).decode


def message_item(message: Message) -> Item:
    """Return the item of a message that is written as a whole: without hits, of which it has none yet."""
    item = {"id": text(message.id), **_given(message)}
    item |= {name: text(stamp(when)) for name in _FIRSTS if (when := getattr(message, name)) is not None}
    if message.links:
        item["links"] = {"SS": list(dict.fromkeys(message.links))}
    if message.targets:
        # An address holds no line break (`content.links.Tracker`).
        item["targets"] = pack("\n".join(message.targets).encode(), STATE)
    if message.state in OPEN_STATES:
        item["open_shard"] = text(message.id[0])
    return item


def parse_message(item: Mapping[str, Any]) -> Message:
    """Return what an item says."""
    read_apart = {"at", "targets", *_SETS}
    fields: dict[str, Any] = {name: item[name]["S"] for name in _FIELDS if name not in read_apart and name in item}
    for name in _TIMES & fields.keys():
        fields[name] = moment(fields[name])
    if "at" in item:
        fields["at"] = _EPOCH + int(item["at"]["N"]) * _MICROSECOND
    if "about" in item:
        fields |= zip(_ABOUT, _decode(unpack(item["about"])), strict=True)
    fields |= {name: tuple(sorted(item[name]["SS"])) for name in _SETS if name in item}
    if "targets" in item:
        fields["targets"] = tuple(unpack(item["targets"]).decode().split("\n"))
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
    if message.at is not None:
        item["at"] = number((message.at - _EPOCH) // _MICROSECOND)
    about = [getattr(message, name) for name in _ABOUT]
    if any(about[1:]):  # whoever writes something of it writes all of it; a channel is always said
        item["about"] = pack(_encode(about), STATE)
    began = message.leased_at or message.at
    if began is not None:
        # news makes it no older: it must go before the ledger's line that names it
        item["expires"] = epoch(began + KEPT)
    return item
