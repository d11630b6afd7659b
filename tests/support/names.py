"""Names on the real servers that one test has for itself and leaves clean."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import conninfo, sql

from services import Services
from support import web
from support.processes import Site
from support.waiting import patient

_TIMEOUT = patient(30.0)


@contextmanager
def database(services: Services, encoding: str = "") -> Iterator[str]:
    """The URL of a fresh, empty database; it is dropped with its slots at the end."""
    name = unique("flusso_test_")
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if encoding:
        other = sql.SQL(" ENCODING {} TEMPLATE template0 LOCALE 'C'")
        create += other.format(sql.Literal(encoding))
    with psycopg.connect(services.postgres_url, autocommit=True) as admin:
        admin.execute(create)
    try:
        yield _with_database(services.postgres_url, name)
    finally:
        with psycopg.connect(services.postgres_url, autocommit=True) as admin:
            _drop_slots(admin, name)
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def slot_name() -> str:
    """A slot name that no other test has.  The slot goes with its database."""
    return unique("flusso_test_")


@contextmanager
def topic_prefix(services: Services) -> Iterator[str]:
    """A prefix for topics and consumer groups; what starts with it is deleted at the end."""
    prefix = unique("flusso-test-")
    try:
        yield prefix
    finally:
        admin = AdminClient({"bootstrap.servers": services.kafka})
        _delete_groups(admin, prefix)
        _delete_topics(admin, prefix)


@contextmanager
def index_prefix(services: Services) -> Iterator[str]:
    """A prefix for indexes and aliases; what starts with it is deleted at the end."""
    prefix = unique("flusso_test_") + "_"
    try:
        yield prefix
    finally:
        with web.client(services.opensearch_url) as client:
            pattern = f"/_cat/indices/{prefix}*"
            listed = client.get(
                pattern, params={"h": "index", "format": "json", "expand_wildcards": "all"}
            )
            listed.raise_for_status()
            for row in listed.json():
                client.delete(f"/{row['index']}", params={"ignore_unavailable": "true"})


@contextmanager
def site(services: Services, encoding: str = "") -> Iterator[Site]:
    """All of it: a fresh database, a slot, topics and indexes of its own."""
    with (
        database(services, encoding) as url,
        topic_prefix(services) as topics,
        index_prefix(services) as indexes,
    ):
        yield Site(
            database_url=url,
            kafka=services.kafka,
            opensearch_url=services.opensearch_url,
            slot=slot_name(),
            topic_prefix=topics,
            index_prefix=indexes,
        )


def unique(prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:12]


def _with_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    parts = conninfo.conninfo_to_dict(url)
    user = str(parts.get("user", "postgres"))
    password = f":{parts['password']}" if parts.get("password") else ""
    host, port = parts.get("host", "127.0.0.1"), parts.get("port", 5432)
    return f"postgresql://{user}{password}@{host}:{port}/{name}"


def _drop_slots(admin: psycopg.Connection, database: str) -> None:
    """Drop the slots of a database, also those that a process still holds."""
    slots = admin.execute(
        "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = %s", (database,)
    ).fetchall()
    for slot, pid in slots:
        if pid is not None:
            # It waits until the backend is gone, and with it the hold on the slot.
            admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        # A temporary slot goes with its backend.
        admin.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE slot_name = %s",
            (slot,),
        )


def _delete_groups(admin: AdminClient, prefix: str) -> None:
    listed = admin.list_consumer_groups(request_timeout=_TIMEOUT).result()
    groups = [group.group_id for group in listed.valid if group.group_id.startswith(prefix)]
    if groups:
        for future in admin.delete_consumer_groups(groups, request_timeout=_TIMEOUT).values():
            # A member that was killed keeps its group alive for a while: the group expires by itself.
            future.exception()


def _delete_topics(admin: AdminClient, prefix: str) -> None:
    topics = [
        name for name in admin.list_topics(timeout=_TIMEOUT).topics if name.startswith(prefix)
    ]
    if topics:
        for future in admin.delete_topics(topics, operation_timeout=_TIMEOUT).values():
            future.exception()
