"""`flusso init` on real databases: what it writes passes `flusso check`, and its documents hold every column."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from flusso_cli.init.columns import geometry_mapping
from flusso_shared.config.project import load_project
from flusso_shared.names import TableName
from flusso_shared.plan.bind import read_bound
from services import Services
from support.commands import inherited_environment, program, run_command
from support.documents import built, run
from support.expected.json_casts import SHAPES
from support.stores import dev as store

pytestmark = pytest.mark.services

_FLUSSO = program("flusso")
_DEADLINE = 60.0

_ODD = Path(store.__file__).with_name("odd.sql")


@dataclass
class Desk:
    """A folder to write into, and a database."""

    folder: Path
    services: Services
    environment: dict[str, str] = field(default_factory=dict)

    def init(self, *arguments: str, **more: str) -> tuple[int, str]:
        """Exit code, and what was said on both streams."""
        return self.run("init", *arguments, **more)

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        done = run_command(self.folder, self.environment | more, "flusso", *arguments)
        return done.returncode, done.stdout + done.stderr

    def files(self) -> set[str]:
        return {
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()
        }

    def written(self, folder: str = "") -> set[str]:
        """The files, without those for editors, which are there too."""
        files = self.files()
        for_editors = {f"{folder}schemas/{which}.schema.json" for which in ("config", "index")}
        assert for_editors <= files
        return files - for_editors

    def schema(self, name: str) -> dict[str, Any]:
        """A schema file, as plain YAML."""
        text = (self.folder / "schemas" / f"{name}.schema.yml").read_text(encoding="utf-8")
        return dict(yaml.safe_load(text))

    def assert_clean(self, prefix: str) -> None:
        """`flusso check`, against Postgres and OpenSearch: not even a warning."""
        code, said = self.run("check", "--format", "json", "--index-prefix", prefix)
        # On a busy machine lines before it say how far the check is.
        report = json.loads(said[said.index("{") :])
        assert report["diagnostics"] == []
        assert (code, report["passed"]) == (0, True)


@pytest.fixture
def desk(tmp_path: Path, services: Services, database: str) -> Desk:
    environment = inherited_environment() | {
        "DATABASE_URL": database,
        "PRIMARY_OPENSEARCH_URL": services.opensearch_url,
    }
    return Desk(tmp_path, services, environment)


def _columns(database: str) -> dict[TableName, list[str]]:
    """Every column of every table, by a way of the test's own."""
    found: dict[TableName, list[str]] = {}
    with psycopg.connect(database) as connection:
        for schema, table, column in connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY ordinal_position"
        ):
            found.setdefault(TableName(schema, table), []).append(column)
    return found


