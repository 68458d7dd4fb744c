"""Bugs planted on purpose, each a patch that breaks one clause of DESIGN §6: the simulator must find every one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
PATCHES = {file.stem: file for file in sorted((Path(__file__).parent / "bugs").glob("*.patch"))}


class Find(Struct, frozen=True):
    """How long it took to find a bug, and by which clauses it showed itself; by none: it was not found."""

    seconds: float
    clauses: tuple[str, ...]
    output: str


def hunt(bug: str, folder: Path, *, seconds: float = 60) -> Find:
    """Plant the bug in a copy of the package and run worlds on it, on one core, until one fails or the time is up."""
    shutil.copytree(ROOT / "layers/core/rekindle", folder / "rekindle", ignore=shutil.ignore_patterns("__pycache__"))
    _apply(PATCHES[bug], folder)
    begun = time.monotonic()
    found = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "tests.simulation", "--brief", "--jobs", "1", "--seconds", str(seconds)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    clauses = tuple(dict.fromkeys(re.findall(r"^\[(.+?)\]", found.stdout, re.MULTILINE)))
    return Find(time.monotonic() - begun, clauses, found.stdout + found.stderr)


def misfits() -> tuple[str, ...]:
    """Return the bugs whose patches no longer fit the package: they are to be written anew."""
    wrong = []
    for bug, patch in PATCHES.items():
        try:
            _apply(patch, ROOT / "layers/core", "--check")
        except subprocess.CalledProcessError as error:
            wrong.append(f"{bug}: {error.stderr}")
    return tuple(wrong)


def _apply(patch: Path, folder: Path, *options: str) -> None:
    """Apply a unified diff exactly."""
    subprocess.run(  # noqa: S603
        ["git", "apply", "--unidiff-zero", *options, str(patch)],  # noqa: S607
        cwd=folder,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_DIR": os.devnull},
        check=True,
        capture_output=True,
        text=True,
    )
