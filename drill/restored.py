"""Whether a restored table is the original as of one moment, though the original goes on being written.

A payment's item says when it was last written, and its version. What nobody has touched since that moment must be the
same in both, by a hash over all of it. What was written since is compared with what can never change of a payment: who
pays whom what, and by which processor; and an older version must be behind.

A write lands some seconds after the moment that it says, as it waits for the table: so what was written around the
moment that was restored to may be in the restored table or not, and is in doubt where it differs.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.items import PAYMENT
from lambdas.domain.payment import CANARY_CLIENT, LEASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Item = dict[str, Any]
Key = tuple[str, str]

IN_DOUBT: Final = LEASE
"""ms around the moment: nobody works on a payment for longer, and clocks differ by less."""

CHARGE: Final = "charge"
"""The sort key of what a canary has paid (lambdas/adapters/play_money.py)."""

NEVER_CHANGES: Final = ("client", "fingerprint", "minor_units", "currency", "customer", "region", "endpoint", "created")
"""Attributes of a payment that are written once."""


@dataclass(frozen=True)
class WrongItem:
    """An item that is not what it was, and in what way."""

    key: Key
    what: str


@dataclass(frozen=True)
class RestoredTable:
    """What two tables came to. `counts`: items by what they are; `hashes`: over what must be the same, in each."""

    counts: Mapping[str, int]
    hashes: tuple[str, str]
    """Of the original and of the restored table: equal exactly when what nobody has touched since is the same."""
    differences: tuple[WrongItem, ...]

    @property
    def same(self) -> bool:
        """Whether the restored table is the original as of that moment."""
        return not self.differences and self.hashes[0] == self.hashes[1]


@dataclass(frozen=True)
class _Known:
    """What is kept of an item of the restored table."""

    digest: bytes
    identity: bytes
    version: int
    updated: int
    canary: bool


@dataclass
class _Sum:
    """A hash over a set of items, in whatever order they come: the sum of their SHA-256."""

    value: int = 0

    def add(self, digest: bytes) -> None:
        self.value = (self.value + int.from_bytes(digest, "big")) % 2**256

    def __str__(self) -> str:
        return f"{self.value:064x}"


def compare(original: Iterable[Item], restored: Iterable[Item], moment: int, *, doubt: int = IN_DOUBT) -> RestoredTable:
    """Compare a table with what was restored of it to `moment` (ms since 1970).

    doubt: ms before the moment in which the restored table may have been what it is.

    The restored table is read first and a digest of each item kept: some 300 bytes of memory an item.
    """
    known: dict[Key, _Known] = {}
    others: dict[Key, bytes] = {}
    for item in restored:
        if _is_payment(item):
            known[_key(item)] = _known(item)
        else:
            others[_key(item)] = _digest(item)
    counts: Counter[str] = Counter()
    sums = (_Sum(), _Sum())
    differences: list[WrongItem] = []
    for item in original:
        key = _key(item)
        if not _is_payment(item):
            before = others.get(key)
            changed = before is not None and before != _digest(item) and key[1] == CHARGE
            counts["other"] += 1
            differences += [WrongItem(key, "is a charge of play money, which never changes, and has")] * changed
            continue
        live, then = _known(item), known.pop(key, None)
        what = _judge(live, then, (moment - doubt, moment), created=int(item["created"]["N"]))
        counts[what] += 1
        if what in _UNTOUCHED:
            sums[0].add(live.digest)
            if then is not None:
                sums[1].add(then.digest)
        if what in _WRONG:
            differences.append(WrongItem(key, _WRONG[what]))
    for key, then in known.items():
        what = "swept since" if then.canary else "gone"
        counts[what] += 1
        if what in _WRONG:
            sums[1].add(then.digest)
            differences.append(WrongItem(key, _WRONG[what]))
    return RestoredTable(dict(sorted(counts.items())), (str(sums[0]), str(sums[1])), tuple(differences))


_WRONG: Final = {
    "missing": "was there at that moment, and is not in the restored table",
    "older": "has not been written since that moment, and is an older version in the restored table",
    "newer": "is newer in the restored table than that moment, or than in the original",
    "another": "is another payment in the restored table: who pays whom what, or one version, with two contents",
    "gone": "is in the restored table and not in the original, where payments are never deleted",
}
_UNTOUCHED: Final = _WRONG.keys() | {"same"}
"""What the hashes are over: what should be the same in both."""


def _judge(live: _Known, then: _Known | None, moment: tuple[int, int], *, created: int) -> str:
    """What an item of the original is, by what there is of it in the restored table, which is of between two times."""
    if then is None:
        return _since(created, moment, "new since", "missing")
    if then.updated > moment[1] + IN_DOUBT or then.version > live.version:
        return "newer"
    if then.digest == live.digest:
        return "same"
    if then.version == live.version or then.identity != live.identity:
        return "another"
    return _since(live.updated, moment, "written since", "older")


def _since(at: int, moment: tuple[int, int], since: str, before: str) -> str:
    """Which of two words holds for what happened at a time, or that it is in doubt."""
    if at > moment[1]:
        return since
    return "in doubt" if at > moment[0] else before


def _is_payment(item: Item) -> bool:
    return item["sk"]["S"] == PAYMENT and "version" in item


def _key(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _known(item: Item) -> _Known:
    return _Known(
        digest=_digest(item),
        identity=_digest({name: item[name] for name in NEVER_CHANGES if name in item}),
        version=int(item["version"]["N"]),
        updated=int(item["updated"]["N"]),
        canary=item["client"]["S"] == CANARY_CLIENT,
    )


def _digest(item: Item) -> bytes:
    return hashlib.sha256(json.dumps(_canonical(item), sort_keys=True, separators=(",", ":")).encode()).digest()


def _canonical(value: Any) -> Any:
    """An attribute's value, sets in one order and bytes as text."""
    if isinstance(value, dict):
        return {name: sorted(inner) if name in {"SS", "NS"} else _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value
