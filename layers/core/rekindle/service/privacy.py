"""Privacy: what is stored about somebody is handed out, or erased, everywhere, with a receipt (docs/privacy.md).

Every step is safe to repeat, and each finds what an earlier try left undone: first the person is buried, so that
nothing can be added any more, then what was found is written down, then it is deleted, looked for again, and signed
off. The request holds the address itself, so it goes last: while it is there, the work is not done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from rekindle.domain import ids, sign_ups
from rekindle.domain.errors import ConflictError, RekindleError
from rekindle.domain.events import Delivery, Event, Suppression, Who
from rekindle.domain.facts import Channel, Other, PrivacyRequest, SignUp
from rekindle.domain.facts import Coupon as CouponFact
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.ports import (
    MAX_DELAY,
    SHOP_STORES,
    Blobs,
    Clock,
    LedgerEntry,
    Pending,
    PrivacyQueue,
    PrivacyTask,
    State,
    Vault,
)
from rekindle.service.graves import next_request, requests, trail
from rekindle.service.people import address_hash, alias_key, point_keys
from rekindle.service.receipts import (
    LISTS,
    SHOP_KEPT,
    Line,
    Progress,
    Receipt,
    decode_receipt,
    encode_receipt,
    erased,
    exported,
    names_of,
    purged,
)

#: How often a lost race with journey is run again, and what is left is looked for, before the queue takes over.
RACES = 4
#: How many pages of a shop one go takes: it must end well before the time-out.
PAGES = 4
#: Bytes. A document of an export is closed when it holds more than this, and another is begun.
PART = 20_000_000
#: A warm function knows a shop's secrets for so long after they are gone, and may accept something meanwhile.
STILL_OPEN = timedelta(seconds=MAX_DELAY)

#: What an export counts.
_HANDED_OUT = (
    "profiles",
    "aliases",
    "deliveries",
    "pending",
    "messages",
    "coupons",
    "interests",
    "ledger",
    "suppressions",
    LISTS,
)

_KINDS: Mapping[str, Channel] = {"email": "email", "phone": "sms"}
_ERASED = "erased"


class Case(Struct, frozen=True):
    """One request: its task, the delivery that brought it, and what it wants."""

    task: PrivacyTask
    delivery: Delivery
    event: Event
    request: PrivacyRequest

    @property
    def shop(self) -> str:
        """Whose customer asks, or which shop has left."""
        return self.event.shop


class _UnderWayError(Exception):
    """Somebody is being put on an ads audience at this moment, by whoever has had the right to since before."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


class Someone(Struct, frozen=True):
    """A profile that the request is about: what stands under its id, and the ids that led there."""

    id: str
    found: Profile | Tombstone | None
    was: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id under which something of this person may lie."""
        merged = self.found.was if self.found is not None else ()
        return tuple(dict.fromkeys((self.id, *self.was, *merged)))

    @property
    def aliases(self) -> tuple[str, ...]:
        """The alias keys that lead here."""
        return self.found.aliases if self.found is not None else ()


class People(Struct, frozen=True):
    """Whom a request is about. `keys` are its own alias keys, `free` those of them that lead nowhere yet."""

    someone: tuple[Someone, ...]
    keys: tuple[str, ...]
    free: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id of all of them."""
        return tuple(dict.fromkeys(each for someone in self.someone for each in someone.ids))

    @property
    def aliases(self) -> frozenset[str]:
        """Every alias key of all of them."""
        return frozenset(self.keys).union(*(someone.aliases for someone in self.someone))


class Survey(Struct, frozen=True):
    """What lies under some ids."""

    lines: int
    deliveries: frozenset[str]
    messages: frozenset[str]
    coupons: int
    interests: int


