"""Receipts: the proof of what was done for one privacy request, store by store, with no personal data in it. Pure.

A receipt lies in the raw bucket under `receipts/<shop>/` for good. It is also how a request that was interrupted goes
on: it is written before anything is deleted, and says how far the work has come (docs/privacy.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from rekindle.domain.events import Event
from rekindle.domain.facts import PrivacyRequest
from rekindle.ports import SHOP_STORES

_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")

Wish = Literal["export", "erase", "erase_shop"]


class Line(Struct, frozen=True, kw_only=True):
    """What became of one store: how much was found, erased and kept there, and why it was kept or never held any."""

    found: int = 0
    erased: int = 0
    kept: int = 0
    why: str = ""


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far what takes more than one go has come: to empty a shop, to erase whom a message is being decided for."""

    place: int = 0
    """which store of `ports.SHOP_STORES` is being emptied"""
    cursor: str | None = None
    round: int = 1
    dirty: bool = False
    """whether this round has found anything"""
    not_before: datetime | None = None
    messages: tuple[str, ...] = ()
    """those of a person of which nothing was recorded yet when they were buried: it may be, until `not_before`"""


class Receipt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done for one request. `done_at` is missing while it is under way."""

    name: str
    wish: Wish
    shop: str
    delivery_id: str
    asked_at: datetime
    begun_at: datetime
    request_id: str | None = None
    """the shop's own number for the request, where it has one"""
    reason: str = ""
    """what whoever asked by hand wrote down; it names nobody"""
    done_at: datetime | None = None
    profiles: tuple[str, ...] = ()
    """ids of the profiles that it was about, also of those merged into them"""
    stores: dict[str, Line] = {}
    exports: tuple[str, ...] = ()
    """keys of the documents in the raw bucket"""
    notes: tuple[str, ...] = ()
    progress: Progress | None = None

    @property
    def key(self) -> str:
        """Where it lies in the raw bucket."""
        return f"receipts/{self.shop}/{self.name}.json"

    def counts(self) -> dict[str, int]:
        """Return what was erased of each store that held any, for one line of the log."""
        return {store: line.erased for store, line in self.stores.items() if line.erased}


def is_name(number: str) -> bool:
    """Whether the number of a request can stand in its receipt's name."""
    return _SAFE.fullmatch(number) is not None


def names_of(event: Event, request: PrivacyRequest) -> tuple[str, ...]:
    """Return the names that the receipt may have: the wish, and the shop's number for the request or the event's id.

    The second where an earlier request had the same number.
    """
    number = request.request_id or ""
    first = number if is_name(number) else event.id
    return tuple(dict.fromkeys((f"{request.wish}-{first}", f"{request.wish}-{event.id}")))


def encode_receipt(receipt: Receipt) -> bytes:
    """Return the receipt as readable JSON."""
    return msgspec.json.format(msgspec.json.encode(receipt), indent=2)


def decode_receipt(raw: bytes) -> Receipt:
    """Return the receipt that `encode_receipt` wrote."""
    return msgspec.json.decode(raw, type=Receipt)


#: Lists at Meta on which somebody stands, by the person.
LISTS = "ads audiences"

#: What holds nothing about anybody, or only for a while, and so has nothing to erase in it. Together with what is
#: counted, every table of the stack and every folder of its raw bucket is named (tests/architecture/test_stores.py).
ELSEWHERE: Mapping[str, Line] = {
    "products": Line(why="holds what the shop sells, nothing about customers"),
    "shelves": Line(why="counts what is bought together; knows orders by a hash of their numbers, and nobody"),
    "counters": Line(why="counts mails, bounces and complaints by shop, nothing about customers"),
    "results": Line(why="holds sums by flow, message and day; a person cannot be taken out of a sum"),
    "limits": Line(why="counts sign-ups by the keyed hash of a network, for a day"),
    "raw/unread": Line(why="bodies of topics that Rekindle does not know; whom they name cannot be found: 28 days"),
    "content bucket": Line(
        why="holds what marketers wrote; fanout/parts/ lists ids of profiles for 7 days, which lead nowhere any more"
    ),
    "secrets": Line(why="hold keys and the shop's access, nothing about customers"),
    "deliveries of nobody": Line(why="what names no customer, such as an unknown topic, expires after 28 days"),
    "queues": Line(why="hold ids only; the dead letters of feedback hold SES notices with addresses for up to 14 days"),
    "schedules": Line(why="hold profile ids only, and delete themselves when they ring"),
    "logs": Line(why="hold ids only, and expire after the days that the stack's LogRetentionDays says"),
    "backups": Line(why="every table can be restored for 35 days: after a restore, run the requests since then again"),
    "ads audiences": Line(why="Meta was told to take the person off; where it would not, a note says so"),
    "SES": Line(why="the account's own suppression list may hold an address that bounced: AWS keeps it, not Rekindle"),
}

_PERSON_KEPT: Mapping[str, str] = {
    "profiles": "a tombstone without personal data, so that what comes late is recognised and dropped",
    "aliases": "keyed hashes, leading to the tombstone",
    "deliveries": "their ids, without body and events, so that a repeat is recognised and brings nothing back",
    "pending": "what was said after the erasure, or concerns others too: applied as usual",
    "coupons": "of a pool, which of its codes were given, and not to whom: nobody gets them again",
    "suppressions": "keyed hashes: who was erased gets no marketing until they subscribe anew",
}


def erased(counts: Mapping[str, int], kept: Mapping[str, int]) -> dict[str, Line]:
    """Return the lines of a person's erasure: what was found in each store is erased."""
    lines = {
        store: Line(found=count, erased=count, kept=kept.get(store, 0), why=_PERSON_KEPT.get(store, ""))
        for store, count in counts.items()
    }
    lines["raw/receipts"] = Line(kept=1, why="this proof: ids and counts only")
    listed, left = counts.get(LISTS, 0), kept.get(LISTS, 0)
    lines[LISTS] = Line(found=listed, erased=max(0, listed - left), kept=left, why=ELSEWHERE[LISTS].why)
    return dict(ELSEWHERE) | lines


def exported(counts: Mapping[str, int], documents: int) -> dict[str, Line]:
    """Return the lines of an export: what was found is in the documents, and stays where it is."""
    why = "in the export, and still here: an export erases nothing"
    lines = {store: Line(found=count, kept=count, why=why) for store, count in counts.items()}
    lines["raw/deliveries"] = Line(why="what is too large for its table: in the export, with its delivery")
    lines["raw/exports"] = Line(kept=documents, why="the export itself, for 30 days")
    lines["raw/receipts"] = Line(kept=1, why="this proof: ids and counts only")
    return dict(ELSEWHERE) | lines


def purged(lines: Mapping[str, Line], store: str, count: int) -> dict[str, Line]:
    """Return the lines with so many more erased of this store."""
    before = lines.get(store, Line())
    return {**lines, store: msgspec.structs.replace(before, found=before.found + count, erased=before.erased + count)}


#: What a shop's departure leaves.
SHOP_KEPT: Mapping[str, Line] = {
    "content bucket": Line(why="content/shops/ is the merchant's own file, nothing about customers: delete it by hand"),
    "raw/receipts": Line(kept=1, why="the proofs: ids and counts only"),
    "deliveries of this request": Line(kept=1, why="its id, without body and events, for 400 days"),
    **{store: line for store, line in ELSEWHERE.items() if store not in {"content bucket", *SHOP_STORES, "secrets"}},
}
