"""An AWS account with nothing in it, in which the bootstrap looks, makes what is missing, and finds it afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, NoReturn
from urllib.parse import quote

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.doubles.modelled_aws import ModelledAws

ACCOUNT = "123456789012"
KEY = "arn:aws:kms:us-west-2:123456789012:key/1"
READS = ("Get", "List", "Describe", "Head")

Asked = dict[str, Any]
Told = dict[str, Any]


def refuse(code: str, message: str = "no") -> NoReturn:
    raise ClientError({"Error": {"Code": code, "Message": message}}, "Any")


@dataclass
class NewAccount:
    """An AWS account with nothing in it, which keeps what it is given. Its requests are judged by the SDK's models."""

    key: dict[str, Any] = field(default_factory=dict)
    alias: str = ""
    bucket: Any = None
    objects: dict[str, bytes] = field(default_factory=dict)
    roles: dict[str, dict[str, Any]] = field(default_factory=dict)
    attached: dict[str, list[str]] = field(default_factory=dict)
    """ARNs of the managed policies by the role's name."""
    policies: dict[str, list[str]] = field(default_factory=dict)
    """By ARN the documents of a managed policy's versions, the default one last."""
    audiences: list[str] = field(default_factory=list)
    """Those of GitHub's identity provider; empty: there is none."""
    log_roles: dict[str, str] = field(default_factory=dict)
    zones: list[dict[str, Any]] = field(default_factory=list)
    pagers: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    concurrency: int = 1000
    vpcs: int = 0
    wishes: list[dict[str, Any]] = field(default_factory=list)
    early: int = 0
    """How often UpdateAccount does not know the role yet."""
    cut: str = ""
    """The operation after which the run is interrupted."""
    denied: frozenset[str] = frozenset()
    """Operations that are refused, by the names of their methods."""

    def __post_init__(self) -> None:
        self.aws = ModelledAws(_MethodsOf(self))

    @property
    def changed(self) -> list[str]:
        return [operation for _, _, operation, _ in self.aws.asked if not operation.startswith(READS)]

    # What each operation answers

    def get_caller_identity(self, *_: object) -> Told:
        return {"Account": ACCOUNT}

    def describe_key(self, _: str, asked: Asked) -> Told:
        if asked["KeyId"] in {self.alias, "1", KEY} and self.key:
            return {"KeyMetadata": self.key}
        return refuse("NotFoundException")

    def list_keys(self, *_: object) -> Told:
        return {"Keys": [{"KeyId": "1"}] if self.key else []}

    def list_aliases(self, *_: object) -> Told:
        return {"Aliases": [{"AliasName": self.alias}] if self.alias else []}

    def create_key(self, _: str, asked: Asked) -> Told:
        self.key = {"KeyId": "1", "Arn": KEY, "KeyState": "Enabled", "Description": asked["Description"]}
        return {"KeyMetadata": self.key}

    def create_alias(self, _: str, asked: Asked) -> None:
        self.alias = asked["AliasName"]

    def get_key_rotation_status(self, *_: object) -> Told:
        return {"KeyRotationEnabled": self.key.get("rotates", False)}

    def enable_key_rotation(self, *_: object) -> None:
        self.key["rotates"] = True

    def head_bucket(self, *_: object) -> Told:
        return {"BucketRegion": "us-west-2"} if self.bucket is not None else refuse("404", "Not Found")

    def create_bucket(self, *_: object) -> None:
        self.bucket = {}

    def get_bucket_versioning(self, *_: object) -> Told:
        found: Told = self.bucket.get("versioning", {})
        return found

    def put_bucket_versioning(self, _: str, asked: Asked) -> None:
        self.bucket["versioning"] = asked["VersioningConfiguration"]

    def get_bucket_encryption(self, *_: object) -> Told:
        default = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
        return {"ServerSideEncryptionConfiguration": self.bucket.get("encryption", default)}

    def put_bucket_encryption(self, _: str, asked: Asked) -> None:
        self.bucket["encryption"] = asked["ServerSideEncryptionConfiguration"]

    def get_public_access_block(self, *_: object) -> Told:
        found = self.bucket.get("wall")
        return {"PublicAccessBlockConfiguration": found} if found else refuse("NoSuchPublicAccessBlockConfiguration")

    def put_public_access_block(self, _: str, asked: Asked) -> None:
        self.bucket["wall"] = asked["PublicAccessBlockConfiguration"]

    def get_bucket_policy(self, *_: object) -> Told:
        return {"Policy": self.bucket["policy"]} if "policy" in self.bucket else refuse("NoSuchBucketPolicy")

    def put_bucket_policy(self, _: str, asked: Asked) -> None:
        self.bucket["policy"] = asked["Policy"]

    def get_bucket_lifecycle_configuration(self, *_: object) -> Told:
        found = self.bucket.get("lifecycle")
        return {"Rules": found["Rules"]} if found else refuse("NoSuchLifecycleConfiguration")

    def put_bucket_lifecycle_configuration(self, _: str, asked: Asked) -> None:
        self.bucket["lifecycle"] = asked["LifecycleConfiguration"]

    def list_objects_v2(self, _: str, asked: Asked) -> Told:
        prefix, mark = asked["Prefix"], asked["Delimiter"]
        rest = {key: key.removeprefix(prefix).partition(mark) for key in sorted(self.objects) if key.startswith(prefix)}
        folders = sorted({f"{prefix}{first}{mark}" for first, folder, _ in rest.values() if folder})
        return {
            "Contents": [{"Key": key} for key, (_, folder, _) in rest.items() if not folder],
            "CommonPrefixes": [{"Prefix": each} for each in folders],
        }

    def get_object(self, _: str, asked: Asked) -> Told:
        found = self.objects.get(asked["Key"]) or refuse("NoSuchKey")
        return {"Body": BytesIO(found)}

    def get_account(self, region: str, _: Asked) -> Told:
        throttle = {"rateLimit": 10_000.0, "burstLimit": 5000}
        role = self.log_roles.get(region)
        return {"throttleSettings": throttle, **({"cloudwatchRoleArn": role} if role else {})}

    def update_account(self, region: str, asked: Asked) -> Told:
        if self.early:
            self.early -= 1
            return refuse("BadRequestException", "The role ARN does not have required permissions configured")
        self.log_roles[region] = asked["patchOperations"][0]["value"]
        return {}

    def get_role(self, _: str, asked: Asked) -> Told:
        role = self.roles.get(asked["RoleName"]) or refuse("NoSuchEntity")
        return {"Role": {**role, "AssumeRolePolicyDocument": quote(json.dumps(role["AssumeRolePolicyDocument"]))}}

    def create_role(self, _: str, asked: Asked) -> Told:
        name = asked["RoleName"]
        self.roles[name] = {"Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}"}
        self.update_assume_role_policy(_, {"RoleName": name, "PolicyDocument": asked["AssumeRolePolicyDocument"]})
        self.update_role(_, asked)
        return self.get_role(_, asked)

    def update_assume_role_policy(self, _: str, asked: Asked) -> None:
        self.roles[asked["RoleName"]]["AssumeRolePolicyDocument"] = json.loads(asked["PolicyDocument"])

    def update_role(self, _: str, asked: Asked) -> None:
        self.roles[asked["RoleName"]]["MaxSessionDuration"] = asked.get("MaxSessionDuration", 3600)

    def attach_role_policy(self, _: str, asked: Asked) -> None:
        self.attached.setdefault(asked["RoleName"], []).append(asked["PolicyArn"])

    def detach_role_policy(self, _: str, asked: Asked) -> None:
        self.attached[asked["RoleName"]].remove(asked["PolicyArn"])

    def list_attached_role_policies(self, _: str, asked: Asked) -> Told:
        if asked["RoleName"] not in self.roles:
            return refuse("NoSuchEntity")
        return {"AttachedPolicies": [{"PolicyArn": arn} for arn in self.attached.get(asked["RoleName"], ())]}

    def create_policy(self, _: str, asked: Asked) -> None:
        self.policies[f"arn:aws:iam::{ACCOUNT}:policy/{asked['PolicyName']}"] = [asked["PolicyDocument"]]

    def create_policy_version(self, _: str, asked: Asked) -> None:
        self.policies[asked["PolicyArn"]].append(asked["PolicyDocument"])

    def delete_policy_version(self, _: str, asked: Asked) -> None:
        self.policies[asked["PolicyArn"]].pop(int(asked["VersionId"].removeprefix("v")) - 1)

    def get_policy(self, _: str, asked: Asked) -> Told:
        versions = self.policies.get(asked["PolicyArn"])
        return {"Policy": {"DefaultVersionId": f"v{len(versions)}"}} if versions else refuse("NoSuchEntity")

    def get_policy_version(self, _: str, asked: Asked) -> Told:
        versions = self.policies[asked["PolicyArn"]]
        return {"PolicyVersion": {"Document": quote(versions[int(asked["VersionId"].removeprefix("v")) - 1])}}

    def list_policy_versions(self, _: str, asked: Asked) -> Told:
        number = len(self.policies[asked["PolicyArn"]])
        return {
            "Versions": [
                {"VersionId": f"v{each}", "IsDefaultVersion": each == number, "CreateDate": each}
                for each in range(1, number + 1)
            ]
        }

    def get_open_id_connect_provider(self, *_: object) -> Told:
        return {"ClientIDList": self.audiences} if self.audiences else refuse("NoSuchEntity")

    def create_open_id_connect_provider(self, _: str, asked: Asked) -> None:
        if self.audiences:
            refuse("EntityAlreadyExists")
        self.audiences = asked["ClientIDList"]

    def add_client_id_to_open_id_connect_provider(self, _: str, asked: Asked) -> None:
        self.audiences.append(asked["ClientID"])

    def get_account_settings(self, *_: object) -> Told:
        return {
            "AccountLimit": {
                "ConcurrentExecutions": self.concurrency,
                "UnreservedConcurrentExecutions": self.concurrency,
            }
        }

    def describe_vpcs(self, *_: object) -> Told:
        return {"Vpcs": [{"VpcId": "vpc-1"}] * self.vpcs}

    def get_service_quota(self, *_: object) -> Told:
        return {"Quota": {"Value": 5.0}}

    def describe_internet_gateways(self, *_: object) -> Told:
        return {"InternetGateways": []}

    def describe_load_balancers(self, *_: object) -> Told:
        return {"LoadBalancers": []}

    def get_domain_names(self, *_: object) -> Told:
        return {"items": []}

    def describe_canaries(self, *_: object) -> Told:
        return {"Canaries": []}

    def get_account_limit(self, *_: object) -> Told:
        return {"Limit": {"Type": "MAX_HOSTED_ZONES_BY_OWNER", "Value": 500}, "Count": 1}

    def list_requested_service_quota_change_history_by_quota(self, _: str, asked: Asked) -> Told:
        return {"RequestedQuotas": [each for each in self.wishes if each["QuotaCode"] == asked["QuotaCode"]]}

    def request_service_quota_increase(self, _: str, asked: Asked) -> Told:
        self.wishes.append({**asked, "Status": "PENDING"})
        return {}

    def list_hosted_zones_by_name(self, *_: object) -> Told:
        return {"HostedZones": self.zones}

    def create_hosted_zone(self, _: str, asked: Asked) -> Told:
        config = {**asked["HostedZoneConfig"], "PrivateZone": False}
        self.zones.append({"Id": "/hostedzone/Z1", "Name": f"{asked['Name']}.", "Config": config})
        return {}

    def get_hosted_zone(self, _: str, asked: Asked) -> Told:
        found = next((zone for zone in self.zones if zone["Id"].endswith(asked["Id"])), None)
        servers = {"NameServers": ["ns-2.example", "ns-1.example"]}
        return {"HostedZone": found, "DelegationSet": servers} if found else refuse("NoSuchHostedZone")

    def get_parameter(self, region: str, asked: Asked) -> Told:
        if region not in self.pagers:
            return refuse("ParameterNotFound")
        return {"Parameter": {"Name": asked["Name"], "Type": "SecureString"}}

    def list_cost_allocation_tags(self, *_: object) -> Told:
        return {"CostAllocationTags": [{"TagKey": key, "Status": value} for key, value in self.tags.items()]}

    def update_cost_allocation_tags_status(self, _: str, asked: Asked) -> Told:
        self.tags.update({each["TagKey"]: each["Status"] for each in asked["CostAllocationTagsStatus"]})
        return {"Errors": []}


class _MethodsOf(dict[tuple[str, str], Any]):
    """By operation, in the place of a table: a method of the account."""

    def __init__(self, account: NewAccount) -> None:
        super().__init__()
        self._account = account

    def __missing__(self, key: tuple[str, str]) -> Any:
        name = xform_name(key[1])

        def answer(region: str, asked: Asked) -> Told:
            if name in self._account.denied:
                refuse("AccessDenied", "not you")
            found = getattr(self._account, name)(region, asked) or {}
            if self._account.cut == name:
                self._account.cut = ""
                raise KeyboardInterrupt
            return found

        return answer