class Privacy:
    """Does what the privacy queue asks for."""

    def __init__(
        self,
        *,
        vault: Vault,
        state: State,
        files: Blobs,
        queue: PrivacyQueue,
        clock: Clock,
        address_key: bytes,
        lease_life: timedelta,
        unlist: Callable[[Profile], tuple[str, ...]] = lambda _: (),
    ) -> None:
        """Take the ports. `files` is the raw bucket; `unlist` takes somebody off ads audiences (`Unlisting`).

        `lease_life` is how long whoever sends may be at it.
        """
        self._unlist = unlist
        self._lease_life = lease_life
        self._vault = vault
        self._state = state
        self._files = files
        self._queue = queue
        self._clock = clock
        self._key = address_key

    def handle(self, task: PrivacyTask) -> Receipt | None:
        """Do what this task is about, as far as one go comes; return the receipt, `None` where there was nothing to do.

        Raises `ConflictError`, and `RekindleError` when something keeps coming back; the queue tries again.
        """
        delivery = self._vault.delivery(task.delivery_id)
        if delivery is None or task.index >= len(delivery.events) or _is_blank(delivery.events[task.index]):
            return None
        event = delivery.events[task.index]
        if not isinstance(event.data, PrivacyRequest):
            # Said of somebody before they were erased, and heard afterwards: journey has dropped it.
            self._strip(delivery, [event])
            if isinstance(event.data, CouponFact) and event.profile_id is not None:
                # It was made in the moment in which they were erased.
                self._vault.forget_coupons(self._vault.coupons(event.profile_id))
            return None
        case = Case(task, delivery, event, event.data)
        receipt = self._opened(case)
        if receipt.done_at is None:
            work = {"export": self._export, "erase": self._erase, "erase_shop": self._erase_shop}[event.data.wish]
            receipt = work(case, receipt)
        if receipt.done_at is not None:
            self._strip(delivery, [event])
        return receipt

    # --- whom it is about

    def _find(self, case: Case, more: Iterable[str] = ()) -> People:
        """Return whom the request's contact points lead to, and the profiles `more`.

        Somebody who was erased and came back afterwards is not asked about by what was asked before.
        """
        request = case.request
        asked = Who(email=request.email, phone=request.phone, shop_customer_id=request.shop_customer_id)
        orders = (("order", order) for order in request.order_ids)
        points = dict.fromkeys((*asked.points(), *case.event.who.points(), *orders))
        keys = {alias_key(self._key, case.shop, kind, value): kind for kind, value in points}
        owners, shared = self._vault.owners(tuple(keys))
        someone: dict[str, Someone] = {}
        notes: list[str] = []
        theirs: list[str] = []
        starts = [(owners[key], key) for key in keys if key in owners and key not in shared]
        for start, key in (*starts, *((profile_id, "") for profile_id in more)):
            path, found = trail(self._state.profile, start)
            if key and isinstance(found, Profile) and not _may_be(found, request, keys[key]):
                notes.append(f"profile {found.id} has this {keys[key]} too, and is another customer's: left alone")
                continue
            if isinstance(found, Profile) and found.erased_at is not None and found.erased_at >= self._asked_at(case):
                notes.append(f"profile {found.id} came back after the erasure: left alone")
                continue
            before = someone.get(path[-1])
            was = tuple(dict.fromkeys((*(before.was if before else ()), *path[:-1])))
            someone[path[-1]] = Someone(path[-1], found, was)
            theirs += [key] if key else []
        someone.update(self._requests(case, someone.values()))
        free = tuple(key for key in keys if key not in owners and key not in shared)
        if shared:
            notes.append("the address is one that many customers share: by itself it identifies nobody")
        return People(tuple(someone.values()), (*theirs, *free), free, tuple(dict.fromkeys(notes)))

    def _requests(self, case: Case, known: Iterable[Someone]) -> dict[str, Someone]:
        """Return the unconfirmed sign-ups at these people's addresses, which have profiles of their own.

        Those of after the erasure are not asked about by what was asked before.
        """
        now, at = self._clock.now(), self._asked_at(case)
        hashes = self._emails(case, known)
        places = [first for hashed in hashes for first in sign_ups.request_ids(case.shop, hashed, now)]
        firsts = self._vault.profiles(places) if places else {}

        def load(profile_id: str) -> Profile | Signpost | Tombstone | None:
            return firsts.get(profile_id) or self._state.profile(profile_id)

        return {
            profile_id: Someone(profile_id, request)
            for first in places
            if first in firsts
            for profile_id, request in requests(first, load).items()
            if not (isinstance(request, Profile) and request.erased_at is not None and request.erased_at >= at)
            and not _holds_a_place(request)
        }

    def _emails(self, case: Case, known: Iterable[Someone]) -> list[str]:
        """Return the keyed hashes of all e-mail addresses of these people."""
        told = {case.request.email, *(one.found.email for one in known if isinstance(one.found, Profile))}
        return [address_hash(self._key, "email", email) for email in sorted(filter(None, told))]

    # --- erasing a person

    def _erase(self, case: Case, receipt: Receipt) -> Receipt:
        try:
            people, receipt = self._bury(case, receipt)
        except _UnderWayError as wait:
            # To wait is no failure: it must not use the tries up.
            self._queue.ask([case.task], self._seconds_until(wait.until))
            return receipt
        refused = self._addresses(people, case.request)
        seen = self._survey(people.ids)
        waiting = self._waiting(case, people)
        counts = {
            "profiles": sum(1 for someone in people.someone if someone.found is not None),
            "aliases": 0,
            "deliveries": len(seen.deliveries | {pending.delivery_id for pending, _ in waiting}),
            "pending": len(waiting),
            "messages": len(seen.messages),
            "coupons": seen.coupons,
            "interests": seen.interests,
            "ledger": seen.lines,
            "suppressions": 0,
            "raw/exports": 0,
            "raw/deliveries": 0,
            LISTS: 0,
        }
        # Written before anything is deleted: an earlier try may have found, and deleted, more.
        counts = {store: max(count, _found(receipt, store)) for store, count in counts.items()}
        kept = {
            "profiles": len(people.someone) or min(1, len(people.free)),
            "aliases": len(people.aliases),
            "deliveries": counts["deliveries"],
            "suppressions": len(refused),
        }
        kept[LISTS] = sum(1 for note in receipt.notes if note.startswith("audience "))
        receipt = replace(receipt, stores=erased(counts, kept))
        self._put(receipt)
        counts["raw/deliveries"] += self._empty(case, people, waiting)
        counts["raw/exports"] += sum(
            self._vault.forget_files(f"exports/{case.shop}/{each}/") for each in receipt.profiles
        )
        receipt = replace(receipt, stores=erased(counts, kept))
        if (late := self._late_until(receipt)) is not None:
            receipt = replace(receipt, progress=Progress(messages=_unrecorded(receipt), not_before=late))
            self._put(receipt)
            self._queue.ask([case.task], self._seconds_until(late))
            return receipt
        self._vault.forget_messages(list(self._vault.messages(_unrecorded(receipt))))
        receipt = replace(receipt, done_at=self._clock.now(), progress=None)
        self._put(receipt)
        return receipt

    def _late_until(self, receipt: Receipt) -> datetime | None:
        """Return until when something may yet be recorded of a message that was undecided; `None`: nothing may."""
        now = self._clock.now()
        if not _unrecorded(receipt):
            return None
        until = receipt.progress.not_before if receipt.progress is not None else None
        until = until or now + self._lease_life
        return until if now < until else None

    def _seconds_until(self, moment: datetime) -> int:
        return min(MAX_DELAY, int((moment - self._clock.now()).total_seconds()) + 1)

    def _off_lists(self, people: People) -> People:
        """Take everybody found off the ads audiences that they are on: once buried, nobody knows which those were.

        Their addresses are suppressed already, so that nobody gets the right any more to put them on; whoever has it is
        waited for: `_UnderWayError`. Raises where that is worth trying again; the queue does, and then rings.
        """
        found = [each.found for each in people.someone if isinstance(each.found, Profile)]
        listed = [profile for profile in found if profile.audiences]
        for profile in listed:
            planned = [message for message, each in profile.planned.items() if each.channel == "audience"]
            for message in self._vault.messages(planned).values() if planned else ():
                since = message.leased_at if message.state == "leased" else None
                if since is not None and self._clock.now() < since + self._lease_life:
                    raise _UnderWayError(since + self._lease_life)
        notes = [note for profile in listed for note in self._unlist(profile)]
        return replace(people, notes=tuple(dict.fromkeys((*people.notes, *notes))))

    def _written_down(self, receipt: Receipt, people: People) -> Receipt:
        """Note whom was found, before they are buried: whoever comes back at once takes the aliases along.

        And on how many ads audiences they stand: afterwards nobody can count that any more.
        """
        fresh = [each for each in people.someone if not set(each.ids) <= set(receipt.profiles)]
        undecided = self._undecided(people, receipt)
        if not fresh and not undecided:
            return receipt
        listed = sum(len(each.found.audiences) for each in fresh if isinstance(each.found, Profile))
        receipt = replace(
            receipt,
            profiles=tuple(dict.fromkeys((*receipt.profiles, *people.ids))),
            stores={**receipt.stores, LISTS: Line(found=_found(receipt, LISTS) + listed)},
            progress=Progress(messages=(*_unrecorded(receipt), *undecided)) if undecided else receipt.progress,
        )
        self._put(receipt)
        return receipt

    def _undecided(self, people: People, receipt: Receipt) -> list[str]:
        """Return what is planned and not recorded: whoever has it in hand may yet record that it was skipped."""
        living = (each.found for each in people.someone if isinstance(each.found, Profile))
        planned = {message for profile in living for message in profile.planned} - {*_unrecorded(receipt)}
        recorded = self._vault.messages(sorted(planned)) if planned else {}
        return sorted(each for each in planned if each not in recorded or recorded[each].state == "reopened")

    def _noted(self, receipt: Receipt, notes: Sequence[str]) -> Receipt:
        """Write down what a person must know or do: that a network would not take somebody off is never said again."""
        said = tuple(dict.fromkeys((*receipt.notes, *notes)))
        if said == receipt.notes:
            return receipt
        receipt = replace(receipt, notes=said)
        self._put(receipt)
        return receipt

    def _bury(self, case: Case, receipt: Receipt) -> tuple[People, Receipt]:
        """Put a tombstone for everybody found, and for contact points that nobody is known by; return who it was.

        The receipt that is returned, and stored, names all of them.

        From here on journey adds nothing to them: what was said up to this moment is dropped, whenever it comes.
        """
        at = self._asked_at(case)
        for _ in range(RACES):
            people = self._find(case, receipt.profiles)
            receipt = self._written_down(receipt, people)
            self._suppress(case, people)
            # Inside the race: whoever was put on a list since has another version, and is looked at again.
            people = self._off_lists(people)
            receipt = self._noted(receipt, people.notes)
            try:
                for someone in people.someone:
                    self._bury_one(case, someone, people.keys, at)
                self._hold_places(case, people, at)
                if (not people.free or self._lead_to_a_grave(case, people, at)) and self._are_all(case, people):
                    return people, receipt
            except ConflictError:
                continue
        raise ConflictError(f"delivery {case.delivery.id}: whom it is about kept changing")

    def _are_all(self, case: Case, people: People) -> bool:
        """Whether nobody has come back from an earlier grave just before it was renewed.

        Whoever was alive has a version, which says so; a tombstone has none.
        """
        if not any(isinstance(each.found, Tombstone) for each in people.someone):
            return True
        return set(self._find(case, people.ids).ids) <= set(people.ids)

    def _suppress(self, case: Case, people: People) -> None:
        at = self._asked_at(case)
        for channel, hashed in self._addresses(people, case.request):
            self._vault.suppress(
                Suppression(
                    shop=case.shop, channel=channel, address=hashed, covers="marketing", reason=_ERASED, since=at
                )
            )

    def _hold_places(self, case: Case, people: People, at: datetime) -> None:
        """Put tombstones where a sign-up of the last hours would be put by whoever has it in hand at this moment.

        It has seen nobody erased, and touches nothing that is buried. Raises `ConflictError` where it was first.
        """
        if not people.someone and not people.free:
            return
        for hashed in self._emails(case, people.someone):
            for day in (at, at - timedelta(days=1)):
                place = next_request(sign_ups.request_id(case.shop, hashed, day), self._state.profile, at)
                if place is not None:
                    self._vault.bury(place, Tombstone(erased_at=at, shop=case.shop), None)
        if not self._requests(case, people.someone).keys() <= set(people.ids):
            raise ConflictError(f"delivery {case.delivery.id}: somebody signed up meanwhile")

    def _bury_one(self, case: Case, someone: Someone, keys: Sequence[str], at: datetime) -> None:
        found = someone.found
        tombstone = Tombstone(
            erased_at=max(filter(None, (at, found.erased_at if found is not None else None))),
            shop=case.shop,
            was=tuple(each for each in someone.ids if each != someone.id),
            aliases=tuple(dict.fromkeys((*someone.aliases, *keys))),
        )
        if tombstone != found:
            self._vault.bury(someone.id, tombstone, found.version if isinstance(found, Profile) else None)

    def _lead_to_a_grave(self, case: Case, people: People, at: datetime) -> bool:
        """Let the contact points that lead nowhere lead to a tombstone: what comes late may bring one of these only."""
        if people.someone:
            grave = people.someone[0].id
        else:
            grave = ids.digest("tombstone", case.shop, case.event.id)
            self._vault.bury(grave, Tombstone(erased_at=at, shop=case.shop, aliases=people.keys), None)
        return all(self._vault.point(key, grave) for key in people.free)

    def _empty(self, case: Case, people: People, waiting: Sequence[tuple[Pending, Delivery]]) -> int:
        """Delete everything that lies under these ids, and look again; return how many files that were."""
        files = 0
        for pending, delivery in waiting:
            files += self._strip(delivery, self._of(delivery, people))
            self._vault.drop(pending.id)
        # Once their lines are gone nothing else names them, and whoever sends may record one a moment later.
        messages: set[str] = set()
        for _ in range(RACES):
            for profile_id in people.ids:
                files += self._empty_ledger(profile_id, people, messages)
                self._vault.forget_coupons(self._vault.coupons(profile_id))
                self._vault.forget_interests(profile_id, self._vault.interests(profile_id))
            left = self._survey(people.ids)
            late = self._vault.messages(sorted(messages)) if messages else {}
            self._vault.forget_messages(list(late))
            if not (left.lines or left.messages or left.coupons or left.interests or late):
                return files
        raise RekindleError(f"delivery {case.delivery.id}: something keeps coming back")

    def _empty_ledger(self, profile_id: str, people: People, messages: set[str]) -> int:
        """Strip the deliveries that the ledger lists, and only then forget the lines: they are the way to find them.

        What was named as a message is added to `messages`.
        """
        files = 0
        for lines in self._ledger_pages(profile_id):
            for delivery_id in _deliveries(lines):
                delivery = self._vault.delivery(delivery_id)
                if delivery is not None and delivery.events:
                    files += self._strip(delivery, self._of(delivery, people))
            named = _messages(lines)
            messages.update(named)
            self._vault.forget_messages(named)
            self._vault.forget_ledger(profile_id, [line.at for line in lines])
        return files

    def _waiting(self, case: Case, people: People) -> list[tuple[Pending, Delivery]]:
        """Return what is pending and says nothing but what must not be kept: some of it may be stuck for good."""
        at = self._asked_at(case)
        found = []
        for pending in self._vault.waiting(people.aliases):
            delivery = self._vault.delivery(pending.delivery_id)
            if delivery is None or delivery.id == case.delivery.id:
                continue
            events = [delivery.events[place] for place in pending.only if place < len(delivery.events)]
            mine = self._of(delivery, people)
            if all(
                event in mine and event.occurred_at <= at and not isinstance(event.data, PrivacyRequest)
                for event in events or delivery.events
            ):
                found.append((pending, delivery))
        return found

    # --- handing out

    def _export(self, case: Case, receipt: Receipt) -> Receipt:
        people = self._find(case, receipt.profiles)
        counts = dict.fromkeys(_HANDED_OUT, 0)
        exports: list[str] = []
        for someone in people.someone:
            if isinstance(someone.found, Profile):
                counts["profiles"] += 1
                for number, document in enumerate(self._documents(case, someone, someone.found, people, counts), 1):
                    suffix = "" if number == 1 else f"-{number}"
                    key = f"exports/{case.shop}/{someone.id}/{receipt.name}{suffix}.json"
                    self._files.put(key, msgspec.json.format(document, indent=2), "application/json")
                    exports.append(key)
        receipt = replace(
            receipt,
            profiles=people.ids,
            stores=exported(counts, len(exports)),
            exports=tuple(exports),
            notes=people.notes if exports else (*people.notes, "nothing is stored about this person"),
            done_at=self._clock.now(),
            progress=None,
        )
        self._put(receipt)
        return receipt

    def _documents(
        self, case: Case, someone: Someone, profile: Profile, people: People, counts: dict[str, int]
    ) -> Iterator[bytes]:
        """Yield everything about one person as JSON: one document, or more where there are very many deliveries."""
        lines = [line for each in someone.ids for page in self._ledger_pages(each) for line in page]
        messages = list(self._vault.messages(_messages(lines)).values())
        coupons = [coupon for each in someone.ids for coupon in self._vault.coupons(each)]
        refusals = [
            refusal
            for channel, hashed in self._addresses(replace(people, someone=(someone,)), case.request)
            for refusal in self._vault.suppressions(case.shop, channel, hashed)
        ]
        interests = [key for each in someone.ids for key in self._vault.interests(each)]
        waiting = [pending.delivery_id for pending in self._vault.waiting(frozenset(someone.aliases))]
        counts["aliases"] += len(someone.aliases)
        counts["pending"] += len(waiting)
        counts["interests"] += len(interests)
        counts[LISTS] += len(profile.audiences)
        counts["ledger"] += len(lines)
        counts["messages"] += len(messages)
        counts["coupons"] += len(coupons)
        counts["suppressions"] += len(refusals)
        head = {
            "made_at": self._clock.now(),
            "shop": case.shop,
            "request_id": case.request.request_id,
            "profile": profile,
            "known": _known(profile),
            "suppressions": refusals,
            "messages": messages,
            "coupons": coupons,
            "interests": [key.partition("#")[2] for key in interests],
            "ledger": [{"at": line.at.partition("#")[0], "decisions": line.decisions} for line in lines],
        }
        part: list[dict[str, object]] = []
        size = 0
        for delivery_id in dict.fromkeys((*_deliveries(lines), *waiting)):
            delivery = self._vault.delivery(delivery_id)
            mine = self._of(delivery, people) if delivery is not None else []
            if delivery is None or not mine or delivery.id == case.delivery.id:
                continue
            counts["deliveries"] += 1
            part.append(_told(delivery, mine))
            size += len(delivery.body)
            if size > PART:
                yield msgspec.json.encode({**head, "deliveries": part})
                head, part, size = {"shop": case.shop, "request_id": case.request.request_id}, [], 0
        if part or "profile" in head:
            yield msgspec.json.encode({**head, "deliveries": part})

    # --- a shop has left

    def _erase_shop(self, case: Case, receipt: Receipt) -> Receipt:
        """Empty one store after the other, a few pages a go, until a whole round finds nothing."""
        now = self._clock.now()
        stored = self._files.tagged(receipt.key)
        receipt = decode_receipt(stored[0]) if stored else receipt
        progress = receipt.progress or Progress()
        if receipt.done_at is not None:
            return receipt
        if progress.not_before is not None and now < progress.not_before:
            self._queue.ask([case.task], self._seconds_until(progress.not_before))
            return receipt
        secrets = int(self._vault.disconnect(case.shop))
        receipt = replace(receipt, stores=purged(receipt.stores, "secrets", secrets))
        for _ in range(PAGES):
            if progress.place == len(SHOP_STORES):
                break
            store = SHOP_STORES[progress.place]
            page = self._vault.purge(case.shop, store, progress.cursor, spare=case.delivery.id)
            receipt = replace(receipt, stores=purged(receipt.stores, store, page.erased))
            place = progress.place if page.cursor is not None else progress.place + 1
            progress = replace(progress, place=place, cursor=page.cursor, dirty=progress.dirty or page.erased > 0)
        over = progress.place == len(SHOP_STORES)
        if over and progress.round > 1 and not progress.dirty:
            receipt = replace(receipt, stores={**SHOP_KEPT, **receipt.stores}, done_at=now, progress=None)
        elif over:
            receipt = replace(receipt, progress=Progress(round=progress.round + 1, not_before=now + STILL_OPEN))
        else:
            receipt = replace(receipt, progress=progress)
        if not self._files.swap(receipt.key, encode_receipt(receipt), expected=stored[1] if stored else None):
            # Another worker has this very task in hand, and has come further.
            return replace(receipt, done_at=None)
        if receipt.done_at is None:
            self._queue.ask([case.task], MAX_DELAY if over else 0)
        return receipt

    # --- what they share

    def _asked_at(self, case: Case) -> datetime:
        return min(case.request.at, self._clock.now())

    def _opened(self, case: Case) -> Receipt:
        """Return the receipt as an earlier try has left it, else a fresh one."""
        first, *_ = names = names_of(case.event, case.request)
        fresh = Receipt(
            name=first,
            wish=case.request.wish,
            shop=case.shop,
            delivery_id=case.delivery.id,
            request_id=case.request.request_id,
            reason=case.request.reason,
            asked_at=case.request.at,
            begun_at=self._clock.now(),
        )
        # A shop that asks again under the number of an earlier request has a request of its own.
        for name in names:
            fresh = replace(fresh, name=name)
            stored = self._files.get(fresh.key)
            known = decode_receipt(stored) if stored is not None else fresh
            if known.delivery_id == case.delivery.id:
                return known
        return fresh

    def _put(self, receipt: Receipt) -> None:
        self._files.put(receipt.key, encode_receipt(receipt), "application/json")

    def _addresses(self, people: People, request: PrivacyRequest) -> list[tuple[Channel, str]]:
        """Return every address that is known of these people, by channel and as its keyed hash."""
        told = [("email", request.email), ("phone", request.phone)]
        for someone in people.someone:
            if isinstance(someone.found, Profile):
                told += [("email", someone.found.email), ("phone", someone.found.phone)]
                told += [_address(act) for act in someone.found.consent]
        hashed = [(kind, address_hash(self._key, kind, value)) for kind, value in told if value]
        # An alias is made of the same hash; one that has moved on is somebody else's by now.
        owners, _ = self._vault.owners(tuple(people.aliases))
        for alias, owner in owners.items():
            _, kind, value = alias.split("#")
            hashed += [(kind, value)] if owner in people.ids else []
        return [(_KINDS[kind], value) for kind, value in dict.fromkeys(hashed) if kind in _KINDS]

    def _of(self, delivery: Delivery, people: People) -> list[Event]:
        """Return the events of a delivery that are about these people, or about nobody."""
        known, aliases = set(people.ids), people.aliases
        found = []
        for event in delivery.events:
            # Whoever used a code for friends is somebody else than whose code it is.
            keys = point_keys(self._key, event)
            if event.profile_id is not None:
                theirs = event.profile_id in known or self._has_signed_up(event, event.profile_id, known)
            else:
                theirs = not keys or bool(aliases.intersection(keys))
            if theirs:
                found.append(event)
        return found

    def _has_signed_up(self, event: Event, profile_id: str, known: Collection[str]) -> bool:
        """Whether one of these is who signed up under that id, or the next one where its address had been erased."""
        return isinstance(event.data, SignUp) and any(
            each in known for each in requests(profile_id, self._state.profile)
        )

    def _strip(self, delivery: Delivery, events: Collection[Event]) -> int:
        """Take these events and the whole body out of the delivery; what it says of others stays in its place."""
        for _ in range(RACES):
            left = tuple(_blank(event) if event in events else event for event in delivery.events)
            rest = () if all(map(_is_blank, left)) else left
            try:
                return self._vault.strip(delivery.id, self._clock.now(), rest, known=delivery.events)
            except ConflictError:
                # Another task took its own people out of it meanwhile: they must stay out.
                found = self._vault.delivery(delivery.id)
                if found is None:
                    return 0
                delivery = found
        raise ConflictError(f"delivery {delivery.id} is stripped by others all the time")

    def _survey(self, profile_ids: Sequence[str]) -> Survey:
        """Return what is there. Each message is named by the decision that planned it, and goes before that line."""
        lines, coupons, interests, deliveries, messages = 0, 0, 0, set[str](), set[str]()
        for profile_id in profile_ids:
            for page in self._ledger_pages(profile_id):
                lines += len(page)
                deliveries.update(_deliveries(page))
                messages.update(self._vault.messages(_messages(page)))
            coupons += len(self._vault.coupons(profile_id))
            interests += len(self._vault.interests(profile_id))
        return Survey(lines, frozenset(deliveries), frozenset(messages), coupons, interests)

    def _ledger_pages(self, profile_id: str) -> Iterator[Sequence[LedgerEntry]]:
        after = ""
        while page := self._vault.ledger(profile_id, after):
            yield page
            after = page[-1].at


