"""The month's bill: complete, computed of what is declared, in the right units, and as the document shows it."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import operator
from collections import Counter
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.declared import DeclaredResource
from lambdas.adapters.items import PARTITIONS
from orchestration.choice import Choice
from orchestration.cost import commands, prices, shown
from orchestration.cost.bill import BilledRow, bill, unknown_types
from orchestration.cost.free import FREE_BY_PAGE, free
from orchestration.cost.inventory import PLACES, Item, inventory, times_a_second
from orchestration.cost.load import Load
from orchestration.cost.meters import METERS
from orchestration.cost.meters.serving import traced
from orchestration.cost.month import HEALTH_CHECK, Month
from shared.contracts import LAYERS
from shared.environment import Environment
from shared.errors import Problem
from tests.sampling import sampled
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment
from tools import cost_tables

BOTH = (PAYMENTS, TRADING)
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
NOT_IN_USE = {
    "ARC cluster",
    "advanced parameters",
    "backup copies",
    "backup storage",
    "provisioned concurrency",
}
"""Prices of what the environments may have and do not."""


def month(environment: str = PAYMENTS) -> Month:
    return _month(environment)


@functools.cache
def _month(environment: str) -> Month:
    return commands.month_of(Environment.load(environment), Load())


def values(environment: str = PAYMENTS) -> dict[str, Any]:
    return _values(environment)


@functools.cache
def _values(environment: str) -> dict[str, Any]:
    return shown.values(month(environment))


def under(load: float, of: Month | None = None) -> Month:
    of = of or month()
    return dataclasses.replace(of, load=dataclasses.replace(of.load, payments_per_second=load))


def with_items(*items: Item, of: Month | None = None) -> Month:
    of = of or month()
    return dataclasses.replace(of, inventory=of.inventory.with_more(items))


def made(kind: str, place: str = "primary", **inputs: object) -> Item:
    return Item("compute", place, DeclaredResource(kind, "made", inputs, {}))


# Complete


@pytest.mark.parametrize("environment", sampled(BOTH))
def test_every_type_that_a_program_declares_has_a_price_or_is_known_to_be_free(environment):
    used = {each.type for run in run_environment(environment).values() for each in run.recorder.cloud}
    missing = sorted(kind for kind in used if kind not in METERS and not free(kind))
    assert missing == [], "say what they cost in orchestration/cost/meters/, or who says that they are free in free.py"


@pytest.mark.parametrize("environment", sampled(BOTH))
def test_the_inventory_is_what_the_programs_declare(environment):
    """With all outputs known, too: a resource that is made when an output comes would be missed."""
    declared = Counter((each.resource.type, each.resource.name) for each in month(environment).inventory.items)
    runs = run_environment(environment).values()
    assert declared == Counter((each.type, each.name) for run in runs for each in run.recorder.cloud)


def test_a_type_of_which_nothing_is_said_is_named():
    strange = with_items(made("aws:rds/cluster:Cluster"), made("aws:ec2/vpc:Vpc"))
    assert unknown_types(strange) == ["aws:rds/cluster:Cluster"]
    with pytest.raises(Problem, match="nobody has said what aws:rds/cluster:Cluster costs"):
        bill(strange)


def test_nothing_is_both_free_and_priced_or_free_twice():
    assert [kind for kind in METERS if free(kind)] == []
    listed = [
        f"{module}/{name}"
        for modules in FREE_BY_PAGE.values()
        for module, names in modules.items()
        for name in names.split()
    ]
    assert [each for each, times in Counter(listed).items() if times > 1] == []


def test_every_price_has_a_page_and_a_day_and_one_that_nobody_pays_is_known():
    paid = {row.price for environment in BOTH for row in bill(month(environment)).rows}
    between = {name for name in prices.PRICES if name.startswith("data from")}
    assert set(prices.PRICES) - paid - between == NOT_IN_USE
    for price in prices.PRICES.values():
        assert price.dollars > 0
        assert price.page.startswith("https://aws.amazon.com/")
        assert price.on == prices.AS_OF


def test_regions_without_prices_are_refused():
    regions = {"primary": "eu-west-1", "secondary": "eu-west-2", "witness": "eu-west-3"}
    moved = month().environment.model_copy(
        update={"regions": type(month().environment.regions).model_validate(regions)}
    )
    with pytest.raises(Problem, match=r"environments/payments.yaml: regions.primary: there are no prices of eu-west-1"):
        bill(dataclasses.replace(month(), environment=moved))


# Units


def test_a_month_is_730_hours():
    assert prices.HOURS == 730
    assert prices.SECONDS == 2_628_000
    assert prices.MINUTES == 43_800


@pytest.mark.parametrize("environment", BOTH)
def test_endpoints_alone_cost_more_than_the_first_estimate(environment):
    """Four endpoints × two zones × two regions × 730 h × $0.01."""
    assert bill(month(environment)).of("interface endpoint") == pytest.approx(116.80)


@pytest.mark.parametrize(
    ("inputs", "dollars"),
    [
        ({"type": "HTTP", "fqdn": "a", "requestInterval": 30}, 0.50),
        ({"type": "HTTPS", "fqdn": "a", "requestInterval": 30}, 1.50),
        ({"type": "HTTPS", "fqdn": "a", "requestInterval": 10}, 2.50),
        ({"type": "HTTPS_STR_MATCH", "fqdn": "a", "requestInterval": 10}, 3.50),
        ({"type": "CALCULATED"}, 0.50),
        ({"type": "CLOUDWATCH_METRIC"}, 0.50),
    ],
)
def test_a_health_check_is_paid_by_its_features(inputs, dollars):
    more = with_items(made(HEALTH_CHECK, "global", **inputs))
    assert bill(more).total - bill(month()).total == pytest.approx(dollars)


def test_the_checkers_of_the_primary_ask_128_times_a_minute():
    """Sixteen at two intervals: 16 × (60 / 30 + 60 / 10)."""
    assert month().checks(month().environment.region_names.primary) * 60 == pytest.approx(128)
    assert month().checks(month().environment.region_names.secondary) * 60 == pytest.approx(32)


def test_probes_are_those_of_both_canary_functions_and_of_synthetics():
    assert month().probes("primary") * 60 == pytest.approx(2 + 2 / 5)
    assert month().probes("secondary") * 60 == pytest.approx(2 + 1 / 5)


def test_a_sweep_that_finds_nothing_reads_half_a_unit_of_each_partition():
    """A query that is eventually consistent costs half a unit at least, also where there is nothing."""
    assert Load().sweep_reads == sum(map(len, PARTITIONS.values())) / 2


def test_a_functions_runs_are_those_of_its_schedules():
    found = {
        (each.place, each.resource.name): month().runs(each) * 60
        for each in month().inventory.of("aws:lambda/function:Function")
    }
    assert found["primary", "audit"] == pytest.approx(1)
    assert found["secondary", "canary"] == pytest.approx(1)
    assert found["secondary", "stop-switch"] == pytest.approx(1 + 1 / 15)


def test_a_rate_is_read():
    assert times_a_second("rate(1 minute)") * 60 == pytest.approx(1)
    assert times_a_second("rate(2 hours)") * 7200 == pytest.approx(1)
    with pytest.raises(ValueError, match="is no rate"):
        times_a_second("cron(0 0 * * ? *)")


def test_the_first_request_of_a_second_is_traced_and_a_twentieth_of_the_others():
    assert traced(0.5) == pytest.approx(0.5)
    assert traced(21) == pytest.approx(2)


def test_a_table_is_paid_in_both_regions_alike():
    written = {row.place: row.dollars for row in bill(month()).rows if row.price == "table writes"}
    assert written["primary"] == pytest.approx(written["secondary"])
    at_least = month().load.writes_per_payment * prices.SECONDS / prices.MILLION * 0.625
    assert written["primary"] > at_least


def test_a_load_balancer_needs_an_address_in_each_zone():
    addresses = [row for row in bill(month(TRADING)).rows if row.price == "public address"]
    assert [row.dollars for row in addresses] == pytest.approx([2 * 730 * 0.005] * 2)
    assert {row.place for row in addresses} == {"primary", "secondary"}


def test_provisioned_concurrency_and_web_acls_have_their_prices():
    functions = month().inventory.of("aws:lambda/function:Function", "primary")
    function = next(each for each in functions if "payment" in each["handler"])
    kind = "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig"
    kept = with_items(made(kind, functionName=function["name"], provisionedConcurrentExecutions=1))
    assert bill(kept).of("provisioned concurrency") == pytest.approx(256 / 1024 * 2_628_000 * 0.0000041667)
    acl = with_items(made("aws:wafv2/webAcl:WebAcl", rules=[{}, {}]))
    more = {price: bill(acl).of(price) - bill(month()).of(price) for price in ("web ACL", "web ACL rules")}
    assert more == pytest.approx({"web ACL": 5, "web ACL rules": 2})


# Sums


@pytest.mark.parametrize("environment", BOTH)
def test_rows_sum_to_the_total_whichever_way(environment):
    found = bill(month(environment))
    total = math.fsum(row.dollars for row in found.rows)
    assert found.total == pytest.approx(total)
    for key in ("layer", "place", "price", "type"):
        assert sum(found.by(operator.attrgetter(key)).values()) == pytest.approx(total)


@pytest.mark.prove
def test_the_tables_sum_to_the_total():
    shown_there, total = values(), bill(month()).total
    assert shown_there["total"] == pytest.approx(total, abs=0.01)
    assert set(shown_there["layers"]) == set(LAYERS)
    cells = [spent[place] for spent in shown_there["layers"].values() for place in PLACES]
    assert sum(cells) == pytest.approx(total, abs=0.01 * len(cells))
    assert sum(each["dollars"] for each in shown_there["items"]) == pytest.approx(total, abs=0.01 * 50)


FEW = hypothesis.settings(max_examples=20)
LOADS = st.floats(0, 200, allow_nan=False)


@pytest.mark.parametrize("environment", BOTH)
@FEW
@given(less=LOADS, more=LOADS)
def test_more_load_is_never_cheaper(environment, less, more):
    less, more = sorted((less, more))
    cheap, dear = bill(under(less, month(environment))), bill(under(more, month(environment)))
    assert cheap.total <= dear.total + 1e-9
    dear_by_price = dear.by(lambda row: (row.price, row.place))
    for key, dollars in cheap.by(lambda row: (row.price, row.place)).items():
        assert dollars <= dear_by_price.get(key, 0) + 1e-9, key


@FEW
@given(data=st.data())
def test_more_resources_are_never_cheaper(data):
    items = month().inventory.items
    gone = [items[each] for each in data.draw(st.sets(st.integers(0, len(items) - 1), max_size=8))]
    fewer = month().inventory.changed(lambda each: None if _alone(each) and any(each is one for one in gone) else each)
    assert bill(dataclasses.replace(month(), inventory=fewer)).total <= bill(month()).total + 1e-9
    priced = [each for each in items if each.type in METERS and _alone(each)]
    again = data.draw(st.sampled_from(priced))
    assert bill(with_items(again)).total >= bill(month()).total - 1e-9


def _alone(item: Item) -> bool:
    """Whether others cost the same without it: a stage without a sampler of its own lets functions sample."""
    return item.type != "aws:apigateway/stage:Stage"


# Settings


def settings() -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["setting"], each["instead"]): each for each in values()["settings"]}


@pytest.mark.prove
def test_the_fast_check_costs_money_and_saves_time():
    none = settings()["fast check", "none"]
    assert none["dollars"] < -2.50  # what its 96 requests a minute make others cost comes to it
    assert (values()["failover"], none["failover"]) == (94, 116)


@pytest.mark.prove
def test_a_setting_of_the_environment_is_what_its_programs_make_of_it():
    """One without its promise is computed all the same, and marked."""
    assert settings()["edge.ttl", "60"]["failover"] == 124
    line = next(each for each in shown.lines(values()) if each.startswith("edge.ttl ") and " 60 " in each)
    assert "124 s*" in line
    assert settings()["network.zones", "one more in each region"]["dollars"] > 58.40
    assert settings()["zones of the endpoints", "one in each region"]["dollars"] < -58.40
    assert settings()["network.processor_services", "PrivateLink in both regions"]["dollars"] > 29.20


@pytest.mark.prove
def test_no_setting_is_said_to_change_what_it_does_not():
    now = (values()["failover"], values()["grey_failure"])
    for (setting, _), each in settings().items():
        if not setting.startswith("edge.") and setting != "fast check":
            assert (each["failover"], each["grey_failure"]) == now, setting


def other_sweep() -> Environment:
    now = month().environment
    return now.model_copy(update={"compute": now.compute.model_copy(update={"sweep_minutes": 5})})


@pytest.mark.prove
def test_programs_that_are_given_the_same_need_not_run_again():
    before = month().inventory.programs
    now = inventory(other_sweep(), month().inventory).programs
    assert {stack.layer for stack in now if now[stack] is not before[stack]} == {"compute"}


@pytest.mark.prove
def test_what_has_not_run_again_would_cost_the_same():
    kept, anew = inventory(other_sweep(), month().inventory), inventory(other_sweep())
    rows = [bill(Month(other_sweep(), each, Load())).rows for each in (kept, anew)]
    assert rows[0] == rows[1]


# Shown


@pytest.mark.prove
def test_the_first_estimate_is_said_to_be_below_the_endpoints_alone():
    assert any("$50–100, was below what the interface endpoints cost alone" in each for each in values()["comparison"])


@pytest.mark.prove
@pytest.mark.parametrize("environment", BOTH)
def test_the_document_shows_what_the_command_says(environment):
    there = cost_tables.tables(cost_tables.DOCUMENT.read_text(encoding="utf-8"))
    assert set(there) == set(BOTH)
    assert there[environment].splitlines() == shown.lines(values(environment)), (
        "run `.venv/bin/python -m tools.cost_tables`"
    )


def test_the_command_prints_json(capsys, monkeypatch):
    found_before = month().inventory
    monkeypatch.setattr(commands, "inventory", lambda _: found_before)
    monkeypatch.setattr(shown, "alternatives", lambda _: [])  # they take their time
    assert commands.cost(Choice(json=True), 1.0) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"] == pytest.approx(bill(month()).total, abs=0.01)
    assert found["prices"]["interface endpoint"]["page"] == "https://aws.amazon.com/privatelink/pricing/"


@pytest.mark.parametrize(
    ("payments", "message"),
    [
        (-1, "--payments-per-second -1 is no load: give 0 or more"),
        (math.nan, "--payments-per-second nan is no load"),
        (math.inf, "--payments-per-second inf is no load"),
        (101, "compute.throttle.lookups lets in 100/s: give 100 or less"),
    ],
)
def test_a_load_that_there_cannot_be_is_refused(payments, message):
    with pytest.raises(Problem, match=message) as refused:
        commands.month_of(month().environment, Load(payments))
    assert "\n" not in str(refused.value)


def test_a_load_balancer_lets_in_what_functions_hold():
    with pytest.raises(Problem, match=r"compute\.payment\.reserved_concurrency holds 100/s: give 100 or less"):
        Load(101).check(month(TRADING).environment)


def test_a_row_is_its_quantity_times_the_price():
    assert BilledRow("network", "primary", ENDPOINT, "x", "interface endpoint", 730).dollars == pytest.approx(7.30)
