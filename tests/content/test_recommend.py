"""What a mail may recommend: in the shape of items, checked at publish, and never a heading above nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from rekindle.content import context as names
from rekindle.content.brand import Brand
from rekindle.content.mails import render
from rekindle.content.samples import SAMPLE_SHOP, bare, parse_sample
from rekindle.content.shorts import compile_sms
from rekindle.content.validate import Verdict, validate
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Item, Product
from rekindle.domain.profile import Profile, Run
from tests.content.mailkit import compiled, look, refused, shipped_sample
from tests.support.build import T0
from tests.support.content import some

POT = Product(
    id="1",
    updated_at=T0,
    title="Pot\u202e",
    url="https://s.example/pot",
    image="https://cdn.shopify.com/p.png",
    price=Decimal(40),
    compare_at=Decimal(50),
    currency="GBP",
    kind="Pots",
)
BLOCK = (
    "<p>{% if recommend.best %}<b>Best</b>{% for item in recommend.best %}{{ item.title }}{% endfor %}{% endif %}</p>"
)


def made(**lists: Any) -> dict[str, Any]:
    """Return the names of a mail that has these to recommend."""
    return names.context(
        shop=SAMPLE_SHOP, brand=Brand(), profile=Profile(id="p", shop="sample"),
        run=Run(id="r", flow="f", version="v", playbook="b", entered_at=T0, expires_at=T0),
        products={}, links={}, formats={}, recommend=lists,
    )  # fmt: skip


def test_every_list_is_there_and_has_the_shape_of_items() -> None:
    """So whatever shows the lines of a basket shows these; a price keeps its own currency."""
    found = made(best=[POT])["recommend"]
    assert set(found) == set(names.RECOMMENDATIONS)
    (pot,) = found["best"]
    assert set(pot) == set(names._item(Item(title="x"), None))
    assert (pot["title"], pot["price"], pot["total"], pot["was"], pot["currency"], pot["quantity"]) == (
        "Pot", Decimal(40), Decimal(40), Decimal(50), "GBP", 1,
    )  # fmt: skip
    assert pot["image"] == "https://cdn.shopify.com/p.png?width=320"


def test_a_list_is_short() -> None:
    many = [msgspec.structs.replace(POT, id=str(number)) for number in range(20)]
    assert len(made(best=many)["recommend"]["best"]) == names.MAX_RECOMMENDED


def test_the_mail_remembers_which_lists_it_uses_in_their_order() -> None:
    """Then `send` reads nothing for the others, and knows which list is to have a product that two could show."""
    two = "{% if recommend.viewed or recommend.best %}{{ (recommend.viewed or recommend.best) | length }}{% endif %}"
    assert compiled(f"<p>{two}</p>{BLOCK}").recommend == ("viewed", "best")
    assert compiled("<p>Hello</p>").recommend == ()
    assert compiled("<p>Hello</p>", subject_txt="{{ recommend.new | length }} new things").recommend == ("new",)


@pytest.mark.parametrize(
    "body",
    [
        BLOCK,
        "{% with p=recommend.best %}{% if p %}{% for i in p %}{{ i.url }}{% endfor %}{% endif %}{% endwith %}",
        "{% set picks = recommend.best %}{% if picks and event.items %}{{ (picks | first).title }}{% endif %}",
        "{% if recommend.best | length > 1 %}{{ recommend.best[0].title }}{% endif %}",
        "{% if recommend.new or recommend.best %}{{ (recommend.best or recommend.new)[0].title }}{% endif %}",
        "{% if recommend.new %}{% for i in recommend.best or recommend.new %}{{ i.title }}{% endfor %}{% endif %}",
    ],
)  # fmt: skip
def test_a_list_may_be_shown_where_it_has_been_looked_at(body: str) -> None:
    _, problems = look(f"<div>{body}</div>")
    assert problems == ()


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in recommend.best %}{{ i.title }}{% endfor %}",
        "{% with picks=recommend.best %}{% for i in picks | limit(2) %}{{ i.url }}{% endfor %}{% endwith %}",
        "{% if recommend.new %}{% for i in recommend.best %}{{ i.title }}{% endfor %}{% endif %}",
        "{% if recommend.new or recommend.best %}{% for i in recommend.best %}{{ i.title }}{% endfor %}{% endif %}",
        "{% if recommend.best %}yes{% else %}{% for i in recommend.best %}{{ i.title }}{% endfor %}{% endif %}",
        "{% if not recommend.best %}{% for i in recommend.best %}{{ i.title }}{% endfor %}{% endif %}",
        "{% if event.items %}{{ (recommend.best | first).title }}{% endif %}",
        "{{ recommend.best[0].title }}",
    ],
)
def test_nothing_may_be_shown_of_a_list_that_may_be_empty(body: str) -> None:
    """The words around it would stay: the problem names the place and the way out."""
    problem = refused(f"<p>Hello</p>\n<p>{body}</p>")
    assert "nothing to recommend" in problem.message
    assert (problem.file, problem.line) == ("emails/m/body.html", 2)
    assert problem.hint is not None
    assert "{% if recommend.best %}" in problem.hint


def test_a_list_that_does_not_exist_is_named() -> None:
    assert "'recommend' has no 'bests'" in str(refused("<p>{{ recommend.bests | length }}</p>"))
    assert "'item' has no 'prize'" in str(refused(f"<p>{BLOCK.replace('item.title', 'item.prize')}</p>"))


def test_short_messages_recommend_nothing() -> None:
    """`send` reads nothing for them."""
    _, (problem,) = compile_sms("x", {"x.txt": "Hi\n{% if recommend.best %}look{% endif %}"})
    assert str(problem).startswith("sms/x.txt:2: recommend.best is for mails alone")


def test_with_nothing_to_recommend_the_block_is_not_there() -> None:
    found = compiled(f"<p>Hello</p>{BLOCK}")
    assert "BestPot" in "".join(render(found, made(best=[POT])).text.split())
    assert render(found, made()).text == "Hello\n"


# --- samples ---------------------------------------------------------------------------------------------------------

SAMPLE = (
    '{"products": {"1": {"id": "1", "updated_at": "2026-01-01T00:00:00Z", "title": "Pot", "url": "https://x.example"}}'
    ",\n"
    '"recommend": {"best": ["1"]}}'
)


def test_a_sample_says_what_there_is_to_recommend() -> None:
    sample = parse_sample(SAMPLE, "s")
    assert {name: [one.title for one in found] for name, found in sample.recommended().items()} == {"best": ["Pot"]}
    assert bare(sample).recommended() == {}


@pytest.mark.parametrize(
    ("was", "instead", "said"),
    [
        ('["1"]', '["2"]', "the product '2', which is not among its products"),
        ('"best"', '"bset"', "recommends 'bset', which is no list"),
    ],
)
def test_a_sample_recommends_only_what_it_has(was: str, instead: str, said: str) -> None:
    with pytest.raises(ContentError) as refusal:
        parse_sample(SAMPLE.replace(was, instead), "s")
    assert said in refusal.value.message
    assert refusal.value.line == 2


def verdict(body: str, sample: str) -> Verdict:
    """Return what publishing says of one transactional mail."""
    texts = {"subject.txt": "Hi", "mail.yaml": "category: transactional", "body.html": body, "sample.json": sample}
    return validate({f"emails/m/{name}": text.encode() for name, text in texts.items()})


def test_a_mail_is_tried_out_with_something_to_recommend() -> None:
    said = verdict(BLOCK, "{}")
    assert said.problems == ()
    assert [one.message for one in said.warnings] == [
        "the sample has nothing to recommend, and the mail shows recommend.best"
    ]
    assert verdict(BLOCK, SAMPLE).warnings == ()


def test_a_heading_outside_the_condition_is_found() -> None:
    """It would stand above nothing."""
    lonely = BLOCK.replace("<b>Best</b>", "")
    (warning,) = verdict(f"<p>Hello</p><h2>Our best</h2>{lonely}", SAMPLE).warnings
    assert warning.message == "with nothing to recommend, “Our best” would stand above nothing"


def test_what_ships_recommends_and_is_whole_without() -> None:
    """The shared block goes with its heading, in each language."""
    published = validate(some("cart-abandonment", "order-confirmation")).published
    assert published is not None
    for name in ("order-confirmation", "cart-reminder-2"):
        assert published.mails.templates[name].recommend == ("together",)
        for locale in ("en", "ar", "zh-Hant"):
            sample = shipped_sample(name, locale)
            heading = {"en": "You may also like", "ar": "قد يعجبك أيضًا", "zh-Hant": "您可能也會喜歡"}[locale]
            mails = msgspec.structs.replace(published.mails, shops={SAMPLE_SHOP.id: SAMPLE_SHOP})
            full = sample.build(name, SAMPLE_SHOP, mails, locale)
            empty = msgspec.structs.replace(sample, recommend={}).build(name, SAMPLE_SHOP, mails, locale)
            for part, there in ((full.html, True), (full.text, True), (empty.html, False), (empty.text, False)):
                assert (heading in part) is there
                assert ("https://shop.example/products/honey" in part) is there
