"""What is kept is encrypted, by our key where AWS's own would not do; what is sent goes by TLS.

Log groups, functions' variables and the REST API's stages are always encrypted by AWS, and have no switch for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policies.asked import AskedResource, as_list, unknown
from policies.facts import Facts

STRONG_TLS = re.compile(
    r"ELBSecurityPolicy-(TLS13-1-[23]|TLS-1-2|FS-1-2)-.+"
    r"|TLS_1_2|SecurityPolicy_(TLS13_1_[23]_.+|TLS1[23]_(\w+_)?\d{4}_EDGE)"
)
"""The policies that take TLS 1.2 and later alone; any other may take what is older.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html, for Network Load
Balancers the same; https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies-list.html
"""


def unencrypted(asked: AskedResource, _: Facts) -> Iterator[str]:
    """What of a resource would be kept or sent in the clear, or by a key that does not do."""
    if asked.aws and (check := CHECKS.get(asked.kind)):
        yield from check(asked)


def _table(asked: AskedResource) -> Iterator[str]:
    at_rest = asked["serverSideEncryption"] or {}
    if not asked.unknown("serverSideEncryption") and not (at_rest.get("enabled") is True and at_rest.get("kmsKeyArn")):
        yield "serverSideEncryption names no key: the table is encrypted by the data key"
    yield from _copies(asked, "kmsKeyArn")


def _secret(asked: AskedResource) -> Iterator[str]:
    yield from _key(asked, "kmsKeyId")
    yield from _copies(asked, "kmsKeyId")


def _copies(asked: AskedResource, key: str) -> Iterator[str]:
    for copy in as_list(asked["replicas"]):
        if not unknown(copy) and not copy.get(key):
            region = copy.get("regionName") or copy.get("region")
            yield f"its replica in {region} names no {key}: give it the replica key"


def _bucket(asked: AskedResource) -> Iterator[str]:
    given = [(rule or {}).get("applyServerSideEncryptionByDefault") for rule in as_list(asked["rules"])]
    ways = [(each or {}).get("sseAlgorithm") for each in given if not unknown(each)]
    if not asked.unknown("rules") and not (ways and all(way in {"aws:kms", "aws:kms:dsse", "AES256"} for way in ways)):
        yield "its rules name no sseAlgorithm: aws:kms, or AES256 where AWS itself must read"


def _topic(asked: AskedResource) -> Iterator[str]:
    yield from _key(asked, "kmsMasterKeyId")
    if asked["kmsMasterKeyId"] == "alias/aws/sns":
        yield "kmsMasterKeyId is AWS's own key, which alarms may not use: give it the data key"


def _queue(asked: AskedResource) -> Iterator[str]:
    if not asked.unknown("sqsManagedSseEnabled") and asked["sqsManagedSseEnabled"] is not True:
        yield from _key(asked, "kmsMasterKeyId")


def _parameter(asked: AskedResource) -> Iterator[str]:
    if asked["type"] == "SecureString":
        yield from _key(asked, "keyId")


def _subscription(asked: AskedResource) -> Iterator[str]:
    if asked["protocol"] == "http":
        yield "protocol http sends alarms in the clear: use https"


def _listener(asked: AskedResource) -> Iterator[str]:
    if not asked.unknown("protocol") and asked["protocol"] not in {"HTTPS", "TLS"}:
        yield f"protocol {asked['protocol']} takes payments in the clear: use HTTPS"
    yield from _tls("sslPolicy", asked.properties.get("sslPolicy"))


def _domain(asked: AskedResource) -> Iterator[str]:
    of_http_apis = asked["domainNameConfiguration"] or {}
    if not asked.unknown("domainNameConfiguration"):
        yield from _tls("securityPolicy", asked.properties.get("securityPolicy", of_http_apis.get("securityPolicy")))


def _rest_api(asked: AskedResource) -> Iterator[str]:
    """An API that is told nothing takes TLS 1.0, by its own address and by every name that leads to it."""
    yield from _tls("securityPolicy", asked.properties.get("securityPolicy"))


def _vault(asked: AskedResource) -> Iterator[str]:
    yield from _key(asked, "kmsKeyArn")


def _key(asked: AskedResource, field: str) -> Iterator[str]:
    if not asked.unknown(field) and not asked[field]:
        yield f"{field} is not set: give it the data key"


def _tls(field: str, policy: Any) -> Iterator[str]:
    if not unknown(policy) and not STRONG_TLS.fullmatch(str(policy)):
        yield f"{field} is {policy!r}, which is not known to refuse TLS below 1.2: choose one that begins at 1.2"


CHECKS: Mapping[str, Callable[[AskedResource], Iterator[str]]] = {
    "BucketServerSideEncryptionConfiguration": _bucket,
    "DomainName": _domain,
    "Listener": _listener,
    "Parameter": _parameter,
    "Queue": _queue,
    "RestApi": _rest_api,
    "Secret": _secret,
    "Table": _table,
    "Topic": _topic,
    "TopicSubscription": _subscription,
    "Vault": _vault,
}
