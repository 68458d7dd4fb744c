"""Flow files: what they compile to, and what is said about a wrong one, with the line and the cure."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.flow.definition import parse_flow, parse_manners, parse_segment, parse_traits, read_flow, seconds
from rekindle.flow.durations import spoken
from rekindle.flow.program import (
    Arm,
    Audience,
    Branch,
    Cap,
    Exit,
    Flow,
    Hours,
    Manners,
    Notify,
    OnDate,
    OnSchedule,
    Repeat,
    Rule,
    Send,
    Set,
    Suppress,
    Wait,
    WaitUntil,
    manners_of,
)
from tests.support.build import CART, CONFIRMATION, ROOT, flow_of

HEAD = "trigger: {event: order.placed}\n"
MAIL = "steps: [{email: x}]"


def said(text: str, file: str = "flows/test.yaml") -> list[str]:
    flow, found = parse_flow(text, file=file)
    assert flow is None
    return [str(problem) for problem in found]


def mail(name: str, *, next: str | None = None, **more: object) -> Send:  # noqa: A002 - a step's word for it
    sent: dict[str, object] = {"channel": "email", "template": name, "category": "marketing", "valid_seconds": 86_400}
    return msgspec.convert({"type": "send", "id": name, "next": next, **sent, **more}, Send)


# --- steps -----------------------------------------------------------------------------------------------------------


def test_steps_follow_one_another_and_branches_come_together_again() -> None:
    flow = flow_of(
        HEAD
        + """
steps:
  - wait: 1h 30m
  - branch:
      - if: event.total > 100
        steps:
          - email: big
          - exit: enough said
      - else: true
        steps:
          - email: small
  - email: last
    category: transactional
    valid_for: 2h
"""
    )
    assert flow.first == "wait-1"
    assert flow.steps == {
        "wait-1": Wait(id="wait-1", seconds=5400, next="branch-1"),
        "branch-1": Branch(id="branch-1", arms=(Arm("event.total > 100", "big"),), otherwise="small"),
        "big": mail("big", next="exit-1"),
        "exit-1": Exit(id="exit-1", reason="enough said"),
        "small": mail("small", next="last"),
        "last": mail("last", category="transactional", valid_seconds=7200),
    }


def test_a_wait_may_be_an_amount_of_a_unit() -> None:
    flow = flow_of(HEAD + 'steps:\n  - wait: "{{ event.item_count * 30 - shop.shipping_days }}d"\n  - email: x')
    assert flow.steps["wait-1"] == Wait(
        id="wait-1", seconds=86_400, amount="event.item_count * 30 - shop.shipping_days", next="x"
    )


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("wait_until: 10:00", WaitUntil(id="wait-until-1", at="10:00", next="x")),
        ("wait_until: 10:00\n    on: weekend", WaitUntil(id="wait-until-1", at="10:00", days=(5, 6), next="x")),
        (
            "wait_until: profile.birthday\n    before: 7d",
            WaitUntil(id="wait-until-1", at="09:00", date="profile.birthday", offset=-7, yearly=True, next="x"),
        ),
        (
            'wait_until: event.placed_at\n    offset: +2w\n    at: "18:30"',
            WaitUntil(id="wait-until-1", at="18:30", date="event.placed_at", offset=14, next="x"),
        ),
        (
            "wait_until: 2026-11-27\n    yearly: true",
            WaitUntil(id="wait-until-1", at="09:00", date="'2026-11-27'", yearly=True, next="x"),
        ),
    ],
)
def test_until_when_to_wait(text: str, step: WaitUntil) -> None:
    assert flow_of(f"{HEAD}steps:\n  - {text}\n  - email: x").steps["wait-until-1"] == step


def test_messages_say_who_they_come_from_and_what_to_do_when_they_may_not_go() -> None:
    flow = flow_of(
        HEAD
        + """
category: transactional
steps:
  - email: a
    from: Maya <maya@tea.example>
    manners: wait
    code: TEA10
  - sms: a
    from: "+31970123"
    valid_for: 2h
  - push: a
    category: marketing
  - notify: a
  - audience: buyers
    action: remove
