"""Work on documents beside the pipelines: verification, repair, and retries of quarantined documents.

In reading order:

* `document_writer`: builds and writes documents of one generation.
* `verification`: compares an index with its database, and repairs it.
* `observations`: compares rows with documents, and documents with rows.
* `key_walk_sql`: walks a root table in the order of its key.
* `diff`: where two documents differ.
* `catch_up`: waits until the pipeline has applied what was committed before.
* `report`: the result of a verification.
* `periodic_verification`, `verification_lease`: verification at an interval, by one of several workers.
* `quarantine_retry`: builds and writes quarantined documents.
* `quarantine_administration`: the quarantine through a running process.
"""
