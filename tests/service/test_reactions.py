"""Links of messages lead on, and what was done is told: to the profile if a human did it, else to the figures alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from rekindle.content.links import (
    VISIT_PARAMETER,
    BadLinkError,
    Track,
    read_visit,
    sign_track,
    sign_unsubscribe,
    sign_visit,
)
from rekindle.ports import MAX_HITS, Message, Reaction
from rekindle.service.tracks import EARLY, HOLD, Followed, Request
from tests.attack.targets import CLAIM, VISIT
from tests.service.test_machines import CHROME
from tests.support.build import CART, T0, at, checkout, consent, flow_of, playbook
from tests.support.plant import TARGETS, Plant

SENT = at(hours=1)
HUMAN = Request(host="links.example", headers={"user-agent": CHROME})
SCANNER = Request(host="links.example", headers={"user-agent": "Mimecast/1.0"})
LATER = SENT + EARLY


@pytest.fixture
def plant() -> Plant:
    """A plant in which Ada has just got her first reminder."""
    return planted()


def planted(**shop: Any) -> Plant:
    plant = Plant(playbook(CART, **shop))
    plant.post(checkout(T0), consent(T0))
    plant.until(SENT)
    return plant


def record(plant: Plant) -> Message:
    (message,) = plant.world.messages.values()
    return message


def token(plant: Plant) -> str:
    return sign_track(plant.world.secrets.link_keys(), Track(record(plant).id))


def click(plant: Plant, place: str | int = 1, request: Request = HUMAN) -> Followed:
    return plant.tracks.follow(token(plant), str(place), request)


def happened(plant: Plant) -> list[str]:
    return [delivery.topic for delivery in plant.world.deliveries.values() if delivery.topic != "test"]


def wait(plant: Plant, **more: float) -> None:
    plant.until(plant.world.clock.now() + timedelta(**more))


# --- following -------------------------------------------------------------------------------------------------------


def test_a_click_leads_where_the_mail_said_and_the_profile_hears_of_it(plant: Plant) -> None:
    wait(plant, hours=2)
    followed = click(plant, 1)
    assert followed.address is not None
    assert followed.address.startswith(TARGETS[1] + "?")
    assert followed.told == "noted"
    plant.settle()
    assert record(plant).links == (TARGETS[1],)
    assert record(plant).opened_at == at(hours=3)
    (event,) = [d.events[0] for d in plant.world.deliveries.values() if d.topic == "email.clicked"]
    assert (event.data.link, event.data.message_id, event.data.at) == (TARGETS[1], record(plant).id, at(hours=3))  # type: ignore[union-attr]
    (run,) = plant.profile("ada@example.com").runs
    assert (run.clicked, run.opened) == (("cart-reminder-1",), ("cart-reminder-1",))


def test_a_click_on_what_a_link_is_about_is_a_look_at_that_category(plant: Plant) -> None:
    known = record(plant)
    plant.world.messages[known.id] = replace(known, targets=(TARGETS[0], f"{TARGETS[1]} Tea & pots"))
    wait(plant, hours=2)
    assert (click(plant, 1).address or "").startswith(TARGETS[1] + "?")
    plant.settle()
    assert click(plant, 1).told == "known"
    (event,) = [d.events[0] for d in plant.world.deliveries.values() if d.topic == "email.clicked"]
    assert (event.data.link, event.data.kind) == (TARGETS[1], "Tea & pots")  # type: ignore[union-attr]
    assert plant.profile("ada@example.com").browsed == {"Tea & pots": at(hours=3)}


def test_each_distinct_link_is_one_event_however_often_it_is_followed(plant: Plant) -> None:
    wait(plant, hours=2)
    told = [click(plant, place).told for place in (1, 1, 0)]
    plant.settle()
    told += [click(plant, place).told for place in (0, 1)]
    plant.settle()
    assert told == ["noted", "noted", "noted", "known", "known"]
    assert happened(plant) == ["email.clicked", "email.clicked"]
    assert set(record(plant).links) == set(TARGETS)


def test_a_reaction_that_its_queue_brings_twice_is_one(plant: Plant) -> None:
    wait(plant, hours=2)
    plant.crash_at("intake.accept", "after")
    click(plant)
    plant.settle()
    wait(plant, minutes=10)
    assert happened(plant) == ["email.clicked"]
    assert record(plant).links == (TARGETS[1],)
    assert plant.world.reactions_queue.dead == []


@pytest.mark.parametrize("place", ["2", "-1", "1.0", "x", "", "٣", "99999999999999999999", "1\r\n", "01x", "0x1"])
def test_a_link_that_the_mail_never_had_leads_to_the_shop_and_is_nobodys_act(plant: Plant, place: str) -> None:
    """No number leads anywhere else: nothing that comes with the request becomes a part of where it leads."""
    wait(plant, hours=2)
    assert click(plant, place) == Followed("https://tea.example", "unknown")
    plant.settle()
    assert happened(plant) == []


@pytest.mark.parametrize(
    ("domain", "host", "address"),
    [
        (None, "links.example", "https://tea.example"),
        ("go.tea.example", "go.tea.example", "https://tea.example"),
        ("go.tea.example", "GO.tea.example:443", "https://tea.example"),
    ],
)
def test_a_message_that_is_gone_leads_to_its_shop_where_that_can_be_told(
    domain: str | None, host: str, address: str
) -> None:
    """Whose link domain it is; or there is only one shop."""
    plant = planted(link_domain=domain)
    followed = token(plant)
    plant.world.messages.clear()
    assert plant.tracks.follow(followed, "1", HUMAN._replace(host=host)) == Followed(address, "unknown")


def test_of_several_shops_none_is_guessed(plant: Plant) -> None:
    book = playbook(CART)
    other = replace(book.shops["tea"], id="pots", url="https://pots.example", link_domain="go.pots.example")
    plant.publish(replace(book, hash="h2", shops={**book.shops, "pots": other}))
    plant.restart()
    followed = token(plant)
    plant.world.messages.clear()
    hosts = {"links.example": None, "go.pots.example": "https://pots.example", "": None, "tea.example": None}
    for host, address in hosts.items():
        assert plant.tracks.follow(followed, "1", HUMAN._replace(host=host)).address == address
    assert plant.tracks.opened(followed, HUMAN) == "unknown"


def test_what_is_no_token_of_ours_leads_nowhere(plant: Plant) -> None:
    keys = plant.world.secrets.link_keys()
    wait(plant, hours=2)
    for forged in (
        "", "x", token(plant)[:-1], token(plant) + "A", sign_unsubscribe(keys, CLAIM), sign_visit(keys, VISIT),
        sign_track({"k1": b"somebody else's"}, Track(record(plant).id)),
    ):  # fmt: skip
        with pytest.raises(BadLinkError):
            plant.tracks.follow(forged, "1", HUMAN)
        with pytest.raises(BadLinkError):
            plant.tracks.opened(forged, HUMAN)
    assert plant.world.calls["outbox.message"] == 0
    assert plant.world.reactions_queue.messages == []


def test_a_link_leads_on_although_nothing_can_be_told(plant: Plant) -> None:
    wait(plant, hours=2)
    plant.world.hook = _failing("reactions.put")
    followed = click(plant)
    assert (followed.address or "").startswith(TARGETS[1])
    assert followed.told == "lost"


def test_a_link_leads_on_although_the_playbook_cannot_be_read(plant: Plant) -> None:
    """Without UTM parameters then, and counted."""
    plant.restart()
    wait(plant, hours=2)
    plant.world.hook = _failing("blobs.get")
    assert click(plant) == Followed(TARGETS[1], "noted")


def test_an_early_click_counts_although_its_hit_cannot_be_noted(plant: Plant) -> None:
    wait(plant, minutes=1)
    plant.world.hook = _failing("outbox.note_hit")
    assert click(plant).told == "held"


def _failing(call: str) -> Any:
    def hook(name: str, moment: str) -> None:
        if (name, moment) == (call, "before"):
            raise TimeoutError(call)

    return hook


# --- people, and what is none ----------------------------------------------------------------------------------------


def test_a_machine_touches_only_the_figures(plant: Plant) -> None:
    wait(plant, hours=2)
    before = plant.profile("ada@example.com")
    for request in (SCANNER, HUMAN._replace(method="HEAD"), SCANNER):
        assert (click(plant, 1, request).address or "").startswith(TARGETS[1])
        plant.tracks.opened(token(plant), request)
        plant.settle()
    assert record(plant).links == ()
    assert (record(plant).opened_at, record(plant).machine_opened_at, record(plant).machine_clicked_at) == (
        None, at(hours=3), at(hours=3),
    )  # fmt: skip
    assert happened(plant) == []
    assert plant.profile("ada@example.com") == before
    assert plant.world.reactions_queue.messages == []


def test_what_a_machine_did_before_takes_nothing_from_the_human_after_it(plant: Plant) -> None:
    wait(plant, hours=2)
    for request in (SCANNER, HUMAN):
        click(plant, 1, request)
        plant.tracks.opened(token(plant), request)
        plant.settle()
    assert sorted(happened(plant)) == ["email.clicked", "email.opened"]
    assert record(plant).links == (TARGETS[1],)


def test_the_first_opening_by_a_human_is_the_only_one(plant: Plant) -> None:
    wait(plant, hours=2)
    told = []
    for _ in range(3):
        told.append(plant.tracks.opened(token(plant), HUMAN))
        wait(plant, minutes=1)
    assert told == ["noted", "known", "known"]
    assert happened(plant) == ["email.opened"]
    assert record(plant).opened_at == at(hours=3)


def test_soon_after_the_sending_a_click_waits_for_the_rest_of_a_sweep(plant: Plant) -> None:
    """Nobody else comes: a human did it, and when it really was is what is told."""
    wait(plant, minutes=1)
    assert click(plant).told == "held"
    wait(plant, seconds=HOLD - 1)
    assert happened(plant) == []
    wait(plant, seconds=1)
    assert happened(plant) == ["email.clicked"]
    (run,) = plant.profile("ada@example.com").runs
    assert run.clicked == ("cart-reminder-1",)
    (event,) = [d.events[0] for d in plant.world.deliveries.values() if d.topic == "email.clicked"]
    assert event.occurred_at == SENT + timedelta(minutes=1)


def test_a_sweep_through_a_mail_is_nobodys_click_the_first_of_it_neither(plant: Plant) -> None:
    """With the agent of a browser, as Microsoft's come: only that all links were followed at once shows it."""
    wait(plant, seconds=43)
    before = plant.profile("ada@example.com")
    plant.tracks.opened(token(plant), HUMAN)
    for place in (0, 1):
        click(plant, place)
        wait(plant, seconds=0.4)
    wait(plant, minutes=2)
    assert happened(plant) == []
    assert record(plant).links == ()
    assert record(plant).machine_clicked_at == SENT + timedelta(seconds=43)
    assert record(plant).machine_opened_at == SENT + timedelta(seconds=43)
    assert plant.profile("ada@example.com") == before
    click(plant, 1)
    wait(plant, minutes=2)
    assert happened(plant) == ["email.clicked"]


