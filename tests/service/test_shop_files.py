"""One answer is changed in a shop's file, and nothing else."""

from __future__ import annotations

import pytest

from rekindle.service.shop_files import with_own_mails

_SAID = (
    "own_mails: {orders: on, carts: off}    # the shop's own order and cart mails; off once they are switched off there"
)


@pytest.mark.parametrize(
    "block",
    [
        "own_mails: on\n",
        "own_mails: {orders: on,\n  carts: on}\n",
        "own_mails:\n  orders: on\n  carts: on\n",
        "own_mails:\n  orders: on\n\n  carts: on\n",
        "own_mails:\n# asked in May\n  orders: on\n  # and these\n  carts: on\n",
    ],
)
def test_the_answer_is_replaced_however_it_was_written(block: str) -> None:
    after = "\n# the capital\nzone: Europe/Stockholm\n"
    text = f"name: Tea\n{block}{after}"
    assert with_own_mails(text, {"orders": True, "carts": False}) == f"name: Tea\n{_SAID}\n{after}"


@pytest.mark.parametrize("text", ["name: Tea\n", "name: Tea"])
def test_where_none_was_given_it_comes_last(text: str) -> None:
    assert with_own_mails(text, {"orders": True, "carts": False}) == f"name: Tea\n{_SAID}\n"
