"""What the sandbox lets in of the user's variables: what it knows, in our process and in those that we start."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import addresses, variables
from sandbox.layout import Layout

PORT = 20000
HOSTILE = {
    "AWS_PROFILE": "corp",
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_CA_BUNDLE": "/nowhere/bundle",
    "AWS_MAX_ATTEMPTS": "none",
    "AWS_RETRY_MODE": "none",
    "AWS_DEFAULTS_MODE": "none",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_DATA_PATH": "/nowhere",
    "AWS_SESSION_TOKEN": "token",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/corp",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "required",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9",
    "BOTO_CONFIG": "/nowhere/boto",
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "no_proxy": "example.com",
    "REQUESTS_CA_BUNDLE": "/nowhere/bundle",
    "PULUMI_DEBUG_PROVIDERS": "aws:1",
    "PULUMI_OPTION_TARGET": "nothing",
    "PULUMI_ACCESS_TOKEN": "pul-token",
    "PULUMI_BACKEND_URL": "https://api.pulumi.example.com",
    "PULUMI_CONFIG_PASSPHRASE": "another",
    "PULUMI_STACK": "another",
    "PULUMI_PYTHON_CMD": "/nowhere/python",
    "PYTHONPATH": "/nowhere",
    "GRPC_TRACE": "all",
    "GODEBUG": "nonsense=1",
}

BEGINNINGS = ("AWS_", "PULUMI_", "PYTHON", "GRPC_", "LC_", "SANDBOX_", "aws_", "")
names = st.tuples(st.sampled_from(BEGINNINGS), st.text("AB_", min_size=1, max_size=4)).map("".join)


@pytest.fixture
def settings(tmp_path):
    return variables.of(Layout(tmp_path), PORT)


@given(given=st.dictionaries(names | st.sampled_from([*HOSTILE, "HOME", "PATH", "LANG"]), st.text("ab/", max_size=3)))
def test_only_what_is_known_is_let_in(given):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", given)
        let_in = variables.inherited()
    assert let_in.items() <= given.items()
    assert not {name for name in let_in if name.startswith(("AWS_", "PULUMI_", "GRPC_", "BOTO"))}
    assert not {"PYTHONPATH", "http_proxy", "HTTPS_PROXY", "no_proxy"} & let_in.keys()
    assert {"HOME", "PATH", "LANG"} & given.keys() <= let_in.keys()


@pytest.mark.parametrize(("folder", "kept"), [("/", True), ("/nowhere", False), (__file__, False)])
def test_a_place_for_temporary_files_is_let_in_if_it_is_one(monkeypatch, folder, kept):
    monkeypatch.setenv("TMPDIR", folder)
    assert ("TMPDIR" in variables.inherited()) is kept


@pytest.mark.parametrize("plugins", ["official", "plain", ""])
def test_a_proxy_is_let_in_where_plugins_are_fetched(monkeypatch, plugins):
    monkeypatch.setenv("SANDBOX_PLUGINS", plugins)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert ("https_proxy" in variables.inherited()) is (plugins == "official")


SDK = """
import os, sys
from pathlib import Path
from sandbox import variables
from sandbox.layout import Layout
from orchestration.aws import Aws
settings = variables.of(Layout(Path(sys.argv[1])), int(sys.argv[2]))
variables.enter(settings)
for service in ("dynamodb", "secretsmanager", "sts", "s3", "lambda"):
    client = Aws(os.environ).client(service, "us-east-2")
    told = client.meta.endpoint_url, client._endpoint.http_session._proxy_config.proxy_url_for(client.meta.endpoint_url)
    credentials = client._request_signer._credentials
    print(*told, credentials.access_key, credentials.token, client.meta.config.retries["mode"])
"""


def test_the_sdk_in_our_own_process_meets_nothing_but_the_sandbox(tmp_path):
    said = subprocess.run(
        [sys.executable, "-c", SDK, str(tmp_path), str(PORT)],
        env={**os.environ, **HOSTILE, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert set(said.stdout.splitlines()) == {f"http://127.0.0.1:{PORT} None test None standard"}


def test_a_users_shell_leads_to_the_sandbox_alone(settings, monkeypatch):
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    script = f"{variables.shell(settings)}\nexec env -0"
    said = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=True).stdout
    left = dict(entry.split("=", 1) for entry in said.split("\0") if entry)
    leading = {
        name: value for name, value in left.items() if name.startswith(("AWS_", "PULUMI_", "BOTO", "PYTHONPATH"))
    }
    assert leading.items() <= settings.items()
    assert {"AWS_ENDPOINT_URL", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"} <= leading.keys()


@pytest.mark.parametrize("user", ["", "example.com, 10.0.0.1 ,", "127.0.0.1"])
def test_no_proxy_is_asked_for_the_sandboxs_own_addresses(tmp_path, monkeypatch, user):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, user)
    of = variables.of(Layout(tmp_path), PORT)
    for name in ("NO_PROXY", "no_proxy"):
        hosts = of[name].split(",")
        assert len(hosts) == len(set(hosts))
        for host in (addresses.AWS, "localhost", *(host for host, _ in addresses.endpoints(PORT).values())):
            assert proxy_bypass_environment(host, {"no": of[name]})
        assert {each.strip() for each in user.split(",")} - {""} <= set(hosts)
