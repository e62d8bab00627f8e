"""The tasks of `./invoke`: parse, call, print."""

from __future__ import annotations

import functools
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.tasks import task

from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from invoke.context import Context

ROOT = Path(__file__).resolve().parent

HELP = {
    "environment": "the name of a file in environments/",
    "target": "where to: sandbox (this machine, the default) or aws",
    "layer": "network, data, compute, edge or observability",
    "region": "a role: primary or secondary",
    "force": "also run the stacks in which nothing changed",
    "json": "print JSON",
    "yes": "do not ask before AWS is touched or anything is destroyed",
    "key": "the Idempotency-Key; a new one by default",
    "only": "only the tests whose names match, as pytest's -k",
    "follow": "go on printing what comes",
    "wipe": "forget the cloud and the stacks",
    "seeds": "how many histories, from seed 0 on",
    "seed": "replay this one, and print its history",
    "mode": "mrsc (strongly consistent) or mrec (eventually)",
    "mutant": "put this known mistake into the code first",
    "rounds": "how often; what counts is the median",
    "trick": "only these, with commas between",
    "state": "refuse, hang, errors or open",
}


def command(body: Callable[..., int | None]) -> Any:
    """Make a task of a function that returns an exit code; a Problem ends it in one line, never in a traceback."""

    @functools.wraps(body)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            code = body(*arguments, **options)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads, such as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 128 + signal.SIGPIPE
        except Problem as problem:
            print(f"error: {problem}", file=sys.stderr)
            code = 1
        except KeyboardInterrupt:
            code = 130
        if code:
            sys.exit(code)

    options = body.__code__.co_varnames[1 : body.__code__.co_argcount]
    return task(run, positional=[], help={name: HELP[name] for name in options if name in HELP})


@command
def deploy_all(
    _: Context,
    environment: str = "payments",
    target: str = "sandbox",
    force: bool = False,
    json: bool = False,
    yes: bool = False,
) -> int:
    """Deploy every stack that changed: the secondary, a smoke test, the primary."""
    from orchestration import commands

    return commands.deploy(environment, target=target, force=force, as_json=json, yes=yes)


@command
def deploy(
    _: Context,
    layer: str = "",
    region: str = "",
    environment: str = "payments",
    target: str = "sandbox",
    force: bool = False,
    json: bool = False,
    yes: bool = False,
) -> int:
    """Deploy one layer: --layer NAME [--region ROLE]."""
    from orchestration import commands

    if not layer:
        raise Problem("deploy: say which --layer; `./invoke deploy-all` deploys them all")
    return commands.deploy(
        environment, target=target, layer=layer, region=region or None, force=force, as_json=json, yes=yes
    )


@command
def preview_all(_: Context, environment: str = "payments", target: str = "sandbox", json: bool = False) -> int:
    """Show what deploy-all would change, carried through all layers."""
    from orchestration import commands

    return commands.preview(environment, target=target, as_json=json)


@command
def destroy_all(
    _: Context, environment: str = "payments", target: str = "sandbox", json: bool = False, yes: bool = False
) -> int:
    """Destroy every stack, dependants first, and leave nothing behind."""
    from orchestration import commands

    return commands.destroy(environment, target=target, as_json=json, yes=yes)


@command
def drift(_: Context, environment: str = "payments", target: str = "sandbox", json: bool = False) -> int:
    """Compare every stack's state with the cloud; exit 1 when they differ."""
    from orchestration import commands

    return commands.drift(environment, target=target, as_json=json)


@command
def outputs(
    _: Context,
    layer: str = "",
    region: str = "",
    environment: str = "payments",
    target: str = "sandbox",
    json: bool = False,
) -> int:
    """Print what the stacks publish."""
    from orchestration import commands

    return commands.outputs(environment, target=target, layer=layer or None, region=region or None, as_json=json)


@command
def graph(_: Context, environment: str = "payments", json: bool = False) -> int:
    """Draw which stack needs which."""
    from orchestration import commands

    return commands.graph(environment, as_json=json)


