"""What is left in the account when every stack is gone: told, with the command that ends it.

AWS makes log groups by itself: a function that writes a last line after its group is deleted makes it again (the policy
AWSLambdaVPCAccessExecutionRole lets it), canaries leave those of their functions, and an API that of its execution
logs (https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from orchestration.aws import Aws, asked
from shared.errors import Problem
from shared.roles import ROLES

if TYPE_CHECKING:
    from shared.environment import Environment

OF_FUNCTIONS: Final = "/aws/lambda/"
OF_APIS: Final = "API-Gateway-Execution-Logs_"


def remains(settings: Environment, aws: Aws) -> Iterator[str]:
    """A line for each log group that nobody owns any more, or for a region that does not tell."""
    for region in map(settings.region, ROLES):
        try:
            for name in (*_of_functions(settings, aws, region), *_of_apis(aws, region)):
                yield f"aws logs delete-log-group --region {region} --log-group-name '{name}'"
        except Problem as problem:
            yield f"unknown: {problem}"


def _of_functions(settings: Environment, aws: Aws, region: str) -> Iterator[str]:
    """Those with the suffix in their name, as a part of its own."""
    for name in _listed(aws, region, OF_FUNCTIONS):
        if settings.suffix in re.split(r"[^A-Za-z0-9]+", name):
            yield name


def _of_apis(aws: Aws, region: str) -> Iterator[str]:
    """Those of APIs that are gone: the name has the API's id, and nothing of the environment's."""
    found = _listed(aws, region, OF_APIS)
    if found:
        client = aws.client("apigateway", region)
        pages = asked(lambda: list(client.get_paginator("get_rest_apis").paginate()), "list the APIs", region)
        there = {each["id"] for page in pages for each in page.get("items", ())}
        yield from (name for name in found if name.removeprefix(OF_APIS).partition("/")[0] not in there)


def _listed(aws: Aws, region: str, prefix: str) -> list[str]:
    client = aws.client("logs", region)

    def listed() -> list[str]:
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        return [each["logGroupName"] for page in pages for each in page["logGroups"]]

    return asked(listed, "list log groups", region)
