"""Snapshots and resyncs: publish rows of whole tables, beside the stream.

In reading order:

* `scheduler`: the thread that runs resyncs and snapshots, one after the other.
* `table_snapshot`: the snapshot of one table, resumed after an interruption.
* `resync`: carries out a resync request.
* `table_reader`: reads a table in chunks, by primary key.
"""
