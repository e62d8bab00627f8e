"""No false skip and no needless run: each file that a program reads is altered; just the right stacks are stale."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.backend import FileBackend
from orchestration import fingerprint, made_of
from orchestration.baking import Baking
from orchestration.fingerprint import Fingerprint, Fingerprints, MadeOf, update_id
from orchestration.graph import Graph
from orchestration.made_of import program_sources
from orchestration.plan import Freshness
from orchestration.releases import Serving
from shared.contracts import ASIDE, LAYERS, Layer
from shared.environment import Environment
from shared.errors import Problem
from shared.packaging import packages
from shared.packaging.imports import Tree
from shared.root import ROOT as CHECKOUT
from shared.stack import Stack
from tests.doubles.github import started_by
from tools import workflows

COPIED = ("shared", "projects", "lambdas", "environments", "policies", "requirements.lock")
GRAPH = Graph.of("payments")
ALL = frozenset({*LAYERS, *ASIDE})
FUNCTIONS = frozenset({"compute", "edge", "observability"})
SHARED = {
    "clients.py": frozenset({"data", "compute", "edge", "observability"}),
    "columns.py": frozenset(),
    "components/buckets.py": frozenset({"data", "compute", "edge", "observability"}),
    "components/function.py": FUNCTIONS,
    "components/keys.py": frozenset({"data", "vault"}),
    "components/queues.py": frozenset({"compute", "edge", "observability"}),
    "components/schedules.py": frozenset({"compute", "edge", "observability"}),
    "contracts.py": frozenset(),  # a comment: contracts count by their schema
    "fence.py": frozenset({"edge"}),
    "files.py": FUNCTIONS,
    "packaging/archives.py": FUNCTIONS,
    "packaging/function_sdk.py": FUNCTIONS,
    "packaging/imports.py": FUNCTIONS,
    "proxy_events.py": FUNCTIONS,
    "rehearsals.py": FUNCTIONS,
    "packaging/packages.py": FUNCTIONS,
    "runbooks.py": frozenset({"edge", "observability", "vault"}),
    "signals.py": frozenset(),
    "stop_switch.py": frozenset({"edge"}),
}
"""Who uses a module that not everybody uses."""
LAYER_OF = {"failover_control": "edge", "canary": "observability", "synthetics": "observability"}
"""Whose programs package a function; compute's all others."""
BEFORE = "@dataclass(frozen=True)\nclass Layer"
"""A place in the contracts' module."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        source = CHECKOUT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, root / name, ignore=ignored) if source.is_dir() else shutil.copy(source, root / name)
    return root


@pytest.fixture
def root(copy, monkeypatch):
    monkeypatch.setattr(packages, "ROOT", copy)
    monkeypatch.setattr(packages, "__file__", str(copy / "shared/packaging/packages.py"))
    return copy


def fingerprints(root, generation="1.0", environment=None):
    settings = environment or Environment.load("payments", root)
    return Fingerprints(root, settings, GRAPH, FileBackend(root / "backend"), generation=generation)


def parts(known):
    return {layer: known._static(layer) for layer in ALL}


def reasons(before, after):
    """Why a layer of the pieces `before` is stale now that it is made of those `after`."""
    short = MadeOf("a", before).to_tag()
    known = MadeOf.from_tag(short).pieces
    return [
        fingerprint._cause(part, known[part], after[part])
        for part in after
        if made_of.whole(before[part]) != made_of.whole(after[part])
    ]


def changed(before, after):
    return {layer for layer in ALL if before[layer] != after[layer]}


def expected(path):
    """Which layers' programs read a file, by where it is."""
    match path.parts:
        case ("projects", layer, *_):
            return {layer} if path.suffix != ".md" else set()
        case ("shared", *name):
            return SHARED.get("/".join(name), ALL) if path.suffix != ".md" else set()
        case ("policies", *_):
            return ALL if path.suffix != ".md" else set()
        case ("lambdas", *_):
            used = {f for f in packages.functions() if packages.ROOT / path in packages.sources(f)}
            return {LAYER_OF.get(function, "compute") for function in used}
    raise AssertionError(path)


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.prove)])
def test_each_file_concerns_just_the_stacks_that_read_it_and_starts_the_workflows_of_these_and_their_readers(
    root, every
):
    known = fingerprints(root)
    before = parts(known)
    folders = ("shared", "projects", "lambdas", "policies")
    files = [p.relative_to(root) for name in folders for p in (root / name).rglob("*.*")]
    files = [path for path in files if path.suffix != ".pyc"]
    assert len(files) > 60
    patterns = {layer: workflows.patterns(layer, root) for layer in ALL}
    wrong = {}
    for path in sorted(files)[::every]:
        original = (root / path).read_bytes()
        (root / path).write_bytes(original + (b"\n" if path.suffix == ".json" else b"\n# altered\n"))
        known._layers.clear()
        stale = changed(before, parts(known))
        (root / path).write_bytes(original)
        concerned = {layer for layer in ALL if stale & {layer, *workflows.upstream(layer)}}
        started = {layer for layer in ALL if started_by(path, patterns[layer])}
        if stale != expected(path) or (started != concerned and path != made_of.CONTRACTS):
            wrong[str(path)] = stale, started
    assert wrong == {}


