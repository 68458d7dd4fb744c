"""The one Jinja2 sandbox that marketers' expressions and templates run in.

It knows data, not objects: a dot looks up a key of a dict or a field of a domain value and nothing else, so there is no
method, no dunder and no module to reach. Operators work on numbers (and `+` on two texts) only, and there is nothing to
call: no globals, no macros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

_NUMBERS = (int, float, Decimal)
_MAX_EXPONENT = 64


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja2 environment without globals, methods or attributes: keys and fields only."""

    intercepted_binops: ClassVar[frozenset[str]] = frozenset({"+", "-", "*", "/", "//", "%", "**"})  # type: ignore[misc]  # jinja2 declares it on the instance

    def __init__(self, **options: Any) -> None:
        """Take Jinja2's own options; an unknown value raises where it is used, unless told otherwise."""
        options.setdefault("undefined", StrictUndefined)
        super().__init__(**options)
        self.globals.clear()

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return the key of a dict, or the field of a domain value, by that name; else an undefined."""
        if isinstance(obj, dict):
            try:
                return obj[attribute]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        if isinstance(obj, Struct) and attribute in obj.__struct_fields__:
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return self.undefined(name=attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item of a dict or a sequence; a name that is not there is an undefined."""
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, (list, tuple, str, dict)):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                pass
        return self.undefined(obj=obj, name=str(argument))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No attribute of any object is safe; `getattr` above is the only way in."""
        del obj, attr, value
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        """Nothing may be called."""
        del obj
        return False

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse arithmetic that is not about numbers, and powers that could fill the memory."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return left + right
        if not (isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)):
            msg = f"'{operator}' works on numbers only"
            raise SecurityError(msg)
        if operator == "**" and not -_MAX_EXPONENT <= right <= _MAX_EXPONENT:
            msg = "the exponent is too large"
            raise SecurityError(msg)
        if isinstance(left, Decimal) != isinstance(right, Decimal):
            # Money is Decimal; a marketer's 1.5 is a float: meet on the exact side.
            left, right = Decimal(str(left)), Decimal(str(right))
        return super().call_binop(context, operator, left, right)


def is_whole(text: str) -> bool:
    """Whether every character is one: an escape can write half of one, which nothing could store or send."""
    return text.isprintable() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def paths_of(tree: nodes.Node) -> dict[str, int]:
    """Return every dotted path that is read (`event.items`), with the line where it stands first."""
    found: dict[str, int] = {}
    inner: set[int] = set()
    for node in tree.find_all((nodes.Getattr, nodes.Name)):
        if id(node) in inner:
            continue
        parts: list[str] = []
        at: nodes.Node = node
        while isinstance(at, nodes.Getattr):
            parts.append(at.attr)
            inner.add(id(at.node))
            at = at.node
        if isinstance(at, nodes.Name) and at.ctx == "load":
            found.setdefault(".".join([at.name, *reversed(parts)]), node.lineno)
    return found


def lookup(names: Mapping[str, Any], path: str, get: Callable[[Any, str], Any]) -> Any:
    """Return what a dotted path means among `names`, step by step through `get`."""
    first, *rest = path.split(".")
    value: Any = names.get(first)
    for part in rest:
        value = get(value, part)
    return value
