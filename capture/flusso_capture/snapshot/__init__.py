"""Snapshots: publish every row of a table, beside the stream.

In reading order:

* `scheduler`: the thread that takes one table after the other.
* `table_snapshot`: one table, resumed where it ended.
* `resync`: carries out a request for a resync.
* `table_reader`: reads a table in chunks, by primary key.
"""
