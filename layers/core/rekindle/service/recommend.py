"""What to recommend in a mail: chosen from prepared lists, in a few reads that a whole batch of mails shares.

First what the mails are about is read, with what is bought beside it and the shop's shelves; then the shelves of their
kinds; then the products that could be shown, as they are now. So nothing is shown that is sold out, whatever a list
says. Shelves change slowly and are the same for many: a warm worker holds them for a few minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from rekindle.content.context import MAX_RECOMMENDED, product_ids
from rekindle.content.mails import MailTemplate
from rekindle.domain.facts import Product, View
from rekindle.domain.history import counted, placed
from rekindle.domain.profile import Profile, Run
from rekindle.domain.shelves import (
    BEST,
    NEW,
    Near,
    Shelf,
    available,
    better,
    kind_shelf,
    ranked,
    similar,
    together,
)
from rekindle.ports import Clock, Shelves

#: How long a warm worker goes by the shelves that it holds, and how many it holds.
SHELF_LIFE = timedelta(minutes=5)
_MAX_HELD = 500
#: Of what a mail is about so many products are looked at, and of each list so many candidates are read.
_SEEDS, _CANDIDATES = 5, 10
_BETTER = 3
#: Of the categories that somebody cares for so many are looked at.
_KINDS = 3
#: What fills a list up that has too little of its own.
_THEN: Mapping[str, tuple[str, ...]] = {
    "together": ("together", "similar", "best", "new"),
    "similar": ("similar", "best", "new"),
}
_OF_A_KIND = frozenset({"together", "similar", "better"})


class Wish(Struct, frozen=True):
    """A mail that wants to recommend: to whom, in which run, and the lists that it shows, the first one first."""

    profile: Profile
    run: Run
    lists: tuple[str, ...]


def wish_of(template: MailTemplate, profile: Profile, run: Run) -> Wish | None:
    """Return what this mail wants to recommend; `None`: nothing, or to nobody who agreed to marketing."""
    allowed = template.category == "marketing" or profile.consented("email")
    return Wish(profile, run, template.recommend) if template.recommend and allowed else None


class _Known(Struct, frozen=True):
    """What was read for one shop."""

    products: dict[str, Product]
    near: dict[str, Near]
    shelves: dict[str, Shelf]


class Recommender:
    """Chooses products for the mails of a batch; `prepare` first, then `picks` for each."""

    def __init__(self, shelves: Shelves, clock: Clock) -> None:
        self._shelves = shelves
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._held: dict[tuple[str, str], tuple[datetime, Shelf]] = {}

    def prepare(self, wishes: Sequence[Wish]) -> None:
        """Read what these mails may show: at most three calls a shop, for each hundred products."""
        self._known.clear()
        by_shop: dict[str, list[Wish]] = {}
        for wish in wishes:
            by_shop.setdefault(wish.profile.shop, []).append(wish)
        for shop, theirs in by_shop.items():
            self._read(shop, theirs)

    def picks(self, wish: Wish) -> dict[str, list[Product]]:
        """Return what to recommend, by the name of its list; each product once, and no list that has nothing."""
        if wish.profile.shop not in self._known:
            self._read(wish.profile.shop, [wish])
        known = self._known[wish.profile.shop]
        shown: set[str] = set()
        found: dict[str, list[Product]] = {}
        for name, candidates in _candidates(wish, known).items():
            most = _BETTER if name == "better" else MAX_RECOMMENDED
            chosen = [
                product
                for key in candidates
                if key not in shown
                and (product := known.products.get(key)) is not None
                and available(product, sold=name != "viewed" or _was_sold(known, key))
            ][:most]
            shown.update(product.id for product in chosen)
            if chosen:
                found[name] = chosen
        return found

    def product(self, shop: str, product_id: str) -> Product | None:
        """Return a product that was read on the way, if it was."""
        known = self._known.get(shop)
        return known.products.get(product_id) if known is not None else None

    def _read(self, shop: str, wishes: Sequence[Wish]) -> None:
        seeds = {seed for wish in wishes for seed in seeds_of(wish.profile, wish.run)}
        about = {product for wish in wishes for product in product_ids(wish.run)}
        wanted = {name for wish in wishes for name in wish.lists}
        near = seeds if "together" in wanted else set[str]()
        if "viewed" in wanted:
            # Of these nobody knows yet whether they can be had: that they were sold may tell.
            near = near | {product for wish in wishes for product in _viewed(wish.profile)}
        names = [name for name in (BEST, NEW) if any(name in _THEN.get(one, (one,)) for one in wanted)]
        held, missing = self._on_hand(shop, names)
        first = self._shelves.shelved(
            shop, products=sorted(seeds | about), near=sorted(near), shelves=missing, fresh=False
        )
        self._hold(shop, missing, first.shelves)
        shelves = held | first.shelves
        kinds = {kind_shelf(one.kind) for one in first.products.values() if one.id in seeds and one.kind}
        kinds = set() if _OF_A_KIND.isdisjoint(wanted) else kinds
        kinds |= {
            kind_shelf(kind) for wish in wishes if "browsed" in wish.lists for kind in kinds_of(wish.profile, wish.run)
        }
        if kinds:
            held, missing = self._on_hand(shop, sorted(kinds))
            more = self._shelves.shelved(shop, shelves=missing, fresh=False).shelves if missing else {}
            self._hold(shop, missing, more)
            shelves |= held | more
        known = _Known(first.products, first.near, shelves)
        candidates = {key for wish in wishes for found in _candidates(wish, known).values() for key in found}
        rest = sorted(candidates - known.products.keys())
        products = self._shelves.shelved(shop, products=rest, fresh=False).products if rest else {}
        self._known[shop] = _Known(known.products | products, known.near, shelves)

    def _on_hand(self, shop: str, names: Iterable[str]) -> tuple[dict[str, Shelf], list[str]]:
        """Return the shelves that are held and new enough, and the names of the others."""
        now = self._clock.now()
        held: dict[str, Shelf] = {}
        missing = []
        for name in names:
            kept = self._held.get((shop, name))
            if kept is not None and timedelta(0) <= now - kept[0] < SHELF_LIFE:
                held[name] = kept[1]
            else:
                missing.append(name)
        return held, missing

    def _hold(self, shop: str, names: Iterable[str], found: Mapping[str, Shelf]) -> None:
        now = self._clock.now()
        for name in names:
            self._held.pop((shop, name), None)
            while len(self._held) >= _MAX_HELD:
                del self._held[next(iter(self._held))]
            self._held[shop, name] = now, found.get(name, Shelf())


def seeds_of(profile: Profile, run: Run) -> tuple[str, ...]:
    """Return the products that recommendations start from: what the mail is about, else what was bought last.

    Of who has bought nothing, what they looked at last.
    """
    about = product_ids(run)
    if about:
        return about[:_SEEDS]
    if not counted(profile):
        return _viewed(profile)[:_SEEDS]
    marks = sorted(counted(profile), key=placed, reverse=True)
    return tuple(dict.fromkeys(product for mark in marks for product in mark.products))[:_SEEDS]


def kinds_of(profile: Profile, run: Run) -> tuple[str, ...]:
    """Return the categories that a mail may show: the one that it is about, else those that the customer cares for.

    First what they looked at or clicked last, then what they named as interests, then what they bought last.
    """
    match run.trigger:
        case View(kind=kind, title=title) if run.event_type == "category.viewed" and (kind or title):
            return (kind or title or "",)
    latest = sorted(profile.browsed, key=lambda kind: (profile.browsed[kind], kind), reverse=True)
    named = profile.traits.get("interests")
    told = named.value if named is not None and isinstance(named.value, tuple) else ()
    marks = sorted(counted(profile), key=placed, reverse=True)
    return tuple(dict.fromkeys((*latest, *told, *(kind for mark in marks for kind in mark.kinds))))[:_KINDS]


def _of_one_kind(wish: Wish, known: _Known, nobody: frozenset[str]) -> list[str]:
    """Return what sells best of the first of their categories that has something for them."""
    for kind in kinds_of(wish.profile, wish.run):
        name = kind_shelf(kind)
        found = [key for key in ranked(name, known.shelves.get(name, Shelf())) if key not in nobody]
        if found:
            return found
    return []


def _candidates(wish: Wish, known: _Known) -> dict[str, list[str]]:
    """Return the products that each list could show, the best first.

    Left out is what was bought, and what the mail is about: of a mail about a look at a product, that product too.
    """
    start = seeds_of(wish.profile, wish.run)
    seeds = [known.products[one] for one in start if one in known.products]
    nobody = frozenset(product for mark in counted(wish.profile) for product in mark.products)
    nobody |= frozenset(product_ids(wish.run))

    def on_kinds(choose: Callable[[Shelf, Product], list[str]]) -> list[str]:
        found = [
            choose(known.shelves[name], seed)
            for seed in seeds
            if seed.kind and (name := kind_shelf(seed.kind)) in known.shelves
        ]
        return _in_turn(found)

    sources: dict[str, Callable[[], list[str]]] = {
        "together": lambda: together([known.near[one] for one in start if one in known.near]),
        "similar": lambda: on_kinds(similar),
        "better": lambda: on_kinds(better),
        "best": lambda: ranked(BEST, known.shelves.get(BEST, Shelf())),
        "new": lambda: ranked(NEW, known.shelves.get(NEW, Shelf())),
        "viewed": lambda: list(_viewed(wish.profile)),
        "browsed": lambda: _of_one_kind(wish, known, nobody),
    }
    found = {}
    for name in wish.lists:
        parts = [
            [key for key in sources[source]() if key not in nobody][:_CANDIDATES] for source in _THEN.get(name, (name,))
        ]
        found[name] = list(dict.fromkeys(key for part in parts for key in part))
    return found


def _in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    """Return the first of each list, then the second of each, and so on, each once."""
    longest = max(map(len, lists), default=0)
    return list(dict.fromkeys(one[place] for place in range(longest) for one in lists if place < len(one)))


def _viewed(profile: Profile) -> tuple[str, ...]:
    """Return what this person looked at, the latest first."""
    latest = sorted(profile.interests.items(), key=lambda pair: (pair[1].at, pair[0]), reverse=True)
    return tuple(product for product, _ in latest[: 2 * _CANDIDATES])


def _was_sold(known: _Known, product: str) -> bool:
    near = known.near.get(product)
    return near is not None and near.sold is not None
