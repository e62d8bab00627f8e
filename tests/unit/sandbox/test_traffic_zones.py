"""What DNS answers for the zones' names: by health, by the rules of zones, and by the protocol."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from dnslib import DNSRecord

from sandbox.records import RecordSet
from sandbox.regional_names import region_of
from sandbox.traffic.dns_server import DnsServer
from sandbox.traffic.zones import HostedZone, HostedZones

ZONE = "pay.example.com"
EAST, WEST = (f"d-abc.execute-api.us-{side}-1.amazonaws.com" for side in ("east", "west"))
ADDRESSES = {"us-east-1": "127.1.0.1", "us-west-1": "127.1.0.3"}


def record(name, kind, *values, ttl=30, **more):
    told = {"Name": f"{name}.", "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]}
    return RecordSet.of({**told, **more})


def failover(role, target=EAST, check=None, name=f"api.{ZONE}"):
    health = {"HealthCheckId": check} if check else {}
    return record(name, "CNAME", target, Failover=role, SetIdentifier=role.lower(), **health)


OWN = (
    record(ZONE, "SOA", "ns-1.awsdns-1.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", ttl=900),
    record(ZONE, "NS", "ns-1.awsdns-1.com.", "ns-2.awsdns-2.net.", ttl=172800),
)


def zones(*records, unhealthy=()):
    return HostedZones([HostedZone(ZONE, (*OWN, *records))], lambda check: check not in unhealthy, ADDRESSES.get)


def answered(found):
    return [(each.name, each.kind, each.ttl, *each.values) for each in found.records]


@pytest.mark.parametrize(
    ("unhealthy", "with_check", "expected"),
    [
        ((), True, EAST),
        (("gate",), True, WEST),
        (("other",), True, EAST),
        (("gate", "other"), True, EAST),  # both count as healthy then
        ((), False, EAST),
        (("gate",), False, WEST),
        (("gate", "other"), False, WEST),  # a secondary without a check is always healthy
    ],
)
def test_failover_follows_the_checks(unhealthy, with_check, expected):
    pair = failover("SECONDARY", WEST, "other" if with_check else None), failover("PRIMARY", EAST, "gate")
    found = zones(*pair, unhealthy=unhealthy).resolve(f"api.{ZONE}", "CNAME")
    assert answered(found) == [(f"api.{ZONE}", "CNAME", 30, expected)]
    assert found.chosen_sets == ("primary" if expected == EAST else "secondary",)


def test_a_primary_alone_is_answered_whatever_its_check_says():
    assert answered(zones(failover("PRIMARY", EAST, "gate"), unhealthy=["gate"]).resolve(f"api.{ZONE}", "CNAME"))


def test_an_address_is_found_through_the_chain_into_the_region():
    found = zones(failover("PRIMARY", f"use1.{ZONE}"), record(f"use1.{ZONE}", "CNAME", f"{EAST}.", ttl=60)).resolve(
        f"API.{ZONE.upper()}.", "A"
    )
    assert answered(found) == [
        (f"api.{ZONE}", "CNAME", 30, f"use1.{ZONE}"),
        (f"use1.{ZONE}", "CNAME", 60, f"{EAST}."),
        (EAST, "A", 60, "127.1.0.1"),
    ]
    assert found.region == "us-east-1"


def test_an_address_is_found_through_a_load_balancers_name():
    name = "trading-use1-api-t9m4-1a2b3c4d.us-east-1.elb.amazonaws.com"
    found = zones(failover("PRIMARY", f"use1-api.{ZONE}"), record(f"use1-api.{ZONE}", "CNAME", name)).resolve(
        f"api.{ZONE}", "A"
    )
    assert answered(found)[-1] == (name, "A", 60, "127.1.0.1")
    assert found.region == "us-east-1"


def test_an_alias_is_as_healthy_as_what_it_stands_for_if_it_evaluates_that():
    def alias(role, evaluates):
        target = {"HostedZoneId": "Z1", "DNSName": f"{role.lower()}.{ZONE}.", "EvaluateTargetHealth": evaluates}
        policy = {"Failover": role, "SetIdentifier": role}
        return RecordSet.of({"Name": f"api.{ZONE}.", "Type": "A", "AliasTarget": target, **policy})

    targets = (
        record(f"primary.{ZONE}", "A", "127.0.0.8", ttl=17, HealthCheckId="gate"),
        record(f"secondary.{ZONE}", "A", "127.0.0.9", ttl=18),
    )

    def values(evaluates, unhealthy):
        found = zones(*targets, alias("PRIMARY", evaluates), alias("SECONDARY", evaluates), unhealthy=unhealthy)
        return answered(found.resolve(f"api.{ZONE}", "A"))

    primary, secondary = ((f"api.{ZONE}", "A", 17, "127.0.0.8"), (f"api.{ZONE}", "A", 18, "127.0.0.9"))
    assert values(True, ()) == [primary]
    assert values(True, ["gate"]) == [secondary]
    assert values(False, ["gate"]) == [primary]


def alias_of(name, target, kind="A", **more):
    return RecordSet.of(
        {
            "Name": f"{name}.{ZONE}.",
            "Type": kind,
            "AliasTarget": {"HostedZoneId": "Z1", "DNSName": f"{target}.{ZONE}.", "EvaluateTargetHealth": True},
            **more,
        }
    )


@pytest.mark.parametrize(
    "records",
    [
        (alias_of("a", "a"),),
        (alias_of("a", "b"), alias_of("b", "a")),
        (alias_of("a", "b"), alias_of("b", "c"), alias_of("c", "b")),
        (alias_of("a", "b"), record(f"b.{ZONE}", "CNAME", f"a.{ZONE}")),
        (alias_of("a", "b", "AAAA"), alias_of("b", "a", "AAAA")),
        tuple(alias_of("a" * number, "a" * (number + 1)) for number in range(1, 60)),
    ],
    ids=["itself", "two", "a loop further on", "by a CNAME", "of another type", "too many in a row"],
)
def test_aliases_that_end_nowhere_are_answered_that_the_server_failed(records):
    """An exception instead would be no answer at all: who asks waits."""
    kind = records[0].kind
    for asked in (kind, "ANY"):
        found = zones(*records).resolve(f"a.{ZONE}", asked)
        assert (found.outcome, found.records) == ("SERVFAIL", ())
        assert "alias" in found.trouble


def test_an_alias_that_two_names_share_is_no_loop():
    shared = (alias_of("a", "c"), alias_of("b", "c"), record(f"c.{ZONE}", "A", "127.0.0.9"))
    found = zones(*shared, record(f"d.{ZONE}", "CNAME", f"a.{ZONE}"))
    for name in "abd":
        assert answered(found.resolve(f"{name}.{ZONE}", "A"))[-1][3] == "127.0.0.9"


def test_an_alias_of_an_api_leads_to_its_region_and_is_always_healthy():
    target = {"HostedZoneId": "Z1", "DNSName": EAST, "EvaluateTargetHealth": True}
    alias = RecordSet.of({"Name": f"api.{ZONE}.", "Type": "A", "AliasTarget": target})
    assert answered(zones(alias).resolve(f"api.{ZONE}", "A")) == [(f"api.{ZONE}", "A", 60, "127.1.0.1")]


def test_a_name_that_is_not_there_differs_from_one_without_such_a_record():
    all_zones = zones(record(f"a.b.{ZONE}", "A", "127.0.0.1"), record(f"*.wild.{ZONE}", "A", "127.0.0.2"))
    for name, kind, outcome in [
        (f"none.{ZONE}", "A", "NXDOMAIN"),
        (f"x.a.b.{ZONE}", "A", "NXDOMAIN"),
        (f"a.b.{ZONE}", "AAAA", "NOERROR"),
        (f"b.{ZONE}", "A", "NOERROR"),  # it has a name below it
        (ZONE, "A", "NOERROR"),
        (f"a.b.{ZONE}", "TYPE65280", "NOERROR"),
    ]:
        found = all_zones.resolve(name, kind)
        assert (found.outcome, found.records, found.authority.ttl) == (outcome, (), 900), name
    assert answered(all_zones.resolve(f"any.thing.wild.{ZONE}", "A"))[0][0] == f"any.thing.wild.{ZONE}"
    assert all_zones.resolve(f"wild.{ZONE}", "A").records == ()


def test_a_chain_that_ends_nowhere_says_so_with_what_it_has():
    found = zones(record(f"a.{ZONE}", "CNAME", f"none.{ZONE}")).resolve(f"a.{ZONE}", "A")
    assert (found.outcome, len(found.records), found.authority.ttl) == ("NXDOMAIN", 1, 900)
    assert zones(record(f"a.{ZONE}", "CNAME", f"a.{ZONE}")).resolve(f"a.{ZONE}", "A").outcome == "SERVFAIL"


def test_what_lies_outside_is_refused():
    all_zones = zones(record(f"away.{ZONE}", "CNAME", "processor.example"))
    for name in ("example.com", f"not{ZONE}", "com", ".", "d-abc.execute-api.nowhere-1.amazonaws.com"):
        assert all_zones.resolve(name, "A").outcome == "REFUSED", name
    found = all_zones.resolve(f"away.{ZONE}", "A")
    assert (found.outcome, len(found.records)) == ("NOERROR", 1)


def test_any_is_everything_of_the_name():
    assert {each.kind for each in zones().resolve(ZONE, "ANY").records} == {"SOA", "NS"}


def test_a_name_that_is_gone_is_not_there_whatever_leads_to_it():
    own = HostedZone(ZONE, (*OWN, failover("PRIMARY")))
    gone = HostedZones([own], lambda _: True, ADDRESSES.get, lambda name: name != EAST)
    found = gone.resolve(f"api.{ZONE}", "A")
    assert (found.outcome, len(found.records)) == ("NXDOMAIN", 1)
    assert gone.resolve(f"api.{ZONE}", "CNAME").outcome == "NOERROR"


def test_another_policy_fails_by_its_name():
    all_zones = zones(record(f"w.{ZONE}", "A", "127.0.0.1", Weight=10, SetIdentifier="a"))
    found = all_zones.resolve(f"w.{ZONE}", "A")
    assert (found.outcome, found.records) == ("SERVFAIL", ())
    assert "Weight" in found.trouble
    assert all_zones.unimitated() == [f"w.{ZONE} A is answered SERVFAIL: its policy Weight is not imitated"]


@pytest.mark.parametrize(
    ("name", "region"),
    [
        (EAST, "us-east-1"),
        ("abc.execute-api.ap-southeast-2.amazonaws.com", "ap-southeast-2"),
        ("a.bucket.s3.us-east-2.amazonaws.com", "us-east-2"),
        ("pay-t9m4-1a2b3c4d.us-east-1.elb.amazonaws.com", "us-east-1"),
        ("internal-pay-1a2b3c4d.eu-west-1.elb.amazonaws.com", "eu-west-1"),
        ("dualstack.pay-1a2b3c4d.eu-west-1.elb.amazonaws.com", "eu-west-1"),
        ("execute-api.us-east-1.amazonaws.com", ""),
        ("us-east-1.elb.amazonaws.com", ""),
        ("pay.elb.us-east-1.amazonaws.com", ""),
        ("d-abc.execute-api.us-east-1.amazonaws.com.evil.example", ""),
    ],
)
def test_names_of_aws_tell_their_region(name, region):
    assert region_of(name) == region


MANY = record(f"many.{ZONE}", "TXT", *(f'"{number:0200}"' for number in range(10)))


@pytest.fixture
def asked():
    """Asks a running server by UDP or TCP with what a client sends."""
    server = DnsServer(zones(failover("PRIMARY"), MANY).resolve)

    def ask(message, *, tcp=False):
        async def answered():
            port = 0
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            await server.listen(("127.0.0.1", port))
            try:
                return await asyncio.to_thread(exchange, port)
            finally:
                server.close()

        def exchange(port):
            with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as client:
                client.settimeout(0.5)
                client.connect(("127.0.0.1", port))
                client.sendall(struct.pack("!H", len(message)) + message if tcp else message)
                if tcp:
                    (length,) = struct.unpack("!H", client.recv(2, socket.MSG_WAITALL))
                    return client.recv(length, socket.MSG_WAITALL)
                try:
                    return client.recv(65535)
                except TimeoutError:
                    return None

        return asyncio.run(answered())

    return ask


@pytest.mark.parametrize("tcp", [False, True])
def test_a_question_is_answered_by_udp_and_tcp(asked, tcp):
    question = DNSRecord.question(f"Api.{ZONE}", "A")
    answer = DNSRecord.parse(asked(question.pack(), tcp=tcp))
    assert answer.header.id == question.header.id
    assert (answer.header.aa, answer.header.ra, answer.header.rcode) == (1, 0, 0)
    assert [(str(each.rname), each.ttl, str(each.rdata)) for each in answer.rr] == [
        (f"Api.{ZONE}.", 30, f"{EAST}."),
        (f"{EAST}.", 60, "127.1.0.1"),
    ]


def test_a_long_answer_by_udp_is_truncated_and_whole_by_tcp(asked):
    question = DNSRecord.question(f"many.{ZONE}", "TXT").pack()
    short = DNSRecord.parse(asked(question))
    assert (short.header.tc, short.rr) == (1, [])
    whole = DNSRecord.parse(asked(question, tcp=True))
    assert (whole.header.tc, len(whole.rr)) == (0, 10)


def test_a_negative_answer_has_the_soa(asked):
    answer = DNSRecord.parse(asked(DNSRecord.question(f"none.{ZONE}", "A").pack()))
    assert answer.header.rcode == 3
    assert [(each.rtype, each.ttl) for each in answer.auth] == [(6, 900)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda question: setattr(question.header, "opcode", 2), 4),
        (lambda question: setattr(question.q, "qclass", 3), 5),
        (lambda question: question.add_question(question.q), 1),
        (lambda question: question.questions.clear(), 1),
    ],
)
def test_what_is_no_plain_question_is_refused(asked, change, code):
    question = DNSRecord.question(f"api.{ZONE}", "A")
    change(question)
    answer = DNSRecord.parse(asked(question.pack()))
    assert (answer.header.id, answer.header.rcode, answer.rr) == (question.header.id, code, [])


def test_noise_and_answers_are_not_answered(asked):
    assert asked(b"\0\0") is None
    assert asked(DNSRecord.question("x.example").reply().pack()) is None
    garbage = asked(b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\xff\xff")
    assert DNSRecord.parse(garbage).header.rcode == 1
