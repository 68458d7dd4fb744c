"""What `template.yaml` must always hold, whatever is added to it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from rekindle import ports, settings
from rekindle.content import media
from rekindle.outside import http
from rekindle.service import campaigns, fanout, library, passes, reconcile, tracks
from rekindle.service.sign_up import MARK_HEADER
from tests.architecture.template import (
    ROOT,
    functions,
    metrics_of,
    named,
    policy_statements,
    queue_sources,
    resources,
    statements,
    template,
)

TABLES = resources("AWS::DynamoDB::Table")
QUEUES = resources("AWS::SQS::Queue")
BUCKETS = resources("AWS::S3::Bucket")
BUCKET_POLICY = resources("AWS::S3::BucketPolicy")["ContentBucketPolicy"]
ALARMS = resources("AWS::CloudWatch::Alarm")
ROLES = resources("AWS::IAM::Role")
FUNCTIONS = functions()
WORKING = sorted(name for name in QUEUES if not name.endswith("DeadQueue"))
DEAD = sorted(name for name in QUEUES if name.endswith("DeadQueue"))

#: What only the local run tells a function.
LOCAL = {"CLOCK_OFFSET_FILE", "PUSH_SERVICE_URL", "GRAPH_URL"}

FOURTEEN_DAYS = 14 * 24 * 3600

#: The only actions that may be granted on everything, each with AWS's reason.
TAKES_NO_RESOURCE = {"dynamodb:ListStreams", "ses:GetAccount"}

#: Identities and numbers are got by hand in the account, for each shop: there is no name to write down.
ANY_OF_OURS = {
    ("ses:SendEmail", "identity/*"),
    ("sms-voice:SendTextMessage", "phone-number/*"),
    ("sms-voice:SendTextMessage", "pool/*"),
    ("sms-voice:SendTextMessage", "sender-id/*"),
}


# --- queues ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", WORKING)
def test_every_queue_has_a_dead_letter_queue_of_its_kind(queue: str) -> None:
    dead = named(QUEUES[queue]["RedrivePolicy"]["deadLetterTargetArn"])
    assert dead == queue.replace("Queue", "DeadQueue")
    assert QUEUES[dead].get("FifoQueue") == QUEUES[queue].get("FifoQueue")


@pytest.mark.parametrize("queue", DEAD)
def test_every_dead_letter_queue_keeps_what_it_gets_for_as_long_as_it_can(queue: str) -> None:
    assert QUEUES[queue]["MessageRetentionPeriod"] == FOURTEEN_DAYS


@pytest.mark.parametrize("queue", DEAD)
def test_every_dead_letter_queue_rings_at_the_first_message(queue: str) -> None:
    (alarm,) = [
        alarm
        for alarm in ALARMS.values()
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        and named(alarm["Dimensions"][0]["Value"]) == queue
    ]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)


@pytest.mark.parametrize("queue", sorted(QUEUES))
def test_every_queue_is_encrypted_and_takes_nothing_without_tls(queue: str) -> None:
    assert QUEUES[queue]["SqsManagedSseEnabled"] is True
    policies = [p for p in resources("AWS::SQS::QueuePolicy").values() if queue in map(named, p["Queues"])]
    assert len(policies) == 1, "a queue has one policy: a second one replaces the first"
    assert any(is_tls_only(statement) for statement in policies[0]["PolicyDocument"]["Statement"])


@pytest.mark.parametrize(("function", "queue"), [(function, queue) for function, queue, _ in queue_sources()])
def test_a_message_stays_hidden_for_six_times_as_long_as_its_function_may_run(function: str, queue: str) -> None:
    assert QUEUES[queue]["VisibilityTimeout"] >= 6 * FUNCTIONS[function]["Timeout"]


@pytest.mark.parametrize(("function", "source"), [(function, source) for function, _, source in queue_sources()])
def test_one_bad_message_does_not_bring_its_whole_batch_back(function: str, source: dict[str, Any]) -> None:
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"], function


def test_looking_again_for_a_commit_cannot_use_up_a_mails_receives() -> None:
    for queue in ("MarketingQueue", "TransactionalQueue"):
        assert QUEUES[queue]["RedrivePolicy"]["maxReceiveCount"] >= 30


def test_transactional_mail_never_waits_for_a_campaign() -> None:
    sources = {queue: source for function, queue, source in queue_sources() if function == "send"}
    assert sources.keys() == {"MarketingQueue", "TransactionalQueue"}
    assert all("MaximumConcurrency" in source["ScalingConfig"] for source in sources.values())


@pytest.mark.parametrize(("function", "source"), [(function, source) for function, _, source in queue_sources()])
def test_no_backlog_takes_the_accounts_concurrency_from_the_webhooks(function: str, source: dict[str, Any]) -> None:
    """And a poller that is bounded is never throttled by Lambda, which would use the messages' receives up."""
    one_at_a_time = function == "publish"  # a FIFO queue with one group
    assert one_at_a_time or "MaximumConcurrency" in source["ScalingConfig"]


