"""What changes without building an index again is told apart, whatever the names in the database are."""

from __future__ import annotations

from dataclasses import replace

from flusso_shared.plan.model import ColumnField, FieldMapping, IndexPlan, ObjectField
from flusso_worker.generations.applied_options import AppliedOptions, applied_options
from support.stores.small import PLAN


def details(plan: IndexPlan) -> str:
    return applied_options(plan, "stop", 1000).details


NAME = ColumnField("name", "keyword", "name", FieldMapping("keyword"), nullable=True)
OBJECT = replace(PLAN, fields=(ObjectField("group", (NAME,), FieldMapping("object")),))


def with_name(name: ColumnField) -> IndexPlan:
    return replace(PLAN, fields=(ObjectField("group", (name,), FieldMapping("object")),))


def test_options_are_read_as_they_were_written() -> None:
    given = applied_options(replace(PLAN, verify_every=60.0), "skip", 5)
    assert AppliedOptions.from_json(given.to_json()) == given
    assert (given.on_error, given.quarantine_limit, given.verify_every) == ("skip", 5, 60.0)


def test_details_are_what_the_schema_says_beyond_its_hash() -> None:
    same = details(OBJECT)
    for changed in (
        replace(NAME, description="Of the person."),
        replace(NAME, nullable=False),
        replace(NAME, postgres=("citext",)),
        replace(NAME, array=True),
    ):
        assert details(with_name(changed)) != same
    assert details(replace(OBJECT, description="A person.")) != same
    assert details(replace(OBJECT, hash="ffffffff", schema_file="x", verify_every=1.0)) == same
    assert details(with_name(replace(NAME, column="Name"))) == same
