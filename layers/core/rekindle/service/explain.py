"""Why did, or didn't, this person get this mail? The ledger of one person, in order and in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.errors import RekindleError
from rekindle.domain.events import Event
from rekindle.domain.offers import Coupon, plain_code
from rekindle.domain.outcome import Decision
from rekindle.domain.preferences import as_values
from rekindle.domain.profile import Profile
from rekindle.domain.zones import zone_of
from rekindle.flow.local_time import zone
from rekindle.flow.program import Playbook
from rekindle.ports import Message, State, Vault
from rekindle.service.absence import why_never
from rekindle.service.library import Library
from rekindle.service.people import alias_key, alias_keys, follow
from rekindle.service.wording import moment, phrase

_PAGE = 100
#: A message in one of these states gave nobody anything.
_UNSENT = frozenset({"leased", "reopened", "skipped", "failed"})


class NobodyError(RekindleError):
    """Nobody is known by that address in that shop."""


class Gift(Struct, frozen=True, kw_only=True):
    """A code that a message gave: of which offer, until when it is promised to work, and which order used it when."""

    offer: str
    code: str
    expires_at: datetime | None = None
    used_at: datetime | None = None
    order_id: str | None = None


class Line(Struct, frozen=True, kw_only=True):
    """One decision in words, and as it was written down."""

    at: datetime
    words: str
    decision: Decision
    outcome: str | None = None
    """of a planned message: what became of it"""
    coupon: Gift | None = None
    """of a planned message that gives an offer, once there is a code"""


class Inside(Struct, frozen=True, kw_only=True):
    """A run that was under way, and until when it waited, if it did."""

    flow: str
    run: str
    since: datetime
    until: datetime | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """How things stood at a moment: the runs under way, the segments (→ since when), what was said of each channel.

    `chose` is what was chosen on the preference page, as `domain.preferences.as_values` has it.
    """

    inside: tuple[Inside, ...] = ()
    segments: dict[str, datetime] = {}
    said: dict[str, str] = {}
    chose: dict[str, Any] = {}


class Explanation(Struct, frozen=True, kw_only=True):
    """What the ledger says of one person, oldest first, up to 400 days back.

    `zone` is where the times in words are of, `zone_from` how that is known: `told`, `region`, `country`, or `shop`.
    `never` says why a flow that was asked for appears in no line.
    """

    profile: Profile
    zone: ZoneInfo
    zone_from: str
    lines: tuple[Line, ...]
    standing: Standing
    never: tuple[str, ...] = ()


def explain(
    shop: str,
    email: str,
    *,
    state: State,
    vault: Vault,
    library: Library,
    key: bytes,
    flow: str | None = None,
    until: datetime | None = None,
) -> Explanation:
    """Return the decisions about the person with this (canonical) address; of one flow, up to a moment, if asked.

    Raises `NobodyError`.
    """
    profile = _find(shop, email, state, vault, key)
    playbook = library.newest()
    where, where_from = _clock(profile, playbook)
    decisions = sorted(
        (decision for each in (profile.id, *profile.was) for decision in _ledger(vault, each)),
        key=lambda decision: decision.at,
    )
    before = [decision for decision in decisions if until is None or decision.at <= until]
    wanted = [decision for decision in before if flow is None or decision.flow == flow]
    messages = vault.messages(tuple({decision.message_id for decision in wanted if decision.message_id}))
    gifts = _gifts(wanted, profile, vault, until)
    never: tuple[str, ...] = ()
    if flow is not None and not wanted:
        heard = [event for event in _heard(profile, state, key) if until is None or event.received_at <= until]
        never = why_never(flow, profile, playbook, heard, before, zone=where, published_at=library.published_at)
    standing = _now(profile) if until is None else _then(before, profile, decisions)
    if flow is not None:
        standing = replace(standing, inside=tuple(inside for inside in standing.inside if inside.flow == flow))
    return Explanation(
        profile=profile,
        zone=where,
        zone_from=where_from,
        lines=tuple(
            _line(each, messages.get(each.message_id or ""), gifts.get(_gives(each)), where, until) for each in wanted
        ),
        standing=standing,
        never=never,
    )


def _find(shop: str, email: str, state: State, vault: Vault, key: bytes) -> Profile:
    alias = alias_key(key, shop, "email", email)
    owners, shared = vault.owners([alias])
    profile = follow(state.profile, owners[alias]) if alias in owners else None
    if profile is None:
        many = ": more than five customers share it, so it identifies nobody" if alias in shared else ""
        raise NobodyError(f"nobody is known by this address in {shop}{many}")
    return profile


def _clock(profile: Profile, playbook: Playbook) -> tuple[ZoneInfo, str]:
    known = zone_of(profile)
    shop = playbook.shops.get(profile.shop)
    told = ((known[0], known[1]) if known else ("", ""), (shop.zone if shop else "", "shop"))
    found = ((zone(name), source) for name, source in told if name)
    return next(((where, source) for where, source in found if where is not None), (ZoneInfo("UTC"), "shop"))


# --- how things stood ------------------------------------------------------------------------------------------------


def _now(profile: Profile) -> Standing:
    inside = tuple(
        Inside(flow=run.flow, run=run.id, since=run.entered_at, until=run.resume_at)
        for run in profile.runs
        if run.status == "active"
    )
    said: dict[str, str] = {}
    for channel in ("email", "sms"):
        act = profile.consent.get(f"{channel}:{profile.address(channel)}")
        if act is not None:
            said[channel] = act.state
    return Standing(
        inside=inside,
        segments=dict(sorted(profile.segments.items())),
        said=said,
        chose=as_values(profile.preferences),
    )


def _then(before: Sequence[Decision], profile: Profile, ever: Sequence[Decision]) -> Standing:
    """Return how things stood after these decisions, the first of `ever`."""
    inside: dict[str, Inside] = {}
    segments: dict[str, datetime] = {}
    said: dict[str, str] = {}
    chose = {name: value for decision in before if decision.what == "chose" for name, value in decision.values.items()}
    ended = {decision.run for decision in ever if decision.what == "ended"}
    lasting = {run.id for run in profile.runs if run.status == "active"}
    for decision in before:
        match decision.what:
            case "entered" | "restarted" if decision.run and decision.flow:
                inside[decision.run] = Inside(flow=decision.flow, run=decision.run, since=decision.at)
            case "ended":
                inside.pop(decision.run or "", None)
            case "waiting" | "held" if decision.run in inside:
                until = datetime.fromisoformat(str(decision.values["until"]))
                inside[decision.run] = replace(inside[decision.run], until=until)
            case "joined":
                segments[str(decision.values["segment"])] = decision.at
            case "left_segment":
                segments.pop(str(decision.values["segment"]), None)
            case "said":
                state, _, channel = decision.rule.partition(" (")
                said[channel.rstrip(")")] = state
            case "merged":
                # Of one flow under one key only one run goes on; for the other no line says that it has ended.
                inside = {run: each for run, each in inside.items() if run in ended or run in lasting}
            case _:
                # What it gathers changes nothing of how long it waits.
                if decision.run in inside and decision.what != "gathered":
                    inside[decision.run] = replace(inside[decision.run], until=None)
    return Standing(inside=tuple(inside.values()), segments=dict(sorted(segments.items())), said=said, chose=chose)


# --- lines -----------------------------------------------------------------------------------------------------------


def _line(
    decision: Decision, message: Message | None, gift: Gift | None, where: ZoneInfo, until: datetime | None
) -> Line:
    told = [_outcome(message, where, until) if message is not None else None]
    sent = message is not None and message.state not in _UNSENT
    if gift is not None and sent:
        told.append(_gave(gift, where, until))
    elif decision.what == "planned" and decision.values.get("offer") and message is None and until is None:
        told.append("waits for its coupon" if gift is None else "its coupon is made")
    outcome = "; ".join(filter(None, told)) or None
    return Line(
        at=decision.at, words=phrase(decision, where), decision=decision, outcome=outcome, coupon=gift if sent else None
    )


def _gives(decision: Decision) -> tuple[str, str]:
    """Return run and offer of what a planned message gives: together they name its coupon."""
    return decision.run or "", str(decision.values.get("offer") or "") if decision.what == "planned" else ""


def _gifts(
    wanted: Iterable[Decision], profile: Profile, vault: Vault, until: datetime | None
) -> dict[tuple[str, str], Gift]:
    """Return run and offer → the code that was made. Of nobody to whom nothing was offered anything is read."""
    if not any(offer for _, offer in map(_gives, wanted)):
        return {}
    found = {}
    for coupon in (coupon for each in (profile.id, *profile.was) for coupon in vault.coupons(each)):
        if coupon.state != "made" or (until is not None and coupon.issued_at > until):
            continue
        order_id, used_at = _used(coupon, profile, until)
        found[coupon.run, coupon.offer] = Gift(
            offer=coupon.offer, code=coupon.code, expires_at=coupon.expires_at, used_at=used_at, order_id=order_id
        )
    return found


def _used(coupon: Coupon, profile: Profile, until: datetime | None) -> tuple[str | None, datetime | None]:
    """Return which order used a code first, and when: of the orders that the profile still knows one by one."""
    code = plain_code(coupon.code)
    uses = sorted(
        (when, order_id)
        for order_id, mark in profile.orders.items()
        if code in mark.codes and "order.placed" in mark.events
        if (when := mark.placed_at or mark.updated_at) >= coupon.issued_at and (until is None or when <= until)
    )
    return (uses[0][1], uses[0][0]) if uses else (None, None)


def _gave(gift: Gift, where: ZoneInfo, until: datetime | None) -> str:
    ends = f"works until {moment(gift.expires_at, where)}" if gift.expires_at is not None else "without an end"
    if gift.used_at is None:
        use = "not used" if until is None else "not used by then"
    else:
        use = f"used in the order {gift.order_id} at {moment(gift.used_at, where)}"
    return f"gave {gift.code} of the offer {gift.offer}, {ends}, {use}"


def _outcome(message: Message, where: ZoneInfo, until: datetime | None) -> str | None:
    """Return what had become of the message by then."""

    def by_then(when: datetime | None) -> bool:
        return until is None or when is None or when <= until

    if not by_then(message.at):
        return None
    told = [message.state + (f" {moment(message.at, where)}" if message.at is not None else "")]
    if message.opened_at is not None and by_then(message.opened_at):
        told.append(f"opened {moment(message.opened_at, where)}")
    if message.links and until is None:
        told.append(f"clicked {len(message.links)} link{'s' if len(message.links) > 1 else ''}")
    for act, when in (("opened", message.machine_opened_at), ("clicked", message.machine_clicked_at)):
        if when is not None and by_then(when):
            told.append(f"{act} by a machine {moment(when, where)}")
    return ", ".join(told) + (f": {message.why}" if message.why and message.state != "delivered" else "")


def _ledger(vault: Vault, profile_id: str) -> Iterator[Decision]:
    after = ""
    while page := vault.ledger(profile_id, after, _PAGE):
        for entry in page:
            yield from entry.decisions
        after = page[-1].at


def _heard(profile: Profile, state: State, key: bytes) -> Iterable[Event]:
    """Return what this person was told of in the last 400 days, oldest first."""
    own, ids = frozenset(profile.aliases), frozenset((profile.id, *profile.was))
    found: dict[str, Event] = {}
    for profile_id in ids:
        cursor: str | None = None
        while True:
            page = state.heard(profile_id, None, cursor)
            for each in page.heard:
                for event in each.events:
                    if event.profile_id in ids if event.profile_id else own.intersection(alias_keys(key, (event,))):
                        found[event.id] = event
            cursor = page.cursor
            if cursor is None:
                break
    return sorted(found.values(), key=lambda event: (event.received_at, event.id))
