"""Conditions: the Jinja2 expressions by which flows decide, compiled once per process.

A condition reads `profile`, `event`, `run` and `shop`, and asks the five functions of `rekindle.flow.library`; it
cannot call, loop, assign or reach anything else. There is no `now`. What it asks of the past stands in it as constants,
so that a playbook knows what to remember. At run time whatever goes wrong is a `ConditionError`, which the engine takes
as *false* and writes down. What only publishing has to know of an expression is in `rekindle.flow.check`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, get_args

import msgspec
from jinja2 import TemplateError, Undefined, nodes, pass_context
from jinja2.parser import Parser
from jinja2.runtime import Context
from msgspec import Struct

from rekindle.domain import facts
from rekindle.domain.errors import ConditionError, ContentError
from rekindle.domain.events import FLOW_EVENTS
from rekindle.domain.profile import TraitValue
from rekindle.domain.traits import MAX_LIST, MAX_TEXT
from rekindle.flow.library import Library, duration
from rekindle.flow.program import Ask, ask_key, merged_asks
from rekindle.flow.sandbox import Sandbox, is_whole, lookup, paths_of
from rekindle.flow.view import PROFILE, RECENT, RUN, SEGMENTS, SHOP

_ALLOWED = frozenset({
    nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.Tuple, nodes.List,
    nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.Test, nodes.Filter,
    nodes.Keyword, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
    nodes.Call,
})  # fmt: skip
_CURES: dict[type[nodes.Node], tuple[str, str]] = {
    nodes.Pow: ("**", "write the product out"),
    nodes.Concat: ("~", "put two texts together with +"),
    nodes.Slice: ("[a:b]", "take one with | first or | last, or ask with in"),
    nodes.Dict: ("{…}", "write a list, as in ('a', 'b')"),
}
FILTERS = frozenset(
    {"abs", "default", "first", "float", "int", "last", "length", "lower", "max", "min", "round", "sum", "upper"}
)
TESTS = frozenset(
    {"defined", "undefined", "none", "true", "false", "in", "eq", "ne", "lt", "le", "gt", "ge", "number", "string"}
)
#: How each function of the library is written.
USAGE = {
    "since": "since(profile.last_order_at) > '90d' or since('email.clicked') > '90d'",
    "within": "within(profile.last_order_at, '30d') or within('email.clicked', '30d')",
    "count": "count('product.viewed', '90d') >= 3 or count('product.viewed', \"event.id == 'p1'\", '90d') >= 3",
    "ordered": "ordered(event.kind) or ordered('p1', '180d')",
    "in_segment": "in_segment('vip')",
}
#: The most that `count` can be compared with: a profile keeps the moment of every event that is counted.
MOST = 100

#: Names that mean something inside: to Jinja2, and to the functions of the library.
_RESERVED = frozenset({"self", "library"})
_ORDER = frozenset({"lt", "lteq", "gt", "gteq"})
_MAX_SOURCE = 2_000
_MAX_DEPTH = 40
_MAX_NUMBER = 10**15
_MAX_DIGITS = 10
_SHOWN = 80
_BROKEN = (RecursionError, MemoryError, ValueError, SyntaxError, OverflowError)

_FACTS: tuple[type[Struct], ...] = get_args(facts.Fact)
_FACT_TYPES = frozenset(_FACTS)
_FACT_FIELDS = frozenset(name for fact in _FACTS for name in fact.__struct_fields__)

PROFILE_FIELDS, RUN_FIELDS, SHOP_FIELDS = tuple(PROFILE), tuple(RUN), tuple(SHOP)


class _Environment(Sandbox):
    def getattr(self, obj: Any, attribute: str) -> Any:
        # A condition may see events of several types: a field that only another type has is `None` here, not an error.
        if type(obj) in _FACT_TYPES and attribute in _FACT_FIELDS:
            return getattr(obj, attribute, None)
        return super().getattr(obj, attribute)


# --- the functions, as filters that no source can name ---------------------------------------------------------------


def _asking(method: Callable[..., Any]) -> Callable[..., Any]:
    @pass_context
    def ask(context: Context, subject: Any, *rest: Any) -> Any:
        library = context.parent.get("library")
        if library is None:
            raise ConditionError(f"{method.__name__} cannot be asked here")
        if isinstance(subject, Undefined):
            bool(subject)  # raises, and knows the name that is missing
        return method(library, subject, *rest)

    return ask


def _round(value: Any, digits: int = 0) -> Any:
    # Python computes ten to the power of the digits.
    if not -_MAX_DIGITS <= digits <= _MAX_DIGITS:
        raise ValueError("round takes a few digits only")
    return round(value, digits)


_environment = _Environment()
_environment.filters = {
    **{name: _environment.filters[name] for name in FILTERS},
    "round": _round,
    "_since": _asking(Library.since),
    "_since_last": _asking(Library.since_last),
    "_within": _asking(Library.within),
    "_within_last": _asking(Library.within_last),
    "_count": _asking(Library.count),
    "_ordered": _asking(Library.ordered),
    "_in_segment": _asking(Library.in_segment),
}
_environment.tests = {name: _environment.tests[name] for name in TESTS}


# --- conditions ------------------------------------------------------------------------------------------------------


class Condition:
    """One compiled expression. `source` is as the marketer wrote it; `paths` are the values that it reads.

    `inputs` are the parts of the profile by whose change alone (beside time) its value can change: names of
    `view.PROFILE`, `recent` where it asks for events of the past, `segments` where it asks for membership. `asks` are
    those events, `segments` the names of those segments. `timed` says whether it asks the library at all.
    """

    __slots__ = ("_template", "_told", "asks", "inputs", "paths", "segments", "source", "timed")

    def __init__(self, source: str) -> None:
        """Compile; raises `ContentError` for what cannot be a condition, with the cure where there is one."""
        self.source = source
        reading = _Reading()
        try:
            tree = reading.rewrite(parse(source))
            tree.set_environment(_environment)
            whole = nodes.Template([nodes.Assign(nodes.Name("result", "store"), tree, lineno=1)], lineno=1)
            self._template = _environment.from_string(whole)
        except TemplateError as error:
            raise ContentError(f"'{source}' is not an expression: {error}") from error
        except _BROKEN as error:
            raise ContentError(f"'{source}' is too deep or holds an impossible number") from error
        self._told = tuple(reading.told)
        self.paths = tuple(paths_of(whole))
        self.asks = merged_asks(reading.asks)
        self.segments = tuple(sorted(reading.segments))
        self.timed = reading.calls > 0
        self.inputs = tuple(sorted(_inputs(self.paths) | reading.inputs))

    def value(self, names: Mapping[str, Any]) -> Any:
        """Return what the expression comes to. Raises `ConditionError`."""
        try:
            # The names are shared, not copied: an expression cannot assign.
            context = self._template.new_context(names if isinstance(names, dict) else dict(names), shared=True)
            for _ in self._template.root_render_func(context):
                pass
            result = context.vars["result"]
            # An undefined result fails here, where the name is still known, and not later in a comparison.
            bool(result)
        except (
            TemplateError,
            ArithmeticError,
            TypeError,
            ValueError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:
            raise ConditionError(f"{self.source}: {error}") from error
        return result

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Return whether it is true of these values. Raises `ConditionError`."""
        return bool(self.value(names))

    def values(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """Return what it read, short enough to keep: the ledger's answer to "on which values?"."""
        read = {path: _short(lookup(names, path, _environment.getattr)) for path in self.paths}
        library = names.get("library")
        if library is not None:
            for told in self._told:
                read[told.label] = told.read(library, names)
        return read


@functools.lru_cache(maxsize=4096)
def condition(source: str) -> Condition:
    """Return the condition, compiled at most once per process."""
    return Condition(source)


def problems(source: str, event_types: Sequence[str] = (), **known: Any) -> list[ContentError]:
    """Return what is wrong with an expression, as `rekindle.flow.check.problems` does."""
    from rekindle.flow import check

    return check.problems(source, event_types, **known)


def plain(value: Any) -> TraitValue | None:
    """Return a condition's value as a trait can keep it, cut to its bounds; nothing stays nothing.

    Exact numbers become plain ones, moments their ISO 8601 text in UTC, lists texts. Raises `ConditionError` for what
    cannot be kept.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)[:MAX_TEXT]
    if isinstance(value, (int, float, Decimal)):
        number = Decimal(value)
        if not number.is_finite() or abs(number) > _MAX_NUMBER:
            raise ConditionError("a number of that size cannot be kept")
        return int(number) if number == int(number) else float(number)
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, (list, tuple, frozenset)):
        each = [plain(one) for one in value]
        if all(isinstance(one, (str, int, float)) for one in each):
            texts = [str(one) for one in each]
            return tuple(sorted(texts) if isinstance(value, frozenset) else texts)[:MAX_LIST]
    raise ConditionError("only texts, numbers, yes or no, moments and lists of texts can be kept")


# --- reading an expression -------------------------------------------------------------------------------------------


def parse(source: str) -> nodes.Expr:
    """Return the expression's tree, in which nothing stands that a condition cannot do. Raises `ContentError`."""
    if not source.strip():
        raise ContentError("the condition is empty")
    if len(source) > _MAX_SOURCE:
        raise ContentError("the condition is too long", hint=f"at most {_MAX_SOURCE} characters")
    try:
        parser = Parser(_environment, source, state="variable")
        tree = parser.parse_expression()
        rest = None if parser.stream.eos else parser.stream.current.value
    except TemplateError as error:
        raise ContentError(f"'{source}' is not an expression: {error}", hint=_misspelt(source)) from error
    except _BROKEN as error:
        raise ContentError(f"'{source}' is too deep or holds an impossible number") from error
    if rest is not None:
        hint = _misspelt(source) or "put something between the parts, such as and, or, =="
        raise ContentError(f"'{source}' is not one expression: it should end before '{rest}'", hint=hint)
    _check(tree, 0)
    tree.set_environment(_environment)
    return tree


def wanted(source: str) -> frozenset[str]:
    """Return the paths that the expression cannot do without: not those that it only reads with a `default`."""
    tree = _Reading().rewrite(parse(source))
    spared = {id(one.node) for one in tree.find_all(nodes.Filter) if one.name == "default" and one.node is not None}
    inner = {id(one.node) for one in tree.find_all(nodes.Getattr)}
    reads = [one for one in (tree, *tree.find_all(nodes.Getattr)) if id(one) not in spared | inner]
    return frozenset(path_of(one) for one in reads) - {""}


def called(node: nodes.Node) -> str:
    """Return the name of the function that this is a call of, else nothing."""
    return node.node.name if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) else ""


