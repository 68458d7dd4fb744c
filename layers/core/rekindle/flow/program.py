"""A published flow as the engine runs it: a small graph of steps, and the playbook that holds them all.

`rekindle.flow.definition` turns a marketer's YAML into this; `rekindle.flow.engine` walks it. Conditions are kept as
their source text and compiled once per process.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rekindle.domain.history import History
from rekindle.domain.ids import digest
from rekindle.domain.offers import Offer
from rekindle.domain.profile import Category, Channel, TraitValue

#: How many days usually lie between two orders, where neither the shop nor the customer's own orders say.
CYCLE_DAYS = 30
_NOTHING = Decimal(0)

# --- steps -----------------------------------------------------------------------------------------------------------


class Wait(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait"):
    """Do nothing for `seconds`, counted from when the run came here.

    With `amount`, an expression that gives a number, the wait is that many times `seconds`; a number below zero is none
    at all. Where the expression fails, the run ends: nobody knows when to go on.
    """

    id: str
    seconds: int
    amount: str = ""
    next: str | None = None


class WaitUntil(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait_until"):
    """Do nothing until the recipient's clock shows `at` (`HH:MM`), on one of `days` (0 is Monday; empty: any day).

    With `date`, an expression that gives a date or a moment, that day is meant, moved by `offset` days; `yearly` takes
    its next anniversary. A day that has passed is waited for no longer; where there is no date, the run ends.
    """

    id: str
    at: str
    days: tuple[int, ...] = ()
    date: str = ""
    offset: int = 0
    yearly: bool = False
    next: str | None = None


class WaitFor(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait_for"):
    """Do nothing until `event` comes for which `when` is true, then go `then`; after `seconds` go `otherwise`."""

    id: str
    event: str
    seconds: int
    when: str = ""
    then: str | None = None
    otherwise: str | None = None


class Way(Struct, frozen=True, omit_defaults=True):
    """One way of a split: its weight against the others', where it goes, and what it is called in the ledger."""

    name: str
    share: int
    to: str | None = None


class Split(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="split"):
    """Send each person one of several ways, by chance but always the same one (a hash decides)."""

    id: str
    ways: tuple[Way, ...]


class Arm(Struct, frozen=True, omit_defaults=True):
    """One way out of a branch: the condition, and the step to go on with (`None`: the end of the flow)."""

    when: str
    to: str | None = None


class Branch(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="branch"):
    """Go on with the first arm whose condition holds, else with `otherwise`."""

    id: str
    arms: tuple[Arm, ...]
    otherwise: str | None = None


Manner = Literal["skip", "wait"]


class Send(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="send"):
    """Plan one message on `channel`. `valid_seconds` after the run came here it is no longer worth sending.

    `sender` overrides the shop's. `manner` says what to do when manners forbid it now, where the flow's and the shop's
    manners are not to decide. `offer` is what the message gives, by the name of a file under offers/; `code` a coupon
    code that is in the message's own words, for `coupon.code` and `run.redeemed`. Where `offer_if` is not true, the
    message goes without its offer.
    """

    id: str
    channel: Channel
    template: str
    category: Category
    valid_seconds: int
    sender: str = ""
    manner: Manner | None = None
    code: str = ""
    offer: str = ""
    offer_if: str = ""
    next: str | None = None


class Audience(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="audience"):
    """Add the person to an ads audience, or remove them from it."""

    id: str
    audience: str
    action: Literal["add", "remove"]
    until: str = ""
    """the type of event that takes them off again"""
    next: str | None = None


class Notify(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="notify"):
    """Tell the shop: a mail to its own people, of the template `template`, whatever the customer's consent."""

    id: str
    template: str
    next: str | None = None


class Set(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="set"):
    """Write traits (name → expression) and put own tags on or take them off."""

    id: str
    traits: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    untags: tuple[str, ...] = ()
    next: str | None = None


class Suppress(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="suppress"):
    """Give the person up on this channel: no more marketing to their address, until they agree to it anew."""

    id: str
    reason: str
    channel: Literal["email", "sms"] = "email"
    next: str | None = None


