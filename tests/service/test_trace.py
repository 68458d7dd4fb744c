"""One id is enough to follow a mail back to the webhook that led to it, and a webhook to its mails."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rekindle.domain.ids import digest
from rekindle.service.trace import Chain, NoTraceError, trace
from tests.service.test_privacy import PLANTED, live
from tests.support.build import ADA, CART, CONFIRMATION, at, order, playbook
from tests.support.plant import Plant

CHECKOUT = digest("delivery", "checkout")


@pytest.fixture
def plant() -> Plant:
    plant = Plant(playbook(CART, CONFIRMATION))
    live(plant)
    plant.until(at(days=3))
    return plant


def traced(plant: Plant, wanted: str) -> Chain:
    world = plant.world
    return trace(wanted, vault=world.vault, state=world.state, key=world.secret_address_key)


def mails_of(plant: Plant, flow: str) -> list[str]:
    profile = plant.profile(ADA.email or "")
    found = (each for each in plant.world.messages.values() if each.profile_id == profile.id and each.flow == flow)
    return [message.id for message in sorted(found, key=lambda message: message.leased_at or at())]


def test_a_webhook_leads_to_its_mails_and_a_mail_back_to_its_webhook(plant: Plant) -> None:
    mails = mails_of(plant, CART.name)
    assert len(mails) > 1
    forth = traced(plant, CHECKOUT)
    assert [message.id for message in forth.messages] == mails
    assert CHECKOUT in [arrival.id for arrival in forth.arrivals]
    assert {step.decision.flow for step in forth.steps if step.decision.run} == {CART.name}
    for mail in mails:
        back = traced(plant, mail)
        assert CHECKOUT in [arrival.id for arrival in back.arrivals]
        assert [message.id for message in back.messages] == mails
        assert {CHECKOUT, mail, *mails} <= set(back.ids)
    entered = next(step for step in forth.steps if step.decision.what == "entered")
    assert entered.delivery_id == CHECKOUT
    planned = [step for step in forth.steps if step.decision.message_id == mails[0] and step.decision.what == "planned"]
    assert [step.delivery_id for step in planned] == [None], "an alarm rang"


def test_a_chain_holds_nothing_of_another_flow_and_nothing_personal(plant: Plant) -> None:
    chain = traced(plant, CHECKOUT)
    assert not set(mails_of(plant, CONFIRMATION.name)) & set(chain.ids)
    assert not [planted for planted in PLANTED if planted in repr(chain)]


def test_where_a_mail_leads_stays_out_of_its_chain(plant: Plant) -> None:
    """A link that brings a checkout back opens it for whoever has it, with its address in it."""
    (mail, *_) = mails_of(plant, CART.name)
    recovers = "https://tea.example/checkouts/recover"
    world = plant.world
    assert recovers in world.messages[mail].targets
    world.messages[mail] = replace(world.messages[mail], links=(recovers,), gone=("a-hash",))
    chain = traced(plant, mail)
    assert [became.clicked for became in chain.messages if became.id == mail] == [1]
    assert not [told for told in (recovers, "a-hash") if told in repr(chain)]


def test_what_nobody_knows_is_said(plant: Plant) -> None:
    with pytest.raises(NoTraceError, match="nothing"):
        traced(plant, "nothing")


def test_whatever_is_applied_is_noted_by_its_ids(plant: Plant) -> None:
    """What functions/journey writes into its log, from which alone the same chain can be put together."""
    (mail, *_) = mails_of(plant, CART.name)
    chain = traced(plant, mail)
    (planned,) = [
        note for note in plant.noted if any(each.message_id == mail and each.what == "planned" for each in note.decided)
    ]
    (run,) = {each.run for each in planned.decided if each.message_id == mail}
    entered = [note for note in plant.noted if any(each.run == run and each.what == "entered" for each in note.decided)]
    assert planned.what == "alarm.rang"
    assert [(note.what, note.delivery_id) for note in entered] == [("applied", CHECKOUT)]
    assert {note.profile_id for note in (planned, *entered)} <= set(chain.profiles)
    assert not [planted for planted in PLANTED if planted in repr(plant.noted)]


def test_what_is_applied_again_after_a_crash_is_noted_once(plant: Plant) -> None:
    plant.noted.clear()
    plant.crash_at("state.commit", "before")
    plant.post(order(at(days=3), id="o9"))
    plant.settle()
    plant.world.hook = None
    plant.until(at(days=3, minutes=20))
    plant.sweep()
    plant.until(at(days=3, hours=1))
    assert [note.what for note in plant.noted if note.delivery_id is not None] == ["applied"]
