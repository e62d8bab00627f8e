"""Packages: equal bytes for equal sources, all that a function needs and nothing else, within budgets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox.cloud.code import CodeStore
from shared.errors import Problem
from shared.packaging import archives, function_sdk, packages
from shared.packaging.archives import RUNTIME_TAG
from tools.bench.imports import PLACEHOLDERS as ENVIRONMENT

FUNCTIONS = ("audit", "canary", "failover_control", "health", "payment", "synthetics")
ZIPPED, UNZIPPED = 2_200_000, 9_000_000
"""Bytes. AWS allows 250 MB; each one is read at a cold start."""
MODULES = 380
"""Modules that a cold start imports: a count, as seconds depend on the machine."""


def interpreters():
    """This one, and Lambda's where the machine has it."""
    found = [sys.executable]
    lambdas_own = shutil.which("python3.13")
    if lambdas_own and subprocess.run([lambdas_own, "-V"], capture_output=True, check=False).returncode == 0:
        found.append(lambdas_own)
    return found


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """As the sandbox unpacks them, with bytecode of this interpreter."""
    folder = tmp_path_factory.mktemp("code")
    store = CodeStore(folder / "functions", folder / "bytecode")
    root = tmp_path_factory.mktemp("task")
    for function in FUNCTIONS:
        shutil.copytree(
            store.unpacked(packages.package(function).read_bytes()), root / function, copy_function=shutil.copyfile
        )
    return root


def run(interpreter, root, code, environment=ENVIRONMENT):
    """Run code as Lambda does: from the unpacked package, without anything that is installed."""
    command = [interpreter, "-I", "-S", "-B", "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{code}"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_functions_are_those_that_are_deployed():
    assert packages.functions() == list(FUNCTIONS)


def test_an_unknown_function_is_one_clear_line():
    with pytest.raises(Problem) as caught:
        packages.package("nothing")
    assert str(caught.value) == (
        "packages: there is no function 'nothing' in lambdas/; "
        "there are: audit, canary, failover_control, health, payment, synthetics"
    )


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("interpreter", interpreters())
def test_a_package_runs_alone(unpacked, function, interpreter):
    out = run(
        interpreter,
        unpacked / function,
        f"import json, lambdas.{function}.main as main, botocore\n"
        "print(json.dumps([callable(main.handler), botocore.__file__, sorted(sys.modules)]))",
    )
    has_handler, sdk, modules = json.loads(out.splitlines()[-1])
    assert has_handler
    assert Path(sdk).is_relative_to(unpacked / function), "the bundled SDK, not the runtime's"
    assert not {"boto3", "yaml", "pydantic", "pulumi", "sandbox", "shared"} & set(modules)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_finds_amazons_own_endpoints(unpacked, function):
    """Without an endpoint from outside, as in Lambda, the SDK reads its endpoint rules, and whom to trust."""
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "AWS_ENDPOINT_URL"}
    out = run(
        sys.executable,
        unpacked / function,
        "import json, os, lambdas.adapters.aws as aws\n"
        f"clients = [aws.client(name) for name in {packages.services(function)}]\n"
        "import botocore.httpsession as http\n"
        "print(json.dumps([[one.meta.endpoint_url for one in clients], os.path.isfile(http.get_cert_path(True))]))",
        environment,
    )
    endpoints, trusted = json.loads(out.splitlines()[-1])
    names = [NAMED_OTHERWISE.get(service, service) for service in packages.services(function)]
    assert endpoints == [f"https://{name}.us-east-1.amazonaws.com" for name in names]
    assert trusted


NAMED_OTHERWISE = {"cloudwatch": "monitoring"}
"""Services whose endpoint has another name."""

