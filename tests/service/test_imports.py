"""Importing: the same door and the same normaliser as webhooks, resumable wherever it is killed, and never a mail."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.errors import ShopUncertainError, UnknownShopError
from rekindle.domain.events import Delivery, Who
from rekindle.domain.facts import PrivacyRequest
from rekindle.domain.products import changes
from rekindle.domain.profile import Profile, encode_profile
from rekindle.memory import Crash
from rekindle.ports import Page, Record, ShopSecrets, Unusable
from rekindle.service.accept import accept
from rekindle.service.imports import FOLDER, Importer, Job, Step
from rekindle.service.lists import ListFile, Reading
from rekindle.service.people import address_hash, alias_key
from rekindle.service.replay import Replay
from rekindle.shops import intake
from tests.shops.payloads import DOMAIN, SECRET, shopify_customer, woo_customer, woo_order, woo_product, woo_request
from tests.support.build import CART, CONFIRMATION, at, event, flow_of, order, playbook
from tests.support.plant import Plant

BUYERS = flow_of("trigger: {segment: buyers, change: entered}\nsteps: [{email: hello-buyer}]", "buyers-hello")
BOOK = playbook(CART, CONFIRMATION, BUYERS, segments={"buyers": "profile.orders > 0"})
JOB = Job(shop="tea", key="all", label="woocommerce customers, orders")


class Pages:
    """A source that holds its pages, and counts how often each is asked for."""

    def __init__(self, *pages: Sequence[Record], unusable: Sequence[Unusable] = ()) -> None:
        self._pages = pages
        self._unusable = unusable
        self.asked: list[str | None] = []
        self.fails: list[Exception] = []

    def page(self, cursor: str | None) -> Page:
        """Return it; raise what is to fail first."""
        self.asked.append(cursor)
        if self.fails:
            raise self.fails.pop()
        place = int(cursor or 0)
        after = str(place + 1) if place + 1 < len(self._pages) else None
        return Page(records=self._pages[place], cursor=after, unusable=self._unusable if not place else ())

    def total(self) -> int:
        """Return how many records there are."""
        return sum(map(len, self._pages))


def record(topic: str, body: dict[str, Any], where: str = "page 1") -> Record:
    """Return a record."""
    return Record(topic=topic, body=json.dumps(body).encode(), where=where)


def customer(number: int, **more: Any) -> Record:
    """Return a customer with an address of their own."""
    return record("customer.updated", woo_customer(id=number, email=f"c{number}@example.com", **more))


def an_order(number: int, of: int, **more: Any) -> Record:
    """Return an order that a customer placed."""
    billing = {**woo_order()["billing"], "email": f"c{of}@example.com"}
    return record("order.updated", woo_order(id=number, customer_id=of, billing=billing, **more))


def shop() -> Pages:
    """Return a small shop: three customers, who ordered, a guest, a product."""
    return Pages(
        [customer(1), customer(2), customer(3)],
        [an_order(11, 1), an_order(12, 1), an_order(13, 2)],
        [an_order(14, 3), record("order.updated", woo_order(id=15)), record("product.updated", woo_product())],
    )


@pytest.fixture
def plant() -> Plant:
    """Return a plant whose shop is a WooCommerce shop."""
    plant = Plant(BOOK, start=at(hours=2))
    plant.world.shops["tea"] = ShopSecrets(
        shop="tea", platform="woocommerce", domain=DOMAIN, webhook_secrets=(SECRET,), region="SE"
    )
    return plant


def importer(plant: Plant, **more: Any) -> Importer:
    """Return the service, as the command makes it; where it waits, the plant works."""
    world = plant.world
    more.setdefault("sleep", lambda _: plant.settle())
    return Importer(intake=world.bulk, blobs=world.blobs, secrets=world.secrets, clock=world.clock, **more)


def run(plant: Plant, source: Pages, job: Job = JOB, **how: Any) -> list[Step]:
    """Import, and apply what came."""
    steps = list(importer(plant).run(source, job, **how))
    plant.settle()
    return steps


def stopped_at_page(plant: Plant, source: Pages, number: int) -> None:
    """Import, and stop when this page has been read and not been accepted."""
    next(step for step in importer(plant).run(source, JOB) if step.progress.pages == number)


def people(plant: Plant) -> dict[str, bytes]:
    """Return every profile, but for what counts its commits."""
    found = (plant.world.profile(profile_id) for profile_id in set(plant.world.owners.values()))
    return {each.id: encode_profile(replace(each, version=0)) for each in found if isinstance(each, Profile)}


def imports(plant: Plant) -> list[Delivery]:
    """Return the deliveries that imports have left."""
    return [delivery for delivery in plant.world.deliveries.values() if delivery.source == "import"]


def test_everybody_comes_over_with_their_history_and_nobody_gets_a_mail(plant: Plant) -> None:
    steps = run(plant, shop())
    last = steps[-1].progress
    assert (last.records, last.accepted, last.repeated, last.unusable) == (9, 9, 0, 0)
    assert (last.done, last.total, last.pages) == (True, 9, 3)
    assert last.read == {"customer.updated": 3, "order.updated": 5, "product.updated": 1}
    ann = plant.profile("c1@example.com")
    assert sorted(ann.orders) == ["11", "12"]
    assert set(ann.segments) == {"buyers"}
    assert plant.profile("bo@example.com").orders
    assert plant.mails() == []
    assert plant.world.pending == {}
    assert plant.world.product("tea", "93") is not None


def test_what_it_tells_is_what_the_webhook_would_have_told(plant: Plant) -> None:
    body = woo_order(id=11)
    headers, raw = woo_request("order.updated", body)
    webhook = intake.parse(
        "woocommerce", headers, raw, shop="tea", domain=DOMAIN, secrets=(SECRET,), received_at=at(hours=2), region="SE"
    )
    run(plant, Pages([record("order.updated", body)]))
    (delivery,) = imports(plant)
    assert [replace(told, id="", imported=None) for told in delivery.events] == [
        replace(told, id="") for told in webhook.events
    ]
    assert {told.imported for told in delivery.events} == {"silent"}


def test_a_second_import_writes_nothing(plant: Plant) -> None:
    run(plant, shop())
    before = dict(plant.world.deliveries), people(plant)
    plant.world.clock.advance(days=1)
    last = run(plant, shop())[-1].progress
    assert (last.accepted, last.repeated) == (0, 9)
    assert (plant.world.deliveries, people(plant)) == before


@pytest.mark.parametrize(("how", "news"), [("silent", 0), ("telling", 1), (None, 1)])
def test_what_an_import_changes_of_a_product_is_news_only_where_it_may_tell(plant: Plant, how: Any, news: int) -> None:
    headers, raw = woo_request("product.updated", woo_product(price="19.00"))
    known = intake.parse(
        "woocommerce", headers, raw, shop="tea", domain=DOMAIN, secrets=(SECRET,), received_at=at(hours=2)
    )
    assert accept(known, plant.world.intake, plant.world.secret_address_key)
    plant.settle()
    cheaper = record("product.updated", woo_product(price="9.00", date_modified_gmt="2026-03-02T10:00:00"))
    list(importer(plant).run(Pages([cheaper]), replace(JOB, imported=how)))
    plant.journey.from_stream(plant.world.stream.popleft())
    ((_, before, now),) = plant.world.product_stream
    assert before is not None
    assert (before.price, now.price) == (Decimal("19.00"), Decimal("9.00"))
    assert len(changes(before, now)) == news


def test_what_changed_since_is_taken_in_and_the_rest_is_not(plant: Plant) -> None:
    run(plant, shop())
    last = run(plant, Pages([customer(1), customer(2, first_name="Bea", date_modified_gmt="2026-03-02T10:00:00")]))
    assert (last[-1].progress.accepted, last[-1].progress.repeated) == (1, 1)
    assert plant.profile("c2@example.com").person.first_name == "Bea"


def test_it_goes_on_with_the_page_where_it_was_stopped(plant: Plant) -> None:
    source = shop()
    stopped_at_page(plant, source, 2)
    source.asked.clear()
    begun = importer(plant).progress(JOB)
    assert begun is not None
    assert (begun.pages, begun.cursor, begun.done) == (1, "1", False)
    last = run(plant, source)[-1].progress
    assert source.asked == ["1", "2"]
    assert (last.pages, last.done, last.begun_at) == (3, True, begun.begun_at)


def test_a_page_that_only_says_where_to_go_on_is_written_down(plant: Plant) -> None:
    """Shopify works for hours at what its first cursor names."""
    source = Pages([], [], [customer(1)])
    next(step for step in importer(plant, gather=100).run(source, JOB) if step.progress.pages == 2)
    begun = importer(plant).progress(JOB)
    assert begun is not None
    assert begun.cursor == "1"


def test_without_resuming_it_begins_anew(plant: Plant) -> None:
    source = shop()
    stopped_at_page(plant, source, 2)
    source.asked.clear()
    run(plant, source, resume=False)
    assert source.asked == [None, "1", "2"]


def test_a_job_that_is_done_begins_anew(plant: Plant) -> None:
    run(plant, shop())
    source = shop()
    run(plant, source)
    assert source.asked == [None, "1", "2"]


def test_another_job_knows_nothing_of_it(plant: Plant) -> None:
    next(importer(plant).run(shop(), JOB))
    assert importer(plant).progress(replace(JOB, key="products")) is None


@pytest.mark.parametrize("gather", [1, 5])
def test_killed_at_any_call_it_ends_the_same(plant: Plant, gather: int) -> None:
    """Before and after each call of a port, the plug is pulled; it is started again, and nothing shows it."""
    list(importer(plant, gather=gather).run(shop(), JOB))
    plant.settle()
    wanted = people(plant), {delivery.id for delivery in imports(plant)}
    killed = 0
    for place in itertools.count():
        other = Plant(BOOK, start=at(hours=2))
        other.world.shops = plant.world.shops
        calls = itertools.count()

        def hook(_name: str, _when: str, calls: Any = calls, place: int = place) -> None:
            if next(calls) == place:
                raise Crash("killed")

        other.world.hook = hook
        try:
            list(importer(other, gather=gather).run(shop(), JOB))
        except Crash:
            killed += 1
            other.world.hook = None
            list(importer(other, gather=gather).run(shop(), JOB))
        else:
            break
        finally:
            other.world.hook = None
        other.settle()
        assert (people(other), {delivery.id for delivery in imports(other)}) == wanted
    assert killed > 20


def test_what_cannot_be_used_is_reported_and_the_rest_taken(plant: Plant) -> None:
    source = Pages(
        [
            record("customer.updated", {"email": "x@example.com"}, "page 1, 1st"),
            record("customer.updated", {"code": "rest_forbidden", "message": "Sorry"}, "page 1, 2nd"),
            Record(topic="customer.updated", body=b"[]", where="page 1, 3rd"),
            customer(4, billing={"phone": "12"}),
        ],
        unusable=(Unusable(where="line 17", why="it has more fields than the first line"),),
    )
    steps = run(plant, source)
    assert steps[-1].progress.unusable == 4
    assert [(each.where, "without" in each.why) for step in steps for each in step.unusable] == [
        ("line 17", False),
        ("page 1, 1st", False),
        ("page 1, 2nd", False),
        ("page 1, 3rd", False),
        ("page 1", True),
    ]
    assert plant.profile("c4@example.com").phone is None
    assert len(imports(plant)) == 1


def test_a_dry_run_counts_and_writes_nothing(plant: Plant) -> None:
    before = dict(plant.world.files)
    steps = run(plant, shop(), dry_run=True)
    assert steps[-1].progress.records == 9
    assert plant.world.deliveries == {}
    assert plant.world.files == before


def test_it_waits_while_more_is_accepted_than_applied(plant: Plant) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        plant.settle()

    steps = list(importer(plant, sleep=sleep, backlog=2).run(shop(), JOB))
    assert [step.waiting for step in steps if step.waiting] == [2] * len(waits)
    assert len(waits) >= 2


def test_one_person_s_records_are_one_delivery_and_one_commit(plant: Plant) -> None:
    run(plant, Pages([customer(1), an_order(11, 1), an_order(12, 1), customer(2)]))
    assert sorted(len(delivery.events) for delivery in imports(plant)) == [1, 3]
    assert plant.profile("c1@example.com").version == 1


def test_what_is_gathered_over_pages_is_one_commit_too(plant: Plant) -> None:
    """Accounts and orders come in lists of their own; a guest's order is put with whoever has that address."""
    source = shop()
    guest = record("order.updated", woo_order(id=77, billing={**woo_order()["billing"], "email": "c3@example.com"}))
    source = Pages(*source._pages, [guest])
    list(importer(plant, gather=100).run(source, JOB))
    plant.settle()
    assert plant.profile("c1@example.com").version == 1
    assert sorted(plant.profile("c3@example.com").orders) == ["14", "77"]
    assert len(imports(plant)) == 5


