"""The umbrella command `flusso`."""
