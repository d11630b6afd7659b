"""Secrets planted in every place where one may stand are in no output of a full run, at the most talkative level."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import psycopg
import pytest

from support import web
from support.in_process import run
from support.processes import Site
from support.proxies.secure_proxies import ForwardProxy
from support.scenario import Scenario
from support.servers.secured import SecuredSite
from support.stores import dev as store

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("secrets"),
]

DEADLINE = 90.0
PLANTED = "Pl4nt3d"
"""Part of each secret."""
PROPERTIES = (
    "sasl.password",
    "ssl.key.password",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.assertion.private.key.passphrase",
)
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": f"{PLANTED}AwsKey",
    "AWS_SESSION_TOKEN": f"{PLANTED}AwsToken",
    "AWS_EC2_METADATA_DISABLED": "true",
}
QUEUES = {
    "literal": "kafka, 1 worker",
    "env": "kafka, 1 worker",
    "file": "flusso run",
    "aws": "flusso run",
}


@dataclass
class Planter:
    """Writes values of the configuration in one form, and keeps the variables that this takes."""

    form: str
    folder: Path
    variables: dict[str, str]

    def secret(self, name: str, value: str | None = None) -> str:
        """A secret as TOML; by itself it is planted."""
        text = value or f"{PLANTED}{name}"
        if self.form == "literal":
            return f'"{text}"'
        if self.form == "file":
            file = self.folder / name
            file.write_text(text)
            return f'{{ file = "{file}" }}'
        self.variables[f"V_{name.upper()}"] = text
        return f'{{ env = "V_{name.upper()}" }}'


def configured(site: Site, planter: Planter, proxy: ForwardProxy) -> SecuredSite:
    """A site whose servers ask for no secret, and whose configuration has one everywhere."""
    database = site.database_url.replace("postgres@", f"postgres:{PLANTED}DbUser@", 1)
    database += f"?sslpassword={PLANTED}DbParameter&sslmode=disable"
    search = site.opensearch_url
    if planter.form == "aws":
        login = 'aws = { region = "eu-west-1" }'
        planter.variables.update(AWS)
    elif planter.form == "literal":
        login = f'username = "u"\npassword = {planter.secret("Password")}'
        search = search.replace("//", f"//u:{PLANTED}Url@")
    else:
        key = "api_key" if planter.form == "env" else "bearer_token"
        login = f"{key} = {planter.secret('Token')}"
    lines = [
        "[source]",
        'type = "postgres"',
        f"connection_url = {planter.secret('Database', database)}",
        "[sinks.primary]",
        'type = "opensearch"',
        f"url = {planter.secret('Search', search)}",
        login,
        f"proxy = {planter.secret('Proxy', proxy.url_with_password)}",
        "number_of_replicas = 0",
        'refresh_interval = "1s"',
        "[queue]",
        f'bootstrap_servers = "{site.kafka}"',
        f'topic_prefix = "{site.topic_prefix}"',
        "partitions = 1",
        "replication_factor = 1",
        "[queue.properties]",
        '"debug" = "conf,security"',
        *(f'"{name}" = {planter.secret(name.replace(".", "_"))}' for name in PROPERTIES),
        "",
    ]
    planter.variables |= {
        "FLUSSO_LOG": "debug,urllib3=debug,botocore=debug,botocore.auth=debug",
        "FLUSSO_LOG_FORMAT": "json" if planter.form == "file" else "text",
        "FLUSSO_ADMIN_PASSWORD": f"{PLANTED}Admin",
    }
    return SecuredSite(
        **{**vars(site), "indexes": ("users",)},
        config="\n".join(lines),
        variables=planter.variables,
    )


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with ForwardProxy("someone", f"{PLANTED}Proxy") as made:
        yield made


@pytest.mark.parametrize("form", list(QUEUES))
def test_no_output_of_a_full_run_has_a_secret(
    form: str,
    site: Site,
    proxy: ForwardProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.load_store(site.database_url)
    secrets, project = tmp_path / "mounted", tmp_path / "project"
    for folder in (secrets, project):
        folder.mkdir()
    own = configured(site, Planter(form, secrets, {}), proxy)
    scenario = Scenario.over(QUEUES[form], own, project)
    said: dict[str, str] = {}

    def command(*arguments: str) -> str:
        _, out, err = run(own.environment(), *arguments)
        said[" ".join(arguments)] = out + err
        return out

    monkeypatch.chdir(project)
    with scenario.running() as pipeline:
        scenario.wait_until_live(DEADLINE)
        store.run_changes(own.database_url)
        scenario.assert_equal(DEADLINE)
        for daemon in pipeline.daemons:
            for route in ("status", "metrics", "healthz"):
                said[f"{daemon.name} /{route}"] = web.get(f"{daemon.public_url()}/{route}").text
            with web.client(f"http://{daemon.private_address()}") as client:
                client.auth = ("admin", f"{PLANTED}Admin")
                for route in ("", "overview", "generations", "page/data", "page/quarantine"):
                    answer = client.get(f"/{route}")
                    assert answer.status_code == HTTPStatus.OK
                    said[f"{daemon.name} private /{route}"] = answer.text
        private = pipeline.daemons[-1].private_address()
        command("check")
        command("check", "--format", "json")
        command("build")
        command("indexes", "--index-prefix", own.index_prefix)
        assert "users" in command("indexes", "--server", private)
        assert "users" in command("status", "--once", "--index-prefix", own.index_prefix)
        assert "users" in command("status", "--json", "--server", private)
        for name in ("run", "check", "indexes"):
            assert "--config" in command(name, "--help")
    said |= {daemon.name: daemon.log.read_text() for daemon in pipeline.daemons}
    said |= {str(file): file.read_text() for file in project.rglob("*.lock")}
    assert len(list(project.rglob("*.lock"))) > 1
    assert proxy.passed > 0
    for where, text in said.items():
        lines = [line for line in text.splitlines() if PLANTED in line]
        assert not lines, f"{where}: {lines[0][:500]}"


def test_a_traceback_has_no_secret(
    site: Site, proxy: ForwardProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an error that nobody expected, in the middle of a connection."""
    own = configured(site, Planter("literal", tmp_path, {}), proxy)
    own.write_config(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("not expected")

    monkeypatch.setattr(psycopg, "connect", fail)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="not expected") as caught:
        run(own.variables, "check")
    assert PLANTED not in "".join(traceback.format_exception(caught.value))