def test_a_data_file_beside_a_program_counts_and_a_configuration_of_a_stack_does_not(root):
    before = parts(fingerprints(root))
    data, configuration = root / "projects/edge/rules.json", root / "projects/edge/Pulumi.payments.yaml"
    try:
        configuration.write_text("encryptionsalt: x\n")
        assert changed(before, parts(fingerprints(root))) == set()
        data.write_text("{}")
        assert changed(before, parts(fingerprints(root))) == {"edge"}
    finally:
        data.unlink()
        configuration.unlink()


@pytest.mark.parametrize(
    ("old", "new", "layers"),
    [
        ("primary: 10.0.0.0/16", "primary: 10.2.0.0/16", {"network"}),
        ("ttl: 30 ", "ttl: 20 ", {"edge"}),
        ("recovery_days: 35", "recovery_days: 34", {"data"}),
        ("latency_ms: 500", "latency_ms: 400", {"observability"}),
        ("suffix: x7k2", "suffix: x7k3", ALL),
    ],
)
def test_a_value_of_the_environment_concerns_the_layers_that_may_read_it(root, tmp_path, old, new, layers):
    before = parts(fingerprints(root))
    text = (root / "environments/payments.yaml").read_text()
    assert old in text
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/payments.yaml").write_text(text.replace(old, new))
    after = parts(fingerprints(root, environment=Environment.load("payments", tmp_path)))
    assert changed(before, after) == layers
    name = old.partition(":")[0]
    for layer in layers:
        (reason,) = reasons(before[layer], after[layer])
        assert reason.startswith("its part of the environment changed: ")
        assert reason.rpartition(".")[2].rpartition(" ")[2] == name


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("requirements.lock", "pulumi-aws==", "pulumi-aws==0", "a locked version changed: pulumi-aws"),
        # What is there was judged by another rule.
        ("policies/limits.py", "LONGEST = 60", "LONGEST = 30", "a policy changed: policies/limits.py"),
    ],
)
def test_a_locked_version_and_a_rule_concern_all(root, path, old, new, reason):
    before = parts(fingerprints(root))
    original = (root / path).read_text()
    try:
        (root / path).write_text(original.replace(old, new))
        after = parts(fingerprints(root))
    finally:
        (root / path).write_text(original)
    assert changed(before, after) == ALL
    assert reasons(before["data"], after["data"]) == [reason]


