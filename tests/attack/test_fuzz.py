"""Whatever comes in: an answer or a named refusal, within bounds, from every target of the list."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.attack.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_answered_or_refused(name: str) -> None:
    """Nothing else is raised; `python -m tests.attack` does the same for as long as it is told."""
    target = TARGETS[name]

    @settings(max_examples=target.examples, suppress_health_check=list(HealthCheck), database=None)
    @given(target.inputs)
    def attack(hostile: object) -> None:
        target.attack(hostile)

    attack()
