"""An environment is refused with one line that names the field, its value and what would be right."""

from __future__ import annotations

import copy

import pytest
import yaml

from shared.contracts import ASIDE, LAYERS
from shared.environment import Environment, environment_names
from shared.environment_sections import NetworkSettings
from shared.errors import Problem
from shared.roles import ROLES
from shared.root import ROOT
from shared.stack import Stack

PAYMENTS = yaml.safe_load((ROOT / "environments/payments.yaml").read_text(encoding="utf-8"))

TAKEN = {"name": "api.a1b2.pay.example.com", "zone_id": "Z0123456789ABCDEFGHIJ", "now": False}

ONE_PROCESSOR = {f"compute.processor.{role}": "p.acquirer.io" for role in ROLES}


@pytest.fixture
def load(tmp_path):
    """Loads the payments environment with some values changed, given as {"edge.ttl": 60}; None deletes a field."""

    def loading(changes):
        content = copy.deepcopy(PAYMENTS)
        for path, value in changes.items():
            *parents, last = path.split(".")
            place = content
            for parent in parents:
                place = place[parent]
            if value is DELETED:
                del place[last]
            else:
                place[last] = value
        (tmp_path / "environments").mkdir(exist_ok=True)
        (tmp_path / "environments" / "payments.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return Environment.load("payments", tmp_path)

    return loading


DELETED = object()


def test_a_name_that_is_taken_over_is_the_shared_name_from_then_on(load):
    before, after = load({"takes_over": TAKEN}), load({"takes_over": {**TAKEN, "now": True}})
    assert (before.failover_name, before.taken) == ("api.x7k2.pay.example.com", None)
    assert (after.failover_name, after.own_name) == ("api.a1b2.pay.example.com", "api.x7k2.pay.example.com")
    assert after.region_names == before.region_names


def test_the_payments_environment_loads():
    environment = Environment.load("payments")
    assert environment.region("primary") == "us-east-1"
    assert environment.region("secondary") == "us-east-2"
    assert environment.failover_name == "api.x7k2.pay.example.com"
    assert environment.region_names.primary == "use1-api.x7k2.pay.example.com"
    assert environment.failover_bound == 94


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"regions.witness": "us-east-1"},
            "regions: witness and primary are both us-east-1: choose a region of its own",
        ),
        ({"regions.secondary": "us-east-1"}, "regions: secondary and primary are both us-east-1"),
        (
            {"regions.witness": "eu-west-1"},
            "regions: eu-west-1, us-east-1, us-east-2 cannot share a strongly consistent",
        ),
        ({"regions.primary": "moon-1"}, 'regions.primary: "moon-1" is wrong'),
        (
            {"network.cidrs.secondary": "10.0.128.0/17"},
            "network.cidrs: primary 10.0.0.0/16 overlaps secondary 10.0.128.0",
        ),
        ({"network.cidrs.primary": "10.0.0.1/16"}, 'network.cidrs.primary: "10.0.0.1/16" is wrong'),
        ({"network.cidrs.primary": "10.0.0.0/8"}, 'network.cidrs.primary: "10.0.0.0/8": a VPC here has between /16'),
        ({"network.cidrs.primary": "8.8.0.0/16"}, 'network.cidrs.primary: "8.8.0.0/16": addresses of the internet'),
        (
            {"network.zones.primary": ["use1-az1"]},
            "network.zones.primary",
        ),
        ({"network.zones.primary": ["use1-az1", "use1-az1"]}, "network.zones.primary"),
        ({"network.zones.primary": ["use1-az1", "use1-az3"]}, "use1-az3 takes no functions: choose another"),
        ({"network.zones.primary": ["use1-az1", "us-east-1b"]}, "network.zones.primary"),
        (
            {"network.zones.secondary": ["use2-az1", "usw2-az1"]},
            "network.zones.secondary: usw2-az1 is not in us-east-2, whose zones are use2-az1 and so on",
        ),
        ({"compute.processor.primary": "https://p.example.org"}, "compute.processor.primary"),
        ({"compute.processor.primary": "p.example.org:8443"}, "compute.processor.primary"),
        ({"compute.processor.primary": "p.example.org/v1"}, "compute.processor.primary"),
        ({"compute.processor.primary": "P.example.org"}, "compute.processor.primary"),
        ({"compute.processor.secondary": "10.0.0.1"}, "compute.processor.secondary"),
        ({"compute.processor.secondary": "localhost"}, "compute.processor.secondary"),
        ({"compute.processor.secondary": None}, "compute.processor.secondary"),
        (
            {"compute.processor.secondary": "api.x7k2.pay.example.com"},
            "compute.processor.secondary: api.x7k2.pay.example.com is in the zone of this environment, which would pay",
        ),
        ({"network.processor_services.primary": "com.amazonaws.us-east-1.s3"}, "network.processor_services.primary"),
        (
            {"network.processor_services.primary": "com.amazonaws.vpce.us-east-2.vpce-svc-0123456789abcdef0"},
            "network.processor_services.primary: com.amazonaws.vpce.us-east-2.vpce-svc-0123456789abcdef0 is not in",
        ),
        ({"suffix": "a" * 22}, "has 22 characters, and the S3 bucket stop-switch (63 at most) leaves 20: shorten it"),
        (
            {"suffix": "abc123"},
            "suffix: 'abc123' makes the secret's name payment-api-secret-abc123 end in a hyphen and six",
        ),
        # YAML reads yes, on and true as a truth, which Python takes for 1.
        *(
            ({field: True}, f"{field}: true: is a yes or no: put what is meant")
            for field in (
                "edge.ttl",
                "edge.checks.fast.threshold",
                "edge.grey_failure.periods",
                "compute.throttle.lookups.burst",
                "compute.audit.reserved_concurrency",
                "data.recovery_days",
                "log_retention_days.debug",
                "objectives.availability_percent",
                "observability.errors",
                "suffix",
            )
        ),
        *(
            ({"runbooks": url}, f'runbooks: "{url}": is no https address of a folder')
            for url in ("http://a.example/r/", "https://a.example/r", "https://u:p@a.example/", "https://a.example/?r/")
        ),
        (
            {"log_retention_days.access": 5},
            "log_retention_days: access: 5 days are less than debug's 7: keep what settles disputes at least as long",
        ),
        ({"log_retention_days.payment": 8}, "log_retention_days.payment: 8 is wrong"),
        ({"suffix": "No_Good"}, 'suffix: "No_Good" is wrong'),
        (
            {"domain": f"{'long-' * 8}name.example.com"},
            "characters, and a certificate takes 64: shorten domain or suffix",
        ),
        *(
            ({"takes_over": {**TAKEN, **wrong}}, line)
            for wrong, line in (
                ({"name": "api.x7k2.pay.example.com"}, "takes_over.name: api.x7k2.pay.example.com is a name of this"),
                ({"name": f"{'long-' * 12}name.example.com"}, "takes_over.name"),
                ({"name": "https://api.example.com"}, "takes_over.name"),
                ({"zone_id": "a1b2.pay.example.com"}, "takes_over.zone_id"),
                ({"now": "soon"}, "takes_over.now"),
            )
        ),
        ({"tags.Region": "here"}, "tags: 'Region' is set by the system or by AWS: choose another key"),
        ({"data.audit.archive_days": 40}, "data.audit: archive_days: 40 is less than 30 days after"),
        (
            {"compute.payment.timeout": 29},
            "compute: payment.timeout: 29 s is more than API Gateway waits: use 28 or less",
        ),
        (
            {"compute.payment.timeout": 8},
            "compute: payment.timeout: 8 s is less than a payment with slow answers takes: use 9 or more",
        ),
        (
            {"compute.audit.timeout": 19},
            "compute: audit.timeout: 19 s is less than a sweep needs to finish a few payments: use 20 or more",
        ),
        (
            {"compute.audit.timeout": 120},
            "compute: audit.timeout: 120 s is more than its queue waits for: use 60 or less",
        ),
        (
            {"compute.account_concurrency": 200},
            "200 less 475 reserved leaves -275, and Lambda wants 100 unreserved: reserve 100 or less in all",
        ),
        (
            {"compute.payment.reserved_concurrency": 100},
            "payment.reserved_concurrency: 100 is less than the 398 requests of 0.5 s that the throttle lets be",
        ),
        (
            {"compute.payment.reserved_concurrency": 100},
            "reserve 398, or lower throttle.payments and throttle.lookups and throttle.heads",
        ),
        (
            {"compute.health.reserved_concurrency": 20},
            "health.reserved_concurrency: 20 is less than the 56 requests of 0.1 s",
        ),
        (
            {"compute.warm.secondary": 201},
            "warm: 201 executions for each of two versions, while a release is made, are more than",
        ),
        ({"compute.warm.primary": 201}, "payment.reserved_concurrency of 400: use 200 or less"),
        (
            {"compute.throttle.health.burst": 20},
            "compute.throttle: health.burst: 20 is less than Route 53's checkers can ask at once: use 48 or more",
        ),
        (
            {"edge.failover_control.reserved_concurrency": 440},
            "compute.account_concurrency: 1000 less 910 reserved leaves 90",
        ),
        (
            {"edge.ttl": 60, "edge.checks.fast": {"interval": 30, "threshold": 3}},
            "objectives.failover: 120 s cannot be reached",
        ),
        ({"objectives.grey_failure": 220}, "= 280 s): edge.grey_failure.periods of 1 or less fits"),
        ({"objectives.grey_failure": 200}, "= 280 s): the least is 220 s"),
        (
            {"objectives.latency_percent": 90},
            "objectives.latency_percent: 90 % leaves a budget that no failure uses up as fast as an alarm must see",
        ),
        (
            {"objectives.availability_percent": 99.9999},
            "99.9999 % leaves 31 s a year, and one failure (refused) may take 120 s: promise less",
        ),
        ({"objectives.detection": 30}, "objectives.detection: 30 s cannot be reached (hang takes 42 s)"),
        (
            {"edge.grey_failure.lowest_payment_rate": 5},
            "5 payments a minute that all fail beside 8 of green probes: noticed from 21 a minute on: ask for 21",
        ),
        ({"edge.grey_failure.lowest_payment_rate": 31}, "edge.grey_failure.lowest_payment_rate: 31 is wrong"),
        ({"edge.grey_failure.error_percent": 100}, "never noticed: lower error_percent"),
        ({"edge.latch.failed_probes": 6}, "6 of 5 probes cannot fail: ask for 5 or less"),
        ({"edge.latch.failed_probes": 1}, "edge.latch.failed_probes: 1 is wrong"),
        ({"edge.latch.probes": 3}, "edge.latch.probes: 3 is wrong"),
        ({"edge.latch.clients": 1}, "edge.latch.clients: 1 is wrong"),
        ({"edge.latch.clients": 10_001}, "edge.latch.clients: 10001 is wrong"),
        (
            {"edge.latch.grace_minutes": 2},
            "2 min are less than the 130 s that clients need to go back after a restoration",
        ),
        ({"production": True, "edge.emails": []}, "edge.emails: production: true, and nobody is told of a failover"),
        ({"vault.region": "us-east-1"}, "vault.region: us-east-1 is the primary, and copies are for the loss of it"),
        ({"vault.region": "us-east-2"}, "choose a region that serves nobody, such as the witness us-west-2"),
        ({"vault.region": "us-east"}, 'vault.region: "us-east" is wrong'),
        ({"vault.region": DELETED}, "vault.region is missing"),
        ({"vault.keep_days": 0}, "vault.keep_days: 0 is wrong"),
        ({"vault.alarm_hours": 25}, "vault.alarm_hours: 25 is wrong"),
        ({"vault.lock.mode": "legal"}, 'vault.lock.mode: "legal" is wrong'),
        ({"vault.lock.cooling_off_days": 2}, "vault.lock.cooling_off_days: 2 is wrong"),
        ({"production": "yes"}, 'production: "yes" is wrong'),
        ({"production": 1}, "production: 1 is wrong"),
        ({"production": DELETED}, "production is missing"),
        ({"data.audit.lock.mode": "legal"}, 'data.audit.lock.mode: "legal" is wrong'),
        ({"data.audit.lock.days": 0}, "data.audit.lock.days: 0 is wrong"),
        ({"data.audit.lock.days": True}, "data.audit.lock.days: true: is a yes or no"),
        ({"edge.firewall.managed": "off"}, 'edge.firewall.managed: "off" is wrong'),
        ({"edge.firewall.rate.window_seconds": 90}, "edge.firewall.rate.window_seconds: 90 is wrong"),
        ({"edge.firewall.rate.requests": 99}, "edge.firewall.rate.requests: 99 is wrong"),
        (
            {"edge.firewall.rate.requests": 24_001},
            "24001 of one key in 60 s are more than the 24000 that the throttle lets through",
        ),
        (
            {"edge.zone_id": "Z1", "edge.parent_zone_id": "Z2"},
            "Z2 would delegate a new zone, and zone_id names Z1, which is there: set one of them to null",
        ),
        ({"edge.operations.operators": []}, "edge.operations.operators: [] is wrong"),
        ({"edge.operations.operators": ["root"]}, 'edge.operations.operators.0: "root" is wrong'),
        ({"edge.operations.external_id": "a b"}, 'edge.operations.external_id: "a b" is wrong'),
        ({"edge.operations.mfa": "perhaps"}, 'edge.operations.mfa: "perhaps" is wrong'),
        (
            {"edge.operations.mfa": True, "edge.operations.operators": ["user/a", "role/b"]},
            "mfa: true, and role/b is a role, whose sessions show no second factor to IAM: name users",
        ),
        ({"edge.ttls": 3}, "edge.ttls is not a field: did you mean ttl?"),
        ({"edge.zzz": 3}, "edge.zzz is not a field: known are zone_id, parent_zone_id, ttl, propagation"),
        ({"edge.checks.quick": 3}, "edge.checks.quick is not a field: known are standard, fast, stop_switch"),
        ({"edge.ttl": DELETED}, "edge.ttl is missing: add it"),
        ({"compute.payment.reserved_concurrency": "many"}, 'compute.payment.reserved_concurrency: "many" is wrong'),
    ],
)
def test_what_is_wrong_is_said_in_one_line(load, changes, line):
    with pytest.raises(Problem) as caught:
        load(changes)
    said = str(caught.value)
    assert said.startswith("environments/payments.yaml: ")
    assert line in said
    assert "\n" not in said


