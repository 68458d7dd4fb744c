"""Customer accounts: what is known of them, their tags, and what they say about marketing.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Who
from rekindle.domain.facts import Channel, Consent, Customer
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, mapping, moment
from rekindle.shops.shopify.people import People, consent, recorded, tell_consents
from rekindle.shops.shopify.values import plain_id, tags_of


def customer(topic: str, body: Body, telling: Telling) -> None:
    """Tell `customer.updated`, and the consents on the record."""
    customer_id = _id(topic, body, "id")
    people = People(body, body, telling)
    at = moment(body.get("updated_at")) or telling.arrival.at
    person = people.person(body.get("locale"))
    consents = recorded(people, at)
    account = Customer(id=customer_id, tags=tags_of(body.get("tags")), updated_at=at)
    telling.tell("customer.updated", account, at, people.who, person)
    tell_consents(consents, people)


def deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell that an account is gone. Only its id is sent; what the person bought and agreed to is not undone by it.

    The topic's header is not signed: a whole account under it is only told as changed, with a problem.
    """
    customer_id = _id(topic, body, "id")
    if body.get("created_at") or body.get("updated_at"):
        telling.problems.append("updated_at: stands in a deletion, which has only an id")
        customer(topic, body, telling)
        return
    at = telling.arrival.at
    told = Customer(id=customer_id, deleted=True, updated_at=at)
    telling.tell("customer.updated", told, at, Who(shop_customer_id=customer_id))


def tagged(topic: str, body: Body, telling: Telling) -> None:
    """Tell which tags were added to an account, or removed. Since API 2025-01 no other webhook names any."""
    customer_id = _id(topic, body, "customerId")
    at = moment(body.get("occurredAt")) or telling.arrival.at
    tags = tags_of(body.get("tags")) or ()
    if not tags:
        telling.tell_unknown(topic, body, "tags: are missing", named=customer_id)
        return
    added, removed = (tags, ()) if topic == "customer.tags_added" else ((), tags)
    told = Customer(id=customer_id, tags_added=added, tags_removed=removed, updated_at=at)
    telling.tell("customer.updated", told, at, Who(shop_customer_id=customer_id))


def _id(topic: str, body: Body, name: str) -> str:
    customer_id = plain_id(body.get(name))
    if customer_id is None:
        raise MalformedBodyError(f"{topic}: the customer has no {name}")
    return customer_id


def email_consent(topic: str, body: Body, telling: Telling) -> None:
    """Tell what somebody said about marketing by e-mail."""
    email = telling.use("email_address", contact.email(body.get("email_address")))
    who = Who(email=email, shop_customer_id=identifier(body.get("customer_id")))
    said = mapping(body.get("email_marketing_consent"))
    _tell_said(topic, body, telling, who, _said("email", said, email, telling))


def sms_consent(topic: str, body: Body, telling: Telling) -> None:
    """Tell what somebody said about marketing by SMS."""
    phone = telling.use("phone", contact.phone(body.get("phone"), telling.arrival.region))
    who = Who(phone=phone, shop_customer_id=identifier(body.get("id")) or identifier(body.get("customer_id")))
    said = mapping(body.get("sms_marketing_consent"))
    _tell_said(topic, body, telling, who, _said("sms", said, phone, telling))


def _said(channel: Channel, said: Body, address: str | None, telling: Telling) -> Consent | None:
    """Return what was said just now: the webhook itself dates it where the body does not."""
    arrival = telling.arrival
    return consent(channel, said, address, telling, granted_by=arrival.claimed_at, refused_by=arrival.at)


def _tell_said(topic: str, body: Body, telling: Telling, who: Who, said: Consent | None) -> None:
    # A refusal needs no address where the customer is known: it is about whichever address that person has.
    if said is None or not who.points():
        telling.tell_unknown(topic, body, None if telling.problems else "says nothing about anybody's consent")
    else:
        telling.tell("consent.changed", said, said.at, who)
