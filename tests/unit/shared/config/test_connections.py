"""Which of file and environment wins."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from flusso_shared.config.connections import (
    opensearch_connection,
    queue_connection,
    source_conninfo,
    without_secrets,
)
from flusso_shared.config.model import (
    ConnectionParts,
    EnvRef,
    OpenSearchSinkConfig,
    Queue,
    Source,
)
from flusso_shared.errors import ConfigError

OVERRIDE = {"DATABASE_URL": "postgresql://env/db"}


def source(url: SecretStr | EnvRef | ConnectionParts | None) -> Source:
    return Source(type="postgres", connection_url=url)


def sink(**values: Any) -> OpenSearchSinkConfig:
    return OpenSearchSinkConfig(name="main", type="opensearch", **values)


def test_an_env_reference_beats_the_reserved_variable() -> None:
    env = {**OVERRIDE, "OWN": "postgres://own/db?sslmode=require"}
    assert source_conninfo(source(EnvRef(env="OWN")), env) == "postgres://own/db?sslmode=require"


def test_the_reserved_variable_beats_everything_else() -> None:
    literal = source(SecretStr("postgresql://file/db"))
    parts = source(ConnectionParts(database="a", password=EnvRef(env="UNSET")))
    for given in (literal, parts, source(None)):
        assert source_conninfo(given, OVERRIDE) == "postgresql://env/db"


def test_parts_are_encoded() -> None:
    parts = ConnectionParts(host="::1", user="a@b", password=SecretStr("p:/%@"), database="d b")
    assert source_conninfo(source(parts), {}) == "postgresql://a%40b:p%3A%2F%25%40@[::1]:5432/d%20b"


@pytest.mark.parametrize(
    ("given", "env", "expected"),
    [
        (None, {}, "neither connection_url"),
        (EnvRef(env="UNSET"), {}, "UNSET"),
        (ConnectionParts(database="a", password=EnvRef(env="UNSET")), {}, "UNSET"),
        (SecretStr("mysql://u:hidden@x"), {}, "not a Postgres URL"),
        (None, {"DATABASE_URL": ""}, "not a Postgres URL"),
    ],
)
def test_what_does_not_resolve(given: Any, env: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        source_conninfo(source(given), env)
    assert "hidden" not in str(caught.value)


def test_a_sink_takes_each_value_from_its_first_source() -> None:
    env = {
        "MAIN_OPENSEARCH_URL": "https://env:9200/",
        "MAIN_OPENSEARCH_USERNAME": "env-user",
        "MAIN_OPENSEARCH_PASSWORD": "ignored",
        "PW": "own",
    }
    found = opensearch_connection(
        sink(url=SecretStr("http://file:9200"), password=EnvRef(env="PW")), env
    )
    assert found.url == "https://env:9200"
    assert found.username == "env-user"
    assert found.password == SecretStr("own")
    assert opensearch_connection(sink(), env).url == "https://env:9200"


@pytest.mark.parametrize("url", [None, SecretStr("ftp://x"), SecretStr("http://")])
def test_a_sink_without_a_usable_url(url: SecretStr | None) -> None:
    with pytest.raises(ConfigError, match="main"):
        opensearch_connection(sink(url=url), {})


def test_the_queue() -> None:
    queue = Queue(properties={"sasl.password": EnvRef(env="PW"), "security.protocol": "SSL"})
    found = queue_connection(queue, {"PW": "x", "KAFKA_BOOTSTRAP_SERVERS": "env:9092"})
    assert found.bootstrap_servers == "env:9092"
    assert found.properties == {"sasl.password": "x", "security.protocol": "SSL"}
    own = Queue(bootstrap_servers=EnvRef(env="OWN"))
    both = {"OWN": "own:9092", "KAFKA_BOOTSTRAP_SERVERS": "env:9092"}
    assert queue_connection(own, both).bootstrap_servers == "own:9092"
    with pytest.raises(ConfigError, match="PW"):
        queue_connection(queue, {})


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("postgresql://h:5432/d", "postgresql://h:5432/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://u:hidden@h/d", "postgresql://u@h/d"),
        ("postgresql://u:hid%2Fden@[::1]:5432/d?sslmode=require", "postgresql://u@[::1]:5432/d?sslmode=require"),
        ("postgresql://u:hid/den@h/d", "postgresql://u@h/d"),
        ("postgresql://u:hid@den@h/d", "postgresql://u@h/d"),
        ("postgresql://u:hid#den@h/d", "postgresql://u@h/d"),
        ("postgresql://u:hid?den@h/d", "postgresql://u@h/d"),
        ("postgresql://u:hidden@h/d?application_name=a@b", "postgresql://u@h/d?application_name=a@b"),
        ("postgresql://u:hidden", "postgresql://u"),
        ("host=h password=hidden", ""),
        ("postgresql://u:1?hid=den@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"),
        ("postgresql://:hidden@h/d", "postgresql://@h/d"),
        ("postgresql:///d?user=u&password=hidden&sslmode=require", "postgresql:///d?user=u&sslmode=require"),
        ("postgresql://h/d?sslpassword=hidden", "postgresql://h/d"),
        ("postgresql://h/d?PASSWORD=hidden", "postgresql://h/d"),
        ("postgresql://h:5432/d?application_name=a@b", "postgresql://h:5432/d?application_name=a@b"),
        ("postgresql://[::1]:5432/d?application_name=a@b", "postgresql://[::1]:5432/d?application_name=a@b"),
        ("https://u:hidden@h:9200", "https://u@h:9200"),
        ("https://h/?token=hidden", "https://h/"),
    ],
)  # fmt: skip
def test_what_is_kept_in_a_file_has_no_secret(url: str, kept: str) -> None:
    assert without_secrets(url) == kept