class TestAnEditDuringTheRun:
    """An update is of the files that the run began with, or of none: whatever is edited, and whenever."""

    DATA = Stack("data", "payments")
    EDITS = (
        ("projects/data/__main__.py", "import ", "import json\nimport ", "the program's code changed"),
        ("environments/payments.yaml", "suffix: x7k2", "suffix: q9q9", "its part of the environment changed: suffix"),
        ("environments/payments.yaml", "suffix: x7k2", "suffix: [", "environments/payments.yaml"),
        ("policies/limits.py", "LONGEST = 60", "LONGEST = 30", "a policy changed: policies/limits.py"),
        ("requirements.lock", "pulumi-aws==", "pulumi-aws==0", "a locked version changed: pulumi-aws"),
        ("projects/data/table.py", "import ", "def (", "projects/data/table.py:"),
    )

    @pytest.fixture
    def edit(self, root):
        """Write a file otherwise, until the test ends."""
        kept = {}

        def edit(path, old, new):
            text = kept.setdefault(path, (root / path).read_text())
            assert old in text
            (root / path).write_text(text.replace(old, new, 1))

        yield edit
        for path, text in kept.items():
            (root / path).write_text(text)

    @pytest.mark.parametrize(("edited", "why"), [(each[:3], each[3]) for each in EDITS])
    def test_it_is_refused_before_the_stack_is_updated(self, root, edit, edited, why):
        known = fingerprints(root)
        known.parts(self.DATA)
        known.require_as_begun(self.DATA)
        edit(*edited)
        with pytest.raises(Problem, match=r"changed during the run .*nothing of data/payments was changed") as caught:
            known.require_as_begun(self.DATA)
        assert why in str(caught.value)

    def test_it_is_refused_also_where_nothing_of_the_stack_was_known_before(self, root, edit):
        known = fingerprints(root)
        edit("projects/data/__main__.py", "import ", "import json\nimport ")
        with pytest.raises(Problem, match=r"changed during the run \(projects/data/__main__.py\)"):
            known.require_as_begun(self.DATA)
        known.require_as_begun(Stack("network", "payments", "primary"))

    def test_what_is_no_part_of_the_stack_and_what_is_written_as_it_was_goes_on(self, root, edit):
        known = fingerprints(root)
        known.parts(self.DATA)
        edit("projects/edge/__main__.py", "import ", "import json\nimport ")
        edit("environments/payments.yaml", "ttl: 30 ", "ttl: 20 ")
        edit("projects/data/__main__.py", "import ", "import ")
        known.require_as_begun(self.DATA)

    def test_during_the_update_whatever_is_written_counts_also_when_it_is_put_back(self, root, edit):
        known = fingerprints(root)
        known.parts(self.DATA)
        since = known.require_as_begun(self.DATA)
        edit("projects/edge/__main__.py", "import ", "import json\nimport ")
        assert known.touched(self.DATA, since) == []
        for path in ("projects/data/__main__.py", "environments/payments.yaml"):
            edit(path, "", " ")
            edit(path, "", "")
        (root / "projects/data/new.json").write_text("{}")
        try:
            names = ["environments/payments.yaml", "projects/data/__main__.py", "projects/data/new.json"]
            assert known.touched(self.DATA, since) == names
        finally:
            (root / "projects/data/new.json").unlink()

    def test_what_a_machine_leaves_in_the_folders_does_not(self, root):
        known = fingerprints(root)
        since = known.require_as_begun(self.DATA)
        left = [root / name for name in ("projects/data/Pulumi.payments.yaml", "shared/.swp", "policies/limits.py~")]
        cache = root / "projects/data/__pycache__"
        cache.mkdir(exist_ok=True)
        left.append(cache / "x.pyc")
        for file in left:
            file.write_text("x")
        try:
            assert known.require_as_begun(self.DATA) == since
        finally:
            shutil.rmtree(cache)
            for file in left[:-1]:
                file.unlink()


def other_edge(monkeypatch, **types):
    """Let edge's contract have other fields, in all that looks at contracts."""
    edge = LAYERS["edge"]
    annotations = {field.name: field.type for field in dataclasses.fields(edge.outputs)} | types
    fields = [(name, kind) for name, kind in annotations.items() if kind is not None]
    other: Any = dataclasses.make_dataclass("EdgeOutputs", fields, frozen=True)
    other.project, other.version, other.__module__ = "edge", edge.outputs.version, edge.outputs.__module__
    replaced = {
        layer.name: Layer(
            layer.name,
            other if layer is edge else layer.outputs,
            layer.regional,
            tuple(other if contract is edge.outputs else contract for contract in layer.consumes),
        )
        for layer in (*LAYERS.values(), *ASIDE.values())
    }
    monkeypatch.setattr(made_of, "layer_of", replaced.__getitem__)


