from __future__ import annotations

import pytest

from tests.ocr.drawing import glyph_line
from tests.ocr.fakes import CHARSET, GlyphReader
from ziyan.ocr.cascade import Cascade, count_trials, is_sure
from ziyan.ocr.ctc import Token
from ziyan.ocr.recognize import Alphabet, Reading


def reading(text: str, *scores: float, model: str = "fast", width: int = 100) -> Reading:
    """``text``, its characters with these scores, the last of them for all that follow."""
    each = [*scores, *[(scores or (0.99,))[-1]] * len(text)]
    tokens = [Token(character, score, i, i + 1) for i, (character, score) in enumerate(zip(text, each, strict=False))]
    return Reading(tuple(tokens), width, model)


@pytest.mark.parametrize(
    ("text", "scores", "sure"),
    [
        ("开户行：中国银行", (0.99,), True),
        ("Invoice 2026-01", (0.99,), True),
        ("1，234.50元—", (0.9,), True),
        ("开户行", (0.99, 0.89, 0.99), False),
        ("开戶行", (0.99,), False),
        ("國語", (0.99,), False),
        ("㐂", (0.99,), False),
        ("\U00020bb7野家", (0.99,), False),
        ("カード", (0.99,), False),
        ("中の人", (0.99,), False),
        ("", (), False),
    ],
)
def test_the_quick_weights_are_believed_on_common_characters_that_are_all_certain(
    text: str, scores: tuple[float, ...], sure: bool
) -> None:
    assert is_sure(reading(text, *scores)) == sure


@pytest.mark.parametrize(("score", "model"), [(0.95, "fast"), (0.85, "slow")])
def test_the_deciding_weights_read_where_the_quick_ones_are_unsure(score: float, model: str) -> None:
    cascade = Cascade(Alphabet("fast", CHARSET, GlyphReader(upright=score)), Alphabet("slow", CHARSET, GlyphReader()))
    result = cascade.read(glyph_line("甲乙丙", 48))
    assert (result.text, result.model) == ("甲乙丙", model)


@pytest.mark.parametrize(
    ("tried", "worth"),
    [
        ([reading("甲", width=50), reading("乙", model="slow", width=70)], True),
        ([reading("甲", width=50), reading("乙", model="slow", width=80)], False),
        ([reading("甲")] * 3, True),
        ([reading("甲", model="slow")] * 3, False),
    ],
)
def test_the_width_that_the_quick_weights_were_sure_of_decides(tried: list[Reading], worth: bool) -> None:
    cascade = Cascade(Alphabet("fast", CHARSET, GlyphReader()), Alphabet("slow", CHARSET, GlyphReader()))
    assert cascade.is_worth_it(tried) == worth


@pytest.mark.parametrize(("lines", "trials"), [(0, 0), (1, 1), (2, 2), (4, 2), (12, 4), (16, 4), (32, 8), (1000, 8)])
def test_a_share_of_the_lines_is_tried(lines: int, trials: int) -> None:
    assert count_trials(lines) == trials
