"""`flusso explain`: one document as the database has it and as the index has it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Any

import typer

from flusso_cli.admin.deployment import (
    JsonOption,
    SqlOption,
    chosen_deployment,
    console,
    one_attempt,
)
from flusso_cli.admin.exact_json import exact_json
from flusso_cli.admin.explanation import Explanation, InSink, QueryPlan, explain_document
from flusso_shared.clock import SystemClock
from flusso_shared.process import command_line
from flusso_shared.process.progress_bar import Waiting
from flusso_worker.generations.record import Generation
from flusso_worker.maintenance.diff import FieldDifference
from flusso_worker.maintenance.document_writer import DocumentWriter, WriterDependencies
from flusso_worker.postgres.snapshot import split_version
from flusso_worker.quarantine.record import Entry

_DIFFERS = 2
_NOTE = (
    "A change that the pipeline has not applied yet is a difference, too: `flusso indexes` shows the lag. `flusso verify"
    " --repair` repairs what remains."
)


def explain(
    index: Annotated[str, typer.Argument(help="Name of the index in flusso.toml.")],
    id: Annotated[str, typer.Argument(help="Id of the document.")],
    show_sql: SqlOption = False,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare one document of the live index with the database.  Exit code 2 when they differ.

    With `--sql` the statement that builds the document is executed once more, for its plan and timings.
    """
    with (
        one_attempt(),
        Waiting("building the document"),
        chosen_deployment(config, lock, index_prefix, locked=locked) as servers,
    ):
        name = servers.check_index(index)
        generation = servers.live(name)
        clock = SystemClock(threading.Event())
        dependencies = WriterDependencies(servers.conninfo, servers.clusters, None, clock)
        with closing(DocumentWriter(generation, dependencies)) as writer:
            found = explain_document(writer, servers.quarantine, id, with_plan=show_sql)
    if as_json:
        console().print(exact_json(_report(generation, id, found)))
    else:
        console().print("\n".join(_lines(generation, id, found, show_sql=show_sql)))
    if not found.equal:
        raise typer.Exit(_DIFFERS)


def _report(generation: Generation, id: str, found: Explanation) -> dict[str, Any]:
    database, entry = found.database, found.quarantined
    report: dict[str, Any] = {
        "index": generation.name.index,
        "id": id,
        "generation": generation.name.physical,
        "equal": found.equal,
        "database": {
            "version": database.version,
            "document": database.document,
            "reason": database.reason,
        },
        "sinks": [
            {
                "sink": sink.sink,
                "version": sink.version,
                "equal": sink.equal,
                "document": sink.document,
                "differences": [_difference_json(item) for item in sink.differences],
            }
            for sink in found.sinks
        ],
        "quarantine": None if entry is None else entry.to_json(),
    }
    if found.query is not None:
        report["sql"] = found.query.sql
        report["parameters"] = list(found.query.parameters)
        report["plan"] = list(found.query.plan)
    return report


def _difference_json(item: FieldDifference) -> dict[str, Any]:
    sides = {"database": item.expected, "index": item.actual}
    return {"path": item.path} | {name: side[0] for name, side in sides.items() if side}


def _lines(generation: Generation, id: str, found: Explanation, *, show_sql: bool) -> Iterator[str]:
    name, database = generation.name, found.database
    versions = [f"database {_version(database.version)}"]
    versions += [f"{sink.sink} {_version(sink.version)}" for sink in found.sinks]
    yield f"{name.index}/{id}"
    yield f"  generation  {name.physical} ({generation.state})"
    yield f"  version     {', '.join(versions)}"
    yield f"  quarantine  {_quarantine(found.quarantined)}"
    yield ""
    yield f"database: {database.reason or exact_json(database.document)}"
    for sink in found.sinks:
        yield ""
        yield from _sink_lines(name.physical, sink)
    if not found.equal:
        yield ""
        yield _NOTE
    if show_sql:
        yield ""
        yield from _query_lines(found.query)


def _sink_lines(physical: str, sink: InSink) -> Iterator[str]:
    if sink.document is None:
        yield f"{sink.sink}: no document" + (", as in the database" if sink.equal else "")
        return
    if not sink.differences and sink.equal:
        yield f"{sink.sink}: equal"
        return
    yield f"{sink.sink}: {exact_json(sink.document)}"
    if sink.piped:
        yield "the ingest pipeline of this sink may change documents: only their presence is compared"
    if sink.differences:
        yield ""
        yield f"--- {physical} ({sink.sink})"
        yield "+++ database"
    for item in sink.differences:
        yield f"@@ {item.path} @@"
        yield from _signed("-", item.actual)
        yield from _signed("+", item.expected)


def _signed(sign: str, side: tuple[Any, ...]) -> Iterator[str]:
    for value in side:
        yield from (sign + line for line in exact_json(value).splitlines())


def _query_lines(query: QueryPlan | None) -> Iterator[str]:
    if query is None:
        yield "sql: none; no row can have this id"
        return
    yield f"{query.sql};"
    for number, value in enumerate(query.parameters, 1):
        yield f"-- ${number} = {value}"
    yield ""
    yield from query.plan


def _version(version: int | None) -> str:
    """Timeline and number of transactions, as snapshots are ordered."""
    if version is None:
        return "-"
    timeline, completed = split_version(version)
    return f"{timeline}:{completed}"


def _quarantine(entry: Entry | None) -> str:
    if entry is None:
        return "no"
    refused = f"refused by sink {entry.sink}" if entry.sink else "could not be built"
    return f"{refused} at {entry.at}: {entry.reason}"
