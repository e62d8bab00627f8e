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
LONGEST, STAYED = "longest of all outages, worst client that honours the TTL", "clients stayed away until restored"
RETURNED, GOAL = "clients went back by themselves", {"grey": "grey_failure", "evacuate": "", "unfenced": ""}
BACK, AS_TOLD = "clients went back then", (STAYED, RETURNED, SERVED := "clients are served there again", "new payments")
SETTLED, PARTS = {"CAPTURED": "paid", "DECLINED": "declined"}, {"p50": 0.5, "p99": 0.99, "worst": 1.0}


def read(name: str) -> Any:
    text = (HERE / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else dict(json.loads(text))


def require(holds: bool, what: str) -> None:
    holds or sys.exit(f"REFUSED: {what}")


def chain(head: str) -> None:  # every file is as it was when the chain was made, and there is nothing else
    link, named = "", [CHAIN]
    for name, digest, told in ((each["file"], each["sha256"], each["link"]) for each in read(CHAIN)):
        require("/" not in name and name not in named and (HERE / name).is_file(), f"{name}: is missing, or twice")
        require(hashlib.sha256((HERE / name).read_bytes()).hexdigest() == digest, f"{name}: was changed")
        link = hashlib.sha256(f"{link} {name} {digest}".encode()).hexdigest()
        require(link == told, f"{CHAIN}: the link of {name} is another one")
        named.append(name)
    require(link == head, "the chain's head is another one: these are not the files that it was published for")
    require(not (more := {path.name for path in HERE.iterdir()} - {*named}), f"{sorted(more)} is not in the chain")


def of_the_books(attempts: list[dict[str, Any]]) -> tuple[set[str], set[str], dict[str, Any]]:  # lost; denied
    books = read("books.json")
    require(set(books["keys"]) == {e["key"] for e in attempts}, "books.json: its keys are not the clients'")
    one, two = books["payments"]["primary"], books["payments"]["secondary"]
    unread, recorded = (set[str]().union(*books[each].values()) for each in ("unreadable", "audits"))
    newest = {**one, **{i: e for i, e in two.items() if i not in one or one[i]["version"] < e["version"]}}
    newest = {i: e for i, e in newest.items() if e["status"] in SETTLED or i not in unread}
    apart = {i for i in (set(one) ^ set(two)) - unread if newest[i]["updated"] < books["at"] - books["lag"]}
    approved = [(e["key"], e["endpoint"]) for e in books["charges"] or () if e["what"] == "approved"]
    answered = {(e["key"], e["payment"]) for e in attempts if e["outcome"] in ("created", "replayed", "declined")}
    charges, keys, told = Counter(i for i, _ in approved), Counter(k for k, _ in answered), {i for _, i in answered}
    became = dict.fromkeys((known := {*charges, *recorded, *told}) | unread, "unknown")
    became |= {i: SETTLED.get(e["status"], "unknown") for i, e in newest.items()}
    lost = apart | {i for i in known - unread if i not in newest or (i in told and became[i] == "unknown")}
    doubled = {i for i, at in approved if charges[i] > 1 or (i in newest and newest[i]["endpoint"] not in (None, at))}
    doubled |= {min(i for k, i in answered if k == key) for key, count in keys.items() if count > 1}
    count = Counter(became.get(i, "refused") for i in set(books["keys"].values()) or became)
    counts = {"attempted": count.total(), **{e: count[e] for e in ("paid", "declined", "refused", "unknown")}}
    last = {books["keys"][e["key"]]: e["outcome"] for e in attempts if e["outcome"] not in ("failed", "late")}
    denied = {i for i, what in last.items() if (what, became.get(i)) == ("refused", "paid")}  # told that it is none
    for e in attempts:
        ok = ("created", {"decline-": "declined"}.get(e["customer"][:8]), *("pending", "replayed") * (e["attempt"] > 1))
        e |= {"bad": e["outcome"] not in ok, "good": e["outcome"] == "created" and e["payment"] not in lost}
        e["begins"] = e["due" if e["attempt"] == 1 else "sent"]
    found = {"counts": counts, "lost": len(lost), "doubled": len(doubled), LOST: len(lost), OPEN: count["unknown"]}
    return lost, denied, {**found, DOUBLED: UNKNOWN if books["charges"] is None else len(doubled)}


def outages(attempts: list[Any], begun: float, fault: float, heal: float, by: float, *, end: float) -> Any:
    found, most = dict[str, Any](kinds=len({each["kind"] for each in attempts})), 0.0  # of clients, and how long out
    for kind in {each["kind"] for each in attempts}:
        long, own = [], [each for each in attempts if each["kind"] == kind]
        for client in (clients := {each["client"] for each in own}):
            bad, new = ([e for e in own if e["client"] == client and e[name]] for name in ("bad", "good"))
            at = min((e["begins"] for e in bad if e["ended"] >= fault and e["sent"] < heal), default=inf)
            long += [min([e["ended"] for e in new if at < e["sent"] < (heal, inf)[at > by]] or [inf]) - at] * (at < inf)
            last = max((e["ended"] for e in own if e["client"] == client and e["sent"] < end), default=inf)
            for at in {e["begins"] for e in bad if e["ended"] >= begun and e["sent"] < end and kind in WELL}:
                most = max(most, min((e["ended"] for e in new if at < e["sent"] < end), default=last) - at)
        found |= {f"clients of {kind} clients": len(clients), f"affected of {kind} clients": len(long)}
        found |= {f"{n} of {kind} clients": (sorted(long) or [0.0])[ceil(p * len(long)) - 1] for n, p in PARTS.items()}
    return {**found, **({LONGEST: most} if begun < inf else {})}


def judged() -> str:  # the drill in a line, when what was told is as the raw records are; infinite is never
    plan, attempts, events = read("plan.json"), read("clients.jsonl"), read("events.jsonl")
    faults, heals = ([each for each in events if each["kind"] == kind] for kind in ("fault", "heal"))
    broken = [each["what"] for each in faults] == [plan["fault"]] * (plan["fault"] != "none")
    require(broken and not heals[1:], f"events.jsonl: what was broken is not what plan.json says: {plan['fault']}")
    lost, denied, found = of_the_books(attempts)
    steps = [(step["at"], e["kind"], e["region"]) for step in plan["steps"] for e in step["faults"]]
    at, kind, _ = [*(each for each in steps if each[2] == "primary"), (0.0, plan["fault"], "")][0]
    fault = (begun := min((each["at"] for each in faults), default=inf)) + at
    healed = min([each["at"] for each in heals] or [max((each["ended"] for each in attempts), default=fault)])
    phases = {"settled": inf} | {each["what"]: each["at"] for each in reversed(events) if each["kind"] == "phase"}
    goal = [plan["objectives"].get(GOAL.get(each, "failover"), inf) for each in (kind, *(it for _, it, _ in steps))]
    own, strong = defaultdict(lambda: inf, plan["bounds"]), plan["consistency"] == "strong"
    found |= outages(attempts, begun, fault, healed, healed - min(goal[0], own["total"]), end=phases["settled"])
    well = {e: found[f"worst of {e} clients"] for e in WELL if f"worst of {e} clients" in found}
    p50, p99, found[RTO] = (max((found[f"{name} of {e} clients"] for e in well), default=0.0) for name in PARTS)
    found["acknowledged"] = paid = len({each["payment"] for each in attempts if each["status"] == 201})
    moved = [e["at"] for e in events if (e["kind"], e["what"]) == ("dns", "secondary")]
    ill = [e["at"] for e in events if (e["kind"], e["what"], e["subject"][-4:]) == ("health", "unhealthy", "gate")]
    found |= {} if faults else {"failovers": len(moved), "attempts that failed": sum(e["bad"] for e in attempts)}
    if faults:
        back, stays = ("no", "yes")["failed back" in phases], plan["failback"] == "manual" or GOAL.get(kind) == ""
        found |= {"RTO, p50": p50, "RTO, p99": p99, BACK: back, **{f"RTO, worst {e} client": well[e] for e in well}}
        found |= {n: min([e - fault for e in w if e >= fault] or [inf]) for n, w in ((DNS, moved), ("detection", ill))}
        found |= {f"{e}, judged": "needed" for e in (STAYED if stays else RETURNED, *[SERVED] * (back == "yes"))}
    limits = dict.fromkeys((DOUBLED, OPEN, OTHERS, "failovers", "attempts that failed", *[LOST] * strong), (0.0, inf))
    limits |= {f"RTO, worst {e} client": (inf, own["total"] + own[WELL[e]]) for e in WELL}
    limits |= {"detection": (inf, own["detection"]), DNS: (inf, own["detection"] + own["propagation"])}
    most = own["total"] + max(own[WELL[e]] for e in well or ["fresh"])
    limits |= {RTO: (goal[0], most), LONGEST: (max(goal[1:] or goal), most if GOAL.get(kind) == "" else inf)}
    figures, told, status = read("figures.json"), read("reconciliation.json"), read("outcome.json")["status"]
    kinds = {"lost": 0, "doubled": 0, **Counter(k for k, _ in {(e["kind"], e["payment"]) for e in told["findings"]})}
    found[OTHERS] = len(denied | {e["payment"] for e in told["findings"] if e["kind"] not in ("lost", "doubled")})
    rows = [(f"{n} of {e['kind']} clients", inf if e[n] is None else e[n]) for e in figures["outages"] for n in e]
    rows += [("kinds", len(figures["outages"])), *((f"clients of {k} clients", n) for k, n in plan["clients"].items())]
    rows += [("acknowledged", figures["acknowledged"]), ("counts", told["counts"]), ("verdict", status), *kinds.items()]
    for f in figures["figures"]:
        name, (it, *pair) = f["name"], [inf if f[e] is None else f[e] for e in ("measured", "objective", "bound")]
        held = it == "yes" if name == BACK else None if min(pair) == inf or it == UNKNOWN else it <= min(pair)
        found[f"{name}, judged"] = (*limits.get(name, (inf, inf)), f["held"] if name in AS_TOLD else held)
        rows += [(name, it), (f"{name}, judged", (*pair, f["held"]))]
    verdict = "missed" if any(each["held"] not in (None, True) for each in figures["figures"]) else "passed"
    found["verdict"] = status if status == "inconclusive" else verdict
    rows += [(name, "nothing") for name in sorted(set(found) - {name for name, _ in rows})]
    wrong = [f"{n}: {it} was told, and it is {found[n]}" for n, it in rows if n in found and it != found[n]]
    require(not wrong, "; ".join(wrong))
    text = ", ".join(f"{e.split()[2]} {found[e]:.1f} s" for e in sorted(found) if e.startswith("worst of"))
    text = f"{paid} payments acknowledged, {len(lost)} lost, {found[DOUBLED]} doubled; worst RTO {text}"
    return f"holds: {text}; objective {goal[0]:g} s; figures: {verdict}; verdict: {status}".replace("inf s", "never")


if __name__ == "__main__":
    if [len(word) for word in sys.argv[1:2]] != [64]:
        sys.exit(print("usage: python3 -I verify.py HEAD [FOLDER] (HEAD: as it was published)", file=sys.stderr) or 2)
    try:
        chain(sys.argv[1])  # of a failover without a plan clients kept no journal
        drill = (HERE / "plan.json").is_file() or not (HERE / "window.json").is_file()
        print(judged() if drill else "holds: the records of a failover, as they were gathered")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        sys.exit(f"REFUSED: the evidence cannot be read: {type(error).__name__}: {error}")
