from __future__ import annotations

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example


@example("random:index/randomPassword:RandomPassword")
def password(engine: Engine) -> Example:
    return Example(
        {"length": 40, "special": False, "keepers": {"rotation": "1"}},
        replace={"length": 41, "keepers": {"rotation": "2"}, "special": None},
        import_id="{result}",
        outlives=True,
    )


@example("random:index/randomString:RandomString")
def text(engine: Engine) -> Example:
    return Example(
        {"length": 6, "upper": False, "minSpecial": 2, "overrideSpecial": "-_"},
        replace={"minSpecial": 1, "overrideSpecial": "."},
        outlives=True,
    )


@example("random:index/randomId:RandomId")
def identifier(engine: Engine) -> Example:
    return Example(
        {"byteLength": 4, "prefix": "id-"},
        replace={"byteLength": 8, "prefix": None},
        import_id="id-,{id}",
        outlives=True,
    )
