"""HTTP: the wire contract, the native API, health."""
