"""Worker: turns changes into documents and keeps OpenSearch equal to the database."""
