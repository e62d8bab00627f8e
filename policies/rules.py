"""The rules: each with its name, what it demands, and what finds the resources that do not keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from policies import access, accounts, buckets, encryption, lifetime, limits, names, rights, runbooks, tags
from policies.asked import AskedResource
from policies.facts import Facts

PACK = "region-failover"
"""The name of the pack."""


@dataclass(frozen=True)
class PolicyRule:
    """What must hold of each resource by itself."""

    name: str
    demands: str
    check: Callable[[AskedResource, Facts], Iterator[str]]
    """Yields, in half a line each, what is wrong with a resource and what to do."""


@dataclass(frozen=True)
class StackRule:
    """What must hold of a stack's resources together, looked at when all of them are known."""

    name: str
    demands: str
    check: Callable[[Sequence[AskedResource]], Iterator[tuple[AskedResource, str]]]
    """Yields the resources that are wrong, with half a line. An engine asks it with what resources became: outputs,
    such as `arn`, beside inputs (AnalyzeResources in pulumi/pkg/resource/deploy/step_generator.go)."""
    types: frozenset[str]
    """What it looks at."""


@dataclass(frozen=True)
class Violation:
    """What one resource does against one rule."""

    rule: PolicyRule | StackRule
    asked: AskedResource
    said: str

    def __str__(self) -> str:
        return f"{self.asked.kind} {self.asked.name}: {self.rule.name}: {self.said}"


RULES = (
    PolicyRule("suffix", "every physical name carries the environment's suffix", names.without_suffix),
    PolicyRule("tags", "everything carries the environment's tags, in a region of it", tags.untagged),
    PolicyRule("encryption", "what is kept or sent is encrypted", encryption.unencrypted),
    PolicyRule("no-public-access", "nothing is open to everybody but the load balancer's entrance", access.public),
    PolicyRule("no-wildcard", "no right is wider than it must be", rights.too_wide),
    PolicyRule(
        "lifetime", "everything can be destroyed, and in production what holds data cannot", lifetime.wrongly_kept
    ),
    PolicyRule("limits", "functions say how long they may take, and their memory", limits.unlimited),
    PolicyRule("runbooks", "each alarm names its runbook", runbooks.unexplained),
)
STACK_RULES = (
    StackRule(
        "whole-buckets",
        "each bucket has all that keeps it private",
        buckets.incomplete,
        frozenset({buckets.BUCKET, *buckets.PARTS}),
    ),
    StackRule(
        "one-account",
        "nobody of another account is let in, called or told",
        accounts.strangers,
        frozenset(accounts.TYPES),
    ),
)


def violations(asked: AskedResource, facts: Facts) -> Iterator[Violation]:
    """What one resource does against the rules."""
    for rule in RULES:
        for said in rule.check(asked, facts):
            yield Violation(rule, asked, said)


def of_stack(resources: Sequence[AskedResource]) -> Iterator[Violation]:
    """What a stack's resources do against the rules together."""
    for rule in STACK_RULES:
        for asked, said in rule.check(resources):
            yield Violation(rule, asked, said)
