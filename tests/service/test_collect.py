"""What a page sends: taken from the shop's own pages and visitors only, once, and never for more than it is."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from rekindle.content.brand import Brand
from rekindle.content.links import VISIT_LIFE, Visit, sign_visit
from rekindle.content.playbook import published_set
from rekindle.content.sites import Site, decode_sites, site_of
from rekindle.domain.errors import BodyTooLargeError, ForeignOriginError, MalformedBodyError, UnknownSiteError
from rekindle.domain.events import Delivery
from rekindle.memory import World
from rekindle.ports import ShopSecrets
from rekindle.service import sites
from rekindle.service.collect import Collected, Collector
from rekindle.service.library import POINTER
from rekindle.service.sites import LIFE, Sites
from rekindle.shops.onsite import BODY_LIMIT
from tests.support.build import T0, consent, playbook
from tests.support.plant import Plant

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
BROWSER = "b" * 22
SHOP = playbook().shops["tea"]


def headers(origin: str | None = "https://tea.example", agent: str = AGENT) -> dict[str, str]:
    return {"user-agent": agent} | ({"origin": origin} if origin is not None else {})


def body(*kinds: str, **more: Any) -> bytes:
    events = [{"type": kind, "id": "p1", "seconds": 70, "query": "green"} for kind in kinds or ("product.viewed",)]
    return json.dumps({"browser": BROWSER, "events": events} | more).encode()


def publish(world: World, *shops: Any, hash_: str = "h1") -> None:
    world.files[f"playbooks/{hash_}/site.json"] = msgspec.json.encode({shop.id: site_of(shop) for shop in shops})
    world.files[POINTER] = msgspec.json.encode({"hash": hash_})


def behind(world: World) -> Collector:
    world.shops["tea"] = ShopSecrets(
        shop="tea", platform="shopify", domain="tea.myshopify.com", webhook_secrets=("s1",)
    )
    return Collector(
        intake=world.intake,
        secrets=world.secrets,
        sites=Sites(world.blobs, world.clock),
        clock=world.clock,
        limits=world.limits,
    )


@pytest.fixture
def world() -> World:
    made = World(T0)
    publish(made, SHOP)
    return made


@pytest.fixture
def collector(world: World) -> Collector:
    return behind(world)


def accepted(world: World) -> list[Delivery]:
    return list(world.deliveries.values())


def test_a_batch_is_accepted_in_one_call(world: World, collector: Collector) -> None:
    calls: list[str] = []
    collector.receive("tea", headers(), body("search.submitted"))
    world.hook = lambda name, when: calls.append(name) if when == "before" else None
    told = collector.receive("tea", headers(), body())
    assert (told.what, told.events) == ("accepted", 1)
    assert [call for call in calls if not call.startswith("secrets.")] == ["intake.accept"]
    assert accepted(world)[-1].events[0].who.browser_id == BROWSER


def test_a_batch_that_comes_again_is_a_repeat(world: World, collector: Collector) -> None:
    assert [collector.receive("tea", headers(), body()).what for _ in range(3)] == ["accepted", "repeated", "repeated"]
    assert len(accepted(world)) == 1


@pytest.mark.parametrize("origin", ["https://tea.example", "https://www.tea.example", "https://tea.myshopify.com"])
def test_the_shops_pages_may_send(collector: Collector, origin: str) -> None:
    assert collector.receive("tea", headers(origin), body()).what == "accepted"


def test_a_page_of_somebody_elses_may_not(world: World, collector: Collector) -> None:
    with pytest.raises(ForeignOriginError) as refused:
        collector.receive("tea", headers("https://evil.example"), body())
    assert (refused.value.status, accepted(world)) == (403, [])


@pytest.mark.parametrize("shop", ["nobody", "", "../tea", "x" * 5_000, "TEA"])
def test_a_shop_that_is_not_published_is_unknown(collector: Collector, shop: str) -> None:
    with pytest.raises(UnknownSiteError) as refused:
        collector.receive(shop, headers(), body())
    assert refused.value.status == 404


def test_a_shop_that_has_left_is_unknown_although_its_file_is_still_there(world: World, collector: Collector) -> None:
    del world.shops["tea"]
    with pytest.raises(UnknownSiteError):
        collector.receive("tea", headers(), body())


def test_a_robot_is_dropped_without_a_word(world: World, collector: Collector) -> None:
    assert collector.receive("tea", headers(agent="Googlebot/2.1"), body()) == Collected("robot")
    assert accepted(world) == []


def test_what_is_no_batch_or_too_large_is_refused_and_nothing_is_kept(world: World, collector: Collector) -> None:
    for wrong, error in ((b"[]", MalformedBodyError), (b" " * (BODY_LIMIT + 1), BodyTooLargeError)):
        with pytest.raises(error):
            collector.receive("tea", headers(), wrong)
    assert accepted(world) == []


def test_a_batch_with_nothing_in_it_is_nothing(world: World, collector: Collector) -> None:
    assert collector.receive("tea", headers(), body("order.placed")) == Collected("empty")
    assert accepted(world) == []


# --- a mail led here -------------------------------------------------------------------------------------------------


def token(world: World, *, shop: str = "tea", later: float = 0) -> str:
    until = int((world.clock.now() + timedelta(seconds=VISIT_LIFE + later)).timestamp())
    return sign_visit(world.secret_link_keys, Visit(shop=shop, profile="p" * 32, until=until))


def test_the_token_of_a_click_says_whose_visit_it_is(world: World, collector: Collector) -> None:
    collector.receive("tea", headers(), body(visit=token(world)))
    first, second = accepted(world)[0].events
    assert (first.type, first.profile_id, second.type) == ("browser.recognised", "p" * 32, "product.viewed")


@pytest.mark.parametrize("of", ["another shop", "too late", "forged", "another purpose"])
def test_a_token_that_is_not_good_says_nothing_and_the_rest_counts(world: World, collector: Collector, of: str) -> None:
    wrong = {
        "another shop": token(world, shop="plants"),
        "too late": token(world, later=-VISIT_LIFE),
        "forged": token(world)[:-1] + "_",
        "another purpose": sign_visit({"k1": b"mine"}, Visit(shop="tea", profile="p" * 32, until=2**40)),
    }[of]
    collector.receive("tea", headers(), body(visit=wrong))
    assert [event.type for event in accepted(world)[0].events] == ["product.viewed"]


def test_a_visit_that_a_mail_led_to_belongs_to_its_reader() -> None:
    plant = Plant(playbook())
    publish(plant.world, SHOP)
    collector = behind(plant.world)
    plant.post(consent(T0))
    plant.settle()
    ada = plant.profile("ada@example.com")
    until = int((plant.world.clock.now() + timedelta(hours=1)).timestamp())
    visit = sign_visit(plant.world.secret_link_keys, Visit(shop="tea", profile=ada.id, until=until))
    collector.receive("tea", headers(), body(locale="ar", visit=None))
    collector.receive("tea", headers(), body("search.submitted", visit=visit))
    plant.settle()
    ada = plant.profile("ada@example.com")
    assert ada.person.locale == "ar"
    assert ada.was
    assert any("browser_id" in key for key in ada.aliases)


# --- what is published -----------------------------------------------------------------------------------------------


def test_what_is_published_for_collect_is_what_it_reads() -> None:
    shop = msgspec.structs.replace(
        SHOP, url="https://www.tea.example/nl", domains=("m.tea.example", "127.0.0.1:8000"), site_consent="explicit"
    )
    files = published_set(flows={}, shops={"tea": shop}, templates={}, brand=Brand(), formats={}).files()
    (raw,) = (content for name, content in files.items() if name.endswith("/site.json"))
    assert decode_sites(raw) == {
        "tea": Site(
            shop="tea",
            platform="shopify",
            url="https://www.tea.example/nl",
            currency="EUR",
            locale="en",
            hosts=("www.tea.example", "tea.example", "m.tea.example", "127.0.0.1:8000"),
            consent="explicit",
            name=SHOP.name,
        )
    }


def test_a_new_set_is_seen_within_a_minute_and_an_unchanged_one_is_not_read_again(world: World) -> None:
    seen = Sites(world.blobs, world.clock)
    assert seen.of("tea") == site_of(SHOP)
    assert seen.of("plants") is None
    publish(world, SHOP, msgspec.structs.replace(SHOP, id="plants"), hash_="h2")
    assert seen.of("plants") is None
    world.clock.advance_to(T0 + LIFE)
    assert seen.of("plants") is not None
    del world.files["playbooks/h2/site.json"]
    world.clock.advance_to(T0 + 2 * LIFE)
    assert seen.of("plants") is not None


def test_before_the_first_publish_there_are_no_sites_and_an_older_set_says_them_by_its_shops(world: World) -> None:
    world.files.clear()
    assert Sites(world.blobs, world.clock).of("tea") is None
    world.files[POINTER] = msgspec.json.encode({"hash": "old"})
    assert Sites(world.blobs, world.clock).of("tea") is None
    world.files["playbooks/old/flows.json"] = msgspec.json.encode(playbook())
    assert Sites(world.blobs, world.clock).of("tea") == site_of(SHOP)
    assert sites._POINTER == POINTER
