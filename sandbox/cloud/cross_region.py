"""What services do by themselves: replicas of objects and secrets, messages to queues of other regions and from queues.

Where the way to another region is cut it waits, and goes on when that is free. In a region that is out nothing is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.core.responses import get_region, request_scope
from ministack.services import secretsmanager, sns, sqs

from sandbox.cloud.repairs import storage
from sandbox.cloud.waiting import WAITING, region_of
from sandbox.cloud.watch.here import Here

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.faults.network import Network


class CrossRegion:
    """The ways between regions, for all services but DynamoDB."""

    def __init__(self, network: Callable[[], Network]) -> None:
        self._network = network

    def install(self) -> None:
        """Have the emulator look at the way before it sends."""
        self._sync, self._to_queue = secretsmanager._sync_replicas, sns._deliver_to_sqs
        secretsmanager._sync_replicas, sns._deliver_to_sqs = self._sync_secret, self._send
        storage.when_loaded(self._install_s3)
        self._receive = sqs._receive_messages_for_esm
        sqs._receive_messages_for_esm = self._read

    def mend(self) -> None:
        """Send what waits, where the way is free."""
        for (account, region, _), secret in list(secretsmanager._secrets._data.items()):
            with request_scope(account, region):
                if any(each.get("Status") == "InProgress" for each in secret.get("ReplicationStatus") or ()):
                    self._sync_secret(secret)
        for (account, region, _), topic in list(sns._topics._data.items()):
            with request_scope(account, region):
                for arguments, options in topic.pop(WAITING, ()):
                    self._send(*arguments, **options)
        if "s3" in app._loaded_modules:
            self._mend_s3()

    def _read(self, queue: str, most: int) -> list[dict[str, Any]]:
        """Take messages for a function: else those of a region that is out would be dead letters when it is back."""
        region, network = queue.split(".")[1], self._network()
        if network.is_out(region):
            return []
        taken: list[dict[str, Any]] = self._receive(queue, most)
        ahead = Here.clock.ahead()  # a function is told when they were sent, in its own time
        return [{**message, "sent_at": message["sent_at"] + ahead} for message in taken]

    def _sync_secret(self, secret: dict[str, Any]) -> None:
        """Copy a secret to those of its replicas that hear of it; a replica that does not is InProgress."""
        replicas, network = secret.get("ReplicationStatus") or [], self._network()
        for each in replicas:
            each["Status"] = "InSync" if network.delivers(get_region(), each["Region"]) else "InProgress"
        held = [each for each in replicas if each["Status"] != "InSync"]
        secret["ReplicationStatus"] = [each for each in replicas if each not in held]
        try:
            self._sync(secret)
        finally:
            secret["ReplicationStatus"] = replicas

    def _send(self, queue: str, *arguments: Any, **options: Any) -> None:
        """Deliver a message to a queue; SNS tries for weeks."""
        _, _, _, region, account, *_ = str(options["topic_arn"]).split(":")
        network, receiver = self._network(), queue.split(":")[3]
        if not network.faults or network.delivers(region, receiver):
            self._to_queue(queue, *arguments, **options)
        else:
            topic = sns._topics.get_scoped(account, region, options["topic_arn"])
            topic.setdefault(WAITING, []).append(((queue, *arguments), options))

    def _install_s3(self) -> None:
        from ministack.services import s3  # noqa: PLC0415 - see storage.when_loaded

        self._copy, self._mark = s3._maybe_replicate, s3._maybe_replicate_delete_marker
        s3._maybe_replicate, s3._maybe_replicate_delete_marker = self._replicate, self._replicate_marker

    def _replicate(
        self, bucket: str, key: str, record: dict[str, Any], data: Any, tags: dict[str, str] | None = None
    ) -> None:
        if self._reaches_replica(bucket):
            self._copy(bucket, key, record, data, tags)
            return
        from ministack.services import s3  # noqa: PLC0415

        rule, _ = s3._replication_rule_for(bucket, key, tags)
        if rule is not None:
            record["replication_status"] = "PENDING"
            s3._buckets[bucket].setdefault(WAITING, []).append([key, record["etag"], record["last_modified"]])

    def _replicate_marker(self, bucket: str, key: str) -> None:
        if self._reaches_replica(bucket):
            self._mark(bucket, key)
        else:
            from ministack.services import s3  # noqa: PLC0415

            s3._buckets[bucket].setdefault(WAITING, []).append([key, "", ""])

    def _reaches_replica(self, bucket: str) -> bool:
        """Whether what is written to a bucket gets to where it is replicated to, if it is at all."""
        from ministack.services import s3  # noqa: PLC0415

        network, replication = self._network(), s3._bucket_replication
        if not network.faults or bucket not in replication:
            return True
        names = {rule["Destination"]["Bucket"].rpartition(":")[2] for rule in replication[bucket]["Rules"]}
        here = region_of(s3._buckets[bucket])
        return all(network.delivers(here, region_of(s3._buckets[name])) for name in names if name in s3._buckets)

    def _mend_s3(self) -> None:
        """Copy what waits, in the order in which it came: an object that has been replaced since as its own version."""
        from ministack.services import s3  # noqa: PLC0415

        buckets = s3._buckets
        for (account, name), bucket in list(buckets._data.items()):
            with request_scope(account, region_of(bucket)):
                if not bucket.get(WAITING) or not self._reaches_replica(name):
                    continue
                for key, etag, modified in bucket.pop(WAITING):
                    if etag:
                        self._copy_version(name, key, etag, modified)
                    else:
                        self._mark(name, key)

    def _copy_version(self, bucket: str, key: str, etag: str, modified: str) -> None:
        from ministack.services import s3  # noqa: PLC0415

        current = s3._buckets[bucket]["objects"].get(key)
        versions, tagged = s3._object_versions, s3._object_tags
        for version in versions.get((bucket, key), ()):
            if (version.get("etag"), version.get("last_modified")) != (etag, modified):
                continue
            is_current = current is not None and current.get("version_id") == version["version_id"]
            record = current if is_current else s3._object_record_from_version(version)
            body = s3._version_body(s3._buckets[bucket], bucket, key, version)
            copied = {**record, "body": body}
            tags = tagged.get((bucket, key, version["version_id"]))
            self._copy(bucket, key, copied, body, tags)
            record["replication_status"] = version["replication_status"] = copied["replication_status"]
            if tags and (replica := copied.get("_replica")):
                tagged[replica[0], key, replica[1]] = dict(tags)
            if is_current:
                s3._persist_object(bucket, key, record)
            return
