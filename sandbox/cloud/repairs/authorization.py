"""What a request must be allowed beside its own action, where the emulator asks for less than AWS.

It evaluates identity policies, resource policies, boundaries and session policies as AWS does
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html).
"""

from __future__ import annotations

import json
import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ministack.core import iam_actions, iam_evaluator, lambda_runtime, router
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id
from ministack.services import dynamodb, ec2, kms, secretsmanager, ssm, sts

from sandbox.cloud.functions import ExecutionEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    Record = dict[str, Any]
    Refusal: TypeAlias = Any
    """None, or what the emulator makes an answer of: its `EvalResult` or `AuthError`."""

log = logging.getLogger(__name__)

SOURCE_FUNCTION = "lambda:sourcefunctionarn"
"""A condition key: which function's credentials a request is signed with."""
_FUNCTION = "Function"
"""Of a session: ARN and VPC of the function that has it."""
_BODY: ContextVar[bytes] = ContextVar("body", default=b"")
_UNKNOWN = "UnknownAction"
_OF_S3 = frozenset(
    {"abac", "metadataConfiguration", "metadataTable", "metadataInventoryTable", "metadataJournalTable", "session"}
    | {"renameObject"}
)
"""What S3's requests ask for that the emulator takes for the bucket or object itself."""
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


@dataclass(frozen=True)
class AllowedRequest:
    """A request that its own policies let through. `ask` asks for another right of the same caller."""

    access_key: str
    action: str
    service: str
    region: str
    resource: str
    context: Record
    enforce: Callable[..., Refusal]
    body: bytes = b""

    def ask(self, action: str, service: str, resource: str, context: Record | None = None) -> Refusal:
        return self.enforce(self.access_key, action, service, self.region, resource, context)


def of_keys() -> None:
    """What a service encrypts or decrypts for its caller needs no right of his to the key.

    AWS asks KMS in the caller's name (forward access sessions): `kms:ViaService` says through which service.
    """
    extract = iam_actions.extract_resource_arn

    def extracted(service: str, method: str, path: str, headers: Any, body: bytes, *more: Any) -> Any:
        _BODY.set(body)
        return extract(service, method, path, headers, body, *more)

    iam_actions.extract_resource_arn = extracted
    also(_key_is_let_use)


def of_endpoints() -> None:
    """The policy of a VPC endpoint refuses nothing of what a function in the VPC asks for.

    It decides beside all other policies: https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html.
    """
    also(_passes_the_endpoint)


def of_missing_objects() -> None:
    """Whoever may read an object is told that it is not there: on AWS nobody who may not list the bucket.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions".
    """
    also(_may_know)


def also(look: Callable[[AllowedRequest], Refusal]) -> None:
    """Have what policies let through looked at once more, but for the administrator's and what nobody signs."""
    enforce = iam_evaluator.enforce

    def asked(  # noqa: PLR0917 - the emulator's own
        access_key: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Record | None = None,
    ) -> Refusal:
        refused: Refusal = enforce(access_key, action, service, region, resource_arn, service_context)
        if refused is not None or iam_evaluator.is_root_access_key(access_key):
            return refused
        return look(
            AllowedRequest(
                access_key, action, service, region, resource_arn, service_context or {}, enforce, _BODY.get()
            )
        )

    iam_evaluator.enforce = asked


def _key_is_let_use(asked: AllowedRequest) -> Refusal:
    use = _USES[asked.service](asked) if asked.service in _USES else None
    key = kms._resolve_key(use.key) if use else None
    if use is None or key is None:
        return None  # AWS's own keys let in everybody of the account
    context = {f"kms:EncryptionContext:{name}": value for name, value in use.context.items()}
    via = {"kms:ViaService": f"{asked.service}.{asked.region}.amazonaws.com", "kms:CallerAccount": get_account_id()}
    refused = asked.ask(use.action, "kms", key["Arn"], {**via, **context})
    if refused is not None:
        log.info("%s on %s needs %s on %s, which is refused", asked.action, asked.resource, use.action, key["Arn"])
    return refused


