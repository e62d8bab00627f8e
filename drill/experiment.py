"""An experiment of AWS's Fault Injection Service: the primary's functions lose DynamoDB, until it is stopped.

https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html (aws:network:disrupt-connectivity): network
ACLs of the named subnets deny what goes to the region's DynamoDB. The template exists for the time of one drill.

The role of the experiment is the account's and no stack's: what may break a production network is made for a drill, and
removed after it (docs/runbooks/drill-on-aws.md).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchestration.aws import asked
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestration.aws import Aws

FAULT: Final = "data"
"""What a drill calls it."""
OVER: Final = frozenset({"completed", "stopped", "failed", "cancelled"})
UNDER_WAY: Final = frozenset({"pending", "initiating", "running", "stopping"})
"""States of an experiment (FIS API Reference, ExperimentState)."""
ENDS_WITHIN: Final = 180.0
BEGINS_WITHIN: Final = 120.0
"""Seconds."""
ASK_EVERY: Final = 3.0
LONGEST: Final = 30
"""Minutes after which AWS ends it by itself, whatever has become of the drill."""
ACTION: Final = "lose-dynamodb"
TARGET: Final = "primary-subnets"


@dataclass
class ConnectivityExperiment:
    """One experiment in the primary's region. `alarms` end it: those of the region that has to take over."""

    aws: Aws
    region: str
    role: str
    """ARN that the service takes on."""
    subnets: Sequence[str]
    """ARNs."""
    alarms: Sequence[str]
    """ARNs of alarms in this region: the service watches no others."""
    name: str
    sleep: Callable[[float], None] = time.sleep
    _template: str = field(default="", init=False)
    _experiment: str = field(default="", init=False)
    _stopped: bool = field(default=False, init=False)

    def template(self, token: str) -> dict[str, Any]:
        """What is asked for: CreateExperimentTemplate."""
        return {
            "clientToken": token,
            "description": f"{self.name}: the primary's functions lose DynamoDB",
            "roleArn": self.role,
            "stopConditions": [{"source": "aws:cloudwatch:alarm", "value": alarm} for alarm in self.alarms],
            "targets": {
                TARGET: {
                    "resourceType": "aws:ec2:subnet",
                    "resourceArns": list(self.subnets),
                    "selectionMode": "ALL",
                }
            },
            "actions": {
                ACTION: {
                    "actionId": "aws:network:disrupt-connectivity",
                    "parameters": {"duration": f"PT{LONGEST}M", "scope": "dynamodb"},
                    "targets": {"Subnets": TARGET},
                }
            },
            "experimentOptions": {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"},
            "tags": {"Name": self.name},
        }

    def begin(self, token: str) -> float | None:
        """Start it, and wait until it is in force; when its action began (seconds since 1970). Raises Problem.

        None where AWS does not say.
        """
        made = self._ask("make an experiment's template", "create_experiment_template", **self.template(token))
        self._template = made["experimentTemplate"]["id"]
        try:
            started = self._ask(
                "start an experiment",
                "start_experiment",
                clientToken=token,
                experimentTemplateId=self._template,
                tags={"Name": self.name},
            )
            self._experiment = started["experiment"]["id"]
            self._until(frozenset({"running"}), BEGINS_WITHIN)
            return self._acts_since()
        except Problem:
            self.end()
            raise

    def end(self) -> None:
        """Stop it if it runs, wait until the network is as it was, and remove the template. Raises Problem."""
        if self._template and not self._experiment:  # one whose start was not answered may run all the same
            self._experiment = next(iter(self.running(self._template)), "")
        if self._experiment and self.state()[0] not in OVER:
            self._stopped = True
            self._ask("stop the experiment", "stop_experiment", id=self._experiment)
            self._until(OVER, ENDS_WITHIN)
        if self._template:
            self._ask("remove the experiment's template", "delete_experiment_template", id=self._template)
            self._template = ""

    def state(self) -> tuple[str, str]:
        """Its state, and what AWS says of that. Raises Problem."""
        told = self._read()["state"]
        return str(told["status"]), str(told.get("reason", ""))

    def _acts_since(self) -> float | None:
        began = self._read().get("actions", {}).get(ACTION, {}).get("startTime")
        return began.timestamp() if began else None

    def _read(self) -> dict[str, Any]:
        return dict(self._ask("read the experiment", "get_experiment", id=self._experiment)["experiment"])

    def ended_by_itself(self) -> str:
        """Why the experiment ended although nobody has stopped it; empty when it did not."""
        if not self._experiment or self._stopped:
            return ""
        status, reason = self.state()
        return f"AWS ended the experiment by itself: {status}: {reason}" if status in OVER else ""

    def running(self, template: str = "") -> list[str]:
        """Experiments that are under way in the region, whoever began them; of a template, if named. Raises Problem."""
        found: list[str] = []
        more: dict[str, str] = {"experimentTemplateId": template} if template else {}
        while True:
            page = self._ask("list the experiments", "list_experiments", **more)
            found += [str(each["id"]) for each in page["experiments"] if each["state"]["status"] in UNDER_WAY]
            if not page.get("nextToken"):
                return found
            more["nextToken"] = page["nextToken"]

    def _until(self, states: frozenset[str], seconds: float) -> None:
        left = seconds
        while True:
            status, reason = self.state()
            if status in states:
                return
            if status in OVER or left <= 0:
                raise Problem(f"the experiment {self._experiment} in {self.region} is {status}: {reason}")
            self.sleep(ASK_EVERY)
            left -= ASK_EVERY

    def _ask(self, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        client = self.aws.client("fis", self.region)
        return asked(lambda: dict(getattr(client, operation)(**arguments)), doing, self.region)
