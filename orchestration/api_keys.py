"""The secret with the clients' API keys: what it says, and its copy in each region as a person reads and writes it.

The secret is `{"clients": {"<id>": {"current": "<key>", "previous": "<key>" or null}}}`; functions accept both keys.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from orchestration.aws import Aws, asked, error_code
from shared import naming
from shared.clients import KEY_CHARACTERS
from shared.errors import MALFORMED, Problem
from shared.roles import PerRole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.environment import Environment

T = TypeVar("T")

CURRENT = "AWSCURRENT"
GIVEN = "given_as"
"""Beside the clients, in a value that came from another home: the version under which it was written."""
ALPHABET = string.ascii_letters + string.digits
TAKEN = "ResourceExistsException"
"""A token has made a version with another value: somebody else has written first (PutSecretValue)."""


class WrittenMeanwhile(Exception):
    """The secret is not what it was read as."""


@dataclass(frozen=True)
class Keys:
    """The secret's value. Changing it makes another; nothing of it is ever printed."""

    value: Mapping[str, Any] = field(repr=False)

    @staticmethod
    def parse(text: str) -> Keys:
        """Read it. Raises ValueError for another value, and says nothing of it."""
        try:
            keys = Keys(json.loads(text))
            if all(isinstance(each["current"], str) for each in keys._clients.values()) and keys._clients:
                return keys
        except MALFORMED:
            pass
        raise ValueError("it does not hold the clients' keys") from None

    @property
    def _clients(self) -> Mapping[str, Any]:
        clients: Mapping[str, Any] = self.value["clients"]
        return clients

    @property
    def clients(self) -> Sequence[str]:
        return sorted(self._clients)

    def current(self, client: str) -> str:
        return str(self._clients[client]["current"])

    def rotating(self, client: str) -> bool:
        """Whether the key before is still accepted."""
        return bool(self._clients[client].get("previous"))

    def begun(self, client: str, key: str) -> Keys:
        """With this current key beside the one that it replaces."""
        return self._with(client, {"current": key, "previous": self.current(client)})

    def finished(self, client: str) -> Keys:
        """With the current key alone."""
        return self._with(client, {"previous": None})

    def differing(self, other: Keys) -> Sequence[str]:
        """Clients whose keys are not the same in both."""
        mine, theirs = self._clients, other._clients
        return sorted(each for each in {*mine, *theirs} if mine.get(each) != theirs.get(each))

    def given(self, version: str) -> Keys:
        """As another home's keys, written under that version: what is made of them later carries it on, and is not."""
        return Keys({**self.value, GIVEN: version})

    def text(self) -> str:
        return json.dumps(self.value)

    def _with(self, client: str, change: Mapping[str, Any]) -> Keys:
        return Keys(
            {**self.value, "clients": {**self._clients, client: {**self._clients[client], **change}}},
        )


def new_key() -> str:
    """Return a key as the first ones are made: letters and digits, from the system's randomness."""
    return "".join(secrets.choice(ALPHABET) for _ in range(KEY_CHARACTERS))


@dataclass(frozen=True)
class Copy:
    """One region's copy of the secret at one moment."""

    region: str
    version: str
    keys: Keys
    labels: Mapping[str, Sequence[str]]
    """Staging labels by version; a version without a label is not told."""
    age: float
    """Seconds since its version was written, by AWS's own clock."""
    home: str
    """The region of which it is a replica, or its own."""
    kms_key: str | None

    @property
    def replica(self) -> bool:
        return self.home != self.region

    @property
    def given(self) -> bool:
        """Whether another home's keys were written here as they are, and no key was rotated since."""
        return self.keys.value.get(GIVEN) == self.version

    @property
    def token(self) -> str:
        """Names the version that is written over this one, whoever does: of two, the second is refused."""
        said = json.dumps([self.region, sorted((version, sorted(each)) for version, each in self.labels.items())])
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True)
class KeySecret:
    """The secret in one region, by its name: no stack's state has to be there."""

    aws: Aws
    region: str
    name: str

    def read(self) -> Copy:
        """Read the current version. Raises Problem."""
        described, version = self._described()
        found = self._ask("read", "get_secret_value", VersionId=version)
        try:
            keys = Keys.parse(found.get("SecretString", ""))
        except ValueError as error:
            raise Problem(
                f"{self.name} in {self.region}: {error}; somebody has put another value there: put the one before back "
                "(aws secretsmanager update-secret-version-stage)"
            ) from None
        return Copy(
            self.region,
            version,
            keys,
            described["VersionIdsToStages"],
            max(0.0, (_answered_at(found) - found["CreatedDate"]).total_seconds()),
            described.get("PrimaryRegion") or self.region,
            described.get("KmsKeyId"),
        )

    def version(self) -> str:
        """Return the current version, whose value is not asked for. Raises Problem."""
        return self._described()[1]

    def versions(self) -> set[str]:
        """Return all versions that are still kept, those without a label too. Raises Problem."""
        found: set[str] = set()
        place: dict[str, Any] = {"IncludeDeprecated": True}
        while True:
            page = self._ask("list the versions of", "list_secret_version_ids", **place)
            found |= {str(each["VersionId"]) for each in page.get("Versions", ())}
            if not page.get("NextToken"):
                return found
            place["NextToken"] = page["NextToken"]

    def write(self, keys: Keys, token: str) -> str:
        """Make this the current value and return its version, which is the token. Once written it is not again.

        Raises WrittenMeanwhile when another value has that token, Problem when it cannot be written.
        """
        try:
            answer = self._ask("write", "put_secret_value", SecretString=keys.text(), ClientRequestToken=token)
        except Problem as problem:
            if error_code(problem) == TAKEN:
                raise WrittenMeanwhile from problem
            raise
        return str(answer["VersionId"])

    def promote(self) -> None:
        """Make the replica a secret of its own. Raises Problem."""
        self._ask("promote", "stop_replication_to_replica")

    def replicate(self, there: str, kms_key: str | None) -> None:
        """Replicate it over whatever another region has under its name. Raises Problem."""
        region = {"Region": there, **({"KmsKeyId": kms_key} if kms_key else {})}
        self._ask(
            "replicate", "replicate_secret_to_regions", AddReplicaRegions=[region], ForceOverwriteReplicaSecret=True
        )

    def _described(self) -> tuple[dict[str, Any], str]:
        described = self._ask("look at", "describe_secret")
        labels = described.get("VersionIdsToStages") or {}
        for version, each in labels.items():
            if CURRENT in each:
                return described, version
        raise Problem(f"{self.name} in {self.region} has no value: ./invoke deploy --layer data --force writes one")

    def _ask(self, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        client = self.aws.client("secretsmanager", self.region)
        question: Callable[[], Any] = lambda: getattr(client, operation)(SecretId=self.name, **arguments)  # noqa: E731
        return dict(asked(question, f"{doing} the API keys ({self.name})", self.region))


def _answered_at(answer: Mapping[str, Any]) -> datetime:
    """When AWS says that it has answered: this machine's clock may be wrong by minutes."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def different_keys(environment: Environment, aws: Aws) -> str:
    """Say how the regions' API keys differ, by their versions; empty when they are the same. Raises Problem."""
    name = environment.foundation().names.of(naming.API_KEYS_SECRET)
    homes = PerRole.build(lambda role: KeySecret(aws, environment.region(role), name))
    versions = homes.map(lambda each: each.version())
    if versions.primary == versions.secondary:
        return ""
    return f"{homes.primary.region} and {homes.secondary.region} have different ones: ./invoke rotate-key --join"
