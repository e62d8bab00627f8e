"""The function in the secondary that makes a failover last: what it reads, what it asks the primary, what it stops."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from datetime import UTC, datetime

import pytest

from lambdas import probing
from lambdas.adapters.retry import Retry
from lambdas.domain.errors import Unavailable
from lambdas.failover_control.figures import Figures
from lambdas.failover_control.latch import BUDGET, FAILURES, HEALTH_ATTEMPTS, PAYMENTS, Latch
from lambdas.failover_control.ranges import RangeWatch
from lambdas.failover_control.rule import MINUTE, LatchRule
from lambdas.failover_control.switch import SwitchState
from lambdas.probing import Prober, Reply, Unhealthy, send
from lambdas.telemetry.sources import METRICS, mark
from tests.doubles.payments import CANARY, ListJournal, ManualClock, Region, refused, timed_out

RULE = LatchRule(failed=3, probes=5, spread=3, clients=50, lasting=4, again=30, grace=10)


class Cloud:
    """CloudWatch with what the functions measured, and the stop switch."""

    def __init__(self, clock):
        self.clock = clock
        self.values = {}
        self.queries = []
        self.stopped = False
        self.since = clock.time - 100 * MINUTE
        self.error = None
        self.meanwhile = lambda: None

    def state(self):
        if self.error:
            raise self.error
        return SwitchState(self.stopped, self.since, str(self.since))

    def stop(self, seen):
        self.meanwhile()
        if seen != str(self.since):
            return False
        self.stopped = True
        return True

    def put(self, name, minutes_ago, value):
        self.values.setdefault(name, {})[self.clock.time // MINUTE - minutes_ago] = value

    def traffic(self, minutes_ago, sources=1):
        self.put("FailoverTraffic", minutes_ago, 9.0)
        for number in range(sources):
            for name, rank in mark(f"192.0.2.{number}", "s").items():
                known = self.values.get(name, {}).get(self.clock.time // MINUTE - minutes_ago, 0)
                self.put(name, minutes_ago, max(rank, known))

    def get_metric_data(self, **arguments):
        if self.error:
            raise self.error
        self.queries.append(arguments)
        begin, end = (arguments[name].timestamp() // 60 for name in ("StartTime", "EndTime"))
        results = []
        for query in arguments["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            assert metric["Namespace"] == "Payments"
            assert metric["Dimensions"] == [
                {"Name": "Environment", "Value": "payments"},
                {"Name": "Suffix", "Value": "x7k2"},
                {"Name": "Role", "Value": "secondary"},
            ]
            found = {at: value for at, value in self.values.get(metric["MetricName"], {}).items() if begin <= at < end}
            times = [datetime.fromtimestamp(at * 60, UTC) for at in found]
            results.append({"Label": query["Label"], "Timestamps": times, "Values": list(found.values())})
        half = len(results) // 2
        if "NextToken" in arguments:
            return {"MetricDataResults": results[half:]}
        return {"MetricDataResults": results[:half], "NextToken": "more"}


class Primary:
    """The primary's API as a client meets it, on the real payment function."""

    def __init__(self):
        self.region = Region()
        self.requests = []
        self.broken = {}

    def send(self, method, url, headers, body):
        path = url.removeprefix("https://primary")
        self.requests.append((method, path.rsplit("/", 1)[0] if "pay_" in path else path))
        broken = self.broken.get((method, len(self.requests)), self.broken.get(method))
        if isinstance(broken, Exception):
            raise broken
        if broken is not None:
            return broken
        if path == "/health":
            return Reply(200, {}, b"{}")
        answer = self.region.send(method, path, dict(headers), body.decode() if body else None)
        return Reply(
            answer["statusCode"],
            {name.lower(): value for name, value in answer["headers"].items()},
            answer["body"].encode(),
        )


@pytest.fixture
def world():
    clock = ManualClock()
    cloud, primary = Cloud(clock), Primary()
    journal = ListJournal(clock, {}, "payments", "x7k2", "secondary")
    journal.lines = []
    tokens = iter(range(1000))
    latch = Latch(
        cloud,
        Figures(cloud, journal.dimensions, Retry(clock)),
        RULE,
        lambda: Prober("https://primary", CANARY, lambda: f"t{next(tokens)}", primary.send),
        journal,
        clock,
    )
    return latch, cloud, primary, clock


