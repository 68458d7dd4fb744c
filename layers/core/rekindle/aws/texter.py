"""The SMS channel: AWS End User Messaging, one attempt a call, and an exact answer to what became of it (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
)

from rekindle.aws.clock import elapsed
from rekindle.aws.items import code_of
from rekindle.domain.errors import AddressGoneError, MailRefusedError, MailRejectedError, MailUncertainError
from rekindle.ports import TextMessage
from rekindle.service.phones import MESSAGE_CONTEXT

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

#: What `TimeToLive` may be, in seconds (API reference, SendTextMessage).
_SHORTEST, _LONGEST = 5, 259_200
#: As with SES: a connection that lay idle may be gone, and a reset cannot be told from a text that was sent.
_IDLE_SECONDS = 10.0

_REFUSALS = {
    "ThrottlingException": "throttled",
    # The month's spending limit, above all: the operator raises it, and nothing is lost until then.
    "ServiceQuotaExceededException": "quota",
    # About us, not about the text: a policy, an origination identity that is gone or not yet active (decision 0009).
    "AccessDeniedException": "not_allowed",
    "ResourceNotFoundException": "not_allowed",
}
_OPTED_OUT = "DESTINATION_PHONE_NUMBER_OPTED_OUT"
#: Conflicts that say something of the origination identity or the account, and nothing of the number that is called.
_OURS = frozenset(
    {
        "RESOURCE_NOT_ACTIVE",
        "NO_ORIGINATION_IDENTITIES_FOUND",
        "MESSAGE_TYPE_MISMATCH",
        "NUMBER_CAPABILITIES_MISMATCH",
        "REGISTRATION_NOT_COMPLETE",
        "DESTINATION_PHONE_NUMBER_NOT_VERIFIED",  # the account is still in AWS's sandbox
    }
)


class AwsTexter:
    """`ports.Texter`. The client behind it makes exactly one attempt (`Clients.sms`)."""

    def __init__(self, clients: Clients, *, configuration_set: str, monotonic: Callable[[], float] = elapsed) -> None:
        """Without a configuration set nothing of what becomes of a text is told."""
        self._clients = clients
        self._configuration_set = configuration_set
        self._monotonic = monotonic
        self._used_at: float | None = None

    def send(self, text: TextMessage) -> str:
        """Make the one attempt.

        Refused: AWS surely did not take it, and may later. Rejected: it never will. Anything else is uncertain.
        """
        request = self._request(text)
        client = self._clients.sms
        if self._used_at is not None and self._monotonic() - self._used_at > _IDLE_SECONDS:
            client.close()
        try:
            answer = client.send_text_message(**request)
        except ClientError as error:
            raise _meaning(error) from error
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise MailRefusedError("not_connected") from error
        except ParamValidationError as error:
            raise MailRejectedError("AWS takes no text of this shape") from error
        except BotoCoreError as error:
            raise MailUncertainError(type(error).__name__) from error
        finally:
            self._used_at = self._monotonic()
        return answer["MessageId"]

    def _request(self, text: TextMessage) -> Any:
        kind: Literal["PROMOTIONAL", "TRANSACTIONAL"] = "PROMOTIONAL" if text.marketing else "TRANSACTIONAL"
        request = {
            "DestinationPhoneNumber": text.to,
            "OriginationIdentity": text.sender,
            "MessageBody": text.body,
            "MessageType": kind,
            "TimeToLive": max(_SHORTEST, min(text.seconds, _LONGEST)),
            "Context": {MESSAGE_CONTEXT: text.message_id, "shop": text.shop},
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        return request


def _meaning(error: ClientError) -> MailRefusedError | MailRejectedError | MailUncertainError:
    """Return what an answer of AWS means for the text."""
    code = code_of(error)
    answer: Any = error.response
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reason = str(answer.get("Reason") or "")
    if code in _REFUSALS:
        return MailRefusedError(_REFUSALS[code])
    if code == "ConflictException" and reason == _OPTED_OUT:
        return AddressGoneError("the number has opted out at the carrier")
    if code == "ConflictException" and reason in _OURS:
        return MailRefusedError("not_allowed")
    if status == 429:  # noqa: PLR2004
        return MailRefusedError("throttled")
    if status in (401, 403):
        return MailRefusedError("not_allowed")
    if 400 <= status < 500:  # noqa: PLR2004
        # The reason is a word of AWS's own list; its message may quote the number.
        return MailRejectedError(f"{code}: {reason}" if reason else code)
    return MailUncertainError(code)
