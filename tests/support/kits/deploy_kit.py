"""Workers of one index in threads, over a real OpenSearch: each with a clock of its own, each can die anywhere."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, cast

from fakes.mortal_cluster import DeathError, MortalCluster
from flusso_shared import failpoints
from flusso_shared.clock import SystemClock
from flusso_shared.errors import RetryableError
from flusso_shared.failpoints import Place
from flusso_shared.metrics import Metrics
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_worker.generations.keeper import Active, GenerationKeeper, Names, Telemetry
from flusso_worker.generations.registration import Heartbeat, Registration
from flusso_worker.generations.schema_order import HeartbeatOptions
from flusso_worker.generations.shared_readings import LogView, SharedStore
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import path
from support.kits.deploy_log import DeployLog
from support.kits.index_kit import connection
from support.stores.small import PLAN

PLACES: list[Place] = [place for place in failpoints.PLACES if place.startswith("generation_")]
"""Where a keeper can be made to die or to stand still."""
HEARTBEAT = HeartbeatOptions(interval=0.2, lease=6.0, grace=2.5)
_ROUND = 0.03
_SKEW = 3600.0
_here = threading.local()


@dataclass
class Fate:
    """Where a worker dies or stands still."""

    place: Place | None = None
    """A failpoint."""
    stall: float | None = None
    """Seconds that it stands still there; None: it dies."""
    dies_after: int | None = None
    """It dies after so many requests that change something."""


def hit(place: Place) -> None:
    """Takes the place of `failpoints.hit`: what the worker of this thread is fated to."""
    worker: SimulatedWorker | None = getattr(_here, "worker", None)
    if worker is not None:
        worker.at(place)


class SkewedClock(SystemClock):
    """A machine's clock that is wrong."""

    def __init__(self, stop: threading.Event, random: Random) -> None:
        super().__init__(stop)
        self._wrong = random.uniform(-_SKEW, _SKEW)
        self._booted = random.uniform(0, 1e6)

    def monotonic(self) -> float:
        return super().monotonic() + self._booted

    def time(self) -> float:
        return super().time() + self._wrong


@dataclass
class SimulatedWorker:
    """One worker: its keeper, its heartbeat, and for each generation what a pipeline does."""

    url: str
    prefix: str
    log: DeployLog
    hash: str
    random: Random
    fate: Fate = field(default_factory=Fate)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self.cluster = MortalCluster(connection(self.url), self.fate.dies_after)
        self._store = GenerationStore(self.cluster, self.prefix)
        self._registration = Registration(self._store, {PLAN.name: self.hash}, {})
        plan, log = plan_of(self.hash), cast(ChangeLog, self.log)
        telemetry = Telemetry(Metrics(), Status(), SkewedClock(self._stop, self.random))
        # As one of several indexes, a keeper reads what was read for another of them a moment ago.
        moment = self.random.choice((0.0, 0.5))
        self._keeper = GenerationKeeper(
            plan,
            [self.cluster],
            log,
            Names("", self.prefix),
            telemetry,
            HEARTBEAT,
            SharedStore(self.cluster, self.prefix, [PLAN.name, "other"], telemetry.clock, moment),
            LogView(log, plan.tables, telemetry.clock, moment),
        )
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"worker {id(self)}")
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def name(self) -> str:
        return self._thread.name

    def at(self, place: Place) -> None:
        """Its keeper came to a failpoint."""
        if place != self.fate.place:
            return
        if self.fate.stall is None:
            self.cluster.dead.set()
            raise DeathError
        self.fate.place = None
        self._stop.wait(self.fate.stall)

    def _run(self) -> None:
        _here.worker = self
        heartbeat = Heartbeat(self._registration, HEARTBEAT.interval)
        begun = False
        try:
            while not begun and not self._stop.is_set():
                try:
                    self._registration.beat()
                    heartbeat.start()
                    begun = True
                except RetryableError:
                    self._stop.wait(_ROUND)
            while not self._stop.wait(_ROUND):
                self._step()
        except DeathError:
            self.cluster.dead.set()
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.failure = error
        finally:
            self.log.join(self.name, ())
            if begun:
                heartbeat.finish()
            self.cluster.close()

    def _step(self) -> None:
        try:
            active = self._keeper.step()
            self.log.join(self.name, [item.group for item in active])
            for item in active:
                self._apply(item)
        except RetryableError:
            return  # another worker was at it

    def _apply(self, item: Active) -> None:
        read = self.log.read(item.group)
        if read is None:
            return
        end, rows = read
        target = item.name.write_alias
        lines: list[str] = []
        for key, value in rows.items():
            action = {"_id": key, "version": value + 1, "version_type": "external_gte"}
            lines += [json.dumps({"index": action}), json.dumps(document(item.name.hash, value))]
        reply = self.cluster.request(
            "POST",
            path(target, "_bulk"),
            ("\n".join(lines) + "\n").encode(),
            params={"require_alias": "true"},
            allow=(404,),
        )
        if reply.status == 404:
            return
        statuses = {each["index"]["status"] for each in reply.json()["items"]}
        if statuses <= {200, 201, 409}:
            self.log.commit(self.name, item.group, end)

    def kill(self) -> None:
        """End without a word."""
        self.cluster.dead.set()
        self._stop.set()
        self._thread.join()

    def end(self) -> None:
        """End as on SIGTERM."""
        self._stop.set()
        self._thread.join()


def plan_of(hash: str) -> IndexPlan:
    """A schema of the index."""
    return replace(PLAN, hash=hash)


def document(hash: str, value: int) -> dict[str, Any]:
    """What a schema makes of a row."""
    return {"name": f"{hash} {value}"}


class Writer:
    """Changes rows all the time, until it is stopped.  A context manager."""

    def __init__(self, log: DeployLog, random: Random) -> None:
        self._log = log
        self._random = random
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer")

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Change nothing any more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._random.uniform(0.01, 0.1)):
            self._log.change(self._random.choice(list(self._log.rows)))


def pause(seconds: float) -> None:
    """Let the workers run: part of a schedule, nothing is waited for."""
    threading.Event().wait(seconds)
