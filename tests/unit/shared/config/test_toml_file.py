"""`flusso.toml`: what loads, what it means, and what is refused where."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from flusso_shared.config.model import (
    Aws,
    ConnectionParts,
    EnvRef,
    FileRef,
    OpenSearchSinkConfig,
)
from flusso_shared.config.toml_file import load_config
from flusso_shared.errors import ConfigError
from flusso_shared.problems import Problems

SOURCE = '[source]\ntype = "postgres"\n'
_SINK = SOURCE + "[sinks.a]\ntype = 'opensearch'\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "flusso.toml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        load_config(write(folder, text))
    return [str(problem) for problem in caught.value.problems]


def test_the_smallest_configuration_has_all_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, SOURCE))
    assert config.source.manage_publication
    assert config.source.manage_replica_identity
    assert config.sinks == ()
    assert config.on_error == "stop"
    assert config.server.public_address is None
    assert config.queue.replication_factor == 3


def test_everything_at_once(tmp_path: Path) -> None:
    text = (
        'on_error = "skip"\nprefix = "shop-"\n'
        + SOURCE
        + """
[source.connection_url]
host = "db"
password = { env = "PW" }
database = "library"
[sinks.Main]
type = "opensearch"
url = "https://search:9200"
password = "secret"
batch_size = 20
[sinks.audit]
type = "stdout"
pretty = true
[queue]
bootstrap_servers = { env = "KAFKA" }
[queue.properties]
"security.protocol" = "SSL"
sasl.password = { env = "SASL" }
[[index]]
name = " Titles "
schema = "titles.yml"
[[index]]
name = "loans"
schema = "loans.yml"
enabled = false
on_error = "stop"
"""
    )
    config = load_config(write(tmp_path, text))
    url = config.source.connection_url
    assert isinstance(url, ConnectionParts)
    assert (url.port, url.password) == (5432, EnvRef(env="PW"))
    assert [sink.name for sink in config.sinks] == ["audit", "main"]
    main = config.sinks[1]
    assert isinstance(main, OpenSearchSinkConfig)
    assert main.password == SecretStr("secret")
    assert config.queue.properties == {
        "security.protocol": "SSL",
        "sasl.password": EnvRef(env="SASL"),
    }
    assert [(index.name, index.enabled) for index in config.indexes] == [
        ("titles", True),
        ("loans", False),
    ]
    assert config.policy("titles") == "skip"
    assert config.policy("loans") == "stop"


def test_references_to_files_and_ways_to_log_in(tmp_path: Path) -> None:
    text = (
        SOURCE
        + """
