"""Addresses of servers are checked before anything connects, and shown without what is secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import pytest

from flusso_shared.config.connections import queue_connection
from flusso_shared.config.model import Queue
from flusso_shared.config.server_addresses import checked_brokers, checked_http, redacted
from flusso_shared.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://a:b@c/d", "postgresql://a:***@c/d"),
        ("postgresql://a@c/d", "postgresql://a@c/d"),
        ("postgresql://a:b@one:1,two:2/d?sslmode=require", "postgresql://a:***@one:1,two:2/d?sslmode=require"),
        ("postgresql:///d?user=u&password=hidden&x=1", "postgresql:///d?user=***&password=***&***"),
        ("postgresql://u:a@%41b/d", "postgresql://***"),
        ("postgresql://u:a@b..c/d", "postgresql://***"),
        ("postgresql://u:a@h:70000/d", "postgresql://***"),
        ("http://u:a@b,c", "http://***"),
        ("ftp://u:a@b", "ftp://***"),
        ("https://u:b:c@[::1]:9200", "https://u:***@[::1]:9200"),
        ("postgresql://u:se cret@host/db", "postgresql://***"),
        ("postgresql://u:se@cret@host/db", "postgresql://***"),
        ("postgresql://u:se/cret@host/db", "postgresql://***"),
        ("postgresql://u:secret", "postgresql://***"),
        ("user=u password=secret", "***"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9200",
        "https://u:p%40%3A@search.example/path",
        "http://[::1]:9200",
        "https://b\u00fccher.example.:443",
    ],
)
def test_urls_of_opensearch(url: str) -> None:
    assert checked_http(url, "[sinks.main]: the URL of OpenSearch") == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host", "is not one"),
        ("http://", "host"),
        ("http://ho st", "is not one"),
        ("http://u:secret", "port"),
        ("http://host:0", "port"),
        ("http://host:70000", "port"),
        ("http://u:se/cret@host:9200", "port"),
        ("http://u:12/cret@host:9200", "behind its host"),
        ("http://u:12#cret@host:9200", "behind its host"),
        ("http://u:secret@[::1", "host"),
        ("http://u:secret@a..b:9200", "host"),
        ("http://" + "a" * 64, "host"),
    ],
)
def test_urls_that_opensearch_cannot_have(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\[sinks\.main\]: .*{says}") as caught:
        checked_http(url, "[sinks.main]: the URL of OpenSearch")
    assert "cret" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "servers", ["one", "one:9092,two:9093", "[::1]:9092", "SASL_SSL://one:9093, 127.0.0.1:9092"]
)
def test_lists_of_brokers(servers: str) -> None:
    assert queue_connection(Queue(bootstrap_servers=servers), {}).bootstrap_servers == servers


@pytest.mark.parametrize(
    "servers", ["one,", "u:secret@one:9092", "one:secret", "one:0", "one:70000", "se cret", "a..b"]
)
def test_what_is_no_list_of_brokers(servers: str) -> None:
    with pytest.raises(ConfigError, match=r"entry \d of \d is not host:port") as caught:
        queue_connection(Queue(), {"KAFKA_BOOTSTRAP_SERVERS": servers})
    assert "cret" not in str(caught.value)


def quietly(check: Callable[[str], str], url: str) -> str:
    try:
        check(url)
    except ConfigError as error:
        return str(error)
    return ""


def test_nothing_shows_a_piece_of_a_password() -> None:
    random = Random(12)
    for _ in range(3000):
        password = "".join(random.choice("Zq7@:/?#%&=[], \\'\"") for _ in range(8)) + "Xk9w"
        for scheme in ("postgresql", "https"):
            url = f"{scheme}://u:{password}@host:5432/db"
            said = redacted(url) + quietly(
                lambda text: checked_http(text, "[sinks.main]: the URL of OpenSearch"), url
            )
            said += quietly(checked_brokers, url)
            assert not re.search(r"Zq|q7|Xk9w|k9w", said), (url, said)
