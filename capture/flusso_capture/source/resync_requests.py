"""Tables whose documents are in doubt: changes of them are in the log without what is needed, or not at all.

Publishing a truncate of such a table makes every worker build all documents with rows of it again, from the
database as it is, which is right whatever was missed.  Doubts are on record until that is done.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Table
from flusso_shared.seams import Control

_PREFIX = "doubt/"


@dataclass(frozen=True, slots=True)
class Doubt:
    """What may be wrong with documents that have rows of `table`."""

    table: TableName
    sweep: bool
    """Whether rows may be gone, or have moved, that nobody can name."""
    read: frozenset[TableName]
    """Tables (itself, or partitions of it) with rows that may be unknown."""
    serial: int


class Doubts:
    """All doubts of a process.  Thread-safe."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._lock = threading.Lock()
        self.raised = threading.Event()
        """There may be open ones; for who settles them to clear."""
        self.raised.set()  # by an earlier process, perhaps

    def add(
        self, table: TableName, *, sweep: bool, read: Collection[TableName] = frozenset()
    ) -> None:
        """Put a doubt on record; it adds to an open one of the same table."""
        with self._lock:
            before = _doubt(self._control.load().get(_key(table)), table)
            after = Doubt(
                table, before.sweep or sweep, before.read | frozenset(read), before.serial + 1
            )
            self._control.put(_key(table), _json(after))
        self.raised.set()

    def open(self) -> list[Doubt]:
        """Those to be settled."""
        records = self._control.load()
        found = [
            _doubt(value, TableName(*value["table"]))
            for key, value in records.items()
            if key.startswith(_PREFIX)
        ]
        return [doubt for doubt in found if doubt.sweep or doubt.read]

    def settle(self, doubt: Doubt) -> None:
        """It has been dealt with; one that was added to meanwhile stays."""
        with self._lock:
            now = _doubt(self._control.load().get(_key(doubt.table)), doubt.table)
            if now.serial == doubt.serial:
                nothing = Doubt(doubt.table, sweep=False, read=frozenset(), serial=doubt.serial)
                self._control.put(_key(doubt.table), _json(nothing))
            else:
                self.raised.set()


def lacks(table: Table, links: Collection[str]) -> str:
    """What its rows lack to be followed, as a phrase; empty when nothing."""
    if not table.primary_key:
        return "a primary key"
    gone = sorted(set(links) - table.columns.keys())
    return f"column {', '.join(gone)}" if gone else ""


def _key(table: TableName) -> str:
    return f"{_PREFIX}{table}"


def _json(doubt: Doubt) -> dict[str, Any]:
    return {
        "table": [*doubt.table],
        "sweep": doubt.sweep,
        "read": [[*table] for table in sorted(doubt.read)],
        "serial": doubt.serial,
    }


def _doubt(value: Mapping[str, Any] | None, table: TableName) -> Doubt:
    if value is None:
        return Doubt(table, sweep=False, read=frozenset(), serial=0)
    read = frozenset(TableName(*item) for item in value["read"])
    return Doubt(table, bool(value["sweep"]), read, int(value["serial"]))
