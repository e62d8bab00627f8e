"""What is left when every stack is gone: found by the SDK's models, and told with the command that ends it."""

from __future__ import annotations

from botocore.exceptions import ClientError

from orchestration.remains import OF_APIS, remains
from shared.environment import Environment
from tests.doubles.modelled_aws import ModelledAws

SETTINGS = Environment.load("payments")
GROUPS = {
    "/aws/lambda/": ["/aws/lambda/payment-health-primary-x7k2", "/aws/lambda/cwsyn-a-x7k2-12", "/aws/lambda/ax7k2"],
    OF_APIS: [f"{OF_APIS}gone/live", f"{OF_APIS}there/live"],
}


def listed(region, asked):
    if region == "us-east-2":
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribeLogGroups")
    return {"logGroups": [{"logGroupName": name} for name in GROUPS[asked["logGroupNamePrefix"]]]}


def test_groups_of_the_environment_and_of_apis_that_are_gone_are_named_with_the_command():
    answers = {("logs", "DescribeLogGroups"): listed, ("apigateway", "GetRestApis"): {"items": [{"id": "there"}]}}
    aws = ModelledAws(answers)
    *found, unknown = remains(SETTINGS, aws)
    command = "aws logs delete-log-group --region us-east-1 --log-group-name"
    assert found == [
        f"{command} '/aws/lambda/payment-health-primary-x7k2'",
        f"{command} '/aws/lambda/cwsyn-a-x7k2-12'",
        f"{command} '{OF_APIS}gone/live'",
    ]
    assert unknown.startswith("unknown: cannot list log groups in us-east-2")


def test_where_nothing_is_left_no_api_is_asked_for():
    aws = ModelledAws({("logs", "DescribeLogGroups"): {"logGroups": []}})
    assert list(remains(SETTINGS, aws)) == []
    assert aws.operations("apigateway") == []
