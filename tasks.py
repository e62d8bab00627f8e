"""The tasks of `./invoke`: parse, call, print."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import signal
import sys
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.tasks import task

from orchestration.choice import Choice
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from invoke.context import Context

DEFAULTS = {field.name: field.default for field in dataclasses.fields(Choice)}
DEPLOYING = ("environment", "target", "plan", "force", "refresh", "discard_data", "production", "bake", "json", "yes")
"""Options of a deployment."""

HELP = {
    "environment": "the name of a file in environments/",
    "target": "where to: sandbox (this machine, the default) or aws",
    "layer": "network, data, compute, edge, observability, or vault where there is one",
    "region": "primary or secondary (fault and heal also take witness or an AWS region)",
    "all": "list every region, not only those that an environment uses",
    "amount": "in the currency's units, such as 100 or 12.50",
    "currency": "an ISO 4217 code, such as USD",
    "customer": "the merchant's name for its customer",
    "force": "also run the stacks in which nothing changed, and change the only region that serves",
    "refresh": "compare every stack with the cloud first, and repair what differs",
    "discard_data": "what holds data and may be replaced or deleted: its names, with commas between",
    "bake": "minutes for which a release is watched in the secondary, by its alarms, before the primary gets it",
    "production": "the suffix, once, where production: true is new: what that locks stays locked",
    "details": "name every resource, not only those that would be replaced or deleted",
    "json": "print JSON",
    "yes": "on AWS: do not ask before something is changed",
    "key": "the Idempotency-Key; a new one by default",
    "client": "the id of a client of the API, such as storefront",
    "finish": "drop the key before the present one",
    "join": "make the secondary's secret a replica again, after it was rotated alone",
    "only": "only the tests whose names match, as pytest's -k",
    "follow": "go on printing what comes",
    "wipe": "also delete the sandbox's cloud and its stacks",
    "fence": "refuse, in the primary, clients that have not followed DNS; --no-fence lets them stay there",
    "even_if_unhealthy": "restore without asking the primary whether it serves",
    "days": "for how many days from now on it is to be fit",
    "drift": "first compare every stack with the cloud, as drift does: it takes minutes on AWS",
    "seeds": "how many histories, from seed 0 on",
    "hours": "of a day on which nothing fails",
    "seed": "replay this one, and print its history",
    "mode": "mrsc (strongly consistent) or mrec (eventually)",
    "mutant": "put this known mistake into the code first",
    "rounds": "rounds to measure; what counts is the median",
    "trick": "only these, with commas between",
    "kind": "refuse, hang, 5xx, slow, lossy, grey, data, function, operation, dependency, name, throttle, zone or "
    "partition; none lists what is in force",
    "part": "what of the region: gateway or aws; a function; an operation such as dynamodb:PutItem; a dependency; "
    "a name; api, functions or table; a zone; isolated, peer, witness or each",
    "how": "error, crash or timeout; refuse or hang, with -cold in new processes; an error's code; both, outbound or "
    "inbound",
    "probability": "of each request to be hit, up to 1",
    "seconds": "by which answers are late",
    "number": "of the fault; all by default",
    "incident": "a file of drill/incidents/: a published outage, step by step, in the place of a fault",
    "compress": "by how much its minutes are shortened; by default it is over in 20 virtual minutes",
    "payments_per_second": "on average over the month, all in the primary",
    "fault": "hang, refuse, 5xx, slow, lossy, grey, data, name, partition, evacuate, unfenced or none",
    "rate": "new payments per virtual second",
    "duration": "virtual seconds of load, at least; it goes on until clients are back",
    "evidence": "a new folder for the raw records and a program that checks them (docs/evidence.md)",
    "experiment_role": "on AWS, the ARN of the role under which AWS FIS takes DynamoDB from the primary (--fault data)",
    "drill": "its id, as drill.history lists it; the last one by default",
    "out": "a new folder; of rotate-key a new file for the key, which only you may read; of plan a file for the plan",
    "plan": "a file that `plan --out` has saved: change what it says and nothing else",
    "speed": "virtual seconds in a real one",
    "at": "the moment to restore to, as for --since; by default the latest that there is",
    "old": "the environment that has lost a region",
    "move": "end payments there, and let go of its clients' name, which this environment takes over",
    "from_": "vault: the newest copy there; by default the table's own point-in-time recovery",
    "table": "the DynamoDB table that payments come from, in the same region",
    "unfinished": "also what is not finished: once nobody works on that table any more",
    "since": "from then on: 30m, 2h or 1d ago, or 2026-11-26T10:00Z",
    "ledger": "a file with what the card processor has decided (docs/runbooks/reconcile.md)",
    "account": "the id of the AWS account that the roles are for",
    "repository": "OWNER/NAME, or OWNER@ID/NAME@ID: its workflows take the roles on",
    "people": "of the account, with commas between: role/NAME or user/NAME, with * for what ends by chance",
    "state": "the bucket that keeps the stacks, or BUCKET/FOLDER; without it the roles may read no state",
    "state_key": "the ARN of the key that encrypts the stacks' secrets",
    "passphrase": "the ARN of the secret with the stacks' passphrase, where they have one",
    "test": "set off an alarm that says that it is a test, and wait where it can be seen to arrive",
    "check": "only look, and change nothing",
    "fix": "first run the deployed sweep, which finishes what was left by asking the processor",
}


NO_SEED = -1
NO_COMPRESSION = -1.0


def command(body: Callable[..., int | None]) -> Any:
    """Make a task of a function that returns an exit code; a Problem ends it in one line, never in a traceback."""

    @functools.wraps(body)
    def run(*arguments: Any, **options: Any) -> None:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what has begun is put in order from now on
        try:
            code = body(*arguments, **options)
        except Problem as problem:
            print(f"error: {problem}", file=sys.stderr)
            code = 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            code = 128 + signal.SIGINT
        finally:
            signal.signal(signal.SIGINT, before)
        if code:
            sys.exit(code)

    options = inspect.signature(run).parameters
    return task(run, positional=[], help={name: HELP[name] for name in options if name in HELP})


def choosing(*names: str) -> Callable[[Callable[..., int]], Any]:
    """Make a task of a function of a Choice: it has these options, beside what the function takes itself."""

    def decorate(body: Callable[..., int]) -> Any:
        @functools.wraps(body)
        def run(_: Context, **options: Any) -> int:
            return body(Choice(**{name: options.pop(name) for name in names}), **options)

        first, *own = inspect.signature(body).parameters.values()
        chosen = [first.replace(name=name, default=DEFAULTS[name]) for name in names]
        vars(run)["__signature__"] = inspect.Signature([first, *own, *chosen])
        return command(run)

    return decorate


@choosing(*DEPLOYING)
def deploy_all(choice: Choice) -> int:
    """Deploy every stack that changed: the secondary, a smoke test, the primary."""
    from orchestration import commands

    return commands.deploy(choice)


@choosing("layer", "region", *DEPLOYING)
def deploy(choice: Choice) -> int:
    """Deploy one layer: --layer NAME [--region ROLE]; or what a plan says: --plan FILE."""
    from orchestration import commands

    if not choice.layer and not choice.plan:
        raise Problem("deploy: say which --layer, or which --plan; `./invoke deploy-all` deploys them all")
    return commands.deploy(choice)


@choosing("layer", "region", "environment", "target", "json", "yes")
def rollback(choice: Choice) -> int:
    """Put the regions back on the release before: aliases move, nothing is deployed ([--layer compute])."""
    from orchestration import rollback as commands

    return commands.rollback(choice)


@choosing("environment", "target", "json")
def preview_all(choice: Choice, details: bool = False) -> int:
    """Show what deploy-all would change, carried through all layers."""
    from orchestration import commands

    return commands.preview(choice, details=details)


@choosing("layer", "region", "environment", "target", "json")
def plan(choice: Choice, out: str = "", details: bool = False) -> int:
    """Say what a deployment would do, whom it would make stale and what is dangerous: [--layer NAME] [--out FILE]."""
    from orchestration import planning

    return planning.plan(choice, out=out, details=details)


@choosing("environment", "target", "json", "yes")
def destroy_all(choice: Choice) -> int:
    """Destroy every stack, dependants first, and leave nothing behind."""
    from orchestration import commands

    return commands.destroy(choice)


@choosing("environment", "target", "json")
def drift(choice: Choice) -> int:
    """Compare every stack's state with the cloud; exit 1 when they differ."""
    from orchestration import commands

    return commands.drift(choice)


