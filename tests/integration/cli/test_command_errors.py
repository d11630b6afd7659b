"""What a user gets wrong ends in one message that says what to do, and exit code 1 or 2."""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from services import Services
from support.commands import inherited_environment, run_command

pytestmark = pytest.mark.services

_NOWHERE = "127.0.0.1:1"
_CONFIG = """\
[source]
type = "postgres"
[sinks.primary]
type = "opensearch"
[queue]
topic_prefix = "{prefix}"
replication_factor = 1
[[index]]
name = "titles"
schema = "titles.schema.yml"
"""
_SCHEMA = """\
table: title
primary_key: id
fields:
  - integer: id
  - text: name
"""


@dataclass
class Bench:
    """A project that works, to be broken in one place."""

    folder: Path
    environment: dict[str, str]
    arguments: list[str] = field(default_factory=list)

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def run(self, *command: str) -> tuple[int, str]:
        """The exit code and what was said."""
        done = run_command(self.folder, self.environment, *command, *self.arguments)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def bench(
    services: Services,
    database: str,
    topic_prefix: str,
    index_prefix: str,
    slot_name: str,
    tmp_path: Path,
) -> Bench:
    (tmp_path / "flusso.toml").write_text(_CONFIG.format(prefix=topic_prefix))
    (tmp_path / "titles.schema.yml").write_text(_SCHEMA)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE title (id int PRIMARY KEY, name text)")
        connection.execute("CREATE VIEW titles AS SELECT id, name FROM title")
    environment = inherited_environment() | {
        "DATABASE_URL": database,
        "PRIMARY_OPENSEARCH_URL": services.opensearch_url,
        "KAFKA_BOOTSTRAP_SERVERS": services.kafka,
        "FLUSSO_PUBLIC_ADDRESS": "127.0.0.1:0",
        "FLUSSO_PRIVATE_ADDRESS": "127.0.0.1:0",
        "FLUSSO_INDEX_PREFIX": index_prefix,
        "FLUSSO_SLOT": slot_name,
        "FLUSSO_PUBLICATION": slot_name,
        "FLUSSO_STARTUP_TIMEOUT": "1",
        "COLUMNS": "200",
    }
    return Bench(tmp_path, environment)


COMMANDS = [("flusso-capture",), ("flusso-worker",), ("flusso", "run")]
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@every_command
def test_a_missing_configuration(bench: Bench, command: tuple[str, ...]) -> None:
    code, said = bench.run(*command, "--config", "nowhere.toml")
    assert code == 1
    assert "there is no configuration at nowhere.toml" in said


def test_neither_configuration_nor_lock(bench: Bench) -> None:
    (bench.folder / "flusso.toml").unlink()
    code, said = bench.run("flusso", "run")
    assert code == 1
    assert "flusso.toml" in said
    assert "flusso.lock" in said


@every_command
def test_a_misspelt_key(bench: Bench, command: tuple[str, ...]) -> None:
    bench.edit("flusso.toml", "replication_factor", "replication_facto")
    code, said = bench.run(*command)
    assert code == 1
    assert "flusso.toml:7:1" in said
    assert "did you mean `replication_factor`?" in said


def test_all_problems_of_a_configuration_at_once(bench: Bench) -> None:
    bench.edit("flusso.toml", 'type = "opensearch"', 'type = "opensearch"\nbatch_size = 0')
    bench.edit("flusso.toml", 'name = "titles"', 'name = "9titles"')
    bench.edit("flusso.toml", "[queue]", '[queue]\nproperties = { acks = "1" }')
    code, said = bench.run("flusso-capture")
    assert code == 1
    for part in ("`batch_size`", "`9titles`", "`acks` cannot be set"):
        assert part in said


def test_broken_toml_and_broken_yaml(bench: Bench) -> None:
    bench.edit("titles.schema.yml", "fields:", "fields: [")
    code, said = bench.run("flusso", "run")
    assert code == 1
    assert "titles.schema.yml:" in said
    bench.edit("flusso.toml", "[queue]", "[queue")
    code, said = bench.run("flusso", "run")
    assert code == 1
    assert "flusso.toml:" in said
    assert "not valid TOML" in said


@every_command
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("table: title", "table: titel", "public.titel"),
        ("text: name", "text: nam", "no column `nam` (did you mean `name`?)"),
        (
            "table: title",
            "table: titles",
            "`public.titles` is a view: its changes are not in the write-ahead log; name the table or tables",
        ),
    ],
)
def test_an_unknown_table_or_column(
    bench: Bench, command: tuple[str, ...], old: str, new: str, expected: str
) -> None:
    bench.edit("titles.schema.yml", old, new)
    code, said = bench.run(*command)
    assert code == 1
    assert expected in said
    assert "titles.schema.yml" in said


@every_command
def test_postgres_unreachable(bench: Bench, command: tuple[str, ...]) -> None:
    bench.environment["DATABASE_URL"] = f"postgresql://me:hidden@{_NOWHERE}/library"
    code, said = bench.run(*command)
    assert code == 1
    assert f"Postgres at {_NOWHERE}" in said
    assert "hidden" not in said


