"""The canary: pays in both regions on the real payment function, counts what does not serve, and reads where all is."""

from __future__ import annotations

import json
from itertools import count

import pytest

from lambdas.adapters.parameters import FRESH, ParameterFolder
from lambdas.adapters.retry import Retry
from lambdas.canary.canary import PARAMETERS, Canary
from lambdas.domain.errors import Unavailable
from lambdas.probing import Prober, Reply, Unhealthy
from shared import grey_failure
from shared.roles import ROLES
from tests.doubles.payments import CANARY, ListJournal, ManualClock, Region, refused, timed_out

WHERE = {"endpoint": "https://own", "peer-endpoint": "https://peer", "api-keys-secret": "arn"}


class World:
    """Both regions' APIs as a client meets them; `broken` answers for one of them instead."""

    def __init__(self):
        self.regions = {"https://own": Region(), "https://peer": Region()}
        self.broken = {}
        self.requests = []

    def send(self, method, url, headers, body):
        host = "/".join(url.split("/")[:3])
        path = url.removeprefix(host)
        self.requests.append((method, host, path))
        broken = self.broken.get(host)
        if isinstance(broken, Exception):
            raise broken
        if broken is not None or path == "/health":
            return broken or Reply(200, {}, b"{}")
        answer = self.regions[host].send(method, path, dict(headers), body.decode() if body else None)
        names = {name.lower(): value for name, value in answer["headers"].items()}
        return Reply(answer["statusCode"], names, answer["body"].encode())


@pytest.fixture
def world():
    return World()


def sung(world, role="primary"):
    tokens = count()
    journal = ListJournal(ManualClock(), {}, "payments", "x7k2", role)
    journal.lines = []

    def prober(url, secret):
        assert secret == "arn"
        return Prober(url, CANARY, lambda: f"canary-{next(tokens)}", world.send)

    return Canary(role, lambda: WHERE, prober, journal, journal.clock).sing(), journal


def test_it_pays_in_both_regions_as_a_client_does(world):
    found, _ = sung(world)
    assert found == {"primary": "pass", "secondary": "pass"}
    for host in ("https://own", "https://peer"):
        asked = [(method, path.partition("/pay_")[0]) for method, at, path in world.requests if at == host]
        assert asked == [("GET", "/health"), ("POST", "/payment"), ("POST", "/payment"), ("GET", "/payment")]


def test_it_pays_as_often_as_the_model_of_grey_failures_says(world):
    """Each region gets payments from as many canaries as there are regions: each asks both."""
    sung(world)
    hosts = {host for _, host, _ in world.requests}
    assert len(hosts) == len(ROLES) == grey_failure.PROBES
    for host in hosts:
        paid = [asked for asked in world.requests if asked[:2] == ("POST", host)]
        assert len(paid) == grey_failure.PROBE_PAYMENTS


@pytest.mark.parametrize("role", ["primary", "secondary"])
@pytest.mark.parametrize("broken", [Reply(503, {}, b"{}"), Unhealthy("refused")])
def test_what_does_not_serve_is_counted_by_its_role_and_not_raised(world, role, broken):
    world.broken["https://peer"] = broken
    found, journal = sung(world, role)
    peer = {"primary": "secondary", "secondary": "primary"}[role]
    assert found[role] == "pass"
    assert found[peer] != "pass"
    (metrics,) = journal.lines
    assert metrics[f"{role.title()}Unserved"] == 0
    assert metrics[f"{peer.title()}Unserved"] == 1


@pytest.mark.parametrize(("broken", "alone"), [(("own",), 1), (("peer",), 0), (("own", "peer"), 0), ((), 0)])
def test_only_the_primary_does_not_serve_when_the_secondary_does(world, broken, alone):
    for each in broken:
        world.broken[f"https://{each}"] = Reply(503, {}, b"{}")
    _, journal = sung(world)
    (metrics,) = journal.lines
    assert metrics["OnlyPrimaryUnserved"] == alone


def test_one_payment_that_goes_through_later_is_no_failure_of_the_primary(world):
    world.broken["https://own"] = Reply(503, {}, b"{}")
    answers, send = iter([Reply(503, {}, b"{}"), None]), world.send

    def mended_at_the_second_payment(method, url, headers, body):
        if (method, url) == ("POST", "https://own/payment"):
            world.broken["https://own"] = next(answers)
        return send(method, url, headers, body)

    world.send = mended_at_the_second_payment
    _, journal = sung(world)
    (metrics,) = journal.lines
    assert (metrics["PrimaryUnserved"], metrics["OnlyPrimaryUnserved"]) == (1, 0)


class Ssm:
    def __init__(self, **values):
        self.values = {f"/folder/{name}": value for name, value in values.items()}
        self.asked = 0
        self.error = None

    def get_parameter(self, **arguments):
        self.asked += 1
        if self.error:
            raise self.error
        assert arguments["WithDecryption"] is True
        if arguments["Name"] not in self.values:
            raise refused("ParameterNotFound")
        return {"Parameter": {"Value": self.values[arguments["Name"]]}}


def folder(ssm, clock):
    return ParameterFolder(ssm, "/folder", PARAMETERS, Retry(clock))


def test_the_configuration_is_read_and_kept_for_a_while():
    ssm, clock = Ssm(**WHERE), ManualClock()
    parameters = folder(ssm, clock)
    assert parameters.values() == WHERE
    clock.time += FRESH - 1
    parameters.values()
    assert ssm.asked == len(PARAMETERS)
    clock.time += 1
    ssm.values["/folder/endpoint"] = "https://moved"
    assert parameters.values()["endpoint"] == "https://moved"
    assert ssm.asked == 2 * len(PARAMETERS)


@pytest.mark.parametrize("error", [refused("AccessDeniedException"), timed_out()])
def test_what_was_read_outlives_an_outage_and_what_never_was_is_unavailable(error):
    ssm, clock = Ssm(**WHERE), ManualClock()
    ssm.error = error
    with pytest.raises(Unavailable, match="/folder cannot be read"):
        folder(ssm, clock).values()
    ssm.error = None
    parameters = folder(ssm, clock)
    parameters.values()
    ssm.error = error
    clock.time += FRESH
    assert parameters.values() == WHERE


def test_a_parameter_that_is_not_there_is_a_mistake_of_the_deployment():
    with pytest.raises(Unavailable, match="/folder cannot be read: ParameterNotFound"):
        folder(Ssm(**{"endpoint": "https://own", "api-keys-secret": "arn"}), ManualClock()).values()


def test_nothing_of_a_key_is_told(world):
    _, journal = sung(world)
    assert CANARY not in json.dumps(journal.lines)
