"""One of several workers verifies an index, however their clocks differ."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import pytest

from flusso_worker.generations.store import GenerationStore
from flusso_worker.maintenance.verification_lease import VerificationLease
from flusso_worker.sinks.cluster import Cluster, path
from services import Services
from support.kits.index_kit import connection

pytestmark = pytest.mark.services


@dataclass
class Hands:
    """A clock that the test sets."""

    now: float

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_a_lease_passes_on_when_its_holder_is_silent(services: Services, index_prefix: str) -> None:
    mine, other = Hands(5.0), Hands(9_000_000.0)
    with closing(Cluster(connection(services.opensearch_url))) as cluster:
        first, second = (
            VerificationLease(cluster, index_prefix, "things", 60.0, clock)
            for clock in (mine, other)
        )
        assert not first.acquire_or_renew()  # nothing is created before the bookkeeping is there
        GenerationStore(cluster, index_prefix).ensure()
        assert first.acquire_or_renew()
        for _ in range(3):
            assert not second.acquire_or_renew()
            other.wait(59)
            assert first.acquire_or_renew()
        assert not second.acquire_or_renew()
        other.wait(60)
        assert second.acquire_or_renew()
        assert not first.acquire_or_renew()
        mine.wait(59)
        assert second.acquire_or_renew()
        assert not first.acquire_or_renew()
        first.release()
        assert not first.acquire_or_renew()
        second.release()
        assert first.acquire_or_renew()
        cluster.request("DELETE", path(f"{index_prefix}flusso_meta"))
