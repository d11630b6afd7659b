"""Resync requests: tables whose documents must be built again, because changes of them are missing from the log or incomplete.

For each request capture publishes the rows that may be unknown, then a truncate of the table.  A truncate makes every worker
build all documents with rows of the table from the current state of the database, so it does not matter which changes
were missed.  A request is stored in the control topic until its resync is acknowledged.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flusso_shared.changelog.control_records import (
    RESYNC_PREFIX,
    RESYNC_READ_FIELD,
    RESYNC_TRUNCATE_FIELD,
)
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Table
from flusso_shared.seams import Control


@dataclass(frozen=True, slots=True)
class ResyncRequest:
    """What a resync of `table` publishes."""

    table: TableName
    truncate: bool
    """Whether to publish a truncate: rows may have been removed or moved, and it is not known which."""
    read: frozenset[TableName]
    """Tables (the table itself, or partitions of it) whose rows are published, because they may be unknown."""
    serial: int
    """Increases with every addition to the request."""


class ResyncRequests:
    """The resync requests of a process.  Thread-safe."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._lock = threading.Lock()
        self.wakeup = threading.Event()
        """Set when requests may be pending.  The scheduler clears it."""
        # An earlier process may have left requests.
        self.wakeup.set()

    def add(
        self, table: TableName, *, truncate: bool, read: Collection[TableName] = frozenset()
    ) -> None:
        """Store a request; a pending request of the same table is extended.  Durable when it returns."""
        with self._lock:
            before = _from_json(self._control.load().get(_key(table)), table)
            after = ResyncRequest(
                table,
                before.truncate or truncate,
                before.read | frozenset(read),
                before.serial + 1,
            )
            self._control.put(_key(table), _to_json(after))
        self.wakeup.set()

    def pending(self) -> list[ResyncRequest]:
        """The requests that are not completed."""
        records = self._control.load()
        found = [
            _from_json(value, TableName(*value["table"]))
            for key, value in records.items()
            if key.startswith(RESYNC_PREFIX)
        ]
        return [request for request in found if request.truncate or request.read]

    def complete(self, request: ResyncRequest) -> None:
        """Remove a request whose resync is acknowledged.  If it was extended since, it stays pending."""
        with self._lock:
            now = _from_json(self._control.load().get(_key(request.table)), request.table)
            if now.serial == request.serial:
                nothing = ResyncRequest(
                    request.table, truncate=False, read=frozenset(), serial=request.serial
                )
                self._control.put(_key(request.table), _to_json(nothing))
            else:
                self.wakeup.set()


def missing_for_stream(table: Table, links: Collection[str]) -> str:
    """What `table` needs for its changes to be followed and does not have, as a phrase; empty when nothing is missing."""
    if not table.primary_key:
        return "a primary key"
    gone = sorted(set(links) - table.columns.keys())
    return f"column {', '.join(gone)}" if gone else ""


def _key(table: TableName) -> str:
    return f"{RESYNC_PREFIX}{table}"


def _to_json(request: ResyncRequest) -> dict[str, Any]:
    return {
        "table": [*request.table],
        RESYNC_TRUNCATE_FIELD: request.truncate,
        RESYNC_READ_FIELD: [[*table] for table in sorted(request.read)],
        "serial": request.serial,
    }


def _from_json(value: Mapping[str, Any] | None, table: TableName) -> ResyncRequest:
    if value is None:
        return ResyncRequest(table, truncate=False, read=frozenset(), serial=0)
    read = frozenset(TableName(*item) for item in value[RESYNC_READ_FIELD])
    return ResyncRequest(table, bool(value[RESYNC_TRUNCATE_FIELD]), read, int(value["serial"]))
