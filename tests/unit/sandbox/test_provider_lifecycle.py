from __future__ import annotations

from typing import Any

import pytest

from sandbox.provider import lifecycle
from sandbox.provider.errors import Incomplete, Refused
from sandbox.provider.resource import TYPES, Resource
from sandbox.provider.schema import Text
from sandbox.provider.wire import UNKNOWN
from shared.errors import Problem
from tests.unit.sandbox.provider_fakes import NAMED, NAMELESS, Cloud, surroundings


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def checked(cloud: Cloud, kind: str, *, tags: Any = None, olds: Any = None, **news: Any) -> dict[str, Any]:
    around = surroundings(cloud, default_tags=tags or {})
    inputs, problems = lifecycle.check(TYPES[kind], "it", news, olds=olds or {}, seed=b"1", surroundings=around)
    assert not problems
    return inputs


def problems(cloud: Cloud, kind: str = NAMELESS, **news: Any) -> list[str]:
    return lifecycle.check(TYPES[kind], "it", news, olds={}, seed=b"1", surroundings=surroundings(cloud))[1]


def a(cloud: Cloud, kind: str, inputs: Any, **more: Any) -> Resource:
    return TYPES[kind](surroundings(cloud), inputs, **more)


def made(cloud: Cloud, kind: str = NAMED, **news: Any) -> Resource:
    resource = a(cloud, kind, checked(cloud, kind, **news))
    resource.state = lifecycle.create(resource)
    return resource


class TestCheck:
    def test_names_what_is_undeclared_also_deep_down(self, cloud: Cloud):
        found = problems(cloud, place="p", colour="red", rules=[{"port": 1, "shut": True}])
        undeclared = "the sandbox's provider does not declare this property"
        assert found == [f"colour: {undeclared}", f"rules[0].shut: {undeclared}"]

    def test_names_what_is_missing(self, cloud: Cloud):
        assert problems(cloud, rules=[{"open": True}]) == ["place: is required", "rules[0].port: is required"]

    def test_says_which_type_was_expected_and_never_the_value(self, cloud: Cloud):
        found = problems(cloud, place="p", size="s3cret", policy="s3cret", rules="s3cret")
        assert len(found) == 3
        assert "size: expected a whole number, got text" in found
        assert "s3cret" not in str(found)

    def test_names_the_limits_that_a_number_breaks(self, cloud: Cloud):
        found = problems(cloud, place="p", size=1001, rules=[{"port": 4}])
        assert found == ["size: expected 0 to 1000, got 1001", "rules[0].port: expected one of 1, 2, 3, 80, 443, got 4"]

    def test_completes_region_name_and_tags(self, cloud: Cloud):
        inputs = checked(cloud, NAMED, tags={"env": "x", "team": "y"})
        assert inputs["region"] == "us-east-1"
        assert inputs["name"].startswith("it-")
        assert inputs["tagsAll"] == {"env": "x", "team": "y"}

    def test_keeps_a_name_once_made_up(self, cloud: Cloud):
        first = checked(cloud, NAMED)
        assert checked(cloud, NAMED, olds=first)["name"] == first["name"]
        assert checked(cloud, NAMED, olds={"name": "given"})["name"] != "given"

    def test_lets_unknowns_pass(self, cloud: Cloud):
        inputs = checked(cloud, NAMELESS, place=UNKNOWN, size=UNKNOWN, rules=[{"port": UNKNOWN}])
        assert inputs["size"] == UNKNOWN
        assert inputs["rules"] == [{"port": UNKNOWN}]

    def test_takes_numbers_and_text_for_each_other(self, cloud: Cloud):
        inputs = checked(cloud, NAMELESS, place=5, size="7", rules=[{"port": 1.0, "open": "true"}])
        assert inputs["place"] == "5"
        assert inputs["size"] == 7
        assert inputs["rules"] == [{"port": 1, "open": True}]


