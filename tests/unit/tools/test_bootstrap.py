"""What the user has set up about installing: from where packages come stays, where they would go does not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import bootstrap, package_sources

INDEX = "https://packages.example.com/simple"
KEPT = {
    "http_proxy": "http://proxy.example.com:3128",
    "SSL_CERT_FILE": "/etc/ssl/own.pem",
    "UV_DEFAULT_INDEX": INDEX,
    "UV_INDEX_URL": INDEX,
    "UV_EXTRA_INDEX_URL": INDEX,
    "UV_INDEX_OWN_USERNAME": "reader",
    "UV_INDEX_OWN_PASSWORD": "word",
    "UV_INSECURE_HOST": "packages.example.com",
    "UV_HTTP_TIMEOUT": "60",
    "UV_CACHE_DIR": "/var/cache/uv",
}
LEFT_OUT = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_NO_DEPS", "PIP_DRY_RUN")
LEFT_OUT += ("PIP_CONSTRAINT", "PIP_REQUIREMENT", "PIP_NO_BINARY", "PIP_PYTHON", "PIP_BREAK_SYSTEM_PACKAGES")
LEFT_OUT += (
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
    "UV_PREFIX",
    "UV_NO_BINARY",
    "UV_EXCLUDE_NEWER",
    "UV_OFFLINE",
)
LEFT_OUT += ("UV_CONSTRAINT", "UV_BREAK_SYSTEM_PACKAGES", "UV_NO_BUILD", "UV_CONFIG_FILE", "UV_PROJECT_ENVIRONMENT")
LEFT_OUT += ("UV_PROJECT", "UV_WORKING_DIR", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's home and what names it; the machine itself has no settings."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(package_sources, "MACHINE", tmp_path / "etc")
    return tmp_path, {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "machine")}


def write(home, place, text):
    file = home[0] / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def of_uv(given):
    """What uv is told, by its file."""
    return tomllib.loads(package_sources.uv_file(given, package_sources.of_pip(given)))


def of_everybody(given):
    return package_sources.variables(given, package_sources.of_pip(given))


@given(given=st.dictionaries(st.sampled_from([*KEPT, *LEFT_OUT, "HOME", "PATH"]), st.text("ab", max_size=2)))
def test_what_decides_where_packages_go_is_left_out_and_all_else_stays(given):
    made = package_sources.variables(given, {})
    assert not set(LEFT_OUT) & made.keys()
    assert {name: value for name, value in given.items() if name not in LEFT_OUT}.items() <= made.items()


def test_the_index_of_pips_own_configuration_serves_pip_and_uv(home):
    said = f"[global]\nindex-url = {INDEX}\ncert = /etc/ssl/own.pem\ntrusted_host = a.example.com\n    b.example.com\n"
    write(home, ".config/pip/pip.conf", f"{said}[install]\nuser = true\ntarget = /nowhere\n")
    made = of_everybody(home[1])
    assert made["PIP_INDEX_URL"] == INDEX
    assert made["PIP_CERT"] == made["SSL_CERT_FILE"] == "/etc/ssl/own.pem"
    assert of_uv(home[1]) == {"index-url": INDEX, "allow-insecure-host": ["a.example.com", "b.example.com"]}
    assert not {"PIP_USER", "PIP_TARGET"} & made.keys()
    assert made["PIP_CONFIG_FILE"] == os.devnull  # what it says beside that is not read again


def test_pips_index_serves_uv_where_there_is_no_pip(home, set_up, monkeypatch):
    """uv is on PATH, and Debian's Python has neither pip nor ensurepip: nobody can be asked for pip's configuration."""
    monkeypatch.setattr(os, "environ", {**home[1], "PATH": "/bin", "PIP_INDEX_URL": INDEX})
    made, _ = set_up({"uv"})
    made._uv()
    assert made._variables["PIP_INDEX_URL"] == INDEX
    assert of_uv(os.environ) == {"index-url": INDEX}


def test_a_user_who_has_no_index_at_all_has_none_in_uv_either(home):
    """uv has no variable for it."""
    write(home, ".pip/pip.conf", "[global]\nno-index = true\nfind-links = /wheels /more\n")
    assert of_uv(home[1]) == {"no-index": True, "find-links": ["/wheels", "/more"]}
    assert of_uv({**home[1], "PIP_NO_INDEX": "0"}) == {"find-links": ["/wheels", "/more"]}
    assert "no-index" not in of_uv({**home[1], "UV_DEFAULT_INDEX": INDEX})


def test_what_comes_later_in_pips_configuration_wins_and_uvs_own_wins_over_it(home):
    other = "https://first.example.com"
    write(home, "machine/pip/pip.conf", f"[global]\nindex-url = {other}/machine\n")
    write(home, ".config/pip/pip.conf", f"[global]\nindex-url = {other}\n")
    assert of_uv(home[1]) == {"index-url": other}
    write(home, ".config/pip/pip.conf", f"[install]\nindex-url = {other}/install\n[global]\nindex-url = {other}\n")
    assert of_uv(home[1]) == {"index-url": f"{other}/install"}
    named = write(home, "mine.conf", f"[install]\nindex-url = {other}/named\n")
    assert of_uv({**home[1], "PIP_CONFIG_FILE": str(named)}) == {"index-url": f"{other}/named"}
    assert of_uv({**home[1], "PIP_CONFIG_FILE": os.devnull}) == {}
    given = {**home[1], "PIP_INDEX_URL": INDEX}
    assert of_uv(given) == {"index-url": INDEX}
    write(home, ".config/uv/uv.toml", f'[[index]]\nurl = "{other}/uv"\ndefault = true\n')
    assert of_uv(given) == {"index": [{"url": f"{other}/uv", "default": True}], "pip": {}}
    assert of_everybody(given)["PIP_INDEX_URL"] == INDEX


UV_SETTINGS = f"""
required-version = "==0.0.1"
exclude-newer = "2001-01-01"
native-tls = true
keyring-provider = "subprocess"
allow-insecure-host = ["packages.example.com"]
index-strategy = "unsafe-best-match"
find-links = ["wheels", "/else\\"where\\u007fü", "https://example.com/links"]
[[index]]
name = "own"
url = "{INDEX}"
authenticate = "always"
default = true
[pip]
target = "/x"
system = true
python = "3.9"
no-index = false
"""


def test_of_uvs_own_settings_only_those_about_indexes_reach_it(home):
    (home[0] / ".config" / "uv" / "wheels").mkdir(parents=True)
    write(home, ".config/uv/uv.toml", UV_SETTINGS)
    assert of_uv(home[1]) == {
        "native-tls": True,
        "keyring-provider": "subprocess",
        "allow-insecure-host": ["packages.example.com"],
        "index-strategy": "unsafe-best-match",
        "find-links": [str(home[0] / ".config" / "uv" / "wheels"), '/else"where\x7fü', "https://example.com/links"],
        "index": [{"name": "own", "url": INDEX, "authenticate": "always", "default": True}],
        "pip": {"no-index": False},
    }


def test_the_machines_settings_of_uv_count_where_the_user_has_none_of_his_own(home):
    write(home, "machine/uv/uv.toml", f'index-url = "{INDEX}"\nno-index = true\n')
    write(home, ".config/uv/uv.toml", "no-index = false\n")
    assert of_uv(home[1]) == {"index-url": INDEX, "no-index": False, "pip": {}}
    named = write(home, "own.toml", "no-index = true\n")
    assert of_uv({**home[1], "UV_CONFIG_FILE": str(named)}) == {"no-index": True, "pip": {}}
    assert of_uv({**home[1], "UV_NO_CONFIG": "1"}) == {}


@pytest.mark.parametrize("place", [".config/uv/uv.toml", ".config/pip/pip.conf"])
@pytest.mark.parametrize("content", [b"no-index", b"= 1", b"\xff\xfe", b"a = " + b"[" * 5000, None])
def test_settings_that_cannot_be_read_are_ignored_in_one_line(home, place, content, capsys):
    if content is None:
        (home[0] / place).mkdir(parents=True)
    else:
        write(home, place, content)
    assert of_uv(home[1]) == {}
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{place} cannot be read" in said


def test_uv_takes_the_file_and_nothing_else(home, tmp_path):
    """Neither what a project in the user's folder says, nor what he has set up for his own virtualenvs."""
    write(home, ".config/uv/uv.toml", UV_SETTINGS)
    write(home, "work/uv.toml", "broken [")
    write(home, "work/pyproject.toml", '[tool.uv]\nrequired-version = "==0.0.1"\n')
    file = write(home, "ours.toml", package_sources.uv_file(home[1], package_sources.of_pip(home[1])))
    command = [sys.executable, "-m", "uv", "--config-file", file, "pip", "freeze", "--python", sys.executable]
    for folder in (home[0] / "work", bootstrap.ROOT):
        variables = {**of_everybody(home[1]), "UV_NO_CACHE": "1", "TMPDIR": str(tmp_path)}
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "pytest==" in done.stdout


def test_every_step_runs_in_the_checkout_without_the_users_files(home, monkeypatch):
    monkeypatch.setattr(os, "environ", {**home[1], "PATH": "/bin", "UV_CONFIG_FILE": "/nowhere"})
    ran = []
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(subprocess, "run", lambda command, **how: ran.append((how["cwd"], how["env"])) or done)
    with (home[0] / "lock").open("w") as lock:
        made = bootstrap.SetUp(lock)
        made._answers("pip")
        made._run("a step", "uv")
    for folder, variables in ran:
        assert folder == bootstrap.ROOT
        assert (variables["UV_NO_CONFIG"], variables["PIP_CONFIG_FILE"]) == ("1", os.devnull)
        assert "UV_CONFIG_FILE" not in variables


def test_paths_count_from_where_the_user_is(home, monkeypatch):
    (home[0] / "wheels").mkdir()
    monkeypatch.chdir(home[0])
    there = str(home[0] / "wheels")
    made = of_everybody(
        {**home[1], "UV_FIND_LINKS": "wheels,gone", "SSL_CERT_DIR": "./wheels", "UV_INDEX": "own=wheels a"}
    )
    assert made["UV_FIND_LINKS"] == f"{there},gone"
    assert made["SSL_CERT_DIR"] == there
    assert made["UV_INDEX"] == f"own={there} a"
    made = of_everybody({**home[1], "PIP_FIND_LINKS": "wheels https://example.com/x"})
    assert made["PIP_FIND_LINKS"] == f"{there} https://example.com/x"


@pytest.mark.parametrize("text", ["", "[freeze]\nindex-url = x\n", "[global]\nindex-url =\n", "[global]\nuser = 1\n"])
def test_a_configuration_without_an_index_is_none(home, text):
    write(home, ".pip/pip.conf", text)
    assert package_sources.variables({}, package_sources.of_pip(home[1])).keys() == {
        "PIP_CONFIG_FILE",
        "UV_NO_CONFIG",
        "PYTHONUTF8",
    }
    assert package_sources.of_pip(home[1]) == {}
    assert of_uv(home[1]) == {}


@pytest.mark.parametrize(
    ("there", "used", "step"),
    [
        ({"pip inside", "ensurepip", "uv", "pip outside"}, ".venv", ["getting uv"]),
        ({"ensurepip", "uv", "pip outside"}, ".venv", ["making .venv", "getting uv"]),
        ({"uv", "pip outside"}, "/bin/uv", []),
        ({"pip outside"}, ".venv", ["getting uv"]),
    ],
)
def test_a_python_that_lacks_ensurepip_installs_with_what_else_there_is(set_up, there, used, step):
    """As Debian's, without python3-venv."""
    made, ran = set_up(there)
    assert used in str(made._uv()[0])
    assert [name for name, _ in ran] == step
    assert ("--python" in str(ran)) is (there == {"pip outside"})


def test_where_nothing_can_install_one_line_says_what_to_install(set_up):
    with pytest.raises(SystemExit, match=r"^invoke: [^\n]*apt install python3-venv[^\n]*$"):
        set_up(set())[0]._uv()


@pytest.fixture
def set_up(monkeypatch, tmp_path):
    """A set-up on a machine that has some of what can install, and the steps that it runs."""
    ran = []

    def make(there):
        def answers(_, interpreter, *arguments):
            pip = "pip outside" if str(interpreter) == sys.executable else "pip inside"
            return "pip 24" if arguments[2:] == ("pip", "--version") and pip in there else ""

        monkeypatch.setattr(bootstrap.SetUp, "_answers", answers)
        monkeypatch.setattr(bootstrap.SetUp, "_run", lambda _, step, *command: ran.append((step, [*map(str, command)])))
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in there else None)
        monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in there else None)
        monkeypatch.setattr(bootstrap, "PYTHON", Path("/checkout/.venv/bin/python"))
        with (tmp_path / "lock").open("w") as lock:
            return bootstrap.SetUp(lock), ran

    return make
