"""Kafka's errors -> our error classes: one table of fatal errors; every other error is retryable."""

from __future__ import annotations

import re

from confluent_kafka import KafkaError, KafkaException

from flusso_shared.errors import FatalError, FlussoError, RetryableError

# librdkafka's own codes, which confluent_kafka marks with an underscore.
AUTHENTICATION = KafkaError._AUTHENTICATION  # noqa: SLF001  (public, in spite of its name; so are the others)
SSL = KafkaError._SSL  # noqa: SLF001
UNSUPPORTED_FEATURE = KafkaError._UNSUPPORTED_FEATURE  # noqa: SLF001
INVALID_ARG = KafkaError._INVALID_ARG  # noqa: SLF001
CONFLICT = KafkaError._CONFLICT  # noqa: SLF001
NO_SUCH_TOPIC = KafkaError._UNKNOWN_TOPIC  # noqa: SLF001
NO_SUCH_PARTITION = KafkaError._UNKNOWN_PARTITION  # noqa: SLF001
ASSIGNMENT_LOST = KafkaError._ASSIGNMENT_LOST  # noqa: SLF001
FAIL = KafkaError._FAIL  # noqa: SLF001
FATAL = KafkaError._FATAL  # noqa: SLF001
PARTITION_EOF = KafkaError._PARTITION_EOF  # noqa: SLF001
MAX_POLL_EXCEEDED = KafkaError._MAX_POLL_EXCEEDED  # noqa: SLF001
AUTO_OFFSET_RESET = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001
TIMED_OUT = KafkaError._TIMED_OUT  # noqa: SLF001
TRANSPORT = KafkaError._TRANSPORT  # noqa: SLF001
NO_ENTRY = KafkaError._NOENT  # noqa: SLF001
"""Of an admin request: there is no broker to ask for the leaders of its partitions."""
ALL_BROKERS_DOWN = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001

LOGIN_REFUSED = frozenset({AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})

_CERTIFICATE_REFUSED = re.compile(
    r"certificate verify failed"
    r"|alert (bad certificate|unsupported certificate|certificate \w+|unknown ca|access denied|handshake failure)"
)
"""What librdkafka reports as a connection that broke, always or at times: the client does not take the broker's certificate, or
the broker does not take the client's, or misses one."""

UNREACHED = frozenset({TIMED_OUT, TRANSPORT, ALL_BROKERS_DOWN, NO_ENTRY})
"""No broker answered; what the client reported before says more."""

_PERMISSION = "give the principal of [queue.properties] the permission"

_FATAL: dict[int, str] = {
    AUTHENTICATION: "check `security.protocol` and `sasl.*` in [queue.properties]",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check `sasl.*` in [queue.properties]",
    KafkaError.UNSUPPORTED_SASL_MECHANISM: "check `sasl.mechanisms` in [queue.properties]",
    SSL: "check `security.protocol` and `ssl.*` in [queue.properties]",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: f"{_PERMISSION} to create, read, write and describe the topics",
    KafkaError.GROUP_AUTHORIZATION_FAILED: f"{_PERMISSION} to read and delete the groups",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: f"{_PERMISSION} on the cluster (create topics, idempotent write)",
    KafkaError.INVALID_REPLICATION_FACTOR: "set `replication_factor` in [queue] to at most the number of brokers",
    KafkaError.INVALID_PARTITIONS: "set `partitions` in [queue] to what the brokers allow",
    KafkaError.POLICY_VIOLATION: "create the topics by hand as the brokers' policy wants them",
    KafkaError.INVALID_CONFIG: "create the topics by hand; the brokers refuse their settings",
    KafkaError.TOPIC_EXCEPTION: "use a `topic_prefix` of letters, digits, `.`, `_` and `-`; Kafka also refuses "
    "a topic that differs from another in `.` and `_` only",
    KafkaError.MSG_SIZE_TOO_LARGE: "set `message.max.bytes` in [queue.properties] to at most the topic's "
    "`max.message.bytes`",
    KafkaError.INVALID_RECORD: "create the topic with `cleanup.policy=compact` and without validation of records",
    KafkaError.UNSUPPORTED_VERSION: "use brokers of version 2.8 or newer",
    UNSUPPORTED_FEATURE: "use brokers of version 2.8 or newer",
    INVALID_ARG: "correct [queue.properties]",
    CONFLICT: "correct [queue.properties]",
}
"""Errors that do not pass by themselves, with the remedy."""

UNKNOWN_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        NO_SUCH_TOPIC,
        NO_SUCH_PARTITION,
    }
)

STALE_LEADER = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
"""The client's picture of the cluster is out of date."""

NOT_A_MEMBER = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        ASSIGNMENT_LOST,
    }
)
"""Answers to a commit whose partitions went, or are going, to another member."""


_TALLY = re.compile(r" \(after \d+ms in state \w+(?:, \d+ identical error\(s\) suppressed)?\)")
"""What librdkafka appends to an error of a connection: it differs from one to the next of the same kind."""


def translate(error: KafkaError, doing: str) -> FlussoError:
    """The error to raise for `error`; `doing` completes "cannot ..."."""
    code = error.code()
    reason = _TALLY.sub("", error.str())
    if code == TRANSPORT and _CERTIFICATE_REFUSED.search(reason):
        code = SSL
    if (remedy := _FATAL.get(code)) is not None:
        return FatalError(f"cannot {doing}: Kafka says {error.name()}, {reason}: {remedy}")
    if code in UNKNOWN_TOPIC:
        return RetryableError(
            f"cannot {doing}: {reason}; flusso-capture creates its topics when it starts"
        )
    return RetryableError(f"cannot {doing}: {reason} ({error.name()})")


def from_exception(exception: KafkaException, doing: str) -> FlussoError:
    """`translate` for what the library raised."""
    return translate(error_of(exception), doing)


def error_of(exception: KafkaException) -> KafkaError:
    """The error inside an exception."""
    found = exception.args[0] if exception.args else None
    return found if isinstance(found, KafkaError) else KafkaError(FAIL, str(exception))
