"""What `./invoke test` and `./invoke prove` run: lint, format, arrows, types, then the tests, whose line comes last."""

from __future__ import annotations

import subprocess
import sys
import time

from shared.root import ROOT

STATIC = {
    "lint": ("ruff", "check", "--quiet", "."),
    "format": ("ruff", "format", "--quiet", "--check", "."),
    "arrows": ("tools.arrows",),
    "types": ("mypy", "--no-error-summary", "."),
    "SDK types": ("pyrefly", "check", "--summary=none", f"--python-interpreter-path={sys.executable}"),
}
WORKERS = "2"  # the end-to-end tests keep one core busy, the rest share the other


def static() -> list[str]:
    """Run the checks that read the sources; return the names of those that failed, after printing what they say."""
    began = time.monotonic()
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name, words in STATIC.items()
    }
    failed = []
    for name, process in running.items():
        said, _ = process.communicate()
        if process.returncode:
            failed.append(name)
            print(said.rstrip())
    verdict = f"failed: {', '.join(failed)}" if failed else "clean"
    print(f"{', '.join(running)}: {verdict} ({time.monotonic() - began:.0f} s)")
    return failed


def run(*, prove: bool = False, only: str = "") -> int:
    """Check the sources and run the tests (all at full length with `prove`). Returns the exit code."""
    failed = static()
    selection = ["-m", "prove" if prove else "not prove"]
    if only:
        selection += ["-k", only]
    sys.stdout.flush()
    spread = [] if prove else ["-n", WORKERS, "--dist", "loadgroup"]
    tests = subprocess.run([sys.executable, "-m", "pytest", *spread, *selection], cwd=ROOT, check=False)
    return tests.returncode or bool(failed)
