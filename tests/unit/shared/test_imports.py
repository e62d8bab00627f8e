"""What a file imports: the one answer for fingerprints, packages, the fork server and the program runner."""

from __future__ import annotations

import ast
import gc
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from shared.errors import Problem
from shared.packaging import imports, packages

HERE = Path(__file__)
THREADS, EACH = 4, 60


@pytest.fixture
def busy_collector():
    """The collector runs Python code often, as a finalizer may, and threads take turns then."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()

    def work(_phase, _info):
        sum(range(100))

    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    gc.callbacks.append(work)
    yield
    gc.callbacks.remove(work)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("busy_collector")
def test_threads_parse_at_once():
    failures = []

    def parse():
        try:
            for _ in range(EACH):
                imports.parse(HERE)
        except SystemError as error:
            failures.append(error)

    threads = [threading.Thread(target=parse) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def closure(root, files, entry="lambdas/health/main.py", program=None):
    write(root, files)
    return {str(source.path) for source in imports.Tree(root).closure(Path(entry), program)}


@pytest.mark.parametrize(
    "statement",
    [
        "from .health import Health",
        "from . import health",
        "from ..health import health",
        "from ..health.health import Health",
        "def late():\n    from .health import Health",
        "try:\n    from .health import Health\nexcept ImportError:\n    pass",
        "import lambdas.health.health",
        "import importlib\nimportlib.import_module('lambdas.health.health')",
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    from .health import Health",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import json\nelse:\n    from .health import Health",
        "import typing\nif not typing.TYPE_CHECKING:\n    import lambdas.health.health as other",
    ],
)
def test_every_import_that_runs_is_followed_relative_ones_too(tmp_path, statement):
    files = {"lambdas/__init__.py": "", "lambdas/health/health.py": "", "lambdas/health/main.py": statement}
    assert "lambdas/health/health.py" in closure(tmp_path, files)


@pytest.mark.parametrize(
    "statement",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .health import Health",
        "import typing as t\nif t.TYPE_CHECKING:\n    from lambdas.health import health",
        "'from .health import Health'",
    ],
)
def test_what_only_type_checkers_see_is_left_out(tmp_path, statement):
    files = {"lambdas/health/health.py": "", "lambdas/health/main.py": statement}
    assert closure(tmp_path, files) == {"lambdas/health/main.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "import importlib\nimportlib.import_module('lambdas.' + name)",
        "__import__(name)",
        "import runpy\nrunpy.run_path('lambdas/health/health.py')",
        "import importlib\nimportlib.import_module('.health', __package__)",
        "import importlib\nimportlib.import_module(name='lambdas.health.health')",
        "from importlib import import_module as load\nload('lambdas.health.health')",
        "import importlib\nload = importlib.import_module\nload('lambdas.health.health')",
        "from runpy import run_path as play\nplay(name)",
        "__import__('lambdas', fromlist=['health'])",
        "import pkgutil\npkgutil.resolve_name('lambdas.health.health')",
    ],
)
def test_a_name_that_only_running_would_tell_makes_every_module_count(tmp_path, statement):
    files = {"lambdas/health/health.py": "", "shared/a.py": "", "projects/data/b.py": "", "other/c.py": ""}
    found = closure(tmp_path, files | {"lambdas/health/main.py": statement})
    assert found == {"lambdas/health/main.py", "lambdas/health/health.py", "shared/a.py", "projects/data/b.py"}


def test_the_packages_around_a_module_run_before_it(tmp_path):
    files = {"lambdas/__init__.py": "", "lambdas/a/__init__.py": "from . import b", "lambdas/a/b.py": ""}
    files |= {"lambdas/health/__init__.py": "", "lambdas/health/main.py": "from lambdas.a import missing"}
    assert closure(tmp_path, files) == set(files)


def test_only_a_program_imports_from_its_own_folder(tmp_path):
    files = {"projects/data/__main__.py": "import table", "projects/data/table.py": ""}
    assert closure(tmp_path, files, "projects/data/__main__.py") == {"projects/data/__main__.py"}
    found = closure(tmp_path, files, "projects/data/__main__.py", Path("projects/data"))
    assert found == {"projects/data/__main__.py", "projects/data/table.py"}


def test_a_source_is_read_again_when_it_has_changed(tmp_path):
    files = {"lambdas/health/health.py": "", "lambdas/health/main.py": ""}
    assert closure(tmp_path, files) == {"lambdas/health/main.py"}
    assert closure(tmp_path, files | {"lambdas/health/main.py": "from . import health"}) == set(files)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one function, and a program that packages it."""
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    monkeypatch.setattr(packages, "_PACKAGES", tmp_path / ".build")
    monkeypatch.setattr(packages, "__file__", str(tmp_path / "shared/packaging/packages.py"))
    write(tmp_path, {"shared/packaging/packages.py": "", "lambdas/health/main.py": ""})
    return tmp_path


