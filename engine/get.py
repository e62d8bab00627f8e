"""Where an engine comes from when PATH has none: Pulumi's own installer, or its Go modules.

Each source puts `bin/pulumi` into a folder it is given and returns the version. It raises SourceUnavailable when this
machine cannot use it, so that the next one is tried, and OSError when the folder cannot take it.
"""

from __future__ import annotations

import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.events import last_line
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Source = Callable[[Path, int, Callable[[str], None]], str]

DOWNLOADS = "https://get.pulumi.com/latest-version"
CONNECT_TIMEOUT = 10  # seconds
DOWNLOAD_TIMEOUT = 300  # seconds, for about 100 MB
PROGRESS_INTERVAL = 10  # seconds between two lines about a build

MODULES = Path(__file__).with_name("pulumi-cli")
MAIN_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"

_INSTALL = (
    "import sys; from pulumi.automation import PulumiCommand; print(PulumiCommand.install(root=sys.argv[1]).version)"
)


GO_KEPT = frozenset(
    [
        "GOPROXY",
        "GONOPROXY",
        "GOPRIVATE",
        "GOSUMDB",
        "GONOSUMDB",
        "GONOSUMCHECK",
        "GOINSECURE",
        "GOAUTH",
        "GOVCS",
        "GOROOT",
        "GOPATH",
        "GOMODCACHE",
        "GOCACHE",
        "GOTMPDIR",
        "GOMAXPROCS",
        "GODEBUG",
    ]
)

_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
HOST = {"GOOS": sys.platform, "GOARCH": _PROCESSORS[platform.machine()]} if platform.machine() in _PROCESSORS else {}
"""This machine in Go's words."""


class SourceUnavailable(Exception):
    """This source cannot be used here; the text is a phrase that says why."""


def install_official(place: Path, lock: int, tell: Callable[[str], None]) -> str:  # noqa: ARG001 - Source
    """Have the SDK's installer download the release that goes with the SDK."""
    if reason := unreachable(DOWNLOADS):
        raise SourceUnavailable(f"Pulumi's downloads cannot be reached ({reason})")
    tell("downloading the Pulumi engine from get.pulumi.com")
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _INSTALL, str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # the installer is a script that starts others: all of them end together
    )
    try:
        output, errors = process.communicate(timeout=DOWNLOAD_TIMEOUT)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise SourceUnavailable(f"Pulumi's installer took more than {DOWNLOAD_TIMEOUT} s") from None
        raise
    if process.returncode:
        raise SourceUnavailable(f"Pulumi's installer failed ({last_line(errors) or last_line(output)})")
    return last_line(output)


def unreachable(url: str) -> str:
    """Why the URL cannot be reached within CONNECT_TIMEOUT; "" when it can.

    In a thread, because looking up a name has no time-out of its own. Proxies are honoured, as by the installer.
    """
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def probe() -> None:
        try:
            urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT).close()  # noqa: S310 - a constant of ours, https
        except urllib.error.HTTPError:
            answers.put("")  # it answered
        except urllib.error.URLError as error:
            answers.put(str(error.reason))
        except (OSError, ValueError) as error:
            answers.put(str(error))
        else:
            answers.put("")

    threading.Thread(target=probe, daemon=True).start()
    try:
        return answers.get(timeout=CONNECT_TIMEOUT)
    except queue.Empty:
        return f"no answer in {CONNECT_TIMEOUT} s"


def build(place: Path, lock: int, tell: Callable[[str], None]) -> str:
    """Build the version that pulumi-cli/go.mod names, with the Go that is installed. About two minutes."""
    go = shutil.which("go")
    if go is None:
        raise SourceUnavailable("Go, which could build one, is not installed")
    version = _module_version((MODULES / "go.mod").read_text())
    executable = place / "bin" / "pulumi"
    command = [
        *(go, "build", "-v", "-trimpath", "-mod=readonly", "-buildvcs=false", "-o", str(executable)),
        *("-ldflags", f"-s -w -X {VERSION_VARIABLE}=v{version}", MAIN_PACKAGE),
    ]
    tell(f"building the Pulumi engine {version} from its Go modules, once on this machine: about two minutes")
    with subprocess.Popen(
        command,
        cwd=MODULES,
        env=_go_variables(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[lock],
    ) as compiler:
        try:
            lines = _follow(compiler, tell)
        except BaseException:
            compiler.kill()
            raise
    if compiler.returncode:
        raise Problem(f"the Pulumi engine cannot be built from its Go modules: {_cause(lines)}")
    return version


def _follow(compiler: subprocess.Popen[str], tell: Callable[[str], None]) -> list[str]:
    """The compiler's lines; `go build -v` names each package as it is done."""
    started = told = time.monotonic()
    lines = []
    for line in compiler.stderr or ():
        lines.append(line.rstrip())
        now = time.monotonic()
        if now - told > PROGRESS_INTERVAL:
            told = now
            tell(f"building the Pulumi engine: {len(lines)} packages in {now - started:.0f} s")
    return lines


def _go_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The user's own, without what could turn this build into another one; from where modules come is the user's."""
    return {
        **{name: value for name, value in variables.items() if not name.startswith("GO") or name in GO_KEPT},
        "GOTOOLCHAIN": "local",  # the Go that is here, or a plain error: no download of another
        "GOFLAGS": "-mod=readonly",  # instead of those that `go env -w` has set
        **HOST,  # instead of another machine's that `go env -w` has set
        "GOWORK": "off",
        "CGO_ENABLED": "0",  # needs no C compiler, and the result no library of this machine
    }


def _cause(lines: list[str]) -> str:
    """The line that tells most: a full disk is reported once for each package that meets it."""
    full = next((line for line in lines if "no space left" in line), "")
    if full:
        return "no space left on device; free about 3 GB (Go's caches and TMPDIR count), and run this again"
    return next((line for line in reversed(lines) if line), "Go says nothing; run this again")


def _module_version(go_mod: str) -> str:
    found = re.search(r"github\.com/pulumi/pulumi/pkg/v3 v(\S+)", go_mod)
    if found is None:
        raise Problem(f"{MODULES / 'go.mod'} names no version of github.com/pulumi/pulumi/pkg/v3; restore it from git")
    return found[1]


SOURCES: Mapping[Literal["installer", "built"], Source] = {"installer": install_official, "built": build}
"""In the order in which they are tried."""
