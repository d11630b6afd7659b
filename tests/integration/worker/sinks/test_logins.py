"""Ways to OpenSearch: how a sink logs in, TLS, a proxy, several nodes; the real server is behind all of them.

Each way to log in goes both through urllib3 and, with a proxy, through requests.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from flusso_shared.config.connections import opensearch_connection
from flusso_shared.config.model import Aws, FileRef, OpenSearchSinkConfig
from flusso_shared.errors import FatalError, RetryableError
from flusso_worker.sinks.cluster import Cluster, CutError, path
from services import Services
from support import names, web
from support.proxies.secure_proxies import Check, ForwardProxy, Gateway, basic, bearing, signed
from support.proxies.tcp_proxy import TcpProxy
from support.servers.certificates import Authority
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("test_logins")]

DOCUMENTS = 3
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
    "AWS_SESSION_TOKEN": "a-session-token",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@dataclass
class Ways:
    """Gateways, proxies and clusters, closed at the end."""

    target: str
    index: str
    stack: ExitStack

    def gateway(self, *given: Check, **more: Any) -> Gateway:
        return self.stack.enter_context(Gateway(self.target, *given, **more))

    def proxy(self, **more: Any) -> ForwardProxy:
        return self.stack.enter_context(ForwardProxy("someone", "secret", **more))

    def cluster(self, url: str, **config: Any) -> Cluster:
        sink = OpenSearchSinkConfig(name="main", type="opensearch", url=SecretStr(url), **config)
        made = Cluster(opensearch_connection(sink, {}))
        self.stack.callback(made.close)
        return made

    def write(self, cluster: Cluster) -> None:
        """Write documents in bulk, and read them."""
        name = self.index
        lines = [
            json.dumps(line)
            for number in range(DOCUMENTS)
            for line in ({"index": {"_index": name, "_id": str(number)}}, {"text": "é, ä"})
        ]
        body = ("\n".join(lines) + "\n").encode()
        params = {"refresh": "true", "filter_path": "errors,items.*.status"}
        reply = cluster.request("POST", "/_bulk", body, params=params)
        assert reply.json()["errors"] is False
        found = cluster.request("POST", path(f"{name}*", "_count"), {"query": {"match_all": {}}})
        assert found.json()["count"] == DOCUMENTS


@pytest.fixture(scope="module")
def index(services: Services) -> Iterator[str]:
    """An index that all tests write to."""
    with names.index_prefix(services) as prefix, web.client(services.opensearch_url) as client:
        settings = {"number_of_replicas": 0}
        client.put(f"/{prefix}documents", json={"settings": settings}).raise_for_status()
        yield f"{prefix}documents"


@pytest.fixture
def ways(services: Services, index: str) -> Iterator[Ways]:
    with ExitStack() as stack:
        yield Ways(services.opensearch_url, index, stack)


@pytest.fixture(params=["urllib3", "requests"])
def route(request: pytest.FixtureRequest, ways: Ways) -> Iterator[dict[str, Any]]:
    """What a sink says to go the one way or the other."""
    if request.param == "urllib3":
        yield {}
        return
    proxy = ways.proxy()
    yield {"proxy": SecretStr(proxy.url_with_password)}
    assert proxy.passed > 0


# --- logins -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "config"),
    [
        (basic("ann", "p:w ü"), {"username": "ann", "password": SecretStr("p:w ü")}),
        ("ApiKey a2V5", {"api_key": SecretStr("a2V5")}),
        ("Bearer to.k-en", {"bearer_token": SecretStr("to.k-en")}),
    ],
)
def test_a_sink_logs_in(
    ways: Ways, route: dict[str, Any], header: str, config: dict[str, Any]
) -> None:
    gateway = ways.gateway(bearing(header))
    ways.write(ways.cluster(gateway.url, **config, **route))
    assert gateway.refused == 0


def test_user_and_password_in_the_url(ways: Ways, route: dict[str, Any]) -> None:
    gateway = ways.gateway(bearing(basic("ann", "p@w:d")))
    ways.write(ways.cluster(gateway.url.replace("//", "//ann:p%40w%3Ad@"), **route))
    assert gateway.refused == 0


def test_a_wrong_literal_ends_the_sink_and_one_in_a_file_is_read_again(
    ways: Ways, route: dict[str, Any], tmp_path: Path
) -> None:
    gateway = ways.gateway(bearing("ApiKey new"))
    with pytest.raises(FatalError, match=r"check \[sinks\.main\]"):
        ways.write(ways.cluster(gateway.url, api_key=SecretStr("old"), **route))
    file = tmp_path / "key"
    file.write_text("old\n")
    cluster = ways.cluster(gateway.url, api_key=FileRef(file=str(file)), **route)
    with pytest.raises(RetryableError, match="read again at every try"):
        ways.write(cluster)
    file.write_text("new\n")
    ways.write(cluster)


def test_user_and_password_in_files_are_read_again(
    ways: Ways, route: dict[str, Any], tmp_path: Path
) -> None:
    user, password = tmp_path / "user", tmp_path / "password"
    user.write_text("ann\n")
    password.write_text("one\n")
    gateway = ways.gateway(bearing(basic("ann", "one")))
    files = {"username": FileRef(file=str(user)), "password": FileRef(file=str(password))}
    cluster = ways.cluster(gateway.url, **files, **route)
    ways.write(cluster)
    gateway.check = bearing(basic("bob", "two"))
    with pytest.raises(RetryableError, match="read again at every try"):
        ways.write(cluster)
    user.write_text("bob\n")
    password.write_text("two\n")
    ways.write(cluster)


@pytest.mark.parametrize("secret", ["line\nbreak", "größe€", "nul\0"])
@pytest.mark.parametrize(
    ("key", "named"), [("api_key", "API key"), ("bearer_token", "bearer token")]
)
def test_a_key_that_no_header_can_contain_is_not_shown(
    ways: Ways, tmp_path: Path, secret: str, key: str, named: str
) -> None:
    wrong = f"the {named} contains a character"
    with pytest.raises(FatalError, match=wrong) as caught:
        ways.cluster(ways.target, **{key: SecretStr(secret)}).request("GET", "/")
    assert secret not in str(caught.value)
    file = tmp_path / "secret"
    file.write_text(secret)
    cluster = ways.cluster(ways.target, **{key: FileRef(file=str(file))})
    with pytest.raises(RetryableError, match=wrong):
        cluster.request("GET", "/")
    file.write_text("right")
    cluster.request("GET", "/")


@pytest.mark.parametrize("service", ["es", "aoss"])
def test_requests_are_signed(
    ways: Ways, route: dict[str, Any], service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    check = signed(
        AWS["AWS_ACCESS_KEY_ID"],
        AWS["AWS_SECRET_ACCESS_KEY"],
        "eu-west-1",
        service,
        AWS["AWS_SESSION_TOKEN"],
    )
    gateway = ways.gateway(check)
    ways.write(ways.cluster(gateway.url, aws=Aws(region="eu-west-1", service=service), **route))
    assert gateway.refused == 0
    with pytest.raises(FatalError, match="the role of the AWS credentials is not let in"):
        ways.write(ways.cluster(gateway.url, aws=Aws(region="us-east-1", service=service), **route))


# --- TLS --------------------------------------------------------------------------------------------


def test_a_client_certificate_and_a_ca(
    ways: Ways, route: dict[str, Any], authority: Authority
) -> None:
    context = authority.server_context(authority.issue("search"), verify=True)
    gateway = ways.gateway(context=context)
    client = authority.issue("flusso")
    own = {"client_cert": str(client.certificate), "client_key": str(client.key)}
    ways.write(ways.cluster(gateway.url, ca_file=str(authority.file), **own, **route))


def test_a_client_without_the_certificate_is_told_so(
    ways: Ways, route: dict[str, Any], authority: Authority, tmp_path: Path
) -> None:
    context = authority.server_context(authority.issue("search"), verify=True)
    gateway = ways.gateway(context=context)
    cluster = ways.cluster(gateway.url, ca_file=str(authority.file), **route)
    _wait_for(FatalError, "asks for a client certificate.* set client_cert", cluster)
    other = Authority(tmp_path, "other").issue("flusso")
    own = {"client_cert": str(other.certificate), "client_key": str(other.key)}
    cluster = ways.cluster(gateway.url, ca_file=str(authority.file), **own, **route)
    _wait_for(RetryableError, "does not take the certificate in client_cert", cluster)
    # Another one in the same files is taken without a restart.
    client = authority.issue("flusso")
    shutil.copy(client.certificate, other.certificate)
    shutil.copy(client.key, other.key)
    ways.write(cluster)


def _wait_for(kind: type[Exception], message: str, cluster: Cluster) -> None:
    """The server closes the connection after its alert: sometimes the system tells us that first."""

    def said() -> bool:
        try:
            cluster.request("GET", "/")
        except kind as error:
            return re.search(message, str(error)) is not None
        except CutError:
            return False
        raise AssertionError("it was let in")

    until(message, said)


def test_a_server_of_an_unknown_authority_is_refused(
    ways: Ways, route: dict[str, Any], authority: Authority, tmp_path: Path
) -> None:
    gateway = ways.gateway(context=authority.server_context(authority.issue("search")))
    for own in ({}, {"ca_file": str(Authority(tmp_path, "other").file)}):
        with pytest.raises(FatalError, match=r"TLS failed.*ca_file"):
            ways.cluster(gateway.url, **own, **route).request("GET", "/")
    ways.write(ways.cluster(gateway.url, tls_verify=False, **route))


def test_the_name_in_the_certificate_is_verified(
    ways: Ways, route: dict[str, Any], authority: Authority
) -> None:
    elsewhere = authority.issue("elsewhere", "DNS:elsewhere.internal")
    gateway = ways.gateway(context=authority.server_context(elsewhere))
    with pytest.raises(FatalError, match="TLS failed"):
        ways.cluster(gateway.url, ca_file=str(authority.file), **route).request("GET", "/")


@pytest.mark.parametrize("key", ["ca_file", "client_cert", "client_key"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_files_that_cannot_be_used_end_the_start(
    ways: Ways,
    authority: Authority,
    tmp_path: Path,
    key: str,
    content: str | None,
) -> None:
    client = authority.issue("flusso")
    files = {
        "ca_file": str(authority.file),
        "client_cert": str(client.certificate),
        "client_key": str(client.key),
    }
    files[key] = str(tmp_path / "broken.pem")
    if content is not None:
        Path(files[key]).write_text(content)
    with pytest.raises(FatalError, match=rf"sink main: cannot use .*{key}"):
        ways.cluster("https://127.0.0.1:9", **files)


# --- the way there ------------------------------------------------------------------------------------


def test_a_path_before_the_api(ways: Ways, route: dict[str, Any]) -> None:
    gateway = ways.gateway(prefix="/search/eu")
    ways.write(ways.cluster(f"{gateway.url}/search/eu/", **route))


def test_a_proxy_by_connect(ways: Ways, authority: Authority) -> None:
    """Only the proxy knows the name of the server."""
    gateway = ways.gateway(
        bearing("Bearer t"), context=authority.server_context(authority.issue("search"))
    )
    proxy = ways.proxy(hosts=["localhost"])
    cluster = ways.cluster(
        f"https://localhost:{gateway.port}",
        ca_file=str(authority.file),
        bearer_token=SecretStr("t"),
        proxy=SecretStr(proxy.url_with_password),
    )
    ways.write(cluster)
    assert proxy.open, "no connection was made by CONNECT"


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_that_refuses_the_password_ends_the_sink(
    ways: Ways, authority: Authority, tmp_path: Path, tls: bool
) -> None:
    context = authority.server_context(authority.issue("search")) if tls else None
    gateway, proxy = ways.gateway(context=context), ways.proxy()
    wrong = proxy.url_with_password.replace("secret", "wr0ng-secret")
    config: dict[str, Any] = {"ca_file": str(authority.file)} if tls else {}
    cluster = ways.cluster(gateway.url, proxy=SecretStr(wrong), **config)
    with pytest.raises(FatalError, match=r"the proxy .*407.*\[sinks\.main\]\.proxy") as caught:
        cluster.request("GET", "/")
    assert "wr0ng" not in str(caught.value) + str(caught.value.__cause__)
    file = tmp_path / "proxy"
    file.write_text(wrong)
    cluster = ways.cluster(gateway.url, proxy=FileRef(file=str(file)), **config)
    with pytest.raises(RetryableError, match=r"the proxy .*407.* read again at every try"):
        cluster.request("GET", "/")
    assert gateway.passed == 0
    file.write_text(proxy.url_with_password)
    ways.write(cluster)


def test_nothing_around_the_process_changes_the_way(
    ways: Ways, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither variables of other programs nor ~/.netrc: requests would take all of them."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    other = Authority(tmp_path, "other")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.file))
    context = authority.server_context(authority.issue("search"))
    gateway, proxy = ways.gateway(bearing("ApiKey k"), context=context), ways.proxy()
    config = {"ca_file": str(authority.file), "api_key": SecretStr("k")}
    ways.write(ways.cluster(gateway.url, **config))
    ways.write(ways.cluster(gateway.url, **config, proxy=SecretStr(proxy.url_with_password)))
    assert proxy.passed > 0


# --- connections that break, nodes that do not answer -----------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_a_cut_connection_is_told_apart(
    ways: Ways, route: dict[str, Any], authority: Authority, tls: bool
) -> None:
    """The sink then sends less at once: some proxies cut what is too large for them."""
    held, cut = threading.Event(), threading.Event()

    def hold(_: object) -> bool:
        if armed.is_set():
            held.set()
            cut.wait(30)
        return True

    def cut_when_held() -> None:
        held.wait(30)
        wire.cut()

    armed = threading.Event()
    context = authority.server_context(authority.issue("search")) if tls else None
    gateway = ways.gateway(hold, context=context)
    wire = ways.stack.enter_context(TcpProxy(("127.0.0.1", gateway.port)))
    config: dict[str, Any] = {"ca_file": str(authority.file)} if tls else {}
    url = gateway.url.replace(str(gateway.port), str(wire.port))
    cluster = ways.cluster(url, **config, **route)
    ways.write(cluster)
    armed.set()
    cutter = threading.Thread(target=cut_when_held)
    cutter.start()
    try:
        with pytest.raises(CutError):
            cluster.request("POST", "/_bulk", b"{}\n")
    finally:
        cutter.join()
        cut.set()


def test_a_server_that_is_away_is_no_cut(ways: Ways, route: dict[str, Any]) -> None:
    gateway = Gateway(ways.target)
    url = gateway.url
    gateway._server.server_close()
    gateway._client.close()
    with pytest.raises(RetryableError) as caught:
        ways.cluster(url, **route).request("GET", "/")
    # Through a proxy it is the answer of the proxy, a 502, which may mean either.
    assert route or not isinstance(caught.value, CutError)


@pytest.mark.parametrize("fault", ["deaf", "gone", "503"])
def test_writes_go_on_when_a_node_does_not_answer(
    ways: Ways, route: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ways.gateway(), ways.gateway()
    wire = ways.stack.enter_context(TcpProxy(("127.0.0.1", first.port)))
    faulty = f"http://{wire.address}"
    cluster = ways.cluster(f"{faulty},{second.url}", timeout_secs=3, **route)
    for _ in range(4):
        ways.write(cluster)
    assert first.passed > 0
    assert second.passed > 0
    if fault == "deaf":
        wire.deafen()
    elif fault == "gone":
        wire.cut()
    else:
        monkeypatch.setattr(first, "serve", _unavailable)
    failed, done = 0, 0
    while done < 20:
        try:
            cluster.request("GET", "/")
            done += 1
        except RetryableError:
            failed += 1
    # Once, and once again where a first answer was a broken connection; then the node is left out for a minute.
    assert 0 < failed <= 2
    ways.write(cluster)
    wire.hear()


def _unavailable(request: Any) -> None:
    request.rfile.read(int(request.headers.get("Content-Length") or 0))
    request.send_response(503)
    request.send_header("Content-Length", "0")
    request.end_headers()
