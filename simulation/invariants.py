"""What must hold for each history, whatever failed: see `check`."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from lambdas.domain.payment import CANARY_CLIENT, CANARY_KEPT, RESPONSE_KEPT, TRANSITIONS, PaymentStatus
from lambdas.web import headers
from lambdas.web.answer import JSON, PROBLEM
from simulation.cells import why_impossible
from simulation.faults import SKEW
from simulation.linearizability import INFINITY, Told, is_linearizable
from simulation.region import ADDED, UNDECIDED
from simulation.scheduler import EPOCH
from simulation.watch import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.history import ClientCall
    from simulation.table import Item, Key
    from simulation.world import World

_FINAL_ANSWERS: Final = {201: "paid", 402: "declined"}
_FORGOTTEN: Final = RESPONSE_KEPT + 30 * 60_000  # three days, and time for clocks that differ and for the sweep
_PASSING: Final = frozenset({202, 409, 500, 503})
_LONGEST_WAIT: Final = 300
_BUSY: Final = "/problems/in-progress"
_UNKNOWN: Final = frozenset({"UNKNOWN", UNDECIDED})
_OPEN: Final = _UNKNOWN | {"AUTHORIZING"}
_DECIMALS: Final = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
_SHOWN: Final = {"CAPTURED": "paid", "DECLINED": "declined"}


def check(world: World) -> list[Finding]:
    """All that is wrong with a finished history.

    lost: a client was told something final, or that its payment is known, and a region does not know it.
    doubled: more than one charge for a payment. unbooked: the processor's ledger and the table disagree.
    mixed: a canary has paid with real money, or another client with play money.
    shown: a client was shown another's payment. contradicted: answers that no single payment could have given.
    untold: a client was told otherwise than the processor has told the function, without a word of the contradiction;
    or any outcome, once the contradiction was told or written down; or two workers were told both outcomes, and nobody
    heard of it.
    reworded: a replay unlike the first answer, or an answer that does not say when to come again.
    healthy: a region that is cut off from the others took itself for healthy.
    audit: a final payment without exactly one right record. stuck: unfinished although nothing fails any more.
    kept: what should have been removed with time. order: see `watch`. altered: an item moved as it must not.
    impossible: a worker died in a way that the code excludes.
    late: a function that was ended for its time, though it never stood still. bug: an exception that nobody caught.
    """
    findings = list(world.watch.findings)
    answers: dict[str, list[ClientCall]] = defaultdict(list)
    for operation in world.history.operations:
        if operation.stranger is None:
            answers[operation.payment_id].append(operation)
        elif operation.status == 200:
            findings.append(Finding("shown", operation.payment_id, f"{operation.stranger} can read another's payment"))
    findings += (
        Finding("stuck", name, "unfinished after the faults have ended")
        for name in sorted({*world.stuck, *world.unfinished()})
    )
    findings += _mixed(world, answers)
    findings += _left_charges(world, answers)
    contradicted = world.watch.contradicted()
    charges = _charges(world, world.table.truth(world.survivors[0].name), world.scheduler.now)
    charges_then = _charges(world, world.known[world.survivors[0].name], world.asked_at)
    for payment_id, operations in answers.items():
        for region in world.survivors:
            item = world.table.truth(region.name).get((payment_id, "payment"))
            known = world.known[region.name].get((payment_id, "payment"))
            findings += _lost(payment_id, region.name, known, operations)
            findings += _charged(world, payment_id, region.name, known, charges_then.get(payment_id, []))
            findings += _kept(world, payment_id, item, operations)
            if item is None and _is_swept(world, operations):
                continue
            findings += _charged(world, payment_id, region.name, item, charges.get(payment_id, []))
            if item is not None and item["status"]["S"] in _SHOWN:
                findings += _recorded(world, payment_id, item)
        doubted = world.table.first_with((payment_id, "payment"), "in_doubt")
        findings += _contradicted(payment_id, operations, lies=bool(world.faults.lies), in_doubt=doubted is not None)
        if world.mode == "mrsc":  # else the other region hears of it later
            findings += _told_in_doubt(payment_id, operations, doubted)
            if payment_id in contradicted - world.watch.told and doubted is None:
                findings.append(Finding("untold", payment_id, "the processor has told both outcomes, and nobody knows"))
        findings += _headers(payment_id, operations)
        findings += _altered(world, payment_id)
    findings += _impossible(world)
    return list(dict.fromkeys(findings))


def _impossible(world: World) -> Iterator[Finding]:
    """A worker died as none can: see `cells.RULES`."""
    if world.census is None:
        return
    for what in sorted(world.census.unplaced):
        yield Finding("impossible", "", f"{what} is a call of the payment code that simulation/cells.py does not place")
    for death in world.census.deaths:
        for cell in death.cells:
            reason = why_impossible(cell)
            if reason is not None:
                yield Finding("impossible", death.payment, f"died at {cell}, but {reason}")


def _lost(payment_id: str, region: str, item: Item | None, operations: list[ClientCall]) -> Iterator[Finding]:
    stands = "absent" if item is None else _SHOWN.get(item["status"]["S"], "pending")
    for operation in operations:
        if operation.is_last:
            break
        told = _told(operation).answer
        if told in {"paid", "declined"} and stands != told:
            yield Finding("lost", payment_id, f"{operation.actor} was told {told}, {region} holds {stands}")
        elif told == "pending" and item is None:
            yield Finding("lost", payment_id, f"{operation.actor} was told to wait, {region} knows no such payment")


def _is_swept(world: World, operations: list[ClientCall]) -> bool:
    """A canary's payment is deleted after a day."""
    return operations[0].wish.client == CANARY_CLIENT and world.scheduler.now - EPOCH > CANARY_KEPT


