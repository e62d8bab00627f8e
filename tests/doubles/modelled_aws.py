"""AWS as its API models have it: the SDK's own clients, whose requests are judged by the models and never sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.session import Session

SESSION = Session()
"""One for all: it keeps the services' models, which take longest to load."""


@dataclass
class ModelledAws:
    """Answers by service and operation: a value, or a function of region and parameters. `asked` has every request."""

    answers: dict[tuple[str, str], Any]
    asked: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            client = SESSION.create_client(
                service, region_name=region, aws_access_key_id="nobody", aws_secret_access_key="nothing"
            )
            parameters: dict[str, Any] = {}

            def note(params: dict[str, Any], **_: Any) -> None:
                parameters.clear()
                parameters.update(params)

            def answer(model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
                self.asked.append((service, region, model.name, dict(parameters)))
                found = self.answers[service, model.name]
                return SimpleNamespace(status_code=200), found(region, dict(parameters)) if callable(found) else found

            client.meta.events.register("before-parameter-build", note)
            client.meta.events.register("before-call", answer)
            self._clients[service, region] = client
        return self._clients[service, region]

    def operations(self, service: str) -> list[str]:
        """What was asked of a service, in its order."""
        return [operation for name, _, operation, _ in self.asked if name == service]
