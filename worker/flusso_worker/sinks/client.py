"""opensearch-py's client for one sink: nodes, TLS, proxy and the ways to log in."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch

from flusso_shared.config import secrets
from flusso_shared.config.model import Aws, FileRef, OpenSearchConnection
from flusso_shared.errors import FatalError, FlussoError, RetryableError

if TYPE_CHECKING:
    from opensearchpy.connection import Connection


class Login:
    """What requests say about who sends them.  Files are read for each request, so that a secret may be replaced."""

    def __init__(self, connection: OpenSearchConnection) -> None:
        self._connection = connection
        self._name = connection.name
        given = (connection.password, connection.api_key, connection.bearer_token)
        self._from_file = any(isinstance(secret, FileRef) for secret in given)

    @property
    def who(self) -> str:
        """For messages."""
        connection = self._connection
        if connection.username is not None:
            return f"user `{connection.username}`"
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
            password = secrets.read(connection.password) if connection.password else ""
            pair = b64encode(f"{connection.username}:{password}".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        if connection.api_key is not None:
            return {"authorization": f"ApiKey {secrets.read(connection.api_key).strip()}"}
        if connection.bearer_token is not None:
            return {"authorization": f"Bearer {secrets.read(connection.bearer_token).strip()}"}
        return {}

    def refused(self, where: str) -> FlussoError:
        """The error for an answer 401; `where` says which request was answered so."""
        if self._from_file:
            return RetryableError(
                f"{where}: {self.who} is not let in. The secret is in a file, which is read again at every try"
            )
        return FatalError(
            f"{where}: {self.who} is not let in: wrong user, password, key or token; check [sinks.{self._name}]"
        )


def client(connection: OpenSearchConnection, connections: int) -> OpenSearch:
    """A client with at most `connections` to each node, which tries nothing again by itself.

    Raises `FatalError` for files that cannot be used, and where a library for AWS is missing.
    """
    config, proxy = connection.config, connection.proxy
    more: dict[str, Any] = {}
    if proxy is not None:
        url = proxy.get_secret_value()
        more |= {"connection_class": _proxied(), "proxies": {"http": url, "https": url}}
    if config.aws is not None:
        more["http_auth"] = _signer(config.aws, connection.name, through_proxy=proxy is not None)
    try:
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
    except (OSError, ValueError) as error:
        raise FatalError(
            f"sink {connection.name}: cannot use the certificates: {error}; check ca_file, client_cert and client_key"
        ) from error


def _proxied() -> type[Connection]:
    """The one kind of connection of opensearch-py that takes a proxy."""
    from opensearchpy import RequestsHttpConnection

    return RequestsHttpConnection


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