def _kept(world: World, payment_id: str, item: Item | None, operations: list[ClientCall]) -> Iterator[Finding]:
    if item is not None and _is_swept(world, operations):
        yield Finding("kept", payment_id, "a canary's payment is there after a day")
    elif item is not None and "response_body" in item and world.scheduler.now - int(item["created"]["N"]) > _FORGOTTEN:
        yield Finding("kept", payment_id, "its answer is stored after three days")


def _charges(world: World, table: dict[Key, Item], until: int) -> dict[str, list[str]]:
    """Payment id -> each charge that was made for it by then, at any endpoint, as `minor units currency`.

    `table` holds the canaries' charges: one table for both regions (under MREC nobody uses it).
    """
    found: dict[str, list[str]] = defaultdict(list)
    for charge in world.processor.ledger:
        if charge.at <= until:
            found[charge.key].append(f"{charge.amount.minor_units} {charge.amount.currency}")
    for (pk, sk), item in table.items():
        if sk == "charge" and item["outcome"]["S"] == "approved":
            found[pk.partition("#")[2]].append(f"{item['minor_units']['N']} {item['currency']['S']}")
    return found


def _mixed(world: World, answers: dict[str, list[ClientCall]]) -> Iterator[Finding]:
    """Canaries pay with play money, which is in the table, and nobody else does."""
    real = {charge.key for charge in world.processor.ledger}
    play = {
        pk.partition("#")[2]
        for region in world.survivors
        for pk, sk in world.table.truth(region.name)
        if sk == "charge"
    }
    for payment_id, operations in answers.items():
        is_canary = operations[0].wish.client == CANARY_CLIENT
        if payment_id in (real if is_canary else play):
            yield Finding("mixed", payment_id, f"{operations[0].wish.client} has paid with the others' money")


def _left_charges(world: World, answers: dict[str, list[ClientCall]]) -> Iterator[Finding]:
    """Canaries' charges go with their payments."""
    for pk, sk in world.table.truth(world.survivors[0].name):
        payment_id = pk.partition("#")[2]
        if sk == "charge" and payment_id in answers and _is_swept(world, answers[payment_id]):
            yield Finding("kept", payment_id, "a canary's charge is there after a day")