def minute_by_minute(world, minutes, sources=1):
    """Run once a minute with clients here; what was measured can be read in the next one."""
    latch, cloud, _, clock = world
    results = []
    for _ in range(minutes):
        clock.time += MINUTE
        cloud.traffic(0, sources)
        results.append(latch.run())
        line = latch.journal.lines[-1]
        if "ProbeFailed" in line:
            cloud.put("ProbeFailed", 0, line["ProbeFailed"])
    return results


def test_without_clients_here_the_primary_is_not_asked(world):
    latch, cloud, primary, _ = world
    assert latch.run() == "no failover traffic"
    cloud.traffic(3)
    assert latch.run() == "no failover traffic"
    assert primary.requests == []
    assert "ProbeFailed" not in latch.journal.lines[-1]


def test_a_primary_that_serves_is_left_alone(world):
    latch, cloud, primary, _ = world
    assert minute_by_minute(world, 1) == ["watching"]
    assert not cloud.stopped
    assert primary.requests == [
        ("GET", "/health"),
        *[("POST", "/payment"), ("POST", "/payment"), ("GET", "/payment")] * PAYMENTS,
    ]
    line = latch.journal.lines[-1]
    assert (line["ProbeFailed"], line["PrimaryStopped"]) == (0, 0)


def test_a_primary_that_stays_down_is_stopped_after_more_than_two_minutes(world):
    latch, cloud, primary, _ = world
    primary.broken = {"GET": Unhealthy("GET https://primary/health: refused")}
    assert minute_by_minute(world, 4) == ["watching"] * 3 + ["stopped"]
    assert cloud.stopped
    line = latch.journal.lines[-1]
    assert line["PrimaryStopped"] == 1
    assert line["reason"] == "4 of the last 4 probes of the primary failed"
    assert line["failure"] == "GET https://primary/health: refused"
    assert CANARY not in json.dumps(latch.journal.lines)


def test_clients_who_stay_away_stop_a_primary_whose_probes_are_green(world):
    assert minute_by_minute(world, 5, sources=100) == ["watching"] * 4 + ["stopped"]
    assert world[0].journal.lines[-1]["ProbeFailed"] == 0


def test_a_few_clients_who_stay_away_do_not(world):
    assert set(minute_by_minute(world, 60, sources=20)) == {"watching"}


@pytest.mark.parametrize(
    ("broken", "failed"),
    [
        ({("GET", 1): Reply(503, {}, b"{}")}, False),  # the second attempt is answered
        ({("POST", 8): Reply(202, {}, b"{}")}, False),
        ({("POST", 3): Reply(201, {}, b"{}")}, False),
        ({("POST", 2): Reply(500, {}, b"{}"), ("POST", 4): Unhealthy("reset")}, True),
        ({"GET": Unhealthy("refused")}, True),
        ({"POST": Reply(500, {}, b"{}")}, True),
        ({"POST": Reply(201, {"idempotent-replayed": "true"}, b"[]")}, True),
        ({"POST": Reply(201, {"idempotent-replayed": "true"}, b"no json")}, True),
    ],
)
def test_one_failed_request_of_many_is_no_failed_probe(world, broken, failed):
    _, _, primary, _ = world
    primary.broken = broken
    minute_by_minute(world, 1)
    assert world[0].journal.lines[-1]["ProbeFailed"] == failed


def test_a_probe_ends_in_time_however_slow_the_primary_is(world):
    """Each request may take 5 s: a probe that is asked for every minute must not take longer than one."""
    latch, _, primary, clock = world
    answer = primary.send

    def slowly(*arguments):
        clock.time += 4_900
        return answer(*arguments)

    primary.send = slowly
    object.__setattr__(latch, "prober", lambda: Prober("https://primary", CANARY, lambda: "t", slowly))
    begun = clock.time
    minute_by_minute(world, 1)
    assert latch.journal.lines[-1]["ProbeFailed"] == 1
    assert clock.time - begun - MINUTE <= BUDGET + 3 * 5_000
    assert (FAILURES, HEALTH_ATTEMPTS) == (2, 2)


def test_a_stopped_primary_is_not_probed(world):
    latch, cloud, primary, _ = world
    cloud.stopped = True
    cloud.traffic(0)
    assert latch.run() == "already stopped"
    assert primary.requests == cloud.queries == []
    assert latch.journal.lines[-1]["PrimaryStopped"] == 1


