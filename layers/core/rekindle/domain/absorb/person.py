"""Who somebody is, how they can be reached, and what they allow."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.absorb.interests import without_alerts
from rekindle.domain.absorb.push import refuse_push
from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, Customer, Person
from rekindle.domain.profile import Profile, Tag, Told

#: The source of a word that takes back an earlier refusal, and allows nothing that was never spoken of.
AGAIN = "sms:start"
#: The source of what a list says that the shop brought along (an export of its former mailing service).
LISTED = "import"
#: States by which somebody, or the platform, made a choice: the latest of these wins.
_EXPLICIT = frozenset({"subscribed", "unsubscribed", "pending", "redacted", "invalid", "suppressed"})
_REFUSED = frozenset({"unsubscribed", "redacted", "invalid", "suppressed"})
#: Between two acts of the same moment the more careful one wins.
_CAUTION = ("subscribed", "not_subscribed", "pending", "suppressed", "unsubscribed", "invalid", "redacted")
#: What a browser knows of itself. Names are written into mails, and addresses decide who gets them.
_UNSIGNED = frozenset({"locale", "zone"})


def with_contacts(profile: Profile, event: Event) -> Profile:
    """Take the contact points that the event names, where somebody signed it and none is known yet."""
    if not event.signed:
        return profile
    who = event.who
    # Only the account itself may change a known address; a checkout may be somebody else's gift.
    account = event.data if isinstance(event.data, Customer) else None
    changes: dict[str, str] = {}
    for name, value in (("email", who.email), ("phone", who.phone), ("shop_customer_id", who.shop_customer_id)):
        known = getattr(profile, name)
        fixed = name == "shop_customer_id"
        if value and value != known and (known is None or (not fixed and _newer(account, profile, value > known))):
            changes[name] = value
    return replace(profile, **changes) if changes else profile


def _newer(account: Customer | None, profile: Profile, of_one_moment: bool) -> bool:
    """Whether the account says something newer than it has said before, or, of one moment, what is to win."""
    if account is None or profile.customer_at is None:
        return account is not None
    return account.updated_at > profile.customer_at or (account.updated_at == profile.customer_at and of_one_moment)


def with_person(profile: Profile, event: Event) -> Profile:
    """Take what is told of the person, each field as its own fact: the newest telling of it wins."""
    person = event.person
    if person is None:
        return profile
    news, told = {}, dict(profile.told)
    for name in Person.__struct_fields__:
        value, known = getattr(person, name), told.get(name)
        if value is None or not (event.signed or name in _UNSIGNED):
            continue
        # Of two tellings of one moment the same must win in any order of arrival.
        if known is None or (event.occurred_at, value) > (known.at, getattr(profile.person, name) or ""):
            news[name] = value
            told[name] = Told(event.occurred_at, event.type)
    return replace(profile, person=replace(profile.person, **news), told=told) if news else profile


def take_consent(profile: Profile, event: Event, consent: Consent) -> Absorbed:
    """Take what was said about one channel and address, if it is the act that holds."""
    if consent.channel == "push":
        return refuse_push(profile, event, consent)
    # A keyed hash without its address is about an address that this person has no longer.
    address = consent.address or (None if consent.address_key else profile.address(consent.channel))
    if address is None:
        return Absorbed(profile, ignored="no address that this consent could be about")
    key = f"{consent.channel}:{address}"
    known = profile.consent.get(key)
    act = replace(consent, address=address, address_key=None)
    if known is None and consent.source == AGAIN:
        return Absorbed(profile, ignored="nothing that could be allowed again")
    if known is not None and act.state == "subscribed" and act.source == LISTED and known.state in _REFUSED:
        return Absorbed(profile, ignored="a list allows nothing that was refused")
    if known is not None and later_act(known, act) is known:
        return Absorbed(profile, ignored="not an act" if act.state not in _EXPLICIT else "older than what is known")
    profile = replace(profile, consent={**profile.consent, key: act})
    waiting = any(each.asked for each in profile.interests.values())
    if waiting and (act.channel, act.state) == ("email", "unsubscribed"):
        # Whoever wants no mails wants none that they once asked for.
        profile = replace(profile, interests=without_alerts(profile.interests, act.at))
    # Who asks for it again may have refused meanwhile, in a word that is yet to come: that is news.
    if known is not None and known.state == act.state and act.source != AGAIN:
        return Absorbed(profile, ignored="already known")
    return Absorbed(profile, (replace(event, data=act),))


def later_act(one: Consent, two: Consent) -> Consent:
    """Return the one that holds: the latest explicit act; of two at one moment the more careful; `one` if equal.

    The tick that an order brings along (`source` "order") is a copy of the checkout's, whose time it does not know.
    Somebody may tick, get a reminder, unsubscribe, and still buy: so a copy never beats what was said itself. Neither
    does what a list of the shop's allows; what it refuses is as good as said.
    """

    def weight(act: Consent) -> tuple[bool, bool, datetime, int, bytes]:
        # The last of these only makes two tellings of one act stand in one order, however they came.
        return (
            act.state in _EXPLICIT,
            act.source != "order" and not (act.source == LISTED and act.state == "subscribed"),
            act.at,
            _CAUTION.index(act.state),
            msgspec.json.encode(act),
        )

    return two if weight(two) > weight(one) else one


def take_customer(profile: Profile, event: Event, customer: Customer) -> Absorbed:
    """Take what the account says: its tags, and how new that is."""
    before = profile
    profile = _with_tags(profile, customer)
    if profile.customer_at is None or customer.updated_at > profile.customer_at:
        profile = replace(profile, customer_at=customer.updated_at)
    if profile == before:
        return Absorbed(profile, ignored="older than what is known")
    return Absorbed(profile, (event,))


def _with_tags(profile: Profile, customer: Customer) -> Profile:
    """Take the tags as each stood last: all of them as of one moment, or single ones put on and taken off."""
    at, marks, floor = customer.updated_at, dict(profile.tag_marks), profile.tags_at
    if customer.tags is not None and (floor is None or at >= floor):
        # Two lists of one second: nobody knows which was later, so both hold, in whatever order they come.
        floor = at
        whole = dict.fromkeys(customer.tags, True)
    else:
        whole = {}
    for name, on in (
        *whole.items(),
        *((name, True) for name in customer.tags_added),
        *((name, False) for name in customer.tags_removed),
    ):
        if (name not in marks or (at, not on) > (marks[name].at, not marks[name].on)) and (
            profile.tags_at is None or at >= profile.tags_at
        ):
            marks[name] = Tag(at, on)
    if floor is not None:
        # What was not among all tags was off then; only news since that moment need to be kept.
        marks = {name: tag for name, tag in marks.items() if tag.at >= floor}
    return replace(profile, tag_marks=marks, tags_at=floor)
