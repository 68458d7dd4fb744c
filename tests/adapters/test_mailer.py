"""The mail channel: one attempt, and an exact answer to what became of it (DESIGN §6; CONTRACTS, SES v2)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.header import decode_header, make_header
from email.utils import formataddr, parseaddr
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from msgspec.structs import replace

from local.emulator import free_port
from local.ses import Limits, LocalSes
from rekindle.aws.clients import Clients
from rekindle.aws.clock import SystemClock
from rekindle.aws.counting import CallCounter
from rekindle.aws.mailer import SesAccount, SesMailer
from rekindle.domain.errors import MailRefusedError, MailRejectedError, MailUncertainError
from rekindle.memory import Fate, World
from rekindle.ports import Allowance, Mail
from tests.support.faults import answering
from tests.support.worlds import START, session

MAIL = Mail(
    message_id="m1",
    sender="Tea <hello@tea.example>",
    to="anna@example.com",
    subject="Dein Čaj wartet ☕",
    html="<p>Tee</p>",
    text="Tee",
    headers={"List-Unsubscribe": "<https://links.tea.example/u/abc>", "X-Rekindle-Message": "m1"},
    tags={"rekindle_message": "m1"},
    reply_to="help@tea.example",
)


class Ses:
    """The adapter on an SES that answers as it is told, and a count of the attempts made."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        counted = session()
        self.counter = CallCounter(counted)
        self.clients = Clients(counted, endpoint_url=endpoint_url)
        self.seconds = 0.0
        self.mailer = SesMailer(self.clients, configuration_set="rekindle", monotonic=lambda: self.seconds)

    @property
    def attempts(self) -> int:
        """Return how often something was put on the wire."""
        return self.counter.attempts["sesv2.SendEmail"]

    def answers(self, status: int, parsed: dict[str, Any]) -> Any:
        """Answer the next call so."""
        return answering(self.clients.ses, "SendEmail", [(status, parsed)])

    @contextmanager
    def raises(self, error: Exception) -> Iterator[None]:
        """Let every attempt end with this error of botocore's."""

        def fail(**_: Any) -> None:
            raise error

        self.clients.ses.meta.events.register_last("before-send.sesv2.SendEmail", fail)
        try:
            yield
        finally:
            self.clients.ses.meta.events.unregister("before-send.sesv2.SendEmail", fail)

    @contextmanager
    def requests(self) -> Iterator[list[dict[str, Any]]]:
        """Accept every mail and return the requests."""
        seen: list[dict[str, Any]] = []

        def note(params: dict[str, Any], **_: Any) -> None:
            seen.append(params)

        self.clients.ses.meta.events.register("provide-client-params.sesv2.SendEmail", note)
        with answering(self.clients.ses, "SendEmail", [(200, {"MessageId": "v1"})] * 9):
            yield seen


@pytest.fixture
def ses() -> Ses:
    return Ses()


def test_an_accepted_mail_has_the_vendors_id_and_was_sent_whole(ses: Ses) -> None:
    with ses.requests() as requests:
        assert ses.mailer.send(MAIL) == "v1"
    assert requests == [
        {
            "FromEmailAddress": "Tea <hello@tea.example>",
            "Destination": {"ToAddresses": ["anna@example.com"]},
            "ReplyToAddresses": ["help@tea.example"],
            "Content": {
                "Simple": {
                    "Subject": {"Data": "Dein Čaj wartet ☕", "Charset": "UTF-8"},
                    "Body": {
                        "Html": {"Data": "<p>Tee</p>", "Charset": "UTF-8"},
                        "Text": {"Data": "Tee", "Charset": "UTF-8"},
                    },
                    "Headers": [
                        {"Name": "List-Unsubscribe", "Value": "<https://links.tea.example/u/abc>"},
                        {"Name": "X-Rekindle-Message", "Value": "m1"},
                    ],
                }
            },
            "EmailTags": [{"Name": "rekindle_message", "Value": "m1"}],
            "ConfigurationSetName": "rekindle",
        }
    ]


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("TooManyRequestsException", 429, "throttled"),
        ("Throttling", 400, "throttled"),
        ("ThrottlingException", 400, "throttled"),
        ("SomethingElse", 429, "throttled"),
        ("LimitExceededException", 400, "quota"),
        ("SendingPausedException", 400, "paused"),
        ("AccountSuspendedException", 400, "paused"),
        ("AccessDeniedException", 403, "not_allowed"),
        ("ExpiredTokenException", 401, "not_allowed"),
        ("MailFromDomainNotVerifiedException", 400, "not_allowed"),
        ("NotFoundException", 404, "not_allowed"),
    ],
)
def test_what_ses_may_take_later_is_refused(ses: Ses, code: str, status: int, reason: str) -> None:
    with ses.answers(status, {"Error": {"Code": code}}), pytest.raises(MailRefusedError) as caught:
        ses.mailer.send(MAIL)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("MessageRejected", 400),
        ("BadRequestException", 400),
    ],
)
def test_what_ses_will_never_take_is_rejected(ses: Ses, code: str, status: int) -> None:
    with ses.answers(status, {"Error": {"Code": code}}), pytest.raises(MailRejectedError, match=code):
        ses.mailer.send(MAIL)


