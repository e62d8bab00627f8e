"""Clients are moved by hand: the deployed switch is thrown and put back, and no deployment minds what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from uuid import uuid4

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox.clock import SharedClock, set_speed
from sandbox.layout import Layout
from sandbox.variables import CREDENTIALS, OPERATOR_CREDENTIALS
from shared.environment import Environment
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("running")


@pytest.fixture
def client(running):
    """Makes clients of the secondary's services, as a person with the `aws` command has them."""
    endpoint = running.ok("sandbox.status", "--json").json["endpoint"]
    credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
    return lambda service: boto3.client(service, region_name="us-east-2", endpoint_url=endpoint, **credentials)


@pytest.fixture
def switch(running, client):
    """Reads the deployed switch."""
    s3 = client("s3")
    bucket = running.ok("outputs", "--layer", "edge", "--json").json["edge/payments"]["stop_switch_bucket"]
    yield lambda: s3.get_object(Bucket=bucket, Key="stop-switch")["Body"].read().decode()
    running.ok("heal")
    running.ok("restore")


def test_the_primary_is_evacuated_and_brought_back(running, switch):
    assert switch() in {"primary: run", "primary: run, as deployed"}
    assert running.facts()["stop switch"] == "ok"

    told = running.ok("evacuate", "--json").json
    assert (told["says"], told["region"], told["clients_move_within_seconds"]) == ("primary: stop", "us-east-2", 70)
    assert told["as"] == "arn:aws:iam::000000000000:role/payment-dr-operations-x7k2"
    assert switch() == "primary: stop"
    again = running.ok("evacuate", "--json").json
    begun = told["fence"].partition(" on until")[0]
    assert again["says"] == "primary: stop"
    assert again["fence"].startswith(begun), "done twice is done once, and holds longer"
    unfenced = running.ok("evacuate", "--no-fence", "--json").json["fence"]
    assert unfenced.startswith(begun), "it stands all the same"
    found = running.facts()
    assert (found["stop switch"], found["fence"], found["switch's readers"]) == ("not fit", "ok", "ok")

    # What it says is the operators': no drift, nothing to deploy, and a deployment leaves it.
    assert set(running.ok("drift", "--json").statuses.values()) == {"unchanged"}
    assert set(running.ok("deploy", "--layer", "edge", "--force", "--json").statuses.values()) == {"unchanged"}
    assert switch() == "primary: stop"

    # What would change the secondary, which serves alone now, is refused.
    with running.edited("environments/payments.yaml", "ttl: 30", "ttl: 29"):
        refused = running.run("deploy", "--layer", "edge")
    assert refused.code == 1
    assert "us-east-1 (primary) is evacuated" in refused.complaint

    assert running.ok("restore", "--json").json["says"] == "primary: run"
    assert switch() == "primary: run"


def test_a_primary_that_is_out_is_evacuated_and_not_brought_back(running, switch):
    """Neither needs anything of the lost region but the question whether it serves."""
    running.ok("fault", "--region", "us-east-1", "--kind", "refuse")
    running.ok("evacuate")
    assert switch() == "primary: stop"
    refused = running.run("restore")
    assert refused.code == 1
    assert "us-east-1 (primary) does not serve" in refused.complaint
    assert switch() == "primary: stop"
    running.ok("restore", "--even-if-unhealthy")
    assert switch() == "primary: run"


@pytest.mark.prove
def test_clients_of_an_evacuated_primary_pay_there_when_the_secondary_is_lost(running, switch, client):
    """Its checks cannot read the switch, so DNS answers the primary, which must not refuse them."""
    secret = running.ok("outputs", "--layer", "data", "--json").json["data/payments"]["api_keys_secret_arns"]
    keys = json.loads(client("secretsmanager").get_secret_value(SecretId=secret["secondary"])["SecretString"])
    headers = {
        "Host": Environment.load("payments").foundation().failover_name,
        "x-api-key": keys["clients"]["storefront"]["current"],
    }
    clock = Layout(running.root).clock
    base = running.ok("sandbox.status", "--json").json["gateways"]["us-east-1"]
    body = {"amount": 1, "currency": "USD", "customerId": "c"}

    with httpx.Client(base_url=base, timeout=30) as primary:

        def paid():
            return primary.post("/payment", headers={**headers, "Idempotency-Key": uuid4().hex}, json=body).status_code

        running.ok("evacuate")
        set_speed(clock, 20)
        try:
            until(lambda: paid() == 503)
        finally:
            set_speed(clock, 1)
        running.ok("fault", "--region", "us-east-2", "--kind", "refuse")
        assert "cannot be asked as the canary" in running.run("restore").complaint
        assert "the fence is down already" in running.run("restore", "--even-if-unhealthy").complaint
        until(lambda: paid() == 201)