def _holds_a_place(found: Profile | Tombstone) -> bool:
    """Whether nobody ever stood here (`Privacy._hold_places`): a true tombstone knows what leads to it."""
    return isinstance(found, Tombstone) and not found.aliases


def _may_be(profile: Profile, request: PrivacyRequest, kind: str) -> bool:
    """Whether a profile that a contact point leads to is the one who asks (DESIGN §6, Who is who)."""
    if request.shop_customer_id and profile.shop_customer_id and request.shop_customer_id != profile.shop_customer_id:
        return False
    return kind != "phone" or not (request.email and profile.email and request.email != profile.email)


def _address(act: str) -> tuple[str, str]:
    """Return kind and address of the key of an act of consent, `channel:address`."""
    channel, _, address = act.partition(":")
    return next((kind for kind, of in _KINDS.items() if of == channel), channel), address


def _deliveries(lines: Iterable[LedgerEntry]) -> list[str]:
    return list(dict.fromkeys(line.delivery_id for line in lines if line.delivery_id is not None))


def _messages(lines: Iterable[LedgerEntry]) -> list[str]:
    named = (decision.message_id for line in lines for decision in line.decisions)
    return list(dict.fromkeys(message for message in named if message is not None))


def _unrecorded(receipt: Receipt) -> tuple[str, ...]:
    return receipt.progress.messages if receipt.progress is not None else ()


