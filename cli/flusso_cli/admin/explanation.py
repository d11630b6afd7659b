"""One document in the database, in the sinks and in the quarantine, and how the two sides differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from flusso_shared.errors import FatalError
from flusso_worker.documents.ids import candidate_keys
from flusso_worker.maintenance.diff import FieldDifference, differences, parsed
from flusso_worker.maintenance.document_writer import DocumentWriter
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.quarantine.record import Entry
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster, path
from flusso_worker.sql.parameters import array_literal


@dataclass(frozen=True, slots=True)
class InDatabase:
    """The document as the schema builds it from the database now."""

    version: int
    """The version that it has when it is written now."""
    document: Any
    """None without one."""
    reason: str
    """Why there is no document; empty with one."""
    buildable: bool
    """False when the SQL fails because of a value of a row."""


@dataclass(frozen=True, slots=True)
class InSink:
    """The document as one sink has it."""

    sink: str
    version: int | None
    document: Any
    """None without one."""
    differences: tuple[FieldDifference, ...]
    equal: bool
    piped: bool
    """Whether an ingest pipeline of the sink may change documents: then only their presence is compared."""


class QueryPlan(NamedTuple):
    """The statement that builds the document, and what Postgres reports about its execution."""

    sql: str
    parameters: tuple[str, ...]
    plan: tuple[str, ...]
    """Lines of `EXPLAIN (ANALYZE, BUFFERS)`; of `EXPLAIN` alone when the statement fails."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known about one document."""

    database: InDatabase
    sinks: tuple[InSink, ...]
    quarantined: Entry | None
    query: QueryPlan | None

    @property
    def equal(self) -> bool:
        """Whether every sink has what the database has."""
        return self.database.buildable and all(sink.equal for sink in self.sinks)


def explain_document(
    writer: DocumentWriter, quarantine: QuarantineStore, name: str, *, with_plan: bool
) -> Explanation:
    """The explanation of the document with the id `name`.  Raises `RetryableError` or `FatalError`."""
    built = _built(writer, name)
    query = _query(writer, name) if with_plan else None
    writer.database.finish()
    physical = writer.generation.name.physical
    sinks = tuple([_stored(cluster, physical, name, built) for cluster in writer.clusters])
    return Explanation(built, sinks, quarantine.get(physical, name), query)


def _built(writer: DocumentWriter, name: str) -> InDatabase:
    """Leaves the transaction of the build open, unless the build failed."""
    snapshot = writer.database.begin()
    try:
        built, _ = writer.builder.build_ids(writer.database, snapshot, [name])
    except RowError as error:
        reason = f"the document cannot be built: {error}"
        return InDatabase(snapshot.version, None, reason, buildable=False)
    for operation in built.operations:
        if operation.id == name and operation.document is not None:
            return InDatabase(snapshot.version, parsed(operation.document), "", buildable=True)
    excluded = _has_row(writer, name)
    reason = (
        "the row is excluded by `filters` or `soft_delete`" if excluded else "there is no such row"
    )
    return InDatabase(snapshot.version, None, reason, buildable=True)


def _has_row(writer: DocumentWriter, name: str) -> bool:
    params = _params(writer, name)
    if not params:
        return False
    try:
        with writer.database.savepoint():
            return any(row[0] == name for row in writer.database.rows(writer.sql.rows, params))
    except RowError:
        return False


def _params(writer: DocumentWriter, name: str) -> list[bytes]:
    """The parameters of the statements for an id; none for an id that no row can have."""
    keys = candidate_keys([name], writer.sql.possible)
    return [array_literal(column) for column in zip(*keys, strict=True)]


def _query(writer: DocumentWriter, name: str) -> QueryPlan | None:
    params = _params(writer, name)
    if not params:
        return None
    try:
        lines = _explained(
            writer.database, b"EXPLAIN (ANALYZE, BUFFERS) ", writer.sql.build, params
        )
    except RowError:
        writer.database.finish()
        lines = _explained(writer.database, b"EXPLAIN ", writer.sql.build, params)
    return QueryPlan(writer.sql.build.decode(), tuple(item.decode() for item in params), lines)


def _explained(
    database: Database, explain: bytes, statement: bytes, params: Sequence[bytes]
) -> tuple[str, ...]:
    return tuple(row[0] for row in database.rows(explain + statement, params))


def _stored(cluster: Cluster, physical: str, name: str, built: InDatabase) -> InSink:
    reply = cluster.request("GET", path(physical, "_doc", name), allow=(HTTPStatus.NOT_FOUND,))
    found = parsed(reply.text)
    if "found" not in found:
        raise FatalError(
            f"cannot read document {name} at sink {cluster.name}: the index {physical} does not exist there; a worker"
            " builds it again as a new generation, or name another --index-prefix"
        )
    document = found["_source"] if found["found"] else None
    compared = document is not None and built.document is not None
    differing = tuple(differences(built.document, document)) if compared else ()
    piped = bool(cluster.config.pipeline)
    same = (document is None) == (built.document is None)
    return InSink(
        sink=cluster.name,
        version=found.get("_version"),
        document=document,
        differences=differing,
        equal=same and (piped or not differing),
        piped=piped,
    )
