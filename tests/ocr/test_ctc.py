from __future__ import annotations

import numpy as np
import pytest

from ziyan.ocr.ctc import Probs, Token, decode_greedy

CHARSET = ("", "字", "眼", " ")


def steps(*best: tuple[int, float]) -> Probs:
    """Probabilities in which each step has this class and score for its best."""
    probs = np.zeros((len(best), len(CHARSET)), np.float32)
    for step, (index, score) in enumerate(best):
        probs[step] = (1 - score) / (len(CHARSET) - 1)
        probs[step, index] = score
    return probs


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ([], ""),
        ([0, 0, 0], ""),
        ([1], "字"),
        ([1, 1, 1], "字"),
        ([1, 0, 1], "字字"),
        ([0, 1, 1, 0, 0, 2, 0], "字眼"),
        ([1, 2, 1], "字眼字"),
        ([2, 3, 3, 1], "眼 字"),
    ],
)
def test_repeats_are_merged_and_blanks_dropped(path: list[int], text: str) -> None:
    assert "".join(token.text for token in decode_greedy(steps(*((i, 0.9) for i in path)), CHARSET)) == text


def test_a_character_has_its_best_score_and_the_steps_it_spans() -> None:
    found = decode_greedy(steps((0, 0.9), (1, 0.5), (1, 0.75), (1, 0.6), (0, 0.99), (2, 0.5)), CHARSET)
    assert found == [Token("字", 0.75, 1, 4), Token("眼", 0.5, 5, 6)]
