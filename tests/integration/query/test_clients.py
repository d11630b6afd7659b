"""Reads by id, several searches in one request, combined searches, and what goes wrong, on a real OpenSearch of both lines."""

from __future__ import annotations

import asyncio
import json
import traceback
from typing import Any

import pytest
from opensearchpy import AsyncOpenSearch, OpenSearch

from flusso_query import AsyncClient, Client, Document, Search, composite, raw
from flusso_query.errors import (
    ConnectionFailed,
    DecodeError,
    IndexMissingError,
    MsearchError,
    PartialResultError,
    QueryError,
    RequestError,
    ScopeError,
    UnexpectedIndexError,
)
from support.kits.query_kit import QueryKit
from support.query.kinds import KindCard, Kinds, Others, documents, plan

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("query")]

K = Kinds.f
DOCUMENTS = list(documents(120))
ODD_IDS = (
    "a/b",
    "a#b",
    "a b",
    "a?b=c",
    "a%2Fb",
    "ä:€",
    "..",
    ".",
    "a,b",
    "*",
    "x+y",
    "'\"\\",
    "_id",
    "a\tb",
)


class Wrong(Document, index="kinds", hash=plan().hash):
    """A model that the documents do not fit."""

    title: int
    code: str


class Elsewhere(Document, index="kinds", hash="00000000"):
    code: str


def test_documents_by_id(kinds: QueryKit) -> None:
    found = kinds.client.get(Kinds, "7")
    assert found is not None
    assert (found.id, found.code) == (7, DOCUMENTS[6]["code"])
    assert kinds.client.get(Kinds, "700") is None
    some = kinds.client.mget(KindCard, ["3", "none", "1"])
    assert [card and card.code for card in some] == [
        DOCUMENTS[2]["code"],
        None,
        DOCUMENTS[0]["code"],
    ]
    assert kinds.client.mget(Kinds, []) == []


@pytest.mark.parametrize("id_", ODD_IDS)
def test_ids_with_any_characters(alone: QueryKit, id_: str) -> None:
    name = alone.create(plan("others"))
    alone.opensearch.bulk(
        index=name.write_alias,
        body=[{"index": {"_id": id_}}, {"id": 5, "code": "odd"}],
        params={"refresh": "true"},
    )
    alone.publish(name)
    found = alone.client.get(Others, id_)
    assert found is not None
    assert found.code == "odd"
    assert alone.client.ids(Search(Others)) == [id_]
    assert [document and document.code for document in alone.client.mget(Others, [id_])] == ["odd"]


def test_several_searches_in_one_request(kinds: QueryKit) -> None:
    one, two = kinds.client.msearch(
        Search(Kinds)
        .filter(K.id.lte(3))
        .sort(K.id.asc())
        .filter_nested(K.parts.matching(K.parts.kind.eq("nut"))),
        Search(Others).size(2),
    )
    assert [document.id for document in one.documents] == [1, 2, 3]
    assert {part.kind for document in one.documents for part in document.parts} <= {"nut"}
    assert (two.total, [document.code[:2] for document in two.documents]) == (5, ["O-", "O-"])
    many = kinds.client.msearch_all([Search(Kinds).filter(K.id.eq(n)) for n in range(1, 20)])
    assert [result.documents[0].id for result in many] == list(range(1, 20))
    assert kinds.client.msearch_all([]) == []


def test_a_search_of_several_that_fails_is_named(kinds: QueryKit) -> None:
    bad = Search(Others).query(raw({"range": {"id": {"gte": "no number"}}}))
    with pytest.raises(MsearchError, match="search 1 of msearch") as caught:
        kinds.client.msearch(Search(Kinds), bad, Search(Kinds))
    assert (caught.value.slot, caught.value.status) == (1, 400)
    assert caught.value.body == bad.body()
    with pytest.raises(MsearchError) as caught:
        kinds.client.msearch(Search(Kinds), Search(Elsewhere))
    assert (caught.value.slot, caught.value.status) == (1, 404)


def test_one_search_over_several_indexes(kinds: QueryKit) -> None:
    search = Search(Kinds, Others).filter(K.id.lte(2)).sort(K.id.asc(unmapped_type="integer"))
    hits = kinds.client.search(search).hits
    assert sorted((type(hit.document).__name__, hit.document.id) for hit in hits) == [
        ("Kinds", 1),
        ("Kinds", 2),
        ("Others", 1),
        ("Others", 2),
    ]
    assert kinds.client.count(search) == 4
    with pytest.raises(TypeError, match="use `search`"):
        kinds.client.ids(search)
    with pytest.raises(TypeError, match="for one type"):
        search.filter_nested(K.parts.matching())
    with pytest.raises(ValueError, match="one type for each index"):
        Search(Kinds, KindCard)
    with pytest.raises(ScopeError, match="fields of kinds, and the search is of others"):
        Search(Others).filter(K.id.lte(2))


def test_a_hit_of_another_index_is_an_error(kinds: QueryKit) -> None:
    class Stranger(Document, index="strangers"):
        code: str

    kinds.opensearch.indices.put_alias(
        index=f"{kinds.prefix}others_*_1", name=f"{kinds.prefix}strangers"
    )
    with pytest.raises(UnexpectedIndexError, match="others_"):
        kinds.client.search(Search(Kinds, Stranger).size(200))


