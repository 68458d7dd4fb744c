"""Text and push messages in languages: the words of mails by the same rules, tried out before anybody gets them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rekindle.content.formats import Format
from rekindle.content.playbook import Mails
from rekindle.content.samples import SAMPLE_SHOP
from rekindle.content.shorts import CompiledShort, compile_push, compile_sms
from rekindle.content.texts import SmsTemplate
from rekindle.content.tracker import Tracker
from rekindle.content.validate import Verdict, validate
from rekindle.domain.facts import Person
from rekindle.domain.profile import Profile, Run
from tests.content.test_validate import HEAD, SHOP
from tests.support.build import at, checkout

BASE = {
    "back.txt": "{{ shop.name }}: {{ texts.hello }} {{ texts.left }} https://acme.example/x {{ texts.stop }}",
    "back/texts/en.yaml": (
        "hello: Hi {{ profile.first_name | default('there') }}!\n"
        "left:\n  count: event.item_count\n  one: One thing waits.\n  other: '{{ event.item_count }} things wait.'\n"
    ),
    "back/texts/ar.yaml": (
        "hello: أهلا {{ profile.first_name | default('بك') }}!\n"
        "left: {count: event.item_count, zero: لا شيء, one: شيء واحد, two: شيئان, few: أشياء, many: شيئا, other: شيء}\n"
    ),
    "_shared/texts/en.yaml": "stop: Reply STOP to opt out\n",
    "_shared/texts/ar.yaml": "stop: للإلغاء أرسل إيقاف\n",
}


def sms(files: dict[str, str], wanted: tuple[str, ...] = ("en", "ar")) -> CompiledShort[SmsTemplate]:
    found, problems = compile_sms("back", files, wanted)
    assert not problems, problems
    assert found is not None
    return found


def problems(files: dict[str, str], wanted: tuple[str, ...] = ("en",)) -> list[str]:
    return [str(problem) for problem in compile_sms("back", files, wanted)[1]]


def said(found: CompiledShort[SmsTemplate], locale: str, **person: str) -> tuple[str, list[str]]:
    """Return what the message says to somebody, and where its links lead."""
    formats = {"ar": Format(locale="ar", language="ar", rtl=True), "en": Format(locale="en", language="en")}
    mails = Mails(
        hash="h", sms={"back": found.template}, sms_translations={"back": found.translations},
        shops={SAMPLE_SHOP.id: SAMPLE_SHOP}, formats=formats,
    )  # fmt: skip
    run = Run(
        id="r", flow="f", version="v", playbook="h", entered_at=at(), expires_at=at(), trigger=checkout(at()).data,
        event_type="checkout.updated",
    )  # fmt: skip
    profile = Profile(id="p", shop=SAMPLE_SHOP.id, person=Person(locale=locale, **person))
    tracker = Tracker("https://l.example", "t")
    text = mails.text("back", profile=profile, run=run, products={}, links={}, tracker=tracker)
    return text, tracker.targets


def test_everybody_reads_their_own_language_with_its_own_plural() -> None:
    found = sms(BASE)
    english, targets = said(found, "en-GB", first_name="Ada")
    assert english == "Sample Shop: Hi Ada! One thing waits. https://l.example/c/t/0 Reply STOP to opt out"
    assert targets == ["https://acme.example/x"]
    arabic, _ = said(found, "ar-EG")
    assert "شيء واحد" in arabic
    assert "للإلغاء أرسل إيقاف" in arabic
    assert said(found, "fr")[0].startswith("Sample Shop: Hi there!")


def test_what_is_put_into_a_text_from_right_to_left_is_isolated() -> None:
    arabic, _ = said(sms(BASE), "ar", first_name="Ada")
    assert "\u2068Ada\u2069" in arabic
    assert "\u2068" not in said(sms(BASE), "en", first_name="Ada")[0]


def test_a_language_may_have_the_whole_message_to_itself() -> None:
    found = sms({"back.txt": "{{ shop.name }}: come back", "back/zh-Hant.txt": "{{ shop.name }}：等您回來"}, ("zh-TW",))
    assert found.template.locale == "zh-Hant"
    assert said(found, "zh-HK")[0] == "Sample Shop：等您回來"


def test_a_plain_message_is_taken_to_be_in_every_language_that_shops_write_in() -> None:
    found = sms({"back.txt": "Hi"}, ("de-DE", "fr"))
    assert {found.template.locale, *found.translations} == {"de", "fr"}
    assert found.gaps == ()


def test_a_text_that_a_language_lacks_is_a_gap_with_its_cure() -> None:
    files = BASE | {"back/texts/ar.yaml": "hello: أهلا\n"}
    (gap,) = sms(files).gaps
    error = gap.error()
    assert (error.file, error.hint) == ("sms/back/texts/ar.yaml", "add a line left: …")
    assert error.message == "the text 'left' is not there in Arabic, and sms/back.txt:1 uses it"
    (lacking,) = sms(BASE, ("en", "ar", "de")).gaps
    assert "sms/back.txt: the text is not written in German" in str(lacking.error())


@pytest.mark.parametrize(
    ("files", "said_"),
    [
        ({"back.txt": " \n"}, "sms/back.txt:1: the text is empty"),
        ({"back.txt": "Hi {{ profile.frist_name }}"}, "sms/back.txt:1: 'profile' has no 'frist_name'"),
        ({"back.txt": "a\nb {{ texts.nothing }}"}, "sms/back.txt:2: there is no text 'nothing'"),
        ({"back.txt": "a\n{% if profile.email %}x"}, "sms/back.txt:2: {% if … %} has no end"),
        ({"back.txt": "{{ texts.a }}", "back/texts/en.yaml": "a: <b>x</b>"}, "“<b” would be shown"),
        ({"back.txt": "{{ recommend.similar }}"}, "recommend.similar"),
        ({"back/ar.txt": "x", "back/texts/en.yaml": "a: b"}, "sms/back: the text is there in some languages only"),
        ({"back.txt": "x", "back/texts/en-XX1.yaml": "a: b"}, "“en-XX1” is no language"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(files: dict[str, str], said_: str) -> None:
    assert any(said_ in problem for problem in problems(files)), problems(files)


def test_a_push_message_has_its_words_by_language_and_an_address_that_counts() -> None:
    files = {
        "back.yaml": "title: '{{ texts.title }}'\nbody: '{{ texts.body }}'\nurl: '{{ event.recovery_url }}'\n",
        "back/texts/en.yaml": "title: Hi\nbody: Come back\n",
        "back/texts/ar.yaml": "title: أهلا\nbody: عد {{ profile.first_name }}\n",
    }
    found, wrong = compile_push("back", files, ("en", "ar"))
    assert (wrong, found and found.template.title) == ((), "Hi")
    assert found is not None
    assert found.translations["ar"].body == "عد \u2068{{ profile.first_name }}\u2069"
    assert found.template.url == found.translations["ar"].url == "{{ event.recovery_url | _link }}"


# --- the whole set ---------------------------------------------------------------------------------------------------


def look(text: str, sender: str = "'+447700900000'", **files: str) -> Verdict:
    shop = SHOP + f"flows: {{x: on}}\nlocales: [en]\nchannels: [sms, push]\nsms: {{sender: {sender}}}\n"
    given = {
        "flows/x.yaml": f"{HEAD}steps:\n  - sms: hi\n",
        "sms/hi.txt": text,
        "shops/acme.yaml": shop,
        **{
            name.replace("__", "/").replace("_yaml", ".yaml").replace("_json", ".json"): one
            for name, one in files.items()
        },
    }
    return validate({path: one.encode() for path, one in given.items()})


def texts_of(found: Any) -> list[str]:
    return [str(one) for one in found]


def test_a_marketing_text_says_who_writes_and_how_to_get_no_more() -> None:
    assert not look("{{ shop.name }}: hi. Reply STOP to opt out").problems
    assert not look("{{ shop.name }}: hi {{ links.unsubscribe }}").problems
    assert not look("{{ shop.name }}：您好。回覆「退訂」").problems
    assert "say who writes" in texts_of(look("Hi. STOP?").problems)[0]
    assert "how to get no more" in texts_of(look("{{ shop.name }}: nonstop sale").problems)[0]


def test_a_name_that_nobody_can_answer_needs_a_link() -> None:
    assert "nobody can answer" in texts_of(look("{{ shop.name }}: hi. STOP?", "ACME").problems)[0]
    assert not look("{{ shop.name }}: hi {{ links.unsubscribe }}", "ACME").problems
    assert not look("{{ shop.name }}: hi. STOP?", "pool-0a1b").problems


def test_a_transactional_text_need_say_neither() -> None:
    flow = f"{HEAD}steps:\n  - sms: hi\n    category: transactional\n"
    assert not look("Your parcel is there", flows__x_yaml=flow).problems


def test_long_and_costly_texts_are_doubted_with_what_they_cost() -> None:
    many = look("{{ shop.name }}: " + "a" * 500 + " STOP")
    assert not many.problems
    assert "it is paid as 4 texts" in texts_of(many.warnings)[0]
    emoji = look("{{ shop.name }}: " + "a" * 90 + " ☕ STOP")
    assert "“☕” makes 2 texts of what would be 1 without" in texts_of(emoji.warnings)[0]
    assert not look("{{ shop.name }}: Ada’s “tea” – " + "a" * 90 + " STOP").warnings


def test_a_sample_says_how_long_a_text_gets() -> None:
    text = "{{ shop.name }}: {% for item in event.items %}{{ item.title }} {% endfor %}STOP"
    assert not look(text).warnings
    basket = {"type": "basket", "id": "b", "updated_at": "2026-01-01T00:00:00Z", "items": [{"title": "t" * 190}] * 3}
    sample = json.dumps({"event": basket})
    assert "it is paid as 4 texts" in texts_of(look(text, sms__hi__sample_json=sample).warnings)[0]


def test_titles_that_screens_cut_are_doubted() -> None:
    found = look(
        "{{ shop.name }}: hi. STOP",
        flows__x_yaml=f"{HEAD}steps:\n  - push: hey\n",
        push__hey_yaml=f"title: {'t' * 60}\nbody: {'b' * 200}\n",
    )
    assert [text.partition(" (")[0] for text in texts_of(found.warnings)] == [
        "push/hey.yaml:1: the body has 200 characters, and screens show about 150",
        "push/hey.yaml:1: the title has 60 characters, and screens show about 50",
    ]


def test_a_language_that_the_shop_writes_in_must_be_there() -> None:
    found = look("{{ shop.name }}: {{ texts.hi }}. STOP", sms__hi__texts__de_yaml="hi: Hallo\n")
    assert "the text is not written in English" in texts_of(found.problems)[0]
