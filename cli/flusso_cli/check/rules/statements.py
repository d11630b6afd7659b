"""Tries the SQL of an index on the server: plans it, and runs it for one row, in transactions that are rolled back.

Whatever would fail at run time fails here: raw filters, operands and defaults that are no value of their
column's type, links between columns that cannot be compared, functions that the role may not call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import psycopg
from psycopg import pq

from flusso_capture.source.connection import Connection
from flusso_cli.check.rules.bisect import Fault, find_faults
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.plan import link_columns
from flusso_shared.plan.link_columns import Place
from flusso_shared.plan.model import Hop, IndexPlan
from flusso_shared.postgres.catalog import Catalog, Column
from flusso_shared.postgres.errors import DENIED
from flusso_worker.documents import filter_reads
from flusso_worker.sql.document import compose
from flusso_worker.sql.hops import hop_sql
from flusso_worker.sql.parameters import array_literal

_STATEMENT_TIMEOUT = b"3s"
_CANCELLED = "57014"
_QUOTED = re.compile(r'"[^"]*"')
_ROW_CLASSES = ("21", "22", "23", "2F", "38", "39", "P0", "54")
"""What the values of a row can cause: the next row may be fine."""
# Row-level security is reported for the table, by a rule of its own.
_BEGIN = (
    b"BEGIN READ ONLY; SET LOCAL row_security = on; SET LOCAL statement_timeout = '"
    + _STATEMENT_TIMEOUT
    + b"'"
)
_SUCCEEDED = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


def check_statements(
    connection: Connection, index: IndexPlan, catalog: Catalog
) -> list[Diagnostic]:
    """The document SQL and every query on the way up.  `index` is bound and lacks nothing."""
    trial = _Trial(connection, catalog)
    faults = find_faults(index, trial.plan_of) or _queries(trial, index)
    if faults:
        return [_refused(index, fault) for fault in faults]
    return [_unbuilt(index, fault) for fault in trial.first_document(index)]


def incomparable(connection: Connection, index: IndexPlan, catalog: Catalog) -> list[Diagnostic]:
    """Columns that a relation compares and that have no `=`.  `index` is bound and lacks nothing."""
    return [
        Diagnostic(
            "error",
            "link-type",
            refusal.reason,
            index=index.name,
            field=refusal.pair.field,
            cure="give both columns one type, or types with an `=`",
            name=refusal.pair.column,
        )
        for refusal in link_columns.refused(connection, index, catalog)
    ]


def unfollowable(connection: Connection, index: IndexPlan, catalog: Catalog) -> list[Diagnostic]:
    """Filters that read more than their row.  `index` is bound and lacks nothing."""
    return [
        Diagnostic(
            "error" if item.certain else "warning",
            "volatile-filter" if item.certain else "filter-function",
            f"`{item.condition}`: {item.reason}",
            index=index.name,
            field=item.place,
            cure=filter_reads.CURE
            if item.certain
            else "label the function IMMUTABLE if it only computes with its arguments; if not, write `volatile: true`"
            " beside `raw`, and `verify_every` at the top of the schema",
            name=item.condition,
        )
        for item in filter_reads.findings(connection, index, catalog)
    ]


def unserved(connection: Connection, index: IndexPlan, catalog: Catalog) -> list[Diagnostic]:
    """Links whose types differ so that no index of the column finds rows by the other's values.

    Builds look for the rows below a parent, changes for the parent of a row.  `index` is bound and lacks nothing.
    """
    trial, found = _Trial(connection, catalog), dict[tuple[Place, Place], Diagnostic]()
    for pair in link_columns.pairs(index):
        near, above = Place(pair.table, (pair.column,)), Place(pair.above, (pair.key,))
        for mine, given in ((near, above), (above, near)):
            column = catalog.tables[mine.table].columns[mine.columns[0]]
            other = catalog.tables[given.table].columns[given.columns[0]]
            if (mine, given) in found or _alike(column, other):
                continue
            if trial.serves(hop_sql(Hop(mine.table, mine.columns, mine.columns), catalog, given)):
                continue
            found[mine, given] = Diagnostic(
                "warning",
                "link-cast",
                f"an index of column `{column.name}` of table `{mine.table}` ({column.type}) does not find values of column"
                f" `{other.name}` of table `{given.table}` ({other.type}): every lookup reads the whole table",
                index=index.name,
                field=pair.field,
                cure="give both columns one type and collation",
                name=pair.column,
            )
    return list(found.values())


def _alike(one: Column, other: Column) -> bool:
    same = one.compared_type == other.compared_type
    return same and one.equality.collation == other.equality.collation


def _queries(trial: _Trial, index: IndexPlan) -> list[Fault]:
    """Queries that lead from changed rows to documents."""
    found: dict[str, Fault] = {}
    for way in index.ways:
        key = trial.catalog.tables[way.table].primary_key
        given = Place(way.table, key)
        for hop in (Hop(way.table, key, way.columns), *way.hops):
            error = trial.explain(hop_sql(hop, trial.catalog, given), len(hop.match))
            if error is not None:
                found.setdefault(way.field, Fault(way.field, error))
            given = Place(hop.table, hop.give)
    return list(found.values())


class _Trial:
    """Runs statements in transactions that are rolled back."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection = connection
        self.catalog = catalog

    def plan_of(self, index: IndexPlan) -> psycopg.Error | None:
        """Why the document SQL of `index` cannot be planned."""
        return self.explain(compose(index, self.catalog).build, len(index.key))

    def explain(self, statement: bytes, parameters: int) -> psycopg.Error | None:
        """Why a statement cannot be planned."""
        _, error = self._run(b"EXPLAIN " + statement, [b"{}"] * parameters)
        return error

    def serves(self, statement: bytes) -> bool:
        """Whether an index serves a statement with one parameter."""
        result, _ = self._run(b"EXPLAIN " + statement, [b"{}"], b"enable_seqscan = off")
        if result is None:
            return True
        lines = [result.get_value(row, 0) or b"" for row in range(result.ntuples)]
        return any(b"Index Cond" in line for line in lines)

    def first_document(self, index: IndexPlan) -> list[Fault]:
        """Why the document of some row cannot be built; nothing when it can, or there is no row."""
        sql = compose(index, self.catalog)
        result, error = self._run(b"SELECT * FROM (" + sql.all_keys + b") AS key LIMIT 1", [])
        if error is not None or result is None or not result.ntuples:
            return [] if error is None else [Fault("", error)]
        values = [result.get_value(0, column) for column in range(result.nfields)]
        key = [array_literal([None if each is None else each.decode()]) for each in values]

        def build(plan: IndexPlan) -> psycopg.Error | None:
            return self._run(compose(plan, self.catalog).build, key)[1]

        whole = build(index)
        if whole is None or whole.sqlstate == _CANCELLED:
            return [] if whole is None else [Fault("", whole)]
        return find_faults(index, build)

    def _run(
        self, statement: bytes, parameters: Sequence[bytes], setting: bytes = b""
    ) -> tuple[pq.abc.PGresult | None, psycopg.Error | None]:
        """One statement in a read-only transaction; extra ones hidden in it are refused by the protocol."""
        pgconn = self._connection.pgconn
        pgconn.exec_(_BEGIN)
        if setting:
            pgconn.exec_(b"SET LOCAL " + setting)
        try:
            result = pgconn.exec_params(statement, parameters)
        finally:
            if pgconn.status == pq.ConnStatus.OK:
                pgconn.exec_(b"ROLLBACK")
        if result.status in _SUCCEEDED:
            return result, None
        return None, psycopg.errors.error_from_result(result)