class Repeat(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="repeat"):
    """Go through `body`, which leads back here, at most `times` times and while `until` is not true; then go on."""

    id: str
    times: int
    body: str | None
    until: str = ""
    next: str | None = None


class Exit(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="exit"):
    """End the run here."""

    id: str
    reason: str = "exit step"


Step = Wait | WaitUntil | WaitFor | Branch | Split | Send | Audience | Notify | Set | Suppress | Repeat | Exit


# --- triggers and rules ----------------------------------------------------------------------------------------------


class Rule(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="event"):
    """An event type, and what must be true of it (an empty `when` is always true).

    Of what concerns one segment or one flow, `subject` is its name: the others' are not this trigger's business.
    """

    event: str
    subject: str = ""
    when: str = ""


class OnDate(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="date"):
    """A trigger: the day of `date`, an expression over the profile, moved by `offset` days, at `at` on their own clock.

    It is told as `date.came`, to this flow alone. `yearly`: every anniversary, else that one day.
    """

    date: str
    at: str
    offset: int = 0
    yearly: bool = False
    when: str = ""


class OnSchedule(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="schedule"):
    """A trigger: a campaign. Exactly one of `once`, `cron` and `holiday` says when; `segment` (empty: all) to whom.

    It is told as `campaign.came`, to this flow alone, once for each occurrence. Times are of `zone` (empty: the
    shop's; `recipient`: of each recipient's own). `once` is a local time such as `2026-11-27T10:00`; a holiday's day is
    moved by `offset` days, at `at`.
    """

    segment: str = ""
    once: str = ""
    cron: str = ""
    holiday: str = ""
    offset: int = 0
    at: str = "10:00"
    zone: str = ""
    when: str = ""


Trigger = Rule | OnDate | OnSchedule


class Ask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What conditions need to know of the past: when the newest `keep` events of this type were for which `when` held.

    `seconds` is how far back is asked at most (0: for ever). `key` follows from `event` and `when`.
    """

    key: str
    event: str
    when: str = ""
    keep: int = 1
    seconds: int = 0

    @property
    def mark(self) -> str:
        """What a profile that answers this ask notes (`Profile.asked`): one that asks for more is another."""
        return f"{self.key}.{self.keep}.{self.seconds}"


def ask_key(event: str, when: str = "") -> str:
    """Return the key of what is kept of these events."""
    return digest("ask", event, when)[:10]


# --- manners ---------------------------------------------------------------------------------------------------------


class Hours(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the day on the recipient's clock, `HH:MM` to `HH:MM` (over midnight where `to` is earlier).

    `days` are those on which it begins (0 is Monday; empty: every day).
    """

    from_: str = msgspec.field(name="from")
    to: str
    days: tuple[int, ...] = ()


