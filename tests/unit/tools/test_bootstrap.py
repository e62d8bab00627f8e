"""What the user has set up about installing: from where packages come stays, where they would go does not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import bootstrap

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
LEFT_OUT += ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE")


def listed(**settings):
    """What `pip config list` says."""
    return "".join(f"{name.replace('__', '.').replace('_', '-')}={value!r}\n" for name, value in settings.items())


@given(given=st.dictionaries(st.sampled_from([*KEPT, *LEFT_OUT, "HOME", "PATH"]), st.text("ab", max_size=2)))
def test_what_decides_where_packages_go_is_left_out_and_all_else_stays(given):
    made = bootstrap.variables(given, "")
    assert not set(LEFT_OUT) & made.keys()
    assert {name: value for name, value in given.items() if name not in LEFT_OUT}.items() <= made.items()


def test_the_index_of_pips_own_configuration_serves_pip_and_uv():
    told = listed(
        global__index_url=INDEX,
        global__cert="/etc/ssl/own.pem",
        install__user="true",
        install__target="/nowhere",
        global__trusted_host="a.example.com\nb.example.com",
    )
    made = bootstrap.variables({}, told)
    assert made["PIP_INDEX_URL"] == made["UV_DEFAULT_INDEX"] == INDEX
    assert made["PIP_CERT"] == made["SSL_CERT_FILE"] == "/etc/ssl/own.pem"
    assert made["UV_INSECURE_HOST"] == "a.example.com b.example.com"
    assert not {"PIP_USER", "PIP_TARGET"} & made.keys()
    assert made["PIP_CONFIG_FILE"] == os.devnull  # what it says beside that is not read again


def test_what_comes_later_in_pips_configuration_wins_and_uvs_own_wins_over_it():
    told = listed(global__index_url="https://first.example.com") + f":env:.index-url={INDEX!r}\n"
    assert bootstrap.variables({}, told)["UV_DEFAULT_INDEX"] == INDEX
    own = bootstrap.variables({"UV_DEFAULT_INDEX": "https://own.example.com"}, told)
    assert (own["UV_DEFAULT_INDEX"], own["PIP_INDEX_URL"]) == ("https://own.example.com", INDEX)


@pytest.mark.parametrize("text", ["", "nothing of the kind", "global.index-url", "global.user='true'\n"])
def test_a_configuration_without_an_index_is_none(text):
    assert bootstrap.variables({}, text).keys() == {"PIP_CONFIG_FILE", "PYTHONUTF8"}


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
