"""What recommendations are made of, as it is stored: one contract, in RAM and on AWS."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from rekindle.aws.clients import Clients
from rekindle.aws.counting import CallCounter
from rekindle.domain.errors import ConflictError
from rekindle.domain.facts import Product, Variant, VariantStock
from rekindle.domain.shelves import Near, Shelf, Spot
from rekindle.ports import MAX_COUNTED, Bought, CatalogueTask, Commit, Reshelve, Shelved, Stocked
from tests.support.worlds import START, AwsPorts, Ports

POT = Product(
    id="p1", updated_at=START, title="Pot", price=Decimal("58.00"), in_stock=False,
    variants=(Variant("v1", "Red", Decimal("58.00"), False, 0),),
)  # fmt: skip
NEAR = Near(version=1, sold=685.5, often=114.25, beside={"p2": (114.0, 114.5)})
SHELF = Shelf(version=1, spots={"p1": Spot(685.5, Decimal("58.00"), START, True), "p2": Spot(here=False)})


def test_what_was_written_is_read_in_one_call(ports: Ports) -> None:
    """Products, neighbours, shelves and counted orders together; what is not stored is not there."""
    ports.state.commit(Commit(shop="tea", products=(POT,)))
    ports.shelves.count("tea", ["o1", "o2"], {"p1": NEAR})
    assert ports.shelves.put_shelf("tea", "kind/pots & pans", SHELF)
    for fresh in (True, False):
        assert ports.shelves.shelved(
            "tea",
            products=["p1", "p1", "p9"],
            near=["p1", "p2"],
            shelves=["kind/pots & pans", "best"],
            orders=["o2", "o1", "o3"],
            fresh=fresh,
        ) == Shelved(
            products={"p1": POT}, near={"p1": NEAR}, shelves={"kind/pots & pans": SHELF}, orders=frozenset({"o1", "o2"})
        )
    assert ports.shelves.shelved("coffee", products=["p1"], near=["p1"], orders=["o1"]) == Shelved()
    assert ports.shelves.shelved("tea") == Shelved()


def test_an_order_is_counted_once_with_all_that_it_changes(ports: Ports) -> None:
    ports.shelves.count("tea", ["o1"], {"p1": NEAR})
    second = replace(NEAR, version=2, sold=700.0)
    with pytest.raises(ConflictError):
        ports.shelves.count("tea", ["o2", "o1"], {"p1": second})
    found = ports.shelves.shelved("tea", near=["p1"], orders=["o1", "o2"])
    assert (found.near, found.orders) == ({"p1": NEAR}, frozenset({"o1"}))
    ports.shelves.count("coffee", ["o1"], {"p1": NEAR})


def test_nobody_overwrites_what_somebody_else_counted(ports: Ports) -> None:
    """All or nothing: the order is not counted either."""
    ports.shelves.count("tea", ["o1"], {"p1": NEAR})
    for stale in (NEAR, replace(NEAR, version=3)):
        with pytest.raises(ConflictError):
            ports.shelves.count("tea", ["o2"], {"p2": NEAR, "p1": stale})
    found = ports.shelves.shelved("tea", near=["p1", "p2"], orders=["o2"])
    assert found == Shelved(near={"p1": NEAR})
    ports.shelves.count("tea", ["o2"], {"p2": NEAR, "p1": replace(NEAR, version=2)})
    assert ports.shelves.shelved("tea", near=["p1"]).near["p1"].version == 2


def test_as_much_as_fits_is_counted_at_once(ports: Ports) -> None:
    orders = [f"o{number}" for number in range(MAX_COUNTED // 2)]
    near = {f"p{number}": NEAR for number in range(MAX_COUNTED - len(orders))}
    ports.shelves.count("tea", orders, near)
    found = ports.shelves.shelved("tea", near=near, orders=orders)
    assert (found.near, found.orders) == (near, frozenset(orders))


def test_a_shelf_is_written_by_one_at_a_time(ports: Ports) -> None:
    assert ports.shelves.put_shelf("tea", "best", SHELF)
    assert not ports.shelves.put_shelf("tea", "best", replace(SHELF, spots={}))
    assert not ports.shelves.put_shelf("tea", "best", replace(SHELF, version=3))
    assert ports.shelves.put_shelf("tea", "best", replace(SHELF, version=2, spots={}))
    assert ports.shelves.shelved("tea", shelves=["best"]).shelves == {"best": Shelf(version=2)}


def stock(minutes: int, **more: object) -> VariantStock:
    at = START + timedelta(minutes=minutes)
    return VariantStock(product_id="p1", variant=Variant("v1", in_stock=True, quantity=3, **more), updated_at=at)  # type: ignore[arg-type]


def test_one_variant_changes_its_product(ports: Ports) -> None:
    """And the product's own body, if it is newer, counts again."""
    ports.state.commit(Commit(shop="tea", products=(POT,)))
    ports.shelves.stock("tea", stock(1))
    red = Variant("v1", "Red", Decimal("58.00"), True, 3, at=START + timedelta(minutes=1))
    assert ports.outbox.products("tea", ["p1"]) == {"p1": replace(POT, in_stock=True, variants=(red,))}
    ports.shelves.stock("tea", stock(-1))
    assert ports.outbox.products("tea", ["p1"])["p1"].variants == (red,)
    later = replace(POT, updated_at=START + timedelta(minutes=2), variants=None)
    ports.state.commit(Commit(shop="tea", products=(later,)))
    assert ports.outbox.products("tea", ["p1"]) == {"p1": replace(later, variants=(red,))}


