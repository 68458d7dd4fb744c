"""What is wrong with an expression before anybody is decided by it: names, kinds, times, and what is always the same.

Pure, and imported when flows are published or linted, never by the engine. Every problem says what is wrong and what to
write instead, in a marketer's words; file and line are added by whoever knows them.
"""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jinja2 import nodes
from msgspec import Struct

from rekindle.domain import facts
from rekindle.domain.errors import ContentError
from rekindle.domain.events import EVENT_TYPES
from rekindle.domain.traits import STANDARD_TRAITS
from rekindle.flow.conditions import USAGE, called, condition, near, parse, path_of
from rekindle.flow.program import Ask
from rekindle.flow.view import COUPON, PROFILE, RUN, SHOP, Field

#: What an expression is for. `rule` and `segment` are true or false; the others say what their value must be:
#: `number` (an amount to wait), `date` (a day or a moment), `key` (what names a run), `value` (what a trait can keep).
Purpose = Literal["rule", "segment", "number", "date", "key", "value"]


class Shape(Struct, frozen=True):
    """What is known of a value: the kinds that it may be of, and what is inside."""

    kinds: frozenset[str]
    things: tuple[type[Struct], ...] = ()
    """of a `thing`: what it may be"""
    item: Shape | None = None
    """of a list or a map: what its items are"""
    choices: frozenset[str] | None = None
    """of a text: all that it can be"""


def problems(
    source: str, event_types: Sequence[str] = (), *, in_run: bool = True, purpose: Purpose = "rule"
) -> list[ContentError]:
    """Return what is wrong with an expression that may see these event types: nothing when it can be published.

    Without event types there is no `event`, unless `in_run` there is no `run`; a segment has neither.
    """
    try:
        compiled = condition(source)
        tree = parse(source)
    except ContentError as error:
        return [error]
    if purpose == "segment":
        event_types, in_run = (), False
    roots = {
        "profile": {name: _of_field(field) for name, field in PROFILE.items()},
        "shop": {name: _of_field(field) for name, field in SHOP.items()},
    }
    if event_types:
        roots["event"] = _event_fields(tuple(event_types))
    if in_run:
        roots["run"] = {name: _of_field(field) for name, field in RUN.items()}
        roots["coupon"] = {name: _of_field(field) for name, field in COUPON.items()}
    checker = _Checker(roots, tuple(event_types), purpose)
    checker.whole(tree)
    for ask in compiled.asks:
        checker.asked(ask)
    return checker.found


# --- what values are -------------------------------------------------------------------------------------------------

_ANY = Shape(frozenset({"any"}))
_NUMBER = Shape(frozenset({"number"}))
_FLAG = Shape(frozenset({"flag"}))
_TEXT = Shape(frozenset({"text"}))
_NOTHING = Shape(frozenset({"none"}))
#: The kinds whose values have an order that means something.
_IN_ORDER = frozenset({"number", "text", "moment"})
#: Kinds that are kept alike, so that they can be equal.
_ALIKE = {"date": "text"}
_SAID = {
    "text": "a text",
    "number": "a number",
    "flag": "yes or no",
    "moment": "a moment",
    "date": "a day",
    "list": "a list",
    "money": "an amount for each currency",
    "map": "many values, each under a name",
    "thing": "something with fields of its own",
    "traits": "many values, each under a name",
    "none": "nothing",
}
_PLAIN: dict[Any, str] = {
    str: "text",
    bool: "flag",
    int: "number",
    float: "number",
    Decimal: "number",
    datetime: "moment",
}


def _of_field(field: Field) -> Shape:
    texts = Shape(frozenset({"list"}), item=_TEXT)
    match field.kind:
        case "list":
            return texts
        case "basket":
            return Shape(frozenset({"thing", "none"}), things=(facts.Basket,))
        case "traits":
            known = {name: Field(kind) for name, kind in STANDARD_TRAITS.items()}
            return Shape(frozenset({"traits"}), item=_joined([_ANY, *(_of_field(one) for one in known.values())]))
        case "rhythms":
            return Shape(frozenset({"map"}), item=Shape(frozenset({"number", "none"})))
        case "values":
            return Shape(frozenset({"map"}), item=_ANY)
        case kind:
            return Shape(frozenset({kind}), choices=frozenset(field.choices) if field.choices else None)


