"""A row of a list that a shop brings along: of a CSV file, after its columns were named.

It is the shop's word, so it is signed: but consent only where the row says so, with when, and it never allows what was
refused (`domain.absorb.person.LISTED`). Pure: imports `rekindle.domain` and its neighbours here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from rekindle.domain.absorb import LISTED
from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Channel, Consent, ConsentState, Person, Proof, TraitsTold
from rekindle.domain.traits import MAX_TRAITS
from rekindle.shops import contact
from rekindle.shops.reading import Arrival, Body, Telling, identifier, mapping, moment, rows, short, text

#: The topic of such a body: `{"at", "email", "phone", "customer_id", "person": {…}, "traits": {…}, "consents": [{…}]}`.
#: A consent has `channel`, `state` and `at`, and may say by which way it was given (`by`); moments are in ISO 8601 with
#: their zone.
TOPIC = "list.row"

#: Characters of a way.
_BY = 200
_CHANNELS = frozenset({"email", "sms"})
_STATES = frozenset({"subscribed", "unsubscribed", "invalid"})


def normalise(body: Body, arrival: Arrival) -> tuple[Event, ...]:
    """Return the events that a row tells: what is known of the person, then what they said of each channel.

    Raises `MalformedBodyError` where it names nobody that could be found again.
    """
    telling = Telling(arrival)
    place = mapping(body.get("person"))
    country = telling.use("country", contact.country(place.get("country")))
    email = telling.use("email", contact.email(body.get("email")))
    phone = telling.use("phone", contact.phone(body.get("phone"), country or arrival.region))
    customer_id = identifier(body.get("customer_id"))
    if email is None and phone is None and customer_id is None:
        why = telling.problems[-1] if telling.problems else "it names nobody: no e-mail address, no phone number"
        raise MalformedBodyError(why)
    at = _by_now(moment(body.get("at")) or arrival.at, arrival)
    who = Who(email=email, phone=phone, shop_customer_id=customer_id)
    person = Person(
        first_name=text(place.get("first_name")),
        last_name=text(place.get("last_name")),
        locale=telling.use("locale", contact.locale(place.get("locale"))),
        country=country,
        region=contact.region(place.get("region"), country),
        city=text(place.get("city")),
        zone=text(place.get("zone")),
    )
    telling.tell("traits.changed", TraitsTold(at=at, values=_traits(body)), at, who, person)
    for row in rows(body.get("consents")):
        _consent(row, who, telling)
    return tuple(telling.events)


def _consent(row: Body, who: Who, telling: Telling) -> None:
    channel, state, at = row.get("channel"), row.get("state"), moment(row.get("at"))
    address = who.email if channel == "email" else who.phone
    if channel not in _CHANNELS or state not in _STATES or at is None:
        return
    # A refusal is about whichever address the person has; but a phone, which two may have, tells nobody's.
    if address is None and (state == "subscribed" or not (who.email or who.shop_customer_id)):
        return
    at = _by_now(at, telling.arrival)
    by = short(row.get("by"), _BY)
    act = Consent(
        channel=cast("Channel", channel),
        state=cast("ConsentState", state),
        at=at,
        source=LISTED,
        address=address,
        proof=Proof(form=by, asked_at=at) if by is not None and state == "subscribed" else None,
    )
    telling.tell("consent.changed", act, at, who)


def _by_now(at: datetime, arrival: Arrival) -> datetime:
    """Return the moment, or now: a date of tomorrow is a mistake, and must not win over what is said until then."""
    return min(at, arrival.received_at)


def _traits(body: Body) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in list(mapping(body.get("traits")).items())[:MAX_TRAITS]:
        if type(value) is list:
            found[name] = tuple(read for one in value if (read := text(one)))
        elif type(value) in (bool, int) or value is None:
            found[name] = value
        elif (read := text(value)) is not None:
            found[name] = read
    return found
