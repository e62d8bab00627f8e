"""DynamoDB's point-in-time recovery."""

from __future__ import annotations

import copy
import json
import math
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json
from ministack.services import dynamodb

from sandbox.cloud.watch.here import Here

if TYPE_CHECKING:
    Table = dict[str, Any]
    Item = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]
    Change = tuple[float, str, str, Item | None]

KEPT = 20_000
"""The newest changes of a table in a region; a point before the oldest of them cannot be recovered."""


class TableHistory:
    """What a table's items were before they were changed, from a moment on."""

    def __init__(self, since: float) -> None:
        self.since = since
        self._changes: deque[Change] = deque()

    def note(self, at: float, partition: str, sort: str, before: Item | None) -> None:
        """Keep what an item was; None when there was none. An item is never changed in its place."""
        if len(self._changes) == KEPT:
            self.since = self._changes.popleft()[0]
        self._changes.append((at, partition, sort, before))

    def at(self, moment: float, items: dict[str, dict[str, Item]]) -> dict[str, dict[str, Item]]:
        """All items as they were, of those that there are."""
        then: dict[str, dict[str, Item]] = defaultdict(dict)
        for partition, sorts in items.items():
            then[partition] = dict(sorts)
        for at, partition, sort, before in reversed(self._changes):
            if at <= moment:
                break
            if before is None:
                then[partition].pop(sort, None)
            else:
                then[partition][sort] = before
        return defaultdict(dict, {partition: copy.deepcopy(sorts) for partition, sorts in then.items() if sorts})


class _Histories:
    """Those of all tables, by ARN, which names the region, and id, which is another for a table that is made anew."""

    def __init__(self) -> None:
        self._began = Here.clock.now()
        self._found: dict[tuple[str, str], TableHistory] = {}

    def note(self, table: Table, partition: str, sort: str, before: Item | None) -> None:
        """Keep what an item was before it is changed now."""
        self.of(table).note(Here.clock.now(), partition, sort, before)

    def of(self, table: Table) -> TableHistory:
        """A table's."""
        name = (str(table["TableArn"]), str(table["TableId"]))
        if name not in self._found:
            for other in [each for each in self._found if each[0] == name[0]]:
                del self._found[other]
            self._found[name] = TableHistory(max(self._began, float(table["CreationDateTime"])))
        return self._found[name]

    def window(self, table: Table) -> tuple[int, int]:
        """The whole seconds that can be recovered: from the first that is kept to the last that is over."""
        latest = math.floor(Here.clock.now())
        return min(math.ceil(self.of(table).since), latest), latest


def to_a_point_in_time() -> None:
    """A table is restored as it is instead of as it was, whatever moment is asked for, and if nothing is kept of it.

    Kept are the newest changes since the cloud's start. What is restored is a table of its own, in one region, with the
    encryption of its source or the one asked for.
    """
    histories = _Histories()
    put, remove = dynamodb._set_item, dynamodb._remove_item
    describe, restore = dynamodb._describe_continuous_backups, dynamodb._restore_table_to_point_in_time

    def set_item(table: Table, partition: str, sort: str, item: Item) -> Any:
        before = put(table, partition, sort, item)
        histories.note(table, partition, sort, before)
        return before

    def removed(table: Table, partition: str, sort: str) -> Any:
        before = remove(table, partition, sort)
        if before is not None:
            histories.note(table, partition, sort, before)
        return before

    def described(request: dict[str, Any]) -> Answer:
        answer: Answer = describe(request)
        table = _source(request["TableName"])
        return _with_window(answer, histories.window(table)) if table else answer

    def restored(request: dict[str, Any]) -> Answer:
        source = _source(request.get("SourceTableName") or request.get("SourceTableArn"))
        if source is None:
            return restore(request)  # type: ignore[no-any-return]
        earliest, latest = histories.window(source)
        moment = latest if request.get("UseLatestRestorableTime") else request.get("RestoreDateTime")
        if refusal := _refusal(source, moment, earliest, latest):
            return refusal
        answer: Answer = restore(request)
        if answer[0] != 200:
            return answer
        _fill(request, source, histories.of(source).at(moment or latest, source["items"]))
        body = {"TableDescription": dynamodb._table_description(request["TargetTableName"])}
        return 200, answer[1], json.dumps(body).encode()

    dynamodb._set_item, dynamodb._remove_item = set_item, removed
    dynamodb._describe_continuous_backups, dynamodb._restore_table_to_point_in_time = described, restored


def _with_window(answer: Answer, window: tuple[int, int]) -> Answer:
    """A description of backups, with what can be recovered."""
    body = json.loads(answer[2])
    recovery = body["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    if recovery["PointInTimeRecoveryStatus"] == "ENABLED":
        recovery |= {"EarliestRestorableDateTime": window[0], "LatestRestorableDateTime": window[1]}
    return answer[0], answer[1], json.dumps(body).encode()


def _refusal(source: Table, moment: float | None, earliest: int, latest: int) -> Answer | None:
    if not dynamodb._pitr_settings.get(source["TableName"]):
        return _refused("PointInTimeRecoveryUnavailableException", "Point in time recovery is not enabled.")
    if moment is None:
        return _refused("ValidationException", "RestoreDateTime or UseLatestRestorableTime is required.")
    if not earliest <= moment <= latest:
        return _refused("InvalidRestoreTimeException", f"It must be between {earliest} and {latest}.")
    return None


def _fill(request: dict[str, Any], source: Table, items: dict[str, dict[str, Item]]) -> None:
    """Give a table that has been restored what its source had, and its encryption."""
    table = dynamodb._tables[request["TargetTableName"]]
    table["items"] = items
    dynamodb._items_replaced(table)
    override = request.get("SSESpecificationOverride")
    encryption = dynamodb._sse_description_from_spec(override) if override else source.get("SSEDescription")
    table["SSEDescription"] = copy.deepcopy(encryption)


def _source(name: Any) -> Table | None:
    found: Table | None = dynamodb._tables.get(dynamodb._normalize_table_name(name))
    return found


def _refused(code: str, message: str) -> Answer:
    answer: Answer = error_response_json(code, message, 400)
    return answer