@choosing("layer", "region", "environment", "target", "json")
def outputs(choice: Choice) -> int:
    """Print what the stacks publish."""
    from orchestration import commands

    return commands.outputs(choice)


@choosing("environment", "json")
def graph(choice: Choice) -> int:
    """Draw which stack needs which."""
    from orchestration import commands

    return commands.graph(choice)


@choosing("layer", "region", "environment", "target", "json")
def status(choice: Choice) -> int:
    """Say of each stack which commit it has, by whom, since when, and why it is stale; exit 1 unless all are fresh."""
    from orchestration import status as standing

    return standing.status(choice)


@choosing("environment", "target", "json")
def contracts(choice: Choice) -> int:
    """Print who reads which field of whom, in the sources and as deployed; exit 1 when a producer would break one."""
    from orchestration import consumers

    return consumers.contracts(choice)


@choosing("environment", "json")
def team_roles(  # noqa: PLR0917 - options, which are always named
    choice: Choice,
    account: str = "",
    repository: str = "",
    people: str = "",
    state: str = "",
    state_key: str = "",
    passphrase: str = "",
    out: str = "",
) -> int:
    """Write the policies and trust of one role for each layer's team, one that plans and one that compares."""
    from orchestration.teams import commands

    return commands.team_roles(choice, account, repository, people, state, state_key, passphrase, out)