def test_a_model_without_hash_reads_what_is_live(kinds: QueryKit) -> None:
    class Live(Document, index="kinds"):
        code: str

    assert kinds.client.count(Search(Live)) == 120
    assert kinds.client.search(Search(Live).size(1)).documents[0].code


def test_what_opensearch_refuses_has_its_reason_and_the_request(kinds: QueryKit) -> None:
    search = Search(Kinds).query(raw({"no such query": {"secret": 1}}))
    for call in (kinds.client.search, kinds.client.count, kinds.client.ids):
        with pytest.raises(
            RequestError, match=r"OpenSearch answered 400: .*no such query"
        ) as caught:
            call(search)
        assert caught.value.body["query"] == search.body()["query"]
    with pytest.raises(RequestError, match="OpenSearch answered 400"):
        list(kinds.client.iterate(search))


def test_an_index_that_is_not_there_is_named(kinds: QueryKit) -> None:
    for call in (
        lambda: kinds.client.search(Search(Elsewhere)),
        lambda: kinds.client.count(Search(Elsewhere)),
        lambda: kinds.client.get(Elsewhere, "1"),
        lambda: list(kinds.client.iterate(Search(Elsewhere))),
        lambda: kinds.client.wait_for(Elsewhere, 5),
    ):
        with pytest.raises(IndexMissingError, match="kinds_00000000"):
            call()
    with pytest.raises(RequestError, match="kinds_00000000"):
        kinds.client.mget(Elsewhere, ["1"])


def test_a_document_that_does_not_fit_is_named_without_its_values(kinds: QueryKit) -> None:
    with pytest.raises(DecodeError) as caught:
        kinds.client.search(Search(Wrong).filter(K.title.exists()).sort(K.id.asc()))
    text = str(caught.value)
    first = next(d for d in DOCUMENTS if d["title"])
    assert f"document {first['id']} of" in text
    assert "`title`: Input should be a valid integer" in text
    assert first["title"] not in text


def test_shards_that_fail_are_told(alone: QueryKit) -> None:
    """Of two indexes behind one alias, one cannot run the script."""
    alone.seed(plan(), documents(20))
    other = alone.create(plan(), number=2)
    alone.write(other, [{**DOCUMENTS[0], "id": 500, "ratio": 0}])
    alias = f"{alone.prefix}kinds_{plan().hash}"
    alone.opensearch.indices.put_alias(index=other.physical, name=alias)
    alone.opensearch.indices.refresh(index=other.physical)
    failing = "if (doc['id'].size() > 0 && doc['id'].value == 500) { throw new Exception('no'); } return true;"
    search = Search(Kinds).filter(raw({"script": {"script": {"source": failing}}})).size(50)
    result = alone.client.search(search)
    assert (result.is_partial, len(result.hits), result.shards.failed) == (True, 20, 1)
    assert "no" in json.dumps(result.shards.failures)
    for call in (alone.client.ids, alone.client.count):
        with pytest.raises(PartialResultError, match="1 shards failed") as caught:
            call(search)
        assert len(caught.value.failures) == 1
    with pytest.raises(QueryError):
        list(alone.client.iterate(search))


def test_a_server_that_does_not_answer_is_told_without_secrets() -> None:
    opensearch = OpenSearch("http://reader:geheim@127.0.0.1:9", max_retries=0)
    with pytest.raises(ConnectionFailed, match="OpenSearch cannot be reached") as caught:
        Client(opensearch).search(Search(Kinds))
    assert caught.value.body == Search(Kinds).body()
    text = "".join(traceback.format_exception(caught.value))
    assert "geheim" not in text
    assert "reader" not in text


def test_the_asynchronous_client_does_the_same(kinds: QueryKit) -> None:
    async def calls() -> dict[str, Any]:
        async with AsyncOpenSearch(kinds.url) as opensearch:
            client = AsyncClient(opensearch, prefix=kinds.prefix)
            search = Search(Kinds).filter(K.id.lte(30)).sort(K.id.asc())
            one, two = await client.msearch(search.size(1), Search(Others))
            found = await client.get(Kinds, "7")
            with pytest.raises(RequestError, match="400"):
                await client.search(Search(Kinds).query(raw({"x": {}})))
            with pytest.raises(IndexMissingError):
                await client.get(Elsewhere, "1")
            await client.refresh(Kinds)
            return {
                "search": [hit.id for hit in (await client.search(search.size(50))).hits],
                "ids": await client.ids(search.size(50)),
                "count": await client.count(search),
                "get": found and found.id,
                "mget": [card and card.code for card in await client.mget(KindCard, ["1", "x"])],
                "msearch": (one.total, two.total),
                "msearch_all": [result.total for result in await client.msearch_all([search])],
                "iterate": [hit.id async for hit in client.iterate(search, page=7)],
                "buckets": len(
                    [b async for b in client.buckets(search, composite(i=K.id, size=7))]
                ),
            }

    ids = [str(number) for number in range(1, 31)]
    assert asyncio.run(calls()) == {
        "search": ids,
        "ids": ids,
        "count": 30,
        "get": 7,
        "mget": [DOCUMENTS[0]["code"], None],
        "msearch": (30, 5),
        "msearch_all": [30],
        "iterate": ids,
        "buckets": 30,
    }
