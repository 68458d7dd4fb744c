"""A deployed stack as a tool on a laptop sees it: what it is made of, by name. No function uses this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own: no answer at all
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from msgspec import Struct

from rekindle.aws.items import code_of
from rekindle.aws.tables import Tables
from rekindle.domain.errors import RekindleError

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients


_LOG_IN = "log in (aws sso login, aws login), or set AWS_PROFILE to a profile that is"
_WHERE = "set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has a region"
_REACH = "is the region right (AWS_DEFAULT_REGION), is there a network, and does what AWS_ENDPOINT_URL names run?"
_WHICH = "is it in another region (AWS_DEFAULT_REGION) or account (AWS_PROFILE), or called otherwise (--stack)?"

#: What botocore could not do without asking AWS → what cures it.
_CURES: tuple[tuple[tuple[type[BotoCoreError], ...], str], ...] = (
    ((NoRegionError,), _WHERE),
    ((NoCredentialsError, PartialCredentialsError, ProfileNotFound, SSOError), _LOG_IN),
    ((CredentialRetrievalError, TokenRetrievalError), _LOG_IN),
    ((ConnectionError, HTTPClientError), _REACH),
)
#: What AWS answers to credentials that are not good, or not any more.
_NOT_LOGGED_IN = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"}
)


class StackError(RekindleError):
    """AWS cannot be reached, does not let us, or has no such stack; says which."""


class Stack(Struct, frozen=True):
    """What a stack's outputs name, and what it was deployed with."""

    outputs: Mapping[str, str]
    parameters: Mapping[str, str] = {}

    @property
    def tables(self) -> Tables:
        """The tables that the outputs name (`DeliveriesTableName` …)."""
        names = {name: self.outputs.get(f"{name.title()}TableName", "") for name in Tables.__struct_fields__}
        return Tables(**names)

    def output(self, name: str) -> str:
        """Return one output. Raises `StackError` when the stack is none of Rekindle's."""
        if name not in self.outputs:
            raise StackError(f"the stack has no output {name}: is it Rekindle's?")
        return self.outputs[name]


def is_of(stack: str, name: str) -> bool:
    """Whether this is a function of the stack's by its name, and none of a stack whose name goes on after a hyphen."""
    before, _, function = name.rpartition("-")
    return before == stack and function.isalpha()


def read_stack(clients: Clients, name: str) -> Stack:
    """Return the stack of this name. Raises `StackError`."""
    with explained():
        cloudformation: Any = clients.session.create_client("cloudformation", endpoint_url=clients.endpoint_url)
        try:
            (described,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if code_of(error) == "ValidationError":
                where = clients.session.get_config_variable("region") or "this region"
                raise StackError(f"there is no stack {name} in {where} of this account: {_WHICH}") from error
            raise
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}
    parameters = {one["ParameterKey"]: one.get("ParameterValue", "") for one in described.get("Parameters", ())}
    return Stack(outputs, parameters)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what AWS or the way to it refuses into a `StackError` that says what to do: one line for who reads it."""
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        cure = f": {_LOG_IN}" if told.get("Code") in _NOT_LOGGED_IN else ""
        raise StackError(f"{error.operation_name}: {told.get('Message') or told.get('Code')}{cure}") from error
    except BotoCoreError as error:
        cures = [cure for kinds, cure in _CURES if isinstance(error, kinds)]
        raise StackError(": ".join([str(error).rstrip(" .:"), *cures[:1]])) from error