def test_two_customers_of_one_page_stay_two(plant: Plant) -> None:
    """One address for two accounts, as a till has it, is packed together and told apart."""
    run(plant, Pages([record("customer.updated", woo_customer(id=n, email="till@example.com")) for n in (1, 2)]))
    found = {plant.world.owners[alias_key(plant.world.secret_address_key, "tea", "shop_customer_id", n)] for n in "12"}
    assert len(found) == 2


def test_an_import_that_may_tell_starts_flows(plant: Plant) -> None:
    job = replace(JOB, imported="telling")
    run(
        plant,
        Pages([an_order(11, 1, date_created_gmt="2026-03-02T10:30:00", date_paid_gmt="2026-03-02T10:30:00")]),
        job,
    )
    assert {told.imported for told in imports(plant)[0].events} == {"telling"}
    assert "order-confirmation" in {template for _, template, _ in plant.mails()}


def test_who_was_erased_stays_erased_also_when_the_shop_touched_the_record_since(plant: Plant) -> None:
    run(plant, shop())
    request = PrivacyRequest(wish="erase", at=at(hours=3), shop_customer_id="1", email="c1@example.com")
    plant.world.clock.advance(hours=1)
    plant.post(event("privacy.requested", request, at(hours=3), who=Who(email="c1@example.com", shop_customer_id="1")))
    plant.until(at(days=3))
    assert not any(isinstance(each, Profile) and each.email == "c1@example.com" for each in _everybody(plant))
    late = {"date_modified_gmt": "2026-03-04T12:00:00"}
    run(plant, Pages([customer(1, **late), an_order(99, 1, **late)]), replace(JOB, key="again"))
    plant.until(at(days=6))
    assert not any(isinstance(each, Profile) and each.email == "c1@example.com" for each in _everybody(plant))
    assert b"c1@example.com" not in b"".join(delivery.body for delivery in imports(plant))


