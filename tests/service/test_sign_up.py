"""Signing up, over the whole road: a form changes nobody, one mail asks, and only its link agrees (DESIGN §6)."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.content.links import BadLinkError, Confirm, read_confirm, sign_confirm, sign_preferences
from rekindle.content.pages.settings import PageSettings
from rekindle.content.popups import parse_popup
from rekindle.content.sites import site_of
from rekindle.domain import sign_ups
from rekindle.domain.absorb import MAX_INTERESTS
from rekindle.domain.errors import BadAddressError, MalformedBodyError, NothingToSayError, TooManyError
from rekindle.domain.events import Delivery, Suppression, Who
from rekindle.domain.facts import PrivacyRequest, ProductChange
from rekindle.domain.profile import Profile, Tombstone
from rekindle.flow.program import Flow, Manners
from rekindle.ports import Mail, News, ShopSecrets
from rekindle.service.collect import Collector
from rekindle.service.confirm import ConfirmDesk
from rekindle.service.feedback import take
from rekindle.service.library import POINTER
from rekindle.service.notices import Notice
from rekindle.service.people import address_hash, alias_key
from rekindle.service.sign_up import FOR_ONE, FROM_ONE, caller_of, network_of
from rekindle.service.sites import Sites
from tests.support.build import ADA, T0, at, consent, event, flow_of, order, playbook
from tests.support.plant import PlainMails, Plant
from tests.support.shipped import shipped

AGENT = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
HERE, THERE = "b" * 22, "c" * 22
MAIL = "cleo@example.com"
POPUP, _ = parse_popup(
    """
form: newsletter
enabled: off
show: {after: 20s}
texts:
  en:
    {heading: New things, text: One letter a month., button: Sign me up, thanks: Nearly there., small: Leave any time.}
""",
    file="popups/newsletter.yaml",
)
WELCOME = flow_of(
    "trigger: {event: consent.changed, when: event.state == 'subscribed' and event.source == 'form'}\n"
    "steps: [{email: welcome}]",
    "welcome",
)
BROWSE = flow_of(
    "trigger: {event: product.viewed, when: \"event.seconds >= 60 and count('product.viewed', '14d') >= 2\"}\n"
    "entry: {key: event.id}\nsteps: [{wait: 2h}, {email: seen}]",
    "browse",
)


class Site:
    """A shop's page with the sign-up form in it, all that stands behind it, and somebody who reads their mail."""

    def __init__(self, *, more: tuple[Flow, ...] = (), **shop: Any) -> None:
        book = playbook(WELCOME, BROWSE, *more, manners=Manners(apart={"email": 0}), **shop)
        self.plant = plant = Plant(book)
        self.world = plant.world
        self.shop = book.shops["tea"]
        assert POPUP is not None
        self.world.files["playbooks/h1/site.json"] = msgspec.json.encode({"tea": site_of(self.shop, [POPUP])})
        self.world.files[POINTER] = msgspec.json.encode({"hash": "h1"})
        self.world.shops["tea"] = ShopSecrets(
            shop="tea", platform="shopify", domain="tea.myshopify.com", webhook_secrets=("s1",)
        )
        self.door = Collector(
            intake=self.world.intake,
            secrets=self.world.secrets,
            sites=Sites(self.world.blobs, self.world.clock),
            clock=self.world.clock,
            limits=self.world.limits,
        )
        self.desk = ConfirmDesk(
            desk=self.world.desk,
            intake=self.world.intake,
            clock=self.world.clock,
            address_key=self.world.secret_address_key,
        )
        self.published = PageSettings(hash="h1", shops={"tea": self.shop})

    def sends(self, *events: dict[str, Any], browser: str = HERE, ip: str = "203.0.113.7", **more: Any) -> None:
        """Let a browser send these, and let everybody do their work."""
        body = json.dumps({"browser": browser, "locale": "zh-TW", "zone": "Asia/Taipei", "events": events} | more)
        self.door.receive("tea", AGENT, body.encode(), ip)
        self.plant.settle()

    def signs_up(self, email: str = MAIL, **more: Any) -> None:
        """Send the form; `answers` are what else is typed."""
        answers = {"shown_in": "en"} | more.pop("answers", {})
        form = {"type": "form.submitted", "name": "newsletter", "email": email, "answers": answers}
        self.sends(form | {"url": "https://tea.example/pages/hello"}, **more)

    def views(self, product: str = "p1", *, browser: str = HERE) -> None:
        """Look at a product for a good minute."""
        look = f"{self.world.clock.now():%H%M%S}-{product}"
        self.sends({"type": "product.viewed", "id": product, "seconds": 70, "look": look}, browser=browser)

    def asked(self) -> list[tuple[Profile, str]]:
        """Return the requests that stand, each with its id."""
        found = [self.world.profile(profile_id) for profile_id in self.world.profiles]
        return [(one, each) for one in found if isinstance(one, Profile) for each in one.sign_ups]

    def claim(self, place: int = -1) -> Confirm:
        """Return what the link in a mail says."""
        profile, request = self.asked()[place]
        until = int((profile.sign_ups[request].at + sign_ups.OPEN).timestamp())
        return Confirm("tea", profile.id, request, until, "en")

    def confirms(self, claim: Confirm | None = None) -> str:
        """Follow the link and press the button; return what came of it."""
        answer = self.desk.confirm(claim or self.claim(), self.published)
        self.plant.settle()
        return answer.what

    def people(self) -> list[Profile]:
        """Return everybody who can be reached."""
        found = (self.world.profile(profile_id) for profile_id in self.world.profiles)
        return [profile for profile in found if isinstance(profile, Profile) and not profile.anonymous]

    def mails(self) -> list[tuple[str, str]]:
        """Return (to, template) of every mail that left."""
        return [(to, template) for to, template, _ in self.plant.mails()]

    def after(self, **later: float) -> None:
        """Let time pass."""
        self.plant.until(self.world.clock.now() + timedelta(**later))


