"""What is tried again, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ziyan_client._errors import ConnectionFailedError, ProblemError, ZiyanError

_STATUSES = frozenset({429, 503, 504})


@dataclass(frozen=True)
class Retries:
    """How often, and how patiently, a call is tried again.

    That is done after 429, 503, 504 and broken connections.  Every try of a call carries the same ``Idempotency-Key``.

    Attributes:
        times: Tries after the first; 0 for none.
        first_wait: Seconds before the second try, about; each wait is twice the one before.
        longest_wait: No wait is longer.  Where the service asks for more with ``Retry-After``, its answer is raised.
    """

    times: int = 3
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def wait_after(self, error: ZiyanError, tries: int) -> float | None:
        """Seconds to wait before the next try; None where ``error`` is final.

        Args:
            error: How the last try failed.
            tries: How many there were.
        """
        told = error.retry_after if isinstance(error, ProblemError) else None
        worth_it = isinstance(error, ConnectionFailedError) or (
            isinstance(error, ProblemError) and error.status in _STATUSES
        )
        if not worth_it or tries > self.times or (told or 0.0) > self.longest_wait:
            return None
        wait: float = min(self.longest_wait, self.first_wait * 2 ** min(tries - 1, 30))
        # At random, or all who were refused at once would come back at once.
        return max(told or 0.0, wait * random.uniform(0.5, 1.0))  # noqa: S311 - nothing depends on it being secret