def test_work_may_go_round_over_queues_for_as_long_as_it_takes() -> None:
    """Lambda stops a function that its own messages lead back to, after sixteen rounds, unless it says that it may.

    (Lambda Developer Guide, "recursive loop detection".) A campaign's shard goes round a thousand times, a mail at
    night every quarter of an hour. Whoever is in no such circle says nothing, so that a mistake is stopped.
    """
    read_by = {queue: function for function, queue, _ in queue_sources()}
    leads_to = {
        function: {
            read_by[queue]
            for statement in statements(named(properties["Role"]))
            if "sqs:SendMessage" in statement["Action"]
            for queue in map(named, statement["Resource"])
            if queue in read_by
        }
        for function, properties in FUNCTIONS.items()
    }
    circling = set()
    for function in FUNCTIONS:
        reached: set[str] = set()
        further = {function}
        while further:
            further = {one for each in further for one in leads_to[each]} - reached
            reached |= further
        if function in reached:
            circling.add(function)
    assert {"campaign", "send", "journey", "privacy"} <= circling
    assert {name for name, properties in FUNCTIONS.items() if properties.get("RecursiveLoop") == "Allow"} == circling


def test_publish_runs_one_at_a_time_after_the_upload_has_been_quiet() -> None:
    queue = QUEUES["PublishQueue"]
    (target,) = resources("AWS::Events::Rule")["ContentRule"]["Targets"]
    assert (queue["FifoQueue"], queue["DelaySeconds"]) == (True, 20)
    assert target["SqsParameters"] == {"MessageGroupId": "content"}
    assert int(FUNCTIONS["publish"]["Environment"]["Variables"]["QUIET_SECONDS"]) == queue["DelaySeconds"]
    assert queue["ContentBasedDeduplication"] is True, "else looks that are put back would pile up"


def test_a_published_set_never_expires() -> None:
    """Runs are pinned to its flows, and going back needs it."""
    for rule in BUCKETS["ContentBucket"]["LifecycleConfiguration"]["Rules"]:
        if "ExpirationInDays" in rule:
            assert not any(kept.startswith(rule["Prefix"]) for kept in ("playbooks/", "flows/", "content/", "public/"))
            assert rule["Prefix"]


# --- functions -------------------------------------------------------------------------------------------------------


def test_the_functions_are_the_folders() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert FUNCTIONS.keys() == folders
    assert {name: properties["CodeUri"] for name, properties in FUNCTIONS.items()} == {
        name: f"functions/{name}/" for name in folders
    }


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_is_told_what_its_settings_read_and_nothing_else(function: str) -> None:
    model = getattr(settings, function.title())
    wanted = set(model.__struct_encode_fields__) - LOCAL
    told = set(FUNCTIONS[function]["Environment"]["Variables"]) - {"POWERTOOLS_SERVICE_NAME"}
    assert told == wanted


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_variable_is_named_for_the_resource_that_it_holds(function: str) -> None:
    """`PROFILES_TABLE` is ProfilesTable, `WAKE_QUEUE_ARN` WakeQueue: a swapped pair would deploy without complaint."""
    for name, value in FUNCTIONS[function]["Environment"]["Variables"].items():
        held = re.sub(r"_(URL|ARN)$", "", name).title().replace("_", "")
        if held in template()["Resources"]:
            assert named(value) == held, name


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_function_has_a_log_group_of_its_own_that_forgets(function: str) -> None:
    logging = FUNCTIONS[function]["LoggingConfig"]
    assert named(logging["LogGroup"]) == f"{function.title()}Log"
    assert (logging["LogFormat"], logging["SystemLogLevel"]) == ("JSON", "WARN"), "what Lambda says of each call costs"
    assert resources("AWS::Logs::LogGroup")[named(logging["LogGroup"])]["RetentionInDays"] == {
        "Ref": "LogRetentionDays"
    }


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_metrics_of_two_stacks_in_one_account_do_not_mix(function: str) -> None:
    service = FUNCTIONS[function]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    assert service == {"Fn::Sub": f"${{AWS::StackName}}-{function}"}