class Cap(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """At most `most` marketing messages of one channel (empty: of all together) within `seconds`, whatever the flow."""

    most: int
    seconds: int
    channel: str = ""


class Manners(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When marketing may be sent. `None` in a flow's manners means: as everywhere. Transactional messages are exempt.

    `quiet`: channel → when nothing goes out. `windows`: channel → the only times at which something does. `apart`:
    channel → seconds that must lie between two messages (smart sending). `otherwise`: what to do with a message that
    caps or smart sending forbid now; quiet hours and windows are always waited for, unless the step says `skip`.
    """

    quiet: dict[str, tuple[Hours, ...]] | None = None
    windows: dict[str, tuple[Hours, ...]] | None = None
    caps: tuple[Cap, ...] | None = None
    apart: dict[str, int] | None = None
    otherwise: Manner | None = None


#: Where nothing else is said (issue of the field: what the leading suites do).
DEFAULT_MANNERS = Manners(
    quiet={"sms": (Hours(from_="20:00", to="09:00"),)},
    windows={},
    caps=(),
    apart={"email": 16 * 3_600, "sms": 24 * 3_600},
    otherwise="skip",
)


def manners_of(*layers: Manners | None) -> Manners:
    """Return manners of which each part is that of the first layer that says it; `DEFAULT_MANNERS` come last.

    What is said by channel is taken channel by channel: a flow with quiet hours for mails keeps those of text messages.
    """
    said = [layer for layer in (*layers, DEFAULT_MANNERS) if layer is not None]

    def by_channel(name: str) -> dict[str, Any]:
        return {channel: rule for layer in reversed(said) for channel, rule in (getattr(layer, name) or {}).items()}

    return Manners(
        quiet=by_channel("quiet"),
        windows=by_channel("windows"),
        apart=by_channel("apart"),
        caps=next(layer.caps for layer in said if layer.caps is not None),
        otherwise=next(layer.otherwise for layer in said if layer.otherwise is not None),
    )


# --- flows, segments, shops ------------------------------------------------------------------------------------------


class Flow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of one flow. All durations are seconds.

    `again`: `None` never enters a second time under the same key, 0 always, else after so many seconds. `restart`: a
    newer trigger sets a run that has not planned any message back to its first step; `gather`: it joins that run,
    whatever its key, as long as the rules of entry let it in. `unique_key`: the key names a
    basket, an order or another thing that one customer only can have, so that the run's id follows from it alone.
    """

    name: str
    triggers: tuple[Trigger, ...]
    first: str | None
    steps: dict[str, Step]
    enabled: bool = False
    title: str = ""
    key: str = ""
    unique_key: bool = False
    again: int | None = None
    restart: bool = False
    gather: bool = False
    max_age: int = 86_400
    opens: str = ""
    """nobody enters before this local time of the shop (`2026-11-01T00:00`; empty: always open)"""
    closes: str = ""
    """nobody enters from this local time on"""
    holdout: int = 0
    """of 10,000 people so many never enter, by a hash, so that what the flow brings can be measured"""
    at_once: int | None = None
    """how many runs of this flow one person may have at a time"""
    timeout: int = 30 * 86_400
    goal: tuple[Rule, ...] = ()
    exit_on: tuple[Rule, ...] = ()
    priority: int = 0
    topic: str = ""
    """what its marketing is about; people can switch that off"""
    replaces: str = ""
    """which of the shop's own mails it says the same as: `orders`, `carts` or none"""
    manners: Manners | None = None
    utm: dict[str, str] = {}
    """UTM parameter → text, where it is another than the shop's; empty: left out"""
    removed: Literal["finish", "end"] = "finish"
    """what becomes of runs when the flow's file is gone"""
    asks: tuple[Ask, ...] = ()
    version: str = ""


class Segment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named expression over the profile. `inputs` are the parts that it reads; `needs` other segments."""

    name: str
    when: str
    title: str = ""
    inputs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()


class Tier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A loyalty tier of the shop's own: reached with so much spent, so many items or so many orders.

    Whichever comes first counts. `spent` is in the shop's currency, net of refunds.
    """

    name: str
    spent: Decimal | None = None
    items: int | None = None
    orders: int | None = None


class Attribution(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Within how many seconds after a click, and after an opening (0: never), an order is credited to a message.

    `lift` is how long somebody's orders count for the side of a comparison on which they stand.
    """

    click: int = 5 * 86_400
    open: int = 0
    lift: int = 30 * 86_400


class Shop(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What marketers set for one shop. `flows` switches flows on or off for this shop, whatever their own file says."""

    id: str
    name: str
    platform: str
    url: str
    sender_email: str
    sender_name: str
    postal_address: str
    currency: str
    locale: str
    zone: str
    reply_to: str | None = None
    link_domain: str | None = None
    logo: str | None = None
    flows: dict[str, bool] = {}
    own_mails: dict[str, bool] = {}
    """`orders`, `carts` → whether the shop still sends its own; nothing where nobody has said"""
    offers: dict[str, bool] = {}
    """offer → whether it is given here, whatever its own file says"""
    notify: str | None = None
    """where `notify` steps write to"""
    shipping_days: int = 5
    """how long a parcel takes, in days, for waits that count on it"""
    cycle_days: int = CYCLE_DAYS
    """how many days usually lie between two orders, for whoever has no rhythm of their own yet"""
    tiers: tuple[Tier, ...] = ()
    """its loyalty tiers, the lowest first"""
    values: dict[str, TraitValue] = {}
    """the shop's own numbers and words, for conditions: `shop.values.vip_line`"""
    channels: tuple[str, ...] = ("email",)
    """what this shop is connected to"""
    locales: tuple[str, ...] = ()
    """which languages this shop writes mails in; its own alone where it is empty"""
    audiences: dict[str, str] = {}
    """ads audiences: the name that flows use → Meta's id"""
    sms_sender: str = ""
    """the origination identity of text messages: a number, a pool or a sender id"""
    sms_numbers: tuple[str, ...] = ()
    """the numbers (E.164) to which customers' answers come"""
    interests: dict[str, dict[str, str]] = {}
    """what the survey asks about: the name that conditions know → language → words"""
    reviews: dict[str, str] = {}
    """where customers can say publicly what they think: a place's name → its address"""
    domains: tuple[str, ...] = ()
    """further hosts that its pages are on"""
    site_consent: str = "platform"
    """who says on its site that a visitor agrees: `platform`, `explicit` or `assumed` (docs/site.md)"""
    double_opt_in: bool = True
    """whether whoever signs up on its site is asked back by mail (docs/site.md)"""
    push_key: str = ""
    """the public key by which its site asks for push messages; empty: it does not"""
    push_worker: str = ""
    """where its site serves the service worker, if not where its platform does"""
    utm: dict[str, str] = {}
    """UTM parameter → text, where it is another than `rekindle.content.utm.DEFAULT`; empty: left out"""
    attribution: Attribution = Attribution()
    holdout: int = 0
    """how many people get no marketing at all, to measure what it brings: hundredths of a per cent"""

    def earned(self, past: History) -> tuple[str, ...]:
        """Return the names of the tiers that a customer with this history has reached, the lowest first."""
        if not self.tiers or not past.orders:
            return ()
        spent = past.revenue.get(self.currency, _NOTHING)

        def over(tier: Tier) -> bool:
            lines = ((tier.spent, spent), (tier.items, past.items), (tier.orders, past.orders))
            return any(line is not None and value >= line for line, value in lines)

        return tuple(tier.name for tier in self.tiers if over(tier))

    @property
    def languages(self) -> tuple[str, ...]:
        """The locales that its mails must be written in."""
        return self.locales or (self.locale,)


class Playbook(Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """The published set that `advance` decides by. `pinned` holds older flow versions that runs still follow."""

    hash: str
    flows: dict[str, Flow] = {}
    segments: dict[str, Segment] = {}
    manners: Manners = Manners()
    topics: dict[str, bool] = {}
    """what people can switch on and off → whether it is on for those who have not chosen"""
    shops: dict[str, Shop] = {}
    pinned: dict[str, Flow] = {}
    offers: dict[str, Offer] = {}

    def offer(self, name: str, shop: str) -> Offer | None:
        """Return the offer as this shop gives it now; `None` where it does not."""
        known, offer = self.shops.get(shop), self.offers.get(name)
        if known is None or offer is None or offer.shop not in ("", shop):
            return None
        return offer if known.offers.get(name, offer.enabled) else None

    def enabled(self, flow: Flow, shop: str) -> bool:
        """Whether new runs of this flow may start in this shop."""
        known = self.shops.get(shop)
        return known is not None and known.flows.get(flow.name, flow.enabled)

    @cached_property
    def _by_type(self) -> dict[str, tuple[tuple[Flow, Trigger], ...]]:
        found: dict[str, list[tuple[Flow, Trigger]]] = {}
        for flow in sorted(self.flows.values(), key=lambda flow: (-flow.priority, flow.name)):
            for trigger in flow.triggers:
                kind = trigger.event if isinstance(trigger, Rule) else _TOLD_AS[type(trigger)]
                found.setdefault(kind, []).append((flow, trigger))
        return {kind: tuple(pairs) for kind, pairs in found.items()}

    def triggered_by(self, event_type: str) -> tuple[tuple[Flow, Trigger], ...]:
        """Return the flows that this event type can start, with the trigger that says so; higher priority first."""
        return self._by_type.get(event_type, ())

    def version(self, flow: str, version: str) -> Flow | None:
        """Return the flow at the version that a run is pinned to."""
        newest = self.flows.get(flow)
        return newest if newest is not None and newest.version == version else self.pinned.get(version)

    @cached_property
    def dated(self) -> tuple[tuple[Flow, int, OnDate], ...]:
        """The flows that a date starts, by name; with the trigger and its place among the flow's."""
        return tuple(
            (flow, place, trigger)
            for _, flow in sorted(self.flows.items())
            for place, trigger in enumerate(flow.triggers)
            if isinstance(trigger, OnDate)
        )

    @cached_property
    def asks(self) -> dict[str, Ask]:
        """What flows and segments together need to know of the past, by key."""
        parts: tuple[Flow | Segment, ...] = (*self.flows.values(), *self.segments.values())
        return {ask.key: ask for ask in merged_asks(ask for part in parts for ask in part.asks)}

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """The marks of all asks, in order."""
        return tuple(sorted(ask.mark for ask in self.asks.values()))

    @cached_property
    def asked_of(self) -> dict[str, tuple[Ask, ...]]:
        """The same, by the event type that it is about."""
        found: dict[str, list[Ask]] = {}
        for ask in self.asks.values():
            found.setdefault(ask.event, []).append(ask)
        return {kind: tuple(asks) for kind, asks in found.items()}

    @cached_property
    def all_manners(self) -> tuple[Manners, ...]:
        """The manners that hold somewhere: the shop's, and those of each flow that has its own."""
        own = (flow.manners for flow in (*self.flows.values(), *self.pinned.values()) if flow.manners is not None)
        return tuple(manners_of(layer, self.manners) for layer in (None, *own))

    @cached_property
    def ordered_segments(self) -> tuple[Segment, ...]:
        """The segments, each after those that it needs. Publishing has made sure that there is no circle."""
        done: dict[str, Segment] = {}

        def visit(segment: Segment) -> None:
            if segment.name in done:
                return
            for name in segment.needs:
                if name in self.segments and name != segment.name:
                    visit(self.segments[name])
            done[segment.name] = segment

        for name in sorted(self.segments):
            visit(self.segments[name])
        return tuple(done.values())

    @cached_property
    def shape(self) -> str:
        """The hash of all that decides who is in which segment and when whose dates come.

        A profile that was advanced under another shape is looked at anew; publishing another shape starts the pass.
        """
        dates = [(flow.name, place, flow.enabled, trigger) for flow, place, trigger in self.dated]
        switches = {
            shop.id: {flow.name: shop.flows.get(flow.name) for flow, _, _ in self.dated} for shop in self.shops.values()
        }
        settings = {shop.id: _settings(shop) for shop in self.shops.values()}
        tiered = any(shop.tiers for shop in self.shops.values())
        whole: tuple[Any, ...] = (self.segments, self.marks, dates, switches, settings)
        if any("topics" in segment.inputs for segment in self.segments.values()):
            whole = (*whole, self.topics)
        if not (self.segments or self.asks or dates or tiered):
            return ""
        return digest("shape", msgspec.json.encode(whole, order="sorted"))[:16]


_TOLD_AS: dict[type[Trigger], str] = {OnDate: "date.came", OnSchedule: "campaign.came"}


def _settings(shop: Shop) -> tuple[Any, ...]:
    """Return what of a shop's file decides segments, tiers and dates; what it leaves as it is left out."""
    rhythm = () if shop.cycle_days == CYCLE_DAYS else (shop.cycle_days,)
    return (shop.currency, shop.zone, shop.values, *rhythm, *shop.tiers)


def merged_asks(asks: Iterable[Ask]) -> tuple[Ask, ...]:
    """Return one ask for each key: the most that any asks for."""
    found: dict[str, Ask] = {}
    for ask in asks:
        known = found.get(ask.key)
        if known is not None:
            ever = not (ask.seconds and known.seconds)
            ask = msgspec.structs.replace(  # noqa: PLW2901 - the same ask, wider
                ask, keep=max(ask.keep, known.keep), seconds=0 if ever else max(ask.seconds, known.seconds)
            )
        found[ask.key] = ask
    return tuple(found[key] for key in sorted(found))


def versioned(flow: Flow) -> Flow:
    """Return the flow under its version: the hash of everything that decides how it runs."""
    plain = msgspec.structs.replace(flow, version="", enabled=False, title="")
    return msgspec.structs.replace(flow, version=digest("flow", msgspec.json.encode(plain, order="sorted")))