def _everybody(plant: Plant) -> list[object]:
    return [plant.world.profile(profile_id) for profile_id in list(plant.world.profiles)]


def test_stored_imports_are_read_again_by_a_replay(plant: Plant) -> None:
    run(plant, shop())
    world = plant.world
    replay = Replay(archive=world.archive, intake=world.intake, secrets=world.secrets, clock=world.clock)
    assert {each.outcome for each in replay.run("tea")} == {"same"}


def test_a_shop_that_is_not_connected_is_refused_and_a_source_that_fails_loses_nothing(plant: Plant) -> None:
    with pytest.raises(UnknownShopError):
        next(importer(plant).run(shop(), replace(JOB, shop="coffee")))
    source = shop()
    source.fails = [ShopUncertainError("503")]
    with pytest.raises(ShopUncertainError):
        list(importer(plant).run(source, JOB))
    assert run(plant, source)[-1].progress.accepted == 9


def test_progress_names_nobody(plant: Plant) -> None:
    run(plant, shop())
    (content,) = [content for key, content in plant.world.files.items() if key.startswith(f"{FOLDER}/tea/")]
    assert b"example.com" not in content


# --- lists, and Shopify


def listed(plant: Plant, text: str, **how: Any) -> Step:
    """Import a CSV list; return the last step."""
    file = ListFile(io.BytesIO(text.encode()), Reading(as_of=at(hours=1), **how))
    steps = list(importer(plant).run(file, replace(JOB, key=file.digest)))
    plant.settle()
    return steps[-1]