def _charged(world: World, payment_id: str, region: str, item: Item | None, charges: list[str]) -> Iterator[Finding]:
    if len(charges) > 1:
        yield Finding("doubled", payment_id, f"charged {len(charges)} times: {charges}")
    status = item["status"]["S"] if item is not None else "absent"
    expected = [f"{item['minor_units']['N']} {item['currency']['S']}"] if item and status == "CAPTURED" else []
    if len(charges) <= 1 and charges != expected and status not in _OPEN and not world.faults.lies:
        yield Finding("unbooked", payment_id, f"{region} holds {status}, the processor's ledger {charges or 'nothing'}")


def _told_in_doubt(payment_id: str, operations: list[ClientCall], doubted: int | None) -> Iterator[Finding]:
    """Nobody hears an outcome who asks after somebody was told 500, or after the doubt is in the table (`doubted`)."""
    heard = min((each.returned for each in operations if each.status == 500 and each.returned), default=INFINITY)
    for operation in operations:
        is_after = operation.invoked > heard or (doubted is not None and operation.at > doubted)
        told = _told(operation).answer
        if is_after and told in {"paid", "declined"}:
            yield Finding("untold", payment_id, f"{operation.actor} was told {told}, and the processor has told both")


def _contradicted(payment_id: str, operations: list[ClientCall], *, lies: bool, in_doubt: bool) -> Iterator[Finding]:
    """`lies`: the processor contradicts itself, which clients are told by 500. `in_doubt`: it did with this payment.

    Then "pending" says nothing: it is also said of what is final, and nobody may know.
    """
    told = [_told(operation) for operation in operations]
    if in_doubt:
        told = [replace(each, answer="silence") if each.answer == "pending" else each for each in told]
    if not is_linearizable(told):
        yield Finding("contradicted", payment_id, "no order of the requests explains their answers")
    first: dict[int, str] = {}
    for operation in operations:
        if operation.status == 500 and not lies:
            yield Finding("contradicted", payment_id, f"{operation.actor} was answered 500: {operation.body}")
        if operation.status in _FINAL_ANSWERS and not operation.is_late:
            if first.setdefault(operation.status, operation.body) != operation.body:
                yield Finding("reworded", payment_id, f"{operation.actor} got another answer than the first")
            if operation.headers.get("Location") != f"/payment/{payment_id}":
                yield Finding("contradicted", payment_id, f"{operation.actor} got another payment's location")
    finals = [operation for operation in operations if operation.status in _FINAL_ANSWERS]
    if sum(headers.REPLAYED not in operation.headers for operation in finals) > 1:
        yield Finding("contradicted", payment_id, "two requests were told that they made the payment")


def _headers(payment_id: str, operations: list[ClientCall]) -> Iterator[Finding]:
    """A replay has the first answer's headers, and says that it is one; what is not final says when to come again."""
    first: dict[int, dict[str, str]] = {}
    for operation in operations:
        said = dict(operation.headers)
        replayed = said.pop(headers.REPLAYED, "true")
        if operation.status in _FINAL_ANSWERS:
            expected = first.setdefault(operation.status, said)
            kind = JSON if operation.status == 201 else PROBLEM
            if said != expected or said.get("Content-Type") != kind or replayed != "true":
                yield Finding("reworded", payment_id, f"{operation.actor} got {operation.headers}, first {expected}")
        elif operation.status in _PASSING and not 1 <= int(said.get("Retry-After", 0)) <= _LONGEST_WAIT:
            yield Finding("reworded", payment_id, f"{operation.actor} was not told when to come again: {said}")


def _told(operation: ClientCall) -> Told:
    wish = operation.wish
    payload = f"{float(wish.amount)} {wish.currency} {wish.customer}"
    returned = INFINITY if operation.returned is None else operation.returned
    match operation.method, operation.status:
        case "POST", 201 | 402 as status:
            answer = _FINAL_ANSWERS[status]
        case "POST", 202:
            answer = "pending"
        case "POST", 409 if operation.document.get("type") == _BUSY:
            answer = "busy"
        case "POST", 422:
            answer = "reused"
        case "GET", 404:
            answer = "absent"
        case "GET", 200:
            shown = operation.document
            payload = f"{float(shown['amount'])} {shown['currency']} {shown['customerId']}"
            answer = shown["status"]
        case _:
            answer = "silence"
    return Told(operation.method, payload, answer, operation.invoked, returned)


