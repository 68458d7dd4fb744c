"""What the two local shop APIs share: they fail in the ways of servers behind proxies, and note what was asked.

Imports the standard library.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from local.server import LocalServer, Reply, Request

#: `throttle`: too many requests. `fail`: a 503, and nothing is done; `fail_late`: a 500, and it is done. `hang`: no
#: answer, and nothing is done; `lose_answer`: it is done, and the connection breaks; `hang_late`: it is done, and
#: no answer comes. `cut`: half of the answer; `html`: a page where JSON should be; `trickle`: a byte at a time.
Fault = Literal["throttle", "fail", "fail_late", "hang", "hang_late", "lose_answer", "cut", "html", "trickle", "denied"]

_TRICKLE_SECONDS = 0.2
_JSON = {"Content-Type": "application/json; charset=UTF-8"}
_PAGE = "<!doctype html><title>Just a moment...</title><p>Checking your browser before you go on.</p>"
_HTML = {"Content-Type": "text/html"}


class ShopServer(LocalServer[Fault]):
    """A shop's API. A subclass says what is answered (`answer`), and how it says "too many" (`throttled`)."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.requests: list[Request] = []
        """everything that was asked, in order"""

    def answer(self, request: Request) -> Reply:
        """Return the answer to a request that nothing happens to."""
        raise NotImplementedError

    def throttled(self, request: Request) -> Reply:
        """Return the answer to one too many."""
        raise NotImplementedError

    def denied(self, request: Request) -> Reply:
        """Return the answer to one that may not ask this."""
        raise NotImplementedError

    def respond(self, request: Request) -> Reply | None:
        """Note a request, and let happen to it what is to happen."""
        with self.lock:
            fault = self.next_fault()
            self.requests.append(request)
        match fault:
            case "throttle":
                return _as_json(self.throttled(request))
            case "denied":
                return _as_json(self.denied(request))
            case "fail":
                return Reply(503, _PAGE, _HTML)
            case "html":
                return Reply(200, _PAGE, _HTML)
            case "hang":
                self.rest()
                return None
            case _:
                return self._late(fault, _as_json(self.answer(request)))

    def _late(self, fault: Fault | None, reply: Reply) -> Reply | None:
        match fault:
            case "fail_late":
                return Reply(500, _PAGE, _HTML)
            case "hang_late":
                self.rest()
                return None
            case "lose_answer":
                return None
            case "cut":
                return replace(reply, sent=len(reply.raw) // 2)
            case "trickle":
                return replace(reply, pause=_TRICKLE_SECONDS)
            case _:
                return reply


def _as_json(reply: Reply) -> Reply:
    return replace(reply, headers={**_JSON, **reply.headers})
