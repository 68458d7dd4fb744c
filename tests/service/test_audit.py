"""`service/audit`: each thing that should not be there is found, with its meaning, and mended where that is safe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.domain.profile import Profile, Signpost, Tombstone, encode_profile
from rekindle.memory import Queue, Queued
from rekindle.ports import Alias, Allowance, Commit, Message, Pause, Tally
from rekindle.service.audit import KINDS, LATE, STANDING, Audit, Finding
from rekindle.service.campaigns import Started
from rekindle.service.fanout import Progress
from rekindle.service.library import POINTER
from tests.support.build import T0, at, checkout, consent, flow_of, playbook
from tests.support.plant import LEASE_LIFE, SHARDS, Plant
from tests.support.things import a_delivery

FLOW = flow_of(
    """
    trigger: {event: checkout.updated, when: event.items}
    entry: {key: event.id}
    steps:
      - email: come-back
      - wait: 3d
    """
)


@pytest.fixture
def plant() -> Plant:
    """A plant in good order: Ada has got her mail and waits for more, for nobody has anything to do at this hour."""
    plant = Plant(playbook(FLOW))
    plant.world.files["playbooks/h1/mails.json"] = b"{}"
    plant.post(consent(T0), checkout(T0))
    plant.until(at(hours=2))
    return plant


def audit(plant: Plant) -> Audit:
    world = plant.world
    return Audit(
        survey=world.survey,
        state=world.state,
        vault=world.vault,
        outbox=world.outbox,
        counters=world.counters,
        dead_letters=world.dead_letters,
        wakes=world.alarms,
        queues=world.queues,
        fanout=world.fanout,
        blobs=world.blobs,
        clock=world.clock,
        account=world.account,
        lease_life=LEASE_LIFE,
    )


def found(plant: Plant, *, shop: str = "", repair: bool = False) -> dict[str, Finding]:
    return {finding.check: finding for finding in audit(plant).run(shop=shop, repair=repair)}


def ada(plant: Plant) -> Profile:
    return plant.profile("ada@example.com")


def store(plant: Plant, profile: Profile) -> None:
    plant.world.profiles[profile.id] = encode_profile(profile)


# --- one thing wrong at a time ---------------------------------------------------------------------------------------


def overdue(plant: Plant) -> str:
    plant.world.schedules.clear()
    plant.world.clock.advance_to(at(days=3) + LATE + timedelta(minutes=1))
    return ada(plant).id


def pending(plant: Plant) -> str:
    delivery = a_delivery(received_at=plant.world.clock.now())
    plant.world.intake.accept(delivery)
    plant.world.stream.clear()
    plant.world.clock.advance(minutes=16)
    return delivery.id


def stuck(plant: Plant) -> str:
    waiting = pending(plant)
    for _ in range(5):
        plant.world.state.count_try(waiting)
    return waiting


def leased(plant: Plant) -> str:
    (message,) = plant.world.messages.values()
    plant.world.messages[message.id] = replace(message, state="leased", leased_at=plant.world.clock.now())
    plant.world.clock.advance(minutes=16)
    return message.id


def unknown(plant: Plant) -> str:
    message = leased(plant)
    plant.world.messages[message] = replace(plant.world.messages[message], state="unknown")
    return message


def unsent(plant: Plant) -> str:
    """What was queued for a planned message is gone: nobody else would ever send it."""
    (message,) = plant.world.messages
    del plant.world.messages[message]
    return message


def reopened(plant: Plant) -> str:
    """SES refused it for now, and the worker that was to queue it again did not, nor did its own parcel come back."""
    (message,) = plant.world.messages.values()
    plant.world.messages[message.id] = replace(message, state="reopened", at=T0)
    return message.id


def astray(plant: Plant) -> str:
    alias = next(alias for alias in ada(plant).aliases if "#email#" in alias)
    del plant.world.owners[alias]
    return alias


def buried(plant: Plant) -> str:
    alias = next(alias for alias in ada(plant).aliases if "#email#" in alias)
    plant.world.profiles["b" * 32] = Tombstone(erased_at=T0, shop="tea")
    plant.world.owners[alias] = "b" * 32
    return alias


def circle(plant: Plant) -> str:
    plant.world.profiles |= {"a" * 32: Signpost("b" * 32), "b" * 32: Signpost("a" * 32)}
    return "a" * 32


def pinned(plant: Plant) -> str:
    profile = ada(plant)
    store(plant, replace(profile, runs=tuple(replace(run, version="gone") for run in profile.runs)))
    return profile.id


def without_mails(plant: Plant) -> str:
    del plant.world.files["playbooks/h1/mails.json"]
    return "playbooks/h1/mails.json"


def without_flow(plant: Plant) -> str:
    key = f"flows/{FLOW.version}.json"
    del plant.world.files[key]
    return key


def without_flows(plant: Plant) -> str:
    del plant.world.files["playbooks/h1/flows.json"]
    return "playbooks/h1/flows.json"


def standing_pass(plant: Plant) -> str:
    plant.passes.start()
    plant.settle()
    tell_late(plant, lambda done: replace(done, shard=2, done=False))
    return f"part 3 of {SHARDS}"


def silent_pass(plant: Plant) -> str:
    """Its tasks never came: of no part anything is known."""
    plant.passes.start()
    plant.world.fanout_queue.messages.clear()
    plant.world.clock.advance_to(plant.world.clock.now() + STANDING + timedelta(minutes=5))
    return f"part 1 of {SHARDS}"


def tell_late(plant: Plant, change: Callable[[Progress], Progress]) -> None:
    plant.until(plant.world.clock.now() + timedelta(minutes=5))
    (key,) = [key for key in plant.world.files if key.startswith("fanout/") and key.endswith("0002.json")]
    changed = change(msgspec.json.decode(plant.world.files[key], type=Progress))
    plant.world.files[key] = msgspec.json.encode(changed)
    plant.world.clock.advance_to(plant.world.clock.now() + STANDING)


def campaign(plant: Plant) -> str:
    now = plant.world.clock.now()
    started = Started(flow="letter", shop="tea", at=now, fanout="f1", hash="h1", started_at=now, shards=1)
    plant.world.files[f"campaigns/tea/letter/{now:%Y%m%dT%H%MZ}.0.json"] = msgspec.json.encode(started)
    plant.world.clock.advance_to(now + STANDING + timedelta(minutes=1))
    return f"tea letter {now:%Y-%m-%dT%H:%MZ} part 1"


def letter(plant: Plant) -> str:
    now = plant.world.clock.now()
    plant.world.wake_queue.dead.append(Queued(id=1, body=b"{}", sent_at=now, visible_at=now))
    return "wake: 1"


def miscounted(plant: Plant) -> str:
    world = plant.world
    world.counters.count("tea", T0 - timedelta(hours=3), Tally(sent=1))
    world.counters.count("tea", T0 - timedelta(hours=1), Tally(sent=200))
    return "tea: 201 counted, 1 in Messages"


def paused(plant: Plant) -> str:
    plant.world.counters.pause(Pause(shop="tea", since=T0, why="bounces"))
    return "tea: the shop has not been told yet"


def sandbox(plant: Plant) -> str:
    plant.world.allowance = Allowance(rate=1, quota=200, sent=190, trial=True)
    return "1 mails a second"


def quota(plant: Plant) -> str:
    plant.world.allowance = Allowance(rate=14, quota=50_000, sent=40_000)
    return "40,000 of 50,000"


def silent_account(plant: Plant) -> str:
    def hook(name: str, _: str) -> None:
        if name == "account.allowance":
            raise PermissionError

    plant.world.hook = hook
    return "PermissionError"


WRONG: dict[str, tuple[str, Callable[[Plant], str]]] = {
    "overdue": ("overdue", overdue),
    "pending": ("pending", pending),
    "stuck": ("stuck", stuck),
    "leased": ("leased", leased),
    "unknown": ("unknown", unknown),
    "unsent": ("unsent", unsent),
    "reopened": ("unsent", reopened),
    "astray": ("aliases", astray),
    "buried": ("aliases", buried),
    "circle": ("signposts", circle),
    "pinned": ("pinned", pinned),
    "no mails": ("published", without_mails),
    "no flow": ("published", without_flow),
    "no flows": ("published", without_flows),
    "standing": ("pass", standing_pass),
    "silent": ("pass", silent_pass),
    "campaign": ("campaigns", campaign),
    "letter": ("dead letters", letter),
    "miscounted": ("counters", miscounted),
    "paused": ("paused", paused),
    "sandbox": ("sandbox", sandbox),
    "quota": ("quota", quota),
    "silent account": ("account", silent_account),
}
#: What mending leads to, at once or when the queue's workers have run.
MENDED = {"overdue", "pending", "leased", "unsent", "pass"}


def test_a_plant_in_good_order_is_clean(plant: Plant) -> None:
    assert found(plant) == {}


def test_an_installation_on_which_nothing_was_published_is_clean() -> None:
    plant = Plant(playbook(FLOW))
    plant.world.files.clear()
    assert found(plant) == {}


def test_everything_that_is_looked_for_is_found_by_one_of_these() -> None:
    assert {check for check, _ in WRONG.values()} == set(KINDS)


@pytest.mark.parametrize("name", WRONG)
def test_it_finds_what_is_wrong_and_nothing_else(plant: Plant, name: str) -> None:
    check, spoil = WRONG[name]
    example = spoil(plant)
    findings = found(plant)
    assert set(findings) == {check}
    assert example in findings[check].examples
    assert findings[check].count >= 1
    assert findings[check].repaired == 0


@pytest.mark.parametrize("name", WRONG)
def test_looking_changes_nothing(plant: Plant, name: str) -> None:
    _, spoil = WRONG[name]
    spoil(plant)
    before = everything(plant)
    found(plant)
    assert everything(plant) == before


@pytest.mark.parametrize("name", WRONG)
def test_what_is_safe_to_mend_is_mended_and_the_rest_is_left(plant: Plant, name: str) -> None:
    check, spoil = WRONG[name]
    spoil(plant)
    before = everything(plant)
    findings = found(plant, repair=True)
    assert bool(findings[check].repaired) == (check in MENDED)
    if check not in MENDED:
        assert everything(plant) == before
        return
    plant.until(plant.world.clock.now() + timedelta(minutes=5))
    assert check not in found(plant)


def everything(plant: Plant) -> tuple[object, ...]:
    world = plant.world
    queues: list[Queue[Any]] = [world.wake_queue, world.fanout_queue, *world.send_queues.values()]
    return (
        dict(world.profiles),
        dict(world.messages),
        dict(world.pending),
        dict(world.owners),
        dict(world.files),
        dict(world.tallies),
        dict(world.pauses),
        [(queue.values(), [letter.body for letter in queue.dead]) for queue in queues],
    )


def test_a_message_that_is_queued_once_more_goes_out_once(plant: Plant) -> None:
    message = unsent(plant)
    plant.world.inbox.clear()
    for _ in range(3):
        audit(plant).run(repair=True)
    plant.settle()
    assert [sent.mail.message_id for sent in plant.world.inbox] == [message]


def test_what_a_shop_that_is_paused_has_planned_is_not_lost(plant: Plant) -> None:
    unsent(plant)
    paused(plant)
    assert set(found(plant)) == {"paused"}


# --- what is normal --------------------------------------------------------------------------------------------------


def other_profile(plant: Plant) -> None:
    """A token moved to somebody else."""
    alias = next(alias for alias in ada(plant).aliases if "_token#" in alias)
    stranger = Profile(id="c" * 32, shop="tea", version=1, email="c@example.com", aliases=(alias,))
    plant.world.state.commit(Commit(profile=stranger, aliases=(Alias(alias, stranger.id, ada(plant).id),)))


def forgotten_visitor(plant: Plant) -> None:
    """A token moved to a visitor of whom nothing was heard for 90 days, and a profile was merged into one."""
    alias = next(alias for alias in ada(plant).aliases if "_token#" in alias)
    plant.world.owners[alias] = "c" * 32
    plant.world.profiles["d" * 32] = Signpost("c" * 32)


def merged(plant: Plant) -> None:
    plant.world.profiles["d" * 32] = Signpost(ada(plant).id)


def erased(plant: Plant) -> None:
    """Aliases still lead to the tombstone, so that what is heard too late is known."""
    plant.world.profiles["d" * 32] = Tombstone(erased_at=T0, shop="tea")
    plant.world.owners["tea#email#dead"] = "d" * 32


def dormant(plant: Plant) -> None:
    """The record has expired, and nobody has looked at the profile since."""
    (message,) = plant.world.messages
    profile = ada(plant)
    del plant.world.messages[message]
    long_ago = {key: replace(each, not_after=T0 - timedelta(days=14)) for key, each in profile.planned.items()}
    store(plant, replace(profile, planned=long_ago))


def at_night(plant: Plant) -> None:
    """Manners forbid it at this hour."""
    (message,) = plant.world.messages
    profile, now = ada(plant), plant.world.clock.now()
    del plant.world.messages[message]
    quiet = {
        key: replace(each, quiet_from=T0, quiet_until=now + timedelta(hours=3), not_after=at(days=3))
        for key, each in profile.planned.items()
    }
    store(plant, replace(profile, planned=quiet))


def young(plant: Plant) -> None:
    plant.world.intake.accept(a_delivery(received_at=plant.world.clock.now()))


def old_campaign(plant: Plant) -> None:
    campaign(plant)
    plant.world.schedules.clear()
    for key in [key for key in plant.world.files if key.startswith("campaigns/")]:
        old = at(days=-8)
        plant.world.files[f"campaigns/tea/letter/{old:%Y%m%dT%H%MZ}.0.json"] = plant.world.files.pop(key)
    plant.world.files["campaigns/ticked.json"] = b"{}"


@pytest.mark.parametrize(
    "happen", [other_profile, forgotten_visitor, merged, erased, dormant, at_night, young, old_campaign]
)
def test_what_is_normal_is_no_finding(plant: Plant, happen: Callable[[Plant], None]) -> None:
    happen(plant)
    assert found(plant) == {}


def test_what_was_busy_and_is_not_any_more_is_no_finding(plant: Plant) -> None:
    """An installation works on while it is looked at: what looked wrong is read once more."""
    overdue(plant)
    stored = ada(plant)
    later = replace(stored, deadline=plant.world.clock.now() + timedelta(days=1))
    plant.world.hook = lambda call, moment: (
        store(plant, later) if (call, moment) == ("survey.profiles", "after") else None
    )
    assert found(plant) == {}


# --- one shop, and how much it holds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["overdue", "pending", "stuck", "leased", "unknown", "unsent", "pinned", "paused"])
def test_of_one_shop_nothing_else_is_told(plant: Plant, name: str) -> None:
    WRONG[name][1](plant)
    assert found(plant, shop="coffee") == {}
    assert found(plant, shop="tea") != {}


def test_examples_are_few_and_the_count_is_right(plant: Plant) -> None:
    for number in range(12):
        key = f"{number:032x}"
        store(plant, Profile(id=key, shop="tea", version=1, email="x@example.com", deadline=at(hours=1)))
    (finding,) = found(plant).values()
    assert (finding.count, len(finding.examples)) == (12, 5)


def test_it_says_how_far_it_is(plant: Plant) -> None:
    told: list[tuple[str, int, int]] = []
    for number in range(7):
        store(plant, Profile(id=f"{number:032x}", shop="tea", version=1, email="x@example.com"))
    audit(plant).run(progress=lambda what, done, of: told.append((what, done, of)))
    assert [(done, of) for what, done, of in told if what == "profiles"] == [(3, 8), (6, 8), (8, 8)]


def test_no_address_is_told(plant: Plant) -> None:
    for name in ("unsent", "pinned", "circle", "paused", "astray"):
        WRONG[name][1](plant)
    assert "@" not in repr(found(plant))


def test_a_message_is_looked_at_by_its_lease(plant: Plant) -> None:
    """What was sent before counting began is compared with nothing."""
    now: datetime = plant.world.clock.now()
    plant.world.messages["old"] = Message(
        id="old", profile_id="p", shop="tea", state="sent", leased_at=now - timedelta(days=8)
    )
    assert found(plant) == {}


def test_where_the_pointer_names_nothing_the_pass_is_not_begun_anew(plant: Plant) -> None:
    standing_pass(plant)
    del plant.world.files["playbooks/h1/flows.json"]
    findings = found(plant, repair=True)
    assert findings["pass"].repaired == 0
    assert POINTER in plant.world.files