"""
    )
    assert list(flow.steps.values()) == [
        mail(
            "a", category="transactional", valid_seconds=259_200, sender="Maya <maya@tea.example>", manner="wait",
            code="TEA10", next="a-2",
        ),
        Send(
            id="a-2", channel="sms", template="a", category="transactional", valid_seconds=7200, sender="+31970123",
            next="a-3",
        ),
        Send(id="a-3", channel="push", template="a", category="marketing", valid_seconds=86_400, next="a-4"),
        Notify(id="a-4", template="a", next="audience-1"),
        Audience(id="audience-1", audience="buyers", action="remove"),
    ]  # fmt: skip


def test_whom_to_give_up_and_why() -> None:
    flow = flow_of(HEAD + "steps:\n  - suppress: sunset\n  - suppress: silent\n    channel: sms\n")
    assert list(flow.steps.values()) == [
        Suppress(id="suppress-1", reason="sunset", next="suppress-2"),
        Suppress(id="suppress-2", reason="silent", channel="sms"),
    ]


def test_what_is_set_is_a_constant_or_an_expression_in_braces() -> None:
    flow = flow_of(
        HEAD
        + """
steps:
  - set:
      traits: {tier: gold, note: "it's \\"so\\" é", n: 3, yes: true, list: [a, b], gone: null, sum: "{{ event.total }}"}
      tags: [vip]
      untags: [prospect]
"""
    )
    traits = {
        "tier": "'gold'",
        "note": "'it\\'s \"so\" é'",
        "n": "3",
        "yes": "true",
        "list": "['a', 'b']",
        "gone": "none",
        "sum": "event.total",
    }
    assert flow.steps["set-1"] == Set(id="set-1", traits=traits, tags=("vip",), untags=("prospect",))


def test_the_steps_of_a_repeat_lead_back_to_it() -> None:
    flow = flow_of(
        HEAD
        + """
steps:
  - repeat: {times: 3, until: profile.orders > 1}
    steps:
      - email: tip
      - wait: 1d
  - email: last
"""
    )
    assert flow.first == "repeat-1"
    assert flow.steps["repeat-1"] == Repeat(id="repeat-1", times=3, until="profile.orders > 1", body="tip", next="last")
    assert flow.steps["wait-1"] == Wait(id="wait-1", seconds=86_400, next="repeat-1")


def test_steps_nest_anywhere() -> None:
    inner = "[{repeat: {times: 2}, steps: [{split: [{share: 1, steps: [{email: x}]}, {share: 1}]}, {wait: 1h}]}]"
    flow = flow_of(f"{HEAD}steps:\n  - wait_for: {{event: order.paid, limit: 1d}}\n    then: {inner}")
    assert list(flow.steps) == ["x", "split-1", "wait-1", "repeat-1", "wait-for-1"]


def test_the_same_mail_twice_is_two_steps() -> None:
    assert list(flow_of(HEAD + "steps: [{email: a}, {email: a}]").steps) == ["a", "a-2"]


def test_a_name_that_is_given_is_not_taken_by_another_step() -> None:
    text = HEAD + "steps: [{wait: 1h}, {wait: 2h, id: wait-1}, {email: a}, {email: b, id: a}]"
    assert list(flow_of(text).steps) == ["wait-2", "wait-1", "a-2", "a"]


# --- triggers and entry ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "trigger", "key"),
    [
        ("event: order.placed", Rule(event="order.placed"), ""),
        ("segment: vip", Rule(event="segment.entered", subject="vip"), ""),
        (
            "{segment: vip, change: left, when: profile.subscribed or profile.orders}",
            Rule(event="segment.left", subject="vip", when="profile.subscribed or profile.orders"),
            "",
        ),
        ("product: back_in_stock", Rule(event="product.back_in_stock"), ""),
        ("manual: true", Rule(event="flow.started", subject="test"), ""),
        ("date: profile.birthday", OnDate(date="profile.birthday", at="09:00", yearly=True), "event.date"),
        (
            "{date: profile.birthday, after: 1w, yearly: false, at: '18:00', when: profile.email}",
            OnDate(date="profile.birthday", at="18:00", offset=7, when="profile.email"),
            "event.date",
        ),
        (
            "{date: profile.first_order_at, offset: -2d}",
            OnDate(date="profile.first_order_at", at="09:00", offset=-2),
            "event.date",
        ),
        ("{schedule: {once: 2026-11-27 10:00}}", OnSchedule(once="2026-11-27T10:00"), "event.occurrence"),
        (
            "{schedule: {cron: '0 10 * * mon', zone: Europe/London, segment: vip}, when: profile.orders > 1}",
            OnSchedule(cron="0 10 * * mon", zone="Europe/London", segment="vip", when="profile.orders > 1"),
            "event.occurrence",
        ),
        (
            "{schedule: {holiday: black-friday, before: 7d, at: '08:00'}}",
            OnSchedule(holiday="black-friday", offset=-7, at="08:00"),
            "event.occurrence",
        ),
    ],
)
def test_what_starts_a_flow(text: str, trigger: Rule | OnDate | OnSchedule, key: str) -> None:
    """Without a key of its own, each day and each occurrence is an entry by itself."""
    flow = flow_of(f"trigger: {text if text.startswith('{') else '{' + text + '}'}\n{MAIL}")
    assert (flow.triggers, flow.key) == ((trigger,), key)


def test_who_may_enter() -> None:
    flow = flow_of(
        HEAD
        + """
