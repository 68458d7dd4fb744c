"""Adding figures up: from the lines of the ledger and from the records of messages, each change once.

Both come by streams that bring a change at least once. What it counts has a mark that follows from the change itself,
and is added to the figures in one transaction with its mark: a repeat finds it and adds nothing. So the figures are
what the ledger and the records say, whatever crashed on the way (decision 0031).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from rekindle.domain.results import Count, together
from rekindle.ports import Counted, Message, Results, label_of

_SENT = frozenset({"sent", "delivered", "bounced", "complained"})


def figures(message: Message | None) -> frozenset[str]:
    """Return the figures in which a message counts, as its record stands."""
    if message is None:
        return frozenset()
    opened = message.opened_at is not None or bool(message.links)
    stands = {
        "sent": message.state in _SENT,
        "delivered": message.state in ("delivered", "complained"),
        "bounced": message.state == "bounced",
        "complained": message.state == "complained",
        "failed": message.state == "failed",
        "skipped": message.state == "skipped",
        "opened": opened,
        "clicked": bool(message.links),
        "opened_machine": message.machine_opened_at is not None,
        "clicked_machine": message.machine_clicked_at is not None,
    }
    return frozenset(figure for figure, counts in stands.items() if counts)


def of_message(before: Message | None, after: Message) -> Counted | None:
    """Return what this change of a message's record counts; `None`: nothing.

    A record only moves forward, so it changes from one set of figures to another once at most: that is the mark.
    """
    label = label_of(after)
    was, now = figures(before), figures(after)
    if label is None or was == now:
        return None
    counts = [Count(label, figure, Decimal(1 if figure in now else -1)) for figure in sorted(was ^ now)]
    mark = f"{after.id}#{'+'.join(sorted(was))}>{'+'.join(sorted(now))}"
    # Only what moved a message has a moment of its own.
    moved = after.at if after.at is not None and (before is None or before.state != after.state) else None
    near = together("messages", moved) if moved is not None else ""
    return Counted(mark=mark, shop=after.shop, counts=tuple(counts), near=near)


class Tally:
    """Adds up."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def heard(self, found: Iterable[Counted | None]) -> int:
        """Add what is new of these to the figures; return how many that were.

        Raises what the port raises: then the stream brings all of it again, and what was added is not added twice.
        """
        return self._results.add([one for one in found if one is not None])
