"""One body, many languages: where its texts come from, how they count, and what is said when one is not there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from babel import Locale
from babel.localedata import locale_identifiers

from rekindle.content import locales, sandbox
from rekindle.content.brand import Brand
from rekindle.content.catalogues import read_catalogue
from rekindle.content.compile import CompiledMail, compile_mail
from rekindle.content.mails import MailTemplate, Rendered
from rekindle.content.playbook import Mails
from rekindle.content.samples import SAMPLE_SHOP, Sample, SamplePerson
from rekindle.content.validate import Verdict, validate
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Basket, Item
from tests.support.build import T0

BODY = "<!doctype html><html lang='{{ mail.lang }}' dir='{{ mail.dir }}'><head></head><body>{words}</body></html>"


def made(files: dict[str, str], wanted: tuple[str, ...] = ()) -> tuple[CompiledMail | None, tuple[ContentError, ...]]:
    """Return the mail `m`; in `body.html` stands what is said, within a page."""
    named = {"m/subject.txt": "Hi"} | {
        path if path.startswith("_") else f"m/{path}": BODY.replace("{words}", text) if path == "body.html" else text
        for path, text in files.items()
    }
    return compile_mail("m", named, Brand(), wanted=wanted)


def right(files: dict[str, str], wanted: tuple[str, ...] = ()) -> CompiledMail:
    found, problems = made(files, wanted)
    assert problems == ()
    assert found is not None
    return found


def wrong(files: dict[str, str]) -> str:
    _, problems = made(files)
    assert len(problems) == 1, problems
    return str(problems[0])


def said(mail: CompiledMail, locale: str, *, count: int = 0, shop: Any = SAMPLE_SHOP, **person: Any) -> Rendered:
    """Return the mail to somebody who reads this locale, about so many things."""
    templates: dict[str, MailTemplate] = {mail.template.locale: mail.template, **mail.translations}
    formats = {tag: locales.freeze_language(tag) for tag in templates}
    mails = Mails(
        hash="h",
        templates={"m": mail.template},
        translations={"m": mail.translations},
        shops={shop.id: shop},
        formats={shop.locale: locales.freeze(shop.locale), **formats},
    )
    basket = (
        Basket(id="b", updated_at=T0, items=(Item(title="Tea", quantity=count),), currency="EUR") if count else None
    )
    return Sample(profile=SamplePerson(**person), event=basket).build("m", shop, mails, locale)


GREETING = {
    "subject.txt": "{{ texts.subject }}",
    "preheader.txt": "{{ texts.peek }}",
    "body.html": "<div>{{ preheader }}</div><p>{{ texts.hello }}</p>",
    "texts/en.yaml": "subject: Hello & welcome\npeek: 5 < 6\nhello: Hello, <b>{{ profile.first_name }}</b>!\n",
    "texts/ar.yaml": "subject: أهلًا\npeek: مرحبًا\nhello: أهلًا <b>{{ profile.first_name }}</b>!\n",
    "texts/zh-Hant.yaml": "subject: 歡迎\npeek: 您好\nhello: <b>{{ profile.first_name }}</b>，您好！\n",
}


@pytest.mark.parametrize(
    ("reader", "shop", "subject"),
    [
        ("ar-SA", "en", "أهلًا"),
        ("zh-TW", "en", "歡迎"),
        ("zh-HK", "en", "歡迎"),
        ("en-GB", "ar", "Hello & welcome"),
        ("fr", "ar-AE", "أهلًا"),
        ("zh-CN", "ar", "أهلًا"),
        ("fr", "de", "Hello & welcome"),
        ("", "zh-Hant-TW", "歡迎"),
    ],
)
def test_everybody_is_written_to_in_their_language(reader: str, shop: str, subject: str) -> None:
    """Theirs, else the shop's, else English."""
    where = msgspec.structs.replace(SAMPLE_SHOP, locale=shop)
    assert said(right(GREETING), reader, shop=where, first_name="Ann").subject == subject


