"""A Postgres server of a test's own: to be restarted, crashed, followed by a standby and replaced by it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from services import Services
from stacklib.daemon import Daemon
from stacklib.layout import Layout
from stacklib.ports import HOST
from stacklib.postgres import Postgres
from support.servers.folder import server_folder
from support.waiting import until_none

_GRACE = 30.0


class OwnPostgres:
    """One server.  `wal_writer_delay` and the like come as settings."""

    def __init__(self, folder: Path, settings: Mapping[str, str], *, in_file: bool = False) -> None:
        layout = Layout.temporary(folder)
        self._server = Postgres(layout)
        self._daemon = Daemon(folder / "run")
        self._settings = {"max_connections": "60", **settings}
        self._in_file = in_file
        self.port = layout.ports["postgres"]

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self.port

    def url(self, database: str = "postgres", port: int | None = None) -> str:
        """A superuser's URL; `port` is a proxy's, perhaps."""
        return f"postgresql://postgres@{HOST}:{port or self.port}/{database}"

    def start(self) -> None:
        """Start the server, making its cluster first, and wait until it answers."""
        self._server.prepare()
        launch = self._server.launch(self.port)
        extra = [part for item in self._settings.items() for part in ("-c", "=".join(item))]
        command = [*launch.command, *extra]
        if self._in_file:
            command = self._into_file(command)
        self._daemon.start(replace(launch, command=command), self.port)
        until_none("the server is up", self._not_ready, 60.0)

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, the log is complete."""
        self._daemon.stop(signal.SIGINT, _GRACE)

    def crash(self) -> None:
        """An immediate shutdown: what was not flushed is gone."""
        self._daemon.stop(signal.SIGQUIT, _GRACE)

    def stop_writing_log(self) -> None:
        """Hold the WAL writer: what is committed asynchronously stays in memory, and a crash loses it for sure.

        Otherwise it is soon in the kernel's cache, which only a machine loses.
        """
        pid = self.one("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGSTOP)

    def wipe(self) -> None:
        """Stop it and remove its data."""
        self.crash()
        self._server.wipe()

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Each statement in a transaction of its own."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def one(self, query: str, database: str = "postgres") -> object:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def follow(self, primary: OwnPostgres, name: str) -> None:
        """Become a standby of `primary`, before the first start."""
        target = self._server._home
        target.mkdir(parents=True, exist_ok=True)
        user = self._server._user
        if user is not None:
            os.chown(target, user.pw_uid, user.pw_gid)
        source = f"host={HOST} port={primary.port} user=postgres application_name={name}"
        command = ["pg_basebackup", "-d", source, "-D", str(self._server._data)]
        command += ["-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]
        # The command line of the primary's own server programs.
        command[0] = str(primary._server._programs / command[0])
        subprocess.run(
            command,
            cwd="/",
            check=True,
            capture_output=True,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )

    def _into_file(self, command: Sequence[str | Path]) -> list[str | Path]:
        """Write the settings of a command line to the server's file; gives the command without them."""
        at = command.index("-c")
        settings = [str(part).partition("=") for part in command[at + 1 :: 2]]
        lines = [f"{name} = '{value}'\n" for name, _, value in settings]
        (self._server._data / "postgresql.conf").write_text("".join(lines), encoding="utf-8")
        return list(command[:at])

    def _not_ready(self) -> str | None:
        if self._daemon.running() is None:
            return f"it stopped: {self._daemon.tail()}"
        return None if self._server.ready(self.port) else "it does not answer"


@contextmanager
def own_postgres(**settings: str) -> Iterator[OwnPostgres]:
    """A server that runs, gone at the end."""
    with _made(settings) as server:
        server.start()
        yield server


@contextmanager
def configured_postgres(**settings: str) -> Iterator[OwnPostgres]:
    """As `own_postgres`, with all settings in the server's file, so that ALTER SYSTEM goes over them."""
    with _made(settings, in_file=True) as server:
        server.start()
        yield server


@contextmanager
def with_own_postgres(services: Services) -> Iterator[Services]:
    """The servers of the run, but with a Postgres to which no other test writes."""
    with own_postgres() as server:
        yield replace(services, postgres_url=server.url())


@contextmanager
def standby_of(primary: OwnPostgres, name: str, **settings: str) -> Iterator[OwnPostgres]:
    """A standby that follows `primary`, gone at the end."""
    with _made(settings) as server:
        server.follow(primary, name)
        server.start()
        yield server


@contextmanager
def _made(settings: Mapping[str, str], *, in_file: bool = False) -> Iterator[OwnPostgres]:
    with server_folder() as folder:
        server = OwnPostgres(folder, settings, in_file=in_file)
        try:
            yield server
        finally:
            server.wipe()
