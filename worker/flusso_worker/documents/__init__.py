"""From changed rows to documents: which documents a batch touches, and their JSON text.

In reading order:

* `change_batch`: one batch of changes, by table.
* `prepare`: catalog and SQL of one plan, checked.
* `resolve`: changed rows to the keys of their root documents.
* `build`: keys to documents, in chunks.
* `built`: keys, chunks and the result of a build.
* `ids`: document ids back to keys.
* `rebuild`: builds documents again after a write.
* `binding`: whether the tables are still those that the SQL was composed for.
* `filter_reads`: filters that read more than their row.
"""
