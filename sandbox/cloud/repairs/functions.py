"""Lambda's functions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from sandbox.cloud.functions import ExecutionEnvironment


def environments() -> None:
    """A function has what is installed beside the emulator, ends when its handler raises, and waits for log lines.

    It also has botocore imported into it, and its code unpacked and compiled for each environment anew.
    """
    others = lambda_runtime._worker_class_for

    def environment_for(config: dict[str, Any]) -> Any:
        return ExecutionEnvironment if str(config.get("Runtime", "")).startswith("python") else others(config)

    lambda_runtime._worker_class_for = environment_for


def ready_at_once() -> None:
    """A function is Pending for half a second after each change, though nothing is being prepared."""
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0


def prepared_when_created() -> None:
    """A function's code is looked at when it is first called: AWS prepares it when the function is created."""
    configuration, behind = lambda_svc._build_config, ThreadPoolExecutor(1)

    def prepared(name: str, data: dict[str, Any], code_zip: bytes | None = None) -> dict[str, Any]:
        if code_zip:
            # What is wrong with it is said at its first call.
            behind.submit(ExecutionEnvironment.code.unpacked, code_zip)
        built: dict[str, Any] = configuration(name, data, code_zip)
        return built

    lambda_svc._build_config = prepared