def test_a_new_field_of_a_contract_concerns_its_own_layer_alone(root, monkeypatch):
    before = parts(fingerprints(root))
    other_edge(monkeypatch, extra="Output[str]")
    after = parts(fingerprints(root))
    assert changed(before, after) == {"edge"}
    assert reasons(before["edge"], after["edge"]) == ["a contract changed: edge.extra"]


def test_another_type_that_its_readers_declare_concerns_those_that_read_the_field(root, monkeypatch):
    before = parts(fingerprints(root))
    path = root / "projects/observability/reads.json"
    original = path.read_text()
    other_edge(monkeypatch, topic_arns="Output[str]")
    try:
        assert changed(before, parts(fingerprints(root))) == {"edge"}  # none can run before it says the same
        path.write_text(original.replace('"topic_arns": "PerRole[Output[str]]"', '"topic_arns": "Output[str]"'))
        after = parts(fingerprints(root))
    finally:
        path.write_text(original)
    assert changed(before, after) == {"edge", "observability"}
    assert "a contract changed: edge.topic_arns" in reasons(before["observability"], after["observability"])


def changed_by(root, old, new):
    """Who is stale after an edit of the contracts' module."""
    before = parts(fingerprints(root))
    path = root / "shared/contracts.py"
    text = path.read_text()
    assert old in text
    try:
        path.write_text(text.replace(old, new, 1))
        after = parts(fingerprints(root))
    finally:
        path.write_text(text)
    return changed(before, after)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    vpc_id: Output[str]\n", "    vpc_id: Output[str]\n\n    def vpc(self) -> str:\n        return 'vpc-1'\n"),
        (BEFORE, "ZONES: tuple[str, ...] = ('a',)\n\n" + BEFORE),
        ("    release: Output[str]\n", "    release: Output[str] = 'none'\n"),
        ("    regional: bool\n", "    regional: bool = True\n"),
        ('MAY_MOVE = "STACKS_MAY_MOVE"', 'MAY_MOVE = "MAY"'),
        (BEFORE, "@dataclass\nclass Extra:\n    x = 1\n\n" + BEFORE),
    ],
)
def test_what_programs_can_use_of_the_contracts_beside_their_fields_counts(root, old, new):
    assert changed_by(root, old, new) == ALL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""One region\'s network', '"""A network'),
        ("regional=True, consumes=()),", "regional=True, consumes=()),  # first"),
        (BEFORE, "@dataclass(frozen=True)\nclass Extra:\n    x: str\n\n" + BEFORE),
    ],
)
def test_words_and_mere_fields_of_the_contracts_do_not(root, old, new):
    assert changed_by(root, old, new) == set()


