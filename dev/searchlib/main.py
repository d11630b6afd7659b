"""`python -m searchlib.main`: serves the search page.

OPENSEARCH_URL is where the documents are, INDEX_PREFIX what their indexes begin with, and BIND where to listen.
"""

from __future__ import annotations

import os

import uvicorn
from opensearchpy import OpenSearch

from flusso_query import Client, ExactSerializer
from searchlib.app import application
from searchlib.catalog import Catalog


def main() -> None:
    """Serve until the process is told to end."""
    opensearch = OpenSearch(
        os.environ.get("OPENSEARCH_URL", "http://127.0.0.1:9200"), serializer=ExactSerializer()
    )
    client = Client(opensearch, prefix=os.environ.get("INDEX_PREFIX", ""))
    host, _, port = os.environ.get("BIND", "127.0.0.1:8080").rpartition(":")
    uvicorn.run(application(Catalog(client)), host=host, port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
