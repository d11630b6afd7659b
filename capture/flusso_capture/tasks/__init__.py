"""Background tasks: the threads beside the stream.

In reading order:

* `threads`: starts and supervises the tasks.
* `catalog_watch`: finds DDL that the stream does not show.
* `slot_lag`: the metrics of the slot.
"""
