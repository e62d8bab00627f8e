"""A sandbox that lies is not believed: each lie is planted, and each honest answer passes."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from botocore.exceptions import ClientError

from drill import asking, self_test
from drill.names import Resolved
from drill.reading import Places
from drill.records import Attempt, Event
from drill.session import least_detection
from shared.environment import Environment
from shared.roles import PerRole
from shared.root import ROOT
from tests.unit.drill.test_figures import FAULT, HEAL, SWITCH
from tests.unit.drill.test_figures import PLAN as A_PLAN

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


def test_without_a_fault_nothing_is_compared():
    assert afterwards(EVENTS[0]) == ""


def test_the_least_that_checkers_need_follows_the_environment():
    settings = Environment.load("payments", ROOT)
    checks = settings.edge.checks.of_the_entry_point
    wanted = min((each.threshold - 1) * each.interval for each in checks)
    assert least_detection(settings, "hang") == wanted > 0
    assert least_detection(settings, "grey") == 0
    stop = settings.edge.checks.stop_switch
    assert least_detection(settings, "evacuate") == (stop.threshold - 1) * stop.interval


class PaperTable:
    """A table in two regions, which lies in one way or in none."""

    def __init__(self, lie):
        self.lie, self.cut, self.late = lie, False, []
        self.items = {"us-east-1": {}, "us-east-2": {}}
        self.passed = 0.0

    def now(self):
        return self.passed

    @contextmanager
    def cut_off(self):
        self.cut = True
        yield
        self.cut = False
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
    ],
)
def test_replicas_that_do_not_follow_their_rules_are_not_believed(monkeypatch, lie, why):
    table = PaperTable(lie)
    monkeypatch.setattr(asking, "REPLICATED_WITHIN", 0.0)
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