def test_without_a_rule_every_failover_ends_by_itself(world):
    latch, cloud, primary, _ = world
    object.__setattr__(latch, "rule", None)
    primary.broken = {"GET": Unhealthy("refused")}
    assert set(minute_by_minute(world, 10, sources=100)) == {"left alone"}
    assert primary.requests == cloud.queries == []
    assert latch.journal.lines[-1]["PrimaryStopped"] == 0, "the switch's state is told all the same"


def test_after_a_restoration_it_waits_and_says_so(world):
    _, cloud, primary, clock = world
    primary.broken = {"GET": Unhealthy("refused")}
    cloud.since = clock.time
    assert minute_by_minute(world, 14) == ["waiting"] * 9 + ["watching"] * 4 + ["stopped"]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_switch_that_somebody_moves_during_the_probe_is_theirs(world, stopped):
    """A probe takes seconds: who restores in them would find the primary stopped again, in spite of the grace."""
    latch, cloud, primary, clock = world
    primary.broken = {"GET": Unhealthy("refused")}
    minute_by_minute(world, 3)

    def moved(*_):
        cloud.stopped, cloud.since = stopped, clock.time
        raise Unhealthy("refused")

    primary.send = moved
    object.__setattr__(latch, "prober", lambda: Prober("https://primary", CANARY, lambda: "t", moved))
    assert minute_by_minute(world, 1) == ["moved meanwhile"]
    assert cloud.stopped is stopped
    line = latch.journal.lines[-1]
    assert (line["ProbeFailed"], line["PrimaryStopped"]) == (1, 0)


def test_a_switch_that_somebody_moves_in_the_moment_of_the_write_is_theirs(world):
    latch, cloud, primary, clock = world
    primary.broken = {"GET": Unhealthy("refused")}
    minute_by_minute(world, 3)
    cloud.meanwhile = lambda: setattr(cloud, "since", clock.time)
    assert minute_by_minute(world, 1) == ["moved meanwhile"]
    assert not cloud.stopped
    line = latch.journal.lines[-1]
    assert (line["ProbeFailed"], line["PrimaryStopped"]) == (1, 0)
    assert line["reason"], "a write that was repeated meets its own first one: why it was made must not be lost"


@pytest.mark.parametrize("what", ["the switch", "the metrics"])
def test_what_cannot_be_seen_is_looked_for_again_in_a_minute(world, what):
    latch, cloud, _, _ = world
    cloud.traffic(0)
    error = Unavailable("AccessDenied") if what == "the switch" else refused("ServiceUnavailable")
    if what == "the metrics":
        cloud.state = lambda: SwitchState(stopped=False, since=0, seen="")
    cloud.error = error
    with pytest.raises(Unavailable):
        latch.run()
    assert not cloud.stopped


@pytest.mark.parametrize("status", ["InternalError", "Forbidden"])
def test_a_metric_that_cloudwatch_does_not_tell_is_not_a_quiet_one(world, status):
    """The answer as a whole is good, and has no values: as if no client were here."""
    latch, cloud, _, _ = world
    cloud.traffic(0)
    answer = cloud.get_metric_data

    def partly(**arguments):
        told = answer(**arguments)
        results = [{**each, "Timestamps": [], "Values": [], "StatusCode": status} for each in told["MetricDataResults"]]
        return {**told, "MetricDataResults": results}

    cloud.get_metric_data = partly
    with pytest.raises(Unavailable, match=status):
        latch.run()


@pytest.mark.parametrize("error", [Unavailable("the API keys cannot be read"), KeyError("canary")])
def test_without_a_key_to_probe_with_the_clients_decide(world, error):
    """One of two signs is out: the other still latches; until then each run fails, so that silence is an alarm."""
    latch, cloud, primary, _ = world

    def no_key():
        raise error

    object.__setattr__(latch, "prober", no_key)
    for _ in range(RULE.lasting):
        with pytest.raises(type(error)):
            minute_by_minute(world, 1, sources=RULE.clients * 2)
    assert not cloud.stopped
    for _ in range(2):
        with contextlib.suppress(type(error)):
            minute_by_minute(world, 1, sources=RULE.clients * 2)
    assert cloud.stopped
    assert primary.requests == []
    (line,) = [each for each in latch.journal.lines if each["result"] == "stopped"]
    assert line["unable"] == str(error), "whoever reads why it stopped must see that nothing was probed"
    assert "ProbeFailed" not in line


