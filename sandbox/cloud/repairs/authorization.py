"""What a request must be allowed beside its own action, where the emulator asks for less than AWS.

It evaluates identity policies, resource policies, boundaries and session policies as AWS does
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html).
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.iam_evaluator import AuthError, EvalContext, EvalResult, evaluate_resource_policy
from ministack.core.responses import get_account_id
from ministack.services import dynamodb, ec2, kms, secretsmanager, ssm, sts

from sandbox.cloud.functions import ExecutionEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Record = dict[str, Any]
    Refusal = EvalResult | AuthError | None

log = logging.getLogger(__name__)

SOURCE_FUNCTION = "lambda:sourcefunctionarn"
"""A condition key: which function's credentials a request is signed with."""
_FUNCTION = "Function"
"""Of a session: ARN and VPC of the function that has it."""
_BODY: ContextVar[bytes] = ContextVar("body", default=b"")
_OF_ITEMS = frozenset(
    f"dynamodb:{action}"
    for action in (
        *("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "ConditionCheckItem"),
        *("BatchGetItem", "BatchWriteItem", "PartiQLSelect", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"),
    )
)


@dataclass(frozen=True)
class _KeyUse:
    """That a service uses a key for its caller, in the caller's name: action and encryption context."""

    key: str
    action: str
    context: Mapping[str, str]


def of_keys() -> None:
    """What a service encrypts or decrypts for its caller needs no right of his to the key.

    AWS asks KMS in the caller's name (forward access sessions): `kms:ViaService` says through which service.
    """
    enforce, extract = iam_evaluator.enforce, iam_actions.extract_resource_arn

    def extracted(service: str, method: str, path: str, headers: Any, body: bytes, *more: Any) -> Any:
        _BODY.set(body)
        return extract(service, method, path, headers, body, *more)

    def asked(  # noqa: PLR0917 - the emulator's own
        access_key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Record | None = None,
    ) -> Refusal:
        refused: Refusal = enforce(access_key, action, service, region, resource_arn, service_context)
        if refused is not None or iam_evaluator.is_root_access_key(access_key) or service not in _USES:
            return refused
        use = _USES[service](action, region, resource_arn, service_context or {})
        key = kms._resolve_key(use.key) if use else None
        if use is None or key is None:
            return None  # AWS's own keys let in everybody of the account
        context = {f"kms:EncryptionContext:{name}": value for name, value in use.context.items()}
        via = {"kms:ViaService": f"{service}.{region}.amazonaws.com", "kms:CallerAccount": get_account_id(), **context}
        refused = enforce(access_key, use.action, "kms", region, key["Arn"], via)
        if refused is not None:
            log.info("%s on %s needs %s on %s, which is refused", action, resource_arn, use.action, key["Arn"])
        return refused

    iam_evaluator.enforce, iam_actions.extract_resource_arn = asked, extracted


def of_endpoints() -> None:
    """The policy of a VPC endpoint refuses nothing of what a function in the VPC asks for.

    It decides beside all other policies: https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html.
    """
    enforce = iam_evaluator.enforce

    def passed(  # noqa: PLR0917 - the emulator's own
        access_key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Record | None = None,
    ) -> Refusal:
        refused: Refusal = enforce(access_key, action, service, region, resource_arn, service_context)
        if refused is not None or not (vpc := _vpc(access_key)):
            return refused
        session = sts._sessions[access_key]
        context = EvalContext(
            principal_arn=session["Arn"],
            principal_type="AssumedRole",
            principal_account=get_account_id(),
            action=action,
            resource_arn=resource_arn,
            region=region,
            service_context={name.lower(): value for name, value in (service_context or {}).items()},
        )
        for endpoint in ec2._vpc_endpoints.values():
            if endpoint["VpcId"] == vpc and endpoint["ServiceName"].endswith(f".{region}.{service}"):
                found: EvalResult = evaluate_resource_policy(endpoint.get("PolicyDocument"), context)
                if found.decision != "Allow":
                    log.info("%s on %s is refused by the policy of %s", action, resource_arn, endpoint["VpcEndpointId"])
                    return found
        return None

    iam_evaluator.enforce = passed


def of_missing_objects() -> None:
    """Whoever may read an object is told that it is not there: on AWS nobody who may not list the bucket.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions".
    """
    enforce = iam_evaluator.enforce

    def told(  # noqa: PLR0917 - the emulator's own
        access_key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Record | None = None,
    ) -> Refusal:
        refused: Refusal = enforce(access_key, action, service, region, resource_arn, service_context)
        if refused is not None or action != "s3:GetObject" or iam_evaluator.is_root_access_key(access_key):
            return refused
        bucket, key, objects = _objects(resource_arn)
        if key in objects:
            return None
        listing: Refusal = enforce(access_key, "s3:ListBucket", service, region, f"arn:aws:s3:::{bucket}")
        return listing

    iam_evaluator.enforce = told


def of_functions() -> None:
    """No request is known to come from a function: conditions on `lambda:SourceFunctionArn` are never met.

    https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
    """
    credentials, keys = lambda_runtime.execution_credentials, iam_evaluator._principal_keys

    def known(config: Record) -> dict[str, str]:
        made: dict[str, str] = credentials(config)
        session = sts._sessions.get(made["AWS_ACCESS_KEY_ID"])
        if session is not None:
            arn = ":".join(config["FunctionArn"].split(":")[:7])
            session[_FUNCTION] = {"Arn": arn, "VpcId": (config.get("VpcConfig") or {}).get("VpcId") or ""}
        return made

    def described(credential: Any) -> Record:
        told: Record = keys(credential)
        session = sts._sessions.get(credential.access_key_id) or {}
        return {**told, SOURCE_FUNCTION: session[_FUNCTION]["Arn"]} if _FUNCTION in session else told

    lambda_runtime.execution_credentials, iam_evaluator._principal_keys = known, described


def _vpc(access_key: str) -> str:
    """The VPC that a request comes from; empty for one from elsewhere, whatever keys it is signed with."""
    vpc = str(((sts._sessions.get(access_key) or {}).get(_FUNCTION) or {}).get("VpcId", ""))
    addresses = ExecutionEnvironment.faults.regions
    return vpc if not addresses or iam_evaluator._request_origin.get()[0] in addresses else ""


def _of_tables(action: str, region: str, resource: str, _: Record) -> _KeyUse | None:
    """The table's key, for each principal; AWS keeps it for five minutes, and asks again.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    name = resource.partition(":table/")[2].partition("/")[0]
    table = dynamodb._tables.get_scoped(get_account_id(), region, name) if action in _OF_ITEMS else None
    key = ((table or {}).get("SSEDescription") or {}).get("KMSMasterKeyArn")
    return _KeyUse(key, "kms:Decrypt", {"aws:dynamodb:tableName": name}) if key else None


def _of_objects(action: str, _region: str, resource: str, context: Record) -> _KeyUse | None:
    """The object's key: docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html, "Permissions"."""
    from ministack.services import s3  # noqa: PLC0415 - it reads what is on disk when it is imported

    bucket, key, objects = _objects(resource)
    if action == "s3:PutObject":
        told = s3._bucket_default_sse_headers(bucket)
        if context.get("s3:x-amz-server-side-encryption") == "AES256":
            return None
        needed = "kms:GenerateDataKey"
    elif action in {"s3:GetObject", "s3:GetObjectVersion"}:
        told = s3._stored_sse_headers(objects.get(key) or {})
        needed = "kms:Decrypt"
    else:
        return None
    used = told.get("x-amz-server-side-encryption-aws-kms-key-id")
    # With a bucket key the context is the bucket: .../userguide/bucket-key.html
    return _KeyUse(used, needed, {"aws:s3:arn": f"arn:aws:s3:::{bucket}"}) if used else None


def _objects(resource: str) -> tuple[str, str, Record]:
    """Bucket and key of an object's ARN, and what there is in the bucket."""
    from ministack.services import s3  # noqa: PLC0415 - see above

    bucket, _, key = resource.removeprefix("arn:aws:s3:::").partition("/")
    return bucket, key, s3._buckets[bucket]["objects"] if bucket in s3._buckets else {}


def _of_secrets(action: str, _region: str, resource: str, _: Record) -> _KeyUse | None:
    """The secret's key: https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html."""
    needed = {
        "secretsmanager:GetSecretValue": "kms:Decrypt",
        "secretsmanager:PutSecretValue": "kms:GenerateDataKey",
        "secretsmanager:UpdateSecret": "kms:GenerateDataKey",
    }.get(action)
    secret = secretsmanager._resolve(resource)[1] if needed else None
    key = (secret or {}).get("KmsKeyId")
    return _KeyUse(key, needed, {"SecretARN": resource}) if key and needed else None


def _of_parameters(action: str, _region: str, resource: str, _: Record) -> _KeyUse | None:
    """A SecureString's key: https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html."""
    if not action.startswith("ssm:GetParameter") or not _decrypts(_BODY.get()):
        return None
    name = resource.partition(":parameter")[2]
    parameter = ssm._parameters.get(name) or ssm._parameters.get(name.removeprefix("/")) or {}
    key = parameter.get("KeyId") if parameter.get("Type") == "SecureString" else None
    return _KeyUse(key, "kms:Decrypt", {"PARAMETER_ARN": resource}) if key else None


def _decrypts(body: bytes) -> bool:
    try:
        return bool(json.loads(body).get("WithDecryption"))
    except (ValueError, AttributeError):
        return False


_USES: Mapping[str, Callable[[str, str, str, Record], _KeyUse | None]] = {
    "dynamodb": _of_tables,
    "s3": _of_objects,
    "secretsmanager": _of_secrets,
    "ssm": _of_parameters,
}
