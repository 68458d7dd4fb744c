"""Unsubscribe links: whoever holds one can stop the marketing to that address, and do nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.content.links import BadLinkError, Unsubscribe, read_unsubscribe, sign_unsubscribe
from rekindle.service.people import address_hash
from rekindle.service.unsubscribe import unsubscribe
from tests.support.build import CART, CONFIRMATION, T0, at, checkout, consent, order, playbook
from tests.support.plant import Plant

KEYS = {"k2": b"new key", "k1": b"old key"}
CLAIM = Unsubscribe(shop="tea", channel="email", address="f" * 32, message="a" * 32, profile="b" * 32)


def test_a_token_says_what_was_signed() -> None:
    assert read_unsubscribe(KEYS, sign_unsubscribe(KEYS, CLAIM)) == CLAIM


def test_a_token_survives_the_rotation_of_its_key() -> None:
    old = sign_unsubscribe({"k1": KEYS["k1"]}, CLAIM)
    assert read_unsubscribe(KEYS, old) == CLAIM


def test_a_token_of_another_installation_is_refused() -> None:
    with pytest.raises(BadLinkError):
        read_unsubscribe(KEYS, sign_unsubscribe({"k1": b"another"}, CLAIM))


@given(st.integers(0, 400), st.characters(max_codepoint=127))
def test_a_changed_token_is_refused(place: int, letter: str) -> None:
    token = sign_unsubscribe(KEYS, CLAIM)
    place %= len(token)
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(BadLinkError):
            read_unsubscribe(KEYS, changed)


@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_else_happens(token: str) -> None:
    with pytest.raises(BadLinkError):
        read_unsubscribe(KEYS, token)


def claim_of(plant: Plant) -> Unsubscribe:
    key = plant.world.secret_address_key
    profile = plant.profile("ada@example.com")
    return Unsubscribe(
        shop="tea",
        channel="email",
        address=address_hash(key, "email", "ada@example.com"),
        message="m",
        profile=profile.id,
    )


def stop(plant: Plant) -> bool:
    done = unsubscribe(
        claim_of(plant),
        intake=plant.world.intake,
        clock=plant.world.clock,
        address_key=plant.world.secret_address_key,
        source="one-click",
    )
    plant.settle()
    return done.new


@pytest.fixture
def plant() -> Plant:
    plant = Plant(playbook(CART, CONFIRMATION))
    plant.post(checkout(T0), consent(T0))
    plant.until(at(hours=2))
    return plant


def test_unsubscribing_stops_marketing_and_nothing_else(plant: Plant) -> None:
    assert stop(plant) is True
    assert stop(plant) is False
    assert not plant.profile("ada@example.com").consented("email")
    plant.until(at(days=4))
    plant.post(order(at(days=4)))
    plant.settle()
    assert [template for _, template, _ in plant.mails()] == ["cart-reminder-1", "order-confirmation"]


def test_the_same_link_works_again_after_subscribing_anew(plant: Plant) -> None:
    stop(plant)
    plant.until(at(days=1))
    plant.post(consent(at(days=1)))
    plant.settle()
    assert plant.profile("ada@example.com").consented("email")
    plant.until(at(days=2))
    assert stop(plant) is True
    assert not plant.profile("ada@example.com").consented("email")


def test_a_link_to_an_address_that_is_no_longer_theirs_leaves_the_new_one_alone(plant: Plant) -> None:
    claim = Unsubscribe(shop="tea", channel="email", address="0" * 32, message="m", profile=claim_of(plant).profile)
    unsubscribe(
        claim,
        intake=plant.world.intake,
        clock=plant.world.clock,
        address_key=plant.world.secret_address_key,
        source="one-click",
    )
    plant.settle()
    assert plant.world.suppressed("tea", "email", "0" * 32, "marketing")
    assert plant.profile("ada@example.com").consented("email")
