"""The change log in memory, for `flusso run`: bounded, and gone with the process.

In reading order:

* `log`: the log, which is writer, groups and control at once.
* `reader`: a member of a consumer group.
* `buffer`: the changes, and how far each group has read.
"""
