"""A profile: one customer of one shop, the state machine that everything happens to.

Frozen: a change is a new value. Stored as one JSON text; fields at their default are left out, so that small profiles
stay small. `rekindle.flow.engine` is the only code that changes a run or a planned message.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.facts import Basket, Consent, Fact, Person, SignUp
from rekindle.domain.labels import Label
from rekindle.domain.unread import put_back, unread

#: Counts up with every release in which a profile can say something new: what of a higher one lies in the table is read
#: with care (`decode_profile`). `tests/state` knows what each one holds, and says so when this must be changed.
FORMAT = 1

RunStatus = Literal["active", "finished", "converted", "exited", "timed_out"]
Category = Literal["marketing", "transactional"]
#: How a message reaches somebody; `audience` is a list at an ads network that they are put on or taken off.
Channel = Literal["email", "sms", "push", "audience"]
#: What stands for the address of push messages: all the person's browsers, whichever they are.
EVERY_BROWSER = "*"
TraitValue = str | int | float | bool | tuple[str, ...]

_SHORT = {
    "updated_at": "u",
    "placed_at": "p",
    "events": "e",
    "status": "s",
    "currency": "c",
    "total": "t",
    "refunded": "r",
    "refunds": "b",
    "pieces": "n",
    "products": "i",
    "kinds": "k",
    "codes": "d",
}


class OrderMark(Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_SHORT):
    """What must be remembered of an order: how new our knowledge is, what it was worth, which of its events were told.

    Everything that the profile knows of its past is computed from these (`rekindle.domain.history`), so that edits,
    refunds and cancellations count exactly, in whatever order they come. `refunds` is refund id → amount.
    """

    updated_at: datetime
    placed_at: datetime | None = None
    events: tuple[str, ...] = ()
    status: str = "placed"
    currency: str | None = None
    total: Decimal | None = None
    refunded: Decimal | None = None
    refunds: dict[str, Decimal] = {}
    pieces: int = 0
    products: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    """the discount codes that it used, as shops compare them"""


class Told(Struct, frozen=True, array_like=True):
    """When and by what kind of event something about the person was said last."""

    at: datetime
    source: str


class Tag(Struct, frozen=True, array_like=True):
    """Whether a tag is on, and since when that is known."""

    at: datetime
    on: bool = True


class Trait(Struct, frozen=True, array_like=True):
    """Something that was learned or decided about the person beside what the shop says. `None`: taken back."""

    at: datetime
    value: TraitValue | None


class Choice(Struct, frozen=True, array_like=True):
    """Something that somebody chose, and when."""

    at: datetime
    value: str


class Pause(Struct, frozen=True, array_like=True):
    """Until when somebody asked to be left alone, and when they said so."""

    at: datetime
    until: datetime


class Preferences(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How somebody wants to be written to, as they chose it themselves; each with when that was.

    `topics` are those that they switched on or off; of the others the topic itself says whether it is on.
    """

    topics: dict[str, Tag] = {}
    frequency: Choice | None = None
    language: Choice | None = None
    pause: Pause | None = None


class Touch(Struct, frozen=True, array_like=True):
    """A message that was planned lately: what caps, smart sending and engagement look at."""

    at: datetime
    message: str
    channel: str
    marketing: bool = True
    opened: bool = False
    clicked: bool = False


class Given(Struct, frozen=True, array_like=True):
    """A discount code that a message gave, when, and until when it is promised to work; `offer` where it is of one."""

    code: str
    at: datetime
    message: str
    offer: str = ""
    expires_at: datetime | None = None
    label: Label | None = None
    """of a marketing message: under what an order with this code counts"""


class Reacted(Struct, frozen=True, array_like=True):
    """That a person opened a marketing message first at this moment, and clicked in it at these."""

    label: Label
    opened: datetime | None = None
    clicks: tuple[datetime, ...] = ()

    @property
    def latest(self) -> datetime:
        """When they did something with it last."""
        return max(moment for moment in (self.opened, *self.clicks) if moment is not None)


class Credit(Struct, frozen=True, array_like=True):
    """That an order is credited to a message, by which proof, and when what proves it was."""

    label: Label
    message: str
    how: Literal["coupon", "click", "open"]
    at: datetime


