"""The pipeline of one generation: poll, build, flush, commit.

In reading order:

* `pipeline`: the pipeline and its threads.
* `loop`: what its own thread does, batch by batch.
* `stages`: what a batch goes through, as a protocol.
* `build_batch`: one batch to chunks of documents, in one snapshot.
* `in_flight`: chunks that are being flushed, bounded in number and bytes.
* `flush`: writes a chunk to every sink.
* `offsets`: which offsets may be committed.
* `truncate_rescan`: looks through the index again after a TRUNCATE.
* `assembly`: puts the stages together over real servers.
"""
