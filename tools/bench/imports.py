"""Cold imports: how long a fresh interpreter needs for a function's packaged code, before it can answer anything."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from shared.errors import Problem
from shared.packaging import packages

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACEHOLDERS: Final = {
    "ENVIRONMENT": "payments",
    "SUFFIX": "x7k2",
    "ROLE": "primary",
    "RELEASE": "r1",
    "CONSISTENCY": "MRSC",
    "TABLE_NAME": "table",
    "AUDIT_BUCKET": "bucket",
    "PROCESSOR": "processor.example",
    "API_KEYS_SECRET_ARN": "secret",
    "FAILOVER_NAME": "api.payments.example",
    "STOP_SWITCH_BUCKET": "switch",
    "STOP_SWITCH_KEY": "stop-switch",
    "LATCH": "null",
    "TARGET": "endpoint",
    "PRIMARY_URL": "https://primary",
    "PARAMETERS": "/parameters",
    "PEER_REGION": "us-east-2",
    "WITNESS_REGION": "us-west-2",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",  # nobody listens on port 9: calls are refused at once
}
"""Environment variables with which every function can be imported, and reaches nobody."""

YARDSTICKS: Final = {
    "powertools": "aws_lambda_powertools",
    "powertools, idempotency": "aws_lambda_powertools.utilities.idempotency",
}
"""What others import for the same purposes, from aws-lambda-powertools: logs and metrics; idempotency on DynamoDB."""

_SCRIPT: Final = """
import importlib, sys, time
sys.path.insert(0, sys.argv[1])
wall, processor = time.perf_counter_ns(), time.process_time_ns()
importlib.import_module(sys.argv[2])
print(time.perf_counter_ns() - wall, time.process_time_ns() - processor)
"""


@dataclass(slots=True)
class ColdImport:
    """One module, imported from a folder. Nanoseconds of wall and of processor time of each run."""

    name: str
    folder: Path
    module: str
    runs: list[tuple[int, int]] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """Median in milliseconds."""
        return median(wall for wall, _ in self.runs) / 1e6

    @property
    def processor(self) -> float:
        """Median in milliseconds; says more on a busy machine."""
        return median(processor for _, processor in self.runs) / 1e6


def measure(runs: int) -> list[ColdImport]:
    """Import each function and each yardstick so many times, in turns, so that a busy moment hits them all."""
    with tempfile.TemporaryDirectory() as folder:
        subjects = [*_functions(Path(folder)), *_yardsticks()]
        for number in range(runs + 1):
            for subject in subjects:
                times = _import(subject)
                if number:  # the first run writes missing bytecode, and fills the system's cache of files
                    subject.runs.append(times)
    return subjects


def _functions(folder: Path) -> Iterator[ColdImport]:
    for function in packages.functions():
        with zipfile.ZipFile(packages.package(function)) as archive:
            archive.extractall(folder / function)  # as Lambda does, before the interpreter starts
        yield ColdImport(function, folder / function, packages.handler(function).rpartition(".")[0])
    yield ColdImport("the bundled SDK in it", folder / "payment", "botocore.session")


def _yardsticks() -> Iterator[ColdImport]:
    for name, module in YARDSTICKS.items():
        spec = importlib.util.find_spec(module.partition(".")[0])
        if spec is None or spec.origin is None:
            raise Problem(f"bench: {module} is not installed: ./invoke --list installs the lock")
        yield ColdImport(name, Path(spec.origin).parent.parent, module)


def _import(subject: ColdImport) -> tuple[int, int]:
    # Isolated and without the site module: nothing but the standard library and that folder.
    command = [sys.executable, "-I", "-S", "-c", _SCRIPT, str(subject.folder), subject.module]
    environment = {**PLACEHOLDERS, "PATH": os.defpath}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise Problem(f"bench: {subject.module} cannot be imported: {last}")
    wall, processor = done.stdout.splitlines()[-1].split()
    return int(wall), int(processor)
