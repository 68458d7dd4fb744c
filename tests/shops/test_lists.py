"""A row of a list, read: clean contact points, the person, and only consent that says for whom and since when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, Proof, TraitsTold
from rekindle.shops import imported, lists
from tests.shops.payloads import arrival

AT = "2025-06-07T08:09:10+00:00"


def read(**body: Any) -> tuple[Event, ...]:
    """Return the events of a row."""
    return lists.normalise({"at": AT, "email": "Ann@Example.com", **body}, replace(arrival(), region="SE"))


def test_a_row_tells_of_the_person_and_then_of_what_they_said() -> None:
    told, said = read(
        phone="070-174 06 05",
        person={"first_name": " Ann\u202e ", "country": "se", "locale": "sv_SE", "zone": "Europe/Stockholm"},
        traits={"tea": "Sencha", "interests": ["a", 7, "b"], "vip": True, "none": {}},
        consents=[{"channel": "email", "state": "subscribed", "at": "2024-01-01T00:00:00+00:00", "by": "the till"}],
    )
    assert (told.type, said.type) == ("traits.changed", "consent.changed")
    assert (told.who.email, told.who.phone, told.signed) == ("ann@example.com", "+46701740605", True)
    assert told.occurred_at == datetime(2025, 6, 7, 8, 9, 10, tzinfo=UTC)
    assert told.person is not None
    assert (told.person.first_name, told.person.country, told.person.locale) == ("Ann", "SE", "sv-SE")
    assert told.data == TraitsTold(at=told.occurred_at, values={"tea": "Sencha", "interests": ("a", "b"), "vip": True})
    assert said.data == Consent(
        channel="email",
        state="subscribed",
        at=datetime(2024, 1, 1, tzinfo=UTC),
        source="import",
        address="ann@example.com",
        proof=Proof(form="the till", asked_at=datetime(2024, 1, 1, tzinfo=UTC)),
    )


@pytest.mark.parametrize(
    "said",
    [
        {"channel": "email", "state": "subscribed"},
        {"channel": "email", "state": "subscribed", "at": "2024-01-01"},
        {"channel": "email", "state": "keen", "at": AT},
        {"channel": "pigeon", "state": "subscribed", "at": AT},
        {"channel": "sms", "state": "subscribed", "at": AT},
        "subscribed",
    ],
)
def test_consent_that_does_not_say_what_of_whom_and_since_when_is_none(said: object) -> None:
    assert [event.type for event in read(consents=[said])] == ["traits.changed"]


@pytest.mark.parametrize(("channel", "who"), [("email", {"email": None, "customer_id": "7"}), ("sms", {})])
def test_a_refusal_needs_no_address_of_whoever_is_known_otherwise(channel: str, who: dict[str, Any]) -> None:
    """It is about whichever address that person has. What allows names its own."""
    says = {"channel": channel, "at": AT}
    _, said = read(**who, consents=[{**says, "state": "unsubscribed"}])
    assert isinstance(said.data, Consent)
    assert (said.data.state, said.data.address) == ("unsubscribed", None)
    assert [event.type for event in read(**who, consents=[{**says, "state": "subscribed"}])] == ["traits.changed"]


def test_a_phone_alone_refuses_no_mails() -> None:
    """Two people may have one."""
    told = read(email=None, phone="070-174 06 05", consents=[{"channel": "email", "state": "unsubscribed", "at": AT}])
    assert [event.type for event in told] == ["traits.changed"]


def test_nobody_agrees_tomorrow() -> None:
    _, said = read(consents=[{"channel": "email", "state": "subscribed", "at": "2999-01-01T00:00:00+00:00"}])
    assert said.occurred_at == arrival().received_at


def test_nothing_is_known_as_of_tomorrow() -> None:
    """Else it would outdo whatever the person says until then."""
    told, *_ = read(at="2999-01-01T00:00:00+00:00", person={"first_name": "Ann"}, traits={"tea": "Sencha"})
    assert isinstance(told.data, TraitsTold)
    assert (told.occurred_at, told.data.at) == (arrival().received_at, arrival().received_at)


@pytest.mark.parametrize("body", [{"email": ""}, {"email": "no address"}, {"email": None, "phone": "12"}, {"email": 7}])
def test_a_row_that_names_nobody_is_none_and_its_cells_are_not_repeated(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedBodyError) as malformed:
        read(**body)
    assert "no address" not in str(malformed.value).replace("is no address that mail", "")


def test_what_is_packed_is_unpacked_to_the_byte() -> None:
    parts = [("order.updated", b'{"id": 1,  "price": 10.50}'), ("list.row", b'{"email":"\xc3\xa5@x.example"}')]
    assert [(part.topic, bytes(part.body)) for part in imported.unpack(imported.pack(parts))] == parts
    with pytest.raises(MalformedBodyError):
        imported.unpack(b'{"topic": 1}')


def test_ids_of_events_follow_from_their_own_body_whatever_they_are_packed_with() -> None:
    one, two = b'{"email": "a@example.com"}', b'{"email": "b@example.com"}'
    alone = imported.read("woocommerce", lists.TOPIC, two, arrival(), "silent")
    packed = imported.read_again(
        "woocommerce", imported.pack([(lists.TOPIC, one), (lists.TOPIC, two)]), arrival(), "silent"
    )
    assert packed[-len(alone) :] == alone
