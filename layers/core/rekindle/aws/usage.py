"""What a deployed stack used in some days, from CloudWatch's metrics of its resources. For tools alone.

Which metric counts what AWS bills, and where it only comes near, stands in docs/cost.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from rekindle.aws.stack import is_of
from rekindle.domain.errors import RekindleError
from rekindle.service.costs import GIGABYTE, MAILS, MONTH, Used

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

#: GetMetricData takes so many queries.
_QUERIES = 500
_DAY = 86_400
_COLD = "STANDARD_INFREQUENT_ACCESS"
#: What functions count themselves: mails that SES took, and what was accepted from outside.
_SENT, _EVENTS = (("send", "MailSent"),), (("webhook", "WebhookAccepted"), ("collect", "CollectAccepted"))
_NAMESPACE = "Rekindle"


class NoMetricsError(RekindleError):
    """CloudWatch has no figures of the stack in these days; says what to look at."""


class Resource(Struct, frozen=True):
    """One resource of the stack: its name in the template, its type, and its name in the account."""

    logical: str
    type: str
    physical: str


class Usage(Struct, frozen=True, kw_only=True):
    """What was used from `since` to `until`."""

    since: datetime
    until: datetime
    used: tuple[Used, ...]
    standing: tuple[Used, ...]
    """what would cost as much if nothing happened: alarms, metrics, secrets, and what is stored, for these days"""
    mails: int
    events: int

    @property
    def days(self) -> Decimal:
        """How long it was."""
        return Decimal((self.until - self.since).total_seconds()) / _DAY


class _Query(Struct, frozen=True):
    """One metric to be added up: as so much (`each`) of a line."""

    line: str
    what: str
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    each: Decimal = Decimal(1)


class CloudWatchUsage:
    """Reads what a stack used."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def resources(self, stack: str) -> list[Resource]:
        """Return what the stack is made of."""
        pages = self._client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        return [
            Resource(found["LogicalResourceId"], found["ResourceType"], found.get("PhysicalResourceId", ""))
            for page in pages
            for found in page["StackResourceSummaries"]
        ]

    def read(self, stack: str, resources: Sequence[Resource], until: datetime, days: int) -> Usage:
        """Return what was used in the whole days before `until` (UTC). Raises `NoMetricsError`."""
        until = until.replace(hour=0, minute=0, second=0, microsecond=0)
        since = until - timedelta(days=days)
        tables = [self._table(one) for one in resources if one.type == "AWS::DynamoDB::Table"]
        queries = [query for one in resources for query in self._queries(one)]
        queries += [query for table in tables for query in _of_table(table)]
        counted = [
            _Query("", f"{function} {metric}", _NAMESPACE, metric, (("service", f"{stack}-{function}"),))
            for function, metric in (*_SENT, *_EVENTS)
        ]
        sums = self._sums([*queries, *counted], since, until)
        if not any(sums[: len(queries)]):
            raise NoMetricsError(
                f"CloudWatch has no figures of {stack} from {since:%Y-%m-%d} to {until:%Y-%m-%d}: has it run on a whole"
                " day (UTC) of these, and is this its region? --days looks further back"
            )
        found = dict(zip([query.what for query in counted], sums[len(queries) :], strict=True))
        mails, events = (
            int(sum(found[f"{function} {metric}"] for function, metric in kind)) for kind in (_SENT, _EVENTS)
        )
        used = [Used(query.line, query.what, amount * query.each) for query, amount in zip(queries, sums, strict=False)]
        return Usage(
            since=since,
            until=until,
            used=(*(one for one in used if one.amount), Used(MAILS, "sent", Decimal(mails))),
            standing=tuple(self._standing(stack, resources, tables, Decimal(days))),
            mails=mails,
            events=events,
        )

    # --- which metrics

    def _queries(self, one: Resource) -> Iterator[_Query]:
        match one.type:
            case "AWS::Lambda::Function":
                name, dimensions = one.logical.removesuffix("Function").lower(), (("FunctionName", one.physical),)
                told = self._client("lambda").get_function_configuration(FunctionName=one.physical)
                (architecture,) = told.get("Architectures") or ["x86_64"]
                gigabytes = Decimal(told["MemorySize"]) / 1_024
                yield _Query("lambda_request", name, "AWS/Lambda", "Invocations", dimensions)
                yield _Query(
                    f"lambda_{architecture}", name, "AWS/Lambda", "Duration", dimensions, gigabytes / 1_000
                )  # its unit is milliseconds
            case "AWS::SQS::Queue":
                name = one.logical.removesuffix("Queue").lower()
                dimensions = (("QueueName", one.physical.rpartition("/")[2]),)
                for metric, how in (
                    ("NumberOfMessagesSent", "sent"),
                    ("NumberOfMessagesReceived", "received"),
                    ("NumberOfMessagesDeleted", "deleted"),
                    ("NumberOfEmptyReceives", "looked at in vain"),
                ):
                    yield _Query("sqs", f"{name} queue, {how}", "AWS/SQS", metric, dimensions)
            case "AWS::ApiGatewayV2::Api":
                yield _Query("http_api", "requests", "AWS/ApiGateway", "Count", (("ApiId", one.physical),))
            case "AWS::Scheduler::ScheduleGroup":
                dimensions = (("ScheduleGroup", one.physical),)
                yield _Query("scheduler", "alarms", "AWS/Scheduler", "InvocationAttemptCount", dimensions)
            case "AWS::Logs::LogGroup":
                name = one.logical.removesuffix("Log").lower()
                dimensions = (("LogGroupName", one.physical),)
                yield _Query("logs", name, "AWS/Logs", "IncomingBytes", dimensions, Decimal(1) / GIGABYTE)
            case _:
                return

    def _sums(self, queries: Sequence[_Query], since: datetime, until: datetime) -> list[Decimal]:
        """Return the sum of each metric, a call for each 500."""
        found = [Decimal(0)] * len(queries)
        client = self._client("cloudwatch")
        for start in range(0, len(queries), _QUERIES):
            request: dict[str, Any] = {
                "StartTime": since,
                "EndTime": until,
                "MetricDataQueries": [
                    {"Id": f"q{place}", "MetricStat": _statistic(query), "ReturnData": True}
                    for place, query in enumerate(queries[start : start + _QUERIES], start)
                ],
            }
            while True:
                answer = client.get_metric_data(**request)
                for result in answer["MetricDataResults"]:
                    found[int(result["Id"][1:])] += sum(map(Decimal, map(str, result["Values"])), Decimal(0))
                if not answer.get("NextToken"):
                    break
                request["NextToken"] = answer["NextToken"]
        return found

    # --- what stands

    def _table(self, one: Resource) -> tuple[Resource, Mapping[str, Any]]:
        return one, self._clients.dynamodb.describe_table(TableName=one.physical)["Table"]

    def _standing(
        self,
        stack: str,
        resources: Iterable[Resource],
        tables: Iterable[tuple[Resource, Mapping[str, Any]]],
        days: Decimal,
    ) -> Iterator[Used]:
        months = days / MONTH
        for one, table in tables:
            name = _name(one)
            stored = Decimal(table.get("TableSizeBytes", 0))
            indexes = sum(Decimal(index.get("IndexSizeBytes", 0)) for index in table.get("GlobalSecondaryIndexes", ()))
            cold = "ia_" if _cold(table) else ""
            yield Used(f"dynamodb_{cold}storage", name, (stored + indexes) / GIGABYTE * months)
            yield Used("dynamodb_recovery", name, stored / GIGABYTE * months)
        kinds = [one.type for one in resources]
        yield Used("alarms", "all", kinds.count("AWS::CloudWatch::Alarm") * months)
        yield Used("dashboards", "all", kinds.count("AWS::CloudWatch::Dashboard") * months)
        yield Used("secrets", "all", self._secrets(stack) * months)
        yield Used("metrics", "functions' own", self._metrics(stack) * months)

    def _secrets(self, stack: str) -> int:
        pages = self._clients.secrets.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [f"rekindle/{stack}/"]}]
        )
        return sum(len(page["SecretList"]) for page in pages)

    def _metrics(self, stack: str) -> int:
        pages = self._client("cloudwatch").get_paginator("list_metrics").paginate(Namespace=_NAMESPACE)
        return sum(
            any(told["Name"] == "service" and is_of(stack, told["Value"]) for told in metric["Dimensions"])
            for page in pages
            for metric in page["Metrics"]
        )

    def _client(self, service: str) -> Any:
        return self._clients.session.create_client(service, endpoint_url=self._clients.endpoint_url)


def _of_table(table: tuple[Resource, Mapping[str, Any]]) -> Iterator[_Query]:
    one, told = table
    cold = "ia_" if _cold(told) else ""
    indexes = [index["IndexName"] for index in told.get("GlobalSecondaryIndexes", ())]
    for index in (None, *indexes):
        dimensions = [("TableName", one.physical)]
        what = _name(one)
        if index is not None:
            dimensions.append(("GlobalSecondaryIndexName", index))
            what += f", index {index}"
        for metric, unit in (("ConsumedWriteCapacityUnits", "write"), ("ConsumedReadCapacityUnits", "read")):
            yield _Query(f"dynamodb_{cold}{unit}", what, "AWS/DynamoDB", metric, tuple(dimensions))


def _name(one: Resource) -> str:
    return one.logical.removesuffix("Table").lower()


def _cold(table: Mapping[str, Any]) -> bool:
    return bool(table.get("TableClassSummary", {}).get("TableClass") == _COLD)


def _statistic(query: _Query) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in query.dimensions]
    metric = {"Namespace": query.namespace, "MetricName": query.metric, "Dimensions": dimensions}
    return {"Metric": metric, "Period": _DAY, "Stat": "Sum"}
