"""The worst that anybody may send or upload is read in bounded time and memory, and takes no process down.

Each kind runs in a process of its own, under limits of the kernel: processor seconds, not those of a clock, so that a
busy machine changes nothing. The limits are those of the function that reads it, with room for a slow processor.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.support.build import ROOT

#: kind → (processor seconds for all of its monsters, megabytes that its function has: template.yaml)
LIMITS = {"webhooks": (60, 512), "content": (60, 1024), "settings": (90, 1024)}


@pytest.mark.parametrize("kind", LIMITS)
def test_a_monster_is_read_in_bounded_time_and_memory(kind: str) -> None:
    seconds, megabytes = LIMITS[kind]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    told = subprocess.run(  # noqa: S603 - our own interpreter on our own file
        [sys.executable, "-m", "tests.attack.monsters", kind],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'layers/core'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,
    )
    assert told.returncode == 0, f"died of: {told.stderr[-400:]}"
    assert int(told.stdout) <= megabytes
