"""What stops a measurement.  Never leaves the bench, so it stands apart from the service's tree of errors."""

from __future__ import annotations


class BenchError(Exception):
    """The measurement cannot be made or cannot be trusted; the text says what to put right."""
