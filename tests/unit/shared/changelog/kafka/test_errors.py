"""Which errors of Kafka end a start, and which are waited for."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from flusso_shared.changelog.kafka.errors import SSL, TRANSPORT, translate
from flusso_shared.errors import FatalError, RetryableError

VERIFY = "ssl://kafka:9093/bootstrap: error:0A000086:SSL routines::certificate verify failed (after 2ms in state SSL_HANDSHAKE)"
ALERT = "ssl://kafka:9093/bootstrap: Receive failed: error:0A000416:SSL routines::ssl/tls alert certificate unknown"
RESET = "ssl://kafka:9093/bootstrap: Disconnected: connection reset by peer"


@pytest.mark.parametrize(("code", "text"), [(SSL, VERIFY), (TRANSPORT, VERIFY), (TRANSPORT, ALERT)])
def test_a_certificate_that_is_refused_ends_the_start(code: int, text: str) -> None:
    """The client reports the same refusal as one of TLS, or as a connection that broke."""
    found = translate(KafkaError(code, text), "look at a topic")
    assert isinstance(found, FatalError)
    assert "[queue.properties]" in str(found)
    assert "(after" not in str(found)


def test_a_connection_that_broke_is_waited_for() -> None:
    assert isinstance(translate(KafkaError(TRANSPORT, RESET), "look at a topic"), RetryableError)
