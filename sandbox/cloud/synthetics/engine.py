"""The function behind a canary: on AWS it is Lambda's too, with the runtime as a layer beside the script."""

from __future__ import annotations

import base64
import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ministack.services import lambda_svc

from shared.packaging import archives
from shared.packaging.function_sdk import data as sdk_data
from shared.packaging.function_sdk import digest as sdk_digest
from shared.packaging.function_sdk import modules as sdk_modules

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "python/"
"""Where a package has its scripts: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Canaries_WritingCanary_Python.html."""
RUNTIME = Path(__file__).with_name("runtime.py")
HANDLER = "synthetics_runtime.handler"
SERVICES = ("cloudwatch", "s3", "secretsmanager", "ssm")
"""What scripts may call by the runtime's SDK. On AWS: every service."""
PREFIX = "cwsyn-"
NAME_KEPT = 21
"""So much of a canary's name is in its function's, which may have 64 characters."""
DEFAULTS = {"TimeoutInSeconds": 840, "MemoryInMB": 1500}


class EngineError(ValueError):
    """A script, role or setting that no function can be made of; the text says why."""


def package(script: bytes, built: Path) -> bytes:
    """The function's zip: runtime, SDK and the script's own files. `built` is where what all have is kept.

    Raises EngineError for a script that is no zip, or has nothing in its folder.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(script)) as packed:
            own = {name: packed.read(name) for name in packed.namelist() if not name.endswith("/")}
    except zipfile.BadZipFile as error:
        raise EngineError("the canary's code is no zip file") from error
    if not any(name.startswith(FOLDER) and name.endswith(".py") for name in own):
        raise EngineError(f"the canary's code has no script in {FOLDER}")
    target = io.BytesIO(_base(built).read_bytes())
    with zipfile.ZipFile(target, "a") as packed:
        for name, content in own.items():
            packed.writestr(name.removeprefix(FOLDER), content)
    return target.getvalue()


def _base(built: Path) -> Path:
    """Runtime and SDK, made once for a checkout."""
    parts = [sdk_digest(), *SERVICES, RUNTIME.read_text()]
    name = uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(parts)).hex
    path = built / f"synthetics-runtime-{name}.zip"
    if not path.exists():
        entries = [("synthetics_runtime.py", RUNTIME.read_bytes()), *sdk_data(SERVICES)]
        archives.write(path, entries, onto=sdk_modules(built))
    return path


def create(canary: str, code: bytes, role: str, run: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """Make the function, within a region's scope; its ARN. Raises EngineError when Lambda refuses it."""
    name = f"{PREFIX}{canary[:NAME_KEPT]}-{uuid.uuid4()}"
    request: dict[str, Any] = {"FunctionName": name, "Runtime": "python3.12", "Handler": HANDLER}
    request |= {"Code": {"ZipFile": base64.b64encode(code).decode()}, **_settings(role, run, variables)}
    return str(_told(lambda_svc._create_function(request))["FunctionArn"])


def configure(function: str, role: str, run: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """Give the function other settings. Raises EngineError."""
    _told(lambda_svc._update_config(_name(function), _settings(role, run, variables)))


def replace(function: str, code: bytes) -> None:
    """Give the function another package. Raises EngineError."""
    _told(lambda_svc._update_code(_name(function), {"ZipFile": base64.b64encode(code).decode()}))


def delete(function: str) -> None:
    """Remove the function; one that is gone already stays so."""
    lambda_svc._delete_function(_name(function), {})


def invoke(function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Run the function and wait for it: `state` and `reason` of the run."""
    record, config, _ = lambda_svc._get_func_record_for_ref(function)
    if record is None:
        return {"state": "FAILED", "reason": "the canary's function is gone"}
    found = lambda_svc._execute_function(lambda_svc._execution_record_for_config(record, config), dict(event))
    body = found.get("body") or {}
    if found.get("error") or found.get("throttle"):
        return {"state": "FAILED", "reason": str(body.get("errorMessage", "the run was throttled")), "ended": False}
    return {**body, "ended": True}


def _settings(role: str, run: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Role": role,
        "Timeout": int(run.get("TimeoutInSeconds") or DEFAULTS["TimeoutInSeconds"]),
        "MemorySize": int(run.get("MemoryInMB") or DEFAULTS["MemoryInMB"]),
        "Environment": {"Variables": dict(variables)},
    }


def _name(function: str) -> str:
    return function.split(":")[6]


def _told(answer: Any) -> dict[str, Any]:
    status, _, body = answer
    told: dict[str, Any] = json.loads(body) if body else {}
    if status >= 300:
        raise EngineError(str(told.get("message") or told.get("Message") or "Lambda refused the canary's function"))
    return told