def test_an_objective_out_of_reach_shows_the_sum_and_values_that_fit(load):
    with pytest.raises(Problem) as caught:
        load(
            {"edge.ttl": 60, "edge.checks.fast": {"interval": 30, "threshold": 3}, "edge.checks.standard.threshold": 3}
        )
    said = str(caught.value)
    assert "slow: 3 × (30 + 8) + 10 propagation + 60 TTL = 184 s" in said
    assert "that fit: interval 30 threshold 1 with ttl 60, interval 30 threshold 2 with ttl 30" in said


def test_an_objective_that_nothing_reaches_says_so(load):
    with pytest.raises(Problem, match="no health check of Route 53 is that quick"):
        load({"objectives.failover": 10})


def test_eventual_consistency_may_span_region_sets(load):
    eventual = {"regions.witness": "eu-west-1", "data.consistency": "eventual", **ONE_PROCESSOR}
    assert load(eventual).data.consistency_mode == "MREC"


def test_more_than_one_thing_wrong_is_told(load):
    with pytest.raises(Problem, match=r"profile: .* \(also wrong: edge\.ttl\)$"):
        load({"edge.ttl": "x", "profile": "y"})


def test_a_slip_of_the_pen_is_named_before_what_it_leaves_missing(load):
    with pytest.raises(Problem) as caught:
        load({"edge.tll": 30, "edge.ttl": DELETED})
    assert str(caught.value).endswith("edge.tll is not a field: did you mean ttl? (also wrong: edge.ttl)")