def test_journey_gives_up_before_the_sweep_takes_its_profile_for_forgotten() -> None:
    assert FUNCTIONS["journey"]["Timeout"] < 120


def test_a_pass_starts_only_when_no_journey_can_hold_the_old_playbook() -> None:
    """The life of the pointer in a warm worker, and one more run of it (DESIGN §5)."""
    assert timedelta(seconds=FUNCTIONS["journey"]["Timeout"]) == passes.JOURNEY_TIMEOUT
    assert passes.SETTLED_AFTER >= passes.JOURNEY_TIMEOUT + library.POINTER_LIFE
    assert timedelta(seconds=ports.MAX_DELAY) >= passes.SETTLED_AFTER, "a queue delays no longer"


def test_whoever_reaches_everybody_does_it_in_as_many_parts() -> None:
    """A pass that publish starts and one that the tick starts are one: else each would add shards of its own."""
    for name in ("publish", "campaign"):
        assert FUNCTIONS[name]["Environment"]["Variables"]["FANOUT_SHARDS"] == {"Ref": "FanoutShards"}
    assert template()["Parameters"]["FanoutShards"]["Default"] == fanout.SHARDS


def test_who_fans_out_knows_how_many_copies_there_are_for_what_it_hands_over() -> None:
    """Else it would wait while they have nothing to do, or pile up what they cannot do in time."""
    told = FUNCTIONS["campaign"]["Environment"]["Variables"]
    copies = {(f, queue): source["ScalingConfig"]["MaximumConcurrency"] for f, queue, source in queue_sources() if
              "ScalingConfig" in source}  # fmt: skip
    assert told["WAKE_WORKERS"] == copies["journey", "WakeQueue"]
    assert told["MARKETING_SENDERS"] == copies["send", "MarketingQueue"]
    parameters = template()["Parameters"]
    assert parameters["WakeWorkers"]["Default"] == fanout.WAKE_WORKERS
    assert parameters["MarketingSenders"]["Default"] == fanout.SENDERS


def test_a_missed_campaign_is_noticed_before_it_is_too_old_to_be_made_good() -> None:
    schedule = FUNCTIONS["campaign"]["Events"]["EveryMinute"]["Properties"]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    missing = ALARMS["CampaignMissingAlarm"]
    assert missing["TreatMissingData"] == "breaching"
    assert timedelta(seconds=missing["Period"] * missing["EvaluationPeriods"]) < campaigns.MAX_AGE / 12


def test_a_lease_outlives_the_send_that_took_it_twice_over() -> None:
    assert 2 * FUNCTIONS["send"]["Timeout"] <= settings.LEASE_LIFE_SECONDS


def test_reconcile_has_the_time_for_a_last_batch_and_is_over_before_the_next_look() -> None:
    """Of Shopify each thing of a batch is a request of its own, which may take all its time."""
    properties = FUNCTIONS["reconcile"]
    assert properties["Timeout"] >= settings.RECONCILE_SECONDS + (reconcile.BATCH + 1) * http.BUDGET_SECONDS
    assert timedelta(seconds=properties["Timeout"]) < reconcile.EVERY
    schedule = properties["Events"]["EveryQuarter"]["Properties"]["ScheduleExpression"]
    assert schedule == f"rate({reconcile.EVERY.seconds // 60} minutes)"


def test_a_sweep_is_over_before_the_next_one() -> None:
    assert FUNCTIONS["sweep"]["Timeout"] < 300