@command
def pay(
    _: Context,
    amount: str = "100",
    currency: str = "USD",
    customer: str = "test-123",
    region: str = "",
    key: str = "",
    environment: str = "payments",
    target: str = "sandbox",
    json: bool = False,
) -> int:
    """Make a payment through the API and say which region served it."""
    from orchestration import commands

    return commands.pay(
        environment,
        target=target,
        amount=amount,
        currency=currency,
        customer=customer,
        region=region or None,
        key=key or None,
        as_json=json,
    )


@command
def engine(_: Context, json: bool = False) -> int:
    """Say which Pulumi engine is used, and why; get it when it is missing."""
    import dataclasses

    from engine import find as engines
    from orchestration import report

    found = dataclasses.asdict(engines.find(report.tell))
    found["executable"] = str(found["executable"])
    if json:
        report.print_json(found)
    else:
        print("\n".join(f"{name:<12}{value}" for name, value in found.items()))
    return 0


@command
def test(_: Context, only: str = "") -> int:
    """Lint, check types and run all tests, in bounded samples."""
    from tools import checks

    return checks.run(only=only)


@command
def prove(_: Context, only: str = "") -> int:
    """Run every claim at full length."""
    from tools import checks

    return checks.run(prove=True, only=only)


@command
def simulate(
    _: Context, seeds: int = 1_000, seed: int = -1, mode: str = "mrsc", mutant: str = "", json: bool = False
) -> int:
    """Play payments through crashes, lost answers and lost regions, seed by seed."""
    from simulation import commands

    return commands.simulate(seeds, seed if seed >= 0 else None, mode, mutant or None, as_json=json)


@command
def mutate(_: Context, json: bool = False) -> int:
    """Change the payment code in a thousand ways; its tests must notice."""
    from simulation import mutation

    return mutation.mutate(as_json=json)


@command
def up(_: Context, json: bool = False) -> int:
    """Start AWS on this machine, or find it running."""
    from sandbox import commands

    return commands.up(as_json=json)


@command
def down(_: Context, wipe: bool = False) -> int:
    """Stop it; its state is kept."""
    from sandbox import commands

    return commands.down(wipe=wipe)


@command
def status(_: Context, json: bool = False) -> int:
    """Say whether it runs, and where; exit 3 when it does not."""
    from sandbox import commands

    return commands.status(as_json=json)


@command
def logs(_: Context, follow: bool = False) -> int:
    """Print what it wrote."""
    from sandbox import commands

    return commands.logs(follow=follow)


@command
def env(_: Context) -> int:
    """Print its settings: eval "$(./invoke sandbox.env)"."""
    from sandbox import commands

    return commands.environment()


@command
def gate(_: Context, region: str = "", state: str = "refuse") -> int:
    """Close an AWS region (--state refuse, hang or errors), or open it (--state open)."""
    from sandbox import commands

    return commands.gate(region, state)


@command
def bench_deploy(_: Context, environment: str = "payments") -> int:
    """Compare deploy-all with `pulumi up` in one project after another."""
    from tools.bench import deploy as bench

    for row in bench.deploy(environment):
        print(
            f"{row.what}: {row.ours:.1f} s, without tricks {row.without_tricks:.1f} s, "
            f"one after another {row.one_by_one:.1f} s: {row.ratio:.1f} times as fast"
        )
    return 0


@command
def bench_tricks(
    _: Context, environment: str = "payments", rounds: int = 3, trick: str = "", json: bool = False
) -> int:
    """Measure what each of the sandbox's tricks gains: docs/speed.md."""
    from tools.bench import tricks as bench

    return bench.tricks(environment, rounds, trick.split(",") if trick else (), as_json=json)


@command
def bench_payment(_: Context, environment: str = "payments", json: bool = False) -> int:
    """Measure a payment: our own code's time, cold imports, requests a second."""
    from tools.bench import payment as commands

    return commands.payment(environment, as_json=json)


namespace = Collection(
    deploy_all, deploy, preview_all, destroy_all, drift, outputs, graph, pay, engine, test, prove, simulate, mutate
)
namespace.add_collection(Collection("sandbox", up, down, status, logs, env, gate))
namespace.add_collection(Collection("bench", deploy=bench_deploy, payment=bench_payment, tricks=bench_tricks))
