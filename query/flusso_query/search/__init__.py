"""Searches: what is asked for, and what it gave.

In reading order:

* `builder`: a search as a value.
* `highlight`: where words occur.
* `inner_hits`: elements of nested arrays.
* `result`: hits and what comes with them.
* `decode`: from replies to results.
"""