def test_sources_are_read_only_while_clients_are_here(world):
    """A request for one metric costs, and there are many: most of the time nobody is here."""
    latch, cloud, _, _ = world
    latch.run()
    assert {len(each["MetricDataQueries"]) for each in cloud.queries} == {2}
    minute_by_minute(world, 1)
    assert {len(each["MetricDataQueries"]) for each in cloud.queries} == {2, len(METRICS)}


class Policies:
    """The bucket's policy. `ranges`: who may read the switch by it."""

    def __init__(self, *ranges):
        self.ranges = list(ranges)
        self.error = None

    def get_bucket_policy(self, **arguments):
        assert arguments == {"Bucket": "bucket"}
        if self.error:
            raise self.error
        address = {"IpAddress": {"aws:SourceIp": self.ranges}}
        reading = {"Sid": "CheckersRead", "Effect": "Allow", "Condition": address}
        return {"Policy": json.dumps({"Statement": [{"Effect": "Deny"}, reading]})}


def document(*ranges):
    published = [{"ip_prefix": each, "service": "ROUTE53_HEALTHCHECKS"} for each in ranges]
    other = {"ip_prefix": "52.95.36.0/22", "service": "AMAZON"}
    return json.dumps({"prefixes": [*published, other]}).encode()


def watching(policies, published):
    clock = ManualClock()
    journal = ListJournal(clock, {}, "payments", "x7k2", "secondary")
    journal.lines = []

    def fetch():
        if isinstance(published, Exception):
            raise published
        return published

    return RangeWatch(policies, "bucket", Retry(clock), fetch, journal)


@pytest.mark.parametrize(
    ("ranges", "published", "stale"),
    [
        (["15.177.0.0/18"], ["15.177.0.0/18"], 0),
        (["15.177.0.0/18", "107.23.255.0/26"], ["15.177.0.0/18"], 0),
        (["15.177.0.0/16"], ["15.177.0.0/18"], 0),
        (["15.177.0.0/19", "15.177.32.0/19"], ["15.177.0.0/18"], 0),
        (["15.177.0.0/19"], ["15.177.0.0/18"], 1),
        (["15.177.0.0/18"], ["15.177.0.0/18", "107.23.255.0/26"], 1),
        ([], ["15.177.0.0/18"], 1),
        (["2600:1f18:3fff:f800::/56"], ["15.177.0.0/18"], 1),
    ],
)
def test_a_checker_that_may_not_read_the_switch_is_measured(ranges, published, stale):
    watch = watching(Policies(*ranges), document(*published))
    assert watch.look() == ("stale" if stale else "current")
    (line,) = watch.journal.lines
    assert line["SwitchRangesStale"] == stale
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] == "SwitchRangesStale"


@pytest.mark.parametrize(
    ("published", "error"),
    [
        (OSError("no route"), None),
        (b"<html>", None),
        (b"{}", None),
        (b"[]", None),
        (b"null", None),
        (b'{"prefixes": {"a": 1}}', None),
        (b'{"prefixes": [1]}', None),
        pytest.param(b"[" * 100_000, None, id="deep"),
        (document(), None),
        (document("no range"), None),
        (document("15.177.0.0/18"), refused("AccessDenied", 403)),
        (document("15.177.0.0/18"), refused("NoSuchBucketPolicy", 404)),
        (document("15.177.0.0/18"), timed_out()),
    ],
)
def test_what_cannot_be_compared_is_neither_current_nor_stale(published, error):
    """Nothing is measured, which the alarm takes for a breach when it lasts."""
    policies = Policies("15.177.0.0/18")
    policies.error = error
    watch = watching(policies, published)
    assert watch.look() == "unknown"
    (line,) = watch.journal.lines
    assert "SwitchRangesStale" not in line
    assert line["reason"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:9"])
def test_a_region_that_cannot_be_asked_is_unhealthy(url):
    with pytest.raises(Unhealthy):
        send("GET", url, {}, None)


def test_a_region_that_answers_in_drops_is_unhealthy_in_time(monkeypatch):
    """A socket's time-out holds for each piece of an answer, and the functions that probe have an end of their own."""
    monkeypatch.setattr(probing, "TIMEOUT", 0.3)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not done.wait(0.1):
                    connection.sendall(b"X-More: x\r\n")

        dripping = threading.Thread(target=drip)
        dripping.start()
        began = time.monotonic()
        with pytest.raises(Unhealthy, match="no answer within"):
            send("GET", f"http://127.0.0.1:{server.getsockname()[1]}", {}, None)
        assert time.monotonic() - began < 2
        done.set()
        dripping.join()
