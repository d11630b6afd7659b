"""Keys of root rows, chunks of them, and what a build makes of a chunk.  Plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flusso_shared.seams import Operation

Key = tuple[str, ...]
"""Values of key or link columns in text form."""

MAX_CHUNK_KEYS = 1000
"""Keys per statement; fewer when documents are large."""
_CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Built:
    """The operations of one chunk, in one snapshot."""

    keys: Sequence[Key]
    operations: Sequence[Operation]
    taken_at: float
    """`Clock.monotonic()` of the snapshot."""
    size: int
    """Bytes of the documents."""


@dataclass(slots=True)
class ChunkSize:
    """How many keys to build at once, so that a chunk stays near a few megabytes."""

    keys: int = MAX_CHUNK_KEYS

    def learn(self, built: Built) -> None:
        """Aim the next chunk by the size of this one."""
        average = built.size / max(1, len(built.keys))
        fitting = int(_CHUNK_BYTES / average) if average else MAX_CHUNK_KEYS
        self.keys = max(1, min(MAX_CHUNK_KEYS, fitting, self.keys * 2))
