"""The clients: how often they try, what they share, what a call costs; and the clocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.emulator import free_port
from rekindle.aws.clients import Clients
from rekindle.aws.clock import OffsetClock, SystemClock, clock_for, elapsed, passing
from rekindle.aws.counting import CallCounter
from rekindle.aws.tables import Tables
from rekindle.domain import ids
from rekindle.domain.errors import AnswerLostError
from rekindle.ports import Commit
from rekindle.settings import Settings
from tests.support.faults import answering, losing, throttling_first, without_backoff
from tests.support.things import ANNA, MAIL, a_decision, a_delivery, a_lease, a_message, a_pending, a_profile
from tests.support.worlds import START, AwsPorts, session


@contextmanager
def attempts(client: Any, operation: str) -> Iterator[list[bytes]]:
    """Note the body of every attempt at an operation."""
    bodies: list[bytes] = []

    def note(request: Any, **_: Any) -> None:
        bodies.append(request.data)

    event = f"request-created.*.{operation}"
    client.meta.events.register(event, note)
    try:
        yield bodies
    finally:
        client.meta.events.unregister(event, note)


def test_a_client_is_built_once_and_all_share_one_session() -> None:
    clients = Clients(session())
    assert clients.dynamodb is clients.dynamodb
    assert clients.sqs.meta.events is not clients.dynamodb.meta.events
    assert Clients().session is not clients.session


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "scheduler", "s3", "secrets"])
def test_every_client_tries_three_times_and_soon_gives_up_on_a_server(service: str) -> None:
    config: Any = getattr(Clients(session()), service).meta.config
    assert config.retries == {"total_max_attempts": 3, "mode": "standard"}
    assert config.connect_timeout <= 1
    assert config.read_timeout <= 10


def test_ses_tries_once_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    config: Any = Clients(session()).ses.meta.config
    assert config.retries == {"total_max_attempts": 1, "mode": "standard"}


def test_all_attempts_at_a_transaction_carry_one_token_and_two_calls_carry_two(
    moto_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_backoff(monkeypatch)
    client = moto_ports.clients.dynamodb
    operation = "TransactWriteItems"
    bodies: list[bytes] = []
    for _ in range(2):
        with losing(client, operation, "request", attempts=3), attempts(client, operation) as seen:
            with pytest.raises(AnswerLostError):
                moto_ports.intake.accept(a_delivery())
            bodies += seen
    tokens = [body.partition(b"ClientRequestToken")[2] for body in bodies]
    assert len(tokens) == 6
    assert len(set(tokens[:3])) == len(set(tokens[3:])) == 1
    assert tokens[0] != tokens[3]


CANCELLED = "TransactionCanceledException"


@pytest.mark.parametrize(
    ("reasons", "tried"), [(["None", "ThrottlingError"], 5), (["ConditionalCheckFailed", "ThrottlingError"], 1)]
)
def test_a_transaction_is_tried_no_longer_than_it_is_worth(
    moto_ports: AwsPorts, reasons: list[str], tried: int
) -> None:
    client = moto_ports.clients.dynamodb
    with (
        throttling_first(client, "TransactWriteItems", 100, CANCELLED, reasons) as throttled,
        pytest.raises(client.exceptions.TransactionCanceledException),
    ):
        moto_ports.intake.accept(a_delivery())
    assert throttled.count == tried


def test_a_server_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    without_backoff(monkeypatch)
    clients = Clients(session(), endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(EndpointConnectionError):
        clients.sqs.list_queues()


# --- budgets (DESIGN §8)


@pytest.fixture
def counted(moto_ports: AwsPorts) -> tuple[AwsPorts, CallCounter]:
    """Return ports whose calls are counted: the same installation through a second session."""
    counting = session()
    counter = CallCounter(counting)
    return moto_ports.with_clients(Clients(counting)), counter


def test_accepting_is_one_call(counted: tuple[AwsPorts, CallCounter]) -> None:
    ports, counter = counted
    ports.intake.accept(a_delivery(also=("mark",)), (), ("tea#email#1",))
    assert counter.calls == {"dynamodb.TransactWriteItems": 1}


def test_applying_an_event_that_triggers_nothing_is_three_calls(counted: tuple[AwsPorts, CallCounter]) -> None:
    ports, counter = counted
    ports.state.commit(Commit(profile=a_profile()))
    ports.intake.accept(a_delivery(), (), ("tea#email#1",))
    counter.reset()
    work = ports.state.work(a_pending(keys=("tea#email#1",)))
    assert work is not None
    assert ports.state.profile(ANNA) is not None
    ports.state.commit(Commit(pending_id=ids.digest("d1"), profile=a_profile(2), decisions=(a_decision(),)))
    assert sum(counter.calls.values()) == 3
    assert counter.attempts == counter.calls


def test_sending_costs_two_calls_beside_the_mail_and_the_shared_read(counted: tuple[AwsPorts, CallCounter]) -> None:
    ports, counter = counted
    ports.state.commit(Commit(profile=a_profile()))
    counter.reset()
    ports.outbox.read([(MAIL, ANNA)])
    assert counter.calls == {"dynamodb.BatchGetItem": 1}
    ports.outbox.lease(a_lease())
    ports.outbox.record(a_message("sent", vendor_id="v1", at=START), token="t1")
    assert sum(counter.calls.values()) == 3


# --- what is left unread


def test_keys_that_were_left_unread_are_asked_for_again(moto_ports: AwsPorts) -> None:
    table = moto_ports.installation.tables.messages
    moto_ports.outbox.record(a_message("skipped"))
    unread = {table: {"Keys": [{"id": {"S": MAIL}}], "ConsistentRead": True}}
    with answering(moto_ports.clients.dynamodb, "BatchGetItem", [(200, {"UnprocessedKeys": unread})] * 2) as left:
        assert set(moto_ports.state.messages([MAIL])) == {MAIL}
    assert left.count == 2


def test_keys_that_stay_unread_are_an_error_not_absence(moto_ports: AwsPorts) -> None:
    table = moto_ports.installation.tables.messages
    unread = {table: {"Keys": [{"id": {"S": MAIL}}], "ConsistentRead": True}}
    with (
        answering(moto_ports.clients.dynamodb, "BatchGetItem", [(200, {"UnprocessedKeys": unread})] * 9),
        pytest.raises(TimeoutError),
    ):
        moto_ports.state.messages([MAIL])


# --- clocks


def test_the_system_clock_is_the_systems_and_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


def test_only_a_named_file_moves_the_clock(tmp_path: Path) -> None:
    assert isinstance(clock_for(None), SystemClock)
    assert isinstance(clock_for(""), SystemClock)
    assert isinstance(clock_for(str(tmp_path / "offset")), OffsetClock)


def test_a_function_knows_the_tables_that_its_settings_name() -> None:
    class Some(Settings, frozen=True, kw_only=True, rename="upper"):
        """A function that needs one table."""

        pending_table: str

    assert Tables.of(Some.read({"PENDING_TABLE": "the-pending"})) == Tables(pending="the-pending")


def test_the_offset_clock_follows_its_file(tmp_path: Path) -> None:
    file = tmp_path / "offset"
    clock = OffsetClock(file)
    with pytest.raises(FileNotFoundError):
        clock.now()
    for seconds in (0.0, 86_400.0, 90_000.5, 90_000.75):
        draft = tmp_path / "draft"
        draft.write_text(f"{seconds}\n")
        draft.replace(file)
        ahead = clock.now() - datetime.now(UTC)
        assert abs(ahead - timedelta(seconds=seconds)) < timedelta(seconds=0.2)


def test_time_passes_also_while_lambda_holds_the_process_still() -> None:
    """Whichever clock stood or was set back: what is to be forgotten after five minutes is forgotten."""
    steady, shown = 100.0, 1_000.0
    seconds = passing(lambda: steady, lambda: shown)
    assert seconds() == 0
    steady, shown = 101.0, 1_001.0
    assert seconds() == 1
    shown += 300
    assert seconds() == 301, "the monotonic clock stood"
    steady, shown = steady + 2, shown - 3_600
    assert seconds() == 303, "the wall clock was set back"
    assert elapsed() <= elapsed()
