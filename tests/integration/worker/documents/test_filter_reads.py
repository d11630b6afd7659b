"""Filters that read more than their row: named by `flusso check` and refused by the start, unless declared."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError
from flusso_worker.documents.prepare import prepare_sql
from support.documents import plan_of, run
from support.kits.check_kit import (
    STORE,
    checked,
    only,
    things,
    told,
)
from support.kits.own_database import OwnDatabase

pytestmark = pytest.mark.services

TABLES = (
    *STORE,
    "CREATE TABLE hidden (id int PRIMARY KEY)",
    "CREATE TABLE clocks (id int PRIMARY KEY, thing_id int, until timestamptz, day date, at time, now text,"
    ' "CURRENT_DATE" text, "now(" int) PARTITION BY HASH (id)',
    "CREATE TABLE clocks_0 PARTITION OF clocks FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE clocks_1 PARTITION OF clocks FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "CREATE INDEX ON clocks (thing_id)",
    "CREATE VIEW hidden_view AS SELECT id FROM hidden",
    "CREATE FUNCTION is_hidden(int) RETURNS boolean LANGUAGE plpgsql STABLE AS"
    " $$ BEGIN RETURN EXISTS (SELECT FROM hidden WHERE id = $1); END $$",
    'CREATE FUNCTION odd."Is It"(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$',
    "CREATE FUNCTION even(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 % 2 = 0; END $$",
)

OTHER = [
    "id NOT IN (SELECT id FROM hidden)",
    "id IN (SELECT id FROM hidden_view)",
    "NOT EXISTS (SELECT FROM hidden h WHERE h.id = clocks.id)",
    "(SELECT count(*) FROM hidden) < 5",
    "id = (SELECT max(id) FROM clocks)",
    "id IN (SELECT thing_id FROM clocks WHERE day IS NULL)",
]
CLOCK = [
    "until > now()",
    "day = CURRENT_DATE",
    "until > 'now'",
    "day >= 'yesterday'",
    "day = ANY ('{2020-01-01,today}')",
    "at < LOCALTIME",
    "age(until) < '1 day'",
    "until BETWEEN CURRENT_TIMESTAMP(0) - interval '1 day' AND 'infinity'",
]
VOLATILE = ["random() < 0.5", "until > clock_timestamp()"]
OWN = ["NOT is_hidden(id)", 'odd."Is It"(id)']
FINE = [
    "id > 5 AND day > '2020-01-01'",
    "now = 'today'",
    "now LIKE '%now()%'",
    "\"CURRENT_DATE\" = 'CURRENT_DATE'",
    '"now(" > (1)',
    "id IN (VALUES (1), (2))",
    "id = ANY (ARRAY[1, 2])",
    "until::date = day AND date_trunc('day', until) > '2020-01-01'",
    "to_char(day, 'YYYY') = '2020'",
    "even(id) AND (day)::text::varchar(10) <> ''",
    "length(now) > (SELECT 1)",
    "EXISTS (SELECT FROM generate_series(1, id) AS n WHERE n > 3)",
]


def schema(*filters: str, more: str = "") -> str:
    lines = "".join(f"\n          - {item}" for item in filters)
    field = (
        f"count: n\n        table: clocks\n        foreign_key: thing_id\n        filters:{lines}"
    )
    return f"""
    table: things
    primary_key: id{more}
    fields:
      - {field}
    """


def raw(text: str, more: str = "") -> str:
    quoted = text.replace("'", "''")
    return f"{{ raw: '{quoted}'{more} }}"


def test_what_each_filter_reads(database: str, tmp_path: Path) -> None:
    run(database, "CREATE SCHEMA odd", *TABLES)
    report = checked(
        tmp_path, database, schema(*map(raw, [*OTHER, *CLOCK, *VOLATILE, *OWN, *FINE]))
    )
    errors = {item.name: item.message for item in report.diagnostics if item.severity == "error"}
    assert list(errors) == [*OTHER, *CLOCK, *VOLATILE]
    for name, message in errors.items():
        assert ("reads other rows or tables" in message) == (name in OTHER)
        assert ("reads the clock" in message) == (name in CLOCK)
        assert ("is volatile" in message) == (name in VOLATILE)
    rules = {(item.rule, item.where, item.line > 0) for item in report.diagnostics}
    assert rules == {
        ("volatile-filter", "things.n.filters", True),
        ("filter-function", "things.n.filters", True),
    }
    assert [item.name for item in report.diagnostics if item.severity == "warning"] == OWN


def test_filters_by_column_and_of_the_root_are_checked(database: str, tmp_path: Path) -> None:
    run(database, "CREATE SCHEMA odd", *TABLES, "ALTER TABLE things ADD until timestamptz")
    report = checked(
        tmp_path,
        database,
        schema("{ column: day, op: gte, value: today }", "{ column: now, op: eq, value: today }"),
        things(
            more="\n    soft_delete: { column: gone, when: [{ raw: until < now() }] }"
            "\n    filters: [{ column: until, op: between, value: [2020-01-01, now] }]"
        ),
    )
    assert told(report) == [
        ("error", "volatile-filter", "things.n.filters"),
        ("error", "volatile-filter", "things2.filters"),
        ("error", "volatile-filter", "things2.soft_delete.when"),
    ]


def test_the_start_refuses_what_is_not_declared(database: str, tmp_path: Path) -> None:
    run(database, "CREATE SCHEMA odd", *TABLES)
    base = OwnDatabase(database, "test", SystemClock(threading.Event()))
    try:
        with pytest.raises(FatalError, match=r"volatile: true") as met:
            prepare_sql(plan_of(tmp_path, schema(raw("until > now()"), raw(OTHER[0]))), base)
        assert "n.filters: `until > now()`: it reads the clock" in str(met.value)
        assert f"n.filters: `{OTHER[0]}`: it reads other rows or tables" in str(met.value)
        declared = schema(
            raw("until > now()", ", volatile: true"),
            raw("NOT is_hidden(id)"),
            more="\n    verify_every: 10m",
        )
        prepare_sql(plan_of(tmp_path, declared), base)
    finally:
        base.close()
    assert told(checked(tmp_path, database, declared)) == [
        ("warning", "filter-function", "things.n.filters")
    ]
    assert (
        "is_hidden is stable"
        in only(checked(tmp_path, database, declared), "filter-function").message
    )
