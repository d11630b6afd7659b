"""Which of file and environment wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from flusso_shared.config import connections, secrets
from flusso_shared.config.connections import (
    opensearch_connection,
    queue_connection,
    source_conninfo,
    without_secrets,
)
from flusso_shared.config.model import (
    Aws,
    ConnectionParts,
    EnvRef,
    FileRef,
    OpenSearchSinkConfig,
    Queue,
    Source,
)
from flusso_shared.errors import ConfigError, RetryableError
from flusso_shared.postgres.connection import address, text

OVERRIDE = {"DATABASE_URL": "postgresql://env/db"}


def source(url: SecretStr | EnvRef | FileRef | ConnectionParts | None) -> Source:
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


def test_an_override_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        connections.logger, "info", lambda text, *values, **_: told.append(text % values)
    )
    for _ in range(3):
        source_conninfo(source(None), {"DATABASE_URL": "postgresql://u:secret@told-once/db"})
    assert told == ["DATABASE_URL sets the source: postgresql://u:***@told-once/db"]


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
    assert found.urls == ("https://env:9200",)
    assert found.username == SecretStr("env-user")
    assert found.password == SecretStr("own")
    assert opensearch_connection(sink(), env).urls == ("https://env:9200",)


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


# --- files, read for every connection -----------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("first\n")
    return path


def test_a_password_in_a_file_is_read_for_every_connection(secret: Path) -> None:
    parts = ConnectionParts(database="d", user="u", password=FileRef(file=str(secret)))
    conninfo = source_conninfo(source(parts), {})
    assert conninfo_to_dict(text(conninfo))["password"] == "first"
    secret.write_text("p:/%@ 'second'")
    assert conninfo_to_dict(text(conninfo))["password"] == "p:/%@ 'second'"
    assert address(conninfo) == "127.0.0.1:5432, database d"
    # While it is replaced it may be missing.
    secret.unlink()
    with pytest.raises(RetryableError, match=str(secret)):
        text(conninfo)


def test_a_url_in_a_file_is_checked_whenever_it_is_read(secret: Path) -> None:
    secret.write_text("postgresql://u:hidden@h/d\n")
    conninfo = source_conninfo(source(FileRef(file=str(secret))), OVERRIDE)
    assert text(conninfo) == "postgresql://u:hidden@h/d"
    secret.write_text("hidden")
    with pytest.raises(ConfigError, match="not a Postgres URL") as caught:
        text(conninfo)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfehidden"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    file = FileRef(file=str(path))
    parts = ConnectionParts(database="d", password=file)
    for ask in (
        lambda: source_conninfo(source(parts), {}),
        lambda: source_conninfo(source(file), {}),
        lambda: opensearch_connection(sink(url=file), {}),
        lambda: opensearch_connection(sink(url=SecretStr("http://h"), api_key=file), {}),
        lambda: queue_connection(Queue(properties={"sasl.password": file}), {}),
        lambda: queue_connection(Queue(bootstrap_servers=file), {}),
    ):
        with pytest.raises(ConfigError, match=str(path)) as caught:
            ask()
        assert "hidden" not in str(caught.value)


def test_secrets_of_opensearch_and_kafka_stay_in_their_files(secret: Path) -> None:
    file = FileRef(file=str(secret))
    url = SecretStr("http://h")
    assert opensearch_connection(sink(url=url, bearer_token=file), {}).bearer_token == file
    found = opensearch_connection(sink(url=url, username=file, password=file), {})
    assert (found.username, found.password) == (file, file)
    assert secrets.read(file) == "first"
    queue = queue_connection(Queue(properties={"sasl.password": file}), {})
    assert queue.properties == {"sasl.password": file}


# --- what libpq and OpenSearch take -------------------------------------------------------------


def test_parts_are_passed_to_libpq() -> None:
    parts = ConnectionParts(
        host="a, ::1",
        port=6000,
        user="u",
        database="d",
        sslmode="verify-full",
        sslrootcert="/ca file.pem",
        target_session_attrs="read-write",
    )
    found = conninfo_to_dict(text(source_conninfo(source(parts), {})))
    assert found == {
        "host": "a,::1",
        "port": "6000,6000",
        "user": "u",
        "dbname": "d",
        "sslmode": "verify-full",
        "sslrootcert": "/ca file.pem",
        "target_session_attrs": "read-write",
    }


def test_only_what_is_given_stands_over_a_service() -> None:
    conninfo = source_conninfo(source(ConnectionParts(service="shop")), {})
    assert conninfo_to_dict(text(conninfo)) == {"service": "shop"}
    assert address(conninfo) == "service shop of libpq's service file"
    own = source_conninfo(source(ConnectionParts(service="shop", user="u", host="h")), {})
    assert conninfo_to_dict(text(own)) == {
        "service": "shop",
        "user": "u",
        "host": "h",
        "port": "5432",
    }


def test_a_part_that_libpq_does_not_take_is_named() -> None:
    with pytest.raises(ConfigError, match="sslmode is none of"):
        source_conninfo(source(ConnectionParts(database="d", sslmode="yes")), {})


def test_several_nodes() -> None:
    given = SecretStr("https://u:a,b@one:9200/, https://two/prefix/,http://[::1]:9200")
    urls = ("https://u:a,b@one:9200", "https://two/prefix", "http://[::1]:9200")
    assert opensearch_connection(sink(url=given), {}).urls == urls
    with pytest.raises(ConfigError, match="port that is not a number"):
        opensearch_connection(sink(url=SecretStr("http://one,http://two:x")), {})


def test_a_sink_logs_in_one_way() -> None:
    url = SecretStr("https://h")
    env = {"MAIN_OPENSEARCH_API_KEY": "k"}
    assert opensearch_connection(sink(url=url), env).api_key == SecretStr("k")
    with pytest.raises(ConfigError, match="this has `api_key`, `aws`"):
        opensearch_connection(sink(url=url, aws=Aws(region="eu-west-1")), env)


def test_the_url_of_a_proxy_is_checked() -> None:
    with pytest.raises(ConfigError, match="URL of the proxy has a port") as caught:
        opensearch_connection(
            sink(url=SecretStr("http://h"), proxy=SecretStr("http://u:hidden@p:x")), {}
        )
    assert "hidden" not in str(caught.value)
