"""DynamoDB's global tables while regions do not hear each other: what their replicas answer, and what they send on."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import TYPE_CHECKING, Any, Final

from ministack.core.responses import error_response_json, get_account_id, get_region, request_scope
from ministack.services import cloudwatch, dynamodb

from sandbox.cloud.watch.here import Here
from sandbox.distances import nearest
from sandbox.faults.replicas import KEPT, EventualReplicas, ReplicatedWrite, Stamp, StrongReplicas, is_over, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.faults.network import Network
    from sandbox.faults.replicas import Item, Key, Told

    Table = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]

SERVICE: Final = "dynamodb"
WRITES: Final = frozenset(
    {
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "BatchWriteItem",
        "TransactWriteItems",
        "ExecuteStatement",
        "BatchExecuteStatement",
        "ExecuteTransaction",
    }
)
READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})


class GlobalTables:
    """All of the cloud's."""

    def __init__(self, network: Callable[[], Network], note: Callable[[str, Told], None]) -> None:
        """`note` hears, by the id of a table, what has to be told again after a kill."""
        self._network = network
        self._note = note
        self._writers: dict[tuple[str, Key], list[str]] = {}
        """The regions that write an item at this moment."""

    def install(self) -> None:
        """Have the emulator ask before it answers, and send on by the ways that there are."""
        handle = dynamodb.handle_request

        async def handled(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
            action = headers.get("x-amz-target", "").rpartition(".")[2]
            tables = list(_strong_tables(action, body)) if action in WRITES or action in READS else []
            if not tables:
                return await handle(method, path, headers, body, query)  # type: ignore[no-any-return]
            with self._in_flight(action, tables, body) as conflict:
                if conflict:
                    return _conflict()
                for table in tables:
                    if not self._ready(table):
                        return _isolated(get_region())
                await Here.clock.sleep(max(self._distance(table) for table in tables))
                if not all(self._ready(table) for table in tables):  # the way may have been cut meanwhile
                    return _isolated(get_region())
                return await handle(method, path, headers, body, query)  # type: ignore[no-any-return]

        dynamodb.handle_request, dynamodb._replicate_write = handled, self._replicate

    def mend(self) -> None:
        """Bring up to date whatever can be: called when a fault has begun or ended."""
        for (account, region, _), table in list(dynamodb._tables._data.items()):
            found = table.get(KEPT)
            if found is None:
                continue
            with request_scope(account, region):
                if isinstance(found, StrongReplicas):
                    for member in _regions(table):
                        heard = self._heard(member, found.members)
                        if found.serves(heard):
                            self._catch_up(table, found, member, heard)
                else:
                    self._deliver(table, found)

    def lost(self) -> dict[str, int]:
        """How many acknowledged writes of each table were lost to later ones of another region."""
        found = ((table["TableName"], table.get(KEPT)) for table in list(dynamodb._tables._data.values()))
        return {name: len(each.lost) for name, each in found if isinstance(each, EventualReplicas) and each.lost}

    def _ready(self, table: Table) -> bool:
        """Whether this region may answer for a strongly consistent table; it is up to date then."""
        network, region = self._network(), get_region()
        found: StrongReplicas | None = _carrier(table).get(KEPT)
        if not network.faults and found is None:
            return True
        replicas = found or StrongReplicas(_members(table))
        heard = self._heard(region, replicas.members)
        if not replicas.serves(heard):
            return False
        if found is not None:
            self._catch_up(table, found, region, heard)
        return True

    def _distance(self, table: Table) -> float:
        """Seconds to the nearest other region that is heard, and back: with it there is a majority."""
        region = get_region()
        return nearest(region, self._heard(region, _members(table)))

    @contextlib.contextmanager
    def _in_flight(self, action: str, tables: list[Table], body: bytes) -> Iterator[bool]:
        """Hold the item that a request writes; whether another region writes it at this moment.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html has the error.
        """
        item = _written(action, tables[0], body)
        if item is None:
            yield False
            return
        region, writers = get_region(), self._writers.setdefault(item, [])
        if any(each != region for each in writers):
            yield True
            return
        writers.append(region)
        try:
            yield False
        finally:
            writers.remove(region)
            if not writers:
                del self._writers[item]

    def _heard(self, region: str, members: frozenset[str]) -> list[str]:
        network = self._network()
        return sorted(each for each in members if each != region and network.reaches(region, each, SERVICE))

    def _catch_up(self, table: Table, replicas: StrongReplicas, region: str, heard: list[str]) -> None:
        """Copy what a region and those that it hears lack; another replica's items stand for the witness's log."""
        there = set(_regions(table))
        source = next(each for each in replicas.newest() if each in there)
        for member, keys in self._tell(table, replicas, "caught_up", region, heard):
            for key in keys if member in there else ():
                _apply(table["TableName"], member, key, _item(_replica(table, source), key))

    def _replicate(self, table: Table, _event: str, old: Item, new: Item) -> None:
        """Send on a write that has been made in the region of the request."""
        if not (regions := _regions(table)):
            return
        item = new if new is not None else old
        key = _key(table, item)
        if table.get("MultiRegionConsistency") == "STRONG":
            self._replicate_strongly(table, regions, key, new)
        else:
            self._replicate_eventually(table, regions, ReplicatedWrite(key, copy.deepcopy(new), _now()))

    def _replicate_strongly(self, table: Table, regions: list[str], key: Key, item: Item) -> None:
        home, members = get_region(), _members(table)
        heard = self._heard(home, members)
        for region in regions:
            if region in heard:
                _apply(table["TableName"], region, key, item)
        carrier = _carrier(table)
        if KEPT in carrier or len(heard) + 1 < len(members):
            replicas = carrier.setdefault(KEPT, StrongReplicas(members))
            self._tell(table, replicas, "wrote", key, [home, *heard])

    def _replicate_eventually(self, table: Table, regions: list[str], write: ReplicatedWrite) -> None:
        network, home, carrier = self._network(), get_region(), _carrier(table)
        waits = KEPT in carrier and not carrier[KEPT].whole()
        if waits:
            self._deliver(table, carrier[KEPT])
        others = [region for region in regions if region != home]
        at_once = [region for region in others if network.delivers(home, region, SERVICE)]
        later = [region for region in others if region not in at_once]
        if waits or later:
            replicas = carrier.setdefault(KEPT, EventualReplicas())
            at_once = self._tell(table, replicas, "wrote", write, at_once, later)
        for region in at_once:
            _apply(table["TableName"], region, write.key, write.item)
            _late(table["TableName"], home, region, write.stamp)
        for region in later:
            _late(table["TableName"], home, region, carrier[KEPT].oldest(home, region))

    def _deliver(self, table: Table, replicas: EventualReplicas) -> None:
        """Send on what waits, where the way is free; the last writer wins."""
        network = self._network()
        for sender, receiver in sorted(replicas.waiting):
            if network.delivers(sender, receiver, SERVICE):
                for write in self._tell(table, replicas, "delivered", sender, receiver):
                    _apply(table["TableName"], receiver, write.key, write.item)
                    _late(table["TableName"], sender, receiver, write.stamp)

    def _tell(self, table: Table, replicas: StrongReplicas | EventualReplicas, what: str, *about: Any) -> Any:
        """Tell the replicas something, so that it is known after a kill, too."""
        carrier = _carrier(table)
        members = replicas.members if isinstance(replicas, StrongReplicas) else None
        told = (members, what, about)
        self._note(carrier["TableId"], told)
        answer = tell(replicas, told)
        if is_over(replicas):
            carrier.pop(KEPT, None)
        return answer


def _strong_tables(action: str, body: bytes) -> Iterator[Table]:
    """The strongly consistent tables of which a request wants what only the regions together know."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):  # what is no request, the emulator refuses
        request = json.loads(body or b"{}")
        asked = request.get("RequestItems") or {request.get("TableName", ""): request}
        for name, wanted in asked.items():
            strongly = action in WRITES or action == "TransactGetItems" or wanted.get("ConsistentRead")
            table = dynamodb._tables.get(dynamodb._normalize_table_name(name)) if strongly else None
            if table is not None and table.get("MultiRegionConsistency") == "STRONG":
                yield table


def _written(action: str, table: Table, body: bytes) -> tuple[str, Key] | None:
    """The item that a request writes, by its table's name; None where it is none, or many."""
    if action not in {"PutItem", "UpdateItem", "DeleteItem"}:
        return None
    try:
        request = json.loads(body)
        return table["TableName"], _key(table, request["Item" if action == "PutItem" else "Key"])
    except (KeyError, AttributeError, TypeError):  # the emulator says what is wrong with it
        return None


def _conflict() -> Answer:
    message = "One or more items in this request are being modified by a request in another Region."
    answer: Answer = error_response_json("ReplicatedWriteConflictException", message, 400)
    return answer


def _isolated(region: str) -> Answer:
    """The answer of a region that hears no other. AWS documents that there is an error, and not which: a server's."""
    message = f"The replica in {region} cannot reach another Region of its global table."
    answer: Answer = error_response_json("InternalServerError", message, 500)
    return answer


def _regions(table: Table) -> list[str]:
    return list(table.get("_global_regions") or ())


def _members(table: Table) -> frozenset[str]:
    return frozenset({*_regions(table), *(each["RegionName"] for each in table.get("GlobalTableWitnesses") or ())})


def _replica(table: Table, region: str) -> Table:
    found: Table = dynamodb._tables.get_scoped(get_account_id(), region, table["TableName"])
    return found


def _carrier(table: Table) -> Table:
    regions = _regions(table)
    return _replica(table, min(regions)) if regions else table


def _key(table: Table, item: Any) -> Key:
    sort = dynamodb._extract_key_val(item.get(table["sk_name"])) if table["sk_name"] else "__no_sort__"
    return dynamodb._extract_key_val(item.get(table["pk_name"])), sort


def _item(table: Table, key: Key) -> Item:
    found: Item = table["items"].get(key[0], {}).get(key[1])
    return found


def _apply(name: str, region: str, key: Key, item: Item) -> None:
    """Write an item, or delete it, in another region than that of the request; its stream hears of it."""
    with request_scope(get_account_id(), region):
        table = dynamodb._tables.get(name)
        if table is None:
            return
        before = _item(table, key)
        if item is None:
            dynamodb._remove_item(table, *key)
        else:
            dynamodb._set_item(table, *key, copy.deepcopy(item))
        if item is not None or before is not None:
            event = "REMOVE" if item is None else "MODIFY" if before else "INSERT"
            dynamodb._emit_stream_event(name, event, before, copy.deepcopy(item), replicate=False)


def _late(name: str, sender: str, receiver: str, since: Stamp | None) -> None:
    """Measure how late a write is: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html.

    Of one that waits, at every further write, how late it is so far: the oldest of its way.
    """
    if since is None:
        return
    late = Here.clock.now() * 1e3 - since.nanoseconds / 1e6
    with request_scope(get_account_id(), sender):
        dimensions = {"TableName": name, "ReceivingRegion": receiver}
        cloudwatch.record_metric("AWS/DynamoDB", "ReplicationLatency", max(late, 0.0), "Milliseconds", dimensions)


_last = 0


def _now() -> Stamp:
    """A moment of its own for each write."""
    global _last  # noqa: PLW0603 - writes are made one at a time
    _last = max(int(Here.clock.now() * 1e9), _last + 1)
    return Stamp(_last, get_region())