class TestChange:
    def test_default_policy_text_and_order_make_no_difference(self, cloud: Cloud):
        olds = checked(cloud, NAMELESS, place="p", policy='{"a": 1, "b": 2}')
        news = checked(cloud, NAMELESS, place="p", policy='{"b":2,"a":1}', size=1, rules=[])
        assert not lifecycle.change(TYPES[NAMELESS], olds, news).differences

    def test_names_the_place_deep_down(self, cloud: Cloud):
        olds = checked(cloud, NAMELESS, place="p", rules=[{"port": 1}, {"port": 2}], tags=None)
        news = checked(cloud, NAMELESS, place="p", rules=[{"port": 1}, {"port": 3, "open": True}])
        found = lifecycle.change(TYPES[NAMELESS], olds, news).differences
        assert [(each.path, each.kind, each.replaces) for each in found] == [
            ("rules[1].port", "UPDATE", False),
            ("rules[1].open", "ADD", False),
        ]

    def test_a_replacement_in_the_same_place_deletes_first(self, cloud: Cloud):
        olds = checked(cloud, NAMED, name="n")
        moved = {**olds, "region": "us-west-2"}
        assert lifecycle.change(TYPES[NAMED], olds, moved).delete_first
        assert not lifecycle.change(TYPES[NAMED], olds, {**olds, "name": "m"}).delete_first

    def test_a_name_made_up_leaves_room_for_the_replacement(self, cloud: Cloud):
        olds = checked(cloud, NAMED)
        moved = {**olds, "region": "us-west-2"}
        assert not lifecycle.change(TYPES[NAMED], olds, moved).delete_first

    def test_changed_default_tags_are_an_update(self, cloud: Cloud):
        olds = checked(cloud, NAMED, name="n", tags={"a": "b"})
        news = checked(cloud, NAMED, name="n", tags={"a": "c"})
        change = lifecycle.change(TYPES[NAMED], olds, news)
        assert change.names == ["tagsAll"]
        assert not change.replaced

    def test_what_the_cloud_chose_stays_when_no_longer_given(self, cloud: Cloud):
        olds, news = checked(cloud, NAMED, name="n", chosen="c"), checked(cloud, NAMED, name="n")
        assert not lifecycle.change(TYPES[NAMED], olds, news).differences

    def test_an_unknown_may_replace(self, cloud: Cloud):
        olds, news = checked(cloud, NAMELESS, place="p"), checked(cloud, NAMELESS, place=UNKNOWN)
        assert lifecycle.change(TYPES[NAMELESS], olds, news).replaced == ["place"]


class TestForesee:
    def test_a_create_knows_inputs_and_defaults_only(self, cloud: Cloud):
        inputs = checked(cloud, NAMELESS, place=UNKNOWN, policy="{}")
        foreseen = lifecycle.foresee_create(TYPES[NAMELESS], inputs)
        assert foreseen == {
            "place": UNKNOWN,
            "policy": "{}",
            "size": 1,
            "chosen": UNKNOWN,
            "madeIn": UNKNOWN,
            "version": UNKNOWN,
            "region": "us-east-1",
            "tagsAll": {},
        }

    def test_an_update_keeps_outputs_but_those_that_it_renews(self, cloud: Cloud):
        thing = made(cloud, name="n", size=2)
        foreseen = lifecycle.foresee_update(type(thing), thing.state, thing.inputs, {**thing.inputs, "size": 3})
        assert foreseen["version"] == UNKNOWN
        assert foreseen["madeIn"] == "us-east-1"
        foreseen = lifecycle.foresee_update(type(thing), thing.state, thing.inputs, {**thing.inputs, "policy": "{}"})
        assert foreseen["version"] == 1


