"""What tells people and the record: alarms, topics, canaries, queues, logs."""

from __future__ import annotations

from typing import Final

from orchestration import subscriptions
from orchestration.quotas import canaries as listed_canaries
from orchestration.readiness.alike.seen import Found, affixes, only, ours, purpose_of
from orchestration.readiness.facts import Examined
from orchestration.readiness.telling import alarms as listed_alarms
from shared import naming
from shared.roles import Role

SUBSCRIPTION: Final = ("RawMessageDelivery", "RedrivePolicy", "FilterPolicy", "FilterPolicyScope", "DeliveryPolicy")
LOG_KINDS: Final = (
    naming.Kind("any", naming.LOG_GROUP, naming.FUNCTION_LOG_PREFIX),
    naming.ACCESS_LOG_GROUP,
    naming.FLOW_LOG_GROUP,
    naming.FIREWALL_LOG_GROUP,
)


def alarms(examined: Examined, role: Role) -> Found:
    untold = ("AlarmArn", "AlarmName", "AlarmConfigurationUpdatedTimestamp", "EvaluationState")
    for kind, each in listed_alarms(examined, role):
        purpose = purpose_of(examined, role, naming.COMPOSITE_ALARM, each["AlarmName"])
        if purpose is not None:
            yield (
                kind,
                purpose,
                {key: value for key, value in each.items() if key not in untold and not key.startswith("State")},
            )


def topics(examined: Examined, role: Role) -> Found:
    """What alarms publish to, and the record's subscriptions: those of people are a fact of their own."""
    arn = subscriptions.topic(examined.settings, examined.account, role)
    told = examined.called("sns", role, "get_topic_attributes", TopicArn=arn)["Attributes"]
    kept = ("DisplayName", "KmsMasterKeyId", "Policy", "DeliveryPolicy", "SignatureVersion", "TracingConfig")
    yield "Topic", naming.NOTIFICATION_TOPIC.purpose, only(told, *kept)
    for each in subscriptions.of_topic(examined.own, examined.settings, examined.account, role):
        if each["Protocol"] not in subscriptions.PEOPLE and subscriptions.confirmed(each):
            place = {"SubscriptionArn": each["SubscriptionArn"]}
            told = examined.called("sns", role, "get_subscription_attributes", **place)["Attributes"]
            yield "TopicSubscription", f"{each['Protocol']} {each['Endpoint']}", only(told, *SUBSCRIPTION)


def canaries(examined: Examined, role: Role) -> Found:
    listed = listed_canaries(examined.client("synthetics", role))
    for purpose, each in ours(examined, role, naming.synthetics(role), listed, "Name"):
        kept = ("RuntimeVersion", "Schedule", "RunConfig", "SuccessRetentionPeriodInDays")
        yield "Canary", purpose.removeprefix("pays-in-"), {**only(each, *kept), "State": each["Status"]["State"]}


def queues(examined: Examined, role: Role) -> Found:
    urls = examined.listed("sqs", role, "list_queues", "QueueUrls")
    listed = [{"Name": url.rpartition("/")[2], "Url": url} for url in urls]
    for purpose, each in ours(examined, role, naming.NOTIFICATION_QUEUE, listed, "Name"):
        told = examined.called("sqs", role, "get_queue_attributes", QueueUrl=each["Url"], AttributeNames=["All"])
        kept = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "RedrivePolicy", "SqsManagedSseEnabled")
        yield "Queue", purpose, only(told["Attributes"], *kept)


def logs(examined: Examined, role: Role) -> Found:
    for prefix in dict.fromkeys(each.prefix for each in LOG_KINDS):
        kind = naming.Kind("any", naming.LOG_GROUP, prefix)
        begin, _ = affixes(examined, role, kind)  # an account may have thousands
        listed = examined.listed("logs", role, "describe_log_groups", "logGroups", logGroupNamePrefix=begin)
        for purpose, each in ours(examined, role, kind, listed, "logGroupName"):
            where = prefix if prefix != naming.FUNCTION_LOG_PREFIX else ""
            yield "LogGroup", f"{where}{purpose}", only(each, "retentionInDays", "logGroupClass")
