"""A sandbox that lies is not believed: each lie is planted, and each honest answer passes."""

from __future__ import annotations

import http.server
import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from drill import asking, self_test
from drill.names import Resolved
from drill.reading import Places
from drill.records import Attempt, Event
from drill.session import least_detection
from sandbox.processor.ledger import Ledger
from shared.environment import Environment
from shared.roles import PerRole
from shared.root import ROOT
from tests.unit.drill.test_figures import FAULT, HEAL, SWITCH
from tests.unit.drill.test_figures import PLAN as A_PLAN

if TYPE_CHECKING:
    from collections.abc import Callable

ROLES = {"127.1.0.1": "primary", "127.1.0.2": "secondary"}
HONEST = Resolved("127.1.0.1", 30.0)
REGIONS = {"primary": "us-east-1 (primary)", "secondary": "us-east-2 (secondary)"}
PLAN = replace(A_PLAN, fault="hang", bounds={"detection": 54.0}, regions=ROLES)
EVENTS = (
    Event(900.0, self_test.SEEN, "api", "primary"),
    Event(FAULT, "fault", "us-east-1", "hang"),
    Event(FAULT + 28, "health", "payment-api-primary gate", "unhealthy"),
    Event(SWITCH, "dns", "api", "secondary"),
    Event(SWITCH + 0.7, self_test.SEEN, "api", "secondary"),
    Event(HEAL, "heal"),
)
TRIED = Attempt("fresh-1", "fresh", "k", 1, 1010.0, 1010.0, 1015.0, "failed", address="127.1.0.1")


def afterwards(*events, attempts=(TRIED,), plan=PLAN, least=20.0):
    return " ".join(self_test.afterwards(plan, attempts, events, least))


def without(kind, what):
    return tuple(each for each in EVENTS if (each.kind, each.what) != (kind, what))


def moved(kind, what, at):
    return tuple(replace(each, at=at) if (each.kind, each.what) == (kind, what) else each for each in EVENTS)


def test_an_honest_dns_is_believed():
    assert self_test.dns_lies([HONEST] * 3, ROLES, "primary", 30) == ""


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ([], "did not answer"),
        ([HONEST, replace(HONEST, ttl=3600.0)], "TTL of 3600"),
        ([HONEST, replace(HONEST, ttl=0.0)], "TTL of 0"),
        ([HONEST, replace(HONEST, address="127.1.0.2")], "not the primary's"),
        ([replace(HONEST, address="10.0.0.1")], "not the primary's"),
    ],
)
def test_a_dns_that_ignores_what_is_declared_is_not(lie, why):
    assert why in self_test.dns_lies(lie, ROLES, "primary", 30)


def test_a_region_that_answers_as_another_is_not_believed():
    assert self_test.region_lies(REGIONS, REGIONS) == ""
    assert "answers as us-east-1" in self_test.region_lies({**REGIONS, "secondary": REGIONS["primary"]}, REGIONS)
    assert "answers as nobody" in self_test.region_lies({"primary": REGIONS["primary"]}, REGIONS)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (("answered", "refused", "answered"), ""),
        (("answered", "answered", "answered"), "was to refuse"),
        (("answered", "silent", "answered"), "was to refuse"),
        (("refused", "refused", "answered"), "no fault"),
        (("answered", "refused", "refused"), "mended"),
    ],
)
def test_a_fault_that_breaks_nothing_or_never_ends_is_not_believed(answers, why):
    found = self_test.refusal_lies(*answers)
    assert why in found if why else found == ""


@pytest.mark.parametrize(
    ("ages", "why"),
    [
        ([1.0] * 16, ""),
        ([1.0] * 15, "15 checkers"),
        ([], "0 checkers"),
        ([1.0] * 15 + [20.5], "has not looked"),
        ([1.0] * 15 + [-30.0], "will look"),
    ],
)
def test_checkers_that_do_not_look_are_not_believed(ages, why):
    found = self_test.checkers_lie("gate", ages, 16, 10)
    assert why in found if why else found == ""


@pytest.mark.parametrize(("passed", "honest"), [(6.0, True), (6.2, True), (2.0, False), (6.6, False), (0.0, False)])
def test_a_clock_at_the_wrong_speed_is_not_believed(passed, honest):
    assert (self_test.clock_lies(passed, 2.0, 3.0, "the drill's") == "") is honest