entry:
  again: 30d
  max_age: 2d
  window: {from: 2026-11-01, until: 2026-11-30 18:00}
  holdout: 12.5%
  at_once: 2
priority: 5
if_removed: end
steps: [{email: x}]
"""
    )
    assert (flow.again, flow.max_age, flow.holdout, flow.at_once) == (30 * 86_400, 2 * 86_400, 1250, 2)
    assert (flow.opens, flow.closes) == ("2026-11-01T00:00", "2026-11-30T18:00")
    assert (flow.priority, flow.removed) == (5, "end")
    assert flow_of(f"{HEAD}entry: {{again: always}}\n{MAIL}").again == 0
    assert flow_of(HEAD + MAIL).again is None


@pytest.mark.parametrize(
    ("triggers", "key", "unique"),
    [
        ("{event: order.placed}", "event.id", True),
        ("[{event: cart.updated}, {event: checkout.updated}]", "event.id", True),
        ("{event: shipment.updated}", "event.order_id", True),
        ("{event: order.placed}", "event.checkout_token", True),
        ("{event: email.clicked}", "event.message_id", True),
        # two kinds of things may have the same id
        ("[{event: order.placed}, {event: order.refunded}]", "event.id", False),
        # many people look at one product
        ("{event: product.viewed}", "event.id", False),
        ("{product: price_dropped}", "event.product_id", False),
        ("{schedule: {once: 2026-11-27T10:00}}", "", False),
        ("{date: profile.birthday}", "", False),
        # an expression is not looked through
        ("{event: order.placed}", "event.id | lower", False),
        ("{event: order.placed}", "", False),
    ],
)
def test_whose_a_key_is(triggers: str, key: str, *, unique: bool) -> None:
    """A run's id follows from the key alone only where one customer alone can have it (decision 0014)."""
    entry = f"entry: {{key: {key}}}\n" if key else ""
    assert flow_of(f"trigger: {triggers}\n{entry}{MAIL}").unique_key is unique


def test_a_flow_knows_what_it_asks_of_the_past() -> None:
    flow = flow_of(
        """
trigger: {event: product.viewed, when: "count('product.viewed', '7d') >= 2"}
goal: {event: order.placed, when: "within('email.clicked', '5d')"}
steps:
  - branch:
      - if: count('product.viewed', '30d') >= 5
        steps: [{email: x}]
"""
    )
    asks = {ask.event: ask for ask in flow.asks}
    assert asks.keys() == {"product.viewed", "email.clicked"}
    assert asks["product.viewed"].seconds == 30 * 86_400
    assert asks["product.viewed"].keep >= 5


def test_what_a_flow_needs_of_other_files_is_known_with_its_line() -> None:
    text = """
trigger: {segment: vip}
steps:
  - branch:
      - if: in_segment('loyal') and profile.traits.tier == 'gold' and profile.spent > shop.values.line
        steps: [{sms: hi}]
  - set: {traits: {tier: silver}}
  - notify: note
"""
    assert {(use.what, use.name, use.line) for use in read_flow(text, file="flows/x.yaml").uses} == {
        ("segment", "vip", 2),
        ("segment", "loyal", 5),
        ("trait", "tier", 5),
        ("value", "line", 5),
        ("sms", "hi", 6),
        ("sets", "tier", 7),
        ("notify", "note", 8),
    }


