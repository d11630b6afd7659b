"""Document ids -> the root keys that may belong to them, where no record names the rows.

After TRUNCATE of a root table every document that the index contains is built again; those without a row become
deletes, with a version like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise

from flusso_worker.documents.built import Key


def candidate_keys(ids: Iterable[str], columns: Sequence[Callable[[str], object]]) -> list[Key]:
    """The root keys that may belong to these document ids.  `columns` has a function per key column: whether the
    column's type can be printed as a text.

    An id is the key's values joined with `:`.  A value of a composite key may contain a colon itself: then every
    way to split the id is a candidate, and all of them stand for the same document.  An id that was made under another
    type of key may have no candidate: no row has it.
    """
    return [key for document_id in ids for key in _splits(document_id, columns)]


def _splits(document_id: str, columns: Sequence[Callable[[str], object]]) -> Iterable[Key]:
    parts = document_id.split(":")
    for cuts in combinations(range(1, len(parts)), len(columns) - 1):
        edges = (0, *cuts, len(parts))
        key = tuple([":".join(parts[start:end]) for start, end in pairwise(edges)])
        if all(possible(value) for possible, value in zip(columns, key, strict=True)):
            yield key
