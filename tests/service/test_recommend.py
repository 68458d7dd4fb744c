"""What to recommend in a mail: never what is sold out, bought already or in the mail, each product once, few reads."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.content.mails import MailTemplate
from rekindle.content.playbook import Mails
from rekindle.domain.errors import NothingToSayError
from rekindle.domain.facts import Basket, Consent, Fact, Item, Order, Person, View
from rekindle.domain.profile import Category, Interest, OrderMark, Planned, Profile, Run, Trait
from rekindle.memory import World
from rekindle.service.compose import Composer
from rekindle.service.library import POINTER, Library
from rekindle.service.recommend import SHELF_LIFE, Recommender, Wish, seeds_of
from tests.service.test_compose import SHOP
from tests.support.build import at
from tests.support.catalogue import CUP, POT, TEA, Teashop, goods

KETTLE = goods("kettle", 90, kind="Teaware")
MUG = goods("mug", 14, kind="Teaware")
OOLONG = goods("oolong", 11, kind="Tea")
BOOK = goods("book", 20, kind="Books", created_at=at(days=9))
MESSAGE = "0a" * 16
ADA = Profile(id="p", shop="tea", email="ada@example.com")


@pytest.fixture
def shop() -> Teashop:
    """A shop in which tea is bought with the pot, and the mug sells best."""
    made = Teashop()
    made.tell(POT, CUP, TEA, KETTLE, MUG, OOLONG, BOOK)
    orders = [("pot", "tea"), ("pot", "tea"), ("pot", "oolong"), ("mug",), ("mug",), ("mug",), ("mug",)]
    made.catalogue.work([made.sell(*products, order=f"o{number}") for number, products in enumerate(orders)])
    return made


def basket(*products: str) -> Basket:
    """Return a basket with these products."""
    return Basket(id="c", updated_at=at(), items=tuple(Item(title=one, product_id=one) for one in products))


def run_about(fact: Fact | None) -> Run:
    """Return a run that is about this."""
    return Run(id="r", flow="f", version="v", playbook="h1", entered_at=at(), expires_at=at(days=1), trigger=fact)


def bought(*products: str, days: int = 0, status: str = "placed") -> dict[str, OrderMark]:
    """Return the marks of one order with these products."""
    mark = OrderMark(
        updated_at=at(days=days), placed_at=at(days=days), events=("order.placed",), status=status, products=products
    )
    return {f"o{days}": mark}


def picks(shop: Teashop, *lists: str, fact: Fact | None = None, profile: Profile = ADA) -> dict[str, list[str]]:
    """Return the ids of what is recommended."""
    wish = Wish(profile, run_about(fact), lists)
    recommender = Recommender(shop.world.shelves, shop.world.clock)
    recommender.prepare([wish])
    return {name: [product.id for product in found] for name, found in recommender.picks(wish).items()}


def test_what_is_bought_together_comes_first_and_the_list_is_filled_up(shop: Teashop) -> None:
    """With what is alike, then what sells best, then what is new."""
    found = picks(shop, "together", fact=basket("pot"))
    assert found["together"][:2] == ["tea", "oolong"]
    assert set(found["together"]) == {"tea", "oolong", "kettle", "cup", "mug", "book"}
    assert picks(shop, "together", fact=basket("cup"))["together"][0] == "mug"
    assert picks(shop, "together", fact=basket("book"))["together"][0] == "mug"


def test_similar_is_of_the_same_kind(shop: Teashop) -> None:
    assert picks(shop, "similar", fact=basket("cup"))["similar"][:2] == ["mug", "pot"]


def test_better_is_dearer_and_not_filled_up(shop: Teashop) -> None:
    assert picks(shop, "better", fact=basket("cup")) == {"better": ["mug", "pot", "kettle"]}
    assert picks(shop, "better", fact=basket("kettle")) == {}


def test_best_sellers_and_new_arrivals_are_what_they_say(shop: Teashop) -> None:
    assert picks(shop, "best")["best"] == ["mug", "pot", "tea", "oolong"]
    assert picks(shop, "new")["new"][0] == "book"


def test_each_product_is_in_one_list_of_a_mail_the_first_that_shows_it(shop: Teashop) -> None:
    found = picks(shop, "best", "together", fact=basket("pot"))
    assert found["best"] == ["mug", "tea", "oolong"]
    assert set(found["together"]) == {"kettle", "cup", "book"}
    assert picks(shop, "together", "best", fact=basket("pot")) == {
        "together": ["tea", "oolong", "mug", "kettle", "cup", "book"]
    }


def test_what_was_bought_is_not_recommended(shop: Teashop) -> None:
    """A cancelled order gave nothing."""
    owner = replace(ADA, orders=bought("tea", "mug"))
    assert set(picks(shop, "together", fact=basket("pot"), profile=owner)["together"]) == {
        "oolong", "kettle", "cup", "book",
    }  # fmt: skip
    assert picks(shop, "best", profile=owner)["best"] == ["pot", "oolong"]
    gave_back = replace(ADA, orders=bought("mug", status="cancelled"))
    assert picks(shop, "best", profile=gave_back)["best"][0] == "mug"


@pytest.mark.parametrize("gone", [{"in_stock": False}, {"deleted": True}, {"url": None}, {"published": False}])
def test_what_cannot_be_had_is_not_recommended_whatever_a_shelf_says(shop: Teashop, gone: dict[str, Any]) -> None:
    """As of the moment of sending: the shelves may be a few minutes old."""
    recommender = Recommender(shop.world.shelves, shop.world.clock)
    wish = Wish(ADA, run_about(basket("pot")), ("together", "best"))
    recommender.prepare([wish])
    assert "tea" in {product.id for product in recommender.picks(wish)["together"]}
    shop.tell(replace(TEA, updated_at=at(hours=1), **gone))
    recommender.prepare([wish])
    assert "tea" not in {product.id for found in recommender.picks(wish).values() for product in found}


def test_without_an_event_it_starts_from_what_was_bought_last(shop: Teashop) -> None:
    owner = replace(ADA, orders=bought("cup", days=1) | bought("pot", days=2))
    assert seeds_of(owner, run_about(None)) == ("pot", "cup")
    assert picks(shop, "together", profile=owner)["together"][0] == "tea"


def looked_at(*products: str) -> dict[str, Interest]:
    """Return that somebody looked at these, one after the other."""
    return {product: Interest(at(hours=number)) for number, product in enumerate(products)}


def test_what_was_looked_at_last_comes_first(shop: Teashop) -> None:
    """But for what was bought since, what the mail is about, and what nobody knows to be there."""
    shop.tell(goods("lamp", 30, in_stock=None), replace(MUG, in_stock=None, updated_at=at(hours=1)))
    curious = replace(ADA, interests=looked_at("pot", "lamp", "cup", "mug", "tea", "book"), orders=bought("tea"))
    assert picks(shop, "viewed", fact=basket("book"), profile=curious) == {"viewed": ["mug", "cup", "pot"]}
    assert picks(shop, "viewed") == {}


def test_of_a_category_what_sells_best_of_the_one_that_was_looked_at_last(shop: Teashop) -> None:
    """Else of what was named as an interest, else of what was bought; of one category only, and nothing they have."""
    browsed = {"Teaware": at(hours=1), "Tea": at(hours=2)}
    reader = replace(ADA, browsed=browsed)
    assert picks(shop, "browsed", profile=reader) == {"browsed": ["tea", "oolong"]}
    assert picks(shop, "browsed", profile=replace(reader, orders=bought("tea", "oolong")))["browsed"][0] == "mug"
    named = replace(ADA, traits={"interests": Trait(at(), ("books",))})
    assert picks(shop, "browsed", profile=named) == {"browsed": ["book"]}
    owner = replace(ADA, orders={"o": replace(bought("book")["o0"], kinds=("Tea",))})
    assert picks(shop, "browsed", profile=owner)["browsed"][0] == "tea"
    assert picks(shop, "browsed") == {}


def test_a_look_at_a_category_shows_that_category(shop: Teashop) -> None:
    look = View(id="77", at=at(), kind="Books")
    wish = Wish(
        replace(ADA, browsed={"Tea": at()}), replace(run_about(look), event_type="category.viewed"), ("browsed",)
    )
    recommender = Recommender(shop.world.shelves, shop.world.clock)
    recommender.prepare([wish])
    assert [product.id for product in recommender.picks(wish)["browsed"]] == ["book"]


def test_who_has_bought_nothing_is_known_by_what_they_looked_at(shop: Teashop) -> None:
    curious = replace(ADA, interests=looked_at("cup", "pot"))
    assert seeds_of(curious, run_about(None)) == ("pot", "cup")
    assert picks(shop, "together", profile=curious)["together"][0] == "tea"


def test_an_order_that_was_just_placed_gets_its_complements(shop: Teashop) -> None:
    order = Order(id="o9", updated_at=at(), items=(Item(title="Pot", product_id="pot"),))
    owner = replace(ADA, orders=bought("pot"))
    assert picks(shop, "together", fact=order, profile=owner)["together"][0] == "tea"


def test_an_empty_shop_recommends_nothing() -> None:
    shop = Teashop()
    assert picks(shop, "together", "similar", "better", "best", "new", fact=basket("pot")) == {}
    shop.tell(POT)
    assert picks(shop, "together", fact=basket("pot")) == {}


def test_a_shop_without_an_order_yet_shows_what_is_alike_and_new() -> None:
    shop = Teashop()
    shop.tell(POT, CUP, BOOK)
    assert picks(shop, "together", fact=basket("pot")) == {"together": ["cup", "book"]}


# --- reads


def test_a_batch_costs_three_reads_and_then_two(shop: Teashop) -> None:
    """The shelves are held for a few minutes."""
    recommender = Recommender(shop.world.shelves, shop.world.clock)
    people = [replace(ADA, id=f"p{number}", orders=bought("cup") if number % 2 else {}) for number in range(10)]
    wishes = [Wish(person, run_about(basket("pot", "cup")), ("together", "best")) for person in people]
    counts = []
    for _ in range(2):
        before = shop.world.calls["shelves.shelved"]
        recommender.prepare(wishes)
        assert all(recommender.picks(wish) for wish in wishes)
        counts.append(shop.world.calls["shelves.shelved"] - before)
    assert counts == [3, 2]
    shop.world.clock.advance(seconds=SHELF_LIFE.total_seconds())
    before = shop.world.calls["shelves.shelved"]
    recommender.prepare(wishes)
    assert shop.world.calls["shelves.shelved"] - before == 3


def test_only_what_a_mail_shows_is_read(shop: Teashop) -> None:
    before = shop.world.calls["shelves.shelved"]
    picks(shop, "best", fact=basket("pot"))
    assert shop.world.calls["shelves.shelved"] - before == 2


# --- in a mail

TEXT = "{% if recommend.together %}Look: {{ recommend.together | join(', ', 'title') }}{% endif %}"


def composer(world: World, category: Category, **more: Any) -> Composer:
    """Return a composer over one published mail that recommends."""
    template = MailTemplate(
        name="t", subject="Hi", html=f"<p>{TEXT}</p>", text=TEXT, category=category, recommend=("together",)
    )
    plain, template = replace(template, name="plain", recommend=()), replace(template, **more)
    mails = Mails(
        hash="h1", templates={"t": template, "plain": plain}, shops={"tea": replace(SHOP, notify="team@tea.example")}
    )
    world.files["playbooks/h1/mails.json"] = msgspec.json.encode(mails)
    world.files[POINTER] = b'{"hash": "h1"}'
    return Composer(
        library=Library(world.blobs, world.clock), blobs=world.blobs, outbox=world.outbox, secrets=world.secrets,
        link_base="https://links.example", recommender=Recommender(world.shelves, world.clock),
    )  # fmt: skip


SUBSCRIBED = {"email:ada@example.com": Consent(channel="email", state="subscribed", at=at(), address="ada@example.com")}


@pytest.mark.parametrize(
    ("category", "consent", "to", "said"),
    [
        ("marketing", SUBSCRIBED, "person", True),
        ("transactional", SUBSCRIBED, "person", True),
        ("transactional", {}, "person", False),
        ("transactional", SUBSCRIBED, "shop", False),
    ],
)
def test_a_transactional_mail_recommends_only_to_who_agreed_to_marketing(
    shop: Teashop, category: Category, consent: dict[str, Consent], to: Literal["person", "shop"], said: bool
) -> None:
    """Nothing is read for the others, and what the shop's own people get sells nothing."""
    world = shop.world
    made = composer(world, category)
    made_for = replace(ADA, consent=consent, person=Person(locale="en"))
    planned = planned_for("t", category, to)
    before = world.calls["shelves.shelved"]
    made.prepare([(made_for, planned, run_about(basket("pot")))])
    mail = made.build(MESSAGE, made_for, planned, run_about(basket("pot")))
    assert ("Look: Tea, Oolong" in mail.text) is said
    assert (world.calls["shelves.shelved"] > before) is said


