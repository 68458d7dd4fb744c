"""Why did I get this, and why did I not? The ledger of one person in plain words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from rekindle.cli.explain import as_data, told
from rekindle.domain.errors import ShopRejectedError
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Person, PreferencesTold, Search, Start, TraitsTold
from rekindle.domain.offers import Offer
from rekindle.domain.outcome import Decision
from rekindle.flow.program import Flow, Playbook
from rekindle.service.explain import Explanation, NobodyError, explain
from rekindle.service.library import Library
from rekindle.service.wording import PHRASES, REASONS, phrase
from tests.support.build import (
    ADA,
    CART,
    CONFIRMATION,
    ROOT,
    T0,
    at,
    checkout,
    consent,
    event,
    flow_of,
    order,
    playbook,
)
from tests.support.plant import Plant

UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
def plant() -> Plant:
    plant = Plant(playbook(CART, CONFIRMATION))
    plant.post(checkout(T0), consent(T0))
    plant.until(at(hours=2))
    plant.post(consent(at(hours=2), "unsubscribed"))
    plant.until(at(days=5))
    return plant


def ask(plant: Plant, email: str = "ada@example.com", **more: Any) -> Explanation:
    world = plant.world
    library = Library(world.blobs, world.clock)
    return explain(
        "tea", email, state=world.state, vault=world.vault, library=library, key=world.secret_address_key, **more
    )


def words(explanation: Explanation) -> list[str]:
    return [line.words for line in explanation.lines]


GIFT = flow_of(
    """
    trigger: {event: order.placed}
    entry: {key: event.id}
    timeout: 60d
    steps:
      - email: gift
        offer: ten
    """
)
TEN = Offer(name="ten", kind="unique", percent=Decimal(10), prefix="TEA")


def gives() -> Plant:
    plant = Plant(playbook(GIFT, gives=(TEN,)))
    plant.post(consent(T0))
    plant.settle()
    return plant


def what_became(plant: Plant, **more: Any) -> str | None:
    """Return what is said of the message that was planned."""
    (line,) = [line for line in ask(plant, **more).lines if line.decision.what == "planned"]
    return line.outcome


def test_a_message_says_which_code_it_gave_until_when_it_works_and_whether_it_was_used() -> None:
    plant = gives()
    plant.post(order(T0, id="o1"))
    plant.settle()
    (code,) = [sent.mail.text for sent in plant.world.inbox]
    gave = f"gave {code} of the offer ten, works until 2026-03-05 23:59"
    assert str(what_became(plant)).endswith(f"; {gave}, not used")
    plant.post(order(at(days=1), id="o2", codes=(code.lower(),)))
    plant.settle()
    assert str(what_became(plant)).endswith(f"{gave}, used in the order o2 at 2026-03-03 10:00")
    assert str(what_became(plant, until=at(hours=1))).endswith(f"{gave}, not used by then")
    (gift,) = [line.coupon for line in ask(plant).lines if line.coupon is not None]
    assert (gift.code, gift.order_id, gift.used_at) == (code, "o2", at(days=1))
    assert [each["coupon"] for each in as_data(ask(plant))["decisions"] if each["coupon"]] == [gift]


def test_a_message_without_its_code_says_why_there_was_none() -> None:
    plant = gives()

    def refused(name: str, when: str) -> None:
        if (name, when) == ("codes.make", "before"):
            raise ShopRejectedError("unknown product", code="INVALID")

    plant.world.hook = refused
    plant.post(order(T0, id="o1"))
    plant.settle()
    assert what_became(plant) == "waits for its coupon"
    plant.until(at(days=10))
    assert str(what_became(plant)).endswith(": too late: its coupon could not be made (unknown product)")
    assert [line.coupon for line in ask(plant).lines if line.coupon is not None] == []


def test_what_was_chosen_and_why_nothing_came_is_said_in_words(plant: Plant) -> None:
    """On the preference page: one a week, no reminders, and a pause that was taken back."""
    plant.post(consent(at(days=5)))
    chosen: dict[str, Any] = {"topics": {"reminders": False}, "frequency": "weekly", "paused_until": at(days=35)}
    plant.post(event("preferences.changed", PreferencesTold(at=at(days=5), **chosen), at(days=5)))
    plant.post(checkout(at(days=5), who=replace(ADA, cart_token="c2", checkout_token="k2")))
    plant.until(at(days=6))
    plant.post(event("preferences.changed", PreferencesTold(at=at(days=6), paused_until=at(days=6)), at(days=6)))
    plant.settle()
    said = words(ask(plant))
    pause = "a pause until 2026-04-06 11:00"
    assert f"chose on the preference page: at most one message a week, {pause}, the topic reminders off" in said
    assert "chose on the preference page: no pause any longer" in said
    assert "does not get the mail cart-reminder-1: they switched off the topic reminders" in said
    stands = list(told(ask(plant)))[-1]
    assert stands == "  chose at most one message a week, no pause any longer, the topic reminders off"
    then = ask(plant, until=at(days=5, hours=1)).standing.chose
    assert then["paused_until"] == at(days=35).isoformat()
    assert as_data(ask(plant))["standing"]["chose"]["frequency"] == "weekly"


def test_the_whole_story_is_told_in_order_on_the_persons_own_clock(plant: Plant) -> None:
    """Nothing is known of where Ada lives, so the shop's clock counts: Amsterdam."""
    said = words(ask(plant))
    assert "is now unsubscribed (email), by test" in said
    assert said[0].startswith("entered, because event.items")
    assert "profile.email = ada@example.com" in said[0]
    assert said[1] == "waits until 2026-03-02 11:00"
    assert "is to get the mail cart-reminder-1" in said
    assert "does not get the mail cart-reminder-2: no consent to marketing e-mail" in said
    assert said[-1] == "came to its end: last step done"
    assert [line.at for line in ask(plant).lines] == sorted(line.at for line in ask(plant).lines)
    assert (ask(plant).zone.key, ask(plant).zone_from) == ("Europe/Amsterdam", "shop")


