"""The envelope on standard output."""

from __future__ import annotations

import io
import json
import threading
from datetime import datetime
from importlib.metadata import version

from flusso_shared.config.model import StdoutSinkConfig
from flusso_shared.names import GenerationName
from flusso_shared.seams import Batch, Operation, Written
from flusso_worker.sinks.stdout import StdoutSink

GENERATION = GenerationName("users", "01234567", 1)


class Counting(io.StringIO):
    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def sink(out: io.StringIO, *, pretty: bool = False) -> StdoutSink:
    return StdoutSink(StdoutSinkConfig(name="audit", type="stdout", pretty=pretty), out)


def batch(*operations: Operation) -> Batch:
    return Batch(GENERATION, operations, 0.0)


def test_each_operation_is_one_line_with_sorted_keys() -> None:
    out = Counting()
    document = '{"z": 1, "a": "é"}'.encode()
    written = sink(out).write(batch(Operation("1", 7, document), Operation("2", 7, None)))
    assert written == Written()
    assert out.writes == 1
    upsert, delete = out.getvalue().splitlines()
    assert list(json.loads(upsert)) == sorted(json.loads(upsert))
    assert '"document":{"a":"é","z":1}' in upsert
    told = json.loads(upsert)
    assert datetime.fromisoformat(told["ts"]).tzinfo is not None
    assert told["ts"].endswith("Z")
    assert told["version"] == version("flusso-kafka")
    del told["ts"], told["version"]
    assert told == {
        "document": {"z": 1, "a": "é"},
        "id": "1",
        "index": "users",
        "meta": {"bytes": len('{"z":1,"a":"é"}'.encode()), "fields": 2},
        "op": "upsert",
        "seq": 1,
        "sink": "stdout",
    }
    assert set(json.loads(delete)) == {"id", "index", "op", "seq", "sink", "ts", "version"}
    assert json.loads(delete)["op"] == "delete"
    assert json.loads(delete)["seq"] == 2


def test_pretty_is_indented_by_two() -> None:
    out = io.StringIO()
    sink(out, pretty=True).write(batch(Operation("1", 7, b'{"a":{"b":1}}')))
    assert '\n  "document": {\n    "a": {\n      "b": 1\n' in out.getvalue()


def test_threads_do_not_mix_lines_or_numbers() -> None:
    out = io.StringIO()
    shared = sink(out)

    def write() -> None:
        for _ in range(50):
            shared.write(batch(*[Operation(str(n), 1, b'{"a":1}') for n in range(5)]))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [json.loads(line)["seq"] for line in out.getvalue().splitlines()]
    assert numbers == list(range(1, 1001))
