"""OpenSearch takes the index bodies that are made, and every document that fits the schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flusso_shared.plan.mapping import index_body
from flusso_shared.plan.model import IndexPlan
from services import Services
from support.documents import built, plan_of, run

pytestmark = pytest.mark.services

SCHEMAS = Path(__file__).parents[4] / "dev" / "schemas"


@pytest.fixture
def client(services: Services) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=services.opensearch_url, timeout=30) as made:
        yield made


def create(client: httpx.Client, index: str, plan: IndexPlan, auto_subfields: bool = True) -> None:
    body = index_body(
        plan,
        auto_subfields=auto_subfields,
        text_analysis="builtin",
        shards=1,
        replicas=0,
        refresh_interval="-1",
    )
    answer = client.put(f"/{index}", json=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", ["users", "products", "orders"])
@pytest.mark.parametrize("auto_subfields", [True, False])
def test_the_dev_indexes_are_created(
    client: httpx.Client, index_prefix: str, tmp_path: Path, name: str, auto_subfields: bool
) -> None:
    schema = (SCHEMAS / f"{name}.schema.yml").read_text(encoding="utf-8")
    create(client, index_prefix + name, plan_of(tmp_path, schema, name), auto_subfields)


def test_every_kind_of_field_is_accepted(
    client: httpx.Client, index_prefix: str, database: str, tmp_path: Path
) -> None:
    rows = ['\'{"a": {"b": 1}}\'', '\'{"a": "x"}\'', "'[1, \"x\", {}]'", "'7'", "'\"x\"'", "'null'"]
    run(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, data jsonb, titles jsonb, raw bytea, at timestamp,"
        " ats timestamptz, day date, price money, big numeric, lat float8, lon float8, place text,"
        " tags text[])",
        *(
            f"INSERT INTO things VALUES ({at}, {value}, '{{\"de\": \"x\"}}', '\\x68690a',"
            " '2024-02-03 04:05:06.789', '2024-02-03 04:05:06+02', '2024-02-03', 12.5,"
            " 12345678901234567890.123456789, 1, 2, '1,2', '{a,b}')"
            for at, value in enumerate(rows)
        ),
        "INSERT INTO things (id) VALUES (99)",
    )
    schema = """
        table: things
        primary_key: id
        fields:
          - json: data
          - { map: titles, values: text }
          - binary: raw
          - timestamp: at
          - timestamp: ats
          - date: day
          - decimal: price
          - decimal: big
          - { geo: here, lat: lat, lon: lon }
          - geo: place
          - keyword: tags
          - { constant: c, value: { a: [1, 2] } }
          - { has_many: none, table: things, primary_key: id, foreign_key: lat, fields: [long: id] }
        """
    plan, index = plan_of(tmp_path, schema), index_prefix + "things"
    create(client, index, plan)
    documents = built(database, plan)
    assert len(documents) == len(rows) + 1
    for key, document in documents.items():
        answer = client.put(f"/{index}/_doc/{key}", json=_floats(document))
        assert answer.status_code == 201, answer.text


def test_an_ordered_enum_sorts_as_declared(
    client: httpx.Client, index_prefix: str, tmp_path: Path
) -> None:
    variants = ["pending", "paid", "shipped"]
    schema = f"""
        table: t
        fields: [{{ enum: status, variants: [{", ".join(variants)}] }}]
        """
    index = index_prefix + "sorted"
    create(client, index, plan_of(tmp_path, schema))
    for status in sorted(variants):
        answer = client.put(f"/{index}/_doc/{status}?refresh=true", json={"status": status})
        assert answer.status_code == 201, answer.text
    found = client.post(f"/{index}/_search", json={"sort": ["status.sort"]}).json()
    assert [hit["_id"] for hit in found["hits"]["hits"]] == variants


def _floats(value: Any) -> Any:
    """Numbers as the `json` module can write them."""
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return value if value is None or isinstance(value, str | int) else float(value)