class Trial(Struct, frozen=True, array_like=True):
    """That a person takes part in a comparison: of a split's ways, or with those held out. `label.ways` says where.

    What they buy from `at` on and before `until` counts for that side.
    """

    label: Label
    at: datetime
    until: datetime
    goal: bool = False
    """whether the flow's goal was reached"""


class ShipmentMark(Struct, frozen=True, array_like=True):
    """How a parcel stands, and how new that is."""

    updated_at: datetime
    status: str


class Browser(Struct, frozen=True, array_like=True):
    """A browser that push messages may go to: since when that is known, and what it takes to reach it (RFC 8291)."""

    at: datetime
    endpoint: str
    p256dh: str
    auth: str


class OnList(Struct, frozen=True, array_like=True):
    """Whether the person is to be on a list at an ads network, since when, and by which addresses they ever were."""

    at: datetime
    on: bool
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    until: str = ""
    """the type of event that takes them off"""


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trip of a profile through one flow, pinned to the flow version (`version`) that it started with.

    `step` is the step that it stands before; `resume_at` is when that step is due. `trigger` is the fact that
    started (or restarted) it: what `event` means in the run's conditions and mails.
    """

    id: str
    flow: str
    version: str
    playbook: str
    entered_at: datetime
    expires_at: datetime
    key: str | None = None
    unique_key: bool = False
    """the id follows from the key alone (`Flow.unique_key`)"""
    ordinal: int = 1
    event_id: str = ""
    event_type: str = ""
    trigger: Fact | None = None
    joined: tuple[Fact, ...] = ()
    """what joined it before it had sent anything, the latest last (`Flow.gather`)"""
    step: str | None = None
    arrived_at: datetime | None = None
    """when it came to that step, where it has to stand there"""
    resume_at: datetime | None = None
    status: RunStatus = "active"
    ended_at: datetime | None = None
    ended_by: str | None = None
    visits: dict[str, int] = {}
    """of steps within a repeat: how often they have been gone through"""
    messages: dict[str, str] = {}
    """step id (`mail`, in later rounds of a repeat `mail.2`) → message id, of every message that it has planned"""
    opened: tuple[str, ...] = ()
    """those whose mail a human opened"""
    clicked: tuple[str, ...] = ()
    """those in whose message a link was clicked"""
    codes: dict[str, str] = {}
    """those that gave a coupon → its code"""
    offers: dict[str, str] = {}
    """those that give an offer → its name"""
    coupons: dict[str, Given] = {}
    """offer → what this run has got of it, once that is known"""
    redeemed: tuple[str, ...] = ()
    """those whose coupon was used in an order"""
    ways: dict[str, str] = {}
    """split step → the way that it went there"""
    begins_at: datetime | None = None
    """the recipient's own hour of a campaign, where that is still to come: until then the run has not set off"""