def test_an_unknown_environment_lists_the_known(tmp_path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "a.yaml").write_text("x: [", encoding="utf-8")
    with pytest.raises(Problem, match="unknown environment 'nowhere': choose one of a, or add"):
        Environment.load("nowhere", tmp_path)
    with pytest.raises(Problem, match=r"environments/a\.yaml: not valid YAML"):
        Environment.load("a", tmp_path)
    assert environment_names(tmp_path) == ["a"]


def test_a_field_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "a.yaml").write_text("suffix: a\nedge:\n  ttl: 30\n  ttl: 60\n", encoding="utf-8")
    with pytest.raises(Problem, match=r"environments/a\.yaml: not valid YAML: line 4: ttl is there twice"):
        Environment.load("a", tmp_path)


def test_a_layer_sees_the_foundation_its_own_section_and_what_that_reads(load):
    before = load({})
    after = load({"edge.ttl": 20, "objectives.failover": 130})
    assert set(before.layer_settings("network")) == {"foundation", "network"}
    for layer in LAYERS:
        changed = before.layer_settings(layer) != after.layer_settings(layer)
        assert changed == (layer in {"edge", "observability"}), "the alarms on budgets read the objectives"
    with pytest.raises(Problem, match="unknown layer 'nothing'"):
        before.layer_settings("nothing")