@pytest.fixture
def site() -> Site:
    return Site()


ASKED = (MAIL, sign_ups.TEMPLATE)


# --- asking ----------------------------------------------------------------------------------------------------------


def test_a_form_sends_one_mail_and_makes_nobody_known(site: Site) -> None:
    site.signs_up(answers={"first_name": "Cleo", "birthday": "1990-04-01"})
    assert site.mails() == [ASKED]
    assert site.people() == []
    assert alias_key(site.world.secret_address_key, "tea", "email", MAIL) not in site.world.owners
    site.after(days=30)
    assert site.mails() == [ASKED], "whoever does not answer hears nothing more"


def test_what_is_typed_changes_nothing_of_whoever_owns_the_address_or_the_browser(site: Site) -> None:
    site.plant.post(consent(T0, "unsubscribed"), order(T0))
    site.plant.settle()
    before = site.plant.profile("ada@example.com")
    site.signs_up("ada@example.com", answers={"first_name": "Buy pills at evil.example"})
    assert site.plant.profile("ada@example.com") == before
    assert site.mails()[-1] == ("ada@example.com", sign_ups.TEMPLATE)


def test_the_same_form_sent_again_is_one_mail_also_when_workers_die(site: Site) -> None:
    for call in ("state.commit", "outbox.lease", "mailer.send", "outbox.record"):
        for moment in ("before", "after"):
            site.plant.crash_at(call, moment)
            site.signs_up(f"{call}-{moment}@example.com".replace(".", "-", 1), ip=f"203.0.113.{len(call)}")
            site.world.hook = None
            site.after(minutes=20)
            site.plant.sweep()
            site.after(minutes=20)
    sent = [to for to, _ in site.mails()]
    assert len(sent) == len(set(sent)), "nobody is asked twice by one form"
    assert len(sent) >= 6, "only a mail whose attempt nobody knows about may be missing"


def test_an_address_is_asked_three_times_a_day_whoever_asks(site: Site) -> None:
    for place in range(sign_ups.A_DAY + 3):
        site.signs_up(ip=f"203.0.113.{place}", browser=f"{place}" * 22)
        site.after(minutes=1)
    assert site.mails() == [ASKED] * sign_ups.A_DAY
    site.after(days=1)
    site.signs_up(browser="z" * 22)
    assert len(site.mails()) == sign_ups.A_DAY + 1


def test_one_network_signs_up_so_many_an_hour_and_others_are_let_in(site: Site) -> None:
    for place in range(FROM_ONE):
        site.signs_up(f"a{place}@example.com", ip="2001:db8::1")
    with pytest.raises(TooManyError) as refused:
        site.signs_up("more@example.com", ip="2001:db8::ffff:2")
    assert refused.value.status == 429
    site.signs_up("more@example.com", ip="2001:db9::1")
    site.after(hours=1)
    site.signs_up("later@example.com", ip="2001:db8::1")
    assert len(site.mails()) == FROM_ONE + 2


