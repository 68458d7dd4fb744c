"""Whatever a page tells to type can be typed: every `aws`, `rekindle` and `make` of the docs, every output, every link.

There is no AWS CLI here. It is made of botocore's service models, so these judge what a page says to it: the operation,
its options, which are required, and what is given to them.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import click
import jmespath  # type: ignore[import-untyped]  # its stubs are not among our tools
import pytest
from botocore import xform_name
from botocore.session import Session
from botocore.validate import ParamValidator

from rekindle.cli.main import rekindle
from tests.architecture.template import ROOT, template

# All commands are imported for it: by one worker.
pytestmark = pytest.mark.xdist_group("commands-in-docs")

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "templates").rglob("*.md"))
)
#: Pages that say what is, not what was.
TOLD = [page for page in PAGES if page != "CHANGELOG.md" and not page.startswith("docs/decisions/")]
#: Those of the CLI that are no operation of a service, with the options that we know.
OF_THE_CLI = {
    ("cloudformation", "deploy"): {"--template-file", "--stack-name", "--capabilities", "--parameter-overrides"},
    ("logs", "tail"): {"--since", "--filter-pattern", "--follow", "--format"},
    ("s3", "cp"): {"--recursive"},
    ("s3", "ls"): {"--recursive"},
    ("login",): set[str](),
    ("sso", "login"): {"--profile"},
}
OF_EVERY = {"--output", "--query", "--region", "--profile"}


@functools.cache
def text_of(page: str) -> str:
    """Return a page without what it says about a program (```python …)."""
    return re.sub(r"^```(?!sh|text).*?^```", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def typed(word: str) -> Iterator[tuple[str, str, bool]]:
    """Yield page, command and whether it stands there whole: in a line of its own, and without an ellipsis."""
    for page in TOLD:
        lines = iter(text_of(page).splitlines())
        for line in lines:
            found = re.match(rf" {{4,}}(?:[A-Z_]+=\S+ )*((?:bin/)?{word} .*)|( {{4,}}out\(\) {{ ({word} .*))", line)
            if not found:
                continue
            command = found[1] or found[3]
            while command.endswith("\\") or not _closed(command):
                command = command.removesuffix("\\") + " " + next(lines).strip()
            for part in _parts(command):
                if re.match(rf"(?:bin/)?{word} ", part):
                    yield page, part, "…" not in part
        for quoted in re.findall(rf"`((?:bin/)?{word} [^`]+)`", text_of(page)):
            yield page, " ".join(quoted.split()), False


def _closed(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def _parts(command: str) -> Sequence[str]:
    """Return the commands of a line: `a && b; }` has two."""
    lexer = shlex.shlex(command, posix=False, punctuation_chars=";&|}")
    lexer.whitespace_split, lexer.commenters = True, "#"
    parts: list[str] = []
    words: list[str] = []
    for word in lexer:
        if set(word) <= set(";&|}"):
            parts.append(" ".join(words))
            words = []
        else:
            words.append(word)
    return [part for part in (*parts, " ".join(words)) if part]


def words_of(command: str) -> list[str]:
    """Return what a shell would make of it, where an output of the stack is a word of its own."""
    return shlex.split(re.sub(r"\$\(out \w+\)", "output", command).replace("$STACK", "rekindle-prod"))


def options_of(words: Sequence[str]) -> dict[str, list[str]]:
    """Return option → its values, in the AWS CLI's way."""
    found: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            found[word] = []
        elif found:
            found[next(reversed(found))].append(word)
    return found


@functools.cache
def operations(service: str) -> dict[str, Any]:
    """Return the operations of a service by what the CLI calls them."""
    model = Session().get_service_model({"deploy": "codedeploy"}.get(service, service))
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def given(shape: Any, values: Sequence[str]) -> Any:
    """Return what the CLI makes of an option's values; its shorthand only as far as `A=1,B=2`."""
    if shape.type_name == "list":
        read = json.loads(values[0]) if values[0].startswith("[") else values
        return [given(shape.member, [one]) if isinstance(one, str) else one for one in read]
    (value,) = values or ["true"]
    if shape.type_name in ("structure", "map"):
        if value.startswith("{"):
            return json.loads(value)
        pairs = [pair.split("=", 1) for pair in value.split(",")]
        return {name: given(shape.members[name], [told]) for name, told in pairs}
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "string" and value != "output":
        assert not shape.enum or value in shape.enum
    return value


def cases(word: str) -> list[Any]:
    """Return the commands that pages tell, each once for each page."""
    found = sorted(set(typed(word)))
    assert len(found) > 10
    return [pytest.param(command, whole, id=f"{page}: {command[:60]}") for page, command, whole in found]


@pytest.mark.parametrize(("command", "whole"), cases("aws"))
def test_what_is_said_to_the_aws_cli_is_what_it_knows(command: str, whole: bool) -> None:
    _, *words = words_of(command)
    named = tuple(word for word in words[:2] if not word.startswith("-"))
    options = options_of(words[len(named) :])
    for query in options.get("--query", ()):
        jmespath.compile(query)
    options = {option: values for option, values in options.items() if option not in OF_EVERY}
    if named in OF_THE_CLI:
        assert options.keys() <= OF_THE_CLI[named]
        return
    service, operation = named
    shape = operations(service)[operation].input_shape
    members = {f"--{xform_name(name, '-')}": name for name in shape.members}
    told = {members[option]: given(shape.members[members[option]], values) for option, values in options.items()}
    if not whole:
        told |= dict.fromkeys(set(shape.required_members) - told.keys(), "")
        return
    report = ParamValidator().validate(told, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(("command", "whole"), cases("rekindle"))
def test_what_is_said_to_rekindle_is_what_it_knows(command: str, whole: bool) -> None:
    _, *words = words_of(command)
    found: click.Command = rekindle
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        named = found.get_command(click.Context(found), words.pop(0))
        assert named is not None
        found = named
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known | {"--help"}
    if whole and "--help" not in words and not isinstance(found, click.Group):
        try:
            found.make_context(found.name, words)
        except click.BadParameter as error:
            if "does not exist" not in error.message:  # a file that only who reads the page has
                raise


@pytest.mark.parametrize("command", sorted({command for _, command, _ in typed("make")}))
def test_what_is_said_to_make_is_what_it_knows(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for word in words_of(command)[1:]:
        name = word.partition("=")[0]
        pattern = (
            rf"^{re.escape(name)}(?: \S+)*:"
            if "=" not in word
            else rf"^{name} [?=]|\$\((?:if \$\()?{name}\b|\$\(filter \w+,\$\({name}\)"
        )
        assert re.search(pattern, makefile, re.MULTILINE), word


def test_every_output_that_a_page_asks_for_is_one_of_the_stacks() -> None:
    asked = {(page, name) for page in PAGES for name in re.findall(r"\$\(out (\w+)\)", text_of(page))}
    assert len(asked) > 10
    assert {(page, name) for page, name in asked if name not in template()["Outputs"]} == set()


def anchors(page: str) -> set[str]:
    """Return where in a page a link can lead, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """Within the project: others' pages move, and no test here opens a socket to them."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.relative_to(ROOT).as_posix()), target
