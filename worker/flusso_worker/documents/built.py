"""Keys of root rows, chunks of keys, and the result of building a chunk.  Plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from flusso_shared.seams import Operation

Item = TypeVar("Item")

Key = tuple[str, ...]
"""Values of key or link columns in text form."""

MAX_CHUNK_KEYS = 2500
"""Keys per statement; fewer when documents are large."""
_FIRST_KEYS = 50
"""Keys of the first statement, which shows how large documents are."""
_CHUNK_BYTES = 4 * 1024 * 1024
_CHUNK_SECONDS = 2.0
"""A chunk is to be written while its snapshot is recent (`sinks.opensearch.MAX_BATCH_AGE_SECONDS`)."""
MAX_CHUNK_BYTES = 2 * _CHUNK_BYTES
"""A statement is cut when its documents so far are larger together; one document is always read."""


Cause = Literal["snapshot", "change", "rebuild"]
"""Why documents are built: rows that a snapshot of the root table read; live changes; or to repeat an earlier build, after a
resync or a write that came too late."""


class Failure(NamedTuple):
    """A document that cannot be built, because its row makes the SQL fail, or that a sink rejects permanently."""

    key: Key
    id: str
    version: int
    """Of the snapshot that it was built in."""
    reason: str
    document: bytes | None = None
    """What was rejected; None where nothing could be built."""
    sink: str = ""
    """The sink that rejected it; empty when the build failed."""


class Causes(Protocol):
    """The changes that documents were built for."""

    def of(self, keys: Collection[Key]) -> Mapping[Key, Mapping[str, Any] | None]:
        """For each root key the change behind its document, or the batch that contains it; None when unknown."""
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
    """Keys whose row makes the SQL fail."""
    ids: Sequence[str] = ()
    """Ids, where the chunk was built by document ids: a rebuild goes by them too."""
    cause: Cause = "change"
    causes: Causes | None = None
    """The changes behind the chunk, where documents may be quarantined."""


class BuildQueue(Generic[Item]):
    """Keys or ids that are still to be built; those that a cut statement left come first."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._left: list[Item] = []

    def next_chunk(self, most: int) -> list[Item]:
        """The next items, at most `most`; empty at the end."""
        taken, self._left = self._left[:most], self._left[most:]
        taken.extend(islice(self._items, most - len(taken)))
        return taken

    def put_back(self, items: Sequence[Item]) -> None:
        """Return items of the last chunk that were not built."""
        self._left[:0] = items


@dataclass(slots=True)
class ChunkSize:
    """How many keys to build per statement, so that a chunk stays near `_CHUNK_BYTES` and `seconds`."""

    keys: int = _FIRST_KEYS
    seconds: float = _CHUNK_SECONDS

    def learn(self, keys: int, size: int, seconds: float) -> None:
        """Adapt to a chunk of `keys` keys whose documents have `size` bytes together and took `seconds` to build."""
        share = max(size / _CHUNK_BYTES, seconds / self.seconds)
        fitting = int(keys / share) if share else MAX_CHUNK_KEYS
        self.keys = max(1, min(MAX_CHUNK_KEYS, fitting, self.keys * 2))

    def cut(self, asked: int, keys: int, size: int, seconds: float) -> None:
        """Adapt to a statement for `asked` keys that was cut after `keys` of them, with `size` bytes."""
        self.learn(keys, size, seconds)
        self.keys = max(1, min(self.keys, asked // 2))
