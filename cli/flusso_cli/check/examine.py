"""The check itself, from a project to a report: asks the servers, then applies the rules to the answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flusso_capture.source.connection import Connection, connect, connect_replication
from flusso_capture.source.replica_identity import cures
from flusso_cli.check.output.report import Report
from flusso_cli.check.output.source_location import located, mentions
from flusso_cli.check.probe import kafka, opensearch
from flusso_cli.check.probe.facts import DatabaseFacts
from flusso_cli.check.probe.postgres import read_facts
from flusso_cli.check.rules import publication, relations, replica_identity
from flusso_cli.check.rules.fields import check_fields
from flusso_cli.check.rules.lookup_indexes import check_links
from flusso_cli.check.rules.prune import pruned
from flusso_cli.check.rules.server import check_server, check_session
from flusso_cli.check.rules.statements import check_statements, incomparable, unfollowable, unserved
from flusso_cli.check.rules.tables import check_tables
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.config.connections import (
    opensearch_connection,
    queue_connection,
    source_conninfo,
)
from flusso_shared.config.model import OpenSearchSinkConfig
from flusso_shared.errors import ConfigError, FatalError, FlussoError
from flusso_shared.names import TableName
from flusso_shared.plan.bind import bind, read_bound
from flusso_shared.plan.model import IndexPlan, Plan
from flusso_shared.plan.requirements import missing_requirements
from flusso_shared.postgres.connection import RefusedSettingsError, pooled, text
from flusso_shared.postgres.errors import translate
from flusso_worker.sinks.cluster import Cluster

_NAME = "flusso-check"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the configuration."""

    slot: str
    publication: str
    manage_publication: bool
    manage_replica_identity: bool
    index_prefix: str
    advance: Callable[[str, int, int], None] = lambda _step, _done, _total: None
    """Is told how far a step is."""


def examine(report: Report, options: Options, env: Mapping[str, str]) -> None:
    """Ask every server of the project and fill in the report."""
    plan = _database(report, options, env)
    # Without a [queue] there is only `flusso run`, which needs no broker.
    if report.project.config.queue.model_fields_set or "KAFKA_BOOTSTRAP_SERVERS" in env:
        _brokers(report, plan, env)
    _clusters(report, plan, options.index_prefix, env)
    files = {index.name: index.schema_file for index in report.project.indexes}
    partitions = {item.table: item.of for item in report.identity or ()}
    report.diagnostics = located(report.diagnostics, files, mentions(plan, partitions))


# --- Postgres -----------------------------------------------------------------------------------


def _database(report: Report, options: Options, env: Mapping[str, str]) -> Plan:
    """Returns the plan, with the database's names where the database answered."""
    plan = report.project.plan
    try:
        conninfo = source_conninfo(report.project.config.source, env)
        with connect(_named(text(conninfo))) as connection:
            try:
                if pooled(connection):
                    # An ordinary server refuses replication by what `check_server` looks at.
                    connect_replication(conninfo).close()
                plan = read_bound(connection, plan)
                _Examination(report, options, connection).run(plan)
            except psycopg.Error as error:
                raise translate(error, "check the database") from error
    except RefusedSettingsError as error:
        report.diagnostics += check_session(error.refusals)
    except FlussoError as error:
        refused = isinstance(error, FatalError)
        report.diagnostics.append(
            Diagnostic(
                "error",
                "connection",
                str(error),
                subject="database",
                cure=""
                if refused
                else "start the server, or look at connection_url of [source] (or DATABASE_URL);"
                " --offline checks without it",
            )
        )
    return plan


def _named(conninfo: str) -> str:
    """With an `application_name`, so that administrators see which program connects."""
    given = conninfo_to_dict(conninfo)
    return make_conninfo(conninfo, application_name=given.get("application_name") or _NAME)


