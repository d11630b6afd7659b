"""The database that capture reads: what it must have, what capture makes in it, and what happens behind capture's back.

In reading order:

* `connection`: sessions for SQL and for replication.
* `preflight`: settings and privileges.
* `replica_identity`: the old values that the log must have.
* `publication`: covers every table of the plan.
* `slot`, `two_phase`: the replication slot.
* `lineage`: which history of the slot the changes belong to.
* `coverage`: which tables the stream covers without a gap.
* `partitions`: partitions that come, go or are truncated.
* `fingerprint`, `fingerprint_reader`: DDL that changes what rows read as.
* `resync_requests`: tables whose documents must be built again.
* `ddl`: locks that are taken in short turns.
* `encodings`: bytes that are no text.
"""
