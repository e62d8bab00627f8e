"""A region's watch needs nothing of the other: what it is made of, whom it tells, what it may reach."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from shared.environment import Environment
from shared.naming import short_region
from shared.roles import ROLES, other
from tests.unit.projects.mocked_programs import run_environment

ASKS_THE_OTHER = frozenset({"TARGET"})
"""The canary's probe of the other region: a parameter of the own region says where that is."""

NAMES_THE_OTHER = frozenset(
    {
        # Metrics of this region that have the other's name in a dimension: S3's of copies that come and go, DynamoDB's
        # of writes on their way.
        "SourceBucket",
        "DestinationBucket",
        "ReceivingRegion",
        # The canary looks for it in what the own region's DynamoDB says of the table.
        "PEER_REGION",
        "dashboardBody",
    }
)
"""Inputs that may say the other region's name, as nothing is asked of it to make or to raise an alarm."""


@pytest.fixture(params=ROLES)
def role(request):
    return request.param


def texts(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text inside an input, with its path; policies are looked into."""
    if isinstance(value, str):
        inner = value.lstrip().startswith(("{", "[")) and path[-1] not in NAMES_THE_OTHER
        if inner:
            yield from texts(json.loads(value), path)
        else:
            yield path, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from texts(each, (*path, name))
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, path)


def is_of(text: str, region: str, names: set[str]) -> bool:
    return region in text or any(re.search(rf"(^|[:/\"]){re.escape(name)}($|[:/\"])", text) for name in names)


def named(profile: str, role: str) -> set[str]:
    """The physical names of what the region of `role` has for itself, in all layers: they say role or region."""
    region = Environment.load(profile).region(role)
    marks = (f"-{role}", region, short_region(region))
    made = [each for run in run_environment(profile).values() for each in run.recorder.cloud]
    mine = [each for each in made if f"aws-{role}" in each.provider]
    found = {each[key] for each in mine for key in ("name", "alarmName", "dashboardName", "bucket") if each.get(key)}
    return {name for name in found if any(mark in name for mark in marks) and "." not in name}


def test_nothing_of_a_regions_watch_is_in_the_other_or_needs_it(profile, role):
    """Of the payments profile names have the role; of trading's, the region."""
    foreign = Environment.load(profile).region(other(role))
    names = named(profile, other(role)) - named(profile, role)
    watch = run_environment(profile)[f"observability/{profile}-{role}"].recorder
    assert len(watch.cloud) > 30
    assert names
    for made in watch.cloud:
        assert f"aws-{role}" in made.provider, f"{made.name} is made by another provider"
        for path, text in texts(dict(made.inputs)):
            if not NAMES_THE_OTHER & set(path) and not ASKS_THE_OTHER & set(path):
                assert not is_of(text, foreign, names), f"{made.type} {made.name}: {'.'.join(path)} says {text}"


def test_the_exceptions_are_needed_and_are_names_alone(profile, role):
    """Each of them does say the other region; one that does not is to be taken away."""
    foreign = Environment.load(profile).region(other(role))
    names = named(profile, other(role)) - named(profile, role)
    watch = run_environment(profile)[f"observability/{profile}-{role}"].recorder
    marks = {foreign, f"-{other(role)}-", *names}
    used = {
        exception
        for made in watch.cloud
        for path, text in texts(dict(made.inputs))
        for exception in NAMES_THE_OTHER & set(path)
        if any(mark in text for mark in marks)
    }
    assert used == NAMES_THE_OTHER


def test_a_regions_alarms_and_topic_are_all_its_own(profile, role):
    """The global layer makes the topics: each in its region, by its region's key, and its alarms by their region's."""
    here = Environment.load(profile).region(role)
    edge = run_environment(profile)[f"edge/{profile}"].recorder
    mine = [made for made in edge.cloud if f"aws-{role}" in made.provider]
    (topic,) = [made for made in mine if made.type.endswith(":Topic")]
    assert topic["kmsMasterKeyId"] == run_environment(profile)[f"data/{profile}"].exports["key_arns"][role]
    for made in mine:
        if made.type.endswith(":MetricAlarm"):
            actions = {*made["alarmActions"], *made.get("okActions", [])}
            assert not {each for each in actions if topic["name"] not in each and "lambda" not in each}
    (policy,) = [made for made in mine if made.type.endswith(":TopicPolicy")]
    assert f":cloudwatch:{here}:" in policy["policy"]
    assert f":{Environment.load(profile).region(other(role))}:" not in policy["policy"]


def test_every_subscription_lives_where_its_topic_does(profile):
    """SNS keeps a subscription in its topic's region: were it elsewhere, the topic would need that region."""
    edge = run_environment(profile)[f"edge/{profile}"].recorder
    topics = {made["name"]: made.provider for made in edge.of("Topic")}
    found = edge.of("TopicSubscription")
    assert len(found) >= 4
    for made in found:
        (provider,) = [provider for name, provider in topics.items() if made["topic"].endswith(name)]
        assert made.provider == provider, made.name
