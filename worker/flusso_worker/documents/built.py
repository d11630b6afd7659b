"""Keys of root rows, chunks of them, and what a build makes of a chunk.  Plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from flusso_shared.seams import Operation

Item = TypeVar("Item")

Key = tuple[str, ...]
"""Values of key or link columns in text form."""

MAX_CHUNK_KEYS = 2500
"""Keys per statement; fewer when documents are large."""
_FIRST_KEYS = 50
"""Keys of the first statement, which tells how large documents are."""
_CHUNK_BYTES = 4 * 1024 * 1024
MAX_CHUNK_BYTES = 2 * _CHUNK_BYTES
"""A statement is cut when the documents that it has given are larger; one document is always read."""


class Failure(NamedTuple):
    """A document that cannot be had: its row spoils the SQL, or a destination refuses it for good."""

    key: Key
    id: str
    version: int
    """Of the snapshot that it was built in."""
    reason: str
    document: bytes | None = None
    """What was refused; None where nothing could be built."""
    sink: str = ""
    """Who refused it; empty when the build failed."""


class Causes(Protocol):
    """Tells what documents were built for."""

    def of(self, keys: Collection[Key]) -> Mapping[Key, Mapping[str, Any] | None]:
        """For each root key the change behind its document, or the batch that it is among; None when unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """The operations of one chunk, in one snapshot."""

    keys: Sequence[Key]
    operations: Sequence[Operation]
    taken_at: float
    """`Clock.monotonic()` of the snapshot."""
    size: int
    """Bytes of the documents."""
    failed: Sequence[Failure] = ()
    """Keys whose row spoils the SQL."""
    ids: Sequence[str] = ()
    """What was built by ids of documents: by these it has to be built again."""
    causes: Causes | None = None
    """Where the chunk comes from, if anybody may want to know."""


class Pending(Generic[Item]):
    """Items that wait to be built; what a statement was cut before comes next."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._again: list[Item] = []

    def take(self, most: int) -> list[Item]:
        """The next items; none at the end."""
        taken, self._again = self._again[:most], self._again[most:]
        taken.extend(islice(self._items, most - len(taken)))
        return taken

    def give_back(self, items: Sequence[Item]) -> None:
        """Items that were taken and not built."""
        self._again[:0] = items


@dataclass(slots=True)
class ChunkSize:
    """How many keys to build at once, so that a chunk stays near a few megabytes."""

    keys: int = _FIRST_KEYS

    def learn(self, keys: int, size: int) -> None:
        """Aim the next chunk by one of `keys` keys whose documents have `size` bytes."""
        average = size / max(1, keys)
        fitting = int(_CHUNK_BYTES / average) if average else MAX_CHUNK_KEYS
        self.keys = max(1, min(MAX_CHUNK_KEYS, fitting, self.keys * 2))

    def cut(self, asked: int, keys: int, size: int) -> None:
        """A statement for `asked` keys was cut after `keys` of them."""
        self.learn(keys, size)
        self.keys = max(1, min(self.keys, asked // 2))
