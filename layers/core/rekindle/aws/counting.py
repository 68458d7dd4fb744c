"""Counts what a process asks of AWS: the figures of the call budgets (DESIGN §8), for tests and the benchmark."""

from __future__ import annotations

from collections import Counter
from typing import Any

from botocore.session import Session


class CallCounter:
    """How often each operation was called (`calls`) and sent, retries included (`attempts`), as `dynamodb.GetItem`.

    Attach it to the session before the first client is built: clients copy the session's hooks.
    """

    def __init__(self, session: Session) -> None:
        self.calls: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        session.register("before-call", self._called)
        session.register("request-created", self._sent)

    def reset(self) -> None:
        """Start again at nothing."""
        self.calls.clear()
        self.attempts.clear()

    def _called(self, **event: Any) -> None:
        self.calls[event["event_name"].removeprefix("before-call.")] += 1

    def _sent(self, **event: Any) -> None:
        self.attempts[event["event_name"].removeprefix("request-created.")] += 1