# --- what is wrong ---------------------------------------------------------------------------------------------------

WRONG = [
    # shape
    ("", 1, "the file: must have names and values"),
    ("- just\n- a list\n", 1, "the file: must have names and values"),
    (HEAD, 1, "'steps' is missing"),
    (MAIL, 1, "'trigger' is missing"),
    (HEAD + "steps: [{email: x}\n", 3, "not valid YAML"),
    (HEAD + "trigger: {event: order.paid}\n" + MAIL, 2, "twice"),
    (HEAD + "stepps: []\n" + MAIL, 2, "'stepps' is not known here (did you mean 'steps'?)"),
    (HEAD + "title: 5\n" + MAIL, 2, "title: must be text (put it between quotes)"),
    (HEAD + "enabled: maybe\n" + MAIL, 2, "enabled: must be true or false"),
    (HEAD + "priority: high\n" + MAIL, 2, "priority: must be a whole number"),
    (HEAD + "category: spam\n" + MAIL, 2, "category: 'spam' is not one of 'marketing', 'transactional'"),
    (HEAD + "if_removed: keep\n" + MAIL, 2, "if_removed: 'keep' is not one of 'finish', 'end'"),
    (HEAD + "timeout: 9000d\n" + MAIL, 2, "timeout: '9000d' is longer than two years"),
    (HEAD + "steps: []", 2, "steps: it is empty"),
    (HEAD + "steps: {email: x}", 2, "steps: must be a list (begin each of its lines with a dash)"),
    # triggers
    ("trigger: []\n" + MAIL, 1, "trigger: it is empty"),
    ("trigger: order.placed\n" + MAIL, 1, "trigger: must be a list"),
    ("trigger: {event: order.placd}\n" + MAIL, 1, "did you mean 'order.placed'"),
    ("trigger: {event: alarm.rang}\n" + MAIL, 1, "no event is called 'alarm.rang'"),
    ("trigger: {event: date.came}\n" + MAIL, 1, "no event is called 'date.came'"),
    ("trigger: {when: profile.email}\n" + MAIL, 1, "a trigger has exactly one of event, segment, date"),
    ("trigger:\n  event: order.placed\n  segment: vip\n" + MAIL, 1, "here are event and segment: make them two"),
    ("trigger:\n  evnt: order.placed\n" + MAIL, 1, "did you mean 'event'?"),
    ("trigger:\n  segment: vip\n  change: joined\n" + MAIL, 3, "change: 'joined' is not one of 'entered', 'left'"),
    ("trigger:\n  - event: order.paid\n  - event: order.paid\n" + MAIL, 3, "the same trigger stands above"),
    ("trigger:\n  product: cheaper\n" + MAIL, 2, "product: 'cheaper' is not one of 'price_dropped'"),
    ("trigger:\n  manual: false\n" + MAIL, 2, "manual: write true"),
    ("trigger:\n  date: profile.email\n" + MAIL, 2, "is a text: a day or a moment is needed"),
    ("trigger:\n  date: event.at\n" + MAIL, 2, "there is no 'event' here"),
    ("trigger:\n  date: profile.birthday\n  before: 36h\n" + MAIL, 3, "'36h' is not a number of whole days"),
    (
        "trigger:\n  date: profile.birthday\n  before: 1d\n  after: 1d\n" + MAIL,
        1,
        "only one of before, after and offset",
    ),
    ("trigger:\n  date: profile.birthday\n  at: 9am\n" + MAIL, 3, "at: '9am' is not a time of day"),
    ("trigger:\n  schedule: {}\n" + MAIL, 2, "a schedule has exactly one of once, cron, holiday"),
    ("trigger:\n  schedule:\n    once: 2026-02-30T10:00\n" + MAIL, 3, "once: '2026-02-30T10:00' is not a moment"),
    # "Never", as some write it: west of Greenwich it lies outside of the calendar.
    ("trigger:\n  schedule:\n    once: 9999-12-31T23:59\n" + MAIL, 3, "once: '9999-12-31T23:59' is not a moment"),
    (
        "trigger:\n  schedule:\n    once: 2026-11-27\n" + MAIL,
        3,
        "once: '2026-11-27' is not a moment: write day and time",
    ),
    ("trigger:\n  schedule:\n    cron: 0 10 * *\n" + MAIL, 3, "does not have five fields"),
    ("trigger:\n  schedule:\n    cron: 0 10 * * mom\n" + MAIL, 3, "did you mean 'mon'?"),
    ("trigger:\n  schedule:\n    cron: 0 10 * * mon\n    at: 10:00\n" + MAIL, 2, "belong to a holiday"),
    ("trigger:\n  schedule:\n    holiday: blackfriday\n" + MAIL, 3, "did you mean 'black-friday'?"),
    (
        "trigger:\n  schedule:\n    holiday: easter\n    zone: Mars/Base\n" + MAIL,
        4,
        "no time zone is called 'Mars/Base'",
    ),
    ("trigger:\n  - manual: true\n  - date: profile.birthday\n" + MAIL, 1, "must say what makes two entries one"),
    # entry
    (HEAD + "entry:\n  key: run.key\n" + MAIL, 3, "run"),
    (HEAD + "entry:\n  key: event.itmes\n" + MAIL, 3, "itmes"),
    (HEAD + "entry:\n  again: sometimes\n" + MAIL, 3, "or never, or always"),
    (HEAD + "entry:\n  holdout: 100%\n" + MAIL, 3, "holdout: '100%' is not a share below 100%"),
    (HEAD + "entry:\n  holdout: 10\n" + MAIL, 3, "write for instance 10%"),
    (HEAD + "entry:\n  at_once: 0\n" + MAIL, 3, "greater than or equal to 1"),
    (HEAD + "entry:\n  window: {}\n" + MAIL, 3, "say from, until, or both"),
    (HEAD + "entry:\n  window: {from: 2026-12-01, until: 2026-11-01}\n" + MAIL, 3, "it closes before it opens"),
    (HEAD + "entry:\n  window:\n    from: tomorrow\n" + MAIL, 4, "'tomorrow' is no day and no moment"),
    # steps
    (HEAD + "steps:\n  - email: x\n  - mail: y\n", 4, "exactly one of wait, wait_until"),
    (HEAD + "steps:\n  - email: x\n  - mail: y\n", 4, "did you mean 'email'?"),
    (HEAD + "steps:\n  - email: x\n    wait: 1h\n", 3, "here are wait and email: make them two"),
    (HEAD + "steps:\n  - just words\n", 3, "begin it with one of these words and a colon"),
    (HEAD + "steps:\n  - wait: 3 days\n", 3, "'3 days' is not a duration"),
    (HEAD + "steps:\n  - wait: 3\n", 3, "'3' is not a duration"),
    (HEAD + 'steps:\n  - wait: "{{ event.total }}"\n', 3, "lacks its unit"),
    (HEAD + 'steps:\n  - wait: "{{ profile.email }}d"\n', 3, "a number is needed"),
    (HEAD + "steps:\n  - wait_until: 25:00\n", 3, "wait_until: '25:00' is not a time of day"),
    (HEAD + "steps:\n  - wait_until: 9:00\n", 3, "write for instance 09:00"),
    (HEAD + "steps:\n  - wait_until: 10:00\n    on: [monday]\n", 4, "weekdays, weekend, or a list of mon"),
    (HEAD + "steps:\n  - wait_until: 10:00\n    before: 1d\n", 3, "belong to a day, not to a time of day"),
    (HEAD + "steps:\n  - wait_until: profile.birthday\n    on: weekend\n", 3, "'on' belongs to a time of day"),
    (HEAD + "steps:\n  - wait_until: profile.city\n", 3, "a day or a moment is needed"),
    (HEAD + "steps:\n  - wait_until: 2026-02-29\n", 3, "there is no 2026-02-29"),
    (HEAD + "steps:\n  - wait_for: {event: order.paid}\n", 3, "'limit' is missing"),
    (HEAD + "steps:\n  - wait_for:\n      event: order.paid\n      when: event.nope\n      limit: 1d\n", 5, "nope"),
    (HEAD + "steps:\n  - split:\n      - share: 50\n", 3, "split: it is empty"),
    (HEAD + "steps:\n  - split:\n      - share: 0\n      - share: 1\n", 4, "greater than 0"),
    (
        HEAD + "steps:\n  - split:\n      - {share: 1, name: x, steps: [{email: x}]}\n      - {share: 1, name: x}\n",
        5,
        "two ways are called",
    ),
    (HEAD + "steps:\n  - split:\n      - {share: 1}\n      - {share: 1}\n", 3, "every way leads to the same step"),
    (HEAD + "steps:\n  - branch:\n      - {if: event.totl > 1, steps: [{email: x}]}\n", 4, "totl"),
    (HEAD + "steps:\n  - branch:\n      - if: event.total > 1\n  - email: x\n", 3, "every way leads to the same step"),
    (
        HEAD + "steps:\n  - branch:\n      - else: true\n        steps: [{email: x}]\n      - if: event.total > 1\n",
        4,
        "must stand last",
    ),
    (HEAD + "steps:\n  - branch:\n      - steps: [{email: x}]\n", 4, "either 'if' or 'else"),
    (
        HEAD + "steps:\n  - branch:\n      - {if: event.test, steps: [{email: x}]}\n      - {if: event.test}\n",
        5,
        "the same condition stands above",
    ),
    (HEAD + "steps:\n  - repeat: {times: 0}\n    steps: [{email: x}]\n", 3, "greater than or equal to 1"),
    (HEAD + "steps:\n  - repeat: {times: 3}\n    steps: []\n", 4, "steps: it is empty"),
    (HEAD + "steps:\n  - repeat: {times: 3}\n    steps: [{set: {tags: [x]}}]\n", 3, "neither wait nor send anything"),
    (HEAD + "steps:\n  - repeat: {times: 3}\n    steps: [{email: x}, {exit: true}]\n", 3, "no round ever ends"),
    (HEAD + "steps:\n  - email: No Such/Name\n", 3, "email: 'No Such/Name' cannot be a name"),
    (
        HEAD + "steps:\n  - email: x\n    categry: marketing\n",
        4,
        "'categry' is not known here (did you mean 'category'?)",
    ),
    (HEAD + "steps:\n  - email: x\n    from: Maya\n", 3, "'Maya' sends no mail"),
    (HEAD + "steps:\n  - sms: x\n    from: much too long a name\n", 3, "sends no SMS"),
    (HEAD + "steps:\n  - push: x\n    from: Acme\n", 4, "'from' is not known here"),
    (HEAD + "steps:\n  - email: x\n    code: TEN PERCENT\n", 4, "code: 'TEN PERCENT' cannot be used here"),
    (HEAD + "steps:\n  - email: x\n    manners: never\n", 4, "manners: 'never' is not one of 'skip', 'wait'"),
    (HEAD + "steps:\n  - audience: x\n    action: drop\n", 4, "action: 'drop' is not one of 'add', 'remove'"),
    (HEAD + "steps:\n  - set: {}\n", 3, "say what to set"),
    (HEAD + "steps:\n  - set: {tags: [x], untags: [x]}\n", 3, "'x' is put on and taken off"),
    (HEAD + "steps:\n  - set:\n      traits: {Tier: gold}\n", 4, "'Tier' cannot be used here"),
    (
        HEAD + "steps:\n  - set:\n      traits:\n        tier: up to {{ event.total }}\n",
        5,
        "mixes text and an expression",
    ),
    (HEAD + 'steps:\n  - set:\n      traits:\n        tier: "{{ event.totl }}"\n', 5, "totl"),
    (HEAD + 'steps:\n  - set:\n      traits:\n        all: "{{ event.items }}"\n', 5, "can be kept"),
    (HEAD + "steps:\n  - exit: true\n  - email: x\n  - email: y\n", 4, "never reached (every way before it ends"),
    (HEAD + "steps:\n  - exit: false\n", 3, "exit: say why, or true"),
    (HEAD + "steps:\n  - {email: a, id: s}\n  - {email: b, id: s}\n", 4, "two steps are called 's'"),
    (
        HEAD + "steps:\n  - email: a\n  - branch:\n      - if: \"'b' in run.opened\"\n        steps: [{email: c}]\n",
        5,
        "no step that sends is called 'b' (there are a, c)",
    ),
    # leaving
    (HEAD + "goal:\n  - event: order.paid\n    when: event.total >\n" + MAIL, 4, "not an expression"),
    (HEAD + "goal: {event: order.paid, when: event.link}\n" + MAIL, 2, "link"),
    (HEAD + "exit_on: {event: nothing}\n" + MAIL, 2, "no event is called 'nothing'"),
    (HEAD + "steps:\n  - wait: 40d\n  - email: x\n", 4, "timeout ends their run after 30d (say 'timeout: 41d' or more"),
    (
        HEAD + "steps:\n  - repeat: {times: 5}\n    steps:\n      - wait: 7d\n      - email: x\n",
        6,
        "come here after 35d, and the flow's timeout ends their run after 30d",
    ),
    (
        HEAD + "timeout: 9d\nsteps:\n  - wait_for: {event: order.paid, limit: 10d}\n  - email: x\n",
        5,
        "come here after 10d",
    ),
    # manners
    (HEAD + "manners:\n  quiet:\n    fax: []\n" + MAIL, 4, "fax: 'fax' is not one of 'email', 'sms', 'push'"),
    (HEAD + "manners:\n  quiet:\n    sms: {from: 09:00, to: 09:00}\n" + MAIL, 4, "it begins when it ends"),
    (HEAD + "manners:\n  caps: {most: 0, within: 7d}\n" + MAIL, 3, "greater than or equal to 1"),
    (HEAD + "manners:\n  apart:\n    sms: often\n" + MAIL, 4, "sms: 'often' is not a duration"),
    (
        HEAD + "manners:\n  windows:\n    sms: {from: 21:00, to: 23:00}\n" + MAIL,
        4,
        "on sms nothing could ever be sent",
    ),
]


