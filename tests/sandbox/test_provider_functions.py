"""Functions and configuration, as the running cloud answers them."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.variables import CREDENTIALS
from tests.sandbox.provider_engine import Engine, Failed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def engine(cloud: Any) -> Iterator[Engine]:
    engine = Engine(cloud.endpoint, region="us-west-2", credentials=CREDENTIALS)
    yield engine
    engine.close()


def test_who_and_where(engine: Engine):
    assert engine.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == "000000000000"
    assert engine.invoke("aws:index/getRegion:getRegion")["region"] == "us-west-2"
    assert engine.invoke("aws:index/getRegion:getRegion", region="us-east-2")["name"] == "us-east-2"
    assert engine.invoke("aws:index/getPartition:getPartition")["partition"] == "aws"


def test_availability_zones(engine: Engine):
    opted_in = [{"name": "opt-in-status", "values": ["opt-in-not-required"]}]
    answer = engine.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", state="available", filters=opted_in)
    assert answer["names"][:2] == ["us-west-2a", "us-west-2b"]
    assert len(answer["zoneIds"]) == len(answer["names"])


@pytest.mark.parametrize("function", ["getPrefixList", "getManagedPrefixList"])
def test_prefix_lists(engine: Engine, function: str):
    token, name = f"aws:ec2/{function}:{function}", "com.amazonaws.us-west-2.s3"
    answer = engine.invoke(token, name=name)
    assert answer["id"].startswith("pl-")
    assert answer["name"] == name
    with pytest.raises(Failed, match=f"{token}: no prefix list nowhere in us-west-2"):
        engine.invoke(token, name="nowhere")


def test_address_ranges_are_those_of_the_health_checkers(engine: Engine):
    token = "aws:index/getIpRanges:getIpRanges"
    answer = engine.invoke(token, services=["route53_healthchecks"])
    assert "15.177.0.0/18" in answer["cidrBlocks"]
    for each in (*answer["cidrBlocks"], *answer["ipv6CidrBlocks"]):
        assert ip_network(each).is_global
    narrow = engine.invoke(token, services=["ROUTE53_HEALTHCHECKS"], regions=["GLOBAL"])
    assert narrow["cidrBlocks"] == ["15.177.0.0/18"]
    with pytest.raises(Failed, match="no address ranges of route53_healthchecks in mars-1"):
        engine.invoke(token, services=["route53_healthchecks"], regions=["mars-1"])
    with pytest.raises(Failed, match="no addresses of ec2"):
        engine.invoke(token, services=["ec2"])


def test_a_parameter_is_decrypted_unless_it_is_not_wanted(engine: Engine):
    token = "aws:ssm/getParameter:getParameter"
    for name, kind in (("/example/secret", "SecureString"), ("/example/plain", "String")):
        engine.make("aws:ssm/parameter:Parameter", f"the-{kind}", name=name, type=kind, value="words")
    secret = engine.invoke(token, name="/example/secret")
    assert (secret["value"], secret["type"]) == ("words", "SecureString")
    assert "insecureValue" not in secret
    assert engine.invoke(token, name="/example/secret", withDecryption=False)["value"] != "words"
    assert engine.invoke(token, name="/example/plain")["insecureValue"] == "words"
    with pytest.raises(Failed, match="/example/nothing not found"):
        engine.invoke(token, name="/example/nothing")


def test_a_hosted_zone_by_its_id(engine: Engine):
    token = "aws:route53/getZone:getZone"
    made = engine.make("aws:route53/zone:Zone", name="there.example.org")
    answer = engine.invoke(token, zoneId=made.id)
    assert (answer["name"], answer["privateZone"]) == ("there.example.org", False)
    assert answer["nameServers"] == made.nameServers
    with pytest.raises(Failed, match=f"{token}: no hosted zone ZNONE"):
        engine.invoke(token, zoneId="ZNONE")


def test_an_argument_that_is_not_declared_fails_by_name(engine: Engine):
    with pytest.raises(Failed, match="colour: the sandbox's provider does not declare this property"):
        engine.invoke("aws:index/getRegion:getRegion", colour="red")


def test_an_account_that_is_not_allowed_is_refused(engine: Engine):
    engine.configure(allowedAccountIds=["000000000000"])
    with pytest.raises(Failed, match=r"account 000000000000 is not among allowedAccountIds \(123456789012\)"):
        engine.configure(allowedAccountIds=["123456789012"])


def test_a_cloud_that_is_not_there_is_one_line():
    engine = Engine("http://127.0.0.1:9", credentials=CREDENTIALS)
    try:
        with pytest.raises(Failed, match=r"Could not connect .* Is the sandbox up\? \./invoke sandbox\.status$"):
            engine.make("aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")
    finally:
        engine.close()


def test_a_region_of_its_own(engine: Engine, cloud: Any):
    topic = engine.make("aws:sns/topic:Topic", name="elsewhere", region="us-east-2")
    try:
        assert topic.region == "us-east-2"
        assert topic.arn.startswith("arn:aws:sns:us-east-2:")
        assert engine.diff(topic, engine.recheck(topic, {"name": "elsewhere"})).replaces == ["region"]
    finally:
        engine.destroy()
    there = cloud.client("sns", "us-east-2").list_topics()["Topics"]
    assert topic.arn not in [each["TopicArn"] for each in there]