def test_every_layer_has_a_section():
    assert [section.layer for section in Environment.SECTIONS] == [*LAYERS, *ASIDE]


@pytest.mark.parametrize("region", ["us-west-2", "eu-central-1"])
def test_copies_may_lie_with_the_witness_or_anywhere_else_that_serves_nobody(load, region):
    assert load({"vault.region": region}).aside == (), "asked for, and not in production"
    there = load({"vault.region": region, "production": True})
    assert there.aside == ("vault",)
    assert there.regions_of(Stack("vault", "payments")) == ("us-east-1", region)
    assert there.regions_of(Stack("data", "payments")) == ("us-east-1", "us-east-2")
    assert load({"production": True}).aside == ()


@pytest.mark.parametrize("domain", ["pay.example.com", "example.org", "shop.test"])
def test_a_domain_that_nobody_can_own_is_for_the_sandbox_only(load, domain):
    with pytest.raises(Problem, match=f"domain: '{domain}' is reserved for examples, and AWS refuses it: set a domain"):
        load({"domain": domain}).require_own_domain()


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_a_processor_that_nobody_has_is_for_the_sandbox_only(load, role):
    own = {
        "domain": "counterexample.com",
        "runbooks": "https://wiki.acquirer.io/",
        **{f"compute.processor.{each}": "p.acquirer.io" for each in ROLES},
    }
    load(own).require_own_domain()
    with pytest.raises(Problem, match=rf"compute.processor.{role}: 'p.example.net' is reserved for examples"):
        load({**own, f"compute.processor.{role}": "p.example.net"}).require_own_domain()


