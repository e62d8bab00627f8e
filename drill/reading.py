"""Reads everybody's books through AWS's own interfaces, for a window of time and without scanning a table.

Which payments there are is found in three places: the table's index `unfinished`, which has every payment until its
answer is forgotten after 72 hours; the audit buckets, whose keys begin with the day; and the processor's ledger. Each
is then read by its id, strongly consistent, in both regions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from drill import books
from drill.books import Books, LedgerCharge
from lambdas.adapters.items import PARTITIONS, key
from lambdas.domain.audit import key as record_key
from lambdas.domain.audit import record as audit_record
from lambdas.domain.instruction import is_payment_id, payment_id
from lambdas.domain.payment import LEASE, MINUTE, RESPONSE_KEPT, Payment, Task
from orchestration.aws import Aws, asked
from orchestration.target import published
from shared.clients import STOREFRONT
from shared.errors import MALFORMED, Problem
from shared.naming import UNFINISHED
from shared.roles import ROLES, PerRole, Role
from shared.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from drill.records import Attempt
    from orchestration.target import Target
    from shared.environment import Environment

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE: Final = 100
"""Items of one BatchGetItem (its limit)."""
WORKERS: Final = 8
ROUNDS: Final = 20
"""Asks for what DynamoDB has left unprocessed, before it counts as not answered."""
BEGAN_BEFORE: Final = timedelta(minutes=5)
"""A payment of the window may have been opened a little before its record's day, and a clock may be late."""


@dataclass(frozen=True)
class Places:
    """Where an environment's books are."""

    aws: Aws
    regions: PerRole[str]
    table: str
    buckets: PerRole[str]
    sweep_minutes: int
    elsewhere: frozenset[str] = frozenset()
    """The processor's endpoints of the checkout's other systems: its ledger has their charges, too."""


def places(target: Target, environment: Environment) -> Places:
    """Where a target's stacks say that they are. Raises Problem when they are not deployed."""
    data = Stack("data", environment.name)
    return Places(
        Aws(target.cli.variables),
        PerRole.build(environment.region),
        published(target, data, "table_name"),
        PerRole(**published(target, data, "audit_bucket_names")),
        environment.compute.sweep_minutes,
        environment.endpoints_elsewhere(),
    )


def read(
    where: Places,
    *,
    since: int,
    now: int,
    ledger: Iterable[Mapping[str, Any]] | None,
    attempts: Sequence[Attempt] = (),
    alone: bool = False,
) -> Books:
    """All books of payments from `since` on (ms). Raises Problem when a region does not answer.

    A payment belongs to them that was opened or charged since then, that a client has asked for, or that is unfinished
    or without its record now; also one of which nobody can tell when it was opened.
    ledger: the processor's lines; None when nobody has told what it knows. Another system's charges are left out;
    what was charged since then under a key that is no payment's id is kept, as nobody should have charged it.
    alone: only what was opened since then or was asked for, whatever else has been left from before.
    """
    charges = None if ledger is None else books.charges(ledger)
    with ThreadPoolExecutor(WORKERS) as threads:
        listed = list(threads.map(lambda role: _listed(where, role, since), ROLES))
        recorded = dict(zip(ROLES, threads.map(lambda role: _recorded(where, role, since, now), ROLES), strict=True))
        asked_for = {each.key: payment_id(STOREFRONT, each.key) for each in attempts}
        own = {*asked_for.values(), *(each.payment for each in attempts if is_payment_id(each.payment))}
        charged = {charge.key for charge in charges or () if charge.at >= since and is_payment_id(charge.key)}
        ids = (own | charged).union(*listed, *recorded.values())
        items = dict(zip(ROLES, threads.map(lambda role: _items(where, role, ids), ROLES), strict=True))
    begun = _begun(item for role in ROLES for item in items[role])
    kept = own if alone else (own | charged).union(*listed)
    ids = {id_ for id_ in ids if id_ in kept or begun.get(id_, since) >= since}
    found = {role: books.read_items(item for item in items[role] if item["pk"]["S"] in ids) for role in ROLES}
    wanted = {payment.id: payment for role in ROLES for payment in found[role][0].values()}
    if charges is not None:
        charges = [each for each in charges if _ours(where, each, wanted.get(each.key))]
        known = own.union(wanted, *(found[role][1] for role in ROLES), *listed, *recorded.values())
        ids -= charged - known - {each.key for each in charges}
    # A bucket's listing knows only the window's days: what was opened before is looked for by its name.
    audits: PerRole[dict[str, Mapping[str, Any]]] = PerRole.build(
        lambda role: _records(where, role, wanted, {id_: each for id_, each in recorded[role].items() if id_ in ids})
    )
    strange = {id_: record for role in ROLES for id_, record in audits.of(role).items() if id_ not in begun}
    ids -= {id_ for id_, record in strange.items() if _first_step(record, since) < since} - kept
    return Books(
        at=now,
        payments=PerRole.build(lambda role: found[role][0]),
        unreadable=PerRole.build(lambda role: found[role][1]),
        charges=None
        if charges is None
        else [each for each in charges if each.key in ids or (each.at >= since and not is_payment_id(each.key))],
        audits=PerRole.build(lambda role: {id_: each for id_, each in audits.of(role).items() if id_ in ids}),
        answers=books.answers(attempts),
        keys=asked_for,
        drains=LEASE + (where.sweep_minutes + 1) * MINUTE,
        lag=books.REPLICATED,
        since=since,
    )