def test_nobody_clicks_before_the_mail_can_have_come(plant: Plant) -> None:
    wait(plant, seconds=1)
    click(plant)
    wait(plant, minutes=1)
    assert happened(plant) == []
    assert record(plant).machine_clicked_at == SENT + timedelta(seconds=1)


def test_a_mail_that_waited_at_the_other_sides_door_is_new_when_it_gets_in(plant: Plant) -> None:
    wait(plant, hours=5)
    message = record(plant)
    plant.world.messages[message.id] = replace(message, state="delivered", at=plant.world.clock.now())
    assert click(plant).told == "held"


def test_however_often_a_link_is_followed_early_the_record_stays_small(plant: Plant) -> None:
    wait(plant, minutes=1)
    for _ in range(MAX_HITS + 20):
        click(plant)
        wait(plant, seconds=0.1)
    assert len(record(plant).hits) == MAX_HITS


def test_a_click_settles_what_was_unknown() -> None:
    plant = Plant(playbook(CART))
    plant.post(checkout(T0), consent(T0))
    plant.world.fates.append("answer_lost")
    plant.until(at(hours=3))
    assert record(plant).state == "unknown"
    click(plant)
    plant.settle()
    assert record(plant).state == "delivered"


def test_a_reaction_to_what_is_gone_is_let_go(plant: Plant) -> None:
    wait(plant, hours=2)
    click(plant)
    plant.world.reactions.put(Reaction(message_id="0" * 32, kind="opened", at=SENT))
    plant.world.reactions.put(Reaction(message_id=record(plant).id, kind="clicked", at=SENT, index=7))
    plant.world.messages.clear()
    plant.settle()
    assert happened(plant) == []
    assert plant.world.reactions_queue.messages == []


