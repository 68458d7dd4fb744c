"""What each step does, by the shortest story that shows it; times are of the recipient's clock where a step says so."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.facts import Coupon, Item, Person
from rekindle.domain.outcome import LiftSuppression, PutSuppression
from rekindle.domain.profile import Profile, Trait
from tests.support.build import T0, at, checkout, consent, engaged, event, flow_of, order, playbook
from tests.support.story import EMPTY, Story, templates

PLACED = "trigger: {event: order.placed}\nentry: {key: event.id}\n"


def story_of(steps: str, profile: Profile = EMPTY, **shop: Any) -> Story:
    return Story(playbook(flow_of(PLACED + "steps:\n" + steps), **shop), profile).tell(consent(T0))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- waits -----------------------------------------------------------------------------------------------------------


def test_a_wait_can_be_worked_out_from_what_was_bought() -> None:
    """AUTOMATIONS 9: 100 capsules at one a day, five days' shipping: day 92."""
    story = story_of('  - wait: "{{ event.items[0].quantity * 1 - shop.shipping_days - 3 }}d"\n  - email: again\n')
    capsules = Item(title="Capsules", quantity=100, product_id="p9", price=Decimal("0.30"))
    placed = order(at(hours=1))
    story.tell(replace(placed, data=replace(placed.data, items=(capsules,)))).until(at(days=120))
    assert story.mails == []
    assert ("ended", "timeout") in story.said

    longer = flow_of(
        PLACED + 'timeout: 200d\nsteps:\n  - wait: "{{ event.items[0].quantity * 1 - shop.shipping_days - 3 }}d"\n'
        "  - email: again\n"
    )
    story = Story(playbook(longer)).tell(consent(T0))
    story.tell(replace(placed, data=replace(placed.data, items=(capsules,)))).until(at(days=120))
    assert story.mails == [("again", at(days=92, hours=1))]


@pytest.mark.parametrize(
    ("amount", "ends"),
    [
        ("{{ event.total - 30 }}d", "last step done"),
        ("{{ event.tax }}d", "nobody knows how long to wait"),
        ("{{ event.total / event.refunded }}d", "nobody knows how long to wait"),
    ],
)
def test_a_wait_below_zero_is_none_and_one_that_nobody_can_work_out_ends_the_run(amount: str, ends: str) -> None:
    story = story_of(f'  - wait: "{amount}"\n  - email: next\n').tell(order(at(hours=1))).until(at(days=20))
    assert ("ended", ends) in story.said
    assert templates(story) == (["next"] if ends == "last step done" else [])


@pytest.mark.parametrize(
    ("birthday", "comes"),
    [
        ("1990-03-20", "2026-03-13T09:00"),
        ("--03-05", "2027-02-26T09:00"),
        ("2000-02-29", "2027-02-21T09:00"),
        ("1990-01-03", "2026-12-27T09:00"),
    ],
)
def test_a_run_waits_for_the_next_birthday_on_their_own_clock(birthday: str, comes: str) -> None:
    """The day a week before; in years without a 29 February that is counted from the 28th."""
    flow = flow_of(
        PLACED
        + "timeout: 400d\nsteps:\n  - wait_until: profile.birthday\n    before: 7d\n    at: '09:00'\n  - email: party\n"
    )
    born = replace(EMPTY, traits={"birthday": Trait(T0, birthday)}, person=Person(country="GB"))
    story = Story(playbook(flow), born).tell(consent(T0), order(at(hours=1))).until(at(days=380))
    assert story.mails == [("party", utc(comes))]


def test_a_day_that_has_passed_is_not_waited_for_and_a_missing_one_ends_the_run() -> None:
    steps = "  - wait_until: event.placed_at\n    yearly: false\n    after: 2d\n    at: '10:00'\n  - email: next\n"
    assert templates(story_of(steps).tell(order(at(hours=1))).until(at(days=5))) == ["next"]
    passed = steps.replace("after: 2d", "before: 2d")
    assert story_of(passed).tell(order(at(hours=1))).mails == [("next", at(hours=1))]
    missing = steps.replace("event.placed_at", "event.paid_at")
    assert ("ended", "nobody knows how long to wait") in story_of(missing).tell(order(at(hours=1))).said


# --- repeats ---------------------------------------------------------------------------------------------------------