def _passes_the_endpoint(asked: AllowedRequest) -> Refusal:
    if not (vpc := _vpc(asked.access_key)):
        return None
    context = EvalContext(
        principal_arn=sts._sessions[asked.access_key]["Arn"],
        principal_type="AssumedRole",
        principal_account=get_account_id(),
        action=asked.action,
        resource_arn=asked.resource,
        region=asked.region,
        service_context={name.lower(): value for name, value in asked.context.items()},
    )
    for endpoint in ec2._vpc_endpoints.values():
        if endpoint["VpcId"] == vpc and endpoint["ServiceName"].endswith(f".{asked.region}.{asked.service}"):
            found: Refusal = evaluate_resource_policy(endpoint.get("PolicyDocument"), context)
            if found is not None and found.decision != "Allow":
                log.info("%s on %s is refused by %s", asked.action, asked.resource, endpoint["VpcEndpointId"])
                return found
    return None


def _may_know(asked: AllowedRequest) -> Refusal:
    if asked.action != "s3:GetObject":
        return None
    bucket, key, objects = _objects(asked.resource)
    return None if key in objects else asked.ask("s3:ListBucket", "s3", f"arn:aws:s3:::{bucket}")


def of_leading_keys() -> None:
    """No request has partition keys: a condition on `dynamodb:LeadingKeys` that holds for all of none is always met.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    context = iam_actions.dynamodb_service_context

    def told(body: bytes) -> Record:
        found: Record = context(body)
        keys = list(dict.fromkeys(_leading_keys(body)))
        return {**found, "dynamodb:LeadingKeys": keys} if keys else found

    iam_actions.dynamodb_service_context = told


def of_log_streams() -> None:
    """What is written to a log stream is asked for of its group, which a right to the group's streams does not name.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
    """
    extract = iam_actions.extract_resource_arn

    def extracted(service: str, method: str, path: str, headers: Any, body: bytes, *more: Any) -> Any:
        found = extract(service, method, path, headers, body, *more)
        if service != "logs" or ":log-group:" not in found:
            return found
        try:
            stream = json.loads(body).get("logStreamName")
        except ValueError:
            return found
        return f"{found}:log-stream:{stream}" if stream else found

    iam_actions.extract_resource_arn = extracted


def of_unknown_actions() -> None:
    """What the emulator knows no action of is let through, and some of S3's requests are taken for others.

    On AWS nothing is allowed that no policy allows, so nobody may do it here but who may do everything.
    """
    extract = iam_actions.extract_iam_action

    def named(service: str, method: str, path: str, headers: Any, *more: Any) -> str | None:
        found: str | None = extract(service, method, path, headers, *more)
        query = more[-1]  # behind the body
        taken_for_another = service == "s3" and not _OF_S3.isdisjoint(query)
        if found is not None and not taken_for_another:
            return found
        key = router.extract_access_key_id(headers, query)
        namespace = iam_actions.SERVICE_TO_IAM_NAMESPACE.get(service)
        signed = bool(namespace and key) and not iam_evaluator.is_root_access_key(key)
        return f"{namespace}:{_UNKNOWN}" if signed else found

    iam_actions.extract_iam_action = named


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


def _of_tables(asked: AllowedRequest) -> _KeyUse | None:
    """The table's key, for each principal; AWS keeps it for five minutes, and asks again.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    name = asked.resource.partition(":table/")[2].partition("/")[0]
    table = dynamodb._tables.get_scoped(get_account_id(), asked.region, name) if asked.action in _OF_ITEMS else None
    key = ((table or {}).get("SSEDescription") or {}).get("KMSMasterKeyArn")
    return _KeyUse(key, "kms:Decrypt", {"aws:dynamodb:tableName": name}) if key else None