@functools.cache
def _event_fields(event_types: tuple[str, ...]) -> dict[str, Shape]:
    """Return the fields of an event that may be of any of these types: one that only some have may be nothing."""
    kinds = {EVENT_TYPES[kind] for kind in event_types}
    found = [_fields(fact) for fact in get_args(facts.Fact) if fact.__struct_config__.tag in kinds]
    names = sorted({name for fields in found for name in fields})
    return {name: _joined(fields.get(name, _NOTHING) for fields in found) for name in names}


@functools.cache
def _fields(thing: type[Struct]) -> dict[str, Shape]:
    return {name: _of_type(told) for name, told in get_type_hints(thing).items() if name in thing.__struct_fields__}


def _of_type(told: Any) -> Shape:
    origin, inside = get_origin(told), get_args(told)
    if told is type(None):
        return _NOTHING
    if origin in {Union, types.UnionType}:
        return _joined(_of_type(one) for one in inside)
    if origin is Literal:
        return Shape(frozenset({"text"}), choices=frozenset(inside))
    if origin is tuple:
        return Shape(frozenset({"list"}), item=_of_type(inside[0]))
    if origin is dict:
        return Shape(frozenset({"map"}), item=_of_type(inside[1]))
    if isinstance(told, type) and issubclass(told, Struct):
        return Shape(frozenset({"thing"}), things=(told,))
    return Shape(frozenset({_PLAIN[told]})) if told in _PLAIN else _ANY


def _joined(shapes: Iterable[Shape]) -> Shape:
    """Return what a value is that is one of these."""
    each = list(shapes)
    texts = [shape.choices for shape in each if "text" in shape.kinds]
    items = [shape.item for shape in each if shape.item is not None]
    return Shape(
        frozenset().union(*(shape.kinds for shape in each)),
        things=tuple(dict.fromkeys(thing for shape in each for thing in shape.things)),
        item=_joined(items) if len(items) > 1 else items[0] if items else None,
        choices=frozenset().union(*(one or () for one in texts)) if texts and None not in texts else None,
    )


def _without_nothing(shape: Shape) -> frozenset[str]:
    return shape.kinds - {"none"}


def _words(shape: Shape) -> str:
    kinds = sorted(_without_nothing(shape)) or ["none"]
    return " or ".join(_SAID.get(kind, kind) for kind in kinds)


# --- names -----------------------------------------------------------------------------------------------------------

_CURRENCY = re.compile(r"[A-Z]{3}")
#: What people write who know other tools.
_MEANT = {
    **dict.fromkeys(("customer", "user", "contact", "person", "subscriber", "recipient"), "did you mean 'profile'?"),
    **dict.fromkeys(("order", "cart", "checkout", "basket", "trigger", "product"), "did you mean 'event'?"),
    **dict.fromkeys(("store", "site", "settings"), "did you mean 'shop'?"),
    **dict.fromkeys(
        ("now", "today", "time", "date", "utcnow"),
        "there is no clock here: write since(profile.last_order_at) > '90d' or within('email.clicked', '30d')",
    ),
    **dict.fromkeys(("null", "nil", "nothing", "empty"), "write none, as in profile.city is none"),
    **dict.fromkeys(("yes", "on"), "write the name alone, as in profile.subscribed"),
    **dict.fromkeys(("no", "off"), "write not before the name, as in not profile.subscribed"),
}
_ABSENT = {
    "event": "nothing has happened when this is looked at: read the profile, or ask with within('…', '30d') and count",
    "run": "nobody has entered the flow yet when this is looked at",
    "coupon": "nobody has been given anything yet when this is looked at",
}


