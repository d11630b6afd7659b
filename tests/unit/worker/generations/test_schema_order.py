"""Which schema leads, and which workers count as living, by the clock of one observer."""

from __future__ import annotations

import pytest

from flusso_worker.generations.schema_order import Carrier, HeartbeatOptions, Liveness, SchemaOrder

HEARTBEAT = HeartbeatOptions(interval=1.0, lease=10.0, grace=3.0)
ORDER = SchemaOrder("users", ("old", "new"))


@pytest.mark.parametrize(
    ("own", "living", "leading"),
    [
        ("old", set[str](), "old"),
        ("old", {"new"}, "new"),
        ("new", {"old"}, "new"),
        ("old", {"unrecorded"}, "old"),
        ("unrecorded", {"new"}, "unrecorded"),
    ],
)
def test_the_newest_schema_of_a_living_worker_leads(
    own: str, living: set[str], leading: str
) -> None:
    assert ORDER.leading(own, living) == leading


@pytest.mark.parametrize(
    ("own", "living", "hashes"),
    [
        ("new", {"old"}, None),
        ("old", {"new"}, None),
        ("old", {"old"}, ("new", "old")),
        ("newest", {"new"}, ("old", "new", "newest")),
    ],
)
def test_a_schema_is_recorded_when_it_is_new_or_takes_over_again(
    own: str, living: set[str], hashes: tuple[str, ...] | None
) -> None:
    changed = ORDER.changed(own, living)
    assert (None if changed is None else changed.hashes) == hashes


def test_only_the_latest_schemas_are_recorded() -> None:
    order = SchemaOrder("users")
    for number in range(30):
        order = order.with_newest(str(number))
    assert order.hashes == tuple(str(number) for number in range(10, 30))


def looked(liveness: Liveness, carrier: Carrier, times: range) -> bool:
    """Observe once a second; return whether the worker counts as living at the end."""
    for now in times:
        liveness.observe(float(now), [carrier])
    return liveness.living == [carrier]


def test_a_worker_is_gone_when_its_heartbeat_does_not_change() -> None:
    liveness = Liveness(HEARTBEAT)
    carrier = Carrier("a", "new", 7)
    assert looked(liveness, carrier, range(10))
    assert not looked(liveness, carrier, range(10, 11))
    assert liveness.gone == [carrier]
    assert looked(liveness, Carrier("a", "new", 8), range(11, 12))


def test_a_worker_that_recorded_its_end_is_gone_sooner() -> None:
    liveness = Liveness(HEARTBEAT)
    carrier = Carrier("a", "new", 7, ended=True)
    assert looked(liveness, carrier, range(3))
    assert not looked(liveness, carrier, range(3, 4))


def test_time_without_observations_does_not_count() -> None:
    """OpenSearch was down, or this process was suspended: the others could not be observed."""
    liveness = Liveness(HEARTBEAT)
    carrier = Carrier("a", "new", 7)
    assert looked(liveness, carrier, range(0, 1000, 999))


def test_an_entry_that_is_removed_is_forgotten() -> None:
    liveness = Liveness(HEARTBEAT)
    assert looked(liveness, Carrier("a", "new", 7), range(2))
    liveness.observe(3.0, [])
    assert liveness.living == liveness.gone == []
