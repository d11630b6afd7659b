"""The sessions that the indexes of a worker use in turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.errors import RetryableError
from flusso_worker.postgres.database import Database
from flusso_worker.postgres.sessions import Sessions
from support.waiting import until

pytestmark = pytest.mark.services

_NAME = "flusso-test sessions"


@pytest.fixture
def sessions(database: str) -> Iterator[Sessions]:
    with closing(Sessions(database)) as made:
        yield made


@pytest.fixture
def made(sessions: Sessions) -> Iterator[Callable[..., Database]]:
    with ExitStack() as stack:
        yield lambda name=_NAME: stack.enter_context(
            closing(Database(sessions, name, SystemClock(threading.Event())))
        )


def backend(database: Database) -> int:
    """The process that serves its next transaction."""
    database.begin()
    (row,) = database.rows(b"SELECT pg_backend_pid()::text")
    database.finish()
    return int(row[0])


def open_sessions(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT pid, application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchall()


def test_many_read_in_turns_over_one_session(made: Callable[..., Database]) -> None:
    assert len({backend(made(f"flusso-test {number}")) for number in range(50)}) == 1


def test_each_transaction_has_a_session_of_its_own(
    database: str, made: Callable[..., Database]
) -> None:
    reading = [made() for _ in range(10)]
    for each in reading:
        each.begin()
    found = [each.rows(b"SELECT pg_backend_pid()::text")[0] for each in reading]
    assert len(set(found)) == 10
    for each in reading:
        each.finish()
    until("few are kept", lambda: len(open_sessions(database)) <= 4)
    assert open_sessions(database)


def test_a_session_waits_for_another_that_is_given_back(made: Callable[..., Database]) -> None:
    busy = [made() for _ in range(8)]
    for each in busy:
        each.begin()
    pids = {int(each.rows(b"SELECT pg_backend_pid()::text")[0][0]) for each in busy}
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(backend(made())))
    waiting.start()
    busy[0].finish()
    waiting.join()
    assert pids.issuperset(found)


def test_a_cursor_keeps_its_session_until_it_was_read(made: Callable[..., Database]) -> None:
    first, second = made(), made()
    first.begin()
    first.declare("numbers", b"SELECT n::text FROM generate_series(1, 5) n", [])
    first.commit()
    assert backend(second) != int(first.rows(b"SELECT pg_backend_pid()::text")[0][0])
    assert [len(rows) for rows in first.fetch("numbers", 2)] == [2, 2, 1]
    of_first = backend(first)
    assert backend(second) == of_first


def test_a_cursor_that_was_not_read_is_closed(made: Callable[..., Database]) -> None:
    reading = made()
    reading.begin()
    reading.declare("numbers", b"SELECT n::text FROM generate_series(1, 5) n", [])
    reading.commit()
    next(reading.fetch("numbers", 2))
    reading.begin()
    assert reading.rows(b"SELECT count(*)::text FROM pg_cursors") == [("0",)]


def test_those_that_a_restart_has_broken_are_not_used_one_after_the_other(
    database: str, made: Callable[..., Database]
) -> None:
    reading = [made() for _ in range(4)]
    for each in reading:
        each.begin()
    for each in reading:
        each.finish()
    broken = [row[0] for row in open_sessions(database)]
    assert len(broken) == 4
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) pid", (broken,)
        )
    with pytest.raises(RetryableError):
        reading[0].begin()
    assert backend(reading[1]) not in broken


def test_only_a_statement_of_its_own_is_cancelled(made: Callable[..., Database]) -> None:
    first, second = made(), made()
    backend(first)
    second.begin()
    first.cancel()
    assert second.rows(b"SELECT pg_sleep(0.05)::text, '1'") == [("", "1")]


def test_the_server_shows_what_a_session_is_used_for(
    database: str, made: Callable[..., Database]
) -> None:
    first, second = made("flusso-worker users"), made("flusso-worker orders")
    for each, name in ((first, "flusso-worker users"), (second, "flusso-worker orders")):
        backend(each)
        assert [row[1] for row in open_sessions(database)] == [name]


def test_a_name_of_the_connection_text_stays(database: str) -> None:
    with closing(Sessions(f"{database}?application_name=theirs")) as sessions:
        for name in ("one", "another"):
            with closing(Database(sessions, name, SystemClock(threading.Event()))) as reading:
                backend(reading)
                assert [row[1] for row in open_sessions(database)] == ["theirs"]
