"""A library: the example of the schema reference, with most of the language in one file."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from support.expected.oracle import Documents
from support.stores.model import (
    Model,
    Row,
    Tables,
    by,
    where,
)

_DDL = """
CREATE SCHEMA library;
CREATE TABLE library.publisher (id int PRIMARY KEY, name text);
CREATE TABLE library.title (
    id int PRIMARY KEY, shelf_mark text, name text, printed_on date, publisher_id int, visible boolean, withdrawn_at timestamp
);
CREATE TABLE library.subject (id int PRIMARY KEY, label text UNIQUE);
CREATE TABLE library.title_subject (title_id int, subject_id int, PRIMARY KEY (title_id, subject_id));
CREATE TABLE library.copy (id int PRIMARY KEY, title_id int, barcode text, state text);
CREATE TABLE library.loan (id int PRIMARY KEY, title_id int, loaned_at timestamp);
CREATE INDEX ON library.title (publisher_id);
CREATE INDEX ON library.title_subject (subject_id);
CREATE INDEX ON library.copy (title_id);
CREATE INDEX ON library.loan (title_id);
"""
_ROWS = """
INSERT INTO library.publisher SELECT n, 'publisher ' || n FROM generate_series(1, 3) n;
INSERT INTO library.title SELECT n, 'QA-' || n, '  title ' || n || ' ', DATE '1990-01-01' + n * 100, 1 + n % 3, n % 5 <> 0,
    CASE WHEN n % 7 = 0 THEN TIMESTAMP '2024-01-01' END
FROM generate_series(1, 20) n;
INSERT INTO library.subject SELECT n, chr(110 - n) || ' subject' FROM generate_series(1, 5) n;
INSERT INTO library.title_subject SELECT t, s FROM generate_series(1, 20) t, generate_series(1, 5) s WHERE (t + s) % 4 = 0;
INSERT INTO library.copy SELECT n, 1 + n % 20, 'C' || n, (ARRAY['here', 'lost', 'sold', NULL])[1 + n % 4]
FROM generate_series(1, 70) n;
INSERT INTO library.loan SELECT n, 1 + n % 18, TIMESTAMP '2024-03-01 12:30:15' + n * INTERVAL '7 hours'
FROM generate_series(1, 50) n;
"""

_TITLES = """
version: 1
table: title
schema: library
primary_key: id
soft_delete: { column: withdrawn_at }
filters:
  - { column: visible, op: eq, value: true }
fields:
  - integer: id
    required: false            # non-null anyway: it is the primary key
  - identifier: shelfMark
    column: shelf_mark
    required: true
  - text: name
    required: true
    transforms: [trim]
  - object: edition
    fields:
      - date: printedOn
        column: printed_on
        required: false
  - belongs_to: publisher
    column: publisher_id
    table: publisher
    primary_key: id
    fields:
      - keyword: name
        required: true
  - many_to_many: subjects
    table: subject
    through: { table: title_subject, left_key: title_id, right_key: subject_id }
    primary_key: id
    order_by: [{ column: label }]
    fields:
      - keyword: label
        required: true
  - has_many: copies
    table: copy
    foreign_key: title_id
    primary_key: id
    filters: [{ column: state, op: not_in, value: [lost, sold] }]
    limit: 50
    fields:
      - keyword: barcode
        required: true
  - count: loanCount
    table: loan
    foreign_key: title_id
  - max: lastLoanedAt
    table: loan
    column: loaned_at
    value_type: timestamp
    foreign_key: title_id
"""


def _expected(tables: Tables) -> dict[str, Documents]:
    return {
        "titles": {
            str(row["id"]): _title(row, tables)
            for row in tables["title"]
            if row["visible"] and row["withdrawn_at"] is None
        }
    }


def _title(row: Row, tables: Tables) -> dict[str, Any]:
    publisher = by(tables["publisher"], "id").get(row["publisher_id"])
    subjects = by(tables["subject"], "id")
    about = [
        subjects.get(item["subject_id"])
        for item in where(tables["title_subject"], "subject_id", title_id=row["id"])
    ]
    labels = sorted(subject["label"] for subject in about if subject is not None)
    # As in SQL: of a state that is not known, it is not known whether it is in a list.
    copies = [
        copy
        for copy in where(tables["copy"], title_id=row["id"])
        if copy["state"] is not None and copy["state"] not in ("lost", "sold")
    ]
    loans = where(tables["loan"], title_id=row["id"])
    last = max((loan["loaned_at"] for loan in loans), default=None)
    return {
        "id": row["id"],
        "shelfMark": row["shelf_mark"],
        "name": row["name"].strip(" "),
        "edition": {"printedOn": row["printed_on"].isoformat()},
        "publisher": None if publisher is None else {"name": publisher["name"]},
        "subjects": [{"label": label} for label in labels],
        "copies": [{"barcode": copy["barcode"]} for copy in copies],
        "loanCount": len(loans),
        "lastLoanedAt": _timestamp(last),
    }


def _timestamp(value: datetime | None) -> str | None:
    """As `to_json` prints it: a fraction without zeros at its end."""
    if value is None:
        return None
    fraction = f".{value.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{value:%Y-%m-%dT%H:%M:%S}{fraction}"


MODEL = Model(
    ddl=_DDL,
    rows=_ROWS,
    tables=tuple(
        f"library.{name}"
        for name in ("publisher", "title", "subject", "title_subject", "copy", "loan")
    ),
    schemas={"titles": _TITLES},
    expected=_expected,
    steps={
        "titles are withdrawn, hidden and shown": [
            "UPDATE library.title SET withdrawn_at = now() WHERE id = 1",
            "UPDATE library.title SET withdrawn_at = NULL, visible = true WHERE id IN (5, 7)",
            "UPDATE library.title SET visible = NULL WHERE id = 2",
        ],
        "copies are lost and found": [
            "UPDATE library.copy SET state = 'here' WHERE id % 4 = 1",
            "UPDATE library.copy SET state = 'lost' WHERE id % 6 = 0",
            "UPDATE library.copy SET title_id = 3 WHERE id = 8",
        ],
        "subjects are called otherwise, and so stand elsewhere": [
            "UPDATE library.subject SET label = 'a first' WHERE id = 1",
            "UPDATE library.title_subject SET title_id = 4 WHERE title_id = 3 AND subject_id = 1",
        ],
        "loans come and go": [
            "INSERT INTO library.loan VALUES (100, 19, '2025-01-01 00:00:00.5')",
            "DELETE FROM library.loan WHERE title_id = 6",
            "DELETE FROM library.publisher WHERE id = 2",
        ],
    },
)
