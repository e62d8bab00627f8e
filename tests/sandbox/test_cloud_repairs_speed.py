"""What the emulator would take its time or memory for, and AWS does not."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.repaired import printed
from tests.sandbox.test_cloud_functions import Function
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.conftest import RunningCloud

MEGABYTE = 1 << 20


def test_a_function_is_ready_at_once(cloud: RunningCloud) -> None:
    """A function is Pending only while something is made for it, such as its way into a VPC.

    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """
    took = []
    for _ in range(3):
        began = time.perf_counter()
        function = Function(cloud)
        until(functools.partial(_is_ready, cloud, function.name))
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5  # how long it is Pending without the repair, on however quick a machine


def _is_ready(cloud: RunningCloud, name: str) -> bool:
    found = cloud.client("lambda").get_function_configuration(FunctionName=name)
    return bool((found["State"], found["LastUpdateStatus"]) == ("Active", "Successful"))


def test_an_unknown_service_loads_no_models(cloud: RunningCloud) -> None:
    process = psutil.Process(cloud.sandbox.status().pids["cloud"])
    before = process.memory_info().rss
    with pytest.raises(ClientError, match="400"):
        cloud.client("fis").list_experiments()
    grown = process.memory_info().rss - before
    assert grown < 200 * MEGABYTE  # without the repair 390


COUNTED = """
import botocore.loaders
loaded = []
botocore.loaders.Loader.load_service_model = lambda self, name, *_, **__: loaded.append(name)
"""
TYPES = """
from ministack.core.responses import expected_error_content_type as expected
print(expected("ec2", "text/xml"), expected("lambda", "application/json"), expected("sqs", "application/json"), loaded)
"""


@pytest.fixture
def types(tmp_path: Path) -> str:
    return printed(TYPES, tmp_path, before=COUNTED)


def test_an_answers_content_type_is_found_without_the_services_model(types: str) -> None:
    assert types == "text/xml;charset=UTF-8 application/json application/x-amz-json-1.0 []"