connection_url = { file = "/run/url" }
[sinks.a]
type = "opensearch"
url = ["https://one:9200", "https://two:9200"]
api_key = { file = "/run/key" }
ca_file = "/ca.pem"
client_cert = "/cert.pem"
proxy = { env = "PROXY" }
[sinks.b]
type = "opensearch"
url = { file = "/run/url" }
aws = { region = "eu-west-1", service = "aoss" }
[queue.properties]
sasl.password = { file = "/run/sasl" }
sasl.oauthbearer.assertion.private.key.file = "/run/key.pem"
"""
    )
    config = load_config(write(tmp_path, text))
    assert config.source.connection_url == FileRef(file="/run/url")
    first, second = config.sinks
    assert isinstance(first, OpenSearchSinkConfig)
    assert first.url == SecretStr("https://one:9200,https://two:9200")
    assert (first.api_key, first.proxy) == (FileRef(file="/run/key"), EnvRef(env="PROXY"))
    assert isinstance(second, OpenSearchSinkConfig)
    assert second.aws == Aws(region="eu-west-1", service="aoss")
    assert config.queue.properties == {
        "sasl.password": FileRef(file="/run/sasl"),
        "sasl.oauthbearer.assertion.private.key.file": "/run/key.pem",
    }


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        (SOURCE + "connection_url = { file = 'url' }\n", ":3:1:", "absolute path"),
        (SOURCE + "connection_url = { file = '/a', env = 'A' }\n", ":3:1:", "`env`"),
        (_SINK + "username = 'u'\napi_key = 'k'\n", ":6:1:", "`username`, `api_key`"),
        (_SINK + "tls_verify = false\nca_file = '/ca'\n", ":6:1:", "no effect"),
        (_SINK + "client_key = '/key'\n", ":5:1:", "needs its `client_cert`"),
        (_SINK + "aws = { service = 'es' }\n", ":5:1:", "`region` is missing"),
        (_SINK + "aws = { region = 'r', service = 'ec2' }\n", ":5:1:", "`service`"),
        ("", "flusso.toml:", "`[source]` is missing"),
        (SOURCE + "colour = 1\n", ":3:1:", "has no key `colour`"),
        (SOURCE + "manage_publicaton = true\n", ":3:1:", "did you mean `manage_publication`"),
        (SOURCE + 'manage_publication = "yes"\n', ":3:1:", "`manage_publication`"),
        (SOURCE + "connection_url = 5\n", ":3:1:", "a URL, `{ env"),
        (SOURCE + 'connection_url = { host = "a" }\n', ":3:1:", "`database` is missing"),
        (SOURCE + 'connection_url = { env = "A", default = "b" }\n', ":3:1:", "`default`"),
        (SOURCE + '[source.connection_url]\ndatabase = "a"\nport = 99999\n', ":5:1:", "`port`"),
        ('[source]\ntype = "mysql"\n', ":2:1:", "`type`"),
        (SOURCE + "[sinks.my-sink]\ntype = 'stdout'\n", ":3:2:", "`my-sink`"),
        (SOURCE + "[sinks.a]\ntype = 'stdout'\n[sinks.A]\ntype = 'stdout'\n", ":5:2:", "two sinks"),
        (SOURCE + "[sinks.a]\ntype = 'elastic'\n", ":4:1:", "`opensearch` or `stdout`"),
        (SOURCE + "[sinks.a]\ntype = 'opensearch'\nurl = 5\n", ":5:1:", "`url`"),
        (SOURCE + "[sinks.a]\ntype = 'opensearch'\nbatch_size = 0\n", ":5:1:", "`batch_size`"),
        (
            SOURCE + "[sinks.a]\ntype = 'opensearch'\nrefresh_interval = 5\n",
            ":5:1:",
            "`refresh_interval`",
        ),
        (SOURCE + "[server]\npublic_address = ':9464'\n", ":4:1:", "host:port"),
        (SOURCE + "[server]\npublic_address = 'a:99999'\n", ":4:1:", "host:port"),
        (SOURCE + "[[index]]\nname = 'a'\n", ":3:3:", "`schema` is missing"),
        (SOURCE + "[[index]]\nschema = 'a'\n", ":3:3:", "`name` is missing"),
        (SOURCE + "[[index]]\nname = '9a'\nschema = 'a'\n", ":4:1:", "`9a`"),
        (
            SOURCE + "[[index]]\nname='a'\nschema='a'\n[[index]]\nname='A'\nschema='a'\n",
            ":7:1:",
            "two indexes",
        ),
        (SOURCE + "[index]\nname = 'a'\n", ":3:2:", "two brackets"),
        (SOURCE + "[queue.properties]\nacks = 1\n", ":4:1:", "`acks` cannot be set"),
        (SOURCE + '[queue.properties]\n"enable.idempotence" = false\n', ":4:1:", "cannot be set"),
        (SOURCE + "[queue.properties]\nenable.auto.commit = true\n", ":4:1:", "cannot be set"),
        (SOURCE + '[queue.properties]\npartitioner = "random"\n', ":4:1:", "cannot be set"),
        (SOURCE + "[queue]\npartitions = 0\n", ":4:1:", "`partitions`"),
        ("prefix = 'Shop'\n" + SOURCE, ":1:1:", "cannot prefix"),
        ("on_error = 'ignore'\n" + SOURCE, ":1:1:", "`on_error`"),
        ("a = [\n", ":", "not valid TOML"),
    ],
)
def test_what_is_refused_and_where(tmp_path: Path, text: str, place: str, expected: str) -> None:
    (problem,) = refused(tmp_path, text)
    assert place in problem
    assert expected in problem


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = SOURCE + "colour = 1\n[server]\nport = 1\n[sinks.a]\ntype = 'x'\n"
    assert len(refused(tmp_path, text)) == 3


def test_no_secret_is_shown(tmp_path: Path) -> None:
    text = SOURCE + 'connection_url = "postgresql://a:hidden@b/c"\n'
    config = load_config(write(tmp_path, text))
    assert "hidden" not in repr(config)


@pytest.mark.parametrize(
    "text",
    [
        '[source]\ntype = "postgres"\nconnection_url = "postgresql://u:hidden@h/d" x',
        '[source]\ntype = "postgres"\nconnection_url = ["postgresql://u:hidden@h/d"]',
        '[source]\ntype = "postgres"\nconection_url = "postgresql://u:hidden@h/d"',
        '[source]\ntype = "postgres"\n[source.connection_url]\ndatabase = "d"\npaswrd = "hidden"',
        '[source]\ntype = "postgres"\n[sinks.a]\ntype = "opensearch"\napi_key = ["hidden"]',
        '[source]\ntype = "postgres"\n[sinks]\na = { type = "opensearch", pasword = "hidden" }',
        '[source]\ntype = "postgres"\n[queue.properties]\n"ssl.key.pem" = """\n---\nhidden\n" x\n',
        '[source]\ntype = "postgres"\n[queue.properties]\n"sasl.password" = ["hidden"]\n',
        '[source]\ntype = "postgres"\n[source.connection_url]\ndatabase = "d"\npassword = "hidden',
    ],
)
def test_a_line_with_a_secret_is_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(Problems) as caught:
        load_config(write(tmp_path, text))
    assert "hidden" not in str(caught.value)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no configuration at"):
        load_config(tmp_path / "flusso.toml")
