"""Each option of the command line has its effect: from its variable, from its flag, and from the flag where both are given.

The table has, per option, two values and where the effect of each is seen from outside, on the real commands.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from flusso_cli.daemons import run as run_module
from flusso_shared.config.lock import write_lock
from flusso_shared.config.project import load_project
from flusso_shared.process.service import Surfaces
from services import Services
from support import names, web
from support.commands import inherited_environment, program, run_command
from support.processes import Daemon
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

DEADLINE = 90.0
MODES = ("variables", "flags", "both")
each_mode = pytest.mark.parametrize("mode", MODES)

TABLES = """
CREATE TABLE authors (id int PRIMARY KEY, name text);
CREATE TABLE notes (id int PRIMARY KEY, author_id int);
CREATE INDEX ON notes (author_id);
INSERT INTO authors VALUES (1, 'first');
"""
SCHEMA = """\
version: 1
table: authors
primary_key: id
fields:
  - integer: id
  - has_many: notes
    table: notes
    foreign_key: author_id
    primary_key: id
    fields: [{integer: id}]
"""
CONFIG = """\
[source]
type = "postgres"
{sinks}
[[index]]
name = "{name}"
schema = "authors.schema.yml"
"""
SINK = """
[sinks.primary]
type = "opensearch"
url = "http://127.0.0.1:9200"
number_of_replicas = 0
"""
CAPACITIES = ("7", "13")


@dataclass(frozen=True)
class Place:
    """One run of a command: its folder, its process, and the values that it should have."""

    folder: Path
    database: str
    opensearch: str
    mode: str
    daemon: Daemon
    values: Mapping[str, tuple[str, str]]

    def expected(self, option: str) -> str:
        """The value of the flag, where there is one."""
        return self.values[option][0 if self.mode == "variables" else 1]

    def ask(self, query: LiteralString) -> set[str]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            return {str(row[0]) for row in connection.execute(query)}

    def log(self, pattern: str) -> list[str]:
        return re.findall(pattern, self.daemon.text())

    def may(self, user: str, password: str) -> bool:
        """Whether the private surface lets them in."""
        with web.client(f"http://{self.daemon.private_address()}") as client:
            return client.get("/indexes", auth=(user, password)).status_code == 200


# --- flusso run ---------------------------------------------------------------------------------


def _the_configuration(place: Place) -> str:
    [index] = place.daemon.status()["indexes"]
    return {"alpha": "a.toml", "beta": "b.toml"}[index]


def _the_prefix(place: Place) -> str:
    for prefix in place.values["--index-prefix"]:
        with web.client(place.opensearch) as client:
            if client.get(f"/_cat/indices/{prefix}alpha_*,{prefix}beta_*").text.strip():
                return prefix
    return "no index"


def _the_user(place: Place) -> str:
    password = place.expected("--admin-password")
    [user] = [user for user in place.values["--admin-user"] if place.may(user, password)]
    return user


def _the_password(place: Place) -> str:
    user = place.expected("--admin-user")
    passwords = place.values["--admin-password"]
    [password] = [password for password in passwords if place.may(user, password)]
    return password


def _changes_held(place: Place) -> str:
    """Changes pile up while the documents cannot be built: another session holds a table that they contain."""
    with psycopg.connect(place.database) as holder:
        holder.execute("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
        with psycopg.connect(place.database, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO authors SELECT n, 'more' FROM generate_series(1000, 1060) n"
            )

        def fewer() -> str | None:
            held = place.daemon.status()["changes_in_flight"]
            return None if str(held) in CAPACITIES else f"{held} held"

        until_none("the buffer is full", fewer, DEADLINE)
        return str(place.daemon.status()["changes_in_flight"])


def _host(surface: str) -> Callable[[Place], str]:
    def seen(place: Place) -> str:
        [host] = place.log(rf"{surface} surface listening on (\S+):\d+")
        return f"{host}:0"

    return seen


@dataclass(frozen=True)
class Row:
    """One option: two values, and where the one that has an effect is seen."""

    option: str
    variable: str
    values: tuple[str, str]
    seen: Callable[[Place], str]
    is_name: bool = field(default=False, kw_only=True)
    """Whether the values are the ends of names that the test has for itself."""


RUN = [
    Row("--config", "FLUSSO_CONFIG", ("a.toml", "b.toml"), _the_configuration),
    Row(
        "--lock",
        "FLUSSO_LOCK",
        ("a.lock", "b.lock"),
        lambda place: " ".join(path.name for path in place.folder.glob("*.lock")),
    ),
    Row(
        "--slot",
        "FLUSSO_SLOT",
        ("_a", "_b"),
        lambda place: " ".join(
            place.ask(
                "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
            )
        ),
        is_name=True,
    ),
    Row(
        "--publication",
        "FLUSSO_PUBLICATION",
        ("pub_a", "pub_b"),
        lambda place: " ".join(place.ask("SELECT pubname FROM pg_publication")),
    ),
    Row("--index-prefix", "FLUSSO_INDEX_PREFIX", ("a_", "b_"), _the_prefix, is_name=True),
    Row(
        "--public-address",
        "FLUSSO_PUBLIC_ADDRESS",
        ("127.0.0.1:0", "127.0.0.2:0"),
        _host("public"),
    ),
    Row(
        "--private-address",
        "FLUSSO_PRIVATE_ADDRESS",
        ("127.0.0.3:0", "127.0.0.4:0"),
        _host("private"),
    ),
    Row("--admin-user", "FLUSSO_ADMIN_USER", ("anna", "bert"), _the_user),
    Row("--admin-password", "FLUSSO_ADMIN_PASSWORD", ("wolke", "regen"), _the_password),
    # The last: it adds rows.
    Row("--queue-capacity", "FLUSSO_QUEUE_CAPACITY", CAPACITIES, _changes_held),
]


def given(
    mode: str, rows: Mapping[str, tuple[str, tuple[str, str]]]
) -> tuple[dict[str, str], list[str]]:
    """Variables and flags of a mode; `rows` has the variable and the two values of each option."""
    variables: dict[str, str] = {}
    flags: list[str] = []
    for option, (variable, (first, second)) in rows.items():
        if mode != "flags":
            variables[variable] = first
        if mode != "variables":
            flags += [option, second]
    return variables, flags


def write_files(folder: Path, sinks: str) -> None:
    (folder / "authors.schema.yml").write_text(SCHEMA)
    for file, name in (("a.toml", "alpha"), ("b.toml", "beta")):
        (folder / file).write_text(CONFIG.format(name=name, sinks=sinks))


@pytest.fixture(scope="module")
def places(
    services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Place]]:
    """A `flusso run` for each mode, with all options of the table at once."""
    with ExitStack() as stack:
        found: dict[str, Place] = {}
        for mode in MODES:
            folder = tmp_path_factory.mktemp(mode)
            database = stack.enter_context(names.database(services))
            own = {
                "--slot": names.slot_name(),
                "--index-prefix": stack.enter_context(names.index_prefix(services)),
            }
            values = {
                row.option: tuple(own.get(row.option, "") + value for value in row.values)
                for row in RUN
            }
            pairs: dict[str, tuple[str, str]] = {
                option: (first, second) for option, (first, second) in values.items()
            }
            variables, flags = given(
                mode, {row.option: (row.variable, pairs[row.option]) for row in RUN}
            )
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute(TABLES)
            write_files(folder, SINK)
            daemon = Daemon(
                mode,
                [program("flusso"), "run", *flags],
                inherited_environment()
                | {"DATABASE_URL": database, "PRIMARY_OPENSEARCH_URL": services.opensearch_url}
                | variables,
                folder / "log",
                folder=folder,
            )
            stack.callback(daemon.clean_up)
            daemon.start()
            found[mode] = Place(folder, database, services.opensearch_url, mode, daemon, pairs)
        for place in found.values():
            until_none("it is live", lambda place=place: unseeded(place), DEADLINE)  # type: ignore[misc]
        yield found
        for place in found.values():
            place.daemon.stop()


def unseeded(place: Place) -> str | None:
    place.daemon.check()
    status = place.daemon.status()
    return None if status["phase"] == "live" else str(status)


@each_mode
@pytest.mark.parametrize("row", RUN, ids=lambda row: row.option)
def test_an_option_of_run(places: Mapping[str, Place], row: Row, mode: str) -> None:
    place = places[mode]
    assert row.seen(place) == place.expected(row.option)


# --- flusso indexes, reindex --------------------------------------------------------------------


@each_mode
def test_the_server_that_is_asked_and_as_whom(places: Mapping[str, Place], mode: str) -> None:
    """The process of the variables has index alpha, that of the flags beta; each has its own user and password."""
    first, second = places["variables"], places["flags"]
    rows = {
        "--server": (
            "FLUSSO_SERVER",
            (first.daemon.private_address(), second.daemon.private_address()),
        ),
        "--admin-user": ("FLUSSO_ADMIN_USER", first.values["--admin-user"]),
        "--admin-password": ("FLUSSO_ADMIN_PASSWORD", first.values["--admin-password"]),
    }
    variables, flags = given(mode, rows)
    environment = inherited_environment() | variables
    index = "alpha" if mode == "variables" else "beta"
    listed = run_command(first.folder, environment, "flusso", "indexes", *flags, "--format", "json")
    assert listed.returncode == 0, listed.stderr
    assert list(json.loads(listed.stdout)["indexes"]) == [index]
    rebuilt = run_command(first.folder, environment, "flusso", "reindex", index, *flags)
    assert (rebuilt.returncode, index in rebuilt.stdout) == (0, True), rebuilt.stderr


# --- switches of flusso run ---------------------------------------------------------------------

SWITCHES = [
    pytest.param("true", False, True, id="variable"),
    pytest.param("false", False, False, id="variable-off"),
    pytest.param(None, True, True, id="flag"),
    pytest.param("false", True, True, id="flag-over-variable"),
]
each_switch = pytest.mark.parametrize(("variable", "flag", "on"), SWITCHES)


@each_switch
def test_locked(tmp_path: Path, variable: str | None, flag: bool, on: bool) -> None:
    (tmp_path / "flusso.toml").write_text("nonsense\n")
    environment = inherited_environment()
    if variable:
        environment["FLUSSO_LOCKED"] = variable
    done = run_command(tmp_path, environment, "flusso", "run", *(["--locked"] if flag else []))
    assert done.returncode == 1
    assert ("flusso.lock" in done.stderr, "flusso.toml:1" in done.stderr) == (on, not on)


@each_switch
def test_skip_backfill_and_pretty(
    database: str, slot_name: str, tmp_path: Path, variable: str | None, flag: bool, on: bool
) -> None:
    """The row that is there is not read, and the documents are printed over several lines."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        write_files(tmp_path, "")
        addresses = {f"FLUSSO_{name}_ADDRESS": "127.0.0.1:0" for name in ("PUBLIC", "PRIVATE")}
        environment = inherited_environment() | addresses
        environment |= {"DATABASE_URL": database, "FLUSSO_SLOT": slot_name}
        if variable:
            environment |= {"FLUSSO_SKIP_BACKFILL": variable, "FLUSSO_PRETTY": variable}
        flags = ["--skip-backfill", "--pretty"] if flag else []
        command = [program("flusso"), "run", "--config", "a.toml", *flags]
        daemon = Daemon("run", command, environment, tmp_path / "log", folder=tmp_path)
        try:
            daemon.start()
            until_none(
                "it is live",
                lambda: None if daemon.status()["phase"] == "live" else "not live",
                DEADLINE,
            )
            connection.execute("INSERT INTO authors VALUES (2, 'second')")
            daemon.await_log('"2"', DEADLINE)
            daemon.stop()
        finally:
            daemon.clean_up()
    printed = [line for line in daemon.text().splitlines() if line.startswith("{")]
    assert any(line == "{" for line in printed) is on
    assert (re.search(r'"id": ?"1"', daemon.text()) is None) is on