@choosing("environment", "json")
def check(choice: Choice) -> int:
    """Check the environment file, and say what its promises leave for failures."""
    from orchestration import commands

    return commands.check(choice)


@choosing("environment", "target", "json", "yes")
def bootstrap(choice: Choice, check: bool = False, repository: str = "", people: str = "", passphrase: str = "") -> int:
    """Make what an account needs before the first deployment: bucket, key, roles, quotas, zone; --check only looks."""
    from orchestration.bootstrap import command as commands
    from orchestration.teams.roles import Takers

    return commands.bootstrap(choice, check=check, takers=Takers.of(repository, people), passphrase=passphrase)


@choosing("environment", "json")
def cost(choice: Choice, payments_per_second: float = 1.0) -> int:
    """Say what a month costs by AWS's list prices, and what each setting costs and gains."""
    from orchestration.cost import commands

    return commands.cost(choice, payments_per_second)


@choosing("region", "environment", "target", "json")
def pay(
    choice: Choice, amount: str = "100", currency: str = "USD", customer: str = "test-123", key: str | None = None
) -> int:
    """Make a payment through the API and say which region served it."""
    from orchestration import commands

    return commands.pay(choice, amount=amount, currency=currency, customer=customer, key=key)


@choosing("environment", "target", "json", "yes")
def evacuate(choice: Choice, fence: bool = True) -> int:
    """Move the clients out of the primary: one write in the secondary, which its health check sees."""
    from orchestration import moves

    return moves.evacuate(choice, fence=fence)


@choosing("environment", "target", "json", "yes")
def restore(choice: Choice, even_if_unhealthy: bool = False) -> int:
    """Let the clients back to the primary, once its health route and payments work."""
    from orchestration import moves

    return moves.restore(choice, even_if_unhealthy=even_if_unhealthy)


@choosing("environment", "target", "json")
def readiness(choice: Choice, days: int = 30, drift: bool = False) -> int:
    """Say whether the system is fit to take over now, and in --days; exit 1 when it is not, or that is unknown."""
    from drill import last
    from orchestration.readiness import command

    return command.readiness(choice, days, last.of(choice), compare=drift)


@choosing("environment", "target", "json")
def situation(choice: Choice) -> int:
    """Say how things stand: who serves, gate, switch, lag, budget, alarms; what does not answer in 5 s is unknown."""
    from orchestration import situation as standing

    return standing.situation(choice)


@choosing("region", "environment", "target", "json", "yes")
def rotate_key(choice: Choice, client: str = "", finish: bool = False, join: bool = False, out: str = "") -> int:
    """Give a client a new API key beside the old one, which --finish drops: docs/runbooks/rotate-a-key.md."""
    from orchestration import rotation

    return rotation.rotate_key(choice, rotation.RotationWish(client, finish, join, out))


@choosing("region", "environment", "json")
def fault(  # noqa: PLR0917 - options, which are always named
    choice: Choice, kind: str = "", part: str = "", how: str = "", probability: str = "", seconds: str = ""
) -> int:
    """Break something in the sandbox: --region ROLE --kind KIND; without a kind, list what is in force."""
    from sandbox import fault_commands as commands

    wanted = commands.Wanted(kind, choice.region, part, how, probability, seconds, choice.environment)
    return commands.fault(wanted, as_json=choice.json)


