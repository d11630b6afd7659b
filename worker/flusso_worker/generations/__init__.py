"""Generations: the OpenSearch indexes of one index of the configuration, from seeding to removal.

In reading order:

* `keeper`: manages the generations of one index, one step at a time.
* `decide`: from facts to the next action.
* `steps`: carries it out.
* `record`: what is recorded of a generation.
* `store`, `local_store`: the bookkeeping index; bookkeeping without one.
* `physical`: the OpenSearch index and its aliases.
* `schema_order`, `leadership`: which schema is newest, and whether this process has it or stands by.
* `applied_options`, `registration`: the entry of a worker in the bookkeeping, and the options in it.
* `eviction`: generations that do not keep up with a log in memory.
* `applied`: which commits a generation has applied.
* `reindex`: requests for a new generation.
* `pause`: pauses and resumes an index.
* `progress`, `view`: generations as an operator sees them.
* `stopped_lag`: the lag of generations that no pipeline reads for.
* `control`: control records in the bookkeeping index.
"""
