"""Everything that is stored, as one installation holds it: written through the adapters, and read by them again."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from rekindle.content import links
from rekindle.domain.events import Delivery, Event, Suppression
from rekindle.domain.facts import Fact, Other, Product, SignUp, VariantStock
from rekindle.domain.offers import Coupon, coupon_id
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Profile, Tombstone, decode_profile, encode_profile
from rekindle.domain.results import Count
from rekindle.domain.shelves import Near, Shelf
from rekindle.ports import (
    Alias,
    Commit,
    Counted,
    Interested,
    Lease,
    Merged,
    Message,
    Pause,
    Pending,
    Stock,
    Tally,
)
from tests.state.shapes import ROOTS, full
from tests.support.build import CART, CONFIRMATION, T0, at, checkout, playbook
from tests.support.shipped import joined
from tests.support.story import Story
from tests.support.template import tables
from tests.support.worlds import START, AwsPorts

KEYS: Mapping[str, bytes] = {"k9": b"the key of the samples"}

SHOP = "tea"
ADA, BOB, EVE, OLD, NEW = (letter * 32 for letter in "abcde")
_HASH = "f" * 64
M1, M2, M3, M4, M5 = (digit * 32 for digit in "12345")


# --- values: what is JSON, on queues, in files and in items -----------------------------------------------------------


def encoded(name: str, value: Any) -> str:
    """Return a value of this root as it is stored; as text, links as their token."""
    if name == "profile":
        return encode_profile(value).decode()
    if name.startswith("link/"):
        return _signers()[name][0](KEYS, value)
    return msgspec.json.encode(value).decode()


def decoded(name: str, stored: str) -> Any:
    """Return what was stored under this root."""
    if name == "profile":
        return decode_profile(stored)
    if name.startswith("link/"):
        return _signers()[name][1](KEYS, stored)
    return msgspec.json.decode(stored, type=ROOTS[name])


def _signers() -> dict[str, tuple[Callable[..., str], Callable[..., Any]]]:
    return {
        "link/unsubscribe": (links.sign_unsubscribe, links.read_unsubscribe),
        "link/preferences": (links.sign_preferences, links.read_preferences),
        "link/form": (links.sign_form, links.read_form),
        "link/confirm": (links.sign_confirm, links.read_confirm),
        "link/visit": (links.sign_visit, links.read_visit),
        "link/track": (links.sign_track, links.read_track),
    }


def values() -> dict[str, Any]:
    """Return name → one value of each root, and an event of each kind of fact."""
    found = {name: full(kind) for name, kind in ROOTS.items()}
    found["link/track"] = links.Track(ADA)
    # What a wake and a run are told of is a fact of their own; here each kind of fact once.
    found |= {f"event/{kind.__name__}": _event(kind) for kind in get_args(Fact)}
    return found


def root_of(name: str) -> str:
    """Return the root that a value belongs to."""
    return "event" if name.startswith("event/") else name


def _event(kind: type[Any], **more: Any) -> Event:
    event: Event = full(ROOTS["event"])
    return replace(event, id=f"event-{kind.__name__}", type="delivery.unknown", data=full(kind), shop=SHOP, **more)


def plain(value: Any) -> Any:
    """Return the value as plain JSON data."""
    return msgspec.json.decode(msgspec.json.encode(value, order="sorted"))


# --- tables and buckets -----------------------------------------------------------------------------------------------


def write(ports: AwsPorts) -> None:
    """Fill an empty installation with something of everything."""
    facts = [kind for kind in get_args(Fact) if kind is not SignUp]
    events = tuple(_event(kind, profile_id=None) for kind in facts)
    refusals = [
        Suppression(shop=SHOP, channel="email", address=_HASH, covers=covers, reason="bounced", since=T0)
        for covers in ("marketing", "everything")
    ]
    accepted = Delivery(
        id="d1", shop=SHOP, source="shopify", topic="orders/create", received_at=T0, triggered_at=T0, events=events,
        body=b"a body", also=("d1-by-its-body",),
    )  # fmt: skip
    ports.intake.accept(accepted, refusals, ["tea#email#1"])
    # Too much for an item: body and events go to the bucket.
    ports.intake.accept(replace(accepted, id="d2", also=(), events=events * 60), (), ["tea#email#2"])
    ports.intake.accept(replace(accepted, id="d3", also=()))
    ports.state.split(
        _pending("d3"), [replace(_pending("d3"), id=f"d3#{ADA}", only=(0, 2)), replace(_pending("d3"), id=f"d3#{BOB}")]
    )
    ports.state.count_try(f"d3#{BOB}")
    ports.state.share_address("tea#email#3", "customer")
    _people(ports)
    _messages(ports)
    _figures(ports)


def _pending(key: str) -> Pending:
    return Pending(id=key, delivery_id=key, shop=SHOP, accepted_at=T0)


def _people(ports: AwsPorts) -> None:
    whole: Profile = replace(full(Profile), id=ADA, shop=SHOP, version=1)
    small = Profile(id=BOB, shop=SHOP, version=1, created_at=T0, deadline=T0 + timedelta(days=2))
    ports.state.commit(
        Commit(
            pending_id="d1",
            profile=whole,
            aliases=(Alias("tea#email#1", ADA), Alias("tea#customer#7", ADA)),
            at=T0,
            decisions=(full(Decision),),
            counts=(full(Count),),
            products=(replace(full(Product), id="p1", deleted=False),),
            interests=(Interested(product_id="p1", at=START, how="asked"),),
            suppressions=(
                Suppression(shop=SHOP, channel="sms", address=_HASH, covers="marketing", reason="gone", since=T0),
            ),
            shop=SHOP,
        )
    )
    ports.state.commit(Commit(profile=small, at=T0, expires_at=T0 + timedelta(days=90)))
    ports.state.commit(Commit(profile=Profile(id=OLD, shop=SHOP, version=1)))
    ports.state.commit(Commit(profile=Profile(id=NEW, shop=SHOP, version=1), merged=(Merged(OLD, 1),), at=T0))
    ports.state.lift(SHOP, "email", _HASH, T0 + timedelta(days=1))
    ports.vault.bury(EVE, replace(full(Tombstone), shop=SHOP), None)


def _messages(ports: AwsPorts) -> None:
    message: Message = replace(full(Message), id=M1, profile_id=ADA, shop=SHOP, state="leased", to="", hits=())
    lease = {"profile_id": ADA, "profile_version": 1}
    new = {"token": "one", "leased_at": T0, "vendor_id": None, "at": None, "opened_at": None, "links": ()}
    assert ports.outbox.lease(Lease(message=replace(message, **new), **lease)) == "taken"  # type: ignore[arg-type]
    assert ports.outbox.record(replace(message, state="sent", token="one"), token="one")
    ports.outbox.note_hit(M1, "1772442000000.1")
    assert ports.outbox.progress(replace(message, state="delivered"), ("sent",))
    for key, state in ((M2, "leased"), (M3, "unknown"), (M4, "reopened")):
        taken = replace(message, id=key, **new)
        assert ports.outbox.lease(Lease(message=taken, **lease)) == "taken"  # type: ignore[arg-type]
        if state != "leased":
            assert ports.outbox.record(replace(taken, state=state, why="throttled", at=T0), token="one")
    assert ports.outbox.record(replace(message, id=M5, state="skipped", token="", vendor_id=None))


def _figures(ports: AwsPorts) -> None:
    ports.results.add([_counted()])
    ports.counters.count(SHOP, T0, Tally(sent=9, bounced=2, complained=1))
    pause = Pause(shop=SHOP, since=T0, why="bounces")
    ports.counters.pause(pause)
    ports.counters.told(pause, T0)
    ports.counters.resume(replace(pause, resumed_at=T0 + timedelta(hours=1), less=Tally(sent=1)))
    ports.counters.pause(Pause(shop="other", since=T0, why="complaints"))
    ports.limits.take("sign-up/network", START, most=2, seconds=3600)
    wanted: Coupon = replace(full(Coupon), shop=SHOP, profile_id=ADA, state="wanted", code="A")
    ports.coupons.claim(wanted)
    ports.coupons.made(replace(wanted, state="made"))
    ports.coupons.give(replace(wanted, run="run-2", state="made", code="POOL-1"))
    ports.coupons.put_stock(Stock(shop=SHOP, offer="ten", pool="p", size=9, given=1, at=1))
    ports.coupons.count(SHOP, "ten", "p")
    ports.shelves.count(SHOP, ["o1"], {"p1": replace(full(Near), version=1)})
    ports.shelves.put_shelf(SHOP, "best", replace(full(Shelf), version=1))
    ports.shelves.stock(SHOP, replace(full(VariantStock), product_id="p1", updated_at=T0 + timedelta(days=3)))


def read(ports: AwsPorts) -> dict[str, Any]:
    """Return what the adapters say lies there, by what was asked."""
    late = START + timedelta(days=1)
    pending = [ports.state.pending(key) for key in ("d2", f"d3#{ADA}", f"d3#{BOB}")]
    works = [ports.state.work(item) for item in pending if item is not None]
    coupons = ports.vault.coupons(ADA)
    return {
        "profile whole": ports.state.profile(ADA),
        "profile small": ports.state.profile(BOB),
        "profile merged": ports.state.profile(OLD),
        "profile erased": ports.state.profile(EVE),
        "pending": pending,
        "works": [_told(work) for work in works],
        "stale": sorted(ports.state.stale_pending(late, 9), key=lambda item: item.id),
        "overdue": ports.state.overdue(late, 9),
        "zones": [page for shard in range(2) if (page := ports.everybody.profile_ids(shard, 2)).ids],
        "archive": [
            (one.id, one.source, one.topic, one.received_at, one.triggered_at, len(one.events), len(one.body))
            for one in sorted(ports.archive.deliveries(SHOP), key=lambda one: one.id)
        ],
        "delivery": _known(ports.vault.delivery("d1")),
        "repeats": [ports.intake.accept(_repeat(key)) for key in ("d1", "d1-by-its-body", "d2")],
        "heard": [(one.at, one.delivery_id, len(one.events)) for one in ports.state.heard(ADA).heard],
        "ledger": ports.vault.ledger(ADA),
        "aliases": ports.outbox.owners(["tea#email#1", "tea#customer#7", "tea#email#3"]),
        "shared": ports.state.share_address("tea#email#3", "customer"),
        "refusals": [
            sorted(each.covers for each in ports.vault.suppressions(SHOP, channel, _HASH))
            for channel in ("email", "sms")
        ],
        "messages": ports.state.messages([M1, M2, M3, M4, M5]),
        "open": ports.outbox.open_messages(late, 9),
        "figures": sorted(
            (plain(label), str(sorted(map(str, amounts.items()))))
            for label, amounts in ports.results.figures(SHOP, "0", "z").items()
        ),
        "figures again": ports.results.add([_counted()]),
        "tallies": {f"{hour:%Y-%m-%dT%H}": tally for hour, tally in ports.counters.tallies(SHOP, T0).items()},
        "pauses": sorted(ports.counters.pauses(), key=lambda pause: pause.shop),
        "limit": [ports.limits.take("sign-up/network", START, most=2, seconds=3600) for _ in range(2)],
        "coupons": sorted(coupons, key=lambda one: one.run),
        "coupon": ports.coupons.read([coupon_id(coupons[0].run, coupons[0].offer)]) if coupons else {},
        "given": sorted(ports.coupons.given(SHOP, ["pool-1", "POOL-2"])),
        "stock": ports.coupons.stock(SHOP, "ten"),
        "shelves": _shelved(ports),
        "interested": ports.interests.interested(SHOP, "p1"),
        "products": ports.outbox.products(SHOP, ["p1"]),
        "people": sorted(key for key, _ in ports.survey.profiles().profiles),
    }


def _counted() -> Counted:
    return Counted(mark="ledger/1", shop=SHOP, counts=(full(Count),))


def _repeat(key: str) -> Delivery:
    return Delivery(id=key, shop=SHOP, source="shopify", topic="orders/create", received_at=T0, events=(_event(Other),))


def _told(work: Any) -> Any:
    return None if work is None else [work.pending.id, len(work.events), work.events[:1], dict(work.owners)]


def _known(delivery: Delivery | None) -> Any:
    return None if delivery is None else [delivery.id, delivery.shop, list(delivery.events), len(delivery.body)]


def _shelved(ports: AwsPorts) -> Any:
    found = ports.shelves.shelved(SHOP, products=["p1"], near=["p1"], shelves=["best"], orders=["o1", "o2"])
    return [found.products, found.near, found.shelves, sorted(found.orders)]


# --- a run that is under way ------------------------------------------------------------------------------------------


def under_way() -> dict[str, Any]:
    """Return somebody in the middle of a flow, its playbook, and what follows when nothing else happens."""
    book = playbook(CART, CONFIRMATION)
    story = Story(book).tell(joined(T0), checkout(at(minutes=5))).until(at(hours=7))
    assert story.mails
    stored = {"profile": encoded("profile", story.profile), "playbook": encoded("file/playbook", book)}
    return {**stored, "then": what_follows(stored)}


def what_follows(stored: Mapping[str, str]) -> list[list[str]]:
    """Return template, time and id of each message that somebody still gets."""
    story = Story(decoded("file/playbook", stored["playbook"]), decoded("profile", stored["profile"]))
    story.until(at(days=20))
    planned = zip(story.mails, story.messages, strict=True)
    return [[template, when.isoformat(), message] for (template, when), message in planned]


# --- as files ---------------------------------------------------------------------------------------------------------


def dump(ports: AwsPorts) -> dict[str, Any]:
    """Return all that lies in tables and buckets, as JSON: bytes in base 64."""
    made, clients = ports.installation, ports.clients
    found: dict[str, Any] = {"tables": {}, "files": {}}
    for table in sorted(tables()):
        items = clients.dynamodb.scan(TableName=getattr(made.tables, table))["Items"]
        rows = [{name: _as_text(value) for name, value in sorted(item.items())} for item in items]
        found["tables"][table] = sorted(rows, key=msgspec.json.encode)
    listed = clients.s3.list_objects_v2(Bucket=made.raw_bucket).get("Contents", [])
    for key in sorted(each["Key"] for each in listed):
        content = clients.s3.get_object(Bucket=made.raw_bucket, Key=key)["Body"].read()
        found["files"][key] = base64.b64encode(content).decode()
    return found


def restore(ports: AwsPorts, dumped: Mapping[str, Any]) -> None:
    """Put all of it into an empty installation."""
    made, clients = ports.installation, ports.clients
    for table, rows in dumped["tables"].items():
        for row in rows:
            item = {name: _as_item(value) for name, value in row.items()}
            clients.dynamodb.put_item(TableName=getattr(made.tables, table), Item=item)
    for key, content in dumped["files"].items():
        clients.s3.put_object(Bucket=made.raw_bucket, Key=key, Body=base64.b64decode(content))


def _as_text(value: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, held),) = value.items()
    if kind == "B":
        return {"B": base64.b64encode(held).decode()}
    return {kind: sorted(held) if kind in {"SS", "NS"} else held}


def _as_item(value: Mapping[str, Any]) -> Any:
    ((kind, held),) = value.items()
    return {"B": base64.b64decode(held)} if kind == "B" else {kind: held}
