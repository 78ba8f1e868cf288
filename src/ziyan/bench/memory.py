"""How much memory one reader keeps over thousands of different pictures, and whether it grows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from typing import Protocol

from ziyan.bench.contestant import Reading

#: What one reading process may keep resident.
LIMIT_BYTES = 1_200_000_000
#: Growth per 1,000 pictures, after the first ones have settled what is kept, that still counts as flat.
FLAT_MIB = 20.0
#: After how many pictures the table has a row.
MILESTONES = (100, 500, 1000, 2000, 5000, 10_000)
MIB = float(1 << 20)


class Remembering(Protocol):
    """A reader whose memory can be looked at: a ``Contestant``, or a test's stand-in."""

    def read(self, path: Path) -> Reading:
        """Read one picture."""

    def memory(self) -> int:
        """Resident bytes now."""


@dataclass(frozen=True, slots=True)
class MemoryCurve:
    """Resident bytes of one reader: ``samples[0]`` with its weights loaded, ``samples[n]`` after picture n.

    Attributes:
        samples: Bytes.
        failures: Pictures on which the reader raised an error.
        deaths: Pictures its process did not survive; the curve then starts again from below.
    """

    samples: Sequence[int]
    failures: int
    deaths: int

    @property
    def most(self) -> int:
        """Highest sample, bytes."""
        return max(self.samples)

    @property
    def warm_up(self) -> int:
        """Pictures before the slope is taken: a quarter of them, at most 500."""
        return min(500, (len(self.samples) - 1) // 4)

    @property
    def slope(self) -> float:
        """MiB by which the process grows per 1,000 pictures after the warm-up, least squares."""
        settled = self.samples[self.warm_up :]
        if len(settled) < 2:
            return 0.0
        return float(linear_regression(range(len(settled)), settled).slope) * 1000 / MIB

    @property
    def milestones(self) -> list[tuple[str, int]]:
        """What → bytes: the rows of the table."""
        last = len(self.samples) - 1
        after = [number for number in MILESTONES if number < last] + [last]
        rows = [(f"after {number:,}", self.samples[number]) for number in after if number]
        return [("weights loaded", self.samples[0]), *rows, ("most", self.most)]

    @property
    def flat(self) -> bool:
        """Neither growing nor restarted."""
        return self.slope <= FLAT_MIB and not self.deaths

    @property
    def under_limit(self) -> bool:
        """Never above what a reading process may keep."""
        return self.most <= LIMIT_BYTES


def watch(
    reader: Remembering, files: Iterable[bytes], advance: Callable[[int], None] = lambda memory: None
) -> MemoryCurve:
    """Read every file once, looking at the reader's memory after each.

    Args:
        reader: Started.
        files: Encoded pictures.
        advance: Told the resident bytes after each picture.
    """
    samples = [reader.memory()]
    failures = deaths = 0
    with tempfile.TemporaryDirectory(prefix="ziyan-bench-") as folder:
        path = Path(folder) / "picture"
        for file_bytes in files:
            path.write_bytes(file_bytes)
            reading = reader.read(path)
            failures += bool(reading.error)
            deaths += reading.died
            samples.append(reader.memory())
            advance(samples[-1])
    return MemoryCurve(samples, failures, deaths)
