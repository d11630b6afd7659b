"""Puts the stages of one generation together: its SQL from the plan and the catalog, its connections, its sinks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import psycopg

from flusso_shared.change import Record
from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError
from flusso_shared.names import GenerationName
from flusso_shared.plan import link_columns
from flusso_shared.plan.bind import read_bound
from flusso_shared.plan.model import IndexPlan, Plan
from flusso_shared.plan.requirements import altered_only, missing_things
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.postgres.errors import translate
from flusso_shared.postgres.privileges import unreadable
from flusso_shared.postgres.row_security import require_visible
from flusso_shared.schema.compile import bind
from flusso_shared.seams import Sink
from flusso_worker.documents import filter_reads
from flusso_worker.documents.binding import bind_to
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import Built, Key
from flusso_worker.documents.change_batch import Intake
from flusso_worker.documents.rebuild import Aftermath
from flusso_worker.documents.resolve import Resolver
from flusso_worker.pipeline.build_batch import Connections, Producer
from flusso_worker.pipeline.flush import Flusher
from flusso_worker.pipeline.stages import Process, Subject
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.postgres.visibility_gate import Gate
from flusso_worker.quarantine.causes import BatchCauses, Causes, last_reaching
from flusso_worker.quarantine.quarantine import Policy, Quarantine
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sql.document import DocumentSql, compose

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the documents come from and go to."""

    conninfo: str
    sinks: Callable[[Clock], Sequence[Sink]]
    """Makes the sinks of one pipeline, in the order of their names; their waits end with the clock."""
    indexed_ids: Callable[[GenerationName], Iterable[list[str]]]
    """Lists the ids of all documents that a generation's index holds, after a refresh."""
    policy: Callable[[str], Policy]
    """What is done with documents of an index that can not be written."""
    quarantine: QuarantineStore | None = None
    """Where they are kept; None without an OpenSearch sink."""


class IndexStages:
    """The stages of one generation over real servers."""

    def __init__(
        self,
        producer: Producer,
        flusher: Flusher,
        aftermath: Aftermath,
    ) -> None:
        self._producer = producer
        self._flusher = flusher
        self._aftermath = aftermath

    def produce(self, intake: Intake) -> Iterable[Built]:
        return self._producer.produce(intake)

    def rest(self) -> None:
        self._producer.rest()

    def flush(self, built: Built) -> None:
        self._flusher.flush(built)

    def cancel(self) -> None:
        self._producer.connections.reading.cancel()
        self._producer.connections.later.cancel()
        self._aftermath.cancel()

    def close(self) -> None:
        self._producer.connections.close()
        self._aftermath.close()
        for sink in self._flusher.sinks:
            sink.close()


def assemble(
    subject: Subject,
    process: Process,
    surroundings: Surroundings,
    reading: Clock,
    flushing: Clock,
) -> IndexStages:
    """Connect, read the catalog and make the stages.  Raises `RetryableError` or `FatalError`."""
    index = subject.generation.index
    database = partial(Database, surroundings.conninfo)
    connections = Connections(
        reading=database(f"flusso-worker {index}", reading),
        later=database(f"flusso-worker {index} later", reading),
    )
    try:
        catalog, sql = prepare_sql(subject.plan, connections.reading)
        bound = bind_to(connections.reading, subject.plan, catalog)
    except BaseException:
        connections.close()
        raise
    policy = surroundings.policy(index)
    quarantine = Quarantine(
        subject.generation,
        policy,
        surroundings.quarantine,
        process.metrics,
        process.status,
        flushing,
    )
    builder = Builder(sql, process.metrics)
    again = database(f"flusso-worker {index} again", flushing)
    for connection in (connections.reading, connections.later, again):
        connection.hold(catalog.tables, bound)
    aftermath = Aftermath(again, builder, flushing, index, process.status)
    resolver = Resolver(subject.plan, catalog, sql.all_keys)
    producer = Producer(
        connections=connections,
        gate=Gate(connections.reading, reading, process.metrics, index),
        resolver=resolver,
        builder=builder,
        clock=reading,
        indexed_ids=partial(surroundings.indexed_ids, subject.generation),
        trace=_tracing(resolver, aftermath) if policy.on_error == "skip" else None,
        on_error=policy.on_error,
    )
    flusher = Flusher(
        generation=subject.generation,
        sinks=surroundings.sinks(flushing),
        builder=builder,
        aftermath=aftermath,
        quarantine=quarantine,
        metrics=process.metrics,
        status=process.status,
    )
    return IndexStages(producer, flusher, aftermath)


