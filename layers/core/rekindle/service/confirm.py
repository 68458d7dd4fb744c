"""What a confirmation mail leads to, and the page on which somebody signs up without the shop's scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from rekindle.content.links import Confirm
from rekindle.content.pages import layout, masks, sign_up
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.settings import PageSettings
from rekindle.content.pages.texts import language
from rekindle.content.sites import Site
from rekindle.domain import ids, sign_ups
from rekindle.domain.errors import BadAddressError, TooManyError
from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import Consent, Fact, Form, Person, Recognised, SignUp
from rekindle.domain.profile import Profile
from rekindle.ports import Clock, Desk, Intake
from rekindle.service.accept import accept
from rekindle.service.sign_up import LANGUAGE, NAME, WANTS, SignUps, Typed, alert_of
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
        return self.answer(claim, published, accept_language, pressed="")

    def confirm(
        self, claim: Confirm, published: PageSettings, accept_language: str | None = None, *, stop: bool = False
    ) -> Answer:
        """Take the sign-up as confirmed, once: pressing again, also after an unsubscribe, changes nothing any more.

        `stop`: of an alert, that it is taken back.
        """
        return self.answer(claim, published, accept_language, pressed="stop" if stop else "yes")

    def answer(
        self, claim: Confirm, published: PageSettings, accept_language: str | None = None, *, pressed: str
    ) -> Answer:
        """Return the page for which button was `pressed`: none (empty), `yes`, or of an alert `stop`."""
        shop = published.shops.get(claim.shop)
        look = layout.look_of(published.brand, shop)
        found = self._desk.profile(claim.profile)
        profile = found if isinstance(found, Profile) and found.shop == claim.shop else None
        asked = profile.sign_ups.get(claim.request) if profile is not None else None
        known = profile.person.locale if profile is not None else None
        spoken = language(accept_language, claim.locale, known, shop.locale if shop is not None else None)
        if profile is None or asked is None or self._clock.now().timestamp() >= claim.until:
            return Answer(410, sign_up.too_late(spoken, look), "late")
        about = "alert" if asked.alert is not None else "confirm"
        if not pressed:
            page = sign_up.confirm(spoken, look, masks.email(asked.email), asked.proof.wording, about=about)
            return Answer(200, page, "shown")
        if pressed == "stop" and asked.alert is not None:
            delivery, _ = self._tell(profile, asked, stop=True)
            return Answer(200, sign_up.stopped(spoken, look), "stopped", delivery)
        delivery, new = self._tell(profile, asked)
        return Answer(200, sign_up.confirmed(spoken, look, about=about), "confirmed" if new else "repeated", delivery)

    def _tell(self, profile: Profile, asked: SignUp, *, stop: bool = False) -> tuple[str, bool]:
        """Return the delivery in which it is told, and whether that is new."""
        now = self._clock.now()
        delivery = ids.digest("withdraw" if stop else "confirm", profile.shop, asked.id)
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
            for place, (kind, who, fact) in enumerate(self._facts(asked, stop=stop))
        )
        news = Delivery(id=delivery, shop=profile.shop, source="link", topic="confirm", received_at=now, events=events)
        return delivery, accept(news, self._intake, self._key)

    def _facts(self, asked: SignUp, *, stop: bool) -> Iterator[tuple[str, Who, Fact]]:
        now, who = self._clock.now(), Who(email=asked.email)
        if asked.alert is not None:
            yield "product.alert_requested", who, replace(asked.alert, at=now, wants=() if stop else asked.alert.wants)
            if not stop:
                yield from self._browser(asked)
            return
        consent = Consent(
            channel="email", state="subscribed", at=now, source=SOURCE, address=asked.email, proof=asked.proof
        )
        yield "consent.changed", who, consent
        yield "form.submitted", who, Form(name=asked.proof.form, at=now, answers=asked.answers, page=asked.proof.page)
        yield from self._browser(asked)

    def _browser(self, asked: SignUp) -> Iterator[tuple[str, Who, Fact]]:
        if asked.browser is not None:
            who = Who(email=asked.email, browser_id=asked.browser)
            yield "browser.recognised", who, Recognised(by="sign_up", at=self._clock.now())


class SignUpPage:
    """The sign-up form as a page of its own: in mails, on a till's screen, and where scripts are off."""

    def __init__(
        self, sign_ups: SignUps, intake: Intake, clock: Clock, *, address_key: bytes, published: PageSettings
    ) -> None:
        self._sign_ups = sign_ups
        self._intake = intake
        self._clock = clock
        self._key = address_key
        self._published = published

    def show(self, site: Site, form: str, asked: Mapping[str, str], accept_language: str | None = None) -> Answer:
        """Return the form, in the language `lang` if that is asked for, else the browser's; an alert's of `product`."""
        spoken, look = self._spoken(site, accept_language, asked.get("lang"))
        if form == sign_ups.ALERT_FORM:
            return Answer(200, sign_up.alert(spoken, look, asked.get("product", "")), "shown")
        return Answer(200, sign_up.page(spoken, look, site.forms[form]), "shown")

    def send(self, site: Site, form: str, posted: Posted, *, ip: str, accept_language: str | None = None) -> Answer:
        """Take what was typed as a request for a confirmation mail."""
        spoken, look = self._spoken(site, accept_language, posted.one(LANGUAGE))
        typed = posted.one("email")
        email, _ = contact.email(typed)
        texts = site.forms.get(form, {})
        if posted.trapped:
            # Whoever fills in what nobody sees is told what everybody is told.
            return Answer(200, sign_up.sent(spoken, look, texts), "trapped")
        now = self._clock.now()
        # Keyed: the log has this id, and who reads it must not be able to try addresses.
        said = ids.keyed_hash(self._key, "sign-up", posted.whole())
        delivery = ids.digest("sign-up", site.shop, form, now.strftime("%Y-%m-%dT%H:%M"), said)
        shown = sign_up.spoken_in(spoken, texts) if texts else spoken
        product, ticked = posted.one("product"), {str(name): "on" for name in WANTS if posted.one(name)}
        asked = Typed(
            form=form,
            email=email,
            answers={LANGUAGE: shown, NAME: posted.one(NAME)},
            ip=ip,
            person=Person(locale=spoken),
            alert=alert_of({"product": product} | ticked, now) if form == sign_ups.ALERT_FORM else None,
        )
        try:
            event = self._sign_ups.request(site, asked, event_id=ids.digest("event", delivery, "0"))
        except BadAddressError:
            if form == sign_ups.ALERT_FORM:
                return Answer(422, sign_up.alert(spoken, look, product, email=typed, wrong=True), "refused")
            page = sign_up.page(spoken, look, texts, email=typed, name=posted.one(NAME), wrong=True)
            return Answer(422, page, "refused")
        except TooManyError as refused:
            return Answer(refused.status, sign_up.busy(spoken, look), "limited")
        news = Delivery(id=delivery, shop=site.shop, source="page", topic="sign-up", received_at=now, events=(event,))
        new = accept(news, self._intake, self._key)
        return Answer(200, sign_up.sent(spoken, look, texts), "accepted" if new else "repeated", delivery)

    def _spoken(self, site: Site, accept_language: str | None, wanted: str | None) -> tuple[str, layout.Look]:
        shop = self._published.shops.get(site.shop)
        return language(accept_language, wanted), layout.look_of(self._published.brand, shop)