def test_a_drill_whose_observers_agree_is_believed():
    assert afterwards(*EVENTS) == ""


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (moved("dns", "secondary", SWITCH - 20), "20.7 s from when the drill saw it"),
        (moved("dns", "secondary", SWITCH + 20), "from when the drill saw it"),
        (without("dns", "secondary"), "tells of no change"),
        (without(self_test.SEEN, "secondary"), "never saw"),
        (moved("health", "unhealthy", FAULT + 5), "needed 5.0 s"),
        (without("health", "unhealthy"), "no checker noticed"),
        (moved("dns", "secondary", FAULT + 25), "before the primary's check was unhealthy"),
        (tuple(each for each in without("dns", "secondary") if each.what != "secondary"), "answered it all the same"),
        ((*EVENTS, Event(FAULT + 20, "health", "primary fast", "unhealthy", "3 checkers")), "3 of 16 checkers"),
    ],
)
def test_a_drill_whose_observers_do_not_agree_is_not(events, why):
    assert why in afterwards(*events)


def test_a_fault_under_which_the_primary_serves_is_not_believed():
    served = replace(TRIED, outcome="created", status=201)
    assert "served by the primary" in afterwards(*EVENTS, attempts=(TRIED, served))
    assert afterwards(*EVENTS, attempts=(replace(served, address="127.1.0.2"),)) == ""
    assert afterwards(*EVENTS, attempts=(replace(served, sent=FAULT - 1),)) == ""


@pytest.mark.parametrize(
    ("speed", "after", "believed"), [(1, 0.9, True), (1, 1.1, False), (5, 4.9, True), (5, 5.1, False)]
)
def test_to_break_something_takes_real_time_at_any_speed(speed, after, believed):
    served = replace(TRIED, outcome="created", status=201, sent=FAULT + after)
    found = afterwards(*EVENTS, attempts=(served,), plan=replace(PLAN, speed=speed))
    assert ("served by the primary" not in found) is believed


@pytest.mark.parametrize(("consistency", "believed"), [("strong", False), ("eventual", True)])
def test_a_region_that_is_cut_off_goes_on_paying_where_copies_are_eventual(consistency, believed):
    plan = replace(PLAN, fault="partition", consistency=consistency)
    served = replace(TRIED, outcome="created", status=201, sent=FAULT + 20)
    assert (self_test.fault_lies(plan, [served], FAULT, HEAL) == "") is believed


@pytest.mark.parametrize(
    ("flips", "believed"),
    [([20.0, 20.3], True), ([20.0, 39.9, 50.0, 69.0], True), ([20.0, 40.3], False), ([20.0, 20.3, 30.0], False)],
)
def test_dns_must_follow_a_check_that_stays_unhealthy_and_no_other(flips, believed):
    """A share of failing calls lets a check be ill for a moment: what was taken back on its way to DNS is not heard."""
    changes = [
        Event(FAULT + at, "health", "payment-api-primary gate", "healthy" if number % 2 else "unhealthy", "0 checkers")
        for number, at in enumerate(flips)
    ]
    found = self_test.following_lies(PLAN, changes, FAULT + flips[0], None, FAULT + 60)
    assert (found == "") is believed


def test_what_two_of_sixteen_find_well_is_unhealthy_and_so_is_a_switch_that_is_read():
    two = Event(FAULT + 20, "health", "primary fast", "unhealthy", "2 checkers")
    read = Event(FAULT + 200, "health", "secondary stop-switch", "unhealthy", "16 checkers")
    assert afterwards(*EVENTS, two, read) == ""


@pytest.mark.parametrize(("at", "blind"), [(FAULT + 1, True), (HEAL - 50, False)])
def test_checkers_must_notice_what_the_drill_itself_finds_ill(at, blind):
    """Whatever the fault: a health route that answers well is the system's, and no lie of the sandbox."""
    data = replace(PLAN, fault="data")
    events = [replace(each, what="data") if each.kind == "fault" else each for each in EVENTS[:2]] + [EVENTS[-1]]
    well, ill = Event(900.0, self_test.PROBED, "127.1.0.1", "well"), Event(at, self_test.PROBED, "127.1.0.1", "ill")
    assert afterwards(*events, well, plan=data) == ""
    assert ("no checker noticed" in afterwards(*events, well, ill, plan=data)) is blind


