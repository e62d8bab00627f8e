"""The environment variables with which the engine, the plugins and every AWS SDK work in the sandbox."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from engine.backend import without_attributes
from sandbox import addresses, quotas, tricks

if TYPE_CHECKING:
    from sandbox.layout import Layout

REMOVED = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CA_BUNDLE",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_STACK",
)
"""Variables that would lead out of the sandbox, or let the user's own settings in."""

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""The account's administrator to the emulator, which does not verify his signature. Everybody else is bound by IAM."""

PLUGINS = "SANDBOX_PLUGINS"
"""The variable that asks for other plugins: `official`, or `plain`."""
PLAIN_PLUGINS_ASKED_FOR = f'[ "${PLUGINS}" = plain ]'
"""A shell's test: each plugin is to be a process of its own, although a host may be there."""


def official_plugins() -> bool:
    """Whether Pulumi's own AWS and random plugins are to be used instead of ours: SANDBOX_PLUGINS=official."""
    return os.environ.get(PLUGINS) == "official"


def of(layout: Layout, port: int) -> dict[str, str]:
    """The variables of the sandbox, to be laid over an environment without those in `REMOVED`."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return {
        "PULUMI_HOME": str(layout.pulumi_home),
        "PULUMI_BACKEND_URL": without_attributes(layout.backend.as_uri()),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(layout.passphrase),
        "PULUMI_OPTION_CONFIG_FILE": str(layout.stack_configuration),  # --config-file: nothing goes into the projects
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "false" if official_plugins() else "true",
        "PATH": os.pathsep.join([str(layout.bin), *(entry for entry in path if entry != str(layout.bin))]),
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
        **{name: _without_proxy(os.environ.get(name, "")) for name in ("NO_PROXY", "no_proxy")},
    }


def _without_proxy(hosts: str) -> str:
    listed = [host for host in hosts.split(",") if host]
    return ",".join([*listed, *(host for host in (addresses.AWS, "localhost") if host not in listed)])


def shell(settings: dict[str, str]) -> str:
    """The same as commands for `eval` in a POSIX shell."""
    lines = [f"unset {' '.join(REMOVED)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    return "\n".join(lines)
