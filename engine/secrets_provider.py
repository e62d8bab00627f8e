"""What the stacks' secrets are encrypted with: a passphrase, or a key of AWS KMS that a variable names.

Pulumi writes either into each stack's state (pulumi/pkg secrets/passphrase, secrets/cloud/manager.go): a salt, or the
key's URL with a data key that only it opens. A stack's configuration file has the same, and counts when it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from shared.errors import Problem

VARIABLE: Final = "PULUMI_SECRETS_PROVIDER"
PASSPHRASE_VARIABLES: Final = frozenset({"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"})
"""Either gives the passphrase, which may be empty; what VARIABLE names counts before them."""
SCHEME: Final = "awskms"
SALT: Final = "encryptionsalt: "
URL: Final = "secretsprovider: "
KEY: Final = "encryptedkey: "
PASSPHRASE: Final = "passphrase"  # noqa: S105  a type of provider
CLOUD: Final = "cloud"
ALSO_BY_DEFAULT: Final = frozenset({PASSPHRASE, "service"})
"""What a stack may have where no key is named; `service` is Pulumi Cloud's own."""


@dataclass(frozen=True)
class KmsKey:
    """A key of AWS KMS, as `awskms://alias/NAME?region=REGION` names it (gocloud.dev/secrets/awskms)."""

    url: str
    key: str
    """As KMS takes it: an alias, an id or an ARN."""
    region: str

    @staticmethod
    def parse(url: str) -> KmsKey:
        """Read a URL. Raises Problem for one of another kind, and for one that leaves the region to the shell."""
        parts = urlsplit(url)
        key = f"{parts.netloc}{parts.path}".strip("/")
        if parts.scheme != SCHEME or not key:
            raise Problem(f"{VARIABLE}={url} names no key of AWS KMS: write {SCHEME}://alias/<name>?region=<region>")
        region = parse_qs(parts.query).get("region", [""])[0]
        if not region:
            raise Problem(f"{VARIABLE}={url} says no region, so it would be the shell's: add ?region=<region>")
        return KmsKey(url, key, region)


def given(variables: Mapping[str, str]) -> KmsKey | None:
    """The key that the variables name; None where it is the passphrase. Raises Problem."""
    url = variables.get(VARIABLE)
    return KmsKey.parse(url) if url else None


def fits(how: Mapping[str, Any], key: KmsKey | None) -> bool:
    """Whether a stack that keeps its secrets so has what is asked for."""
    if key is None:
        return how.get("type") in ALSO_BY_DEFAULT
    return how.get("type") == CLOUD and (how.get("state") or {}).get("url") == key.url


def told(how: Mapping[str, Any]) -> str:
    """A stack's provider, for a person."""
    return str((how.get("state") or {}).get("url") or f"{how.get('type')}")


def read(text: str) -> Mapping[str, Any] | None:
    """What a configuration file says, as a state says it. None until its lines are whole: an engine may be writing."""
    if not text.endswith("\n"):
        return None
    lines = text.splitlines()

    def after(mark: str) -> str:
        return next((line.removeprefix(mark).strip() for line in lines if line.startswith(mark)), "")

    if salt := after(SALT):
        return {"type": PASSPHRASE, "state": {"salt": salt}}
    if (url := after(URL)) and (key := after(KEY)):
        return {"type": CLOUD, "state": {"url": url, "encryptedkey": key}}
    return None


def written(how: Mapping[str, Any]) -> str:
    """What a configuration file says of how a stack keeps its secrets."""
    state = how["state"]
    if how["type"] == CLOUD:
        return f"{URL}{state['url']}\n{KEY}{state['encryptedkey']}\n"
    return f"{SALT}{state['salt']}\n"
