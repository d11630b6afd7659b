"""What is stored of a document in quarantine.  Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flusso_shared.names import GenerationName
from flusso_worker.documents.built import Failure, Key

MAX_DOCUMENT_CHARACTERS = 1024 * 1024
"""Characters of a document that are stored: the rest is cut off, so that OpenSearch always accepts the entry."""
_MAX_REASON_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One document that could not be built or written."""

    generation: GenerationName
    id: str
    key: Key
    """Of the root row."""
    version: int
    """Of the build that failed; a build at this version or a later one clears the entry."""
    sink: str
    """The sink that refused it; empty where the SQL of the build failed."""
    reason: str
    document: str | None
    """JSON text, as it was refused; None where it could not be built."""
    document_bytes: int
    change: Mapping[str, Any] | None
    """The change that caused it to be built."""
    at: str
    """When, ISO 8601."""

    @classmethod
    def of(
        cls,
        generation: GenerationName,
        failure: Failure,
        change: Mapping[str, Any] | None,
        now: float,
    ) -> Entry:
        """The entry of a failure at `now`, seconds since the epoch."""
        document = failure.document
        return cls(
            generation=generation,
            id=failure.id,
            key=failure.key,
            version=failure.version,
            sink=failure.sink,
            reason=failure.reason[:_MAX_REASON_CHARACTERS],
            document=None
            if document is None
            else document.decode(errors="replace")[:MAX_DOCUMENT_CHARACTERS],
            document_bytes=0 if document is None else len(document),
            change=change,
            at=datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        )

    @property
    def truncated(self) -> bool:
        """Whether a part of the document was cut off."""
        return self.document is not None and len(self.document.encode()) < self.document_bytes

    def to_json(self) -> dict[str, Any]:
        name = self.generation
        return {
            "kind": "document",
            "index": name.index,
            "generation": name.physical,
            "hash": name.hash,
            "number": name.number,
            "prefix": name.prefix,
            "id": self.id,
            "key": list(self.key),
            "version": self.version,
            "sink": self.sink,
            "reason": self.reason,
            "document": self.document,
            "document_bytes": self.document_bytes,
            "change": None if self.change is None else dict(self.change),
            "at": self.at,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        return cls(
            generation=GenerationName(
                value["index"], value["hash"], value["number"], value["prefix"]
            ),
            id=value["id"],
            key=tuple(value["key"]),
            version=value["version"],
            sink=value["sink"],
            reason=value["reason"],
            document=value.get("document"),
            document_bytes=value["document_bytes"],
            change=value["change"],
            at=value["at"],
        )


def entry_id(generation: str, document: str) -> str:
    """The id of the entry: one per document of a generation, of 40 characters however long the id of the document is."""
    return hashlib.sha256(f"{generation}\0{document}".encode()).hexdigest()[:40]
