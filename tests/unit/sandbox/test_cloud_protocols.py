"""What the cloud reads of a service's model, against what the SDK reads."""

from __future__ import annotations

import botocore.session
import pytest

from sandbox.cloud.repairs.transport import _service_model

SERVICES = ["acm", "apigateway", "dynamodb", "ec2", "iam", "lambda", "logs", "route53", "s3", "sns", "sqs", "sts"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_beginning_of_a_model_has_its_whole_metadata(service):
    model = _service_model(service)
    assert model is not None
    assert model.metadata == botocore.session.get_session().get_service_model(service).metadata


def test_a_service_that_the_sdk_does_not_know_has_none():
    assert _service_model("no-such-service") is None
