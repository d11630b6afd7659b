"""Capture: follows the Postgres write-ahead log and publishes every row change.

In reading order:

* `cli`: the command `flusso-capture`.
* `options`: what it is told.
* `daemon`: puts the parts together and streams.
* `startup`: what must be true before the first row is read, step by step.
* `stream`: write-ahead log to published changes, and the confirmed position.
* `snapshot`: reads whole tables.
* `source`: what capture needs of the database, and keeps in it: publication, slot, replica identity.
* `tasks`: the threads beside the stream.
"""
