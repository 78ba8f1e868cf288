from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziyan.ocr.ctc import BLANK, Probs, Token, decode_greedy

CHARSET = ("", "字", "眼", " ")


def steps(*best: tuple[int, float]) -> Probs:
    """Probabilities in which each step has this class and score for its best."""
    probs = np.zeros((len(best), len(CHARSET)), np.float32)
    for step, (index, score) in enumerate(best):
        probs[step] = (1 - score) / (len(CHARSET) - 1)
        probs[step, index] = score
    return probs


def decode_naively(probs: Probs) -> list[Token]:
    """The definition, step by step."""
    best = [max(range(len(row)), key=lambda i: (row[i], -i)) for row in probs.tolist()]
    tokens = []
    for index, run in groupby(range(len(best)), key=lambda step: best[step]):
        spanned = list(run)
        if index != BLANK:
            score = max(float(probs[step, index]) for step in spanned)
            tokens.append(Token(CHARSET[index], score, spanned[0], spanned[-1] + 1))
    return tokens


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


def test_of_equals_the_first_class_is_taken() -> None:
    assert decode_greedy(np.full((3, len(CHARSET)), 0.25, np.float32), CHARSET) == []


@given(st.lists(st.lists(st.integers(0, 8), min_size=len(CHARSET), max_size=len(CHARSET)), max_size=40))
def test_any_output_is_decoded_as_the_definition_says(rows: list[list[int]]) -> None:
    probs = np.array(rows, np.float32).reshape(-1, len(CHARSET)) / np.float32(8)
    assert decode_greedy(probs, CHARSET) == decode_naively(probs)