@pytest.mark.parametrize(("about", "there_is_one"), [("mug", True), ("kettle", False)])
def test_a_mail_that_needs_a_list_is_not_made_while_that_is_empty(
    shop: Teashop, about: str, there_is_one: bool
) -> None:
    """Nothing of its kind is dearer than the kettle."""
    shown = "{{ recommend.better | join(', ', 'title') }}"
    made = composer(shop.world, "marketing", html=shown, text=shown, recommend=("better",), needs=("better",))
    person, planned = replace(ADA, consent=SUBSCRIBED), planned_for("t", "marketing")
    made.prepare([(person, planned, run_about(basket(about)))])
    if there_is_one:
        assert "Pot" in made.build(MESSAGE, person, planned, run_about(basket(about))).text
    else:
        with pytest.raises(NothingToSayError, match=r"recommend\.better"):
            made.build(MESSAGE, person, planned, run_about(basket(about)))


def planned_for(template: str, category: Category, to: Literal["person", "shop"] = "person") -> Planned:
    """Return a planned mail."""
    return Planned(
        run="r", step="s", flow="f", template=template, channel="email", category=category, planned_at=at(),
        not_after=at(days=1), to=to,
    )  # fmt: skip


def test_a_mail_that_recommends_nothing_costs_no_more_than_before(shop: Teashop) -> None:
    world = shop.world
    made = composer(world, "marketing")
    planned = planned_for("plain", "marketing")
    person = replace(ADA, consent=SUBSCRIBED)
    calls = dict(world.calls)
    made.prepare([(person, planned, run_about(basket("pot")))])
    assert world.calls["shelves.shelved"] == calls["shelves.shelved"]
    assert world.calls["outbox.products"] == calls.get("outbox.products", 0) + 1


def test_products_of_a_mail_that_recommends_are_read_once(shop: Teashop) -> None:
    """With the candidates, and not a second time by themselves."""
    world = shop.world
    made = composer(world, "marketing")
    person = replace(ADA, consent=SUBSCRIBED)
    made.prepare([(person, planned_for("t", "marketing"), run_about(basket("pot")))])
    made.build(MESSAGE, person, planned_for("t", "marketing"), run_about(basket("pot")))
    assert world.calls["outbox.products"] == 0


def test_a_mail_that_was_not_prepared_reads_for_itself(shop: Teashop) -> None:
    person = replace(ADA, consent=SUBSCRIBED)
    mail = composer(shop.world, "marketing").build(
        MESSAGE, person, planned_for("t", "marketing"), run_about(basket("pot"))
    )
    assert "Look: Tea" in mail.text
