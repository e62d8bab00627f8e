"""`./invoke` on machines of all kinds: whatever the user has set, the checkout's own task answers, or one line does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from shared.root import ROOT
from tools import virtualenv

FOREIGN = ("shared", "invoke", "botocore", "pulumi", "tasks", "tools", "yaml")
"""Modules that a user's folder may have, too."""


@pytest.fixture(scope="module")
def drawn():
    """What `./invoke graph` prints where nothing is in its way."""
    return run({}).stdout


@pytest.fixture
def elsewhere(tmp_path):
    """A user's home with modules, settings and start-up files of his own."""
    for name in FOREIGN:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('a foreign module')")
    for name in ("sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a foreign start')")
    (tmp_path / ".invoke.yaml").write_text("tasks: {collection_name: fabfile}")
    return tmp_path


def run(variables, *words, command=None):
    """Run `./invoke` with some variables more (or, by None, less)."""
    merged = {name: value for name, value in {**os.environ, **variables}.items() if value is not None}
    command = command or [str(ROOT / "invoke")]
    return subprocess.run(
        [*command, *(words or ("graph",))], env=merged, cwd="/", capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONPATH": "{}"},
        {"PYTHONHOME": "{}"},
        {"PYTHONSTARTUP": "{}/sitecustomize.py", "PYTHONINSPECT": ""},
        {"PYTHONPLATLIBDIR": "elsewhere", "PYTHONUSERBASE": "{}", "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": ""},
        {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "PYTHONDEVMODE": "1"},
        {"PYTHONIOENCODING": "no-such-encoding"},
        {"HOME": "{}"},
        {"HOME": "/nowhere", "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": "{}"},
        {"HOME": None, "USER": None, "LOGNAME": None},
        {"INVOKE_TASKS_COLLECTION_NAME": "fabfile", "INVOKE_DEBUG": "1", "INVOKE_RUNTIME_CONFIG": "{}/none.yaml"},
        {"VIRTUAL_ENV": "{}", "CONDA_PREFIX": "{}", "__PYVENV_LAUNCHER__": "{}/python"},
        {"TMPDIR": "/nowhere", "CDPATH": "/usr:/", "ENV": "{}/none", "IFS": "o"},
        {"TERM": None, "COLUMNS": "x"},
        {"AWS_PROFILE": "none", "AWS_CONFIG_FILE": "{}", "PULUMI_STACK": "x", "http_proxy": "http://127.0.0.1:9"},
    ],
    ids=",".join,
)
def test_the_users_variables_change_nothing(variables, elsewhere, drawn):
    answer = run({name: value and value.format(elsewhere) for name, value in variables.items()})
    assert (answer.stdout, answer.stderr, answer.returncode) == (drawn, "", 0)
    assert "data/payments" in drawn


@pytest.mark.parametrize("steps", [1, 3])
def test_a_link_to_the_command_is_the_command(tmp_path, drawn, steps):
    target = ROOT / "invoke"
    for step in range(steps):
        link = tmp_path / f"link {step}"
        link.symlink_to(os.path.relpath(target, tmp_path) if step % 2 else target)
        target = link
    assert run({}, command=[str(target)]).stdout == drawn
    assert run({"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}, command=[target.name]).stdout == drawn


def test_a_checkout_is_one_whichever_path_leads_to_it(tmp_path):
    (tmp_path / "link").symlink_to(ROOT)
    script = f"import os, sys; sys.argv = ['invoke']; exec({PATHS!r})"
    said = {
        subprocess.check_output(
            ["sh", "-c", f'cd "{root}" && exec .venv/bin/python -I -X utf8 -c "$1"', "sh", script], text=True
        )
        for root in (ROOT, tmp_path / "link")
    }
    assert len(said) == 1, said


PATHS = """
from shared.root import ROOT
from sandbox import sources
print(ROOT, sources.digest("sandbox/cloud"))
"""


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "ascii:strict"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}],
)
def test_a_terminal_without_our_characters_gets_ascii(variables, drawn):
    answer = run({"PYTHONUTF8": None, **variables})
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.isascii()
    assert answer.stdout == drawn.replace("└", "`")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8", "hex", "rot13", "undefined", "idna"])
