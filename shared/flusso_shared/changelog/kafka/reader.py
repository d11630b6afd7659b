"""Reads changes from Kafka as a member of a consumer group."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from flusso_shared.change import Change, Position, Record
from flusso_shared.changelog import codec
from flusso_shared.changelog.kafka.client import Clients
from flusso_shared.changelog.kafka.errors import (
    AUTO_OFFSET_RESET,
    MAX_POLL_EXCEEDED,
    NOT_A_MEMBER,
    PARTITION_EOF,
    error_of,
)
from flusso_shared.changelog.kafka.offsets import MemberOffsets
from flusso_shared.changelog.kafka.partitions import from_confluent, to_confluent
from flusso_shared.errors import FatalError, FlussoError, RetryableError
from flusso_shared.seams import Offsets, TopicPartition

logger = logging.getLogger(__name__)

_RETRY_COMMIT_SECONDS = 0.5
_POLL_TURN_SECONDS = 0.01
"""Seconds to wait for one consumer while the other may have something."""
_LEAVE_TIMEOUT_SECONDS = 5.0
"""Seconds for leaving the group; brokers notice a member that did not after `session.timeout.ms`."""


class KafkaReader:
    """A member of a group.  Its rebalance callbacks run inside `poll`, in the owner's thread.

    It is two members, in fact: one for the first topic, which is the documents' own, and one for all others.
    The cooperative assignor counts partitions, whatever their topic: to a worker that joins later it would
    hand over half of the partitions, but perhaps none of the topic that all the work of seeding comes from.
    """

    def __init__(
        self,
        clients: Clients,
        group: str,
        topics: Sequence[str],
        on_revoked: Callable[[Collection[TopicPartition]], None],
        *,
        traced: bool = False,
    ) -> None:
        """`traced`: whether changes get the trace in the headers of their records."""
        self._group = group
        self._traced = traced
        self._on_revoked = on_revoked
        self._translate = clients.translate
        self._offsets = MemberOffsets()
        self._failure: FlussoError | None = None
        self._closing = False
        self._inside_close: set[Consumer] = set()
        self._left: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._commit_again_at = 0.0
        self._consumers: list[Consumer] = []
        self._by_topic: dict[str, Consumer] = {}
        for share in (list(topics[:1]), list(topics[1:])):
            if share:
                consumer = clients.consumer(
                    clients.errors(), on_commit=self._answered, group_id=group
                )
                self._consumers.append(consumer)
                self._by_topic |= dict.fromkeys(share, consumer)
                consumer.subscribe(
                    share,
                    on_assign=self._assigned,
                    on_revoke=self._revoked,
                    on_lost=self._lost,
                )

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to `max_records` records; returns with what there is as soon as there is something."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        records = self._read(max_records, timeout)
        self._catch_up()
        if self._failure is not None and not records:
            failure, self._failure = self._failure, None
            raise failure
        return records

    def commit(self, offsets: Offsets) -> None:
        self._offsets.apply(offsets)
        due = self._offsets.due()
        wanted = {partition: offset for partition, offset in due.items() if partition in offsets}
        self._commit(wanted)

    def assignment(self) -> Collection[TopicPartition]:
        return self._offsets.owned

    def lag(self) -> int:
        """The ends are those that the last fetch of each partition was answered with."""
        ends: dict[TopicPartition, int] = {}
        for at in self._offsets.owned:
            found = self._by_topic[at.topic].get_watermark_offsets(to_confluent(at), cached=True)
            if found is not None:
                ends[at] = found[1]
        return self._offsets.lag(ends)

    def close(self) -> None:
        """Leave the group.  Returns after a few seconds even if the client library does not.

        While leaving, the callbacks run in threads of their own; `on_revoked` is not called any more.
        """
        if self._closing:
            return
        self._closing = True
        for consumer in self._consumers:
            threading.Thread(
                target=self._leave, args=(consumer,), name="leave-group", daemon=True
            ).start()
        deadline = time.monotonic() + _LEAVE_TIMEOUT_SECONDS
        if not all([self._has_left(deadline) for _ in self._consumers]):
            logger.warning(
                "group %s: could not leave in order, for which it has %.0f s; the brokers notice after session.timeout.ms",
                self._group,
                _LEAVE_TIMEOUT_SECONDS,
                extra={"action": "leave_unfinished"},
            )

    def _has_left(self, deadline: float) -> bool:
        try:
            return self._left.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return False

    def _leave(self, consumer: Consumer) -> None:
        """Leave the group, then close; puts into `_left` whether it finished.

        `close` alone is not safe in the middle of a rebalance; see `_park_inside_close`.
        """
        try:
            consumer.unsubscribe()
            _serve_until_unassigned(consumer)
        except KafkaException as error:
            logger.debug("leaving a group: %s", error)
        self._inside_close.add(consumer)
        try:
            consumer.close()
        finally:
            self._left.put(True)

    def _park_inside_close(self, consumer: Consumer) -> None:
        """Block this thread when `close` runs a rebalance callback.

        The client library would hand the assignment to librdkafka's main thread and wait for an answer, with the
        interpreter lock held.  That thread may have ended (librdkafka, issues 4041 and 4884): the whole process
        would block for ever.  Only this thread blocks instead; the group was left before.
        """
        if consumer in self._inside_close:
            self._left.put(False)
            threading.Event().wait()

    # --- reading ------------------------------------------------------------------------------------

    def _read(self, max_records: int, timeout: float) -> list[Record]:
        """Ask the consumers in turns, beginning with the one that was not heard last."""
        deadline = time.monotonic() + timeout
        wait = 0.0
        while True:
            for consumer in tuple(self._consumers):
                self._consumers.append(self._consumers.pop(0))
                records = self._read_from(consumer, max_records, wait)
                if records or self._failure is not None:
                    return records
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            # Alone, a consumer may take all the time: nothing else can arrive meanwhile.
            wait = left if len(self._consumers) == 1 else min(left, _POLL_TURN_SECONDS)

    def _read_from(self, consumer: Consumer, max_records: int, timeout: float) -> list[Record]:
        # `consume` would wait for the whole batch, or the whole timeout.
        try:
            first = consumer.poll(timeout)
            if first is None:
                return []
            rest = consumer.consume(max_records - 1, 0) if max_records > 1 else []
        except KafkaException as error:
            doing = f"read as a member of group {self._group}"
            raise self._translate(error_of(error), doing) from error
        return self._decoded([first, *rest])

    def _decoded(self, messages: Iterable[Message]) -> list[Record]:
        records: list[Record] = []
        offsets = self._offsets
        for message in messages:
            position = _position(message)
            at = TopicPartition(position.topic, position.partition)
            error = message.error()
            if error is not None:
                self._notice(error, at, position.offset)
                continue
            value: Any = message.value()
            if value is None:
                offsets.skip(at, position.offset + 1)
            elif offsets.deliver(at, position.offset):
                change = _change(message, value, position)
                if self._traced and (headers := message.headers()):
                    change = change._replace(trace=codec.trace_of(headers))
                records.append(Record(position, change))
        return records

    def _notice(self, error: KafkaError, at: TopicPartition, offset: int) -> None:
        """Sort out an event that is not a record; a failure is raised when what came before is delivered."""
        code = error.code()
        if code == PARTITION_EOF:
            self._offsets.skip(at, offset)
        elif code == MAX_POLL_EXCEEDED:
            # The next poll joins again; what is in flight is another member's meanwhile.
            logger.warning(
                "group %s: a batch took longer than max.poll.interval.ms; joining again",
                self._group,
                extra={"action": "max_poll_exceeded"},
            )
        elif code in (AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self._failure = FatalError(
                f"group {self._group} has no valid position in {at.topic} partition {at.partition}"
                f" ({error.str()}): changes may be missing; rebuild the index with `flusso reindex`"
            )
        else:
            self._failure = self._translate(error, f"read {at.topic or 'changes'}")

    # --- committing ---------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Commit what no worker will: a tail without changes, and commits that came during a rebalance."""
        if time.monotonic() < self._commit_again_at:
            return
        if due := self._offsets.due():
            self._commit_again_at = time.monotonic() + _RETRY_COMMIT_SECONDS
            try:
                self._commit(due)
            except RetryableError as error:
                logger.debug("group %s: %s", self._group, error)

    def _commit(self, offsets: Offsets) -> None:
        shares: dict[Consumer, dict[TopicPartition, int]] = {}
        for partition, offset in offsets.items():
            shares.setdefault(self._by_topic[partition.topic], {})[partition] = offset
        for consumer, share in shares.items():
            self._commit_share(consumer, share)

    def _commit_share(self, consumer: Consumer, offsets: Offsets) -> None:
        """Ask for a commit, without waiting: it is answered after a request to join again, which is answered when
        all members have joined, and the other consumer may be the one that has not, because this thread waits.
        """
        try:
            consumer.commit(
                offsets=[to_confluent(partition, offset) for partition, offset in offsets.items()],
                asynchronous=True,
            )
        except KafkaException as exception:
            if (failure := self._not_committed(error_of(exception))) is not None:
                raise failure from exception
            return
        self._offsets.asked(offsets)

    def _answered(
        self, error: KafkaError | None, partitions: list[confluent_kafka.TopicPartition]
    ) -> None:
        """What became of a commit; called inside `poll`."""
        problem = error
        for each in partitions:
            if error is None and each.error is None:
                self._offsets.asked({from_confluent(each): each.offset})
            else:
                self._offsets.refused([from_confluent(each)])
                problem = problem or each.error
        failure = None if problem is None else self._not_committed(problem)
        if isinstance(failure, RetryableError):
            logger.warning(
                "group %s: offsets are not committed yet: %s",
                self._group,
                failure,
                extra={"action": "retry"},
            )
        elif failure is not None:
            self._failure = failure

    def _not_committed(self, error: KafkaError) -> FlussoError | None:
        """What `error` means; None where the partitions went, or are going, to another member.

        If this member keeps them after all, `_catch_up` commits; if not, the new owner applies again.
        """
        if error.code() not in NOT_A_MEMBER:
            return self._translate(error, f"commit offsets of group {self._group}")
        logger.debug("group %s: offsets are not taken: %s", self._group, error.str())
        return None

    # --- rebalance ----------------------------------------------------------------------------------

    def _assigned(self, consumer: Any, partitions: list[confluent_kafka.TopicPartition]) -> None:
        self._park_inside_close(consumer)
        self._offsets.assign([from_confluent(each) for each in partitions])
        logger.info(
            "group %s: took %d partitions",
            self._group,
            len(partitions),
            extra={"action": "assigned", "partitions": len(partitions)},
        )

    def _revoked(self, consumer: Any, partitions: list[confluent_kafka.TopicPartition]) -> None:
        self._park_inside_close(consumer)
        if not partitions:
            return
        gone = [from_confluent(each) for each in partitions]
        if not self._closing:
            self._on_revoked(gone)
        self._offsets.remove(gone)

    def _lost(self, consumer: Any, partitions: list[confluent_kafka.TopicPartition]) -> None:
        """Like `_revoked`, but another member has them already: nothing of them may be committed."""
        self._park_inside_close(consumer)
        gone = [from_confluent(each) for each in partitions]
        self._offsets.remove(gone)
        if not self._closing:
            self._on_revoked(gone)


def _serve_until_unassigned(consumer: Consumer) -> None:
    """Poll until the assignment is empty, within a deadline."""
    deadline = time.monotonic() + _LEAVE_TIMEOUT_SECONDS
    while consumer.consume(1000, _POLL_TURN_SECONDS) or consumer.assignment():
        if time.monotonic() > deadline:
            return


def _position(message: Message) -> Position:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    # An event that is no record may lack them.
    return Position(topic or "", -1 if partition is None else partition, offset or 0)


def _change(message: Message, value: bytes, position: Position) -> Change:
    key: Any = message.key()
    try:
        return codec.decode(value, key)
    except FatalError as error:
        raise FatalError(
            f"{position.topic} partition {position.partition} offset {position.offset}: {error}"
        ) from error