def test_the_table_is_long_enough_to_be_believed() -> None:
    assert len(WRONG) >= 60


@pytest.mark.parametrize(("text", "line", "words"), WRONG)
def test_a_wrong_file_is_refused_with_one_message_its_line_and_its_cure(text: str, line: int, words: str) -> None:
    (problem,) = said(text)
    assert problem.startswith(f"flows/test.yaml:{line}: ")
    assert words in problem


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    found = said("trigger: {event: nope}\nsteps:\n  - wait: soon\n  - email: X!\n")
    assert [problem.split(":")[1] for problem in found] == ["1", "3", "4"]


def test_the_file_names_the_flow() -> None:
    assert "cannot name a flow" in said(HEAD + MAIL, "flows/My Flow.yaml")[0]


def test_what_is_allowed_and_probably_not_meant_is_a_doubt() -> None:
    reading = read_flow(
        HEAD + "steps:\n  - wait_for: {event: order.paid, limit: 1d}\n  - email: x\n", file="flows/x.yaml"
    )
    assert reading.problems == ()
    assert [str(doubt) for doubt in reading.doubts] == [
        "flows/x.yaml:3: it goes on in the same way whether the event comes or not (say then or else, or use wait)"
    ]


# --- durations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"), [("90m", 5400), ("1d 12h", 129600), ("2w", 1209600), ("45 s", 45), (" 1h ", 3600)]
)
def test_durations(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "1.5h", "-1h", "1h soon", "1y", 3600, None, True])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


