"""The shops' secrets as a tool on a laptop writes them. No function may: they read theirs through `aws.secrets`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from rekindle.aws.items import code_of
from rekindle.aws.secrets import ABSENT, SHOP
from rekindle.domain.errors import ContentError

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients


class SecretConnections:
    """`ports.Connections`, in Secrets Manager under the stack's prefix."""

    def __init__(self, clients: Clients, prefix: str) -> None:
        self._clients = clients
        self._prefix = f"{prefix}/shops/"

    def names(self) -> Sequence[str]:
        """Return the shops, by the secrets' names alone."""
        return sorted(self._names())

    def _names(self) -> Iterator[str]:
        asked: dict[str, Any] = {"Filters": [{"Key": "name", "Values": [self._prefix]}]}
        while True:
            answer = self._clients.secrets.list_secrets(**asked)
            for found in answer.get("SecretList", ()):
                # The filter takes a beginning of any word for a match; a deleted secret stays listed for a while.
                name = found.get("Name", "")
                if name.startswith(self._prefix) and "DeletedDate" not in found:
                    yield name.removeprefix(self._prefix)
            if "NextToken" not in answer:
                return
            asked["NextToken"] = answer["NextToken"]

    def read(self, shop: str) -> dict[str, Any] | None:
        """Return what is stored."""
        if not SHOP.fullmatch(shop):
            return None
        try:
            raw = self._clients.secrets.get_secret_value(SecretId=self._prefix + shop)["SecretString"]
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise
        try:
            return msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            hint = "store it again with rekindle shop connect"
            raise ContentError(f"the secret of {shop} is no JSON object", hint=hint) from error

    def write(self, shop: str, content: Mapping[str, Any]) -> None:
        """Store it; a secret that waits to be deleted is brought back."""
        name, text = self._prefix + shop, msgspec.json.encode(content).decode()
        try:
            self._clients.secrets.put_secret_value(SecretId=name, SecretString=text)
        except ClientError as error:
            match code_of(error):
                case "ResourceNotFoundException":
                    self._clients.secrets.create_secret(
                        Name=name, SecretString=text, Description=f"How Rekindle knows and reaches the shop {shop}"
                    )
                case "InvalidRequestException":
                    self._clients.secrets.restore_secret(SecretId=name)
                    self._clients.secrets.put_secret_value(SecretId=name, SecretString=text)
                case _:
                    raise