def _found(receipt: Receipt, store: str) -> int:
    return receipt.stores[store].found if store in receipt.stores else 0


def _told(delivery: Delivery, events: Sequence[Event]) -> dict[str, object]:
    """Return a delivery as it stands in an export; the body only where it is about nobody else."""
    told: dict[str, object] = {
        "id": delivery.id,
        "source": delivery.source,
        "topic": delivery.topic,
        "received_at": delivery.received_at,
        "events": events,
    }
    if len(events) == len(delivery.events):
        told["body"] = _readable(delivery.body)
    return told


def _known(profile: Profile) -> dict[str, object]:
    """Return in full words what the profile itself holds in short ones."""
    tags = {**profile.tag_marks, **profile.own_tags}
    return {
        "traits": {name: {"value": trait.value, "since": trait.at} for name, trait in profile.traits.items()},
        "tags": {name: {"on": tag.on, "since": tag.at} for name, tag in tags.items()},
        "segments": profile.segments,
        "told": {name: {"source": told.source, "at": told.at} for name, told in profile.told.items()},
        "orders": {order: asdict(mark) for order, mark in profile.orders.items()},
        "shipments": {parcel: asdict(mark) for parcel, mark in profile.shipments.items()},
        "entries": {
            flow: [{"key": key or None, "times": entry.ordinal, "last_at": entry.at} for key, entry in entries.items()]
            for flow, entries in profile.entries.items()
        },
        "browsers": [asdict(browser) for browser in profile.browsers.values()],
        "latest_messages": [asdict(touch) for touch in profile.touches],
        **{name: _in_words(getattr(profile, name)) for name in _SHORT},
    }


#: What a profile holds as rows without names, and needs no more than their names to be read.
_SHORT = ("interests", "reviews", "coupons", "reacted", "credits", "trials", "audiences")


def _in_words(value: object) -> object:
    if isinstance(value, Struct):
        return {name: _in_words(each) for name, each in asdict(value).items()}
    if isinstance(value, Mapping):
        return {name: _in_words(each) for name, each in value.items()}
    return [_in_words(each) for each in value] if isinstance(value, tuple) else value


def _readable(body: bytes) -> object:
    try:
        msgspec.json.decode(body)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")
    return msgspec.Raw(body)


def _blank(event: Event) -> Event:
    """Return what stands for an erased event, so that the others of its delivery keep their places."""
    return Event(
        id=event.id,
        shop=event.shop,
        type="delivery.unknown",
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        data=Other(topic=_ERASED),
    )


def _is_blank(event: Event) -> bool:
    return isinstance(event.data, Other) and event.data.topic == _ERASED
