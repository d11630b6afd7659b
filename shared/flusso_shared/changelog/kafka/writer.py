"""Publishes changes to Kafka."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from flusso_shared.change import AnyChange, EncodedChange, Op
from flusso_shared.changelog import codec
from flusso_shared.changelog.kafka.client import Clients
from flusso_shared.changelog.kafka.errors import FATAL, error_of
from flusso_shared.changelog.kafka.shrink import fit
from flusso_shared.changelog.kafka.topics import Topics
from flusso_shared.errors import FlussoError, RetryableError
from flusso_shared.names import TableName

Acknowledge = Callable[[], None]
Keep = Mapping[TableName, Collection[str]]

TRUNCATES = 0
"""The partition of all truncates of a table."""
_BY_KEY = -1
_RECORD_FRAMING_BYTES = 64 + 80
"""Of the record itself, and of the header with its trace."""


class KafkaWriter:
    """A producer and what it has not delivered yet.  Owned by one thread."""

    def __init__(self, clients: Clients, topics: Topics, keep: Keep) -> None:
        """`keep` has the key and link columns of each table, which never are left out."""
        self._topics = topics
        self._keep = keep
        self._names: dict[TableName, str] = {}
        self._errors = clients.errors()
        self._translate = clients.translate
        limit = topics.max_message_bytes
        self._producer: Producer = clients.producer(
            self._errors,
            message_max_bytes=limit,
            batch_size=min(limit, clients.number("batch.size", limit)),
        )
        self._callback: tuple[Acknowledge, Callable[..., None]] | None = None
        """The newest callback, and what it calls."""
        self._failure: FlussoError | None = None
        self._closing = False
        self._tombstones: deque[tuple[str, bytes, Callable[..., None]]] = deque()
        """Tombstones that found no room after their delete."""

    @property
    def max_record_bytes(self) -> int:
        return self._topics.max_message_bytes - _RECORD_FRAMING_BYTES

    def publish(self, change: AnyChange, acknowledged: Acknowledge) -> bool:
        if self._failure is not None:
            raise self._failure
        if self._tombstones and not self._publish_tombstones():
            return False
        topic = self._topic(change.table)
        if isinstance(change, EncodedChange):
            done = self._when_delivered(acknowledged)
            return self._produce(topic, change.key, change.value, done, trace=change.trace)
        key = codec.key_of(change)
        value = codec.encode(change)
        room = self.max_record_bytes - len(key)
        if len(value) > room:
            keep = self._keep.get(change.table, ())
            _, value = fit(change, room, keep, codec.encode)
        if change.op is not Op.DELETE:
            done = self._when_delivered(acknowledged)
            # One worker at a time has truncates to look after, and no two wait for each other: see `truncate_rescan`.
            partition = TRUNCATES if change.op is Op.TRUNCATE else _BY_KEY
            return self._produce(topic, key, value, done, partition, change.trace)
        both = self._when_delivered(_Twice(acknowledged))
        if not self._produce(topic, key, value, both, trace=change.trace):
            return False
        # From here on the change counts as taken: the tombstone may wait, but nothing goes before it.
        self._tombstones.append((topic, key, both))
        self._publish_tombstones()
        return True

    def poll(self, timeout: float) -> None:
        self._publish_tombstones()
        self._producer.poll(timeout)
        if (fatal := self._errors.fatal) is not None and self._failure is None:
            # An idempotent producer that lost its sequence; a new one starts another.
            self._failure = RetryableError(f"the Kafka producer gave up: {fatal.str()}")
        if self._failure is not None:
            raise self._failure

    def close(self, timeout: float) -> None:
        self._publish_tombstones()
        self._producer.flush(timeout)
        self._closing = True
        self._producer.purge(in_queue=True, in_flight=True, blocking=False)
        self._producer.poll(0)

    def _topic(self, table: TableName) -> str:
        name = self._names.get(table)
        if name is None:
            name = self._names[table] = self._topics.name(table)
        return name

    def _publish_tombstones(self) -> bool:
        """Whether none is left."""
        while self._tombstones:
            topic, key, delivered = self._tombstones[0]
            if not self._produce(topic, key, None, delivered):
                return False
            self._tombstones.popleft()
        return True

    def _produce(
        self,
        topic: str,
        key: bytes,
        value: bytes | None,
        delivered: Callable[..., None],
        partition: int = _BY_KEY,
        trace: str = "",
    ) -> bool:
        try:
            if trace:
                headers: codec.Headers = {codec.TRACE_HEADER: trace}
                self._producer.produce(topic, value, key, partition, delivered, headers=headers)
            else:
                self._producer.produce(topic, value, key, partition, delivered)
        except BufferError:
            return False
        except KafkaException as error:
            self._failure = self._translate(error_of(error), f"publish to {topic}")
            raise self._failure from error
        return True

    def _when_delivered(self, acknowledged: Acknowledge) -> Callable[..., None]:
        """The callback of a message.  The changes of a transaction share one."""
        if self._callback is None or self._callback[0] is not acknowledged:
            self._callback = (acknowledged, partial(self._delivered, acknowledged))
        return self._callback[1]

    def _delivered(
        self, acknowledged: Acknowledge, error: KafkaError | None, message: Message
    ) -> None:
        """Runs inside `poll` and `flush`."""
        if error is None:
            if not self._closing:
                acknowledged()
            return
        if not self._closing and self._failure is None:
            self._failure = self._failed(error, message)

    def _failed(self, error: KafkaError, message: Message) -> FlussoError:
        doing = f"publish to {message.topic()}"
        if error.fatal() or error.code() == FATAL:
            return RetryableError(f"cannot {doing}: the producer gave up: {error.str()}")
        return self._translate(error, doing)


class _Twice:
    """Calls on at the second call: once for the delete, once for its tombstone."""

    __slots__ = ("_acknowledged", "_first")

    def __init__(self, acknowledged: Acknowledge) -> None:
        self._acknowledged = acknowledged
        self._first = True

    def __call__(self) -> None:
        if self._first:
            self._first = False
        else:
            self._acknowledged()
