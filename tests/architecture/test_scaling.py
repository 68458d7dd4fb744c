"""docs/scaling.md says what its model says, and the model knows the code and the template as they are."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bench import scaling
from bench.engine import _settled
from bench.scaling import ASSUMED, DEFAULTS, LIMITS, SIZES, campaign, filled, heat, lines, turned
from rekindle.aws.items import SHARDS
from rekindle.aws.messages import message_item
from rekindle.aws.profiles import profile_item
from rekindle.ports import Message
from rekindle.service import fanout
from tests.architecture.template import functions, template
from tests.support.build import T0, playbook

#: What only AWS can give more of; `turned` cannot turn it.
ASKED_FOR = {"mails that SES takes", "writes of Pending"}


def test_the_page_says_what_the_model_says() -> None:
    page = scaling.PAGE.read_text("utf-8")
    assert filled(page) == page, "PYTHONPATH=layers/core:. .venv/bin/python -m bench.scaling"


def test_the_model_starts_from_the_templates_own_settings() -> None:
    parameters = template()["Parameters"]
    assert DEFAULTS._asdict() == {name: parameters[name]["Default"] for name in DEFAULTS._fields}
    for name, value in turned(SIZES[-1])._asdict().items():
        assert parameters[name]["MinValue"] <= value <= parameters[name]["MaxValue"], name
    for name in DEFAULTS._fields:
        assert f'{{"Ref": "{name}"}}' in str(template()["Resources"]).replace("'", '"'), f"{name} turns nothing"


def test_the_model_knows_the_pace_that_the_code_keeps() -> None:
    assert len(SHARDS) == scaling.SHARDS
    assert fanout.SLICE / fanout.SLICE_SECONDS == scaling.PART_RATE
    assert (fanout.BACKLOG, fanout.UNSENT) == (scaling.WAKES_WAITING, scaling.MAILS_WAITING)
    routes = template()["Resources"]["HttpApi"]["Properties"]["RouteSettings"]
    webhooks = [f"POST {event['Properties']['Path']}" for event in functions()["webhook"]["Events"].values()]
    assert {routes[route]["ThrottlingRateLimit"] for route in webhooks} == {LIMITS.requests}


def test_what_is_stored_is_no_larger_than_the_model_takes_it_for() -> None:
    known = profile_item(_settled(playbook()), None)
    links = tuple(
        f"https://tea.example/products/a-tea-of-{n}?utm_source=rekindle&utm_campaign=letter" for n in range(9)
    )
    sent = Message(
        id="b" * 32, profile_id="a" * 32, shop="tea", state="sent", token="c" * 32, leased_at=T0, address="d" * 64,
        flow="letter", step="mail", template="letter", vendor_id="e" * 60, at=T0, targets=links, category="marketing",
        day="2026-03-02", occurrence="2026-03-02T10:00",
    )  # fmt: skip
    assert size(known) <= ASSUMED.profile_bytes
    assert size(message_item(sent)) <= ASSUMED.message_bytes


def size(value: Any) -> int:
    """Return about how many bytes DynamoDB counts for an item or a value."""
    if isinstance(value, dict):
        return sum((len(name) if len(name) > 2 else 0) + size(held) for name, held in value.items())
    if isinstance(value, (list, set)):
        return sum(map(size, value))
    return len(value)


@pytest.mark.parametrize("profiles", SIZES)
def test_with_the_settings_turned_only_what_aws_must_give_is_too_little(profiles: int) -> None:
    assert {line.what for line in lines(profiles, turned(profiles)) if line.binds} <= ASKED_FOR


def test_what_binds_first_is_what_the_page_says_it_is() -> None:
    assert not [line.what for line in lines(SIZES[0]) if line.binds]
    assert [line.what for line in lines(SIZES[1]) if line.binds] == ["mails", "mails that SES takes"]
    constants = [place for place, line in enumerate(lines(1)) if line.turn.startswith("code")]
    assert min(map(scaling.binds_from, constants)) > 80e6


def test_a_campaign_is_held_up_by_what_is_too_little_of() -> None:
    assert campaign(10_000, DEFAULTS, 14).worst < 0.1
    slow = campaign(1_000_000, DEFAULTS, 14)
    fast = campaign(1_000_000, turned(1_000_000), 14_000)
    assert (slow.bound, fast.worst < slow.worst / 2) == ("the rate of mails", True)
    many = DEFAULTS._replace(MarketingSenders=1_000)
    paced = campaign(5_000_000, many, 14_000)
    assert paced.bound == "the pace of a part"
    assert paced.largest == pytest.approx(0.3 * 5_000_000 / (16 * scaling.PART_RATE) / 3_600, rel=0.01)
    told = campaign(5_000_000, many._replace(FanoutShards=64), 14_000)
    assert told.bound == "WakeWorkers"
    assert told.largest < paced.largest
    assert math.isinf(campaign(50_000_000, DEFAULTS, 14).worst)


def test_heat_is_chance_alone() -> None:
    assert heat(SIZES[0]) > heat(SIZES[1]) > heat(SIZES[2]) > 1
    assert heat(SIZES[2]) < 1.3
