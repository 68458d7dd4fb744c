"""Every error that crosses a module boundary, each named for what went wrong."""

from __future__ import annotations


class RekindleError(Exception):
    """Anything that Rekindle itself raises."""


class RequestError(RekindleError):
    """A request from outside that is answered with a 4xx and stores nothing."""

    status = 400


class BadSignatureError(RequestError):
    """The signature is missing or does not match any live secret of the shop."""

    status = 401


class UnknownShopError(RequestError):
    """No such shop is connected, or the request claims to come from another shop."""

    status = 401


class UnknownSiteError(RequestError):
    """No such shop is connected and published."""

    status = 404


class ForeignOriginError(RequestError):
    """A page that is not the shop's sent it."""

    status = 403


class MalformedBodyError(RequestError):
    """The body is not what its topic promises: not JSON, not an object, or a required part is unusable."""

    status = 400


class BodyTooLargeError(RequestError):
    """The body is over the limit; it was not parsed."""

    status = 413


class BadAddressError(RequestError):
    """What was typed is no address that a mail could be sent to."""

    status = 422


class TooManyError(RequestError):
    """There were too many of these from one place, or in all."""

    status = 429


class ContentError(RekindleError):
    """Something that a marketer wrote cannot be used; says where and what to do."""

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.hint = hint

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class NothingToSayError(RekindleError):
    """What a message was to tell is no longer so: it is not worth sending."""


class ConditionError(RekindleError):
    """A condition could not be evaluated on these values; the engine treats it as false and says so."""


class PendingGoneError(RekindleError):
    """The pending item no longer exists: what it stood for has been applied already. Not a failure."""


class ConflictError(RekindleError):
    """Somebody else committed first; load again and decide again."""


class AnswerLostError(RekindleError):
    """A write was asked for and its answer never came: it may or may not have happened."""


class NotQueuedError(RekindleError):
    """A queue did not take some of the messages, also not at a second try."""


class MailRefusedError(RekindleError):
    """The channel did not take the message and surely did not send it; trying later may help.

    `reason` is one of `throttled`, `quota`, `paused`, `not_allowed`, `not_connected`. `after` is how many seconds the
    channel asks to be left alone for, where it says so.
    """

    def __init__(self, reason: str, after: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class MailRejectedError(RekindleError):
    """The channel will never take this message (a 4xx that is not about rate or quota)."""


class AddressGoneError(MailRejectedError):
    """The channel will never take anything for this address again: it has opted out there, or is no more."""


class MailUncertainError(RekindleError):
    """The attempt ended without an answer that can be trusted: time-out, reset, or a 5xx."""


class ShopRefusedError(RekindleError):
    """The shop's API surely did nothing, and may do it later: too many requests, no connection, or not allowed.

    `reason` is one of `throttled`, `not_connected`, `not_allowed`, `not_found`. `hint` says what to do about it; `wait`
    is how many seconds the shop asks us to stay away, where it says so.
    """

    def __init__(self, reason: str, hint: str = "", *, wait: float | None = None) -> None:
        super().__init__(f"{reason}: {hint}" if hint else reason)
        self.reason = reason
        self.hint = hint
        self.wait = wait


class ShopRejectedError(RekindleError):
    """The shop's API will never do this, as it was asked. `code` is its own word for why, `hint` what to do."""

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.code = code
        self.hint = hint


class ShopUncertainError(RekindleError):
    """No answer that can be trusted: time-out, reset, a 5xx, a page where JSON should be. It may have been done."""