class _Examination:
    """The examination of one database."""

    def __init__(self, report: Report, options: Options, connection: Connection) -> None:
        self._report = report
        self._options = options
        self._connection = connection

    def run(self, plan: Plan) -> None:
        report, options = self._report, self._options
        facts = read_facts(self._connection, plan.tables, options.slot, options.publication)
        report.server = facts.server
        report.diagnostics += check_server(facts, options.slot)
        report.diagnostics += check_tables(plan.tables, facts)
        report.diagnostics += publication.check_restrictions(
            options.publication, plan.link_columns(), facts
        )
        sound: list[IndexPlan] = []
        for number, index in enumerate(plan.indexes):
            options.advance("checking indexes", number, len(plan.indexes))
            if (bound := self._index(index, facts)) is not None:
                sound.append(bound)
        options.advance("checking indexes", len(plan.indexes), len(plan.indexes))
        report.coverage = publication.coverage(
            options.publication, plan.tables, facts, manage=options.manage_publication
        )
        self._identity(Plan(tuple(sound)), facts)

    def _index(self, index: IndexPlan, facts: DatabaseFacts) -> IndexPlan | None:
        """Check one index; returns the part that can be followed, bound to the catalog."""
        found = self._report.diagnostics
        missing = list(missing_requirements(index, facts.catalog, facts.existing))
        found += [relations.missing(item, facts) for item in missing]
        rest = pruned(index, {item.need.field for item in missing})
        if rest is None:
            found += check_fields(index, facts)
            return None
        bound = bind(rest, facts.catalog)
        fields = check_fields(replace(index, key=bound.key), facts)
        found += fields
        lookups = check_links(bound, facts)
        found += lookups
        if _readable(bound.tables, facts):
            links = incomparable(self._connection, bound, facts.catalog)
            found += links
            if not links:
                slow = {item.field for item in lookups}
                casts = unserved(self._connection, bound, facts.catalog)
                found += [item for item in casts if item.field not in slow]
            told = {item.field for item in (*fields, *links) if item.severity == "error"}
            refused = check_statements(self._connection, bound, facts.catalog)
            found += [item for item in refused if item.field not in told]
            wrong = {(item.field, item.name) for item in refused}
            read_more = unfollowable(self._connection, bound, facts.catalog)
            found += [item for item in read_more if (item.field, item.name) not in wrong]
        return bound

    def _identity(self, plan: Plan, facts: DatabaseFacts) -> None:
        # A schema that the role may not use hides its partitions.
        names = [name for name in plan.tables if facts.tables[name].schema_usable]
        # A column list that is refused has to go first: it stands in the way of an identity.
        refused = publication.restricted(plan.link_columns(), facts)
        names = [name for name in names if name not in refused]
        tables = {name: facts.catalog.tables[name] for name in names}
        manage = self._options.manage_replica_identity
        found = replica_identity.shortfalls(
            cures(self._connection, tables, plan.link_columns(), manage)
        )
        self._report.identity = found
        self._report.diagnostics += replica_identity.check_identity(found)


def _readable(tables: Collection[TableName], facts: DatabaseFacts) -> bool:
    return all(facts.tables[table].readable for table in tables)


# --- Kafka and OpenSearch -----------------------------------------------------------------------


def _brokers(report: Report, plan: Plan, env: Mapping[str, str]) -> None:
    try:
        queue = queue_connection(report.project.config.queue, env)
        facts = kafka.ask(queue, plan.tables)
    except FlussoError as error:
        report.diagnostics.append(kafka.unreachable(error))
        return
    report.brokers = facts
    report.diagnostics += kafka.check_brokers(queue, facts)


def _clusters(report: Report, plan: Plan, prefix: str, env: Mapping[str, str]) -> None:
    for sink in report.project.config.sinks:
        if not isinstance(sink, OpenSearchSinkConfig):
            continue
        try:
            connection = opensearch_connection(sink, env)
        except ConfigError as error:
            subject = f"sink {sink.name}"
            report.diagnostics.append(Diagnostic("error", "sink", str(error), subject=subject))
            continue
        cluster = Cluster(connection)
        try:
            facts, found = opensearch.ask(cluster, plan.indexes, prefix)
        finally:
            cluster.close()
        report.diagnostics += found
        if facts is not None:
            report.clusters.append(facts)
