from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ocr.drawing import GLYPHS, glyph_line, text_strip
from tests.ocr.fakes import CHARSET, GlyphReader, glyph_recognizer
from ziyan.ocr.ctc import Token
from ziyan.ocr.models import locate
from ziyan.ocr.recognize import WIDEST, Alphabet, Reading, Recognizer, bucket_width, find_cuts, to_tensor
from ziyan.ocr.session import open_session
from ziyan.ocr.types import Pixels


@given(st.integers(1, WIDEST))
def test_padding_is_small_and_grows_with_the_crop(columns: int) -> None:
    width = bucket_width(columns)
    assert columns <= width <= max(64, columns + max(32, columns / 4))
    assert bucket_width(columns + 1) >= width
    assert bucket_width(width) == width


def test_widths_are_few() -> None:
    """Every new input shape costs a runtime time and memory."""
    assert len({bucket_width(columns) for columns in range(1, WIDEST + 1)}) < 40


def test_the_input_is_bgr_from_minus_one_to_one_and_zero_behind_the_crop() -> None:
    crop = np.zeros((48, 70, 3), np.uint8)
    crop[..., 0] = 255
    tensor = to_tensor(crop)
    assert tensor.shape == (1, 3, 48, bucket_width(70))
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    np.testing.assert_allclose(tensor[0, :, 20, 30], (-1, -1, 1), atol=1e-6)
    assert not tensor[..., 70:].any()


def test_characters_are_placed_in_columns_of_the_crop() -> None:
    reading = Alphabet("glyphs", CHARSET, GlyphReader()).read(glyph_line("甲乙丙", 48))
    assert reading.text == "甲乙丙"
    assert reading.width == 144
    assert reading.model == "glyphs"
    for number, token in enumerate(reading.tokens):
        assert (token.start + token.stop) / 2 == pytest.approx(48 * number + 24, abs=8)


def test_long_lines_are_read_in_parts_cut_between_characters() -> None:
    text = "".join(np.random.default_rng(2).choice(list(GLYPHS), 300))
    reader = GlyphReader()
    reading = Alphabet("glyphs", CHARSET, reader).read(glyph_line(text, 48))
    assert reading.text == text
    assert len(reader.widths) > 4
    assert max(reader.widths) <= bucket_width(WIDEST)
    middles = [(token.start + token.stop) / 2 for token in reading.tokens]
    np.testing.assert_allclose(middles, 48 * np.arange(300) + 24, atol=8)


@pytest.mark.parametrize("width", [1, WIDEST, WIDEST + 1, 3 * WIDEST])
@pytest.mark.parametrize("kind", ["blank", "noise"])
def test_no_part_is_wider_than_the_widest(width: int, kind: str) -> None:
    rng = np.random.default_rng(1)
    blank = np.full((48, width, 3), 255, np.uint8)
    crop = blank if kind == "blank" else rng.integers(0, 256, (48, width, 3), np.uint8)
    cuts = find_cuts(crop)
    assert (cuts[0], cuts[-1]) == (0, width)
    assert all(0 < b - a <= WIDEST for a, b in pairwise(cuts))


def test_a_reading_is_as_good_as_its_characters() -> None:
    reading = Reading((Token("a", 0.9, 0, 1), Token("b", 0.5, 1, 2)), 10, "test")
    assert reading.text == "ab"
    assert (reading.score, reading.weight) == pytest.approx((0.7, 0.4))
    nothing = Reading((), 10, "test")
    assert (nothing.text, nothing.score, nothing.weight) == ("", 0, 0)


def test_readings_come_back_in_the_order_of_the_crops() -> None:
    texts = ["甲", "乙" * 60, "丙", "丁" * 30, "戊"] * 8
    with glyph_recognizer(threads=4) as recognizer:
        assert [r.text for r in recognizer.glance(glyph_line(text, 48) for text in texts)] == texts


# --- with the real weights ------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def recognizer(request: pytest.FixtureRequest, models_dir: Path) -> Iterator[Recognizer]:
    files = locate(models_dir, "tiny")
    each = Alphabet("tiny", files.charset, open_session(files.recognizer, request.param, "f32", threads=1, callers=2))
    with ThreadPoolExecutor(2) as pool:
        yield Recognizer(each, each, pool)


def crops() -> list[Pixels]:
    """Lines of many widths, a blank one and a noisy one among them."""
    texts = ["Hi", "Reading Room 206", "The quick brown fox jumps over the lazy dog", "21:30", "x" * 120]
    noise = np.random.default_rng(4).integers(0, 256, (48, 333, 3), np.uint8)
    return [text_strip(text)[0] for text in texts] + [np.full((48, 200, 3), 255, np.uint8), noise]


def test_a_line_reads_the_same_alone_and_among_others(recognizer: Recognizer) -> None:
    """Bit for bit: the same characters, scores and places."""
    lines = crops()
    alone = [recognizer.map(recognizer.deciding.read, [crop])[0] for crop in lines]
    assert recognizer.map(recognizer.deciding.read, lines) == alone
    assert recognizer.map(recognizer.deciding.read, lines[::-1]) == alone[::-1]
    assert recognizer.map(recognizer.deciding.read, lines * 3) == alone * 3
    assert alone[1].text == "Reading Room 206"
    assert alone[5].text == ""