DRIP = "  - repeat: {times: 3, until: run.clicked}\n    steps:\n      - email: tip\n      - wait: 7d\n  - email: last\n"


def test_a_repeat_sends_its_mail_once_a_round_each_under_an_id_of_its_own() -> None:
    story = story_of(DRIP).tell(order(at(hours=1))).until(at(days=29))
    assert story.mails == [(("tip", "tip", "tip", "last")[n], at(days=7 * n, hours=1)) for n in range(4)]
    assert len(set(story.messages)) == 4


def test_a_repeat_ends_early_when_its_until_is_true() -> None:
    story = story_of(DRIP).tell(order(at(hours=1)))
    clicked = engaged("email.clicked", story.messages[0], at(hours=2), story.profile)
    assert templates(story.tell(clicked).until(at(days=29))) == ["tip", "last"]


def test_a_repeat_within_a_repeat_begins_anew_each_round() -> None:
    steps = (
        "  - repeat: {times: 2}\n    steps:\n      - repeat: {times: 2}\n        steps:\n"
        "          - email: inner\n          - wait: 1d\n      - email: outer\n      - wait: 1d\n"
    )
    story = story_of(steps).tell(order(at(hours=1))).until(at(days=20))
    assert templates(story) == ["inner", "inner", "outer"] * 2


# --- messages --------------------------------------------------------------------------------------------------------


def test_an_sms_needs_its_own_consent_a_number_and_a_shop_that_is_connected() -> None:
    steps = "  - sms: hello\n"
    assert ("skipped", "sms is not connected") in story_of(steps).tell(order(at(hours=1))).said
    connected = story_of(steps, channels=("email", "sms")).tell(order(at(hours=1)))
    assert ("skipped", "no phone number") in connected.said
    known = replace(EMPTY, phone="+31201234567")
    assert ("skipped", "no consent to marketing sms") in (
        story_of(steps, known, channels=("email", "sms")).tell(order(at(hours=1))).said
    )


def test_a_message_may_come_from_another_sender() -> None:
    story = story_of("  - email: hello\n    from: Mia <mia@tea.example>\n").tell(order(at(hours=1)))
    (planned,) = story.profile.planned.values()
    assert planned.sender == "Mia <mia@tea.example>"


def test_the_shop_is_told_whatever_the_customer_agreed_to() -> None:
    flow = flow_of(PLACED + "steps: [{notify: bad-review}]")
    story = Story(playbook(flow, notify="team@tea.example")).tell(order(at(hours=1)))
    (planned,) = story.profile.planned.values()
    assert (planned.to, planned.category, planned.template) == ("shop", "transactional", "bad-review")
    assert story.profile.touches == ()


def test_an_audience_takes_in_only_who_agreed_and_lets_everybody_out() -> None:
    add, remove = "  - audience: buyers\n    action: add\n", "  - audience: buyers\n    action: remove\n"
    agreed = story_of(add, channels=("email", "audience")).tell(order(at(hours=1)))
    assert [planned.action for planned in agreed.profile.planned.values()] == ["add"]
    for steps, planned in ((add, []), (remove, ["remove"])):
        flow = flow_of(PLACED + "steps:\n" + steps)
        story = Story(playbook(flow, channels=("email", "audience"))).tell(order(at(hours=1)))
        assert [message.action for message in story.profile.planned.values()] == planned


def test_a_code_that_a_message_gave_is_redeemed_by_an_order_that_uses_it() -> None:
    flow = flow_of(
        "trigger: {event: checkout.updated, when: event.items}\nentry: {key: event.id}\nsteps:\n"
        "  - email: offer\n    code: BACK10\n  - wait: 3d\n"
        "  - branch:\n      - if: run.redeemed\n        steps: [{email: thanks}]\n"
        "      - else: true\n        steps: [{email: still-there}]\n"
    )
    for codes, then in ((("back10",), "thanks"), ((), "still-there")):
        story = Story(playbook(flow)).tell(consent(T0), checkout(at(hours=1)))
        story.tell(order(at(days=1), codes=codes)).until(at(days=9))
        assert templates(story) == ["offer", then]


