"""The language of mails: Jinja2 cut down to what a text needs, checked when compiled, bounded when run.

What is left: `{{ value | filter }}`, `if`, `for`, `set`, `with`, conditions and sums. There are no calls
(macros are written out by then, `rekindle.content.macros`) and no blocks that collect output, so a template can grow
only through its loops, which are counted, and through `~` and `join`, which are capped. Values are plain dicts and
lists; what mails and conditions share is `rekindle.flow.sandbox`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.environment import Template
from jinja2.runtime import Context, LoopContext

from rekindle.content import formats
from rekindle.content.formats import Format
from rekindle.content.tracker import TRACKER, link
from rekindle.domain.errors import ContentError
from rekindle.flow.sandbox import Sandbox, is_whole

#: The longest source and the longest output, in characters. Gmail cuts a mail off at 102 KB anyway.
MAX_SOURCE = 300_000
MAX_OUTPUT = 200_000
MAX_TURNS = 20_000
MAX_TEXT = 10_000
_MAX_DEPTH = 60
_TURNS_A_LOOK = 64
_CHUNKS_A_LOOK = 256

#: The names of a context that are for filters and not for templates.
FORMATS, BUDGET = "_formats", "_budget"

_LOOP = frozenset({"index", "index0", "first", "last", "length", "revindex", "revindex0"})
_TESTS = ("defined", "undefined", "none", "odd", "even", "number", "string")
_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.With,
    nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Keyword,
    nodes.Test, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Concat,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
)  # fmt: skip
_CURES: dict[type[nodes.Node], tuple[str, str]] = {
    nodes.Call: (
        "a call",
        "use a filter, as in {{ name | upper }}; a macro stands by itself in {{ }}, and must be taken in before",
    ),
    nodes.Macro: ("a macro here", "macros belong in a mail, or in a file that it takes them from"),
    nodes.CallBlock: ("{% call %}", "use {% include %}"),
    nodes.Import: ("{% import %}", "use {% from … import … %}, in a mail"),
    nodes.FromImport: ("{% from %} here", "macros can be taken in by mails"),
    nodes.Include: (
        "{% include %} of a name that is not fixed",
        'write the file\'s name: {% include "_layout/x.html" %}',
    ),
    nodes.Extends: ("{% extends %} here", "make it the first thing in the file, with a fixed name"),
    nodes.FilterBlock: ("{% filter %}", "use the filter on a value: {{ name | upper }}"),
    nodes.Block: ("{% block %} here", "blocks belong in a file that begins with {% extends %}, or in a layout"),
    nodes.AssignBlock: ("{% set %}…{% endset %}", "give the value in one line: {% set name = … %}"),
    nodes.Pow: ("**", "write the product out"),
    nodes.Slice: ("[a:b]", "use the filter limit, as in {{ event.items | limit(4) }}"),
    nodes.Dict: ("a dict", "use a name for each value"),
}


class Budget:
    """What one rendering may cost: turns of loops, and time by a clock that is passed in (seconds, monotonic)."""

    __slots__ = ("_clock", "_end", "_turns")

    def __init__(self, clock: Callable[[], float] | None = None, seconds: float = 2.0) -> None:
        self._clock = clock
        self._end = clock() + seconds if clock else 0.0
        self._turns = 0

    def turn(self) -> None:
        """Count one turn of a loop. Raises `ContentError` when there were too many, or the time is up."""
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise ContentError(f"the template loops more than {MAX_TURNS} times")
        if self._clock is not None and self._turns % _TURNS_A_LOOK == 0 and self._clock() > self._end:
            raise ContentError("the template takes too long")


class _Missing(Undefined):
    """A value that is not there: empty in a text, false in a condition, and so is everything below it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> Any:
        return self