MANAGED = [
    pytest.param("false", None, False, id="variable"),
    pytest.param("true", None, True, id="variable-on"),
    pytest.param(None, "false", False, id="flag"),
    pytest.param("true", "false", False, id="flag-over-variable"),
    pytest.param("false", "true", True, id="flag-over-variable-on"),
]


@pytest.mark.parametrize(("variable", "flag", "on"), MANAGED)
def test_manage_publication(
    database: str,
    slot_name: str,
    tmp_path: Path,
    variable: str | None,
    flag: str | None,
    on: bool,
) -> None:
    """`run` makes the publication or refuses to start; `check` says what `run` would do."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    write_files(tmp_path, "")
    addresses = {f"FLUSSO_{name}_ADDRESS": "127.0.0.1:0" for name in ("PUBLIC", "PRIVATE")}
    environment = inherited_environment() | addresses
    environment |= {"DATABASE_URL": database, "FLUSSO_SLOT": slot_name}
    environment |= {"FLUSSO_PUBLICATION": slot_name, "FLUSSO_CONFIG": "a.toml"}
    if variable:
        environment["FLUSSO_MANAGE_PUBLICATION"] = variable
    flags = ["--manage-publication", flag] if flag else []
    checked = run_command(tmp_path, environment, "flusso", "check", *flags, "--format", "json")
    assert json.loads(checked.stdout)["coverage"]["will_manage"] is on
    daemon = Daemon(
        "run", [program("flusso"), "run", *flags], environment, tmp_path / "log", folder=tmp_path
    )
    try:
        daemon.start()
        if on:
            daemon.await_log("ran CREATE PUBLICATION", DEADLINE)
        else:
            assert daemon.wait_exit(DEADLINE) == 1
            assert f'CREATE PUBLICATION "{slot_name}"' in daemon.text()
    finally:
        daemon.clean_up()


@each_mode
def test_seconds_between_two_readings_of_the_lag(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    """In this process, up to the parts that are about to start: from outside one would have to wait."""
    write_files(tmp_path, "")
    made: list[float] = []

    def capture(options: Any, *_: object, **__: object) -> None:
        made.append(options.lag_poll_seconds)

    def serve(_core: object, _addresses: object, make: Callable[[Surfaces], object]) -> None:
        make(Surfaces(("127.0.0.1", 1), ("127.0.0.1", 2), tls=False))

    monkeypatch.setattr(run_module, "Capture", capture)
    monkeypatch.setattr(run_module, "serve", serve)
    monkeypatch.chdir(tmp_path)
    rows = {"--lag-poll-secs": ("FLUSSO_LAG_POLL_SECS", ("3", "5"))}
    variables, flags = given(mode, rows)
    done = in_this_process("run", "--config", "a.toml", *flags, **variables)
    assert done == 0
    assert made == [3.0 if mode == "variables" else 5.0]


def in_this_process(*arguments: str, **variables: str) -> int:
    """The exit code of a command, over a database that is not asked."""
    from typer.testing import CliRunner

    from flusso_cli.main import app

    environment = {"DATABASE_URL": "postgresql://me@127.0.0.1:1/none", **variables}
    return CliRunner().invoke(app, [*arguments], env=environment).exit_code


# --- the other commands -------------------------------------------------------------------------


@each_mode
def test_options_of_build(tmp_path: Path, mode: str) -> None:
    write_files(tmp_path, "")
    rows = {
        "--config": ("FLUSSO_CONFIG", ("a.toml", "b.toml")),
        "--out": ("FLUSSO_OUT", ("x.lock", "y.lock")),
        "--format": ("FLUSSO_FORMAT", ("json", "human")),
    }
    variables, flags = given(mode, rows)
    done = run_command(tmp_path, variables, "flusso", "build", *flags)
    assert done.returncode == 0, done.stderr
    first = mode == "variables"
    [lock] = tmp_path.glob("*.lock")
    assert lock.name == ("x.lock" if first else "y.lock")
    assert json.loads(lock.read_text())["indexes"][0]["name"] == ("alpha" if first else "beta")
    assert done.stdout.startswith("{") is first


@each_mode
def test_options_of_check(database: str, tmp_path: Path, mode: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    write_files(tmp_path, "")
    rows = {
        "--config": ("FLUSSO_CONFIG", ("a.toml", "b.toml")),
        "--publication": ("FLUSSO_PUBLICATION", ("pub_a", "pub_b")),
        "--format": ("FLUSSO_FORMAT", ("human", "json")),
    }
    variables, flags = given(mode, rows)
    environment = inherited_environment() | {"DATABASE_URL": database} | variables
    said = run_command(tmp_path, environment, "flusso", "check", *flags).stdout
    names = ("alpha", "pub_a") if mode == "variables" else ("beta", "pub_b")
    assert all(name in said for name in names)
    assert not any(name in said for name in {"alpha", "beta", "pub_a", "pub_b"} - {*names})
    if mode == "variables":
        assert said.startswith("✓ config valid: a.toml")
    else:
        assert [item["index"] for item in json.loads(said)["mappings"]] == ["beta"]


@each_switch
def test_offline(tmp_path: Path, variable: str | None, flag: bool, on: bool) -> None:
    write_files(tmp_path, "")
    environment = inherited_environment() | {"DATABASE_URL": "postgresql://me@127.0.0.1:1/none"}
    if variable:
        environment["FLUSSO_OFFLINE"] = variable
    flags = ["--offline"] if flag else []
    done = run_command(tmp_path, environment, "flusso", "check", "-c", "a.toml", *flags)
    assert done.returncode == (0 if on else 1)
    assert ("[offline]" in done.stdout) is on


@each_mode
def test_the_schema_that_is_printed(mode: str) -> None:
    variables = {} if mode == "flags" else {"FLUSSO_SCHEMA": "index"}
    argument = [] if mode == "variables" else ["config"]
    done = run_command(Path(), inherited_environment() | variables, "flusso", "schema", *argument)
    title = json.loads(done.stdout)["title"]
    assert (title == "flusso.toml") is (mode != "variables")


@pytest.mark.parametrize("command", [("flusso", "run"), ("flusso-capture",), ("flusso-worker",)])
def test_a_configuration_that_is_missing_leaves_the_lock_alone(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "flusso.lock").write_text("mine")
    done = run_command(tmp_path, inherited_environment(), *command, "--config", "missing.toml")
    assert done.returncode == 1
    assert "missing.toml" in done.stderr
    assert (tmp_path / "flusso.lock").read_text() == "mine"
    (tmp_path / "flusso.lock").unlink()
    done = run_command(tmp_path, inherited_environment(), *command)
    assert done.returncode == 1
    assert all(file in done.stderr for file in ("flusso.toml", "flusso.lock"))


def test_the_lock_that_runs(tmp_path: Path) -> None:
    """`--locked` reads `--lock`, and nothing of the configuration."""
    write_files(tmp_path, "")
    write_lock(load_project(tmp_path / "b.toml"), tmp_path / "b.lock")
    (tmp_path / "b.toml").unlink()
    environment = inherited_environment() | {
        "DATABASE_URL": "postgresql://me@127.0.0.1:1/none",
        "FLUSSO_STARTUP_TIMEOUT": "0.1",
        "FLUSSO_PUBLIC_ADDRESS": "127.0.0.1:0",
        "FLUSSO_PRIVATE_ADDRESS": "127.0.0.1:0",
    }
    options = ["--locked", "--lock", "b.lock", "--config", "nowhere.toml"]
    done = run_command(tmp_path, environment, "flusso", "run", *options)
    assert "did not answer within 0.1 s" in done.stderr


@pytest.mark.parametrize(
    ("option", "variable", "value"),
    [
        ("--queue-capacity", "FLUSSO_QUEUE_CAPACITY", "many"),
        ("--lag-poll-secs", "FLUSSO_LAG_POLL_SECS", "0"),
        ("--public-address", "FLUSSO_PUBLIC_ADDRESS", "9464"),
        ("--private-address", "FLUSSO_PRIVATE_ADDRESS", "nowhere"),
        ("--index-prefix", "FLUSSO_INDEX_PREFIX", "Capital"),
        ("--locked", "FLUSSO_LOCKED", "maybe"),
        ("--skip-backfill", "FLUSSO_SKIP_BACKFILL", "maybe"),
        ("--pretty", "FLUSSO_PRETTY", "maybe"),
        ("--manage-publication", "FLUSSO_MANAGE_PUBLICATION", "maybe"),
    ],
)
def test_a_value_that_cannot_be_is_wrong_usage(
    tmp_path: Path, option: str, variable: str, value: str
) -> None:
    write_files(tmp_path, "")
    environment = inherited_environment() | {"DATABASE_URL": "postgresql://me@127.0.0.1:1/none"}
    command = ("flusso", "run", "--config", "a.toml")
    done = run_command(tmp_path, environment | {variable: value}, *command)
    assert (done.returncode, option in done.stderr) == (2, True), done.stderr
    if value != "maybe":
        done = run_command(tmp_path, environment, *command, option, value)
        assert (done.returncode, option in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_server_is_awaited_ends_the_process_at_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    write_files(tmp_path, "")
    environment = inherited_environment() | {
        "DATABASE_URL": "postgresql://me@127.0.0.1:1/none",
        "FLUSSO_PUBLIC_ADDRESS": "127.0.0.1:0",
        "FLUSSO_PRIVATE_ADDRESS": "127.0.0.1:0",
    }
    command = [program("flusso"), "run", "--config", "a.toml"]
    daemon = Daemon("run", command, environment, tmp_path / "log", folder=tmp_path)
    try:
        daemon.start()
        daemon.await_log("next try in", DEADLINE)
        assert daemon.text().index("surface listening") < daemon.text().index("next try in")
        daemon.send(number)
        assert daemon.wait_exit(DEADLINE) == 0
    finally:
        daemon.clean_up()
