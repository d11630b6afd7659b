"""Keys of root rows, chunks of them, and what a build makes of a chunk.  Plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from flusso_shared.seams import Operation

if TYPE_CHECKING:
    from flusso_worker.causes import Causes

Key = tuple[str, ...]
"""Values of key or link columns in text form."""

MAX_CHUNK_KEYS = 2500
"""Keys per statement; fewer when documents are large."""
_CHUNK_BYTES = 4 * 1024 * 1024


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


@dataclass(slots=True)
class ChunkSize:
    """How many keys to build at once, so that a chunk stays near a few megabytes."""

    keys: int = MAX_CHUNK_KEYS

    def learn(self, built: Built) -> None:
        """Aim the next chunk by the size of this one."""
        average = built.size / max(1, len(built.keys))
        fitting = int(_CHUNK_BYTES / average) if average else MAX_CHUNK_KEYS
        self.keys = max(1, min(MAX_CHUNK_KEYS, fitting, self.keys * 2))
