"""An example of each key of `flusso.toml`, for the JSON Schema and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flusso_cli.json_schema.keys import keys

CONFIG: dict[str, Any] = {
    "source": {"type": "postgres", "connection_url": {"env": "DATABASE_URL"}},
    "source.connection_url": {"env": "DATABASE_URL"},
    "source.manage_publication": False,
    "source.manage_replica_identity": False,
    "source.on_lost_position": "stop",
    "sinks": {"primary": {"type": "opensearch", "url": "https://search.internal:9200"}},
    "sinks.<name>.url": "https://search.internal:9200",
    "sinks.<name>.username": "flusso",
    "sinks.<name>.password": {"env": "SEARCH_PASSWORD"},
    "sinks.<name>.api_key": {"file": "/run/secrets/opensearch"},
    "sinks.<name>.bearer_token": {"file": "/run/secrets/opensearch"},
    "sinks.<name>.aws": {"region": "eu-west-1", "service": "es"},
    "sinks.<name>.tls_verify": False,
    "sinks.<name>.ca_file": "/etc/ssl/opensearch.pem",
    "sinks.<name>.client_cert": "/etc/ssl/flusso.pem",
    "sinks.<name>.client_key": "/etc/ssl/flusso.key",
    "sinks.<name>.proxy": "http://proxy.internal:3128",
    "sinks.<name>.batch_size": 500,
    "sinks.<name>.max_bytes": 5242880,
    "sinks.<name>.timeout_secs": 60,
    "sinks.<name>.max_retries": 3,
    "sinks.<name>.pipeline": "enrich",
    "sinks.<name>.number_of_shards": 3,
    "sinks.<name>.number_of_replicas": 0,
    "sinks.<name>.refresh_interval": "1s",
    "sinks.<name>.text_analysis": "icu",
    "sinks.<name>.auto_subfields": False,
    "sinks.<name>.pretty": True,
    "index": [{"name": "users", "schema": "schemas/users.schema.yml"}],
    "index[].name": "users",
    "index[].schema": "schemas/users.schema.yml",
    "index[].enabled": False,
    "index[].on_error": "skip",
    "index[].quarantine_limit": 0,
    "on_error": "skip",
    "quarantine_limit": 100,
    "server": {"public_address": "0.0.0.0:9464"},
    "server.public_address": "0.0.0.0:9464",
    "server.private_address": "127.0.0.1:9465",
    "server.private_cert": "/etc/ssl/flusso.pem",
    "server.private_key": "/etc/ssl/flusso.key",
    "queue": {"bootstrap_servers": "kafka-1:9092,kafka-2:9092"},
    "queue.bootstrap_servers": "kafka-1:9092,kafka-2:9092",
    "queue.topic_prefix": "shop",
    "queue.partitions": 16,
    "queue.replication_factor": 1,
    "queue.max_value_bytes": 16384,
    "queue.properties": {"security.protocol": "SSL"},
    "prefix": "staging_",
    "env.env": "DATABASE_URL",
    "file.file": "/run/secrets/database",
    "aws.region": "eu-west-1",
    "aws.service": "aoss",
    "connection_url.host": "db.internal",
    "connection_url.port": 5433,
    "connection_url.user": "flusso",
    "connection_url.password": {"env": "DATABASE_PASSWORD"},
    "connection_url.database": "shop",
    "connection_url.service": "shop",
    "connection_url.sslmode": "verify-full",
    "connection_url.sslrootcert": "/etc/ssl/db.pem",
    "connection_url.sslcert": "/etc/ssl/flusso.pem",
    "connection_url.sslkey": "/etc/ssl/flusso.key",
    "connection_url.channel_binding": "require",
    "connection_url.target_session_attrs": "read-write",
    "connection_url.passfile": "/run/secrets/pgpass",
}
"""Path of the key -> a value that it may have."""


def with_examples(schema: dict[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, changed in place: each key with its example; one that has a single value needs none."""
    for key in keys(schema):
        if key.path in examples and "const" not in key.schema:
            key.schema["examples"] = [examples[key.path]]
    return schema
