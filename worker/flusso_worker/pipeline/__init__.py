"""The pipeline of one generation: poll, build, flush, commit.

In reading order:

* `loop`: `process_next_batch` is the way of one batch of changes, step by step.
* `pipeline`: the pipeline's threads, its start and its stop.
* `spec`: what a pipeline keeps, and what it shares with the other pipelines of the worker.
* `build_batch`: one batch to chunks of documents: visibility gate, resolve, build.
* `in_flight`: bulk requests in flight, bounded in number and bytes.
* `flush`: writes a chunk to every sink.
* `offsets`: which offsets may be committed.
* `spans`: the traces of batches.
* `lag_gauges`: the lag of an index, for `/metrics`.
* `retry_state`: when what failed is tried again.
* `truncate_rescan`: builds all documents of an index again after a TRUNCATE of its root table.
* `assembly`: connects a pipeline, or a document writer, to the real servers.
"""