@given(st.integers(0, 2 * 366 * 86_400))
def test_a_spoken_duration_reads_back(length: int) -> None:
    assert seconds(spoken(length)) == length


# --- versions --------------------------------------------------------------------------------------------------------


def test_the_version_follows_from_what_the_flow_does_and_from_nothing_else() -> None:
    text = (ROOT / "templates/flows/cart-abandonment.yaml").read_text(encoding="utf-8")
    assert flow_of(text, "cart-abandonment").version == CART.version
    assert flow_of(text.replace("enabled: false", "enabled: true"), "cart-abandonment").version == CART.version
    assert flow_of(text.replace("23h", "22h"), "cart-abandonment").version != CART.version


def test_a_flow_is_stored_and_loaded_as_it_is() -> None:
    assert msgspec.json.decode(msgspec.json.encode(CART), type=Flow) == CART


def test_the_shipped_flows_are_off_until_the_shop_says_so() -> None:
    assert not CART.enabled
    assert not CONFIRMATION.enabled


# --- segments, manners, traits ---------------------------------------------------------------------------------------


def test_a_segment_knows_what_it_reads_and_needs() -> None:
    when = "profile.orders == 1 and within('product.viewed', '30d') and not in_segment('vip')"
    segment, problems = parse_segment(f"title: New\nwhen: {when}\n", file="segments/new-ones.yaml")
    assert problems == ()
    assert segment is not None
    assert (segment.name, segment.title, segment.when) == ("new-ones", "New", when)
    assert (segment.inputs, segment.needs) == (("orders", "recent", "segments"), ("vip",))
    assert [ask.event for ask in segment.asks] == ["product.viewed"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("title: x\n", 1, "'when' is missing"),
        ("title: x\nwhen: event.total > 1\n", 2, "event"),
        ("title: x\nwhen: run.key == 'x'\n", 2, "run"),
        ("title: x\nwhen: profile.ordrs > 1\n", 2, "ordrs"),
        ("title: x\nwhen: within('segment.entered', '3d')\n", 2, "a segment cannot ask for segment.entered"),
        ("title: x\nwhen: profile.subscribed\nif: y\n", 3, "'if' is not known here"),
        ("when: [\n", 2, "not valid YAML"),
    ],
)
def test_a_wrong_segment_is_refused(text: str, line: int, words: str) -> None:
    segment, (problem,) = parse_segment(text, file="segments/x.yaml")
    assert segment is None
    assert str(problem).startswith(f"segments/x.yaml:{line}: ")
    assert words in str(problem)


