"""What the account has before any stack: in the sandbox as on AWS it has been bootstrapped once for all environments.

API Gateway writes access logs by one role of the account, which each region is told. No stack makes it: an account has
one for all its APIs, and whoever removes it ends the logs of all. docs/deploying-to-aws.md says how a person does it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ministack.core.responses import get_account_id, request_scope
from ministack.services import apigateway_v1, iam

from sandbox.variables import OPERATOR_CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLE = "apigateway-logs"
POLICY = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
OPERATOR = "payments-operator"
MAY_ASSUME = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}],
}


def bootstrap(regions: Sequence[str]) -> None:
    """Give the account its operator, and its role, which each region is told that was never told of one."""
    account = get_account_id()
    with request_scope(account, next(iter(regions))):
        _operator()
    for region in regions:
        with request_scope(account, region):
            if apigateway_v1._account_settings.get("settings") is None:
                told = {"op": "replace", "path": "/cloudwatchRoleArn", "value": _role()}
                apigateway_v1._update_account({"patchOperations": [told]})


def _role() -> str:
    if ROLE not in iam._roles:
        iam._create_role({"RoleName": [ROLE], "AssumeRolePolicyDocument": [json.dumps(TRUST)]})
        iam._attach_role_policy({"RoleName": [ROLE], "PolicyArn": [POLICY]})
    return str(iam._roles[ROLE]["Arn"])


def _operator() -> None:
    """Whoever is on call: may take on roles whose trust allows it, and nothing else."""
    if OPERATOR not in iam._users:
        iam._create_user({"UserName": [OPERATOR]})
        iam._put_user_policy(
            {"UserName": [OPERATOR], "PolicyName": ["take-on-roles"], "PolicyDocument": [json.dumps(MAY_ASSUME)]}
        )
    key, secret = OPERATOR_CREDENTIALS.values()
    if key not in iam._access_keys:
        iam._access_keys[key] = {
            "UserName": OPERATOR,
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "Status": "Active",
            "CreateDate": iam._now(),
        }
