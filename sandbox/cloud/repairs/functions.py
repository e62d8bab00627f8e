"""Lambda's functions."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime
from ministack.core.responses import error_response_json
from ministack.services import lambda_svc

from sandbox.cloud.functions import ExecutionEnvironment, limited

if TYPE_CHECKING:
    Answer = tuple[int, dict[str, str], bytes]

CONCURRENT = 1000
"""AWS's quota of concurrent executions, of an account in a region. What runs at once here depends on the machine."""
UNRESERVED = 100
"""Concurrent executions that no function may reserve."""


def environments() -> None:
    """A function has what is installed beside the emulator, ends when its handler raises, and waits for log lines.

    It also has botocore imported into it, and its code unpacked and compiled for each environment anew.
    """
    others = lambda_runtime._worker_class_for

    def environment_for(config: dict[str, Any]) -> Any:
        return ExecutionEnvironment if str(config.get("Runtime", "")).startswith("python") else others(config)

    lambda_runtime._worker_class_for = environment_for
    lambda_svc.acquire_worker, lambda_svc.release_worker = limited(lambda_svc.acquire_worker, lambda_svc.release_worker)


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


def invoked_by_alias() -> None:
    """A function that an API or a rule calls by an alias is told the ARN of its version."""
    effective = lambda_svc._effective_func_record_for_qualifier

    def named(function: dict[str, Any] | None, qualifier: str | None) -> Any:
        record, config = effective(function, qualifier)
        if function is None or config is None or qualifier not in function.get("aliases", {}):
            return record, config
        told = {**config, "FunctionArn": f"{function['config']['FunctionArn']}:{qualifier}"}
        return {**record, "config": told}, told

    lambda_svc._effective_func_record_for_qualifier = named


def reserved_concurrency() -> None:
    """What a function has reserved holds for its newest code only: a version, and so an alias, runs without a limit."""

    def reserved(function: dict[str, Any], config: dict[str, Any]) -> int | None:
        _, _, _, region, account, *_ = config["FunctionArn"].split(":")
        record = lambda_svc._functions.get_scoped(account, region, config["FunctionName"]) or function
        number = record.get("concurrency")
        return None if number is None else int(number)

    lambda_svc._reserved_concurrency = reserved


def unreserved_concurrency() -> None:
    """Functions may reserve all concurrent executions, and the account's quota is what this machine can run."""
    put, settings = lambda_svc._put_function_concurrency, lambda_svc._get_account_settings

    def reserved(besides: str = "") -> int:
        return sum(int(each.get("concurrency") or 0) for name, each in lambda_svc._functions.items() if name != besides)

    def checked(function: str, request: dict[str, Any]) -> Answer:
        wanted = int(request.get("ReservedConcurrentExecutions") or 0)
        if CONCURRENT - reserved(besides=function) - wanted < UNRESERVED:
            message = (
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{UNRESERVED}]."
            )
            refused: Answer = error_response_json("InvalidParameterValueException", message, 400)
            return refused
        answer: Answer = put(function, request)
        return answer

    def told() -> Answer:
        status, headers, body = settings()
        answer = json.loads(body)
        answer["AccountLimit"] |= {
            "ConcurrentExecutions": CONCURRENT,
            "UnreservedConcurrentExecutions": CONCURRENT - reserved(),
        }
        return status, headers, json.dumps(answer).encode()

    lambda_svc._put_function_concurrency, lambda_svc._get_account_settings = checked, told
