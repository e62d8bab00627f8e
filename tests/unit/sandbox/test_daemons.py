"""A daemon of the sandbox is down when nothing of it runs any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from engine import sessions
from sandbox.layout import Layout
from sandbox.processes import Daemon

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
WITH_CHILD = f"""
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {DEAF!r}], stdout=subprocess.PIPE)
child.stdout.readline()
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print(child.pid, file=sys.stderr, flush=True)
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def daemon(tmp_path):
    layout = Layout(tmp_path)
    layout.run.mkdir(parents=True)
    daemon = Daemon("daemon", layout)
    yield daemon
    daemon.stop()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"1", b"[1]", b"{}", b"\xff", b"[" * 100_000, None),
        *(b'{"pid": "1"}', b'{"pid": [1]}', b'{"pid": -1}', b'{"pid": true}', b'{"pid": 1}', b'{"pid": 1.5}'),
        b'{"pid": 1' + b"0" * 400 + b"}",
    ],
    ids=range(16),
)
def test_a_damaged_record_is_of_no_daemon_and_ends_no_process(tmp_path, content, monkeypatch):
    """A signal to group 1 would end everybody's processes: none is really sent here, whatever the outcome."""
    layout, ended = Layout(tmp_path), []
    layout.run.mkdir(parents=True)
    daemon = Daemon("daemon", layout)
    monkeypatch.setattr(os, "kill", lambda *words: ended.append(words))
    monkeypatch.setattr(os, "killpg", lambda *words: ended.append(words))
    monkeypatch.setattr(sessions, "end", lambda *words: ended.append(words))
    if content is None:
        daemon.record.mkdir()
        assert daemon.pid() is None
        daemon.record.rmdir()
    else:
        daemon.record.write_bytes(content)
        assert daemon.pid() is None
        assert not daemon.stop()
    assert ended == []


@pytest.fixture
def slow_to_die(monkeypatch):
    """A killed process is there a little longer, as on a machine that is busy."""
    dying = []

    def slow(send):
        def signalled(target, number):
            if number != signal.SIGKILL:
                send(target, number)
            elif target not in dying:
                dying.append(target)
                threading.Timer(0.3, send, (target, number)).start()

        return signalled

    monkeypatch.setattr(os, "kill", slow(os.kill))
    monkeypatch.setattr(os, "killpg", slow(os.killpg))


def running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.usefixtures("slow_to_die")
@pytest.mark.parametrize("killed", [False, True])
def test_a_daemon_that_was_stopped_has_left_no_process(daemon, killed):
    daemon.start([sys.executable, "-c", WITH_CHILD], os.environ).wait()
    child, pid = int(daemon.log.read_text()), daemon.pid()
    if killed:
        subprocess.run(["kill", "-KILL", str(pid)], check=True)
        os.waitpid(pid, 0)
    assert running(child)
    assert daemon.stop() is not killed
    assert not running(child)
    assert not psutil.pid_exists(pid)
