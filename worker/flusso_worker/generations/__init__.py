"""Generations: the indexes in OpenSearch that one index of the configuration has had, from seeding to removal.

In reading order:

* `keeper`: keeps the generations of one index, a step at a time.
* `decide`: facts to the next action.
* `steps`: carries it out.
* `record`: what is known of a generation.
* `store`: the bookkeeping index.
* `physical`: the OpenSearch index and its aliases.
* `schema_order`, `leadership`: which schema is newest, and whether this process has it.
* `registration`: the entry of a worker in the bookkeeping.
* `eviction`: generations that do not keep up with a log in memory.
* `reindex`: requests for a new generation.
* `view`: generations as an operator sees them.
* `control`: control records in the bookkeeping index.
"""
