"""Declared types of the random provider: drawn once, then kept in the engine's state alone."""

from __future__ import annotations

import base64
import secrets
import string
from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource
from sandbox.provider.schema import Boolean, Integer, Map, Text
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

UNTOLD = "a value does not tell how it was drawn"
KEEPERS = Map(replaces=True, carried=UNTOLD)
CLASSES = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "numeric": string.digits,
    "special": "!@#$%&*()-_=+[]{}<>:?",
}
"""What each class of characters consists of; `overrideSpecial` replaces the last."""


class Drawn(Resource):
    """What the types share: nothing to read but the state, nothing to delete."""

    def read(self) -> Mapping[str, Any]:
        return self.state or self.imported()

    def imported(self) -> Mapping[str, Any]:
        """The state of an import, from the id."""
        raise NotImplementedError

    def delete(self) -> None:
        """The engine forgets it, and nobody else knew."""


class Characters(Drawn):
    """Text from classes of characters, with at least so many of each."""

    properties = {
        "keepers": KEEPERS,
        "length": Integer(required=True, replaces=True),
        "overrideSpecial": Text(replaces=True, carried=UNTOLD),
        **{name: Boolean(default=True, replaces=True, carried=UNTOLD) for name in CLASSES},
        **{f"min{name.title()}": Integer(default=0, replaces=True, carried=UNTOLD) for name in CLASSES},
    }
    outputs = ("result",)

    def draw(self) -> str:
        classes = {name: CLASSES[name] for name in CLASSES if self[name]}
        if "special" in classes and self["overrideSpecial"]:
            classes["special"] = self["overrideSpecial"]
        least = {name: self[f"min{name.title()}"] for name in classes}
        rest = self["length"] - sum(least.values())
        if not classes or rest < 0:
            raise Problem(f"length: {self['length']} characters cannot hold at least {least or 'one class'}")
        drawn = [secrets.choice(classes[name]) for name, count in least.items() for _ in range(count)]
        drawn += [secrets.choice("".join(classes.values())) for _ in range(rest)]
        secrets.SystemRandom().shuffle(drawn)
        return "".join(drawn)

    def imported(self) -> Mapping[str, Any]:
        return {"result": self.id, "length": len(self.id)}


class RandomPassword(Characters):
    """A secret; its id does not tell it."""

    resource_type = "random:index/randomPassword:RandomPassword"

    def create(self) -> str:
        self.state = {"result": self.draw()}
        return "none"

    def imported(self) -> Mapping[str, Any]:
        found = super().imported()
        self.id = "none"
        return found


class RandomString(Characters):
    """Text that may be seen."""

    resource_type = "random:index/randomString:RandomString"

    def create(self) -> str:
        self.state = {"result": self.draw()}
        return str(self.state["result"])


class RandomId(Drawn):
    """Bytes, in several notations. Imported as `<b64Url>` or `<prefix>,<b64Url>`."""

    resource_type = "random:index/randomId:RandomId"
    properties = {
        "byteLength": Integer(required=True, replaces=True),
        "keepers": KEEPERS,
        "prefix": Text(default="", replaces=True),
    }
    outputs = ("b64Std", "b64Url", "dec", "hex")

    def create(self) -> str:
        drawn = secrets.token_bytes(self["byteLength"])
        self.state = self._notations(drawn, self["prefix"])
        return _url_safe(drawn)

    def _notations(self, drawn: bytes, prefix: str) -> dict[str, str]:
        return {
            "b64Std": prefix + base64.b64encode(drawn).decode(),
            "b64Url": prefix + _url_safe(drawn),
            "dec": prefix + str(int.from_bytes(drawn)),
            "hex": prefix + drawn.hex(),
        }

    def imported(self) -> Mapping[str, Any]:
        prefix, _, self.id = self.id.rpartition(",")
        drawn = base64.urlsafe_b64decode(self.id + "=" * (-len(self.id) % 4))
        return {**self._notations(drawn, prefix), "byteLength": len(drawn), "prefix": prefix}


def _url_safe(drawn: bytes) -> str:
    return base64.urlsafe_b64encode(drawn).decode().rstrip("=")