def beside(tmp_path, name, **changes):
    """Another environment's file."""
    text = yaml.safe_dump({**copy.deepcopy(PAYMENTS), **changes})
    (tmp_path / "environments" / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_two_systems_that_share_an_endpoint_of_the_processor_are_refused(load, tmp_path):
    """One key would be one charge for both; unless one is the other's new home, which is the same system."""
    own = load({})
    beside(tmp_path, "other", suffix="b2c3")
    with pytest.raises(Problem, match=r"processor\.primary: 'us-east-1\.processor\.example\.com' is an endpoint"):
        own.require_own_processor(tmp_path)
    for name, home in (("old", own.failover_name), ("new", "api.b2c3.pay.example.com")):
        taken = {"name": home, "zone_id": "Z0123456789ABCDEFGHIJ", "now": False}
        if name == "old":
            beside(tmp_path, "other", suffix="b2c3", takes_over=taken)
            own.require_own_processor(tmp_path)
        else:
            beside(tmp_path, "other", suffix="b2c3")
            load({"takes_over": taken}).require_own_processor(tmp_path)
    one = {"primary": "one.acquirer.io", "secondary": "us-east-2.processor.example.com"}
    beside(tmp_path, "other", suffix="b2c3", compute={**PAYMENTS["compute"], "processor": one})
    with pytest.raises(Problem, match=r"payments\.yaml: compute\.processor\.secondary: .*/other\.yaml too"):
        own.require_own_processor(tmp_path)
    assert own.endpoints_elsewhere(tmp_path) == {"one.acquirer.io"}
    (tmp_path / "environments" / "other.yaml").write_text("x: [", encoding="utf-8")
    own.require_own_processor(tmp_path)


@pytest.mark.parametrize(("now", "elsewhere"), [(True, {"other.acquirer.io"}), (False, None)])
def test_a_new_homes_books_have_what_its_old_home_was_charged_at_a_region_that_is_lost(load, tmp_path, now, elsewhere):
    """Its payments came with their charges, and one that is charged again at the new endpoint is paid twice."""
    lost = {"primary": "lost.acquirer.io", "secondary": "lost.acquirer.io"}
    other = dict.fromkeys(lost, "other.acquirer.io")
    taken = {"name": "api.b2c3.pay.example.com", "zone_id": "Z0123456789ABCDEFGHIJ", "now": now}
    home = load({"takes_over": taken})
    beside(tmp_path, "old", suffix="b2c3", compute={**PAYMENTS["compute"], "processor": lost})
    beside(tmp_path, "other", suffix="d4e5", compute={**PAYMENTS["compute"], "processor": other})
    assert home.endpoints_elsewhere(tmp_path) == (elsewhere or {"lost.acquirer.io", "other.acquirer.io"})
    old = Environment.load("old", tmp_path)
    assert home.endpoints <= old.endpoints_elsewhere(tmp_path), "what the new home opens is not in its tables"


def test_the_repositorys_own_systems_share_no_endpoint():
    for name in environment_names():
        Environment.load(name).require_own_processor()


def test_runbooks_that_nobody_can_read_are_for_the_sandbox_only(load):
    own = {"domain": "counterexample.com", **{f"compute.processor.{each}": "p.acquirer.io" for each in ROLES}}
    with pytest.raises(
        Problem, match=r"runbooks: 'payments\.example\.com' is reserved for examples, and nobody answers"
    ):
        load(own).require_own_domain()


def test_eventual_consistency_needs_one_processor_for_both_regions(load):
    """Both regions may open one payment; endpoints that do not know each other's keys would both charge it."""
    with pytest.raises(Problem, match=r"compute.processor: .*do not know each other's keys.*use one name for both"):
        load({"data.consistency": "eventual"})


def test_both_regions_may_have_one_processor(load):
    assert dict(load(ONE_PROCESSOR).compute.processor) == dict.fromkeys(ROLES, "p.acquirer.io")


def test_an_environment_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Environment.load("payments").suffix = "other"


def test_private_subnets_are_sixteenths_of_the_range():
    network = Environment.load("payments").network
    assert isinstance(network, NetworkSettings)
    ranges = {zone: str(each) for zone, each in network.private_subnets("secondary").items()}
    assert ranges == {"use2-az1": "10.1.0.0/20", "use2-az2": "10.1.16.0/20"}
