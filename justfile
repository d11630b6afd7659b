# Everyday commands: `just` lists them.  Without just on this machine: `.venv/bin/just` after `./dev/test --lint`.

set positional-arguments

config := "dev/flusso.toml"
public_address := "127.0.0.1:9464"
private_address := "127.0.0.1:9465"
db_url := env("DATABASE_URL", "postgresql://postgres@127.0.0.1:" + env("FLUSSO_POSTGRES_PORT", "5432") + "/flusso")

export DATABASE_URL := db_url
export KAFKA_BOOTSTRAP_SERVERS := env("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:" + env("FLUSSO_KAFKA_PORT", "9092"))
export PRIMARY_OPENSEARCH_URL := env("PRIMARY_OPENSEARCH_URL", "http://127.0.0.1:" + env("FLUSSO_OPENSEARCH_PORT", "9200"))

# List the recipes
default:
    @just --list --unsorted

# --- servers ---

# Start Postgres (with the example store), Kafka and OpenSearch as processes
up:
    @./dev/stack up

# Stop them; the data stays
down:
    @./dev/stack down

# Stop them, remove the data, start afresh
reset:
    @./dev/stack wipe
    @./dev/stack up

# Show what runs and where
ps:
    -@./dev/stack status

# Follow the servers' logs, or those of one: postgres, kafka, opensearch
logs *service:
    @./dev/stack logs "$@"

# The whole system in containers, with `workers` workers
compose-up workers="2":
    docker compose up --build --wait --scale worker={{ workers }}

# The same with Prometheus, and Grafana with the dashboard on port 3000
grafana:
    docker compose --profile monitoring up --build --wait

# Stop the containers; the data stays
compose-down:
    docker compose --profile '*' down

# --- the product ---

# Everything at once, with a change to watch, until Ctrl-C
demo *args:
    @./dev/demo "$@"

# Check the files, and the servers that they name
check *args: install up
    .venv/bin/flusso check --config {{ config }} "$@"

# Check the files alone
check-offline *args: install
    .venv/bin/flusso check --offline --config {{ config }} "$@"

# Compile the configuration into a lock file
build-lock *args: install
    .venv/bin/flusso build --config {{ config }} "$@"

# `flusso run`: one process, without Kafka
run *args: install up
    .venv/bin/flusso run --config {{ config }} --public-address {{ public_address }} --private-address {{ private_address }} "$@"

# The same without seeding
run-live *args: install up
    .venv/bin/flusso run --config {{ config }} --public-address {{ public_address }} --private-address {{ private_address }} --skip-backfill "$@"

# Capture
capture *args: install up
    .venv/bin/flusso-capture --config {{ config }} --public-address {{ public_address }} --private-address {{ private_address }} "$@"

# A worker; start as many as you like
worker *args: install up
    .venv/bin/flusso-worker --config {{ config }} --public-address 127.0.0.1:0 --private-address 127.0.0.1:0 "$@"

# --- the store ---

# Ten changes, one of each kind; they run once
changes:
    psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 --file dev/changes.sql {{ db_url }}

# Everyday load on the store
load seconds="60" operations="20" pause_ms="200":
    psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 --file dev/load.sql {{ db_url }}
    psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 --command 'CALL simulate_production({{ seconds }}, {{ operations }}, {{ pause_ms }})' {{ db_url }}

# A shell in the store
psql *args:
    psql {{ db_url }} "$@"

# --- looking ---

# What the process on the public address is doing
status:
    @curl --silent --show-error http://{{ public_address }}/status | python3 -m json.tool

# Its metrics
metrics:
    @curl --silent --show-error http://{{ public_address }}/metrics

# When the process on the public address will have caught up, by two looks `seconds` apart
eta seconds="10":
    #!/usr/bin/env python3
    import json, time, urllib.request

    def behind():
        with urllib.request.urlopen("http://{{ public_address }}/status") as answer:
            status = json.load(answer)
        found = {f"seeding {name}": max(0, item["total"] - item["done"]) for name, item in status["progress"].items()}
        found["changes read and not committed"] = status["changes_in_flight"]
        found["bytes of log"] = status["slot_lag_bytes"] or 0
        return {name: left for name, left in found.items() if left}

    before = behind()
    time.sleep({{ seconds }})
    after = behind()
    for name, left in after.items():
        pace = (before.get(name, left) - left) / {{ seconds }}
        when = f"{left / pace / 60:.1f} minutes" if pace > 0 else "not shrinking"
        print(f"{name}: {left}, {when}")
    if not after:
        print("caught up")

# --- development ---

# Make or update .venv with the project and its tools
install:
    @python3 -c 'import sys; sys.path.insert(0, "dev"); from stacklib import venv; venv.ensure(with_tools=True)'

# Tests that need no server, or what the arguments say to pytest
test *args:
    @if [ $# -eq 0 ]; then ./dev/test --unit; else ./dev/test "$@"; fi

# Every check and every test, on real servers
test-all:
    @./dev/test

# The failure tests in their long forms, again and again, at least once and for so many minutes
soak minutes="60" *args:
    #!/usr/bin/env bash
    set -euo pipefail
    shift
    end=$((SECONDS + {{ minutes }} * 60)) round=0
    while [ $round -eq 0 ] || [ $SECONDS -lt $end ]; do
        round=$((round + 1))
        echo "--- round $round"
        FLUSSO_TEST_SOAK=1 ./dev/test --failure "$@"
    done

# Build the documentation, and serve it at http://127.0.0.1:8000 until Ctrl-C
doc: install
    .venv/bin/mkdocs serve

# Record again what the views say of ten faults
faults:
    FLUSSO_RECORD_FAULTS=1 ./dev/test tests/failure/operator/test_ten_faults.py

# Make the pictures of the status page again
pictures:
    FLUSSO_PICTURES=docs/pictures ./dev/test tests/e2e/operator/test_status_page.py -k whole

# ruff, mypy, pyright, import-linter, mkdocs
lint:
    @./dev/test --lint

# Format the code
fmt: install
    .venv/bin/ruff format .
    .venv/bin/ruff check --select I --fix .

# Is the code formatted?
fmt-check: install
    .venv/bin/ruff format --check .

# What continuous integration runs
ci:
    @./.ci/run

# How fast it is, against what the servers can do: all measures, and bench/RESULTS.md
bench *args: install
    .venv/bin/python bench/run.py --out bench/RESULTS.md "$@"

# Pin the dependencies again (needs uv)
constraints:
    uv export --no-hashes --no-emit-project --no-annotate --no-header --all-groups --all-extras --quiet > constraints.txt
