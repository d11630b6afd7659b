"""A third store, for what the schema language has beyond its model, over two database schemas.

`doc_id`, `references`, `values`, `path`, a self reference, composite keys, names of any spelling.  Like `oracle` it computes the documents the
obvious way, from whole tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from support.expected.oracle import Documents

INDEXES = ("accounts", "people", "branches")
LAST_CHANGE = 'UPDATE "Kind People" SET name = name WHERE id = (SELECT min(id) FROM "Kind People")'
"""Changes nothing, and is published."""

_TABLES = """
CREATE SCHEMA ledger;
CREATE TABLE branches (country text, number int, name text, PRIMARY KEY (country, number));
CREATE TABLE accounts (
    id int PRIMARY KEY, iban text UNIQUE, "ownerId" int, branch_country text, branch_number int, data jsonb
);
CREATE TABLE ledger.entries (
    id int PRIMARY KEY, iban text, kind text, amount numeric(12, 2), note text
);
CREATE TABLE "Kind People" (id int PRIMARY KEY, name text, mentor_id int);
CREATE TABLE ledger.mandates (iban text, person_id int, since date, PRIMARY KEY (iban, person_id));
CREATE INDEX ON accounts ("ownerId");
CREATE INDEX ON accounts (branch_country, branch_number);
CREATE INDEX ON ledger.entries (iban);
CREATE INDEX ON "Kind People" (mentor_id);
CREATE INDEX ON ledger.mandates (person_id);
"""
_ROWS = """
INSERT INTO branches SELECT CASE n % 2 WHEN 0 THEN 'no' ELSE 'se' END, n, 'branch ' || n FROM generate_series(1, 4) n;
INSERT INTO "Kind People" SELECT n, 'person ' || n, nullif(n / 3, 0) FROM generate_series(1, 12) n;
INSERT INTO accounts SELECT n, CASE WHEN n <> 5 THEN 'A' || n END, 1 + n % 12, b.country, b.number,
    jsonb_build_object('limits', jsonb_build_array(n * 10, n * 100), 'tag', 'T' || n, 'open', n % 2 = 0)
FROM generate_series(1, 20) n JOIN branches b ON b.number = 1 + n % 4;
INSERT INTO ledger.entries SELECT n, 'A' || 1 + n % 20, 'kind ' || n % 3, n + 0.5, 'note ' || n
FROM generate_series(1, 100) n;
INSERT INTO ledger.mandates SELECT 'A' || n, p, DATE '2024-01-01' + n
FROM generate_series(1, 20) n, generate_series(1, 3) p WHERE (n + p) % 3 = 0;
"""

_SCHEMAS = {
    "accounts": """
table: accounts
primary_key: id
doc_id: iban
fields:
  - integer: id
  - keyword: iban
  - integer: limit
    column: data
    path: [limits, -1]
  - keyword: tag
    column: data
    path: [tag]
    transforms: [lowercase]
  - boolean: open
    column: data
    path: [open]
    default: false
  - belongs_to: branch
    column: [branch_country, branch_number]
    table: branches
    primary_key: [country, number]
    fields: [{ keyword: name }]
  - has_many: entries
    table: entries
    schema: ledger
    primary_key: id
    foreign_key: iban
    references: iban
    order_by: [{ column: amount, direction: desc }]
    limit: 3
    fields: [{ integer: id }, { decimal: amount }]
  - values: kinds
    table: entries
    schema: ledger
    foreign_key: iban
    references: iban
    column: kind
    element_type: keyword
    distinct: true
  - sum: balance
    table: entries
    schema: ledger
    foreign_key: iban
    references: iban
    column: amount
    value_type: decimal
  - many_to_many: agents
    table: Kind People
    primary_key: id
    references: iban
    through: { table: mandates, schema: ledger, left_key: iban, right_key: person_id }
    fields: [{ keyword: name }]
""",
    "people": """
table: Kind People
primary_key: id
fields:
  - integer: id
  - keyword: name
  - belongs_to: mentor
    column: mentor_id
    table: Kind People
    primary_key: id
    fields:
      - keyword: name
      - count: pupils
        table: Kind People
        foreign_key: mentor_id
  - has_many: pupils
    table: Kind People
    primary_key: id
    foreign_key: mentor_id
    fields: [{ keyword: name }]
  - values: ibans
    table: accounts
    foreign_key: ownerId
    column: iban
    element_type: keyword
""",
    "branches": """
