"""Whatever keeps a command from an installation is one line, and says what cures it."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    ReadTimeoutError,
    UnauthorizedSSOTokenError,
)

from rekindle.aws.stack import StackError, explained
from rekindle.cli.main import main

WHERE = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (NoRegionError(), "AWS_DEFAULT_REGION"),
        (NoCredentialsError(), "aws sso login"),
        (ProfileNotFound(profile="prod"), "AWS_PROFILE"),
        (UnauthorizedSSOTokenError(), "aws sso login"),
        (EndpointConnectionError(endpoint_url=WHERE), "AWS_ENDPOINT_URL"),
        (ConnectTimeoutError(endpoint_url=WHERE), "AWS_DEFAULT_REGION"),
        (ReadTimeoutError(endpoint_url=WHERE), "is there a network"),
        (ClientError({"Error": {"Code": "ExpiredToken", "Message": "too old"}}, "DescribeStacks"), "aws sso login"),
    ],
)
def test_what_is_in_the_way_is_told_with_its_cure(error: BotoCoreError | ClientError, cure: str) -> None:
    with pytest.raises(StackError, match=cure), explained():
        raise error


def test_what_aws_refuses_for_good_reason_is_told_as_it_says_it() -> None:
    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized to do that"}}, "GetItem")
    with pytest.raises(StackError, match=r"^GetItem: not authorized to do that$"), explained():
        raise refused


@pytest.mark.parametrize("words", [("privacy", "receipts", "--shop", "tea"), ("cost",)])
def test_a_command_that_reaches_nothing_says_one_line(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", WHERE)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("REKINDLE_STACK", "nowhere")
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "AWS_ENDPOINT_URL" in line