def _relations(schema: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Key of a relation -> its kind and table."""
    found: dict[str, tuple[str, str]] = {}
    for item in schema["fields"]:
        tag = next(iter(item))
        if tag in ("belongs_to", "has_one", "has_many", "many_to_many"):
            found[item[tag]] = (tag, item["table"])
    return found


def _field(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    (found,) = [item for item in schema["fields"] if next(iter(item.values())) == key]
    return dict(found)


# --- the dev store ------------------------------------------------------------------------------


def test_the_dev_store_checks_clean_and_its_documents_hold_every_column(
    desk: Desk, database: str, index_prefix: str
) -> None:
    store.load_store(database)
    code, said = desk.init("--all")
    assert code == 0, said
    assert said.count("✓") == 12
    assert "flusso check" in said
    desk.assert_clean(index_prefix)

    project = load_project(desk.folder / "flusso.toml")
    columns = _columns(database)
    assert {plan.root for plan in project.indexes} == set(columns)
    for plan in project.indexes:
        documents = built(database, plan)
        assert documents, plan.name
        rows = _whole_rows(database, plan.root)
        assert documents.keys() == rows.keys()
        for key, row in rows.items():
            held = {name: documents[key][name] for name in columns[plan.root]}
            assert _comparable(held) == _comparable(row), f"{plan.name}/{key}"


def _whole_rows(database: str, table: TableName) -> dict[str, dict[str, Any]]:
    """Each row as Postgres itself makes JSON of it, by the values of its key."""
    with psycopg.connect(database) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        keys = ["product_id", "tag_id"] if table.name == "product_tags" else None
        rows = [row[0] for row in connection.execute(f"SELECT to_jsonb(t) FROM {table} t".encode())]
    names = keys or (["user_id"] if table.name == "profiles" else ["id"])
    return {":".join(str(row[name]) for name in names): row for row in rows}


def _comparable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers by value, texts without padding."""
    return {
        name: value.rstrip()
        if isinstance(value, str)
        else json.loads(json.dumps(value, default=float))
        for name, value in row.items()
    }


def test_relations_follow_the_foreign_keys_of_the_dev_store(desk: Desk, database: str) -> None:
    store.create_tables(database)
    desk.init("-t", "users", "-t", "products", "-t", "public.orders")
    assert desk.written() == {
        "flusso.toml",
        "schemas/users.schema.yml",
        "schemas/products.schema.yml",
        "schemas/orders.schema.yml",
    }
    assert _relations(desk.schema("users")) == {
        "addresses": ("has_many", "addresses"),
        "orders": ("has_many", "orders"),
        "profiles": ("has_one", "profiles"),
        "reviews": ("has_many", "reviews"),
    }
    assert _relations(desk.schema("products")) == {
        "category": ("belongs_to", "categories"),
        "order_items": ("has_many", "order_items"),
        "tags": ("many_to_many", "tags"),
        "reviews": ("has_many", "reviews"),
    }
    assert _field(desk.schema("orders"), "user") | {"fields": []} == {
        "belongs_to": "user",
        "column": "user_id",
        "table": "users",
        "primary_key": "id",
        "required": True,
        "fields": [],
    }


# --- an odd database ----------------------------------------------------------------------------


@pytest.fixture
def odd(desk: Desk, database: str) -> Desk:
    run(database, _ODD.read_text(encoding="utf-8"))
    return desk


def test_any_name_type_and_key_gives_files_that_check_clean(
    odd: Desk, database: str, index_prefix: str
) -> None:
    code, said = odd.init("--all")
    assert code == 0, said
    for reason in ("loose: it has no primary key", "fleeting: it is unlogged"):
        assert f"left out public.{reason}" in said
    assert "looked" not in said
    assert "measured_2024" not in said
    odd.assert_clean(index_prefix)

    project = load_project(odd.folder / "flusso.toml")
    with psycopg.connect(database) as connection:
        bound = read_bound(connection, project.plan)
    names = {plan.root: plan.name for plan in bound.indexes}
    assert len(set(names.values())) == len(names) == 12
    assert names[TableName("public", "flusso_meta")] not in ("flusso_meta", "flusso_quarantine")
    for plan in project.indexes:
        built(database, plan)
    items = odd.schema(names[TableName("public", 'Order "Items"')])
    keys = [next(iter(item.values())) for item in items["fields"]]
    assert len(keys) == 12
    assert keys == [
        "select", "Gro_e", "gro_e", "id", "f_2fa", "field", "null", "a_b", "MixedCase", "with_newline",
        "with_quote", "true",
    ]  # fmt: skip


def test_types_are_those_that_hold_every_value(odd: Desk) -> None:
    odd.init("--table", "kinds")
    tags = {next(iter(item.values())): next(iter(item)) for item in odd.schema("kinds")["fields"]}
    assert {key: tag for key, tag in tags.items() if tag != "custom"} == {
        "a": "short", "b": "integer", "c": "long", "d": "float", "e": "double", "f": "decimal",
        "g": "decimal", "h": "boolean", "i": "text", "j": "text", "k": "keyword", "l": "uuid",
        "m": "enum", "n": "enum", "o": "date", "p": "timestamp", "q": "timestamp", "u": "binary",
        "v": "json", "w": "json", "ae": "integer", "af": "text", "ag": "enum", "am": "integer",
        "an": "keyword", "ar": "keyword", "au": "timestamp", "av": "json", "aw": "binary",
    }  # fmt: skip
    kinds = odd.schema("kinds")
    assert _field(kinds, "m")["variants"] == ["sad", "so so", "happy"]
    assert "variants" not in _field(kinds, "n")
    assert _field(kinds, "am")["required"] is True
    assert _field(kinds, "x")["opensearch"] == "ip"
    assert _field(kinds, "ac")["opensearch"] == "object"


def test_relations_of_every_shape(odd: Desk, database: str) -> None:
    odd.init("-t", "Sales Dept.people", "-t", "visits")
    people = odd.schema("people")
    assert _relations(people) == {
        "boss": ("belongs_to", "people"),
        "regions": ("belongs_to", "regions"),
        "people": ("has_many", "people"),
        "badges": ("has_one", "badges"),
        "letters": ("has_many", "letters"),
        "letters_by_receiver": ("has_many", "letters"),
        "people_by_followed": ("many_to_many", "people"),
        "people_by_follower": ("many_to_many", "people"),
        "regions_by_country_code": ("many_to_many", "regions"),
        "visits": ("has_many", "visits"),
    }
    assert _field(people, "regions")["column"] == ["country", "region"]
    assert _field(people, "regions")["required"] is True
    assert _field(people, "letters")["references"] == "email"
    assert _field(people, "letters")["schema"] == "public"
    text = (odd.folder / "schemas" / "people.schema.yml").read_text(encoding="utf-8")
    assert "# Not followed: public.loose; it has no primary key" in text

    documents = {
        plan.name: built(database, plan)
        for plan in load_project(odd.folder / "flusso.toml").indexes
    }
    first, second = documents["people"]["1"], documents["people"]["2"]
    assert [item["id"] for item in first["people"]] == [2]
    assert (first["boss"], second["boss"]["email"]) == (None, "a@x")
    assert [item["name"] for item in first["regions_by_country_code"]] == ["South"]
    assert second["badges"] == {"label": "late"}
    assert (len(first["letters"]), len(first["letters_by_receiver"])) == (1, 0)
    assert documents["visits"].keys() == {"1:se:1"}


def test_more_than_one_index_takes_is_commented_out(
    odd: Desk, database: str, index_prefix: str
) -> None:
    run(
        database,
        "CREATE TABLE hub (id int PRIMARY KEY)",
        *(
            f"CREATE TABLE spoke_{n} (id int PRIMARY KEY, hub_id int REFERENCES hub, a int, b text)"
            for n in range(60)
        ),
        *(f"CREATE INDEX ON spoke_{n} (hub_id)" for n in range(60)),
        "CREATE TABLE wide (id int PRIMARY KEY, "
        + ", ".join(f"c{n} text" for n in range(400))
        + ")",
    )
    code, said = odd.init("-t", "hub", "-t", "wide")
    assert code == 0
    assert "60 relations, 10 commented out" in said
    assert "401 columns, 0 relations, 67 commented out" in said
    odd.assert_clean(index_prefix)


# --- the command --------------------------------------------------------------------------------


def test_geometries_are_found_by_place(desk: Desk, database: str) -> None:
    run(
        database,
        *SHAPES,
        "CREATE TABLE places (id int PRIMARY KEY, area ext.geometry NOT NULL, spots ext.geography[])",
    )
    code, said = desk.init("--table", "places")
    assert code == 0, said
    custom = {"opensearch": "geo_shape", "options": {"ignore_malformed": True}}
    assert _field(desk.schema("places"), "area") == {
        "custom": "area",
        "postgres": ["ext.geometry"],
        "required": True,
        **custom,
    }
    assert _field(desk.schema("places"), "spots") == {
        "custom": "spots",
        "postgres": ["ext.geography"],
        "opensearch": "geo_shape",
        "options": {"doc_values": False, "ignore_malformed": True},
        "array": True,
    }
    desk.assert_clean("geometries_")


@pytest.mark.parametrize(
    ("shown", "mapped"),
    [
        ("geometry(Point,4326)", "geo_point"),
        ("ext.geography(PointZ,4326)", "geo_point"),
        ("geometry(Point)", "geo_point"),
        ("geometry(MultiPoint,4326)", "geo_shape"),
        ("geometry(Geometry,4326)", "geo_shape"),
        ("geometry", "geo_shape"),
        ("geometry(Point,3857)", ""),
    ],
)
def test_a_column_of_points_is_a_geo_point(shown: str, mapped: str) -> None:
    assert geometry_mapping(shown) == mapped


def test_nothing_is_overwritten_unless_forced(desk: Desk, database: str) -> None:
    store.create_tables(database)
    (desk.folder / "schemas").mkdir()
    mine = desk.folder / "schemas" / "tags.schema.yml"
    mine.write_text("mine")
    code, said = desk.init("--table", "tags")
    assert code == 1
    assert "schemas/tags.schema.yml" in said
    assert "--force" in said
    assert (mine.read_text(), desk.files()) == ("mine", {"schemas/tags.schema.yml"})
    assert desk.init("--table", "tags", "--force")[0] == 0
    assert "table: tags" in mine.read_text()
    assert desk.init("--table", "tags", "--out", "elsewhere")[0] == 0
    assert "elsewhere/flusso.toml" in desk.files()


def test_without_a_terminal_it_says_what_to_give(desk: Desk, database: str) -> None:
    store.create_tables(database)
    code, said = desk.init()
    assert code == 1
    assert "--table public.addresses" in said
    assert "public.users" in said
    assert not desk.files()


def test_what_cannot_be_followed_is_refused_with_the_reason(odd: Desk) -> None:
    code, said = odd.init("-t", "loose", "-t", "looked", "-t", "measured_2024", "-t", "kindz")
    assert code == 1
    assert "public.loose cannot be followed: it has no primary key" in said
    assert "public.looked cannot be followed: it is not a table" in said
    assert "it is a partition; take public.measured" in said
    assert "no table `kindz` (did you mean `kinds`?)" in said
    assert not odd.files()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://somewhere/x", "is not a Postgres URL"),
        ("postgresql://postgres@127.0.0.1:1/x", "cannot connect to Postgres"),
        (None, "--database-url or in DATABASE_URL"),
    ],
)
def test_a_database_that_is_not_there(desk: Desk, url: str | None, said: str) -> None:
    del desk.environment["DATABASE_URL"]
    code, text = desk.init("--all", *(["--database-url", url] if url else []))
    assert code == 1
    assert said in text
    assert not desk.files()


