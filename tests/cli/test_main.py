"""The command itself: what it lists, says of itself, and says where it is not understood."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rekindle.cli.main import COMMANDS, main, rekindle
from tests.support.build import ROOT


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Which says more than its line in the list of commands does: what it reads, and every option."""
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert COMMANDS[command] in listed
    assert main([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"Usage: rekindle {command} ")
    assert len(told) > len(COMMANDS[command]) + 400
    assert "\\b" not in told, "click reads no control character in a raw docstring"


def test_without_a_command_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "normalise" in capsys.readouterr().err


def test_the_command_is_found_through_a_link(tmp_path: Path) -> None:
    """As `make` puts one into .venv/bin."""
    link = tmp_path / "rekindle"
    link.symlink_to(ROOT / "bin/rekindle")
    told = subprocess.run(  # noqa: S603 - our own command
        [str(link), "--help"], capture_output=True, check=True, text=True, env={"PATH": os.defpath}
    )
    assert told.stdout.startswith("Usage: rekindle")


def test_reading_a_body_needs_no_aws() -> None:
    """Each command imports what it needs and no more."""
    program = "import sys; from rekindle.cli import normalise; print('botocore' in sys.modules)"
    told = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "layers/core"), "PATH": os.defpath},
    )
    assert told.stdout == "False\n"


def groups(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words that lead to each group of commands."""
    if isinstance(command, click.Group):
        yield path
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from groups(found, (*path, name))


def test_what_a_list_of_commands_says_of_one_is_said_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(groups(rekindle))
    assert ("shop", "connect") in found
    for words in found:
        main([*words, "--help"])
        assert "..." not in capsys.readouterr().out.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("adit",), "No such command 'adit'. Did you mean 'audit'? (rekindle --help)"),
        (("shop", "conect", "shopify"), "No such command 'conect'. Did you mean 'connect'? (rekindle shop --help)"),
        (("audit", "--stak", "x"), "No such option '--stak'. Did you mean '--stack'? (rekindle audit --help)"),
        (("audit",), "Missing option '--stack'. (rekindle audit --help)"),
        (("cost",), "say which --stack, or of how many --profiles a month is to be reckoned (rekindle cost --help)"),
    ],
)
def test_what_is_not_understood_is_one_line_that_helps_on(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REKINDLE_STACK", raising=False)
    assert main(words) == 2
    assert capsys.readouterr().err == f"rekindle: {told}\n"


def test_it_says_its_version_as_the_stack_does() -> None:
    said = subprocess.run([ROOT / "bin/rekindle", "--version"], capture_output=True, check=True, text=True)  # noqa: S603
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert re.fullmatch(rf"rekindle {version} \(\S+\)\n", said.stdout)


def test_without_its_environment_it_says_what_sets_it_up(tmp_path: Path) -> None:
    """With the status of what could not be done: 1 would say to a monitor that something was found."""
    (tmp_path / "bin").mkdir()
    command = shutil.copy(ROOT / "bin/rekindle", tmp_path / "bin")
    told = subprocess.run(  # noqa: S603 - our own command
        [command, "audit"], capture_output=True, check=False, text=True, env={"PATH": os.defpath}
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert "make .venv/ready" in told.stderr
