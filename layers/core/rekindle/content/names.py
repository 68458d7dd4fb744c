"""Check every name that a mail uses against what a mail can know. Publish only; pure.

The shape of the names is read off a context that `rekindle.content.context` itself made, so the two cannot drift apart.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from jinja2 import nodes

from rekindle.content import sandbox
from rekindle.content.brand import Brand, Social
from rekindle.content.context import OPEN, RECOMMENDATIONS, context
from rekindle.content.links import FORMS
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Address, Item, Order, Product
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.profile import Profile, Run
from rekindle.flow.program import Shop

#: A dict by its keys, a list by its element, anything else (a text, a number, a date) as `None`.
Shape = dict[str, Any] | list[Any] | None


class _Anything(dict[str, Any]):
    """The shape of what nobody knows beforehand: any part of it may be there, and may be anything."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> _Anything:
        return self


class Picks(list[Any]):
    """The shape of a list that may well be empty: what there is to recommend. `names`: of which lists it can be."""

    def __init__(self, names: frozenset[str], element: Shape) -> None:
        super().__init__([element])
        self.names = names


_LOOP: Shape = dict.fromkeys(("index", "index0", "first", "last", "length", "revindex", "revindex0"))


@cache
def shape() -> dict[str, Any]:
    """Return the shape of everything that a mail may name."""
    moment = datetime(2000, 1, 1, tzinfo=UTC)
    order = Order(
        id="1", updated_at=moment, items=(Item(title="x", price=Decimal(1)),), ship_to=Address(), codes=("x",)
    )
    full = context(
        shop=Shop(
            id="x", name="x", platform="shopify", url="", sender_email="", sender_name="", postal_address="",
            currency="EUR", locale="en", zone="UTC",
        ),
        brand=Brand(social=(Social(name="x", url="x"),)),
        profile=Profile(id="x", shop="x"),
        run=Run(id="x", flow="x", version="x", playbook="x", entered_at=moment, expires_at=moment, trigger=order),
        products={},
        links={},
        formats={},
        recommend={one: [Product(id="x", updated_at=moment, title="x")] for one in RECOMMENDATIONS},
        coupon=Coupon(
            run="x", offer="x", shop="x", profile_id="x", message_id="x", state="made", issued_at=moment,
            terms=Offer(name="x", kind="fixed"),
        ),
    )  # fmt: skip
    known: dict[str, Any] = {name: _shape(value) for name, value in full.items() if not name.startswith("_")}
    for name, part in OPEN:
        known[name][part] = _Anything()
    known["recommend"] = {name: Picks(frozenset({name}), part[0]) for name, part in known["recommend"].items()}
    return known


def _shape(value: Any) -> Shape:
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return [_shape(value[0]) if value else None] if isinstance(value, list) else None


def _element(shape: Shape) -> Shape:
    if isinstance(shape, _Anything):
        return shape
    return shape[0] if isinstance(shape, list) else None


@lru_cache(maxsize=1_000)
def names_of(source: str, file: str, *, html: bool) -> Names:
    """Return what a template asks for. Raises `ContentError`, with the line in `source`, for what is no template.

    Remembered, because most of what is looked at was looked at before: whoever gets it changes nothing in it.
    """
    names = Names(file)
    names.walk(sandbox.parse(source, file, html=html))
    return names


