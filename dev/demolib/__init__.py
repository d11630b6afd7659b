"""The demonstration: the example store, followed by capture and two workers, and one change to watch."""
