"""The sandbox with AWS's quotas for making APIs: what comes too early is refused, and the provider waits."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from sandbox import quotas
from sandbox.variables import CREDENTIALS
from shared.errors import Problem
from tests.sandbox.conftest import a_cloud
from tests.sandbox.provider_engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.conftest import RunningCloud


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(quotas.VARIABLE, "on")
        with a_cloud(tmp_path_factory.mktemp("strict")) as cloud:
            patch.undo()
            yield cloud


def test_what_comes_too_early_is_refused_as_aws_does(strict: RunningCloud) -> None:
    gateway = strict.client("apigateway", "eu-west-1")
    first = gateway.create_rest_api(name="one")["id"]
    with pytest.raises(ClientError) as error:
        gateway.create_rest_api(name="two")
    told = error.value.response
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert (told["Error"]["Code"], told["Error"]["Message"]) == ("TooManyRequestsException", "Too Many Requests")
    assert [each["id"] for each in gateway.get_rest_apis()["items"]] == [first]
    strict.client("apigateway", "eu-west-2").create_rest_api(name="two")
    domain = {"endpointConfiguration": {"types": ["REGIONAL"]}}
    gateway.create_domain_name(domainName="a.example.com", **domain)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        gateway.create_domain_name(domainName="b.example.com", **domain)


def test_the_provider_waits_until_it_may(strict: RunningCloud) -> None:
    engine = Engine(strict.endpoint, region="eu-west-3", credentials=CREDENTIALS)
    began = time.monotonic()
    made = [engine.make("aws:apigateway/restApi:RestApi", name=str(uuid.uuid4())) for _ in range(2)]
    assert len({each.id for each in made}) == 2
    assert 2 < time.monotonic() - began < 10
    engine.close()


def test_the_sandbox_has_no_quotas_unless_asked(cloud: RunningCloud) -> None:
    gateway = cloud.client("apigateway", "eu-west-3")
    for api in [gateway.create_rest_api(name=str(number))["id"] for number in range(5)]:
        gateway.delete_rest_api(restApiId=api)


def test_another_word_ends_the_start_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(quotas.VARIABLE, "maybe")
    with pytest.raises(Problem, match=r"^SANDBOX_QUOTAS=maybe: it is `on` or `off`$"), a_cloud(tmp_path):
        pass
