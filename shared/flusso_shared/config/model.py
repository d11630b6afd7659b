"""The configuration as values: what `flusso.toml` says, unresolved, and what it resolves to in an environment.

Reading the file is `toml_file`'s; the environment comes in as an argument and is read in `process.environment` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from flusso_shared.config.choices import OnLostPosition

OnError = Literal["stop", "skip"]


class Model(BaseModel):
    """Frozen, and strict about keys.  The docstring of a field is its description in the JSON Schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class EnvRef(Model):
    """`{ env = "VAR" }`: read when a process connects, never before."""

    env: str
    """The name of the variable."""


class FileRef(Model):
    """`{ file = "/path" }`: read for every connection, so that what is in it may be replaced meanwhile."""

    file: Annotated[str, Field(pattern=r"^/")]
    """The absolute path of the file."""


Value = str | EnvRef | FileRef
Secret = SecretStr | EnvRef | FileRef


class ConnectionParts(Model):
    """The parts form of `connection_url`.  The names of libpq, which says what they mean."""

    host: str = "127.0.0.1"
    """A name or an address; several, with commas between them, are tried in turn."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    """The port of all hosts; where they differ, write a URL."""
    user: str = "postgres"
    """The role to log in as."""
    password: Secret | None = None
    """The password of the role."""
    database: str = ""
    """The name of the database; required, unless there is a `service`."""
    service: str | None = None
    """A section of libpq's service file; then only the parts that are given stand over it."""
    sslmode: str | None = None
    """Whether the connection is encrypted and the server verified: `disable` to `verify-full`."""
    sslrootcert: str | None = None
    """File of the certificates (PEM) that the server is verified against."""
    sslcert: str | None = None
    """File of the client certificate (PEM)."""
    sslkey: str | None = None
    """File of its key (PEM)."""
    channel_binding: str | None = None
    """Whether SCRAM is bound to the TLS connection: `disable`, `prefer` or `require`."""
    target_session_attrs: str | None = None
    """Which of several hosts is taken: `read-write` for the primary."""
    passfile: str | None = None
    """A password file of libpq."""


class Source(Model):
    """`[source]`: the one database."""

    type: Literal["postgres"]
    """The kind of database."""
    connection_url: Secret | ConnectionParts | None = None
    """Where the database is; without it, `DATABASE_URL` in the environment says so."""
    manage_publication: bool = True
    """Whether capture creates the publication and adds tables to it; otherwise it prints the SQL."""
    manage_replica_identity: bool = True
    """Whether capture sets the replica identity that relations need; otherwise it prints the SQL."""
    on_lost_position: OnLostPosition = "rebuild"
    """When changes can no longer be read where reading ended: rebuild every index, or stop."""


class Aws(Model):
    """`aws` of a sink."""

    region: str
    """The region of the cluster."""
    service: Literal["es", "aoss"] = "es"
    """`es` for a domain, `aoss` for a serverless collection."""


class OpenSearchSinkConfig(Model):
    """`[sinks.<name>]` of type opensearch."""

    name: str
    """The name in the heading."""
    type: Literal["opensearch"]
    """The kind of sink."""
    url: Secret | None = None
    """The URL of a node, or of several; without it, `<SINK>_OPENSEARCH_URL` in the environment says so."""
    username: Value | None = None
    """The user of HTTP basic authentication."""
    password: Secret | None = None
    """The password of that user."""
    api_key: Secret | None = None
    """An API key, sent as `Authorization: ApiKey ...`."""
    bearer_token: Secret | None = None
    """A token, sent as `Authorization: Bearer ...`."""
    aws: Aws | None = None
    """Sign requests (SigV4) with the credentials that AWS' own tools find."""
    tls_verify: bool = True
    """Whether the certificate of the server is verified."""
    ca_file: str | None = None
    """File of the certificates (PEM) that servers are verified against, instead of the system's."""
    client_cert: str | None = None
    """File of the client certificate (PEM); the key may be in it."""
    client_key: str | None = None
    """File of its key (PEM)."""
    proxy: Secret | None = None
    """The URL of an HTTP proxy."""
    batch_size: Annotated[int, Field(ge=1)] = 1000
    """The most documents in one bulk request; fewer where OpenSearch takes longer than 50 ms for them."""
    max_bytes: Annotated[int, Field(ge=1)] = 10 * 1024 * 1024
    """The most bytes in one bulk request; a larger document is sent alone."""
    timeout_secs: Annotated[int, Field(ge=1)] = 30
    """Seconds after which a request without an answer is sent again."""
    max_retries: Annotated[int, Field(ge=0)] = 3
    """Accepted and without effect: what passes by itself is retried for as long as it takes."""
    pipeline: str | None = None
    """The ingest pipeline that every document goes through."""
    number_of_shards: Annotated[int, Field(ge=1)] = 1
    """Primary shards of each new index."""
    number_of_replicas: Annotated[int, Field(ge=0)] = 1
    """Copies of each primary shard of each new index."""
    refresh_interval: str = "10s"
    """How often OpenSearch makes what was written visible to searches."""
    text_analysis: Literal["builtin", "icu"] = "builtin"
    """The analyzers of text fields; `icu` needs the plugin `analysis-icu`."""
    auto_subfields: bool = True
    """Whether text and keyword fields get subfields: `.keyword`, `.keyword_lowercase` and, of keywords, `.text`."""


