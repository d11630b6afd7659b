"""`flusso explain` on a live index: equal, different, missing, excluded, in quarantine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from flusso_worker.sinks.cluster import path
from services import Services
from support.documents import run
from support.kits import ops_kit
from support.kits.index_kit import expected
from support.kits.ops_kit import HUGE, Scene
from support.processes import Site

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 120.0
NOWHERE = "postgresql://me@127.0.0.1:1/nowhere"
SCHEMA = """\
table: users
primary_key: id
fields:
  - integer: id
"""
"""Another than that of the live generation, whose own is what counts."""


@dataclass
class Deployed:
    """A worker that has seeded the index `users`, and the configuration that it runs, in a folder."""

    scene: Scene
    site: Site
    folder: Path

    def explain(self, *arguments: str, code: int) -> dict[str, Any]:
        return dict(json.loads(self.say(*arguments, "--json", code=code)))

    def say(self, *arguments: str, code: int) -> str:
        done = self.site.run(self.folder, "explain", *arguments, deadline=DEADLINE)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code != 1 else done.stderr

    def request(self, method: str, document: str, body: Any = None) -> None:
        """Change a document by hand."""
        where = path(f"{self.site.index_prefix}users", "_doc", document)
        self.scene.index.cluster.request(method, where, body)


@pytest.fixture
def deployed(
    services: Services,
    site: Site,
    database: str,
    index_prefix: str,
    topic_prefix: str,
    tmp_path: Path,
) -> Iterator[Deployed]:
    with ops_kit.scene(services, database, index_prefix, topic_prefix) as scene:
        site = site.with_schemas(tmp_path, {"users": SCHEMA})
        site.write_config(tmp_path)
        scene.snapshot()
        scene.start().await_state("seeded")
        yield Deployed(scene, site, tmp_path)


def test_a_document_that_is_equal(deployed: Deployed) -> None:
    found = deployed.explain("users", "7", code=0)
    document = expected(deployed.site.database_url)[7]
    assert found["equal"] is True
    assert found["database"]["document"] == document
    (sink,) = found["sinks"]
    assert (sink["sink"], sink["document"], sink["differences"]) == ("primary", document, [])
    assert 0 < sink["version"] <= found["database"]["version"]
    assert found["generation"].startswith(f"{deployed.site.index_prefix}users_")
    assert found["quarantine"] is None
    shown = deployed.say("USERS", "7", code=0)
    assert "primary: equal" in shown
    assert "quarantine  no" in shown


def test_each_field_that_differs(deployed: Deployed) -> None:
    document = expected(deployed.site.database_url)[7]
    tags = document.pop("tags")
    changed = json.loads(json.dumps(document)) | {"name": "by hand"}
    changed["orders"][0]["status"] = "lost"
    changed["orders"].append({"id": 99})
    deployed.request("PUT", "7", changed)
    found = deployed.explain("users", "7", code=2)
    assert found["sinks"][0]["document"] == changed
    assert found["sinks"][0]["differences"] == [
        {"path": "name", "database": "name 7", "index": "by hand"},
        {"path": "orders[0].status", "database": "new", "index": "lost"},
        {"path": "orders[2]", "index": {"id": 99}},
        {"path": "tags", "database": tags},
    ]
    shown = deployed.say("users", "7", code=2)
    assert '@@ name @@\n-"by hand"\n+"name 7"\n@@ orders[0].status @@\n-"lost"\n+"new"\n' in shown
    assert "flusso verify" in shown


def test_documents_that_one_side_lacks(deployed: Deployed) -> None:
    deployed.request("DELETE", "7")
    found = deployed.explain("users", "7", code=2)
    assert found["sinks"][0]["document"] is None
    run(deployed.site.database_url, "UPDATE users SET total = -5 WHERE id = 8")
    found = deployed.explain("users", "8", code=2)
    assert found["database"]["reason"] == "the row is excluded by `filters` or `soft_delete`"
    assert found["database"]["document"] is None
    for name in ("1000", "no number"):
        found = deployed.explain("users", name, code=0)
        assert found["database"]["reason"] == "there is no such row"
    assert "primary: no document, as in the database" in deployed.say("users", "1000", code=0)


def test_the_statement_and_its_plan(deployed: Deployed) -> None:
    found = deployed.explain("users", "7", "--sql", code=0)
    assert found["parameters"] == ["{7}"]
    plan = "\n".join(found["plan"])
    for part in ("actual time", "Buffers: shared", "Execution Time"):
        assert part in plan
    shown = deployed.say("users", "7", "--sql", code=0)
    assert f"{found['sql']};\n-- $1 = {{7}}\n" in shown
    assert "sql: none; no row can have this id" in deployed.say("users", "x", "--sql", code=0)


def test_a_document_in_quarantine(deployed: Deployed) -> None:
    scene = deployed.scene
    scene.edit(
        f"UPDATE users SET name = {HUGE} WHERE id = 7; UPDATE users SET parts = 0 WHERE id = 9",
        *scene.touch(7, 9),
    )
    scene.await_applied()
    found = deployed.explain("users", "7", code=2)
    assert "immense term" in found["quarantine"]["reason"]
    assert [item["path"] for item in found["sinks"][0]["differences"]] == ["name"]
    assert "quarantine  refused by sink primary at" in deployed.say("users", "7", code=2)
    shown = deployed.say("users", "9", "--sql", code=2)
    assert "quarantine  could not be built at" in shown
    assert "database: the document cannot be built: division by zero" in shown
    assert "Execution Time" not in shown


def test_what_cannot_be_explained_is_one_message(deployed: Deployed) -> None:
    said = deployed.say("orders", "7", code=1)
    assert "unknown index orders; there are users" in said
    for away in (
        replace(deployed.site, database_url=NOWHERE),
        replace(deployed.site, opensearch_url="http://127.0.0.1:1"),
    ):
        said = replace(deployed, site=away).say("users", "7", code=1)
        assert "127.0.0.1" in said
        assert "then run the command again" in said
    scene = deployed.scene
    scene.finish(scene.workers[0])
    scene.index.cluster.request("DELETE", path(scene.index.name.physical))
    said = deployed.say("users", "7", code=1)
    assert f"the index {scene.index.name.physical} does not exist there" in said
    assert "a worker builds it again" in said
