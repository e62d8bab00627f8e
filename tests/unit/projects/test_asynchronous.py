"""All that runs asynchronously has dead letters: what does so is found among the resources that programs declare."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, Made, run_environment

WAITS = {"apigateway.amazonaws.com", "elasticloadbalancing.amazonaws.com"}
"""Who calls a function and waits for its answer; whoever else may call one does not (Lambda Developer Guide,
"Invoking Lambda with events from other AWS services")."""

OTHER_WAYS = {
    "BucketNotification", "EventBusPolicy", "LogSubscriptionFilter", "Pipe", "Rule", "Schedule", "StateMachine",
}  # fmt: skip
"""Types by which a function could run asynchronously that no program has: whoever brings one says here what its dead
letters are."""

KEPT_BY_AWS = {"Canary": "Synthetics calls its own function, and its canary's alarm tells of runs that are missing"}
"""What runs without a caller of ours, with the reason that it has no dead letters."""


def kind(resource: Made) -> str:
    return resource.type.rpartition(":")[2]


def place(resource: Made) -> str:
    """The region's provider: `aws-primary` or `aws-secondary`."""
    return resource.provider.split("::")[-2]


@functools.cache
def declared(environment: str) -> tuple[Made, ...]:
    return tuple(each for run in run_environment(environment).values() for each in run.recorder.cloud)


class Found:
    """The resources of one environment, and what is missing for them."""

    def __init__(self, resources: tuple[Made, ...]) -> None:
        self.resources = resources

    def of(self, *kinds: str) -> list[Made]:
        return [each for each in self.resources if kind(each) in kinds]

    def queue(self, arn: str, user: Made) -> Iterator[str]:
        """What is wrong with a queue as the dead letters of `user`."""
        found = [each for each in self.of("Queue") if each["name"] == arn.rpartition(":")[2]]
        if len(found) != 1:
            yield f"{user.name}: {arn} is no queue"
            return
        (queue,) = found
        if place(queue) != place(user):
            yield f"{user.name}: {queue['name']} is in the other region"
        if queue.get("sqsManagedSseEnabled") is not True:
            yield f"{queue['name']} is not encrypted"
        alarms = [
            each
            for each in self.of("MetricAlarm")
            if each.get("metricName") == "ApproximateNumberOfMessagesVisible"
            and each["dimensions"] == {"QueueName": queue["name"]}
            and place(each) == place(queue)
            and (each["threshold"], each["comparisonOperator"]) == (0, "GreaterThanThreshold")
            and each["alarmActions"]
        ]
        if len(alarms) != 1:
            yield f"{queue['name']} has {len(alarms)} alarms in its region"

    def may_send(self, queue_arn: str, service: str, source: str) -> bool:
        queue = queue_arn.rpartition(":")[2]
        policies = [each for each in self.of("QueuePolicy") if each["queueUrl"] == f"https://sqs/{queue}"]
        assert len(policies) <= 1, f"{queue} has several policies, and a queue keeps the last one alone"
        for statement in [each for policy in policies for each in json.loads(policy["policy"])["Statement"]]:
            sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
            named = {each.rpartition(":")[2].rpartition("/")[2] for each in as_list(sources)}
            if statement["Principal"] == {"Service": service} and source in named:
                return True
        return False

    def missing(self) -> Iterator[str]:
        """Every way in which something that runs asynchronously could be lost."""
        for each in self.of("Permission"):
            if each["principal"] not in WAITS:
                yield from self._function(each)
        for each in self.of("EventTarget"):
            yield from self._target(each)
        for each in self.of("TopicSubscription"):
            yield from self._subscription(each)
        for each in self.of("EventSourceMapping"):
            yield from self._mapping(each)
        for each in self.of("MetricAlarm", "CompositeAlarm"):
            actions = [*(each.get("alarmActions") or ()), *(each.get("okActions") or ())]
            yield from (f"{each.name} calls {action} itself" for action in actions if ":topic:" not in action)
        for each in self.of(*OTHER_WAYS):
            yield f"{each.name}: say what the dead letters of {each.type} are"

    def _function(self, permission: Made) -> Iterator[str]:
        configs = [
            each
            for each in self.of("FunctionEventInvokeConfig")
            if (each["functionName"], each["qualifier"]) == (permission["function"], permission["qualifier"])
        ]
        if not configs:
            yield f"{permission['function']} is called by {permission['principal']} and has no dead letters"
            return
        destination = configs[0]["destinationConfig"]["onFailure"]["destination"]
        yield from self.queue(destination, configs[0])
        (function,) = [each for each in self.of("Function") if each["name"] == permission["function"]]
        statements = [
            statement
            for each in self.of("RolePolicy")
            if each["name"] == function["name"]
            for statement in json.loads(each["policy"])["Statement"]
        ]
        if not any("sqs:SendMessage" in each["Action"] and destination in each["Resource"] for each in statements):
            yield f"{function['name']} may not send to {destination}"

    def _target(self, target: Made) -> Iterator[str]:
        dead = (target.get("deadLetterConfig") or {}).get("arn")
        if not dead:
            yield f"{target.name} has no dead letters"
            return
        yield from self.queue(dead, target)
        if not self.may_send(dead, "events.amazonaws.com", target["rule"]):
            yield f"{target['rule']} may not send to {dead}"

    def _subscription(self, subscription: Made) -> Iterator[str]:
        if subscription["protocol"] == "email":
            return  # the same messages go to both regions' queues
        policy = subscription.get("redrivePolicy")
        if not policy:
            yield f"{subscription.name} has no dead letters"
            return
        dead = json.loads(policy)["deadLetterTargetArn"]
        yield from self.queue(dead, subscription)
        if not self.may_send(dead, "sns.amazonaws.com", subscription["topic"].rpartition(":")[2]):
            yield f"{subscription['topic']} may not send to {dead}"

    def _mapping(self, mapping: Made) -> Iterator[str]:
        arn = mapping["eventSourceArn"]
        sources = [each for each in self.of("Queue") if each["name"] == arn.rpartition(":")[2]]
        if len(sources) != 1:  # a stream would want bisectBatchOnFunctionError and a destination
            yield f"{mapping.name} reads {arn}, which is no queue: say where what it cannot read goes"
        elif not sources[0].get("redrivePolicy"):
            yield f"{arn} has no dead letters"
        else:
            yield from self.queue(json.loads(sources[0]["redrivePolicy"])["deadLetterTargetArn"], sources[0])


