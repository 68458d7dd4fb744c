"""What a confirmation mail leads to, and the page on which somebody signs up without the shop's scripts."""

from __future__ import annotations

from collections.abc import Iterator

from rekindle.content.links import Confirm
from rekindle.content.pages import layout, masks, sign_up, texts
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.settings import PageSettings
from rekindle.content.sites import Site
from rekindle.domain import ids
from rekindle.domain.errors import BadAddressError, TooManyError
from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import Consent, Fact, Form, Person, Recognised, SignUp
from rekindle.domain.profile import Profile
from rekindle.ports import Clock, Desk, Intake
from rekindle.service.accept import accept
from rekindle.service.sign_up import LANGUAGE, NAME, SignUps, Typed
from rekindle.service.visits import Answer
from rekindle.shops import contact

#: What a consent says of where it comes from (docs/flows.md).
SOURCE = "form"


class ConfirmDesk:
    """Confirms the sign-up that a link is about."""

    def __init__(self, *, desk: Desk, intake: Intake, clock: Clock, address_key: bytes) -> None:
        self._desk = desk
        self._intake = intake
        self._clock = clock
        self._key = address_key

    def show(self, claim: Confirm, published: PageSettings, accept_language: str | None = None) -> Answer:
        """Return the page that asks. Changes nothing: mail scanners open every link."""
        return self._answer(claim, published, accept_language, pressed=False)

    def confirm(self, claim: Confirm, published: PageSettings, accept_language: str | None = None) -> Answer:
        """Take the sign-up as confirmed, once: pressing again, also after an unsubscribe, changes nothing any more."""
        return self._answer(claim, published, accept_language, pressed=True)

    def _answer(self, claim: Confirm, published: PageSettings, accept_language: str | None, *, pressed: bool) -> Answer:
        shop = published.shops.get(claim.shop)
        look = layout.look_of(published.brand, shop)
        found = self._desk.profile(claim.profile)
        profile = found if isinstance(found, Profile) and found.shop == claim.shop else None
        asked = profile.sign_ups.get(claim.request) if profile is not None else None
        known = profile.person.locale if profile is not None else None
        spoken = texts.language(accept_language, claim.locale, known, shop.locale if shop is not None else None)
        if profile is None or asked is None or self._clock.now().timestamp() >= claim.until:
            return Answer(410, sign_up.too_late(spoken, look), "late")
        if not pressed:
            page = sign_up.confirm(spoken, look, masks.email(asked.email), asked.proof.wording)
            return Answer(200, page, "shown")
        new = self._tell(profile, asked)
        return Answer(200, sign_up.confirmed(spoken, look), "confirmed" if new else "repeated")

    def _tell(self, profile: Profile, asked: SignUp) -> bool:
        now = self._clock.now()
        delivery = ids.digest("confirm", profile.shop, asked.id)
        told = profile.person
        person = Person(first_name=asked.first_name, locale=told.locale, zone=told.zone)
        events = tuple(
            Event(
                id=ids.digest("event", delivery, str(place)),
                shop=profile.shop,
                type=kind,
                occurred_at=now,
                received_at=now,
                who=who,
                person=person if place == 0 else None,
                data=fact,
            )
            for place, (kind, who, fact) in enumerate(self._facts(asked))
        )
        news = Delivery(id=delivery, shop=profile.shop, source="link", topic="confirm", received_at=now, events=events)
        return accept(news, self._intake, self._key)

    def _facts(self, asked: SignUp) -> Iterator[tuple[str, Who, Fact]]:
        now, who = self._clock.now(), Who(email=asked.email)
        consent = Consent(
            channel="email", state="subscribed", at=now, source=SOURCE, address=asked.email, proof=asked.proof
        )
        yield "consent.changed", who, consent
        yield "form.submitted", who, Form(name=asked.proof.form, at=now, answers=asked.answers, page=asked.proof.page)
        if asked.browser is not None:
            who = Who(email=asked.email, browser_id=asked.browser)
            yield "browser.recognised", who, Recognised(by="sign_up", at=now)


class SignUpPage:
    """The sign-up form as a page of its own: in mails, on a till's screen, and where scripts are off."""

    def __init__(
        self, *, sign_ups: SignUps, intake: Intake, clock: Clock, address_key: bytes, published: PageSettings
    ) -> None:
        self._sign_ups = sign_ups
        self._intake = intake
        self._clock = clock
        self._key = address_key
        self._published = published

    def show(self, site: Site, form: str, accept_language: str | None = None, wanted: str | None = None) -> Answer:
        """Return the form, in the language `wanted`, else the browser's."""
        spoken, look = self._spoken(site, accept_language, wanted)
        return Answer(200, sign_up.page(spoken, look, site.forms[form]), "shown")

    def send(self, site: Site, form: str, posted: Posted, *, ip: str, accept_language: str | None = None) -> Answer:
        """Take what was typed as a request for a confirmation mail."""
        spoken, look = self._spoken(site, accept_language, posted.one(LANGUAGE))
        typed = posted.one("email")
        email, _ = contact.email(typed)
        if posted.trapped:
            # Whoever fills in what nobody sees is told what everybody is told.
            return Answer(200, sign_up.sent(spoken, look, site.forms[form]), "trapped")
        now = self._clock.now()
        delivery = ids.digest("sign-up", site.shop, form, now.strftime("%Y-%m-%dT%H:%M"), posted.whole())
        shown = sign_up.spoken_in(spoken, site.forms[form])
        asked = Typed(
            form=form,
            email=email,
            answers={LANGUAGE: shown, NAME: posted.one(NAME)},
            ip=ip,
            person=Person(locale=spoken),
        )
        try:
            event = self._sign_ups.request(site, asked, event_id=ids.digest("event", delivery, "0"))
        except BadAddressError:
            page = sign_up.page(spoken, look, site.forms[form], email=typed, name=posted.one(NAME), wrong=True)
            return Answer(422, page, "refused")
        except TooManyError as refused:
            return Answer(refused.status, sign_up.busy(spoken, look), "limited")
        news = Delivery(id=delivery, shop=site.shop, source="page", topic="sign-up", received_at=now, events=(event,))
        new = accept(news, self._intake, self._key)
        return Answer(200, sign_up.sent(spoken, look, site.forms[form]), "accepted" if new else "repeated")

    def _spoken(self, site: Site, accept_language: str | None, wanted: str | None) -> tuple[str, layout.Look]:
        shop = self._published.shops.get(site.shop)
        return texts.language(accept_language, wanted), layout.look_of(self._published.brand, shop)
