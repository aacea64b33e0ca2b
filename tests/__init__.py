"""Runwright's tests: a package, so that `python -m tests.servers` and `python -m tests.cluster` work from the repository's root."""
