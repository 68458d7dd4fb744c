"""The preference page over the whole road: what it shows is stored, and what is saved holds for every flow."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from rekindle.content.links import Preferences
from rekindle.content.pages.forms import TRAP, Posted, read_form
from rekindle.content.pages.settings import PageSettings, Topic
from rekindle.domain.events import Suppression
from rekindle.domain.profile import Profile, Tombstone
from rekindle.flow.program import Manners
from rekindle.service.people import address_hash
from rekindle.service.preferences import PAUSE, PreferenceDesk
from rekindle.service.unsubscribe import unsubscribe
from rekindle.service.visits import Answer
from tests.support.build import ADA, T0, at, checkout, consent, flow_of, playbook
from tests.support.plant import Plant

LETTERS = flow_of(
    """
    trigger: {event: checkout.updated}
    topic: news
    steps:
      - wait: 1d
      - email: first
      - wait: 2d
      - email: second
    """
)
PHONE = "+31201234578"
TOPICS = (Topic(name="news", title={"": "News"}), Topic(name="offers", title={"": "Offers"}, on=False))


@pytest.fixture
def plant() -> Plant:
    """Ada has agreed to mails, is known by her phone, and waits for two letters."""
    book = playbook(LETTERS, manners=Manners(apart={"email": 0}), channels=("email", "sms"), locales=("en", "ar"))
    made = Plant(replace(book, topics={"news": True, "offers": False}))
    made.post(consent(T0), checkout(T0, who=replace(ADA, phone=PHONE)))
    made.settle()
    return made


class Visitor:
    """Somebody with the link of a mail, and a browser."""

    def __init__(self, plant: Plant, email: str = "ada@example.com") -> None:
        self.plant = plant
        self.claim = Preferences(
            shop="tea",
            channel="email",
            address=address_hash(plant.world.secret_address_key, "email", email),
            message="m" * 32,
            profile=plant.profile("ada@example.com").id,
        )
        nonces = itertools.count(1)
        world = plant.world
        self.desk = PreferenceDesk(
            desk=world.desk,
            intake=world.intake,
            clock=world.clock,
            address_key=world.secret_address_key,
            new_nonce=lambda: f"nonce-{next(nonces)}",
        )
        shop = playbook(LETTERS, channels=("email", "sms"), locales=("en", "ar")).shops["tea"]
        self.published = PageSettings(
            hash="h", shops={"tea": shop}, topics=TOPICS, languages={"en": "English", "ar": "العربية"}
        )
        self.html = ""

    def open(self) -> Visitor:
        """Look at the page."""
        self.html = self.desk.show(self.claim, self.published).page.html
        return self

    def fields(self) -> list[tuple[str, str]]:
        """Return what a browser would send of the form as it stands."""
        form = self.html.partition('value="save"')[0]
        sent = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
        sent += re.findall(r'<input type="(?:checkbox|radio)" name="(\w+)" value="([^"]+)" checked', form)
        for name, options in re.findall(r'<select id="\w+" name="(\w+)"[^>]*>(.*?)</select>', form):
            chosen = re.findall(r'value="([^"]*)"[^>]* selected', options) or re.findall(r'value="([^"]*)"', options)
            sent.append((name, chosen[0]))
        return sent

    def save(self, *, on: tuple[str, ...] = (), off: tuple[str, ...] = (), **typed: str) -> Answer:
        """Tick and untick boxes, type into fields, and press the button."""
        kept = [pair for pair in self.fields() if pair[0] not in typed and pair not in {("on", name) for name in off}]
        return self.press(posted_of([*kept, *(("on", name) for name in on), *typed.items(), ("act", "save")]))

    def press(self, posted: Posted) -> Answer:
        """Post this form."""
        answer = self.desk.save(self.claim, posted, self.published)
        self.html = answer.page.html
        return answer

    def ticked(self) -> set[str]:
        """Return the boxes that the page shows as ticked."""
        return set(re.findall(r'name="on" value="([^"]+)" checked', self.html))


def posted_of(pairs: list[tuple[str, str]]) -> Posted:
    return read_form(urlencode(pairs), encoded=False, content_type="application/x-www-form-urlencoded")


def ada(plant: Plant) -> Profile:
    plant.settle()
    return plant.profile("ada@example.com")


def test_the_page_shows_what_is_stored_and_changes_nothing(plant: Plant) -> None:
    visitor = Visitor(plant).open()
    assert visitor.ticked() == {"channel.email", "topic.news"}
    assert "a••@e…" in visitor.html
    assert "••78" in visitor.html
    assert len(plant.world.deliveries) == 1
    assert visitor.save().what == "saved"
    assert len(plant.world.deliveries) == 1, "nothing was changed, so nothing is told"


def test_what_is_saved_holds_and_is_shown_at_once(plant: Plant) -> None:
    """Before it is applied the page shows what was posted; afterwards what is stored, which is the same."""
    visitor = Visitor(plant).open()
    answer = visitor.save(on=("topic.offers", "pause"), off=("topic.news",), frequency="weekly", language="ar")
    assert (answer.status, answer.what) == (200, "saved")
    assert visitor.ticked() == {"channel.email", "topic.offers", "pause"}
    assert '<html lang="ar" dir="rtl">' in visitor.html
    known = ada(plant).preferences
    assert {name: tag.on for name, tag in known.topics.items()} == {"news": False, "offers": True}
    assert (known.frequency and known.frequency.value, known.language and known.language.value) == ("weekly", "ar")
    assert known.pause is not None
    assert known.pause.until == T0 + PAUSE
    assert Visitor(plant).open().ticked() == {"channel.email", "topic.offers", "pause"}


def test_a_form_that_is_sent_twice_is_one_delivery(plant: Plant) -> None:
    visitor = Visitor(plant).open()
    pairs = [*visitor.fields(), ("on", "pause"), ("act", "save")]
    for _ in range(2):
        visitor.press(posted_of(pairs))
    assert len(plant.world.deliveries) == 2


def test_changing_back_and_forth_within_a_minute_ends_where_it_ended(plant: Plant) -> None:
    """Each page that is shown has a name of its own, so that the third form is no repeat of the first."""
    visitor = Visitor(plant).open()
    for wish in ("weekly", "everything", "weekly"):
        plant.world.clock.advance_to(plant.world.clock.now() + timedelta(seconds=1))
        visitor.save(frequency=wish)
    chosen = ada(plant).preferences.frequency
    assert chosen is not None
    assert chosen.value == "weekly"


def test_an_old_page_undoes_nothing_that_was_said_since(plant: Plant) -> None:
    """Two windows: one changes the frequency, the other, opened before, the topics."""
    one, two = Visitor(plant).open(), Visitor(plant).open()
    one.save(frequency="monthly")
    plant.until(at(minutes=5))
    two.save(off=("topic.news",))
    found = ada(plant).preferences
    assert found.frequency is not None
    assert (found.frequency.value, found.topics["news"].on) == ("monthly", False)


def test_switching_mails_off_stops_them_from_that_moment(plant: Plant) -> None:
    visitor = Visitor(plant).open()
    visitor.save(off=("channel.email",))
    assert plant.world.suppressed("tea", "email", visitor.claim.address, "marketing")
    assert not ada(plant).consented("email")
    plant.until(at(days=9))
    assert plant.mails() == []


def test_switching_them_on_again_is_a_grant_that_lifts_an_unsubscribe(plant: Plant) -> None:
    visitor = Visitor(plant)
    unsubscribe(
        visitor.claim,
        intake=plant.world.intake,
        clock=plant.world.clock,
        address_key=plant.world.secret_address_key,
        source="one-click",
    )
    plant.until(at(hours=1))
    assert visitor.open().ticked() == {"topic.news"}
    visitor.save(on=("channel.email",))
    assert ada(plant).consented("email")
    assert not plant.world.suppressed("tea", "email", visitor.claim.address, "marketing")
    plant.until(at(days=9))
    assert [template for _, template, _ in plant.mails()] == ["first", "second"]


def test_no_grant_lifts_a_hard_bounce(plant: Plant) -> None:
    visitor = Visitor(plant)
    plant.world.vault.suppress(
        Suppression(
            shop="tea", channel="email", address=visitor.claim.address, covers="everything", reason="bounced", since=T0
        )
    )
    assert "channel.email" not in visitor.open().html
    visitor.save(on=("channel.email",))
    plant.settle()
    assert plant.world.suppressed("tea", "email", visitor.claim.address, "everything")


def test_nobody_agrees_for_an_address_that_the_link_was_not_sent_to(plant: Plant) -> None:
    """They may refuse for it: less is always allowed."""
    plant.until(at(minutes=1))
    plant.post(consent(at(minutes=1), "unsubscribed"))
    plant.settle()
    other = Visitor(plant, "old@example.com").open()
    answer = other.save(on=("channel.email",))
    assert (answer.status, answer.what) == (422, "refused")
    assert not ada(plant).consented("email")


def test_a_text_message_is_agreed_to_for_their_own_number(plant: Plant) -> None:
    Visitor(plant).open().save(on=("channel.sms",))
    assert ada(plant).consented("sms")


@pytest.mark.parametrize(
    ("day", "month", "year", "stored"),
    [("3", "2", "", "--02-03"), ("29", "2", "2000", "2000-02-29"), ("٣", "2", "١٩٩٠", "1990-02-03")],
)
def test_a_birthday_becomes_the_trait(plant: Plant, day: str, month: str, year: str, stored: str) -> None:
    visitor = Visitor(plant).open()
    assert visitor.save(day=day, month=month, year=year).what == "saved"
    assert ada(plant).traits["birthday"].value == stored
    assert stored not in visitor.open().html
    assert "We know it" in visitor.html
    visitor.save(forget="1")
    assert ada(plant).traits["birthday"].value is None


@pytest.mark.parametrize(
    "typed",
    [
        {"day": "30", "month": "2"},
        {"day": "3"},
        {"month": "2"},
        {"year": "1990"},
        {"day": "3", "month": "2", "year": "90"},
        {"day": "3", "month": "2", "year": "2999"},
        {"day": "²", "month": "2"},
        {"day": "-1", "month": "2"},
        {"frequency": "hourly"},
        {"language": "xx"},
        {TRAP: "http://spam.example"},
    ],
)
def test_a_mistake_is_told_beside_its_field_and_nothing_is_saved(plant: Plant, typed: dict[str, Any]) -> None:
    visitor = Visitor(plant).open()
    answer = visitor.save(off=("topic.news",), **typed)
    assert (answer.status, answer.what) == (422, "refused")
    assert 'role="alert"' in visitor.html
    assert visitor.ticked() == {"channel.email"}, "what was posted is not lost"
    assert len(plant.world.deliveries) == 1


def test_unsubscribing_from_everything_covers_every_channel_and_the_links_own_address(plant: Plant) -> None:
    Visitor(plant).open().save(on=("channel.sms",))
    plant.until(at(minutes=2))
    old = Visitor(plant, "old@example.com")
    answer = old.press(posted_of([("act", "unsubscribe")]))
    assert (answer.status, answer.what) == (200, "stopped")
    found = ada(plant)
    assert not found.consented("email")
    assert not found.consented("sms")
    assert plant.world.suppressed("tea", "email", old.claim.address, "marketing")
    assert plant.world.suppressed("tea", "email", Visitor(plant).claim.address, "marketing")


def test_of_somebody_who_was_erased_nothing_is_shown_and_mails_can_still_be_stopped(plant: Plant) -> None:
    visitor = Visitor(plant)
    profile = ada(plant)
    plant.world.vault.bury(profile.id, Tombstone(erased_at=at(hours=1), shop="tea"), profile.version)
    assert "a••" not in visitor.open().html
    assert "There is nothing to choose any more" in visitor.html
    visitor.press(posted_of([("act", "save"), ("on", "channel.email")]))
    assert len(plant.world.deliveries) == 1
    visitor.press(posted_of([("act", "unsubscribe")]))
    assert plant.world.suppressed("tea", "email", visitor.claim.address, "marketing")


def test_a_link_of_one_shop_opens_nobody_of_another(plant: Plant) -> None:
    visitor = Visitor(plant)
    visitor.claim = replace(visitor.claim, shop="plants")
    assert "a••" not in visitor.open().html


@pytest.mark.parametrize(
    ("chosen", "mails"),
    [
        ({"off": ("topic.news",)}, []),
        ({"on": ("pause",)}, []),
        ({"frequency": "weekly"}, ["first"]),
        ({"frequency": "everything"}, ["first", "second"]),
    ],
    ids=["topic off", "pause", "weekly", "whatever comes"],
)
def test_every_flow_keeps_to_what_was_saved(plant: Plant, chosen: dict[str, Any], mails: list[str]) -> None:
    Visitor(plant).open().save(**chosen)
    plant.until(at(days=9))
    assert [template for _, template, _ in plant.mails()] == mails
