"""Greedy decoding of the recogniser's output (Connectionist Temporal Classification, Graves et al., ICML 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Probs = npt.NDArray[np.float32]
BLANK = 0


@dataclass(frozen=True, slots=True)
class Token:
    """One decoded character.

    Attributes:
        text: The character.
        score: Its highest probability over the time steps it spans, 0..1.
        start: Where it begins: its first time step, or what the caller made of it.
        stop: Where it ends: the step after its last.
    """

    text: str
    score: float
    start: float
    stop: float


def decode_greedy(probs: Probs, charset: Sequence[str]) -> list[Token]:
    """The best path through ``probs``, repeats merged and blanks dropped.

    Args:
        probs: ``[T, C]`` float32, probabilities of each class at each time step.
        charset: ``C`` strings; the blank at index 0.
    """
    best = probs.argmax(axis=1)
    # A run starts where the class differs from the step before.
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    stops = np.append(starts, len(best))[1:]
    top = probs[np.arange(len(best)), best]
    return [
        Token(charset[best[a]], float(top[a:b].max()), int(a), int(b))
        for a, b in zip(starts, stops, strict=True)
        if best[a] != BLANK
    ]
