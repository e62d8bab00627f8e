"""Into production by name, what is held there, and the way back as far as there is one."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox import variables
from shared.environment import Environment

pytestmark = pytest.mark.prove


@pytest.fixture(params=["payments", "trading"])
def environment(request):
    return request.param


class LockedCloud:
    """The sandbox's cloud by AWS's own client."""

    def __init__(self, checkout, environment):
        self._endpoint = checkout.ok("sandbox.status", "--json").json["endpoint"]
        self._credentials = {name.lower(): value for name, value in variables.CREDENTIALS.items()}
        self.settings = Environment.load(environment)
        outputs = checkout.ok("outputs", "--layer", "data", "--environment", environment, "--json").json
        self.data = outputs[f"data/{environment}"]

    def client(self, service, role):
        region = self.settings.region(role)
        return boto3.client(service, region_name=region, endpoint_url=self._endpoint, **self._credentials)

    def protected(self):
        """Whether the table is protected from deletion, in both regions."""
        name = self.data["table_name"]
        tables = (self.client("dynamodb", role).describe_table(TableName=name) for role in ("primary", "secondary"))
        return [each["Table"]["DeletionProtectionEnabled"] for each in tables]

    def records(self):
        """Every version of every audit record, in both regions: a client, and where it is."""
        for role in ("primary", "secondary"):
            s3, bucket = self.client("s3", role), self.data["audit_bucket_names"][role]
            for each in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
                yield s3, {"Bucket": bucket, "Key": each["Key"], "VersionId": each["VersionId"]}


def test_the_one_way_door(checkout, environment):
    of = ("--environment", environment)
    deploy = ("deploy", "--layer", "data", *of)
    suffix = Environment.load(environment).suffix
    file = f"environments/{environment}.yaml"
    old = next(line for line in (checkout.root / file).read_text().splitlines() if line.startswith("production: "))
    with checkout.edited(file, old, "production: true"):
        born = checkout.run(*deploy, "--production", suffix)
        assert "deploy with production: false first" in born.err.splitlines()[-1]
    checkout.ok(*deploy)
    cloud = LockedCloud(checkout, environment)
    assert cloud.protected() == [False, False]

    with checkout.edited(file, old, "production: true"):
        assert f"--production {suffix}" in checkout.run(*deploy).complaint
        assert cloud.protected() == [False, False]
        checkout.ok(*deploy, "--production", suffix)
        assert cloud.protected() == [True, True]
        again = checkout.ok(*deploy, "--force", "--json")
        assert set(again.statuses.values()) <= {"fresh", "unchanged"}
        cloud.client("s3", "primary").put_object(Bucket=cloud.data["audit_bucket_names"]["primary"], Key="r", Body=b"r")
        locked = []
        for s3, place in cloud.records():
            locked.append(place["Bucket"])
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.delete_object(**place)
        assert set(locked) == set(cloud.data["audit_bucket_names"].values())
        gathered = checkout.run("evidence", "--since", "5m", "--out", "evidence", *of, "--json").json
        assert gathered["anchor"]["url"].endswith(f"/evidence/{gathered['head']}.json")
        assert gathered["anchor"]["mode"] == "GOVERNANCE"
        refused = checkout.run("destroy-all", *of)
        assert refused.code == 1
        assert f"data/{environment} is in production" in refused.complaint

    back = checkout.run(*deploy)
    assert back.code == 1
    names = back.err.splitlines()[-1].rpartition("--discard-data ")[2]
    assert names.split(",") == [f"lock/{cloud.data['audit_bucket_names'][role]}" for role in ("primary", "secondary")]
    assert cloud.protected() == [True, True]
    assert "is in production" in checkout.run("destroy-all", *of).complaint
    checkout.ok(*deploy, "--discard-data", names)
    assert cloud.protected() == [False, False]
    kept = checkout.run("destroy-all", *of)
    assert kept.code == 1
    assert "AccessDenied" in kept.out + kept.err
    for s3, place in cloud.records():
        s3.delete_object(**place, BypassGovernanceRetention=True)
    checkout.ok("destroy-all", *of)
