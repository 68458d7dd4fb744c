"""Who a body names, what it says about them, and what they agreed to.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast, get_args

from rekindle.domain.events import Who
from rekindle.domain.facts import Channel, Consent, ConsentState, Person
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, mapping, moment, text
from rekindle.shops.shopify.values import token_of

#: `suppressed` is a word of ours, and no shop's.
_STATES = frozenset(get_args(ConsentState)) - {"suppressed"}
_GRANTING = frozenset(("subscribed", "pending"))


class People:
    """Who a body names, and what it says about them.

    The body's own e-mail is the person's; the customer record's comes after it, and a difference between them is noted,
    for then the body names two addresses. Phones of addresses are not taken: they are the receiver's.
    """

    __slots__ = ("body", "country", "customer", "place", "region", "telling", "who")

    def __init__(self, body: Body, customer: Body, telling: Telling) -> None:
        self.telling = telling
        self.body = body
        self.customer = customer
        self.country: str | None = None
        self.place: Body = {}
        for place in (customer.get("default_address"), body.get("shipping_address"), body.get("billing_address")):
            if type(place) is dict:
                self.country, _ = contact.country(place.get("country_code"))
                if self.country is not None:
                    self.place = place
                    break
        self.region = self.country or telling.arrival.region
        own = body.get("email") or body.get("contact_email")
        email = telling.use("email", contact.email(own))
        account = customer.get("email")
        if account and account != own:
            other = telling.use("customer.email", contact.email(account))
            if email is None:
                email = other
            elif other is not None and other != email:
                telling.problems.append("customer.email: is not the address used here, and was left out")
        phone = telling.use("phone", contact.phone(body.get("phone"), self.region))
        if phone is None and customer is not body:
            phone = telling.use("customer.phone", contact.phone(customer.get("phone"), self.region))
        self.who = Who(
            email=email,
            phone=phone,
            shop_customer_id=identifier(customer.get("id")),
            cart_token=token_of(body.get("cart_token")),
            checkout_token=token_of(body.get("checkout_token")),
        )

    def person(self, locale: object = None) -> Person | None:
        """Return what is told about the human: the name of who pays, the place of the first address with a country."""
        first = last = None
        for named in (self.customer, self.body.get("billing_address"), self.body.get("shipping_address")):
            if type(named) is dict:
                first, last = text(named.get("first_name")), text(named.get("last_name"))
                if first or last:
                    break
        tag = self.telling.use("customer_locale", contact.locale(locale))
        city = text(self.place.get("city"))
        if not (first or last or tag or self.country):
            return None
        region = contact.region(self.place.get("province_code"), self.country)
        return Person(first_name=first, last_name=last, locale=tag, country=self.country, region=region, city=city)


def consent(
    channel: Channel,
    said: Body,
    address: str | None,
    telling: Telling,
    *,
    granted_by: datetime | None,
    refused_by: datetime,
    standing: bool = False,
) -> Consent | None:
    """Return what a customer record says about one channel, dated with its own `consent_updated_at`.

    Where Shopify sends no time, the state is dated so that doubt never writes to anybody: a grant with `granted_by`
    (the earliest that is known; `None`: then nothing is told), a refusal with `refused_by` (the latest). With
    `standing`, the state merely stands on a record, and `not_subscribed` without a time is nobody's act.
    """
    sent = text(said.get("state"))
    if sent is None:
        return None
    name = f"{channel}_marketing_consent"
    state = sent.lower()
    if state not in _STATES:
        telling.problems.append(f"{name}.state: is no consent state")
        return None
    at = moment(said.get("consent_updated_at"))
    if at is None:
        if standing and state == "not_subscribed":
            return None
        at = granted_by if state in _GRANTING else refused_by
    if at is None:
        telling.problems.append(f"{name}: says {state}, but not since when")
        return None
    if address is None and state in _GRANTING:
        telling.problems.append(f"{name}: says {state}, but for no usable address")
        return None
    return Consent(channel=channel, state=cast("ConsentState", state), at=at, source="customer", address=address)


def recorded(people: People, at: datetime) -> list[Consent]:
    """Return the consents that stand on the customer record inside a body (gone from most since API 2025-01)."""
    customer, telling = people.customer, people.telling
    email, sms = mapping(customer.get("email_marketing_consent")), mapping(customer.get("sms_marketing_consent"))
    if not (email or sms):
        return []
    created = moment(customer.get("created_at"))
    address, _ = contact.email(customer.get("email"))
    phone, _ = contact.phone(customer.get("phone"), people.region)
    told = (
        consent("email", email, address, telling, granted_by=created, refused_by=at, standing=True),
        consent("sms", sms, phone, telling, granted_by=created, refused_by=at, standing=True),
    )
    return [consent for consent in told if consent is not None]


def ticked(body: Body, people: People, source: str, at: datetime | None) -> list[Consent]:
    """Return the consents of a checkout's boxes. Not ticking a box is no act, so `false` gives none.

    `at` is when the checkout or order was created, however late it is sent: an old tick never beats a later refusal.
    """
    told: list[Consent] = []
    if at is None:
        return told
    if body.get("buyer_accepts_marketing") is True and people.who.email:
        told.append(Consent(channel="email", state="subscribed", at=at, source=source, address=people.who.email))
    if body.get("buyer_accepts_sms_marketing") is True:
        number = body.get("sms_marketing_phone")
        phone = people.telling.use("sms_marketing_phone", contact.phone(number, people.region))
        if phone is not None:
            told.append(Consent(channel="sms", state="subscribed", at=at, source=source, address=phone))
    return told


def tell_consents(consents: list[Consent], people: People) -> None:
    """Tell each consent to the one that it is about: its address, which need not be the body's."""
    who = people.who
    for consent in consents:
        about = who
        if consent.channel == "email" and consent.address not in (None, who.email):
            about = Who(email=consent.address, shop_customer_id=who.shop_customer_id)
        elif consent.channel == "sms" and consent.address not in (None, who.phone):
            about = Who(email=who.email, phone=consent.address, shop_customer_id=who.shop_customer_id)
        people.telling.tell("consent.changed", consent, consent.at, about)