@pytest.mark.parametrize(("ill_for", "blind"), [(22.0, False), (80.0, True)])
def test_an_outage_that_nothing_bounds_is_noticed_in_time_all_the_same(ill_for, blind):
    outage = replace(PLAN, fault="incident", bounds={"noticed": 54.0})
    events = [replace(each, what="incident") if each.kind == "fault" else each for each in EVENTS[:2]] + [EVENTS[-1]]
    ill = Event(HEAL - ill_for, self_test.PROBED, "127.1.0.1", "ill")
    assert ("no checker noticed" in afterwards(*events, ill, plan=outage)) is blind


GREY = replace(PLAN, fault="grey", bounds={"detection": 240.0})
IN_GREY = (
    Event(900.0, self_test.PROBED, "127.1.0.1", "well"),
    Event(FAULT, "fault", "us-east-1", "grey"),
    Event(FAULT + 110, "health", "payment-api-primary errors", "unhealthy"),
    Event(FAULT + 110, "health", "payment-api-primary gate", "unhealthy"),
    Event(FAULT + 115, "dns", "api", "secondary"),
    Event(FAULT + 115.7, self_test.SEEN, "api", "secondary"),
    Event(FAULT + 600, "heal"),
)


def probes(*moments):
    """What the drill's own question found, in turn: ill, well, ill."""
    words = ("ill", "well") * len(moments)
    return [Event(FAULT + at, self_test.PROBED, "127.1.0.1", word) for at, word in zip(moments, words, strict=False)]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ([], ""),
        (probes(40, 48, 90, 96), ""),  # a machine that is slow for a moment
        (probes(1), "ill for 599 s"),
        (probes(200, 231), "ill for 31 s"),
        ([Event(FAULT + 30, "health", "payment-api-primary fast", "unhealthy", "0 checkers")], "fast was called unhea"),
        ([Event(FAULT + 60, "health", "payment-api-primary standard", "unhealthy", "0 checkers")], "standard was cal"),
        ([Event(FAULT + 60, "health", "payment-api-secondary secondary", "unhealthy", "0 checkers")], ""),
        ([Event(FAULT + 600, "health", "payment-api-primary fast", "unhealthy", "0 checkers")], ""),
        ([Event(FAULT + 59, "health", "payment-api-primary gate", "unhealthy")], "needed 59.0 s"),
    ],
)
def test_a_grey_failure_that_is_none_or_is_found_too_soon_is_not_believed(more, why):
    """It leaves the health route alone, and metrics need their minutes: no real one is left sooner."""
    found = afterwards(*IN_GREY, *more, plan=GREY, least=60.0)
    assert why in found if why else found == ""


@pytest.mark.parametrize("fault", ["data", "lossy", "evacuate", "incident", "slow"])
def test_a_health_route_may_be_ill_under_any_other_fault(fault):
    plan = replace(GREY, fault=fault)
    assert self_test.sound_lies(plan, [*IN_GREY, *probes(1)], FAULT, FAULT + 600) == ""


def test_whatever_chance_makes_of_an_honest_way_to_dns_is_believed():
    chance = random.Random(1)
    for number in range(20_000):
        drawn = [chance.uniform(0, self_test.PROPAGATES) for _ in range(number % 13)]
        assert self_test.propagation_lies(drawn) == ""


@pytest.mark.parametrize("delays", [[0.003] * 2, [0.02] * 4, [0.3, 0.0, 0.1, 0.3, 0.2], [0.1] * 7 + [3.0]])
def test_a_dns_that_hears_of_all_changes_at_once_is_not(delays):
    assert f"heard of {len(delays)} changes" in self_test.propagation_lies(delays)


@pytest.mark.parametrize("delays", [[], [0.003], [0.3, 0.3], [0.01] * 3 + [6.0], [12.0] * 8, [1.0] * 8])
def test_a_drill_with_too_few_changes_or_a_slow_one_says_nothing_of_dns(delays):
    assert self_test.propagation_lies(delays) == ""


