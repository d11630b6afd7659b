"""`flusso resolve`: the documents that a row touches, and the ways that lead to them."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Any

import typer

from flusso_cli.admin.deployment import JsonOption, SqlOption, console, one_attempt
from flusso_cli.admin.touched import Row, TouchedByWay, touched
from flusso_shared.clock import SystemClock
from flusso_shared.config.choose import needed_project
from flusso_shared.config.connections import source_conninfo
from flusso_shared.process import command_line
from flusso_shared.process.environment import environment
from flusso_shared.process.progress_bar import Waiting
from flusso_worker.postgres.database import Database
from flusso_worker.postgres.sessions import Sessions

_NOTE = (
    "These are the documents that the row leads to by its current values. Documents that it left with an earlier change"
    " are not known: only the log has the old values."
)


def resolve(
    table: Annotated[
        str, typer.Argument(help="Table that a schema reads, with or without its database schema.")
    ],
    key: Annotated[
        list[str],
        typer.Argument(help="Values of the row's primary key, one for each column, in its order."),
    ],
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            min=0,
            envvar="FLUSSO_LIMIT",
            help="Maximum number of document ids listed per way; all are counted.",
        ),
    ] = 100,
    show_sql: SqlOption = False,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the documents that a row touches, in each index, and the way from the row to them."""
    project, _ = needed_project(config, lock, locked=locked)
    conninfo = source_conninfo(project.config.source, environment())
    clock = SystemClock(threading.Event())
    with (
        one_attempt(),
        Waiting("finding documents"),
        closing(Sessions(conninfo)) as sessions,
        closing(Database(sessions, "flusso resolve", clock)) as database,
    ):
        row, found = touched(database, project.plan, table, key)
    if as_json:
        report = _report(row, found, limit, show_sql=show_sql)
        console().print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        console().print("\n".join(_lines(row, found, limit, show_sql=show_sql)))


def _report(
    row: Row, found: Sequence[TouchedByWay], limit: int, *, show_sql: bool
) -> dict[str, Any]:
    ways: list[dict[str, Any]] = []
    for way in found:
        item: dict[str, Any] = {
            "index": way.index,
            "field": way.field,
            "tables": [str(table) for table in way.tables],
            "documents": len(way.ids),
            "ids": list(way.ids[:limit]),
            "unresolved": list(way.unresolved),
        }
        if show_sql:
            item["statements"] = [statement.to_json() for statement in way.statements]
        ways.append(item)
    counts = {name: len(ids) for name, ids in _documents(found).items()}
    return {
        "table": str(row.table),
        "key": list(row.key),
        "exists": row.exists,
        "documents": counts,
        "ways": ways,
        "note": _NOTE,
    }


def _documents(found: Sequence[TouchedByWay]) -> dict[str, set[str]]:
    """The ids of each index, over all ways."""
    ids: dict[str, set[str]] = {}
    for way in found:
        ids.setdefault(way.index, set()).update(way.ids)
    return ids


def _lines(row: Row, found: Sequence[TouchedByWay], limit: int, *, show_sql: bool) -> list[str]:
    there = "" if row.exists else ": there is no such row now"
    lines = [f"{row.table} {':'.join(row.key)}{there}"]
    for index, ids in _documents(found).items():
        lines += ["", f"index {index}: {_counted(len(ids))}"]
        for way in found:
            if way.index == index:
                lines += _way_lines(way, limit, show_sql=show_sql)
    return [*lines, "", _NOTE]


def _way_lines(way: TouchedByWay, limit: int, *, show_sql: bool) -> list[str]:
    path = " -> ".join(map(str, way.tables))
    field = f"field {way.field}" if way.field else "the document's own row"
    listed, more = way.ids[:limit], len(way.ids) - limit
    ids = ", ".join(listed) + (f" and {more:,} more" if more > 0 else "")
    lines = [f"  {path}  ({field}): {_counted(len(way.ids))}"]
    if ids:
        lines.append(f"    {ids}")
    lines += [f"    unknown documents: {reason}" for reason in way.unresolved]
    if show_sql:
        for statement in way.statements:
            lines.append(f"    -- parameters: values of {statement.given}, an array per column")
            lines.append(f"    {statement.sql};")
        if not way.statements:
            lines.append("    -- no query: the key of the row has the key of the document")
    return lines


def _counted(number: int) -> str:
    return f"{number:,} document" if number == 1 else f"{number:,} documents"
