"""The yardstick: two threads, each building 1,000 documents by SQL and posting them as one bulk request.

The statement, the parameters and the index body are the product's own.  There is no change log, no
versioning, no snapshot gate, no retry: what is left is the work of Postgres and OpenSearch.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
from psycopg import pq

from flusso_shared.plan import mapping
from flusso_shared.plan.model import IndexPlan
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.postgres.connection import connect
from flusso_shared.schema.compile import compile_index
from flusso_shared.schema.reader import load_schema
from flusso_worker.sql import document as document_sql
from flusso_worker.sql.parameters import array_literal

CHUNK = 1000
THREADS = 2


@dataclass(frozen=True)
class Bare:
    """What one bare run took, in seconds from the first statement."""

    written: float
    """Until the last bulk request was answered."""
    searchable: float
    """Until a refresh after that was answered."""


class BareScript:
    """Fills fresh indexes with the documents of one schema."""

    def __init__(self, database_url: str, opensearch_url: str, schema: Path) -> None:
        self._database_url = database_url
        self._opensearch_url = opensearch_url
        index = schema.name.partition(".")[0]
        self._plan: IndexPlan = compile_index(index, load_schema(schema, index), str(schema))
        with psycopg.connect(database_url) as connection:
            self._sql = document_sql.compose(
                self._plan, read_catalog(connection, self._plan.tables)
            )

    def body(self) -> dict[str, Any]:
        """The index body that the product would make."""
        return mapping.index_body(
            self._plan,
            auto_subfields=True,
            text_analysis="builtin",
            shards=1,
            replicas=0,
            refresh_interval="-1",
        )

    def create(self, index: str) -> None:
        """Create the index."""
        with httpx.Client(base_url=self._opensearch_url, timeout=60) as client:
            client.put(f"/{index}", json=self.body()).raise_for_status()

    @contextmanager
    def writing(self, index: str) -> Iterator[Callable[[list[tuple[str, ...]]], None]]:
        """Gives what builds and posts the documents of keys, in one request."""
        with (
            closing(connect(self._database_url, "flusso-bench")) as connection,
            closing(HTTPConnection(urlsplit(self._opensearch_url).netloc, timeout=60)) as http,
        ):
            yield lambda keys: post(http, index, self._build(connection.pgconn, keys))

    def run(self, index: str, keys: Sequence[str] | None = None) -> Bare:
        """Create `index` and fill it, with the documents of these keys or of all users."""
        self.create(index)
        with httpx.Client(base_url=self._opensearch_url, timeout=60) as client:
            started = time.monotonic()
            chunks = self._chunks(keys)
            with ThreadPoolExecutor(THREADS) as threads:
                running = [threads.submit(self._work, index, chunks) for _ in range(THREADS)]
            for thread in running:
                thread.result()
            written = time.monotonic() - started
            client.post(f"/{index}/_refresh").raise_for_status()
            return Bare(written, time.monotonic() - started)

    def _chunks(self, keys: Sequence[str] | None) -> queue.SimpleQueue[list[tuple[str, ...]]]:
        """The keys in chunks."""
        chunks: queue.SimpleQueue[list[tuple[str, ...]]] = queue.SimpleQueue()
        if keys is None:
            with psycopg.connect(self._database_url) as connection:
                rows = connection.execute("SELECT id::text FROM users ORDER BY id").fetchall()
        else:
            rows = [(key,) for key in keys]
        for start in range(0, len(rows), CHUNK):
            chunks.put(rows[start : start + CHUNK])
        return chunks

    def _work(self, index: str, chunks: queue.SimpleQueue[list[tuple[str, ...]]]) -> None:
        with self.writing(index) as write:
            while True:
                try:
                    keys = chunks.get_nowait()
                except queue.Empty:
                    return
                write(keys)

    def _build(self, pgconn: pq.abc.PGconn, keys: list[tuple[str, ...]]) -> bytes:
        columns = [array_literal(values) for values in zip(*keys, strict=True)]
        result = pgconn.exec_params(self._sql.build, columns)
        assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
        lines: list[bytes] = []
        for row in range(result.ntuples):
            key, document = result.get_value(row, 0), result.get_value(row, 1)
            assert key is not None
            assert document is not None
            lines += (b'{"index":{"_id":"' + key + b'"}}', document)
        result.clear()
        return b"\n".join([*lines, b""])


def post(http: HTTPConnection, index: str, body: bytes) -> None:
    """One bulk request; every document must be taken."""
    http.request("POST", f"/{index}/_bulk", body, {"content-type": "application/x-ndjson"})
    answer = http.getresponse()
    text = answer.read()
    assert answer.status == HTTPStatus.OK, text[:500]
    assert b'"errors":false' in text[:100], text[:500]
