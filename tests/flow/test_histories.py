"""What was recorded once is decided again, word for word and id for id.

A change that makes the engine decide otherwise is made on purpose: `PYTHONPATH=layers/core .venv/bin/python -m
tests.flow.record` writes the histories anew, and the change shows in their diff.
"""

from __future__ import annotations

from typing import get_args

import pytest

from rekindle.flow import program
from tests.support import histories


@pytest.mark.parametrize("name", histories.names())
def test_a_recorded_history_replays_to_the_same_decisions(name: str) -> None:
    history = histories.read(name)
    then, state = histories.play(history)
    assert then == history["then"]
    assert histories.stored(state) == histories.stored(history["state"])


def test_the_histories_show_every_step_and_every_trigger() -> None:
    seen = {shown.split()[0] for shown in histories.steps_and_triggers()}
    assert seen == {str(kind.__struct_config__.tag) for kind in (*get_args(program.Step), *get_args(program.Trigger))}
    sent = {shown for shown in histories.steps_and_triggers() if shown.startswith(("send", "event product", "event s"))}
    assert sent >= {"send email", "send sms", "send push", "event segment.entered", "event segment.left"}
    assert sent >= {f"event product.{change}" for change in ("price_dropped", "back_in_stock", "low_in_stock")}


def test_the_histories_show_every_kind_of_decision() -> None:
    """But `merged`, and what becomes of a friend's code, which begin with the journey."""
    lines = [line for name in histories.names() for turn in histories.read(name)["then"] for line in turn["then"]]
    assert {line.split()[0] for line in lines} - {"→"} == {
        "branched", "credited", "due", "ended", "entered", "error", "gathered", "heard", "held", "ignored",
        "joined", "left_segment", "not_entered", "not_suppressed", "planned", "repeated", "restarted", "said", "set",
        "skipped", "split", "suppressed", "waiting",
    }  # fmt: skip


def test_every_playbook_is_told_of() -> None:
    told = {histories.read(name)["playbook"] for name in histories.names()}
    told |= {
        item["publish"] for name in histories.names() for item in histories.read(name)["told"] if "publish" in item
    }
    assert {path.stem for path in (histories.FOLDER / "playbooks").glob("*.yaml")} == told
