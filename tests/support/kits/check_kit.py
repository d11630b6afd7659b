"""`flusso check` in one call: a schema, a database, and what is found."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from flusso_cli.check.examine import Options, examine
from flusso_cli.check.output.report import Report
from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.config.project import load_project

_CONFIG = '[source]\ntype = "postgres"\n'
_INDEX = '[[index]]\nname = "{name}"\nschema = "{name}.schema.yml"\n'

STORE = (
    "CREATE TABLE things (id int PRIMARY KEY, owner_id int NOT NULL, name text, state text NOT NULL,"
    " counts json, gone boolean, size int, at_x real, at_y real)",
    "CREATE TABLE parts (id int PRIMARY KEY, thing_id int, label text, weight numeric)",
    "CREATE TABLE owners (id int PRIMARY KEY, name text, code text NOT NULL)",
    "CREATE TABLE tags (id int PRIMARY KEY, label text)",
    "CREATE TABLE thing_tags (thing_id int, tag_id int, PRIMARY KEY (thing_id, tag_id))",
    "CREATE INDEX ON things (owner_id)",
    "CREATE INDEX ON parts (thing_id)",
    "CREATE INDEX ON thing_tags (tag_id)",
    "CREATE VIEW all_parts AS SELECT * FROM parts",
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.sales (id int PRIMARY KEY, thing_id int)",
)


def things(*fields: str, more: str = "") -> str:
    """A schema over `things`."""
    lines = "".join(f"\n      - {field}" for field in fields)
    return f"""
    table: things
    primary_key: id{more}
    fields:{lines or " []"}
    """


def checked(
    folder: Path,
    url: str,
    *schemas: str,
    more: str = "",
    env: dict[str, str] | None = None,
    prefix: str = "",
    publication: str = "flusso_check",
    slot: str = "flusso_check",
    manage: bool = True,
) -> Report:
    """The report over `schemas` (indexes `things`, `things2`, ...) against the database at `url`."""
    names = [f"things{number}" if number > 1 else "things" for number in range(1, len(schemas) + 1)]
    text = _CONFIG + more + "".join(_INDEX.format(name=name) for name in names)
    (folder / "flusso.toml").write_text(text, encoding="utf-8")
    for name, schema in zip(names, schemas, strict=True):
        (folder / f"{name}.schema.yml").write_text(textwrap.dedent(schema), encoding="utf-8")
    report = Report(load_project(folder / "flusso.toml"), "flusso.toml", offline=False)
    options = Options(
        slot=slot,
        publication=publication,
        manage_publication=manage,
        manage_replica_identity=manage,
        index_prefix=prefix,
    )
    examine(report, options, {"DATABASE_URL": url, **(env or {})})
    return report


def told(report: Report, *without: str) -> list[tuple[str, str, str]]:
    """Every diagnostic as severity, rule and place; rules in `without` left out."""
    return [
        (item.severity, item.rule, item.where)
        for item in report.diagnostics
        if item.rule not in without
    ]


def only(report: Report, rule: str) -> Diagnostic:
    """The one diagnostic of that rule."""
    (found,) = [item for item in report.diagnostics if item.rule == rule]
    return found


@contextmanager
def role(url: str, name: str, *options: LiteralString) -> Iterator[str]:
    """The database's URL for a new role that may log in and nothing else."""
    identifier = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as admin:
        words = sql.SQL(" ").join(sql.SQL(option) for option in options)
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN {}").format(identifier, words))
        try:
            parts = urlsplit(url)
            yield urlunsplit(parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}"))
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {}").format(identifier))
            admin.execute(sql.SQL("DROP ROLE {}").format(identifier))
