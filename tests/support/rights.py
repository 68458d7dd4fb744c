"""A session that asks before every call whether the function's role allows it: moto itself allows everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

from tests.architecture.test_permissions import RIGHTS
from tests.support.worlds import Installation

#: What each part of a transaction is to IAM (DynamoDB developer guide, "Using IAM with DynamoDB transactions").
_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_OF_S3 = {"ListObjectsV2": "ListBucket", "DeleteObjects": "DeleteObject"}
_SECRETS = "secretsmanager:{} secret:rekindle/${{AWS::StackName}}/{}-AbCdEf"


def checked(function: str, there: Installation, denied: list[str]) -> Session:
    """Return a session of this function: what its role does not allow is refused as AWS does, and noted in `denied`."""
    rights = RIGHTS[f"{function.title()}Role"]

    def check(**event: Any) -> None:
        _, service, operation = event["event_name"].split(".")
        for wanted in needed(service, operation, event["params"], there):
            if not any(fnmatchcase(wanted, right) for right in rights):
                denied.append(f"{function}: {wanted}")
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": wanted}}, operation)

    session = Session()
    session.register("before-parameter-build", check)
    return session


def needed(service: str, operation: str, params: Mapping[str, Any], there: Installation) -> Iterator[str]:
    """Yield what a call needs, in the words of `RIGHTS`; nothing for services of which all rights are plain there."""
    tables = {getattr(there.tables, name): f"{name.title()}Table" for name in there.tables.__struct_fields__}
    match service, operation:
        case "dynamodb", "TransactWriteItems":
            for write in params["TransactItems"]:
                ((part, how),) = write.items()
                yield f"dynamodb:{_PARTS[part]} {tables[how['TableName']]}"
        case "dynamodb", "BatchGetItem" | "BatchWriteItem":
            yield from (f"dynamodb:{operation} {tables[table]}" for table in params["RequestItems"])
        case "dynamodb", _:
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            yield f"dynamodb:{operation} {tables[params['TableName']]}{index}"
        case "s3", _:
            bucket = "RawBucket" if params["Bucket"] == there.raw_bucket else "ContentBucket"
            keys = [each["Key"] for each in params["Delete"]["Objects"]] if "Delete" in params else [params.get("Key")]
            for key in keys:
                yield f"s3:{_OF_S3.get(operation, operation)} {bucket}{f'/{key}' if key is not None else ''}"
        case "sqs", _:
            (queue,) = (name for name, url in there.queue_urls.items() if url == params["QueueUrl"])
            yield f"sqs:{operation.removesuffix('Batch')} {queue.title().replace('-', '')}Queue"
        case "secrets-manager", _:
            yield _SECRETS.format(operation, params["SecretId"].removeprefix(f"{there.secrets_prefix}/"))
        case "sesv2", "SendEmail":
            yield f"ses:SendEmail identity/{params['FromEmailAddress'].rpartition('@')[2]}"
