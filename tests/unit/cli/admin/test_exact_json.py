"""Documents as text: valid JSON, with the digits that they were read with."""

from __future__ import annotations

import json

from flusso_cli.admin.exact_json import exact_json
from flusso_worker.maintenance.diff import parsed


def test_all_digits_of_a_number_are_kept() -> None:
    text = (
        '{\n  "a": 0.12345678901234567890,\n  "b": [\n    1E+400,\n    12345678901234567890\n  ]\n}'
    )
    assert exact_json(parsed(text)) == text


def test_every_kind_of_value_is_read_back() -> None:
    value = {"è": [None, True, 'line\n"quoted"', {}, [], {"x": {"y": [[]]}}], "": -1}
    assert json.loads(exact_json(value)) == value