def _choice(word: str, known: Collection[str]) -> str:
    return near(word, frozenset(known)) or (f"there are {', '.join(sorted(known))}" if known else "there are none")


# --- expressions -----------------------------------------------------------------------------------------------------

_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in"}
_TEST_SIGNS = {"eq": "eq", "ne": "ne", "lt": "lt", "le": "lteq", "gt": "gt", "ge": "gteq", "in": "in"}
_NUMERIC = {"abs", "round"}
_OVER_LISTS = {"first", "last", "min", "max", "sum"}
_WANTED: dict[str, tuple[frozenset[str], str, str]] = {
    "number": (
        frozenset({"number"}),
        "a number",
        "write an expression that calculates one, such as event.item_count * 2",
    ),
    "date": (frozenset({"date", "moment"}), "a day or a moment", "read one, such as profile.birthday"),
    "key": (frozenset({"text", "number"}), "a text or a number", "read an id, such as event.id"),
    "value": (
        frozenset({"text", "number", "flag", "list", "date", "moment", "none"}),
        "something that can be kept",
        "read one of its fields",
    ),
}


class _Checker:
    """Goes through one expression, works out what each part is, and gathers what cannot be."""

    def __init__(self, roots: dict[str, dict[str, Shape]], event_types: tuple[str, ...], purpose: Purpose) -> None:
        self.roots = roots
        self.event_types = event_types
        self.purpose = purpose
        self.found: list[ContentError] = []

    def tell(self, message: str, hint: str | None = None) -> Shape:
        """Gather a problem, once; of what stands there nothing is known then, so that one mistake is told once."""
        if all(known.message != message for known in self.found):
            self.found.append(ContentError(message, hint=hint or None))
        return _ANY

    def asked(self, ask: Ask) -> None:
        """Check what an expression asks of the past."""
        if self.purpose == "segment" and ask.event.startswith("segment."):
            self.tell(f"a segment cannot ask for {ask.event}: that follows from segments", "write in_segment('…')")
        if ask.when:
            for inner in problems(ask.when, (ask.event,), in_run=False):
                self.tell(f"in count('{ask.event}', …): {inner.message}", inner.hint)

    def whole(self, tree: nodes.Expr) -> None:
        """Check the expression, and that its value is what it is for."""
        shape = self.shape(tree)
        if self.purpose in {"rule", "segment"}:
            self.decides(tree)
            return
        wanted, words, hint = _WANTED[self.purpose]
        if not (_without_nothing(shape) or shape.kinds) & (wanted | {"any"}):
            self.tell(f"{_quoted(tree)} is {_words(shape)}: {words} is needed here", hint)
        listed = shape.item if shape.kinds == {"list"} else None
        if self.purpose == "value" and listed is not None and not listed.kinds & {"text", "number", "any"}:
            self.tell(f"{_quoted(tree)} is a list of {_words(listed)}: only texts can be kept", hint)

    # --- what is always the same

    def decides(self, node: nodes.Expr) -> bool | None:
        """Return what this always is, as something true or false, or `None` where it depends; tell each that is not."""
        match node:
            case nodes.And() | nodes.Or():
                decided = isinstance(node, nodes.Or)
                parts = [self.decides(node.left), self.decides(node.right)]
                return decided if decided in parts else None if None in parts else not decided
            case nodes.Not():
                inner = self.decides(node.node)
                return None if inner is None else not inner
            case nodes.CondExpr():
                self.decides(node.test)
                return None
        always = _always(node)
        if always is not None:
            hint = "write in place of it what it depends on, or leave it out"
            if isinstance(node, nodes.Const) and isinstance(node.value, str):
                hint = "compare it: event.status in ('a', 'b') is true of either"
            self.tell(f"{_quoted(node)} is always {'true' if always else 'false'}", hint)
        return always

    # --- kinds

    def shape(self, node: nodes.Expr) -> Shape:
        """Return what is known of the value."""
        return next((_READ[kind](self, node) for kind in type(node).__mro__ if kind in _READ), _ANY)

    def constant(self, node: nodes.Const) -> Shape:
        return _of_constant(node.value)

    def several(self, node: nodes.Tuple | nodes.List) -> Shape:
        items = [self.shape(one) for one in node.items]
        return Shape(frozenset({"list"}), item=_joined(items) if items else _ANY)

    def negated(self, node: nodes.Not) -> Shape:
        self.shape(node.node)
        return _FLAG

    def attribute(self, node: nodes.Getattr) -> Shape:
        return self.field(node.node, node.attr)

    def signed(self, node: nodes.UnaryExpr) -> Shape:
        shape = self.shape(node.node)
        if shape.kinds & {"number", "any"}:
            return _NUMBER
        hint = _calculable(node.node, shape)
        return self.tell(f"{_quoted(node.node)} is {_words(shape)}: '{node.operator}' is for numbers", hint)

    def name(self, node: nodes.Name) -> Shape:
        if node.name in self.roots:
            sample = {
                "profile": "profile.email",
                "event": "event.id",
                "run": "run.clicked",
                "coupon": "coupon.expires_at",
                "shop": "shop.country",
            }
            fields = self.roots[node.name]
            example = (
                sample[node.name] if sample[node.name].partition(".")[2] in fields else f"{node.name}.{min(fields)}"
            )
            return self.tell(f"'{node.name}' alone says nothing", f"read one of its fields, such as {example}")
        return self.unknown(node.name)

    def unknown(self, name: str) -> Shape:
        if name in _ABSENT:
            return self.tell(f"there is no '{name}' here", _ABSENT[name])
        if name in USAGE:
            return self.tell(f"'{name}' is a function", f"write for instance {USAGE[name]}")
        hint = _MEANT.get(name) or near(name, frozenset(self.roots)) or f"use one of {', '.join(sorted(self.roots))}"
        return self.tell(f"unknown name '{name}'", hint)

    def field(self, owner: nodes.Expr, name: str) -> Shape:
        if isinstance(owner, nodes.Name):
            fields = self.roots.get(owner.name)
            if fields is None:
                return self.unknown(owner.name)
            return fields[name] if name in fields else self.no_field(owner.name, name)
        inside = self.shape(owner)
        kinds, said = _without_nothing(inside), _said(owner)
        if "any" in kinds:
            return _ANY
        if "traits" in kinds:
            return _of_field(Field(STANDARD_TRAITS[name])) if name in STANDARD_TRAITS else _ANY
        if "map" in kinds:
            return inside.item or _ANY
        if "money" in kinds and _CURRENCY.fullmatch(name):
            return _NUMBER
        known = [_fields(thing) for thing in inside.things]
        held = [fields[name] for fields in known if name in fields]
        return _joined(held) if held else self.no_part(said, inside, name)

    def no_part(self, said: str, inside: Shape, name: str) -> Shape:
        if "money" in inside.kinds:
            return self.tell(f"'{said}' has no '{name}'", f"name a currency by its code, as in {said}.EUR")
        if inside.things:
            every = {field for thing in inside.things for field in _fields(thing)}
            return self.tell(f"'{said}' has no '{name}'", _choice(name, every))
        if "list" in inside.kinds:
            return self.tell(f"'{said}' is a list: '{name}' belongs to its items", f"write ({said} | first).{name}")
        return self.tell(f"'{said}' is {_words(inside)} and has no fields", f"write {said} alone")

    def no_field(self, root: str, name: str) -> Shape:
        fields = frozenset(self.roots[root])
        hint = near(name, fields)
        elsewhere = [other for other, held in self.roots.items() if other != root and name in held]
        if not hint and elsewhere:
            hint = f"'{elsewhere[0]}' has it: {elsewhere[0]}.{name}"
        if not hint and root == "event":
            told = [kind for kind in EVENT_TYPES if name in _event_fields((kind,))]
            hint = f"only these events have it: {', '.join(told)}" if told else ""
        what = f"'event' ({', '.join(self.event_types)})" if root == "event" else f"'{root}'"
        return self.tell(f"{what} has no '{name}'", hint or f"it has {', '.join(sorted(fields))}")

    def item(self, node: nodes.Getitem) -> Shape:
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self.field(node.node, node.arg.value)
        if isinstance(node.node, nodes.Name):
            return self.name(node.node)
        inside, place = self.shape(node.node), self.shape(node.arg)
        if "any" in inside.kinds or (inside.kinds & {"map", "traits", "money"} and place.kinds & {"text", "any"}):
            return inside.item or _ANY
        if inside.kinds & {"list", "text"} and place.kinds & {"number", "any"}:
            return (inside.item or _ANY) if "list" in inside.kinds else _TEXT
        return self.tell(f"'{_said(node.node)}' is {_words(inside)}: it has no numbered items", "write its name alone")

    def call(self, node: nodes.Call) -> Shape:
        match called(node):
            case "since" | "within" as name:
                self.moment(name, node.args[0])
                return _ANY if name == "since" else _FLAG
            case "ordered":
                self.bought(node.args[0])
                return _FLAG
            case "count":
                return _ANY
            case _:
                return _FLAG

    def moment(self, name: str, about: nodes.Expr) -> None:
        if isinstance(about, nodes.Const):
            return  # the name of an event: compiling has looked at it
        shape = self.shape(about)
        if shape.kinds & {"moment", "any"}:
            return
        if "date" in shape.kinds:
            hint = "days are for wait_until and for a trigger on a date"
        else:
            moments = [f"{root}.{field}" for root, fields in self.roots.items() for field in fields
                       if "moment" in fields[field].kinds]  # fmt: skip
            hint = f"moments are {', '.join(sorted(moments))}; an event stands in quotes, as in {name}('email.clicked'"
            hint += ")" if name == "since" else ", '30d')"
        self.tell(f"{name}({_said(about)}): {_quoted(about)} is {_words(shape)}, not a moment", hint)

    def bought(self, about: nodes.Expr) -> None:
        shape = self.shape(about)
        inner = shape.item if "list" in shape.kinds and shape.item is not None else shape
        if inner.kinds & {"text", "any"} or facts.Item in inner.things:
            return
        hint = "write for instance ordered('p1'), ordered('Tea') or ordered(event.kind)"
        self.tell(f"ordered({_said(about)}): {_quoted(about)} is no product and no category", hint)

    def either(self, node: nodes.And | nodes.Or) -> Shape:
        left = self.shape(node.left)
        always = _always(node.left)
        if always is not None and self.purpose not in {"rule", "segment"}:
            self.tell(f"{_quoted(node.left)} is always {'true' if always else 'false'}", "leave it out")
        return _joined([left, self.shape(node.right)])

    def choice(self, node: nodes.CondExpr) -> Shape:
        self.shape(node.test)
        if node.expr2 is None:
            return self.tell("'… if …' does not say what else", "add it: 'a' if profile.orders else 'b'")
        return _joined([self.shape(node.expr1), self.shape(node.expr2)])

    def filter(self, node: nodes.Filter) -> Shape:
        if node.node is None:
            return _ANY
        inside = self.shape(node.node)
        given = [self.shape(one) for one in node.args] + [self.shape(one.value) for one in node.kwargs]
        kinds = _without_nothing(inside)
        item = inside.item or _ANY
        match node.name:
            case "length":
                fits, result = {"list", "text", "map", "money", "traits"}, _NUMBER
            case "lower" | "upper":
                fits, result = {"text"}, _TEXT
            case "default":
                return _joined([Shape(kinds or frozenset({"any"}), inside.things, inside.item), *given[:1]])
            case "int" | "float":
                fits, result = {"number", "text", "flag"}, _NUMBER
            case "sum":
                return self.added(node, inside)
            case name if name in _NUMERIC:
                fits, result = {"number"}, _NUMBER
            case _:
                fits, result = {"list"}, item
        if kinds and not kinds & (fits | {"any"}):
            wanted = " or ".join(_SAID[kind] for kind in ("number", "list", "text") if kind in fits)
            return self.tell(f"{_quoted(node.node)} is {_words(inside)}: '{node.name}' is for {wanted}", "leave it out")
        return result

    def added(self, node: nodes.Filter, inside: Shape) -> Shape:
        if not inside.kinds & {"list", "any"}:
            hint = "leave it out"
            return self.tell(f"{_quoted(node.node)} is {_words(inside)}: 'sum' is for a list", hint)  # type: ignore[arg-type]  # it is there
        name = node.args[0] if node.args else next((one.value for one in node.kwargs if one.key == "attribute"), None)
        item = inside.item or _ANY
        if isinstance(name, nodes.Const) and isinstance(name.value, str) and item.things:
            fields = _fields(item.things[0])
            if name.value not in fields:
                said = _said(node.node) if node.node is not None else ""
                return self.tell(f"the items of '{said}' have no '{name.value}'", _choice(name.value, fields))
            item = fields[name.value]
        if not item.kinds & {"number", "any"}:
            return self.tell(f"'sum' adds numbers, and these are {_words(item)}", "write | length to count them")
        return _NUMBER

    def test(self, node: nodes.Test) -> Shape:
        inside = self.shape(node.node)
        given = [self.shape(one) for one in node.args]
        if node.name in _TEST_SIGNS and given:
            self.pair(_TEST_SIGNS[node.name], node.node, inside, node.args[0], given[0])
        return _FLAG

    def arithmetic(self, node: nodes.BinExpr) -> Shape:
        left, right = self.shape(node.left), self.shape(node.right)
        both = left.kinds | right.kinds
        if node.operator == "+" and "text" in left.kinds and "text" in right.kinds:
            return Shape(frozenset({"text", "number"}) & both)
        for side, shape in ((node.left, left), (node.right, right)):
            if not shape.kinds & {"number", "any"}:
                return self.tell(
                    f"{_quoted(side)} is {_words(shape)}: '{node.operator}' is for numbers", _calculable(side, shape)
                )
        return Shape(frozenset({"number", "text"})) if node.operator == "+" and both == {"any"} else _NUMBER

    # --- comparing

    def compare(self, node: nodes.Compare) -> Shape:
        left = node.expr
        known = self.shape(left)
        for operand in node.ops:
            other = self.shape(operand.expr)
            self.pair(operand.op, left, known, operand.expr, other)
            left, known = operand.expr, other
        return _FLAG

    def pair(self, sign: str, left: nodes.Expr, one: Shape, right: nodes.Expr, other: Shape) -> None:
        if sign in {"in", "notin"}:
            self.inside(left, one, right, other)
            return
        if sign in {"eq", "ne"}:
            if _alike(one, other):
                self.possible(left, one, right, other)
                return
            if "none" in one.kinds & other.kinds or {"none"} in (one.kinds, other.kinds):
                return
        elif {"any"} & (one.kinds | other.kinds) or one.kinds & other.kinds & _IN_ORDER:
            return
        what = f"{_said(left)} {_SIGNS[sign]} {_said(right)}"
        kinds = f"{_words(one)} and {_words(other)}"
        said = "can never be equal" if sign in {"eq", "ne"} else "have no order"
        if one.kinds == other.kinds:
            said = "has no order"
            kinds = _words(one)
        self.tell(f"{what}: {kinds} {said}", _cure(left, one, right, other) or _cure(right, other, left, one))

    def inside(self, left: nodes.Expr, one: Shape, right: nodes.Expr, other: Shape) -> None:
        kinds = _without_nothing(other)
        if "any" in kinds or kinds & {"map", "money", "traits"}:
            return
        what = f"{_said(left)} in {_said(right)}"
        if "list" in kinds:
            if other.item is not None and not _alike(one, other.item):
                hint = None
                if "list" in one.kinds:
                    hint = f"ask for one at a time: 'a' in {_said(left)} or 'b' in {_said(left)}"
                self.tell(f"{what}: the list holds {_words(other.item)}, never {_words(one)}", hint)
            elif isinstance(right, (nodes.Tuple, nodes.List)):
                for each in right.items:
                    self.possible(left, one, each, self.shape(each))
            elif other.item is not None:
                self.possible(right, other.item, left, one)
        elif "text" not in kinds:
            hint = _cure(right, other, left, one) or "look for something in a list or a text"
            self.tell(f"{what}: {_quoted(right)} is {_words(other)}, and nothing is in it", hint)
        elif not one.kinds & {"text", "any"}:
            self.tell(f"{what}: a text holds texts, never {_words(one)}", "write the word in quotes")

    def possible(self, left: nodes.Expr, one: Shape, right: nodes.Expr, other: Shape) -> None:
        """Check that a fixed text is one that there can be."""
        for said, shape, constant in ((left, one, right), (right, other, left)):
            if isinstance(constant, nodes.Const) and isinstance(constant.value, str) and shape.choices is not None:
                if isinstance(said, nodes.Const) or constant.value in shape.choices:
                    continue
                hint = near(constant.value, shape.choices) or f"it is one of {', '.join(sorted(shape.choices))}"
                self.tell(f"{_quoted(said)} is never '{constant.value}'", hint if shape.choices else "it holds nothing")


