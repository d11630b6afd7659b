"""What a filter reads beside its row: other rows, other tables, the clock.  A change there makes no change record of the
row, so such a filter cannot be followed.  Found in the server's own plan, by one EXPLAIN per filter, and its catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from flusso_shared.plan.model import CompareCondition, Condition, IndexPlan, RawCondition
from flusso_shared.plan.placed_conditions import placed, related
from flusso_shared.postgres.catalog import Catalog, Table
from flusso_worker.sql.conditions import filtered

# As Postgres prints them; a user's own name that is spelled like one is in quotes.
_CLOCK = re.compile(
    r"\b(CURRENT_DATE|CURRENT_TIME|CURRENT_TIMESTAMP|LOCALTIME|LOCALTIMESTAMP)\b"
    r"|(?<![\w.])(now|statement_timestamp|transaction_timestamp)\(\)"
)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_\u0080-\U0010ffff][\w$]*)'
_CALL = re.compile(rf"({_NAME}(?:\.{_NAME})?)\(")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_MOMENT = re.compile(r"(?i)\b(now|today|tomorrow|yesterday)\b")
_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond", "One-Time Filter", "Join Filter")

CURE = (
    "express it by columns of the table, or write it as a raw filter with `volatile: true`, and `verify_every` at the top"
    " of the schema: then the index is verified and repaired that often"
)

_FUNCTIONS = """
SELECT p.oid::regproc::text, n.nspname = 'pg_catalog', p.provolatile::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE (p.proname = ANY(%(names)s) AND n.nspname = ANY(current_schemas(true))
       OR quote_ident(n.nspname) || '.' || quote_ident(p.proname) = ANY(%(qualified)s))
  AND p.provolatile <> 'i' AND (p.provolatile = 'v' OR n.nspname <> 'pg_catalog')
  AND NOT (p.provolatile = 's' AND EXISTS (
      SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
ORDER BY 1
"""


class Finding(NamedTuple):
    """A filter whose result may change without a change of its row, and that the schema does not declare volatile."""

    place: str
    """`filters`, `soft_delete.when` or `field.filters`."""
    condition: str
    reason: str
    certain: bool
    """False for a user-defined function, of which only the volatility label is known."""


def findings(
    connection: psycopg.Connection[Any], index: IndexPlan, catalog: Catalog
) -> list[Finding]:
    """The findings of a bound plan whose tables and columns exist.  Raises `psycopg.Error`; a filter that Postgres refuses has none."""
    tables = {"filters": index.root, "soft_delete.when": index.root}
    tables |= {f"{path}.filters": field.edge.table for path, field in related(index.fields)}
    found: list[Finding] = []
    for place, condition in placed(index.fields, index.filters, index.soft_delete):
        if not _may_read(condition):
            continue
        plan = _plan(connection, catalog.tables[tables[place]], condition)
        if plan is None:
            continue
        for reason, certain in _reasons(connection, plan, condition):
            found.append(Finding(place, _shown(condition), reason, certain))
    return found


def _may_read(condition: Condition) -> bool:
    if isinstance(condition, RawCondition):
        return not condition.volatile
    return isinstance(condition, CompareCondition) and any(map(_MOMENT.search, condition.operands))


def _shown(condition: Condition) -> str:
    if isinstance(condition, RawCondition):
        return " ".join(condition.sql.split())
    assert isinstance(condition, CompareCondition)
    return f"{condition.column} {condition.op} {', '.join(condition.operands)}"


def _plan(
    connection: psycopg.Connection[Any], table: Table, condition: Condition
) -> Mapping[str, Any] | None:
    explain: LiteralString = "EXPLAIN (FORMAT JSON, COSTS OFF) SELECT FROM {} AS kept"
    statement = sql.SQL(explain).format(filtered(table, [condition]))
    try:
        with connection.transaction(force_rollback=True):
            # In binary, because that protocol takes one statement only.
            row = connection.execute(statement, binary=True).fetchone()
    except psycopg.errors.DatabaseError:
        if connection.broken:
            raise
        return None
    assert row is not None
    plan: Mapping[str, Any] = row[0][0]["Plan"]
    return plan


def _reasons(
    connection: psycopg.Connection[Any], plan: Mapping[str, Any], condition: Condition
) -> Iterator[tuple[str, bool]]:
    if _scans(plan) > 1:
        yield "it reads other rows or tables, whose changes do not lead to it", True
        return
    text = "\n".join(_conditions(plan))
    bare = _LITERAL.sub("''", text)
    clock = _CLOCK.search(_QUOTED.sub('""', bare))
    if clock is not None or _moments(condition) - _words(text):
        yield "it reads the clock, and time passes without a change of the row", True
        return
    for name, own, volatile in _functions(connection, bare):
        if own:
            yield f"function {name} is volatile", True
        else:
            label = "volatile" if volatile else "stable"
            yield (
                f"function {name} is {label}: when what it reads changes, documents do not follow",
                False,
            )


def _scans(plan: Mapping[str, Any]) -> int:
    """How many times a table is read for one row; partitions of one table count once."""
    inner: Sequence[Mapping[str, Any]] = plan.get("Plans", ())
    members = [_scans(item) for item in inner if item["Parent Relationship"] == "Member"]
    others = [_scans(item) for item in inner if item["Parent Relationship"] != "Member"]
    return ("Relation Name" in plan) + max(members, default=0) + sum(others)


def _conditions(plan: Mapping[str, Any]) -> Iterator[str]:
    for name in _CONDITIONS:
        if name in plan:
            yield str(plan[name])
    for item in plan.get("Plans", ()):
        yield from _conditions(item)


def _moments(condition: Condition) -> set[str]:
    """Words in literals that date types read as a point in time: Postgres evaluates them when it plans."""
    if isinstance(condition, CompareCondition):
        return _words(" ".join(condition.operands))
    assert isinstance(condition, RawCondition)
    return _words(" ".join(_LITERAL.findall(condition.sql)))


def _words(text: str) -> set[str]:
    return {word.lower() for word in _MOMENT.findall(text)}


def _functions(connection: psycopg.Connection[Any], bare: str) -> list[tuple[str, bool, bool]]:
    """Functions whose result may change: name, whether built into Postgres, whether volatile."""
    calls = set(_CALL.findall(bare))
    if not calls:
        return []
    qualified = [call for call in calls if re.fullmatch(rf"{_NAME}\.{_NAME}", call)]
    names = [call.strip('"').replace('""', '"') for call in calls if call not in qualified]
    rows = connection.execute(_FUNCTIONS, {"names": names, "qualified": qualified}).fetchall()
    found = {name: (own, label == "v") for name, own, label in rows}
    return [(name, own, volatile) for name, (own, volatile) in found.items()]