def test_the_words_stand_in_the_page_of_their_language() -> None:
    mail = right(GREETING)
    english, arabic = said(mail, "en", first_name="Ann & Co"), said(mail, "ar", first_name="Ann & Co")
    assert mail.translations.keys() == {"ar", "zh-Hant"}
    assert '<html lang="en" dir="ltr">' in english.html
    assert '<html lang="ar" dir="rtl">' in arabic.html
    assert "<div>5 &lt; 6</div><p>Hello, <b>Ann &amp; Co</b>!</p>" in english.html
    assert english.text.strip() == "5 < 6\n\nHello, Ann & Co!"


def test_from_right_to_left_a_value_cannot_turn_its_neighbours_round() -> None:
    """In HTML by a direction of its own; in the text part and the subject by Unicode's isolates, always in pairs."""
    files = GREETING | {
        "texts/ar.yaml": "subject: أهلًا {{ profile.first_name }}\npeek: م\nhello: أهلًا {{ profile.first_name }}!"
    }
    mail = said(right(files), "ar", first_name="Ann")
    assert mail.subject == "أهلًا \u2068Ann\u2069"
    assert '<span dir="auto">Ann</span>!' in mail.html
    assert "أهلًا \u2068Ann\u2069!" in mail.text
    nameless = said(right(files), "ar")
    assert "\u2068" not in nameless.subject + nameless.text
    assert "data-text" not in nameless.html


def test_dates_and_prices_are_written_as_the_reader_does() -> None:
    """By their region, if it speaks the mail's language; who gets a mail in another language gets its dates too."""
    files = {
        "body.html": "<p>{{ '2026-03-02' | date('short') }} · {{ texts.x }} {{ '1234.5' | money }} · "
        "{{ ['a', 'b', 'c'] | list }}</p>",
        "texts/en.yaml": "x: for",
        "texts/ar.yaml": "x: بـ",
    }
    mail = right(files)
    assert said(mail, "en-GB").text.strip() == "02/03/2026 · for €1,234.50 · a, b and c"
    assert said(mail, "en-US").text.strip() == "3/2/26 · for €1,234.50 · a, b, and c"
    assert said(mail, "de-AT").text.strip() == "3/2/26 · for €1,234.50 · a, b, and c"
    assert "2\u200f/3\u200f/2026" in said(mail, "ar-SA").text
    assert "a وb وc" in said(mail, "ar-SA").text


# --- counting --------------------------------------------------------------------------------------------------------

COUNTED = {
    "body.html": "<p>{{ texts.things }}</p>",
    "texts/en.yaml": "things:\n  count: event.item_count\n  one: one thing\n  other: '{{ count }} things'\n",
    "texts/ar.yaml": "things:\n  count: event.item_count\n  zero: صفر\n  one: واحد\n  two: اثنان\n"
    "  few: بضعة\n  many: كثير\n  other: غيرها\n",
    "texts/pl.yaml": "things:\n  count: event.item_count\n  one: rzecz\n  few: rzeczy\n  many: wiele\n  other: x\n",
}


@pytest.mark.parametrize(
    ("locale", "count", "words"),
    [
        ("en", 1, "one thing"), ("en", 2, "2 things"), ("en", 0, "0 things"),
        ("ar", 0, "صفر"), ("ar", 1, "واحد"), ("ar", 2, "اثنان"), ("ar", 10, "بضعة"), ("ar", 11, "كثير"),
        ("ar", 100, "غيرها"),
        ("pl", 1, "rzecz"), ("pl", 22, "rzeczy"), ("pl", 12, "wiele"),
    ],
)  # fmt: skip
def test_a_text_counts_as_its_language_does(locale: str, count: int, words: str) -> None:
    assert said(right(COUNTED), locale, count=count).text.strip() == words


