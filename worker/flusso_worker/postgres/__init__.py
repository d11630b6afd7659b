"""How the worker reads from Postgres.

In reading order:

* `database`: a session whose results stay bytes.
* `snapshot`: what a snapshot sees, and the version of the documents built in it.
* `visibility_gate`: waits for a snapshot that sees all changes of a batch.
"""
