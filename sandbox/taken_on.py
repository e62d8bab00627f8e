"""An option of the sandbox: commands work under a role of its account, as its team does on AWS, and IAM binds them.

`SANDBOX_ROLE=<name>` has the account's operator take the role on; its trust must let him. A whole ARN names a role of
another account, which the cloud keeps apart as AWS does.
"""

from __future__ import annotations

import os

from sandbox.variables import OPERATOR_CREDENTIALS
from shared.errors import Problem

VARIABLE = "SANDBOX_ROLE"


def credentials(endpoint: str, region: str) -> dict[str, str]:
    """Variables with the role's credentials; none where no role was asked for. Raises Problem for one that refuses."""
    role = os.environ.get(VARIABLE, "")
    if not role:
        return {}
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the SDK takes a fifth of a second
    from botocore.session import Session  # noqa: PLC0415 - as above

    key, secret = OPERATOR_CREDENTIALS.values()
    where = {"region_name": region, "endpoint_url": endpoint}
    sts = Session().create_client("sts", aws_access_key_id=key, aws_secret_access_key=secret, **where)
    try:
        account = sts.get_caller_identity()["Account"]
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"
        taken = sts.assume_role(RoleArn=arn, RoleSessionName="sandbox")["Credentials"]
    except (BotoCoreError, ClientError) as error:
        said = " ".join(str(error).split())
        raise Problem(f"{VARIABLE}={role}: the sandbox's operator cannot take that role on ({said})") from None
    return {
        "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
        "AWS_SESSION_TOKEN": taken["SessionToken"],
    }
