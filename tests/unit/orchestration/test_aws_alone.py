"""A run against AWS loads nothing of the sandbox and leaves nothing of it, from `./invoke` to the engine's start.

The whole command runs in a copy of the checkout. AWS answers only who its caller is, and the engine only its version.
"""

from __future__ import annotations

import os
import shlex
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.root import ROOT
from tools import checkout

pytestmark = pytest.mark.xdist_group("aws alone")  # one copy of the checkout for all

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/someone</Arn><UserId>AIDA</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""

ENGINE = """#!/bin/sh
echo "$1" >> {asked}
[ "$1" = version ] && echo v3.272.0 && exit
echo 'encryptionsalt: v1:salt' > "$PULUMI_OPTION_CONFIG_FILE"
echo 'this engine deploys nothing' >&2
exit 1
"""

WATCH = """
import atexit, os, sys
from pathlib import Path
atexit.register(lambda: Path(os.environ["SEEN"], str(os.getpid())).write_text("\\n".join(sys.modules)))
"""
"""Has every Python process say at its end what it imported, by whatever means."""

TASKS = {
    "deploy-all --yes": ("preview", "this engine deploys nothing"),
    "pay": ("", "not deployed in AWS account 123456789012"),
    "preview-all": ("preview", "this engine deploys nothing"),
    "drift": ("", "is not deployed"),
    "destroy-all --yes": ("", "was not deployed"),
    "outputs": ("", "not deployed in AWS account 123456789012"),
}
"""What the engine is asked by each task, and how the task ends: as far as it comes without an account."""
SAMPLE = ("deploy-all --yes", "pay")


class Sts(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(IDENTITY)))
        self.end_headers()
        self.wfile.write(IDENTITY)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def sts():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A checkout whose environment has names of its own."""
    house = checkout.copy(ROOT, tmp_path_factory.mktemp("aws") / "house")
    settings = house.root / "environments" / "payments.yaml"
    settings.write_text(settings.read_text().replace("example.com", "ours.dev"))
    return house


@pytest.mark.parametrize(
    "task", [task if task in SAMPLE else pytest.param(task, marks=pytest.mark.prove) for task in TASKS]
)
def test_a_run_against_aws_does_without_the_sandbox(house, sts, tmp_path, task):
    question, end = TASKS[task]
    engine, asked, states, seen = (tmp_path / name for name in ("bin/pulumi", "asked", "states", "seen"))
    for folder in (engine.parent, states, seen):
        folder.mkdir()
    engine.write_text(ENGINE.format(asked=asked))
    engine.chmod(0o755)
    (packages,) = (house.root / ".venv").glob("lib/python3*/site-packages")
    (packages / "sitecustomize.py").write_text(WATCH)
    shutil.rmtree(house.root / ".runs", ignore_errors=True)

    running = house.start(
        *shlex.split(task),
        "--target=aws",
        PATH=f"{engine.parent}{os.pathsep}{os.environ['PATH']}",
        PULUMI_BACKEND_URL=states.as_uri(),
        PULUMI_CONFIG_PASSPHRASE="right",
        AWS_ENDPOINT_URL_STS=sts,
        AWS_ACCESS_KEY_ID="somebody",
        AWS_SECRET_ACCESS_KEY="secret",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        SEEN=str(seen),
    )
    output, told = running.communicate(timeout=120)

    assert end in output + told
    assert not question or question in asked.read_text().split()
    imported = {name for process in seen.iterdir() for name in process.read_text().splitlines()}
    assert {"orchestration.commands", "orchestration.targets.aws", "botocore.session"} <= imported
    assert {name for name in imported if "sandbox" in name.split(".")} == set()
    assert not (house.root / ".sandbox").exists()
