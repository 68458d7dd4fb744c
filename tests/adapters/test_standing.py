"""What AWS and the DNS say of those who send, of alarms, and of a secret that is still used."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rekindle.aws.clients import Clients
from rekindle.aws.mail_desk import SesDesk
from rekindle.aws.stack import StackError
from rekindle.aws.watch import WebhookLog, alarm_receivers
from rekindle.domain.errors import ShopRejectedError, ShopUncertainError
from rekindle.outside.door import Dns, OutsideDoor
from rekindle.outside.http import Http
from rekindle.ports import SenderDomain
from tests.support.connecting import name_server
from tests.support.faults import answering, failing, throttling_first, without_backoff

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


# --- SES -------------------------------------------------------------------------------------------------------------


def test_a_domain_is_introduced_once_and_known_after(moto: Clients) -> None:
    desk = SesDesk(moto)
    assert desk.domain("mail.once.example") is None
    made = desk.introduce("mail.once.example")
    assert desk.introduce("mail.once.example") == made
    assert desk.domain("mail.once.example") == made


def test_what_ses_says_of_a_domain_is_read(moto: Clients) -> None:
    told = {
        "VerifiedForSendingStatus": True,
        "DkimAttributes": {"Status": "PENDING", "Tokens": ["a", "b", "c"]},
        "MailFromAttributes": {"MailFromDomain": "bounce.x.example", "MailFromDomainStatus": "FAILED"},
        "ConfigurationSetName": "other",
    }
    with answering(moto.mail_desk, "GetEmailIdentity", [(200, told)]):
        assert SesDesk(moto).domain("x.example") == SenderDomain(
            name="x.example",
            verified=True,
            dkim="PENDING",
            tokens=("a", "b", "c"),
            mail_from="bounce.x.example",
            mail_from_state="FAILED",
            default_set="other",
        )


def test_an_envelope_is_asked_for_as_ses_wants_it(moto: Clients) -> None:
    with answering(moto.mail_desk, "PutEmailIdentityMailFromAttributes", [(200, {})]) as asked:
        SesDesk(moto).envelope("x.example", "bounce.x.example")
    assert asked.count == 1


def test_a_configuration_set_is_there_or_not(moto: Clients) -> None:
    moto.ses.create_configuration_set(ConfigurationSetName="there-is")
    assert SesDesk(moto).has_set("there-is")
    with failing(moto.mail_desk, "GetConfigurationSet", "NotFoundException", status=404):
        assert not SesDesk(moto).has_set("there-is-not")


def test_what_we_may_not_ask_is_told_in_a_line(moto: Clients) -> None:
    with failing(moto.mail_desk, "GetEmailIdentity", "AccessDeniedException", status=403), pytest.raises(StackError):
        SesDesk(moto).domain("x.example")


def test_ses_is_asked_again_where_it_answers_once_a_second(moto: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this sends: only a mail is attempted once."""
    without_backoff(monkeypatch)
    desk = SesDesk(moto)
    assert desk.domain("mail.busy.example") is None
    with throttling_first(moto.mail_desk, "GetEmailIdentity", 4, "TooManyRequestsException") as throttled:
        assert desk.domain("mail.busy.example") is None
    assert throttled.count == 4


# --- alarms, and the log ---------------------------------------------------------------------------------------------


def test_who_is_told_of_alarms_is_counted(moto: Clients) -> None:
    sns: Any = moto.session.create_client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    assert alarm_receivers(moto, topic) == (0, 0)
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://ops.example/alarms")
    confirmed, waiting = alarm_receivers(moto, topic)
    assert confirmed + waiting == 1


@pytest.fixture
def log(moto: Clients) -> Iterator[Any]:
    logs: Any = moto.session.create_client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/s1-webhook")
    logs.create_log_stream(logGroupName="/aws/lambda/s1-webhook", logStreamName="a")
    yield logs
    logs.delete_log_group(logGroupName="/aws/lambda/s1-webhook")


def test_the_last_use_of_an_old_secret_is_found_in_the_log(moto: Clients, log: Any) -> None:
    begun = datetime.now(UTC) - timedelta(hours=1)
    lines = [
        {"message": "accepted", "shop": "tea", "old_secret": True},
        {"message": "accepted", "shop": "tea"},
        {"message": "accepted", "shop": "bikes", "old_secret": True},
        "old_secret: not JSON",
    ]
    events = [
        {"timestamp": int((begun + timedelta(minutes=number)).timestamp() * 1000), "message": json.dumps(line)}
        for number, line in enumerate(lines)
    ]
    log.put_log_events(logGroupName="/aws/lambda/s1-webhook", logStreamName="a", logEvents=events)
    watch = WebhookLog(moto, "s1")
    used = watch.last_use("tea", begun - timedelta(hours=1))
    assert used is not None
    assert abs(used - begun) < timedelta(seconds=1)
    assert watch.last_use("tea", begun + timedelta(minutes=10)) is None
    assert watch.last_use("coffee", begun - timedelta(hours=1)) is None


def test_a_stack_without_a_log_cannot_say(moto: Clients) -> None:
    with pytest.raises(LookupError):
        WebhookLog(moto, "nowhere").last_use("tea", NOW)


# --- the DNS ---------------------------------------------------------------------------------------------------------


def test_records_are_read_and_what_is_not_there_is_none() -> None:
    records = {("_dmarc.tea.example", "TXT"): '"v=DMARC1;" " p=none"', ("links.tea.example", "A"): "192.0.2.1"}
    with name_server(records) as place:
        names = Dns(place)
        assert names.texts("_dmarc.tea.example") == ["v=DMARC1; p=none"]
        assert names.texts("_dmarc.coffee.example") == []
        assert (names.exists("links.tea.example"), names.exists("links.coffee.example")) == (True, False)


def test_a_dns_that_does_not_answer_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rekindle.outside.door._DNS_SECONDS", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(ShopUncertainError, match="does not answer"):
            Dns(f"127.0.0.1:{silent.getsockname()[1]}").texts("tea.example")


def test_a_door_is_knocked_at_over_tls_alone_but_on_this_machine() -> None:
    with pytest.raises(ShopRejectedError):
        OutsideDoor(Http(sleep=lambda _: None)).knock("http://api.example/webhooks/shopify/tea", {}, b"")