def _recorded(world: World, payment_id: str, item: Item) -> Iterator[Finding]:
    records: dict[str, set[bytes]] = defaultdict(set)
    for bucket in world.buckets:
        for key, versions in bucket.objects.items():
            if key.endswith(f"/{payment_id}.json"):
                records[key].update(versions)
                if bucket.written.get(key, 0) > 1:
                    yield Finding("audit", payment_id, f"{key} was written {bucket.written[key]} times in one bucket")
    contents = [content for versions in records.values() for content in versions]
    if "audit_pending" in item:
        return  # found as stuck
    if len(contents) != 1:
        yield Finding("audit", payment_id, f"{len(contents)} different audit records instead of one")
    elif _evidence(json.loads(contents[0])) != _evidence(_as_record(item)):
        yield Finding("audit", payment_id, f"the audit record is not what the table holds: {contents[0]!r}")


def _evidence(record: dict[str, Any]) -> tuple[Any, ...]:
    names = ("paymentId", "client", "customerId", "currency", "status", "reference", "reason", "fingerprint", "steps")
    return (*(record[name] for name in names), float(record["amount"]))


def _as_record(item: Item) -> dict[str, Any]:
    steps = [step["S"].split(" ") for step in item["steps"]["L"]]
    return {
        "paymentId": item["pk"]["S"],
        "client": item["client"]["S"],
        "customerId": item["customer"]["S"],
        "amount": int(item["minor_units"]["N"]) / 10 ** _DECIMALS[item["currency"]["S"]],
        "currency": item["currency"]["S"],
        "status": item["status"]["S"],
        "reference": item["reference"]["S"] if "reference" in item else None,
        "reason": item["reason"]["S"] if "reason" in item else None,
        "fingerprint": item["fingerprint"]["S"],
        "steps": [[status, int(at)] for status, at in steps],
    }


_FIXED: Final = ("client", "fingerprint", "minor_units", "currency", "customer", "region", "endpoint", "created")


def _altered(world: World, payment_id: str) -> Iterator[Finding]:
    """The item, write by write: no gap in its versions, legal moves, nothing rewritten, additions kept."""
    for before, after in world.table.writes((payment_id, "payment")):
        if int(after["version"]["N"]) != int(before["version"]["N"]) + 1:
            yield Finding("altered", payment_id, f"version {after['version']['N']} after {before['version']['N']}")
        steps, earlier = after["steps"]["L"], before["steps"]["L"]
        moves = [step["S"].split(" ")[0].replace(UNDECIDED, "UNKNOWN") for step in steps[len(earlier) - 1 :]]
        if steps[: len(earlier)] != earlier or not all(
            PaymentStatus(following) in TRANSITIONS[PaymentStatus(status)] for status, following in pairwise(moves)
        ):
            yield Finding("altered", payment_id, f"moved from {before['status']['S']} to {after['status']['S']}")
        if (
            not EPOCH
            <= int(after["created"]["N"])
            <= int(after["updated"]["N"]) + SKEW
            <= world.scheduler.now + 3 * SKEW
        ):
            yield Finding("altered", payment_id, f"created {after['created']['N']}, updated {after['updated']['N']}")
        is_asked = before["status"]["S"] in _UNKNOWN and after["status"]["S"] not in _SHOWN
        if is_asked and int(after["updated"]["N"]) < int(before["retry_at"]["N"]):
            yield Finding("order", payment_id, f"taken up at {after['updated']['N']}, before {before['retry_at']['N']}")
        for name in (*_FIXED, ADDED):
            if before.get(name) != after.get(name):
                yield Finding("altered", payment_id, f"{name} was changed")
