"""The Engine port: what the gateway and the command line ask of whatever runs the reading pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ziyan.ocr.types import Page, ReadOptions


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """A moment's picture of an engine, for readiness and metrics.

    Attributes:
        ready: A picture sent now would be read.
        workers: Reading processes alive with their weights loaded.
        busy: Of those, how many are reading.
        queued: Pictures waiting.
        queue_limit: How many may wait before the next is refused.
        restarts: Reading processes replaced since the start, for whatever reason.
    """

    ready: bool
    workers: int
    busy: int
    queued: int
    queue_limit: int
    restarts: int


class Engine(Protocol):
    """Runs the reading flow somewhere.  Safe for many concurrent callers in one event loop."""

    async def start(self) -> None:
        """Load the weights and be ready.

        Raises:
            ModelError: Weights are missing or damaged.
            EngineError: The readers do not come up.
        """

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        """Read one picture.

        Cancelling the awaiting task drops the work: a waiting picture is never read, a running one is stopped.

        Args:
            image_bytes: The file's bytes, as uploaded.
            options: How to read it.
            deadline: Seconds from now after which the work is stopped; None takes the engine's own.

        Raises:
            ImageError: The picture is at fault.
            EngineBusyError: The queue is full; raised at once, nothing was queued.
            EngineTimeoutError: The deadline passed; the work has stopped.
            ReaderCrashedError: The reading process died under this picture.
            EngineClosedError: Not started, or closing.
        """

    async def close(self) -> None:
        """Finish what is being read, refuse what waits, and end every process."""

    def status(self) -> EngineStatus:
        """How the engine is doing now."""