def test_a_package_holds_what_its_function_imports_by_a_relative_name(checkout):
    write(checkout, {"lambdas/health/health.py": "", "lambdas/health/main.py": "from .health import Health\n"})
    with zipfile.ZipFile(packages.package("health")) as archive:
        assert "lambdas/health/health.py" in archive.namelist()


def test_a_function_that_imports_from_outside_its_package_is_refused_by_name(checkout):
    write(checkout, {"shared/roles.py": "", "lambdas/health/main.py": "from shared.roles import ROLES\n"})
    with pytest.raises(Problem, match=r"'health' imports shared/roles\.py, and only lambdas/ is packed"):
        packages.package("health")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("import yaml", r"lambdas/health/main\.py imports yaml, which no package holds"),
        ("def late():\n    from pydantic import BaseModel", "imports pydantic, which no package holds"),
        ("__import__(name)", r"lambdas/health/main\.py imports by a computed name"),
    ],
)
def test_an_import_that_would_not_be_there_is_refused_by_name(checkout, statement, said):
    write(checkout, {"lambdas/health/main.py": statement})
    with pytest.raises(Problem, match=said):
        packages.package("health")


@pytest.mark.parametrize(
    "statement",
    ["from .health import Health", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import health"],
)
def test_a_package_and_a_fingerprint_agree_on_what_counts(checkout, statement):
    write(checkout, {"lambdas/health/main.py": statement, "lambdas/health/health.py": "", "lambdas/other.py": ""})
    packed = {path.relative_to(checkout) for path in packages.sources("health")}
    for path in (Path("lambdas/health/health.py"), Path("lambdas/other.py")):
        before = packages.digest("health")
        (checkout / path).write_text("# altered\n")
        assert (packages.digest("health") != before) == (path in packed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\n\ndef (:\n", r"lambdas/a\.py:3: "),
        (b"\nname = '\xe9'\n", r"lambdas/a\.py:\d+: .*utf-8"),
        (b"\0", r"lambdas/a\.py:\d*:? ?.*null bytes"),
        (b"x = " + b"-" * 100_000 + b"1\n", r"lambdas/a\.py:"),
        ("# Zürich".encode("utf-16"), r"lambdas/a\.py:"),
    ],
)
def test_a_file_that_is_no_python_is_one_line_with_its_place(tmp_path, text, said):
    (tmp_path / "lambdas").mkdir()
    (tmp_path / "lambdas" / "a.py").write_bytes(text)
    with pytest.raises(Problem, match=rf"^{said}[^\n]*$"):
        imports.Tree(tmp_path).source(Path("lambdas/a.py"))


KEPT = ("lambdas/a.py", "import json\nclient('s3')\n")


def asked(root):
    """The file's source as another process reads it."""
    imports._source.cache_clear()
    return imports.Tree(root).source(Path(KEPT[0]))


def test_what_a_file_says_is_read_from_its_tree_once(tmp_path, monkeypatch):
    write(tmp_path, dict([KEPT]))
    first = asked(tmp_path)
    with monkeypatch.context() as without:
        without.setattr(imports, "_parsed", None)
        again = asked(tmp_path)
    assert (again.names, again.dynamic, again.clients) == (first.names, first.dynamic, first.clients)
    assert (again.names, again.dynamic, again.clients) == ({"json"}, False, {"s3"})
    assert [node for node in again.tree.body if isinstance(node, ast.Import)]


@pytest.mark.parametrize("damaged", ["", "{}", "[]", '{"digest": "0", "names": []}'])
def test_what_is_kept_counts_for_the_same_text_only(tmp_path, damaged):
    write(tmp_path, dict([KEPT]))
    asked(tmp_path)
    (kept,) = (tmp_path / ".build" / "sources").iterdir()
    kept.write_text(damaged)
    assert asked(tmp_path).names == {"json"}
    write(tmp_path, {KEPT[0]: "import_module(name)\n"})
    assert asked(tmp_path).dynamic


def test_other_rules_read_the_tree_again(tmp_path, monkeypatch):
    write(tmp_path, dict([KEPT]))
    asked(tmp_path)
    monkeypatch.setattr(imports, "_rules", lambda: b"others")
    monkeypatch.setattr(imports, "_said", lambda *_: {"names": ["other"], "dynamic": False, "clients": []})
    assert asked(tmp_path).names == {"other"}


def test_a_checkout_that_cannot_be_written_to_is_read_all_the_same(tmp_path):
    write(tmp_path, {**dict([KEPT]), ".build": "no folder"})
    assert asked(tmp_path).names == {"json"}
