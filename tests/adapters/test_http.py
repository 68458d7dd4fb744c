"""One HTTP request with bounds, against a server on this machine that fails on demand."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from local.server import Reply, Request
from local.shop_server import Fault, ShopServer
from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.outside.http import MAX_ANSWER, Answer, Http, retry_after, safe_base


class Echo(ShopServer):
    """Answers with what `content` says; counts what it really did."""

    def __init__(self) -> None:
        super().__init__()
        self.content: object = {"said": "yes"}
        self.headers: dict[str, str] = {}
        self.status = 200
        self.done = 0

    def answer(self, request: Request) -> Reply:
        del request
        self.done += 1
        return Reply(self.status, self.content, self.headers)

    def throttled(self, request: Request) -> Reply:
        del request
        return Reply(429, {}, self.headers)

    denied = throttled


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo().running() as running:
        yield running


class Waits:
    """A sleep that takes no time, and remembers."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def http(waits: Waits, **bounds: float) -> Http:
    return Http(**{"read": 0.3, "budget": 5.0, **bounds}, sleep=waits, jitter=lambda: 0.5)  # type: ignore[arg-type]


def ask(caller: Http, server: Echo, *, repeatable: bool = False, method: str = "GET") -> Answer:
    return caller.call(method, f"{server.url}/x", {"X-Key": "k"}, deadline=caller.deadline(), repeatable=repeatable)


def test_an_answer_comes_whole_whatever_its_status(server: Echo, waits: Waits) -> None:
    server.status, server.headers = 418, {"X-Odd": "1"}
    answer = ask(http(waits), server)
    assert (answer.status, answer.headers["x-odd"], answer.body) == (418, "1", b'{"said": "yes"}')
    assert (answer.fine, server.requests[0].headers["x-key"]) == (False, "k")


@pytest.mark.parametrize("fault", ["fail", "fail_late", "hang", "lose_answer", "cut"])
def test_what_may_have_been_done_is_asked_again_only_where_that_is_harmless(
    server: Echo, waits: Waits, fault: Fault
) -> None:
    server.plan(fault)
    with pytest.raises(ShopUncertainError):
        ask(http(waits), server)
    assert len(server.requests) == 1
    server.plan(fault, fault)
    assert ask(http(waits), server, repeatable=True).fine
    assert len(server.requests) == 4


def test_tries_end(server: Echo, waits: Waits) -> None:
    server.weather = lambda: "fail"
    with pytest.raises(ShopUncertainError, match="503"):
        ask(http(waits), server, repeatable=True)
    assert len(server.requests) == 3
    assert waits.seconds == [0.25, 0.5]


def test_too_many_is_waited_for_and_was_surely_not_done(server: Echo, waits: Waits) -> None:
    server.headers = {"Retry-After": "2"}
    server.plan("throttle", "throttle")
    assert ask(http(waits), server).fine
    assert (waits.seconds, server.done) == ([2.0, 2.0], 1)


def test_a_wait_that_is_longer_than_the_time_left_is_told(server: Echo, waits: Waits) -> None:
    server.headers = {"Retry-After": "120"}
    server.plan("throttle")
    with pytest.raises(ShopRefusedError) as refused:
        ask(http(waits), server)
    assert (refused.value.reason, refused.value.wait, waits.seconds) == ("throttled", 120.0, [])


def test_nobody_there_is_surely_not_done_and_tried_again(waits: Waits) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    caller = http(waits)
    with pytest.raises(ShopRefusedError) as refused:
        caller.call("GET", f"http://127.0.0.1:{port}/secret-key", {}, deadline=caller.deadline(), repeatable=False)
    assert refused.value.reason == "not_connected"
    assert len(waits.seconds) == 2
    assert "secret-key" not in str(refused.value)


def test_an_answer_that_trickles_is_given_up(server: Echo, waits: Waits) -> None:
    server.plan("trickle")
    with pytest.raises(ShopUncertainError, match="takes too long"):
        ask(http(waits, budget=0.7), server)


def test_an_answer_that_never_ends_is_given_up(server: Echo, waits: Waits) -> None:
    server.content = "x" * (MAX_ANSWER + 1)
    with pytest.raises(ShopUncertainError, match="too long"):
        ask(http(waits, budget=20.0), server)


def test_a_redirect_is_not_followed(server: Echo, waits: Waits) -> None:
    server.status, server.headers = 302, {"Location": f"{server.url}/elsewhere"}
    assert ask(http(waits), server).status == 302
    assert [request.path for request in server.requests] == ["/x"]


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("Mon, 02 Mar 2026 09:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_moment_on_the_servers_own_clock(said: str, wait: float | None) -> None:
    headers = {"retry-after": said, "date": "Mon, 02 Mar 2026 09:00:00 GMT"}
    assert retry_after(Answer(429, headers, b"")) == wait


@pytest.mark.parametrize(
    "address",
    [
        "http://shop.example",
        "shop.example",
        "ftp://shop.example",
        "https://user:pass@shop.example",
        "https://shop.example?x=1",
        "https://",
        "https://[::1",
        "http://127.0.0.1.evil.example",
    ],
)
def test_a_secret_goes_over_tls_only(address: str) -> None:
    with pytest.raises(ShopRejectedError, match="cannot be used"):
        safe_base(address)


def test_what_may_be_asked() -> None:
    assert safe_base("https://shop.example/wordpress/") == "https://shop.example/wordpress"
    assert safe_base("http://127.0.0.1:8080") == "http://127.0.0.1:8080"
