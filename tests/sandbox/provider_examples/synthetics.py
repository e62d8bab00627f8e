from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from tempfile import mkdtemp

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example


def script(text: str) -> str:
    """A package on disk with one script."""
    path = Path(mkdtemp()) / "script.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("python/pays.py", text)
    path.write_bytes(packed.getvalue())
    return str(path)


@example("aws:synthetics/canary:Canary")
def canary(engine: Engine) -> Example:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = engine.make("aws:iam/role:Role", name="example-canary", assumeRolePolicy=document)
    bucket = engine.make("aws:s3/bucket:Bucket", bucket="example-canary-artifacts")
    return Example(
        {
            "name": "example",
            "artifactS3Location": f"s3://{bucket.id}/results/",
            "executionRoleArn": role.arn,
            "handler": "pays.handler",
            "zipFile": script("def handler(event, context): return 1"),
            "runtimeVersion": "syn-python-selenium-14.0",
            "schedule": {"expression": "rate(5 minutes)"},
            "runConfig": {"timeoutInSeconds": 60, "environmentVariables": {"A": "1"}},
            "startCanary": True,
            "deleteLambda": True,
        },
        update={
            "zipFile": script("def handler(event, context): return 2"),
            "runConfig": {"timeoutInSeconds": 90, "memoryInMb": 960, "environmentVariables": {"A": "2"}},
            "schedule": {"expression": "rate(1 minute)"},
            "artifactS3Location": f"s3://{bucket.id}/others",
            "failureRetentionPeriod": 7,
            "startCanary": False,
            "tags": {"a": "b"},
        },
        replace={"name": "example-other"},
    )
