"""The catalogue's own work: counting what is bought, and keeping products in their places on the shelves.

Handed over by journey (an order, a variant's stock) and by the stream of the Products table (a product changed). What
of that is news to those who looked at the product goes on to `service/fanout.py`. Everything is safe to repeat: an
order is counted in one transaction with its mark, and a product's places follow from what is stored of it at that
moment, whatever the task was about.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import ConflictError
from rekindle.domain.facts import Product
from rekindle.domain.products import changes
from rekindle.domain.shelves import Near, Shelf, counted, kind_shelf, shelved, shelves_of
from rekindle.ports import (
    MAX_COUNTED,
    Bought,
    CatalogueQueue,
    CatalogueTask,
    FanoutQueue,
    News,
    Reshelve,
    ShardTask,
    Shelves,
    Stocked,
)

#: How often a lost race is run again before the queue takes over.
RACES = 4
#: How long, in seconds, the queue holds what could not be done at once.
RETRY_DELAY = 30

_log = logging.getLogger(__name__)


class Change(Struct, frozen=True):
    """A product before (`None`: it was not known) and after a write of the table."""

    shop: str
    before: Product | None
    now: Product


class Catalogue:
    """Does what the catalogue's queue and the stream of products ask for."""

    def __init__(self, *, shelves: Shelves, queue: CatalogueQueue, fanout: FanoutQueue) -> None:
        self._shelves = shelves
        self._queue = queue
        self._fanout = fanout

    def heard(self, changes: Sequence[Change]) -> None:
        """Take what the stream tells. Never fails: what cannot be done now goes onto the queue."""
        tasks = [task for change in changes for task in tasks_of(change)]
        undone = [tasks[place] for place in self.work(tasks)]
        if undone:
            self._queue.ask(undone, RETRY_DELAY)

    def work(self, tasks: Sequence[CatalogueTask]) -> set[int]:
        """Do these; return the places of those that could not be done and must come again."""
        undone: set[int] = set()
        for shop, places in _by_shop(tasks).items():
            stocked = [place for place in places if isinstance(tasks[place], Stocked)]
            for place in stocked:
                undone |= self._tried(shop, tasks, [place])
            bought = [place for place in places if isinstance(tasks[place], Bought)]
            for chunk in _chunks(tasks, bought):
                undone |= self._tried(shop, tasks, chunk)
            for kind in (Reshelve, News):
                chosen = [place for place in places if isinstance(tasks[place], kind)]
                if chosen:
                    undone |= self._tried(shop, tasks, chosen)
        return undone

    def _tried(self, shop: str, tasks: Sequence[CatalogueTask], places: Sequence[int]) -> set[int]:
        try:
            self._do(shop, [tasks[place] for place in places])
        except Exception:  # noqa: BLE001 - logged, and handed to the caller, who lets the queue bring it again
            _log.exception("not done", extra={"shop": shop, "tasks": len(places)})
            return set(places)
        return set()

    def _do(self, shop: str, tasks: Sequence[CatalogueTask]) -> None:
        """Do tasks of one shop and one kind."""
        bought = [task for task in tasks if isinstance(task, Bought)]
        moved = [task for task in tasks if isinstance(task, Reshelve)]
        for task in tasks:
            if isinstance(task, Stocked):
                self._shelves.stock(shop, task.stock)
        news = [task for task in tasks if isinstance(task, News)]
        if news:
            self._fanout.ask([_reaching(one) for one in news])
        if bought:
            self._count(shop, bought)
            self._reshelve(shop, {product for task in bought for product in task.products}, ())
        if moved:
            self._reshelve(shop, {task.product_id for task in moved}, {kind for task in moved for kind in task.kinds})

    def _count(self, shop: str, orders: Sequence[Bought]) -> None:
        """Count those of these orders that have not been, all or none of them."""
        wanted = {task.order: task for task in orders}
        products = {product for task in orders for product in (*task.products, *task.before)}
        for race in range(RACES):
            found = self._shelves.shelved(shop, near=products, orders=wanted)
            near: dict[str, Near] = {}
            fresh = [task for order, task in sorted(wanted.items()) if order not in found.orders]
            for task in fresh:
                near |= counted({**found.near, **near}, task.products, task.before, task.at)
            if not fresh:
                return
            changed = {
                product: replace(value, version=value.version + 1)
                for product, value in near.items()
                if value != found.near.get(product)
            }
            try:
                self._shelves.count(shop, [task.order for task in fresh], changed)
            except ConflictError:
                if race == RACES - 1:
                    raise
            else:
                return

    def _reshelve(self, shop: str, products: Iterable[str], kinds: Iterable[str]) -> None:
        """Give each of these products its places, as it is now; take it away from the shelves of these kinds."""
        wanted = sorted(products)
        for race in range(RACES):
            known = self._shelves.shelved(shop, products=wanted, near=wanted)
            names = {name for product in known.products.values() for name in shelves_of(product)}
            names |= {kind_shelf(kind) for kind in kinds}
            if not known.products:
                return
            found = self._shelves.shelved(shop, shelves=sorted(names)).shelves
            lost = [
                name
                for name, shelf in _placed(found, names, known.products, known.near).items()
                if not self._shelves.put_shelf(shop, name, shelf)
            ]
            if not lost:
                return
            if race == RACES - 1:
                raise ConflictError(f"{shop}: others kept writing {', '.join(lost)}")


