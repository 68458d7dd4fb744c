"""Why did I get this? The ledger of one person in plain words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rekindle.domain.events import Who
from rekindle.service.explain import PHRASES, Explanation, NobodyError, explain
from tests.support.build import CART, CONFIRMATION, ROOT, T0, at, checkout, consent, order, playbook
from tests.support.plant import Plant


@pytest.fixture
def plant() -> Plant:
    plant = Plant(playbook(CART, CONFIRMATION))
    plant.post(checkout(T0), consent(T0))
    plant.until(at(hours=2))
    plant.post(consent(at(hours=2), "unsubscribed"))
    plant.until(at(days=5))
    return plant


def ask(plant: Plant, email: str = "ada@example.com", **more: Any) -> Explanation:
    world = plant.world
    return explain("tea", email, state=world.state, vault=world.vault, key=world.secret_address_key, **more)


def test_the_whole_story_is_told_in_order(plant: Plant) -> None:
    told = [line.words for line in ask(plant).lines]
    assert "is now unsubscribed (email), by test" in told
    assert told[0].startswith("entered cart-abandonment, because event.items")
    assert "profile.email = ada@example.com" in told[0]
    assert told[1] == "waits in cart-abandonment until 2026-03-02 10:00 UTC"
    assert "is to get the mail cart-reminder-1" in told
    assert "does not get the mail cart-reminder-2: no consent to marketing e-mail" in told
    assert told[-1] == "left cart-abandonment (finished): last step done"
    assert [line.at for line in ask(plant).lines] == sorted(line.at for line in ask(plant).lines)


def test_a_planned_mail_says_what_became_of_it(plant: Plant) -> None:
    (planned,) = [line for line in ask(plant).lines if line.decision.what == "planned"]
    assert planned.outcome == "sent"


def test_a_flow_that_was_never_entered_says_why(plant: Plant) -> None:
    plant.until(at(days=9))
    plant.post(order(at(days=9), id="old", placed_at=at(days=5)))
    plant.settle()
    (line,) = ask(plant, flow="order-confirmation").lines
    assert line.words.startswith("did not enter order-confirmation: max_age")


def test_only_up_to_a_moment(plant: Plant) -> None:
    assert {line.decision.what for line in ask(plant, until=T0).lines} == {"entered", "waiting", "said"}


def test_what_a_merged_profile_went_through_is_told_too(plant: Plant) -> None:
    account = Who(shop_customer_id="8", cart_token="c8", checkout_token="k8")
    guest = Who(email="guest@example.com", cart_token="c9", checkout_token="k9")
    plant.post(order(at(days=6), who=account, id="o8"))
    plant.post(checkout(at(days=6), who=guest))
    plant.until(at(days=6))
    plant.post(order(at(days=6), who=Who(email="guest@example.com", shop_customer_id="8"), id="o9"))
    plant.until(at(days=6))
    told = [line.words for line in ask(plant, "guest@example.com").lines]
    assert any(words.startswith("entered cart-abandonment") for words in told)
    assert any(words.startswith("turned out to be one person") for words in told)


def test_every_decision_of_the_engine_has_its_phrase() -> None:
    engine = (ROOT / "layers/core/rekindle/flow/engine.py").read_text(encoding="utf-8")
    assert set(re.findall(r"decide\(\s*\"(\w+)\"", engine)) | {"merged"} == set(PHRASES)


def test_nobody_is_an_answer_too(plant: Plant) -> None:
    with pytest.raises(NobodyError):
        ask(plant, "stranger@example.com")
