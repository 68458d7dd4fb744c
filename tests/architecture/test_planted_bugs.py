"""The bugs that the simulator is tried on are patches of this very code (`tests/simulation/bugs/`)."""

from __future__ import annotations

from tests.simulation.planted import PATCHES, misfits


def test_every_planted_bug_still_fits() -> None:
    """Whoever changes what a patch touches writes the patch anew: the same mistake, in the new words."""
    assert PATCHES
    assert misfits() == ()
