"""One face for the ports in RAM and on AWS: what the contract suite needs beside the ports, to set up and to look."""

from __future__ import annotations

import itertools
import zlib
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec
from botocore.session import Session
from msgspec import Struct

from rekindle.aws.alarms import SchedulerAlarms
from rekindle.aws.archive import DynamoArchive
from rekindle.aws.blobs import S3Blobs
from rekindle.aws.bulk import DynamoBulkIntake
from rekindle.aws.clients import Clients
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.coupons import DynamoCoupons
from rekindle.aws.desk import DynamoDesk
from rekindle.aws.everybody import DynamoEverybody
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.interests import DynamoInterests
from rekindle.aws.known import DynamoKnown
from rekindle.aws.limits import DynamoLimits
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.packing import unpack
from rekindle.aws.queues import (
    SqsCatalogueQueue,
    SqsFanoutQueue,
    SqsPrivacyQueue,
    SqsPublishQueue,
    SqsReactions,
    SqsSendQueues,
)
from rekindle.aws.results import DynamoResults
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.shelves import DynamoShelves
from rekindle.aws.state import DynamoState
from rekindle.aws.survey import DynamoSurvey
from rekindle.aws.tables import Tables
from rekindle.aws.vault import AwsVault
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Signpost
from rekindle.memory import VirtualClock, World
from rekindle.ports import (
    Alarms,
    Archive,
    Blobs,
    BulkIntake,
    CatalogueQueue,
    CatalogueTask,
    Counters,
    Coupons,
    Desk,
    Everybody,
    FanoutQueue,
    Intake,
    Interests,
    Known,
    Limits,
    Look,
    Outbox,
    Parcel,
    PrivacyQueue,
    PrivacyTask,
    PublishQueue,
    Reaction,
    Reactions,
    Results,
    Secrets,
    SendQueues,
    ShardTask,
    Shelves,
    ShopSecrets,
    State,
    Survey,
    Vault,
    Wake,
)
from tests.support.template import create_table, tables

START = datetime(2035, 3, 5, 9, 0, tzinfo=UTC)
"""Far ahead, so that no emulator's own clock ever reaches a schedule of these tests."""

QueueName = Literal[
    "wake",
    "transactional",
    "marketing",
    "transactional-mint",
    "marketing-mint",
    "privacy",
    "fanout",
    "reactions",
    "catalogue",
    "publish",
]


_PAYLOADS: dict[str, Any] = {
    "wake": Wake,
    "privacy": PrivacyTask,
    "fanout": ShardTask,
    "reactions": Reaction,
    "catalogue": CatalogueTask,
    "publish": Look,
}


class Waiting(Struct, frozen=True):
    """What lies on a queue: what can be received now, and how many are still delayed."""

    visible: list[Any]
    delayed: int = 0


