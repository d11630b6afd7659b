"""Each condition on a real OpenSearch of both lines finds what a look through the documents in Python finds."""

from __future__ import annotations

import pytest

from flusso_query import Search
from support.kits.query_kit import QueryKit
from support.query.case import Case
from support.query.compositions import COMPOSITIONS
from support.query.conditions import CONDITIONS
from support.query.kinds import Kinds, documents

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("query")]

DOCUMENTS = list(documents(120))
CASES = [case for case in (*CONDITIONS, *COMPOSITIONS) if case.matches is not None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_condition_finds_what_python_finds(kinds: QueryKit, case: Case) -> None:
    if case.newest_only and kinds.line < 3:
        return
    assert case.matches is not None
    search = Search(Kinds).filter(case.query).sort(Kinds.f.id.asc()).size(200)
    expected = [str(document["id"]) for document in DOCUMENTS if case.matches(document)]
    assert kinds.client.ids(search) == expected
    assert kinds.client.count(search) == len(expected)
    negative = Search(Kinds).filter(~case.query)
    assert kinds.client.count(negative) == len(DOCUMENTS) - len(expected)


def test_the_cases_find_some_and_not_all() -> None:
    """A case that finds nothing, or everything, would say little of its query."""
    counts = {
        case.name: sum(map(case.matches, DOCUMENTS)) for case in CASES if case.matches is not None
    }
    extreme = {name for name, count in counts.items() if count in (0, len(DOCUMENTS))}
    assert extreme == {
        "any of none",
        "bool exists",
        "object exists",
        "json exists",
        "everything",
        "nothing",
    }
