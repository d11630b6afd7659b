"""Who may use the private surface, and where it listens."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import typer

from flusso_cli.admin.remote import Access, Remote
from flusso_shared.config.model import Config, Server, Source
from flusso_shared.config.project import Project
from flusso_shared.errors import FatalError
from flusso_shared.metrics import Metrics
from flusso_shared.process import option_values
from flusso_shared.process.http import (
    Certificate,
    Credentials,
    HttpServer,
    bind,
    is_loopback,
    private_app,
)
from flusso_shared.process.service import Addresses, Core, Parts, Surfaces, serve
from flusso_shared.status import Status
from support.servers.certificates import Authority

OWN = Credentials("admin", "a password of one's own")
DEFAULT = Credentials("admin", "flusso")


def served(private: str, credentials: Credentials, certificate: Certificate | None = None) -> bool:
    """Whether a process got past the start."""
    made = False

    def make(_: Surfaces) -> Parts:
        nonlocal made
        made = True
        return {}

    serve(Core(Metrics()), Addresses("127.0.0.1:0", private, credentials, certificate), make)
    return made


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "no-such-host.invalid:0"]
)
@pytest.mark.parametrize(
    "credentials", [DEFAULT, Credentials("other", "flusso"), Credentials("admin", "")]
)
def test_the_default_password_is_refused_where_others_may_try_it(
    address: str, credentials: Credentials
) -> None:
    with pytest.raises(FatalError, match="--admin-password or FLUSSO_ADMIN_PASSWORD") as caught:
        served(address, credentials)
    assert address in str(caught.value)


def test_it_is_taken_on_this_machine_and_another_one_everywhere() -> None:
    for address in ("127.0.0.1:0", "localhost:0", "127.9.9.9:0"):
        assert served(address, DEFAULT)
    assert served("0.0.0.0:0", OWN)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "[::1]:1", "localhost:1", "[::ffff:127.0.0.1]:1"]
)
def test_what_only_this_machine_reaches(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    ("user", "password", "let_in"),
    [
        ("admin", "a password of one's own", True),
        ("admin", "a password of one's owN", False),
        ("admin", "a password", False),
        ("admin", "a password of one's own and more", False),
        ("Admin", "a password of one's own", False),
        ("administrator", "a password of one's own", False),
        ("", "", False),
    ],
)
def test_user_and_password_of_every_length_are_compared(
    user: str, password: str, let_in: bool
) -> None:
    header = b"Basic " + base64.b64encode(f"{user}:{password}".encode())
    assert OWN.allow(header) is let_in


# --- TLS --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def address(authority: Authority) -> Iterator[str]:
    """Of a private surface with a certificate."""
    made = authority.issue("private")
    certificate = Certificate(str(made.certificate), str(made.key))
    certificate.check()
    status = Status()
    status.set_index("users", "seeded")
    with bind("127.0.0.1:0", "private") as listener:
        server = HttpServer(private_app(status, OWN), listener, "private", certificate=certificate)
        server.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.stop()


def test_it_speaks_tls_with_a_certificate_of_ones_own(address: str, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    with httpx.Client(verify=context, auth=("admin", OWN.password)) as client:
        assert client.get(f"https://{address}/indexes").json() == {"users": "seeded"}
    with httpx.Client(verify=False) as client, pytest.raises(httpx.RemoteProtocolError):
        client.get(f"http://{address}/indexes")


def test_the_commands_verify_it(address: str, authority: Authority, tmp_path: Path) -> None:
    for server in (address, f"https://{address}"):
        remote = Remote(Access(server, "admin", OWN.password, authority.file))
        assert remote.states() == {"users": "seeded"}
        remote.close()
    for ca in (Authority(tmp_path, "other").file, None):
        remote = Remote(Access(f"https://{address}", "admin", OWN.password, ca))
        with pytest.raises(FatalError, match="--server-ca"):
            remote.states()
        remote.close()


@pytest.mark.parametrize("broken", ["missing", "no PEM", "another key", "encrypted key"])
def test_files_that_cannot_be_used_end_the_start(
    authority: Authority, tmp_path: Path, broken: str
) -> None:
    made, other = authority.issue("private"), tmp_path / "other"
    certificate = Certificate(str(made.certificate), str(other))
    if broken == "no PEM":
        other.write_text("no PEM")
    elif broken == "another key":
        other.write_text(Authority(tmp_path, "second").issue("x").key.read_text())
    elif broken == "encrypted key":
        Authority._openssl("ec", "-in", made.key, "-aes128", "-passout", "pass:abcd", "-out", other)
    with pytest.raises(FatalError, match="--private-cert"):
        served("127.0.0.1:0", OWN, certificate)


def test_a_flag_goes_over_the_configuration() -> None:
    server = Server(private_cert="/own.pem", private_key="/own.key")
    project = Project(Config(source=Source(type="postgres"), server=server), ())

    def found(*files: Path | None) -> Certificate | None:
        cert, key = files
        return option_values.addresses(project, (None, None), ("a", "b"), (cert, key)).certificate

    assert found(None, None) == Certificate("/own.pem", "/own.key")
    assert found(None, Path("/k")) == Certificate("/own.pem", "/k")
    assert found(Path("/c"), None) == Certificate("/c", None)
    project = Project(Config(source=Source(type="postgres")), ())
    assert found(None, None) is None
    with pytest.raises(typer.BadParameter, match="needs its --private-cert"):
        found(None, Path("/k"))
