"""After TRUNCATE of a root table: which documents the index holds, since no record names the lost rows.

Every document in the index is built again; those whose row is gone become deletes, with a version like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, pairwise

from flusso_worker.chunks import Key


def candidate_keys(ids: Iterable[str], columns: int) -> list[Key]:
    """The root keys that could have given these document ids.

    An id is the key's values joined with `:`.  A value of a composite key may hold a colon itself: then every
    way to split the id is a candidate, and all of them stand for the same document.
    """
    return [key for document_id in ids for key in _splits(document_id, columns)]


def _splits(document_id: str, columns: int) -> Iterable[Key]:
    parts = document_id.split(":")
    for cuts in combinations(range(1, len(parts)), columns - 1):
        edges = (0, *cuts, len(parts))
        yield tuple(":".join(parts[start:end]) for start, end in pairwise(edges))
