"""The change log: what capture writes and workers read.  The protocols are in `flusso_shared.seams`.

In reading order:

* `codec`: a change as a Kafka record.
* `avro`: the binary encoding of the current schema, for speed.
* `control_records`: the records beside the changes: lineage, checkpoints, snapshots.
* `topic_names`: table to topic.
* `kafka`: the log in Kafka.
* `memory`: the log in memory, for `flusso run`.
"""
