"""Checks evidence by itself, and works a drill's figures out again: `python3 verify.py HEAD`, as it was published."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CHAIN = "chain.jsonl"
RTO = "RTO, worst client that honours the TTL"
WELL = ("fresh", "example")
UNKNOWN = "not compared with the processor's books"
TOLD = ("created", "replayed", "declined")
BAD = ("failed", "late", "refused")
PARTS = {"p50": 0.5, "p99": 0.99, "worst": 1.0}


def read(name: str) -> Any:
    """A file's object; of a journal a list of them."""
    text = (HERE / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else dict(json.loads(text))


def chain(head: str) -> None:
    """Every file is as it was when the chain was made, and there is no other one."""
    link, named = "", set[str]()
    for entry in read(CHAIN):
        path = HERE / entry["file"]
        if "/" in entry["file"] or entry["file"] in named or not path.is_file():
            raise SystemExit(f"REFUSED: {entry['file']}: is missing, or named twice")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != entry["sha256"]:
            raise SystemExit(f"REFUSED: {entry['file']}: was changed")
        link = hashlib.sha256(f"{link} {entry['file']} {digest}".encode()).hexdigest()
        named.add(entry["file"])
    if link != head:
        raise SystemExit("REFUSED: the chain's head is another one: these are not the files that it was published for")
    if others := sorted({path.name for path in HERE.iterdir() if path.is_file()} - named - {CHAIN}):
        raise SystemExit(f"REFUSED: {others[0]}: is not in the chain")


def of_the_books(attempts: list[dict[str, Any]]) -> tuple[set[str], int | str]:
    """Payments that were lost, and how many were doubled: nobody knows without the processor's books."""
    books = read("books.json")
    tables = list(books["payments"].values())
    settled = {i for table in tables for i, each in table.items() if each["status"] in ("CAPTURED", "DECLINED")}
    known = set.union(*(set(table) for table in (*tables, *books["unreadable"].values())))
    answered = {(each["key"], each["payment"]) for each in attempts if each["outcome"] in TOLD}
    keys = Counter(key for key, _ in answered)
    charges = Counter(each["key"] for each in books["charges"] or () if each["what"] == "approved")
    lost = ({payment for _, payment in answered} - settled) | (set(charges).union(*books["audits"].values()) - known)
    doubled = {payment for payment, count in charges.items() if count > 1}
    doubled |= {min(payment for one, payment in answered if one == key) for key, count in keys.items() if count > 1}
    return lost | (set(tables[0]) ^ set(tables[1])), UNKNOWN if books["charges"] is None else len(doubled)


def after(events: list[dict[str, Any]], since: float, kind: str, what: str, subject: str = "") -> float:
    """Seconds from a moment until something happened first; infinite when it did not."""
    found = [each for each in events if (each["kind"], each["what"]) == (kind, what) and each["at"] >= since]
    return float(min((e["at"] for e in found if e["subject"].endswith(subject)), default=math.inf) - since)


def out(attempts: list[dict[str, Any]], since: float) -> float | None:
    """Seconds from a client's first failed attempt to its next new payment; None when it was not out."""
    failed = [e["due" if e["attempt"] == 1 else "sent"] for e in attempts if e["ended"] >= since and e["bad"]]
    begin = min(failed, default=math.inf)
    good = [each for each in attempts if each["sent"] > begin and each["outcome"] == "created" and each["known"]]
    return float(min((each["ended"] for each in good), default=math.inf) - begin) if failed else None


def outages(attempts: list[dict[str, Any]], fault: float) -> dict[str, float]:
    """Of each kind: how many clients there are, how many were out, and for how long (nearest rank; 0 of none)."""
    clients: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for each in attempts:
        clients[each["kind"]][each["client"]].append(each)
    found: dict[str, float] = {"kinds of client": len(clients)}
    for kind, own in clients.items():
        long = sorted(each for each in (out(each, fault) for each in own.values()) if each is not None)
        ranks = {name: long[max(0, math.ceil(part * len(long)) - 1)] if long else 0.0 for name, part in PARTS.items()}
        ranks |= {"clients": len(own), "affected": len(long)}
        found |= {f"{name} of {kind} clients": value for name, value in ranks.items()}
    return found


def recomputed() -> dict[str, Any]:
    """What the raw records come to, by name; times in virtual seconds, infinite for never."""
    plan, attempts, events = read("plan.json"), read("clients.jsonl"), read("events.jsonl")
    heals = [each["at"] for each in events if each["kind"] == "heal"]
    if [e["what"] for e in events if e["kind"] == "fault"] != [plan["fault"]] * (plan["fault"] != "none") or heals[1:]:
        raise SystemExit(f"REFUSED: events.jsonl: what was broken is not what plan.json says: {plan['fault']}")
    for e in attempts:
        e["bad"] = e["outcome"] in BAD or (e["outcome"] == "declined" and not e["customer"].startswith("decline-"))
    lost, doubled = of_the_books(attempts)
    first = [(s["at"], f["kind"]) for s in plan["steps"] for f in s["faults"] if f["region"] == "primary"]
    at, kind = [*first, (0.0, plan["fault"])][0]
    fault = after(events, 0.0, "fault", plan["fault"]) + at
    healed = min(heals or [max((each["ended"] for each in attempts), default=fault)])
    by_kind = outages([{**e, "known": e["payment"] not in lost} for e in attempts if e["sent"] < healed], fault)
    p50, p99, worst = (max(by_kind.get(f"{name} of {kind} clients", 0.0) for kind in WELL) for name in PARTS)
    found = {"payments lost": len(lost), "payments doubled": doubled, RTO: worst, **by_kind}
    found |= {f"clients of {kind} clients": count for kind, count in plan["clients"].items()}
    found["acknowledged"] = len({each["payment"] for each in attempts if each["status"] == 201})
    objective = {"grey": "grey_failure", "evacuate": "", "unfenced": ""}.get(kind, "failover")
    found[f"{RTO}, objective"] = plan["objectives"].get(objective, math.inf)
    if plan["fault"] == "none":
        moved = sum((each["kind"], each["what"]) == ("dns", "secondary") for each in events)
        return {**found, "failovers": moved, "attempts that failed": sum(e["bad"] for e in attempts)}
    found |= {"RTO, p50": p50, "RTO, p99": p99, "detection": after(events, fault, "health", "unhealthy", "gate")}
    return {**found, "DNS answers the secondary": after(events, fault, "dns", "secondary")}


def compare(found: dict[str, Any]) -> None:
    """The figures that were told are those of the raw records."""
    figures = read("figures.json")
    rows = [(each["name"], each["measured"]) for each in figures["figures"]]
    rows += [(f"{each['name']}, objective", each["objective"]) for each in figures["figures"]]
    rows += [(f"{name} of {each['kind']} clients", each[name]) for each in figures["outages"] for name in each]
    rows += [("kinds of client", len(figures["outages"])), ("acknowledged", figures["acknowledged"])]
    rows += [(name, "nothing") for name in sorted(set(found) - {name for name, _ in rows})]
    said = [(name, math.inf if told is None else told) for name, told in rows]
    wrong = [
        f"{name}: {told} was told, and it is {found[name]}" for name, told in said if told != found.get(name, told)
    ]
    if wrong:
        raise SystemExit(f"REFUSED: {'; '.join(wrong)}")


def main(words: list[str]) -> int | str:
    if len(words) != 1 or len(words[0]) != 64:
        return print("usage: python3 verify.py HEAD (the chain's head, as it was published)", file=sys.stderr) or 2
    try:
        chain(words[0])
        if (HERE / "window.json").is_file() and not (HERE / "plan.json").is_file():  # whose clients kept no journal
            return print("holds: the records of a failover, as they were gathered") or 0
        compare(found := recomputed())
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return f"REFUSED: the evidence cannot be read: {type(error).__name__}: {error}"
    worst = ", ".join(f"{name.split()[2]} {found[name]:.1f} s" for name in sorted(found) if name.startswith("worst of"))
    told = "{acknowledged} payments acknowledged, {payments lost} lost, {payments doubled} doubled".format_map(found)
    return print(f"holds: {told}; worst RTO {worst.replace('inf s', 'never')}") or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
