"""Stay or leave over the whole road: the link of a mail, the page, and what holds afterwards for every flow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from rekindle.content.links import FORMS, BadLinkError, sign_form
from rekindle.content.pages.forms import TRAP
from rekindle.domain.profile import Profile, Tombstone
from rekindle.service.trace import trace
from tests.support.build import T0, at, consent, flow_of, order, playbook
from tests.support.plant import Plant
from tests.support.visitor import Visitor

SUNSET = flow_of(
    """
    trigger: {event: order.placed}
    steps:
      - wait: 1d
      - suppress: sunset
    """
)


@pytest.fixture
def plant() -> Plant:
    """Ada has agreed to mails, bought something, and is given up a day later."""
    made = Plant(playbook(SUNSET))
    made.post(consent(T0), order(T0))
    made.settle()
    return made


def ada(plant: Plant) -> Profile:
    plant.settle()
    return plant.profile("ada@example.com")


def test_looking_changes_nothing(plant: Plant) -> None:
    before = len(plant.world.deliveries)
    answer = Visitor(plant).open()
    assert (answer.status, answer.what) == (200, "shown")
    assert all(f'name="act" value="{choice}"' in answer.page.html for choice in ("stay", "fewer", "leave"))
    assert len(plant.world.deliveries) == before


def test_who_was_given_up_and_stays_is_written_to_again(plant: Plant) -> None:
    """The suppression is a real one, and the answer is a consent that lifts it."""
    visitor = Visitor(plant)
    plant.until(at(days=2))
    assert not ada(plant).consented("email")
    assert plant.world.suppressed("tea", "email", visitor.claim.address, "marketing")
    assert visitor.press("stay").what == "saved"
    assert ada(plant).consented("email")
    assert not plant.world.suppressed("tea", "email", visitor.claim.address, "marketing")


def test_fewer_is_at_most_one_a_month(plant: Plant) -> None:
    assert Visitor(plant).press("fewer").what == "saved"
    chosen = ada(plant).preferences.frequency
    assert chosen is not None
    assert chosen.value == "monthly"


def test_who_leaves_gets_nothing_from_that_moment(plant: Plant) -> None:
    visitor = Visitor(plant)
    assert visitor.press("leave").what == "stopped"
    assert plant.world.suppressed("tea", "email", visitor.claim.address, "marketing")
    assert ada(plant).consent["email:ada@example.com"].state == "unsubscribed"


@pytest.mark.parametrize("choice", ["stay", "fewer", "leave"])
def test_flows_hear_of_every_answer_once(choice: str) -> None:
    when = f"event.name == 'stay-or-leave' and event.answers.answer == '{choice}'"
    flow = f"trigger: {{event: form.submitted, when: {when}}}\nentry: {{again: always}}\n"
    heard = Plant(playbook(flow_of(flow + "steps: [{set: {tags: [answered]}}]")))
    heard.post(consent(T0), order(T0))
    heard.settle()
    visitor = Visitor(heard)
    for _ in range(2):
        visitor.press(choice, nonce="n")
    assert ada(heard).tags == ("answered",)
    assert len(heard.world.deliveries) == 2


def test_who_goes_back_to_their_first_word_has_said_it_last(plant: Plant) -> None:
    """Pages of one browser's history are one form. A second press on any of them says nothing new."""
    visitor = Visitor(plant)
    before = len(plant.world.deliveries)
    for choice in ("stay", "leave", "stay", "leave", "stay"):
        for _ in range(2):
            plant.world.clock.advance(seconds=1)
            visitor.press(choice, nonce="n")
    assert len(plant.world.deliveries) == before + 5
    assert ada(plant).consented("email")
    assert not plant.world.suppressed("tea", "email", visitor.claim.address, "marketing")


def test_an_answer_can_be_followed_by_the_id_that_the_log_has(plant: Plant) -> None:
    visitor, world = Visitor(plant), plant.world
    first, again = visitor.press("leave", nonce="n"), visitor.press("leave", nonce="n")
    plant.settle()
    assert first.delivery_id is not None
    chain = trace(first.delivery_id, vault=world.vault, state=world.state, key=world.secret_address_key)
    assert [(arrival.id, arrival.topic) for arrival in chain.arrivals] == [(again.delivery_id, "stay-or-leave")]
    assert visitor.press("?").delivery_id is None


def test_however_often_somebody_changes_their_mind_it_costs_little(plant: Plant) -> None:
    visitor = Visitor(plant)
    for number in range(30):
        visitor.press(("stay", "leave")[number % 2], nonce=f"{number}")
    plant.world.calls.clear()
    visitor.press("stay", nonce="last")
    assert plant.world.calls["intake.accept"] + plant.world.calls["intake.known"] <= 20


def test_an_old_address_may_leave_and_not_agree(plant: Plant) -> None:
    plant.until(at(days=2))
    old = Visitor(plant, email="old@example.com")
    assert (old.press("stay").status, old.press("fewer").what) == (422, "saved")
    assert not ada(plant).consented("email")


@pytest.mark.parametrize(("act", "typed"), [("", {}), ("all", {}), ("stay", {TRAP: "http://spam.example"})])
def test_what_the_page_did_not_ask_is_refused(plant: Plant, act: str, typed: dict[str, str]) -> None:
    before = len(plant.world.deliveries)
    answer = Visitor(plant).press(act, **typed)
    assert (answer.status, 'role="alert"' in answer.page.html) == (422, True)
    assert len(plant.world.deliveries) == before


def test_of_somebody_who_was_erased_nothing_is_known_and_mails_can_still_be_stopped(plant: Plant) -> None:
    visitor, profile = Visitor(plant), ada(plant)
    plant.world.vault.bury(profile.id, Tombstone(erased_at=at(hours=1), shop="tea"), profile.version)
    assert "There is nothing to choose any more" in visitor.open().page.html
    assert visitor.press("stay").what == "shown"
    plant.world.clock.advance_to(plant.world.clock.now() + timedelta(hours=2))
    assert visitor.press("unsubscribe").what == "stopped"
    assert plant.world.suppressed("tea", "email", visitor.claim.address, "marketing")


def test_a_link_opens_its_own_form_alone(plant: Plant) -> None:
    visitor = Visitor(plant)
    keys = plant.world.secrets.link_keys()
    for form in ("", "p", "review", "../stay"):
        with pytest.raises(BadLinkError):
            visitor.desks.of("stay", sign_form(keys, replace(visitor.claim, form=form)))
    for form in FORMS:
        claim, _ = visitor.desks.of(form, sign_form(keys, replace(visitor.claim, form=form)))
        assert claim.profile == visitor.claim.profile
