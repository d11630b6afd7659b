"""The request that each condition makes, with each option."""

from __future__ import annotations

import json

import pytest

from support.query.case import Case
from support.query.compositions import COMPOSITIONS
from support.query.conditions import CONDITIONS

CASES = [*CONDITIONS, *COMPOSITIONS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_condition_makes_this_request(case: Case) -> None:
    assert case.query.dsl() == case.dsl
    # It is plain JSON: no serializer has to know more.
    assert json.loads(json.dumps(case.query.dsl())) == case.query.dsl()


def test_each_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