def test_where_the_person_lives_is_where_the_times_are_of() -> None:
    plant = Plant(playbook(CART))
    plant.post(replace(checkout(T0), person=Person(country="JP")), consent(T0))
    plant.until(T0)
    explanation = ask(plant)
    assert (explanation.zone.key, explanation.zone_from) == ("Asia/Tokyo", "country")
    assert words(explanation)[1] == "waits until 2026-03-02 19:00"


def test_a_planned_mail_says_what_became_of_it_and_when(plant: Plant) -> None:
    (planned,) = [line for line in ask(plant).lines if line.decision.what == "planned"]
    assert planned.outcome == "sent 2026-03-02 11:00"


def test_an_entry_that_was_refused_says_why(plant: Plant) -> None:
    plant.until(at(days=9))
    plant.post(order(at(days=9), id="old", placed_at=at(days=5)))
    plant.settle()
    (line,) = ask(plant, flow="order-confirmation").lines
    assert line.words == "did not enter: what would have started it is of 2026-03-07 10:00, too long ago"


def test_only_up_to_a_moment_and_how_it_stood_then(plant: Plant) -> None:
    explanation = ask(plant, until=at(minutes=90))
    assert {line.decision.what for line in explanation.lines} == {"entered", "waiting", "said", "planned"}
    (inside,) = explanation.standing.inside
    assert (inside.flow, inside.since, inside.until) == ("cart-abandonment", T0, at(hours=24))
    assert explanation.standing.said == {"email": "subscribed"}
    now = ask(plant).standing
    assert (now.inside, now.said) == ((), {"email": "unsubscribed"})


def test_what_became_of_a_mail_later_is_not_told_as_of_before(plant: Plant) -> None:
    world = plant.world
    (planned,) = [line for line in ask(plant).lines if line.decision.what == "planned"]
    (message,) = [each for each in world.messages.values() if each.id == planned.decision.message_id]
    world.messages[message.id] = replace(message, opened_at=at(hours=5))
    outcomes = [line.outcome for line in ask(plant, until=at(hours=4)).lines if line.outcome]
    assert outcomes == ["sent 2026-03-02 11:00"]
    outcomes = [line.outcome for line in ask(plant).lines if line.outcome]
    assert outcomes == ["sent 2026-03-02 11:00, opened 2026-03-02 15:00"]


def test_how_it_stood_is_the_same_read_from_the_ledger_as_from_the_profile() -> None:
    plant = Plant(playbook(CART, CONFIRMATION, segments={"buyers": "profile.orders > 0"}))
    plant.post(checkout(T0), consent(T0), order(T0, id="o9", who=Who(email="ada@example.com", shop_customer_id="7")))
    plant.until(at(hours=2))
    assert ask(plant).standing.inside
    assert ask(plant, until=at(hours=2)).standing == ask(plant).standing