@pytest.mark.parametrize(
    ("code", "status", "message", "reason"),
    [
        ("TooManyRequestsException", 429, "Maximum sending rate exceeded.", "throttled"),
        ("TooManyRequestsException", 429, "Daily message quota exceeded.", "quota"),
        ("ThrottlingException", 400, "Daily message quota exceeded", "quota"),
        (
            "MessageRejected",
            400,
            "Email address is not verified. The following identities failed the check in region EU-WEST-1: tea.example",
            "not_allowed",
        ),
    ],
)
def test_what_ses_says_in_words_alone_is_read(ses: Ses, code: str, status: int, message: str, reason: str) -> None:
    """As the Developer Guide words them: one error stands for rate and quota, one for mail and sender."""
    said = {"Error": {"Code": code, "Message": message}}
    with ses.answers(status, said), pytest.raises(MailRefusedError) as caught:
        ses.mailer.send(MAIL)
    assert caught.value.reason == reason


def test_every_error_that_the_model_names_is_read_on_purpose(ses: Ses) -> None:
    """A new botocore may bring an error for which nobody has decided yet whether the mail may go later."""
    operation = ses.clients.ses.meta.service_model.operation_model("SendEmail")
    meanings: dict[str, str] = {}
    for shape in operation.error_shapes:
        status = shape.metadata["error"]["httpStatusCode"]
        with ses.answers(status, {"Error": {"Code": shape.name}}):
            try:
                ses.mailer.send(MAIL)
            except MailRefusedError as refused:
                meanings[shape.name] = refused.reason
            except MailRejectedError:
                meanings[shape.name] = "rejected"
    assert meanings == {
        "TooManyRequestsException": "throttled",
        "LimitExceededException": "quota",
        "AccountSuspendedException": "paused",
        "SendingPausedException": "paused",
        "MailFromDomainNotVerifiedException": "not_allowed",
        "NotFoundException": "not_allowed",
        "MessageRejected": "rejected",
        "BadRequestException": "rejected",
    }


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_fault_of_the_server_is_uncertain(ses: Ses, status: int) -> None:
    with ses.answers(status, {"Error": {"Code": "InternalServiceErrorException"}}), pytest.raises(MailUncertainError):
        ses.mailer.send(MAIL)


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="x"), ConnectTimeoutError(endpoint_url="x")], ids=type
)
def test_a_mail_that_never_reached_ses_is_refused(ses: Ses, error: Exception) -> None:
    with ses.raises(error), pytest.raises(MailRefusedError) as caught:
        ses.mailer.send(MAIL)
    assert caught.value.reason == "not_connected"


@pytest.mark.parametrize(
    "error",
    [ReadTimeoutError(endpoint_url="x"), ConnectionClosedError(endpoint_url="x"), NoCredentialsError()],
    ids=type,
)
def test_anything_unclear_is_uncertain_and_tried_once(ses: Ses, error: Exception) -> None:
    with ses.raises(error), pytest.raises(MailUncertainError):
        ses.mailer.send(MAIL)
    assert ses.attempts == 1


