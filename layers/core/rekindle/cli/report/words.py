"""How reports say what a flow file says: steps, ways, durations, reasons. Plain text; whoever shows it escapes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from rekindle.flow.local_time import RECIPIENT, WEEKDAYS
from rekindle.flow.program import (
    Audience,
    Branch,
    Exit,
    Flow,
    Notify,
    OnDate,
    OnSchedule,
    Repeat,
    Send,
    Set,
    Split,
    Step,
    Suppress,
    Trigger,
    Wait,
    WaitFor,
    WaitUntil,
)

STATUSES = {
    "converted": "reached the goal",
    "finished": "came to the end",
    "exited": "left by an exit rule",
    "timed_out": "ran out of time",
    "active": "still on the way",
}

CHANNELS = {"email": "e-mail", "sms": "text message", "push": "push message", "notify": "mail to the shop"}

EVENTS = {
    "cart.updated": "the cart changes",
    "checkout.updated": "the checkout changes",
    "order.placed": "an order is placed",
    "order.paid": "an order is paid",
    "order.updated": "an order changes",
    "order.fulfilled": "an order is on its way",
    "order.cancelled": "an order is cancelled",
    "order.refunded": "money goes back",
    "shipment.updated": "a parcel moves",
    "customer.updated": "the account changes",
    "consent.changed": "somebody subscribes or unsubscribes",
    "product.viewed": "a product is looked at",
    "category.viewed": "a category is looked at",
    "search.submitted": "somebody searches",
    "form.submitted": "a form is sent",
    "survey.answered": "a survey is answered",
    "review.submitted": "a review is written",
    "referral.made": "a friend orders",
    "coupon.redeemed": "a coupon is used",
    "email.opened": "a mail is opened",
    "email.clicked": "a link in a mail is clicked",
    "sms.clicked": "a link in a text is clicked",
    "sms.received": "somebody texts back",
    "push.clicked": "a push message is tapped",
    "push.subscribed": "push is allowed in a browser",
    "push.unsubscribed": "push is no longer allowed in a browser",
    "segment.entered": "somebody enters a segment",
    "segment.left": "somebody leaves a segment",
    "tier.reached": "somebody reaches a loyalty tier",
    "product.price_dropped": "a price drops",
    "product.back_in_stock": "a product is back",
    "product.low_in_stock": "a product is nearly gone",
    "traits.changed": "something is learnt about the person",
}

#: minute, hour, days of the month or any, a weekday or any: where not both are said
_USUAL_CRON = re.compile(r"(\d+) (\d+) ([\d,]+(?= \* \*)|\*) \* (\*|[a-z]{3})")

_REFUSALS = {
    "max_age": ("Heard of too late", "what happened is older than the flow's max_age"),
    "window": ("Outside the enrolment window", "the flow's opens and closes"),
    "already inside": ("Was inside already", "one run at a time under one key"),
    "at_once": ("Has enough runs already", "the flow's at_once"),
    "entered before": ("Had entered before", "the flow's again"),
    "holdout": ("Held out", "kept out on purpose, so that the flow's effect can be measured"),
}
_UNITS = ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def span(seconds: float) -> str:
    """Return a duration in words: `1 day 12 hours`."""
    left, parts = round(seconds), []
    for size, name in _UNITS:
        if name == "week" and left % size:
            continue
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'s' if count != 1 else ''}")
    return " ".join(parts[:2]) or "no time"


def number(value: float) -> str:
    """Return a whole number with thousands set apart."""
    return f"{value:,.0f}"


def signed(value: int) -> str:
    """Return a difference with its sign, and a true minus."""
    return f"{value:+,}".replace("-", "−")


def share(part: float, whole: float) -> str:
    """Return a share in per cent; one decimal where it is small."""
    if not whole:
        return "–"
    value = 100 * part / whole
    return f"{value:.1f} %" if 0 < value < 10 else f"{value:.0f} %"  # noqa: PLR2004 - where one decimal says something


def money(value: Decimal) -> str:
    """Return US dollars: cents, and a tenth of a cent where it is less than one."""
    return f"${value:,.2f}" if value >= Decimal("0.01") or not value else f"${value:.4f}"


def day(text: str) -> str:
    """Return a day such as `2 Mar`."""
    moment = datetime.fromisoformat(text)
    return f"{moment.day} {moment:%b}"


def days_of(days: Sequence[int]) -> str:
    """Return weekdays: `on weekdays`, `on mon, thu`, or nothing for every day."""
    if not days or len(days) == len(WEEKDAYS):
        return ""
    if tuple(days) == (0, 1, 2, 3, 4):
        return "on weekdays"
    return "at the weekend" if tuple(days) == (5, 6) else "on " + ", ".join(WEEKDAYS[one].capitalize() for one in days)


def kind(step: Step) -> str:
    """Return the kind of a step in one word: what decides its colour and icon."""
    return step.channel if isinstance(step, Send) else str(step.__struct_config__.tag)


def step(one: Step) -> tuple[str, str]:  # noqa: C901, PLR0912 - one case for each kind of step
    """Return what a step does, in a few words, and the small print below."""
    match one:
        case Wait(amount=amount) if amount:
            return f"Wait {amount}", f"times {span(one.seconds)}"
        case Wait():
            return f"Wait {span(one.seconds)}", ""
        case WaitUntil(date=date) if date:
            moved = f", {abs(one.offset)} days {'before' if one.offset < 0 else 'after'}" if one.offset else ""
            return f"Wait until {date}{moved}", f"at {one.at} on their clock"
        case WaitUntil():
            return f"Wait until {one.at} {days_of(one.days)}".rstrip(), "on the recipient's clock"
        case WaitFor():
            return f"Wait until {EVENTS.get(one.event, one.event)}", f"for {span(one.seconds)} at most"
        case Branch():
            return "Which is true first?", f"{len(one.arms)} condition{'s' if len(one.arms) != 1 else ''}"
        case Split():
            return "Split by chance", " / ".join(f"{way.name} {way.share}" for way in one.ways)
        case Send():
            gives = one.offer or one.code
            said = f"{CHANNELS[one.channel].capitalize()} {one.template}{f', gives {gives}' if gives else ''}"
            return said, one.category
        case Audience():
            return f"{one.action.capitalize()} {'to' if one.action == 'add' else 'from'} {one.audience}", "ads audience"
        case Notify():
            return f"Tell the shop: {one.template}", "a mail to the shop's own people"
        case Set():
            names = (*one.traits, *(f"+{tag}" for tag in one.tags), *(f"−{tag}" for tag in one.untags))
            return "Remember", ", ".join(names)
        case Suppress():
            return f"Give up: {one.reason}", f"no more marketing by {one.channel}"
        case Repeat():
            return f"Repeat up to {one.times} times", f"until {one.until}" if one.until else ""
        case Exit():
            return "Leave", one.reason if one.reason != "exit step" else ""


def way(one: Step, name: str) -> str:
    """Return what a way out of a step stands for; nothing where there is only one."""
    match one:
        case Branch():
            return "otherwise" if name == "else" else f"if {one.arms[int(name)].when}"
        case Split():
            return name
        case WaitFor():
            return "it happened" if name == "then" else "it did not"
        case Repeat():
            return "once more" if name == "again" else "done"
        case _:
            return ""


def trigger(one: Trigger) -> tuple[str, str]:
    """Return what starts a flow, and its condition."""
    match one:
        case OnDate():
            moved = f" {abs(one.offset)} days {'before' if one.offset < 0 else 'after'}" if one.offset else ""
            return f"On the day {one.date}{moved}, at {one.at}" + (", every year" if one.yearly else ""), one.when
        case OnSchedule():
            own = ", by each recipient's own clock" if one.zone == RECIPIENT else ""
            return f"Campaign: {_schedule(one)}{own}" + (f" to {one.segment}" if one.segment else ""), one.when
        case _:
            return f"When {_of(EVENTS.get(one.event, one.event), one.subject)}", one.when


def _schedule(one: OnSchedule) -> str:
    """Return when a campaign comes, as people say it; a cron that is not of the usual kind as it is written."""
    if one.once:
        return f"once, on {datetime.fromisoformat(one.once):%-d %B %Y at %H:%M}"
    if one.holiday:
        days = "day" if abs(one.offset) == 1 else "days"
        moved = f"{abs(one.offset)} {days} {'before' if one.offset < 0 else 'after'}" if one.offset else "on"
        return f"{moved} {one.holiday.replace('-', ' ').title()}, at {one.at}"
    usual = _USUAL_CRON.fullmatch(one.cron)
    if usual is None:
        return f"cron {one.cron}"
    minute, hour, dates, weekday = usual.groups()
    day = "every day" if dates == "*" else f"on day {' and '.join(dates.split(','))} of each month"
    if weekday != "*":
        day = f"every {weekday.capitalize()}"
    return f"{day}, at {int(hour):02d}:{int(minute):02d}"


def triggers(flow: Flow) -> str:
    """Return everything that starts a flow in one line."""
    return "; ".join(trigger(one)[0] for one in flow.triggers)


def refusal(rule: str) -> tuple[str, str]:
    """Return why somebody did not enter, in words, and the rule itself where it is an expression."""
    if rule in _REFUSALS:
        return _REFUSALS[rule]
    name, _, source = rule.partition(": ")
    words = {
        "filter": "The trigger's condition was not true",
        "key": "Nothing to tell runs apart by",
        "segment": "Not in the segment",
    }
    return (words[name], source) if name in words else (rule, "")


def _of(event: str, subject: str) -> str:
    return event.replace("a segment", f"the segment “{subject}”") if subject else event
