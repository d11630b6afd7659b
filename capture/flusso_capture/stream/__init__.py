"""The stream: from bytes of the replication protocol to published changes, and to the confirmed LSN.

In reading order:

* `stream`: receive, decode, publish, acknowledge, confirm.  Read `Stream.run` first.
* `replication`: the replication connection.
* `pgoutput`: decodes messages.
* `relations`: the tables, as the stream describes them.
* `change_builder`: builds changes from messages.
* `row_encoder`: records of plain rows, without a change in between.
* `generated_columns`: values that are not in the log.
* `transaction_ids`: from 32 bits to 64 bits.
* `watermark`: which LSN may be confirmed.
* `checkpoint`: records the LSN up to which the log is read.
"""