class TestCreate:
    def test_sets_after_it_what_the_create_cannot_take(self, cloud: Cloud):
        made(cloud, name="n", size=5)
        assert [operation for operation, _ in cloud.calls] == ["make", "resize", "look"]
        made(cloud, name="m", size=1)
        assert [operation for operation, _ in cloud.calls[3:]] == ["make", "look"]

    def test_half_done_is_recorded(self, cloud: Cloud):
        def fail(operation: str) -> None:
            if operation == "resize":
                raise Refused("Throttled", "slowly")

        cloud.before = fail
        with pytest.raises(Incomplete, match="Throttled: slowly") as failure:
            made(cloud, name="n", size=5)
        assert failure.value.id == "n"
        assert failure.value.outputs["size"] == 5

    def test_half_done_is_finished_by_the_next_update(self, cloud: Cloud):
        def fail(operation: str) -> None:
            if operation == "resize":
                raise Refused("Throttled", "slowly")

        cloud.before = fail
        inputs = checked(cloud, NAMED, name="n", size=5)
        with pytest.raises(Incomplete):
            lifecycle.create(a(cloud, NAMED, inputs))
        cloud.before = lambda _operation: None
        lifecycle.update(a(cloud, NAMED, inputs, id="n", previous=inputs))
        assert cloud.things["n"]["size"] == 5

    def test_adopts_what_a_killed_run_left(self, cloud: Cloud):
        made(cloud, name="n", size=5)
        again = made(cloud, name="n", size=6, policy="{}")
        assert again.id == "n"
        assert cloud.things["n"]["size"] == 6
        assert cloud.things["n"]["policy"] == "{}"

    def test_leaves_alone_what_is_not_its_own(self, cloud: Cloud):
        cloud.things["n"] = {"id": "n", "name": "n", "tags": {"owner": "else"}}
        inputs = checked(cloud, NAMED, name="n", tags={"a": "b"})
        foreign = a(cloud, NAMED, inputs)
        with pytest.raises(Problem, match=r"n is taken .* has not its tags: delete it, or import it with the id n"):
            lifecycle.create(foreign)
        assert not foreign.id
        assert cloud.things["n"]["tags"] == {"owner": "else"}


class TestReadAndUpdate:
    def test_gone_is_gone(self, cloud: Cloud):
        thing = made(cloud, name="n")
        cloud.things.clear()
        assert lifecycle.read(thing) is None
        lifecycle.delete(thing)

    def test_drift_shows_in_inputs_and_outputs(self, cloud: Cloud):
        thing = made(cloud, name="n", size=2, policy='{"a": 1}')
        cloud.things["n"].update(size=9, policy='{"a":1}', tags={"foreign": "tag"})
        found = lifecycle.read(thing)
        assert found is not None
        inputs, outputs = found
        assert inputs["size"] == outputs["size"] == 9
        assert inputs["policy"] == outputs["policy"] == '{"a": 1}'  # means the same: as it was written
        assert inputs["tags"] == {"foreign": "tag"}
        assert lifecycle.change(type(thing), inputs, thing.inputs).names == ["size", "tags", "tagsAll"]

    def test_without_drift_nothing_changes(self, cloud: Cloud):
        thing = made(cloud, name="n", rules=[{"port": 1}])
        cloud.things["n"].update(chosen="by the cloud")
        found = lifecycle.read(thing)
        assert found is not None
        assert found[0] == thing.inputs

    def test_an_update_touches_only_what_changed(self, cloud: Cloud):
        thing = made(cloud, name="n", tags={"a": "b"})
        cloud.calls.clear()
        news = {**thing.inputs, "size": 2, "tags": {"a": "c"}, "tagsAll": {"a": "c"}}
        lifecycle.update(a(cloud, NAMED, news, id="n", previous=thing.inputs))
        assert [operation for operation, _ in cloud.calls] == ["resize", "retag", "look"]


def test_an_input_that_no_update_would_bring_is_refused_where_it_is_declared():
    with pytest.raises(TypeError, match="forgotten"):
        type("Bad", (Resource,), {"resource_type": "test:bad", "properties": {"forgotten": Text()}})
