"""What an import brings along: several bodies of one shop about one person, kept as one delivery, and read again.

Each body is of the shape of a webhook and is read by the normaliser of its platform, as if it had come as one; a row of
a list has a reader of its own. Pure: imports msgspec, `rekindle.domain` and its neighbours here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Event
from rekindle.domain.facts import Product
from rekindle.domain.ids import digest
from rekindle.shops import intake, lists
from rekindle.shops.reading import Arrival

#: What a delivery names as its source, and as its topic: what is in it has topics of its own.
SOURCE = TOPIC = "import"

Imported = Literal["silent", "telling"]


class Part(Struct, frozen=True):
    """One body, and under which topic it is read."""

    topic: str
    body: Raw


_parts = msgspec.json.Decoder(tuple[Part, ...])


def pack(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the body of a delivery that holds these (topic, body); each must be JSON."""
    return msgspec.json.encode([Part(topic, Raw(body)) for topic, body in parts])


def unpack(body: bytes) -> tuple[Part, ...]:
    """Return what `pack` was given. Raises `MalformedBodyError`."""
    try:
        return _parts.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBodyError("the body is none of an import") from error


def read(
    platform: intake.Platform, topic: str, body: bytes, arrival: Arrival, imported: Imported | None
) -> tuple[Event, ...]:
    """Return the events of one body. Their ids follow from it alone, with whatever else it is delivered.

    Raises `MalformedBodyError` where it is no JSON object, or what identifies its resource is missing.
    """
    own = replace(arrival, delivery_id=digest("import", arrival.shop, topic, body))
    if topic == lists.TOPIC:
        events = lists.normalise(intake.decode(body), own)
    else:
        events = intake.normalise(platform, topic, intake.read(platform, topic, body), own)
    return tuple(_marked(event, imported) for event in events)


def _marked(event: Event, imported: Imported | None) -> Event:
    data = event.data
    if isinstance(data, Product) and imported == "silent":
        data = replace(data, silent=True)
    return replace(event, imported=imported, data=data)


def read_again(
    platform: intake.Platform, body: bytes, arrival: Arrival, imported: Imported | None
) -> tuple[Event, ...]:
    """Return the events of all bodies of a stored delivery, as they are read now. Raises `MalformedBodyError`."""
    return tuple(
        event for part in unpack(body) for event in read(platform, part.topic, bytes(part.body), arrival, imported)
    )
