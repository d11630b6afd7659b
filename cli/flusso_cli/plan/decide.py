"""What a deployment of the files leads to: facts -> announcement.  Pure.

Whether an index is built again is decided by the function that the workers decide by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from flusso_cli.plan.announcement import (
    Announcement,
    Change,
    Duration,
    IndexAnnouncement,
    Reading,
    Rows,
)
from flusso_cli.plan.differences import differences
from flusso_cli.plan.facts import Facts, Recorded, Wanted
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_worker.generations import decide as generations
from flusso_worker.generations.applied_options import AppliedOptions
from flusso_worker.generations.record import Generation, Known

_OTHER_LINEAGE = Lineage("", "", "")
_LEFT = "its index, its alias and its topics stay; delete them by hand, or leave them"
_SEEDING = "an index is built from it"
_UNKNOWN = Recorded(Known())


def announce(facts: Facts) -> Announcement:
    """What happens to every index, at the database and at the brokers."""
    wanted = {item.plan.name for item in facts.wanted}
    gone = sorted(facts.recorded.keys() - wanted)
    kept = [_of_index(item, facts) for item in facts.wanted]
    source = facts.source
    readings = [replace(item, rows=_rows_of(item.table, facts)) for item in source.readings]
    if not facts.durable:
        made = {item.table for item in kept if item.action in ("create", "rebuild")}
        readings += [Reading(table, _SEEDING, _rows_of(table, facts)) for table in sorted(made)]
    return Announcement(
        indexes=(*kept, *[_no_longer(name, facts) for name in gone]),
        statements=tuple(source.statements),
        topics=tuple(facts.topics),
        readings=tuple(readings),
        problems=tuple(source.problems),
    )


def _rows_of(table: str, facts: Facts) -> Rows | None:
    return {str(name): rows for name, rows in facts.rows.items()}.get(table)


def _of_index(wanted: Wanted, facts: Facts) -> IndexAnnouncement:
    plan = wanted.plan
    recorded = facts.recorded.get(plan.name, _UNKNOWN)
    known = recorded.known
    view = _view(plan, recorded, facts)
    action = generations.decide(view)
    current = _current(known)
    notes = tuple(_notes(known, action, current, facts))
    options = tuple(_options(wanted, known, current))
    if isinstance(action, generations.Create):
        changes = () if current is None else _reasons(current, plan)
        number = max([known.superseded, recorded.highest, *_numbers(known)]) + 1
        return IndexAnnouncement(
            plan.name,
            "create" if current is None else "rebuild",
            "it is new" if current is None else _reason(current, view, facts),
            None if current is None else current.name.physical,
            GenerationName(plan.name, plan.hash, number, facts.prefix).physical,
            str(plan.root),
            facts.rows.get(plan.root),
            _duration(plan, facts),
            (*changes, *options),
            notes,
        )
    assert current is not None, "without a generation one is created"
    physical = _serving(known, view, current).name.physical
    if options:
        reason = "applied at the restart, without building it again"
        return IndexAnnouncement(
            plan.name,
            "update",
            reason,
            physical,
            table=str(plan.root),
            changes=options,
            notes=notes,
        )
    return IndexAnnouncement(plan.name, "keep", "", physical, table=str(plan.root), notes=notes)


def _view(plan: IndexPlan, recorded: Recorded, facts: Facts) -> generations.Facts:
    """What a worker with the files sees of the index at its start."""
    known, source = recorded.known, facts.source
    lineage = _OTHER_LINEAGE if source.lineage is None or source.new_history else source.lineage
    return generations.Facts(
        hash=plan.hash,
        leading=plan.hash,
        lineage=lineage,
        stored=known.stored,
        damaged=recorded.damaged,
        complete=frozenset(),
        reached=frozenset(),
        superseded=known.superseded,
    )


def _current(known: Known) -> Generation | None:
    """The generation that queries see, else the newest one."""
    found = known.live or (known.stored[-1] if known.stored else None)
    return None if found is None else found.generation


def _serving(known: Known, view: generations.Facts, current: Generation) -> Generation:
    """The generation that is kept."""
    usable = [
        item.generation
        for item in known.stored
        if generations.unusable(item.generation, view) is None
    ]
    return usable[-1] if usable else current


def _numbers(known: Known) -> list[int]:
    return [item.generation.name.number for item in known.stored]


def _reason(current: Generation, view: generations.Facts, facts: Facts) -> str:
    if facts.source.new_history:
        return facts.source.new_history
    return generations.unusable(current, view) or "the generation that is being made cannot be used"


def _reasons(current: Generation, plan: IndexPlan) -> tuple[Change, ...]:
    """What the files say otherwise than the plan of the generation, where that is why it is built again."""
    if current.name.hash == plan.hash:
        return ()
    return tuple(differences(current.plan, plan))


def _options(wanted: Wanted, known: Known, current: Generation | None) -> Iterator[Change]:
    """What the workers apply without building anything, as far as they told."""
    present = [carrier for carrier in known.carriers if not carrier.ended] or known.carriers
    told = [carrier.options for carrier in present if carrier.options is not None]
    other = next((each for each in told if each != wanted.options), None)
    if other is None:
        return
    for field in fields(AppliedOptions):
        before, after = getattr(other, field.name), getattr(wanted.options, field.name)
        if before == after:
            continue
        if field.name != "details":
            yield Change("", field.name, _text(before), _text(after), rebuilds=False)
        elif current is not None and current.name.hash == wanted.plan.hash:
            yield from _details(current.plan, wanted.plan)


def _details(before: IndexPlan, after: IndexPlan) -> list[Change]:
    found = [item for item in differences(before, after) if not item.rebuilds]
    # A generation has the plan that it was made with, which may say so already.
    return found or [Change("", "descriptions and checks", None, None, rebuilds=False)]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _notes(
    known: Known, action: generations.Action | None, current: Generation | None, facts: Facts
) -> Iterator[str]:
    if known.paused is not None:
        index = known.paused.pause.index
        yield f"it is paused: nothing happens to it before `flusso resume {index}`"
    if isinstance(action, generations.Retire) and action.stored.generation.state != "retired":
        yield f"{action.stored.generation.name.physical} is given up"
    elif not isinstance(action, generations.Create):
        for item in known.stored:
            if item.generation.state in ("creating", "seeding"):
                yield f"{item.generation.name.physical} is being seeded"
    if current is None:
        return
    then = (
        "" if isinstance(action, generations.Create) else f": `flusso reindex {current.name.index}`"
    )
    for sink, given in sorted(current.settings.items()):
        for name, before in sorted(given.items()):
            after = facts.settings.get(sink, {}).get(name, before)
            if after != before:
                yield f"{name} of sink {sink}, {before} -> {after}, holds for the next generation{then}"


def _duration(plan: IndexPlan, facts: Facts) -> Duration | None:
    rows = facts.rows.get(plan.root)
    measured = _rates(facts)
    if rows is None or not measured:
        return None
    index = plan.name if plan.name in measured else max(measured, key=lambda name: measured[name])
    rate = measured[index][1]
    return Duration(rows.number / rate, rate, index)


def _rates(facts: Facts) -> dict[str, tuple[float, float]]:
    """Per index when its live generation was created, and how fast it was seeded."""
    found: dict[str, tuple[float, float]] = {}
    for name, recorded in facts.recorded.items():
        live = recorded.known.live
        seeding = None if live is None else live.generation.seeding
        if live is not None and seeding is not None and seeding.changes and seeding.seconds:
            found[name] = (live.generation.created_at, seeding.changes / seeding.seconds)
    return found


def _no_longer(name: str, facts: Facts) -> IndexAnnouncement:
    known = facts.recorded[name].known
    current = _current(known)
    why = "it is not enabled" if name in facts.disabled else "the files do not have it"
    physical = None if current is None else current.name.physical
    table = "" if current is None else str(current.plan.root)
    if known.carriers:
        reason = f"{why}: no worker keeps it up to date any more"
        return IndexAnnouncement(name, "remove", reason, physical, table=table, notes=(_LEFT,))
    return IndexAnnouncement(name, "leave", f"{why}, and no worker keeps it", physical, table=table)
