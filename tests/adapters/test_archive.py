"""The archive: accepted deliveries come back as they came (`ports.Archive`)."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.events import Delivery
from rekindle.domain.facts import Item, Order
from tests.support.things import a_delivery, an_event
from tests.support.worlds import START, AwsPorts, Ports

HOUR = timedelta(hours=1)


def found(ports: Ports, **wanted: object) -> dict[str, Delivery]:
    """Return id → delivery of what the archive yields, each once."""
    deliveries = list(ports.archive.deliveries("tea", **wanted))  # type: ignore[arg-type]
    assert len({delivery.id for delivery in deliveries}) == len(deliveries)
    return {delivery.id: delivery for delivery in deliveries}


def test_a_delivery_comes_back_whole_but_for_its_further_ids(ports: Ports) -> None:
    delivery = a_delivery(body=b'{"id": 1}', triggered_at=START - HOUR, also=(ids.digest("mark"),))
    ports.intake.accept(delivery)
    assert found(ports) == {delivery.id: replace(delivery, also=())}


def test_what_is_too_large_for_an_item_comes_back_too(ports: Ports) -> None:
    items = tuple(Item(title=secrets.token_hex(400), sku=str(number)) for number in range(600))
    order = replace(an_event("e1"), type="order.placed", data=Order(id="1", updated_at=START, items=items))
    large = a_delivery("large", events=(order,), body=secrets.token_bytes(400_000))
    bare = a_delivery("bare", events=(), body=b"")
    for delivery in (large, bare):
        ports.intake.accept(delivery)
    assert found(ports) == {large.id: large, bare.id: bare}


def test_other_shops_deliveries_stay_out(ports: Ports) -> None:
    ports.intake.accept(replace(a_delivery("theirs"), shop="coffee"))
    assert found(ports) == {}


@pytest.mark.parametrize(
    ("since", "until", "names"),
    [
        (None, None, {"d0", "d1", "d2"}),
        (START + HOUR, None, {"d1", "d2"}),
        (None, START + HOUR, {"d0"}),
        (START + HOUR, START + 2 * HOUR, {"d1"}),
        (START + HOUR, START + HOUR, set()),
    ],
)
def test_from_the_first_moment_to_before_the_last(ports: Ports, since: object, until: object, names: set[str]) -> None:
    for number in range(3):
        ports.intake.accept(a_delivery(f"d{number}", received_at=START + number * HOUR))
    assert found(ports, since=since, until=until).keys() == set(map(ids.digest, names))


def test_one_topic_only(ports: Ports) -> None:
    ports.intake.accept(a_delivery("carts"))
    ports.intake.accept(replace(a_delivery("orders"), topic="orders/create"))
    assert found(ports, topic="orders/create").keys() == {ids.digest("orders")}


def test_every_page_of_the_table_is_read(moto_ports: AwsPorts) -> None:
    """DynamoDB scans a megabyte at a time."""
    for number in range(8):
        moto_ports.intake.accept(a_delivery(f"d{number}", body=secrets.token_bytes(250_000)))
    assert len(found(moto_ports)) == 8


def test_a_body_that_is_gone_from_the_bucket_is_empty(moto_ports: AwsPorts) -> None:
    delivery = a_delivery(body=secrets.token_bytes(400_000))
    moto_ports.intake.accept(delivery)
    bucket = moto_ports.installation.raw_bucket
    (listed,) = moto_ports.clients.s3.list_objects_v2(Bucket=bucket)["Contents"]
    moto_ports.clients.s3.delete_object(Bucket=bucket, Key=listed["Key"])
    assert found(moto_ports)[delivery.id].body == b""
