"""A Postgres server of a test's own that speaks TLS and asks roles for passwords or certificates."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from support.servers.certificates import Authority
from support.servers.folder import server_folder
from support.servers.own_postgres import OwnPostgres, own_postgres, standby_of

_HBA = """\
# What the tests themselves do.
host     all         postgres  127.0.0.1/32  trust
host     replication postgres  127.0.0.1/32  trust
hostssl  all         +by_certificate  127.0.0.1/32  cert
hostssl  all         all       127.0.0.1/32  scram-sha-256
"""


@contextmanager
def secure_postgres(authority: Authority, **settings: str) -> Iterator[OwnPostgres]:
    """A server with a certificate of `authority` for this machine.

    Members of the role `by_certificate` log in with a certificate, all others with a password; without TLS nobody does.
    """
    with _files(authority) as own, own_postgres(**own, **settings) as server:
        server.execute("CREATE ROLE by_certificate NOLOGIN")
        yield server


@contextmanager
def secure_standby_of(primary: OwnPostgres, authority: Authority) -> Iterator[OwnPostgres]:
    """A standby that logs in and is logged in to likewise."""
    with _files(authority) as own, standby_of(primary, "standby", **own) as server:
        yield server


@contextmanager
def _files(authority: Authority) -> Iterator[dict[str, str]]:
    """The settings, with files that the server's user can read."""
    made = authority.issue("database")
    with server_folder() as folder:
        files = {
            "ssl_cert_file": folder / "server.pem",
            "ssl_key_file": folder / "server.key",
            "ssl_ca_file": folder / "ca.pem",
            "hba_file": folder / "pg_hba.conf",
        }
        shutil.copy(made.certificate, files["ssl_cert_file"])
        shutil.copy(made.key, files["ssl_key_file"])
        shutil.copy(authority.file, files["ssl_ca_file"])
        files["hba_file"].write_text(_HBA)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(files["ssl_key_file"], owner.pw_uid, owner.pw_gid)
        yield {"ssl": "on", **{key: str(file) for key, file in files.items()}}