class _Language(Sandbox):
    """Jinja2's environment for mails. The two that exist differ in whether they escape."""

    intercepted_binops: ClassVar[frozenset[str]] = frozenset({"+", "-", "*", "/", "//", "%", "**"})  # type: ignore[misc]  # jinja2 declares it on the instance
    intercepted_unops: ClassVar[frozenset[str]] = frozenset({"+", "-"})  # type: ignore[misc]

    def __init__(self, *, escape: bool) -> None:
        super().__init__(autoescape=escape, undefined=_Missing, finalize=_shown, cache_size=0)
        self.filters = {**FILTERS, **_INNER}
        self.tests = {name: self.tests[name] for name in _TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return the key of a dict, or one of the numbers that `loop` has; of anything else nothing."""
        if type(obj) is dict:
            try:
                return obj[attribute]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def is_safe_callable(self, obj: Any) -> bool:
        """Nothing may be called."""
        del obj
        return False

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Return the result, or nothing where a value is missing or the divisor is zero."""
        if _absent(left) or _absent(right):
            return None
        if isinstance(left, str) or isinstance(right, str):
            raise ContentError(f"{operator} is for numbers", hint="put texts together with ~")
        try:
            return super().call_binop(context, operator, left, right)
        except ArithmeticError:
            return None

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        """Return the number with its sign, or nothing where it is missing."""
        return None if _absent(arg) else super().call_unop(context, operator, arg)


# --- filters ---------------------------------------------------------------------------------------------------------


def _absent(value: Any) -> bool:
    return value is None or isinstance(value, Undefined)


def _shown(value: Any) -> Any:
    if type(value) is str:
        return value
    if value is None or isinstance(value, (dict, list, bool)):
        return ""
    return value


def _text(value: Any) -> str:
    return "" if _absent(value) or isinstance(value, (dict, list, bool)) else str(value)


# Filters read the names as they were given: a template's own `set` cannot change what they go by.
def _form(context: Context, locale: Any) -> Format:
    known: Mapping[str, Format] = context.parent[FORMATS]
    return known.get(locale, known[""]) if isinstance(locale, str) else known[""]


def _known(context: Context, name: str, key: str) -> Any:
    value = context.parent.get(name)
    return value.get(key) if type(value) is dict else None


@pass_context
def _money(context: Context, value: Any, currency: Any = None, locale: Any = None) -> str:
    code = currency or _known(context, "event", "currency") or _known(context, "shop", "currency")
    return formats.money(value, code, _form(context, locale)) if isinstance(code, str) and code else _text(value)


@pass_context
def _date(context: Context, value: Any, style: str = "long", zone: Any = None, locale: Any = None) -> str:
    where = zone if isinstance(zone, str) else _own_zone(value) or _known(context, "shop", "zone")
    return formats.day(value, style, where or "UTC", _form(context, locale))


def _own_zone(value: Any) -> str | None:
    """Return the zone that a moment is meant in; all but those that say so are in UTC, and shown in the shop's."""
    zone = value.tzinfo if isinstance(value, datetime) else None
    return zone.key if isinstance(zone, ZoneInfo) and zone.key != "UTC" else None


@pass_context
def _country(context: Context, value: Any, locale: Any = None) -> str:
    return formats.country(value, _form(context, locale))


def _default(value: Any, fallback: Any = "", boolean: Any = True) -> Any:
    # Jinja2's own third argument is taken and changes nothing: empty is missing, always.
    del boolean
    return fallback if _absent(value) or value == "" else value


def _truncate(value: Any, length: int = 80, end: str = "…") -> str:
    text = _text(value)
    if len(text) <= length:
        return text
    cut = text[: max(0, length - len(end))]
    words = cut.rsplit(" ", 1)[0]
    return (words if len(words) * 2 > len(cut) else cut).rstrip() + end


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple, dict)) else 0


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (str, list, tuple)) and value else None


def _last(value: Any) -> Any:
    return value[-1] if isinstance(value, (str, list, tuple)) and value else None


def _limit(value: Any, count: Any) -> list[Any]:
    return list(value[:count]) if isinstance(value, (list, tuple)) and isinstance(count, int) and count > 0 else []


def _join(value: Any, separator: str = ", ", key: str | None = None) -> str:
    parts = value if isinstance(value, (list, tuple)) else []
    texts = (_text(part.get(key) if key is not None and isinstance(part, dict) else part) for part in parts)
    return _capped(str(separator).join(text for text in texts if text))


@pass_context
def _list(context: Context, value: Any, locale: Any = None) -> str:
    parts = value if isinstance(value, (list, tuple)) else [value]
    return _capped(formats.listed([text for text in map(_text, parts) if text], _form(context, locale)))


