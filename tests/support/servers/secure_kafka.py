"""A broker of a test's own with a listener for each way to log in, and ACLs."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from stacklib.ports import HOST, free_ports
from support.proxies.secure_proxies import basic
from support.servers.certificates import Authority
from support.servers.own_kafka import Cluster, own_kafka

_MODULES = "org.apache.kafka.common.security"
_SCRAM = "SCRAM-SHA-512"
_ITERATIONS = 4096
_REAUTHENTICATE = "2000"
"""Milliseconds after which the broker asks a connection for its password again."""

TLS, MTLS, PLAIN, SCRAM, OAUTH = "TLS", "MTLS", "PLAIN", "SCRAM", "OAUTH"


@dataclass(frozen=True)
class SecureKafka:
    """One broker.  The tests use its listener without security, whose users may do everything."""

    cluster: Cluster
    ports: Mapping[str, int]

    @property
    def admin(self) -> str:
        """Bootstrap servers for the tests."""
        return self.cluster.address

    def servers(self, listener: str) -> str:
        """Bootstrap servers of one way to log in."""
        return f"{HOST}:{self.ports[listener]}"

    def set_password(self, user: str, password: str) -> None:
        """Of a user of SCRAM, who need not exist."""
        change = UserScramCredentialUpsertion(
            user,
            ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS),
            password.encode(),
        )
        client = AdminClient({"bootstrap.servers": self.admin})
        for future in client.alter_user_scram_credentials([change]).values():
            future.result(30)


@contextmanager
def secure_kafka(
    authority: Authority,
    folder: Path,
    users: Mapping[str, str] | None = None,
    *,
    acls: bool = False,
) -> Iterator[SecureKafka]:
    """A broker that runs; `users` with their passwords are those of PLAIN.

    With `acls` a user may do what is granted, and nothing else.
    """
    made = authority.issue("kafka")
    store = folder / "kafka-with-key.pem"
    store.write_text(made.both)
    names = (TLS, MTLS, PLAIN, SCRAM, OAUTH)
    ports: dict[str, int] = dict(zip(names, free_ports(len(names)), strict=True))
    known = "".join(f' user_{name}="{password}"' for name, password in (users or {}).items())
    settings = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,MTLS:SSL,"
        "PLAIN:SASL_SSL,SCRAM:SASL_SSL,OAUTH:SASL_SSL",
        "inter.broker.listener.name": "PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "listener.name.mtls.ssl.client.auth": "required",
        "listener.name.mtls.ssl.principal.mapping.rules": "RULE:^CN=(.*?)$/$1/",
        "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.plain.plain.sasl.jaas.config": f"{_MODULES}.plain.PlainLoginModule required{known};",
        "listener.name.scram.sasl.enabled.mechanisms": _SCRAM,
        "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        "listener.name.scram.scram-sha-512.connections.max.reauth.ms": _REAUTHENTICATE,
        "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.oauth.oauthbearer.sasl.jaas.config": f"{_MODULES}.oauthbearer.OAuthBearerLoginModule"
        ' required unsecuredLoginStringClaim_sub="broker";',
    }
    if acls:
        settings |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
    with own_kafka(1, ports, settings) as cluster:
        yield SecureKafka(cluster, ports)


class TokenEndpoint:
    """Gives a client that knows its secret a token for its name (OAuth's client credentials)."""

    def __init__(self, client: str, secret: str) -> None:
        self.client = client
        self.secret = secret
        self.given = 0
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}/token"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                asked = parse_qs(body).get("grant_type") == ["client_credentials"]
                known = basic(endpoint.client, endpoint.secret)
                right = asked and self.headers.get("Authorization") == known
                endpoint.given += right
                answer = {"access_token": _token(endpoint.client)} if right else {"error": "no"}
                text = json.dumps(answer).encode()
                self.send_response(200 if right else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


def _token(subject: str) -> str:
    """A token without a signature, which Kafka takes where no validator is set up."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": subject, "iat": now, "exp": now + 3600})
    texts = [urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts]
    return ".".join((*texts, ""))
