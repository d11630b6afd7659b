"""Postgres from the distribution's server programs, with logical decoding on."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from functools import cached_property
from pathlib import Path

from stacklib import programs
from stacklib.daemon import Launch
from stacklib.layout import ROOT, STORE, Layout
from stacklib.ports import HOST
from stacklib.problem import Problem

_SQL = ROOT / "dev" / "sql"
_SETTINGS = {
    "listen_addresses": HOST,
    # A socket's path may be too long or not writable; everything here goes over TCP.
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_wal_senders": "40",
    "max_replication_slots": "40",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
}
_BRIEF = {
    # A test stops processes, never the machine: what a process has written is there for the next one.
    "fsync": "off",
    "full_page_writes": "off",
    # `synchronous_commit` stays on: a change that waits for the log's writer is captured 200 ms later.
}


class Postgres:
    """A cluster whose superuser `postgres` needs no password on this machine."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": it ends the sessions instead of waiting for them

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @cached_property
    def _user(self) -> pwd.struct_passwd | None:
        """Postgres refuses to run as root: the user to run as instead, None if it can be ourselves."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise Problem("Postgres cannot run as root, and there is no user postgres or nobody.")

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @cached_property
    def _home(self) -> Path:
        """The folder of the data; outside the working copy where Postgres' user cannot get into that."""
        home = self._layout.folder / self.name
        if self._user is None or all(_passable(parent) for parent in home.parents):
            return home
        digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
        return Path("/var/tmp") / f"flusso-{digest}"

    @cached_property
    def _programs(self) -> Path:
        marker = self._data / "PG_VERSION"
        return programs.require_postgres(marker.read_text().strip() if marker.exists() else None)

    def check(self) -> None:
        """Fail if the server programs are missing."""
        _ = self._programs, self._user

    def prepare(self) -> None:
        """Make the cluster, unless it is there."""
        if (self._data / "PG_VERSION").exists():
            return
        self._home.mkdir(parents=True, exist_ok=True)
        unfinished = self._home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        if self._user is not None:
            os.chown(self._home, self._user.pw_uid, self._user.pw_gid)
        options = ["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-locale"]
        made = subprocess.run(
            [self._programs / "initdb", "--pgdata", unfinished, *options],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=None if self._user is None else self._user.pw_uid,
            group=None if self._user is None else self._user.pw_gid,
            extra_groups=None if self._user is None else [],
        )
        if made.returncode != 0:
            raise Problem(f"initdb failed:\n{made.stdout}{made.stderr}")
        unfinished.rename(self._data)

    def launch(self, port: int) -> Launch:
        """How to start it."""
        command: list[str | Path] = [self._programs / "postgres", "-D", self._data, "-p", str(port)]
        settings = _SETTINGS | _BRIEF if self._layout.brief else _SETTINGS
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if self._user is None:
            return Launch(command, self._home)
        return Launch(command, self._home, self._user.pw_uid, self._user.pw_gid)

    def ready(self, port: int) -> bool:
        """Whether it answers a query."""
        return self._psql(port, "postgres", "--command", "SELECT 1").returncode == 0

    def address(self, port: int) -> str:
        """The URL of the store, or of the maintenance database where there is no store."""
        database = STORE if self._layout.with_store else "postgres"
        return f"postgresql://postgres@{HOST}:{port}/{database}"

    def create_store(self, port: int) -> bool:
        """Make the database with the example store, unless it is there; gives whether it was made."""
        there = self._sql(port, "postgres", "-c", f"\\l {STORE}", "-At").splitlines()
        if any(line.split("|")[0] == STORE for line in there):
            return False
        # It gets its name when it is complete.
        unfinished = f"{STORE}_unfinished"
        self._sql(port, "postgres", "-c", f"DROP DATABASE IF EXISTS {unfinished}")
        self._sql(port, "postgres", "-c", f"CREATE DATABASE {unfinished}")
        for script in sorted(_SQL.glob("*.sql")):
            self._sql(port, unfinished, "-1", "-f", str(script))
        self._sql(port, "postgres", "-c", f"ALTER DATABASE {unfinished} RENAME TO {STORE}")
        return True

    def wipe(self) -> None:
        """Remove the cluster."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _sql(self, port: int, database: str, *arguments: str) -> str:
        done = self._psql(port, database, *arguments)
        if done.returncode != 0:
            raise Problem(f"The store could not be made:\n{done.stderr.strip()}")
        return done.stdout

    def _psql(self, port: int, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = ["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"]
        target = f"host={HOST} port={port} user=postgres dbname={database} connect_timeout=3"
        return subprocess.run(
            [self._programs / "psql", *options, *arguments, target],
            capture_output=True,
            text=True,
            check=False,
        )


def _passable(folder: Path) -> bool:
    """Whether everybody may go through a folder; one that does not exist yet will be ours to open."""
    return not folder.exists() or bool(folder.stat().st_mode & 0o001)
