"""Runs in a canary's own process, around its script: the part that the runtime's layer plays on AWS.

It calls the script, puts the run's report and log into the artifact bucket and its metrics into CloudWatch, all with
the canary's role and the SDK that the runtime brings. It knows nothing but the standard library and that SDK.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Canaries_metrics.html
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import time
import traceback
from typing import Any

NAMESPACE = "CloudWatchSynthetics"


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Make one run. `event` names canary, entry, bucket and prefix; the answer says how the run ended, and why."""
    log, began, reason = io.StringIO(), time.monotonic(), ""
    with contextlib.redirect_stdout(log):
        try:
            result = _script(event["entry"])({}, context)
        except BaseException as error:  # noqa: BLE001 - a SystemExit ends the run, too
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            traceback.print_exc(file=log)
        else:
            print(f"result: {result}")
    seconds = time.monotonic() - began
    state = "FAILED" if reason else "PASSED"
    report = {"canaryName": event["canary"], "executionStatus": state, "durationSeconds": round(seconds, 3)}
    trouble = _keep(event, {**report, "executionError": reason}, state, log.getvalue())
    trouble += _measure(event["canary"], state, seconds)
    print(log.getvalue(), *trouble, sep="\n")
    return {"state": state, "reason": reason, "trouble": trouble}


def _script(entry: str) -> Any:
    module, _, name = entry.replace("/", ".").rpartition(".")
    return getattr(importlib.import_module(module), name)


def _keep(event: dict[str, Any], report: dict[str, Any], state: str, log: str) -> list[str]:
    """Put report and log into the bucket; what went wrong with that."""
    files = {f"SyntheticsReport-{state}.json": json.dumps(report), f"{event['canary']}-log.txt": log}
    try:
        client = _client("s3")
        client.get_bucket_location(Bucket=event["bucket"])
        for name, text in files.items():
            client.put_object(Bucket=event["bucket"], Key=f"{event['prefix']}/{name}", Body=text.encode())
    except Exception as error:  # noqa: BLE001 - the run ends by its own merit
        return [f"the artifacts could not be kept: {error}"]
    return []


def _measure(canary: str, state: str, seconds: float) -> list[str]:
    """Tell CloudWatch of the run; what went wrong with that."""
    values = (
        ("SuccessPercent", 100.0 if state == "PASSED" else 0.0, "Percent"),
        ("Failed", float(state != "PASSED"), "Count"),
        ("Duration", seconds * 1000, "Milliseconds"),
    )
    dimensions = [{"Name": "CanaryName", "Value": canary}]
    data = [
        {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": dimensions} for name, value, unit in values
    ]
    try:
        _client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=data)
    except Exception as error:  # noqa: BLE001
        return [f"the run could not be measured: {error}"]
    return []


def _client(service: str) -> Any:
    import botocore.session  # noqa: PLC0415 - only a run needs it

    return botocore.session.get_session().create_client(service)
