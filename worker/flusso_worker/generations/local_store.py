"""Bookkeeping of a process without an OpenSearch sink."""

from __future__ import annotations

import threading

from flusso_shared.names import GenerationName
from flusso_worker.generations.record import Asked, Generation, Known, Ordered, Stored, by_number
from flusso_worker.generations.schema_order import Carrier, SchemaOrder


class LocalStore:
    """Bookkeeping in the memory of one process, for a configuration without a cluster.  Thread-safe."""

    def __init__(self) -> None:
        self._generations: dict[GenerationName, Stored] = {}
        self._ordered: dict[str, Ordered] = {}
        self._writes = 0
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """Nothing to create."""

    def load(self, index: str) -> list[Stored]:
        with self._lock:
            found = list(self._generations.values())
        return sorted(
            [item for item in found if item.generation.name.index == index], key=by_number
        )

    def read_index(self, index: str) -> Known:
        return Known(self.load(index), ordered=self._ordered.get(index))

    def withdraw(self, asked: Asked) -> bool:
        """There are no requests without a cluster."""
        return True

    def put_order(self, order: SchemaOrder, earlier: Ordered | None) -> bool:
        with self._lock:
            if self._ordered.get(order.index) != earlier:
                return False
            self._ordered[order.index] = Ordered(order, self._next())
            return True

    def forget_worker(self, carrier: Carrier) -> None:
        """There is no other worker."""

    def create(self, generation: Generation) -> bool:
        with self._lock:
            if generation.name in self._generations:
                return False
            self._generations[generation.name] = Stored(generation, self._next())
            return True

    def update(self, stored: Stored, generation: Generation) -> bool:
        with self._lock:
            if self._generations.get(stored.generation.name) != stored:
                return False
            self._generations[generation.name] = Stored(generation, self._next())
            return True

    def delete(self, stored: Stored) -> bool:
        with self._lock:
            if self._generations.get(stored.generation.name) != stored:
                return False
            del self._generations[stored.generation.name]
            return True

    def mirror(self, generation: Generation) -> None:
        """There is no copy to write."""

    def physical(self, index: str) -> list[GenerationName]:
        return [item.generation.name for item in self.load(index)]

    def _next(self) -> int:
        """The place of a write in the order of writes.  Called with the lock."""
        self._writes += 1
        return self._writes
