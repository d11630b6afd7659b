"""Questions about tables and columns, answered from the facts.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flusso_cli.check.probe.facts import DatabaseFacts, ValueType
from flusso_cli.diagnostics.model import Diagnostic, Severity
from flusso_shared.names import TableName
from flusso_shared.plan.model import Columns, IndexPlan
from flusso_shared.problems import listed


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """The facts as one index asks for them."""

    index: IndexPlan
    facts: DatabaseFacts

    def type(self, table: TableName, column: str) -> ValueType | None:
        """What the column's values are; None for a table or column that is not there."""
        if table not in self.facts.catalog.tables or table not in self.facts.tables:
            return None
        return self.facts.tables[table].types.get(column)

    def nullable(self, table: TableName, column: str) -> bool:
        """Whether the column may be NULL; false when it is not there."""
        type_ = self.type(table, column)
        if type_ is None:
            return False
        return not (type_.not_null or self.facts.catalog.tables[table].columns[column].not_null)

    def declared(self, table: TableName, column: str) -> tuple[str, ...]:
        """The type as it was declared, and the one under it if that is a domain."""
        found = self.facts.catalog.tables[table].columns[column]
        return tuple(name for name in (found.type, found.domain_over) if name)

    def named(self, table: TableName, column: str) -> str:
        """The column with its type, for messages."""
        type_, *under = self.declared(table, column)
        over = f", a domain over {under[0]}" if under else ""
        return f"column `{column}` of table `{table}`, which is {type_}{over}"

    def unique(self, table: TableName, columns: Columns) -> bool:
        """Whether at most one row has given values of `columns`; true of what is not there."""
        if not columns or any(self.type(table, column) is None for column in columns):
            return True
        return any(
            index.unique and index.usable and set(index.columns) <= set(columns)
            for index in self.facts.tables[table].indexes
        )

    def finding(
        self, severity: Severity, rule: str, field: str, message: str, cure: str
    ) -> Diagnostic:
        """A diagnostic of this index."""
        return Diagnostic(severity, rule, message, index=self.index.name, field=field, cure=cure)

    def may_be_null(
        self, table: TableName, columns: Columns, field: str, cure: str
    ) -> Iterator[Diagnostic]:
        """`required: true` over columns without NOT NULL, if there are such among `columns`."""
        found = [column for column in columns if self.nullable(table, column)]
        if found:
            what = "column" if len(found) == 1 else "columns"
            message = f"`required: true`, but {what} {listed(found)} of table `{table}` may be NULL"
            yield self.finding("warning", "nullable-column", field, message, cure)