def test_the_file_names_the_segment() -> None:
    _, problems = parse_segment("when: profile.subscribed\n", file="segments/V I P.yaml")
    assert "cannot name a segment" in str(problems[0])


def test_manners_keep_what_the_file_does_not_say() -> None:
    """Also for a channel: the sixteen and twenty-four hours of smart sending, and the quiet nights of text messages."""
    text = """
quiet: {sms: {from: 20:00, to: 09:00, on: [sun]}, push: []}
windows: {email: [{from: 07:00, to: "24:00"}]}
caps: {most: 3, within: 7d}
apart: {email: 0h}
"""
    assert parse_manners(text, file="manners.yaml") == (
        Manners(
            quiet={"push": (), "sms": (Hours(from_="20:00", to="09:00", days=(6,)),)},
            windows={"email": (Hours(from_="07:00", to="24:00"),)},
            caps=(Cap(most=3, seconds=7 * 86_400),),
            apart={"email": 0},
        ),
        (),
    )
    at_night, _ = parse_manners("quiet: {email: {from: 22:00, to: 07:00}}", file="manners.yaml")
    assert at_night is not None
    effective = manners_of(at_night).quiet
    assert effective is not None
    assert effective["sms"] == (Hours(from_="20:00", to="09:00"),)
    assert (at_night.windows, at_night.caps, at_night.apart, at_night.otherwise) == (None, None, None, None)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("quiet:\n  email: {from: 00:00, to: 24:00}\n", 2, "on email nothing could ever be sent"),
        ("caps:\n  - {most: 3, in: 7d}\n", 2, "'within' is missing"),
        ("otherwise: maybe\n", 1, "otherwise: 'maybe' is not one of 'skip', 'wait'"),
    ],
)
def test_wrong_manners_are_refused(text: str, line: int, words: str) -> None:
    manners, (problem, *_) = parse_manners(text, file="manners.yaml")
    assert manners is None
    assert str(problem).startswith(f"manners.yaml:{line}: ")
    assert words in str(problem)


def test_traits_are_declared_with_what_stands_in_them() -> None:
    assert parse_traits("tea: text\nrenewal_on: date\n", file="traits.yaml") == (
        {"tea": "text", "renewal_on": "date"},
        (),
    )
    _, (problem,) = parse_traits("tea: text\nrenewal_on: day\n", file="traits.yaml")
    assert str(problem) == "traits.yaml:2: renewal_on: 'day' is not one of 'text', 'number', 'flag', 'date', 'list'"
