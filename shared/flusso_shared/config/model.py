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
    """Frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EnvRef(Model):
    """`{ env = "VAR" }`: read when a process connects, never before."""

    env: str


Value = str | EnvRef
Secret = SecretStr | EnvRef


class ConnectionParts(Model):
    """The parts form of `connection_url`."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    user: str = "postgres"
    password: Secret | None = None
    database: str


class Source(Model):
    """`[source]`: the one database."""

    type: Literal["postgres"]
    connection_url: SecretStr | EnvRef | ConnectionParts | None = None
    manage_publication: bool = True
    manage_replica_identity: bool = True
    on_lost_position: OnLostPosition = "rebuild"
    """What follows when changes can no longer be read where reading ended."""


class OpenSearchSinkConfig(Model):
    """`[sinks.<name>]` of type opensearch."""

    name: str
    type: Literal["opensearch"]
    url: Secret | None = None
    username: Value | None = None
    password: Secret | None = None
    tls_verify: bool = True
    batch_size: Annotated[int, Field(ge=1)] = 1000
    max_bytes: Annotated[int, Field(ge=1)] = 10 * 1024 * 1024
    timeout_secs: Annotated[int, Field(ge=1)] = 30
    max_retries: Annotated[int, Field(ge=0)] = 3
    pipeline: str | None = None
    number_of_shards: Annotated[int, Field(ge=1)] = 1
    number_of_replicas: Annotated[int, Field(ge=0)] = 1
    refresh_interval: str = "10s"
    text_analysis: Literal["builtin", "icu"] = "builtin"
    auto_subfields: bool = True


class StdoutSinkConfig(Model):
    """`[sinks.<name>]` of type stdout."""

    name: str
    type: Literal["stdout"]
    pretty: bool = False


SinkConfig = OpenSearchSinkConfig | StdoutSinkConfig


class Queue(Model):
    """`[queue]`: Kafka.  `flusso run` ignores it."""

    type: Literal["kafka"] = "kafka"
    bootstrap_servers: Value = "127.0.0.1:9092"
    topic_prefix: str = "flusso"
    partitions: Annotated[int, Field(ge=1)] = 8
    replication_factor: Annotated[int, Field(ge=1)] = 3
    max_value_bytes: Annotated[int, Field(ge=256)] = 65536
    properties: Mapping[str, str | int | bool | EnvRef] = Field(default_factory=dict)


class Index(Model):
    """`[[index]]`, with the path of its schema file."""

    name: str
    schema_path: str
    enabled: bool = True
    on_error: OnError | None = None
    quarantine_limit: Annotated[int, Field(ge=0)] | None = None


class Server(Model):
    """`[server]`: where the two HTTP surfaces listen (`host:port`)."""

    public_address: str = "127.0.0.1:9464"
    private_address: str = "127.0.0.1:9465"


class Config(Model):
    """A whole `flusso.toml`."""

    source: Source
    sinks: tuple[SinkConfig, ...] = ()
    """Sorted by name."""
    indexes: tuple[Index, ...] = ()
    """In the order of the file."""
    on_error: OnError = "stop"
    quarantine_limit: Annotated[int, Field(ge=0)] = 1000
    """Documents in quarantine, per index, at which the index stops."""
    server: Server = Field(default_factory=Server)
    queue: Queue = Field(default_factory=Queue)
    prefix: str = ""

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
    """Where one OpenSearch sink is, with every reference resolved."""

    name: str
    url: str
    username: str | None
    password: SecretStr | None
    config: OpenSearchSinkConfig


class QueueConnection(Model):
    """Where Kafka is, with every reference resolved; `properties` go to librdkafka as they are."""

    bootstrap_servers: str
    topic_prefix: str
    partitions: int
    replication_factor: int
    max_value_bytes: int
    properties: Mapping[str, str | int | bool]