CALLS = {
    "cloudwatch": ("get_metric_data", {"MetricDataQueries": [], "StartTime": 0, "EndTime": 1}),
    "dynamodb": ("get_item", {"TableName": "table", "Key": {"pk": {"S": "a"}}}),
    "s3": ("put_object", {"Bucket": "bucket", "Key": "key", "Body": "", "IfNoneMatch": "*"}),
    "secretsmanager": ("get_secret_value", {"SecretId": "secret"}),
    "ssm": ("get_parameters", {"Names": ["/a"]}),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_makes_the_calls_that_it_is_for(unpacked, function):
    """Nothing listens there: all of the SDK before the connection works, or the error is another."""
    calls = {service: CALLS[service] for service in packages.services(function)}
    run(
        sys.executable,
        unpacked / function,
        "import lambdas.adapters.aws as aws\n"
        "from botocore.exceptions import EndpointConnectionError\n"
        f"for service, (operation, arguments) in {calls!r}.items():\n"
        "    try:\n"
        "        getattr(aws.client(service), operation)(**arguments)\n"
        "    except EndpointConnectionError:\n"
        "        continue\n"
        "    raise AssertionError(service)",
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_sizes_keep_to_their_budget(function):
    path = packages.package(function)
    assert path.stat().st_size < ZIPPED
    with zipfile.ZipFile(path) as archive:
        assert sum(entry.file_size for entry in archive.infolist()) < UNZIPPED


@pytest.mark.parametrize("function", FUNCTIONS)
def test_imports_keep_to_their_budget(unpacked, function):
    code = f"import sys; before = len(sys.modules)\nimport lambdas.{function}.main\nprint(len(sys.modules) - before)"
    assert int(run(sys.executable, unpacked / function, code).splitlines()[-1]) < MODULES


def test_the_bytecode_is_used(unpacked, tmp_path):
    """Bytecode is checked against nothing: an import still works when the source is none."""
    root = shutil.copytree(unpacked / "health", tmp_path / "health")
    for name in ("lambdas/health/health.py", "botocore/session.py"):
        (root / name).write_text("not Python at all")
    run(sys.executable, root, "import lambdas.health.main")


@pytest.mark.parametrize(("tag", "there"), [("cpython-311", False), ("cpython-314", False), (RUNTIME_TAG, True)])
def test_a_package_holds_bytecode_of_lambdas_runtime_or_none(monkeypatch, tag, there):
    """Of another version it would lie there unread, and the SDK be compiled at every cold start none the less."""
    monkeypatch.setattr(sys.implementation, "cache_tag", tag)
    names = {name for name, _ in archives.module("botocore/session.py", b"VALUE = 1")}
    assert names == {"botocore/session.py"} | ({f"botocore/__pycache__/session.{RUNTIME_TAG}.pyc"} if there else set())


def test_the_packages_at_hand_hold_no_bytecode_of_another_version():
    for function in FUNCTIONS:
        with zipfile.ZipFile(packages.package(function)) as archive:
            tags = {name.split(".")[-2] for name in archive.namelist() if name.endswith(".pyc")}
        assert tags == ({RUNTIME_TAG} if sys.implementation.cache_tag == RUNTIME_TAG else set())


def test_only_the_services_that_are_used_are_inside():
    services = {function: packages.services(function) for function in FUNCTIONS}
    assert services == {
        "audit": ["dynamodb", "s3"],
        "canary": ["dynamodb", "secretsmanager", "ssm"],
        "synthetics": ["secretsmanager", "ssm"],
        "failover_control": ["cloudwatch", "s3", "secretsmanager"],
        "health": ["dynamodb"],
        "payment": ["dynamodb", "s3", "secretsmanager"],
    }
    with zipfile.ZipFile(packages.package("health")) as archive:
        names = archive.namelist()
    assert {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2} == {
        "dynamodb"
    }


def test_only_what_a_function_imports_is_inside():
    inside = {
        function: {path.relative_to(packages.ROOT).as_posix() for path in packages.sources(function)}
        for function in FUNCTIONS
    }
    assert not any("/payment/" in name or "/audit/" in name for name in inside["health"])
    assert "lambdas/domain/sweep.py" in inside["audit"]
    assert "lambdas/payment/api.py" not in inside["audit"]
    assert all("lambdas/__init__.py" in names for names in inside.values())


def build(root, seed):
    """Packages' digests from another process, with another hash seed, in another checkout."""
    code = (
        "import hashlib; from shared.packaging import packages\n"
        "for name in packages.functions():\n"
        "    path = packages.package(name)\n"
        "    print(name, path.name, hashlib.sha256(path.read_bytes()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    for folder in ("lambdas", "shared"):
        shutil.copytree(packages.ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def test_equal_sources_give_equal_bytes(checkout):
    first = build(checkout, "1")
    assert first.count("\n") == len(FUNCTIONS)
    shutil.rmtree(checkout / ".build")
    for path in checkout.rglob("*.py"):
        os.utime(path, (0, 0))
    assert build(checkout, "2") == first
    assert [packages.package(name).name for name in FUNCTIONS] == [line.split()[1] for line in first.splitlines()]


def test_bytecode_is_the_same_whatever_the_process_did_before():
    code = (
        "import sys; from shared.packaging import archives\n"
        "def build(): return archives.bytecode('module.py', b\"found = text.strip('[]') + '['\")\n"
        "before = build(); sys.intern('['); assert build() == before"
    )
    subprocess.run([sys.executable, "-c", code], cwd=packages.ROOT, check=True)


def test_the_sdk_is_the_same_wherever_its_archive_comes_from(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(packages, "_PACKAGES", tmp_path / "packages")
    monkeypatch.setattr(function_sdk, "_of_the_virtualenv", lambda: tmp_path / "virtualenv.zip")
    for with_the_virtualenvs in (False, True):
        if with_the_virtualenvs:
            function_sdk.prepare()
        path = packages.package("payment")
        made.append(path.read_bytes())
        assert with_the_virtualenvs or list(path.parent.glob("function-sdk-*.zip"))
        shutil.rmtree(path.parent)
    assert made[0] == made[1]


def test_a_change_changes_only_the_packages_that_have_it(checkout):
    before = build(checkout, "0").splitlines()
    (checkout / "lambdas/payment/api.py").open("a").write("# changed\n")
    (checkout / "lambdas/openapi.yaml").open("a").write("# no function reads it\n")
    after = build(checkout, "0").splitlines()
    assert [old.split()[0] for old, new in zip(before, after, strict=True) if old != new] == ["payment"]


def test_an_unchanged_package_is_not_built_again():
    path = packages.package("health")
    written = path.stat().st_mtime_ns
    assert packages.package("health") == path
    assert path.stat().st_mtime_ns == written


def test_nothing_of_this_machine_is_inside():
    with zipfile.ZipFile(packages.package("payment")) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = archive.namelist()
        with zipfile.ZipFile(function_sdk.modules(packages._PACKAGES)) as sdk:
            own = names[len(sdk.namelist()) :]
            assert names == sorted(sdk.namelist()) + sorted(own)
        assert len(names) == len(set(names))
        place = str(packages.ROOT).encode()
        assert not any(place in archive.read(name) for name in archive.namelist())