table: Branches
primary_key: [Country, number]
fields:
  - keyword: name
  - has_many: accounts
    table: accounts
    primary_key: id
    foreign_key: [branch_country, branch_number]
    fields:
      - integer: id
      - count: entries
        table: entries
        schema: ledger
        foreign_key: iban
        references: iban
""",
}

_KEYS = {'"Kind People"': "people"}
Row = Mapping[str, Any]
Tables = Mapping[str, list[Row]]


def create(database_url: str) -> None:
    """Make the tables and their rows."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_TABLES)
        connection.execute(_ROWS)


def write_schemas(folder: Path) -> None:
    """The schema files."""
    for name, text in _SCHEMAS.items():
        (folder / f"{name}.schema.yml").write_text(text)


def expected(database_url: str) -> dict[str, Documents]:
    """Per index the documents that it must hold now, by id."""
    names = ("branches", "accounts", '"Kind People"', "ledger.entries", "ledger.mandates")
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.cursor(row_factory=dict_row) as cursor:
            tables: Tables = {
                _KEYS.get(name, name.rpartition(".")[2]): list(
                    cursor.execute(f"TABLE {name}".encode())
                )
                for name in names
            }
    return {
        "accounts": _accounts(tables),
        "people": _people(tables),
        "branches": _branches(tables),
    }


def _accounts(tables: Tables) -> Documents:
    return {row["iban"]: _account(row, tables) for row in tables["accounts"] if row["iban"]}


def _account(row: Row, tables: Tables) -> dict[str, Any]:
    people = {person["id"]: person for person in tables["people"]}
    branches = {(item["country"], item["number"]): item for item in tables["branches"]}
    iban, data = row["iban"], row["data"] or {}
    branch = branches.get((row["branch_country"], row["branch_number"]))
    entries = _where(tables["entries"], lambda entry: entry["iban"] == iban)
    largest = sorted(entries, key=lambda entry: -entry["amount"])[:3]
    agents = sorted(
        mandate["person_id"]
        for mandate in tables["mandates"]
        if mandate["iban"] == iban and mandate["person_id"] in people
    )
    limits = data.get("limits") or [None]
    return {
        "id": row["id"],
        "iban": iban,
        "limit": limits[-1],
        "tag": None if data.get("tag") is None else data["tag"].lower(),
        "open": data.get("open", False),
        "branch": None if branch is None else {"name": branch["name"]},
        "entries": [{"id": entry["id"], "amount": entry["amount"]} for entry in largest],
        "kinds": sorted({entry["kind"] for entry in entries if entry["kind"] is not None}),
        "balance": sum(entry["amount"] for entry in entries) if entries else None,
        "agents": [{"name": people[number]["name"]} for number in agents],
    }


def _people(tables: Tables) -> Documents:
    people = {row["id"]: row for row in tables["people"]}

    def pupils(number: int | None) -> list[Row]:
        return _where(tables["people"], lambda row: row["mentor_id"] == number)

    def mentor(number: int | None) -> dict[str, Any] | None:
        if number is None or number not in people:
            return None
        return {"name": people[number]["name"], "pupils": len(pupils(number))}

    def ibans(number: int) -> list[str]:
        owned = _where(tables["accounts"], lambda account: account["ownerId"] == number)
        return [account["iban"] for account in owned if account["iban"] is not None]

    return {
        str(row["id"]): {
            "id": row["id"],
            "name": row["name"],
            "mentor": mentor(row["mentor_id"]),
            "pupils": [{"name": pupil["name"]} for pupil in pupils(row["id"])],
            "ibans": ibans(row["id"]),
        }
        for row in tables["people"]
    }


def _branches(tables: Tables) -> Documents:
    def accounts(branch: Row) -> list[Row]:
        place = (branch["country"], branch["number"])
        return _where(
            tables["accounts"],
            lambda row: (row["branch_country"], row["branch_number"]) == place,
        )

    def entries(account: Row) -> int:
        iban = account["iban"]
        return sum(iban is not None and entry["iban"] == iban for entry in tables["entries"])

    return {
        f"{row['country']}:{row['number']}": {
            "name": row["name"],
            "accounts": [
                {"id": account["id"], "entries": entries(account)} for account in accounts(row)
            ],
        }
        for row in tables["branches"]
    }


def _where(rows: Iterable[Row], condition: Callable[[Row], bool]) -> list[Row]:
    """The rows for which it holds, by id."""
    return sorted((row for row in rows if condition(row)), key=lambda row: int(row["id"]))
