"""IAM policy documents, built from statements that name what they allow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

import pulumi

Statement = Mapping[str, Any]
Text = pulumi.Input[str]


class Terms(TypedDict, total=False):
    """What a statement may say beside actions and resources; in a resource's own policy also to whom."""

    principal: Mapping[str, Any] | str | None
    condition: Mapping[str, Any] | None
    sid: str | None


def allow(actions: Sequence[str], resources: Sequence[Text], **terms: Unpack[Terms]) -> Statement:
    """A statement that allows `actions` on `resources`."""
    return _statement("Allow", actions, resources, terms)


def deny(actions: Sequence[str], resources: Sequence[Text], **terms: Unpack[Terms]) -> Statement:
    """A statement that forbids `actions` on `resources`, whatever else allows them."""
    return _statement("Deny", actions, resources, terms)


def deny_elsewhere(actions: Sequence[str], resources: Sequence[Text]) -> Statement:
    """A statement that forbids `actions` on everything but `resources`, whatever else allows them."""
    return {"Effect": "Deny", "Action": list(actions), "NotResource": list(resources)}


def document(*statements: Statement) -> pulumi.Output[str]:
    """The JSON of a policy; resources and conditions may still be outputs."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, condition: Mapping[str, Any] | None = None) -> str:
    """The trust policy of a role that only `service` may take on."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if condition:
        statement["Condition"] = dict(condition)
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def of_account(account: str, source: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The condition that an AWS service acts for this account only (the confused deputy's cure)."""
    return {"StringEquals": {"aws:SourceAccount": account}, **({"ArnLike": dict(source)} if source else {})}


def _statement(effect: str, actions: Sequence[str], resources: Sequence[Text], terms: Terms) -> Statement:
    given = {key.capitalize(): value for key, value in terms.items() if value}
    return {"Effect": effect, "Action": list(actions), "Resource": list(resources), **given}