class Names:
    """One walk through a template's tree.

    Afterwards `event_fields` are the parts of `event` that it uses, with their line, `recommended` the lists of
    `recommend`, `forms` the forms that it links to. What is recommended may be shown only where `if` has looked
    whether there is something. `coupon_fields` are the parts of `coupon` that it uses whether there is one or
    not; `coupon` says whether it speaks of one at all.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._sure: list[list[frozenset[str]]] = []
        self._scopes: list[dict[str, Shape]] = [dict(shape())]
        self.problems: list[ContentError] = []
        self.event_fields: dict[str, int] = {}
        self.recommended: dict[str, int] = {}
        self.forms: dict[str, int] = {}
        self.coupon_fields: dict[str, int] = {}
        self.coupon = False
        self._given = 0

    def walk(self, tree: nodes.Template) -> None:
        """Collect what is wrong in `problems`, each unknown name once a line."""
        self._block(tree.body)

    def _block(self, body: list[nodes.Node]) -> None:
        for node in body:
            self._statement(node)

    def _statement(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.For):
            self._loop(node)
        elif isinstance(node, nodes.With):
            values = [self._expression(value) for value in node.values]
            self._scoped(dict(zip((_name(target) for target in node.targets), values, strict=True)), node.body)
        elif isinstance(node, nodes.Assign):
            self._scopes[-1][_name(node.target)] = self._expression(node.node)
        elif isinstance(node, nodes.If):
            self._asking(node.test)
            told = len(self.problems)
            self._sure.append(self._looked_at(node.test))
            # What is wrong with the condition itself was said a line ago.
            del self.problems[told:]
            self._granted(node.body, given=_is_given(node.test))
            self._sure.pop()
            self._block(list(node.elif_))
            self._granted(node.else_, given=isinstance(node.test, nodes.Not) and _is_given(node.test.node))
        else:
            for child in node.iter_child_nodes():
                self._expression(child)

    def _asking(self, test: nodes.Node) -> Shape:
        """Look at a condition: that it reads a part of a coupon which may not be there is what it is for."""
        self._given += 1
        found = self._expression(test)
        self._given -= 1
        return found

    def _granted(self, body: list[nodes.Node], *, given: bool) -> None:
        """Look at what stands only where there is a coupon, if `given`."""
        self._given += given
        self._block(body)
        self._given -= given

    def _loop(self, node: nodes.For) -> None:
        found = self._expression(node.iter)
        if not isinstance(found, (list, _Anything)):
            self._problem(
                node, "this is not a list: nothing can be repeated over it", "as in {% for item in event.items %}"
            )
        self._must_be_sure(node, found)
        inner: dict[str, Shape] = {_name(node.target): _element(found), "loop": _LOOP}
        if node.test is not None:
            self._scopes.append(inner)
            self._expression(node.test)
            self._scopes.pop()
        self._scoped(inner, node.body)
        self._block(node.else_)

    def _scoped(self, names: dict[str, Shape], body: list[nodes.Node]) -> None:
        self._scopes.append(names)
        self._block(body)
        self._scopes.pop()

    def _expression(self, node: nodes.Node) -> Shape:
        if isinstance(node, nodes.Name):
            return self._named(node)
        if isinstance(node, nodes.Getattr):
            return self._part(node, node.node, node.attr)
        if isinstance(node, nodes.Getitem):
            return self._item(node)
        if isinstance(node, (nodes.CondExpr, nodes.And)):
            return self._chosen(node)
        if isinstance(node, nodes.Or) or (isinstance(node, nodes.Filter) and node.name == "default"):
            return self._stood_in(node)
        found = [self._expression(child) for child in node.iter_child_nodes()]
        if isinstance(node, nodes.Filter):
            first = found[0] if found else None
            if node.name in {"first", "last"}:
                self._must_be_sure(node, first)
                return _element(first)
            return first if node.name == "limit" else None
        return None

    def _stood_in(self, node: nodes.Or | nodes.Filter) -> Shape:
        """Look at `a or b` and `a | default(b)`, where something stands in for what is not there."""
        first, *rest = node.iter_child_nodes()
        found = [self._asking(first), *(self._expression(child) for child in rest)]
        if isinstance(node, nodes.Filter):
            return found[0]
        if all(isinstance(one, Picks) for one in found):
            names = frozenset[str]().union(*(one.names for one in found if isinstance(one, Picks)))
            return Picks(names, _element(found[0]))
        return next((one for one in found if one is not None), None)

    def _chosen(self, node: nodes.CondExpr | nodes.And) -> Shape:
        """Look at `a if test else b` and at `test and a`, where a coupon that is asked for is there."""
        test, then = (node.test, node.expr1) if isinstance(node, nodes.CondExpr) else (node.left, node.right)
        first = self._asking(test)
        given = _is_given(test)
        self._given += given
        found = [first, self._expression(then)] if isinstance(node, nodes.And) else [self._expression(then)]
        self._given -= given
        if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            found.append(self._expression(node.expr2))
        return next((one for one in found if one is not None), None)

    # --- lists that may be empty

    def _looked_at(self, test: nodes.Node) -> list[frozenset[str]]:
        """Return what is true where this test is: of each of these sets of lists, at least one has something in it."""
        if isinstance(test, nodes.Not):
            return []
        if isinstance(test, nodes.And):
            return [*self._looked_at(test.left), *self._looked_at(test.right)]
        if isinstance(test, nodes.Or):
            return [one | two for one in self._looked_at(test.left) for two in self._looked_at(test.right)]
        found = self._asking(test)
        if isinstance(found, Picks):
            return [found.names]
        return [names for child in test.iter_child_nodes() for names in self._looked_at(child)]

    def _must_be_sure(self, node: nodes.Node, found: Shape) -> None:
        if not isinstance(found, Picks):
            return
        if not any(names <= found.names for sure in self._sure for names in sure):
            wanted = " or ".join(f"recommend.{name}" for name in RECOMMENDATIONS if name in found.names)
            said = "for some people there is nothing to recommend, and the words around this would stay alone"
            hint = f"put heading and list between {{% if {wanted} %}} and {{% endif %}}, or use _layout/recommend.html"
            self._problem(node, said, hint)

    def _named(self, node: nodes.Name) -> Shape:
        if node.name == "coupon":
            self.coupon = True
        for scope in reversed(self._scopes):
            if node.name in scope:
                return scope[node.name]
        known = sorted({name for scope in self._scopes for name in scope})
        self._problem(node, f"unknown name '{node.name}'", _suggest(node.name, known))
        return None

    def _item(self, node: nodes.Getitem) -> Shape:
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self._part(node, node.node, node.arg.value)
        self._expression(node.arg)
        base = self._expression(node.node)
        self._must_be_sure(node, base)
        return _element(base)

    def _part(self, node: nodes.Node, of: nodes.Expr, key: str) -> Shape:
        before = len(self.problems)
        base = self._expression(of)
        if len(self.problems) > before:
            return None
        said = f"'{_said(of)}'"
        if not isinstance(base, dict):
            hint = "use {% for %} or the filter first" if isinstance(base, list) else None
            self._problem(node, f"{said} has no parts, so no '{key}'", hint)
            return None
        if key not in base:
            self._problem(node, f"{said} has no '{key}'", _suggest(key, sorted(base)))
            return None
        if isinstance(of, nodes.Name) and of.name == "event" and base is self._scopes[0]["event"]:
            self.event_fields.setdefault(key, node.lineno)
        if isinstance(of, nodes.Name) and of.name == "recommend" and base is self._scopes[0]["recommend"]:
            self.recommended.setdefault(key, node.lineno)
        if isinstance(of, nodes.Name) and of.name == "links" and key in FORMS:
            self.forms.setdefault(key, node.lineno)
        if not self._given and isinstance(of, nodes.Name) and of.name == "coupon" and base is self._scopes[0]["coupon"]:
            self.coupon_fields.setdefault(key, node.lineno)
        found: Shape = base[key]
        return found

    def _problem(self, node: nodes.Node, message: str, hint: str | None) -> None:
        if not any(known.message == message and known.line == node.lineno for known in self.problems):
            self.problems.append(ContentError(message, file=self._file, line=node.lineno, hint=hint))


def _name(node: nodes.Node) -> str:
    return node.name if isinstance(node, nodes.Name) else ""


_NEGATIVE = frozenset({"ne", "notin"})


def _compared(test: nodes.Compare) -> list[nodes.Expr]:
    return [operand.expr for operand in test.ops]


def _is_given(test: nodes.Node) -> bool:
    """Whether this is true only where there is a coupon."""
    match test:
        case nodes.Name(name="coupon"):
            return True
        case nodes.Getattr(node=nodes.Name(name="coupon")):
            return True
        case nodes.And():
            return _is_given(test.left) or _is_given(test.right)
        case nodes.Compare():
            # Nothing is like something, above or below it, or among things that are named.
            named = all(isinstance(one, (nodes.Const, nodes.Tuple, nodes.List)) for one in _compared(test))
            some = not any(isinstance(one, nodes.Const) and not one.value for one in _compared(test))
            return _is_given(test.expr) and named and some and all(one.op not in _NEGATIVE for one in test.ops)
        case _:
            return False


def _said(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_said(node.node)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else "this"


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
