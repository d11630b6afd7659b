"""Ways to log in to Postgres, for SQL and for replication: TLS, certificates, several hosts, service and password files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from flusso_shared.config.connections import source_conninfo
from flusso_shared.config.model import ConnectionParts, FileRef, Source
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.postgres.connection import Connection, connect, connect_replication
from services import Services
from support.proxies.tcp_proxy import TcpProxy
from support.servers.certificates import Authority
from support.servers.own_postgres import OwnPostgres
from support.servers.secure_postgres import secure_postgres, secure_standby_of

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("secure Postgres")]

PASSWORD = "pä:ss@w/o?r#d%"
Opener = Callable[..., Connection]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[OwnPostgres]:
    with secure_postgres(authority) as server:
        server.execute(
            f"CREATE ROLE scram LOGIN REPLICATION PASSWORD '{PASSWORD}'",
            "CREATE ROLE certified LOGIN REPLICATION IN ROLE by_certificate",
        )
        yield server


@pytest.fixture(params=[connect, connect_replication])
def open_(request: pytest.FixtureRequest) -> Opener:
    """For SQL, or for replication."""
    found: Opener = request.param
    return found


def conninfo(**parts: Any) -> Any:
    given = {"host": "127.0.0.1", "database": "postgres", **parts}
    return source_conninfo(Source(type="postgres", connection_url=ConnectionParts(**given)), {})


def ask(connection: Connection, query: str) -> tuple[Any, ...]:
    """One row; also over a connection for replication, which has no prepared statements."""
    with connection:
        result = connection.pgconn.exec_(query.encode())
        assert result.status == 2, result.error_message
        return tuple(result.get_value(0, column) for column in range(result.nfields))


def tls(server: OwnPostgres, connection: Connection) -> tuple[Any, ...]:
    """Whether the session is over TLS, and the subject of the client's certificate."""
    pid = connection.info.backend_pid
    with connection:
        found = server.one(
            f"SELECT ssl || ' ' || coalesce(client_dn, '') FROM pg_stat_ssl WHERE pid = {pid}"
        )
        return tuple(str(found).split(" "))


def test_the_server_is_verified(server: OwnPostgres, authority: Authority, open_: Opener) -> None:
    verified = {"sslmode": "verify-full", "sslrootcert": str(authority.file)}
    given = conninfo(
        port=server.port, user="scram", password=SecretStr(PASSWORD), host="localhost", **verified
    )
    assert tls(server, open_(given, "test")) == ("true", "")


def test_a_client_certificate(server: OwnPostgres, authority: Authority, open_: Opener) -> None:
    made = authority.issue("certified")
    files = {"sslcert": str(made.certificate), "sslkey": str(made.key)}
    verified = {"sslmode": "verify-full", "sslrootcert": str(authority.file)}
    given = conninfo(port=server.port, user="certified", **files, **verified)
    assert tls(server, open_(given, "test")) == ("true", "/CN=certified")


def test_channel_binding(server: OwnPostgres, open_: Opener) -> None:
    given = {"port": server.port, "channel_binding": "require", "sslmode": "require"}
    scram = conninfo(user="scram", password=SecretStr(PASSWORD), **given)
    assert tls(server, open_(scram, "test"))[0] == "true"
    # It is trusted, so that nothing is bound.
    with pytest.raises(FatalError, match=r"channel binding.*check `sslmode`"):
        open_(conninfo(user="postgres", **given), "test")


def test_the_host_that_can_be_written_is_taken(
    server: OwnPostgres, authority: Authority, open_: Opener
) -> None:
    with secure_standby_of(server, authority) as standby, TcpProxy(standby.address) as gone:
        gone.cut()
        ports = f"127.0.0.1:{gone.port},127.0.0.1:{standby.port},127.0.0.1:{server.port}"
        query = "target_session_attrs=read-write&sslmode=verify-full"
        url = f"postgresql://scram@{ports}/postgres?{query}&sslrootcert={authority.file}"
        given = source_conninfo(Source(type="postgres", connection_url=SecretStr(url)), {})
        with_password = f"{given}&password=p%C3%A4%3Ass%40w%2Fo%3Fr%23d%25"
        found = ask(open_(with_password, "test"), "SELECT pg_is_in_recovery()")
        assert found == (b"f",)
        wanted = with_password.replace("read-write", "standby")
        assert ask(open_(wanted, "test"), "SELECT pg_is_in_recovery()") == (b"t",)


