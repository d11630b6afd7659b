"""The worker's side of Postgres.

In reading order:

* `database`: a session that gives results as bytes.
* `snapshot`: what a snapshot sees, and the version that it gives to documents.
* `visibility_gate`: waits until a snapshot sees all changes of a batch.
"""