@pytest.mark.parametrize(
    "mail",
    [
        replace(MAIL, headers={"X-A": "b\r\nBcc: everybody@example.com"}),
        replace(MAIL, headers={"X-A\r\nBcc": "everybody@example.com"}),
        replace(MAIL, headers={"X-A": "ä"}),
        replace(MAIL, headers={"X-A": ""}),
        replace(MAIL, headers={"X-A": "x" * 994}),
        replace(MAIL, headers={f"X-{number}": "x" for number in range(16)}),
        replace(MAIL, subject="Tea\r\nBcc: everybody@example.com"),
        replace(MAIL, to="anna@example.com\nbert@example.com"),
        replace(MAIL, sender="Tea\n <hello@tea.example>"),
        replace(MAIL, reply_to="help@tea.example\r\n"),
    ],
)
def test_what_could_smuggle_a_header_in_is_rejected_before_ses_sees_it(ses: Ses, mail: Mail) -> None:
    with ses.requests() as requests, pytest.raises(MailRejectedError):
        ses.mailer.send(mail)
    assert requests == []


def test_the_limits_themselves_are_within(ses: Ses) -> None:
    headers = {f"X-{number:02}": "x" * 992 for number in range(15)}
    with ses.requests():
        assert ses.mailer.send(replace(MAIL, headers=headers)) == "v1"


def test_a_senders_name_that_is_not_ascii_is_encoded(ses: Ses) -> None:
    with ses.requests() as requests:
        ses.mailer.send(replace(MAIL, sender="Čaj & Tee <hello@tea.example>", reply_to=None))
    assert requests[0]["FromEmailAddress"] == "=?utf-8?q?=C4=8Caj_=26_Tee?= <hello@tea.example>"
    assert "ReplyToAddresses" not in requests[0]


@pytest.mark.parametrize(
    "name",
    [
        "متجر الشاي والقهوة العربية الفاخرة في دبي",
        "北京市第一茶叶专卖店有限责任公司官方旗舰店",
        "Čaj & Tee, Ltd",
        "Tea, & Co.",
        "=?",
    ],
)
def test_a_senders_name_is_written_in_words_as_long_as_a_header_may_have(ses: Ses, name: str) -> None:
    with ses.requests() as requests:
        ses.mailer.send(replace(MAIL, sender=formataddr((name, "hello@tea.example"))))
    sent = requests[0]["FromEmailAddress"]
    assert sent.isascii()
    assert sent.isprintable()
    shown, address = parseaddr(sent)
    assert (str(make_header(decode_header(shown))), address) == (name, "hello@tea.example")
    assert all(len(word) <= 75 for word in sent.split() if word.startswith("=?"))


# --- with a real socket


class Server:
    """Something on loopback that takes connections and answers each request as told, or hangs up on it."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        while (request := _request(connection)) is not None:
            if self._answer is None or not request:
                connection.close()
                return
            connection.sendall(self._answer)

    def close(self) -> None:
        """Stop listening and hang up on everybody."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self._open:
            connection.close()