def test_kafka_unreachable(bench: Bench) -> None:
    bench.environment["KAFKA_BOOTSTRAP_SERVERS"] = _NOWHERE
    code, said = bench.run("flusso-capture")
    assert code == 1
    assert _NOWHERE in said


@pytest.mark.parametrize("command", COMMANDS[1:], ids=" ".join)
def test_opensearch_unreachable(bench: Bench, command: tuple[str, ...]) -> None:
    bench.environment["PRIMARY_OPENSEARCH_URL"] = f"http://{_NOWHERE}"
    code, said = bench.run(*command)
    assert code == 1
    assert f"http://{_NOWHERE}" in said


SECRET = "qzx7|k9wv|zz"
MALFORMED = [
    "postgresql://me:qzx7@k9wv@127.0.0.1:1/library",
    "postgresql://me:qzx7%zzk9wv@127.0.0.1:1/library",
    "postgresql://me:qzx7/k9wv@127.0.0.1:1/library",
    "postgresql://me:x?qzx7=k9wv@127.0.0.1:1:1/library",
    "postgresql://me:qzx7 k9wv@127.0.0.1:1/library",
    "postgresql://me:qzx7k9wv@a..b:1/library",
    "postgresql://me:qzx7k9wv@127.0.0.1:1/library?sslmode=qzx7k9wv",
    "postgresql://me:qzx7k9wv@127.0.0.1:1/library?ssl_min_protocol_version=qzx7k9wv",
    "host=127.0.0.1 port=1 user=me password=qzx7k9wv",
    "postgresql://me:qzx7k9wv",
]
TAKERS = [
    *COMMANDS,
    ("flusso", "check"),
    ("flusso", "verify"),
    ("flusso", "init", "--all", "--out", "made"),
]


@pytest.mark.parametrize("command", TAKERS, ids=" ".join)
def test_a_malformed_connection_is_one_message_without_its_secret(
    bench: Bench, command: tuple[str, ...]
) -> None:
    first = TAKERS.index(command)
    for url in (MALFORMED * 2)[first :: len(TAKERS)][:3]:
        bench.environment["DATABASE_URL"] = url
        code, said = bench.run(*command)
        assert code == 1, url
        assert "Postgres URL" in said or "libpq does not take" in said, url
        assert "next try in" not in said, url
        assert "Caused by" not in said, url
        assert not re.search(SECRET, said), url


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("PRIMARY_OPENSEARCH_URL", "http://me:qzx7/k9wv@127.0.0.1:1"),
        ("KAFKA_BOOTSTRAP_SERVERS", "me:qzx7@k9wv@127.0.0.1:1"),
    ],
)
@pytest.mark.parametrize("command", [("flusso-worker",), ("flusso", "check")], ids=" ".join)
def test_a_malformed_address_is_one_message_without_its_secret(
    bench: Bench, command: tuple[str, ...], variable: str, url: str
) -> None:
    bench.environment[variable] = url
    code, said = bench.run(*command)
    assert not re.search(SECRET, said)
    assert code == 1
    assert "OpenSearch" in said or "bootstrap_servers" in said


def test_a_literal_that_is_malformed_reaches_no_file(bench: Bench) -> None:
    del bench.environment["DATABASE_URL"]
    config = bench.folder / "flusso.toml"
    original = config.read_text()
    for url in MALFORMED:
        config.write_text(original.replace("[sinks", f'connection_url = "{url}"\n[sinks', 1))
        code, said = bench.run("flusso-worker")
        assert code == 1, url
        assert not re.search(SECRET, said), url
        lock = bench.folder / "flusso.lock"
        kept = re.sub(r'\?\w+=\w+"', '"', lock.read_text())  # a parameter that is no secret
        assert not re.search(SECRET, kept), url


SILENT = [
    (("flusso", "run"), "DATABASE_URL", "postgresql://me:hidden@{}/library"),
    (("flusso-capture",), "DATABASE_URL", "postgresql://me:hidden@{}/library"),
    (("flusso-worker",), "DATABASE_URL", "postgresql://me:hidden@{}/library"),
    (("flusso", "run"), "PRIMARY_OPENSEARCH_URL", "http://{}"),
    (("flusso-worker",), "PRIMARY_OPENSEARCH_URL", "http://{}"),
    (("flusso-capture",), "KAFKA_BOOTSTRAP_SERVERS", "{}"),
    (("flusso-worker",), "KAFKA_BOOTSTRAP_SERVERS", "{}"),
]