def change(at, what, check, *, healthy):
    return {"at": at, "what": what, "check": check, "healthy": healthy}


def test_the_way_to_dns_is_measured_from_each_change_that_nothing_overtook():
    lines = [
        change(90.0, "status", "fast", healthy=False),  # of before
        change(101.0, "dns", "fast", healthy=False),
        change(110.0, "status", "gate", healthy=False),
        change(110.0, "status", "fast", healthy=True),
        {"at": 111.0, "what": "answer", "name": "api", "set": "secondary"},
        change(114.0, "dns", "gate", healthy=False),
        change(117.0, "dns", "fast", healthy=True),
        change(200.0, "status", "gate", healthy=True),
        change(203.0, "status", "gate", healthy=False),  # so only a quick one of the two arrives
        change(201.0, "dns", "gate", healthy=True),
        change(212.0, "dns", "gate", healthy=False),
    ]
    assert list(self_test.delays(lines, 100.0)) == [4.0, 7.0, 9.0]


@dataclass
class PaperMetrics:
    """CloudWatch by a clock: what was measured of a minute can be read after a delay of its own."""

    delay: Callable[[str, float], float]
    speed: float = 0.3
    """Seconds that a question takes."""
    clock: float = 1_000_017.0
    counted: bool = True

    def client(self, _service, region):
        return _PaperRegion(self, region)

    def now(self):
        return self.clock

    def sleep(self, seconds):
        self.clock += seconds


@dataclass
class _PaperRegion:
    metrics: PaperMetrics
    region: str

    def get_metric_data(self, MetricDataQueries, StartTime, EndTime):  # noqa: N803 - AWS's names
        metrics, minute = self.metrics, StartTime.timestamp()
        metrics.clock += metrics.speed
        assert EndTime.timestamp() == minute + 60 <= metrics.clock
        assert MetricDataQueries[0]["MetricStat"]["Metric"]["MetricName"] == "Invocations"
        there = metrics.clock >= minute + 60 + metrics.delay(self.region, minute)
        return {"MetricDataResults": [{"Timestamps": [StartTime] if there else [], "Values": [30.0] if there else []}]}


def read_at_once(paper):
    where = Places(paper, PerRole("us-east-1", "us-east-2"), "payments", PerRole("a", "b"), 1)
    return asking.metrics(where, PerRole("health-1", "health-2"), paper.now, paper.sleep)


@pytest.mark.parametrize("speed", [0.01, 0.3, 3.0])
def test_metrics_that_come_at_once_are_not_believed(speed):
    assert "could all be read within" in read_at_once(PaperMetrics(lambda *_: 0.0, speed))


@pytest.mark.parametrize("speed", [0.01, 0.3, 3.0, 20.0])
def test_metrics_that_come_late_at_times_are_believed_whatever_chance_makes_of_it(speed):
    for seed in range(300):
        draw = random.Random(seed)
        known = {}
        paper = PaperMetrics(lambda *key, known=known, draw=draw: known.setdefault(key, draw.uniform(0, 60)), speed)
        assert read_at_once(paper) == ""
        assert paper.clock < 1_000_017 + 5 * 60


def test_a_machine_that_is_too_slow_to_ask_in_time_says_nothing_of_metrics():
    assert read_at_once(PaperMetrics(lambda *_: 0.0, 25.0)) == ""


class PaperProcessor:
    """The sandbox's own, which lies in one way or in none."""

    def __init__(self, lie=""):
        self.lie, self.ledger = lie, Ledger()

    def charge(self, endpoint, key, customer):
        match self.lie:
            case "endpoints are one":
                endpoint = "one"
            case "keys are known everywhere":
                endpoint = next((each for each, known in self.ledger._charges if known == key), endpoint)
            case "keys are forgotten":
                self.ledger._charges.clear()
            case "is silent":
                return "nothing"
            case "approves":
                customer = "somebody"
        told = self.ledger.charge(endpoint, key, {"value": 1, "currency": "USD"}, customer) or {}
        return told["status"]


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ("", ""),
        ("endpoints are one", "has decided 0 times"),
        ("keys are known everywhere", "b.example has decided 0 times"),
        ("keys are forgotten", "a.example has decided 2 times"),
        ("is silent", "answers nothing"),
        ("approves", "answers approved"),
    ],
)
@pytest.mark.parametrize("endpoints", [["a.example", "b.example"], ["a.example", "a.example"]])
def test_a_processor_that_cannot_double_or_doubles_a_key_is_not_believed(lie, why, endpoints):
    """Else no payment of any drill could be doubled; or all of them were."""
    paper = PaperProcessor(lie)
    found = asking.processor(endpoints, paper.charge, lambda: paper.ledger.lines)
    alone = len(set(endpoints)) == 1 and lie == "keys are known everywhere"
    assert (why in found and found) if why and not alone else found == ""