def _refused(index: IndexPlan, fault: Fault) -> Diagnostic:
    reason = fault.error.diag.message_primary or str(fault.error)
    hint = fault.error.diag.message_hint or ""
    about = f"`{fault.text}`: " if fault.text else ""
    return Diagnostic(
        "error",
        "statement",
        f"{about}Postgres refuses this: {reason}",
        index=index.name,
        field=fault.field,
        cure=hint[:1].lower() + hint[1:].rstrip(".") or _cure(fault.error),
        name=fault.text,
    )


def _cure(error: psycopg.Error) -> str:
    if error.sqlstate == DENIED:
        return "grant the role what the message names"
    return "correct it in the schema file, so that Postgres accepts it"


def _unbuilt(index: IndexPlan, fault: Fault) -> Diagnostic:
    state = fault.error.sqlstate or ""
    if state == _CANCELLED:
        return Diagnostic(
            "warning",
            "slow-document",
            f"building one document took longer than {_STATEMENT_TIMEOUT.decode()}",
            index=index.name,
            cure="create the missing indexes, or check the filters",
        )
    if not state.startswith(_ROW_CLASSES):
        return _refused(index, fault)
    # What stands in quotes may be a value of the row.
    reason = _QUOTED.sub('"..."', fault.error.diag.message_primary or str(fault.error))
    return Diagnostic(
        "warning",
        "row-refused",
        f"the document of the first row cannot be built: {reason}",
        index=index.name,
        field=fault.field,
        cure="correct the row or the field; `on_error` decides what happens to such documents",
    )
