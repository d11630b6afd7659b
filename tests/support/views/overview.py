"""An overview of a deployment in which all is well, for tests that show it."""

from __future__ import annotations

from typing import Any

AT = 1_700_000_000.0


def overview(*indexes: str, at: float = AT) -> dict[str, Any]:
    """Capture and one worker, with these indexes (`orders` without any), each live."""
    return {
        "at": at,
        "health": {"state": "ok", "reasons": []},
        "problems": [],
        "source": {
            "slot": "flusso",
            "publication": "flusso",
            "active": True,
            "wal_status": "reserved",
            "lag_bytes": 1024,
            "retained_bytes": 4096,
            "safe_bytes": None,
            "error": None,
        },
        "queue": {
            "kind": "kafka",
            "topics": [
                {
                    "topic": "flusso.public.orders",
                    "table": "public.orders",
                    "partitions": 4,
                    "records": 100,
                }
            ],
            "error": None,
        },
        "sinks": [
            {
                "name": "primary",
                "kind": "opensearch",
                "address": "http://127.0.0.1:9200",
                "version": "2.19.1",
                "error": None,
            }
        ],
        "processes": [_process("capture", 1), _process("worker", 2)],
        "indexes": [_index(name) for name in indexes or ("orders",)],
    }


def _process(part: str, pid: int) -> dict[str, Any]:
    return {
        "id": f"{part}-{pid}",
        "part": part,
        "host": "here",
        "pid": pid,
        "version": "0.1.0",
        "revision": "unknown",
        "public": f"http://127.0.0.1:{9000 + pid}",
        "private": f"http://127.0.0.1:{9100 + pid}",
        "started_at": AT - 60,
        "state": "alive",
        "heartbeat_seconds_ago": 1.5,
        "answers": True,
        "phase": "live",
        "health": {"state": "ok", "reasons": []},
        "uptime_seconds": 60,
        "waiting_for": None,
        "last_error": None,
        "captured_per_second": 10.0 if part == "capture" else None,
        "committed_per_second": None if part == "capture" else 9.5,
    }


def _index(name: str) -> dict[str, Any]:
    return {
        "index": name,
        "state": "seeded",
        "paused": False,
        "lag": 3,
        "lag_seconds": 0.4,
        "rate": 9.5,
        "eta_seconds": None,
        "last_error": None,
        "quarantine": 0,
        "generations": [
            {
                "index": name,
                "generation": f"{name}_0123abcd_1",
                "state": "live",
                "created_at": AT - 3600,
                "lag": 3,
                "done": None,
                "total": None,
                "to_be_replaced": False,
            }
        ],
    }