def test_the_self_test_moves_no_money():
    paper = PaperProcessor()
    asking.processor(["a.example", "b.example"], paper.charge, lambda: paper.ledger.lines)
    assert {line["what"] for line in paper.ledger.lines} == {"charge", "declined"}


def test_without_a_fault_nothing_is_compared():
    assert afterwards(EVENTS[0]) == ""


def test_the_least_that_checkers_need_follows_the_environment():
    settings = Environment.load("payments", ROOT)
    checks = settings.edge.checks.of_the_entry_point
    wanted = min((each.threshold - 1) * each.interval for each in checks)
    assert least_detection(settings, "hang") == wanted > 0
    assert least_detection(settings, "grey") == (settings.edge.grey_failure.periods - 1) * 60 > 0
    assert least_detection(settings, "incident") == least_detection(settings, "none") == 0
    stop = settings.edge.checks.stop_switch
    assert least_detection(settings, "evacuate") == (stop.threshold - 1) * stop.interval


class PaperTable:
    """A table in two regions, which lies in one way or in none."""

    def __init__(self, lie):
        self.lie, self.cut, self.mended, self.late = lie, False, False, []
        self.items = {"us-east-1": {}, "us-east-2": {}}
        self.passed = 0.0

    def now(self):
        return self.passed

    @contextmanager
    def cut_off(self):
        self.cut = True
        yield
        self.cut, self.mended = False, True
        if self.lie == "stays alone":
            self.late = None
            return
        for name in self.late:
            self.items["us-east-2"][name] = name
        self.late.clear()

    def client(self, _service, region):
        return PaperReplica(self, region)


@dataclass
class PaperReplica:
    table: PaperTable
    region: str

    def put_item(self, TableName, Item):  # noqa: N803 - AWS's names
        table, name = self.table, Item["sk"]["S"]
        if table.cut and self.region == "us-east-2" and table.lie != "acknowledges alone":
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "alone"}}, "PutItem")
        table.items[self.region][name] = name
        if table.cut and table.lie != "replicates through the cut":
            table.late += [name] if table.lie != "forgets what waits" else []
        elif table.lie != "replicates nothing":
            table.items["us-east-2"][name] = name

    def get_item(self, TableName, Key, ConsistentRead):  # noqa: N803 - AWS's names
        if ConsistentRead and self.table.lie == "stays alone" and self.table.late is None:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "alone"}}, "GetItem")
        if ConsistentRead and self.table.mended:
            self.table.mended = False
            if self.table.lie == "catches up late":
                return {}
            if self.table.lie == "hears late":
                raise ClientError({"Error": {"Code": "InternalServerError", "Message": "alone"}}, "GetItem")
        self.table.passed += 0.005 if ConsistentRead and self.table.lie != "no distance" else 0.001
        found = self.table.items[self.region].get(Key["sk"]["S"])
        return {"Item": {"seen": {"S": found}}} if found else {}

    def delete_item(self, TableName, Key):  # noqa: N803 - AWS's names
        for items in self.table.items.values():
            items.pop(Key["sk"]["S"], None)


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ("none", ""),
        ("replicates nothing", "is not read in the secondary's"),
        ("no distance", "a strong read takes 0 ms longer"),
        ("replicates through the cut", "reached the table of a region that was cut off"),
        ("acknowledges alone", "was acknowledged"),
        ("forgets what waits", "is not read in the secondary's"),
        ("stays alone", "is not read in the secondary's"),
        ("catches up late", "is not read in the secondary's"),
        ("hears late", ""),
    ],
)
def test_replicas_that_do_not_follow_their_rules_are_not_believed(monkeypatch, lie, why):
    table = PaperTable(lie)
    waits = {"catches up late": 5.0, "hears late": 5.0}
    monkeypatch.setattr(asking, "REPLICATED_WITHIN", waits.get(lie, 0.0))
    monkeypatch.setattr("drill.asking.time.perf_counter", table.now)
    where = Places(table, PerRole("us-east-1", "us-east-2"), "payments", PerRole("a", "b"), 1)
    found = asking.tables(where, table.cut_off, strong=True, speed=3.0)
    assert why in found if why else found == ""
    assert table.items == {"us-east-1": {}, "us-east-2": {}}