def test_what_a_merged_profile_went_through_is_told_too(plant: Plant) -> None:
    account = Who(shop_customer_id="8", cart_token="c8", checkout_token="k8")
    guest = Who(email="guest@example.com", cart_token="c9", checkout_token="k9")
    plant.post(order(at(days=6), who=account, id="o8"))
    plant.post(checkout(at(days=6), who=guest))
    plant.until(at(days=6))
    plant.post(order(at(days=6), who=Who(email="guest@example.com", shop_customer_id="8"), id="o9"))
    plant.until(at(days=6))
    said = words(ask(plant, "guest@example.com"))
    assert any(each.startswith("entered, because event.items") for each in said)
    assert any(each.startswith("turned out to be one person") for each in said)


def test_nobody_is_an_answer_too(plant: Plant) -> None:
    with pytest.raises(NobodyError):
        ask(plant, "stranger@example.com")


# --- a flow that was never entered -----------------------------------------------------------------------------------


def flow(text: str, name: str = "other") -> Flow:
    return flow_of(f"title: T\n{text}\nsteps:\n  - email: hello\n", name)


def why(book: Playbook, name: str = "other", *, before: tuple[Event, ...] = (), after: tuple[Event, ...] = ()) -> str:
    """Return what is said of a flow that was published on the second day, before and after which things happened."""
    plant = Plant(playbook())
    plant.post(consent(T0), *before)
    plant.until(at(days=1))
    plant.publish(book)
    plant.restart()
    plant.until(at(days=2))
    if after:
        plant.post(*after)
    plant.until(at(days=2, hours=1))
    explanation = ask(plant, flow=name)
    assert explanation.lines == ()
    return " ".join(explanation.never)


SEARCHED = event("search.submitted", Search(query="sencha", at=T0), T0)
SEARCH = flow("trigger: {event: search.submitted, when: event.results == 0}")


def test_a_flow_that_is_not_published_is_named_and_a_near_one_suggested() -> None:
    assert why(playbook(SEARCH), "winback") == "No flow winback is published."
    assert why(playbook(SEARCH), "othr") == "No flow othr is published. Is other meant?"
    assert why(Playbook(hash=""), "other") == "Nothing has been published yet."


def test_a_flow_that_is_off_says_how_to_switch_it_on() -> None:
    said = why(playbook(SEARCH, flows={}))
    assert said == "The flow is off in tea. To switch it on, write other: true in shops/tea.yaml, under flows."


def test_a_shop_that_is_not_published_runs_nothing() -> None:
    said = why(replace(playbook(SEARCH), shops={}))
    assert said == "Nothing runs in tea: it has no file among the published shops."


def test_a_trigger_that_never_came_says_so() -> None:
    assert why(playbook(SEARCH)) == (
        "It starts on search.submitted when event.results == 0."
        " No search.submitted has come from this person in the last 400 days."
    )


def test_a_trigger_that_came_before_the_flow_was_there_says_when() -> None:
    assert why(playbook(SEARCH), before=(SEARCHED,)) == (
        "It starts on search.submitted when event.results == 0."
        " The last one came 2026-03-02 10:00: the flow was not published then, or off."
    )


def test_an_order_that_was_told_in_an_update_counts_as_placed() -> None:
    placed = order(T0, kind="order.updated")
    assert "The last one came 2026-03-02 10:00" in why(
        playbook(flow("trigger: {event: order.placed}")), before=(placed,)
    )


def test_a_segments_trigger_speaks_of_that_segment() -> None:
    entered = flow("trigger: {segment: vip}")
    said = why(playbook(entered, segments={"vip": "profile.orders > 5"}))
    assert said == ("It starts on entering the segment vip. This person has not done so in the last 400 days.")


@pytest.mark.parametrize(
    ("birthday", "looked_at", "said"),
    [
        (None, True, "No such day is known of this person, or it has passed."),
        ("1990-07-15", True, "That comes 2026-07-08 09:00."),
        ("1990-07-15", False, "This person has not been looked at yet since that was published."),
    ],
)
def test_a_day_that_is_not_known_or_is_yet_to_come_says_so(birthday: str | None, *, looked_at: bool, said: str) -> None:
    told_of = event("traits.changed", TraitsTold(at=T0, values={"birthday": birthday}), T0)
    happens = (consent(at(days=2)),) if looked_at else ()
    book = playbook(flow("trigger: {date: profile.birthday, before: 7d}"))
    starts = "It starts 7 days before the day of profile.birthday, every year."
    assert why(book, before=(told_of,), after=happens) == f"{starts} {said}"


