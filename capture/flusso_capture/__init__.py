"""Capture: follows the Postgres write-ahead log and publishes every row change.

In reading order:

* `options`: the options, and what the parts of the process share.
* `daemon`: wires the parts, and runs stream sessions.
* `startup`: prepares the source before the first row is read, step by step.
* `stream`: from the write-ahead log to published changes, and the confirmed LSN.
* `snapshot`: publishes the rows of whole tables.
* `publisher`: publishing under back-pressure, for both.
* `source`: what capture needs from the database and creates in it: publication, slot, replica identity.
* `tasks`: the background tasks, beside the stream.
"""
