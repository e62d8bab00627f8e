"""AWS clients, shared by all provider instances of a process: making one costs 15 to 160 ms, using one 2 ms."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import botocore.config
import botocore.exceptions
import botocore.session

from sandbox.provider.errors import explained
from sandbox.variables import CREDENTIALS
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CONFIG = botocore.config.Config(
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=64,
    parameter_validation=True,
    s3={"addressing_style": "path"},
    tcp_keepalive=True,
    user_agent="pulumi-resource-aws",  # else each call puts it together anew, twice: a seventh of its time
)
THROTTLED = "TooManyRequestsException"
PATIENCE = 300.0
"""Seconds for which what AWS throttles is asked again: API Gateway makes one domain name in 30 s."""
PAUSE = 1.0
"""Seconds between two attempts then."""
_lock = threading.Lock()
_session = botocore.session.Session()
_clients: dict[tuple[Access, str, str], Any] = {}
_accounts: dict[Access, str] = {}


@dataclass(frozen=True)
class Access:
    """Where the cloud is, and who calls. One provider instance has one."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str], configuration: Mapping[str, Any]) -> Access:
        """From a provider's configuration, else from the environment of the engine that started it.

        Raises Problem when no endpoint is given: this provider never calls AWS itself.
        """
        endpoint = environment.get("AWS_ENDPOINT_URL", "")
        if not endpoint:
            raise Problem(
                "AWS_ENDPOINT_URL is not set, and this provider serves only the sandbox; "
                'run: eval "$(./invoke sandbox.env)"'
            )
        given = CREDENTIALS | {name: value for name, value in environment.items() if value}
        return cls(
            endpoint,
            configuration.get("accessKey") or given["AWS_ACCESS_KEY_ID"],
            configuration.get("secretKey") or given["AWS_SECRET_ACCESS_KEY"],
            configuration.get("token") or given.get("AWS_SESSION_TOKEN", ""),
        )

    def client(self, service: str, region: str) -> Any:
        """The one client of a service in a region."""
        key = (self, service, region)
        client = _clients.get(key)
        if client is None:
            with _lock:  # a session makes one client at a time
                client = _clients.get(key)
                if client is None:
                    client = _clients[key] = self._make(service, region)
        return client

    def _make(self, service: str, region: str) -> Any:
        return _session.create_client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token or None,
            config=_CONFIG,
        )

    def call(self, service: str, region: str, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of one API call. Raises Refused, or Problem."""
        given = {key: value for key, value in arguments.items() if value is not None}
        end = time.monotonic() + PATIENCE
        while True:
            try:
                answer: dict[str, Any] = getattr(self.client(service, region), operation)(**given)
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] != THROTTLED or time.monotonic() > end:
                    raise explained(error) from error
                time.sleep(PAUSE)
            except botocore.exceptions.BotoCoreError as error:
                raise explained(error) from error
            else:
                return answer

    def shape(self, service: str, region: str, operation: str) -> Any:
        """The shape of an operation's arguments (a botocore shape)."""
        client = self.client(service, region)
        return client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape

    def account(self, region: str) -> str:
        """The account of the caller."""
        account = _accounts.get(self)
        if account is None:
            account = _accounts[self] = self.call("sts", region, "get_caller_identity", {})["Account"]
        return account


def prepare(services: Iterable[str]) -> None:
    """Make a client of each service, for what all later ones share: the first takes nine tenths of the time."""
    nowhere = Access("http://nowhere.invalid", *CREDENTIALS.values())
    for service in services:
        with _lock:
            nowhere._make(service, "us-east-1")