def _request(connection: socket.socket) -> bytes | None:
    """Read one request with its body; `None` at the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        try:
            part = connection.recv(65536)
        except OSError:
            return None
        if not part:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + body


@contextmanager
def serving(answer: bytes | None) -> Iterator[Server]:
    """Run a server for the length of the block."""
    server = Server(answer)
    try:
        yield server
    finally:
        server.close()


def http(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_nobody_listening_is_not_connected() -> None:
    ses = Ses(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(MailRefusedError) as caught:
        ses.mailer.send(MAIL)
    assert caught.value.reason == "not_connected"


def test_a_connection_closed_without_an_answer_is_uncertain_and_not_tried_again() -> None:
    with serving(None) as server:
        ses = Ses(server.url)
        with pytest.raises(MailUncertainError):
            ses.mailer.send(MAIL)
        ses.clients.ses.close()
        assert server.connections == 1
    assert ses.attempts == 1


def test_an_error_page_of_some_gateway_is_uncertain_and_not_tried_again() -> None:
    with serving(http("502 Bad Gateway", b"<html>oops</html>")) as server:
        ses = Ses(server.url)
        with pytest.raises(MailUncertainError):
            ses.mailer.send(MAIL)
        ses.clients.ses.close()
    assert ses.attempts == 1


def test_mails_close_together_share_a_connection_and_an_idle_one_is_not_trusted() -> None:
    with serving(http("200 OK", b'{"MessageId": "v1"}')) as server:
        ses = Ses(server.url)
        ses.mailer.send(MAIL)
        ses.seconds += 9
        ses.mailer.send(MAIL)
        assert server.connections == 1
        ses.seconds += 11
        assert ses.mailer.send(MAIL) == "v1"
        assert server.connections == 2
        ses.clients.ses.close()


# --- the mailer in RAM


def test_in_ram_an_accepted_mail_lies_in_the_inbox_with_its_time() -> None:
    world = World(START)
    vendor_id = world.mailer.send(MAIL)
    assert [(sent.mail, sent.vendor_id, sent.at) for sent in world.inbox] == [(MAIL, vendor_id, START)]


@pytest.mark.parametrize(
    ("fate", "error", "sent"),
    [
        ("throttled", MailRefusedError, 0),
        ("quota", MailRefusedError, 0),
        ("paused", MailRefusedError, 0),
        ("not_connected", MailRefusedError, 0),
        ("reject", MailRejectedError, 0),
        ("hang", MailUncertainError, 0),
        ("answer_lost", MailUncertainError, 1),
    ],
)
def test_in_ram_the_channel_does_what_it_is_told_once(fate: Fate, error: type[Exception], sent: int) -> None:
    world = World(START)
    world.fates.append(fate)
    with pytest.raises(error) as caught:
        world.mailer.send(MAIL)
    if isinstance(caught.value, MailRefusedError):
        assert caught.value.reason == fate
    assert len(world.inbox) == sent
    world.mailer.send(MAIL)
    assert len(world.inbox) == sent + 1
    assert [chosen for _, chosen in world.attempts] == [fate, "accept"]


# --- what the account may send ---------------------------------------------------------------------------------------


class Said(NamedTuple):
    """What SES answers (API reference, GetAccount), and what that is."""

    answer: dict[str, Any]
    means: Allowance


ACCOUNTS = {
    "production": Said(
        {
            "ProductionAccessEnabled": True,
            "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 1_200.0},
        },
        Allowance(rate=14.0, quota=50_000.0, sent=1_200.0),
    ),
    "sandbox": Said(
        {
            "ProductionAccessEnabled": False,
            "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0},
        },
        Allowance(rate=1.0, quota=200.0, trial=True),
    ),
    "no quota": Said(
        {
            "ProductionAccessEnabled": True,
            "SendQuota": {"Max24HourSend": -1.0, "MaxSendRate": 900.0, "SentLast24Hours": 3e6},
        },
        Allowance(rate=900.0, quota=None, sent=3e6),
    ),
}


@pytest.mark.parametrize("said", ACCOUNTS.values(), ids=ACCOUNTS)
def test_the_accounts_rate_and_quota_are_read_as_ses_gives_them(ses: Ses, said: Said) -> None:
    with answering(ses.clients.ses, "GetAccount", [(200, said.answer)]):
        assert SesAccount(ses.clients).allowance() == said.means
    world = World()
    world.allowance = said.means
    assert world.account.allowance() == said.means


def test_an_account_that_does_not_answer_is_asked_once_and_raises(ses: Ses) -> None:
    fault = answering(ses.clients.ses, "GetAccount", [(403, {"Error": {"Code": "AccessDeniedException"}})])
    with fault, pytest.raises(ClientError):
        SesAccount(ses.clients).allowance()


def test_the_emulators_and_the_local_runs_own_ses_answer_in_that_shape(ministack: Clients) -> None:
    assert SesAccount(ministack).allowance() == Allowance(rate=14.0, quota=50_000.0)
    with LocalSes(SystemClock(), limits=Limits(rate=3, quota=90, sandbox=True)).running() as local:
        account = SesAccount(Clients(session(), endpoint_url=local.url))
        assert account.allowance() == Allowance(rate=3.0, quota=90.0, trial=True)


def test_the_local_ses_keeps_to_its_rate_and_its_quota() -> None:
    with LocalSes(SystemClock(), limits=Limits(rate=0.001, quota=2)).running() as local:
        mailer = SesMailer(Clients(session(), endpoint_url=local.url), configuration_set="rekindle")
        mailer.send(MAIL)
        with pytest.raises(MailRefusedError, match="throttled"):
            mailer.send(MAIL)
        local.limits = Limits(rate=100, quota=2)
        mailer.send(MAIL)
        with pytest.raises(MailRefusedError, match="quota"):
            mailer.send(MAIL)
        assert SesAccount(mailer._clients).allowance().sent == 2
