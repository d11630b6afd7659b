"""Random schemas, data, transactions and faults, all from one seed; and what the documents must be."""
