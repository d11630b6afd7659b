"""Prints operations, one JSON object each."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

from flusso_shared import release
from flusso_shared.config.model import StdoutSinkConfig
from flusso_shared.seams import Batch, Operation, Written


class StdoutSink:
    """A `Sink` on a stream, which refuses no operation.  Thread-safe."""

    def __init__(self, config: StdoutSinkConfig, out: TextIO | None = None) -> None:
        self._config = config
        self._out = out or sys.stdout
        self._lock = threading.Lock()
        self._sequence = 0
        self._version = release.version()

    @property
    def name(self) -> str:
        return self._config.name

    def write(self, batch: Batch) -> Written:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._lock:
            texts = [self._text(batch.generation.index, item, now) for item in batch.operations]
            self._out.write("".join(texts))
            self._out.flush()
        return Written()

    def close(self) -> None:
        """Nothing to close: the stream belongs to the process."""

    def _text(self, index: str, operation: Operation, now: str) -> str:
        self._sequence += 1
        envelope: dict[str, Any] = {
            "id": operation.id,
            "index": index,
            "op": "delete" if operation.document is None else "upsert",
            "seq": self._sequence,
            "sink": "stdout",
            "ts": now,
            "version": self._version,
        }
        if operation.document is not None:
            document = json.loads(operation.document)
            size = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
            fields = len(document) if isinstance(document, dict) else None
            envelope |= {"document": document, "meta": {"bytes": size, "fields": fields}}
        if self._config.pretty:
            return json.dumps(envelope, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        compact = json.dumps(envelope, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        return compact + "\n"
