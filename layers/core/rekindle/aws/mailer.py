"""The mail channel: SES v2, one attempt a call, and an exact answer to what became of it (DESIGN §6); its account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.header import Header, decode_header, make_header
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
)

from rekindle.aws.clock import elapsed
from rekindle.aws.items import code_of
from rekindle.domain.errors import MailRefusedError, MailRejectedError, MailUncertainError
from rekindle.ports import Allowance, Mail

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

#: SES's limits on headers: how many, how long a value, and name and value together (API reference, MessageHeader).
_MAX_HEADERS = 15
_MAX_HEADER = 995
_MAX_HEADER_LINE = 996
#: How long an encoded word of a header may be (RFC 2047, 2).
_MAX_WORD = 75

#: A connection that lay idle for longer is not used again: the other side may have dropped it without a word, and a
#: mail that meets a reset cannot be told from one that was sent.
_IDLE_SECONDS = 10.0

_REFUSALS = {
    "TooManyRequestsException": "throttled",
    "Throttling": "throttled",
    "ThrottlingException": "throttled",
    "LimitExceededException": "quota",
    "SendingPausedException": "paused",
    "AccountSuspendedException": "paused",
    # About us, not about the mail: a sending domain, or the configuration set, that is not there (decision 0009).
    "MailFromDomainNotVerifiedException": "not_allowed",
    "NotFoundException": "not_allowed",
}
#: What SES says in words alone. One error stands for the rate and for the day's quota (Developer Guide, Errors related
#: to the sending quotas), and one for a mail and for an identity that SES refuses: the sender's, and in the sandbox
#: anybody's (Developer Guide, Amazon SES email sending errors).
_QUOTA = "daily message quota exceeded"
_UNVERIFIED = "address is not verified"


class SesMailer:
    """`ports.Mailer`. The client behind it makes exactly one attempt (`Clients.ses`).

    Without a configuration set nothing of what becomes of a mail is told: for mails that are tried out.
    """

    def __init__(
        self, clients: Clients, *, configuration_set: str | None, monotonic: Callable[[], float] = elapsed
    ) -> None:
        self._clients = clients
        self._configuration_set = configuration_set
        self._monotonic = monotonic
        self._used_at: float | None = None

    def send(self, mail: Mail) -> str:
        """Make the one attempt.

        Refused: SES surely did not take it, and may later. Rejected: it never will. Anything else is uncertain.
        """
        request = self._request(mail)
        client = self._clients.ses
        if self._used_at is not None and self._monotonic() - self._used_at > _IDLE_SECONDS:
            client.close()
        try:
            answer = client.send_email(**request)
        except ClientError as error:
            raise _meaning(error) from error
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise MailRefusedError("not_connected") from error
        except ParamValidationError as error:
            raise MailRejectedError("SES takes no request of this shape") from error
        except BotoCoreError as error:
            raise MailUncertainError(type(error).__name__) from error
        finally:
            self._used_at = self._monotonic()
        return answer["MessageId"]

    def _request(self, mail: Mail) -> dict[str, Any]:
        """Return the request. Raises `MailRejectedError` for what could smuggle a header in, before SES sees it."""
        for line in (mail.sender, mail.to, mail.subject, mail.reply_to or ""):
            # Whatever any program takes for the end of a line, U+2028 and U+0085 among them.
            if line and line.splitlines() != [line]:
                raise MailRejectedError("a line break in an address or the subject")
        request: dict[str, Any] = {
            "FromEmailAddress": _mailbox(mail.sender),
            "Destination": {"ToAddresses": [mail.to]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Html": {"Data": mail.html, "Charset": "UTF-8"},
                        "Text": {"Data": mail.text, "Charset": "UTF-8"},
                    },
                    "Headers": _headers(mail.headers),
                }
            },
            "EmailTags": [{"Name": name, "Value": value} for name, value in mail.tags.items()],
        }
        if self._configuration_set is not None:
            request["ConfigurationSetName"] = self._configuration_set
        if mail.reply_to:
            request["ReplyToAddresses"] = [_mailbox(mail.reply_to)]
        return request


class SesAccount:
    """`ports.SendingAccount`: what SES says of this account in this region (API reference, GetAccount).

    Tools are `patient`: they ask again where SES has just answered somebody else. `send` has mails to make meanwhile.
    """

    def __init__(self, clients: Clients, *, patient: bool = False) -> None:
        self._clients = clients
        self._patient = patient

    def allowance(self) -> Allowance:
        """Return rate and quota as SES has them now; a quota of -1 is none."""
        answer = (self._clients.mail_desk if self._patient else self._clients.ses).get_account()
        quota = answer.get("SendQuota", {})
        most = quota.get("Max24HourSend", 0.0)
        return Allowance(
            rate=quota.get("MaxSendRate", 0.0),
            quota=None if most < 0 else most,
            sent=quota.get("SentLast24Hours", 0.0),
            trial=not answer.get("ProductionAccessEnabled", True),
        )


def _headers(headers: Mapping[str, str]) -> list[dict[str, str]]:
    if len(headers) > _MAX_HEADERS:
        raise MailRejectedError(f"{len(headers)} headers; SES takes {_MAX_HEADERS}")
    for name, value in headers.items():
        fits = 0 < len(value) <= min(_MAX_HEADER, _MAX_HEADER_LINE - len(name))
        printable = value.isascii() and value.isprintable() and fits
        if not (printable and name.isascii() and name.replace("-", "").isalnum()):
            raise MailRejectedError(f"header {name!r} is not printable ASCII of at most {_MAX_HEADER} characters")
    return [{"Name": name, "Value": value} for name, value in headers.items()]


def _mailbox(address: str) -> str:
    """Return `Name <address>` with a name that is not ASCII as RFC 2047 wants it: SES takes no other.

    That is in words of at most 75 characters (section 2); `formataddr`, which builders use, makes one of any length.
    """
    if address.isascii() and "=?" not in address:
        return address
    name, bare = parseaddr(address)
    return f"{Header(str(make_header(decode_header(name))), 'utf-8', maxlinelen=_MAX_WORD).encode(linesep='')} <{bare}>"


def _meaning(error: ClientError) -> MailRefusedError | MailRejectedError | MailUncertainError:
    """Return what an answer of SES means for the mail."""
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    words = str(error.response.get("Error", {}).get("Message", "")).lower()
    reason = _REFUSALS.get(code) or ("throttled" if status == 429 else None)  # noqa: PLR2004
    if reason is not None:
        return MailRefusedError("quota" if reason == "throttled" and _QUOTA in words else reason)
    if code == "MessageRejected" and _UNVERIFIED in words:
        return MailRefusedError("not_allowed")
    if status in (401, 403):
        # About us, not about the mail: a mistake in a policy must not cost a day's mails (decision 0009).
        return MailRefusedError("not_allowed")
    if 400 <= status < 500:  # noqa: PLR2004
        return MailRejectedError(code)
    return MailUncertainError(code)
