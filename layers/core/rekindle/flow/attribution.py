"""Which message an order is credited to, and who takes part in which comparison. Pure.

An order is credited to a message that the person reacted to: a coupon of that message which the order used is proof,
else the last click within the shop's window counts, else, where the shop says so, the last opening. It is worked out
anew whenever orders, reactions or coupons change, so it does not matter in which order they were heard of.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.facts import Campaign, Fact
from rekindle.domain.history import placed
from rekindle.domain.labels import Label
from rekindle.domain.offers import plain_code
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Credit, OrderMark, Profile, Run, Trial
from rekindle.domain.results import better, few_trials, strength
from rekindle.flow.local_time import zone
from rekindle.flow.program import Attribution
from rekindle.flow.turn import Turn

#: So late news of an order, a click or a coupon may come and still change what an order is credited to.
LATENESS = timedelta(days=14)
#: So long a refund or a cancellation takes an order's revenue back from its message.
CREDIT_LIFE = timedelta(days=400)
HELD, IN = "held", "in"
#: The name of the shop's own holdout among trials, and of every holdout among ways.
_SHOP, _HOLDOUT = "", "holdout"

_USUAL = Attribution()
_ALL = 10_000


def label_of(turn: Turn, run: Run, when: datetime, step: str = "", ways: str | None = None) -> Label:
    """Return under what something of this run counts that began at `when`."""
    gone = ",".join(f"{split}={way}" for split, way in sorted(run.ways.items())) if ways is None else ways
    return Label(_day(turn, when), run.flow, step, gone, _occurrence(run.trigger))


def of_flow(turn: Turn, flow: str, trigger: Fact | None) -> Label:
    """Return under what something counts that happens to somebody who has no run of this flow."""
    return Label(_day(turn, turn.at), flow, occurrence=_occurrence(trigger))


def held_out(shop: str, flow: str, profile: str, share: int) -> bool:
    """Whether the flow, or without one the shop, leaves this person out; `share` is in hundredths of a per cent."""
    return int(ids.digest("holdout", shop, flow, profile), 16) % _ALL < share


def take_part_in_holdout(turn: Turn, flow: str, side: str, trigger: Fact | None) -> None:
    """Let the person stand on this side of the flow's holdout."""
    label = replace(of_flow(turn, flow, trigger), ways=f"{_HOLDOUT}={side}")
    _take_part(turn, flow, label)


def take_part_in_split(turn: Turn, run: Run, split: str, way: str) -> None:
    """Let the person stand on the side of this way of a split."""
    _take_part(turn, f"{run.flow}/{split}", label_of(turn, run, turn.at, split, f"{split}={way}"))


def held_out_by_shop(turn: Turn) -> bool:
    """Whether the shop's own holdout leaves this person without marketing, who would get a message now."""
    if turn.shop is None or not turn.shop.holdout:
        return False
    held = held_out(turn.profile.shop, _SHOP, turn.profile.id, turn.shop.holdout)
    _take_part(turn, _SHOP, Label(_day(turn, turn.at), ways=f"{_HOLDOUT}={HELD if held else IN}"))
    return held


def reach_goal(turn: Turn, flow: str) -> None:
    """Note that the person reached the flow's goal, for the comparisons of its ways."""
    reached = {
        name: replace(trial, goal=True)
        for name, trial in turn.profile.trials.items()
        if trial.label.flow == flow and trial.at <= turn.at < trial.until and not trial.goal
    }
    if reached:
        turn.change(trials={**turn.profile.trials, **reached})


def settle(turn: Turn) -> None:
    """Credit the orders of late, if anything that decides it has changed in this turn."""
    before, profile = turn.before, turn.profile
    if (
        profile.orders is before.orders
        and profile.reacted is before.reacted
        and profile.coupons is before.coupons
        and before.shape
    ):
        return
    rule = turn.shop.attribution if turn.shop is not None else _USUAL
    credited = dict(profile.credits)
    for order, mark in profile.orders.items():
        when = placed(mark)
        if turn.now - when > LATENESS or "order.placed" not in mark.events or mark.status == "test":
            continue
        known = credited.get(order)
        found = max(_proofs(profile, mark, when, rule), key=strength, default=None)
        if found is not None and (known is None or better(found, known) != known):
            credited[order] = found
            _tell(turn, order, found)
    if credited != profile.credits:
        turn.change(credits={order: one for order, one in credited.items() if turn.now - one.at <= CREDIT_LIFE})
    _forget(turn, rule)


def _tell(turn: Turn, order: str, found: Credit) -> None:
    turn.decisions.append(
        Decision(
            at=turn.now,
            what="credited",
            rule=found.how,
            flow=found.label.flow,
            step=found.label.step,
            message_id=found.message,
            event_id=turn.event.id,
            playbook=turn.playbook.hash,
            values={"order": order},
        )
    )


def _proofs(profile: Profile, mark: OrderMark, when: datetime, rule: Attribution) -> Iterator[Credit]:
    for given in profile.coupons:
        if given.label is not None and given.at <= when and plain_code(given.code) in mark.codes:
            yield Credit(given.label, given.message, "coupon", given.at)
    clicked, opened = timedelta(seconds=rule.click), timedelta(seconds=rule.open)
    for message, reacted in profile.reacted.items():
        for click in reacted.clicks:
            if timedelta(0) <= when - click <= clicked:
                yield Credit(reacted.label, message, "click", click)
        if rule.open and reacted.opened is not None and timedelta(0) <= when - reacted.opened <= opened:
            yield Credit(reacted.label, message, "open", reacted.opened)


def _forget(turn: Turn, rule: Attribution) -> None:
    """Forget what no order that may still be heard of can be credited to."""
    since = turn.now - LATENESS - timedelta(seconds=max(rule.click, rule.open))
    kept = {message: one for message, one in turn.profile.reacted.items() if one.latest >= since}
    if len(kept) != len(turn.profile.reacted):
        turn.change(reacted=kept)


def _take_part(turn: Turn, name: str, label: Label) -> None:
    """Let the person take part from now on, unless they do so already: one person counts once in that time."""
    trials = turn.profile.trials
    if any(key.rpartition("#")[0] == name and turn.at < trial.until for key, trial in trials.items()):
        return
    rule = turn.shop.attribution if turn.shop is not None else _USUAL
    # Of one that is over, late orders and refunds are still heard for some time.
    kept = {key: trial for key, trial in trials.items() if turn.at <= trial.until + LATENESS}
    kept[f"{name}#{label.day}"] = Trial(label, turn.at, turn.at + timedelta(seconds=rule.lift))
    turn.change(trials=few_trials(kept))


def _day(turn: Turn, when: datetime) -> str:
    where = zone(turn.shop.zone) if turn.shop is not None else None
    return when.astimezone(where or ZoneInfo("UTC")).date().isoformat()


def _occurrence(trigger: Fact | None) -> str:
    return trigger.occurrence if isinstance(trigger, Campaign) else ""
