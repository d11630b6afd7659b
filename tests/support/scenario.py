"""One pipeline over one store, as the end-to-end tests drive it: seed, edit, wait, compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from support import processes, web
from support.expected import compare, oracle
from support.generation_records import recorded
from support.idle import Progress
from support.processes import Daemon, Pipeline, Site, cleaned_up
from support.waiting import until_none

QUEUES = ("kafka, 1 worker", "kafka, 3 workers", "flusso run")


class Scenario:
    """The processes of `pipeline`, and the questions that tests ask about what they made."""

    def __init__(self, site: Site, pipeline: Pipeline, embedded: bool) -> None:
        self.site = site
        self.pipeline = pipeline
        self._progress = Progress(
            site.database_url, site.slot, site.kafka, None if embedded else site.topic_prefix
        )

    @classmethod
    def over(cls, queue: str, site: Site, folder: Path) -> Scenario:
        """A scenario over one of `QUEUES`; nothing runs yet."""
        if queue == "flusso run":
            return cls(site, processes.embedded_pipeline(site, folder), embedded=True)
        workers = int(queue.split()[1])
        return cls(site, processes.kafka_pipeline(site, folder, workers), embedded=False)

    @contextmanager
    def running(self) -> Iterator[Pipeline]:
        """Its processes: started, and at the end of the block stopped, each cleanly."""
        with cleaned_up(self.pipeline) as pipeline:
            pipeline.start()
            yield pipeline
            pipeline.stop()

    def watch(self, database_url: str, opensearch_url: str | None = None) -> None:
        """Look at the servers by another way than the processes do: these may be cut off."""
        self.site = replace(
            self.site,
            database_url=database_url,
            opensearch_url=opensearch_url or self.site.opensearch_url,
        )
        self._progress = replace(self._progress, database_url=database_url)

    def generations(self) -> dict[str, str] | None:
        """The physical index behind each alias; None while one of them is not live."""
        with web.client(self.site.opensearch_url) as client:
            return compare.generations(client, [self._alias(name) for name in self.site.indexes])

    def wait_until_live(
        self, deadline: float, only: Sequence[Daemon] | None = None
    ) -> dict[str, str]:
        """Wait until every index is seeded and has its alias; gives the physical indexes.

        All processes have to run, or `only` these.
        """
        found: dict[str, str] = {}

        def missing() -> str | None:
            self._check(only)
            found.update(self.generations() or {})
            if not found:
                return "an alias is missing"
            # It is set before the record of its generation, which commands look at.
            records = recorded(self.site.opensearch_url, self.site.index_prefix)
            unrecorded = [
                name
                for name in self.site.indexes
                if (found[self._alias(name)], "live") not in records.get(name, [])
            ]
            return f"not live: {unrecorded}" if unrecorded else None

        until_none("live", missing, deadline)
        return found

    def _check(self, only: Sequence[Daemon] | None) -> None:
        for daemon in self.pipeline.daemons if only is None else only:
            daemon.check()

    def await_renewed(self, before: Mapping[str, str], deadline: float) -> None:
        """Wait until new generations have replaced all of `before`; queries are answered all the time."""

        def missing() -> str | None:
            self.pipeline.check()
            now = self.generations()
            assert now is not None, "an alias was gone for a while"
            renewed = all(now[name] != before[name] for name in before)
            return None if renewed else f"{now}"

        until_none("new generations", missing, deadline)

    def assert_equal(self, deadline: float, only: Sequence[Daemon] | None = None) -> None:
        """Wait until nothing is left to do, then compare every document, once.

        Once is on purpose: when a change is reported as applied, its documents must have been written.
        """
        self.wait_until_idle(deadline)
        self._check(only)
        found = self._differences()
        assert not found, compare.report(found)

    def wait_until_idle(self, deadline: float) -> None:
        """Wait until nothing is left to do, whatever the documents are."""
        self._progress.wait_until_idle(deadline)

    def _differences(self) -> list[str]:
        with web.client(self.site.opensearch_url) as client:
            actual = {
                name: compare.read_index(client, self._alias(name)) for name in self.site.indexes
            }
        return compare.differences(self._expected(), actual)

    def await_equal(self, deadline: float) -> None:
        """Wait until every document is right: for what is noticed some time after it was done."""

        def missing() -> str | None:
            self.pipeline.check()
            found = self._differences()
            return compare.report(found) if found else None

        until_none("equal", missing, deadline)

    def assert_follows(self, steps: Mapping[str, Sequence[str]], deadline: float) -> None:
        """Run the statements of each step in a transaction, and compare every document after it."""
        with psycopg.connect(self.site.database_url, autocommit=True) as connection:
            for step, statements in steps.items():
                with connection.transaction():
                    for statement in statements:
                        connection.execute(statement.encode())
                try:
                    self.assert_equal(deadline)
                except AssertionError as error:
                    raise AssertionError(f"{step}: {error}") from error

    def read(self, index: str) -> oracle.Documents:
        """The documents of an index now."""
        with web.client(self.site.opensearch_url) as client:
            return compare.read_index(client, self._alias(index)) or {}

    def _expected(self) -> dict[str, oracle.Documents]:
        wanted = oracle.expected(self.site.database_url)
        return {name: wanted[name] for name in self.site.indexes}

    def _alias(self, index: str) -> str:
        return f"{self.site.index_prefix}{index}"