def test_an_erased_customers_links_lead_nowhere_of_theirs(plant: Plant) -> None:
    """Where they led stood in the message's record, and went with it."""
    wait(plant, hours=2)
    followed, profile = token(plant), plant.profile("ada@example.com")
    plant.world.vault.forget_messages([record(plant).id])
    assert plant.tracks.follow(followed, "1", HUMAN) == Followed("https://tea.example", "unknown")
    assert profile.id not in followed
    assert "ada" not in followed


# --- what a click adds -----------------------------------------------------------------------------------------------


def query(followed: Followed) -> dict[str, list[str]]:
    return parse_qs(urlsplit(followed.address or "").query)


def test_a_visit_to_the_shop_says_where_it_came_from(plant: Plant) -> None:
    wait(plant, hours=2)
    found = query(click(plant, 1))
    assert found.pop(VISIT_PARAMETER)
    assert found == {
        "utm_source": ["rekindle"],
        "utm_medium": ["email"],
        "utm_campaign": ["cart-abandonment"],
        "utm_content": ["cart-reminder-1"],
    }


def test_what_a_flow_says_comes_before_what_the_shop_says_and_holds_for_mails_that_are_out() -> None:
    plant = planted()
    wait(plant, hours=2)
    text = "trigger: {event: order.placed}\nsteps: [{email: x}]\nutm: {campaign: 'spring-{step}', content: off}"
    flow = flow_of(text, "cart-abandonment")
    plant.publish(replace(playbook(flow, utm={"source": "tea", "campaign": "shop"}), hash="h2"))
    plant.restart()
    found = query(click(plant, 1))
    assert {name: values for name, values in found.items() if name.startswith("utm")} == {
        "utm_source": ["tea"], "utm_medium": ["email"], "utm_campaign": ["spring-cart-reminder-1"],
    }  # fmt: skip


