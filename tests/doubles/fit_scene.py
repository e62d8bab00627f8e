"""An environment that is fit to take over, as readiness finds it: cloud, health, stacks, runs and the last drill."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from engine.backend import Checkpoint, Lock, Update
from orchestration import operator
from orchestration.api import ApiResponse
from orchestration.choice import Choice
from orchestration.fingerprint import TAG, Fingerprint
from orchestration.graph import Graph
from orchestration.reach import Reach
from orchestration.readiness import command, moving, records
from orchestration.readiness.records import LastDrill
from shared.environment import Environment
from tests.doubles.fit_cloud import CHECKERS, NOW, FitCloud

if TYPE_CHECKING:
    import pytest

    from shared.stack import Stack

DEADLINE = 60.0
DAY = 86_400
OURS = '{"update": "u"}'


class FitScene:
    """An environment that is fit, and what may be otherwise."""

    def __init__(
        self, name: str, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.name, self.state, self.capsys = name, state, capsys
        self.environment = Environment.load(name)
        self.cloud = FitCloud(self.environment)
        self.stacks = Graph.of(name, aside=self.environment.aside).stacks
        self.updates = {stack: Update("update", OURS, succeeded=True, began=NOW) for stack in self.stacks}
        self.states = dict.fromkeys(self.stacks, Checkpoint())
        self.tags = {stack: {TAG: Fingerprint("u", {}).to_tag()} for stack in self.stacks}
        self.locks: dict[Stack, list[Lock]] = defaultdict(list)
        self.drilled: LastDrill | None = LastDrill("hang", passed=True, verdict="passed", at=time.time() - 5 * DAY)
        self.health: dict[str, list[int | Exception]] = {"primary": [200], "secondary": [200]}
        self.published: Sequence[str] = CHECKERS
        self.ran("drift", dict.fromkeys(self.stacks, "unchanged"), hours_ago=2)
        place = Reach({}, "there", lambda: self.published, operator={"who": "operator"}, now=NOW.timestamp, state=state)
        monkeypatch.setattr(command, "reach", lambda *_: place)
        monkeypatch.setattr(command, "Aws", lambda _: self.cloud.aws("caller"))
        monkeypatch.setattr(operator, "Aws", lambda _: self.cloud.aws("operator"))
        monkeypatch.setattr(moving, "entry", self._entry)
        self.backend = SimpleNamespace(
            newest_update=self.updates.get,
            checkpoint=self.states.get,
            tags=self.tags.get,
            locks=self.locks.__getitem__,
        )
        monkeypatch.setattr(records, "books", lambda _: SimpleNamespace(backend=self.backend))

    def _entry(self, _: object, region: str, __: object) -> Any:
        def ask(*_: object) -> ApiResponse:
            answers = self.health[self.cloud.role(region)]
            told = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(told, Exception):
                raise told
            return ApiResponse(told, {}, {})

        return SimpleNamespace(ask=ask)

    def ran(self, operation: str, statuses: Mapping[Stack, str], *, hours_ago: float, target: str = "sandbox") -> None:
        """Leave the record of a run."""
        at = time.gmtime(time.time() - hours_ago * 3600)
        run = f"{time.strftime('%Y%m%dT%H%M%S', at)}.000000Z-{operation}"
        folder = self.state / "runs" / run
        folder.mkdir(parents=True)
        stacks = [{"stack": str(stack), "status": status} for stack, status in statuses.items()]
        told = {"run": run, "operation": operation, "environment": self.name, "target": target, "stacks": stacks}
        (folder / "run.json").write_text(json.dumps({**told, "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", at)}))

    def forget_runs(self) -> None:
        for path in (self.state / "runs").glob("*/run.json"):
            path.unlink()

    def ask(
        self, days: int = 30, deadline: float = DEADLINE, *, compare: bool = False
    ) -> tuple[dict[str, Any], int, dict[str, Any]]:
        """The facts by their names, the exit code, and all that was printed."""
        choice = Choice(self.name, json=True)
        code = command.readiness(choice, days, lambda _: self.drilled, compare=compare, deadline=deadline)
        told = json.loads(self.capsys.readouterr().out)
        assert told["fit"] is (code == 0)
        assert [each["fact"] for each in told["facts"] if each["verdict"] != "ok" and not each["todo"]] == []
        return {each["fact"]: each for each in told["facts"]}, code, told