def test_an_error_with_any_character_is_one_line(encoding):
    answer = run({"PYTHONIOENCODING": encoding}, "graph", "--environment", "ağ-🏦")
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "1>/dev/full", "2>/dev/full"])
def test_outputs_that_are_closed_or_full_end_in_no_traceback(closing):
    answer = run({}, command=["sh", "-c", f'"$0" graph {closing}', str(ROOT / "invoke")])
    assert "Traceback" not in answer.stderr
    assert answer.returncode == int("1>/dev/full" in closing)
    assert ("No space left on device" in answer.stderr) == ("1>/dev/full" in closing)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("simulate", "--seeds", "x"), "error: --seeds: "),
        (("simulate", "--seed", "1.5"), "error: --seed: "),
        (("bench.tricks", "--rounds", ""), "error: --rounds: "),
        (("nothing",), "error: there is no task nothing: ./invoke lists them"),
        (("deploy-al",), "there is no task deploy-al, but deploy-all: "),
        (("graph", "--nothing"), "graph has no option --nothing: ./invoke --help graph lists them"),
        (("graph", "--enviroment", "x"), "graph has no option --enviroment, but --environment: "),
        (("graph", "--environment"), "error: --environment needs a value: ./invoke --help graph explains it"),
        (("graph", "--json", "false"), "false"),
        (("deploy", "--layer", "network", "--layer", "data"), "error: --layer is given twice: ./invoke --help deploy "),
        (("plan", "--layer=network", "--layer=data"), "error: --layer is given twice: "),
        (("readiness", "--environment", "payments", "--environment", "trading"), "error: --environment is given twice"),
        (("deploy", "--layer", "network", "--layer", "graph"), "error: --layer is given twice: "),
        (("deploy", "--layer", "network", "--layer"), "error: --layer is given twice: "),
    ],
)
def test_a_word_that_is_none_is_one_line(words, said):
    answer = run({}, *words)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert said in answer.stderr


@pytest.fixture
def checkout(tmp_path):
    """What starts a task, and a virtualenv of its own that only looks like one."""
    for name in ("invoke", "tools", "tasks.py", "requirements.lock", "shared", "orchestration", "engine"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, tmp_path / name)
    (tmp_path / "environments").symlink_to(ROOT / "environments")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


@pytest.mark.parametrize("file", ["tasks.py", "shared/contracts.py", "orchestration/graph.py", "shared/environment.py"])
@pytest.mark.parametrize("text", [b"\n\ndef (:\n", b"\n\nname = '\xe9'\n", b"\n\nif True:\nnothing\n"])
def test_a_module_of_ours_that_is_no_python_is_named_with_its_line(checkout, file, text):
    (checkout / file).write_bytes(text)
    answer = run({}, command=[str(checkout / "invoke")])
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith(f"error: {file}:")


@pytest.mark.parametrize("file", ["tasks.py", "shared/contracts.py", "orchestration/graph.py", "shared/environment.py"])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import no_such.module", "ModuleNotFoundError: No module named 'no_such'"),
        ("from shared.roles import Nothing", "ImportError: cannot import name 'Nothing'"),
        ("nothing.at_all", "NameError: name 'nothing' is not defined"),
        ("class Wrong:\n    value = 1 / 0", "ZeroDivisionError: division by zero"),
        ("int('\\n')", "ValueError: invalid literal"),
    ],
)
def test_a_module_of_ours_that_cannot_be_imported_is_named_with_its_line(checkout, file, line, said):
    text = (checkout / file).read_text()
    (checkout / file).write_text(f"{text}\n{line}\n")
    answer = run({}, command=[str(checkout / "invoke")])
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    last = len(text.splitlines()) + 1 + line.count("\n") + 1
    assert answer.stderr.startswith(f"error: {file}:{last}: {said}")


