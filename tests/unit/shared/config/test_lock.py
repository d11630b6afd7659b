"""The lock: the same project comes back, no secret is in it, and it is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_shared.config.choose import choose
from flusso_shared.config.lock import read_lock
from flusso_shared.config.model import ConnectionParts
from flusso_shared.errors import ConfigError

ROOT = Path(__file__).parents[4]
CONFIG = """\
prefix = "shop-"
[source]
type = "postgres"
connection_url = "postgresql://me:hidden-1@db/shop"
[sinks.main]
type = "opensearch"
url = "https://me:hidden-2@search:9200"
username = "me"
password = "hidden-3"
[sinks.second]
type = "opensearch"
url = ["https://me:hidden-4@search:9200", "https://me:hidden-5@other:9200"]
api_key = "hidden-6"
proxy = "http://me:hidden-7@proxy:3128"
[sinks.third]
type = "opensearch"
url = { file = "/run/url" }
[queue.properties]
"sasl.password" = { env = "SASL" }
"sasl.username" = { file = "/run/user" }
[[index]]
name = "users"
schema = "SCHEMA"
[[index]]
name = "later"
schema = "SCHEMA"
enabled = false
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "flusso.toml"
    schema = ROOT / "dev" / "schemas" / "users.schema.yml"
    path.write_text(CONFIG.replace("SCHEMA", str(schema)))
    return path


def test_what_was_compiled_comes_back(config: Path, tmp_path: Path) -> None:
    lock = tmp_path / "flusso.lock"
    compiled, _ = choose(config, lock, locked=False)
    found, _ = choose(None, lock, locked=True)
    assert found.indexes == compiled.indexes
    assert [index.name for index in found.plan.indexes] == ["users"]
    assert found.config.prefix == "shop-"
    assert found.config.queue == compiled.config.queue


def test_no_secret_is_in_it(config: Path, tmp_path: Path) -> None:
    lock = tmp_path / "flusso.lock"
    choose(config, lock, locked=False)
    assert "hidden" not in lock.read_text()
    assert "https://me@search:9200,https://me@other:9200" in lock.read_text()


def test_a_service_comes_back_without_what_it_gives(config: Path, tmp_path: Path) -> None:
    lock = tmp_path / "flusso.lock"
    url = '"postgresql://me:hidden-1@db/shop"'
    config.write_text(config.read_text().replace(url, '{ service = "shop" }'))
    choose(config, lock, locked=False)
    found = choose(None, lock, locked=True)[0].config.source.connection_url
    assert isinstance(found, ConnectionParts)
    assert found.model_fields_set == {"service"}


def test_it_is_the_same_to_the_byte(config: Path, tmp_path: Path) -> None:
    for name in ("a.lock", "b.lock"):
        choose(config, tmp_path / name, locked=False)
    assert (tmp_path / "a.lock").read_bytes() == (tmp_path / "b.lock").read_bytes()


def test_a_lock_that_cannot_be_written(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--locked"):
        choose(config, tmp_path / "no" / "such" / "folder.lock", locked=False)


def test_a_named_configuration_has_no_substitute(config: Path, tmp_path: Path) -> None:
    lock = tmp_path / "flusso.lock"
    choose(config, lock, locked=False)
    with pytest.raises(ConfigError, match="there is no configuration"):
        choose(tmp_path / "other.toml", lock, locked=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{}", "another format"), ("nonsense", "cannot read"), ('{"format_version": 1}', "damaged")],
)
def test_a_lock_that_cannot_be_read(tmp_path: Path, text: str, expected: str) -> None:
    lock = tmp_path / "flusso.lock"
    lock.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        read_lock(lock)


@pytest.mark.parametrize(
    ("place", "literal"),
    [
        ("source.connection_url", 'connection_url = "postgresql://me:hidden@db/shop"'),
        ("source.connection_url", 'connection_url = "postgresql://me@db/shop?password=hidden"'),
        (
            "source.connection_url.password",
            'connection_url = { database = "shop", password = "hidden" }',
        ),
    ],
)
def test_it_says_what_it_withholds(
    place: str, literal: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "flusso.toml").write_text(f'[source]\ntype = "postgres"\n{literal}\n')
    lock = tmp_path / "flusso.lock"
    choose(tmp_path / "flusso.toml", lock, locked=False)
    assert "hidden" not in lock.read_text()
    choose(None, lock, locked=True)
    assert f"{place} comes from DATABASE_URL" in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "ssl.key.password",
        "sasl.oauthbearer.client.secret",
        "ssl.key.pem",
        "sasl.oauthbearer.assertion.private.key.passphrase",
    ],
)
def test_a_secret_property_must_come_from_the_environment(name: str, tmp_path: Path) -> None:
    """There is no other way to fill it in, so a lock without it must not run."""
    text = f'[source]\ntype = "postgres"\n[queue.properties]\n"{name}" = "hidden"\n'
    (tmp_path / "flusso.toml").write_text(text)
    lock = tmp_path / "flusso.lock"
    project, _ = choose(tmp_path / "flusso.toml", lock, locked=False)
    assert project.config.queue.properties == {name: "hidden"}
    assert "hidden" not in lock.read_text()
    with pytest.raises(ConfigError, match="compile it again") as caught:
        choose(None, lock, locked=True)
    assert f'"{name}" = {{ env = "..." }}' in str(caught.value)