def test_a_link_elsewhere_gets_nothing(plant: Plant) -> None:
    wait(plant, hours=2)
    message = record(plant)
    elsewhere = "https://instagram.example/tea"
    plant.world.messages[message.id] = replace(message, targets=(elsewhere,))
    assert click(plant, 0) == Followed(elsewhere, "noted")


def test_a_further_host_of_the_shops_is_the_shops() -> None:
    plant = planted(domains=("tea.shop.example",))
    wait(plant, hours=2)
    message = record(plant)
    there = ("https://tea.shop.example/pot", "https://pots.shop.example/pot")
    plant.world.messages[message.id] = replace(message, targets=there)
    assert query(click(plant, 0))["utm_source"] == ["rekindle"]
    assert query(click(plant, 1)) == {}


def test_the_shop_learns_whose_visit_it_is_for_a_while_from_a_human_alone(plant: Plant) -> None:
    """Soon after the sending nobody knows yet who it was: a scanner's browser must not become the customer's."""
    wait(plant, minutes=1)
    assert VISIT_PARAMETER not in query(click(plant, 1))
    plant.until(LATER)
    assert VISIT_PARAMETER not in query(click(plant, 1, SCANNER))
    (signed,) = query(click(plant, 1))[VISIT_PARAMETER]
    visit = read_visit(plant.world.secrets.link_keys(), signed)
    assert (visit.shop, visit.profile) == ("tea", plant.profile("ada@example.com").id)
    assert visit.until == int((LATER + timedelta(hours=2)).timestamp())


def test_an_address_that_is_not_ascii_is_written_so_that_a_header_can_hold_it(plant: Plant) -> None:
    wait(plant, hours=2)
    message = record(plant)
    plant.world.messages[message.id] = replace(message, targets=("https://tea.example/grüner-tee?q=茶#maß",))
    address = click(plant, 0).address or ""
    assert address.isascii()
    assert address.startswith("https://tea.example/gr%C3%BCner-tee?q=%E8%8C%B6&utm_source=rekindle")
    assert address.endswith("#ma%C3%9F")


def asked(plant: Plant, request: Request = HUMAN) -> dict[str, int]:
    """Return what a click asks of the ports, what a warm worker has read already apart."""
    before = plant.world.calls.copy()
    click(plant, 0, request)
    return {name: n for name, n in (plant.world.calls - before).items() if name != "secrets.link_keys"}


def test_a_click_asks_for_little(plant: Plant) -> None:
    """One read of the message, and one message on a queue; of an early one its hit is noted too."""
    wait(plant, minutes=1)
    plant.tracks.follow(token(plant), "9", HUMAN)
    assert asked(plant) == {"outbox.message": 1, "outbox.note_hit": 1, "reactions.put": 1}
    plant.until(LATER)
    plant.tracks.follow(token(plant), "9", HUMAN)
    assert asked(plant, SCANNER) == {"outbox.message": 1, "reactions.put": 1}
    plant.settle()
    assert asked(plant) == asked(plant, SCANNER) == {"outbox.message": 1}