def forbidden(plant: Plant, email: str) -> set[str]:
    """Return why nothing may be sent to this address."""
    hashed = address_hash(plant.world.secret_address_key, "email", email)
    found = [record for (_, _, address), record in plant.world.suppressions.items() if address == hashed]
    return {refusal.reason for record in found for refusal in record.latest.values()}


def test_a_list_brings_people_with_what_they_said_and_starts_no_welcome(plant: Plant) -> None:
    welcome = flow_of("trigger: {event: consent.changed}\nsteps: [{email: welcome}]", "welcome")
    plant.publish(playbook(welcome, hash_="h2"))
    plant.restart()
    text = "email,first name,country,birthday,email marketing consent,email marketing consent timestamp\n"
    step = listed(
        plant,
        text + "Ann@Example.com,Ann,Sweden,04/05,subscribed,2026-03-02 09:59:59\n"
        "bo@example.com,Bo,SE,,unsubscribed,2020-01-01\n",
    )
    assert step.progress.accepted == 2
    ann = plant.profile("ann@example.com")
    assert (ann.person.first_name, ann.person.country, ann.traits["birthday"].value) == ("Ann", "SE", "--04-05")
    assert (ann.consent["email:ann@example.com"].state, ann.consent["email:ann@example.com"].source) == (
        "subscribed",
        "import",
    )
    assert plant.profile("bo@example.com").consent["email:bo@example.com"].state == "unsubscribed"
    assert (forbidden(plant, "ann@example.com"), forbidden(plant, "bo@example.com")) == (set(), {"unsubscribed"})
    assert plant.mails() == []