@pytest.mark.parametrize("name", ["PYTEST_ADDOPTS", "MYPYPATH", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"])
def test_what_sets_up_another_project_or_repository_reaches_no_task(checkout, name):
    """As in a hook of git."""
    text = "import os\n\nfrom invoke.tasks import task\n\n\n@task\ndef graph(_):\n    print(*sorted(os.environ))\n"
    (checkout / "tasks.py").write_text(text)
    answer = run({name: "/nowhere", "GIT_SSH": "ssh"}, command=[str(checkout / "invoke")])
    assert answer.returncode == 0, answer.stderr
    assert name not in answer.stdout.split()
    assert "GIT_SSH" in answer.stdout.split()


def test_an_error_of_what_runs_keeps_its_traceback(checkout):
    """It is a defect of ours, and whoever mends it needs all of it."""
    (checkout / "tasks.py").write_text("from invoke.tasks import task\n\n\n@task\ndef graph(_):\n    1 / 0\n")
    answer = run({}, command=[str(checkout / "invoke")])
    assert "Traceback" in answer.stderr
    assert "ZeroDivisionError" in answer.stderr


def stopped(after):
    """How a task that would go on for long ends by Ctrl-C after some seconds, and what it says."""
    began = subprocess.Popen(
        [ROOT / "invoke", "simulate", "--seeds", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(after)
    os.killpg(began.pid, signal.SIGINT)
    try:
        _, said = began.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(began.pid, signal.SIGKILL)
        raise
    return began.returncode, said


@pytest.mark.parametrize("after", [0.02, 0.05, 0.1, 0.2, 0.4])
def test_ctrl_c_at_any_moment_of_the_start_is_130_and_one_word(after):
    """It may be later here than on an idle machine, but it is early.

    Where one program takes the place of another, for less than a millisecond, and before the first of them has begun,
    the signal ends it as it ends any command: without a word, and shells say 130. That is not always so.
    """
    for _ in range(5):
        code, said = stopped(after)
        assert "Traceback" not in said
        if code != -signal.SIGINT:
            break
        assert said == ""
    assert code == 130
    assert said.splitlines()[-1].endswith("interrupted")


class TestVirtualenv:
    @pytest.fixture
    def made(self, tmp_path, monkeypatch):
        """A virtualenv as it is at the end of its set-up."""
        packages = tmp_path / ".venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        packages.mkdir(parents=True)
        for name in ("checkout.pth", "one", "two"):
            (packages / name).touch()
        paths = {
            "LOCK": tmp_path / "requirements.lock",
            "STAMP": tmp_path / ".venv" / "requirements.lock",
            "INSTALLED": tmp_path / ".venv" / "installed.txt",
            "SETTINGS": tmp_path / ".venv" / "pyvenv.cfg",
            "PACKAGES": packages,
        }
        for name, path in paths.items():
            monkeypatch.setattr(virtualenv, name, str(path))
        paths["LOCK"].write_text("one==1\n")
        paths["STAMP"].write_text("one==1\n")
        paths["INSTALLED"].write_text("checkout.pth\none\ntwo")
        paths["SETTINGS"].write_text("home = /usr/bin\n")
        return paths

    def test_is_current_when_all_is_there(self, made):
        assert virtualenv.current()

    def test_is_stale_but_whole_under_another_lock(self, made):
        made["LOCK"].write_text("one==2\n")
        assert virtualenv.whole()
        assert not virtualenv.current()

    @pytest.mark.parametrize("gone", ["two", "checkout.pth"])
    def test_is_not_whole_without_a_package(self, made, gone):
        (made["PACKAGES"] / gone).unlink()
        assert not virtualenv.whole()

    @pytest.mark.parametrize("settings", [b"", b"hom", b"include-system-site-packages = false\n", b"\0\xff\n"])
    def test_is_not_whole_without_a_home(self, made, settings):
        made["SETTINGS"].write_bytes(settings)
        assert not virtualenv.whole()

    def test_is_not_whole_before_its_end(self, made):
        made["STAMP"].unlink()
        assert not virtualenv.whole()
        assert not virtualenv.current()

    def test_is_not_whole_for_another_interpreter(self, made, monkeypatch):
        monkeypatch.setattr(virtualenv, "PACKAGES", str(made["PACKAGES"]).replace("python3.", "python9."))
        assert not virtualenv.whole()
