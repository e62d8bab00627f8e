"""The policy pack, lent: an analyzer of its own for each engine, in a process that has the rules imported.

It answers as `policies/__main__.py` does, which is how any other engine runs the pack; that takes an interpreter with
two SDKs for each stack. Source of the protocol: proto/pulumi/analyzer.proto of pulumi/pulumi.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

from engine.plugins.listening import listen
from policies import rules
from policies.asked import PROVIDER, AskedResource
from policies.facts import Facts
from sandbox.provider.wire import SIGNATURE, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import grpc

JUDGED = ("aws:", "random:", PROVIDER)
"""How the types begin that a rule may look at: components are but their parts."""
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - marks one
"""What marks a secret on the wire."""
LOOKED_AT_TOGETHER = frozenset().union(*(rule.types for rule in rules.STACK_RULES))


def serve(environment: Mapping[str, str]) -> tuple[grpc.Server, int]:
    """Start an analyzer on a free loopback port, of the stack that an engine's variables name.

    Raises Problem when its environment's file cannot be read.
    """
    analyzer = Analyzer(Facts.of_stack(environment["PULUMI_PROJECT"], environment["PULUMI_STACK"]))
    return listen(4, lambda server: analyzer_pb2_grpc.add_AnalyzerServicer_to_server(analyzer, server))


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """Judges the resources of one environment."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._providers: dict[str, Mapping[str, Any]] = {}

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def ConfigureStack(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return plugin_pb2.PluginInfo()

    def GetAnalyzerInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return analyzer_pb2.AnalyzerInfo(
            name=rules.PACK,
            policies=[
                *(_described(rule, analyzer_pb2.POLICY_TYPE_RESOURCE) for rule in rules.RULES),
                *(_described(rule, analyzer_pb2.POLICY_TYPE_STACK) for rule in rules.STACK_RULES),
            ],
        )

    def Remediate(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Nothing: what is wrong is mended in the program."""
        return analyzer_pb2.RemediateResponse()

    def Analyze(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Judge one resource, before it is made or changed."""
        if not request.type.startswith(JUDGED):
            return analyzer_pb2.AnalyzeResponse()
        return _told(rules.violations(self._asked(request), self._facts))

    def AnalyzeStack(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Judge a stack's resources together, when all are known."""
        asked = [self._asked(each) for each in request.resources if each.type in LOOKED_AT_TOGETHER]
        return _told(rules.of_stack(asked))

    def _asked(self, said: Any) -> AskedResource:
        needs = getattr(said, "propertyDependencies", {})
        return AskedResource(
            said.type,
            said.name,
            _opened(decode(said.properties)),
            self._provider(said.provider) if said.HasField("provider") else {},
            said.options.protect,
            said.urn,
            {name: list(made_of.urns) for name, made_of in needs.items()},
        )

    def _provider(self, said: Any) -> Mapping[str, Any]:
        """A provider's inputs, which come with each of its resources and stay the same."""
        known = self._providers.get(said.urn)
        if known is None:
            known = self._providers[said.urn] = _opened(decode(said.properties))
        return known


def _described(rule: rules.PolicyRule | rules.StackRule, kind: Any) -> Any:
    return analyzer_pb2.PolicyInfo(
        name=rule.name, description=rule.demands, enforcementLevel=analyzer_pb2.MANDATORY, policy_type=kind
    )


def _told(violations: Iterable[rules.Violation]) -> Any:
    return analyzer_pb2.AnalyzeResponse(
        diagnostics=[
            analyzer_pb2.AnalyzeDiagnostic(
                policyName=each.rule.name,
                policyPackName=rules.PACK,
                description=each.rule.demands,
                message=f"{each.rule.demands}\n{each.said}",
                enforcementLevel=analyzer_pb2.MANDATORY,
                urn=each.asked.urn,
            )
            for each in violations
        ]
    )


def _opened(value: Any) -> Any:
    """A value with the secrets in it as rules look at them."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return _opened(value.get("value"))
        return {key: _opened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_opened(each) for each in value]
    return value
