"""What the benchmark of costs counts: DynamoDB's documented rules, on calls that moto answers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from moto import mock_aws

from bench.meter import Meter, size
from rekindle.aws.clients import Clients
from tests.support.worlds import AwsPorts, elsewhere, session

KB = 1_024


@pytest.fixture
def metered() -> Iterator[tuple[Any, Meter]]:
    """A client whose calls are counted, and the meter."""
    with mock_aws():
        own = elsewhere()
        made = AwsPorts(Clients(own), "m")
        assert made.installation.tables.messages == "m-messages"
        meter = Meter(made.clients.dynamodb, "m")
        watched = session(own.get_config_variable("region"))
        meter.attach(watched)
        yield Clients(watched).dynamodb, meter


def used(meter: Meter) -> dict[str, Decimal]:
    """Return what was used since the last time, by table and way."""
    found = {what: amount for (_, what), amount in meter.used.items() if amount}
    meter.reset()
    return found


def message(bytes_: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": {"S": "m"}, "profile_id": {"S": "p"}, "text": {"S": "x" * bytes_}, **more}


OPEN = {"open_shard": {"S": "a"}, "leased_at": {"S": "now"}}


def test_a_write_costs_a_unit_for_each_kilobyte_of_the_larger_item_and_one_in_each_index_that_changes(
    metered: tuple[Any, Meter],
) -> None:
    client, meter = metered
    client.put_item(TableName="m-messages", Item=message(2 * KB))
    assert used(meter) == {"messages, by itself": 3}
    client.put_item(TableName="m-messages", Item=message(0))
    assert used(meter) == {"messages, by itself": 3}
    client.put_item(TableName="m-messages", Item=message(0, **OPEN))
    assert used(meter) == {"messages, by itself": 1, "messages, index open": 1}
    client.put_item(TableName="m-messages", Item=message(0, **{**OPEN, "leased_at": {"S": "later"}}))
    assert used(meter) == {"messages, by itself": 1, "messages, index open": 2}
    client.delete_item(TableName="m-messages", Key={"id": {"S": "m"}})
    assert used(meter) == {"messages, by itself": 1, "messages, index open": 1}


def test_a_transaction_costs_twice_also_what_it_only_checks(metered: tuple[Any, Meter]) -> None:
    client, meter = metered
    check: Any = {
        "TableName": "m-suppressions",
        "Key": {"key": {"S": "k"}},
        "ConditionExpression": "attribute_not_exists(#key)",
        "ExpressionAttributeNames": {"#key": "key"},
    }
    put: Any = {"TableName": "m-messages", "Item": message(KB)}
    client.transact_write_items(TransactItems=[{"Put": put}, {"ConditionCheck": check}])
    assert used(meter) == {
        "messages, in a transaction": 4,
        "suppressions, checked": 2,
    }


def test_a_read_costs_a_unit_for_four_kilobytes_and_half_of_it_where_it_need_not_be_fresh(
    metered: tuple[Any, Meter],
) -> None:
    client, meter = metered
    client.put_item(TableName="m-messages", Item=message(5 * KB))
    used(meter)
    client.get_item(TableName="m-messages", Key={"id": {"S": "m"}}, ConsistentRead=True)
    assert used(meter) == {"messages, by key": 2}
    client.get_item(TableName="m-messages", Key={"id": {"S": "none"}})
    assert used(meter) == {"messages, by key": Decimal("0.5")}
    client.scan(TableName="m-messages", FilterExpression="#id = :x", ExpressionAttributeNames={"#id": "id"},
                ExpressionAttributeValues={":x": {"S": "none"}})  # fmt: skip
    assert used(meter) == {"messages, scan": 1}


def test_an_item_is_as_large_as_its_names_and_values() -> None:
    assert size({"id": {"S": "é"}, "n": {"N": "1234"}, "b": {"B": b"abc"}, "s": {"SS": ["ab", "c"]}}) == (
        2 + 2 + 1 + 3 + 1 + 3 + 1 + 3
    )
    assert size({"l": {"L": [{"S": "a"}]}, "m": {"M": {"k": {"BOOL": True}}}}) == 1 + 3 + 1 + 1 + 1 + 3 + 1 + 1 + 1
