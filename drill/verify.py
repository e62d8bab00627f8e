"""Checks evidence by itself: `python3 verify.py HEAD`, with the chain's head as it was published elsewhere.

A drill's figures.json is worked out again from its raw records: clients' attempts, both tables, processor's ledgers.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CHAIN = "chain.jsonl"
RTO = "RTO, worst client that honours the TTL"
TOLERANCE = 0.001


class DoesNotHold(Exception):
    """The evidence does not hold."""


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def whole(name: str) -> Any:
    return dict(json.loads((HERE / name).read_text(encoding="utf-8")))


def chain(head: str) -> None:
    """Every file is as it was when the chain was made, and there is no other one."""
    link = ""
    named: set[str] = set()
    for entry in lines(CHAIN):
        path = HERE / entry["file"]
        if "/" in entry["file"] or entry["file"] in named or not path.is_file():
            raise DoesNotHold(f"{entry['file']}: is missing, or named twice")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != entry["sha256"]:
            raise DoesNotHold(f"{entry['file']}: was changed")
        link = hashlib.sha256(f"{link} {entry['file']} {digest}".encode()).hexdigest()
        named.add(entry["file"])
    if link != head:
        raise DoesNotHold("the chain's head is another one: these are not the files that it was published for")
    if others := sorted({path.name for path in HERE.iterdir() if path.is_file()} - named - {CHAIN}):
        raise DoesNotHold(f"{others[0]}: is not in the chain")


def out(attempts: list[dict[str, Any]], since: float) -> float | None:
    """Seconds from a client's first failed attempt to its next new payment; None when it was not out."""
    failed = [each["sent"] for each in attempts if each["sent"] >= since and each["outcome"] in ("failed", "late")]
    failed += [e["sent"] for e in attempts if e["sent"] < since <= e["ended"] and e["outcome"] == "failed"]
    if not failed:
        return None
    begin = min(failed)
    good = [each for each in attempts if each["sent"] > begin and each["outcome"] == "created" and each["known"]]
    return float(min((each["ended"] for each in good), default=math.inf) - begin)


def recomputed() -> dict[str, Any]:
    """What the raw records come to."""
    books, attempts, events = whole("books.json"), lines("clients.jsonl"), lines("events.jsonl")
    tables = list(books["payments"].values())
    captured = {i for table in tables for i, each in table.items() if each["status"] == "CAPTURED"}
    declined = {i for table in tables for i, each in table.items() if each["status"] == "DECLINED"}
    known = set.union(*(set(table) for table in (*tables, *books["unreadable"].values())))
    by_key = defaultdict(set)
    for each in attempts:
        if each["status"] in (201, 402):
            by_key[each["key"]].add(each["payment"])
    answered: set[str] = set().union(*by_key.values())
    charges: dict[str, list[str]] = defaultdict(list)
    for charge in books["charges"]:
        if charge["what"] == "approved":
            charges[charge["key"]].append(charge["endpoint"])
    lost = (answered - captured - declined) | (set(charges).union(*books["audits"].values()) - known)
    lost |= set(tables[0]) ^ set(tables[1])
    doubled = {key for key, found in charges.items() if len(found) > 1}
    doubled |= {min(ids) for ids in by_key.values() if len(ids) > 1}
    fault = min(each["at"] for each in events if each["kind"] == "fault")
    healed = min((each["at"] for each in events if each["kind"] == "heal"), default=math.inf)
    clients = defaultdict(list)
    for each in attempts:
        each["known"] = each["payment"] not in lost
        if each["sent"] < healed:
            clients[each["kind"], each["client"]].append(each)
    worst: dict[str, float] = defaultdict(float)
    for (kind, _), own in clients.items():
        worst[kind] = max(worst[kind], out(own, fault) or 0.0)
    paid = {each["payment"] for each in attempts if each["status"] == 201}
    return {"lost": len(lost), "doubled": len(doubled), "paid": len(paid), "worst": worst}


def compare(found: dict[str, Any]) -> None:
    """The figures that were told are those of the raw records."""
    told, plan = whole("figures.json"), whole("plan.json")
    by_name = {each["name"]: each["measured"] for each in told["figures"]}
    worst = max(found["worst"].get(kind, 0.0) for kind in ("fresh", "example"))
    objective = next(each["objective"] for each in told["figures"] if each["name"] == RTO)
    wrong = [
        f"{what}: {said} was told, and it is {really}"
        for what, said, really in (
            ("payments lost", by_name.get("payments lost"), found["lost"]),
            ("payments doubled", by_name.get("payments doubled"), found["doubled"]),
            ("payments acknowledged", told["acknowledged"], found["paid"]),
            (RTO, by_name[RTO] and round(by_name[RTO], 6), None if math.isinf(worst) else round(worst, 6)),
            ("its objective", objective, plan["objectives"]["grey_failure" if plan["fault"] == "grey" else "failover"]),
        )
        if said != really
    ]
    for outage in told["outages"]:
        said, really = outage["worst"], found["worst"].get(outage["kind"], 0.0)
        said = math.inf if said is None else said
        if said != really and not abs(said - really) <= TOLERANCE:
            wrong.append(f"worst RTO of {outage['kind']} clients: {said} was told, and it is {really}")
    if {outage["kind"] for outage in told["outages"]} != set(found["worst"]):
        wrong.append("the figures leave out a kind of client")
    if wrong:
        raise DoesNotHold("; ".join(wrong))


def main(words: list[str]) -> int:
    if len(words) != 1 or len(words[0]) != 64:
        print("usage: python3 verify.py HEAD (the chain's head, as it was published)", file=sys.stderr)
        return 2
    try:
        chain(words[0])
        if not (HERE / "figures.json").is_file():  # a real failover has no clients that kept a journal for us
            return print("holds: the records of a failover, as they were gathered") or 0
        found = recomputed()
        compare(found)
    except DoesNotHold as refused:
        print(f"REFUSED: {refused}", file=sys.stderr)
        return 1
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration) as error:
        print(f"REFUSED: the evidence cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    worst = ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in sorted(found["worst"].items()))
    paid, lost, doubled = (found[name] for name in ("paid", "lost", "doubled"))
    print(f"holds: {paid} payments acknowledged, {lost} lost, {doubled} doubled; worst RTO {worst}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