def _capped(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise ContentError(f"a text of more than {MAX_TEXT} characters was put together")
    return text


#: What a marketer may write after `|`.
FILTERS: dict[str, Callable[..., Any]] = {
    "money": _money,
    "date": _date,
    "country": _country,
    "default": _default,
    "truncate": _truncate,
    "length": _length,
    "upper": lambda value: _text(value).upper(),
    "lower": lambda value: _text(value).lower(),
    "title": lambda value: " ".join(word[:1].upper() + word[1:] for word in _text(value).split(" ")),
    "join": _join,
    "list": _list,
    "first": _first,
    "last": _last,
    "limit": _limit,
}


# --- what the checked template is rewritten to -----------------------------------------------------------------------


@pass_context
def _each(context: Context, value: Any) -> Iterator[Any]:
    budget: Budget = context.parent[BUDGET]
    for item in value if isinstance(value, (list, tuple)) else ():
        budget.turn()
        yield item


def _ordered(left: Any, right: Any, operator: str) -> bool:
    if _absent(left) or _absent(right):
        return False
    if isinstance(left, str) != isinstance(right, str):
        raise ContentError("a number and a text cannot be compared", hint="write numbers without quotes")
    if operator in {"lt", "lteq"}:
        left, right = right, left
    return bool(left > right if operator in {"gt", "lt"} else left >= right)


def _within(left: Any, right: Any) -> bool:
    if isinstance(right, str):
        return isinstance(left, str) and left in right
    return isinstance(right, (list, tuple)) and left in right


def _concat(first: Any, *others: Any) -> str:
    return _capped("".join(_text(part) for part in (first, *others)))


@pass_context
def _link(context: Context, value: Any, about: Any = None) -> Any:
    return link(context.parent.get(TRACKER), value, about)


_INNER: dict[str, Callable[..., Any]] = {
    "_each": _each, "_ordered": _ordered, "_within": _within, "_concat": _concat, "_link": _link
}  # fmt: skip
#: What publish itself writes into a template, and nobody else may: the counted links, the picture that counts, and
#: where the shop's pictures live.
PIXEL, ASSETS = "_pixel", "_assets"
_OWN = frozenset({"_link", PIXEL, ASSETS})
_ORDER = ("gt", "gteq", "lt", "lteq")


def _call(name: str, node: Any, args: list[nodes.Expr], line: int) -> nodes.Filter:
    return nodes.Filter(node, name, args, [], None, None, lineno=line)


def _pair(left: nodes.Expr, operand: nodes.Operand, line: int) -> nodes.Expr:
    if operand.op in _ORDER:
        return _call("_ordered", left, [operand.expr, nodes.Const(operand.op, lineno=line)], line)
    if operand.op in {"in", "notin"}:
        found = _call("_within", left, [operand.expr], line)
        return found if operand.op == "in" else nodes.Not(found, lineno=line)
    return nodes.Compare(left, [operand], lineno=line)


def _bounded(node: nodes.Node) -> nodes.Node:
    if isinstance(node, nodes.For):
        node.iter = _call("_each", node.iter, [], node.lineno)
    elif isinstance(node, nodes.Concat):
        first, *others = node.nodes
        return _call("_concat", first, others, node.lineno)
    elif isinstance(node, nodes.Compare):
        chain: nodes.Expr | None = None
        left = node.expr
        for operand in node.ops:
            pair = _pair(left, operand, node.lineno)
            chain = pair if chain is None else nodes.And(chain, pair, lineno=node.lineno)
            left = operand.expr
        return chain if chain is not None else node
    return node


def _rewrite(node: nodes.Node) -> nodes.Node:
    for field, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, field, [_rewrite(item) if isinstance(item, nodes.Node) else item for item in value])
        elif isinstance(value, nodes.Node):
            setattr(node, field, _rewrite(value))
    return _bounded(node)


# --- compiling and running -------------------------------------------------------------------------------------------

HTML = _Language(escape=True)
TEXT = _Language(escape=False)

_BROKEN = (RecursionError, MemoryError, ValueError, SyntaxError, OverflowError)


def parse(source: str, file: str, *, html: bool, own: bool = False) -> nodes.Template:
    """Return the template's tree, checked: only what the language has. Raises `ContentError` with file and line.

    `own`: publish has been at it (`rekindle.content.numbering`), so it may hold what is not for marketers to write.
    """
    if len(source) > MAX_SOURCE:
        raise ContentError("the template is too long", file=file, hint=f"at most {MAX_SOURCE} characters")
    try:
        tree = (HTML if html else TEXT).parse(source)
        _check(tree, file, 0, own=own)
    except TemplateSyntaxError as error:
        raise ContentError(
            error.message or "not a template", file=file, line=error.lineno, hint=_cure(error)
        ) from error
    except _BROKEN as error:
        raise ContentError("the template is too deep or holds an impossible number", file=file) from error
    return tree


