"""AWS as the orchestration needs it beside Pulumi: clients in the target's cloud, and errors in one line.

The SDK takes a fifth of a second to import (boto3 a third), so it is imported when the first client is made, and never
on the quick path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from shared.errors import Problem

T = TypeVar("T")


class Aws:
    """Makes clients from an environment's variables, whatever this process's own are."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._session: Any = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._guard = threading.Lock()

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service in a region."""
        with self._guard:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._make(service, region)
            return self._clients[service, region]

    def default_region(self) -> str:
        """The region of the variables, or of the profile's configuration; empty where neither says one."""
        given = self._variables.get("AWS_REGION") or self._variables.get("AWS_DEFAULT_REGION")
        if given:
            return given
        with self._guard:
            return str(self._opened().get_config_variable("region") or "")

    def secret(self, arn: str, region: str) -> str:
        """Return a secret's text. Raises Problem."""
        client = self.client("secretsmanager", region)
        return str(asked(lambda: client.get_secret_value(SecretId=arn)["SecretString"], "read the API keys", region))

    def _make(self, service: str, region: str) -> Any:
        from botocore.config import Config  # noqa: PLC0415

        return self._opened().create_client(
            service,
            region_name=region,
            endpoint_url=self._variables.get("AWS_ENDPOINT_URL"),
            aws_access_key_id=self._variables.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=self._variables.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=self._variables.get("AWS_SESSION_TOKEN"),
            config=Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"mode": "standard", "max_attempts": 3},
                s3={"us_east_1_regional_endpoint": "regional"},
            ),
        )

    def _opened(self) -> Any:
        from botocore.session import Session  # noqa: PLC0415

        if self._session is None:  # it keeps what it has read of the SDK's models: a tenth of a second for each client
            self._session = Session(profile=self._variables.get("AWS_PROFILE"))
            # Some defaults of the SDK are the global names of STS and S3, which are us-east-1's: an outage there would
            # reach whoever works in another region.
            self._session.set_config_variable("sts_regional_endpoints", "regional")
        return self._session


def asked(question: Callable[[], T], what: str, region: str) -> T:
    """Return the answer of an AWS call. Raises Problem: what could not be done, where, and what AWS said."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        return question()
    except (BotoCoreError, ClientError) as error:
        raise Problem(f"cannot {what} in {region}: {error}") from error


def identity(aws: Aws, region: str) -> Mapping[str, Any]:
    """Who asks, by a region's STS: account and ARN. It needs no right. Raises Problem."""
    return asked(lambda: dict(aws.client("sts", region).get_caller_identity()), "ask who we are", region)


def account_id(aws: Aws, region: str) -> str:
    """The account's id, by a region's STS. Raises Problem."""
    return str(identity(aws, region)["Account"])


def or_none(ask: Callable[[], T], *codes: str) -> T | None:
    """What `ask` returns, which raises as `asked` does; None where AWS has answered with one of these error codes."""
    try:
        return ask()
    except Problem as problem:
        if error_code(problem) in codes:
            return None
        raise


def error_code(problem: Problem) -> str:
    """Return AWS's error code behind what `asked` raised, such as AccessDenied; empty when AWS did not answer."""
    response = getattr(problem.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