def test_a_code_that_was_made_for_the_message_is_known_to_the_run() -> None:
    story = story_of("  - email: offer\n  - wait: 9d\n").tell(order(at(hours=1)))
    issued = Coupon(code="X7", at=at(hours=2), message_id=story.messages[0])
    story.tell(event("coupon.issued", issued, at(hours=2)))
    assert story.profile.runs[0].codes == {"offer": "X7"}


# --- writing ---------------------------------------------------------------------------------------------------------


def test_set_writes_traits_and_tags_which_conditions_can_read() -> None:
    steps = (
        '  - set:\n      traits: {tier: \'{{ "gold" if event.total > 10 else "silver" }}\', visits: 3}\n'
        "      tags: [buyer]\n"
        "  - branch:\n      - if: profile.traits.tier == 'gold' and 'buyer' in profile.tags\n"
        "        steps: [{email: gold}]\n"
    )
    story = story_of(steps).tell(order(at(hours=1)))
    assert templates(story) == ["gold"]
    assert {name: trait.value for name, trait in story.profile.traits.items()} == {"tier": "gold", "visits": 3}


def test_who_is_given_up_gets_no_marketing_until_they_agree_anew() -> None:
    story = story_of("  - suppress: sunset\n  - email: news\n").tell(order(at(hours=1)))
    assert templates(story) == []
    assert PutSuppression("email", "ada@example.com", "sunset", at(hours=1)) in story.effects
    act = story.profile.consent["email:ada@example.com"]
    assert (act.state, act.source, story.profile.consented("email")) == ("suppressed", "sunset", False)
    story.tell(consent(at(days=2)))
    assert story.profile.consented("email")
    assert story.effects[-1] == LiftSuppression("email", "ada@example.com", at(days=2))


def test_who_has_refused_or_never_agreed_cannot_be_given_up() -> None:
    """Their own word stays what it was."""
    for said in ("unsubscribed", "not_subscribed"):
        flow = flow_of(PLACED + "steps:\n  - suppress: sunset\n")
        story = Story(playbook(flow)).tell(consent(T0, said), order(at(hours=1)))
        assert story.profile.consent["email:ada@example.com"].state == said
        assert not any(isinstance(effect, PutSuppression) for effect in story.effects)
        assert ("not_suppressed", "no consent that it could end") in story.said


def test_who_is_given_up_comes_off_ads_audiences_and_flows_hear_of_it() -> None:
    flow = flow_of(PLACED + "steps:\n  - audience: tea\n  - suppress: sunset\n", "one")
    other = flow_of("trigger: {event: consent.changed, when: event.state == 'suppressed' and profile.suppressed}\n"
                    "steps: [{set: {tags: [gone]}}]", "two")  # fmt: skip
    story = Story(playbook(flow, other, channels=("email", "audience"))).tell(consent(T0), order(at(hours=1)))
    assert [message.action for message in story.profile.planned.values()] == ["add", "remove"]
    assert story.profile.tags == ("gone",)


def test_what_one_flow_sets_starts_another_and_a_circle_is_stopped() -> None:
    one = flow_of(PLACED + "steps: [{set: {traits: {tier: gold}}}]", "one")
    two = flow_of(
        "trigger: {event: traits.changed, when: profile.traits.tier == 'gold'}\nsteps: [{email: welcome}]", "two"
    )
    assert templates(Story(playbook(one, two)).tell(consent(T0), order(at(hours=1)))) == ["welcome"]

    ping = "trigger: {event: traits.changed}\nentry: {again: always}\n"
    ping += "steps: [{set: {traits: {n: '{{ (profile.traits.n or 0) + 1 }}'}}}]"
    circle = Story(playbook(one, flow_of(ping, "ping"))).tell(order(at(hours=1)))
    assert circle.said[-1] == ("not_entered", "entered within the hour")
    assert circle.profile.deadline is None


def test_a_step_in_a_repeat_counts_as_clicked_in_whichever_round() -> None:
    steps = (
        "  - repeat: {times: 2}\n    steps:\n      - email: tip\n      - wait: 7d\n"
        "  - branch:\n      - if: \"'tip' in run.clicked\"\n        steps: [{email: thanks}]\n"
    )
    story = story_of(steps).tell(order(at(hours=1))).until(at(days=8))
    clicked = engaged("email.clicked", story.messages[1], at(days=8), story.profile)
    assert templates(story.tell(clicked).until(at(days=20))) == ["tip", "tip", "thanks"]
