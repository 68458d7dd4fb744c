"""`python -m local run`, as a newcomer starts and stops it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.stack import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-story")

READY = "Ctrl-C stops everything."


class Running:
    """The program, with what it has printed so far."""

    def __init__(self, temporary: Path, *arguments: str) -> None:
        environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        self.process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-m", "local", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    @property
    def text(self) -> str:
        """Return everything printed so far."""
        return "".join(self.lines)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join(10)
        return code


def _read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def _processes_naming(folder: Path) -> list[str]:
    listed = subprocess.run(["ps", "-axww", "-o", "command"], capture_output=True, text=True, check=True)  # noqa: S607
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return an empty folder for everything temporary."""
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


@pytest.fixture
def program(temporary: Path) -> Iterator[Running]:
    """Return the program, just started: it will serve an empty inbox and skip idle time at once."""
    program = Running(temporary, "run", "--no-story", "--port", "0", "--inbox-port", "0", "--grace", "0.5")
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.stop(signal.SIGTERM)
        assert program.process.stdout is not None
        program.process.stdout.close()


def _inbox(program: Running) -> str:
    return next(line.removeprefix("Inbox: ").strip() for line in program.lines if line.startswith("Inbox: "))


def _printed_command(program: Running, title: str) -> str:
    start = program.lines.index(f"{title}:\n") + 1
    end = next(number for number in range(start, len(program.lines)) if not program.lines[number].strip())
    return "".join(program.lines[start:end])


def _leaves_nothing(program: Running, temporary: Path, number: signal.Signals) -> None:
    assert _processes_naming(temporary), "the functions' workers name their folder"
    assert program.stop(number) == 0
    assert _processes_naming(temporary) == []
    assert list(temporary.iterdir()) == []


def _listed(program: Running) -> list[str]:
    """Return the first word of each line of `rekindle shop list`, in a terminal that knows the printed line alone."""
    export = _printed_command(program, "Every command, in another terminal").splitlines()[0]
    told = subprocess.run(  # noqa: S603 - what was printed, by ourselves
        ["/bin/sh", "-c", f"{export} && exec bin/rekindle shop list"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
        text=True,
    )
    return [line.split()[0] for line in told.stdout.splitlines()]


def test_stopped_while_it_starts_it_leaves_no_process_and_no_temp_folder(program: Running, temporary: Path) -> None:
    eventually(lambda: bool(_processes_naming(temporary)) or program.process.poll() is not None, seconds=60)
    _leaves_nothing(program, temporary, signal.SIGTERM)


def test_the_printed_line_posts_a_checkout_whose_three_reminders_come_at_once_and_ctrl_c_leaves_nothing(
    program: Running, temporary: Path
) -> None:
    eventually(lambda: READY in program.text or program.process.poll() is not None, seconds=150)
    assert READY in program.text, program.text
    assert _listed(program) == ["kettle-and-leaf", "pedal-and-petal"]
    command = _printed_command(program, "A Shopify checkout, left behind")
    posted = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)  # noqa: S603, S607
    assert posted.stdout.startswith("HTTP/1.1 200"), posted
    state = f"{_inbox(program)}/api/state"
    eventually(lambda: len(_read(state)["mails"]) == 3, seconds=60)
    assert [mail["template"] for mail in _read(state)["mails"]] == [
        "cart-reminder-3",
        "cart-reminder-2",
        "cart-reminder-1",
    ]
    _leaves_nothing(program, temporary, signal.SIGINT)


@pytest.mark.parametrize(
    ("option", "other", "advice"), [("--port", "--inbox-port", "PORT"), ("--inbox-port", "--port", "INBOX_PORT")]
)
def test_a_taken_port_is_named_with_what_to_do(temporary: Path, option: str, other: str, advice: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = Running(temporary, "run", option, str(port), other, "0")
        assert program.process.wait(30) == 2
        program._reader.join(10)
    assert f"port {port} is in use" in program.text
    assert f"make run {advice}=" in program.text
    assert list(temporary.iterdir()) == []
    assert program.process.stdout is not None
    program.process.stdout.close()