def near(word: str, known: Sequence[str] | frozenset[str]) -> str:
    """Return the question after the most similar word that there is, else nothing."""
    import difflib

    found = difflib.get_close_matches(word, sorted(known), 1)
    return f"did you mean '{found[0]}'?" if found else ""


def _misspelt(source: str) -> str | None:
    if "{{" in source or "{%" in source or "}}" in source:
        return "write it without {{ }} and {% %}"
    words = source.replace("(", " ").split()
    if "&&" in source or "||" in source or not {"AND", "OR", "NOT"}.isdisjoint(words):
        return "write and, or, not"
    if "=" in source and not any(sign in source for sign in ("==", "!=", "<=", ">=")):
        return "compare with =="
    return "write not in place of !" if "!" in source.replace("!=", "") else None


def _check(node: nodes.Node, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ContentError("the condition is nested too deeply", hint="write several conditions, or a segment")
    if type(node) not in _ALLOWED:
        what, cure = _CURES.get(type(node), (f"'{type(node).__name__.lower()}'", "compare, calculate, and, or, not"))
        raise ContentError(f"{what} cannot be used in a condition", hint=cure)
    match node:
        case nodes.Call():
            _check_call(node)
        case nodes.Filter() | nodes.Test():
            if node.dyn_args is not None or node.dyn_kwargs is not None:
                raise ContentError(f"'{node.name}' is not used like this")
            known = FILTERS if isinstance(node, nodes.Filter) else TESTS
            if node.name not in known:
                what = "filter" if isinstance(node, nodes.Filter) else "test"
                raise ContentError(f"unknown {what} '{node.name}'", hint=f"there are {', '.join(sorted(known))}")
        case (
            nodes.Name(name=str(name)) | nodes.Getattr(attr=str(name)) | nodes.Getitem(arg=nodes.Const(value=str(name)))
        ) if name.startswith("_") or name in _RESERVED:
            raise ContentError(f"unknown name '{name}'")
        case nodes.Const():
            _check_constant(node.value)
        case _:
            pass
    for child in node.iter_child_nodes():
        _check(child, depth + 1)


def _check_constant(value: object) -> None:
    if isinstance(value, str) and not is_whole(value):
        raise ContentError("a text holds half a character", hint="write the character itself")
    if isinstance(value, int | float) and abs(value) > _MAX_NUMBER:
        raise ContentError("the number is too large")


def _check_call(node: nodes.Call) -> None:
    name = called(node)
    if name not in USAGE:
        hint = f"there are {', '.join(USAGE)}"
        raise ContentError(f"'{name}' is no function" if name else "this cannot be called", hint=hint)
    if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise _misuse(name, "takes its values in their order, without names")


def _misuse(name: str, what: str) -> ContentError:
    return ContentError(f"{name}() {what}", hint=f"write for instance {USAGE[name]}")


def _inputs(paths: tuple[str, ...]) -> set[str]:
    fields = {path.partition(".")[2].partition(".")[0] for path in paths if path.partition(".")[0] == "profile"}
    # The whole profile, taken as a value, can change with any of its parts.
    return set(PROFILE) if "" in fields else fields & PROFILE.keys()


class _Told(NamedTuple):
    """What the ledger is told of a call: its name there, and how the library computes it from what it was asked."""

    label: str
    compute: Callable[..., Any]
    subject: Any
    """a constant, or where `read` says so the path of what was asked about"""
    by_path: bool = False
    rest: tuple[Any, ...] = ()

    def read(self, library: Library, names: Mapping[str, Any]) -> Any:
        subject = lookup(names, self.subject, _environment.getattr) if self.by_path else self.subject
        if isinstance(subject, Undefined):
            return None
        try:
            return self.compute(library, subject, *self.rest)
        except (TypeError, ValueError):
            return None


class _Reading:
    """Takes an expression's tree apart: what it asks, and each call put into the form that runs."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self.segments: set[str] = set()
        self.inputs: set[str] = set()
        self.told: list[_Told] = []
        self.calls = 0

    def rewrite(self, node: Any) -> Any:
        if isinstance(node, nodes.Call):
            return self.call(node)
        if isinstance(node, nodes.Compare):
            operands = [node.expr, *(operand.expr for operand in node.ops)]
            node.expr = self.operand(node, operands, 0)
            for place, operand in enumerate(node.ops, 1):
                operand.expr = self.operand(node, operands, place)
            return node
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            # `profile['email']` is `profile.email`: one way to say it, so that what is read is known.
            return self.rewrite(nodes.Getattr(node.node, node.arg.value, node.ctx, lineno=node.lineno))
        for field, value in node.iter_fields():
            if isinstance(value, list):
                setattr(node, field, [self.rewrite(one) for one in value])
            elif isinstance(value, nodes.Node):
                setattr(node, field, self.rewrite(value))
        return node

    def operand(self, node: nodes.Compare, operands: list[nodes.Expr], place: int) -> nodes.Expr:
        """Rewrite one side of a comparison; `since` and `count` may stand here, between constants."""
        operand = operands[place]
        name = called(operand)
        if name not in {"since", "count"}:
            rewritten: nodes.Expr = self.rewrite(operand)
            return rewritten
        beside = []
        for sign, other in ((place - 1, place - 1), (place, place + 1)):
            if 0 <= sign < len(node.ops):
                beside.append(_constant(name, node.ops[sign].op, operands[other]))
        return self.call(operand, beside)

    def call(self, node: nodes.Expr, beside: list[Any] | None = None) -> nodes.Filter:
        self.calls += 1
        name = called(node)
        args: list[nodes.Expr] = node.args  # type: ignore[attr-defined]  # it is a call
        if name in {"since", "count"} and beside is None:
            what = "a time, by <, <=, > or >=" if name == "since" else "a number, by <, <=, > or >="
            raise _misuse(name, f"is compared with {what}")
        match name:
            case "since":
                return self.since(node, args)
            case "within":
                return self.within(node, args)
            case "count":
                return self.count(node, args, beside or [])
            case "ordered":
                return self.ordered(node, args)
            case _:
                return self.in_segment(node, args)

    def since(self, node: nodes.Expr, args: list[nodes.Expr]) -> nodes.Filter:
        if len(args) != 1:
            raise _misuse("since", "takes one value: a moment, or the name of an event in quotes")
        event = _event("since", args[0])
        if event is None:
            return self.moment(node, "_since", args[0])
        ask = self.ask(Ask(key=ask_key(event), event=event))
        self.told.append(_Told(f"since({event})", Library.age_last, ask.key))
        return _filter(node, nodes.Const(ask.key), "_since_last")

    def within(self, node: nodes.Expr, args: list[nodes.Expr]) -> nodes.Filter:
        if len(args) != 2:  # noqa: PLR2004
            raise _misuse("within", "takes two values: a moment or the name of an event, and a time")
        event, window = _event("within", args[0]), _window("within", args[1])
        if event is None:
            return self.moment(node, "_within", args[0], window)
        seconds = int(duration(window).total_seconds())
        ask = self.ask(Ask(key=ask_key(event), event=event, seconds=seconds))
        self.told.append(_Told(f"since({event})", Library.age_last, ask.key))
        return _filter(node, nodes.Const(ask.key), "_within_last", window)

    def moment(self, node: nodes.Expr, name: str, about: nodes.Expr, *rest: str) -> nodes.Filter:
        path = path_of(about)
        if path:
            self.told.append(_Told(f"since({path})", Library.age, path, by_path=True))
        return _filter(node, self.rewrite(about), name, *rest)

    def count(self, node: nodes.Expr, args: list[nodes.Expr], beside: list[int]) -> nodes.Filter:
        event = _event("count", args[0]) if args else None
        if event is None or len(args) > 3:  # noqa: PLR2004
            raise _misuse("count", "takes the name of an event in quotes, then what must be true of it, then a time")
        texts = [_text("count", arg) for arg in args[1:]]
        window = texts.pop() if texts and (len(texts) == 2 or texts[0][:1].isdigit()) else ""  # noqa: PLR2004
        when = texts[0].strip() if texts else ""
        seconds = int(_length("count", window).total_seconds()) if window else 0
        if when:
            _check_where(when)
        # One more than it is compared with: so many, and more than so many, can then be told apart.
        keep = max(beside) + 1
        ask = self.ask(Ask(key=ask_key(event, when), event=event, when=when, keep=keep, seconds=seconds))
        label = f"count({', '.join(part for part in (event, when, window) if part)})"
        self.told.append(_Told(label, Library.tally, ask.key, rest=(window, keep)))
        return _filter(node, nodes.Const(ask.key), "_count", window)

    def ordered(self, node: nodes.Expr, args: list[nodes.Expr]) -> nodes.Filter:
        if len(args) not in {1, 2}:
            raise _misuse("ordered", "takes a product id or a category, and a time if you like")
        window = _window("ordered", args[1]) if args[1:] else ""
        self.inputs.add("products")
        constant, path = args[0], path_of(args[0])
        named = constant.value if isinstance(constant, nodes.Const) else path
        if named:
            label = f"ordered({named}, {window})" if window else f"ordered({named})"
            self.told.append(_Told(label, _ordered, named, by_path=bool(path), rest=(window,)))
        return _filter(node, self.rewrite(args[0]), "_ordered", window)

    def in_segment(self, node: nodes.Expr, args: list[nodes.Expr]) -> nodes.Filter:
        if len(args) != 1:
            raise _misuse("in_segment", "takes one value: the name of a segment in quotes")
        name = _text("in_segment", args[0])
        self.segments.add(name)
        self.inputs.add(SEGMENTS)
        self.told.append(_Told(f"in_segment({name})", Library.in_segment, name))
        return _filter(node, nodes.Const(name), "_in_segment")

    def ask(self, ask: Ask) -> Ask:
        self.asks.append(ask)
        self.inputs.add(RECENT)
        return ask


def path_of(node: nodes.Node) -> str:
    """Return the dotted path that this reads (`event.items`), or nothing where it is more than a path."""
    parts: list[str] = []
    while isinstance(node, nodes.Getattr):
        parts.append(node.attr)
        node = node.node
    return ".".join([node.name, *reversed(parts)]) if isinstance(node, nodes.Name) else ""


def _ordered(library: Library, what: Any, window: str) -> bool:
    # A second library: what the ledger is told must not count as asked.
    return library.apart().ordered(what, window)


def _filter(node: nodes.Node, subject: nodes.Expr, name: str, *rest: str) -> nodes.Filter:
    args: list[nodes.Expr] = [nodes.Const(one, lineno=node.lineno) for one in rest]
    return nodes.Filter(subject, name, args, [], None, None, lineno=node.lineno)


def _text(name: str, node: nodes.Expr) -> str:
    if not isinstance(node, nodes.Const) or not isinstance(node.value, str) or not node.value.strip():
        raise _misuse(name, "takes fixed texts in quotes")
    return node.value


def _event(name: str, node: nodes.Expr) -> str | None:
    """Return the event type that a constant names; `None` for anything but a constant."""
    if not isinstance(node, nodes.Const):
        return None
    if not isinstance(node.value, str):
        raise _misuse(name, "takes a moment, or the name of an event in quotes")
    if node.value not in FLOW_EVENTS:
        hint = near(node.value, FLOW_EVENTS) or f"events are {', '.join(sorted(FLOW_EVENTS))}"
        raise ContentError(f"no event is called '{node.value}'", hint=hint)
    return node.value


def _window(name: str, node: nodes.Expr) -> str:
    text = node.value if isinstance(node, nodes.Const) else None
    if not isinstance(text, str):
        raise _misuse(name, "takes a fixed time with its unit in quotes, such as '30d'")
    _length(name, text)
    return text


def _length(name: str, text: str) -> Any:
    try:
        return duration(text)
    except ValueError as error:
        raise _misuse(name, f"takes a time: {error}") from error


def _constant(name: str, sign: str, node: nodes.Expr) -> Any:
    """Check what `since` or `count` is compared with, and return it."""
    if sign not in _ORDER:
        raise _misuse(name, "is compared by <, <=, > and >= only, so that the moment at which it changes is known")
    if name == "since":
        return _window(name, node)
    number = node.value if isinstance(node, nodes.Const) else None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MOST:
        raise _misuse(name, f"is compared with a fixed whole number from 0 to {MOST}")
    return number


def _check_where(when: str) -> None:
    try:
        inner = condition(when)
    except ContentError as error:
        raise ContentError(f"in count(): {error.message}", hint=error.hint) from error
    if inner.timed or any(path.partition(".")[0] != "event" for path in inner.paths):
        raise ContentError(
            f"in count(), '{when}' can look at the counted event alone",
            hint="write what must be true of it, such as \"event.id == 'p1'\"; compare with the profile outside",
        )


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (Decimal, datetime)):
        return str(value)
    if isinstance(value, (list, tuple, dict, frozenset)):
        return f"{len(value)} item{'s' if len(value) != 1 else ''}"
    return None if isinstance(value, Undefined) else str(msgspec.to_builtins(value))[:_SHOWN]