_READ: dict[type[nodes.Node], Callable[[_Checker, Any], Shape]] = {
    nodes.Const: _Checker.constant,
    nodes.Tuple: _Checker.several,
    nodes.List: _Checker.several,
    nodes.Name: _Checker.name,
    nodes.Getattr: _Checker.attribute,
    nodes.Getitem: _Checker.item,
    nodes.Call: _Checker.call,
    nodes.Compare: _Checker.compare,
    nodes.And: _Checker.either,
    nodes.Or: _Checker.either,
    nodes.Not: _Checker.negated,
    nodes.CondExpr: _Checker.choice,
    nodes.Filter: _Checker.filter,
    nodes.Test: _Checker.test,
    nodes.BinExpr: _Checker.arithmetic,
    nodes.UnaryExpr: _Checker.signed,
}


def _alike(one: Shape, other: Shape) -> bool:
    """Whether two values can be equal."""
    if "any" in one.kinds | other.kinds:
        return True
    kinds = [{_ALIKE.get(kind, kind) for kind in _without_nothing(shape)} for shape in (one, other)]
    if kinds[0] & kinds[1] == {"list"} and one.item is not None and other.item is not None:
        return _alike(one.item, other.item)
    return bool(kinds[0] & kinds[1])


def _cure(node: nodes.Expr, shape: Shape, other_node: nodes.Expr, other: Shape) -> str | None:
    """Return what to write where this kind of value stands in a comparison that cannot be."""
    said, kinds = _said(node), _without_nothing(shape)
    if not kinds:
        return f"write {_said(other_node)} is none"
    if "moment" in kinds:
        return f"write since({said}) > '90d' or within({said}, '30d')"
    if "money" in kinds:
        spent = ", or profile.spent in the shop's own currency" if said == "profile.revenue" else ""
        return f"write {said}.EUR{spent}"
    if "date" in kinds:
        return "days are for wait_until and for a trigger on a date"
    if "flag" in kinds:
        return None if isinstance(node, nodes.Const) else f"write {said} alone, or not {said}"
    if "list" in kinds and not isinstance(node, (nodes.Tuple, nodes.List)):
        if "text" in other.kinds:
            return f"write {_said(other_node)} in {said}"
        return f"write {said} | length for how many they are"
    if "thing" in kinds and shape.things:
        return f"read one of its fields: {', '.join(sorted(_fields(shape.things[0])))}"
    constant = node.value if isinstance(node, nodes.Const) else None
    return _QUOTES.get(
        (type(constant), "number" if "number" in other.kinds else "text" if "text" in other.kinds else "")
    )


