"""One database with one of each thing that is refused: `flusso check` names each, with its line and its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_cli.check.output.json_report import document
from support.documents import run
from support.kits.check_kit import checked, role

pytestmark = pytest.mark.services

DATABASE = (
    "CREATE EXTENSION file_fdw",
    "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
    "CREATE TABLE things (id int PRIMARY KEY, code uuid, name text)",
    *(
        f"CREATE TABLE {name} (id int PRIMARY KEY, thing_id int NOT NULL)"
        for name in ("parts", "elders", "secrets", "hidden", "listed", "bare", "clocks")
    ),
    "CREATE VIEW seen AS SELECT * FROM parts",
    "CREATE MATERIALIZED VIEW kept AS SELECT * FROM parts",
    "CREATE FOREIGN TABLE far (id int, thing_id int) SERVER files OPTIONS (filename '/dev/null')",
    "CREATE UNLOGGED TABLE quick (id int PRIMARY KEY, thing_id int)",
    "CREATE TABLE split (id int PRIMARY KEY, thing_id int) PARTITION BY RANGE (id)",
    "CREATE UNLOGGED TABLE split_low PARTITION OF split DEFAULT",
    "CREATE TABLE heirs () INHERITS (elders)",
    "CREATE TABLE keyless (thing_id int)",
    "CREATE TABLE ids (id int PRIMARY KEY)",
    "CREATE TABLE ranges (id int PRIMARY KEY, thing_id int NOT NULL) PARTITION BY RANGE (id)",
    "CREATE TABLE ranges_low PARTITION OF ranges DEFAULT",
    "CREATE TABLE computed (id int PRIMARY KEY, number int NOT NULL,"
    " thing_id int GENERATED ALWAYS AS (number / 10) STORED)",
    "CREATE TABLE pairs (id int, thing_id int, PRIMARY KEY (id, thing_id))",
    "CREATE TABLE links (thing_id int, pair_id int, PRIMARY KEY (thing_id, pair_id))",
    *(
        f"ALTER TABLE {name} REPLICA IDENTITY FULL"
        for name in ("things", "parts", "elders", "secrets", "hidden", "listed", "clocks")
    ),
    "ALTER TABLE ranges REPLICA IDENTITY FULL",
    "ALTER TABLE ranges_low REPLICA IDENTITY FULL",
    "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY none ON hidden USING (false)",
    "CREATE PUBLICATION flusso_check FOR TABLE listed (id)",
)

SCHEMAS = (
    """\
table: things
primary_key: id
fields:
  - { count: a, table: seen, foreign_key: thing_id } # not-a-table
  - { count: b, table: kept, foreign_key: thing_id } # not-a-table
  - { count: c, table: far, foreign_key: thing_id } # not-a-table
  - { count: d, table: quick, foreign_key: thing_id } # not-logged
  - { count: e, table: split, foreign_key: thing_id } # not-logged
  - { count: f, table: elders, foreign_key: thing_id } # inheritance
  - { has_many: g, table: keyless, primary_key: thing_id, foreign_key: thing_id, fields: [] } # no-primary-key
  - { count: h, table: nothing, foreign_key: thing_id } # unknown-table
  - { text: i, column: nothing } # unknown-column
  - { integer: j, column: name } # column-type
  - { belongs_to: k, column: code, table: parts, primary_key: id, fields: [] } # link-type
  - { count: l, table: parts, foreign_key: thing_id, filters: [{ raw: "no_column" }] } # statement
  - { count: m, table: clocks, foreign_key: thing_id, filters: [{ raw: "now() > 'epoch'" }] } # volatile-filter
  - { count: n, table: clocks, foreign_key: thing_id, filters: [{ raw: "id IN (TABLE ids)" }] } # volatile-filter
  - { count: o, table: listed, foreign_key: thing_id } # publication-restricted
  - { count: p, table: bare, foreign_key: thing_id } # replica-identity
  - { count: q, table: computed, foreign_key: thing_id } # replica-identity
  - { count: r, table: hidden, foreign_key: thing_id } # row-security
  - { count: s, table: ranges, foreign_key: thing_id }
  - { count: t, table: ranges_low, foreign_key: thing_id } # partition
  - { count: u, table: pairs, through: { table: links, left_key: thing_id, right_key: pair_id } } # key-width
""",
    """\
table: things
primary_key: name # key-not-unique
fields:
  - { count: secret, table: secrets, foreign_key: thing_id } # not-readable
""",
    """\
table: seen # not-a-table
primary_key: id
fields: []
""",
)
"""What is refused on a line stands at its end."""


def test_each_is_named_with_its_line_and_its_cure(
    database: str, tmp_path: Path, slot_name: str
) -> None:
    run(database, *DATABASE)
    with role(database, slot_name, "REPLICATION") as url:
        run(
            database,
            f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{slot_name}"',
            f'REVOKE SELECT ON secrets FROM "{slot_name}"',
        )
        report = document(checked(tmp_path, url, *SCHEMAS, manage=False))
    errors = [item for item in report["diagnostics"] if item["severity"] == "error"]
    found = sorted((Path(item["file"]).name, item["line"], item["rule"]) for item in errors)
    names = ("things.schema.yml", "things2.schema.yml", "things3.schema.yml")
    assert found == [
        (name, number, line.rpartition("# ")[2])
        for name, schema in zip(names, SCHEMAS, strict=True)
        for number, line in enumerate(schema.splitlines(), start=1)
        if "# " in line
    ]
    assert [item for item in errors if not item["cure"]] == []
