"""The SMS channel: one attempt, and an exact answer to what became of it (DESIGN §6; CONTRACTS, SMS)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.config import Config
from msgspec.structs import replace

from local.emulator import free_port
from local.phones import Fault, LocalPhones
from rekindle.aws.clients import Clients
from rekindle.aws.counting import CallCounter
from rekindle.aws.texter import AwsTexter
from rekindle.domain.errors import AddressGoneError, MailRefusedError, MailRejectedError, MailUncertainError
from rekindle.memory import Fate, VirtualClock, World
from rekindle.ports import TextMessage
from tests.support.worlds import START, session

TEXT = TextMessage(
    message_id="m1",
    shop="tea",
    to="+447700900123",
    sender="+447700900999",
    body="Tea & Co: your basket waits. Reply STOP to opt out",
    marketing=True,
    seconds=3_600,
)


class Sms:
    """The adapter on a phone network of this machine, and a count of the attempts that it makes."""

    def __init__(self, url: str) -> None:
        counted = session()
        self.counter = CallCounter(counted)
        self.clients = Clients(counted, endpoint_url=url)
        self.texter = AwsTexter(self.clients, configuration_set="rekindle-sms")

    @property
    def attempts(self) -> int:
        return self.counter.attempts["pinpoint-sms-voice-v2.SendTextMessage"]


@pytest.fixture
def phones() -> Iterator[LocalPhones]:
    with LocalPhones(VirtualClock(START)).running() as running:
        yield running


@pytest.fixture
def sms(phones: LocalPhones) -> Iterator[Sms]:
    made = Sms(phones.url)
    yield made
    made.clients.sms.close()


def test_an_accepted_text_has_the_vendors_id_and_was_sent_whole(phones: LocalPhones, sms: Sms) -> None:
    vendor_id = sms.texter.send(TEXT)
    (text,) = phones.texts
    assert (text.vendor_id, text.sender, text.to, text.body) == (vendor_id, TEXT.sender, TEXT.to, TEXT.body)
    assert (text.kind, text.seconds, text.configuration_set) == ("PROMOTIONAL", 3_600, "rekindle-sms")
    assert text.context == {"rekindle_message": "m1", "shop": "tea"}


@pytest.mark.parametrize(("seconds", "asked"), [(0, 5), (5, 5), (259_200, 259_200), (999_999, 259_200)])
def test_a_text_is_kept_trying_no_longer_than_it_is_worth_and_than_aws_allows(
    phones: LocalPhones, sms: Sms, seconds: int, asked: int
) -> None:
    sms.texter.send(replace(TEXT, seconds=seconds, marketing=False))
    (text,) = phones.texts
    assert (text.kind, text.seconds) == ("TRANSACTIONAL", asked)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("throttle", "throttled"),
        ("spend_limit", "quota"),
        ("denied", "not_allowed"),
        ("no_such_sender", "not_allowed"),
        ("sandbox", "not_allowed"),
    ],
)
def test_what_aws_may_take_later_is_refused(phones: LocalPhones, sms: Sms, fault: Fault, reason: str) -> None:
    phones.plan(fault)
    with pytest.raises(MailRefusedError) as caught:
        sms.texter.send(TEXT)
    assert (caught.value.reason, sms.attempts, phones.texts) == (reason, 1, [])


def test_what_aws_will_never_take_is_rejected_and_says_why(phones: LocalPhones, sms: Sms) -> None:
    phones.plan("invalid")
    with pytest.raises(MailRejectedError, match="ValidationException: COUNTRY_NOT_ENABLED"):
        sms.texter.send(TEXT)
    with pytest.raises(MailRejectedError):
        sms.texter.send(replace(TEXT, body=" "))
    assert phones.texts == []


def test_a_number_that_has_opted_out_at_its_carrier_is_told_apart(phones: LocalPhones, sms: Sms) -> None:
    phones.plan("opted_out")
    with pytest.raises(AddressGoneError):
        sms.texter.send(TEXT)


@pytest.mark.parametrize(("fault", "left"), [("fail", 0), ("lose_answer", 1)])
def test_anything_unclear_is_uncertain_and_tried_once(phones: LocalPhones, sms: Sms, fault: Fault, left: int) -> None:
    phones.plan(fault)
    with pytest.raises(MailUncertainError):
        sms.texter.send(TEXT)
    assert (sms.attempts, phones.attempts, len(phones.texts)) == (1, 1, left)


def test_a_network_that_does_not_answer_in_time_is_uncertain(phones: LocalPhones) -> None:
    class Impatient(Clients):
        """Does not wait ten seconds."""

        def _client(self, service: str, *, read_seconds: float = 0.2, attempts: int = 1) -> object:
            config = Config(read_timeout=min(read_seconds, 0.2), retries={"total_max_attempts": attempts})
            return self.session.create_client(service, endpoint_url=self.endpoint_url, config=config)

    phones.plan("hang")
    clients = Impatient(session(), endpoint_url=phones.url)
    with pytest.raises(MailUncertainError, match="ReadTimeout"):
        AwsTexter(clients, configuration_set="").send(TEXT)
    assert phones.attempts == 1
    clients.sms.close()


def test_nobody_listening_is_not_connected() -> None:
    with pytest.raises(MailRefusedError) as caught:
        Sms(f"http://127.0.0.1:{free_port()}").texter.send(TEXT)
    assert caught.value.reason == "not_connected"


# --- the texter in RAM


@pytest.mark.parametrize(
    ("fate", "error", "sent"),
    [
        ("throttled", MailRefusedError, 0),
        ("quota", MailRefusedError, 0),
        ("not_connected", MailRefusedError, 0),
        ("reject", MailRejectedError, 0),
        ("gone", AddressGoneError, 0),
        ("hang", MailUncertainError, 0),
        ("answer_lost", MailUncertainError, 1),
    ],
)
def test_in_ram_the_channel_does_what_it_is_told_once(fate: Fate, error: type[Exception], sent: int) -> None:
    world = World(START)
    world.text_fates.append(fate)
    with pytest.raises(error):
        world.texter.send(TEXT)
    assert len(world.texts) == sent
    vendor_id = world.texter.send(TEXT)
    assert [(text.text, text.at) for text in world.texts[sent:]] == [(TEXT, START)]
    assert world.texts[-1].vendor_id == vendor_id
    assert [chosen for _, chosen in world.text_attempts] == [fate, "accept"]
