"""What each role may do, written out: a right that is added or taken away is a line to be changed here."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.architecture.template import policy_statements, resources, statements

ROLES = resources("AWS::IAM::Role")

#: role → what it may do to what. Every statement of `template.yaml`, in its own words, ARNs shortened.
RIGHTS: dict[str, set[str]] = {
    "CampaignRole": {
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:Query InterestsTable",
        "dynamodb:Scan ProfilesTable",
        "logs:CreateLogStream CampaignLog",
        "logs:PutLogEvents CampaignLog",
        "s3:GetObject ContentBucket/campaigns/*",
        "s3:GetObject ContentBucket/fanout/*",
        "s3:GetObject ContentBucket/passes/*",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:ListBucket ContentBucket",
        "s3:PutObject ContentBucket/campaigns/*",
        "s3:PutObject ContentBucket/fanout/*",
        "s3:PutObject ContentBucket/passes/*",
        "sqs:DeleteMessage FanoutQueue",
        "sqs:GetQueueAttributes FanoutQueue",
        "sqs:GetQueueAttributes MarketingQueue",
        "sqs:GetQueueAttributes WakeQueue",
        "sqs:ReceiveMessage FanoutQueue",
        "sqs:SendMessage FanoutQueue",
        "sqs:SendMessage WakeQueue",
    },
    "CatalogueRole": {
        "dynamodb:BatchGetItem ProductsTable",
        "dynamodb:BatchGetItem ShelvesTable",
        "dynamodb:DescribeStream ProductsTable.StreamArn",
        "dynamodb:GetItem ProductsTable",
        "dynamodb:GetRecords ProductsTable.StreamArn",
        "dynamodb:GetShardIterator ProductsTable.StreamArn",
        "dynamodb:ListStreams *",
        "dynamodb:PutItem ShelvesTable",
        "dynamodb:UpdateItem ProductsTable",
        "logs:CreateLogStream CatalogueLog",
        "logs:PutLogEvents CatalogueLog",
        "sqs:DeleteMessage CatalogueQueue",
        "sqs:GetQueueAttributes CatalogueQueue",
        "sqs:ReceiveMessage CatalogueQueue",
        "sqs:SendMessage CatalogueDeadQueue",
        "sqs:SendMessage CatalogueQueue",
        "sqs:SendMessage FanoutQueue",
    },
    "TallyRole": {
        "dynamodb:BatchGetItem ResultsTable",
        "dynamodb:DescribeStream LedgerTable.StreamArn",
        "dynamodb:DescribeStream MessagesTable.StreamArn",
        "dynamodb:GetRecords LedgerTable.StreamArn",
        "dynamodb:GetRecords MessagesTable.StreamArn",
        "dynamodb:GetShardIterator LedgerTable.StreamArn",
        "dynamodb:GetShardIterator MessagesTable.StreamArn",
        "dynamodb:ListStreams *",
        "dynamodb:UpdateItem ResultsTable",
        "logs:CreateLogStream TallyLog",
        "logs:PutLogEvents TallyLog",
    },
    "CollectRole": {
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem LimitsTable",
        "logs:CreateLogStream CollectLog",
        "logs:PutLogEvents CollectLog",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:ListBucket ContentBucket",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/link-keys-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/shops/*",
    },
    "FeedbackRole": {
        "dynamodb:GetItem MessagesTable",
        "dynamodb:PutItem CountersTable",
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem SuppressionsTable",
        "dynamodb:Query CountersTable",
        "dynamodb:UpdateItem CountersTable",
        "dynamodb:UpdateItem MessagesTable",
        "logs:CreateLogStream FeedbackLog",
        "logs:PutLogEvents FeedbackLog",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:ListBucket ContentBucket",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "sqs:DeleteMessage ReactionsQueue",
        "sqs:GetQueueAttributes ReactionsQueue",
        "sqs:ReceiveMessage ReactionsQueue",
        "sqs:SendMessage FeedbackDeadQueue",
    },
    "JourneyRole": {
        "dynamodb:BatchGetItem AliasesTable",
        "dynamodb:BatchGetItem DeliveriesTable",
        "dynamodb:BatchGetItem MessagesTable",
        "dynamodb:BatchGetItem PendingTable",
        "dynamodb:DeleteItem PendingTable",
        "dynamodb:DescribeStream PendingTable.StreamArn",
        "dynamodb:GetItem PendingTable",
        "dynamodb:ConditionCheckItem ProfilesTable",
        "dynamodb:GetItem ProfilesTable",
        "dynamodb:GetRecords PendingTable.StreamArn",
        "dynamodb:GetShardIterator PendingTable.StreamArn",
        "dynamodb:ListStreams *",
        "dynamodb:PutItem AliasesTable",
        "dynamodb:PutItem InterestsTable",
        "dynamodb:PutItem LedgerTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:PutItem ProfilesTable",
        "dynamodb:UpdateItem SuppressionsTable",
        "dynamodb:Query LedgerTable",
        "dynamodb:UpdateItem AliasesTable",
        "dynamodb:UpdateItem ProductsTable",
        "iam:PassRole SchedulerRole if {'StringEquals': {'iam:PassedToService': 'scheduler.amazonaws.com'}}",
        "logs:CreateLogStream JourneyLog",
        "logs:PutLogEvents JourneyLog",
        "s3:GetObject ContentBucket/flows/*",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:GetObject RawBucket/deliveries/*",
        "s3:GetObject RawBucket/unread/*",
        "s3:ListBucket ContentBucket",
        "scheduler:CreateSchedule schedule/${AlarmSchedules}/*",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "sqs:DeleteMessage WakeQueue",
        "sqs:GetQueueAttributes WakeQueue",
        "sqs:ReceiveMessage WakeQueue",
        "sqs:SendMessage CatalogueQueue",
        "sqs:SendMessage MarketingQueue",
        "sqs:SendMessage PrivacyQueue",
        "sqs:SendMessage TransactionalQueue",
        "sqs:SendMessage WakeDeadQueue",
        "sqs:SendMessage WakeQueue",
    },
    "AssetsRole": {
        "logs:CreateLogStream AssetsLog",
        "logs:PutLogEvents AssetsLog",
        "s3:GetObject ContentBucket/public/a/*",
        "s3:ListBucket ContentBucket",
    },
    "LinksRole": {
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem SuppressionsTable",
        "logs:CreateLogStream LinksLog",
        "logs:PutLogEvents LinksLog",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:ListBucket ContentBucket",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/link-keys-??????",
    },
    "MintRole": {
        "dynamodb:BatchGetItem CouponsTable",
        "dynamodb:BatchGetItem MessagesTable",
        "dynamodb:BatchGetItem ProfilesTable",
        "dynamodb:DeleteItem CouponsTable",
        "dynamodb:GetItem CouponsTable",
        "dynamodb:PutItem CouponsTable",
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem CouponsTable",
        "logs:CreateLogStream MintLog",
        "logs:PutLogEvents MintLog",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:GetObject ContentBucket/pools/*",
        "s3:ListBucket ContentBucket",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/shops/*",
        "sqs:DeleteMessage MarketingMintQueue",
        "sqs:DeleteMessage TransactionalMintQueue",
        "sqs:GetQueueAttributes MarketingMintQueue",
        "sqs:GetQueueAttributes TransactionalMintQueue",
        "sqs:ReceiveMessage MarketingMintQueue",
        "sqs:ReceiveMessage TransactionalMintQueue",
        "sqs:SendMessage MarketingMintQueue",
        "sqs:SendMessage MarketingQueue",
        "sqs:SendMessage TransactionalMintQueue",
        "sqs:SendMessage TransactionalQueue",
    },
    "PagesRole": {
        "dynamodb:BatchGetItem DeliveriesTable",
        "dynamodb:BatchGetItem ProfilesTable",
        "dynamodb:BatchGetItem SuppressionsTable",
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem SuppressionsTable",
        "logs:CreateLogStream PagesLog",
        "logs:PutLogEvents PagesLog",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:ListBucket ContentBucket",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/link-keys-??????",
    },
    "PrivacyRole": {
        "dynamodb:BatchGetItem AliasesTable",
        "dynamodb:BatchGetItem CouponsTable",
        "dynamodb:BatchGetItem MessagesTable",
        "dynamodb:BatchGetItem ProfilesTable",
        "dynamodb:BatchWriteItem AliasesTable",
        "dynamodb:BatchWriteItem CouponsTable",
        "dynamodb:BatchWriteItem DeliveriesTable",
        "dynamodb:BatchWriteItem InterestsTable",
        "dynamodb:BatchWriteItem LedgerTable",
        "dynamodb:BatchWriteItem MessagesTable",
        "dynamodb:BatchWriteItem PendingTable",
        "dynamodb:BatchWriteItem ProductsTable",
        "dynamodb:BatchWriteItem ProfilesTable",
        "dynamodb:BatchWriteItem ShelvesTable",
        "dynamodb:BatchWriteItem SuppressionsTable",
        "dynamodb:DeleteItem PendingTable",
        "dynamodb:GetItem DeliveriesTable",
        "dynamodb:GetItem ProfilesTable",
        "dynamodb:GetItem SuppressionsTable",
        "dynamodb:PutItem ProfilesTable",
        "dynamodb:UpdateItem SuppressionsTable",
        "dynamodb:Query CouponsTable/index/profile",
        "dynamodb:Query InterestsTable/index/profile",
        "dynamodb:Query LedgerTable",
        "dynamodb:Scan AliasesTable",
        "dynamodb:Scan CouponsTable",
        "dynamodb:Scan DeliveriesTable",
        "dynamodb:Scan InterestsTable",
        "dynamodb:Scan LedgerTable",
        "dynamodb:Scan MessagesTable",
        "dynamodb:Scan PendingTable",
        "dynamodb:Scan ProductsTable",
        "dynamodb:Scan ProfilesTable",
        "dynamodb:Scan ShelvesTable",
        "dynamodb:Scan SuppressionsTable",
        "dynamodb:UpdateItem AliasesTable",
        "dynamodb:UpdateItem DeliveriesTable",
        "logs:CreateLogStream PrivacyLog",
        "logs:PutLogEvents PrivacyLog",
        "s3:DeleteObject RawBucket/deliveries/*",
        "s3:DeleteObject RawBucket/exports/*",
        "s3:DeleteObject RawBucket/unread/*",
        "s3:DeleteObject ContentBucket/imports/*",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:GetObject RawBucket/deliveries/*",
        "s3:GetObject RawBucket/receipts/*",
        "s3:GetObject RawBucket/unread/*",
        "s3:ListBucket ContentBucket",
        "s3:ListBucket RawBucket",
        "s3:PutObject RawBucket/exports/*",
        "s3:PutObject RawBucket/receipts/*",
        "secretsmanager:DeleteSecret secret:rekindle/${AWS::StackName}/shops/*",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/shops/*",
        "sqs:DeleteMessage PrivacyQueue",
        "sqs:GetQueueAttributes PrivacyQueue",
        "sqs:ReceiveMessage PrivacyQueue",
        "sqs:SendMessage PrivacyQueue",
    },
    "PublishRole": {
        "logs:CreateLogStream PublishLog",
        "logs:PutLogEvents PublishLog",
        "s3:GetObject ContentBucket/content/*",
        "s3:GetObject ContentBucket/flows/*",
        "s3:GetObject ContentBucket/passes/*",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:GetObject ContentBucket/reports/*",
        "s3:ListBucket ContentBucket",
        "s3:PutObject ContentBucket/flows/*",
        "s3:PutObject ContentBucket/passes/*",
        "s3:PutObject ContentBucket/playbooks/*",
        "s3:PutObject ContentBucket/pools/*",
        "s3:PutObject ContentBucket/public/a/*",
        "s3:PutObject ContentBucket/reports/*",
        "ses:SendEmail configuration-set/${ConfigurationSet}",
        "ses:SendEmail identity/*",
        "sqs:DeleteMessage PublishQueue",
        "sqs:GetQueueAttributes PublishQueue",
        "sqs:ReceiveMessage PublishQueue",
        "sqs:SendMessage FanoutQueue",
        "sqs:SendMessage PublishQueue",
    },
    "ReconcileRole": {
        "dynamodb:BatchGetItem AliasesTable",
        "dynamodb:BatchGetItem DeliveriesTable",
        "dynamodb:BatchGetItem ProductsTable",
        "dynamodb:BatchGetItem ProfilesTable",
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem SuppressionsTable",
        "logs:CreateLogStream ReconcileLog",
        "logs:PutLogEvents ReconcileLog",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:GetObject ContentBucket/reconcile/*",
        "s3:ListBucket ContentBucket",
        "s3:PutObject ContentBucket/reconcile/*",
        "s3:PutObject RawBucket/deliveries/*",
        "s3:PutObject RawBucket/unread/*",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/shops/*",
    },
    "SchedulerRole": {
        "sqs:SendMessage WakeQueue",
    },
    "SendRole": {
        "dynamodb:BatchGetItem AliasesTable",
        "dynamodb:BatchGetItem CouponsTable",
        "dynamodb:BatchGetItem MessagesTable",
        "dynamodb:BatchGetItem ProductsTable",
        "dynamodb:BatchGetItem ShelvesTable",
        "dynamodb:BatchGetItem ProfilesTable",
        "dynamodb:ConditionCheckItem ProfilesTable",
        "dynamodb:ConditionCheckItem SuppressionsTable",
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem MessagesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem SuppressionsTable",
        "dynamodb:Query CountersTable",
        "dynamodb:UpdateItem CountersTable",
        "dynamodb:UpdateItem MessagesTable",
        "logs:CreateLogStream SendLog",
        "logs:PutLogEvents SendLog",
        "s3:GetObject ContentBucket/campaigns/stops.json",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:ListBucket ContentBucket",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/link-keys-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/push-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/shops/*",
        "ses:GetAccount *",
        "ses:SendEmail configuration-set/${ConfigurationSet}",
        "ses:SendEmail identity/*",
        "sms-voice:SendTextMessage phone-number/*",
        "sms-voice:SendTextMessage pool/*",
        "sms-voice:SendTextMessage sender-id/*",
        "sqs:ChangeMessageVisibility MarketingQueue",
        "sqs:ChangeMessageVisibility TransactionalQueue",
        "sqs:DeleteMessage MarketingQueue",
        "sqs:DeleteMessage TransactionalQueue",
        "sqs:GetQueueAttributes MarketingQueue",
        "sqs:GetQueueAttributes TransactionalQueue",
        "sqs:ReceiveMessage MarketingQueue",
        "sqs:ReceiveMessage TransactionalQueue",
        "sqs:SendMessage MarketingMintQueue",
        "sqs:SendMessage MarketingQueue",
        "sqs:SendMessage TransactionalMintQueue",
        "sqs:SendMessage TransactionalQueue",
    },
    "SignupRole": {
        "dynamodb:BatchGetItem ProfilesTable",
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem LimitsTable",
        "logs:CreateLogStream SignupLog",
        "logs:PutLogEvents SignupLog",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:ListBucket ContentBucket",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/link-keys-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/shops/*",
    },
    "SweepRole": {
        "dynamodb:Query CountersTable",
        "dynamodb:Query MessagesTable/index/open",
        "dynamodb:Query ProfilesTable/index/due",
        "dynamodb:Scan PendingTable",
        "dynamodb:UpdateItem MessagesTable",
        "dynamodb:UpdateItem PendingTable",
        "logs:CreateLogStream SweepLog",
        "logs:PutLogEvents SweepLog",
        "sqs:SendMessage TransactionalQueue",
        "sqs:SendMessage WakeQueue",
    },
    "TrackRole": {
        "dynamodb:GetItem MessagesTable",
        "dynamodb:UpdateItem MessagesTable",
        "logs:CreateLogStream TrackLog",
        "logs:PutLogEvents TrackLog",
        "s3:GetObject ContentBucket/playbooks/*",
        "s3:ListBucket ContentBucket",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/link-keys-??????",
        "sqs:SendMessage ReactionsQueue",
    },
    "WebhookRole": {
        "dynamodb:BatchGetItem DeliveriesTable",
        "dynamodb:PutItem DeliveriesTable",
        "dynamodb:PutItem PendingTable",
        "dynamodb:UpdateItem SuppressionsTable",
        "logs:CreateLogStream WebhookLog",
        "logs:PutLogEvents WebhookLog",
        "s3:PutObject RawBucket/deliveries/*",
        "s3:PutObject RawBucket/unread/*",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/address-key-??????",
        "secretsmanager:GetSecretValue secret:rekindle/${AWS::StackName}/shops/*",
    },
}


def shortened(resource: Any) -> str:
    """Return a resource as it stands in the table: its logical name, or the end of its ARN."""
    if isinstance(resource, str):
        return resource
    if "Fn::Sub" in resource:
        text = re.sub(
            r"^arn:\$\{AWS::Partition\}:([\w-]+):\$\{AWS::Region\}:\$\{AWS::AccountId\}:", "", resource["Fn::Sub"]
        )
        return re.sub(r"\$\{(\w+)\.Arn\}", r"\1", text)
    if "Fn::GetAtt" in resource:
        name, attribute = (
            resource["Fn::GetAtt"] if isinstance(resource["Fn::GetAtt"], list) else resource["Fn::GetAtt"].split(".")
        )
        return name if attribute == "Arn" else f"{name}.{attribute}"
    return str(resource["Ref"])


def rights(role: str) -> set[str]:
    """Return what the template grants."""
    return {
        f"{action} {shortened(resource)}" + (" if " + repr(statement["Condition"]) if "Condition" in statement else "")
        for statement in statements(role)
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_every_role_is_in_the_table() -> None:
    assert ROLES.keys() == RIGHTS.keys()


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_may_do_what_the_table_says_and_nothing_else(role: str) -> None:
    assert rights(role) == RIGHTS.get(role)
    assert all(statement["Effect"] == "Allow" for statement in statements(role))


@pytest.mark.parametrize("role", sorted(ROLES))
def test_only_the_service_that_it_is_for_may_take_a_role(role: str) -> None:
    (trust,) = ROLES[role]["AssumeRolePolicyDocument"]["Statement"]
    service = "scheduler.amazonaws.com" if role == "SchedulerRole" or "Schedule" in role else "lambda.amazonaws.com"
    assert (trust["Effect"], trust["Action"], trust["Principal"]) == ("Allow", "sts:AssumeRole", {"Service": service})


#: Who else may put something in: resource policies, each with the one sender that it names.
SENDERS = {
    "ContentBucketPolicy": {"cloudfront.amazonaws.com"},
    "FeedbackDeadQueuePolicy": {"events.amazonaws.com"},
    "FeedbackTopicPolicy": {"ses.amazonaws.com", "sms-voice.amazonaws.com"},
    "PublishQueuePolicy": {"events.amazonaws.com"},
}


def test_nobody_else_is_let_in_by_a_resource_and_none_without_naming_its_source() -> None:
    """Every allowing statement names a service and the source of ours that it may speak for; the rest only refuse."""
    policies = {
        name: policy_statements(properties)
        for kind in (
            "AWS::SQS::QueuePolicy",
            "AWS::SNS::TopicPolicy",
            "AWS::S3::BucketPolicy",
            "AWS::Lambda::Permission",
        )
        for name, properties in resources(kind).items()
        if "PolicyDocument" in properties
    }
    allowing = {name: [each for each in found if each["Effect"] == "Allow"] for name, found in policies.items()}
    assert {
        name: {each["Principal"]["Service"] for each in found} for name, found in allowing.items() if found
    } == SENDERS
    for found in allowing.values():
        for each in found:
            (condition,) = each["Condition"].values()
            assert condition.keys() <= {"aws:SourceArn", "aws:SourceAccount"}
    assert not resources("AWS::Lambda::Permission")
    assert not resources("AWS::Lambda::Url")