def _ours(where: Places, charge: LedgerCharge, payment: Payment | None) -> bool:
    """Whether a charge is this system's. Another one's endpoint may be that of a payment which came from there."""
    return charge.endpoint not in where.elsewhere or (payment is not None and payment.endpoint == charge.endpoint)


def _begun(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """When payments were opened (ms), by id, where their items say it: also those that are else not to be read."""
    found: dict[str, int] = {}
    for item in items:
        with suppress(LookupError, ValueError, TypeError, AttributeError):
            found[item["pk"]["S"]] = int(item["created"]["N"])
    return found


def _first_step(record: Mapping[str, Any], otherwise: int) -> int:
    """When the payment of a record was opened (ms)."""
    try:
        return int(record["steps"][0][1])
    except (LookupError, ValueError, TypeError):
        return otherwise


def sweep(where: Places, functions: PerRole[str]) -> dict[Role, Mapping[str, Any] | Problem]:
    """Run the deployed sweep in both regions, as its schedule does; what it did in each, or why it could not.

    It asks the processor, and writes what that says: nothing here decides what becomes of a payment.
    """
    done: dict[Role, Mapping[str, Any] | Problem] = {}
    for role in ROLES:
        try:
            done[role] = _swept(where, role, functions.of(role))
        except Problem as problem:  # a region that is out must not keep the other from its work
            done[role] = problem
    return done


def _swept(where: Places, role: Role, function: str) -> Mapping[str, Any]:
    region = where.regions.of(role)
    client = where.aws.client("lambda", region)
    answer = asked(partial(client.invoke, FunctionName=function), "run the sweep", region)
    said = json.loads(answer["Payload"].read() or b"{}")
    told = said if isinstance(said, dict) else {}
    if "FunctionError" in answer:
        raise Problem(f"the sweep failed in {region}: {told.get('errorMessage', 'it did not say why')}")
    return told


def ledger(path: Path, *, grows: bool = False) -> Iterator[Mapping[str, Any]]:
    """A ledger's lines; none where there is no file. Raises Problem, with file and line, for what is none.

    grows: it is being written, so a last line without its end is left out.
    """
    try:
        lines = path.read_text().split("\n")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"cannot read the ledger {path}: {error}") from None
    last = lines.pop()
    if last.strip() and not grows:
        lines.append(last)
    for number, line in enumerate(lines, 1):
        try:
            told = json.loads(line)
            books.charge(told)
        except (*MALFORMED, OverflowError):
            raise Problem(f"{path}:{number}: is no line of a ledger (docs/processor.md)") from None
        yield told


def _listed(where: Places, role: Role, since: int) -> set[str]:
    """The ids in a replica's index: everything unfinished or owed, and what was paid lately."""
    client = where.aws.client("dynamodb", where.regions.of(role))
    found: set[str] = set()
    for task, partitions in PARTITIONS.items():
        earliest = since + RESPONSE_KEPT if task is Task.TIDY else 0
        for partition in partitions:
            arguments = {
                "TableName": where.table,
                "IndexName": UNFINISHED,
                "KeyConditionExpression": "#unfinished = :partition AND #due >= :earliest",
                "ExpressionAttributeNames": {"#unfinished": UNFINISHED, "#due": "due"},
                "ExpressionAttributeValues": {":partition": {"S": partition}, ":earliest": {"N": str(earliest)}},
            }
            for page in _pages(where, role, client.query, arguments):
                found.update(item["pk"]["S"] for item in page["Items"])
    return found