def test_every_language_counts_by_its_own_rules() -> None:
    """What Babel decides for a number, the template decides too: in all languages that CLDR knows."""
    tried: set[tuple[tuple[str, str], ...]] = set()
    for tag in locale_identifiers():
        rules = locales.plural_rules(tag.replace("_", "-")) if "_" not in tag else ()
        if not rules or rules in tried:
            continue
        tried.add(rules)
        source = (
            "{% if false %}"
            + "".join(f"{{% elif {rule} %}}{form}" for form, rule in rules)
            + "{% else %}other{% endif %}"
        )
        template = sandbox.compiled(source, tag, html=True)
        expected = Locale.parse(tag).plural_form
        for number in (*range(130), 1_000, 1_001, 1_000_000, 2_000_000):
            assert sandbox.run(template, {"count": number}, sandbox.Budget()) == expected(number), (tag, number)
    assert len(tried) > 30


# --- where texts come from -------------------------------------------------------------------------------------------


def test_a_text_of_the_mail_comes_before_one_that_all_share() -> None:
    files = {
        "body.html": "<p>{{ texts.a }} {{ texts.b }}</p>",
        "texts/en.yaml": "a: own",
        "_layout/texts/en.yaml": "a: shared a\nb: shared b",
    }
    assert "<p>own shared b</p>" in right(files).template.html


def test_a_region_says_only_what_it_says_otherwise() -> None:
    files = {
        "body.html": "<p>{{ texts.colour }} {{ texts.tea }}</p>",
        "texts/en.yaml": "colour: color\ntea: tea",
        "texts/en-GB.yaml": "colour: colour",
    }
    mail = right(files)
    assert mail.gaps == ()
    assert "colour tea" in said(mail, "en-GB").text
    assert "color tea" in said(mail, "en-AU").text


def test_a_whole_file_of_a_language_stands_in_for_the_one_of_all() -> None:
    """For a mail that needs other pictures, or another order, in a language."""
    mail = right(
        {"body.html": "<p>Hello</p>", "ar/body.html": BODY.replace("{words}", "<p>أهلًا</p>"), "ar/subject.txt": "أهلًا"},
        ("en",),
    )
    assert said(mail, "ar").text.strip() == "أهلًا"
    assert said(mail, "en").subject == "أهلًا"
    both = right(
        {
            "body.html": "<p>{{ texts.x }}</p>",
            "texts/en.yaml": "x: Hello",
            "ar/body.html": BODY.replace("{words}", "<p>أهلًا</p>"),
        }
    )
    assert said(both, "ar").text.strip() == "أهلًا"
    assert said(both, "en").text.strip() == "Hello"


def test_a_mail_in_one_wording_is_in_the_languages_of_the_shops() -> None:
    """What it shares with others is in each of them; a German shop's own mail is not called English."""
    files = {
        "body.html": "<p>Hallo {{ texts.bye }}</p>",
        "_layout/texts/de.yaml": "bye: Tschüss",
        "_layout/texts/en.yaml": "bye: Bye",
    }
    mail = right(files, ("de-AT", "en-GB"))
    assert "Hallo Tschüss" in said(mail, "de").text
    assert "Hallo Bye" in said(mail, "en").text
    assert '<html lang="de" dir="ltr">' in said(mail, "de-DE").html
    assert right(files, ("de-AT",)).template.locale == "de"


