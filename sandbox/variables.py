"""The environment variables with which the engine, the plugins and every AWS SDK work in the sandbox."""

from __future__ import annotations

import os
import pwd
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from engine.backend import without_attributes
from sandbox import addresses, decisions, quotas, tricks
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.layout import Layout

SHOWN = frozenset({"LANG", "LANGUAGE", "TZ", "TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR"})
LIBRARIES = frozenset({"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"})
"""Without them an interpreter that needs them does not start."""
PLACES = frozenset({"HOME", "USER", "LOGNAME", "SHELL", "PATH", "TMPDIR", "XDG_CACHE_HOME"})
PYTHONS = frozenset({"PYTHONUTF8", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"})
KEPT = SHOWN | LIBRARIES | PLACES | PYTHONS
"""The user's variables that are let in: where things are and how they are shown. What is not known here stays out, as
the SDK, the engine, its plugins, gRPC and Python each read dozens, and one is enough to lead to another cloud."""
KEPT_BEGINNINGS = ("LC_", "SANDBOX_")
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})
FETCHING = PROXIES | {"SSL_CERT_FILE", "SSL_CERT_DIR", "GITHUB_TOKEN"}
"""Let in beside them where the engine fetches Pulumi's own plugins."""

ASTRAY = ("AWS_", "PULUMI_")
"""How the variables begin that lead an SDK or an engine somewhere; in a user's shell those that are not ours go."""
REMOVED = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CA_BUNDLE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "BOTO_CONFIG", "PULUMI_ACCESS_TOKEN"),
    *("PULUMI_CONFIG_PASSPHRASE", "PULUMI_STACK", "PYTHONHOME", "PYTHONPATH"),
)
"""Those that go from a user's shell whether they are set or not."""

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""The account's administrator to the emulator, which does not verify his signature. Everybody else is bound by IAM."""

OPERATOR_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "operator", "AWS_SECRET_ACCESS_KEY": "operator"}
"""Of the user `payments-operator`, whom IAM binds: what moves clients is done by taking on the role for it."""

PLUGINS = "SANDBOX_PLUGINS"
"""The variable that asks for other plugins: `official`, or `plain`."""
PLAIN_PLUGINS_ASKED_FOR = f'[ "${PLUGINS}" = plain ]'
"""A shell's test: each plugin is to be a process of its own, although a host may be there."""


def official_plugins() -> bool:
    """Whether Pulumi's own AWS and random plugins are to be used instead of ours: SANDBOX_PLUGINS=official.

    Raises Problem for a word that the variable does not know.
    """
    asked = os.environ.get(PLUGINS, "")
    if asked not in {"", "official", "plain", "warm"}:
        raise Problem(f"{PLUGINS}={asked!r} is unknown: it is `official`, `plain` or `warm` (the default)")
    return asked == "official"


def inherited() -> dict[str, str]:
    """What works in the sandbox gets of this process's variables, beside the sandbox's own."""
    known = KEPT | FETCHING if official_plugins() else KEPT
    if not Path(os.environ.get("TMPDIR", os.sep)).is_dir():
        known -= {"TMPDIR"}  # Go takes it at its word, and cannot write there
    return {name: value for name, value in os.environ.items() if name in known or name.startswith(KEPT_BEGINNINGS)}


def enter(settings: Mapping[str, str]) -> None:
    """Let this process itself work in the sandbox and nowhere else: the AWS SDK in it reads the process's variables."""
    within = {**inherited(), **settings}
    os.environ.clear()
    os.environ.update(within)


def of(layout: Layout, port: int) -> dict[str, str]:
    """The variables of the sandbox, to be laid over those that are `inherited`."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return {
        "PULUMI_HOME": str(layout.pulumi_home),
        "PULUMI_BACKEND_URL": without_attributes(layout.backend.as_uri()),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(layout.passphrase),
        "PULUMI_OPTION_CONFIG_FILE": str(layout.stack_configuration),  # --config-file: nothing goes into the projects
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "false" if official_plugins() else "true",
        "PATH": os.pathsep.join([str(layout.bin), *(entry for entry in path if entry != str(layout.bin))]),
        "DNS_RESOLVERS": ":".join(map(str, addresses.dns(port))),
        "AWS_ENDPOINT_URL": addresses.url((addresses.AWS, port)),
        **CREDENTIALS,
        "AWS_REGION": addresses.REGIONS[0],
        "AWS_DEFAULT_REGION": addresses.REGIONS[0],
        "AWS_EC2_METADATA_DISABLED": "true",
        # An empty configuration: a user's own may name endpoints, profiles or credential programs.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **({tricks.VARIABLE: said} if (said := tricks.setting()) else {}),
        **({quotas.VARIABLE: said} if (said := quotas.setting()) else {}),
        **({decisions.VARIABLE: said} if (said := decisions.setting()) else {}),
        **_somebody(layout),
        **{name: _without_proxy(os.environ.get(name, ""), port) for name in ("NO_PROXY", "no_proxy")},
    }


def _somebody(layout: Layout) -> dict[str, str]:
    """A name and a home for a user who has none, in a container say: the engine locks no stack for nobody."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        nobody = {"USER": f"user-{os.getuid()}", "HOME": str(layout.state)}
        return {name: os.environ.get(name) or value for name, value in nobody.items()}
    return {}


def _without_proxy(hosts: str, port: int) -> str:
    """The hosts that no proxy is asked for: AWS and each gateway by its address, as few clients read a range."""
    listed = [host.strip() for host in hosts.split(",") if host.strip()]
    ours = dict.fromkeys([addresses.AWS, "localhost", *(host for host, _ in addresses.endpoints(port).values())])
    return ",".join([*listed, *(host for host in ours if host not in listed)])


def shell(settings: dict[str, str]) -> str:
    """The same as commands for `eval` in a POSIX shell."""
    astray = (name for name in os.environ if name.startswith(ASTRAY) and re.fullmatch(r"[A-Z0-9_]+", name))
    removed = dict.fromkeys([*REMOVED, *(name for name in sorted(astray) if name not in settings)])
    lines = [f"unset {' '.join(removed)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    return "\n".join(lines)