def as_list(value):
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
def test_all_that_runs_asynchronously_has_dead_letters(environment):
    found = Found(declared(environment))
    assert list(found.missing()) == []
    # Canary and audit in both regions, and failover control with its two rules.
    assert len([each for each in found.of("Permission") if each["principal"] not in WAITS]) == 6
    assert {kind(each) for each in found.resources} & set(KEPT_BY_AWS) == set(KEPT_BY_AWS)


def without(change):
    """The resources of payments with one change: a function from a resource to another, or to None."""
    changed = [(each, change(each)) for each in declared(PAYMENTS)]
    assert any(before is not after for before, after in changed), "nothing was changed"
    return [*Found(tuple(after for _, after in changed if after is not None)).missing()]


def given(resource, **inputs):
    return replace(resource, inputs={**resource.inputs, **inputs})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda each: None if kind(each) == "FunctionEventInvokeConfig" and each.name == "canary" else each, "has no"),
        (lambda each: given(each, deadLetterConfig=None) if each.name == "stop-switch-ranges" else each, "has no"),
        (
            lambda each: given(each, redrivePolicy=None) if each.name == "notifications-primary-to-secondary" else each,
            "has no",
        ),
        (lambda each: given(each, redrivePolicy=None) if each.name == "notifications-primary" else each, "has no"),
        (lambda each: None if each.name == "alarms-canary-dead-letters" else each, "has 0 alarms"),
        (lambda each: given(each, sqsManagedSseEnabled=False) if kind(each) == "Queue" else each, "not encrypted"),
        (lambda each: None if kind(each) == "QueuePolicy" and each.name == "sweep" else each, "may not send"),
        (
            lambda each: (
                given(each, policy='{"Statement": []}') if kind(each) == "RolePolicy" and each.name == "audit" else each
            ),
            "may not send",
        ),
        (
            lambda each: (
                given(each, principal="s3.amazonaws.com")
                if kind(each) == "Permission" and each.name == "payment-create-payment"
                else each
            ),
            "called by s3",
        ),
        (lambda each: given(each, eventSourceArn="stream") if kind(each) == "EventSourceMapping" else each, "no queue"),
        (
            lambda each: given(each, alarmActions=["arn:aws:function:::f"]) if kind(each) == "MetricAlarm" else each,
            "itself",
        ),
        (lambda each: replace(each, type="aws:s3:BucketNotification") if kind(each) == "Topic" else each, "say what"),
    ],
)
def test_what_is_forgotten_is_found(change, said):
    missing = without(change)
    assert missing
    assert all(said in each for each in missing), missing
