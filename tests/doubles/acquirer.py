"""A card processor outside, for tests of who asks it what and when."""

from __future__ import annotations

from dataclasses import dataclass, field

from lambdas.domain.errors import NoAnswer
from lambdas.domain.instruction import is_payment_id
from lambdas.domain.outcome import Approved, Declined


@dataclass
class Acquirer:
    """A processor outside: one outcome a key. `silent`: calls that get no answer; `effect`: whether they count."""

    outcomes: dict[str, object] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    effect: bool = True
    refuse: bool = False
    timeout: int = 3_000

    def charge(self, key, amount, customer):
        self.calls.append("charge")
        if "charge" not in self.silent or self.effect:
            self.outcomes.setdefault(key, Declined("no") if self.refuse else Approved("ch_1"))
        self._answer("charge")
        return self.outcomes[key]

    def find(self, key):
        self.calls.append("find")
        self._answer("find")
        return self.outcomes.get(key)

    def cancel(self, key):
        self.calls.append("cancel")
        self.outcomes.setdefault(key, Declined("abandoned"))
        self._answer("cancel")
        return self.outcomes[key]

    def _answer(self, call):
        assert all(is_payment_id(key) for key in self.outcomes)
        if call in self.silent:
            self.silent.remove(call)
            raise NoAnswer(call)