_QUOTES = {
    (str, "number"): "write numbers without quotes",
    (int, "text"): "write texts in quotes",
    (float, "text"): "write texts in quotes",
}


def _calculable(node: nodes.Expr, shape: Shape) -> str:
    said = _said(node)
    if "moment" in shape.kinds:
        return f"moments are compared with since({said}) > '90d' or within({said}, '30d')"
    if "money" in shape.kinds:
        return f"write {said}.EUR"
    if "list" in shape.kinds:
        return f"write {said} | length for how many they are"
    if "text" in shape.kinds:
        return (
            "write numbers without quotes"
            if isinstance(node, nodes.Const)
            else f"write {said} | float for the number in it"
        )
    return "calculate with numbers"


def _of_constant(value: object) -> Shape:
    if value is None:
        return _NOTHING
    if isinstance(value, str):
        return Shape(frozenset({"text"}), choices=frozenset({value}))
    return Shape(frozenset({_PLAIN.get(type(value), "any")}))


def _always(node: nodes.Expr) -> bool | None:
    """Return what this always comes to, as true or false, or `None` where that depends on something."""
    match node:
        case nodes.Tuple() | nodes.List():
            return bool(node.items)
        case nodes.Compare(expr=left, ops=[nodes.Operand(op=sign, expr=right)]):
            if called(left) == "count" or called(right) == "count":
                return _counted(left, sign, right)
            if _said(left) == _said(right) and path_of(left):
                return sign in {"eq", "lteq", "gteq"} or (None if sign in {"in", "notin"} else False)
        case _:
            pass
    if node.find(nodes.Name) is not None or (isinstance(node, nodes.Name)):
        return None
    try:
        return bool(node.as_const())
    except Exception:  # noqa: BLE001 - whatever hinders it, it is no constant then
        return None


