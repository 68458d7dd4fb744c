"""A shop whose catalogue is at work by itself: products come, orders are counted, shelves follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rekindle.domain.facts import Product
from rekindle.domain.shelves import Near, decode_near, decode_shelf, ranked
from rekindle.memory import World
from rekindle.ports import Bought, Commit
from rekindle.service.catalogue import Catalogue, Change
from tests.support.build import at


def goods(key: str, price: int, **more: Any) -> Product:
    """Return a product that can be bought."""
    given: dict[str, Any] = {"kind": "Teaware", "in_stock": True, "created_at": at()}
    url, title = f"https://s.example/{key}", key.capitalize()
    return Product(id=key, updated_at=at(), title=title, url=url, price=Decimal(price), **(given | more))


POT, CUP, TEA = goods("pot", 50), goods("cup", 12), goods("tea", 9, kind="Tea")


@dataclass
class Teashop:
    """A catalogue at work, on its own."""

    world: World = field(default_factory=lambda: World(at()))

    def __post_init__(self) -> None:
        self.catalogue = Catalogue(
            shelves=self.world.shelves, queue=self.world.catalogue_tasks, fanout=self.world.fanout
        )

    def tell(self, *products: Product) -> None:
        """Store products, and let the catalogue hear of what changed."""
        self.world.state.commit(Commit(shop="tea", products=products))
        changes = [Change(*change) for change in self.world.product_stream]
        self.world.product_stream.clear()
        self.catalogue.heard(changes)

    def sell(self, *products: str, order: str = "o1", days: int = 0, before: tuple[str, ...] = ()) -> Bought:
        """Return an order."""
        return Bought(shop="tea", order=order, at=at(days=days), products=products, before=before)

    def near(self, product: str) -> Near:
        """Return what is stored beside a product."""
        return decode_near(self.world.shelved["tea", f"near/{product}"])

    def shelf(self, name: str) -> list[str]:
        """Return what can be bought of a shelf, the highest first."""
        return ranked(name, decode_shelf(self.world.shelved["tea", f"shelf/{name}"]))
