"""docs/cost.md says what the protocol alone costs, and the mix that the budget judges is whole."""

from __future__ import annotations

from bench.cost import BUDGET, MIX
from bench.figures import ROOT
from bench.floor import FLOORS, floor


def test_a_reminder_cannot_keep_to_the_budget_by_itself() -> None:
    """Else it would have to: the average mail is judged because of it."""
    assert floor("cart reminder") > BUDGET
    assert all(floor(kind) < BUDGET for kind in FLOORS.keys() - {"cart reminder"})


def test_the_page_says_what_the_protocol_alone_costs() -> None:
    page = (ROOT / "docs/cost.md").read_text("utf-8")
    for kind in FLOORS:
        assert f"| {floor(kind):.1f} % |" in page, kind


def test_the_mix_is_of_all_mails_and_of_kinds_that_are_known() -> None:
    assert sum(MIX.values()) == 1
    assert MIX.keys() <= FLOORS.keys()
