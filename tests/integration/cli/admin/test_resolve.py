"""`flusso resolve` on a real database: the documents of a row, each way to them, and the queries."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.documents import run
from support.processes import Site
from support.stores import small

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 120.0
USERS = """\
table: users
primary_key: id
fields:
  - integer: id
  - has_many: orders
    table: orders
    primary_key: id
    foreign_key: user_id
    fields:
      - integer: id
      - has_many: items
        table: items
        primary_key: id
        foreign_key: order_id
        fields:
          - integer: id
  - many_to_many: tags
    table: tags
    primary_key: id
    through: { table: user_tags, left_key: user_id, right_key: tag_id }
    fields:
      - keyword: label
"""
ORDERS = """\
table: orders
primary_key: id
fields:
  - integer: id
"""


@pytest.fixture
def project(site: Site, tmp_path: Path) -> Site:
    """The small store under two indexes, and their configuration in the test's folder."""
    small.create(site.database_url)
    small.fill(site.database_url, 30)
    site = site.with_schemas(tmp_path, {"users": USERS, "purchases": ORDERS})
    site.write_config(tmp_path)
    return site


def resolved(site: Site, folder: Path, *arguments: str) -> dict[str, Any]:
    done = site.run(folder, "resolve", "--json", *arguments, deadline=DEADLINE)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def failure(site: Site, folder: Path, *arguments: str) -> str:
    done = site.run(folder, "resolve", *arguments, deadline=DEADLINE)
    assert done.returncode == 1
    return done.stderr


def test_each_index_has_its_documents_and_the_way(project: Site, tmp_path: Path) -> None:
    found = resolved(project, tmp_path, "orders", "10")
    assert (found["table"], found["key"], found["exists"]) == ("public.orders", ["10"], True)
    assert found["documents"] == {"users": 1, "purchases": 1}
    ways = [(way["index"], way["field"], way["tables"], way["ids"]) for way in found["ways"]]
    assert ways == [
        ("users", "orders", ["public.orders", "public.users"], ["5"]),
        ("purchases", "", ["public.orders"], ["10"]),
    ]
    assert "statements" not in found["ways"][0]
    (way,) = resolved(project, tmp_path, "public.items", "0021")["ways"]
    assert way["tables"] == ["public.items", "public.orders", "public.users"]
    assert way["ids"] == ["5"]


def test_the_statements_find_the_same_documents(project: Site, tmp_path: Path) -> None:
    (way,) = resolved(project, tmp_path, "items", "21", "--sql")["ways"]
    given = [(item["reads"], item["given"]) for item in way["statements"]]
    assert given == [
        ("public.items", "public.items (id)"),
        ("public.orders", "public.items (order_id)"),
    ]
    values = "{21}"
    with psycopg.connect(project.database_url) as connection:
        for item in way["statements"]:
            statement = item["sql"].replace("$1", "%s").encode()
            row = connection.execute(statement, (values,)).fetchone()
            assert row is not None
            values = f"{{{row[0]}}}"
    assert values == "{5}"
    shown = project.run(tmp_path, "resolve", "items", "21", "--sql", deadline=DEADLINE).stdout
    assert "index users: 1 document\n" in shown
    assert (
        "public.items -> public.orders -> public.users  (field orders.items): 1 document" in shown
    )
    assert way["statements"][1]["sql"] in shown
    assert "Documents that it left with an earlier change are not known" in shown


def test_many_documents_are_counted_and_some_listed(project: Site, tmp_path: Path) -> None:
    found = resolved(project, tmp_path, "tags", "1", "--limit", "3")
    assert found["documents"] == {"users": 10}
    assert found["ways"][0]["ids"] == ["1", "4", "7"]
    found = resolved(project, tmp_path, "user_tags", "4", "1")
    assert (found["exists"], found["ways"][0]["ids"]) == (True, ["4"])
    shown = project.run(tmp_path, "resolve", "tags", "1", "--limit", "3", deadline=DEADLINE).stdout
    assert "1, 4, 7 and 7 more" in shown


def test_a_row_that_has_moved_is_where_it_is_now(project: Site, tmp_path: Path) -> None:
    run(project.database_url, "UPDATE orders SET user_id = 9 WHERE id = 10")
    assert resolved(project, tmp_path, "orders", "10")["ways"][0]["ids"] == ["9"]
    run(project.database_url, "DELETE FROM orders WHERE id = 10")
    found = resolved(project, tmp_path, "orders", "10")
    assert found["exists"] is False
    assert found["documents"] == {"users": 0, "purchases": 1}
    shown = project.run(tmp_path, "resolve", "orders", "10", deadline=DEADLINE).stdout
    assert "there is no such row now" in shown


def test_what_names_no_row_is_one_message(project: Site, tmp_path: Path) -> None:
    said = failure(project, tmp_path, "order", "10")
    assert (
        "no index reads a table order; the schemas of the configuration read public.items" in said
    )
    said = failure(project, tmp_path, "user_tags", "4")
    assert (
        "has the primary key (user_id, tag_id); give one value per column, in this order, not 1"
        in said
    )
    said = failure(project, tmp_path, "orders", "ten")
    assert "ten cannot be a primary key of table public.orders (id integer)" in said
    assert "correct the values" in said
    away = replace(project, database_url="postgresql://me@127.0.0.1:1/nowhere")
    said = failure(away, tmp_path, "orders", "10")
    assert "port 1 failed" in said
    assert "then run the command again" in said
