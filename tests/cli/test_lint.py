"""`rekindle lint`: what is wrong, where, and the cure; 0 when it could be published."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rekindle.cli.main import main
from tests.support.build import ROOT
from tests.support.content import few


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A part of what ships, to break."""
    return few(tmp_path / "content", "cart-abandonment")


@pytest.mark.xdist_group("mails")
def test_what_ships_could_be_published(capsys: pytest.CaptureFixture[str]) -> None:
    folder = ROOT / "templates"
    assert main(["lint", str(folder)]) == 0
    flows, mails = (len(list(folder.glob(one))) for one in ("flows/*.yaml", "emails/*/subject.txt"))
    assert re.search(rf"All good: {flows} flows, \d+ segments, {mails} mails, ", capsys.readouterr().out)


def test_each_problem_is_one_line_with_its_file_and_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow = folder / "flows/cart-abandonment.yaml"
    flow.write_text(flow.read_text("utf-8").replace("wait: 1h", "wait: soon"), "utf-8")
    (folder / "emails/cart-reminder-1/subject.txt").write_text("{{ event.itmes }}", "utf-8")
    assert main(["lint", str(folder)]) == 1
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert any(line.startswith("flows/cart-abandonment.yaml:") and "'soon' is not a duration" in line for line in lines)
    assert any(line.startswith("emails/cart-reminder-1/subject.txt:1:") and "itmes" in line for line in lines)
    assert "nothing would be published" in told.err


def test_a_script_gets_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "flows/broken.yaml").write_text("trigger: [", "utf-8")
    assert main(["lint", "--json", str(folder)]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["line"]) == ("flows/broken.yaml", 1)


def test_nothing_to_check_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(tmp_path)]) == 2
    assert main(["lint", str(tmp_path / "nowhere")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_the_folder_is_named_as_other_commands_name_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "flows/broken.yaml").write_text("steps: [\n")
    assert main(["lint", "--content", str(folder)]) == 1
    assert "flows/broken.yaml" in capsys.readouterr().out
    assert main(["lint", str(folder), "--content", str(folder)]) == 2
