"""Asking by hand for what is stored about somebody, or for it to be gone: by the webhooks' own road (docs/privacy.md).

It is accepted like one and applied by `journey`, which hands it to `privacy`: so nothing is passed by, whoever asks may
die at any moment, and what is under way goes on. Pure code and ports only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from rekindle.domain import ids
from rekindle.domain.errors import RekindleError
from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import PrivacyRequest
from rekindle.domain.profile import Profile
from rekindle.ports import Blobs, Clock, Intake, State, Vault
from rekindle.service.accept import accept
from rekindle.service.people import alias_key, follow
from rekindle.service.receipts import Receipt, decode_receipt, is_name, names_of

NOBODY = Who()
SOURCE = "hand"
TOPIC = "privacy.requested"
_MAX_REASON = 200
#: So many digits at its end tell whose a phone number is.
_TELLING = 7


class BadRequestError(RekindleError):
    """What is asked for cannot be asked so."""


class Asked(Struct, frozen=True):
    """A request that was accepted, now or before (`new`), and the keys under which its receipt may lie."""

    delivery_id: str
    keys: tuple[str, ...]
    new: bool = True

    @property
    def name(self) -> str:
        """What the receipt is called, unless an earlier request has the same number."""
        return self.keys[0].rpartition("/")[2].removesuffix(".json")


def ask(
    wish: Literal["export", "erase", "erase_shop"],
    shop: str,
    who: Who = NOBODY,
    *,
    intake: Intake,
    clock: Clock,
    key: bytes,
    reference: str | None = None,
    reason: str = "",
) -> Asked:
    """Accept the wish about whoever has these (canonical) contact points: an e-mail, a phone or a customer id.

    `erase_shop` is about nobody: everything of the shop goes, and its secrets first. A second one under the same
    `reference` is the first one once more. Raises `BadRequestError`.
    """
    points = tuple(who.points())
    if not points and wish != "erase_shop":
        raise BadRequestError("say whom it is about: an e-mail address, a phone number or a customer id")
    _check(reference, reason, points)
    now = clock.now()
    about = sorted(alias_key(key, shop, kind, value) for kind, value in points)
    delivery_id = ids.digest("privacy", shop, wish, *about, reference or now.isoformat())
    request = PrivacyRequest(
        wish=wish,
        at=now,
        request_id=reference,
        email=who.email,
        phone=who.phone,
        shop_customer_id=who.shop_customer_id,
        reason=reason,
    )
    event = Event(
        id=ids.digest("event", delivery_id),
        shop=shop,
        type=TOPIC,
        occurred_at=now,
        received_at=now,
        data=request,
        who=who,
    )
    delivery = Delivery(id=delivery_id, shop=shop, source=SOURCE, topic=TOPIC, received_at=now, events=(event,))
    new = accept(delivery, intake, key)
    keys = tuple(f"receipts/{shop}/{name}.json" for name in names_of(event, request))
    return Asked(delivery_id, keys, new)


def known(shop: str, who: Who, *, vault: Vault, state: State, key: bytes) -> tuple[str, ...]:
    """Return the ids of the profiles that these contact points lead to, as far as they can be seen from outside.

    Who is meant in the end is decided when the request is carried out.
    """
    owners, _ = vault.owners([alias_key(key, shop, kind, value) for kind, value in who.points()])
    found = (follow(state.profile, owner) for owner in owners.values())
    return tuple(dict.fromkeys(profile.id for profile in found if isinstance(profile, Profile)))


def receipt_of(asked: Asked, files: Blobs) -> Receipt | None:
    """Return the request's receipt as it stands; `None` before the work has begun. `files` is the raw bucket."""
    for key in asked.keys:
        stored = files.get(key)
        receipt = decode_receipt(stored) if stored is not None else None
        if receipt is not None and receipt.delivery_id == asked.delivery_id:
            return receipt
    return None


def receipts(shop: str, files: Blobs) -> Iterator[Receipt]:
    """Yield every receipt of a shop, the oldest request first."""
    keys = files.list(f"receipts/{shop}/")
    found = [decode_receipt(stored) for key in keys if (stored := files.get(key)) is not None]
    yield from sorted(found, key=_asked_at)


def _asked_at(receipt: Receipt) -> datetime:
    return receipt.asked_at


def _check(reference: str | None, reason: str, points: tuple[tuple[str, str], ...]) -> None:
    """Refuse what would name somebody in a receipt, which is kept for good."""
    if reference is not None and not is_name(reference):
        raise BadRequestError("a reference has up to 64 letters, digits, hyphens and underscores")
    if len(reason) > _MAX_REASON or not reason.isprintable():
        raise BadRequestError(f"a reason is one line of up to {_MAX_REASON} characters")
    # An address has an @; a number may be written in many ways, with its country before it or without.
    told: Mapping[str, str] = {"reference": reference or "", "reason": reason}
    for name, text in told.items():
        if "@" in text or any(
            kind == "phone" and _digits(value)[-_TELLING:] in _digits(text) for kind, value in points
        ):
            raise BadRequestError(f"the {name} names somebody: it stays in the receipt for good")


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
