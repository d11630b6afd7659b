"""Capture: follows the Postgres write-ahead log and publishes every row change."""
