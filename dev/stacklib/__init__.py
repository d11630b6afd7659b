"""Real Postgres, Kafka and OpenSearch as plain processes: what `dev/stack` and the tests start.

Standard library only: it runs before any virtual environment exists.
"""
