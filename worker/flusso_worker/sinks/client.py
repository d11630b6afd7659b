"""opensearch-py's client for one sink: nodes, TLS, proxy and the ways to log in."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch

from flusso_shared.config import secrets
from flusso_shared.config.model import (
    Aws,
    FileRef,
    OpenSearchConnection,
    OpenSearchSinkConfig,
)
from flusso_shared.errors import FatalError, FlussoError, RetryableError

if TYPE_CHECKING:
    from opensearchpy.connection import Connection

_IN_A_HEADER = re.compile(r"[\x20-\x7e]*")
_READ_AGAIN = "The secret is in a file, which is read again at every try"


class Login:
    """What requests say about who sends them.  Files are read for each request, so that a secret may be replaced."""

    def __init__(self, connection: OpenSearchConnection) -> None:
        self._connection = connection
        self._name = connection.name
        given = (
            connection.username,
            connection.password,
            connection.api_key,
            connection.bearer_token,
        )
        self._from_file = any(isinstance(secret, FileRef) for secret in given)

    @property
    def proxy_from_file(self) -> bool:
        """Whether the URL of the proxy, with its password, may be replaced meanwhile."""
        return isinstance(self._connection.proxy, FileRef)

    @property
    def who(self) -> str:
        """For messages."""
        connection = self._connection
        if connection.username is not None:
            try:
                return f"user `{secrets.read(connection.username)}`"
            except RetryableError:
                return "the user"
        if connection.api_key is not None:
            return "the owner of the API key"
        if connection.bearer_token is not None:
            return "the owner of the bearer token"
        return "the role of the AWS credentials" if connection.config.aws else "user none"

    def headers(self) -> dict[str, str]:
        """The header that authorizes a request; none where requests are signed, or need no login.

        Raises `RetryableError` when a file cannot be read.
        """
        connection = self._connection
        if connection.username is not None:
            user = secrets.read(connection.username)
            password = secrets.read(connection.password) if connection.password else ""
            pair = b64encode(f"{user}:{password}".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        if connection.api_key is not None:
            return {"authorization": f"ApiKey {self._word(connection.api_key, 'API key')}"}
        if connection.bearer_token is not None:
            return {
                "authorization": f"Bearer {self._word(connection.bearer_token, 'bearer token')}"
            }
        return {}

    def _word(self, secret: secrets.AtConnect, what: str) -> str:
        """The secret, if a header can contain it: the client's own message would quote it."""
        found = secrets.read(secret).strip()
        if _IN_A_HEADER.fullmatch(found):
            return found
        wrong = f"sink {self._name}: the {what} contains a character that a header cannot contain"
        if isinstance(secret, FileRef):
            raise RetryableError(f"{wrong}; correct {secret.file}")
        raise FatalError(f"{wrong}; check [sinks.{self._name}]")

    def refused(self, where: str) -> FlussoError:
        """The error for an answer 401; `where` says which request was answered so."""
        if self._from_file:
            return RetryableError(f"{where}: {self.who} is not let in. {_READ_AGAIN}")
        return FatalError(
            f"{where}: {self.who} is not let in: wrong user, password, key or token; check [sinks.{self._name}]"
        )


def client(connection: OpenSearchConnection, connections: int) -> OpenSearch:
    """A client with at most `connections` to each node, which tries nothing again by itself.

    Raises `FatalError` for files that cannot be used, and where a library for AWS is missing.
    """
    config, proxy = connection.config, connection.proxy
    _check_files(connection.name, config)
    more: dict[str, Any] = {}
    if proxy is not None:
        more |= {"connection_class": _proxied(), "proxy": proxy, "sink": connection.name}
    if config.aws is not None:
        more["http_auth"] = _signer(config.aws, connection.name, through_proxy=proxy is not None)
    return OpenSearch(
        hosts=list(connection.urls),
        verify_certs=config.tls_verify,
        ssl_show_warn=False,
        ca_certs=config.ca_file,
        client_cert=config.client_cert,
        client_key=config.client_key,
        timeout=config.timeout_secs,
        pool_maxsize=connections,
        max_retries=0,
        **more,
    )


def _check_files(sink: str, config: OpenSearchSinkConfig) -> None:
    """Load the files once.

    The client reads them for each connection, so that they may be replaced, and takes one that is missing for an outage.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for key in ("ca_file", "client_cert", "client_key"):
        if (file := getattr(config, key)) is not None:
            with _loading(sink, f"{key} ({file})"), Path(file).open("rb"):
                pass
    if config.ca_file is not None:
        with _loading(sink, f"ca_file ({config.ca_file})"):
            context.load_verify_locations(config.ca_file)
    if config.client_cert is not None:
        with _loading(sink, "client_cert and client_key"):
            # Without a function for the password OpenSSL would ask for it at the terminal.
            context.load_cert_chain(config.client_cert, config.client_key, lambda: "")


@contextmanager
def _loading(sink: str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror if error.filename else str(error)
        raise FatalError(
            f"sink {sink}: cannot use {what}: {reason}; it has to be a file in PEM, a key without a password"
        ) from error


def _proxied() -> type[Connection]:
    """The kind of connection that takes a proxy; it imports `requests`."""
    from flusso_worker.sinks.proxied import ProxiedConnection

    return ProxiedConnection


def _signer(aws: Aws, sink: str, *, through_proxy: bool) -> Any:
    try:
        from botocore.session import get_session
    except ImportError as error:
        raise FatalError(
            f"sink {sink}: `aws` needs the package botocore: pip install 'flusso-kafka[aws]'"
        ) from error
    from opensearchpy import RequestsAWSV4SignerAuth, Urllib3AWSV4SignerAuth

    credentials = get_session().get_credentials()
    if credentials is None:
        raise FatalError(
            f"sink {sink}: no AWS credentials in the environment, the shared files or the instance's metadata"
        )
    kind = RequestsAWSV4SignerAuth if through_proxy else Urllib3AWSV4SignerAuth
    return kind(credentials, aws.region, aws.service)
