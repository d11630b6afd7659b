"""Replica identity (invariant I4) as a report: per table what the log lacks, who cures it, and how.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flusso_capture.source.replica_identity import Cure
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.names import TableName


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A table whose log lacks old values of key or link columns."""

    table: TableName
    missing: tuple[str, ...]
    will_manage: bool
    """Whether capture sets it by itself."""
    cures: tuple[str, ...]
    """Ways to do it by hand: simple, then with less log written where the columns are NOT NULL."""
    fatal: bool
    of: TableName
    """The table of the plan that it is, or is a partition of."""


def shortfalls(cures: Iterable[Cure]) -> list[Shortfall]:
    """What `capture` would find."""
    return [
        Shortfall(cure.table, cure.missing, cure.allowed, cure.by_hand, cure.fatal, cure.of)
        for cure in cures
    ]


def check_identity(found: Iterable[Shortfall]) -> list[Diagnostic]:
    """Those that capture does not cure."""
    return [_uncured(item) for item in found if not item.will_manage]


def _uncured(item: Shortfall) -> Diagnostic:
    columns = ", ".join(f"`{column}`" for column in item.missing)
    stale = (
        "removed rows cannot be told"
        if item.fatal
        else "when a row is deleted or moves to another parent, the old parent's document goes stale"
    )
    return Diagnostic(
        "error",
        "replica-identity",
        f"the replica identity of table `{item.table}` lacks {columns}: {stale}",
        subject=f"table {item.table}",
        cure="let its owner run one of these; the second writes less log, and the index must be kept"
        if len(item.cures) > 1
        else "let its owner run this",
        sql=item.cures,
    )
