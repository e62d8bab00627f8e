"""Runs in a function's own process: `function_bootstrap.py RESPONSES CLOUD ADDRESS AHEAD`.

RESPONSES is the number of the descriptor for responses, CLOUD the socket that says where names lead, ADDRESS the one
that all calls come from; it is empty where this machine has but one. AHEAD are the seconds by which the wall clock is
ahead of the machine's while the function starts.

It knows nothing but the standard library, as its interpreter has no site-packages: what a function needs and did not
bring along is missing here as it would be on AWS. Requests come as lines of JSON on standard input. What the function
prints goes to its log; a line with a zero byte marks where the log of an invocation ends.
"""

from __future__ import annotations

import importlib
import ipaddress
import json
import os
import socket
import sys
import time
import traceback
from typing import Any

END_OF_LOG = b"\n\0\n"
NO_PORT_YET = 24
"""Linux's IP_BIND_ADDRESS_NO_PORT: the port is chosen when it is known to whom."""
RESOLVED_WITHIN = 5.0
"""Seconds: a resolver that is slower is down."""


class Context:
    """The second argument of a handler."""

    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
    memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
    log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    identity = None
    client_context = None

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id: str = request["request_id"]
        self.invoked_function_arn: str = request["function_arn"]
        self._deadline = time.monotonic() + request["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class WallClock:
    """The function's wall clock, ahead of the machine's.

    It is set when an invocation begins, to the sandbox's virtual time, and passes as the machine's then: virtual time
    lies between two invocations, and what one of them works on or waits for takes as long as it takes. `datetime` and
    the monotonic clocks are the machine's, so the SDK signs by that.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds."""
        seconds, nanoseconds = time.time, time.time_ns
        time.time = lambda: seconds() + self.ahead
        time.time_ns = lambda: nanoseconds() + round(self.ahead * 1e9)


def find_handler() -> Any:
    module, _, name = os.environ["_HANDLER"].replace("/", ".").rpartition(".")
    return getattr(importlib.import_module(module), name)


def failure(error: BaseException) -> str:
    traceback.print_exc()
    return json.dumps({"status": "error", "error": str(error), "type": type(error).__name__})


def answer(handler: Any, request: dict[str, Any]) -> str:
    """What a request's handler returned, or how it failed."""
    if request["trace_id"]:
        os.environ["_X_AMZN_TRACE_ID"] = request["trace_id"]
    try:
        return json.dumps({"status": "ok", "result": handler(request["event"], Context(request))})
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is its answer
        return failure(error)


def respond(responses: int, text: str) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(2, END_OF_LOG)
    encoded = text.encode() + b"\n"
    while encoded:
        encoded = encoded[os.write(responses, encoded) :]


def resolve_by(cloud: str) -> None:
    """Let names lead where the cloud says and nowhere else: no function leaves this machine, by mistake either.

    `cloud` is the socket at which it is asked, each time: a record that has changed leads elsewhere.
    """
    ask = socket.getaddrinfo

    def found(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode("idna") if isinstance(host, bytes) else host
        if name in {None, "", "localhost"} or _is_address(name):
            return ask(host, port, *arguments, **options)
        try:
            address, serves = asked(cloud, name)
        except OSError as error:
            raise socket.gaierror(socket.EAI_AGAIN, f"{name}: {error}") from error
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not known")
        return ask(address, serves if port in {443, "443", "https"} else port, *arguments, **options)

    socket.getaddrinfo = found


def call_from(address: str) -> None:
    """Let every connection come from an address, by which the called knows the region that calls."""
    connect = socket.socket.connect

    def connected(self: socket.socket, to: Any) -> None:
        if self.family == socket.AF_INET and not self.getsockname()[1]:
            if sys.platform == "linux":
                self.setsockopt(socket.IPPROTO_IP, NO_PORT_YET, 1)  # else no two connections could share a port
            self.bind((address, 0))
        connect(self, to)

    socket.socket.connect = connected  # type: ignore[assignment,method-assign]


def asked(cloud: str, name: str) -> tuple[str | None, int]:
    """The address of a name and the port that serves https there; no address for a name that nobody answers to."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(RESOLVED_WITHIN)
        connection.connect(cloud)
        connection.sendall(json.dumps({"question": "name", "name": name}).encode() + b"\n")
        with connection.makefile("rb") as answers:
            line = answers.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError("the cloud ended while it was asked")
    address, port = json.loads(line)["endpoint"] or (None, 0)
    return address, port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def main() -> None:
    responses = int(sys.argv[1])
    resolve_by(sys.argv[2])
    if sys.argv[3]:
        call_from(sys.argv[3])
    clock = WallClock()
    clock.ahead = float(sys.argv[4])
    root = os.environ["LAMBDA_TASK_ROOT"]
    os.chdir(root)
    sys.path.insert(0, root)
    try:
        handler = find_handler()
    except BaseException as error:  # noqa: BLE001 - also a SystemExit while it is imported
        respond(responses, failure(error))
        return
    respond(responses, '{"status": "ready"}')
    for line in sys.stdin.buffer:
        request = json.loads(line)
        clock.ahead = request["ahead"]
        respond(responses, answer(handler, request))


if __name__ == "__main__":
    main()
