"""A deployed stack as a tool on a laptop sees it: what it is made of, by name. No function uses this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from rekindle.aws.items import code_of
from rekindle.aws.tables import Tables
from rekindle.domain.errors import RekindleError

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients


class StackError(RekindleError):
    """AWS cannot be reached, does not let us, or has no such stack; says which."""


class Stack(Struct, frozen=True):
    """What a stack's outputs name."""

    outputs: Mapping[str, str]

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


def read_stack(clients: Clients, name: str) -> Stack:
    """Return the stack of this name. Raises `StackError`."""
    with explained():
        cloudformation: Any = clients.session.create_client("cloudformation", endpoint_url=clients.endpoint_url)
        try:
            (described,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if code_of(error) == "ValidationError":
                raise StackError(f"there is no stack {name} in this account and region") from error
            raise
    return Stack({output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())})


@contextmanager
def explained() -> Iterator[None]:
    """Turn what AWS or the way to it refuses into a `StackError`, for somebody who reads one line."""
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        raise StackError(f"{error.operation_name}: {told.get('Message') or told.get('Code')}") from error
    except BotoCoreError as error:
        raise StackError(str(error)) from error
