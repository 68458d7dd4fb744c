"""Offers and their codes as marketers write them: what is read, and what is wrong said with line and cure."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rekindle.content.offers import parse_codes, parse_offer, pool_of
from rekindle.content.validate import validate
from rekindle.domain.offers import Gift, Offer
from rekindle.flow.program import Shop
from tests.content.test_validate import HEAD, MAILS, SHOP
from tests.support.content import some

TEN = "kind: unique\npercent: 10%\nprefix: hello\n"
GIFT = """\
<p>{{ shop.postal_address }} <a href="{{ links.unsubscribe }}">Enough</a></p>
<p>{{ coupon.value }} with {{ coupon.code }}
{% if coupon.expires_at %}until {{ coupon.expires_at | date }}{% endif %}</p>
"""
FLOW = HEAD + "steps:\n  - email: gift\n    offer: ten\n"
BASE = MAILS | {
    "emails/gift/subject.txt": "For you",
    "emails/gift/body.html": GIFT,
    "emails/gift/sample.json": "{}",
    "flows/gifts.yaml": FLOW,
    "offers/ten.yaml": TEN,
    "shops/acme.yaml": SHOP + "flows: {gifts: on}\n",
}


def offer(text: str) -> Offer:
    found, problems = parse_offer(text, file="offers/ten.yaml")
    assert found is not None, problems
    return found


def wrong(text: str, file: str = "offers/ten.yaml") -> list[str]:
    found, problems = parse_offer(text, file=file)
    assert found is None
    return [str(problem) for problem in problems]


def said(files: dict[str, str]) -> list[str]:
    verdict = validate({path: text.encode() for path, text in (BASE | files).items() if text})
    return [str(problem) for problem in verdict.problems]


# --- what is read ----------------------------------------------------------------------------------------------------


def test_an_offer_with_everything() -> None:
    text = """\
