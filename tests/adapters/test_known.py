"""What is known already of what a shop has: whom its orders and accounts lead to, and how new the catalogue is."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.facts import Product
from rekindle.domain.profile import OrderMark, Profile, Tombstone
from rekindle.ports import Alias, Commit, Merged
from tests.support.things import a_profile
from tests.support.worlds import START, Ports

BERT = ids.digest("bert")


def test_an_alias_leads_to_the_profile_as_it_was_committed_last(ports: Ports) -> None:
    anna = a_profile(orders={"7": OrderMark(updated_at=START)})
    ports.state.commit(Commit(profile=anna, aliases=(Alias("tea#order#7", anna.id), Alias("tea#email#a", anna.id))))
    newer = replace(anna, version=2, orders={"7": OrderMark(updated_at=START + timedelta(hours=1))})
    ports.state.commit(Commit(profile=newer))
    found = ports.known.people(["tea#order#7", "tea#email#a", "tea#order#8"])
    assert found == {"tea#order#7": newer, "tea#email#a": newer}


def test_signposts_are_followed(ports: Ports) -> None:
    anna, bert = a_profile(), a_profile(profile_id=BERT, email="bert@example.com")
    ports.state.commit(Commit(profile=bert, aliases=(Alias("tea#order#9", bert.id),)))
    ports.state.commit(Commit(profile=anna))
    ports.state.commit(Commit(profile=replace(anna, version=2), merged=(Merged(bert.id, 1),)))
    found = ports.known.people(["tea#order#9"])["tea#order#9"]
    assert isinstance(found, Profile)
    assert found.id == anna.id


def test_who_was_erased_is_a_tombstone(ports: Ports) -> None:
    anna = a_profile()
    ports.state.commit(Commit(profile=anna, aliases=(Alias("tea#order#7", anna.id),)))
    tombstone = Tombstone(erased_at=START, shop="tea")
    ports.vault.bury(anna.id, tombstone, 1)
    assert ports.known.people(["tea#order#7"]) == {"tea#order#7": tombstone}


def test_a_hundred_are_looked_up_at_once(ports: Ports) -> None:
    keys = []
    for number in range(45):
        profile = a_profile(profile_id=f"{number:032x}")
        keys.append(f"tea#order#{number}")
        ports.state.commit(Commit(profile=profile, aliases=(Alias(keys[-1], profile.id),)))
    found = ports.known.people([*keys, *(f"tea#order#{number}" for number in range(1_000, 1_055))])
    assert {key: whose.id for key, whose in found.items() if isinstance(whose, Profile)} == {
        key: f"{number:032x}" for number, key in enumerate(keys)
    }


def test_nothing_is_known_of_nothing(ports: Ports) -> None:
    assert ports.known.people([]) == {}
    assert ports.known.products("tea", []) == {}


def test_of_a_product_it_is_known_how_new_it_is_also_where_it_was_deleted(ports: Ports) -> None:
    later, last = START + timedelta(hours=1), START + timedelta(hours=2)
    tea = Product(id="p1", updated_at=START, title="Sencha")
    gone = Product(id="p2", updated_at=later, deleted=True)
    ports.state.commit(Commit(shop="tea", products=(tea, gone, replace(tea, id="p3"))))
    ports.state.commit(Commit(shop="tea", products=(Product(id="p3", updated_at=last, deleted=True),)))
    ports.state.commit(Commit(shop="oak", products=(replace(tea, id="p4"),)))
    assert ports.known.products("tea", ["p1", "p2", "p3", "p4"]) == {"p1": START, "p2": later, "p3": last}