def test_an_eventual_table_may_acknowledge_alone_and_has_no_distance(monkeypatch):
    monkeypatch.setattr(asking, "REPLICATED_WITHIN", 0.0)
    table = PaperTable("acknowledges alone")
    where = Places(table, PerRole("us-east-1", "us-east-2"), "payments", PerRole("a", "b"), 1)
    assert asking.tables(where, table.cut_off, strong=False, speed=3.0) == ""


class PaperRoute53:
    """Checkers that answer so when they are asked for a check."""

    def __init__(self, statuses):
        self.statuses, self.checks = statuses, {}

    def client(self, _service, _region):
        return self

    def create_health_check(self, CallerReference, HealthCheckConfig):  # noqa: N803 - AWS's names
        self.checks[CallerReference] = HealthCheckConfig
        return {"HealthCheck": {"Id": CallerReference}}

    def get_health_check(self, HealthCheckId):  # noqa: N803 - AWS's names
        return {"HealthCheck": {"HealthCheckConfig": self.checks[HealthCheckId]}}

    def get_health_check_status(self, HealthCheckId):  # noqa: N803 - AWS's names
        assert HealthCheckId in self.checks
        return {"HealthCheckObservations": [{"StatusReport": {"Status": each}} for each in self.statuses]}

    def delete_health_check(self, HealthCheckId):  # noqa: N803 - AWS's names
        del self.checks[HealthCheckId]


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        (["Failure: no answer within 2 seconds"] * 16, ""),
        (["Failure: no answer within 2 seconds"] * 15, "1 of 16"),
        (["Success: HTTP Status Code 200, OK"] * 16, "16 of 16"),
        ([], "16 of 16"),
    ],
)
def test_checkers_that_never_give_up_are_not_believed(statuses, why):
    """Under any other fault than one that hangs nobody would see it."""
    route53, slept = PaperRoute53(statuses), []
    where = Places(route53, PerRole("us-east-1", "us-east-2"), "payments", PerRole("a", "b"), 1)

    @contextmanager
    def hangs():
        yield

    found = asking.timeouts(where, "us-west-2", 16, hangs, slept.append)
    assert why in found if why else found == ""
    assert sum(slept) >= 10 + 4 + 2
    assert not route53.checks


@pytest.mark.parametrize("speed", [3.0, 1.0])
def test_each_clock_is_measured_by_this_process(monkeypatch, speed):
    real = [100.0]
    monkeypatch.setattr("drill.asking.time.monotonic", lambda: real[0])
    monkeypatch.setattr("drill.asking.time.sleep", lambda seconds: real.__setitem__(0, real[0] + seconds))
    found = asking.clocks(lambda: real[0] * 3, lambda: real[0] * speed, 3.0)
    assert found == ("" if speed == 3.0 else "the checkers' clock goes 1.00 times as fast as time, and not 3 times")


class _Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(403)

    def log_message(self, *_):
        """Nothing."""


def test_a_region_is_really_asked_while_it_is_to_refuse():
    server = http.server.HTTPServer(("127.0.0.1", 0), _Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    @contextmanager
    def lies():
        yield

    @contextmanager
    def ends():
        server.shutdown()
        server.server_close()
        yield

    try:
        assert "was to refuse connections answered" in asking.refusal(url, lies)
        assert "mended is refused" in asking.refusal(url, ends)
    finally:
        server.shutdown() if thread.is_alive() else None
        server.server_close()
        thread.join()
