"""From changed rows to documents: which documents a batch touches, and their text.

In reading order:

* `change_batch`: what a batch keeps of its records.
* `prepare`: catalog and SQL of one plan, checked.
* `resolve`: changed rows to the keys of their root documents.
* `build`: keys to documents, in chunks.
* `built`: keys, chunks and what a build gives.
* `ids`: document ids back to keys.
* `rebuild`: documents that must be built once more after a write.
* `binding`, `bound_types`: whether the tables are still those that the SQL was composed for.
* `filter_reads`: filters that read more than their row.
"""