class Ports(Protocol):
    """The ports over one empty installation, and ways to look behind them."""

    clock: VirtualClock

    @property
    def intake(self) -> Intake:
        """`ports.Intake`."""
        ...

    @property
    def bulk(self) -> BulkIntake:
        """`ports.BulkIntake`."""
        ...

    @property
    def archive(self) -> Archive:
        """`ports.Archive`."""
        ...

    @property
    def state(self) -> State:
        """`ports.State`."""
        ...

    @property
    def alarms(self) -> Alarms:
        """`ports.Alarms`."""
        ...

    @property
    def queues(self) -> SendQueues:
        """`ports.SendQueues`."""
        ...

    @property
    def privacy(self) -> PrivacyQueue:
        """`ports.PrivacyQueue`."""
        ...

    @property
    def reactions(self) -> Reactions:
        """`ports.Reactions`."""
        ...

    @property
    def vault(self) -> Vault:
        """`ports.Vault`."""
        ...

    @property
    def desk(self) -> Desk:
        """`ports.Desk`."""
        ...

    @property
    def known(self) -> Known:
        """`ports.Known`."""
        ...

    @property
    def everybody(self) -> Everybody:
        """`ports.Everybody`."""
        ...

    @property
    def fanout(self) -> FanoutQueue:
        """`ports.FanoutQueue`."""
        ...

    @property
    def shelves(self) -> Shelves:
        """`ports.Shelves`."""
        ...

    @property
    def interests(self) -> Interests:
        """`ports.Interests`."""
        ...

    @property
    def catalogue_tasks(self) -> CatalogueQueue:
        """`ports.CatalogueQueue`."""
        ...

    @property
    def raw(self) -> Blobs:
        """`ports.Blobs` of the raw bucket."""
        ...

    @property
    def outbox(self) -> Outbox:
        """`ports.Outbox`."""
        ...

    @property
    def blobs(self) -> Blobs:
        """`ports.Blobs`."""
        ...

    @property
    def secrets(self) -> Secrets:
        """`ports.Secrets`."""
        ...

    @property
    def counters(self) -> Counters:
        """`ports.Counters`."""
        ...

    @property
    def results(self) -> Results:
        """`ports.Results`."""
        ...

    @property
    def limits(self) -> Limits:
        """`ports.Limits`."""
        ...

    @property
    def coupons(self) -> Coupons:
        """`ports.Coupons`."""
        ...

    @property
    def survey(self) -> Survey:
        """`ports.Survey`."""
        ...

    @property
    def publish_queue(self) -> PublishQueue:
        """`ports.PublishQueue`."""
        ...

    def waiting(self, queue: QueueName) -> Waiting:
        """Return what lies on the queue, and empty it of what is visible."""
        ...

    def schedules(self) -> dict[str, tuple[datetime, Wake]]:
        """Return name → (when, what) of every schedule."""
        ...

    def body(self, delivery_id: str) -> bytes | None:
        """Return the raw body that was stored, `None` when the delivery was not."""
        ...

    def ledger(self, profile_id: str) -> list[tuple[Decision, ...]]:
        """Return what each commit told the ledger, oldest first."""
        ...

    def profile_expiry(self, profile_id: str) -> datetime | None:
        """Return when the profile's item expires, if ever."""
        ...

    def put_signpost(self, profile_id: str, to: str) -> None:
        """Leave a signpost where a profile was."""
        ...

    def connect(self, shop: ShopSecrets) -> None:
        """Store a shop's secrets."""
        ...

    def pending_ids(self) -> set[str]:
        """Return the ids of all pending items."""
        ...


class MemoryPorts:
    """`Ports` in RAM."""

    def __init__(self) -> None:
        world = self.world = World(START)
        self.clock = world.clock
        self.intake: Intake = world.intake
        self.bulk: BulkIntake = world.bulk
        self.archive: Archive = world.archive
        self.state: State = world.state
        self.alarms: Alarms = world.alarms
        self.queues: SendQueues = world.queues
        self.privacy: PrivacyQueue = world.privacy
        self.reactions: Reactions = world.reactions
        self.vault: Vault = world.vault
        self.desk: Desk = world.desk
        self.known: Known = world.known
        self.everybody: Everybody = world.everybody
        self.fanout: FanoutQueue = world.fanout
        self.shelves: Shelves = world.shelves
        self.interests: Interests = world.interested
        self.catalogue_tasks: CatalogueQueue = world.catalogue_tasks
        self.raw: Blobs = world.raw
        self.outbox: Outbox = world.outbox
        self.blobs: Blobs = world.blobs
        self.secrets: Secrets = world.secrets
        self.counters: Counters = world.counters
        self.results: Results = world.results
        self.limits: Limits = world.limits
        self.coupons: Coupons = world.coupons
        self.survey: Survey = world.survey
        self.publish_queue: PublishQueue = world.publish_queue

    def waiting(self, queue: QueueName) -> Waiting:
        """Return what lies on the queue."""
        world = self.world
        if queue == "publish":
            looks = list(world.looks)
            world.looks.clear()
            return Waiting(looks)
        chosen: Any
        match queue:
            case "wake":
                chosen = world.wake_queue
            case "privacy":
                chosen = world.privacy_queue
            case "fanout":
                chosen = world.fanout_queue
            case "reactions":
                chosen = world.reactions_queue
            case "catalogue":
                chosen = world.catalogue_queue
            case "marketing-mint":
                chosen = world.mint_queues["marketing"]
            case "transactional-mint":
                chosen = world.mint_queues["transactional"]
            case _:
                chosen = world.send_queues[queue]
        received = chosen.receive(limit=1000)
        for message in received:
            chosen.delete(message.receipt)
        return Waiting([message.value for message in received], len(chosen.messages))

    def schedules(self) -> dict[str, tuple[datetime, Wake]]:
        """Return the schedules."""
        return {name: (schedule.at, schedule.wake) for name, schedule in self.world.schedules.items()}

    def body(self, delivery_id: str) -> bytes | None:
        """Return the stored body."""
        delivery = self.world.deliveries.get(delivery_id)
        return None if delivery is None else delivery.body

    def ledger(self, profile_id: str) -> list[tuple[Decision, ...]]:
        """Return the profile's lines."""
        lines = sorted(self.world.ledger, key=lambda line: (line.at, line.cause))
        return [line.decisions for line in lines if line.profile_id == profile_id]

    def profile_expiry(self, profile_id: str) -> datetime | None:
        """Return the expiry."""
        return self.world.profile_expiry.get(profile_id)

    def put_signpost(self, profile_id: str, to: str) -> None:
        """Leave a signpost."""
        self.world.profiles[profile_id] = Signpost(to=to)

    def connect(self, shop: ShopSecrets) -> None:
        """Store the secrets."""
        self.world.shops[shop.shop] = shop

    def pending_ids(self) -> set[str]:
        """Return the ids."""
        return set(self.world.pending)


