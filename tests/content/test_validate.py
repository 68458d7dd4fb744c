"""The content as one set: what flows, segments, texts and shops say of one another must be there, and fit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rekindle.content.texts import PushTemplate, SmsTemplate
from rekindle.content.validate import CLIPPED, Verdict, validate
from rekindle.flow.program import Manners, Tier

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
MAILS = {
    "emails/note/subject.txt": "Look at this",
    "emails/note/body.html": "<p>Somebody is not happy.</p>",
    "emails/note/mail.yaml": "category: transactional",
    "emails/note/sample.json": "{}",
    "emails/reminder/subject.txt": "Still there",
    "emails/reminder/body.html": '<p>{{ shop.postal_address }} <a href="{{ links.unsubscribe }}">Enough</a></p>',
    "emails/reminder/sample.json": "{}",
}
HEAD = "trigger: {event: checkout.updated, when: event.items}\n"


def looked_at(**texts: str) -> Verdict:
    """Return the verdict on these files; `flows_x` is `flows/x.yaml`, and so on for what is not a mail."""
    folders = {"sms": "txt"}
    named = {}
    for name, text in texts.items():
        folder, _, rest = name.partition("_")
        path = f"{folder}/{rest.replace('_', '-')}.{folders.get(folder, 'yaml')}" if rest else f"{folder}.yaml"
        named[path] = text
    return validate({path: text.encode() for path, text in (named | MAILS).items()})


def wrong(**texts: str) -> list[str]:
    return [str(problem) for problem in looked_at(**texts).problems]


def test_everything_is_published_in_its_place() -> None:
    """Segments and manners with the flows, short texts with the mails."""
    verdict = looked_at(
        flows_hello=HEAD + "steps:\n  - sms: hello\n  - push: hello\n  - email: reminder\n  - notify: note\n",
        segments_vip="when: profile.spent > shop.values.line",
        segments_rest="when: not in_segment('vip')",
        manners="otherwise: wait",
        traits="tea: text",
        sms_hello="{{ shop.name }}: hi {{ profile.first_name | default('there') }}. STOP ends it\n",
        push_hello="title: Hi\nbody: '{{ event.item_count }} things'\nurl: https://acme.example",
        shops_acme=SHOP + "flows: {hello: on}\nnotify: team@acme.example\nvalues: {line: 500, words: [a, b]}\n"
        "shipping_days: 3\nchannels: [push, sms]\nsms: {sender: '+447700900000'}\n"
        "cycle_days: 45\ntiers: {silver: {spent: 250}, gold: {spent: 600.5, orders: 10}}\n",
    )
    assert (verdict.problems, verdict.warnings) == ((), ())
    found = verdict.published
    assert found is not None
    assert set(found.playbook.segments) == {"vip", "rest"}
    assert [segment.name for segment in found.playbook.ordered_segments] == ["vip", "rest"]
    assert found.playbook.manners == Manners(otherwise="wait")
    text = "{{ shop.name | _link }}: hi {{ (profile.first_name | default('there')) | _link }}. STOP ends it"
    assert found.mails.sms == {"hello": SmsTemplate(name="hello", text=text, locale="en")}
    assert found.mails.push == {
        "hello": PushTemplate(
            name="hello",
            title="Hi",
            body="{{ event.item_count }} things",
            url='{{ "https://acme.example" | _link }}',
            locale="en",
        )
    }
    shop = found.playbook.shops["acme"]
    assert (shop.notify, shop.shipping_days, shop.channels) == ("team@acme.example", 3, ("email", "sms", "push"))
    assert shop.values == {"line": 500, "words": ("a", "b")}
    assert shop.cycle_days == 45
    assert shop.tiers == (Tier(name="silver", spent=Decimal(250)), Tier(name="gold", spent=Decimal("600.5"), orders=10))


@pytest.mark.parametrize(
    "change",
    [
        {"segments_vip": "when: profile.orders > 2"},
        {"manners": "otherwise: skip"},
        {"sms_hi": "Hi!"},
        {"push_hi": "title: Hi\nbody: Ho"},
    ],
)
def test_whatever_changes_gives_another_hash(change: dict[str, str]) -> None:
    base = {"segments_vip": "when: profile.orders > 1", "manners": "otherwise: wait", "sms_hi": "Hi"}
    one, two = looked_at(**base).published, looked_at(**base | change).published
    assert one is not None
    assert two is not None
    assert one.hash != two.hash


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (
            {"flows_x": HEAD + "steps:\n  - email: remider\n"},
            "flows/x.yaml:3: there is no mail 'remider' (did you mean 'reminder'?)",
        ),
        (
            {"flows_x": HEAD + "steps:\n  - sms: hi\n"},
            "flows/x.yaml:3: there is no SMS 'hi' (add sms/hi.txt, or correct the name)",
        ),
        (
            {"flows_x": HEAD + "steps:\n  - push: hi\n"},
            "flows/x.yaml:3: there is no push message 'hi' (add push/hi.yaml, or correct the name)",
        ),
        (
            {"flows_x": HEAD + "steps:\n  - email: note\n"},
            "flows/x.yaml:3: the mail 'note' is transactional, and this step sends it as marketing (set",
        ),
        (
            {"flows_x": HEAD + "steps:\n  - notify: reminder\n"},
            "flows/x.yaml:3: the mail 'reminder' is marketing, and this step goes to the shop's own people (write",
        ),
        (
            {
                "flows_x": "trigger: {event: order.placed}\nsteps: [{sms: hi}]",
                "sms_hi": "Go\non: {{ event.recovery_url }}",
            },
            "sms/hi.txt:2: event.recovery_url is never there: 'x', which sends this, starts on order.placed",
        ),
        (
            {"flows_x": "trigger: {segment: vip}\nsteps: [{exit: true}]", "segments_vips": "when: profile.subscribed"},
            "flows/x.yaml:1: there is no segment 'vip' (did you mean 'vips'?)",
        ),
        (
            {"flows_x": HEAD + "steps:\n  - branch:\n      - {if: in_segment('vip'), steps: [{email: reminder}]}"},
            "flows/x.yaml:4: there is no segment 'vip' (add segments/vip.yaml, or correct the name)",
        ),
        (
            {"flows_x": "trigger:\n  schedule:\n    once: 2026-11-27T10:00\n    segment: vip\nsteps: [{exit: true}]"},
            "flows/x.yaml:4: there is no segment 'vip' (add segments/vip.yaml, or correct the name)",
        ),
        (
            {"segments_a": "title: A\nwhen: in_segment('nobody')"},
            "segments/a.yaml:2: there is no segment 'nobody'",
        ),
        (
            {"segments_a": "when: in_segment('b')", "segments_b": "title: B\nwhen: in_segment('a')"},
            "segments/a.yaml:1: the segments ask for one another: a → b → a",
        ),
        (
            {"segments_a": "when: not in_segment('a')"},
            "segments/a.yaml:1: the segments ask for one another: a → a",
        ),
        (
            {"segments_a": "title: A\nwhen: profile.traits.tee == 'oolong'", "traits": "tea: text"},
            "segments/a.yaml:2: nothing ever sets the trait 'tee' (did you mean 'tea'?)",
        ),
        (
            {"segments_a": "when: profile.orders > shop.values.lne", "shops_acme": SHOP + "values: {line: 1}"},
            "segments/a.yaml:1: shop.values.lne is not set in shops/acme.yaml (did you mean 'line'?)",
        ),
        (
            {"flows_x": HEAD + "steps: [{notify: note}]", "shops_acme": SHOP + "flows:\n  x: on\n"},
            "shops/acme.yaml:10: the flow 'x' is on here and writes to the shop, which has no address for that",
        ),
        (
            {"flows_hello": HEAD + "steps: [{exit: true}]", "shops_acme": SHOP + "flows:\n  helo: on\n"},
            "shops/acme.yaml:10: there is no flow 'helo' (did you mean 'hello'?)",
        ),
        ({"sms_x": " \n"}, "sms/x.txt:1: the text is empty"),
        ({"sms_x": "x" * 1601}, "sms/x.txt:1: the text is longer than 1600 characters"),
        ({"sms_x": "one\n{{ profile.frist_name }}"}, "sms/x.txt:2: 'profile' has no 'frist_name'"),
        ({"sms_x": "one\n{% if %}"}, "sms/x.txt:2: "),
        ({"push_x": "title: Hi"}, "push/x.yaml:1: body is missing"),
        ({"push_x": "title: Hi\nbody: '{{ profile.nam }}'"}, "push/x.yaml:2: 'profile' has no 'nam'"),
        ({"push_x": "title: Hi\nbody: Ho\nurl: acme"}, "push/x.yaml:3: url: this is no address on the web"),
        ({"manners": "capz: []"}, "manners.yaml:1: 'capz' is not known here (did you mean 'caps'?)"),
        ({"traits": "Tea: text"}, "traits.yaml:1: "),
        ({"shops_acme": SHOP + "notify: nobody"}, "shops/acme.yaml:9: notify: this is no e-mail address"),
        ({"shops_acme": SHOP + "channels: [fax]"}, "shops/acme.yaml:9: channels.0: "),
        ({"shops_acme": SHOP + "shipping_days: many"}, "shops/acme.yaml:9: shipping_days: "),
        ({"shops_acme": SHOP + "tiers: {gold: {}}"}, "shops/acme.yaml:9: tiers.gold: it says nothing (write spent, "),
        ({"shops_acme": SHOP + "tiers: {gold: {spent: 0}}"}, "shops/acme.yaml:9: tiers.gold.spent: "),
        ({"segment_a": "when: profile.subscribed"}, "segment/a.yaml: nothing reads this file"),
    ],
)
def test_what_does_not_fit_is_said_once_where_it_stands(texts: dict[str, str], said: str) -> None:
    (problem,) = wrong(**texts)
    assert problem.startswith(said)


def test_a_trait_may_be_standard_declared_or_set_by_a_flow() -> None:
    assert not wrong(
        segments_a="when: profile.traits.gender == 'x' and profile.traits.tea == 'y' and profile.traits.tier == 'z'",
        traits="tea: text",
        flows_x=HEAD + "steps: [{set: {traits: {tier: z}}}]",
    )


def test_a_value_of_the_shop_is_asked_for_where_the_flow_is_on() -> None:
    """Another shop need not know it."""
    flow = HEAD + "steps:\n  - branch:\n      - {if: event.total > shop.values.line, steps: [{exit: true}]}\n"
    off = {"flows_x": flow, "shops_acme": SHOP}
    assert not wrong(**off)
    (problem,) = wrong(**off, shops_other=SHOP + "flows: {x: on}\n")
    assert "is not set in shops/other.yaml" in problem


def test_a_value_with_a_default_need_not_be_set() -> None:
    """Unless the same expression reads it without one too, however that is written."""
    spared = "profile.spent > shop.values.line | default(500)"
    assert not wrong(segments_a=f"when: {spared}", shops_acme=SHOP)
    for read in ("shop.values.line", "shop.values['line']"):
        (problem,) = wrong(segments_a=f"when: {spared} or profile.orders > {read}", shops_acme=SHOP)
        assert "shop.values.line is not set" in problem


@pytest.mark.parametrize("step", ["sms: hi", "push: hi", "audience: hi"])
def test_a_step_that_no_shop_can_do_is_warned_of(step: str) -> None:
    texts = {"flows_x": f"{HEAD}steps:\n  - {step}\n", "sms_hi": "Hi", "push_hi": "title: Hi\nbody: Ho"}
    (warning,) = looked_at(**texts, shops_acme=SHOP).warnings
    assert str(warning).startswith("flows/x.yaml:3: nobody will get it: ")
    channel = step.partition(":")[0]
    assert not looked_at(**texts, shops_acme=SHOP + f"channels: [{channel}]").warnings
    assert not looked_at(**texts).warnings


def test_one_mistake_in_a_flow_is_not_told_twice() -> None:
    """What a flow would set is not known while it cannot be read."""
    found = wrong(
        flows_x=HEAD + "steps: [{set: {traits: {tier: z}}}, {wait: soon}]",
        segments_a="when: profile.traits.tier == 'z'",
    )
    assert len(found) == 1
    assert "soon" in found[0]


def test_doubts_of_a_flow_are_warnings() -> None:
    (warning,) = looked_at(
        flows_x=HEAD + "steps:\n  - wait_for: {event: order.paid, limit: 1d}\n  - email: reminder\n"
    ).warnings
    assert "in the same way whether the event comes or not" in str(warning)


# --- how large a mail becomes ----------------------------------------------------------------------------------------


BASKET = (
    '{"event": {"type": "basket", "id": "c", "updated_at": "2026-03-02T10:15:00Z", "items": '
    '[{"title": "Tea", "quantity": 1, "url": "https://acme.example/tea"}, {"title": "Cup", "quantity": 2}]}}'
)


def size_of(each: int, items: str = "event.items", sample: str = BASKET) -> tuple[list[str], list[str]]:
    """Return problems and warnings about a mail that writes so many letters for each item."""
    body = f"{{% for item in {items} %}}<p>{{{{ item.title }}}} {'x' * each}</p>{{% endfor %}}"
    mail = {"emails/note/body.html": body, "emails/note/sample.json": sample}
    verdict = validate({path: text.encode() for path, text in (MAILS | mail).items()})
    return [str(one) for one in verdict.problems], [str(one) for one in verdict.warnings]


@pytest.mark.parametrize(
    ("each", "items", "said"),
    [
        (3_000, "event.items", ""),
        (3_600, "event.items", "emails/note/body.html: the mail is 109 KB with 30 items: Gmail shows 102 KB"),
        (
            60_000,
            "event.items | limit(2)",
            "emails/note/body.html: the mail is 120 KB: Gmail shows 102 KB and hides the rest",
        ),
        (10_000, "event.items | limit(8)", ""),
    ],
)
def test_a_mail_that_gmail_would_cut_off_is_worth_a_word_also_when_only_a_large_basket_makes_it_so(
    each: int, items: str, said: str
) -> None:
    problems, warnings = size_of(each, items)
    assert problems == []
    assert len(warnings) == bool(said)
    assert not said or warnings[0].startswith(said)


def test_a_mail_that_a_large_basket_would_break_is_refused() -> None:
    """It would fail at sending, and that customer would get none."""
    problems, _ = size_of(7_000)
    assert len(problems) == 1
    assert "the mail is longer than 200000 characters with 30 items" in problems[0]


def test_counted_links_are_part_of_the_size() -> None:
    """What goes out is longer than what was written: each link of an item leads over the shop's own domain."""
    link = '<a href="{{ item.url }}">x</a>'
    each = f"{{% if item.url %}}<p>{link * 1_600}</p>{{% endif %}}"
    body = f"{{% for item in event.items | limit(1) %}}{each}{{% endfor %}}"
    mail = {"emails/note/body.html": body, "emails/note/sample.json": BASKET}
    verdict = validate({path: text.encode() for path, text in (MAILS | mail).items()})
    assert len(link.replace("{{ item.url }}", "https://acme.example/tea")) * 1_600 < CLIPPED
    assert ["Gmail shows 102 KB" in one.message for one in verdict.warnings] == [True]


ORDER = """\
trigger: {event: order.placed}
enabled: true
replaces: orders
category: transactional
steps:
  - email: note
"""
BESIDE = "'confirm' would go out beside the shop's own order mails"
CURE = "(switch those off in the shop, then write it under own_mails)"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("", 0),
        ("own_mails: off\n", 0),
        ("own_mails: {orders: off, carts: on}\n", 0),
        ("own_mails: on\nflows: {confirm: off}\n", 0),
        ("own_mails: {orders: on, carts: off}\n", 9),
        ("own_mails: on\nflows:\n  confirm: on\n", 11),
    ],
)
def test_what_replaces_the_shops_own_mails_is_off_as_long_as_those_are_on(said: str, line: int) -> None:
    wanted = [f"shops/acme.yaml:{line}: {BESIDE} {CURE}"] if line else []
    assert wrong(flows_confirm=ORDER, shops_acme=SHOP + said) == wanted