def compiled(source: str, file: str, *, html: bool, own: bool = False) -> Template:
    """Return the template, ready to run; `own` as in `parse`. Raises `ContentError` with file and line."""
    tree = parse(source, file, html=html, own=own)
    language = HTML if html else TEXT
    try:
        rewritten = _rewrite(tree)
        rewritten.set_environment(language)
        code = language.compile(rewritten, name=file, filename=file)  # type: ignore[call-overload]  # it takes trees too
        return Template.from_code(language, code, {})
    except TemplateSyntaxError as error:
        raise ContentError(error.message or "not a template", file=file, line=error.lineno) from error
    except _BROKEN as error:
        raise ContentError("the template is too deep or holds an impossible number", file=file) from error


def run(template: Template, names: Mapping[str, Any], budget: Budget) -> str:
    """Return what the template says of these names.

    Raises `ContentError`, with file and line, for whatever goes wrong: the output is too long, the budget is spent, or
    an operation does not fit its values.
    """
    text = ""
    try:
        # `shared`: the names are taken as they are and not copied. What a template sets, it sets beside them.
        whole = names if names.get(BUDGET) is budget else {**names, BUDGET: budget}
        stream = template.root_render_func(template.new_context(whole, shared=True))  # type: ignore[arg-type]
        while parts := list(islice(stream, _CHUNKS_A_LOOK)):
            text += "".join(parts)
            if len(text) > MAX_OUTPUT:
                raise ContentError(f"the mail is longer than {MAX_OUTPUT} characters")  # noqa: TRY301
    except ContentError as error:
        error.file = error.file or template.name
        error.line = error.line or _line(template, error)
        raise
    except (TemplateError, ArithmeticError, TypeError, LookupError, *_BROKEN) as error:
        raise ContentError(f"cannot be rendered: {error}", file=template.name, line=_line(template, error)) from error
    return text


def _line(template: Template, error: BaseException) -> int | None:
    at, line = error.__traceback__, None
    while at is not None:
        if at.tb_frame.f_code.co_filename == template.filename:
            line = template.get_corresponding_lineno(at.tb_lineno)
        at = at.tb_next
    return line


def _check(node: nodes.Node, file: str, depth: int, *, own: bool) -> None:
    if depth > _MAX_DEPTH:
        raise ContentError("nested too deeply", file=file, line=node.lineno)
    if not (own and _is_own(node)):
        _check_one(node, file)
    for child in node.iter_child_nodes():
        _check(child, file, depth + 1, own=own)


def _is_own(node: nodes.Node) -> bool:
    if isinstance(node, nodes.FilterBlock):
        return node.filter.name in _OWN
    return isinstance(node, (nodes.Filter, nodes.Name)) and node.name in _OWN


def _check_one(node: nodes.Node, file: str) -> None:
    if not isinstance(node, _ALLOWED):
        what, cure = _CURES.get(type(node), (f"'{type(node).__name__.lower()}'", "use if, for, set, with and filters"))
        raise ContentError(f"{what} cannot be used in a mail", file=file, line=node.lineno, hint=cure)
    if isinstance(node, (nodes.Name, nodes.Getattr)):
        name = node.name if isinstance(node, nodes.Name) else node.attr
        if name.startswith("_"):
            raise ContentError(f"unknown name '{name}'", file=file, line=node.lineno)
    if isinstance(node, nodes.For) and node.recursive:
        raise ContentError("a loop cannot call itself", file=file, line=node.lineno, hint="remove 'recursive'")
    if isinstance(node, nodes.Filter):
        _check_filter(node, file)
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        raise ContentError(
            f"unknown test '{node.name}'", file=file, line=node.lineno, hint=f"there are {', '.join(_TESTS)}"
        )
    if isinstance(node, nodes.Const):
        _check_constant(node, file)


def _check_constant(node: nodes.Const, file: str) -> None:
    if isinstance(node.value, str) and not is_whole(node.value):
        raise ContentError("a text holds half a character", file=file, line=node.lineno)
    if isinstance(node.value, (int, float)) and abs(node.value) > 10**15:
        raise ContentError("the number is too large", file=file, line=node.lineno)


def _check_filter(node: nodes.Filter, file: str) -> None:
    if node.name not in FILTERS:
        hint = f"there are {', '.join(sorted(FILTERS))}"
        raise ContentError(f"unknown filter '{node.name}'", file=file, line=node.lineno, hint=hint)
    if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise ContentError(f"the filter {node.name} is not used like this", file=file, line=node.lineno)


def _cure(error: TemplateSyntaxError) -> str:
    said = error.message or ""
    if "end of template" in said or "nd of print statement" in said:
        return "something is opened and not closed: look for a missing }}, %}, endif or endfor"
    if "Unknown tag" in said or "unknown tag" in said:
        return "tags are if, for, set, with, include, extends and block; each but set and include has its end tag"
    return "look at the line and the one before"