def test_options_may_come_from_the_environment(desk: Desk, database: str) -> None:
    store.create_tables(database)
    code, said = desk.init("--out", "made", FLUSSO_TABLE="tags categories")
    assert code == 0, said
    assert desk.written("made/") == {
        "made/flusso.toml",
        "made/schemas/tags.schema.yml",
        "made/schemas/categories.schema.yml",
    }
    assert desk.init("-t", "tags", "--all")[0] == 2


def test_at_a_terminal_it_lists_the_tables_and_asks(desk: Desk, database: str) -> None:
    store.create_tables(database)
    code, said = _at_a_terminal(desk, "nonsense\n2 users\n")
    assert code == 0, said
    assert "there is no table `nonsense`" in said
    assert desk.written() == {
        "flusso.toml",
        "schemas/categories.schema.yml",
        "schemas/users.schema.yml",
    }


def _at_a_terminal(desk: Desk, typed: str) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [_FLUSSO, "init"],
            cwd=desk.folder,
            env=desk.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        os.write(ours, typed.encode())
        said = b"".join(_read(ours))
        return process.wait(_DEADLINE), said.decode()
    finally:
        os.close(ours)


def _read(terminal: int) -> Iterator[bytes]:
    """Read until the program has closed the terminal, which is an error on Linux."""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            return
        if not data:
            return
        yield data