def test_only_inserts_wake_journey() -> None:
    stream = FUNCTIONS["journey"]["Events"]["Accepted"]["Properties"]
    assert stream["FilterCriteria"] == {"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]}
    assert named(stream["DestinationConfig"]["OnFailure"]["Destination"]) == "WakeDeadQueue"


# --- who may do what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_function_has_a_role_of_its_own_with_no_managed_policy(function: str) -> None:
    role = named(FUNCTIONS[function]["Role"])
    assert role == f"{function.title()}Role"
    assert "ManagedPolicyArns" not in ROLES[role]
    assert "Policies" not in FUNCTIONS[function]


@pytest.mark.parametrize("role", sorted(ROLES))
def test_no_role_may_do_a_whole_family_of_things(role: str) -> None:
    assert not [action for statement in statements(role) for action in statement["Action"] if "*" in action]


@pytest.mark.parametrize("role", sorted(ROLES))
def test_no_role_may_do_anything_to_everything(role: str) -> None:
    for statement in statements(role):
        if "*" in statement["Resource"]:
            assert set(statement["Action"]) <= TAKES_NO_RESOURCE


@pytest.mark.parametrize("role", sorted(ROLES))
def test_what_a_role_may_touch_is_this_stacks(role: str) -> None:
    """A written-out ARN is one of ours: it names the stack, a resource of it, or is listed above with its reason."""
    for statement in statements(role):
        for resource in statement["Resource"]:
            text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
            named_by_hand = re.fullmatch(r"arn(:[^:$]+|:\$\{AWS::\w+\}){4}:(.+)", text)
            if named_by_hand and not re.search(r"\$\{", named_by_hand[2]):
                assert {(action, named_by_hand[2]) for action in statement["Action"]} <= ANY_OF_OURS


def test_only_send_may_send_and_only_journey_may_set_an_alarm_clock() -> None:
    """Beside `send`, publish writes to the shop's own marketers, and to nobody else (decision 0018)."""

    def may(action: str) -> set[str]:
        return {role for role in ROLES if any(action in statement["Action"] for statement in statements(role))}

    assert may("ses:SendEmail") == {"SendRole", "PublishRole"}
    assert may("scheduler:CreateSchedule") == {"JourneyRole"}


def test_only_campaign_may_look_at_everybody_and_privacy_where_a_shop_leaves() -> None:
    """Nothing scans all profiles on any other occasion (DESIGN §5)."""
    readers = {
        role
        for role in ROLES
        for statement in statements(role)
        if {"Fn::GetAtt": ["ProfilesTable", "Arn"]} in statement["Resource"] and "dynamodb:Scan" in statement["Action"]
    }
    assert readers == {"CampaignRole", "PrivacyRole"}


def test_only_journey_may_write_profiles_and_only_privacy_may_bury_them() -> None:
    writers = {
        role
        for role in ROLES
        for statement in statements(role)
        if {"Fn::GetAtt": ["ProfilesTable", "Arn"]} in statement["Resource"]
        and {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"} & set(statement["Action"])
    }
    assert writers == {"JourneyRole", "PrivacyRole"}


def test_only_feedback_may_pause_a_shop() -> None:
    """Send counts too, and notes that the shop was told; the sweep only reads."""
    may = {
        (role, action)
        for role in ROLES
        for statement in statements(role)
        if {"Fn::GetAtt": ["CountersTable", "Arn"]} in statement["Resource"]
        for action in statement["Action"]
    }
    assert {role for role, action in may if action == "dynamodb:PutItem"} == {"FeedbackRole"}
    assert {role for role, action in may if action == "dynamodb:UpdateItem"} == {"FeedbackRole", "SendRole"}
    assert {role for role, action in may} == {"FeedbackRole", "SendRole", "SweepRole"}


def test_scheduler_may_only_ring_and_only_for_our_alarm_clocks() -> None:
    (trust,) = ROLES["SchedulerRole"]["AssumeRolePolicyDocument"]["Statement"]
    (may,) = statements("SchedulerRole")
    assert may["Action"] == ["sqs:SendMessage"]
    assert list(map(named, may["Resource"])) == ["WakeQueue"]
    assert named(trust["Condition"]["StringEquals"]["aws:SourceArn"]) == "AlarmSchedules"


# --- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_is_on_demand_encrypted_and_recoverable(table: str) -> None:
    properties = TABLES[table]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_no_table_is_lost_with_its_stack(table: str) -> None:
    resource = template()["Resources"][table]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"
    assert resource["Properties"]["DeletionProtectionEnabled"] == {"Fn::If": ["IsProd", True, False]}


def test_what_never_expires_has_no_time_to_live() -> None:
    mortal = {name for name, properties in TABLES.items() if "TimeToLiveSpecification" in properties}
    assert mortal == {
        "ResultsTable",
        "DeliveriesTable",
        "ProfilesTable",
        "MessagesTable",
        "LedgerTable",
        "CountersTable",
        "CouponsTable",
        "ShelvesTable",
        "InterestsTable",
        "LimitsTable",
    }


@pytest.mark.parametrize("bucket", sorted(BUCKETS))
def test_every_bucket_is_private_encrypted_and_kept(bucket: str) -> None:
    properties = BUCKETS[bucket]
    (policy,) = [p for p in resources("AWS::S3::BucketPolicy").values() if named(p["Bucket"]) == bucket]
    assert all(properties["PublicAccessBlockConfiguration"].values())
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["BucketEncryption"]
    assert template()["Resources"][bucket]["DeletionPolicy"] == "Retain"
    assert any(is_tls_only(statement) for statement in policy["PolicyDocument"]["Statement"])


@pytest.mark.parametrize("bucket", sorted(BUCKETS))
def test_what_a_bucket_lets_go_of_is_written_there(bucket: str) -> None:
    """A rule about a folder of the other bucket does nothing, and nobody notices."""
    written = {
        granted.removeprefix(f"${{{bucket}.Arn}}/").rstrip("*")
        for role in ROLES
        for statement in statements(role)
        if "s3:PutObject" in statement["Action"]
        for resource in statement["Resource"]
        if (granted := resource.get("Fn::Sub", "")).startswith(f"${{{bucket}.Arn}}/")
    }
    for rule in BUCKETS[bucket]["LifecycleConfiguration"]["Rules"]:
        if "Prefix" in rule:
            assert any(rule["Prefix"].startswith(folder) for folder in written), rule["Id"]
        if "NoncurrentVersionExpiration" in rule:
            assert BUCKETS[bucket]["VersioningConfiguration"]["Status"] == "Enabled", rule["Id"]


def test_the_content_bucket_remembers_every_version() -> None:
    assert BUCKETS["ContentBucket"]["VersioningConfiguration"] == {"Status": "Enabled"}


@pytest.mark.parametrize("secret", sorted(resources("AWS::SecretsManager::Secret")))
def test_no_secret_is_lost_with_its_stack_nor_in_the_way_of_a_second_try(secret: str) -> None:
    """They have names: kept after a first deploy that failed, they would make every later one fail as well."""
    resource = template()["Resources"][secret]
    assert "Name" in resource["Properties"]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


# --- the door --------------------------------------------------------------------------------------------------------


def test_access_logs_hold_no_path_query_or_address() -> None:
    logged = re.findall(
        r"\$context\.([\w.]+)", resources("AWS::Serverless::HttpApi")["HttpApi"]["AccessLogSettings"]["Format"]
    )
    assert not {"path", "identity.sourceIp", "identity.userAgent", "protocol"} & set(logged)
    assert "routeKey" in logged


def test_webhooks_are_not_throttled_with_the_public_routes() -> None:
    api = resources("AWS::Serverless::HttpApi")["HttpApi"]
    routes = {f"POST {event['Properties']['Path']}" for event in FUNCTIONS["webhook"]["Events"].values()}
    rates = {route: limits["ThrottlingRateLimit"] for route, limits in api["RouteSettings"].items()}
    plenty = 100 * api["DefaultRouteSettings"]["ThrottlingRateLimit"]
    assert {route for route, rate in rates.items() if rate >= plenty} == routes
    assert all(rate <= plenty / 5 for route, rate in rates.items() if route not in routes)


def test_a_crowd_that_reads_a_campaign_keeps_nobody_from_unsubscribing() -> None:
    """Clicks and openings have limits of their own, above the pages' and below the webhooks'."""
    api = resources("AWS::Serverless::HttpApi")["HttpApi"]
    follows, webhooks = (
        {
            f"{event['Properties']['Method']} {event['Properties']['Path']}"
            for event in FUNCTIONS[name]["Events"].values()
        }
        for name in ("track", "webhook")
    )
    pages = api["DefaultRouteSettings"]["ThrottlingRateLimit"]
    shops = min(api["RouteSettings"][route]["ThrottlingRateLimit"] for route in webhooks)
    assert all(10 * pages <= api["RouteSettings"][route]["ThrottlingRateLimit"] < shops for route in follows)
    # Scanners open these too, of every mail.
    for route in ("GET /u/{token}", "POST /u/{token}", "GET /p/{token}"):
        assert api["RouteSettings"][route]["ThrottlingRateLimit"] >= 10 * pages, route


def test_ses_puts_no_links_of_its_own_around_ours() -> None:
    (destination,) = resources("AWS::SES::ConfigurationSetEventDestination").values()
    assert not {"OPEN", "CLICK"} & set(destination["EventDestination"]["MatchingEventTypes"])


def test_ses_keeps_no_mail_back_from_who_complained() -> None:
    (ours,) = resources("AWS::SES::ConfigurationSet").values()
    assert ours["SuppressionOptions"] == {"SuppressedReasons": ["BOUNCE"]}, "decision 0006"


def test_a_reaction_waits_for_as_long_as_the_code_says() -> None:
    assert int(FUNCTIONS["track"]["Environment"]["Variables"]["HOLD_SECONDS"]) == tracks.HOLD


# --- CloudFront ------------------------------------------------------------------------------------------------------


def test_cloudfront_is_there_only_where_it_has_a_domain_and_a_certificate() -> None:
    parts = [one for one in template()["Resources"].values() if one["Type"].startswith("AWS::CloudFront::")]
    assert {one["Type"].rpartition(":")[2] for one in parts} == {
        "Distribution",
        "OriginAccessControl",
        "ResponseHeadersPolicy",
    }
    assert {one["Condition"] for one in parts} == {"HasCdn"}


def test_cloudfront_reads_the_published_pictures_and_nothing_else_of_the_bucket() -> None:
    (statement,) = [one for one in policy_statements(BUCKET_POLICY) if one["Effect"] == "Allow"]
    assert statement["Action"] == "s3:GetObject"
    assert statement["Resource"] == {"Fn::Sub": "${ContentBucket.Arn}/" + media.PUBLIC + "*"}
    assert statement["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"].endswith("distribution/${Cdn}")
    config = resources("AWS::CloudFront::Distribution")["Cdn"]["DistributionConfig"]
    (behavior,) = config["CacheBehaviors"]
    (bucket,) = [one for one in config["Origins"] if one["Id"] == behavior["TargetOriginId"]]
    # A path under which nothing but they can be asked for: /a/… below /public.
    assert f"{bucket['OriginPath']}{behavior['PathPattern']}" == f"/{media.PUBLIC}*"
    assert behavior["AllowedMethods"] == ["GET", "HEAD"]
    assert behavior["Compress"] is True


def test_cloudfront_answers_for_pictures_as_the_function_does() -> None:
    headers = media.answer("a" * 32, "logo.png", b"")["headers"]
    policy = resources("AWS::CloudFront::ResponseHeadersPolicy")["CdnHeaders"]["ResponseHeadersPolicyConfig"]
    told = {one["Header"]: one["Value"] for one in policy["CustomHeadersConfig"]["Items"]}
    told["Content-Security-Policy"] = policy["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    told["Access-Control-Allow-Origin"] = policy["CorsConfig"]["AccessControlAllowOrigins"]["Items"][0]
    assert "ContentTypeOptions" in policy["SecurityHeadersConfig"]
    assert told.items() <= headers.items()
    assert headers.keys() - told.keys() == {"X-Content-Type-Options", "Content-Type", "ETag"}


def test_cloudfront_shows_who_it_is_to_whoever_counts_callers() -> None:
    config = resources("AWS::CloudFront::Distribution")["Cdn"]["DistributionConfig"]
    (api,) = [one for one in config["Origins"] if one["Id"] == "api"]
    (shown,) = api["OriginCustomHeaders"]
    assert shown["HeaderName"] == MARK_HEADER
    for function in ("collect", "signup"):
        assert FUNCTIONS[function]["Environment"]["Variables"]["CDN_MARK"] == {
            "Fn::If": ["HasCdn", shown["HeaderValue"], ""]
        }


def test_what_is_no_picture_goes_through_cloudfront_as_it_is_and_is_never_kept() -> None:
    """Unsubscribes post, and clicks differ for everybody."""
    config = resources("AWS::CloudFront::Distribution")["Cdn"]["DistributionConfig"]
    behavior = config["DefaultCacheBehavior"]
    assert {"GET", "POST"} <= set(behavior["AllowedMethods"])
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "CachingDisabled"
    assert "Logging" not in config, "its log would hold paths, and links carry tokens"


# --- alarms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alarm", sorted(ALARMS))
def test_every_alarm_tells_somebody_and_names_its_runbook(alarm: str) -> None:
    properties = ALARMS[alarm]
    (anchor,) = re.findall(r"docs/operating\.md#([\w-]+)", properties["AlarmDescription"])
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operating.md").read_text("utf-8"), re.MULTILINE)
    assert "AlarmTopic" in map(named, properties["AlarmActions"])
    assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_what_must_not_go_unseen_is_watched() -> None:
    watched = {(one["Namespace"], one["MetricName"]) for alarm in ALARMS.values() for one in metrics_of(alarm)}
    ours = {("Rekindle", metric) for metric in ("UnknownMessages", "PendingStuck", "MarketingPaused")}
    assert {("AWS/Lambda", "IteratorAge"), *ours} <= watched


def is_tls_only(statement: dict[str, Any]) -> bool:
    """Whether this statement refuses everything that does not come over TLS."""
    return (statement["Effect"], statement.get("Condition")) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
