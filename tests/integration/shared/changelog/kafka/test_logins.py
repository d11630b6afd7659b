"""Ways to log in to Kafka by `[queue.properties]`: every client of the log goes each of them, to a real broker."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.config.connections import queue_connection
from flusso_shared.config.toml_file import read_config
from flusso_shared.config.toml_positions import KeyPositions
from flusso_shared.errors import FatalError, RetryableError
from support.kits.change_logs import PATIENCE, USERS, after, change, patiently, publish, read, start
from support.servers.certificates import Authority
from support.servers.secure_kafka import (
    MTLS,
    OAUTH,
    PLAIN,
    SCRAM,
    TLS,
    SecureKafka,
    TokenEndpoint,
    secure_kafka,
)
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("secure Kafka")]

PASSWORD = 'p:w, "ü=1'
_numbers = itertools.count()


@dataclass(frozen=True)
class Site:
    """The broker, and who signed its certificate."""

    kafka: SecureKafka
    authority: Authority
    folder: Path

    def log(self, listener: str, properties: Mapping[str, Any]) -> KafkaLog:
        """The log of a configuration with these properties; each has a topic of its own."""
        raw = tomllib.loads('[source]\ntype = "postgres"\n')
        raw["queue"] = {
            "bootstrap_servers": self.kafka.servers(listener),
            "topic_prefix": f"logins-{next(_numbers)}",
            "partitions": 1,
            "replication_factor": 1,
            "properties": {"ssl.ca.location": str(self.authority.file), **properties},
        }
        queue = read_config(raw, "flusso.toml", KeyPositions("")).queue
        return KafkaLog(queue_connection(queue, {"KAFKA_PW": PASSWORD}))

    def use(self, listener: str, properties: Mapping[str, Any], *, joining: bool = False) -> None:
        """Make a topic, write to it, set the offsets of a group, and read as its member if it is `joining`."""
        with closing(self.log(listener, properties)) as log:
            patiently(lambda: log.prepare([USERS]))
            writer = log.writer()
            done = publish(writer, [change(1)])
            until("acknowledged", lambda: done, step=lambda: writer.poll(0.1))
            writer.close(PATIENCE)
            start(log, "a group")
            if joining:
                reader = log.reader("a group", [USERS], lambda _: None)
                found = read(reader, 1)
                reader.commit(after(found))
                reader.close()
                assert [each.change.key for each in found if each.change] == [("1",)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("kafka")
    authority = Authority(folder)
    with secure_kafka(authority, folder, {"flusso": "plain-pw"}) as kafka:
        kafka.set_password("flusso", PASSWORD)
        yield Site(kafka, authority, folder)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is not answered ends soon."""
    monkeypatch.setattr("flusso_shared.changelog.kafka.admin.REQUEST_TIMEOUT_SECONDS", 3.0)


def sasl(mechanism: str, **more: Any) -> dict[str, Any]:
    named = {f"sasl.{key}": value for key, value in more.items()}
    return {"security.protocol": "SASL_SSL", "sasl.mechanisms": mechanism, **named}


def test_tls(site: Site) -> None:
    site.use(TLS, {"security.protocol": "SSL"}, joining=True)


@pytest.mark.parametrize("form", ["location", "pem in a file"])
def test_a_client_certificate(site: Site, form: str) -> None:
    made = site.authority.issue("flusso")
    files = {"certificate": made.certificate, "key": made.key}
    forms: dict[str, dict[str, Any]] = {
        "location": {f"ssl.{name}.location": str(file) for name, file in files.items()},
        "pem in a file": {f"ssl.{name}.pem": {"file": str(file)} for name, file in files.items()},
    }
    site.use(MTLS, {"security.protocol": "SSL", **forms[form]})


@pytest.mark.usefixtures("hasty")
def test_a_client_without_the_certificate_is_told_so(site: Site, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").issue("flusso")
    names = {"certificate": other.certificate, "key": other.key}
    for own in ({}, {f"ssl.{name}.location": str(file) for name, file in names.items()}):
        with (
            pytest.raises(FatalError, match=r"`ssl\.\*` in \[queue\.properties\]"),
            closing(site.log(MTLS, {"security.protocol": "SSL", **own})) as log,
        ):
            log.prepare([USERS])


def test_plain(site: Site) -> None:
    site.use(PLAIN, sasl("PLAIN", username="flusso", password="plain-pw"))


def test_scram(site: Site) -> None:
    login = sasl("SCRAM-SHA-512", username="flusso", password={"env": "KAFKA_PW"})
    site.use(SCRAM, login, joining=True)


def test_a_token_of_the_client_itself(site: Site) -> None:
    own = {"oauthbearer.config": "principal=flusso"}
    site.use(OAUTH, {**sasl("OAUTHBEARER", **own), "enable.sasl.oauthbearer.unsecure.jwt": True})


def test_a_token_of_an_endpoint(site: Site) -> None:
    secret = site.folder / "client-secret"
    secret.write_text("s3cret\n")
    with TokenEndpoint("flusso", "s3cret") as endpoint:
        own = {
            "oauthbearer.method": "oidc",
            "oauthbearer.client.id": "flusso",
            "oauthbearer.client.secret": {"file": str(secret)},
            "oauthbearer.token.endpoint.url": endpoint.url,
        }
        site.use(OAUTH, sasl("OAUTHBEARER", **own))
        assert endpoint.given > 0


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("listener", "mechanism"), [(PLAIN, "PLAIN"), (SCRAM, "SCRAM-SHA-512")])
def test_a_wrong_literal_ends_the_start_and_one_in_a_file_is_read_again(
    site: Site, listener: str, mechanism: str
) -> None:
    right = "plain-pw" if listener == PLAIN else PASSWORD
    with (
        pytest.raises(FatalError, match=r"check .*`sasl\.\*`") as caught,
        closing(site.log(listener, sasl(mechanism, username="flusso", password="wr0ng-pw"))) as log,
    ):
        log.prepare([USERS])
    assert "wr0ng" not in str(caught.value)
    file = site.folder / f"password-{listener}"
    file.write_text("wr0ng-pw\n")
    given = sasl(mechanism, username="flusso", password={"file": str(file)})
    with closing(site.log(listener, given)) as log:
        with pytest.raises(RetryableError, match="read again at every try"):
            log.prepare([USERS])
        writer = log.writer()
        done = publish(writer, [change(1)])
        writer.poll(0.5)
        assert not done
        file.write_text(right + "\n")
        patiently(lambda: log.prepare([USERS]))
        until("acknowledged", lambda: done, step=lambda: writer.poll(0.1))
        writer.close(PATIENCE)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("properties", "listener"),
    [
        ({"security.protocol": "SSL", "ssl.ca.location": "OTHER"}, TLS),
        ({"security.protocol": "SSL", "ssl.ca.location": "/no/such/file"}, TLS),
        (sasl("PLAIN", username="flusso", password="plain-pw"), SCRAM),
    ],
)
def test_what_does_not_pass_by_itself_ends_the_start(
    site: Site, properties: dict[str, Any], listener: str, tmp_path: Path
) -> None:
    if properties.get("ssl.ca.location") == "OTHER":
        properties = {**properties, "ssl.ca.location": str(Authority(tmp_path, "other").file)}
    with (
        pytest.raises(FatalError, match=r"\[queue\.properties\]") as caught,
        closing(site.log(listener, properties)) as log,
    ):
        log.prepare([USERS])
    assert "plain-pw" not in str(caught.value)
