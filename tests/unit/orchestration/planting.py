"""What can be planted in an environment that is fit, so that a fact of its readiness turns."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from engine.backend import Checkpoint, Update
from orchestration.baking import Baking
from orchestration.readiness.records import LastDrill
from orchestration.releases import ALIAS, Release, Releases, Serving
from shared import fence
from shared.roles import Role
from shared.stack import Stack
from tests.doubles.fit_cloud import NOW
from tests.doubles.fit_scene import DAY, FitScene

COMPUTE = Stack("compute", "payments", "secondary")
UNBAKED = Baking(5, 0.0, Serving({}, {})).to_tag()

Plant = Callable[[FitScene], object]
Change = Callable[[dict[str, Any]], object]
Planted = tuple[Plant, str | tuple[str, ...], str, str]
"""What is planted; the facts that it turns; to what; and what is said of the first of them."""


# What AWS answers


def answers(operation: str, change: Change, role: Role | None = None) -> Plant:
    return lambda scene: scene.cloud.plant(role, operation, change)


def raises(operation: str, error: Exception, role: Role | None = None) -> Plant:
    def change(_: object) -> None:
        raise error

    return answers(operation, change, role)


def metric(name: str, value: float | None) -> Plant:
    def change(scene: FitScene) -> None:
        before = scene.cloud.metric
        scene.cloud.metric = lambda region, asked: value if asked == name else before(region, asked)

    return change


def said_of_switch(text: str) -> Plant:
    return answers("get_object", lambda told: told.update(Body=io.BytesIO(text.encode())))


def fenced(told: dict[str, Any]) -> None:
    told.update(Item={fence.FROM: {"N": str(int(NOW.timestamp() * 1000) - 60_000)}})


def replica_of_table(told: dict[str, Any]) -> None:
    told["Table"]["Replicas"][0]["ReplicaStatus"] = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"


def version_of_one_parameter(told: dict[str, Any]) -> None:
    told["Parameters"][0]["Version"] = 2


def open_to_all(told: dict[str, Any]) -> None:
    anywhere = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    told["SecurityGroups"][1]["IpPermissions"].append(anywhere)


def short_logs(told: dict[str, Any]) -> None:
    for each in told["logGroups"]:
        each.update(retentionInDays=1)


def first_alarm(told: dict[str, Any]) -> dict[str, Any]:
    """The first alarm of an answer, of whichever kind it is; of another kind, nothing that counts."""
    found: dict[str, Any] = next(iter(told.get("MetricAlarms", [{}])))
    return found


def subscription(number: int, **change: str) -> Plant:
    return answers(
        "list_subscriptions_by_topic", lambda told: told["Subscriptions"][number].update(change), "secondary"
    )


def nobody_subscribed(told: dict[str, Any]) -> None:
    for each in told["Subscriptions"][:-1]:
        each["SubscriptionArn"] = "PendingConfirmation"


def certificate(**change: object) -> Plant:
    return answers("describe_certificate", lambda told: told["Certificate"].update(change), "secondary")


def runtime(name: str) -> Plant:
    return answers("list_functions", lambda told: told["Functions"][0].update(Runtime=name))


def keys(*ages: int, status: str = "Active") -> Plant:
    found = [{"Status": status, "CreateDate": NOW - timedelta(days=age)} for age in ages]
    return answers("list_access_keys", lambda told: told.update(AccessKeyMetadata=found))


# What is known of stacks, runs and drills


def sets(name: str, value: object) -> Plant:
    return lambda scene: setattr(scene, name, value)


def drill(days_ago: int, *, passed: bool = True) -> Plant:
    at = time.time() - days_ago * DAY
    return sets("drilled", LastDrill("hang", passed=passed, verdict="passed" if passed else "missed (late)", at=at))


def in_every_stack(status: str) -> Plant:
    def change(scene: FitScene) -> None:
        scene.forget_runs()
        scene.ran("drift", dict.fromkeys(scene.stacks, status), hours_ago=1)

    return change


def one_stack(scene: FitScene) -> None:
    scene.forget_runs()
    scene.ran("drift", {scene.stacks[0]: "unchanged"}, hours_ago=1)


def deployed_since(status: str) -> Plant:
    return lambda scene: scene.ran("deploy", {scene.stacks[0]: status}, hours_ago=1)


def killed_since(scene: FitScene) -> None:
    """A run that was killed leaves a record without an end."""
    scene.ran("deploy", {}, hours_ago=1)
    (path,) = (scene.state / "runs").glob("*-deploy/run.json")
    told = json.loads(path.read_text())
    path.write_text(json.dumps({name: told[name] for name in told if name not in {"ended", "stacks"}}))


def keeps(what: str, value: object) -> Plant:
    """What one stack has otherwise, though the newest entry of its history succeeded."""
    return lambda scene: getattr(scene, what).update({COMPUTE: value})


def half_released(scene: FitScene) -> None:
    """An engine was killed that had moved an alias: it leaves no entry, and nothing pending."""
    alias = {"functionName": "pay", "name": "live", "functionVersion": "2"}
    scene.states[COMPUTE] = Checkpoint([{"type": ALIAS, "outputs": alias}])
    complete = Releases(Release("a", Serving({("pay", "live"): "1"}, {}), 0))
    complete.write(SimpleNamespace(tag=lambda _, name, told: scene.tags[COMPUTE].update({name: told})), COMPUTE)


def failed_update(scene: FitScene) -> None:
    scene.updates[scene.stacks[2]] = Update("update", "", succeeded=False, began=NOW)


def forgotten(scene: FitScene) -> None:
    del scene.updates[scene.stacks[2]]