class Installation:
    """Tables as the template has them, queues, buckets and secrets on an emulator, each made when it is first named."""

    def __init__(self, clients: Clients, prefix: str) -> None:
        self.clients = clients
        self.prefix = prefix

    @cached_property
    def tables(self) -> Tables:
        """All the template's tables."""
        for table in tables():
            self.clients.dynamodb.create_table(**create_table(table, f"{self.prefix}-{table}"))
        return Tables(**{table: f"{self.prefix}-{table}" for table in tables()})

    @cached_property
    def queue_urls(self) -> dict[QueueName, str]:
        """Every queue but the dead-letter queues."""
        names: tuple[QueueName, ...] = (
            "wake",
            "transactional",
            "marketing",
            "transactional-mint",
            "marketing-mint",
            "privacy",
            "fanout",
            "reactions",
            "catalogue",
        )
        made = {queue: self.clients.sqs.create_queue(QueueName=f"{self.prefix}-{queue}") for queue in names}
        made["publish"] = self.clients.sqs.create_queue(
            QueueName=f"{self.prefix}-publish.fifo",
            Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"},
        )
        return {queue: answer["QueueUrl"] for queue, answer in made.items()}

    @cached_property
    def wake_arn(self) -> str:
        """The ARN of the wake queue."""
        answer = self.clients.sqs.get_queue_attributes(QueueUrl=self.queue_urls["wake"], AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    @cached_property
    def schedule_group(self) -> str:
        """The group of the alarms' schedules."""
        self.clients.scheduler.create_schedule_group(Name=self.prefix)
        return self.prefix

    @cached_property
    def raw_bucket(self) -> str:
        """The bucket of large bodies."""
        return self._bucket("raw")

    @cached_property
    def content_bucket(self) -> str:
        """The content bucket."""
        return self._bucket("content")

    @cached_property
    def secrets_prefix(self) -> str:
        """The prefix of the secrets, with the two that every installation has."""
        for name, value in (
            ("address-key", "pepper"),
            ("push-key", "salt"),
            ("link-keys", '{"k1": "old", "k10": "new", "k9": "older"}'),
        ):
            self.clients.secrets.create_secret(Name=f"{self.prefix}/{name}", SecretString=value)
        return self.prefix

    def _bucket(self, name: str) -> str:
        self.clients.s3.create_bucket(Bucket=f"{self.prefix}-{name}")
        return f"{self.prefix}-{name}"


class AwsPorts:
    """`Ports` on an emulator of AWS, through the adapters that are deployed."""

    def __init__(self, clients: Clients, prefix: str) -> None:
        self.clients = clients
        self.installation = Installation(clients, prefix)
        self.clock = VirtualClock(START)

    @cached_property
    def intake(self) -> Intake:
        """The adapter."""
        made = self.installation
        return DynamoIntake(self.clients, made.tables, raw_bucket=made.raw_bucket)

    @cached_property
    def bulk(self) -> BulkIntake:
        """The adapter."""
        made = self.installation
        return DynamoBulkIntake(self.clients, made.tables, raw_bucket=made.raw_bucket)

    @cached_property
    def archive(self) -> Archive:
        """The adapter."""
        made = self.installation
        return DynamoArchive(self.clients, made.tables, raw_bucket=made.raw_bucket)

    @cached_property
    def state(self) -> State:
        """The adapter."""
        made = self.installation
        return DynamoState(self.clients, made.tables, raw_bucket=made.raw_bucket)

    @cached_property
    def alarms(self) -> Alarms:
        """The adapter."""
        made = self.installation
        return SchedulerAlarms(
            self.clients,
            self.clock,
            queue_url=made.queue_urls["wake"],
            queue_arn=made.wake_arn,
            group=made.schedule_group,
            role_arn="arn:aws:iam::000000000000:role/scheduler",
        )

    @cached_property
    def queues(self) -> SendQueues:
        """The adapter."""
        urls = self.installation.queue_urls
        return SqsSendQueues(self.clients, transactional_url=urls["transactional"], marketing_url=urls["marketing"])

    @cached_property
    def privacy(self) -> PrivacyQueue:
        """The adapter."""
        return SqsPrivacyQueue(self.clients, queue_url=self.installation.queue_urls["privacy"])

    @cached_property
    def reactions(self) -> Reactions:
        """The adapter."""
        return SqsReactions(self.clients, queue_url=self.installation.queue_urls["reactions"])

    @cached_property
    def everybody(self) -> Everybody:
        """The adapter."""
        return DynamoEverybody(self.clients, self.installation.tables)

    @cached_property
    def fanout(self) -> FanoutQueue:
        """The adapter."""
        return SqsFanoutQueue(self.clients, queue_url=self.installation.queue_urls["fanout"])

    @cached_property
    def shelves(self) -> Shelves:
        """The adapter."""
        return DynamoShelves(self.clients, self.installation.tables, self.clock)

    @cached_property
    def interests(self) -> Interests:
        """The adapter."""
        return DynamoInterests(self.clients, self.installation.tables)

    @cached_property
    def catalogue_tasks(self) -> CatalogueQueue:
        """The adapter."""
        return SqsCatalogueQueue(self.clients, queue_url=self.installation.queue_urls["catalogue"])

    @cached_property
    def desk(self) -> Desk:
        """The adapter."""
        return DynamoDesk(self.clients, self.installation.tables)

    @cached_property
    def known(self) -> Known:
        """The adapter."""
        return DynamoKnown(self.clients, self.installation.tables)

    @cached_property
    def vault(self) -> Vault:
        """The adapter."""
        made = self.installation
        return AwsVault(
            self.clients,
            made.tables,
            raw_bucket=made.raw_bucket,
            secrets_prefix=made.secrets_prefix,
            content_bucket=made.content_bucket,
        )

    @cached_property
    def raw(self) -> Blobs:
        """The adapter."""
        return S3Blobs(self.clients, self.installation.raw_bucket)

    @cached_property
    def outbox(self) -> Outbox:
        """The adapter."""
        return DynamoOutbox(self.clients, self.installation.tables)

    @cached_property
    def blobs(self) -> Blobs:
        """The adapter."""
        return S3Blobs(self.clients, self.installation.content_bucket)

    @cached_property
    def secrets(self) -> Secrets:
        """The adapter."""
        return CachedSecrets(self.clients, self.installation.secrets_prefix)

    @cached_property
    def limits(self) -> Limits:
        """The adapter."""
        return DynamoLimits(self.clients, self.installation.tables)

    @cached_property
    def counters(self) -> Counters:
        """The adapter."""
        return DynamoCounters(self.clients, self.installation.tables)

    @cached_property
    def results(self) -> Results:
        """The adapter."""
        return DynamoResults(self.clients, self.installation.tables, self.clock)

    @cached_property
    def coupons(self) -> Coupons:
        """The adapter."""
        return DynamoCoupons(self.clients, self.installation.tables)

    @cached_property
    def survey(self) -> Survey:
        """The adapter."""
        return DynamoSurvey(self.clients, self.installation.tables)

    @cached_property
    def publish_queue(self) -> PublishQueue:
        """The adapter."""
        return SqsPublishQueue(self.clients, queue_url=self.installation.queue_urls["publish"])

    def with_clients(self, clients: Clients) -> AwsPorts:
        """Return the same installation through other clients."""
        other = AwsPorts(clients, self.installation.prefix)
        other.installation = self.installation
        return other

    def waiting(self, queue: QueueName) -> Waiting:
        """Return what lies on the queue."""
        sqs, url = self.clients.sqs, self.installation.queue_urls[queue]
        visible: list[Any] = []
        while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in received:
                visible.append(msgspec.json.decode(message["Body"], type=_PAYLOADS.get(queue, Parcel)))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        name: Any = "ApproximateNumberOfMessagesDelayed"
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return Waiting(visible, int(answer["Attributes"][name]))

    def schedules(self) -> dict[str, tuple[datetime, Wake]]:
        """Return the schedules, having checked that each is all that DESIGN §5 wants of it."""
        scheduler, group = self.clients.scheduler, self.installation.schedule_group
        found: dict[str, tuple[datetime, Wake]] = {}
        for listed in scheduler.list_schedules(GroupName=group)["Schedules"]:
            schedule = scheduler.get_schedule(GroupName=group, Name=listed["Name"])
            assert schedule["ScheduleExpressionTimezone"] == "UTC"
            assert schedule["FlexibleTimeWindow"]["Mode"] == "OFF"
            assert schedule["ActionAfterCompletion"] == "DELETE"
            assert schedule["Target"]["Arn"] == self.installation.wake_arn
            assert len(schedule["Name"]) <= 64
            at = datetime.strptime(schedule["ScheduleExpression"], "at(%Y-%m-%dT%H:%M:%S)").replace(tzinfo=UTC)
            found[schedule["Name"]] = (at, msgspec.json.decode(schedule["Target"]["Input"], type=Wake))
        return found

    def item(self, table: str, key: str) -> dict[str, Any] | None:
        """Return an item as it is stored."""
        key_name: Any = tables()[table]["KeySchema"][0]["AttributeName"]
        return self.clients.dynamodb.get_item(
            TableName=getattr(self.installation.tables, table), Key={key_name: {"S": key}}, ConsistentRead=True
        ).get("Item")

    def body(self, delivery_id: str) -> bytes | None:
        """Return the stored body, wherever it is."""
        item = self.item("deliveries", delivery_id)
        if item is None:
            return None
        if "body_ref" in item:
            answer = self.clients.s3.get_object(Bucket=self.installation.raw_bucket, Key=item["body_ref"]["S"])
            return zlib.decompress(answer["Body"].read())
        return unpack(item["body"], beside=unpack(item["events"]))

    def ledger(self, profile_id: str) -> list[tuple[Decision, ...]]:
        """Return the profile's lines."""
        answer = self.clients.dynamodb.query(
            TableName=self.installation.tables.ledger,
            KeyConditionExpression="#profile_id = :profile_id",
            ExpressionAttributeNames={"#profile_id": "profile_id"},
            ExpressionAttributeValues={":profile_id": {"S": profile_id}},
        )
        return [msgspec.json.decode(unpack(item["decisions"]), type=tuple[Decision, ...]) for item in answer["Items"]]

    def profile_expiry(self, profile_id: str) -> datetime | None:
        """Return the expiry."""
        item = self.item("profiles", profile_id) or {}
        return datetime.fromtimestamp(int(item["expires"]["N"]), UTC) if "expires" in item else None

    def put_signpost(self, profile_id: str, to: str) -> None:
        """Leave a signpost."""
        item: Any = {"id": {"S": profile_id}, "to": {"S": to}}
        self.clients.dynamodb.put_item(TableName=self.installation.tables.profiles, Item=item)

    def connect(self, shop: ShopSecrets) -> None:
        """Store the secrets."""
        stored = {
            name: value for name, value in msgspec.to_builtins(shop).items() if name != "shop" and value is not None
        }
        value = msgspec.json.encode(stored)
        name = f"{self.installation.secrets_prefix}/shops/{shop.shop}"
        self.clients.secrets.create_secret(Name=name, SecretString=value.decode())

    def pending_ids(self) -> set[str]:
        """Return the ids."""
        answer = self.clients.dynamodb.scan(TableName=self.installation.tables.pending, ConsistentRead=True)
        return {item["id"]["S"] for item in answer["Items"]}


def session(region: str = "us-east-1") -> Session:
    """Return a botocore session that could reach nothing but an emulator."""
    made = Session()
    made.set_credentials("test", "test")
    made.set_config_variable("region", region)
    return made


#: Other tests of a process may hold moto open, with what is in it: so whoever wants nothing there goes elsewhere.
_elsewhere = itertools.cycle(Session().get_available_regions("dynamodb")[1:])


def elsewhere() -> Session:
    """Return a session in a region in which no test of this process is yet."""
    region = next(_elsewhere)
    return session(region if region != "us-east-1" else next(_elsewhere))
