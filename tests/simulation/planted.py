"""Bugs planted on purpose, each a patch that breaks one clause of DESIGN §6: the simulator must find every one."""

from __future__ import annotations

import itertools
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
PATCHES = {file.stem: file for file in sorted((Path(__file__).parent / "bugs").glob("*.patch"))}


#: A minute of one core, at the 300 worlds a second that the simulator is to run: in worlds, so that every machine goes
#: through the same ones.
MINUTE = 60 * 300


class Find(Struct, frozen=True):
    """How long it took to find a bug, and by which clauses it showed itself; by none: it was not found."""

    worlds: int
    seconds: float
    """of processor time, here"""
    clauses: tuple[str, ...]
    output: str


def hunt(bug: str, folder: Path, *, worlds: int = MINUTE) -> Find:
    """Plant the bug in a copy of the package and run worlds on it until one fails, or so many have been run."""
    shutil.copytree(ROOT / "layers/core/rekindle", folder / "rekindle", ignore=shutil.ignore_patterns("__pycache__"))
    _apply(PATCHES[bug], folder)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "tests.simulation", "--brief", "--worlds", str(worlds)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    clauses = tuple(dict.fromkeys(re.findall(r"^\[(.+?)\]", found.stdout, re.MULTILINE)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ran = re.search(r"^([\d,]+) worlds, ", found.stdout, re.MULTILINE)
    return Find(int(ran[1].replace(",", "")) if ran else 0, took, clauses, found.stdout + found.stderr)


def misfits() -> tuple[str, ...]:
    """Return the bugs whose patches no longer fit the package: they are to be written anew."""
    wrong = []
    for bug, patch in PATCHES.items():
        try:
            list(_planted(patch, ROOT / "layers/core"))
        except ValueError as error:
            wrong.append(f"{bug}: {error}")
    return tuple(wrong)


def _apply(patch: Path, folder: Path) -> None:
    for file, text in _planted(patch, folder):
        file.write_text(text, encoding="utf-8")


def _planted(patch: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file of a unified diff with what it becomes. Raises `ValueError` where the diff does not fit.

    Line numbers do not count, and of the lines around a change only as many as make the place the only one: what others
    do nearby leaves a bug plantable.
    """
    texts: dict[Path, str] = {}
    for part in re.split(r"^--- ", patch.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name = re.search(r"^\+\+\+ b/(\S+)$", part, re.MULTILINE)
        if name is None:
            raise ValueError("no file is named")
        file = folder / name[1]
        text = texts.get(file) or file.read_text(encoding="utf-8")
        for hunk in re.split(r"^@@ .*@@\n", part, flags=re.MULTILINE)[1:]:
            text = _changed(text, [line for line in hunk.split("\n") if line])
        texts[file] = text
    yield from texts.items()


def _changed(text: str, hunk: Sequence[str]) -> str:
    """Return the text with one hunk of a diff done, wherever its lines stand: whole, or without its outer ones."""
    changes = [place for place, line in enumerate(hunk) if line[0] in "+-"]
    ends = itertools.product(range(changes[0] + 1), range(changes[-1] + 1, len(hunk) + 1))
    for first, last in sorted(ends, key=lambda pair: pair[0] - pair[1]):
        lines = hunk[first:last]
        old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] in f" {sign}") for sign in "-+")
        if text.count(old) == 1:
            return text.replace(old, new)
    raise ValueError("this stands nowhere, or not only once:\n" + "\n".join(hunk))
