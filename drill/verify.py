"""Checks evidence by itself, and works a drill out again: `python3 -I verify.py HEAD [FOLDER]`, HEAD as published."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # this folder: a json.py in it is not Python's

import hashlib
import json
from collections import Counter, defaultdict
from math import ceil, inf
from pathlib import Path
from typing import Any

HERE = Path(sys.argv[2]) if __name__ == "__main__" and sys.argv[2:] else Path(__file__).resolve().parent
CHAIN, RTO, WELL = "chain.jsonl", "RTO, worst client that honours the TTL", {"fresh": "client", "example": "example"}
LOST, DOUBLED, UNKNOWN = "payments lost", "payments doubled", "not compared with the processor's books"
OPEN, OTHERS, DNS = "payments still unknown", "other disagreements of the books", "DNS answers the secondary"
ILL, TOLD, AGAIN = "detection", ("created", "replayed", "declined"), ("pending", "replayed")
SETTLED, PARTS = {"CAPTURED": "paid", "DECLINED": "declined"}, {"p50": 0.5, "p99": 0.99, "worst": 1.0}


def read(name: str) -> Any:
    text = (HERE / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else dict(json.loads(text))


def require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"REFUSED: {what}")


def chain(head: str) -> None:
    """Every file is as it was when the chain was made, and there is nothing else."""
    link, named = "", [CHAIN]
    for name, digest, told in ((each["file"], each["sha256"], each["link"]) for each in read(CHAIN)):
        require("/" not in name and name not in named and (HERE / name).is_file(), f"{name}: is missing, or twice")
        require(hashlib.sha256((HERE / name).read_bytes()).hexdigest() == digest, f"{name}: was changed")
        link = hashlib.sha256(f"{link} {name} {digest}".encode()).hexdigest()
        require(link == told, f"{CHAIN}: the link of {name} is another one")
        named.append(name)
    require(link == head, "the chain's head is another one: these are not the files that it was published for")
    require(not (more := {path.name for path in HERE.iterdir()} - {*named}), f"{sorted(more)} is not in the chain")


def of_the_books(attempts: list[dict[str, Any]]) -> tuple[set[str], dict[str, Any]]:
    """Payments that were lost; and by name how many were, were doubled, and what became of all."""
    books = read("books.json")
    require(set(books["keys"]) == {e["key"] for e in attempts}, "books.json: its keys are not the clients'")
    one, two = books["payments"]["primary"], books["payments"]["secondary"]
    unread, recorded = (set[str]().union(*books[each].values()) for each in ("unreadable", "audits"))
    newest = {**one, **{i: e for i, e in two.items() if i not in one or one[i]["version"] < e["version"]}}
    newest = {i: e for i, e in newest.items() if e["status"] in SETTLED or i not in unread}
    apart = {i for i in (set(one) ^ set(two)) - unread if newest[i]["updated"] < books["at"] - books["lag"]}
    approved = [(e["key"], e["endpoint"]) for e in books["charges"] or () if e["what"] == "approved"]
    answered = {(e["key"], e["payment"]) for e in attempts if e["outcome"] in TOLD}
    charges, keys, told = Counter(i for i, _ in approved), Counter(k for k, _ in answered), {i for _, i in answered}
    became = dict.fromkeys((known := {*charges, *recorded, *told}) | unread, "unknown")
    became |= {i: SETTLED.get(e["status"], "unknown") for i, e in newest.items()}
    lost = apart | {i for i in known - unread if i not in newest or (i in told and became[i] == "unknown")}
    doubled = {i for i, at in approved if charges[i] > 1 or (i in newest and newest[i]["endpoint"] not in (None, at))}
    doubled |= {min(i for k, i in answered if k == key) for key, count in keys.items() if count > 1}
    count = Counter(became.get(i, "refused") for i in set(books["keys"].values()) or became)
    counts = {"attempted": count.total(), **{e: count[e] for e in ("paid", "declined", "refused", "unknown")}}
    found = {"counts": counts, "lost": len(lost), "doubled": len(doubled), LOST: len(lost), OPEN: count["unknown"]}
    return lost, {**found, DOUBLED: UNKNOWN if books["charges"] is None else len(doubled)}


def outages(attempts: list[dict[str, Any]], fault: float, lost: set[str]) -> dict[str, float]:
    """Of each kind: how many clients, how many were out, and how long from a first failed attempt to a new payment."""
    found: dict[str, float] = {"kinds of client": len({each["kind"] for each in attempts})}
    for kind in {each["kind"] for each in attempts}:
        long, own = [], [each for each in attempts if each["kind"] == kind]
        for client in (clients := {each["client"] for each in own}):
            made = [(e["due" if e["attempt"] == 1 else "sent"], e) for e in own if e["client"] == client]
            begin = min((at for at, e in made if e["ended"] >= fault and e["bad"]), default=inf)
            good = [e for _, e in made if e["sent"] > begin and e["outcome"] == "created" and e["payment"] not in lost]
            long += [min((e["ended"] for e in good), default=inf) - begin] * (begin < inf)
        found |= {f"clients of {kind} clients": len(clients), f"affected of {kind} clients": len(long)}
        long = sorted(long) or [0.0]
        found |= {f"{name} of {kind} clients": long[ceil(part * len(long)) - 1] for name, part in PARTS.items()}
    return found


def judged() -> str:
    """The drill in a line, when what was told is as the raw records are; in virtual seconds, infinite for never."""
    plan, attempts, events = read("plan.json"), read("clients.jsonl"), read("events.jsonl")
    faults, heals = ([each for each in events if each["kind"] == kind] for kind in ("fault", "heal"))
    broken = [each["what"] for each in faults] == [plan["fault"]] * (plan["fault"] != "none")
    require(broken and not heals[1:], f"events.jsonl: what was broken is not what plan.json says: {plan['fault']}")
    for e in attempts:
        good = ("created", {"decline-": "declined"}.get(e["customer"][:8]), *AGAIN[: e["attempt"] // 2 * 2])
        e["bad"] = e["outcome"] not in good
    lost, found = of_the_books(attempts)
    first = [(step["at"], e["kind"]) for step in plan["steps"] for e in step["faults"] if e["region"] == "primary"]
    at, kind = [*first, (0.0, plan["fault"])][0]
    fault = min((each["at"] for each in faults), default=inf) + at
    healed = min([each["at"] for each in heals] or [max((each["ended"] for each in attempts), default=fault)])
    found |= outages([e for e in attempts if e["sent"] < healed], fault, lost)
    well = {e: found[f"worst of {e} clients"] for e in WELL if f"worst of {e} clients" in found}
    p50, p99, worst = (max((found[f"{name} of {e} clients"] for e in well), default=0.0) for name in PARTS)
    found |= {RTO: worst, **{f"clients of {kind} clients": count for kind, count in plan["clients"].items()}}
    found["acknowledged"] = paid = len({each["payment"] for each in attempts if each["status"] == 201})
    moved = [e["at"] for e in events if (e["kind"], e["what"]) == ("dns", "secondary")]
    ill = [e["at"] for e in events if (e["kind"], e["what"], e["subject"][-4:]) == ("health", "unhealthy", "gate")]
    if plan["fault"] == "none":
        found |= {"failovers": len(moved), "attempts that failed": sum(e["bad"] for e in attempts)}
    else:
        found |= {"RTO, p50": p50, "RTO, p99": p99, **{f"RTO, worst {e} client": well[e] for e in well}}
        found |= {n: min((e for e in at if e >= fault), default=inf) - fault for n, at in ((DNS, moved), (ILL, ill))}
    own, strong = defaultdict(lambda: inf, plan["bounds"]), plan["consistency"] == "strong"
    limits = dict.fromkeys((DOUBLED, OPEN, OTHERS, "failovers", "attempts that failed", *[LOST] * strong), (0.0, inf))
    limits |= {f"RTO, worst {e} client": (inf, own["total"] + own[WELL[e]]) for e in WELL}
    objective = {"grey": "grey_failure", "evacuate": "", "unfenced": ""}.get(kind, "failover")
    limits[RTO] = (plan["objectives"].get(objective, inf), own["total"] + max(own[WELL[e]] for e in well or ["fresh"]))
    limits |= {ILL: (inf, own["detection"]), DNS: (inf, own["detection"] + own["propagation"])}
    figures, told, status = read("figures.json"), read("reconciliation.json"), read("outcome.json")["status"]
    kinds = Counter(kind for kind, _ in {(e["kind"], e["payment"]) for e in told["findings"]})
    found[OTHERS] = len({e["payment"] for e in told["findings"] if e["kind"] not in ("lost", "doubled")})
    rows = [(f"{name} of {each['kind']} clients", each[name]) for each in figures["outages"] for name in each]
    rows += [("kinds of client", len(figures["outages"])), ("acknowledged", figures["acknowledged"])]
    rows += [("counts", told["counts"]), ("lost", kinds["lost"]), ("doubled", kinds["doubled"]), ("verdict", status)]
    for each in figures["figures"]:
        name, pair = each["name"], tuple(inf if each[e] is None else each[e] for e in ("objective", "bound"))
        rows += [(name, each["measured"]), (f"{name}, objective and bound", pair), (f"{name}, held", each["held"])]
        found[f"{name}, objective and bound"] = limits.get(name, pair)
        if not isinstance(each["measured"], str) and min(pair) < inf:
            found[f"{name}, held"] = each["measured"] is not None and each["measured"] <= min(pair)
    verdict = "missed" if any(each["held"] not in (None, True) for each in figures["figures"]) else "passed"
    found["verdict"] = status if status == "inconclusive" else verdict
    rows += [(name, "nothing") for name in sorted(set(found) - {name for name, _ in rows})]
    said = [(name, inf if it is None else it) for name, it in rows if name in found]
    wrong = "; ".join(f"{name}: {it} was told, and it is {found[name]}" for name, it in said if it != found[name])
    require(not wrong, wrong)
    text = ", ".join(f"{e.split()[2]} {found[e]:.1f} s" for e in sorted(found) if e.startswith("worst of"))
    text = f"{paid} payments acknowledged, {len(lost)} lost, {found[DOUBLED]} doubled; worst RTO {text}"
    verdict = verdict if status == verdict else f"{status}, and by the figures {verdict}"
    return f"holds: {text}; objective {limits[RTO][0]:g} s; verdict: {verdict}".replace("inf s", "never")


if __name__ == "__main__":
    if [len(word) for word in sys.argv[1:2]] != [64]:
        sys.exit(print("usage: python3 -I verify.py HEAD [FOLDER] (HEAD: as it was published)", file=sys.stderr) or 2)
    try:
        chain(sys.argv[1])  # of a failover without a plan clients kept no journal
        drill = (HERE / "plan.json").is_file() or not (HERE / "window.json").is_file()
        print(judged() if drill else "holds: the records of a failover, as they were gathered")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        sys.exit(f"REFUSED: the evidence cannot be read: {type(error).__name__}: {error}")
