"""What DESIGN §6's own protocol costs a mail, were all else free: the least that any implementation of it pays.

Every item fits into one kilobyte, every webhook finds somebody known, nothing is kept, nothing is read, no function
takes time, and nothing is written twice. What `bench/cost.py` measures is never less.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from bench.figures import Figure, measure
from rekindle.service.costs import Used, bill, total
from rekindle.service.prices import prices

#: A write in a transaction, and a condition checked in one, counts double.
_DOUBLE: Final = Decimal(2)
#: The request; the delivery and its pending item in one transaction.
_ACCEPT = {"http_api": Decimal(1), "dynamodb_ia_write": _DOUBLE, "dynamodb_write": _DOUBLE}
#: The profile and the ledger's line in one transaction.
_COMMIT = {"dynamodb_write": _DOUBLE, "dynamodb_ia_write": _DOUBLE}
#: The pending item's deletion in that transaction.
_APPLIED = {"dynamodb_write": _DOUBLE}
#: The schedule's ring.
_RING = {"scheduler": Decimal(1)}
#: The message, the profile's version and the suppressions in one transaction; the outcome by itself.
_SEND = {"dynamodb_write": 3 * _DOUBLE + 1}
#: A message alone on a queue: put there, received, deleted. Of a campaign's, ten share them.
_QUEUE = {"sqs": Decimal(3)}
_SHARED = {"sqs": Decimal(3) / 10}

#: What the kinds of `bench/cost.py` are made of.
FLOORS = {
    "campaign mail": (_SHARED, _COMMIT, _SHARED, _SEND),
    "order confirmation": (_ACCEPT, _COMMIT, _APPLIED, _QUEUE, _SEND),
    "second reminder": (_RING, _QUEUE, _COMMIT, _QUEUE, _SEND),
    "cart reminder": (_ACCEPT, _COMMIT, _APPLIED, _ACCEPT, _COMMIT, _APPLIED, _RING, _QUEUE, _COMMIT, _QUEUE, _SEND),
}


def floor(kind: str) -> Decimal:
    """Return the least that a mail of this kind can cost beside SES, in per cent of its price."""
    used = [Used(line, kind, amount) for part in FLOORS[kind] for line, amount in part.items()]
    return total(bill(used, prices())) / (prices().mail[0].per_thousand / 1_000) * 100


@measure
def cost_of_the_protocol() -> Iterator[Figure]:
    """What DESIGN §6's protocol alone costs a mail beside SES, in per cent of its price."""
    for kind in FLOORS:
        yield Figure(f"the least that the protocol allows: {kind}", float(floor(kind)), "%")