@pytest.mark.prove
def test_who_stays_on_an_open_connection_is_refused_when_dns_has_moved(running, switch, client):
    told = running.ok("sandbox.status", "--json").json
    secret = running.ok("outputs", "--layer", "data", "--json").json["data/payments"]["api_keys_secret_arns"][
        "secondary"
    ]
    keys = json.loads(client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    clock, name = Layout(running.root).clock, Environment.load("payments").foundation().failover_name

    def pay(connection):
        headers = {"Host": name, "x-api-key": keys["clients"]["storefront"]["current"], "Idempotency-Key": uuid4().hex}
        return connection.post("/payment", headers=headers, json={"amount": 1, "currency": "USD", "customerId": "c"})

    primary, secondary = (
        httpx.Client(base_url=told["gateways"][each], timeout=30) for each in ("us-east-1", "us-east-2")
    )
    with primary, secondary:
        paid = pay(primary)
        assert running.ok("evacuate", "--json").json["fence"].startswith("fenced from ")
        begun = SharedClock(clock).now()
        assert pay(primary).status_code == 201, "whoever honours the TTL is still on the way"
        assert any(
            each["what"] == "fence" and "refuses new" in each["said"]
            for each in running.run("situation", "--json").json
        )
        set_speed(clock, 20)
        try:
            until(lambda: pay(primary).status_code == 503)
            waited = SharedClock(clock).now() - begun
        finally:
            set_speed(clock, 1)
        assert 60 < waited < 70 + 5 + 30
        refused = pay(primary)
        assert (refused.json()["type"], refused.headers["Retry-After"]) == ("/problems/out-of-service", "1")
        read = {"Host": name, "x-api-key": keys["clients"]["storefront"]["current"]}
        assert primary.get(f"/payment/{paid.json()['paymentId']}", headers=read).status_code == 200
        assert pay(secondary).status_code == 201
        running.ok("restore")
        until(lambda: pay(primary).status_code == 201)
    out = running.root / "evidence"
    told = running.ok("evidence", "--since", "30m", "--out", str(out), "--json").json
    assert told["failover"]["stopped"]
    assert set(told["unknown"]) == {"who-primary", "who-secondary"}, "the sandbox records no calls"
    assert {each["says"] for each in json.loads((out / "switch.json").read_text())} > {"primary: stop", "primary: run"}
    subprocess.run([sys.executable, "verify.py", told["head"]], cwd=out, check=True)


def test_nobody_but_the_checkers_reads_the_switch_unsigned(running):
    """Asked for as they do, by the bucket's own name; from here nobody is one of them."""
    endpoint = running.ok("sandbox.status", "--json").json["endpoint"]
    bucket = running.ok("outputs", "--layer", "edge", "--json").json["edge/payments"]["stop_switch_bucket"]
    answer = httpx.get(f"{endpoint}/stop-switch", headers={"Host": f"{bucket}.s3.us-east-2.amazonaws.com"})
    assert answer.status_code == 403
    assert "AccessDenied" in answer.text


def test_the_deployed_function_compares_who_may_read_the_switch_with_who_checks(client):
    """With its own rights, and the addresses as they are told outside."""
    answer = client("lambda").invoke(
        FunctionName="payment-failover-control-secondary-x7k2:live", Payload=json.dumps({"compare": "ranges"}).encode()
    )
    assert json.loads(answer["Payload"].read()) == {"ranges": "current"}


def session(sts, external_id):
    """Clients of the operations role, taken on by the user that the environment file names."""
    return sts.assume_role(
        RoleArn="arn:aws:iam::000000000000:role/payment-dr-operations-x7k2",
        RoleSessionName="test",
        ExternalId=external_id,
    )["Credentials"]


def test_the_role_is_taken_on_by_the_operator_with_the_external_id_and_does_no_more_than_a_move(running, client):
    endpoint = running.ok("sandbox.status", "--json").json["endpoint"]

    def of(service, credentials, region="us-east-2"):
        return boto3.client(service, region_name=region, endpoint_url=endpoint, **credentials)

    operator = {name.lower(): value for name, value in OPERATOR_CREDENTIALS.items()}
    with pytest.raises(ClientError, match="AccessDenied"):
        session(of("sts", operator), "another")
    with pytest.raises(ClientError, match="AccessDenied"):  # not even the administrator: nobody has named him
        session(client("sts"), "payments-dr")
    bucket = running.ok("outputs", "--layer", "edge", "--json").json["edge/payments"]["stop_switch_bucket"]
    with pytest.raises(ClientError, match="AccessDenied"):
        of("s3", operator).put_object(Bucket=bucket, Key="stop-switch", Body=b"primary: stop")
    taken = session(of("sts", operator), "payments-dr")
    role = {
        "aws_access_key_id": taken["AccessKeyId"],
        "aws_secret_access_key": taken["SecretAccessKey"],
        "aws_session_token": taken["SessionToken"],
    }
    for refused in (
        lambda: of("s3", role).delete_object(Bucket=bucket, Key="stop-switch"),
        lambda: of("s3", role).put_object(Bucket=bucket, Key="another", Body=b""),
        lambda: of("s3", role).put_bucket_policy(Bucket=bucket, Policy="{}"),
        lambda: of("dynamodb", role).scan(TableName="payment-transactions-x7k2"),
        lambda: of("lambda", role).invoke(FunctionName="payment-processor-secondary-x7k2"),
        lambda: of("secretsmanager", role, "us-east-1").get_secret_value(SecretId="payment-api-secret-x7k2"),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            refused()
