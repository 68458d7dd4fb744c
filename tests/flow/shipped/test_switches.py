"""Nothing that ships is on before a shop says so."""

from __future__ import annotations

import pytest

from tests.support.shipped import FLOWS, shipped


@pytest.mark.parametrize("name", sorted(file.stem for file in FLOWS.glob("*.yaml")))
def test_a_flow_is_off_until_a_shop_switches_it_on(name: str) -> None:
    assert not shipped(name).enabled
