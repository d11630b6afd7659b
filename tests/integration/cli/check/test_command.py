"""`flusso check` as a command: exit codes, formats, switches, and what it must not do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from flusso_cli.main import app
from flusso_shared.config.lock import write_lock
from flusso_shared.config.project import load_project
from support.commands import inherited_environment, run_command

pytestmark = pytest.mark.services

_CONFIG = """\
[source]
type = "postgres"
connection_url = "postgresql://me:hidden@127.0.0.1:1/nowhere"
[queue]
[queue.properties]
"sasl.password" = "hidden"
[sinks.primary]
type = "opensearch"
url = "http://me:hidden@127.0.0.1:1"
password = "hidden"
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
    column: nam
"""


@dataclass
class Bench:
    """A project in a folder of its own."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of `flusso check`."""
        done = run_command(self.folder, self.environment | more, "flusso", "check", *arguments)
        assert "hidden" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "flusso.toml").write_text(_CONFIG)
    (tmp_path / "titles.schema.yml").write_text(_SCHEMA)
    return Bench(tmp_path, inherited_environment())


@pytest.fixture
def store(bench: Bench, database: str) -> Bench:
    """With a database that lacks the column `nam`, and no other server."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE title (id int PRIMARY KEY, name text)")
    text = _CONFIG[_CONFIG.index("[[index]]") :]
    (bench.folder / "flusso.toml").write_text('[source]\ntype = "postgres"\n' + text)
    bench.environment["DATABASE_URL"] = database
    return bench


def test_an_error_fails_the_check(store: Bench) -> None:
    code, said, _ = store.run()
    assert code == 1
    assert "[error] titles.name  titles.schema.yml:6:13" in said
    assert "no column `nam` (did you mean `name`?)" in said
    assert said.rstrip().endswith("1 error")
    assert not (store.folder / "flusso.lock").exists()


def test_a_warning_does_not(store: Bench) -> None:
    text = _SCHEMA.replace("column: nam", "column: name\n    required: true")
    (store.folder / "titles.schema.yml").write_text(text)
    code, said, _ = store.run()
    assert code == 0
    assert "[warning] titles.name  titles.schema.yml:5:5" in said
    assert said.rstrip().endswith("✓ check passed, 1 warning")


def test_json_is_one_document(store: Bench) -> None:
    code, said, _ = store.run("--format", "json")
    assert code == 1
    value = json.loads(said)
    (found,) = value["diagnostics"]
    assert (found["index"], found["field"], found["line"]) == ("titles", "name", 6)
    assert value["coverage"]["missing"] == ["public.title"]


def test_sarif_names_the_line(store: Bench) -> None:
    code, said, _ = store.run("--format", "sarif")
    assert code == 1
    value = json.loads(said)
    assert value["version"] == "2.1.0"
    (result,) = value["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("unknown-column", "error")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "titles.schema.yml"
    assert place["region"] == {"startLine": 6, "startColumn": 13}


@pytest.mark.parametrize("format_", ["json", "sarif"])
def test_files_that_do_not_load_are_reported_in_the_same_form(bench: Bench, format_: str) -> None:
    (bench.folder / "flusso.toml").write_text('[source]\ntype = "postgres"\nprefx = ""\n')
    code, said, _ = bench.run("--format", format_)
    assert code == 1
    value = json.loads(said)
    if format_ == "json":
        assert value["passed"] is False
        assert value["diagnostics"][0]["line"] == 3
    else:
        (result,) = value["runs"][0]["results"]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 3


@contextmanager
def listeners(number: int) -> Iterator[list[socket.socket]]:
    """Sockets of servers that a command might connect to."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in found:
            each.bind(("127.0.0.1", 0))
            each.listen()
            each.setblocking(False)
        yield found


def test_offline_opens_no_socket_and_needs_no_environment(bench: Bench) -> None:
    with listeners(3) as (postgres, kafka, opensearch):
        at = [f"127.0.0.1:{each.getsockname()[1]}" for each in (postgres, kafka, opensearch)]
        code, said, _ = bench.run(
            "--offline",
            DATABASE_URL=f"postgresql://me:hidden@{at[0]}/d",
            KAFKA_BOOTSTRAP_SERVERS=at[1],
            PRIMARY_OPENSEARCH_URL=f"http://{at[2]}",
        )
        for each in (postgres, kafka, opensearch):
            with pytest.raises(BlockingIOError):
                each.accept()
    assert code == 0
    assert "[offline] skipped database validation" in said
    bench.environment = {"PATH": "/usr/bin:/bin"}
    code, said, _ = bench.run("--offline")
    assert code == 0
    assert "postgresql://me:***@127.0.0.1:1/nowhere" in said


def test_servers_that_do_not_answer(bench: Bench) -> None:
    code, said, _ = bench.run("--format", "json", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert code == 1
    found = {item["rule"]: item["severity"] for item in json.loads(said)["diagnostics"]}
    assert found == {"connection": "error", "brokers": "warning", "opensearch": "warning"}


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--format", "xml"], {}, "--format"),
        ([], {"FLUSSO_FORMAT": "xml"}, "--format"),
        ([], {"FLUSSO_OFFLINE": "maybe"}, "--offline"),
        (["--nosuch"], {}, "--nosuch"),
        (["--offline", "--index-prefix", "Capital"], {}, "--index-prefix"),
    ],
)
def test_wrong_usage_is_2(
    bench: Bench, arguments: list[str], environment: dict[str, str], named: str
) -> None:
    config = str(bench.folder / "flusso.toml")
    result = CliRunner().invoke(app, ["check", "--config", config, *arguments], env=environment)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert named in result.stderr


def test_the_environment_counts_and_the_flag_wins(bench: Bench) -> None:
    twins: dict[str, Any] = {"FLUSSO_OFFLINE": "true", "FLUSSO_FORMAT": "json"}
    code, said, _ = bench.run(**twins)
    assert code == 0
    assert json.loads(said)["diagnostics"] is None
    code, said, _ = bench.run("--format", "human", **twins)
    assert code == 0
    assert said.startswith("✓ config valid: flusso.toml")


def test_another_configuration_and_a_lock(bench: Bench) -> None:
    code, _, complaint = bench.run("--offline", "--config", "nowhere.toml")
    assert code == 1
    assert "nowhere.toml" in complaint
    code, _, complaint = bench.run("--offline", "--locked")
    assert code == 1
    assert "flusso.lock" in complaint
    config = bench.folder / "flusso.toml"
    config.write_text(_CONFIG.replace('"sasl.password" = "hidden"', ""))
    write_lock(load_project(config), bench.folder / "other.lock")
    code, said, _ = bench.run("--offline", "--locked", "--lock", "other.lock")
    assert code == 0
    assert "config valid: other.lock" in said
