"""Asks the brokers whether one of them answers."""

from __future__ import annotations

from flusso_shared.changelog.kafka.log import KafkaLog


class KafkaProbe:
    """A `process.server_watch.Probe`."""

    server = "kafka"

    def __init__(self, log: KafkaLog) -> None:
        self._log = log

    def ask(self) -> None:
        """Brokers do not say which version they have.  Raises `RetryableError` and `FatalError`."""
        self._log.ask_brokers()

    def close(self) -> None:
        """The log is closed by its owner."""