def _tracing(resolver: Resolver, aftermath: Aftermath) -> Callable[[Sequence[Record]], Causes]:
    """What tells of the documents of a batch which change each goes back to."""

    def trace(records: Sequence[Record], keys: Collection[Key]) -> Mapping[Key, Record]:
        try:
            return aftermath.look(
                lambda database: last_reaching(records, keys, partial(resolver.reached, database))
            )
        except RowError:
            return {}

    return lambda records: BatchCauses([resolver.links_only(item) for item in records], trace)


def prepare_sql(plan: IndexPlan, database: Database) -> tuple[Catalog, DocumentSql]:
    """What the database says about the plan's tables, and the SQL that follows from both."""
    catalog = checked_catalog(Plan((plan,)), database)
    _reading(database, lambda connection: require_visible(connection, catalog.tables))
    _require_comparable(plan, catalog, database)
    _require_followable(plan, catalog, database)
    sql = compose(plan, catalog)
    _require_valid(plan.name, sql, database)
    return catalog, sql


def checked_plan(plan: Plan, database: Database) -> Plan:
    """The bound plan.  Raises `FatalError` naming everything that indexes miss which lack more than columns and keys
    of tables that are there."""
    bound = _reading(database, lambda connection: read_bound(connection, plan))
    catalog = _reading(database, lambda connection: read_catalog(connection, bound.tables))
    _require([index for index in bound.indexes if not altered_only(index, catalog)], catalog)
    return bound


def checked_catalog(plan: Plan, database: Database) -> Catalog:
    """The catalog of a bound plan's tables.  Raises `FatalError` naming everything that is missing."""
    catalog = _reading(database, lambda connection: read_catalog(connection, plan.tables))
    _require(plan.indexes, catalog)
    return catalog


def require_readable(plan: Plan, database: Database) -> None:
    """Raises `FatalError` naming everything of a bound plan that is missing, or that the role may not read."""
    checked_catalog(plan, database)
    if denied := _reading(database, lambda connection: unreadable(connection, plan.tables)):
        raise FatalError("\n".join(denied))


def _require_comparable(index: IndexPlan, catalog: Catalog, database: Database) -> None:
    """Raises `FatalError` naming all columns that are to be equal and have types without an `=`."""
    bound = bind(index, catalog)
    refusals = _reading(
        database, lambda connection: link_columns.refused(connection, bound, catalog)
    )
    if refusals:
        told = [f"field `{item.pair.field}`: {item.reason}" for item in refusals]
        raise FatalError(
            "the database does not compare columns that the schema relates; give them types with an `=`:\n  "
            + "\n  ".join(told)
        )


def _require_followable(index: IndexPlan, catalog: Catalog, database: Database) -> None:
    """Raises `FatalError` naming all filters that read more than their row, unless they are declared volatile."""
    bound = bind(index, catalog)
    found = _reading(database, lambda connection: filter_reads.findings(connection, bound, catalog))
    refused = [item for item in found if item.certain]
    if refused:
        told = [f"{item.place}: `{item.condition}`: {item.reason}" for item in refused]
        raise FatalError(
            f"filters that read more than their row cannot be followed; {filter_reads.CURE}:\n  "
            + "\n  ".join(told)
        )


def _require_valid(index: str, sql: DocumentSql, database: Database) -> None:
    """Raises `FatalError` where a value of the schema is none of its column's type: no document could be built."""
    try:
        database.run(sql.build, [b"{}"] * len(sql.texts))
    except RowError as error:
        raise FatalError(
            f"a condition or default of index {index} does not fit the type that its column has: {error}. Correct the"
            " schema file, or the column"
        ) from error


def _require(indexes: Sequence[IndexPlan], catalog: Catalog) -> None:
    if missing := missing_things(Plan(tuple(indexes)), catalog):
        raise FatalError(
            "the database lacks what the schemas need; create it, or correct the schema:\n  "
            + "\n  ".join(missing)
        )


def _reading(database: Database, read: Callable[[psycopg.Connection[Any]], T]) -> T:
    try:
        return read(database.connection())
    except psycopg.Error as error:
        database.close()
        raise translate(error, "read the catalog") from error
