"""What the servers say, as facts.  Nothing is changed on them.

In reading order:

* `facts`: the facts of a database.
* `postgres`, `kafka`, `opensearch`: read them.
"""
