"""Reading a shop's JSON without trusting its shape: each function takes anything and returns a clean value or `None`.

Pure: imports the standard library, msgspec and `rekindle.domain`. Whatever JSON can hold may stand in any field
(plugins write there), so nothing here raises.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Fact, Other, Person
from rekindle.domain.ids import digest

Body = dict[str, Any]

CONSENT_KEYS = ("_rekindle_consent", "marketing_opt_in")

_EMPTY: Body = {}
_NAMES = ("id", "token", "cart_token")
_NOBODY = Who()

# The largest number of digits before the point, or of zeros after it, that an amount of money can have.
_DIGITS = 15
_MOST = 10**9
_ID_LIMIT = 1 << 128
# No id of either platform comes near; a product's must fit a table's key of 2,048 bytes.
_ID_LENGTH = 255
#: Characters of a text, rows of a list, beyond which nothing is read: a body may have 4.5 MB, and what is told of it is
#: kept in several places.
MAX_TEXT, MAX_ROWS = 5_000, 10_000

# Control characters, and the directional embeddings, overrides and isolates (UAX 9) with which a name or a title could
# turn round the text after it. Marks (U+200E, U+200F), joiners and everything that is written stay.
_UNSEEN: dict[int, str | None] = dict.fromkeys(
    (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
_UNSEEN.update(dict.fromkeys((0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029), " "))


def text(value: object) -> str | None:
    """Return the text without space around it, control characters or direction overrides; `None` for anything else.

    What is longer than `MAX_TEXT` is cut.
    """
    if type(value) is not str:
        return None
    if len(value) > MAX_TEXT:
        value = value[:MAX_TEXT]
    if not value.isprintable():
        value = value.translate(_UNSEEN)
    return value.strip() or None


def short(value: object, limit: int) -> str | None:
    """Return the text, cut to so many characters: what is kept of a product must fit its place."""
    read = text(value)
    return read if read is None or len(read) <= limit else f"{read[: limit - 1].rstrip()}…"


def identifier(value: object) -> str | None:
    """Return an id as exact text, also beyond 2**53. Zero is WooCommerce's "none" and gives `None`; so does a novel."""
    if type(value) is int:
        return str(value) if 0 < value < _ID_LIMIT else None
    if type(value) is str and len(value) <= _ID_LENGTH:
        return text(value)
    return None


def whole(value: object) -> int | None:
    """Return a count. A part of one (0.5 kg, sold by weight) counts as one."""
    if type(value) is int:
        return value if -_MOST <= value <= _MOST else None
    amount = money(value)
    if amount is None or abs(amount) > _MOST:
        return None
    floor = int(amount)
    return floor + 1 if amount > floor else floor


def money(value: object) -> Decimal | None:
    """Return an amount exactly as it was sent, in major units."""
    try:
        if type(value) is str or type(value) is int:
            amount = Decimal(value)
        elif type(value) is Decimal:
            amount = value
        elif type(value) is float:
            amount = Decimal(repr(value))
        else:
            return None
    except InvalidOperation:
        return None
    return amount if -_DIGITS <= amount.adjusted() <= _DIGITS and amount.is_finite() else None


def moment(value: object) -> datetime | None:
    """Return an ISO 8601 time in UTC; `None` when it names no zone, for it could be any."""
    if type(value) is not str:
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.astimezone(UTC) if read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def moment_gmt(value: object) -> datetime | None:
    """Return an ISO 8601 time in UTC, taking one without a zone as UTC: WooCommerce's `…_gmt` fields."""
    if type(value) is not str:
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def mapping(value: object) -> Body:
    """Return the object, or an empty one (Shopify sends `[]` for a missing address). Not to be written to."""
    return value if type(value) is dict else _EMPTY


def rows(value: object) -> list[Body]:
    """Return the objects of a list, at most `MAX_ROWS`; what is no object in it is passed over."""
    if type(value) is not list or not value:
        return []
    return [row for row in (value if len(value) <= MAX_ROWS else value[:MAX_ROWS]) if type(row) is dict]


class Arrival(Struct, frozen=True, kw_only=True):
    """What is known of a request beside its body.

    `triggered_at` is what an unsigned header says. `region` (a country) and `currency` are the shop's, where known.
    `consent_keys` are the meta keys of a WooCommerce order that hold the checkout's marketing box.
    """

    shop: str
    delivery_id: str
    received_at: datetime
    triggered_at: datetime | None = None
    domain: str | None = None
    region: str | None = None
    currency: str | None = None
    consent_keys: tuple[str, ...] = CONSENT_KEYS

    @property
    def claimed_at(self) -> datetime | None:
        """Return when the shop says that it happened, never later than it came: no header makes a fact of tomorrow."""
        return min(self.triggered_at, self.received_at) if self.triggered_at is not None else None

    @property
    def at(self) -> datetime:
        """Return the best moment known for a body that names none."""
        return self.claimed_at or self.received_at


class Telling:
    """One body on its way to events: what was unusable so far, and the events told so far.

    Problems go with the first event that is told after they were found. `signed` is false for what anybody could send.
    """

    __slots__ = ("arrival", "events", "problems", "signed")

    def __init__(self, arrival: Arrival, *, signed: bool = True) -> None:
        self.arrival = arrival
        self.signed = signed
        self.events: list[Event] = []
        self.problems: list[str] = []

    def use(self, name: str, read: tuple[str | None, str | None]) -> str | None:
        """Return the value of a `contact` function's answer; note its problem under the field's name."""
        value, problem = read
        if problem is not None:
            self.problems.append(f"{name}: {problem}")
        return value

    def amount(self, name: str, value: object) -> Decimal | None:
        """Return `money(value)`; note when something was sent that is none."""
        read = money(value)
        if read is None and value is not None and value != "":
            self.problems.append(f"{name}: is no amount of money")
        return read

    def tell(self, kind: str, data: Fact, at: datetime, who: Who = _NOBODY, person: Person | None = None) -> None:
        """Add an event of type `kind`. Its id is a hash of shop, delivery and place: the same in every retry."""
        arrival = self.arrival
        self.events.append(
            Event(
                id=digest("event", arrival.shop, arrival.delivery_id, str(len(self.events))),
                shop=arrival.shop,
                type=kind,
                occurred_at=at,
                received_at=arrival.received_at,
                who=who,
                person=person,
                signed=self.signed,
                problems=tuple(self.problems),
                data=data,
            )
        )
        self.problems.clear()

    def tell_unknown(self, topic: str, body: Body, problem: str | None = None, *, named: str | None = None) -> None:
        """Add a `delivery.unknown`: accepted and kept as sent, names nobody, changes nothing.

        `named` is the id of what it is about, where that does not stand in the body's `id`, `token` or `cart_token`.
        """
        if problem is not None:
            self.problems.append(problem)
        of = named or next((found for name in _NAMES if (found := identifier(body.get(name)))), None)
        self.tell("delivery.unknown", Other(topic=topic, id=of), self.arrival.at)
