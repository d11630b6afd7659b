"""Keepers of the small store's index over real servers; their processes can die after any request."""

from __future__ import annotations

import threading

from fakes.mortal_cluster import DeathError, MortalCluster
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.clock import SystemClock
from flusso_shared.errors import RetryableError
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_worker.generations import pause
from flusso_worker.generations.keeper import GenerationKeeper, Names, Telemetry
from flusso_worker.generations.record import Generation
from flusso_worker.generations.registration import Registration
from flusso_worker.generations.schema_order import HeartbeatOptions, SchemaOrder
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster, path
from services import Services
from support.kits import change_logs
from support.kits.index_kit import connection
from support.kits.worker_kit import Publisher
from support.stores.small import PLAN
from support.waiting import until

HEARTBEAT = HeartbeatOptions(interval=0.1, lease=60.0, grace=0.5)


class Process:
    """One worker's keeper, with a connection of its own."""

    def __init__(self, scene: Scene, plan: IndexPlan, dies_after: int | None = None) -> None:
        self.cluster = MortalCluster(connection(scene.url), dies_after)
        self.store = GenerationStore(self.cluster, scene.index_prefix)
        self._log = scene.log
        self._positions = pause.Positions(lambda: scene.log.groups, scene.topic_prefix)
        telemetry = Telemetry(Metrics(), Status(), SystemClock(threading.Event()))
        names = Names(scene.topic_prefix, scene.index_prefix)
        self._keeper = GenerationKeeper(
            plan, [self.cluster], scene.log, names, telemetry, HEARTBEAT
        )
        self._registration = Registration(self.store, {plan.name: plan.hash}, {})

    @property
    def standby(self) -> bool:
        return self._keeper.standby

    def pause(self, index: str = PLAN.name) -> str:
        return pause.pause(self.store, index, self._positions, 0.0)

    def resume(self, index: str = PLAN.name) -> str:
        return pause.resume(self.store, index, self._positions, 0.0)

    def beat(self) -> None:
        """Show others that it lives."""
        self._registration.beat()

    def end(self) -> None:
        """Tell others that it ends."""
        self._registration.end()

    def step(self) -> list[tuple[GenerationName, str]]:
        """One round, and the work of the pipelines that it asks for."""
        try:
            active = self._keeper.step()
        except RetryableError:
            return []  # another worker was faster
        for item in active:
            ends = self._log.groups.ends(item.plan.tables)
            if self._log.groups.committed(item.group, item.plan.tables) != ends:
                self._log.groups.reset(item.group, ends)
        return [(item.name, item.state) for item in active]

    def idle_step(self) -> list[tuple[GenerationName, str]]:
        """One round without that work: nothing is seeded."""
        return [(item.name, item.state) for item in self._keeper.step()]

    def live(self, plan: IndexPlan) -> bool:
        """Step; whether nothing but one live generation of `plan` is left."""
        active = self.step()
        return [(name.hash, state) for name, state in active] == [(plan.hash, "live")]


class Scene:
    """Prefixes of its own in Kafka and OpenSearch, with a complete snapshot of an empty table."""

    def __init__(self, services: Services, index_prefix: str, topic_prefix: str) -> None:
        self.url = services.opensearch_url
        self.index_prefix, self.topic_prefix = index_prefix, topic_prefix
        self.log: ChangeLog = KafkaLog(change_logs.connection(services.kafka, topic_prefix))
        self.capture = Publisher(self.log)
        self.capture.begin()
        self.capture.snapshot([1, 2, 3])
        self._cluster = Cluster(connection(self.url))
        self._processes: list[Process] = []

    def process(self, plan: IndexPlan, dies_after: int | None = None) -> Process:
        self._processes.append(Process(self, plan, dies_after))
        return self._processes[-1]

    def worker(self, plan: IndexPlan) -> Process:
        """A process that others see."""
        process = self.process(plan)
        process.beat()
        return process

    def order(self, *hashes: str) -> None:
        """Record the order of the schemas."""
        store = GenerationStore(self._cluster, self.index_prefix)
        assert store.put_order(SchemaOrder(PLAN.name, hashes), store.read_index(PLAN.name).ordered)

    def settle(self, plan: IndexPlan) -> None:
        """What a worker that starts now makes of it, in the end."""
        process = self.process(plan)
        until("one generation", lambda: process.live(plan) and len(self.known()) == 1)

    def apply_all(self, generation: Generation) -> None:
        """Let the group of a generation apply everything."""
        tables = generation.plan.tables
        group = generation.name.group(self.topic_prefix)
        self.log.groups.reset(group, self.log.groups.ends(tables))

    def known(self) -> list[tuple[str, str]]:
        """Generations in the bookkeeping, with their states."""
        store = GenerationStore(self._cluster, self.index_prefix)
        store.ensure()
        return [
            (item.generation.name.physical, item.generation.state) for item in store.load(PLAN.name)
        ]

    def indexes(self) -> set[str]:
        """All concrete indexes but for the bookkeeping."""
        where = path("_cat", "indices", f"{self.index_prefix}*")
        rows = self._cluster.request("GET", where, params={"h": "index", "format": "json"}).json()
        return {row["index"] for row in rows} - {f"{self.index_prefix}flusso_meta"}

    def aliases(self, physical: str) -> set[str]:
        reply = self._cluster.request("GET", path(physical, "_alias")).json()
        return set(reply[physical]["aliases"])

    def assert_one(self, plan: IndexPlan) -> GenerationName:
        """Exactly one generation, live, with all of its aliases, and nothing else; its name."""
        ((physical, state),) = self.known()
        hash_alias = f"{self.index_prefix}{PLAN.name}_{plan.hash}"
        assert physical.startswith(f"{hash_alias}_")
        name = GenerationName(
            PLAN.name, plan.hash, int(physical.rpartition("_")[2]), self.index_prefix
        )
        assert state == "live"
        assert self.indexes() == {physical}
        assert self.aliases(physical) == {name.write_alias, name.hash_alias, name.plain_alias}
        return name

    def wipe(self) -> None:
        """Remove every index, the bookkeeping too."""
        for index in (*self.indexes(), f"{self.index_prefix}flusso_meta"):
            self._cluster.request("DELETE", path(index), allow=(404,))

    def close(self) -> None:
        self.capture.close()
        for process in self._processes:
            process.cluster.close()
        self._cluster.close()
        if isinstance(self.log, KafkaLog):
            self.log.close()


def run_until_death(process: Process, plan: IndexPlan) -> bool:
    """Whether the process died before it had nothing left to do."""
    try:
        until("one generation", lambda: process.live(plan))
    except DeathError:
        return True
    return False
