"""A checkout with five small projects that need no cloud, an engine and a backend."""

from __future__ import annotations

import json
import os
import socket
import sys

from engine.backend import FileBackend
from engine.cli import Cli
from orchestration.graph import Graph
from orchestration.operate import operate
from orchestration.plan import Operation
from orchestration.target import Target
from sandbox.layout import Layout
from sandbox.plugins.install import install
from shared.contracts import LAYERS
from shared.environment import Environment
from shared.root import ROOT as CHECKOUT
from shared.stack import Stack
from tests.doubles.locks import lock

GRAPH = Graph.of("payments")

DATA = Stack("data", "payments")


NETWORK_1, NETWORK_2 = Stack("network", "payments", "primary"), Stack("network", "payments", "secondary")


COMPUTE_2 = Stack("compute", "payments", "secondary")

PROJECT = """
name: {layer}
runtime: {{name: python, options: {{virtualenv: {virtualenv}}}}}
"""
PROGRAM = """
import pulumi

from projects.{layer}.part import value

pulumi.ComponentResource("test:index:Thing", f"thing-{{value}}")
pulumi.export("{field}", f"payments-{{value}}")
"""
PUBLISHING = """
import dataclasses

from projects.data.part import value
from shared.contracts import DataOutputs
from shared.roles import PerRole
from shared.components.exchange import publish

both = PerRole("a", "b")
fields = {field.name: both if "PerRole" in field.type else "x" for field in dataclasses.fields(DataOutputs)}
publish(DataOutputs(**fields | {"table_name": f"payments-{value}"}))
"""
READING = """
import pulumi

from shared.contracts import DataOutputs
from shared.components.exchange import consume

pulumi.export("release", consume(DataOutputs).table_name.apply(lambda name: f"uses {name}"))
"""


class FakeCheck:
    """A release check of one stack that says what it is told to say."""

    def __init__(self, checked=None, problem=None):
        self.checked, self.problem, self.calls = checked, problem, []

    def covers(self, stack):
        return stack == self.checked

    def before(self, stack, *, verified):
        self.calls.append(("before", verified))
        return "what served"

    def after(self, stack, before):
        self.calls.append(("after", before))
        if self.problem:
            raise self.problem
        return "serves"

    def bake(self, stack, baking, stop):
        self.calls.append(("bake", baking.minutes))
        return "baked"


class House:
    """A checkout with five small projects, an engine and a file backend."""

    def __init__(self, root, executable):
        self.root = root
        layout = Layout(root)
        for folder in (layout.bin, layout.pulumi_home, layout.backend, layout.run, root / "state"):
            folder.mkdir(parents=True)
        install(layout, executable)
        (root / "requirements.lock").write_text("pulumi==1\n")
        (root / "shared").symlink_to(CHECKOUT / "shared")
        for layer in LAYERS:
            self.write(f"projects/{layer}/Pulumi.yaml", PROJECT.format(layer=layer, virtualenv=sys.prefix))
            self.write(f"projects/{layer}/part.py", "value = 1\n")
            self.write(f"projects/{layer}/__main__.py", PROGRAM.format(layer=layer, field="some"))
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "AWS_"))},
            "PATH": f"{layout.bin}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_HOME": str(layout.pulumi_home),
            "PULUMI_BACKEND_URL": layout.backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "right",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_OPTION_CONFIG_FILE": str(root / "state" / "stack.yaml"),
            "PULUMI_DEBUG_COMMANDS": "true",
            "PYTHONPATH": str(root),
        }
        (root / "house.json").write_text(json.dumps(self.variables))
        self._open()

    @classmethod
    def reopened(cls, root):
        """The house that another process has made."""
        house = cls.__new__(cls)
        house.root = root
        house.variables = json.loads((root / "house.json").read_text())
        house._open()
        return house

    def _open(self):
        layout = Layout(self.root)
        self.target = Target(
            name="test",
            cli=Cli(layout.bin / "pulumi", self.variables),
            backend=FileBackend(layout.backend),
            state=self.root / "state",
            configuration=self.root / "state" / "stack.yaml",
            generation="1.0",
        )
        self.environment = Environment.load("payments", CHECKOUT)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, operation=Operation.DEPLOY, stacks=(NETWORK_2, NETWORK_1, DATA), **options):
        settings = {"target": self.target, "check": FakeCheck(), **options}
        result = operate(
            operation, environment=self.environment, graph=GRAPH, stacks=stacks, root=self.root, **settings
        )
        return {outcome.stack: outcome for outcome in result.outcomes}, result

    def lock(self, stack):
        """Lock a stack as another engine on this machine would, for as long as the returned file is there."""
        return lock(Layout(self.root).backend, stack, os.getpid(), socket.gethostname())

    def refreshed(self, stack):
        """Whether the stack's newest update began with a refresh."""
        history = sorted((self.root / f".sandbox/backend/.pulumi/history/{stack}").glob("*.history.json"))
        return "pulumi.flag.refresh" in json.loads(history[-1].read_text())["environment"]

    def judge(self, *stacks):
        result = self.run(Operation.PREVIEW, stacks)[1]
        return {step.stack: step.judgement for step in result.plan.steps}

    def deploy(self, *stacks, **options):
        return self.run(Operation.DEPLOY, stacks, **options)[0]
