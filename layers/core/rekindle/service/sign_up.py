"""Signing up: what a form asks for, and what its confirmation makes of it (DESIGN §6).

A form is typed by anybody. So it changes nothing of anybody: it becomes a request that stands by itself, and one mail
to the address, at most a few a day. Whoever follows the signed link in that mail and presses the button has agreed.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from rekindle.content.languages import pick
from rekindle.content.sites import Site
from rekindle.domain import ids, sign_ups
from rekindle.domain.errors import BadAddressError, MalformedBodyError, TooManyError
from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import Alert, Form, Person, Proof, SignUp
from rekindle.ports import Clock, Limits, Secrets
from rekindle.service.people import address_hash
from rekindle.shops.reading import identifier

#: So many sign-ups an hour are taken from one network, and so many in all for one shop: what is over is refused.
FROM_ONE, FOR_ONE, STRETCH = 20, 1_000, 3_600
#: Characters of a name, of all answers together, and of what was read.
_MAX_NAME, _MAX_ANSWERS, _MAX_WORDING = 60, 2_000, 2_000
#: The answers that are no answers: how the popup says in which language it was shown.
LANGUAGE, NAME = "shown_in", "first_name"
#: What somebody can ask to be told of a product.
WANTS: tuple[Literal["price", "stock"], ...] = ("price", "stock")
#: How this installation's own CloudFront shows that it is it (template.yaml): with a mark that nobody outside knows.
MARK_HEADER = "x-rekindle-cdn"
#: An address of version 6 is one of 2⁶⁴ that its holder has (RFC 4291, 2.5.1).
_NETWORK = 64


class Typed(Struct, frozen=True, kw_only=True):
    """What somebody sent with a sign-up form, and from where."""

    form: str
    email: str | None
    answers: Mapping[str, str | tuple[str, ...]] = {}
    page: str | None = None
    ip: str = ""
    browser: str | None = None
    person: Person | None = None
    alert: Alert | None = None


class SignUps:
    """Makes requests of what was typed, as many as the limits let through."""

    def __init__(self, *, limits: Limits, secrets: Secrets, clock: Clock) -> None:
        self._limits = limits
        self._secrets = secrets
        self._clock = clock

    def request(self, site: Site, typed: Typed, *, event_id: str) -> Event:
        """Return the event that asks for it; `event_id` names it, the same in every retry.

        Raises `BadAddressError` where no mail could be sent to what was typed, and `TooManyError` over the limits.
        """
        if typed.email is None:
            raise BadAddressError("this is no e-mail address")
        now, key = self._clock.now(), self._secrets.address_key()
        network = network_of(typed.ip)
        hashed = ids.keyed_hash(key, "ip", network) if network else ""
        for name, most in ((f"{site.shop}#sign-up#{hashed}", FROM_ONE), (f"{site.shop}#sign-up", FOR_ONE)):
            if not self._limits.take(name, now, most=most, seconds=STRETCH):
                raise TooManyError("too many sign-ups: try again in an hour")
        answers = dict(typed.answers)
        shown, name = _one(answers.pop(LANGUAGE, "")), _one(answers.pop(NAME, ""))
        if len(repr(answers)) > _MAX_ANSWERS:
            answers = {}
        asked = SignUp(
            id=event_id,
            email=typed.email,
            at=now,
            proof=Proof(
                form=typed.form,
                asked_at=now,
                wording=wording(site, typed.form, shown),
                page=typed.page,
                ip=hashed,
            ),
            browser=typed.browser,
            first_name=name[:_MAX_NAME] or None,
            answers=answers,
            single=not site.double_opt_in and typed.alert is None,
            alert=typed.alert,
        )
        return Event(
            id=event_id,
            shop=site.shop,
            type="sign_up.requested",
            occurred_at=now,
            received_at=now,
            who=Who(email=typed.email),
            person=typed.person,
            profile_id=sign_ups.request_id(site.shop, address_hash(key, "email", typed.email), now),
            signed=False,
            data=asked,
        )


def asked_by_page(delivery: Delivery, site: Site, sign_up: SignUps, ip: str) -> Delivery:
    """Return what a page of the shop told, its sign-up as a request. One a batch: nobody sends two at once.

    What else was typed into it is told once the address has answered, and before that to nobody. Raises as
    `SignUps.request` does.
    """
    events: list[Event] = []
    asked = False
    for event in delivery.events:
        form = event.data
        if not isinstance(form, Form) or not is_form(site, form.name):
            events.append(event)
        elif not asked:
            asked = True
            typed = Typed(
                form=form.name,
                email=form.claimed,
                answers=form.answers,
                page=form.page,
                ip=ip,
                browser=event.who.browser_id,
                person=event.person,
                alert=alert_of(form.answers, event.received_at) if form.name == sign_ups.ALERT_FORM else None,
            )
            events.append(sign_up.request(site, typed, event_id=event.id))
    return replace(delivery, events=tuple(events))


def is_form(site: Site, name: str) -> bool:
    """Whether this is a form by which somebody can ask this shop for mails."""
    return name in site.forms or name == sign_ups.ALERT_FORM


def alert_of(answers: Mapping[str, str | tuple[str, ...]], at: datetime) -> Alert:
    """Return what the form of a product alert asks for: what is ticked, else both. Raises `MalformedBodyError`."""
    product = identifier(_one(answers.get("product", "")))
    if product is None:
        raise MalformedBodyError("an alert is about a product: put its id into the field product")
    ticked = tuple(name for name in WANTS if answers.get(name))
    return Alert(product_id=product, at=at, wants=ticked or WANTS)


def wording(site: Site, form: str, shown: str) -> str:
    """Return what somebody read who signed up by this form, in the language in which it was shown to them."""
    texts = site.forms.get(form, {})
    spoken = pick(texts, shown)
    if spoken is None:
        return ""
    words = texts[spoken]
    return "\n".join(filter(None, (words.heading, words.text, words.button, words.small)))[:_MAX_WORDING]


def caller_of(source: str, headers: Mapping[str, str], mark: str) -> str:
    """Return the address that a request comes from; `source` is who is connected, `headers` are in lower case.

    Behind this installation's own CloudFront, which sends its `mark`, that is whom CloudFront was connected to: it adds
    them to X-Forwarded-For last, and after it API Gateway may add CloudFront (`source`) itself. Whatever stands before
    is the caller's own word, as is the whole header where the mark is missing.
    """
    if not mark or not hmac.compare_digest(headers.get(MARK_HEADER, "").encode(), mark.encode()):
        return source
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",")]
    if hops[-1] == source:
        hops.pop()
    return (hops[-1] if hops else "") or source


def network_of(ip: str) -> str:
    """Return the network that one holder of an address has: it itself, of version 6 the first half of it."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), _NETWORK), strict=False))
    return str(address)


def _one(answer: str | tuple[str, ...]) -> str:
    return answer if isinstance(answer, str) else next(iter(answer), "")
