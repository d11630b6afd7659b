"""A PgBouncer of a test's own, in front of the server of the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import psycopg
from psycopg import conninfo

from stacklib.ports import HOST, free_ports
from support.servers.folder import server_folder
from support.waiting import until_none

_CONFIG = """
[databases]
* = {server}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""


@contextmanager
def own_pgbouncer(url: str, mode: Literal["session", "transaction", "statement"]) -> Iterator[str]:
    """The URL of the same database through a pooler of that mode."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "PgBouncer is not installed: apt-get install pgbouncer"
    parts = conninfo.conninfo_to_dict(url)
    given = {name: parts[name] for name in ("host", "port", "user", "password") if name in parts}
    (port,) = free_ports(1)
    with server_folder() as folder:
        file = folder / "pgbouncer.ini"
        server = " ".join(f"{name}={value}" for name, value in given.items())
        file.write_text(_CONFIG.format(server=server, host=HOST, port=port, mode=mode))
        # It refuses to run as root.
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        process = subprocess.Popen(
            [program, "-q", file], user=None if user is None else user.pw_uid, cwd=folder
        )
        try:
            pooled = f"postgresql://{parts['user']}@{HOST}:{port}/{parts['dbname']}"
            until_none("PgBouncer answers", lambda: _missing(pooled, process), 30.0)
            yield pooled
        finally:
            process.terminate()
            process.wait(30)


def _missing(url: str, process: subprocess.Popen[bytes]) -> str | None:
    assert process.poll() is None, "PgBouncer ended"
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return str(error)
    return None
