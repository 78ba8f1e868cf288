"""What a call may choose, with the real weights: the model, how finely lines are taken apart, their order."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.ocr.drawing import bent, text_page, text_strip
from tests.pictures import encode
from ziyan.errors import ModelNotInstalledError
from ziyan.ocr.pipeline import Reader, ReaderConfig
from ziyan.ocr.types import Line, Page, ReadOptions, Word

RESOURCES = Path(__file__).parent.parent / "resources"


@pytest.fixture(scope="module")
def small(models_dir: Path) -> Reader:
    return Reader(ReaderConfig(models_dir, "small", "onnxruntime"))


@pytest.fixture(scope="module")
def tiny(models_dir: Path) -> Reader:
    return Reader(ReaderConfig(models_dir, "tiny", "onnxruntime"))


def picture(name: str) -> bytes:
    return (RESOURCES / f"{name}.png").read_bytes()


def told(page: Page) -> list[tuple[str, float, list[list[float]]]]:
    return [(line.text, line.score, line.polygon.tolist()) for line in page.lines]


# --- the model --------------------------------------------------------------------------------------------------------


def test_a_reader_knows_which_models_it_has(small: Reader, tiny: Reader) -> None:
    assert (small.models, tiny.models) == (("small", "tiny"), ("tiny",))


@pytest.mark.parametrize("name", ["notice", "columns", "poem"])
def test_tiny_on_a_reader_of_small_reads_as_a_reader_of_tiny(small: Reader, tiny: Reader, name: str) -> None:
    """It holds those weights anyway; what it looks at and what decides must be theirs throughout."""
    chosen = small.read(picture(name), ReadOptions(model="tiny"))
    assert told(chosen) == told(tiny.read(picture(name), ReadOptions()))
    assert chosen.model == "tiny"
    assert small.read(picture(name), ReadOptions(model="small")).model == "small"


def test_further_weights_read_as_a_reader_of_theirs(models_dir: Path, small: Reader) -> None:
    """They share the detector and the quick weights of the reader that they are added to."""
    both = Reader(ReaderConfig(models_dir, "tiny", "onnxruntime", also=("small",)))
    assert both.models == ("tiny", "small")
    chosen = both.read(picture("notice"), ReadOptions(model="small"))
    assert (told(chosen), chosen.model) == (told(small.read(picture("notice"), ReadOptions())), "small")


def test_a_model_that_a_reader_does_not_have_is_refused_with_those_it_has(small: Reader) -> None:
    with pytest.raises(ModelNotInstalledError, match="medium is not loaded; take one of small, tiny"):
        small.read(picture("notice"), ReadOptions(model="medium"))


# --- words and characters ---------------------------------------------------------------------------------------------


def assert_inside(outer: Line | Word, inner: Word, slack: float) -> None:
    outline = outer.polygon.reshape(-1, 1, 2)
    for x, y in inner.polygon:
        assert cv2.pointPolygonTest(outline, (float(x), float(y)), True) > -slack


def assert_characters_lie_well(page: Page) -> None:
    assert page.lines
    for line in page.lines:
        assert "".join(word.text for word in line.words) == line.text.replace(" ", "")
        middles = []
        for word in line.words:
            assert "".join(character.text for character in word.characters) == word.text
            for character in word.characters:
                assert_inside(word, Word(character.text, character.score, character.polygon), 0.05)
                middles.append(character.polygon.mean(axis=0))
        steps = np.diff(middles, axis=0)
        beside, below = steps[:, 0], steps[:, 1]
        if line.vertical:
            assert (below > 0).all()
        elif len(line.polygon) == 4:
            assert (beside > 0).all()
        else:
            assert (beside > 0).all(), "along an arc that does not turn back"
            assert below[0] < 0 < below[-1]


def test_characters_lie_in_their_words_on_level_lines(small: Reader) -> None:
    assert_characters_lie_well(small.read(picture("notice"), ReadOptions(detail="character")))


def test_characters_lie_in_their_words_in_columns(small: Reader) -> None:
    page = small.read(picture("poem"), ReadOptions(detail="character"))
    assert all(line.vertical for line in page.lines)
    assert_characters_lie_well(page)


def test_characters_lie_in_their_words_on_a_curve(small: Reader) -> None:
    strip = text_strip("Maple Bridge Community Library")[0]
    page = small.read(encode(Image.fromarray(bent(strip, 100)), "PNG"), ReadOptions(detail="character"))
    assert len(page.lines[0].polygon) > 4
    assert_characters_lie_well(page)


def test_characters_are_where_they_were_drawn(small: Reader) -> None:
    """Each covers most of what was drawn, and no more than half of any other."""
    text = "Reading Room 206 is open until late"
    strip, drawn = text_strip(text)
    canvas = np.full((160, strip.shape[1] + 80, 3), 255, np.uint8)
    canvas[56:104, 40:-40] = strip
    (line,) = small.read(encode(Image.fromarray(canvas), "PNG"), ReadOptions(detail="character")).lines
    assert line.text == text
    places = [(x0 + 40, x1 + 40) for character, (x0, x1) in zip(text, drawn, strict=True) if character != " "]
    found = [character.box for word in line.words for character in word.characters]
    for i, (x0, _, x1, _) in enumerate(found):
        for j, (a, b) in enumerate(places):
            covered = max(0.0, min(x1, b) - max(x0, a)) / (b - a)
            assert covered >= 0.6 if i == j else covered <= 0.5, (line.text, i, j)


def test_words_come_without_characters_and_lines_without_words_unless_asked_for(small: Reader) -> None:
    words = small.read(picture("notice"), ReadOptions(detail="word")).lines[0].words
    assert words
    assert all(word.characters == () for word in words)
    assert small.read(picture("notice"), ReadOptions()).lines[0].words == ()


# --- order ------------------------------------------------------------------------------------------------------------


def test_columns_are_read_across_when_position_decides(small: Reader) -> None:
    by_position = small.read(picture("columns"), ReadOptions(order="position"))
    by_column = small.read(picture("columns"), ReadOptions())
    assert sorted(line.text for line in by_position.lines) == sorted(line.text for line in by_column.lines)
    assert [line.text for line in by_position.lines] != [line.text for line in by_column.lines]
    tops = [line.polygon[:, 1].mean() for line in by_position.lines]
    assert all(b > a - 15 for a, b in pairwise(tops))


def test_only_lines_of_the_score_asked_for_are_given(small: Reader) -> None:
    page = text_page(["Reading Room 206", "ok"])
    scores = [line.score for line in small.read(encode(page, "PNG"), ReadOptions()).lines]
    least = max(scores)
    kept = small.read(encode(page, "PNG"), ReadOptions(min_score=least)).lines
    assert [line.score for line in kept] == [score for score in scores if score >= least]
