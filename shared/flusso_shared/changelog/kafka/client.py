"""Makes the Kafka clients: their properties, their logs, the errors that they report."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from flusso_shared.changelog.kafka.errors import (
    ALL_BROKERS_DOWN,
    LOGIN_REFUSED,
    from_exception,
    translate,
)
from flusso_shared.config import secrets
from flusso_shared.config.model import FileRef, QueueConnection
from flusso_shared.errors import ConfigError, FlussoError, RetryableError

logger = logging.getLogger(__name__)
library_logger = logging.getLogger(f"{__name__}.librdkafka")

REQUEST_TIMEOUT_SECONDS = 15.0
"""Seconds that a request to the brokers may take."""
DEFAULT_MESSAGE_BYTES = 1_000_000
_REPEAT_AFTER_SECONDS = 30.0

_CREDENTIALS = ("sasl.username", "sasl.password")

Properties = dict[str, Any]
Client = TypeVar("Client", Producer, Consumer, AdminClient)
OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]

_ALL: Properties = {
    "client.id": "flusso",
    # The same failures come through `error_cb`, which does not repeat itself.
    "log_level": 2,
    "log.connection.close": False,
    "reconnect.backoff.ms": 100,
    "reconnect.backoff.max.ms": 5_000,
    "socket.keepalive.enable": True,
}
_PRODUCER: Properties = {
    "compression.type": "lz4",
    "linger.ms": 5,
    "batch.num.messages": 10_000,
    "queue.buffering.max.messages": 50_000,
    "queue.buffering.max.kbytes": 32_768,
    # For ever: an outage only fills the buffer, and a full buffer only stops reading the slot.
    "message.timeout.ms": 0,
}
_PRODUCER_FORCED: Properties = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
}
_CONSUMER: Properties = {
    "session.timeout.ms": 15_000,
    # A member learns of a rebalance by its next heartbeat: a worker that joins gets its share that soon.
    "heartbeat.interval.ms": 1_000,
    # One change may fan out to a million documents between two polls.
    "max.poll.interval.ms": 900_000,
    # Per partition; librdkafka takes several times the size of a small message in memory.
    "queued.max.messages.kbytes": 8_192,
    "queued.min.messages": 5_000,
    "max.partition.fetch.bytes": 262_144,
    "fetch.queue.backoff.ms": 20,
    "fetch.wait.max.ms": 500,
}
_CONSUMER_FORCED: Properties = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "partition.assignment.strategy": "cooperative-sticky",
}


class ClientErrors:
    """The `error_cb` of one client: logs each kind of error at most every 30 s, and keeps the newest for messages."""

    def __init__(
        self, servers: str, credentials: Callable[[], tuple[str, str]] | None = None
    ) -> None:
        """`credentials` reads user and password from their files, if they are in files."""
        self._servers = servers
        self._credentials = credentials
        self.client: Producer | Consumer | AdminClient | None = None
        """Whose errors these are, once it is made."""
        self._given: tuple[str, str] | None = None
        """The credentials that the client got after it was made."""
        self._logged_at: dict[int, float] = {}
        self._count = 0
        self._newest: tuple[float, KafkaError] | None = None
        self.fatal: KafkaError | None = None
        """The client itself is broken and has to be replaced."""

    def __call__(self, error: KafkaError) -> None:
        self._count += 1
        if error.fatal():
            self.fatal = error
        now = time.monotonic()
        code = error.code()
        if code in LOGIN_REFUSED:
            self._renew_credentials()
        if code != ALL_BROKERS_DOWN:
            # It only sums up the errors before it.
            self._newest = (now, error)
        if now - self._logged_at.get(code, -_REPEAT_AFTER_SECONDS) < _REPEAT_AFTER_SECONDS:
            return
        self._logged_at[code] = now
        logger.warning(
            "Kafka at %s: %s (%s); %d such reports so far, the client keeps trying",
            self._servers,
            error.str(),
            error.name(),
            self._count,
            extra={"action": "kafka_degraded"},
        )

    def translate(self, error: KafkaError, doing: str) -> FlussoError:
        """As `errors.translate`, of the newest error reported here in the last 30 s, which says more than `error`."""
        recent = self._newest
        if recent is not None and time.monotonic() - recent[0] <= _REPEAT_AFTER_SECONDS:
            error = recent[1]
        return _of_login(translate(error, doing), error, self._credentials is not None)

    def _renew_credentials(self) -> None:
        """Give the client what is in the files now, in a thread of its own.

        confluent-kafka aborts the process when a client is called within one of its own callbacks.
        """
        if self._credentials is None or self.client is None:
            return
        try:
            found = self._credentials()
        except RetryableError as error:
            logger.warning("Kafka at %s: %s", self._servers, error, extra={"action": "retry"})
            return
        if found == self._given:
            return
        self._given = found
        threading.Thread(
            target=_give, args=(self.client, *found), name="kafka-credentials", daemon=True
        ).start()


def _give(client: Producer | Consumer | AdminClient, user: str, password: str) -> None:
    # It may be closed by now.
    with contextlib.suppress(RuntimeError, KafkaException):
        client.set_sasl_credentials(user, password)


class Clients:
    """Makes clients of one cluster."""

    def __init__(self, connection: QueueConnection) -> None:
        self.connection = connection

    @property
    def max_message_bytes(self) -> int:
        """The configured limit of one message."""
        return self.number("message.max.bytes", DEFAULT_MESSAGE_BYTES)

    def number(self, name: str, default: int) -> int:
        """A property of the user's that has to be a whole number."""
        value = self.connection.properties.get(name, default)
        try:
            return int(_text(value))
        except ValueError as error:
            raise ConfigError(
                f"[queue.properties] has {name} = {value!r}; write a whole number"
            ) from error

    def producer(self, errors: ClientErrors, **settings: Any) -> Producer:
        """A producer with `settings` (underscores for dots) over everything else."""
        properties = self._merged(_PRODUCER, _PRODUCER_FORCED | _dotted(settings))
        properties["error_cb"] = errors
        return _made(Producer, properties, errors)

    def consumer(
        self, errors: ClientErrors, on_commit: OnCommit | None = None, **settings: Any
    ) -> Consumer:
        """A consumer, likewise.  `on_commit` gets the answers to asynchronous commits, inside `poll`."""
        properties = self._merged(_CONSUMER, _CONSUMER_FORCED | _dotted(settings))
        properties["error_cb"] = errors
        if on_commit is not None:
            properties["on_commit"] = on_commit
        return _made(Consumer, properties, errors)

    def admin(self, errors: ClientErrors) -> AdminClient:
        """An admin client; it may be used by any thread."""
        # It asks for topics that may be missing.
        properties = self._merged({}, {"allow.auto.create.topics": False})
        properties["error_cb"] = errors
        return _made(AdminClient, properties, errors)

    def translate(self, error: KafkaError, doing: str) -> FlussoError:
        """As `errors.translate`; a login that is refused passes where the secret is in a file."""
        return _of_login(translate(error, doing), error, self._secret_in_file)

    @property
    def _secret_in_file(self) -> bool:
        given = self.connection.properties
        return any(isinstance(given.get(name), FileRef) for name in _CREDENTIALS)

    def errors(self) -> ClientErrors:
        """A new `error_cb`, one for each client."""
        given = self.connection.properties

        def credentials() -> tuple[str, str]:
            user, password = (str(_text(given.get(name, ""))) for name in _CREDENTIALS)
            return user, password

        return ClientErrors(
            self.connection.bootstrap_servers, credentials if self._secret_in_file else None
        )

    def _merged(self, defaults: Properties, forced: Properties) -> Properties:
        """The user's properties stand over our defaults, and under what correctness needs."""
        own = {name: _text(value) for name, value in self.connection.properties.items()}
        merged = _ALL | defaults | own | forced
        if "debug" in own and "log_level" not in own:
            del merged["log_level"]
        return merged | {"bootstrap.servers": self.connection.bootstrap_servers}


def _of_login(found: FlussoError, error: KafkaError, secret_in_file: bool) -> FlussoError:
    if error.code() in LOGIN_REFUSED and secret_in_file:
        return RetryableError(f"{found}. The secret is in a file, which is read again at every try")
    return found


def _dotted(settings: Mapping[str, Any]) -> Properties:
    return {name.replace("_", "."): value for name, value in settings.items()}


def _text(value: str | int | bool | FileRef) -> str | int:
    if isinstance(value, FileRef):
        return secrets.read(value)
    return str(value).lower() if isinstance(value, bool) else value


def _made(kind: type[Client], properties: Properties, errors: ClientErrors) -> Client:
    try:
        errors.client = kind(properties, logger=library_logger)
    except KafkaException as error:
        raise ConfigError(str(from_exception(error, "make a Kafka client"))) from error
    return errors.client
