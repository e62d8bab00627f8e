"""What the account has before any stack: in the sandbox as on AWS it has been bootstrapped once for all environments.

API Gateway writes access logs by one role of the account, which each region is told. No stack makes it: an account has
one for all its APIs, and whoever removes it ends the logs of all. And each region has the address of the pager: a
secret, as whoever has it can wake people. docs/deploying-to-aws.md says how a person does both.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from ministack.core.responses import get_account_id, request_scope
from ministack.services import apigateway_v1, iam, ssm

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
PAGER = "/on-call/pager"
"""The parameter that has the pager's address, with whatever makes it secret."""
OPERATOR = "payments-operator"
MAY_ASSUME = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}],
}


def bootstrap(regions: Sequence[str]) -> None:
    """Give the account its operator, each region the pager's address, and its role where none was told of one."""
    account = get_account_id()
    with request_scope(account, next(iter(regions))):
        _operator()
    for region in regions:
        with request_scope(account, region):
            _pager()
            if apigateway_v1._account_settings.get("settings") is None:
                told = {"op": "replace", "path": "/cloudwatchRoleArn", "value": _role()}
                apigateway_v1._update_account({"patchOperations": [told]})


def _pager() -> None:
    status, *_ = ssm._get_parameter({"Name": PAGER})
    if status != 200:
        address = f"https://pager.example.com/integration/{secrets.token_urlsafe(16)}/enqueue"
        ssm._put_parameter({"Name": PAGER, "Type": "SecureString", "Value": address})


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
