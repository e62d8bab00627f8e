"""The cloud's global tables, on the emulator's own tables: whatever is cut and healed, by whom, in which order."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import uuid
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ministack.core.responses import request_scope
from ministack.services import cloudwatch, dynamodb

from sandbox.cloud import global_tables
from sandbox.cloud.global_tables import GlobalTables
from sandbox.cloud.repairs import dynamodb as repairs
from sandbox.cloud.watch.here import Here
from sandbox.faults.fault import InjectedFault as Fault
from sandbox.faults.network import Network, cuts
from sandbox.faults.replicas import KEPT, is_over, retold
from tests.doubles.hand_clock import HandClock

ONE, TWO, WITNESS = "us-east-1", "us-east-2", "us-west-2"
ACCOUNT = "000000000000"
REGIONS = st.sampled_from([ONE, TWO])
KEYS = st.sampled_from(["a", "a", "b"])
CUTS = [cuts(ONE, others, how) for others in ((TWO,), ("*",), (WITNESS,)) for how in ("both", "outbound", "inbound")]
WAYS = st.sampled_from([(), *CUTS, (*cuts(ONE, ("*",), "both"), *cuts(TWO, ("*",), "both"))])
OUT = st.sampled_from([(), (), (), (ONE,), (TWO,), (WITNESS,)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), REGIONS, KEYS),
        st.tuples(st.just("delete"), REGIONS, KEYS),
        st.tuples(st.just("read"), REGIONS, KEYS),
        st.tuples(st.just("fail"), WAYS, OUT),
        st.tuples(st.just("kill"), st.none(), st.none()),
    ),
    max_size=25,
)


class Place:
    """The emulator's tables in this process, with one global table."""

    def __init__(self, monkeypatch, *, strong):
        monkeypatch.setattr(global_tables, "nearest", lambda *_: 0.0)
        monkeypatch.setattr(cloudwatch, "record_metric", lambda *_: None)
        monkeypatch.setattr(Here, "clock", HandClock(), raising=False)
        for name in ("handle_request", "_replicate_write", "_update_table", "_table_description"):
            monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))
        repairs.multi_region_consistency()
        self.network, self.log, self.name = Network(), [], f"t{uuid.uuid4().hex}"
        self.tables = GlobalTables(lambda: self.network, lambda *told: self.log.append(told))
        self.tables.install()
        key = {"AttributeName": "pk", "KeyType": "HASH"}
        attribute = {"AttributeName": "pk", "AttributeType": "S"}
        made = {"KeySchema": [key], "AttributeDefinitions": [attribute], "BillingMode": "PAY_PER_REQUEST"}
        self.ask(ONE, "CreateTable", **made)
        update: dict[str, Any] = {"ReplicaUpdates": [{"Create": {"RegionName": TWO}}]}
        if strong:
            witness = [{"Create": {"RegionName": WITNESS}}]
            update |= {"MultiRegionConsistency": "STRONG", "GlobalTableWitnessUpdates": witness}
        self.ask(ONE, "UpdateTable", **update)

    def ask(self, region, action, **request):
        body = json.dumps({"TableName": self.name, **request}).encode()
        headers = {"x-amz-target": f"DynamoDB_20120810.{action}"}
        with request_scope(ACCOUNT, region):
            status, _, answer = asyncio.run(dynamodb.handle_request("POST", "/", headers, body, {}))
        return status, json.loads(answer)

    def write(self, region, key, value):
        """Whether it was acknowledged; no value deletes."""
        if value is None:
            return self.ask(region, "DeleteItem", Key={"pk": {"S": key}})[0] == 200
        return self.ask(region, "PutItem", Item={"pk": {"S": key}, "value": {"N": str(value)}})[0] == 200

    def read(self, region, key, *, strongly=True):
        """What is there, or "refused"."""
        status, answer = self.ask(region, "GetItem", Key={"pk": {"S": key}}, ConsistentRead=strongly)
        if status != 200:
            return "refused"
        return int(answer["Item"]["value"]["N"]) if "Item" in answer else None

    def fail(self, ways, out):
        faults = (Fault("partition", ONE, cut=ways), *(Fault("refuse", region) for region in out))
        self.network = Network(faults if ways or out else ())
        self.tables.mend()

    def kill(self):
        """What the replicas lack is lost, and told again from what was noted."""
        for table in self.members():
            table.pop(KEPT, None)
        carrier = next(self.members())
        for table, told in copy.deepcopy(self.log):
            assert table == carrier["TableId"]
            carrier[KEPT] = retold(carrier.get(KEPT), told)
            if is_over(carrier[KEPT]):
                del carrier[KEPT]

    def members(self):
        for region in (ONE, TWO):
            yield dynamodb._tables.get_scoped(ACCOUNT, region, self.name)

    def close(self):
        for region in (ONE, TWO):
            dynamodb._tables.pop_scoped(ACCOUNT, region, self.name, None)


@contextmanager
def a_place(*, strong):
    with pytest.MonkeyPatch.context() as monkeypatch:
        place = Place(monkeypatch, strong=strong)
        try:
            yield place
        finally:
            place.close()


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_no_acknowledged_write_of_a_strong_table_is_lost(steps):
    with a_place(strong=True) as place:
        acknowledged, numbers = {}, itertools.count()
        for step, one, other in steps:
            if step == "fail":
                place.fail(one, other)
            elif step == "kill":
                place.kill()
            elif step == "read":
                assert place.read(one, other) in {"refused", acknowledged.get(other)}
            else:
                value = next(numbers) if step == "write" else None
                if place.write(one, other, value):
                    acknowledged[other] = value
        place.fail((), ())
        for region, key in itertools.product((ONE, TWO), "ab"):
            assert place.read(region, key, strongly=False) == acknowledged.get(key), "healed before anybody asks"
            assert place.read(region, key) == acknowledged.get(key)
        assert not any(KEPT in table for table in place.members())


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_both_sides_of_an_eventual_table_agree_on_the_last_write_when_all_is_healed(steps):
    with a_place(strong=False) as place:
        last, numbers = {}, itertools.count()
        for step, one, other in steps:
            if step == "fail":
                place.fail(one, other)
            elif step == "kill":
                place.kill()
            elif step == "write" or (step == "delete" and place.read(one, other) is not None):
                # A deletion of what is not there changes nothing, so nothing is sent on.
                last[other] = next(numbers) if step == "write" else None
                assert place.write(one, other, last[other])
                assert place.read(one, other) == last[other]
        place.fail((), ())
        for region, key in itertools.product((ONE, TWO), "ab"):
            assert place.read(region, key) == last.get(key)
