"""The threads beside the stream.

In reading order:

* `threads`: starts and supervises them.
* `catalog_watch`: looks for DDL that the stream does not show.
* `slot_lag`: the metrics of the slot.
"""
