"""The AWS clients of one process: one botocore session, each client built at its first use.

botocore is used without boto3, whose resource layer costs a fifth of the cold start. Region, credentials and endpoint
come from where botocore always looks. Retrying is botocore's business, except for mails: see `Clients.ses`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.session import Session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_pinpoint_sms_voice_v2 import PinpointSMSVoiceV2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

_CONNECT_SECONDS = 1.0
_READ_SECONDS = 3.0
_ATTEMPTS = 3
_PATIENT_ATTEMPTS = 6

#: S3 carries bodies; SES and the phone networks may take their time, and to hang up on them makes a message `unknown`.
_LONG_READ_SECONDS = 10.0

#: How often a write is tried that DynamoDB refuses for a moment, and how long the first pause is; it doubles.
_MOMENTS = 5
_MOMENT_SECONDS = 0.025
#: For these a transaction is cancelled that may go through in a moment. Where it fails for something else as well, that
#: decides.
_THROTTLES = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
_PASSING = _THROTTLES | {"None", "TransactionConflict"}


class Clients:
    """The clients of one process.

    `session` and `endpoint_url` are for tests and tools; in a function both are left to botocore.
    """

    def __init__(self, session: Session | None = None, *, endpoint_url: str | None = None) -> None:
        self.session = session or Session()
        self.endpoint_url = endpoint_url

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """DynamoDB. What it refuses for a moment alone is tried again (`_after_a_moment`)."""
        client = cast("DynamoDBClient", self._client("dynamodb"))
        # The stubs know no handler that answers.
        client.meta.events.register("needs-retry.dynamodb", cast("Any", _after_a_moment))
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        """SQS."""
        return cast("SQSClient", self._client("sqs"))

    @cached_property
    def scheduler(self) -> EventBridgeSchedulerClient:
        """EventBridge Scheduler."""
        return cast("EventBridgeSchedulerClient", self._client("scheduler"))

    @cached_property
    def s3(self) -> S3Client:
        """S3."""
        return cast("S3Client", self._client("s3", read_seconds=_LONG_READ_SECONDS))

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        """Secrets Manager."""
        return cast("SecretsManagerClient", self._client("secretsmanager"))

    @cached_property
    def ses(self) -> SESV2Client:
        """SES v2, exactly one attempt a call: it has no idempotency token, so a retry could be a second mail."""
        return cast("SESV2Client", self._client("sesv2", read_seconds=_LONG_READ_SECONDS, attempts=1))

    @cached_property
    def mail_desk(self) -> SESV2Client:
        """SES v2 for what sends nothing: asked again for as long as SES, which answers once a second, is asked more."""
        return cast("SESV2Client", self._client("sesv2", attempts=_PATIENT_ATTEMPTS))

    @cached_property
    def sms(self) -> PinpointSMSVoiceV2Client:
        """AWS End User Messaging, exactly one attempt a call: it has no idempotency token either."""
        client = self._client("pinpoint-sms-voice-v2", read_seconds=_LONG_READ_SECONDS, attempts=1)
        return cast("PinpointSMSVoiceV2Client", client)

    def _client(self, service: str, *, read_seconds: float = _READ_SECONDS, attempts: int = _ATTEMPTS) -> object:
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=read_seconds,
            retries={"total_max_attempts": attempts, "mode": "standard"},
        )
        return self.session.create_client(service, endpoint_url=self.endpoint_url, config=config)


def _after_a_moment(*, response: Any, attempts: int, **_: Any) -> float | None:
    """Return after how many seconds a write is tried again that DynamoDB refused for a moment; `None`: it is not.

    That is a write that met a transaction on its item (API reference, UpdateItem, TransactionConflictException), which
    is over within milliseconds: without it the record of a mail that was sent would be lost because its parcel came
    twice. And a transaction that was cancelled because a table was throttled (TransactWriteItems, CancellationReasons):
    without it a webhook in a rush would be answered 500. DynamoDB has written nothing of either, and botocore counts
    neither among what may be tried again.
    """
    if response is None or attempts >= _MOMENTS:
        return None
    answer: Any = response[1]
    code = answer.get("Error", {}).get("Code")
    reasons = {reason.get("Code", "None") for reason in answer.get("CancellationReasons", ())}
    throttled = code == "TransactionCanceledException" and reasons <= _PASSING and reasons & _THROTTLES
    again = throttled or code == "TransactionConflictException"
    return _MOMENT_SECONDS * 2 ** (attempts - 1) if again else None
