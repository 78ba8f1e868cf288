"""``scripts/bench fuzz``: a running server under hours of broken, lying and half-sent requests."""
