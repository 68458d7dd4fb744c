"""Nothing that reads what others wrote is forgotten: the list of targets and the code say the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from rekindle.content import links
from rekindle.shops import shopify, woocommerce
from tests.architecture.template import functions
from tests.attack import test_endpoints
from tests.attack.targets import (
    FUNCTIONS,
    NOT_FROM_OUTSIDE,
    OUTSIDE,
    PAGES,
    POSTED,
    ROUTES,
    TARGETS,
    TOPICS,
)
from tests.support.build import ROOT

#: How a function is called that makes something of bytes or text.
_READS = ("parse", "decode", "read", "from_mjml")
_WHERE = ("shops", "content", "flow", "domain", "service")


def readers() -> Iterator[str]:
    """Yield `module.name`, below rekindle, of every public function whose name says that it reads what is written."""
    core = ROOT / "layers/core/rekindle"
    for folder in _WHERE:
        for path in sorted((core / folder).rglob("*.py")):
            module = ".".join(path.relative_to(core).with_suffix("").parts)
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith(_READS):
                    yield f"{module}.{node.name}"


def test_every_parser_is_attacked() -> None:
    listed = {name for target in TARGETS.values() for name in target.covers}
    assert set(readers()) == listed | NOT_FROM_OUTSIDE.keys()


def test_every_topic_is_attacked() -> None:
    assert TOPICS["shopify"].keys() == shopify.TOPICS.keys()
    assert TOPICS["woocommerce"].keys() == woocommerce.TOPICS.keys()


def test_every_public_route_is_attacked() -> None:
    deployed = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for properties in functions().values()
        for event in properties["Events"].values()
        if event["Type"] == "HttpApi"
    }
    assert deployed == ROUTES.keys()
    assert [test for test in ROUTES.values() if not hasattr(test_endpoints, test)] == []


def test_every_page_behind_a_signed_link_is_attacked() -> None:
    assert PAGES.keys() == POSTED.keys() == {"p", *links.FORMS}
    assert set(PAGES.values()) <= TARGETS.keys()


def test_whatever_answers_from_outside_is_attacked() -> None:
    """A module that asks somebody else's server says which target answers it, or why none need."""
    modules = {path.stem for path in (ROOT / "layers/core/rekindle/outside").glob("*.py")} - {"__init__"}
    assert OUTSIDE.keys() == modules
    named = [target for targets in OUTSIDE.values() if not isinstance(targets, str) for target in targets]
    assert set(named) <= TARGETS.keys()


def test_every_function_says_who_may_call_it() -> None:
    public = {
        name
        for name, properties in functions().items()
        if any(event["Type"] == "HttpApi" for event in properties["Events"].values())
    }
    assert functions().keys() == FUNCTIONS.keys()
    assert {name for name, who in FUNCTIONS.items() if who == "anybody"} == public