def _counted(left: nodes.Expr, sign: str, right: nodes.Expr) -> bool | None:
    if isinstance(left, nodes.Const):
        left, right = right, left
        sign = {"lt": "gt", "gt": "lt", "lteq": "gteq", "gteq": "lteq"}[sign]
    if isinstance(right, nodes.Const) and right.value == 0 and sign in {"gteq", "lt"}:
        return sign == "gteq"
    return None


def _said(node: nodes.Expr | None) -> str:
    """Return an expression as it may have been written."""
    match node:
        case nodes.Const():
            return f"'{node.value}'" if isinstance(node.value, str) else str(node.value).lower()
        case nodes.Name() | nodes.Getattr() if path_of(node):
            return path_of(node)
        case nodes.Filter():
            return f"{_said(node.node)} | {node.name}"
        case nodes.Call():
            return f"{called(node)}({_listed(node.args)})"
        case nodes.Tuple() | nodes.List():
            return f"({_listed(node.items)}{',' if len(node.items) == 1 else ''})"
        case nodes.Getitem():
            return f"{_said(node.node)}[{_said(node.arg)}]"
        case _:
            return _calculated(node)


def _calculated(node: nodes.Expr | None) -> str:
    match node:
        case nodes.Not():
            return f"not {_said(node.node)}"
        case nodes.BinExpr():
            return f"{_said(node.left)} {node.operator} {_said(node.right)}"
        case nodes.UnaryExpr():
            return f"{node.operator}{_said(node.node)}"
        case nodes.Compare():
            return " ".join([_said(node.expr), *(f"{_SIGNS[one.op]} {_said(one.expr)}" for one in node.ops)])
        case _:
            return "…"


def _listed(several: Iterable[nodes.Expr]) -> str:
    return ", ".join(_said(one) for one in several)


def _quoted(node: nodes.Expr) -> str:
    said = _said(node)
    return said if isinstance(node, nodes.Const) or said.startswith("'") else f"'{said}'"
