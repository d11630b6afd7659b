"""A pipeline over servers that verify everything, with the roles of docs/security.md, and its secrets in files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from services import Services
from support import processes, security_page
from support.commands import inherited_environment
from support.processes import Pipeline, Site
from support.proxies.secure_proxies import Gateway, Request
from support.scenario import Scenario
from support.servers.certificates import Authority, Certificate
from support.servers.opensearch_role import Role
from support.servers.own_postgres import OwnPostgres
from support.servers.secure_kafka import SCRAM, SecureKafka, secure_kafka
from support.servers.secure_postgres import secure_postgres
from support.stores import dev as store

_CONFIG = """\
[source]
type = "postgres"
manage_publication = {managed}
manage_replica_identity = {managed}

[source.connection_url]
host = "localhost"
port = {port}
user = "flusso_{part}"
password = {{ file = "{folder}/{part}-database" }}
database = "shop"
sslmode = "verify-full"
sslrootcert = "{ca}"
channel_binding = "require"

[sinks.primary]
type = "opensearch"
url = "{opensearch}"
api_key = {{ file = "{folder}/opensearch" }}
ca_file = "{ca}"
client_cert = "{certificate}"
client_key = "{key}"
number_of_replicas = 0
refresh_interval = "1s"

[queue]
bootstrap_servers = "{kafka}"
topic_prefix = "flusso"
partitions = 2
replication_factor = 1

[queue.properties]
"security.protocol" = "SASL_SSL"
"ssl.ca.location" = "{ca}"
"sasl.mechanisms" = "SCRAM-SHA-512"
"sasl.username" = "flusso-{part}"
"sasl.password" = {{ file = "{folder}/{part}-kafka" }}
"session.timeout.ms" = 6000

"""


@dataclass(frozen=True)
class SecuredSite(Site):
    """As the tests see it: by ways of their own, which need no login."""

    config: str = ""
    """The beginning of `flusso.toml`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the processes."""

    def environment(self) -> dict[str, str]:
        return inherited_environment() | {"PYTHONFAULTHANDLER": "1"} | dict(self.variables)

    def write_config(self, folder: Path) -> Path:
        text = self.config
        for name in self.indexes:
            schema = self.schemas / f"{name}.schema.yml"
            text += f'[[index]]\nname = "{name}"\nschema = "{schema}"\n'
        path = folder / "flusso.toml"
        path.write_text(text)
        return path


@dataclass(frozen=True)
class Servers:
    """The servers, what is in the files of secrets, and who watches OpenSearch."""

    postgres: OwnPostgres
    kafka: SecureKafka
    gateway: Gateway
    role: Role
    authority: Authority
    client: Certificate
    folder: Path
    keys: set[str]
    """API keys that OpenSearch takes now."""

    def write(self, name: str, secret: str) -> None:
        """Replace a file of a secret as an orchestrator does."""
        new = self.folder / f"{name}.new"
        new.write_text(secret + "\n")
        os.replace(new, self.folder / name)

    def set_password(self, role: str, password: str) -> None:
        """Of a role of Postgres."""
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))

    def end_sessions(self, role: str) -> None:
        """End the sessions of a role of Postgres, for SQL and for replication."""
        self.postgres.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        )

    def scenario(self, queue: str, site: Site, folder: Path, *, managed: bool = False) -> Scenario:
        """A scenario over one of `scenario.QUEUES` whose processes log in with roles of their own."""
        embedded = queue == "flusso run"
        capture = self._site(site, "capture", folder, managed=managed)
        if embedded:
            return Scenario(capture, processes.embedded_pipeline(capture, folder), embedded=True)
        worker = self._site(site, "worker", folder, managed=managed)
        folders = [folder / part for part in ("capture", "worker")]
        for each in folders:
            each.mkdir()
        daemons = [
            processes.kafka_pipeline(capture, folders[0], 1).daemons[0],
            *processes.kafka_pipeline(worker, folders[1], int(queue.split()[1])).daemons[1:],
        ]
        return Scenario(capture, Pipeline(daemons), embedded=False)

    def _site(self, site: Site, part: str, folder: Path, *, managed: bool) -> SecuredSite:
        config = _CONFIG.format(
            managed=str(managed).lower(),
            port=self.postgres.port,
            part=part,
            folder=self.folder,
            ca=self.authority.file,
            opensearch=self.gateway.url,
            certificate=self.client.certificate,
            key=self.client.key,
            kafka=self.kafka.servers(SCRAM),
        )
        return SecuredSite(
            database_url=self.postgres.url("shop"),
            kafka=self.kafka.admin,
            opensearch_url=site.opensearch_url,
            slot="flusso",
            topic_prefix="flusso",
            index_prefix=site.index_prefix,
            config=config,
        )


@contextmanager
def secured(services: Services, index_prefix: str, folder: Path) -> Iterator[Servers]:
    """All servers, with the roles of the page and secrets of the test's own; nobody keeps the publication yet."""
    authority = Authority(folder)
    keys = {"key-1"}
    role = Role(_with_prefix(security_page.role(), index_prefix))

    def check(request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return scheme == "ApiKey" and key in keys and role.allows(request)

    with ExitStack() as stack:
        postgres = stack.enter_context(secure_postgres(authority))
        kafka = stack.enter_context(secure_kafka(authority, folder, acls=True))
        context = authority.server_context(authority.issue("search"), verify=True)
        gateway = stack.enter_context(Gateway(services.opensearch_url, check, context=context))
        client = authority.issue("flusso")
        secrets = folder / "secrets"
        secrets.mkdir()
        servers = Servers(postgres, kafka, gateway, role, authority, client, secrets, keys)
        _make_shop(postgres)
        for heading in ("Capture", "Worker"):
            _run(postgres, security_page.sql(heading))
        for part in ("capture", "worker"):
            servers.set_password(f"flusso_{part}", f"{part}-database-1")
            servers.write(f"{part}-database", f"{part}-database-1")
            kafka.set_password(f"flusso-{part}", f"{part}-kafka-1")
            servers.write(f"{part}-kafka", f"{part}-kafka-1")
        servers.write("opensearch", "key-1")
        security_page.grant_acls(kafka.admin)
        yield servers


def grant(servers: Servers, heading: str) -> None:
    """Run the SQL of a section of the page."""
    _run(servers.postgres, security_page.sql(heading))


def _make_shop(postgres: OwnPostgres) -> None:
    """The example store, whose tables belong to a role that is no superuser."""
    postgres.execute(
        "CREATE ROLE shop_owner", "CREATE DATABASE shop", "REVOKE ALL ON DATABASE shop FROM PUBLIC"
    )
    store.load_store(postgres.url("shop"))
    with psycopg.connect(postgres.url("shop"), autocommit=True) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
        for (name,) in tables.fetchall():
            statement = sql.SQL("ALTER TABLE {} OWNER TO shop_owner")
            connection.execute(statement.format(sql.Identifier(name)))


def _run(postgres: OwnPostgres, statements: str) -> None:
    with psycopg.connect(postgres.url("shop"), autocommit=True) as connection:
        connection.execute(statements.encode())


def _with_prefix(role: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The role of the page for the indexes of one test."""
    return dict(json.loads(json.dumps(role).replace("shop_", prefix)))