kind: unique
title: Ten
enabled: off
percent: 12.5
minimum: {EUR: 50, GBP: "45.50"}
products: [11, "12"]
life: 1d 12h
prefix: tea
once_per_customer: false
shop: acme
says: {en: an eighth, zh-TW: 八分之一}
"""
    assert offer(text) == Offer(
        name="ten",
        kind="unique",
        enabled=False,
        percent=Decimal("12.5"),
        minimum={"EUR": Decimal(50), "GBP": Decimal("45.50")},
        products=("11", "12"),
        life=36 * 3_600,
        prefix="TEA",
        once=False,
        shop="acme",
        says={"en": "an eighth", "zh-Hant-TW": "八分之一"},
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEN, Offer(name="ten", kind="unique", percent=Decimal(10), prefix="HELLO")),
        (
            "kind: fixed\ncode: BLACK25\namount: {EUR: 5}\nuntil: 2026-12-31\n",
            Offer(name="ten", kind="fixed", code="BLACK25", amount={"EUR": Decimal(5)}, until="2026-12-31"),
        ),
        (
            "kind: pool\nfree_shipping: true\nlife: none\n",
            Offer(name="ten", kind="pool", free_shipping=True, life=0, low=50),
        ),
        (
            "kind: unique\ngift: {product: 31, title: {en: A cup, ar: كوب}, worth: {GBP: 12.5}}\n",
            Offer(
                name="ten",
                kind="unique",
                gift=Gift(product="31", title={"ar": "كوب", "en": "A cup"}, worth={"GBP": Decimal("12.5")}),
            ),
        ),
    ],
)
def test_each_kind_and_each_worth(text: str, expected: Offer) -> None:
    assert offer(text) == expected


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("percent: 10%\n", "offers/ten.yaml:1: kind is missing (add a line kind: …)"),
        ("kind: uniqe\npercent: 10%\n", "offers/ten.yaml:1: kind: Input should be 'fixed', 'pool' or 'unique'"),
        ("kind: unique\n", "an offer gives one thing (say one of percent, amount, free_shipping, gift)"),
        (
            "kind: unique\npercent: 10%\nfree_shipping: true\n",
            "an offer gives one thing, here are percent and free_shipping (say one of",
        ),
        ("kind: unique\npercent: 0\n", "offers/ten.yaml:2: percent: this is no percentage (write it as in 10%"),
        ("kind: unique\npercent: 101%\n", "offers/ten.yaml:2: percent: this is no percentage"),
        ("kind: unique\npercent: true\n", "offers/ten.yaml:2: percent: this is no percentage"),
        ("kind: unique\namount: 5\n", "offers/ten.yaml:2: amount: say it for each currency"),
        ("kind: unique\namount: {EURO: 5}\n", "offers/ten.yaml:2: amount: there is no currency EURO"),
        ("kind: unique\namount: {EUR: -5}\n", "offers/ten.yaml:2: amount: “-5” is no amount of EUR"),
        ("kind: unique\namount: {EUR: lots}\n", "offers/ten.yaml:2: amount: “lots” is no amount of EUR"),
        (TEN + "life: 3 days\n", "offers/ten.yaml:4: life: "),
        (TEN + "until: 2026-02-30\n", "offers/ten.yaml:4: until: there is no 2026-02-30 (write a day"),
        (TEN + "life: 3d\nuntil: 2026-12-31\n", "it has two ends (say life or until)"),
        (TEN + "code: X10\n", "“code” belongs to offers of the kind fixed (take it out, or write kind: fixed)"),
        (TEN + "low: 5\n", "“low” belongs to offers of the kind pool"),
        ("kind: fixed\npercent: 5\n", "“code” is missing (a fixed offer has one code"),
        ("kind: fixed\npercent: 5\ncode: a b\n", "offers/ten.yaml:3: code: "),
        ("kind: pool\npercent: 5\nprefix: A\n", "“prefix” belongs to offers of the kind unique (set it in the shop"),
        (TEN + "products: [1]\ncategories: [2]\n", "a code is for products or for categories (say one of them)"),
        (TEN + "products: [teapot]\n", "offers/ten.yaml:4: products: these are no ids (write the numbers"),
        (
            "kind: unique\nfree_shipping: true\nproducts: [1]\n",
            "products and categories belong to percent and amount (take them out)",
        ),
        (TEN + "says: {klingon: Qapla}\n", "offers/ten.yaml:4: says: there is no language klingon"),
        (TEN + "says: '{{ shop.name }}'\n", "offers/ten.yaml:4: says: this cannot be shown"),
        ("kind: unique\ngift: {product: 1}\n", "offers/ten.yaml:2: gift.title is missing"),
        (TEN + "minimun: {EUR: 5}\n", "offers/ten.yaml:4: minimun means nothing here"),
        ("", "this file says nothing"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_cure(text: str, message: str) -> None:
    (problem,) = wrong(text)
    assert message in problem


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("kind: unique\nprefix: WAY-TOO\n", "write up to 20 Latin letters and digits, as in HELLO"),
        ("kind: fixed\ncode: A B\n", "a code has 3 to 64 characters, without spaces"),
    ],
)
def test_a_code_that_cannot_be_one_is_told_with_what_to_write(line: str, cure: str) -> None:
    (problem,) = wrong(f"{line}percent: 10%\n")
    assert problem.startswith("offers/ten.yaml:2: ")
    assert "cannot be used here (" in problem
    assert cure in problem


def test_a_name_that_cannot_be_one() -> None:
    assert "'Ten Off' cannot name an offer" in wrong(TEN, "offers/Ten Off.yaml")[0]


# --- codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("offers/x.txt", "A-1\n\nB-2\r\n  C-3  \n"),
        ("offers/x.csv", "A-1\nB-2\nC-3\n"),
        ("offers/x.csv", 'Code,Times used\nA-1,0\n"B-2",0\nC-3,1\n'),
        ("offers/x.csv", "Times used;Discount code\n0;A-1\n0;B-2\n1;C-3\n"),
        ("offers/x.txt", "code\nA-1\nB-2\nC-3"),
    ],
)
def test_codes_are_read_as_shops_export_them(file: str, text: str) -> None:
    assert parse_codes(text, file=file) == (("A-1", "B-2", "C-3"), ())


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["offers/x.csv:1: there are no codes in it (write one code a line)"]),
        ("code\n", ["offers/x.csv:1: there are no codes in it (write one code a line)"]),
        (
            "AB-1\nab-1\n",
            ["offers/x.csv:2: “ab-1” stands on line 1 already (shops compare codes in any case: keep one"],
        ),
        ("AB 1\n", ["offers/x.csv:1: “AB 1” is no code (a code has 3 to 64 characters"]),
        ("A&B\nOK-1\n<b>\n", ["offers/x.csv:1: “A&B” is no code", "offers/x.csv:3: “<b>” is no code"]),
        ("when,code\n1,\n", ["offers/x.csv:2: “” is no code"]),
        ("x" * 65, ["is no code"]),
    ],
)
def test_what_is_no_code_is_told_by_its_line(text: str, messages: list[str]) -> None:
    codes, problems = parse_codes(text, file="offers/x.csv")
    assert codes is None
    assert all(message in str(problem) for message, problem in zip(messages, problems, strict=True))


def test_of_many_mistakes_some_are_told() -> None:
    _, problems = parse_codes("a b\n" * 100, file="offers/x.csv")
    assert (len(problems), problems[-1].message) == (21, "and 80 more lines like these")


def test_a_pool_is_known_by_its_codes() -> None:
    assert pool_of(("A", "B")) == pool_of(("A", "B"))
    assert pool_of(("A", "B")) != pool_of(("B", "A"))


# --- as one set ------------------------------------------------------------------------------------------------------


def test_what_fits_is_published() -> None:
    verdict = validate({path: text.encode() for path, text in BASE.items()})
    assert verdict.problems == ()
    assert verdict.published is not None
    assert verdict.published.playbook.offers == {"ten": offer(TEN)}
    assert verdict.published.mails.templates["gift"].coupon == ("code", "value")


def test_the_codes_of_a_pool_are_published_beside_the_set() -> None:
    files = BASE | {"offers/ten.yaml": "kind: pool\npercent: 10\n", "offers/ten.csv": "A-1\nB-2\n"}
    verdict = validate({path: text.encode() for path, text in files.items()})
    assert verdict.problems == ()
    assert verdict.published is not None
    found = verdict.published.playbook.offers["ten"]
    assert (found.pool, found.size) == (pool_of(("A-1", "B-2")), 2)
    assert verdict.published.files()[f"pools/{found.pool}.json"] == b'["A-1","B-2"]'
    other = files | {"offers/ten.csv": "A-1\nB-2\nC-3\n"}
    more = validate({path: text.encode() for path, text in other.items()})
    assert more.published is not None
    assert more.published.hash != verdict.published.hash


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"flows/gifts.yaml": FLOW.replace("ten", "tne")},
            "flows/gifts.yaml:4: there is no offer 'tne' (did you mean 'ten'?)",
        ),
        (
            {"flows/gifts.yaml": FLOW.replace("    offer: ten\n", "")},
            "flows/gifts.yaml:3: the mail 'gift' shows coupon.code, and this step gives none (add offer: to the",
        ),
        (
            {"flows/gifts.yaml": FLOW.replace("offer: ten", "code: TEN")},
            "flows/gifts.yaml:3: the mail 'gift' shows coupon.value, and this step gives a code alone (say",
        ),
        (
            {"offers/ten.yaml": TEN + "enabled: off\n"},
            "flows/gifts.yaml:3: the mail 'gift' shows coupon.code, and the offer 'ten' is not given in acme",
        ),
        (
            {"flows/gifts.yaml": FLOW + "    offer_if: profile.orders == 0\n"},
            "flows/gifts.yaml:3: the mail 'gift' shows coupon.code, and offer_if gives it only to some (take it",
        ),
        (
            {"flows/gifts.yaml": FLOW.replace("offer: ten", "offer_if: profile.orders == 0")},
            "offer_if says when an offer is given: say which, with offer",
        ),
        (
            {"flows/gifts.yaml": FLOW.replace("offer: ten", "offer: ten\n    code: X")},
            "say offer or code: an offer has its code",
        ),
        (
            {"shops/acme.yaml": BASE["shops/acme.yaml"] + "offers: {tenn: on}\n"},
            "shops/acme.yaml:10: there is no offer 'tenn' (did you mean 'ten'?)",
        ),
        (
            {"offers/ten.yaml": "kind: unique\namount: {EUR: 5}\n"},
            "offers/ten.yaml:2: the shop 'acme' gives this, and no amount is said in its currency, GBP",
        ),
        (
            {"offers/ten.yaml": TEN + "minimum: {EUR: 5}\n"},
            "offers/ten.yaml:4: the shop 'acme' gives this, and no minimum is said in its currency, GBP",
        ),
        (
            {"offers/ten.yaml": "kind: unique\ngift: {product: 1, title: A cup}\n"},
            "offers/ten.yaml:2: the shop 'acme' gives this, and no worth is said in its currency, GBP",
        ),
        (
            {"offers/ten.yaml": "kind: pool\npercent: 10\n"},
            "offers/ten.yaml:1: the offer's codes are missing (add offers/ten.csv or .txt, one code a line)",
        ),
        ({"offers/ten.csv": "A-1\n"}, "offers/ten.csv: the offer 'ten' is unique and gives none of these"),
        ({"offers/tenn.csv": "A-1\n"}, "offers/tenn.csv: there is no offer 'tenn' that gives these codes"),
        (
            {"offers/ten.yaml": "kind: pool\npercent: 10\n", "offers/ten.csv": "A-1\n", "offers/ten.txt": "B-2\n"},
            "offers/ten.txt: offers/ten.csv holds codes of this offer already (put all of them into one file)",
        ),
        (
            {"offers/ten.yaml": "kind: pool\npercent: 10\n", "offers/ten.csv": "A-1\na-1\n"},
            "offers/ten.csv:2: “a-1” stands on line 1 already",
        ),
        (
            {
                "offers/ten.yaml": "kind: pool\npercent: 10\n",
                "offers/ten.csv": "A-1\n",
                "shops/other.yaml": SHOP,
            },
            "offers/ten.yaml:1: which shop takes these codes? (add a line shop: with one of acme, other)",
        ),
        ({"offers/ten.yaml": TEN + "shop: acmee\n"}, "offers/ten.yaml:4: there is no shop 'acmee'"),
        (
            {"emails/gift/body.html": GIFT.replace("coupon.code", "coupon.cod")},
            "emails/gift/body.html:2: 'coupon' has no 'cod' (did you mean 'code'?)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(files: dict[str, str], message: str) -> None:
    assert any(message in problem for problem in said(files)), said(files)


@pytest.mark.parametrize(
    "body",
    [
        "{% if coupon %}{{ coupon.value }}{% endif %}",
        "{% if coupon.value %}{{ coupon.value }}{% endif %}",
        "{% if coupon and event.items %}{{ coupon.value }}{% endif %}",
        '{% if coupon.kind in ("percent", "amount") %}{{ coupon.value }}{% endif %}',
        "{% if not coupon %}none{% else %}{{ coupon.value }}{% endif %}",
        "{% if event.items %}x{% elif coupon %}{{ coupon.value }}{% endif %}",
        "{{ coupon.value if coupon else 'none' }}",
        "{{ coupon.link or shop.url }}",
        "{{ coupon.value | default('none') }}",
    ],
)
def test_what_shows_a_coupon_only_where_there_is_one_may_be_sent_without(body: str) -> None:
    files = {"emails/gift/body.html": BASE["emails/reminder/body.html"] + body, "flows/gifts.yaml": HEAD + STEP}
    assert said(files) == []


STEP = "steps:\n  - email: gift\n"


@pytest.mark.parametrize(
    "body",
    [
        "{{ coupon.value }}",
        "{% if event.items %}{{ coupon.value }}{% endif %}",
        "{% if not coupon %}{{ coupon.value }}{% endif %}",
        '{% if coupon.kind != "gift" %}{{ coupon.value }}{% endif %}',
        "{% if coupon %}x{% else %}{{ coupon.value }}{% endif %}",
        "{% if coupon or event.items %}{{ coupon.value }}{% endif %}",
    ],
)
def test_what_shows_it_whatever_happens_may_not(body: str) -> None:
    files = {"emails/gift/body.html": BASE["emails/reminder/body.html"] + body, "flows/gifts.yaml": HEAD + STEP}
    assert any("shows coupon.value, and this step gives none" in problem for problem in said(files))


def test_a_code_alone_is_enough_for_a_mail_that_shows_no_more() -> None:
    body = BASE["emails/reminder/body.html"] + '{{ coupon.code }} <a href="{{ coupon.link }}">Use it</a>'
    files = {"emails/gift/body.html": body, "flows/gifts.yaml": FLOW.replace("offer: ten", "code: TEN")}
    assert said(files) == []


def test_short_texts_are_held_to_it_too() -> None:
    files = {
        "sms/hi.txt": "{{ shop.name }}: use {{ coupon.code }}. Reply STOP to opt out",
        "flows/gifts.yaml": FLOW + "  - sms: hi\n",
        "shops/acme.yaml": BASE["shops/acme.yaml"] + 'channels: [sms]\nsms: {sender: "+447700900000"}\n',
    }
    assert any("the SMS 'hi' shows coupon.code, and this step gives none" in problem for problem in said(files))
    assert said(files | {"flows/gifts.yaml": FLOW + "  - sms: hi\n    offer: ten\n"}) == []


def test_words_that_nobody_has_written_are_a_doubt() -> None:
    shop = BASE["shops/acme.yaml"].replace("locale: en-GB", "locale: de-DE")
    files = {"offers/ten.yaml": "kind: unique\nfree_shipping: true\n", "shops/acme.yaml": shop}
    doubts = [str(one) for one in validate({p: t.encode() for p, t in (BASE | files).items()}).warnings]
    assert any("whoever reads 'de' is told in English what this is (add de under says:)" in doubt for doubt in doubts)
    told = files | {"offers/ten.yaml": "kind: unique\nfree_shipping: true\nsays: {de: versandfrei}\n"}
    assert not [
        one for one in validate({p: t.encode() for p, t in (BASE | told).items()}).warnings if "reads" in str(one)
    ]


def test_what_ships_is_off_until_a_shop_names_it_and_right_when_it_does() -> None:
    for switches in ("", "offers: {cart-reminder: on}\n"):
        shop = SHOP.replace("locale: en-GB", "locale: en-GB\nlocales: [en, ar, zh-Hant]")
        files = some("cart-abandonment") | {
            "shops/acme.yaml": (shop + "flows: {cart-abandonment: on}\n" + switches).encode()
        }
        verdict = validate(files)
        assert verdict.problems == ()
        assert verdict.published is not None
        given = verdict.published.playbook.offer("cart-reminder", "acme")
        assert (given is not None) == bool(switches)
        assert isinstance(verdict.published.playbook.shops["acme"], Shop)