@pytest.mark.parametrize(
    ("command", "variable", "url"), SILENT, ids=[f"{each[0][-1]}-{each[1]}" for each in SILENT]
)
def test_a_server_that_accepts_and_never_answers_ends_the_start(
    bench: Bench, command: tuple[str, ...], variable: str, url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        bench.environment[variable] = url.format(where)
        started = time.monotonic()
        code, said = bench.run(*command)
        took = time.monotonic() - started
    assert code == 1
    assert "did not answer within 1 s" in said
    assert "hidden" not in said
    assert "Caused by" not in said
    assert len([line for line in said.splitlines() if "did not answer" in line]) == 1
    # One second, and what starting and ending the process takes on a busy machine.
    assert took < 8


def test_a_server_that_two_threads_wait_for_is_reported_once(bench: Bench) -> None:
    bench.environment["DATABASE_URL"] = f"postgresql://me:hidden@{_NOWHERE}/library"
    _, said = bench.run("flusso", "run")
    tries = [line for line in said.splitlines() if "next try in" in line]
    assert tries
    assert len({line.split(" yet, ")[0].split(": ", 1)[1] for line in tries}) == 1
    attempts = [line.rpartition("attempt=")[2] for line in tries]
    assert len(set(attempts)) == len(attempts)


@every_command
def test_a_database_that_does_not_exist(bench: Bench, command: tuple[str, ...]) -> None:
    url = bench.environment["DATABASE_URL"]
    bench.environment["DATABASE_URL"] = urlunsplit(urlsplit(url)._replace(path="/no_such_database"))
    code, said = bench.run(*command)
    assert code == 1
    assert "no_such_database" in said
    assert "DATABASE_URL" in said


# Each changes the server's pg_hba.conf and puts it back: never two at once.
@pytest.mark.xdist_group("pg_hba.conf")
@every_command
def test_a_wrong_password(bench: Bench, services: Services, command: tuple[str, ...]) -> None:
    with (
        role(services, "LOGIN REPLICATION PASSWORD 'right'") as name,
        asked_for_password(services, name),
    ):
        bench.environment["DATABASE_URL"] = as_role(
            bench.environment["DATABASE_URL"], name, "wrong-one"
        )
        code, said = bench.run(*command)
    assert code == 1
    assert "password authentication failed" in said
    assert "check user and password" in said
    assert "wrong-one" not in said


def test_a_role_without_replication(bench: Bench, services: Services) -> None:
    with role(services, "LOGIN") as name:
        bench.environment["DATABASE_URL"] = as_role(bench.environment["DATABASE_URL"], name, "x")
        code, said = bench.run("flusso-capture")
    assert code == 1
    assert "REPLICATION" in said


def test_a_role_without_select(bench: Bench, services: Services) -> None:
    with role(services, "LOGIN REPLICATION") as name:
        bench.environment["DATABASE_URL"] = as_role(bench.environment["DATABASE_URL"], name, "x")
        code, said = bench.run("flusso-capture")
    assert code == 1
    assert "GRANT" in said.upper()
    assert "title" in said


@every_command
def test_an_address_that_is_taken(bench: Bench, command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        bench.environment["FLUSSO_PUBLIC_ADDRESS"] = address
        code, said = bench.run(*command)
    assert code == 1
    assert address in said
    assert "--public-address" in said


@every_command
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLUSSO_LOCKED", "perhaps"),
        ("FLUSSO_STARTUP_TIMEOUT", "soon"),
        ("FLUSSO_PUBLIC_ADDRESS", ":80"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    bench: Bench, command: tuple[str, ...], name: str, value: str
) -> None:
    bench.environment[name] = value
    code, said = bench.run(*command)
    assert code == 2
    assert name in said or "--" in said


@every_command
def test_an_unknown_option_is_exit_code_2(bench: Bench, command: tuple[str, ...]) -> None:
    code, _ = bench.run(*command, "--no-such-option")
    assert code == 2


# --- roles ----------------------------------------------------------------------------------------


@contextmanager
def role(services: Services, attributes: LiteralString) -> Iterator[str]:
    """A role of that kind, dropped at the end."""
    name = f"flusso_test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(services.postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} " + attributes).format(sql.Identifier(name)))
        try:
            yield name
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def asked_for_password(services: Services, name: str) -> Iterator[None]:
    """The server asks this role for its password, whatever it does with others."""
    line = f"host all,replication {name} all scram-sha-256"
    with psycopg.connect(services.postgres_url, autocommit=True) as admin:
        row = admin.execute("SELECT current_setting('hba_file')").fetchone()
        assert row is not None
        file = row[0]
        before = admin.execute("SELECT pg_read_file(%s)", (file,)).fetchone()
        assert before is not None
        try:
            _write(admin, file, f"{line}\n{before[0]}")
            yield
        finally:
            _write(admin, file, before[0])


def _write(admin: psycopg.Connection, file: str, text: str) -> None:
    """Replace a file on the server, line by line, and have the server read it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    values = sql.SQL(", ").join(sql.SQL("({})").format(sql.Literal(line)) for line in lines)
    admin.execute(
        sql.SQL("COPY (SELECT * FROM (VALUES {}) AS line(text)) TO {} (DELIMITER E'\\x01')").format(
            values, sql.Literal(file)
        )
    )
    admin.execute("SELECT pg_reload_conf()")


def as_role(url: str, name: str, password: str) -> str:
    """The URL for another role."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{password}@{host}"))