class Planned(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message that this profile is to get: `send` sends only what stands here (DESIGN §6).

    Without an outcome by `not_after` it is no longer worth sending.
    """

    run: str
    step: str
    flow: str
    template: str
    channel: Channel
    category: Category
    planned_at: datetime
    not_after: datetime
    to: Literal["person", "shop", "claimed"] = "person"
    """`claimed`: the address of the sign-up that `step` names, which is asked for its word"""
    sender: str = ""
    offer: str = ""
    """what it gives: `send` makes no attempt before the code is there"""
    action: Literal["", "add", "remove"] = ""
    """of an audience: what is to be done; with an empty `run`, because the person wants nothing any more"""
    topic: str = ""
    """the flow's topic, which the person may switch off before it is sent"""
    label: Label | None = None
    """under what it counts"""
    quiet_from: datetime | None = None
    """the next time at which manners forbid it: `send` holds it back from then on …"""
    quiet_until: datetime | None = None
    """… until then"""


class Interest(Struct, frozen=True, array_like=True, omit_defaults=True):
    """That somebody looked at a product (or put it into a basket): when last, and how."""

    at: datetime
    how: Literal["viewed", "carted"] = "viewed"
    noted: datetime | None = None
    """as of which look this person stands on the product's list of those who are to hear of it; `None`: not there"""
    told: tuple[str, ...] = ()
    """the latest changes of the product that this person was told of"""
    before: datetime | None = None
    """the look before the last one, if there was one"""
    asked: tuple[str, ...] = ()
    """what they asked to be told of it: `price`, `stock`; each until it was told"""
    asked_at: datetime | None = None
    """when they said so, or were told, last"""


class Rated(Struct, frozen=True, array_like=True):
    """How somebody rated what they had ordered, 1 to 5, and when they said so last."""

    at: datetime
    rating: int


class Entry(Struct, frozen=True, omit_defaults=True, rename={"ordinal": "n", "at": "t", "void": "v"}):
    """That a flow was entered: how often under this key, and when last.

    `void`: that run left by an exit rule before it had any message, so the rule about coming again does not count it.
    """

    ordinal: int
    at: datetime
    void: bool = False


class Unread(Struct, frozen=True):
    """What a newer version wrote of a profile, in its `format`, and this one does not know (`domain.unread`)."""

    format: int
    parts: Any


class Profile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One customer of one shop. `version` counts commits; `deadline` is when the alarm clock must ring next."""

    id: str
    shop: str
    version: int = 0
    created_at: datetime | None = None
    email: str | None = None
    phone: str | None = None
    shop_customer_id: str | None = None
    aliases: tuple[str, ...] = ()
    was: tuple[str, ...] = ()
    """ids of profiles that were merged into this one: their ledger lines and messages stay under these"""
    erased_at: datetime | None = None
    """the person was erased then and came back: nothing that was said earlier is taken any more"""
    person: Person = Person()
    told: dict[str, Told] = {}
    """field of `person` → when and by what it was said last"""
    consent: dict[str, Consent] = {}
    """`channel:address` → the latest explicit act"""
    tag_marks: dict[str, Tag] = {}
    tags_at: datetime | None = None
    """when the shop last sent all tags at once"""
    own_tags: dict[str, Tag] = {}
    """tags that flows have put on or taken off: the shop does not know them, and its lists do not touch them"""
    traits: dict[str, Trait] = {}
    browsers: dict[str, Browser] = {}
    """those in which push is allowed, by `push.browser_key` of their endpoint"""
    preferences: Preferences = Preferences()
    audiences: dict[str, OnList] = {}
    """the lists at ads networks that this person was ever put on"""
    customer_at: datetime | None = None
    baskets: dict[str, Basket] = {}
    orders: dict[str, OrderMark] = {}
    shipments: dict[str, ShipmentMark] = {}
    runs: tuple[Run, ...] = ()
    entries: dict[str, dict[str, Entry]] = {}
    """flow → entry key (empty where the flow has none) → how often and when last"""
    planned: dict[str, Planned] = {}
    touches: tuple[Touch, ...] = ()
    """oldest first"""
    coupons: tuple[Given, ...] = ()
    """the codes that messages gave, the newest ones, oldest first: by these an order shows what brought it"""
    sign_ups: dict[str, SignUp] = {}
    """what was asked by a form at one address on one day; then this is nobody but that (`rekindle.domain.sign_ups`)"""
    looks: dict[str, int] = {}
    """the latest looks at pages (`View.look`) → how many seconds of each were told; the newest last"""
    interests: dict[str, Interest] = {}
    """product → that this person looked at it, the latest ones"""
    browsed: dict[str, datetime] = {}
    """category → when this person last looked at it or at something of it, the latest ones"""
    places: tuple[str, ...] = ()
    """where this person's orders went, as digests (`referrals.place_of`), the latest"""
    friends: dict[str, datetime] = {}
    """whom this person sent and who ordered, by names that say nothing → when; each counts once"""
    referred_by: str | None = None
    """whose code for friends this person's first order used"""
    reviews: dict[str, Rated] = {}
    """order (empty where none was named) → what this person thought of it, the latest ones"""
    tiers: dict[str, datetime] = {}
    """the shop's loyalty tiers that were ever reached → when: none is told twice"""
    reacted: dict[str, Reacted] = {}
    """marketing message → what this person did with it lately: by that an order shows what brought it"""
    credits: dict[str, Credit] = {}
    """order → the message that brought it"""
    trials: dict[str, Trial] = {}
    """what is compared (`flow/split`, `flow`, or empty: the shop's holdout) → on which side this person is"""
    recent: dict[str, tuple[datetime, ...]] = {}
    """key of an ask (`rekindle.flow.program.Ask`) → when such events were, newest first"""
    segments: dict[str, datetime] = {}
    """the segments that this person is in → since when"""
    moments: dict[str, datetime] = {}
    """what time alone will change, and when: `segment:<name>` to be looked at again, `date:<flow>` to be told"""
    shape: str = ""
    """the playbook's shape under which segments and moments were worked out"""
    asked: tuple[str, ...] = ()
    """the marks of the asks (`Ask.mark`) that `recent` answers"""
    deadline: datetime | None = None
    unread: Unread | None = None
    """goes back to its places when this profile is stored, and is never stored itself"""

    @property
    def anonymous(self) -> bool:
        """Whether nothing is known by which this person could be reached or recognised."""
        return not (self.email or self.phone or self.shop_customer_id)

    @property
    def tags(self) -> tuple[str, ...]:
        """The customer's tags in the shop."""
        marks = (*self.tag_marks.items(), *self.own_tags.items())
        return tuple(sorted({name for name, tag in marks if tag.on}))

    @property
    def locale(self) -> str | None:
        """What to write to this person in: the language of their choice, else what the shop or a browser says."""
        chosen = self.preferences.language
        return chosen.value if chosen is not None else self.person.locale

    def address(self, channel: str) -> str | None:
        """Return where messages of this channel go, if anywhere."""
        return {"email": self.email, "sms": self.phone, "push": EVERY_BROWSER if self.browsers else None}.get(channel)

    def consented(self, channel: str) -> bool:
        """Whether this person's latest explicit act on this channel, for the current address, is to subscribe.

        For push that is what a browser says: it is known here for as long as it may be pushed to.
        """
        if channel == "push":
            return bool(self.browsers)
        address = self.address(channel)
        act = self.consent.get(f"{channel}:{address}") if address else None
        return act is not None and act.state == "subscribed"

    def listed_by(self, audience: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return by which of the addresses noted for this ads audience the person may be put on it, as `reachable`.

        By no other: whoever is to come off it is found by what is noted.
        """
        mark = self.audiences.get(audience)
        if mark is None or not mark.on:
            return (), ()
        emails, phones = self.reachable()
        return tuple(each for each in emails if each in mark.emails), tuple(
            each for each in phones if each in mark.phones
        )

    def reachable(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the e-mail address and the phone number that the person consented to marketing for, each if so."""
        emails = (self.email,) if self.email and self.consented("email") else ()
        phones = (self.phone,) if self.phone and self.consented("sms") else ()
        return emails, phones


class Signpost(Struct, frozen=True, tag="signpost"):
    """Where a profile went when it was merged: whoever holds the old id follows it."""

    to: str


class Tombstone(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tombstone"):
    """What stays where an erased profile was: nothing of the person, only how to know what comes late.

    What was said up to `erased_at` is dropped. `was` are the ids of the profiles that had been merged into it,
    `aliases` the alias keys (keyed hashes) that lead or led to it.
    """

    erased_at: datetime
    shop: str
    was: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class _Written(Struct):
    """In which format a stored profile was written. It stands first; the first format says nothing."""

    format: int = 1


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Profile)
_MARK = '{"format":'


def encode_profile(profile: Profile) -> bytes:
    """Return the profile as the JSON that is stored."""
    if profile.unread is None:
        return _marked(_encoder.encode(profile), FORMAT)
    known = msgspec.json.decode(_encoder.encode(replace(profile, unread=None)))
    return _marked(msgspec.json.encode(put_back(known, profile.unread.parts)), profile.unread.format)


def decode_profile(raw: bytes | str) -> Profile:
    """Return the profile that `encode_profile` wrote, also in an earlier version.

    And in a later one, as far as this one knows it: the rest is kept for when it is stored again. Raises
    `msgspec.ValidationError` where something that is known has a value that is not; nothing may be stored over it then.
    """
    profile = _decoder.decode(raw)
    mark = _MARK if isinstance(raw, str) else _MARK.encode()
    if not raw.startswith(mark):  # type: ignore[arg-type]
        return profile
    written = msgspec.json.decode(raw, type=_Written).format
    if written <= FORMAT:
        return profile
    stored = msgspec.json.decode(raw)
    del stored["format"]
    parts = unread(stored, msgspec.json.decode(_encoder.encode(profile)))
    return replace(profile, unread=Unread(written, parts or {}))


def _marked(encoded: bytes, written: int) -> bytes:
    return encoded if written == 1 else f"{_MARK}{written},".encode() + encoded[1:]