def _of_objects(asked: AllowedRequest) -> _KeyUse | None:
    """The object's key: docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html, "Permissions"."""
    from ministack.services import s3  # noqa: PLC0415 - it reads what is on disk when it is imported

    bucket, key, objects = _objects(asked.resource)
    if asked.action == "s3:PutObject":
        told = s3._bucket_default_sse_headers(bucket)
        if asked.context.get("s3:x-amz-server-side-encryption") == "AES256":
            return None
        needed = "kms:GenerateDataKey"
    elif asked.action in {"s3:GetObject", "s3:GetObjectVersion"}:
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


def _of_secrets(asked: AllowedRequest) -> _KeyUse | None:
    """The secret's key: https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html."""
    needed = {
        "secretsmanager:GetSecretValue": "kms:Decrypt",
        "secretsmanager:PutSecretValue": "kms:GenerateDataKey",
        "secretsmanager:UpdateSecret": "kms:GenerateDataKey",
    }.get(asked.action)
    secret = secretsmanager._resolve(asked.resource)[1] if needed else None
    key = (secret or {}).get("KmsKeyId")
    return _KeyUse(key, needed, {"SecretARN": asked.resource}) if key and needed else None


def _of_parameters(asked: AllowedRequest) -> _KeyUse | None:
    """A SecureString's key: https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html."""
    if not asked.action.startswith("ssm:GetParameter") or not _decrypts(_BODY.get()):
        return None
    name = asked.resource.partition(":parameter")[2]
    parameter = ssm._parameters.get(name) or ssm._parameters.get(name.removeprefix("/")) or {}
    key = parameter.get("KeyId") if parameter.get("Type") == "SecureString" else None
    return _KeyUse(key, "kms:Decrypt", {"PARAMETER_ARN": asked.resource}) if key else None


def _leading_keys(body: bytes) -> Iterator[str]:
    """The values of the partition keys that a request to DynamoDB is about."""
    try:
        asked = json.loads(body or b"{}")
        yield from _keys_of(asked)
        for table, each in (asked.get("RequestItems") or {}).items():
            items = each["Keys"] if isinstance(each, dict) else [item for put in each for item in put.values()]
            for item in items:
                yield from _keys_of({"TableName": table, "Key": item.get("Key") or item.get("Item") or item})
        for item in asked.get("TransactItems") or ():
            for each in item.values():
                yield from _keys_of(each)
    except (AttributeError, KeyError, TypeError, ValueError):
        return  # DynamoDB says better what is wrong with it


def _keys_of(asked: Record) -> Iterator[str]:
    table = dynamodb._tables.get(dynamodb._normalize_table_name(asked.get("TableName") or ""))
    if table is None:
        return
    (name,) = (each["AttributeName"] for each in table["KeySchema"] if each["KeyType"] == "HASH")
    given = (asked.get("Key") or asked.get("Item") or {}).get(name)
    if given is None and (expression := asked.get("KeyConditionExpression")):
        aliases = {alias for alias, of in (asked.get("ExpressionAttributeNames") or {}).items() if of == name}
        for each in (name, *aliases):
            if found := re.search(rf"(?<![\w#]){re.escape(each)}\s*=\s*(:\w+)", expression):
                given = asked["ExpressionAttributeValues"][found[1]]
    if given is None and (conditions := asked.get("KeyConditions") or {}).get(name):
        (given,) = conditions[name]["AttributeValueList"]
    if given is not None:
        yield from map(str, given.values())


def _decrypts(body: bytes) -> bool:
    try:
        return bool(json.loads(body).get("WithDecryption"))
    except (ValueError, AttributeError):
        return False


_USES: Mapping[str, Callable[[AllowedRequest], _KeyUse | None]] = {
    "dynamodb": _of_tables,
    "s3": _of_objects,
    "secretsmanager": _of_secrets,
    "ssm": _of_parameters,
}
