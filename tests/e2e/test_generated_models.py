"""Generated models read every document of a real pipeline and give it back equal, to the last digit."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import psycopg
import pytest
from opensearchpy import OpenSearch

from flusso_query import Client, Document, ExactSerializer, Fragment, Search
from flusso_query.document import models_of
from services import Services
from support import names
from support.expected.oracle import Documents
from support.processes import Site
from support.scenario import Scenario
from support.stores import chinook, kinds
from support.stores import dev as store
from support.stores.models import MODELS

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

_DEADLINE = 120.0


@dataclass(frozen=True)
class Read:
    """What a pipeline made, and the module that was generated for it."""

    site: Site
    models: Mapping[str, type[Document]]
    """By index."""
    documents: Mapping[str, Documents]
    """As they are in OpenSearch; numbers with a fraction are decimals."""

    def client(self, **options: Any) -> Client:
        made = OpenSearch(self.site.opensearch_url, **options)
        return Client(made, prefix=self.site.index_prefix)


def schemas() -> dict[str, str]:
    """Index -> schema file."""
    found = {
        path.name.partition(".")[0]: path.read_text()
        for path in (store.ROOT / "dev" / "schemas").glob("*.yml")
    }
    for model in MODELS:
        [database_schema] = {name.partition(".")[0] for name in model.tables[:1]}
        found |= {f"{database_schema}_{name}": text for name, text in model.schemas.items()}
    found |= {f"chinook_{name}": text for name, text in chinook.SCHEMAS.items()}
    return found | {"kinds": kinds.SCHEMA}


@pytest.fixture(scope="module")
def read(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    folder = tmp_path_factory.mktemp("generated")
    for name, text in schemas().items():
        (folder / f"{name}.schema.yml").write_text(text, encoding="utf-8")
    with names.site(services) as found:
        site = replace(found, schemas=folder, indexes=tuple(schemas()))
        store.load_store(site.database_url)
        texts = [chinook.DDL, chinook.ROWS, kinds.TABLES, kinds.ROWS]
        texts += [text for model in MODELS for text in (model.ddl, model.rows)]
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            for text in texts:
                connection.execute(text.encode())
        scenario = Scenario.over("flusso run", site, folder)
        with scenario.running():
            scenario.wait_until_live(_DEADLINE)
            scenario.wait_until_idle(_DEADLINE)
            documents = {name: scenario.read(name) for name in site.indexes}
        done = site.run(folder, "models", "generate", "-o", "documents.py", deadline=_DEADLINE)
        assert done.returncode == 0, done.stderr
        module = imported(folder / "documents.py")
        models = {model.__binding__.index: model for model in models_of(module)}
        assert models.keys() == documents.keys()
        yield Read(site, models, documents)


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generated_documents", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def given_back(value: Any) -> Any:
    """A value of a model as its document has it."""
    match value:
        case Fragment():
            return given_back(value.model_dump(by_alias=True))
        case dict():
            return {key: given_back(item) for key, item in value.items()}
        case list():
            return [given_back(item) for item in value]
        case datetime() | time():
            return re.sub(r"(\.\d*?)0+(?=\+|$)", r"\1", value.isoformat())
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes():
            return value.decode()  # pydantic gives base64 back
        case float():
            return Decimal(repr(value))
        case _:
            return value


@pytest.mark.parametrize("index", schemas())
def test_every_document_is_given_back_equal(index: str, read: Read) -> None:
    model, documents = read.models[index], read.documents[index]
    assert documents
    client = read.client(serializer=ExactSerializer())
    hits = {hit.id: hit.document for hit in client.iterate(Search(model), page=100)}
    assert hits.keys() == documents.keys()
    for key, document in hits.items():
        assert given_back(document) == documents[key], f"{index}/{key}"


@pytest.mark.parametrize("index", schemas())
def test_without_exact_numbers_all_fits_too(index: str, read: Read) -> None:
    """The serializer of opensearch-py, and a model of JSON text."""
    model, documents = read.models[index], read.documents[index]
    found = read.client().mget(model, list(documents))
    assert all(isinstance(document, model) for document in found)
    for document in found:
        assert document is not None
        again = model.model_validate_json(document.model_dump_json(by_alias=True))
        assert again == document


def test_decimals_keep_every_digit(read: Read) -> None:
    document: Any = read.client(serializer=ExactSerializer()).get(read.models["kinds"], "2")
    assert document.number == Decimal("12345678901234567890123.456789012345678901")
    assert document.json_["n"] == Decimal("12345678901234567890.123456789")
    assert (str(document.price), document.long) == ("1.50", -(2**63))


def test_the_generated_module_fits(read: Read) -> None:
    done = read.site.run(read.site.schemas, "models", "check", "documents.py", deadline=_DEADLINE)
    assert done.returncode == 0, done.stderr
    assert f"{len(read.models)} models fit" in done.stdout


def test_a_projection_is_read_as_the_whole_document(read: Read) -> None:
    """The same models without `complete` fetch every field by its path: nothing is lost on the way."""
    for index, model in read.models.items():
        if index == "kinds":  # its numbers are longer than what OpenSearch keeps of a part
            continue
        part: type[Document] = type("Part", (model,), {}, index=index, hash=model.__binding__.hash)
        assert not part.__binding__.complete
        client = read.client(serializer=ExactSerializer())
        for hit in client.iterate(Search(part), page=100):
            found = json.loads(json.dumps(given_back(hit.document), default=float))
            wanted = json.loads(json.dumps(read.documents[index][hit.id], default=float))
            assert found == wanted, f"{index}/{hit.id}"