def test_a_shop_takes_so_many_an_hour_from_all_the_world(site: Site) -> None:
    site.world.taken[("tea#sign-up", int(T0.timestamp()) // 3600)] = FOR_ONE
    with pytest.raises(TooManyError):
        site.signs_up()


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
        ("evil\r\nx", ""),
    ],
)
def test_a_network_is_what_one_holder_has(ip: str, network: str) -> None:
    assert network_of(ip) == network


VIEWER, EDGE = "203.0.113.9", "198.51.100.1"


@pytest.mark.parametrize(
    ("sent", "mark", "caller"),
    [
        ({}, "", EDGE),
        ({"x-rekindle-cdn": "", "x-forwarded-for": VIEWER}, "", EDGE),
        ({"x-forwarded-for": f"{VIEWER}, {EDGE}"}, "arn:1", EDGE),
        ({"x-rekindle-cdn": "arn:2", "x-forwarded-for": f"{VIEWER}, {EDGE}"}, "arn:1", EDGE),
        ({"x-rekindle-cdn": "é", "x-forwarded-for": VIEWER}, "arn:1", EDGE),
        ({"x-rekindle-cdn": "arn:1", "x-forwarded-for": f"{VIEWER}, {EDGE}"}, "arn:1", VIEWER),
        ({"x-rekindle-cdn": "arn:1", "x-forwarded-for": VIEWER}, "arn:1", VIEWER),
        ({"x-rekindle-cdn": "arn:1", "x-forwarded-for": f"1.1.1.1, {VIEWER},{EDGE}"}, "arn:1", VIEWER),
        ({"x-rekindle-cdn": "arn:1", "x-forwarded-for": EDGE}, "arn:1", EDGE),
        ({"x-rekindle-cdn": "arn:1"}, "arn:1", EDGE),
    ],
)
def test_whoever_comes_is_taken_at_our_own_cloudfronts_word_and_at_no_other(
    sent: dict[str, str], mark: str, caller: str
) -> None:
    assert caller_of(EDGE, sent, mark) == caller


@pytest.mark.parametrize("typed", ["", "nobody", "a@b", "x@tea.test", "a@example.com\r\nBcc: b@example.com"])
def test_what_is_no_address_is_refused_so_that_the_form_can_say_so(site: Site, typed: str) -> None:
    with pytest.raises(BadAddressError) as refused:
        site.signs_up(typed)
    assert (refused.value.status, site.mails()) == (422, [])


def test_a_batch_of_many_forms_asks_one_address(site: Site) -> None:
    form = {"type": "form.submitted", "name": "newsletter"}
    site.sends(*(form | {"email": f"a{place}@example.com"} for place in range(50)))
    assert [to for to, _ in site.mails()] == ["a0@example.com"]


def test_a_form_that_is_no_sign_up_asks_nobody(site: Site) -> None:
    site.sends({"type": "form.submitted", "name": "contact", "email": MAIL})
    assert site.mails() == []


def test_an_address_that_bounced_is_not_asked(site: Site) -> None:
    site.world.vault.suppress(
        Suppression(
            shop="tea",
            channel="email",
            address=address_hash(site.world.secret_address_key, "email", MAIL),
            covers="everything",
            reason="bounced",
            since=T0,
        )
    )
    site.signs_up()
    assert site.mails() == []


def test_invented_addresses_that_bounce_are_not_asked_again_and_pause_no_shop(site: Site) -> None:
    site.signs_up()
    (record,) = site.world.messages.values()
    assert (record.to, record.state, record.template) == ("claimed", "sent", sign_ups.TEMPLATE)
    bounce = Notice(kind="bounced", message_id=record.id, vendor_id="v", at=at(minutes=1), permanent=True)
    take(
        bounce,
        outbox=site.world.outbox,
        intake=site.world.intake,
        clock=site.world.clock,
        address_key=site.world.secret_address_key,
        guard=site.plant.guard,
    )
    site.plant.settle()
    site.after(minutes=5)
    site.signs_up()
    assert site.mails() == [ASKED]
    assert site.world.tallies == {}, "anybody can type an address: what becomes of it says nothing about the shop"