def _pages(
    where: Places, role: Role, ask: Callable[..., Mapping[str, Any]], arguments: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    more: dict[str, Any] = {}
    while True:
        page = asked(partial(ask, **arguments, **more), "read the table's index", where.regions.of(role))
        yield page
        if "LastEvaluatedKey" not in page:
            return
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _items(where: Places, role: Role, ids: Collection[str]) -> list[Mapping[str, Any]]:
    client = where.aws.client("dynamodb", where.regions.of(role))
    found: list[Mapping[str, Any]] = []
    for batch in _batches(sorted(ids), AT_ONCE):
        keys = [key(id_) for id_ in batch]
        for _ in range(ROUNDS):
            wanted = {where.table: {"Keys": keys, "ConsistentRead": True}}
            ask = partial(client.batch_get_item, RequestItems=wanted)
            answer = asked(ask, "read the payments", where.regions.of(role))
            found += answer["Responses"].get(where.table, [])
            keys = answer.get("UnprocessedKeys", {}).get(where.table, {}).get("Keys", [])
            if not keys:
                break
        else:
            raise Problem(f"cannot read the payments in {where.regions.of(role)}: DynamoDB leaves some unprocessed")
    return found


class Listed(NamedTuple):
    """A record of a bucket's listing."""

    key: str
    tag: str
    """The entity tag: the digest of what is in it."""


def _recorded(where: Places, role: Role, since: int, now: int) -> dict[str, Listed]:
    """The records that a region's bucket has of the window's days, by the payment's id."""
    client, region = where.aws.client("s3", where.regions.of(role)), where.regions.of(role)
    found: dict[str, Listed] = {}
    day = datetime.fromtimestamp(since / 1000, UTC) - BEGAN_BEFORE
    while day.date() <= datetime.fromtimestamp(now / 1000, UTC).date():
        arguments: dict[str, Any] = {"Bucket": where.buckets.of(role), "Prefix": f"payments/{day:%Y/%m/%d}/"}
        while True:
            page = asked(partial(client.list_objects_v2, **arguments), "list the audit records", region)
            for each in page.get("Contents", ()):
                if is_payment_id(id_ := each["Key"].rpartition("/")[2].removesuffix(".json")):
                    found[id_] = Listed(each["Key"], each["ETag"].strip('"'))
            if not page.get("IsTruncated"):
                break
            arguments["ContinuationToken"] = page["NextContinuationToken"]
        day += timedelta(days=1)
    return found


def _records(
    where: Places, role: Role, payments: Mapping[str, Payment], listed: Mapping[str, Listed]
) -> dict[str, Mapping[str, Any]]:
    """A region's records. One whose entity tag is the digest of what it should be is not fetched."""
    found: dict[str, Mapping[str, Any]] = {}
    fetched: dict[str, str] = {}
    for id_ in payments.keys() | listed.keys():
        payment = payments.get(id_)
        if payment is None:
            fetched[id_] = listed[id_].key  # no table has such a payment: only the record says when it was
            continue
        should = audit_record(payment) if payment.is_final else b""
        if id_ in listed and listed[id_].tag == hashlib.md5(should, usedforsecurity=False).hexdigest():
            found[id_] = json.loads(should)
        elif id_ in listed or payment.is_final:
            fetched[id_] = record_key(payment)
    client, region = where.aws.client("s3", where.regions.of(role)), where.regions.of(role)

    def fetch(name: str) -> Mapping[str, Any] | None:
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            return dict(json.loads(client.get_object(Bucket=where.buckets.of(role), Key=name)["Body"].read()))
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        except (ValueError, TypeError, RecursionError):
            return {"damaged": True}

    with ThreadPoolExecutor(WORKERS) as threads:
        asks = [partial(fetch, name) for name in fetched.values()]
        answers = threads.map(lambda ask: asked(ask, "read an audit record", region), asks)
        found |= {id_: record for id_, record in zip(fetched, answers, strict=True) if record is not None}
    return found


def _batches(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
