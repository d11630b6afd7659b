"""The ten faults: each is brought about at the beginning of a block, and cured at its end as the documentation says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from support.faults.deployment import GATE, PREFIX, Deployment
from support.waiting import until, until_none

_DEADLINE = 120.0
_HUGE = "repeat('x', 40000)"
"""An email that OpenSearch refuses as a keyword."""


@contextmanager
def opensearch_stopped(deployment: Deployment) -> Iterator[None]:
    """While a change waits."""
    deployment.opensearch.stop()
    deployment.edit()
    yield
    deployment.opensearch.start()


@contextmanager
def kafka_stopped(deployment: Deployment) -> Iterator[None]:
    deployment.kafka.kill()
    yield
    deployment.kafka.start()


@contextmanager
def postgres_stopped(deployment: Deployment) -> Iterator[None]:
    deployment.postgres.stop()
    yield
    deployment.postgres.start()


@contextmanager
def worker_stands_still(deployment: Deployment) -> Iterator[None]:
    """The others do its work meanwhile."""
    frozen = deployment.workers[2]
    frozen.pause()
    try:
        yield
        deployment.edit()
        deployment.scenario.wait_until_idle(_DEADLINE)
    finally:
        frozen.resume()


@contextmanager
def mapping_refused(deployment: Deployment) -> Iterator[None]:
    """The first worker of a deploy has a schema with an analyzer that OpenSearch does not have."""
    schema, worker = deployment.schema("products"), deployment.workers[0]
    before = schema.read_text(encoding="utf-8")
    refused, count = re.subn(
        r"^  - text: name$",
        r"\g<0>\n    options: { analyzer: missing }",
        before,
        flags=re.MULTILINE,
    )
    assert count == 1
    worker.stop()
    schema.write_text(refused, encoding="utf-8")
    worker.start()
    yield
    worker.stop()
    schema.write_text(before, encoding="utf-8")
    worker.start()


@contextmanager
def quarantine_at_its_limit(deployment: Deployment) -> Iterator[None]:
    """One document after the other, as the limit is compared before each batch."""
    ids = iter(range(1, 100))

    def spoil_another() -> None:
        deployment.execute(f"UPDATE users SET email = {_HUGE} WHERE id = {next(ids)}")

    until(
        "users stops",
        lambda: any(
            worker.status()["indexes"].get("users") == "stopped" for worker in deployment.workers
        ),
        _DEADLINE,
        step=spoil_another,
    )
    yield
    deployment.execute(
        "UPDATE users SET email = 'user' || id || '@example.org' WHERE length(email) > 1000"
    )


@contextmanager
def build_takes_minutes(deployment: Deployment) -> Iterator[None]:
    """A filter of the schema waits in every statement that builds an order."""
    with psycopg.connect(deployment.scenario.site.database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        deployment.edit()
        yield


@contextmanager
def publication_lost(deployment: Deployment) -> Iterator[None]:
    """Cured by capture itself."""
    deployment.execute(f"DROP PUBLICATION {PREFIX}")
    deployment.edit()
    yield


@contextmanager
def topic_deleted(deployment: Deployment) -> Iterator[None]:
    """Cured by capture itself."""
    # It has to live until the answer has come.
    admin = deployment.admin()
    for future in admin.delete_topics([f"{PREFIX}.public.orders"]).values():
        future.result()
    deployment.edit()
    yield


@contextmanager
def slot_invalidated(deployment: Deployment) -> Iterator[None]:
    """Capture stands still while more log is written than the server keeps."""
    postgres, capture = deployment.postgres, deployment.capture
    postgres.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
    capture.pause()
    try:

        def write_log() -> None:
            postgres.execute(
                "SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))",
                "SELECT pg_switch_wal()",
                "CHECKPOINT",
            )

        lost = "SELECT wal_status = 'lost' FROM pg_replication_slots"
        until("the slot is lost", lambda: postgres.one(lost), _DEADLINE, step=write_log)
        yield
    finally:
        capture.resume()
    postgres.execute("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")

    def missing() -> str | None:
        error = str(capture.status()["last_error"])
        return None if re.search("everything is read again: .* was invalidated", error) else error

    until_none("capture says why everything is read again", missing, _DEADLINE)