@pytest.mark.parametrize(
    ("line", "all_count"),
    [
        ("Code('audit')", False),
        ("Code(function='audit')", False),
        ("NAME = 'audit'\nCode(NAME)", False),
        ("NAMES = ('audit', 'health')\nrelease_of(NAMES)", False),
        ("hashlib.sha256(x).digest()", False),
        ("Code('pay' + 'ment')", True),
        ("Code(f'{layer}')", True),
        ("Code(name)", True),
        ("for name in ('audit',):\n    Code(name)", True),
        ("Code(function=name)", True),
        ("Code(*names)", True),
        ("Code(**{'function': name})", True),
        ("functions.Code(name)", True),
        ("from shared.components.function import Code as Made\nMade(name)", True),
        ("package(name)", True),
        ("release_of(names)", True),
    ],
)
def test_a_function_that_is_packaged_by_a_computed_name_makes_all_count(tmp_path, line, all_count):
    """A literal name beside it does not make the others known."""
    for name, text in {
        "projects/data/__main__.py": f"from shared.packaging import packages\nCode('health')\n{line}\n",
        "shared/packaging/packages.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = made_of._packaged(program_sources(Tree(tmp_path), "data"))
    assert (found == packages.functions()) == all_count
    assert "health" in found


def test_a_module_that_imports_by_computed_name_makes_all_modules_count(tmp_path):
    for name, text in {
        "projects/data/__main__.py": "import importlib\nfrom shared import a\nimportlib.import_module(a.name)\n",
        "shared/a.py": "name = 'shared.' + 'b'\n",
        "shared/b.py": "",
        "lambdas/c.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {str(source.path) for source in program_sources(Tree(tmp_path), "data")}
    assert found == {"projects/data/__main__.py", "shared/a.py", "shared/b.py", "lambdas/c.py"}


@pytest.mark.parametrize(
    ("statement", "file"),
    [
        ("import shared.a", "shared/a.py"),
        ("from shared import a", "shared/a.py"),
        ("from shared.a import name", "shared/a.py"),
        ("from . import a", "projects/data/a.py"),
        ("from .a import name", "projects/data/a.py"),
        ("import a", "projects/data/a.py"),
        ("def late():\n    from shared.part.a import name", "shared/part/__init__.py"),
    ],
)
def test_every_form_of_import_is_found(tmp_path, statement, file):
    for name in (file, "projects/data/__main__.py", "shared/part/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "projects/data/__main__.py").write_text(statement)
    assert Path(file) in {source.path for source in program_sources(Tree(tmp_path), "data")}


LOADED = """
import json, sys
from pathlib import Path
from typing import Any
from tests.unit.projects import mocked_programs
layer, stack, outputs = sys.argv[1], sys.argv[2], json.loads(sys.stdin.read())
mocked_programs.published = lambda *_: outputs  # no other program is to be loaded
aside = layer == "vault"
run = mocked_programs.run_vault() if aside else mocked_programs.run_program(layer, stack, outputs)
made = run.recorder.of("Function")
root = mocked_programs.ROOT
files = [Path(m.__file__) for m in list(sys.modules.values()) if getattr(m, "__file__", None)]
own = [str(f.relative_to(root)) for f in files if f.is_relative_to(root)]
own = [name for name in own if name.startswith(("shared/", "projects/"))]
print(json.dumps({"files": own, "packages": [str(function["code"].path) for function in made]}))
"""


@pytest.mark.parametrize(
    "layer", ["edge", *(pytest.param(name, marks=pytest.mark.prove) for name in sorted(ALL - {"edge"}))]
)
def test_what_a_running_program_loads_and_packages_is_in_its_fingerprint(layer):
    from tests.unit.projects import mocked_programs

    runs = mocked_programs.run_environment()
    outputs = {f"organization/{name}": dict(run.exports) for name, run in runs.items()}
    stack = Graph.of("payments", aside=ASIDE).select(layer)[0]
    command = [sys.executable, "-c", LOADED, layer, stack.name]
    ran = subprocess.run(command, cwd=CHECKOUT, input=json.dumps(outputs), capture_output=True, text=True, check=True)
    loaded = json.loads(ran.stdout.splitlines()[-1])
    closure = program_sources(Tree(CHECKOUT), layer)
    assert set(loaded["files"]) - {str(source.path) for source in closure} == set()
    packaged = {Path(path).name.rpartition("-")[0] for path in loaded["packages"]}
    assert packaged <= set(made_of._packaged(closure))
    assert bool(packaged) == (layer in FUNCTIONS)


class TestJudgement:
    """A stack of the file backend, in all states that make it stale, and the one that does not."""

    STACK = Stack("data", "payments")

    @pytest.fixture
    def books(self, root, tmp_path):
        backend = FileBackend(tmp_path)
        known = Fingerprints(root, Environment.load("payments", root), GRAPH, backend, generation="1.0")
        folder = tmp_path / ".pulumi"

        def write(path, content):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(json.dumps(content))

        write("stacks/data/payments.json", self.state())
        entry = {"kind": "update", "message": json.dumps({"update": "abc"}), "result": "succeeded"}
        write("history/data/payments/payments-1795267814000000001.history.json", entry)
        state = backend.checkpoint(self.STACK)
        assert state
        tag = Fingerprint("abc", known.parts(self.STACK), state=state.digest)
        backend.tag(self.STACK, fingerprint.TAG, tag.to_tag())
        return known, write, backend

    def state(self, *more):
        resources = [{"type": "pulumi:pulumi:Stack", "outputs": {"a": 1}}, {"type": "x", "urn": "x"}, *more]
        return {"checkpoint": {"latest": {"resources": resources}}}

    def reason(self, known):
        judgement = known.judge(self.STACK)
        assert (judgement.freshness is Freshness.FRESH) == (not judgement.reason)
        return judgement.reason

    def test_fresh(self, books):
        known, _, _ = books
        assert self.reason(known) == ""
        assert known.verified(self.STACK)
        assert not known.doubtful(self.STACK)

    def test_pending_work(self, books):
        known, write, _ = books
        write("stacks/data/payments.json", {"checkpoint": {"latest": {"pending_operations": [{"type": "creating"}]}}})
        assert self.reason(known) == "its last update was interrupted"

    def test_a_lock(self, books):
        known, write, _ = books
        lock = {"pid": 1, "hostname": "h", "username": "u", "timestamp": "2026-01-01T00:00:00Z"}
        write("locks/organization/data/payments/x.json", lock)
        assert self.reason(known) == "an update of it is running"

    def test_a_lock_of_a_dead_process(self, books):
        known, write, _ = books
        lock = {"pid": 2**30, "hostname": socket.gethostname(), "username": "u", "timestamp": "2026-01-01T00:00:00Z"}
        write("locks/organization/data/payments/x.json", lock)
        assert self.reason(known) == "its last update was interrupted"

    def test_a_failed_update(self, books):
        known, write, _ = books
        entry = {"kind": "update", "message": json.dumps({"update": "abd"}), "result": "failed"}
        write("history/data/payments/payments-1795267814000000002.history.json", entry)
        assert self.reason(known) == "its last update failed"

    def test_an_update_by_hand(self, books):
        known, write, _ = books
        entry = {"kind": "update", "message": "quick fix", "result": "succeeded"}
        write("history/data/payments/payments-1795267814000000002.history.json", entry)
        assert self.reason(known) == "it was updated by hand since"
        assert not known.verified(self.STACK)

    def test_an_update_of_ours_that_nobody_vouched_for(self, books):
        known, write, _ = books
        entry = {"kind": "update", "message": json.dumps({"update": "abd"}), "result": "succeeded"}
        write("history/data/payments/payments-1795267814000000002.history.json", entry)
        assert self.reason(known) == "its last update was not recorded as complete"

    def test_a_state_that_no_update_on_record_has_left(self, books):
        """An import, a `state delete`, an older version put back, or a killed update of which nothing is pending."""
        known, write, _ = books
        write("stacks/data/payments.json", self.state({"type": "y", "urn": "y"}))
        assert self.reason(known) == "its state was changed since, by no update on record"
        assert not known.verified(self.STACK)
        assert known.doubtful(self.STACK)
        assert known.differences(self.STACK) is None
        assert known.causes(self.STACK) == ("its state was changed since, by no update on record",)

    def test_what_an_update_that_is_on_record_has_left_is_not_compared_with_the_cloud_first(self, books):
        known, write, _ = books
        write("stacks/data/payments.json", self.state({"type": "y", "urn": "y"}))
        entry = {"kind": "update", "message": json.dumps({"update": "abd"}), "result": "failed"}
        write("history/data/payments/payments-1795267814000000002.history.json", entry)
        assert self.reason(known) == "its last update failed"
        assert not known.doubtful(self.STACK)

    def test_a_fingerprint_that_does_not_say_what_its_update_left(self, books):
        known, write, backend = books
        backend.tag(self.STACK, fingerprint.TAG, Fingerprint("abc", known.parts(self.STACK)).to_tag())
        write("stacks/data/payments.json", self.state({"type": "y", "urn": "y"}))
        assert self.reason(known) == ""

    def test_a_state_out_of_which_a_region_was_cut(self, books):
        """It differs from the cloud on purpose: what is in that region does not answer, and is not asked."""
        known, write, backend = books
        write("stacks/data/payments.json", self.state({"type": "y", "urn": "y"}))
        backend.tag(self.STACK, fingerprint.TAG, fingerprint.CUT)
        assert self.reason(known) == "a region was cut out of its state"
        assert not known.verified(self.STACK)
        assert not known.doubtful(self.STACK)

    def test_a_release_that_was_taken_back(self, books):
        known, _, backend = books
        backend.tag(self.STACK, fingerprint.TAG, fingerprint.WITHDRAWN)
        assert self.reason(known) == "its last release was rolled back"
        assert known.doubtful(self.STACK)

    def test_a_bake_that_was_cut_off(self, books):
        known, _, backend = books
        baking = Baking(5, 100.0, Serving({("payment", "live"): "4"}, {}), "a")
        backend.tag(self.STACK, fingerprint.TAG, baking.to_tag())
        assert self.reason(known) == "the bake of its release did not come to its end"
        assert known.baking(self.STACK) == baking
        assert known.doubtful(self.STACK)

    def test_another_life_of_the_cloud(self, root, books):
        _, _, backend = books
        later = Fingerprints(root, Environment.load("payments", root), GRAPH, backend, generation="1.1")
        assert self.reason(later) == "the cloud was replaced or restored since"
        assert later.doubtful(self.STACK)

    def test_outputs_of_another_stack(self, root, books):
        _, write, backend = books
        known = Fingerprints(root, Environment.load("payments", root), GRAPH, backend, generation="1.0")
        edge = Stack("edge", "payments")
        before = known.pieces(edge)
        outputs = {"consistency": "MREC", "table_name": "read by others", "unread": 1}
        latest = {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": outputs}]}
        write("stacks/data/payments.json", {"checkpoint": {"latest": latest}})
        assert reasons(before, known.pieces(edge)) == ["outputs of data/payments changed: consistency"]
        whole = known.parts(edge)
        outputs |= {"unread": 2, "table_name": "other"}
        write("stacks/data/payments.json", {"checkpoint": {"latest": latest}})
        assert known.parts(edge) == whole

    def test_everything_that_has_changed_is_named(self, root, books):
        known, _, backend = books
        assert known.causes(self.STACK) == ()
        backend.tag(self.STACK, fingerprint.MADE_OF, known.made_of(self.STACK, "abc").to_tag())
        files = [root / "projects/data/__main__.py", root / "policies/limits.py"]
        before = [file.read_bytes() for file in files]
        try:
            for file in files:
                file.write_bytes(file.read_bytes() + b"\n# altered\n")
            later = Fingerprints(root, Environment.load("payments", root), GRAPH, backend, generation="1.0")
            told = ["the program's code changed: projects/data/__main__.py", "a policy changed: policies/limits.py"]
            assert later.causes(self.STACK) == told
            assert self.reason(later) == told[0]
            backend.tag(self.STACK, fingerprint.MADE_OF, known.made_of(self.STACK, "another update").to_tag())
            assert later.causes(self.STACK) == ["the program's code changed", "a policy changed"]
        finally:
            for file, text in zip(files, before, strict=True):
                file.write_bytes(text)

    def test_without_a_known_cloud_its_generation_does_not_count(self, root, books):
        _, _, backend = books
        known = Fingerprints(root, Environment.load("payments", root), GRAPH, backend, generation=None)
        assert self.reason(known) == ""
        assert not known.doubtful(self.STACK)


def test_only_our_own_messages_and_tags_are_understood():
    assert update_id('{"update": "abc", "run": "x"}') == "abc"
    assert [update_id(message) for message in ("", "fix", "[]", "{}")] == [None] * 4
    for mine in (
        Fingerprint("abc", {"code": "1"}),
        Fingerprint("abc", {"code": "1"}, 2.5),
        Fingerprint("abc", {"code": "1"}, state="ab"),
    ):
        assert Fingerprint.from_tag(mine.to_tag()) == mine
    made = MadeOf("abc", {"code": {"a.py": "012345"}}, {"data": {"table_name": "Output[str]"}})
    assert MadeOf.from_tag(made.to_tag()) == made
    others = (
        "",
        "withdrawn",
        "cut",
        "[]",
        '{"update": 1}',
        "null",
        "[" * 100_000,
        '{"update": 1, "pieces": 1, "parts": 1}',
    )
    assert {MadeOf.from_tag(tag) == MadeOf() for tag in others} == {True}
    assert {Fingerprint.from_tag(tag) for tag in others} == {None}
    assert {Baking.from_tag(tag) for tag in (*others, '{"baking": 1}', '{"baking": {"before": 1}}')} == {None}
    assert {fingerprint.update_id(tag) for tag in others if "update" not in tag} == {None}