def test_a_request_is_forgotten_after_two_weeks(site: Site) -> None:
    site.signs_up()
    (asked, _) = site.asked()[0]
    assert site.world.profile_expiry[asked.id] == T0 + sign_ups.KEPT


# --- confirming ------------------------------------------------------------------------------------------------------


def test_looking_at_the_page_confirms_nothing(site: Site) -> None:
    site.signs_up()
    shown = site.desk.show(site.claim(), site.published)
    site.plant.settle()
    assert (shown.status, site.people()) == (200, [])
    assert "c••@e…" in shown.page.html
    assert MAIL not in shown.page.html
    assert "One letter a month." in shown.page.html, "they see what they agree to"


def test_the_button_subscribes_greets_and_keeps_what_shows_that_they_agreed(site: Site) -> None:
    site.signs_up(answers={"first_name": "Cleo", "birthday": "1990-04-01"})
    site.after(hours=3)
    assert site.confirms() == "confirmed"
    cleo = site.plant.profile(MAIL)
    act = cleo.consent[f"email:{MAIL}"]
    assert (act.state, act.source, act.at) == ("subscribed", "form", at(hours=3))
    assert act.proof is not None
    assert (act.proof.form, act.proof.asked_at, act.proof.page) == ("newsletter", T0, "https://tea.example/pages/hello")
    assert act.proof.wording == "New things\nOne letter a month.\nSign me up\nLeave any time."
    assert len(act.proof.ip) == 32
    assert (cleo.person.first_name, cleo.person.locale, cleo.person.zone) == ("Cleo", "zh-TW", "Asia/Taipei")
    assert cleo.traits["birthday"].value == "1990-04-01"
    assert site.mails() == [ASKED, (MAIL, "welcome")]


def test_what_the_browser_did_comes_along_and_its_mail_follows(site: Site) -> None:
    site.views()
    site.after(minutes=5)
    site.views()
    site.after(minutes=5)
    site.signs_up()
    assert len(site.people()) == 0
    site.confirms()
    (cleo,) = site.people()
    assert list(cleo.interests) == ["p1"]
    site.after(hours=3)
    assert site.mails() == [ASKED, (MAIL, "welcome"), (MAIL, "seen")]


def test_only_the_browser_that_sent_the_form_comes_along(site: Site) -> None:
    site.views("p2", browser=THERE)
    site.signs_up()
    site.confirms()
    assert site.plant.profile(MAIL).interests == {}


def test_pressing_again_changes_nothing_also_after_an_unsubscribe(site: Site) -> None:
    site.signs_up()
    claim = site.claim()
    site.confirms(claim)
    site.after(days=1)
    who = replace(ADA, email=MAIL, shop_customer_id=None)
    site.plant.post(consent(site.world.clock.now(), "unsubscribed", who=who))
    site.plant.settle()
    assert site.confirms(claim) == "repeated"
    assert not site.plant.profile(MAIL).consented("email")
    assert site.mails() == [ASKED, (MAIL, "welcome")]


def test_whoever_had_unsubscribed_is_subscribed_again_by_their_own_word(site: Site) -> None:
    site.plant.post(consent(T0), consent(at(minutes=1), "unsubscribed"))
    site.after(hours=1)
    sent = len(site.mails())
    site.signs_up("ada@example.com")
    site.confirms()
    assert site.plant.profile("ada@example.com").consented("email")
    hashed = address_hash(site.world.secret_address_key, "email", "ada@example.com")
    assert not site.world.suppressed("tea", "email", hashed, "marketing")
    assert site.mails()[sent:][0] == ("ada@example.com", sign_ups.TEMPLATE)


def test_of_an_unsubscribe_and_the_first_press_of_the_button_the_later_holds(site: Site) -> None:
    """The press is the act, not the form before it; what is pressed once more is none (`repeated`)."""
    hashed = address_hash(site.world.secret_address_key, "email", "ada@example.com")
    site.plant.post(consent(T0))
    site.signs_up("ada@example.com")
    claim = site.claim()
    for moment, confirms in ((1, False), (2, True), (3, False), (4, False)):
        site.after(hours=1)
        if moment in {1, 3}:
            site.plant.post(consent(site.world.clock.now(), "unsubscribed"))
            site.plant.settle()
        else:
            site.confirms(claim)
        assert site.plant.profile("ada@example.com").consented("email") is confirms
        assert site.world.suppressed("tea", "email", hashed, "marketing") is not confirms


