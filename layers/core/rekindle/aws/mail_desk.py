"""`ports.MailDesk`: what SES knows of domains, addresses and configuration sets. For tools; no function asks this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rekindle.aws.items import code_of
from rekindle.aws.stack import explained
from rekindle.ports import SenderDomain

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

_ABSENT = frozenset({"NotFoundException"})


class SesDesk:
    """`ports.MailDesk`, in the clients' region. Whatever AWS refuses is a `StackError`."""

    def __init__(self, clients: Clients) -> None:
        self._ses = clients.mail_desk
        self.region: str = self._ses.meta.region_name

    @explained()
    def domain(self, name: str) -> SenderDomain | None:
        """Return what GetEmailIdentity says."""
        try:
            found: Any = self._ses.get_email_identity(EmailIdentity=name)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            raise
        dkim, envelope = found.get("DkimAttributes") or {}, found.get("MailFromAttributes") or {}
        return SenderDomain(
            name=name,
            verified=bool(found.get("VerifiedForSendingStatus")),
            dkim=dkim.get("Status", ""),
            tokens=tuple(dkim.get("Tokens") or ()),
            mail_from=envelope.get("MailFromDomain") or "",
            mail_from_state=envelope.get("MailFromDomainStatus") or "",
            default_set=found.get("ConfigurationSetName") or "",
        )

    @explained()
    def introduce(self, name: str) -> SenderDomain:
        """Create the identity, unless it is there."""
        known = self.domain(name)
        if known is not None:
            return known
        try:
            self._ses.create_email_identity(EmailIdentity=name)
        except ClientError as error:
            if code_of(error) != "AlreadyExistsException":
                raise
        return self.domain(name) or SenderDomain(name=name, verified=False)

    @explained()
    def envelope(self, name: str, mail_from: str) -> None:
        """Set the MAIL FROM domain; where its records fail SES's own is used."""
        self._ses.put_email_identity_mail_from_attributes(
            EmailIdentity=name, MailFromDomain=mail_from, BehaviorOnMxFailure="USE_DEFAULT_VALUE"
        )

    @explained()
    def has_set(self, name: str) -> bool:
        """Ask for the configuration set."""
        try:
            self._ses.get_configuration_set(ConfigurationSetName=name)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return False
            raise
        return True