class StdoutSinkConfig(Model):
    """`[sinks.<name>]` of type stdout."""

    name: str
    """The name in the heading."""
    type: Literal["stdout"]
    """The kind of sink."""
    pretty: bool = False
    """Whether documents are printed indented, on several lines."""


SinkConfig = OpenSearchSinkConfig | StdoutSinkConfig


class Queue(Model):
    """`[queue]`: Kafka.  `flusso run` ignores it."""

    type: Literal["kafka"] = "kafka"
    """The kind of queue."""
    bootstrap_servers: Value = "127.0.0.1:9092"
    """Brokers to ask first, as `host:port` with commas between them."""
    topic_prefix: str = "flusso"
    """The start of the names of all topics and consumer groups."""
    partitions: Annotated[int, Field(ge=1)] = 8
    """Partitions of each new topic: the most workers that can share one table."""
    replication_factor: Annotated[int, Field(ge=1)] = 3
    """Copies of each new topic."""
    max_value_bytes: Annotated[int, Field(ge=256)] = 65536
    """Values longer than this are left out of records; keys and link columns are kept whole."""
    properties: Mapping[str, str | int | bool | EnvRef | FileRef] = Field(default_factory=dict)
    """Properties of librdkafka, passed through."""


class Index(Model):
    """`[[index]]`, with the path of its schema file."""

    name: str
    """The alias that queries go to, without the prefix."""
    schema_path: str
    """The path of the schema file, from the folder of this file."""
    enabled: bool = True
    """Whether the index is kept; one that is not is left as it is."""
    on_error: OnError | None = None
    """The same for this index alone."""
    quarantine_limit: Annotated[int, Field(ge=0)] | None = None
    """The same for this index alone."""


class Server(Model):
    """`[server]`: where the two HTTP surfaces listen (`host:port`)."""

    public_address: str | None = None
    """Where `/healthz`, `/readyz`, `/status` and `/metrics` answer; by default 127.0.0.1:9464, of a worker :9474."""
    private_address: str | None = None
    """Where the administration answers, with a password; by default 127.0.0.1:9465, of a worker :9475."""
    private_cert: str | None = None
    """File of the certificate (PEM) of the private address, which then speaks TLS; the key may be in it."""
    private_key: str | None = None
    """File of its key (PEM)."""


class Config(Model):
    """A whole `flusso.toml`."""

    source: Source
    sinks: tuple[SinkConfig, ...] = ()
    """Sorted by name."""
    indexes: tuple[Index, ...] = ()
    """In the order of the file."""
    on_error: OnError = "stop"
    """What follows when a document cannot be built or is refused: its index stops, or the document is skipped."""
    quarantine_limit: Annotated[int, Field(ge=0)] = 1000
    """Documents in quarantine, per index, at which the index stops."""
    server: Server = Field(default_factory=Server)
    queue: Queue = Field(default_factory=Queue)
    prefix: str = ""
    """What stands before the names of all indexes and aliases."""

    def policy(self, index: str) -> OnError:
        """`on_error` of one index: its own, else the global one."""
        for item in self.indexes:
            if item.name == index and item.on_error is not None:
                return item.on_error
        return self.on_error

    def limit(self, index: str) -> int:
        """`quarantine_limit` of one index: its own, else the global one."""
        for item in self.indexes:
            if item.name == index and item.quarantine_limit is not None:
                return item.quarantine_limit
        return self.quarantine_limit


# --- resolved against an environment ------------------------------------------------------------


class OpenSearchConnection(Model):
    """Where one OpenSearch sink is, with every reference resolved but those to files (`secrets.read`)."""

    name: str
    urls: tuple[str, ...]
    """Of the nodes; at least one."""
    username: SecretStr | FileRef | None = None
    password: SecretStr | FileRef | None = None
    api_key: SecretStr | FileRef | None = None
    bearer_token: SecretStr | FileRef | None = None
    proxy: SecretStr | FileRef | None = None
    config: OpenSearchSinkConfig


class QueueConnection(Model):
    """Where Kafka is, likewise; `properties` go to librdkafka as they are."""

    bootstrap_servers: str
    topic_prefix: str
    partitions: int
    replication_factor: int
    max_value_bytes: int
    properties: Mapping[str, str | int | bool | FileRef]
