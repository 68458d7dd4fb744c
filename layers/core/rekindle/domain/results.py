"""What is counted of messages, runs and orders, and under which label. Pure.

A person's share in the figures follows from their profile (`standing`). A commit counts the difference between what the
profile says afterwards and what those profiles said that went into it: so repeats, late news, refunds and merges leave
the figures as exact as the profiles are (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from rekindle.domain.history import counts_as_order, placed, worth
from rekindle.domain.labels import Label
from rekindle.domain.profile import Credit, Profile, Trial

#: A person takes part in so many trials, at most.
MAX_TRIALS = 30

#: Figures of messages, in the order in which they are shown.
MESSAGES = (
    "sent", "delivered", "opened", "clicked", "opened_machine", "clicked_machine",
    "bounced", "complained", "unsubscribed", "failed", "skipped",
)  # fmt: skip
#: By what a message was found to have brought an order, the strongest proof first.
PROOFS = ("coupon", "click", "open")

_NOTHING = Decimal(0)
#: Seconds that count as one moment.
_TOGETHER = 5


class Count(Struct, frozen=True, array_like=True):
    """One figure goes up, or down, by an amount."""

    label: Label
    figure: str
    amount: Decimal


def one(label: Label, figure: str) -> Count:
    """Return that a figure goes up by one."""
    return Count(label, figure, Decimal(1))


def better(one: Credit, two: Credit) -> Credit:
    """Return the credit with the stronger proof, of equal ones the later."""
    return max(one, two, key=strength)


def strength(credit: Credit) -> tuple[int, datetime, str]:
    """Return what to compare credits by: the greater one holds."""
    return -PROOFS.index(credit.how), credit.at, credit.message


def few_trials(trials: Mapping[str, Trial]) -> dict[str, Trial]:
    """Return at most `MAX_TRIALS` of these, the latest."""
    return {name: trials[name] for name in sorted(trials, key=lambda name: (trials[name].at, name))[-MAX_TRIALS:]}


def changes(before: Sequence[Profile], after: Profile) -> tuple[Count, ...]:
    """Return what the commit of `after` changes in the figures; `before` is what it was, and whoever was merged in.

    What `before` counted and `after` no longer remembers is closed: it stays as it was counted.
    """
    if not any(profile.credits or profile.trials for profile in (after, *before)):
        return ()
    if len(before) == 1 and _same(before[0], after):
        return ()
    kept = {f"trial {name}" for name in after.trials} | {f"order {order}" for order in after.credits}
    difference: dict[tuple[Label, str], Decimal] = {}
    for profile, sign in ((after, 1), *((profile, -1) for profile in before)):
        for key, counts in standing(profile).items():
            if key not in kept:
                continue
            for count in counts:
                where = count.label, count.figure
                difference[where] = difference.get(where, _NOTHING) + sign * count.amount
    return tuple(Count(*where, amount) for where, amount in sorted(difference.items(), key=_place) if amount)


def standing(profile: Profile) -> Mapping[str, tuple[Count, ...]]:
    """Return this person's share in the figures: by order that was credited, and by trial that they take part in."""
    shares = {f"order {order}": tuple(_of_order(profile, order, credit)) for order, credit in profile.credits.items()}
    return shares | {f"trial {name}": tuple(_of_trial(profile, trial)) for name, trial in profile.trials.items()}


def _place(item: tuple[tuple[Label, str], Decimal]) -> tuple[str, ...]:
    (label, figure), _ = item
    return (*label.key, figure)


def _same(before: Profile, after: Profile) -> bool:
    # `advance` leaves alone what it does not change, so the question is mostly answered without a comparison.
    return (
        (before.orders is after.orders or before.orders == after.orders)
        and before.credits == after.credits
        and before.trials == after.trials
    )


def _of_order(profile: Profile, order: str, credit: Credit) -> Iterable[Count]:
    mark = profile.orders.get(order)
    if mark is None or not counts_as_order(mark):
        return
    yield one(credit.label, "orders")
    yield one(credit.label, f"by_{credit.how}")
    if mark.currency is not None:
        yield Count(credit.label, f"revenue:{mark.currency}", worth(mark))


def _of_trial(profile: Profile, trial: Trial) -> Iterable[Count]:
    yield one(trial.label, "people")
    if trial.goal:
        yield one(trial.label, "goals")
    spent: dict[str, Decimal] = {}
    bought = 0
    for mark in profile.orders.values():
        if counts_as_order(mark) and trial.at <= placed(mark) < trial.until:
            bought += 1
            if mark.currency is not None:
                spent[mark.currency] = spent.get(mark.currency, _NOTHING) + worth(mark)
    if bought:
        yield one(trial.label, "buyers")
        yield Count(trial.label, "purchases", Decimal(bought))
    for currency, amount in spent.items():
        yield Count(trial.label, f"spent:{currency}", amount)
        yield Count(trial.label, f"squares:{currency}", amount * amount)


def together(source: str, at: datetime) -> str:
    """Return what sources of the same few seconds have in common (`Counted.near`).

    Few, because a write costs by all that stands on its sheet; more than one, because a mail that goes out alone is
    sent and delivered in them.
    """
    seconds = int(at.timestamp()) // _TOGETHER * _TOGETHER
    return f"{source}#{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
