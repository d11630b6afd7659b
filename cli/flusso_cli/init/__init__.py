"""`flusso init`: a database's catalog, written as a first configuration."""
