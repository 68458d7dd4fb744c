"""since, within, count, ordered, in_segment: what they answer, and when time alone would change the answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.errors import ConditionError
from rekindle.domain.facts import Item
from rekindle.domain.profile import OrderMark, Profile, Trait
from rekindle.flow.conditions import condition
from rekindle.flow.library import Library, duration
from rekindle.flow.program import ask_key
from rekindle.flow.view import profile_view
from tests.support.build import T0, at

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
FAR = timedelta(days=9 * 365)


def order_at(moment: datetime, *, status: str = "placed", product: str = "p1", kind: str = "Tea") -> OrderMark:
    told = ("order.placed",)
    return OrderMark(
        updated_at=at(days=300), placed_at=moment, events=told, status=status, products=(product,), kinds=(kind,)
    )


def seen(*days: float, event: str = "product.viewed", when: str = "") -> dict[str, tuple[datetime, ...]]:
    """Return such events, so many days before T0."""
    return {ask_key(event, when): tuple(sorted((T0 - timedelta(days=day) for day in days), reverse=True))}


def ask(source: str, profile: Profile, now: datetime = T0) -> tuple[bool, datetime | None]:
    library = Library(profile, now)
    holds = condition(source).holds({"profile": profile_view(profile, None), "library": library})
    return holds, library.next_change


BOUGHT = Profile(id="ada", shop="tea", orders={"o1": order_at(T0 - 10 * DAY)})


# --- since -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "before", "change"),
    [
        ("since(profile.last_order_at) > '30d'", False, at(days=20) + TICK),
        ("since(profile.last_order_at) >= '30d'", False, at(days=20)),
        ("since(profile.last_order_at) < '30d'", True, at(days=20)),
        ("since(profile.last_order_at) <= '30d'", True, at(days=20) + TICK),
        ("'30d' < since(profile.last_order_at)", False, at(days=20) + TICK),
        ("'5d' < since(profile.last_order_at) < '30d'", True, at(days=20)),
        ("within(profile.last_order_at, '30d')", True, at(days=20) + TICK),
        ("ordered('p1', '30d')", True, at(days=20) + TICK),
    ],
)
def test_an_answer_that_time_will_change_names_the_very_moment(source: str, change: datetime, *, before: bool) -> None:
    assert ask(source, BOUGHT) == (before, change)
    assert ask(source, BOUGHT, change - TICK) == (before, change)
    assert ask(source, BOUGHT, change) == (not before, None)


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("what", ["profile.last_order_at", "'email.clicked'", "profile.traits.last_gift"])
def test_what_never_was_compares_false_with_everything(what: str, sign: str) -> None:
    never = Profile(id="ada", shop="tea")
    assert ask(f"since({what}) {sign} '30d'", never) == (False, None)
    assert ask(f"within({what}, '30d')", never) == (False, None)


def test_an_answer_that_time_leaves_alone_names_no_moment() -> None:
    assert ask("since(profile.last_order_at) > '5d'", BOUGHT) == (True, None)
    assert ask("within(profile.last_order_at, '5d')", BOUGHT) == (False, None)
    assert ask("ordered('p1')", BOUGHT) == (True, None)


def test_what_lies_ahead_counts_as_having_just_happened() -> None:
    skewed = Profile(id="ada", shop="tea", recent={ask_key("email.clicked"): (at(hours=1),)})
    assert ask("within('email.clicked', '1d')", skewed) == (True, at(days=1, hours=1) + TICK)
    assert ask("since('email.clicked') > '1d'", skewed) == (False, at(days=1, hours=1) + TICK)
    assert ask("since('email.clicked') < '1d'", skewed) == (True, at(days=1, hours=1))
    assert ask("count('email.clicked', '1d') >= 1", skewed)[0]


def test_the_end_of_the_calendar_is_never() -> None:
    forever = Profile(id="ada", shop="tea", traits={"ends": Trait(T0, "9999-12-31T23:59:59+00:00")})
    assert ask("within(profile.traits.ends, '30d')", forever) == (True, None)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("2026-03-01T09:00:00+00:00", 1),
        ("2026-03-01T10:00:00+01:00", 1),
        ("2026-03-01T09:00:00", 1),
        ("2026-02-28", 2.375),
    ],
)
def test_a_trait_may_hold_a_moment_as_iso_text(text: str, age: float) -> None:
    known = Profile(id="ada", shop="tea", traits={"gift": Trait(T0, text)})
    hours = int(age * 24)
    assert ask(f"'{hours}h' <= since(profile.traits.gift) <= '{hours}h'", known)[0]


@pytest.mark.parametrize("value", ["Tuesday", "--02-29", 5, True, ("a",)])
def test_what_is_no_moment_is_an_error(value: str | int | tuple[str, ...]) -> None:
    known = Profile(id="ada", shop="tea", traits={"gift": Trait(T0, value)})
    with pytest.raises(ConditionError):
        ask("since(profile.traits.gift) > '1d'", known)


def test_without_a_library_nothing_can_be_asked() -> None:
    with pytest.raises(ConditionError, match="cannot be asked here"):
        condition("in_segment('vip')").holds({"profile": {}})


# --- count -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "holds", "change"),
    [
        ("count('product.viewed', '10d') > 2", True, at(days=1) + TICK),
        ("count('product.viewed', '10d') >= 2", True, at(days=5) + TICK),
        ("count('product.viewed', '10d') >= 3", True, at(days=1) + TICK),
        ("count('product.viewed', '10d') < 3", False, at(days=1) + TICK),
        ("count('product.viewed', '10d') <= 1", False, at(days=5) + TICK),
        ("1 < count('product.viewed', '10d') <= 3", True, at(days=5) + TICK),
        ("count('product.viewed', '10d') > 3", False, None),
        ("count('product.viewed', '10d') <= 3", True, None),
        ("count('product.viewed', '10d') >= 0", True, None),
        ("count('product.viewed', '9d') >= 3", True, T0 + TICK),
        ("count('product.viewed') >= 4", True, None),
        ("count('product.viewed') > 4", False, None),
        ("count('cart.updated', '10d') < 1", True, None),
    ],
)
def test_events_leave_a_count_one_by_one(source: str, change: datetime | None, *, holds: bool) -> None:
    viewed = Profile(id="ada", shop="tea", recent=seen(2, 5, 9, 40))
    assert ask(source, viewed) == (holds, change)


def test_a_count_may_look_at_the_events_themselves() -> None:
    viewed = Profile(id="ada", shop="tea", recent=seen(1, 2, when="event.id == 'p1'") | seen(1, 2, 3, 4))
    assert ask("count('product.viewed', \"event.id == 'p1'\", '9d') > 2", viewed)[0] is False
    assert ask("count('product.viewed', '9d') > 2", viewed)[0] is True
    assert ask("count('product.viewed', \"event.id == 'p1'\") <= 2", viewed) == (True, None)


# --- ordered, in_segment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orders", "source", "holds"),
    [
        ((order_at(T0),), "ordered('p1')", True),
        ((order_at(T0),), "ordered('Tea')", True),
        ((order_at(T0),), "ordered('Coffee')", False),
        ((order_at(T0),), "ordered(('Coffee', 'Tea'))", True),
        ((order_at(T0),), "ordered(())", False),
        ((order_at(T0),), "ordered(profile.city)", False),
        ((order_at(T0),), "ordered(profile.kinds)", True),
        ((order_at(T0, status="cancelled"),), "ordered('p1')", False),
        ((order_at(T0, status="failed"),), "ordered('p1', '9d')", False),
        ((replace(order_at(T0), events=("order.updated",)),), "ordered('p1')", False),
        ((order_at(T0 - 20 * DAY), order_at(T0 - DAY)), "ordered('p1', '9d')", True),
        ((order_at(T0 - 20 * DAY), order_at(T0 - DAY, product="p2", kind="Cup")), "ordered('Tea', '9d')", False),
    ],
)
def test_what_was_bought(orders: tuple[OrderMark, ...], source: str, *, holds: bool) -> None:
    known = Profile(id="ada", shop="tea", orders={str(place): mark for place, mark in enumerate(orders)})
    assert ask(source, known)[0] is holds


def test_lines_of_a_basket_mean_their_products() -> None:
    lines = (Item(title="Sencha", product_id="p1"), Item(title="A gift"))
    assert Library(BOUGHT, T0).ordered(lines)
    assert not Library(BOUGHT, T0).ordered(lines[1:])


@pytest.mark.parametrize("what", [5, (5,), {"p1": 1}])
def test_only_ids_and_categories_can_have_been_bought(what: object) -> None:
    with pytest.raises(TypeError):
        Library(BOUGHT, T0).ordered(what)


def test_a_segment_tells_its_own_moment() -> None:
    member = Profile(id="ada", shop="tea", segments={"vip": T0})
    assert ask("in_segment('vip')", member) == (True, None)
    assert ask("in_segment('lapsed')", member) == (False, None)


# --- values that compare only ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [Library(BOUGHT, T0).since(T0), Library(BOUGHT, T0).count("k", "9d")])
def test_since_and_count_can_be_compared_by_order_and_nothing_else(made: object) -> None:
    for refused in (bool, str, repr, hash, lambda one: one == one, lambda one: one != "x", lambda one: one < 1.5):  # noqa: PLR0124
        with pytest.raises(TypeError):
            refused(made)


@pytest.mark.parametrize("text", ["", "d", "30", "30 days", "0d", "-3d", "1y", "900d", "3d!", "1e9d"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        duration(text)


def test_lengths_of_time() -> None:
    assert duration("1w 2d 3h 4m 5s") == timedelta(days=9, hours=3, minutes=4, seconds=5)


# --- for the ledger --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(days=93, hours=4, minutes=59), "93d 4h"),
        (timedelta(days=30), "30d"),
        (timedelta(hours=5, minutes=7), "5h 7m"),
        (timedelta(seconds=9), "9s"),
        (timedelta(0), "0s"),
        (-timedelta(hours=2), "in 2h"),
    ],
)
def test_how_long_ago_is_said_in_two_units(age: timedelta, said: str) -> None:
    assert Library(BOUGHT, T0).age(T0 - age) == said


def test_telling_the_ledger_asks_nothing() -> None:
    known = replace(BOUGHT, recent=seen(1, 2, 3), segments={"vip": T0})
    library = Library(known, T0)
    source = (
        "since(profile.last_order_at) > '5d' and count('product.viewed', '90d') > 1 and ordered('p1', '90d')"
        " and in_segment('vip') and within('cart.updated', '3d')"
    )
    names = {"profile": profile_view(known, None), "library": library}
    assert condition(source).values(names) == {
        "profile.last_order_at": "2026-02-20 09:00:00+00:00",
        "since(profile.last_order_at)": "10d",
        "count(product.viewed, 90d)": "3 or more",
        "ordered(p1, 90d)": True,
        "in_segment(vip)": True,
        "since(cart.updated)": None,
    }
    assert library.next_change is None


@pytest.mark.parametrize(("source", "told"), [("> 5", 4), ("> 3", "4 or more"), ("> 1", "4 or more")])
def test_the_ledger_does_not_count_further_than_was_kept(source: str, told: int | str) -> None:
    known = Profile(id="ada", shop="tea", recent=seen(1, 2, 3, 4))
    names = {"profile": {}, "library": Library(known, T0)}
    assert condition(f"count('product.viewed', '9d') {source}").values(names) == {"count(product.viewed, 9d)": told}


def test_events_that_fell_out_of_the_window_leave_no_doubt() -> None:
    known = Profile(id="ada", shop="tea", recent=seen(1, 2, 30))
    names = {"profile": {}, "library": Library(known, T0)}
    assert condition("count('product.viewed', '9d') > 1").values(names) == {"count(product.viewed, 9d)": 2}


# --- the law ---------------------------------------------------------------------------------------------------------

_DURATIONS = ("1h", "1d", "2d", "30h")
_MOMENTS = st.builds(
    lambda hours, ticks: T0 + timedelta(hours=hours) + ticks * TICK,
    st.integers(-72, 30),
    st.sampled_from((-1, 0, 0, 1)),
)
_EVENTS = ("product.viewed", "email.clicked")
_PROFILES = st.builds(
    lambda orders, recent, gift, segments: Profile(
        id="ada",
        shop="tea",
        orders={f"o{place}": mark for place, mark in enumerate(orders)},
        recent={ask_key(event): tuple(sorted(moments, reverse=True)) for event, moments in recent.items()},
        traits={"gift": Trait(T0, gift.isoformat())} if gift else {},
        segments=dict.fromkeys(segments, T0),
    ),
    st.lists(
        st.builds(
            order_at, _MOMENTS, status=st.sampled_from(("placed", "placed", "cancelled")), product=st.sampled_from("pq")
        ),
        max_size=4,
    ),
    st.dictionaries(st.sampled_from(_EVENTS), st.lists(_MOMENTS, max_size=6), max_size=2),
    st.none() | _MOMENTS,
    st.sets(st.sampled_from(("vip", "lapsed"))),
)


def _shaped(shape: str, **parts: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.fixed_dictionaries({name: st.sampled_from(each) for name, each in parts.items()}).map(
        lambda chosen: shape.format(**chosen)
    )


_SIGNS = ("<", "<=", ">", ">=")
_ABOUT = (
    "profile.last_order_at",
    "profile.first_order_at",
    "profile.traits.gift",
    "'email.clicked'",
    "'product.viewed'",
)
_ASKING = st.one_of(
    _shaped("since('{event}') {sign} '{length}'", event=_EVENTS, sign=_SIGNS, length=_DURATIONS),
    _shaped("within('{event}', '{length}')", event=_EVENTS, length=_DURATIONS),
    _shaped("count('{event}', '{length}') {sign} {n}", event=_EVENTS, length=_DURATIONS, sign=_SIGNS, n=tuple("0123")),
    _shaped("{n} {sign} count('{event}')", event=_EVENTS, sign=_SIGNS, n=tuple("0123")),
)
_ATOMS = st.one_of(
    _ASKING,
    _shaped("since({what}) {sign} '{length}'", what=_ABOUT, sign=_SIGNS, length=_DURATIONS),
    _shaped("'{one}' {a} since({what}) {b} '{two}'", what=_ABOUT, a=_SIGNS, b=_SIGNS, one=_DURATIONS, two=_DURATIONS),
    _shaped("within({what}, '{length}')", what=_ABOUT, length=_DURATIONS),
    _shaped("ordered('{what}', '{length}')", what=("p", "q", "Tea"), length=_DURATIONS),
    _shaped("ordered({what})", what=("'p'", "profile.kinds", "profile.city")),
    _shaped("in_segment('{name}')", name=("vip", "lapsed")),
    _shaped("profile.orders {sign} {n}", sign=_SIGNS, n=tuple("012")),
    # What fails is as steady as what does not.
    st.just("profile.traits.nowhere > 1"),
)
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("(({}) in ({}, false))".format, inner, inner),
    ),
    max_leaves=6,
)


def asked(source: str, profile: Profile, now: datetime) -> tuple[bool | None, datetime | None]:
    """Return what the expression is at that moment (`None`: it fails), and when it says that it could change."""
    library = Library(profile, now)
    try:
        holds = condition(source).holds({"profile": profile_view(profile, None), "library": library})
    except ConditionError:
        return None, library.next_change
    return holds, library.next_change


@given(_EXPRESSIONS, _PROFILES, _MOMENTS)
def test_until_the_moment_that_it_names_a_condition_stays_as_it_is(
    source: str, profile: Profile, now: datetime
) -> None:
    for _ in range(60):
        answer = asked(source, profile, now)
        change = answer[1]
        if change is None:
            for later in (TICK, DAY, 30 * DAY, FAR):
                assert asked(source, profile, now + later) == answer
            return
        assert change > now
        for between in {now + TICK, now + (change - now) / 2, change - TICK}:
            if now <= between < change:
                assert asked(source, profile, between) == answer
        now = change
    pytest.fail("a condition has only so many moments")


def moments_that_matter(profile: Profile) -> Iterator[datetime]:
    known = [
        *(moment for moments in profile.recent.values() for moment in moments),
        *(mark.placed_at for mark in profile.orders.values() if mark.placed_at),
        *(datetime.fromisoformat(str(trait.value)) for trait in profile.traits.values()),
    ]
    for moment in known:
        for length in _DURATIONS:
            for ticks in (-1, 0, 1):
                yield moment + duration(length) + ticks * TICK


@given(_EXPRESSIONS, _PROFILES)
def test_who_looks_only_at_named_moments_misses_nothing(source: str, profile: Profile) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    answer, change = asked(source, profile, start)
    for moment in sorted(set(moments_that_matter(profile))):
        while change is not None and change <= moment:
            looked = change
            answer, change = asked(source, profile, looked)
            assert change is None or change > looked
        assert asked(source, profile, moment)[0] == answer


@given(
    st.lists(_ASKING, min_size=1, max_size=3).map(" and ".join),
    st.fixed_dictionaries({ask_key(event): st.lists(_MOMENTS, min_size=1, max_size=6) for event in _EVENTS}),
    _MOMENTS,
)
def test_what_asks_keep_is_enough(source: str, recent: dict[str, list[datetime]], now: datetime) -> None:
    past = {key: tuple(sorted(moments, reverse=True)) for key, moments in recent.items()}
    profile = Profile(id="ada", shop="tea", recent=past)
    asks = condition(source).asks
    kept = {
        one.key: tuple(
            moment
            for moment in profile.recent.get(one.key, ())[: one.keep]
            if not one.seconds or now - moment <= timedelta(seconds=one.seconds)
        )
        for one in asks
    }
    assert asked(source, replace(profile, recent=kept), now) == asked(source, profile, now)