def test_a_text_can_be_a_value_where_it_is_words() -> None:
    files = {
        "body.html": "{% with label=texts.go %}<a href='https://a.example'>{{ label }}</a>{% endwith %}"
        "<p>{{ event.number | default(texts.none) }}{% if mail.dir == 'ltr' %}→{% endif %}</p>",
        "texts/en.yaml": 'go: Look & "see"\nnone: nothing \\ here',
    }
    html = said(right(files), "en").html
    assert "Look &amp; &#34;see&#34;</a>" in html
    assert "<p>nothing \\ here→</p>" in html


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"body.html": "<p>\n{{ texts.titel }}</p>", "texts/en.yaml": "title: x"},
            "body.html:2: there is no text 'titel' (did you mean 'title'?)",
        ),
        ({"body.html": "<p>{{ texts.a }}</p>"}, "body.html:1: there is no text 'a' (add it to emails/m/texts/en.yaml)"),
        (
            {"body.html": "<p>{{ mail.direction }}</p>"},
            "body.html:1: 'mail' has no 'direction' (there are lang, dir, start, end)",
        ),
        (
            {"body.html": "<p>{{ texts.a }}</p>", "texts/en.yaml": "\na: '{{ profil.first_name }}'"},
            "texts/en.yaml:2: unknown name 'profil' (did you mean 'profile'?)",
        ),
        (
            {"body.html": "<p>{{ texts.a }}</p>", "texts/en.yaml": "a: '{{ profile.email'"},
            "texts/en.yaml:1: {{ is not closed (end it with }})",
        ),
        (
            {"body.html": "<p>{{ texts.a }}</p>", "texts/en.yaml": "a: '{% for x in event.items %}{% endfor %}'"},
            "texts/en.yaml:1: {% for %} in a text",
        ),
        (
            {"body.html": "<p>{{ texts.a }}</p>", "texts/en.yaml": "a: '{{ texts.b }}'\nb: x"},
            "texts/en.yaml:1: a text cannot use another text (write its words here)",
        ),
        (
            {"body.html": "<p>x</p>", "subject.txt": "{{ texts.a }}", "texts/en.yaml": "a: <b>x</b>"},
            "texts/en.yaml:1: “<b” would be shown as it is written: no HTML can",
        ),
        (
            {"body.html": "<p>{{ event.number | default(texts.a) }}</p>", "texts/en.yaml": "a: '{{ shop.name }}'"},
            "body.html:1: the text 'a' has values or HTML in it: here it must be words",
        ),
        (
            {"body.html": "<p>x</p>", "texts/en.yaml": "a: [x]"},
            "texts/en.yaml:1: 'a' is a list (a text is one line, or several after | or >)",
        ),
        (
            {"body.html": "<p>x</p>", "texts/en.yaml": "A b: x"},
            "texts/en.yaml:1: “A b” cannot be a text's name (use small letters, digits and _)",
        ),
        (
            {"body.html": "<p>x</p>", "texts/en.yaml": "a: ''"},
            "texts/en.yaml:1: the text 'a' is empty (write it, or remove the line)",
        ),
        (
            {"body.html": "<p>x</p>", "texts/en.yaml": "just words"},
            "texts/en.yaml:1: the catalogue has no texts (write one text a line: title: Welcome)",
        ),
        ({"body.html": "<p>x</p>", "texts/en.yaml": "a: x\na: y"}, "texts/en.yaml:2: "),
        (
            {"body.html": "<p>x</p>", "texts/klingon.yaml": "a: x"},
            "texts/klingon.yaml:1: “klingon” is no language (name the file by language",
        ),
        (
            {"body.html": "<p>x</p>", "texts/zh-TW.yaml": "a: x", "texts/zh-Hant-TW.yaml": "a: x"},
            "texts/zh-TW.yaml:1: emails/m/texts/zh-Hant-TW.yaml is the same language",
        ),
        (
            {"body.html": "<p>x</p>", "texts/pl.yaml": "a:\n  count: event.item_count\n  one: x\n  other: y"},
            "texts/pl.yaml:1: 'a' lacks few and many (Polish counts in one, few, many, other: write each)",
        ),
        (
            {"body.html": "<p>x</p>", "texts/en.yaml": "a:\n  one: x\n  other: y"},
            "texts/en.yaml:1: 'a' does not say what it counts (add count:",
        ),
        (
            {
                "body.html": "<p>x</p>",
                "texts/en.yaml": "a:\n  count: event.item_count\n  one: x\n  lots: y\n  other: z",
            },
            "texts/en.yaml:4: 'a' has no form 'lots' (there are one, other)",
        ),
        (
            {"body.html": "<p>x</p>", "ar/hero.html": "x", "ar/subject.txt": "x"},
            "ar/hero.html: a mail has no such file",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_where_it_stands(files: dict[str, str], message: str) -> None:
    assert wrong(files).removeprefix("emails/m/").startswith(message)


def test_the_text_of_no_catalogue_is_a_surprise() -> None:
    """YAML's own mistakes have their line."""
    _, problems = read_catalogue("a: 'x", "emails/m/texts/en.yaml")
    assert str(problems[0]).startswith("emails/m/texts/en.yaml:1: not valid YAML")


# --- the set ---------------------------------------------------------------------------------------------------------

SHOP = """\
name: Acme
platform: shopify
url: https://acme.example
sender: {name: Acme, email: hello@acme.example}
postal_address: Acme Ltd, 1 High Street, London N1
currency: GBP
locale: en-GB
zone: Europe/London
"""
FLOW = "enabled: true\ntrigger: {event: order.placed}\ncategory: transactional\nsteps:\n  - email: m\n"


def looked_at(shop: str, texts: dict[str, str], flow: str = FLOW) -> Verdict:
    files = {
        "emails/m/subject.txt": "{{ texts.subject }}",
        "emails/m/body.html": BODY.replace("{words}", "<p>{{ texts.hello }}</p>"),
        "emails/m/mail.yaml": "category: transactional",
        "emails/m/sample.json": "{}",
        "flows/f.yaml": flow,
        "shops/acme.yaml": SHOP + shop,
        **{f"emails/m/texts/{locale}.yaml": text for locale, text in texts.items()},
    }
    return validate({path: text.encode() for path, text in files.items()})


WHOLE = "subject: S\nhello: H\n"


@pytest.mark.parametrize(
    ("shop", "flow", "locale", "text", "problem"),
    [
        (
            "locales: [en, ar]\n", FLOW, "ar", "subject: س\n",
            (
                "emails/m/texts/ar.yaml: the text 'hello' is not there in Arabic, and emails/m/body.html:1 uses it "
                "(add a line hello: …)"
            ),
        ),
        (
            "locales: [en, fr]\n", FLOW, "ar", WHOLE,
            (
                "emails/m: the mail is not written in French (add emails/m/texts/fr.yaml, or list in the shop's file "
                "the languages that it writes in: locales: [en])"
            ),
        ),
    ],
)  # fmt: skip
def test_what_a_shop_writes_in_must_be_there(shop: str, flow: str, locale: str, text: str, problem: str) -> None:
    """Nobody gets half a mail in another language."""
    verdict = looked_at(shop, {"en": WHOLE, locale: text}, flow)
    assert [str(one) for one in verdict.problems] == [problem]
    assert verdict.published is None


@pytest.mark.parametrize(
    ("shop", "flow"),
    [
        ("", FLOW),
        ("locales: [en, ar]\nflows: {f: off}\n", FLOW),
        ("locales: [en, ar]\n", FLOW.replace("true", "false")),
    ],
    ids=["not listed", "off in the shop", "off"],
)
def test_elsewhere_it_is_a_doubt_and_english_stands_in(shop: str, flow: str) -> None:
    """A translation may be half done while nobody gets it."""
    verdict = looked_at(shop, {"en": WHOLE, "ar": "subject: س\n"}, flow)
    assert verdict.problems == ()
    assert [one.file for one in verdict.warnings] == ["emails/m/texts/ar.yaml"]
    assert verdict.published is not None
    assert "<p>H</p>" in verdict.published.mails.translations["m"]["ar"].html


def test_a_text_that_nothing_uses_is_pointed_at() -> None:
    verdict = looked_at("", {"en": WHOLE + "helo: H\n"})
    assert [str(one) for one in verdict.warnings] == [
        "emails/m/texts/en.yaml:3: nothing uses the text 'helo' (remove it, or use it: {{ texts.helo }})"
    ]


def test_every_language_is_tried_with_its_sample() -> None:
    """An Arabic text that fails is found before an Arab customer finds it."""
    verdict = looked_at("", {"en": WHOLE, "ar": "subject: '{{ profile.email - 1 }}'\nhello: H\n"})
    assert [str(one) for one in verdict.problems] == [
        "emails/m/subject.txt: - is for numbers (put texts together with ~)"
    ]


def test_a_change_of_a_translation_is_a_change() -> None:
    one, other = (looked_at("", {"en": WHOLE, "ar": text}).published for text in (WHOLE, WHOLE.replace("H", "ه")))
    assert one is not None
    assert other is not None
    assert one.hash != other.hash
