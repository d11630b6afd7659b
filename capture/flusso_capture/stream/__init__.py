"""The stream: bytes of the replication protocol to published changes, and which position may be confirmed.

In reading order:

* `stream`: reads, publishes, acknowledges, confirms.
* `replication`: the replication connection.
* `pgoutput`: decodes messages.
* `relations`: the tables as the stream describes them.
* `change_builder`: messages to changes.
* `generated_columns`: values that the log leaves out.
* `transaction_ids`: 32 bits to 64 bits.
* `watermark`: which position may be confirmed.
* `checkpoint`: records how far the log is read.
"""