def test_a_service_file_and_a_password_file(
    server: OwnPostgres,
    authority: Authority,
    tmp_path: Path,
    open_: Opener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords, services = tmp_path / "pgpass", tmp_path / "services.conf"
    passwords.write_text("*:*:*:scram:" + PASSWORD.replace(":", "\\:") + "\n")
    passwords.chmod(0o600)
    lines = ("host=127.0.0.1", f"port={server.port}", "dbname=postgres", "user=scram")
    own = (
        *lines,
        "sslmode=verify-full",
        f"sslrootcert={authority.file}",
        "[other]",
        "host=nowhere",
    )
    services.write_text("\n".join(("[shop]", *own)) + "\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    parts = ConnectionParts(service="shop", passfile=str(passwords))
    given = source_conninfo(Source(type="postgres", connection_url=parts), {})
    assert tls(server, open_(given, "test"))[0] == "true"
    # Another password in the file is for the next connection.
    passwords.write_text("*:*:*:scram:wrong\n")
    with pytest.raises(RetryableError, match="read again at every try"):
        open_(given, "test")


def test_a_password_in_a_file_is_read_for_each_connection(
    server: OwnPostgres, tmp_path: Path, open_: Opener
) -> None:
    file = tmp_path / "password"
    file.write_text("wrong\n")
    reference = FileRef(file=str(file))
    given = conninfo(port=server.port, user="scram", password=reference, sslmode="require")
    with pytest.raises(RetryableError, match="read again at every try"):
        open_(given, "test")
    file.write_text(PASSWORD + "\n")
    open_(given, "test").close()
    file.unlink()
    with pytest.raises(RetryableError, match="cannot read"):
        open_(given, "test")


# --- what does not pass by itself ends the start --------------------------------------------------------


def test_a_wrong_authority_or_name(
    server: OwnPostgres, authority: Authority, tmp_path: Path, open_: Opener
) -> None:
    other = str(Authority(tmp_path, "other").file)
    login = {"port": server.port, "user": "scram", "password": SecretStr(PASSWORD)}
    for file in (other, str(tmp_path / "missing.pem")):
        with pytest.raises(FatalError, match="check `sslmode` and the certificates") as caught:
            open_(conninfo(sslmode="verify-full", sslrootcert=file, **login), "test")
        assert PASSWORD not in str(caught.value)
    query = f"sslmode=verify-full&sslrootcert={authority.file}&hostaddr=127.0.0.1"
    with pytest.raises(FatalError, match="check `sslmode` and the certificates"):
        open_(f"postgresql://scram:x@elsewhere:{server.port}/postgres?{query}", "test")


def test_a_certificate_that_is_missing_or_of_another(
    server: OwnPostgres, authority: Authority, tmp_path: Path, open_: Opener
) -> None:
    base = {"port": server.port, "user": "certified", "sslmode": "require"}
    with pytest.raises(FatalError, match="check `sslcert` and `sslkey`"):
        open_(conninfo(**base), "test")
    for made in (authority.issue("scram"), Authority(tmp_path, "other").issue("certified")):
        files = {"sslcert": str(made.certificate), "sslkey": str(made.key)}
        with pytest.raises(RetryableError, match=r"check `sslcert` .* read again at every try"):
            open_(conninfo(**base, **files), "test")
    made = authority.issue("certified")
    files = {"sslcert": str(made.certificate), "sslkey": str(made.key)}
    made.key.chmod(0o644)
    with pytest.raises(FatalError, match="check `sslmode` and the certificates"):
        open_(conninfo(**base, **files), "test")


def test_tls_where_there_is_none(services: Services, server: OwnPostgres, open_: Opener) -> None:
    with pytest.raises(FatalError, match="check `sslmode`"):
        open_(f"{services.postgres_url}?sslmode=require", "test")
    login = {"port": server.port, "user": "scram", "password": SecretStr(PASSWORD)}
    with pytest.raises(FatalError, match=r"pg_hba\.conf"):
        open_(conninfo(sslmode="disable", **login), "test")