def test_a_campaign_says_to_whom_and_when() -> None:
    sale = flow("trigger: {schedule: {once: '2027-01-01T10:00', segment: vip}}")
    assert why(playbook(sale, segments={"vip": "profile.orders > 5"})) == (
        "It is a campaign: 2027-01-01T10:00, to the segment vip."
        " This person is not in vip, and whom a campaign does not mean gets no line."
    )
    assert why(playbook(flow("trigger: {schedule: {cron: '0 9 * * mon'}}"))) == (
        "It is a campaign: 0 9 * * mon, to everybody. It has not come to this person yet."
    )


def test_a_flow_that_is_started_by_hand_says_whether_somebody_has() -> None:
    by_hand = flow("trigger: {manual: true}")
    assert why(playbook(by_hand)) == "It is started by hand. Nobody has done so in the last 400 days."
    other = event("flow.started", Start(flow="another", at=T0), T0)
    assert "Nobody has done so" in why(playbook(by_hand), before=(other,))
    this = event("flow.started", Start(flow="other", at=T0), T0)
    assert "The last one came 2026-03-02 10:00" in why(playbook(by_hand), before=(this,))


# --- words -----------------------------------------------------------------------------------------------------------


def test_every_decision_has_its_phrase() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for part in ("flow", "service")
        for path in sorted((ROOT / f"layers/core/rekindle/{part}").glob("*.py"))
    ]
    found: set[str] = set()
    for source in sources:
        for pair in re.findall(r'\bdecide\(\s*"(\w+)"(?: if \w+ else "(\w+)")?', source):
            found.update(filter(None, pair))
        found.update(re.findall(r'\bDecision\([^"]*what="(\w+)"', source))
    assert found == set(PHRASES)


def test_every_reason_not_to_enter_has_its_words() -> None:
    source = (ROOT / "layers/core/rekindle/flow/entry.py").read_text(encoding="utf-8")
    found = set(re.findall(r'(?:return \(?|refusal = )f?"([\w ]+)[":]', source))
    assert found == set(REASONS)


def decided(what: str, rule: str, **values: Any) -> str:
    return phrase(Decision(at=T0, what=what, rule=rule, values=values), UTC_ZONE)


WORDS: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("entered", "order.placed"): ({}, "entered: order.placed came"),
    ("entered", "event.total > 5"): ({"event.total": 7}, "entered, because event.total > 5 [event.total = 7]"),
    ("held", "quiet hours"): (
        {"until": "2026-03-03T08:00:00+00:00"},
        "holds the next message back until 2026-03-03 08:00: quiet hours",
    ),
    ("branched", "else"): ({}, "went on: none of its conditions held"),
    ("branched", "profile.subscribed"): (
        {"profile.subscribed": True},
        "went on, because profile.subscribed [profile.subscribed = yes]",
    ),
    ("repeated", "round 2 of 3"): ({}, "begins round 2 of 3"),
    ("set", "note"): (
        {"size": "M", "pets": None, "tag warm": True, "tag cold": False},
        "set size = M, took pets back, put on the tag warm, took off the tag cold",
    ),
    ("joined", "profile.orders > 5"): (
        {"segment": "vip", "profile.orders": 6},
        "came into the segment vip, because profile.orders > 5 [profile.orders = 6]",
    ),
    ("left_segment", "profile.orders > 5"): (
        {"segment": "vip", "profile.orders": 5},
        "left the segment vip: no longer profile.orders > 5 [profile.orders = 5]",
    ),
    ("due", "profile.birthday"): ({"date": "2026-03-02"}, "the day has come: profile.birthday is 2026-03-02"),
    ("planned", "sms"): ({"template": "hi"}, "is to get the text message hi"),
    ("planned", "push"): ({"template": "hi"}, "is to get the push message hi"),
    ("planned", "email"): ({"template": "alert", "to": "shop"}, "the shop is to get the mail alert"),
    ("planned", "add"): ({"template": "buyers"}, "is to be put on the audience buyers"),
    ("planned", "remove"): ({"template": "buyers"}, "is to be taken off the audience buyers"),
    ("skipped", "no phone number"): (
        {"template": "hi", "channel": "sms"},
        "does not get the text message hi: no phone number",
    ),
    ("skipped", "no consent"): (
        {"audience": "buyers", "action": "add"},
        "is not put on the audience buyers: no consent",
    ),
    ("skipped", "not connected"): (
        {"audience": "buyers", "action": "remove"},
        "is not taken off the audience buyers: not connected",
    ),
    ("ended", "order.placed"): (
        {"as": "converted", "event.id": "o1"},
        "reached its goal: order.placed [event.id = o1]",
    ),
    ("ignored", "already known"): ({"event": "order.updated"}, "order.updated changed nothing: already known"),
    ("split", "B"): ({"share": "30 of 100"}, "was sent the way “B” (30 of 100)"),
    ("someday_new", "a rule"): ({"x": 1}, "someday new: a rule [x = 1]"),
}


