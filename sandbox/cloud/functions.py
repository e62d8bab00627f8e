"""The execution environments of Python functions: the emulator's own, done again for speed and for likeness to AWS.

`repairs.functions.environments` puts them in the place of the emulator's.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime

from sandbox import addresses
from sandbox.cloud.access_log import ANSWERED_BY
from sandbox.cloud.function_faults import NoZoneError
from sandbox.cloud.watch.here import Here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.cloud.code import CodeStore
    from sandbox.cloud.function_faults import AvailabilityZone, FunctionFaults
    from sandbox.layout import Layout

BOOTSTRAP = Path(__file__).with_name("function_bootstrap.py")
END_OF_LOG = b"\n\0\n"
INIT_WITHIN = 10.0
"""Seconds that AWS gives a function's module to be imported. What is slower is imported anew within the invocation, for
as long as the function may run (Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle")."""
ENDING_WITHIN = 1.0
"""Seconds between the end of a process's output and its own."""
_STARTING = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
ENVIRONMENTS = 16 * (os.cpu_count() or 1)
"""Processes of one function: what comes when all of them work waits. AWS starts as many as its quota allows, and this
machine would end under the hundreds that a storm of retries asks for."""
FREE_WITHIN = 10.0
"""Real seconds that an invocation waits for one of them; then it is throttled."""
_INIT_LATE = {"status": "error", "error": f"Init timed out after {INIT_WITHIN:.2f} seconds"}
TOOK: ContextVar[float] = ContextVar("took", default=0.0)
"""Milliseconds that the handler of this thread's invocation ran: AWS counts no start of an environment in."""


class ExecutionEnvironment:
    """One process of one function: the interface is that of the emulator's `lambda_runtime.Worker`."""

    code: CodeStore
    layout: Layout
    faults: FunctionFaults
    """Set when the cloud starts."""

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        self.func_name = func_name
        self.config = config
        self.in_use = False
        self.last_used = time.time()
        self._code = code_zip
        self._lock = threading.Lock()
        self._proc: subprocess.Popen[bytes] | None = None
        self._cold = True
        self._responses = -1
        self.zone: AvailabilityZone | None = None
        """Where it runs, while it does, if it is in a VPC."""
        self.region = str(config["FunctionArn"].split(":")[3])
        self.faults.know(self)

    def invoke(
        self,
        event: Any,
        request_id: str,
        *,
        trace_id: str | None = None,
        depth: int | None = None,  # noqa: ARG002 - the emulator's guard against functions that invoke themselves
        durable: Mapping[str, Any] | None = None,  # noqa: ARG002
        invoked_function_arn: str | None = None,
    ) -> dict[str, Any]:
        """Run one invocation; `status` of the answer is ok or error, `log` what the function printed."""
        timeout = float(self.config.get("Timeout", 3))
        request = {
            "event": event,
            "request_id": request_id,
            "function_arn": invoked_function_arn or self.config.get("FunctionArn", ""),
            "timeout": timeout,
            "trace_id": trace_id,
        }
        if (by := ANSWERED_BY.get()) is not None:
            by.update(function=self.func_name, version=str(self.config.get("Version", "$LATEST")))
        with self._lock:
            if failure := self.faults.failure(self):
                return {**self._fail(failure, timeout), "cold_start": False, "log": ""}
            cold, log = False, ""
            if self._proc is None or self._proc.poll() is not None:
                response, log = self._start()
                if response == _INIT_LATE:
                    response, log = self._start(timeout)
                    response = _timed_out(timeout) if response == _INIT_LATE else response
                cold = True
                if response["status"] != "ready":
                    return {**response, "cold_start": cold, "log": log}
            began = time.perf_counter()
            try:
                response, more = self._exchange(request, timeout)
            except TimeoutError:
                self._end()
                response, more = _timed_out(timeout), ""
            finally:
                TOOK.set((time.perf_counter() - began) * 1000)
            return {**response, "cold_start": cold, "log": "\n".join(filter(None, (log, more)))}

    def kill(self) -> None:
        lambda_runtime.kill_workers([self])

    def crash(self) -> None:
        """End the process, in the middle of what it does: the next invocation starts another one."""
        if (proc := self._proc) is not None:
            proc.kill()

    def _fail(self, how: str, timeout: float) -> dict[str, Any]:
        """Fail as the function's code might."""
        match how:
            case "crash":
                self._end()
                return _ended(1)
            case "timeout":
                time.sleep(timeout)
                self._end()
                return _timed_out(timeout)
        return {"status": "error", "error": "a fault of the sandbox", "type": "RuntimeError"}

    def _spawn(self) -> None:
        """Start ahead of the first invocation, as the emulator asks for; an exception when that fails."""
        response, log = self._start()
        if response["status"] != "ready":
            raise RuntimeError(f"{response['error']}\n{log}")

    def _start(self, within: float = INIT_WITHIN) -> tuple[dict[str, Any], str]:
        """Start a process, a few at once: a storm of requests would else start hundreds, and none would get ready."""
        with _STARTING:
            return self._start_now(within)

    def _start_now(self, within: float) -> tuple[dict[str, Any], str]:
        root = self.code.unpacked(self._code)
        try:
            self.zone = self.faults.zone(self)
        except NoZoneError as error:
            return {"status": "error", "error": str(error)}, ""
        self._close()
        self._responses, writing = os.pipe()
        try:
            # -I and -S: the standard library and nothing else; -u: what is printed keeps its order.
            self._proc = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-u", BOOTSTRAP, str(writing), self.layout.cloud_socket),
                    self.faults.address(self.region),
                    str(Here.clock.ahead()),
                ],
                cwd=root,
                env=self._variables(root),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[writing],
                bufsize=0,
            )
        finally:
            os.close(writing)
        try:
            response, log = self._read(within)
        except TimeoutError:
            response, log = _INIT_LATE, ""
        self._cold = False
        if response["status"] != "ready":
            self._end()
        return response, log

    def _variables(self, root: Path) -> dict[str, str]:
        config, region = self.config, self.region
        credentials = lambda_runtime.execution_credentials(config)
        self.faults.keys[credentials["AWS_ACCESS_KEY_ID"]] = region
        return {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "TMPDIR": os.environ["TMPDIR"],
            "AWS_ENDPOINT_URL": addresses.url((addresses.AWS, int(os.environ["GATEWAY_PORT"]))),
            "AWS_EC2_METADATA_DISABLED": "true",
            **{name: str(value) for name, value in (config.get("Environment") or {}).get("Variables", {}).items()},
            **credentials,
            "SSL_CERT_FILE": str(self.layout.authority),  # instead of the machine's: it signs for every https name here
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', '')}",
            "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
            "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": (config.get("LoggingConfig") or {}).get("LogGroup")
            or f"/aws/lambda/{config['FunctionName']}",
            "AWS_LAMBDA_LOG_STREAM_NAME": os.urandom(16).hex(),
            "LAMBDA_TASK_ROOT": str(root),
            "_HANDLER": config["Handler"],
        }

    def _exchange(self, request: dict[str, Any], timeout: float) -> tuple[dict[str, Any], str]:
        assert self._proc is not None  # noqa: S101 - it was started just now
        assert self._proc.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):  # it has ended: _read says how
            self._proc.stdin.write(json.dumps({**request, "ahead": Here.clock.ahead()}).encode() + b"\n")
        return self._read(timeout)

    def _read(self, timeout: float) -> tuple[dict[str, Any], str]:
        """The next response and the log up to it; TimeoutError when it does not come in time."""
        assert self._proc is not None  # noqa: S101
        assert self._proc.stdout is not None  # noqa: S101
        logged = self._proc.stdout.fileno()
        received = {logged: b"", self._responses: b""}
        poll = select.poll()
        for descriptor in received:
            poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + timeout
        while not (received[self._responses].endswith(b"\n") and received[logged].endswith(END_OF_LOG)):
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                raise TimeoutError
            for descriptor, _ in ready:
                chunk = os.read(descriptor, 1 << 16)
                if not chunk:
                    code = self._end(ending=True)
                    return _ended(code), _text(received[logged])
                received[descriptor] += chunk
        response: dict[str, Any] = json.loads(received[self._responses])
        return response, _text(received[logged])

    def _end(self, *, ending: bool = False) -> int | None:
        proc, self._proc = self._proc, None
        if proc is None:
            return None
        try:
            code = proc.wait(ENDING_WITHIN if ending else 0)
        except subprocess.TimeoutExpired:
            proc.kill()
            code = proc.wait()
        for pipe in (proc.stdin, proc.stdout):
            if pipe is not None:
                pipe.close()
        return code

    def _close(self) -> None:
        if self._responses != -1:
            os.close(self._responses)
            self._responses = -1

    def _discard_tmpdir(self) -> None:
        """Called by the emulator after it has ended the process."""
        self._close()


def limited(
    acquire: Callable[..., tuple[Any, str]],
    release: Callable[[Any], None],
    *,
    most: int = ENVIRONMENTS,
    within: float = FREE_WITHIN,
) -> tuple[Callable[..., tuple[Any, str]], Callable[[Any], None]]:
    """The emulator's two functions that lease and release an environment, with no more than `most` for a function."""
    freed = threading.Condition()

    def acquired(*arguments: Any, **options: Any) -> tuple[Any, str]:
        end = time.monotonic() + within
        with freed:
            while True:
                found = acquire(*arguments, max_concurrency=most, **options)
                left = end - time.monotonic()
                if found[0] is not None or left <= 0:
                    return found
                freed.wait(left)

    def released(environment: Any) -> None:
        release(environment)
        with freed:
            freed.notify_all()

    return acquired, released


def _ended(code: int | None) -> dict[str, Any]:
    return {"status": "error", "error": f"Runtime exited with error: exit status {code}", "type": "Runtime.ExitError"}


def _timed_out(timeout: float) -> dict[str, Any]:
    return {"status": "error", "error": f"Task timed out after {timeout:.2f} seconds"}


def _text(log: bytes) -> str:
    return log.removesuffix(END_OF_LOG).decode(errors="replace").strip("\n")