def test_a_list_lifts_no_suppression(plant: Plant) -> None:
    listed(plant, "email\nann@example.com\n", consent="unsubscribed", consent_at=at(days=-9))
    listed(plant, "email\nann@example.com\n", consent="subscribed", consent_at=at(days=-1))
    assert plant.profile("ann@example.com").consent["email:ann@example.com"].state == "unsubscribed"
    assert forbidden(plant, "ann@example.com") == {"unsubscribed"}


def test_a_list_refuses_for_a_customer_whom_it_knows_by_number_alone(plant: Plant) -> None:
    run(plant, Pages([customer(1)]))
    listed(plant, "customer_id\n1\n", consent="unsubscribed", columns={"customer_id": "customer_id"})
    assert plant.profile("c1@example.com").consent["email:c1@example.com"].state == "unsubscribed"


def test_a_list_does_not_bring_back_who_was_erased(plant: Plant) -> None:
    run(plant, shop())
    request = PrivacyRequest(wish="erase", at=at(hours=3), email="c1@example.com")
    plant.world.clock.advance(hours=1)
    plant.post(event("privacy.requested", request, at(hours=3), who=Who(email="c1@example.com")))
    plant.until(at(days=3))
    listed(plant, "email,first name\nc1@example.com,Ann\n", consent="subscribed", consent_at=at(days=2))
    plant.until(at(days=5))
    assert not any(isinstance(each, Profile) and each.email == "c1@example.com" for each in _everybody(plant))
    assert b"c1@example.com" not in b"".join(delivery.body for delivery in imports(plant))


def test_a_list_and_the_shop_tell_of_one_person(plant: Plant) -> None:
    """The list's names do not outdo what the shop said later."""
    run(plant, Pages([customer(1, first_name="Anna", date_modified_gmt="2026-03-02T10:30:00")]))
    listed(plant, "email,first name,city\nc1@example.com,Old,Umeå\n", columns={"email": "email"})
    assert plant.profile("c1@example.com").person.first_name == "Anna"
    assert len([each for each in _everybody(plant) if isinstance(each, Profile)]) == 1


def test_a_shopify_shop_s_consent_comes_with_its_own_date(plant: Plant) -> None:
    plant.world.shops["tea"] = ShopSecrets(shop="tea", platform="shopify", domain=DOMAIN, webhook_secrets=(SECRET,))
    said = {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": "2025-05-05T12:00:00Z"}
    person = shopify_customer(email="ann@example.com", email_marketing_consent=said)
    run(plant, Pages([record("customers/update", person)]))
    act = plant.profile("ann@example.com").consent["email:ann@example.com"]
    assert (act.state, act.at.isoformat(), act.source) == ("subscribed", "2025-05-05T12:00:00+00:00", "customer")
    assert plant.mails() == []


def test_two_who_turn_out_to_be_one_by_an_import_enter_no_flow_by_it(plant: Plant) -> None:
    """What both together have bought was known of neither, and it is the import that says so."""
    regulars = flow_of(
        "trigger: {segment: regulars, change: entered}\nsteps: [{email: hello-regular}]", "regulars-hello"
    )
    plant.publish(playbook(regulars, hash_="h2", segments={"regulars": "profile.orders > 1"}))
    plant.restart()
    plant.post(order(at(hours=2), id="91", who=Who(email="c1@example.com")))
    plant.post(order(at(hours=2), id="92", who=Who(shop_customer_id="1")))
    plant.settle()
    run(plant, Pages([customer(1)]))
    ann = plant.profile("c1@example.com")
    assert (len(ann.orders), list(ann.segments)) == (2, ["regulars"])
    said = {(line.what, line.flow) for entry in plant.world.ledger for line in entry.decisions if line.flow}
    assert said == {("not_entered", regulars.name)}


def test_what_is_published_later_reaches_who_was_imported(plant: Plant) -> None:
    """The pass after a publish lets people in as it always does: a new win-back is meant for those who were silent."""
    run(plant, shop())
    lapsed = flow_of("trigger: {segment: lapsed, change: entered}\nsteps: [{notify: we-miss-you}]", "win-back")
    silent = {"lapsed": "profile.orders > 0 and since(profile.last_order_at) > '1h'"}
    plant.publish(playbook(lapsed, hash_="h2", segments=silent))
    plant.restart()
    plant.until(at(hours=3))
    plant.tick()
    plant.until(at(hours=4))
    entered = [line.profile_id for line in plant.world.ledger for said in line.decisions if said.what == "entered"]
    assert len(set(entered)) == len(entered) == 4