def test_a_first_variation_is_added_to_its_product(ports: Ports) -> None:
    """WooCommerce's come by themselves."""
    bare = replace(POT, variants=None)
    ports.state.commit(Commit(shop="tea", products=(bare,)))
    ports.shelves.stock("tea", stock(1))
    known = ports.outbox.products("tea", ["p1"])["p1"]
    assert [variant.id for variant in known.variants or ()] == ["v1"]


def test_a_variant_of_what_is_not_known_or_gone_is_left_alone(ports: Ports) -> None:
    ports.shelves.stock("tea", stock(1))
    assert ports.outbox.products("tea", ["p1"]) == {}
    gone = Product(id="p1", updated_at=START + timedelta(hours=1), deleted=True)
    ports.state.commit(Commit(shop="tea", products=(POT, gone)))
    ports.shelves.stock("tea", stock(90))
    assert ports.outbox.products("tea", ["p1"]) == {"p1": replace(POT, deleted=True)}


def test_tasks_come_back_as_they_were(ports: Ports) -> None:
    tasks: list[CatalogueTask] = [
        Bought(shop="tea", order="o1", at=START, products=("p1", "p2"), before=("p3",)),
        Reshelve(shop="tea", product_id="p1", kinds=("Pots",)),
        Stocked(shop="tea", stock=stock(1)),
    ]
    ports.catalogue_tasks.ask(tasks)
    ports.catalogue_tasks.ask([tasks[0]], 60)
    waiting = ports.waiting("catalogue")
    assert sorted(waiting.visible, key=repr) == sorted(tasks, key=repr)
    assert waiting.delayed == 1


def test_what_a_batch_of_mails_needs_is_one_call(moto_ports: AwsPorts) -> None:
    """Up to a hundred items; a variant's stock is two."""
    ports = moto_ports
    ports.state.commit(Commit(shop="tea", products=(POT,)))
    counter = CallCounter(ports.clients.session)
    ports = ports.with_clients(Clients(ports.clients.session))
    ports.shelves.shelved("tea", products=["p1"], near=["p1", "p2"], shelves=["best", "new"], fresh=False)
    assert dict(counter.calls) == {"dynamodb.BatchGetItem": 1}
    counter.reset()
    ports.shelves.stock("tea", stock(1))
    assert dict(counter.calls) == {"dynamodb.GetItem": 1, "dynamodb.UpdateItem": 1}