@choosing("region", "environment", "json")
def heal(choice: Choice, number: str = "") -> int:
    """End faults: all, those of a region, or the one with a number."""
    from sandbox import fault_commands as commands

    return commands.heal(choice.region, number, choice.environment, as_json=choice.json)


@choosing("environment", "json")
def inbox(choice: Choice) -> int:
    """List what people were told in the sandbox, by mail and by pager."""
    from sandbox import inbox as mail

    return mail.show(choice.environment, as_json=choice.json)


@choosing("environment", "target", "json", "yes")
def page(choice: Choice, test: bool = False) -> int:
    """Tell everybody as an alarm does, as a test: --test. Says by which ways it arrived; exit 1 when one did not."""
    from orchestration import paging

    return paging.page(choice, test=test)


@command
def engine(_: Context, json: bool = False) -> int:
    """Say which Pulumi engine is used, and why; get it when it is missing."""
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


@choosing("environment", "target", "json")
def reconcile(choice: Choice, since: str = "1d", ledger: str = "", fix: bool = False) -> int:
    """Compare tables, processor and audit buckets: lost, doubled, contradictory, unaudited; exit 1 on findings."""
    from drill import commands

    return commands.reconcile(choice, since=since, ledger=ledger, fix=fix)


@choosing("region", "environment", "target", "yes", "json")
def bring_in(choice: Choice, table: str = "", unfinished: bool = False) -> int:
    """Bring payments of another table into the deployed one: restored data, or a system before this one."""
    from drill import restore_commands

    return restore_commands.bring_in(choice, table=table, unfinished=unfinished)


@choosing("environment", "target", "yes", "json")
def new_home(choice: Choice, old: str = "", move: bool = False) -> int:
    """Bring keys and payments of a system that has lost a region for good into this one; --move its clients too."""
    from drill import new_home_command

    return new_home_command.new_home(choice, old=old, move=move)


@choosing("region", "environment", "target", "yes", "json")
def forget(choice: Choice) -> int:
    """Let the stacks forget what is in a region that is gone for good, so that the rest can be destroyed."""
    from orchestration import forgetting

    return forgetting.forget(choice)


@choosing("region", "environment", "target", "yes", "json")
def restore_test(choice: Choice, at: str = "", from_: str = "") -> int:
    """Restore the table to a point in time beside the original, compare all items, remove it; exit 1 if they differ."""
    from drill import restore_commands

    return restore_commands.restore_test(choice, at=at, source=from_)


@choosing("environment", "target", "yes", "json")
def drill(  # noqa: PLR0917 - an option each
    choice: Choice,
    fault: str = "",
    incident: str = "",
    compress: float = NO_COMPRESSION,
    rate: float = 20.0,
    duration: float = 300.0,
    speed: float = 1.0,
    seed: int = NO_SEED,
    evidence: str = "",
    experiment_role: str = "",
) -> int:
    """Lose the primary under load: how long clients were out, and that no payment was lost or doubled."""
    from drill import play_command

    if seed < NO_SEED:
        raise Problem(f"--seed {seed} is none: seeds are numbers from 0 on")
    chosen_seed = None if seed < 0 else seed
    compression = None if compress == NO_COMPRESSION else compress
    wish = play_command.DrillWish(
        fault, rate, duration, speed, chosen_seed, evidence, incident, compression, experiment_role
    )
    return play_command.drill(choice, wish)


@choosing("environment", "target", "json")
def evidence(choice: Choice, since: str = "", out: str = "") -> int:
    """Gather what a real failover has left: health checks, alarms, notifications, the switch, the books."""
    from drill import commands

    return commands.evidence(choice, since=since, out=out)


@choosing("environment", "target", "json")
def drill_calibrate(choice: Choice) -> int:
    """Measure how many payments a second this machine's sandbox serves: a drill takes half of it at most."""
    from drill import play_command

    return play_command.drill_calibrate(choice)


@choosing("environment", "target", "json")
def drill_evidence(choice: Choice, drill: str = "", out: str = "") -> int:
    """Gather a drill's raw records, bound by a chain of digests, with a program that checks them."""
    from drill import commands

    return commands.drill_evidence(choice, drill, out)


@choosing("environment", "target", "json")
def drill_history(choice: Choice) -> int:
    """List the drills that there were."""
    from drill import commands

    return commands.drill_history(choice)


@choosing("environment", "target", "json")
def drill_report(choice: Choice) -> int:
    """Say what failovers may take, over what is assumed of DNS, and what drills have found, fault by fault."""
    from drill import commands

    return commands.drill_report(choice)


