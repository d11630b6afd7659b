"""What is wrong with a Postgres URL is said without showing any of it."""

from __future__ import annotations

import re
from random import Random

import pytest

from flusso_shared.config.postgres_url import checked
from flusso_shared.errors import ConfigError


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@host/db",
        "postgres://u@127.0.0.1:5432/db?sslmode=verify-full&connect_timeout=3",
        "postgresql://u:p%40%3A%2F@[::1]:5433/db",
        "postgresql://u:p@one:5432,two:5433/db?target_session_attrs=primary",
        "postgresql://u:p@one,two:5432/db",
        "postgresql://u@/db?host=/var/run/postgresql",
        "postgresql://u@%2Fvar%2Frun%2Fpostgresql/db",
        "postgresql://u:se?ret@host/db",
        "postgresql:///db",
        "postgresql://u@bücher.example/db?application_name=x",
    ],
)
def test_a_url_that_libpq_can_use_is_given_back(url: str) -> None:
    assert checked(url) == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("host=h password=secret dbname=d", "not a Postgres URL"),
        ("mysql://u:secret@host/db", "not a Postgres URL"),
        ("postgresql://u:se@cret@host/db", "the host is not"),
        ("postgresql://u:se%zzcret@host/db", "hexadecimal"),
        ("postgresql://u:se%00cret@host/db", "%00"),
        ("postgresql://u:secret@host:54x/db", "the port is not"),
        ("postgresql://u:secret@host:0/db", "the port is not"),
        ("postgresql://u:secret@host:99999/db", "the port is not"),
        ("postgresql://u:secret@host/db?secret", "name=value"),
        ("postgresql://u:secret@host/db?colour=secret", "parameter after the ?"),
        ("postgresql://u:secret@host/db?sslmode=secret", "sslmode is none of"),
        ("postgresql://u:secret@host/db?connect_timeout=secret", "connect_timeout is not"),
        ("postgresql://u:secret@[::1/db", "without its ]"),
        ("postgresql://u:secret@[::1]secret/db", "neither :port nor /database"),
        ("postgresql://u:secret@a,b/db?port=1,2,3", "hosts and"),
        ("postgresql://u:se/cret@host/db", "port|host"),
    ],
)
def test_the_message_names_the_part_and_shows_nothing(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        checked(url)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for piece in ("secret", "cret", "se%", "zz"):
        assert piece not in str(caught.value)


def test_no_malformed_url_shows_a_piece_of_its_password() -> None:
    random = Random(12)
    for _ in range(2000):
        password = "".join(random.choice("Zq7@:/?#%&=[] \\'\"") for _ in range(8)) + "Xk9w"
        url = f"postgresql://u:{password}@host:5432/db"
        try:
            checked(url)
        except ConfigError as error:
            text = str(error)
            assert not re.search(r"Zq|q7|Xk9w|k9w", text), (url, text)
