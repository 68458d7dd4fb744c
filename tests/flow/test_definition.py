"""Flow files: what they compile to, and what is said about a wrong one, with the line and the cure."""

from __future__ import annotations

import pytest

from rekindle.flow.definition import parse_flow, seconds
from rekindle.flow.program import Arm, Branch, Email, Exit, Wait
from tests.support.build import CART, CONFIRMATION, ROOT, flow_of

HEAD = "trigger: {event: order.placed}\n"


def said(text: str, file: str = "flows/test.yaml") -> list[str]:
    flow, found = parse_flow(text, file=file)
    assert flow is None
    return [str(problem) for problem in found]


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
        "big": Email(id="big", template="big", category="marketing", valid_seconds=86400, next="exit-1"),
        "exit-1": Exit(id="exit-1", reason="enough said"),
        "small": Email(id="small", template="small", category="marketing", valid_seconds=86400, next="last"),
        "last": Email(id="last", template="last", category="transactional", valid_seconds=7200),
    }


def test_the_same_mail_twice_is_two_steps() -> None:
    assert list(flow_of(HEAD + "steps: [{email: a}, {email: a}]").steps) == ["a", "a-2"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("trigger: {event: order.placd}\nsteps: [{exit: true}]", 1, "did you mean 'order.placed'"),
        ("trigger: {event: alarm.rang}\nsteps: [{exit: true}]", 1, "no event is called 'alarm.rang'"),
        (HEAD, 1, "'steps' is missing"),
        (HEAD + "steps:\n  - wait_until: 25:00\n", 3, "wait_until"),
        (HEAD + "steps:\n  - wait_for: {event: order.paid}\n", 3, "'limit' is missing"),
        (
            HEAD + "steps:\n  - wait_for:\n      event: order.paid\n      when: event.nope\n      limit: 1d\n",
            5,
            "no 'nope'",
        ),
        (HEAD + "steps:\n  - wait_until: 10:00\n    on: [monday]\n", 4, "weekdays, weekend, or a list of mon"),
        (HEAD + "steps:\n  - split:\n      - share: 50\n", 3, "split"),
        (HEAD + "steps:\n  - split:\n      - share: 0\n      - share: 1\n", 4, "greater than 0"),
        (
            HEAD + "steps:\n  - split:\n      - {share: 1, name: x}\n      - {share: 1, name: x}\n",
            5,
            "two ways are called",
        ),
        (HEAD + "steps: []", 2, "steps"),
        (HEAD + "steps:\n  - wait: 3 days\n", 3, "'3 days' is not a duration"),
        (HEAD + "steps:\n  - wait: 9000d\n", 3, "longer than two years"),
        (HEAD + "steps:\n  - email: x\n  - mail: y\n", 4, "exactly one of wait, wait_until"),
        (HEAD + "steps:\n  - email: x\n    wait: 1h\n", 3, "exactly one of wait, wait_until"),
        (HEAD + "steps:\n  - email: No Such/Name\n", 3, "pattern"),
        (HEAD + "steps:\n  - email: x\n    categry: marketing\n", 4, "'categry' is not known here"),
        (HEAD + "steps:\n  - exit: true\n  - email: x\n", 4, "never reached"),
        (HEAD + "steps:\n  - {email: a, id: s}\n  - {email: b, id: s}\n", 4, "two steps are called 's'"),
        (HEAD + "steps:\n  - branch:\n      - if: event.totl > 1\n", 4, "'event' has no 'totl'"),
        (HEAD + "steps:\n  - branch:\n      - else: true\n      - if: event.total > 1\n", 4, "must stand last"),
        (HEAD + "steps:\n  - branch:\n      - steps: []\n", 4, "either 'if' or 'else"),
        (HEAD + "entry:\n  key: run.key\nsteps: [{email: x}]", 3, "unknown name 'run'"),
        (HEAD + "goal:\n  - event: order.paid\n    when: event.total >\nsteps: [{email: x}]", 4, "not an expression"),
        (HEAD + "goal: {event: order.paid, when: event.link}\nsteps: [{email: x}]", 2, "'event' has no 'link'"),
        (HEAD + "steps: [{email: x}\n", 3, "not valid YAML"),
        (HEAD + "trigger: {event: order.paid}\nsteps: [{email: x}]", 2, "twice"),
        ("- just\n- a list\n", 1, "the file"),
        ("", 1, "the file"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_cure(text: str, line: int, words: str) -> None:
    (problem, *_) = said(text)
    assert problem.startswith(f"flows/test.yaml:{line}: ")
    assert words in problem


def test_all_problems_are_told_at_once() -> None:
    assert len(said("trigger: {event: nope}\nsteps:\n  - wait: soon\n  - email: X!\n")) == 3


def test_the_file_names_the_flow() -> None:
    assert "cannot name a flow" in said(HEAD + "steps: [{email: x}]", "flows/My Flow.yaml")[0]


@pytest.mark.parametrize(
    ("text", "expected"), [("90m", 5400), ("1d 12h", 129600), ("2w", 1209600), ("45 s", 45), (" 1h ", 3600)]
)
def test_durations(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "1.5h", "-1h", "1h soon", "1y", 3600, None, True])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


def test_the_version_follows_from_what_the_flow_does_and_from_nothing_else() -> None:
    text = (ROOT / "templates/flows/cart-abandonment.yaml").read_text(encoding="utf-8")
    assert flow_of(text, "cart-abandonment").version == CART.version
    assert flow_of(text.replace("enabled: false", "enabled: true"), "cart-abandonment").version == CART.version
    assert flow_of(text.replace("23h", "22h"), "cart-abandonment").version != CART.version


def test_the_shipped_flows_are_off_until_the_shop_says_so() -> None:
    assert not CART.enabled
    assert not CONFIRMATION.enabled
