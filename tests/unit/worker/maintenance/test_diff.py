"""Where two documents differ."""

from __future__ import annotations

import json

import pytest

from flusso_worker.maintenance.diff import MAX_PATHS, differing_paths, parsed


@pytest.mark.parametrize(
    ("expected", "actual", "paths"),
    [
        ('{"a": 1}', '{"a": 1.0}', []),
        ('{"a": 1}', '{"a": true}', ["a"]),
        ('{"a": null}', "{}", ["a"]),
        ("{}", '{"a": {"b": 1}}', ["a"]),
        ('{"a": {"b": [1, {"c": 2}]}}', '{"a": {"b": [1, {"c": 3}]}}', ["a.b[1].c"]),
        ('{"a": [1]}', '{"a": [1, 2, 3]}', ["a[1]", "a[2]"]),
        ('{"a": [1]}', '{"a": 1}', ["a"]),
        ('{"a": 0.1}', '{"a": 0.1000000000000000055}', ["a"]),
        ('{"a": 12345678901234567890}', '{"a": 12345678901234567891}', ["a"]),
        ("[1]", '{"a": 1}', ["(the whole document)"]),
        ('{"b": 1, "a": 2}', '{"a": 2, "b": 1}', []),
    ],
)
def test_paths_that_differ(expected: str, actual: str, paths: list[str]) -> None:
    assert differing_paths(parsed(expected), parsed(actual)) == paths


def test_paths_are_bounded() -> None:
    expected = json.dumps({str(number): number for number in range(100)})
    assert len(differing_paths(parsed(expected), {})) == MAX_PATHS
