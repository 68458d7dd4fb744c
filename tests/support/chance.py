"""Whole flows, playbooks and lives of customers, drawn by Hypothesis: what the engine's laws are tried on.

Flows are built as the engine runs them, not as files, so that also what publishing would warn of is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import (
    Campaign,
    Consent,
    Customer,
    Engagement,
    Form,
    Item,
    Person,
    PreferencesTold,
    Refund,
    Review,
    Search,
    Start,
    TraitsTold,
    View,
)
from rekindle.flow import program
from rekindle.flow.conditions import condition
from rekindle.flow.program import Cap, Flow, Hours, Manners, OnDate, OnSchedule, Playbook, Rule, Trigger
from tests.support.build import ADA, T0, cart, checkout, consent, event, order, parcel, playbook
from tests.support.story import Story

HOUR, DAY = 3_600, 86_400
PHONE = "+31201234567"

#: Conditions that every place may ask, among them some that fail for most people.
PLAIN = (
    "profile.orders > 0",
    "profile.subscribed",
    "profile.traits.tier == 'gold'",
    "'vip' in profile.tags",
    "since(profile.last_order_at) > '2d'",
    "since('product.viewed') < '1d'",
    "within('order.placed', '3d')",
    "count('product.viewed', '3d') >= 2",
    "count('product.viewed', \"event.id == 'p1'\", '10d') < 2",
    "ordered('p1', '5d')",
    "in_segment('buyers')",
    "profile.spent / profile.orders > 15",
)
IN_RUN = (*PLAIN, "run.clicked", "not run.opened", "since(run.entered_at) > '1d'", "event.total > 10", "run.redeemed")
SEGMENTS = {
    "buyers": "profile.orders > 0",
    "lapsed": "profile.orders > 0 and since(profile.last_order_at) > '4d'",
    "keen": "count('product.viewed', '2d') >= 2 and not in_segment('lapsed')",
    "quiet": "since('email.clicked') >= '3d' or profile.subscribed and not within('product.viewed', '5d')",
    "gold": "profile.traits.tier == 'gold' or profile.spent > 30",
    "plain": "in_segment('buyers') and not in_segment('gold')",
    "again": "count('order.placed', '9d') >= 2",
    "resting": "within(profile.paused_until, '1m') or profile.frequency != 'everything'",
    "readers": "'news' in profile.topics and profile.subscribed",
}
AWAITED = ("order.placed", "shipment.updated", "product.viewed", "segment.entered", "traits.changed", "email.clicked")

#: What a customer can do, and what is then awaited of it as a trigger.
TRIGGERS = ("checkout.updated", "cart.updated", "order.placed", "order.paid", "product.viewed", "consent.changed",
            "segment.entered", "segment.left", "traits.changed", "form.submitted", "customer.updated")  # fmt: skip


# --- steps -----------------------------------------------------------------------------------------------------------

Node = tuple[Any, ...]

_leaf = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0, 10 * 60, HOUR, DAY, 3 * DAY])),
    st.tuples(st.just("amount"), st.sampled_from(["profile.orders", "event.total - 15", "1 / profile.orders"])),
    st.tuples(st.just("until"), st.sampled_from(["02:30", "10:00", "23:59"]), st.sampled_from([(), (0,), (5, 6)])),
    st.tuples(st.just("day"), st.sampled_from([0, -7, 3]), st.booleans()),
    st.tuples(
        st.just("send"),
        st.sampled_from(["email", "email", "sms"]),
        st.sampled_from(["marketing", "marketing", "transactional"]),
        st.sampled_from([None, "skip", "wait"]),
        st.sampled_from([2 * HOUR, DAY, 5 * DAY]),
    ),
    st.tuples(st.just("audience"), st.sampled_from(["add", "remove"])),
    st.tuples(st.just("notify")),
    st.tuples(st.just("set"), st.sampled_from(["'gold'", "'tin'", "profile.orders", "1 / profile.orders"])),
    st.tuples(st.just("tag"), st.booleans()),
    st.tuples(st.just("suppress")),
    st.tuples(st.just("exit")),
)


def _nested(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    body = st.lists(inner, min_size=1, max_size=3)
    few = st.lists(inner, max_size=2)
    return st.one_of(
        st.tuples(st.just("branch"), st.lists(st.tuples(st.sampled_from(IN_RUN), few), min_size=1, max_size=2), few),
        st.tuples(st.just("split"), st.lists(st.tuples(st.integers(1, 9), few), min_size=2, max_size=3)),
        st.tuples(
            st.just("await"),
            st.sampled_from(AWAITED),
            st.sampled_from(["", "event.id == 'p1'", "profile.orders > 0"]),
            st.sampled_from([HOUR, 2 * DAY]),
            few,
            few,
        ),
        st.tuples(
            st.just("repeat"), st.integers(1, 4), st.sampled_from(["", "run.clicked", "profile.orders > 0"]), body
        ),
    )


_inner = st.one_of(_leaf, _nested(_leaf))
steps = st.lists(st.one_of(_leaf, _nested(_inner)), min_size=2, max_size=5)

#: Steps of flows that are mostly about when something goes out: several of them get into one another's way.
busy = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([0, 60, 10 * 60, HOUR])),
        st.tuples(
            st.just("send"), st.just("email"), st.just("marketing"), st.sampled_from([None, "wait"]), st.just(DAY)
        ),
        st.tuples(st.just("set"), st.sampled_from(["'gold'", "'tin'"])),
    ),
    min_size=2,
    max_size=6,
)


@dataclass
class _Builder:
    """Numbers the steps of a tree and ties them together."""

    steps: dict[str, program.Step] = field(default_factory=dict)

    def sequence(self, nodes: Iterable[Node], after: str | None) -> str | None:
        following = after
        for node in reversed(list(nodes)):
            following = self.step(node, following)
        return following

    def step(self, node: Node, following: str | None) -> str:
        kind, rest = node[0], node[1:]
        name = f"{kind}-{len(self.steps) + 1}"
        # Holds the place, so that the steps within get other numbers.
        self.steps[name] = program.Exit(id=name)
        self.steps[name] = _MAKE[kind](self, name, following, rest)
        return name


def _branch(build: _Builder, name: str, after: str | None, node: Node) -> program.Step:
    arms, otherwise = node
    made = tuple(program.Arm(when, build.sequence(nodes, after)) for when, nodes in arms)
    return program.Branch(id=name, arms=made, otherwise=build.sequence(otherwise, after))


def _split(build: _Builder, name: str, after: str | None, node: Node) -> program.Step:
    (ways,) = node
    made = (program.Way(chr(97 + n), share, build.sequence(nodes, after)) for n, (share, nodes) in enumerate(ways))
    return program.Split(id=name, ways=tuple(made))


def _await(build: _Builder, name: str, after: str | None, node: Node) -> program.Step:
    kind, when, limit, *ways = node
    then, otherwise = (build.sequence(nodes, after) for nodes in ways)
    return program.WaitFor(id=name, event=kind, when=when, seconds=limit, then=then, otherwise=otherwise)


def _repeat(build: _Builder, name: str, after: str | None, node: Node) -> program.Step:
    times, until, body = node
    return program.Repeat(id=name, times=times, until=until, body=build.sequence(body, name), next=after)


def _send(_: _Builder, name: str, after: str | None, node: Node) -> program.Step:
    channel, category, manner, valid = node
    return program.Send(
        id=name, channel=channel, template=name, category=category, manner=manner, valid_seconds=valid, next=after
    )


def _day(_: _Builder, name: str, after: str | None, node: Node) -> program.Step:
    offset, yearly = node
    return program.WaitUntil(id=name, at="09:00", date="profile.birthday", offset=offset, yearly=yearly, next=after)


def _tag(_: _Builder, name: str, after: str | None, node: Node) -> program.Step:
    (on,) = node
    return program.Set(id=name, tags=("vip",) if on else (), untags=() if on else ("vip",), next=after)


_MAKE: dict[str, Callable[[_Builder, str, str | None, Node], program.Step]] = {
    "wait": lambda _, name, after, node: program.Wait(id=name, seconds=node[0], next=after),
    "amount": lambda _, name, after, node: program.Wait(id=name, seconds=DAY, amount=node[0], next=after),
    "until": lambda _, name, after, node: program.WaitUntil(id=name, at=node[0], days=node[1], next=after),
    "day": _day,
    "send": _send,
    "audience": lambda _, name, after, node: program.Audience(id=name, audience="tea", action=node[0], next=after),
    "notify": lambda _, name, after, __: program.Notify(id=name, template=name, next=after),
    "set": lambda _, name, after, node: program.Set(id=name, traits={"tier": node[0]}, next=after),
    "tag": _tag,
    "suppress": lambda _, name, after, __: program.Suppress(id=name, reason="sunset", next=after),
    "exit": lambda _, name, __, ___: program.Exit(id=name),
    "branch": _branch,
    "split": _split,
    "await": _await,
    "repeat": _repeat,
}


# --- flows -----------------------------------------------------------------------------------------------------------

# Most of these let people in: a flow that nobody enters proves nothing.
_when = st.one_of(st.just(""), st.just(""), st.just(""), st.sampled_from(PLAIN))
_often = st.sampled_from(["checkout.updated", "order.placed", "product.viewed", "segment.entered", "consent.changed"])
triggers: st.SearchStrategy[Trigger] = st.one_of(
    st.builds(lambda kind, when: Rule(event=kind, when=when), _often, _when),
    st.builds(lambda kind, when: Rule(event=kind, when=when), st.sampled_from(TRIGGERS), _when),
    st.builds(
        lambda offset, yearly: OnDate(date="profile.birthday", at="09:00", offset=offset, yearly=yearly),
        st.sampled_from([0, -1, 7]),
        st.booleans(),
    ),
    st.builds(lambda segment: OnSchedule(segment=segment, cron="0 10 * * *"), st.sampled_from(["", "buyers"])),
)
_baskets: st.SearchStrategy[Trigger] = st.sampled_from(
    [Rule(event="checkout.updated"), Rule(event="order.placed"), Rule(event="segment.entered")]
)
_rules = st.lists(
    st.builds(
        lambda kind, when: Rule(event=kind, when=when),
        st.sampled_from(["order.placed", "email.clicked", "segment.entered", "product.viewed", "order.paid"]),
        st.sampled_from(["", "", "profile.orders > 1", "event.id == run.key"]),
    ),
    max_size=2,
).map(tuple)
_manners = st.one_of(
    st.none(),
    st.builds(
        Manners,
        quiet=st.sampled_from([None, {}, {"email": (Hours(from_="22:00", to="07:00"),)}]),
        windows=st.sampled_from([None, {"email": (Hours(from_="09:00", to="17:00", days=(0, 1, 2, 3, 4)),)}]),
        caps=st.sampled_from([None, (Cap(most=2, seconds=3 * DAY),), (Cap(most=1, seconds=DAY, channel="sms"),)]),
        apart=st.sampled_from([None, {}]),
        otherwise=st.sampled_from([None, "wait"]),
    ),
)


@st.composite
def flows(draw: st.DrawFn, name: str = "flow", *, once: bool = False, hasty: bool = False) -> Flow:
    """Draw a flow; `once`: nobody enters it twice under the same key; `hasty`: it has much to send in little time."""
    build = _Builder()
    first = build.sequence(draw(busy if hasty else steps), None)
    drawn = draw(st.lists(_baskets if hasty else triggers, min_size=1, max_size=2))
    # A key that names one customer's own thing makes the run's id independent of the profile.
    owned = all(
        isinstance(trigger, Rule) and trigger.event.startswith(("checkout", "cart", "order")) for trigger in drawn
    )
    key = draw(st.sampled_from(["", "event.id"] if owned else ["", "", "event.name", "event.id"]))
    newer = draw(st.sampled_from(["", "restart", "restart", "gather"]))
    return asking(
        Flow(
            name=name,
            triggers=tuple(drawn),
            first=first,
            steps=build.steps,
            key=key,
            unique_key=bool(key) and owned,
            again=None if once else draw(st.sampled_from([None, 0, HOUR, 2 * DAY])),
            restart=newer == "restart",
            gather=newer == "gather",
            max_age=draw(st.sampled_from([DAY, 3 * DAY])),
            opens=draw(st.sampled_from(["", "", "", "2026-03-04T00:00"])),
            holdout=draw(st.sampled_from([0, 0, 0, 5_000])),
            at_once=draw(st.sampled_from([None, None, 1, 2])),
            timeout=draw(st.sampled_from([DAY, 8 * DAY, 20 * DAY])),
            goal=draw(_rules),
            exit_on=draw(_rules),
            priority=draw(st.integers(0, 2)),
            topic=draw(st.sampled_from(["", "news", "offers"])),
            manners=draw(_manners),
        )
    )


def asking(flow: Flow) -> Flow:
    """Return the flow with what its conditions ask of the past, under its version: what compiling does."""
    sources = [flow.key, *(rule.when for rule in (*flow.triggers, *flow.goal, *flow.exit_on))]
    for step in flow.steps.values():
        match step:
            case program.Branch():
                sources += [arm.when for arm in step.arms]
            case program.WaitFor():
                sources.append(step.when)
            case program.Repeat():
                sources.append(step.until)
            case program.Wait():
                sources.append(step.amount)
            case program.Set():
                sources += step.traits.values()
            case _:
                pass
    asks = (ask for source in sources if source for ask in condition(source).asks)
    return program.versioned(replace(flow, asks=program.merged_asks(asks)))


@st.composite
def playbooks(draw: st.DrawFn, *, once: bool = False, most: int = 3) -> Playbook:
    """Draw a playbook of a few flows, in a shop that every channel is connected to."""
    hasty = draw(st.booleans())
    drawn = [draw(flows(f"flow-{number}", once=once, hasty=hasty)) for number in range(draw(st.integers(1, most)))]
    manners = draw(_manners) or Manners()
    zone = draw(st.sampled_from(["Europe/Amsterdam", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"]))
    channels = ("email", "sms", "audience")
    made = playbook(*drawn, segments=SEGMENTS, manners=manners, zone=zone, channels=channels, notify="us@tea.example")
    return replace(made, topics={"news": True, "offers": draw(st.booleans())})


# --- lives -----------------------------------------------------------------------------------------------------------


@dataclass
class Lived:
    """What has happened in a life so far, as far as later events depend on it."""

    story: Story | None = None
    placed: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """Something that happens `later` (seconds) than what came before; `what` says what, and `about` of which thing."""

    later: int
    what: str
    about: int = 0

    def event(self, when: datetime, lived: Lived | None = None) -> Event | None:
        """Return the event, at that moment; `None` where there is nothing that it could be about."""
        return _MOVES[self.what](when, self.about, lived or Lived())


def _basket(when: datetime, about: int, kind: str) -> Event:
    token, emptied = f"c{about % 3}", about % 5 == 4
    items = () if emptied else (Item(title="Sencha", product_id=f"p{about}", price=Decimal(9), quantity=about + 1),)
    if kind == "cart":
        return cart(when, items=items, token=token)
    return checkout(when, who=replace(ADA, cart_token=token, checkout_token=None), items=items)


def _order(when: datetime, about: int, lived: Lived, **more: Any) -> Event:
    # An order is placed once, from a basket of its own.
    number = about % 3
    placed = lived.placed.setdefault(f"o{number}", when)
    who = replace(ADA, cart_token=f"c{number}", checkout_token=None)
    return order(when, who=who, id=f"o{number}", placed_at=placed, **more)


def _engaged(when: datetime, about: int, lived: Lived, kind: str) -> Event | None:
    story = lived.story
    if story is None or not story.messages:
        return None
    message = story.messages[about % len(story.messages)]
    fact = Engagement(message_id=message, at=when, address="ada@example.com")
    return event(kind, fact, when, who=Who(), profile_id=story.profile.id)


def _text_consent(when: datetime, about: int) -> Event:
    state = ("subscribed", "unsubscribed")[about % 2]
    act = Consent(channel="sms", state=state, at=when, source="test", address=PHONE)  # type: ignore[arg-type]
    return event("consent.changed", act, when, who=replace(ADA, phone=PHONE), id=f"sms-{state}@{when}")


def _prefer(when: datetime, about: int) -> Event:
    chosen: dict[str, Any] = (
        {"frequency": ("everything", "weekly", "monthly")[about // 4]},
        {"topics": {"news": about > 5, "offers": about % 8 == 1}},
        {"paused_until": when + (timedelta(days=about), timedelta(0))[about == 10]},
        {"language": ("ar", "en")[about > 5]},
    )[about % 4]
    return event("preferences.changed", PreferencesTold(at=when, **chosen), when)


_PRODUCTS = ("p1", "p2", "p3")
_DAYS = ("1990-03-05", "--03-09", "2000-02-29", "1985-12-31")
_MOVES: dict[str, Callable[[datetime, int, Lived], Event | None]] = {
    "subscribe": lambda when, _, __: consent(when),
    "unsubscribe": lambda when, _, __: consent(when, "unsubscribed"),
    "text": lambda when, about, _: _text_consent(when, about),
    "checkout": lambda when, about, _: _basket(when, about, "checkout"),
    "cart": lambda when, about, _: _basket(when, about, "cart"),
    "order": _order,
    "paid": lambda when, about, lived: _order(when, about, lived, kind="order.paid", paid_at=when),
    "cancel": lambda when, about, lived: _order(
        when, about, lived, kind="order.cancelled", cancelled_at=when, status="cancelled"
    ),
    "refund": lambda when, about, _: event(
        "order.refunded",
        Refund(id=f"r{about}", order_id=f"o{about % 3}", at=when, amount=Decimal(3), currency="EUR"),
        when,
    ),
    "parcel": lambda when, about, _: parcel(when, ("in_transit", "delivered")[about % 2], order_id=f"o{about % 3}"),
    "customer": lambda when, about, _: event(
        "customer.updated",
        Customer(
            id="7", updated_at=when + timedelta(microseconds=about), tags=(("vip",), ("vip", "new"), ())[about % 3]
        ),
        when,
    ),
    "person": lambda when, about, _: replace(
        _basket(when, about, "checkout"), person=Person(country=("NZ", "US", "AS")[about % 3], first_name="Ada")
    ),
    "traits": lambda when, about, _: event(
        "traits.changed",
        TraitsTold(
            at=when, values={"birthday": _DAYS[about % 4]} if about % 2 else {"tier": ("gold", "tin")[about // 2 % 2]}
        ),
        when,
    ),
    "prefer": lambda when, about, _: _prefer(when, about),
    "view": lambda when, about, _: event("product.viewed", View(id=_PRODUCTS[about % 3], at=when, seconds=70), when),
    "search": lambda when, _, __: event("search.submitted", Search(query="tea", at=when), when),
    "form": lambda when, about, _: event(
        "form.submitted", Form(name="join", at=when, answers={"birthday": _DAYS[about % 4]}), when
    ),
    "review": lambda when, about, _: event(
        "review.submitted", Review(rating=about % 5 + 1, at=when, order_id=f"o{about % 3}"), when
    ),
    "campaign": lambda when, about, _: event(
        "campaign.came", Campaign(flow=f"flow-{about % 3}", at=when, occurrence=when.isoformat()), when
    ),
    "start": lambda when, about, _: event("flow.started", Start(flow=f"flow-{about % 3}", at=when), when),
    "open": lambda when, about, lived: _engaged(when, about, lived, "email.opened"),
    "click": lambda when, about, lived: _engaged(when, about, lived, "email.clicked"),
    "bounce": lambda when, about, lived: _engaged(when, about, lived, "email.bounced"),
}

#: What is told as a state of a thing, which counts once however often it is told.
STATES = ("subscribe", "unsubscribe", "text", "checkout", "cart", "order", "paid", "cancel", "refund", "parcel",
          "customer", "person", "traits", "prefer", "review")  # fmt: skip
_LATER = (0, 1, 60, 600, HOUR, 5 * HOUR, DAY, 4 * DAY)

_common = ("checkout", "order", "view", "click", "open", "traits")
moves = st.builds(
    Move,
    st.sampled_from(_LATER),
    st.one_of(st.sampled_from(_common), st.sampled_from(sorted(_MOVES))),
    st.integers(0, 11),
)
lives = st.lists(moves, min_size=5, max_size=14).map(
    lambda drawn: [Move(0, "subscribe"), Move(0, "text"), *drawn]  # else nobody would get anything
)
states = st.lists(
    st.builds(Move, st.sampled_from(_LATER), st.sampled_from(STATES), st.integers(0, 11)), min_size=4, max_size=10
)


def told(life: Iterable[Move], story: Story | None = None) -> Iterable[Event]:
    """Yield the events of a life, each when it happens, from `T0` on."""
    when, lived = T0, Lived(story)
    for move in life:
        when += timedelta(seconds=move.later)
        happened = move.event(when, lived)
        if happened is not None:
            # Two things of one moment are still two.
            yield replace(happened, id=f"{happened.id}/{move.what}/{move.about}")


def live(story: Story, life: Iterable[Move]) -> Story:
    """Play a life."""
    for happened in told(life, story):
        story.tell(happened)
    return story