@command
def simulate(
    _: Context, seeds: int = 1_000, seed: int = NO_SEED, mode: str = "mrsc", mutant: str = "", json: bool = False
) -> int:
    """Play payments through crashes, lost answers and lost regions, seed by seed."""
    from simulation import commands

    if seed < NO_SEED:
        raise Problem(f"--seed {seed} is none: seeds are numbers from 0 on")
    return commands.simulate(seeds, None if seed == NO_SEED else seed, mode, mutant or None, as_json=json)


@choosing("environment", "json")
def simulate_failover(choice: Choice, seeds: int = 3, hours: int = 24) -> int:
    """Play failovers against the latch: which last, which end by themselves."""
    from simulation import claims

    return claims.simulate_failover(choice.environment, seeds, hours, as_json=choice.json)


@command
def mutate(_: Context, json: bool = False) -> int:
    """Change the payment code in a thousand ways; its tests must notice."""
    from simulation import mutation

    return mutation.mutate(as_json=json)


@command
def up(_: Context, speed: str = "", json: bool = False) -> int:
    """Start the sandbox (AWS on this machine), or find it running."""
    from sandbox import commands

    return commands.up(speed, as_json=json)


@command
def down(_: Context, wipe: bool = False) -> int:
    """Stop the sandbox; its cloud and its stacks are kept."""
    from sandbox import commands

    return commands.down(wipe=wipe)


@command
def sandbox_status(_: Context, json: bool = False, all: bool = False) -> int:  # noqa: A002 - the option's name
    """Say whether the sandbox runs, and where; exit 3 when it does not."""
    from sandbox import commands

    return commands.status(as_json=json, every_region=all)


@command
def health(_: Context, json: bool = False) -> int:
    """Print the sandbox's health checks, by how many checkers each is healthy, and what DNS answers by it."""
    from sandbox import health_commands

    return health_commands.health(as_json=json)


@command
def logs(_: Context, follow: bool = False) -> int:
    """Print the sandbox's logs."""
    from sandbox import commands

    return commands.logs(follow=follow)


@command
def env(_: Context) -> int:
    """Print the sandbox's variables for a shell: eval "$(./invoke sandbox.env)"."""
    from sandbox import commands

    return commands.variables()


@choosing("environment")
def bench_deploy(choice: Choice) -> int:
    """Compare deploy-all with `pulumi up` in one project after another."""
    from tools.bench import deploy as bench

    for row in bench.deploy(choice.environment):
        print(
            f"{row.what}: {row.ours:.1f} s, without tricks {row.without_tricks:.1f} s, "
            f"one after another {row.one_by_one:.1f} s: {row.ratio:.1f} times as fast"
        )
    return 0


@choosing("environment", "json")
def bench_tricks(choice: Choice, rounds: int = 3, trick: str = "") -> int:
    """Measure what each of the sandbox's tricks gains: docs/speed.md."""
    from tools.bench import tricks as bench

    return bench.tricks(choice.environment, rounds, trick.split(",") if trick else (), as_json=choice.json)


@choosing("environment", "json")
def bench_payment(choice: Choice) -> int:
    """Measure a payment: our own code's time, cold imports, requests a second."""
    from tools.bench import payment as commands

    return commands.payment(choice.environment, as_json=choice.json)


namespace = Collection(
    deploy_all,
    deploy,
    rollback,
    preview_all,
    plan,
    destroy_all,
    drift,
    outputs,
    graph,
    status,
    contracts,
    team_roles,
    check,
    bootstrap,
    cost,
    pay,
    evacuate,
    restore,
    readiness,
    situation,
    rotate_key,
    fault,
    heal,
    reconcile,
    restore_test,
    bring_in,
    new_home,
    forget,
    evidence,
    inbox,
    page,
    health,
    engine,
    test,
    prove,
    simulate,
    simulate_failover,
    mutate,
)
sandbox = Collection("sandbox", up, down, logs, env, status=sandbox_status)
namespace.add_collection(sandbox)
drills = Collection(
    "drill", history=drill_history, evidence=drill_evidence, calibrate=drill_calibrate, report=drill_report
)
drills.add_task(drill, name="play", default=True)
namespace.add_collection(drills)
namespace.add_collection(Collection("bench", deploy=bench_deploy, payment=bench_payment, tricks=bench_tricks))
