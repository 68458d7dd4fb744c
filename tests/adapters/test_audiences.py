"""Ads audiences at Meta: hashes as Meta wants them, calls of ten thousand, and what its errors mean."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from local.emulator import free_port
from local.graph import Fault, LocalGraph
from rekindle.domain.errors import MailRefusedError, MailRejectedError
from rekindle.memory import Fate, World
from rekindle.outside.http import Http
from rekindle.outside.meta import MAX_PEOPLE, MetaAudiences
from rekindle.ports import AudienceChange, Listed, ShopSecrets
from tests.support.worlds import START

ADA = Listed(emails=("Ada@Example.com ",), phones=("+44 7700 900123",))
CHANGE = AudienceChange(shop="tea", audience="23851234567890123", action="add", people=(ADA,))
HASHES = {hashlib.sha256(value).hexdigest() for value in (b"ada@example.com", b"447700900123")}


@pytest.fixture
def graph() -> Iterator[LocalGraph]:
    with LocalGraph().running() as running:
        yield running


def audiences(url: str, token: str | None = "token", http: Http | None = None) -> MetaAudiences:
    world = World(START)
    world.shops["tea"] = ShopSecrets(
        shop="tea", platform="shopify", domain="tea.example", webhook_secrets=("s",), meta_token=token
    )
    return MetaAudiences(world.secrets, http, base=url)


def test_people_are_named_by_hashes_of_their_addresses_alone(graph: LocalGraph) -> None:
    assert audiences(graph.url).change(CHANGE) == "received 2"
    assert graph.lists == {CHANGE.audience: HASHES}
    assert graph.calls == [("POST", CHANGE.audience, 2)]


def test_asking_twice_is_asking_once_and_whoever_is_taken_off_is_off(graph: LocalGraph) -> None:
    meta = audiences(graph.url)
    for _ in range(2):
        meta.change(CHANGE)
    assert graph.lists == {CHANGE.audience: HASHES}
    for _ in range(2):
        meta.change(replace(CHANGE, action="remove"))
    assert graph.lists == {CHANGE.audience: set()}
    assert [method for method, _, _ in graph.calls] == ["POST", "POST", "DELETE", "DELETE"]


def test_many_go_in_as_few_calls_as_meta_allows(graph: LocalGraph) -> None:
    people = tuple(Listed(emails=(f"{number}@example.com",)) for number in range(MAX_PEOPLE + 1))
    assert audiences(graph.url).change(replace(CHANGE, people=people)) == f"received {MAX_PEOPLE + 1}"
    assert [rows for _, _, rows in graph.calls] == [MAX_PEOPLE, 1]


@pytest.mark.parametrize(
    "fault", ["app_limit", "user_limit", "page_limit", "custom_limit", "audience_limit", "temporary"]
)
def test_where_meta_asks_for_patience_it_is_asked_again_later(graph: LocalGraph, fault: Fault) -> None:
    graph.plan(fault)
    with pytest.raises(MailRefusedError) as caught:
        audiences(graph.url).change(CHANGE)
    assert caught.value.reason in {"throttled", "uncertain"}
    assert caught.value.after
    assert len(graph.calls) == 1


def test_a_token_that_is_no_good_is_about_us(graph: LocalGraph) -> None:
    graph.plan("token")
    for token in ("token", "another", None):
        with pytest.raises(MailRefusedError) as caught:
            audiences(graph.url, token).change(CHANGE)
        assert caught.value.reason == "not_allowed"


def test_what_meta_will_never_take_is_rejected_in_numbers_alone(graph: LocalGraph) -> None:
    graph.plan("parameter")
    with pytest.raises(MailRejectedError, match=r"^Meta refused it: code 100, subcode 1713230$"):
        audiences(graph.url).change(CHANGE)


@pytest.mark.parametrize("fault", ["fail", "lose_answer"])
def test_what_nobody_knows_the_outcome_of_is_asked_again(graph: LocalGraph, fault: Fault) -> None:
    graph.plan(fault)
    with pytest.raises(MailRefusedError) as caught:
        audiences(graph.url).change(CHANGE)
    assert caught.value.reason == "uncertain"


def test_an_api_that_does_not_answer_in_time_is_asked_again(graph: LocalGraph) -> None:
    graph.plan("hang")
    with pytest.raises(MailRefusedError, match="uncertain"):
        audiences(graph.url, http=Http(tries=1, read=0.2, budget=0.5)).change(CHANGE)


def test_nobody_listening_is_not_connected() -> None:
    with pytest.raises(MailRefusedError, match="not_connected"):
        audiences(f"http://127.0.0.1:{free_port()}").change(CHANGE)


def test_an_answer_that_is_none_is_no_harm(graph: LocalGraph) -> None:
    graph.plan("nonsense")
    assert audiences(graph.url).change(CHANGE) == "received 0"


def test_in_ram_a_list_has_somebody_or_has_not() -> None:
    world = World(START)
    told: tuple[Fate, ...] = ("hang", "answer_lost", "accept")
    fates = iter(told)
    world.decide_audience_fate = lambda _change: next(fates)
    for _ in range(2):
        with pytest.raises(MailRefusedError, match="uncertain"):
            world.audiences.change(CHANGE)
    world.audiences.change(CHANGE)
    assert world.audience_members == {("tea", CHANGE.audience): {*ADA.emails, *ADA.phones}}
