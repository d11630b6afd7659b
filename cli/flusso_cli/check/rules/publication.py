"""Whether the publication covers every table, and who can make it so.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from psycopg import sql

from flusso_capture.source import publication as publications
from flusso_cli.check.probe.facts import DatabaseFacts
from flusso_cli.diagnostics.model import Diagnostic, text
from flusso_shared.names import TableName


@dataclass(frozen=True, slots=True)
class PublicationCoverage:
    """The publication against the tables that must be in it."""

    publication: str
    satisfied: bool
    manageable: bool
    """Whether this role could do what is missing."""
    will_manage: bool
    """Whether capture will."""
    present: tuple[TableName, ...]
    missing: tuple[TableName, ...]
    reasons: tuple[str, ...]
    """What is wrong with it."""
    blockers: tuple[str, ...]
    """Why this role cannot cure it."""
    remediation: tuple[str, ...]


def coverage(
    name: str, tables: Collection[TableName], facts: DatabaseFacts, *, manage: bool
) -> PublicationCoverage:
    """What capture would find and change."""
    current = facts.publication
    known = {
        table: facts.catalog.followed[table] for table in tables if table in facts.catalog.followed
    }
    absent = [table for table in sorted(set(tables)) if table not in known]
    steps = publications.decide(name, current, known, facts.server.version) if known else []
    covered = current.tables if current else frozenset()
    satisfied = not steps and not absent
    blockers = tuple(_blockers(name, covered, absent, facts))
    manageable = satisfied or not blockers
    return PublicationCoverage(
        publication=name,
        satisfied=satisfied,
        manageable=manageable,
        will_manage=manage and manageable and not satisfied,
        present=tuple(sorted(covered & known.keys())),
        missing=tuple(sorted(set(tables) - covered)),
        reasons=tuple(step.reason for step in steps),
        blockers=() if satisfied else blockers,
        remediation=tuple(text(step.statement) for step in steps),
    )


def _blockers(
    name: str, covered: Collection[TableName], absent: list[TableName], facts: DatabaseFacts
) -> Iterator[str]:
    for table in absent:
        refused = table in facts.catalog.refused
        yield f"table {table} {'cannot be followed' if refused else 'does not exist'}"
    if facts.server.superuser:
        return
    if facts.publication is None:
        if not facts.server.may_create:
            yield f"role {facts.server.role} may not CREATE in this database"
    elif not facts.publication.owned:
        yield f"publication {name} belongs to another role"
    for table in sorted(facts.catalog.tables):
        if table not in covered and not facts.catalog.tables[table].owned:
            yield f"table {table} belongs to another role"


def check_restrictions(
    name: str, links: Mapping[TableName, Collection[str]], facts: DatabaseFacts
) -> list[Diagnostic]:
    """Row filters of the publication, and column lists without what is needed: changes would be missed."""
    return [_restricted(name, table) for table in restricted(links, facts)]


def restricted(links: Mapping[TableName, Collection[str]], facts: DatabaseFacts) -> list[TableName]:
    """The tables of which the publication leaves out what is needed."""
    needed = publications.needed_columns(facts.catalog.tables, links)
    return facts.publication.lacking(needed) if facts.publication else []


def _restricted(name: str, table: TableName) -> Diagnostic:
    statement = sql.SQL("ALTER PUBLICATION {0} DROP TABLE {1}; ALTER PUBLICATION {0} ADD TABLE {1}")
    whole = statement.format(sql.Identifier(name), sql.Identifier(*table))
    return Diagnostic(
        "error",
        "publication-restricted",
        f"publication `{name}` has a row filter, or a column list without a key or link column, for table `{table}`: changes would be missed",
        subject=f"table {table}",
        cure="choose another publication with --publication, or let the owner run this",
        sql=(text(whole),),
    )