@pytest.mark.parametrize("late", [sign_ups.OPEN, sign_ups.OPEN + timedelta(days=30)])
def test_a_link_that_is_too_old_confirms_nothing(site: Site, late: timedelta) -> None:
    site.signs_up()
    claim = site.claim()
    site.world.clock.advance_to(T0 + late)
    answer = site.desk.confirm(claim, site.published)
    site.plant.settle()
    assert (answer.status, answer.what, site.people()) == (410, "late", [])


def test_another_shops_claim_and_one_of_another_profile_confirm_nothing(site: Site) -> None:
    site.plant.post(consent(T0, who=ADA))
    site.signs_up()
    claim = site.claim()
    for wrong in (
        replace(claim, shop="plants"),
        replace(claim, profile=site.plant.profile("ada@example.com").id),
        replace(claim, request="f" * 32),
    ):
        assert site.confirms(wrong) == "late"
    assert [one.email for one in site.people()] == ["ada@example.com"]


def test_a_token_is_good_for_its_own_purpose_alone(site: Site) -> None:
    site.signs_up()
    keys = site.world.secrets.link_keys()
    token = sign_confirm(keys, site.claim())
    assert read_confirm(keys, token) == site.claim()
    other = sign_preferences(keys, site.claim())  # type: ignore[arg-type]
    for forged in (other, token[:-1], token + "A", "", "é", token.replace(".", ".A", 1)):
        with pytest.raises(BadLinkError):
            read_confirm(keys, forged)


def test_a_request_that_names_somebody_who_is_known_is_not_taken_as_theirs(site: Site) -> None:
    site.plant.post(consent(T0, who=ADA))
    site.signs_up()
    ada, (asked, request) = site.plant.profile("ada@example.com"), site.asked()[0]
    (told,) = (
        each for one in site.world.deliveries.values() for each in one.events if each.type == "sign_up.requested"
    )
    assert told.data == asked.sign_ups[request]
    forged = replace(told, id="forged", profile_id=ada.id)
    now = site.world.clock.now()
    site.world.intake.accept(
        Delivery(id="d-forged", shop="tea", source="test", topic="t", received_at=now, events=(forged,))
    )
    site.plant.settle()
    assert site.plant.profile("ada@example.com").sign_ups == {}
    assert site.mails() == [ASKED]


# --- without asking back ---------------------------------------------------------------------------------------------


def test_where_the_shop_wants_it_a_stranger_is_subscribed_at_once_and_nothing_is_merged() -> None:
    site = Site(double_opt_in=False)
    site.views()
    site.signs_up(answers={"first_name": "Cleo"})
    (cleo,) = site.people()
    assert (cleo.consented("email"), cleo.interests) == (True, {})
    assert site.mails() == [(MAIL, "welcome")]


def test_and_somebody_who_is_known_is_asked_all_the_same() -> None:
    site = Site(double_opt_in=False)
    site.plant.post(consent(T0, "unsubscribed"))
    site.plant.settle()
    site.signs_up("ada@example.com")
    assert not site.plant.profile("ada@example.com").consented("email")
    assert site.mails() == [("ada@example.com", sign_ups.TEMPLATE)]


# --- product alerts --------------------------------------------------------------------------------------------------

ALERT = (MAIL, sign_ups.ALERT_TEMPLATE)


def asks_for(site: Site, product: str = "p1", **wants: str) -> None:
    form = {
        "type": "form.submitted",
        "name": sign_ups.ALERT_FORM,
        "email": MAIL,
        "answers": {"product": product} | wants,
    }
    site.sends(form)


def changes(site: Site, kind: str, product: str = "p1") -> None:
    """Let a product get cheaper or come back, and everybody on its list hear of it."""
    now = site.world.clock.now()
    change = ProductChange(product_id=product, at=now, price=Decimal(4), was=Decimal(5))
    news = News(shop="tea", event=f"product.{kind}", change=change)
    site.plant.fanout._herald.tell(news, None)  # type: ignore[union-attr]
    site.plant.settle()


@pytest.fixture
def alerting() -> Site:
    return Site(more=(shipped("product-alert"),))


