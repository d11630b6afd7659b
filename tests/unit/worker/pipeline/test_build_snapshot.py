"""The snapshots that one batch is built in."""

from __future__ import annotations

from typing import cast

import pytest

from fakes.still_clock import StillClock
from flusso_shared.change import Origin
from flusso_shared.errors import RetryableError
from flusso_worker.pipeline.build_batch import BuildSnapshot
from flusso_worker.postgres.database import Database
from flusso_worker.postgres.snapshot import Snapshot

HERE, AFTER_FAILOVER = Origin("1", 1), Origin("1", 2)


class Server:
    """A database whose snapshots are of `origin`."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.in_transaction = False
        self.closed = False

    def begin(self) -> Snapshot:
        self.in_transaction = True
        return Snapshot(self.origin, 10, frozenset(), 100.0)

    def finish(self) -> None:
        self.in_transaction = False

    def close(self) -> None:
        self.finish()
        self.closed = True


def snapshots(first: Server, later: Server) -> BuildSnapshot:
    reading, next_one = cast(Database, first), cast(Database, later)
    return BuildSnapshot(next_one, StillClock(), reading, first.begin())


def test_the_first_is_used_while_it_is_open() -> None:
    first, later = Server(HERE), Server(HERE)
    made = snapshots(first, later)
    assert made.current()[0] is cast(Database, first)
    first.finish()
    assert made.current()[0] is cast(Database, later)
    assert made.current()[0] is cast(Database, later)


def test_a_newer_one_of_another_server_is_not_used() -> None:
    """It may lack what the first one contained: the batch is built again from its beginning."""
    first, later = Server(AFTER_FAILOVER), Server(HERE)
    made = snapshots(first, later)
    first.finish()
    with pytest.raises(RetryableError, match="another Postgres server"):
        made.current()
    assert later.closed