@pytest.mark.parametrize(("what", "rule"), WORDS)
def test_a_decision_in_words(what: str, rule: str) -> None:
    values, said = WORDS[what, rule]
    assert decided(what, rule, **values) == said


DECEMBER = {"opens": "2026-11-01T00:00", "closes": "2026-12-01T00:00"}


@pytest.mark.parametrize(
    ("rule", "values", "said"),
    [
        ("filter: event.total > 5", {"event.total": 3}, "its filter did not hold: event.total > 5 [event.total = 3]"),
        ("segment: vip", {}, "not in the segment vip"),
        ("key: event.id", {}, "event.id is empty, and by it one run is told from the next"),
        ("window", {**DECEMBER, "closes": None}, "it lets people in from 2026-11-01T00:00, by the shop's clock"),
        ("window", {**DECEMBER, "opens": None}, "it lets people in until 2026-12-01T00:00, by the shop's clock"),
        (
            "window",
            DECEMBER,
            "it lets people in from 2026-11-01T00:00 until 2026-12-01T00:00, by the shop's clock",
        ),
        ("already inside", {"key": None}, "already inside"),
        ("already inside", {"key": "c1"}, "already inside for c1"),
        ("at_once", {"inside": 2}, "2 of its runs are under way, and it allows no more at once"),
        ("entered before", {"key": "c1", "at": "2026-03-01T09:00:00+00:00"}, "entered before, 2026-03-01 09:00 for c1"),
        ("holdout", {"share": "5 %"}, "held out: 5 % of people never enter, so that what it brings can be measured"),
        ("something new", {}, "something new"),
    ],
)
def test_why_somebody_did_not_enter_in_words(rule: str, values: dict[str, Any], said: str) -> None:
    assert decided("not_entered", rule, **values) == f"did not enter: {said}"


# --- as it is shown --------------------------------------------------------------------------------------------------


def test_it_is_shown_run_by_run_with_utc_beside(plant: Plant) -> None:
    plant.post(order(at(days=6), id="old", placed_at=T0))
    plant.settle()
    shown = list(told(ask(plant)))
    assert shown[1] == "Times are of Europe/Amsterdam (the shop's: nothing is known of theirs), with UTC beside."
    titles = [line for before, line in pairwise(shown) if before == ""]
    assert titles == [
        "cart-abandonment, entered 2026-03-02 10:00, finished",
        "order-confirmation",
        "The person",
        "Now:",
    ]
    assert "  2026-03-02 10:00 (09:00Z)    waits until 2026-03-02 11:00" in shown
    assert shown[-1] == "  unsubscribed (email)"


def test_another_day_in_utc_is_shown_as_such() -> None:
    plant = Plant(playbook(CART), start=datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    plant.post(checkout(datetime(2026, 3, 1, 23, 30, tzinfo=UTC)))
    plant.settle()
    assert any(line.startswith("  2026-03-02 00:30 (01 23:30Z) entered") for line in told(ask(plant)))


def test_lines_are_folded_to_the_terminal(plant: Plant) -> None:
    assert max(map(len, told(ask(plant)))) > 100
    folded = [line for each in told(ask(plant), width=80) for line in each.splitlines()]
    assert max(len(line) for line in folded if "Times are of" not in line) <= 80


def test_nothing_decided_is_said_too(plant: Plant) -> None:
    shown = list(told(ask(plant, flow="winback"), "winback"))
    assert "Nothing has been decided about this person in winback." in shown
    assert "No flow winback is published." in shown


def test_as_data_everything_is_there(plant: Plant) -> None:
    data = as_data(ask(plant, until=at(minutes=90)), at(minutes=90))
    assert data["zone"] == {"name": "Europe/Amsterdam", "from": "shop"}
    assert [each["flow"] for each in data["standing"]["inside"]] == ["cart-abandonment"]
    first = data["decisions"][0]
    assert (first["local"], first["decision"].at) == (T0, T0)
    assert first["local"].isoformat() == "2026-03-02T10:00:00+01:00"
