"""The tree is the one that DESIGN §4 draws, and dependencies in it run one way."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.template import ROOT, resources, template

APPS = sorted((ROOT / "functions").glob("*/app.py"))
SOURCES = sorted((ROOT / "layers/core/rekindle").rglob("*.py"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
STAGES = ("dev", "staging", "prod")


def test_every_dependency_runs_one_way() -> None:
    """The contracts of import-linter, in pyproject.toml."""
    told = subprocess.run(  # noqa: S603 - our own interpreter on our own files
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "layers/core"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_parts_of_the_core_are_those_of_the_design() -> None:
    allowed = {"domain", "flow", "shops", "content", "service", "aws", "outside", "cli"}
    allowed |= {"ports.py", "memory.py", "settings.py", "wiring.py", "__init__.py", "py.typed"}
    found = {path.name for path in (ROOT / "layers/core/rekindle").iterdir() if path.name != "__pycache__"}
    assert found <= allowed


@pytest.mark.parametrize("app", APPS, ids=lambda path: path.parent.name)
def test_an_app_only_wires(app: Path) -> None:
    """30–80 lines: wire, parse, one service call, map the result."""
    assert len(app.read_text("utf-8").splitlines()) <= 80
    assert {path.name for path in app.parent.iterdir() if path.name != "__pycache__"} == {"app.py"}


def test_only_app_reads_the_environment() -> None:
    readers = [
        source.relative_to(ROOT).as_posix()
        for source in SOURCES
        if "cli" not in source.parts and re.search(r"\bos\.(environ|getenv)\b", source.read_text("utf-8"))
    ]
    assert readers == []


def test_nothing_is_called_the_same_in_the_layer_and_in_a_function() -> None:
    """The layer stands before the function on the path, so its module would win without a word."""
    in_layer = {name.replace("-", "_") for name in locked("layer")} | {"rekindle"}
    in_publish = {name.replace("-", "_") for name in locked("publish")}
    dropped = {"typing_extensions"}
    makefile = (ROOT / "layers/core/Makefile").read_text("utf-8")
    assert in_layer & in_publish == dropped
    assert all(f"rm -rf bin {name}.py" in makefile for name in dropped)


# --- requirements ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_everything_with_hashes_and_names_no_index(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert not re.search(r"https?:|^\s*-(i|f|-index-url|-extra-index-url|-find-links)\b", text, re.MULTILINE)
    for name, block in re.findall(r"^([a-z0-9][\w.-]*(?:\[[\w,-]+\])?)(==.*(?:\n    .*)*)", text, re.MULTILINE):
        assert "--hash=sha256:" in block, name


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_holds_what_its_source_asks_for(lock: Path) -> None:
    asked = re.findall(r"^([A-Za-z0-9][\w.-]*)", lock.with_suffix(".in").read_text("utf-8"), re.MULTILINE)
    assert {name.lower().replace(".", "-") for name in asked} <= locked(lock.stem)


def test_what_is_deployed_is_tested_in_the_same_version() -> None:
    """Except what the emulator (botocore) and the SAM translator (pydantic) pin for themselves."""
    tools = {"boto3", "botocore", "pydantic", "pydantic-core"}
    ours = {**versions("layer"), **versions("publish")}
    tested = versions("dev")
    assert {name for name, version in ours.items() if tested.get(name) != version} <= tools


# --- building --------------------------------------------------------------------------------------------------------


def test_makefiles_and_template_agree_on_what_is_built() -> None:
    parameters = template()["Parameters"]
    for makefile in ("Makefile", "layers/core/Makefile"):
        text = (ROOT / makefile).read_text("utf-8")
        assert re.findall(r"^RUNTIME \?= (.*)$", text, re.MULTILINE) == [parameters["PythonRuntime"]["Default"]]
        assert re.findall(r"^ARCH \?= (.*)$", text, re.MULTILINE) == [parameters["Architecture"]["Default"]]


def test_the_layer_keeps_the_data_of_every_service_that_is_called() -> None:
    (kept,) = re.findall(r"^SERVICES := (.*)$", (ROOT / "layers/core/Makefile").read_text("utf-8"), re.MULTILINE)
    tree = ast.parse((ROOT / "layers/core/rekindle/aws/clients.py").read_text("utf-8"))
    called = {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "_client"
        and isinstance(node.args[0], ast.Constant)
    }
    assert called
    assert called <= set(kept.split())


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_deploys_a_stack_of_its_own(stage: str) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))[stage]["deploy"]["parameters"]
    given = dict(parameter.split("=") for parameter in config["parameter_overrides"])
    assert config["stack_name"] == f"rekindle-{stage}"
    assert given.keys() <= template()["Parameters"].keys()
    assert given["Stage"] == stage


def test_every_function_is_built_with_bytecode() -> None:
    names = [*resources("AWS::Serverless::Function"), *resources("AWS::Serverless::LayerVersion")]
    assert {template()["Resources"][name]["Metadata"]["BuildMethod"] for name in names} == {"makefile"}


def locked(name: str) -> set[str]:
    """Return the names of the packages in a lock."""
    return set(versions(name))


def versions(name: str) -> dict[str, str]:
    """Return package → version as a lock pins them."""
    text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9][\w.-]*)(?:\[[\w,-]+\])?==([\w.]+)", text, re.MULTILINE))
