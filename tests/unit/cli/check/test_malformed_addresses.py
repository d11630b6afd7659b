"""Addresses that are none, in all three kinds: one message each, no traceback, no piece of a password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flusso_shared.config import postgres_url
from flusso_shared.config.connections import split_urls
from flusso_shared.config.server_addresses import checked_brokers, checked_http
from flusso_shared.errors import ConfigError
from support.in_process import run

_CONFIG = """\
[source]
type = "postgres"
connection_url = "postgresql://127.0.0.1:1/nothing"
[sinks.main]
type = "opensearch"
url = "http://127.0.0.1:1"
[[index]]
name = "users"
schema = "users.schema.yml"
"""
_SCHEMA = "table: users\nprimary_key: id\nfields:\n  - integer: id\n"
_FIRST, _SECOND = "Zq7Xj", "k9wVb"
"""The two halves of the password; anything may be between them."""
_SUBJECTS = {
    "DATABASE_URL": "database",
    "MAIN_OPENSEARCH_URL": "sink main",
    "MAIN_OPENSEARCH_PROXY": "sink main",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka",
}

_SLOW = [
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
    HealthCheck.function_scoped_fixture,
]

JUNK = st.text("@:/?#%&=[], \\'\"\t\nä0a", max_size=6)
SCHEMES = {
    "DATABASE_URL": ["postgresql://", "postgres://", "postgresql:/", "pg://", ""],
    "MAIN_OPENSEARCH_URL": ["http://", "https://", "https:/", "ftp://", ""],
    "MAIN_OPENSEARCH_PROXY": ["http://", "https://", "socks5://", ""],
    "KAFKA_BOOTSTRAP_SERVERS": ["", "SASL_SSL://", "kafka://"],
}
HOSTS = [
    "db",
    "127.0.0.1:1",
    "127.0.0.1:x",
    "127.0.0.1:0",
    "127.0.0.1:99999",
    "[::1",
    "a..b",
    "",
    "h,",
    "h h",
]
TAILS = ["", "/d", "/d?sslmode=no", "/d?x", "/d?password=%zz", "/d?connect_timeout=a", "#", "/%"]


@st.composite
def addresses(draw: st.DrawFn, kind: str) -> str:
    """With a password in it, and something that may be wrong before, in and behind it."""
    password = _FIRST + draw(JUNK) + _SECOND
    host = draw(st.sampled_from(HOSTS))
    tail = draw(st.sampled_from(TAILS))
    scheme = draw(st.sampled_from(SCHEMES[kind]))
    form = draw(st.integers(0, 3))
    if form == 0:
        return f"{scheme}{draw(JUNK)}u:{password}@{host}{tail}"
    if form == 1:
        return f"{scheme}{host}/d?password={password}{draw(JUNK)}"
    if form == 2:
        return f"{scheme}u:{password}"
    return f"{scheme}{host},u:{password}@{host}{tail}"


def malformed(kind: str, address: str) -> bool:
    """Whether nothing is to be connected to."""
    try:
        if kind == "DATABASE_URL":
            postgres_url.checked(address.strip())
        elif kind == "KAFKA_BOOTSTRAP_SERVERS":
            checked_brokers(address.strip())
        else:
            for each in split_urls(address.strip()):
                checked_http(each.rstrip("/"), "")
    except ConfigError:
        return True
    return False


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "flusso.toml").write_text(_CONFIG)
    (folder / "users.schema.yml").write_text(_SCHEMA)
    return folder


@pytest.mark.parametrize("kind", list(_SUBJECTS))
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=_SLOW)
@given(data=st.data())
def test_a_malformed_address_is_one_message_without_a_secret(
    project: Path, kind: str, data: st.DataObject
) -> None:
    address = data.draw(addresses(kind))
    assume(malformed(kind, address))
    as_json = data.draw(st.booleans())
    common = ("check", "--config", str(project / "flusso.toml"), "--lock", str(project / "lock"))
    code, out, err = run({kind: address}, *common, *(("--format", "json") if as_json else ()))
    said = out + err
    assert code == 1, (address, said)
    assert "Traceback" not in said
    for piece in (_FIRST, _SECOND, _FIRST[:4], _SECOND[1:]):
        assert piece not in said, (address, said)
    if as_json:
        found = [
            each for each in json.loads(out)["diagnostics"] if each["subject"] == _SUBJECTS[kind]
        ]
        assert len(found) == 1, (address, said)
