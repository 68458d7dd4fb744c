"""Conditions: the Jinja2 expressions by which flows decide, compiled once and checked when published.

A condition reads `profile`, `event`, `run` and `shop`; it cannot call, loop, assign or reach anything else. There is no
`now`. At run time whatever goes wrong is a `ConditionError`, which the engine takes as *false* and writes down.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from jinja2 import TemplateError, nodes
from jinja2.environment import TemplateExpression
from msgspec import Struct

from rekindle.domain import facts
from rekindle.domain.errors import ConditionError, ContentError
from rekindle.domain.events import EVENT_TYPES
from rekindle.flow.sandbox import Sandbox, lookup, paths_of

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.TemplateData,
    nodes.Tuple,
    nodes.List,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.CondExpr,
    nodes.Test,
    nodes.Filter,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Neg,
    nodes.Pos,
    nodes.Keyword,
    nodes.Pair,
)
_FILTERS = frozenset(
    {"abs", "default", "first", "float", "int", "last", "length", "lower", "max", "min", "round", "sum", "upper"}
)
_TESTS = frozenset(
    {"defined", "undefined", "none", "true", "false", "in", "eq", "ne", "lt", "le", "gt", "ge", "number", "string"}
)
_MAX_SOURCE = 2_000
_SHOWN = 80

_FACTS: tuple[type[Struct], ...] = (
    facts.Basket,
    facts.Order,
    facts.Refund,
    facts.Shipment,
    facts.Product,
    facts.Consent,
    facts.Customer,
    facts.Engagement,
    facts.PrivacyRequest,
    facts.Alarm,
    facts.Other,
)
_FACT_FIELDS = frozenset(name for fact in _FACTS for name in fact.__struct_fields__)


class _Environment(Sandbox):
    def getattr(self, obj: Any, attribute: str) -> Any:
        # A condition may see events of several types: a field that only another type has is `None` here, not an error.
        if isinstance(obj, _FACTS) and attribute in _FACT_FIELDS:
            return getattr(obj, attribute, None)
        return super().getattr(obj, attribute)


_environment = _Environment()
_environment.filters = {name: _environment.filters[name] for name in _FILTERS}
_environment.tests = {name: _environment.tests[name] for name in _TESTS}

_KINDS: dict[str, type[Struct]] = {str(fact.__struct_config__.tag): fact for fact in _FACTS}

#: What conditions may read, beside `event`, whose fields follow from the event's type.
PROFILE_FIELDS = (
    "email", "phone", "first_name", "last_name", "locale", "country", "city",
    "tags", "anonymous", "subscribed", "sms_subscribed",
    "orders", "items", "revenue", "average", "first_order_at", "last_order_at", "products", "kinds",
)  # fmt: skip
RUN_FIELDS = ("key", "entered_at", "opened", "clicked", "messages")
SHOP_FIELDS = ("id", "name", "platform", "currency", "locale", "zone")


class Condition:
    """One compiled expression. `source` is as the marketer wrote it; `paths` are the values that it reads."""

    __slots__ = ("_expression", "paths", "source")

    def __init__(self, source: str) -> None:
        """Compile; raises `ContentError` for what cannot be a condition, with the cure where there is one."""
        self.source = source
        tree = _parse(source)
        self.paths = tuple(paths_of(tree))
        self._expression: TemplateExpression = _environment.compile_expression(source, undefined_to_none=False)

    def value(self, names: Mapping[str, Any]) -> Any:
        """Return what the expression comes to. Raises `ConditionError`."""
        try:
            result = self._expression(**names)
            # An undefined result fails here, where the name is still known, and not later in a comparison.
            bool(result)
        except (TemplateError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise ConditionError(f"{self.source}: {error}") from error
        return result

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Return whether it is true of these values. Raises `ConditionError`."""
        return bool(self.value(names))

    def values(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """Return what it read, short enough to keep: the ledger's answer to "on which values?"."""
        return {path: _short(lookup(names, path, _environment.getattr)) for path in self.paths}


@functools.lru_cache(maxsize=4096)
def condition(source: str) -> Condition:
    """Return the condition, compiled at most once per process."""
    return Condition(source)


def problems(source: str, event_types: tuple[str, ...], *, in_run: bool = True) -> list[str]:
    """Return what is wrong with a condition that may see these event types: empty when it can be published."""
    try:
        compiled = condition(source)
    except ContentError as error:
        return [str(error)]
    known = names_known(event_types, in_run=in_run)
    found = []
    for path in compiled.paths:
        root, _, rest = path.partition(".")
        fields = known.get(root)
        if fields is None:
            found.append(f"unknown name '{root}': use one of {', '.join(sorted(known))}")
        elif rest and rest.split(".")[0] not in fields:
            found.append(f"'{root}' has no '{rest.split('.')[0]}': it has {', '.join(sorted(fields))}")
    return found


def names_known(event_types: tuple[str, ...], *, in_run: bool = True) -> dict[str, frozenset[str]]:
    """Return the names that a condition may use, each with its fields. `event` has what all its types have together."""
    fields = [frozenset(_KINDS[EVENT_TYPES[kind]].__struct_fields__) for kind in event_types]
    known = {
        "profile": frozenset(PROFILE_FIELDS),
        "event": frozenset.union(*fields) if fields else frozenset[str](),
        "shop": frozenset(SHOP_FIELDS),
    }
    return known | {"run": frozenset(RUN_FIELDS)} if in_run else known


def _parse(source: str) -> nodes.Template:
    if not source.strip():
        raise ContentError("the condition is empty")
    if len(source) > _MAX_SOURCE:
        raise ContentError("the condition is too long", hint=f"at most {_MAX_SOURCE} characters")
    try:
        tree = _environment.parse("{{ (" + source + ") }}")
    except TemplateError as error:
        raise ContentError(f"'{source}' is not an expression: {error}") from error
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output) or len(tree.body[0].nodes) != 1:
        raise ContentError(f"'{source}' is not one expression", hint="write it without {{ }} and {% %}")
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            raise ContentError(f"'{source}' uses {type(node).__name__.lower()}, which conditions cannot do")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise ContentError(f"unknown filter '{node.name}'", hint=f"there are {', '.join(sorted(_FILTERS))}")
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise ContentError(f"unknown test '{node.name}'", hint=f"there are {', '.join(sorted(_TESTS))}")
        if isinstance(node, nodes.Name) and node.name.startswith("_"):
            raise ContentError(f"unknown name '{node.name}'")
    return tree


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (Decimal, datetime)):
        return str(value)
    if isinstance(value, (list, tuple, dict)):
        return f"{len(value)} item{'s' if len(value) != 1 else ''}"
    return None if type(value).__name__.endswith("Undefined") else str(msgspec.to_builtins(value))[:_SHOWN]