def tasks_of(change: Change) -> list[CatalogueTask]:
    """Return what is to be done about a change of a product: nothing, where no shelf shows it and it is no news."""
    before, now = change.before, change.now
    found: list[CatalogueTask] = [
        News(shop=change.shop, event=event, change=fact) for event, fact in changes(before, now)
    ]
    if before is not None and _shown(before) == _shown(now):
        return found
    kinds = (before.kind,) if before is not None and before.kind and before.kind != now.kind else ()
    return [Reshelve(shop=change.shop, product_id=now.id, kinds=kinds), *found]


def _reaching(news: News) -> ShardTask:
    """Return the task that reaches all who looked at the product; the same for the same news, however often told."""
    change = news.change
    name = ids.digest("product", news.shop, news.event, change.product_id, change.at.isoformat())
    return ShardTask(fanout=name, kind="product", started_at=change.at, shard=0, of=1, shop=news.shop, news=news)


def _shown(product: Product) -> tuple[object, ...]:
    """Return all that a shelf knows of a product."""
    can_be_bought = product.in_stock, bool(product.title)
    return product.kind, product.price, product.created_at, product.shown, can_be_bought


def _placed(
    found: Mapping[str, Shelf], names: Iterable[str], products: Mapping[str, Product], near: Mapping[str, Near]
) -> dict[str, Shelf]:
    """Return the shelves that change, each one version on."""
    changed = {}
    for name in sorted(names):
        before = shelf = found.get(name, Shelf())
        for key in sorted(products):
            shelf = shelved(shelf, name, products[key], near.get(key, Near()))
        if shelf is not before:
            changed[name] = replace(shelf, version=before.version + 1)
    return changed


def _by_shop(tasks: Sequence[CatalogueTask]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        found.setdefault(task.shop, []).append(place)
    return found


def _chunks(tasks: Sequence[CatalogueTask], places: Sequence[int]) -> Iterator[list[int]]:
    """Yield orders that fit into one transaction, with all the products that they are about."""
    chunk: list[int] = []
    about: set[str] = set()
    for place in places:
        task = tasks[place]
        more = {task.order, *task.products, *task.before} if isinstance(task, Bought) else set()
        if chunk and len(about | more) > MAX_COUNTED:
            yield chunk
            chunk, about = [], set()
        chunk.append(place)
        about |= more
    if chunk:
        yield chunk