def test_an_alert_is_asked_back_and_then_told_once_without_any_other_consent(alerting: Site) -> None:
    asks_for(alerting)
    changes(alerting, "price_dropped")
    assert alerting.mails() == [ALERT], "nothing before the address has answered"
    assert alerting.confirms() == "confirmed"
    cleo = alerting.plant.profile(MAIL)
    assert (cleo.consent, cleo.interests["p1"].asked) == ({}, ("price", "stock"))
    assert alerting.world.interests["tea", "p1", cleo.id].until == cleo.interests["p1"].at + timedelta(days=365)
    alerting.after(days=1)
    changes(alerting, "price_dropped")
    alerting.after(hours=1)
    assert alerting.mails() == [ALERT, (MAIL, "product-alert")]
    alerting.after(days=1)
    changes(alerting, "price_dropped")
    alerting.after(days=1)
    assert alerting.mails() == [ALERT, (MAIL, "product-alert")], "told once, it is over"
    changes(alerting, "back_in_stock")
    alerting.after(hours=1)
    assert alerting.mails()[2:] == [(MAIL, "product-alert")], "and the other half of it is not"


def test_what_was_dear_again_before_it_could_be_told_is_still_asked_for(
    alerting: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks_for(alerting, price="on")
    alerting.confirms()
    alerting.after(days=1)

    def nothing(*_: object) -> Mail:
        raise NothingToSayError("what it was to tell is no longer so")

    with monkeypatch.context() as dear:
        dear.setattr(PlainMails, "build", nothing)
        changes(alerting, "price_dropped")
        alerting.after(hours=1)
    assert alerting.mails() == [ALERT]
    alerting.after(days=1)
    changes(alerting, "price_dropped")
    alerting.after(hours=1)
    assert alerting.mails() == [ALERT, (MAIL, "product-alert")]
    alerting.after(days=1)
    changes(alerting, "price_dropped")
    alerting.after(hours=1)
    assert len(alerting.mails()) == 2, "told once, it is over"


def test_where_no_flow_tells_alerts_none_is_used_up_and_other_news_reaches_whoever_asked() -> None:
    site = Site(more=(shipped("price-drop"),))
    site.signs_up()
    site.confirms()
    asks_for(site)
    site.confirms()
    site.after(days=1)
    changes(site, "price_dropped")
    site.after(days=1)
    assert site.mails()[-1] == (MAIL, "price-drop")
    assert set(site.plant.profile(MAIL).interests["p1"].asked) == {"price", "stock"}


def test_only_what_was_ticked_is_told(alerting: Site) -> None:
    asks_for(alerting, stock="on")
    alerting.confirms()
    alerting.after(hours=1)
    changes(alerting, "price_dropped")
    changes(alerting, "back_in_stock", "p2")
    alerting.after(days=1)
    assert alerting.mails() == [ALERT]


def test_an_alert_can_be_taken_back_by_its_own_page_and_by_unsubscribing(alerting: Site) -> None:
    asks_for(alerting)
    claim = alerting.claim()
    alerting.confirms(claim)
    alerting.after(minutes=1)
    assert alerting.desk.confirm(claim, alerting.published, stop=True).what == "stopped"
    alerting.plant.settle()
    assert alerting.plant.profile(MAIL).interests["p1"].asked == ()
    assert alerting.confirms(claim) == "repeated", "and stays so"
    asks_for(alerting, "p2")
    alerting.confirms()
    alerting.after(minutes=1)
    who = replace(ADA, email=MAIL, shop_customer_id=None)
    alerting.plant.post(consent(alerting.world.clock.now(), "unsubscribed", who=who))
    alerting.plant.settle()
    assert [each.asked for each in alerting.plant.profile(MAIL).interests.values()] == [(), ()]


def test_an_alert_that_was_taken_back_before_it_was_confirmed_can_be_confirmed(alerting: Site) -> None:
    """Of both buttons the later press holds; each is pressed once."""
    asks_for(alerting)
    claim = alerting.claim()
    assert alerting.desk.confirm(claim, alerting.published, stop=True).what == "stopped"
    alerting.after(minutes=1)
    assert alerting.confirms(claim) == "confirmed"
    assert alerting.plant.profile(MAIL).interests["p1"].asked != ()


def test_what_was_asked_for_stays_however_much_is_looked_at(alerting: Site) -> None:
    asks_for(alerting)
    alerting.confirms()
    alerting.after(minutes=1)
    for place in range(MAX_INTERESTS + 5):
        alerting.views(f"q{place}")
    cleo = alerting.plant.profile(MAIL)
    assert (len(cleo.interests), cleo.interests["p1"].asked) == (MAX_INTERESTS, ("price", "stock"))
    alerting.views("p1")
    assert alerting.plant.profile(MAIL).interests["p1"].asked == ("price", "stock")


@pytest.mark.parametrize("product", ["", "x" * 500, " "])
def test_an_alert_about_nothing_is_refused(alerting: Site, product: str) -> None:
    with pytest.raises(MalformedBodyError):
        asks_for(alerting, product)


# --- privacy ---------------------------------------------------------------------------------------------------------


def test_a_request_is_handed_out_and_erased_with_the_person_and_says_nothing_afterwards(site: Site) -> None:
    site.signs_up("ada@example.com")
    (request, _) = site.asked()[0]
    for wish, hours in (("export", 1), ("erase", 2)):
        site.world.clock.advance_to(at(hours=hours))
        asked = PrivacyRequest(wish=wish, at=at(hours=hours), email="ada@example.com")  # type: ignore[arg-type]
        site.plant.post(event("privacy.requested", asked, at(hours=hours), who=Who(email="ada@example.com"), id=wish))
        site.plant.settle()
    exports = [raw for key, raw in site.world.raw_files.items() if key.startswith("exports/")]
    assert all("One letter a month." in raw.decode() for raw in exports)
    assert isinstance(site.world.profile(request.id), Tombstone)
    kept = [each for delivery in site.world.deliveries.values() for each in delivery.events]
    assert "ada@example.com" not in repr(kept)
    assert site.confirms(Confirm("tea", request.id, next(iter(request.sign_ups)), 2**40)) == "late"


def erased_now(site: Site, name: str) -> None:
    """Let whoever has the address be erased, and everything be done about it."""
    now = site.world.clock.now()
    asked = PrivacyRequest(wish="erase", at=now, email=MAIL, request_id=name)
    site.plant.post(event("privacy.requested", asked, now, who=Who(email=MAIL), id=name))
    site.plant.settle()
    site.after(minutes=5)


def test_whoever_is_erased_and_signs_up_again_on_the_same_day_is_asked_again(site: Site) -> None:
    site.signs_up()
    for name in ("first", "second"):
        site.after(minutes=5)
        erased_now(site, name)
        assert site.asked() == []
        site.signs_up(answers={"first_name": name})
        assert len(site.asked()) == 1, f"after the {name} erasure"
    assert site.mails() == [ASKED] * 3
    assert site.confirms() == "confirmed"
    assert [profile.email for profile in site.people()] == [MAIL]


def test_what_was_typed_before_the_erasure_and_comes_afterwards_is_dropped_also_where_somebody_came_back(
    site: Site,
) -> None:
    held = site.world.clock.now()
    site.after(minutes=5)
    erased_now(site, "first")
    site.signs_up(answers={"first_name": "Late"})
    ((profile, request),) = site.asked()
    early = replace(profile.sign_ups[request], id="early", at=held, first_name="Early")
    base = sign_ups.request_id("tea", address_hash(site.world.secret_address_key, "email", MAIL), held)
    told = event("sign_up.requested", early, held, who=Who(email=MAIL), profile_id=base, signed=False, id="early")
    site.plant.post(told)
    site.after(minutes=5)
    assert [one.sign_ups[each].first_name for one, each in site.asked()] == ["Late"]


def test_whoever_comes_back_while_the_erasure_is_interrupted_is_left_alone_by_the_rest_of_it(site: Site) -> None:
    site.signs_up()
    site.after(minutes=5)
    site.plant.crash_at("vault.bury", "after")
    now = site.world.clock.now()
    asked = PrivacyRequest(wish="erase", at=now, email=MAIL)
    site.plant.post(event("privacy.requested", asked, now, who=Who(email=MAIL), id="first"))
    site.plant.settle()
    site.after(seconds=30)
    site.signs_up(answers={"first_name": "Back"})
    site.after(hours=1)
    assert any(key.startswith("receipts/") and b'"done_at"' in raw for key, raw in site.world.raw_files.items())
    assert [one.sign_ups[each].first_name for one, each in site.asked()] == ["Back"]
