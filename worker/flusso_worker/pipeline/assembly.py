"""Puts the stages of one generation together: its SQL from the plan and the catalog, its connections, its sinks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flusso_shared.change import Record
from flusso_shared.clock import Clock
from flusso_shared.names import GenerationName
from flusso_shared.seams import Sink
from flusso_worker.documents.binding import bind_to
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import Built, Causes, Key
from flusso_worker.documents.change_batch import Intake
from flusso_worker.documents.prepare import prepare_sql
from flusso_worker.documents.rebuild import Aftermath
from flusso_worker.documents.resolve import Resolver
from flusso_worker.pipeline.build_batch import Connections, Producer
from flusso_worker.pipeline.flush import Flusher
from flusso_worker.pipeline.stages import Process, Subject
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.postgres.visibility_gate import Gate
from flusso_worker.quarantine.causes import BatchCauses, last_reaching
from flusso_worker.quarantine.quarantine import Policy, Quarantine
from flusso_worker.quarantine.store import QuarantineStore


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
