"""What two sides of a wall both say, where neither may import the other: the two ends, compared."""

from __future__ import annotations

import ast
import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas import rehearsal
from lambdas.adapters import fence as fence_item
from lambdas.adapters import items, keys, store
from lambdas.audit.notifications import object_key
from lambdas.domain import audit
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.payment import CANARY_CLIENT, opened
from lambdas.failover_control import ranges, switch
from lambdas.telemetry.journal import DIMENSIONS, NAMESPACE
from lambdas.web import headers
from orchestration import checker_ranges
from projects.observability.synthetics import RESULTS
from shared import clients, fence, naming, rehearsals, stop_switch
from shared.packaging import packages
from tests.doubles import openapi
from tests.unit.projects.mocked_programs import run_environment


def payment(client):
    instruction = Instruction(client, "key", Money(100, "USD"), "customer")
    return opened(instruction, region="us-east-1", endpoint="p.example", holder="a", now=0)


def made(kind):
    return [each for run in run_environment().values() for each in run.recorder.of(kind)]


def test_clients_and_functions_name_the_canary_and_their_headers_alike():
    assert clients.CANARY == CANARY_CLIENT
    ours = {name: value for name, value in vars(headers).items() if name.isupper()}
    assert ours == {name: getattr(clients, name) for name in ours}
    assert set(ours) == {"API_KEY", "IDEMPOTENCY_KEY", "REPLAYED", "SERVED_BY"}


def test_functions_notice_a_new_key_and_forget_an_old_one_when_a_rotation_says_so():
    assert clients.KEY_NOTICED_SECONDS * 1000 == keys.RECHECK
    assert clients.KEYS_KEPT_SECONDS * 1000 == keys.FRESH


def test_a_deployment_and_a_function_mean_the_same_rehearsal():
    placeholders = ("EVENT", "TOKEN", "LOCATION", "TIME", "TRACE")
    assert [getattr(rehearsals, name) for name in placeholders] == [getattr(rehearsal, name) for name in placeholders]
    assert rehearsals.KEY == rehearsal.API_KEY


def test_the_document_names_them_too():
    operation = openapi.operation("post", "/payment")
    assert clients.IDEMPOTENCY_KEY in {each["name"] for each in operation["parameters"]}
    assert clients.REPLAYED in operation["responses"]["201"]["headers"]
    assert openapi.document()["components"]["securitySchemes"]["apiKey"]["name"] == clients.API_KEY


def test_the_table_has_the_index_that_the_functions_ask():
    assert store.INDEX == naming.UNFINISHED
    (table,) = made("Table")
    (index,) = table["globalSecondaryIndexes"]
    keys = {each["attributeName"]: each["keyType"] for each in index["keySchemas"]}
    item = items.to_item(payment(clients.STOREFRONT))
    assert keys == {store.INDEX: "HASH", "due": "RANGE"}
    assert keys.keys() <= item.keys()
    assert {table["hashKey"], table["rangeKey"]} == items.key("id").keys()


def test_the_functions_may_write_under_the_keys_that_they_write():
    written = [audit.key(payment(client)) for client in clients.CLIENTS]
    written.append(object_key({"attributes": {"SentTimestamp": "0"}, "messageId": "a"}))
    policies = [json.loads(each["policy"]) for each in made("RolePolicy")]
    statements = [each for policy in policies for each in policy["Statement"] if "s3:PutObject" in each["Action"]]
    allowed = {resource.split("/")[1] for each in statements for resource in each["Resource"]}
    assert allowed == {*(key.split("/")[0] for key in written), RESULTS, stop_switch.KEY}


@cache
def constants(function):
    """The texts in a function's sources, and the environment variables that they read."""
    nodes = [node for path in packages.sources(function) for node in ast.walk(ast.parse(path.read_text()))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    taken = [node for node in nodes if isinstance(node, ast.Subscript)]
    variables = [node.slice for node in taken if ast.unparse(node.value) in {"os.environ", "variables"}]
    return texts, {ast.literal_eval(name) for name in variables}


@pytest.mark.parametrize("function", ["payment", "health", "audit", "failover_control"])
def test_a_function_is_given_the_variables_that_it_reads(function):
    handler = packages.handler(function)
    deployed = [each for each in made("Function") if each["handler"] == handler]
    assert deployed
    _, read = constants(function)
    assert "ENVIRONMENT" in read
    for each in deployed:
        assert read - {"AWS_REGION"} <= each["environment"]["variables"].keys()


def test_what_is_watched_of_our_own_is_what_the_functions_measure():
    measured = {text for function in packages.functions() for text in constants(function)[0]}
    alarms = [each for each in made("MetricAlarm") if each.get("namespace") == NAMESPACE]
    assert alarms
    for each in alarms:
        assert each["metricName"] in measured
        assert set(each["dimensions"]) == set(DIMENSIONS)
    widgets = [each for board in made("Dashboard") for each in json.loads(board["dashboardBody"])["widgets"]]
    shown = [each for widget in widgets for each in widget["properties"].get("metrics", []) if each[0] == NAMESPACE]
    assert shown
    for _, metric, *rest in shown:
        assert metric in measured
        assert set(rest[:-1:2]) == set(DIMENSIONS)


@pytest.mark.parametrize("name", ["DEPLOYED", "STOPPED", "CONTENT_TYPE", "ENCRYPTION", "SEARCHED_BYTES"])
def test_the_latch_writes_what_the_checkers_look_for(name):
    assert getattr(switch, name) == getattr(stop_switch, name)


def test_operators_and_functions_mean_the_same_fence():
    for each in ("PARTITION", "FROM", "UNTIL", "HOLDS"):
        assert getattr(fence_item, each) == getattr(fence, each)


NETWORKS = st.builds("{}.{}.0.0/{}".format, st.integers(1, 2), st.integers(0, 3), st.integers(16, 20))


@given(st.lists(NETWORKS), st.lists(NETWORKS))
def test_function_and_readiness_find_the_same_checkers_left_out(allowed, published):
    document = {"prefixes": [{"ip_prefix": each, "service": ranges.SERVICE} for each in published]}
    assert ranges.missing(allowed, published) == checker_ranges.missing(allowed, published)
    assert (ranges.URL, ranges.SERVICE, ranges.READERS) == (
        checker_ranges.URL,
        checker_ranges.SERVICE,
        stop_switch.READERS,
    )
    if published:
        assert ranges.of_checkers(document) == checker_ranges.of_checkers(document) == tuple(sorted(published))


def test_a_switch_that_says_run_does_not_say_stop():
    assert stop_switch.STOPPED not in stop_switch.RUN + stop_switch.DEPLOYED
