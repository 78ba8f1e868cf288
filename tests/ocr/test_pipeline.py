"""The whole flow with the real weights: pictures drawn by us, texts as they were written."""

from __future__ import annotations

import json
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from tests.ocr.drawing import bent, text_page, text_strip
from tests.pictures import encode
from ziyan.errors import ImageTooLargeError, ModelNotInstalledError, UnsupportedImageError
from ziyan.ocr.models import MODELS
from ziyan.ocr.pipeline import Reader, ReaderConfig
from ziyan.ocr.types import ImageLimits, Page, ReadOptions

RESOURCES = Path(__file__).parent.parent / "resources"
GOLDEN: dict[str, Any] = json.loads((RESOURCES / "readings.json").read_text("utf-8"))
OPTIONS = ReadOptions()
STAGES = ["decode", "detect", "orient", "recognize", "compose"]


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def reader(request: pytest.FixtureRequest, models_dir: Path) -> Reader:
    """The default weights behind each runtime."""
    return Reader(ReaderConfig(models_dir, "small", request.param))


@pytest.fixture(scope="module")
def tiny(models_dir: Path) -> Reader:
    """The quickest, where it does not matter which."""
    return Reader(ReaderConfig(models_dir, "tiny", "onnxruntime"))


@cache
def picture(name: str) -> Image.Image:
    return Image.open(RESOURCES / f"{name}.png").convert("L")


def written(name: str) -> list[str]:
    """The lines of a golden picture in reading order."""
    return [line for block in GOLDEN["pictures"][name]["blocks"] for line in block["lines"]]


def read(reader: Reader, image: Image.Image, options: ReadOptions = OPTIONS) -> Page:
    return reader.read(encode(image, "PNG"), options)


def texts(page: Page) -> list[str]:
    return [line.text for line in page.lines]


# --- goldens --------------------------------------------------------------------------------------------------


def test_the_goldens_were_made_with_these_weights() -> None:
    small = {weight.what: weight.sha256 for weight in MODELS["small"].weights if weight.file.endswith("small_rec.onnx")}
    tiny = {weight.what: weight.sha256 for weight in MODELS["tiny"].weights if weight.what != "charset"}
    assert GOLDEN["weights"] == {
        "detector": tiny["detector"],
        "recognizer": small["recognizer"],
        "quick recognizer": tiny["recognizer"],
    }


@pytest.mark.parametrize("orientation", [0, 90, 180, 270])
def test_a_page_is_read_however_it_lies(reader: Reader, orientation: int) -> None:
    page = read(reader, picture("notice").rotate(-orientation, expand=True))
    assert texts(page) == written("notice")
    assert page.orientation == orientation
    assert page.skew == pytest.approx(0, abs=0.5)
    assert all(line.score > 0.95 for line in page.lines)


def test_a_skewed_page_is_straightened(reader: Reader) -> None:
    page = read(reader, picture("notice").rotate(-8, Image.Resampling.BICUBIC, expand=True, fillcolor=255))
    assert texts(page) == written("notice")
    assert page.skew == pytest.approx(8, abs=0.5)


def test_white_on_black_is_read(reader: Reader) -> None:
    assert texts(read(reader, ImageOps.invert(picture("notice")))) == written("notice")


def test_columns_are_read_one_after_another(reader: Reader) -> None:
    page = read(reader, picture("columns"))
    assert texts(page) == written("columns")
    assert page.text == "".join(written("columns"))


def test_a_vertical_poem_is_read_from_right_to_left(reader: Reader) -> None:
    page = read(reader, picture("poem"))
    assert texts(page) == written("poem")
    assert all(line.vertical for line in page.lines)


@pytest.mark.parametrize(("degrees", "hanging"), [(60, False), (150, False), (100, True)])
def test_text_on_a_curve_is_read(reader: Reader, degrees: float, hanging: bool) -> None:
    text = "Maple Bridge Community Library"
    page = read(reader, Image.fromarray(bent(text_strip(text)[0], degrees, hanging=hanging)))
    assert texts(page) == [text]
    assert len(page.lines[0].polygon) > 4


def test_a_long_strip_is_read_to_its_end_with_its_spaces(reader: Reader) -> None:
    """Some 8,000 pixels of it: longer than a recogniser takes at once."""
    text = " ".join(["Please bring your own bag and your library card when you return the books."] * 6)
    font = ImageFont.load_default(36)
    strip = Image.new("L", (round(font.getlength(text)) + 80, 60), 255)
    ImageDraw.Draw(strip).text((40, 8), text, font=font, fill=0)
    assert read(reader, strip).text == text


def test_a_long_screenshot_is_read_to_its_end(reader: Reader) -> None:
    """Longer than what is looked at in one window; every line once, whether or not it lies on a seam."""
    lines = [f"{number} messages" for number in range(100, 140)]
    assert texts(read(reader, text_page(lines, 300, 22))) == lines


def noise(side: int) -> Image.Image:
    """Noise of grains so large."""
    rng = np.random.default_rng(side)
    grains = rng.integers(0, 256, (480 // side, 640 // side), np.uint8)
    return Image.fromarray(grains).resize((640, 480), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (640, 480), 255),
        Image.new("L", (640, 480), 0),
        Image.new("L", (1200, 60), 255),
        Image.new("L", (1, 1), 128),
        Image.linear_gradient("L").resize((640, 480)),
        noise(1),
        noise(4),
        noise(16),
    ],
    ids=["white", "black", "blank strip", "one pixel", "gradient", "fine noise", "noise", "coarse noise"],
)
def test_no_text_is_invented(reader: Reader, image: Image.Image) -> None:
    page = read(reader, image)
    assert (texts(page), page.text) == ([], "")
    assert (page.width, page.height) == image.size


# --- the records ----------------------------------------------------------------------------------------------


def test_a_page_says_what_read_it_and_how_long_each_stage_took(tiny: Reader) -> None:
    page = read(tiny, text_page(["Reading Room 206"]))
    assert (page.model, page.width, page.height) == ("tiny", 640, 96)
    assert list(page.timings) == STAGES
    assert all(milliseconds >= 0 for milliseconds in page.timings.values())


def test_words_lie_on_their_lines(tiny: Reader) -> None:
    page = read(tiny, text_page(["Reading Room 206", "open until late"]), ReadOptions(detail="word"))
    for line in page.lines:
        assert " ".join(word.text for word in line.words) == line.text
        x0, y0, x1, y1 = line.box
        for word in line.words:
            a0, b0, a1, b1 = word.box
            assert x0 - 1 <= a0 < a1 <= x1 + 1
            assert y0 - 1 <= b0 < b1 <= y1 + 1
        assert [word.box[0] for word in line.words] == sorted(word.box[0] for word in line.words)


def test_lines_lie_where_they_were_drawn(tiny: Reader) -> None:
    (line,) = read(tiny, text_page(["Reading Room 206"])).lines
    x0, y0, x1, y1 = line.box
    assert (x0, x1) == pytest.approx((48, 48 + ImageFont.load_default(24).getlength("Reading Room 206")), abs=12)
    assert (y0, y1) == pytest.approx((34, 62), abs=10)


def test_a_page_is_not_turned_when_that_is_not_wanted(tiny: Reader) -> None:
    page = read(tiny, picture("notice").rotate(180), ReadOptions(page_orientation=False))
    assert page.orientation == 0
    assert {line.orientation for line in page.lines} == {180}
    assert sorted(texts(page)) == sorted(written("notice"))


def test_lines_below_the_least_score_are_dropped(tiny: Reader) -> None:
    assert read(tiny, text_page(["Reading Room 206"]), ReadOptions(min_score=1.1)).lines == ()


# --- one call among many --------------------------------------------------------------------------------------


def as_record(page: Page) -> dict[str, Any]:
    """Everything but the timings, comparable."""
    return {**asdict(replace(page, timings={}, lines=())), "lines": [comparable(line) for line in page.lines]}


def comparable(line: Any) -> dict[str, Any]:
    fields = {name: getattr(line, name) for name in line.__slots__}
    fields["polygon"] = fields["polygon"].tolist()
    fields["words"] = [(word.text, word.score, word.polygon.tolist()) for word in fields.get("words", ())]
    return fields


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_calls_at_the_same_time_do_not_touch_each_other(
    models_dir: Path, runtime: Literal["onnxruntime", "openvino"]
) -> None:
    """Different pictures with different options through one reader: each page as if it had been alone."""
    reader = Reader(ReaderConfig(models_dir, "tiny", runtime))
    headlong = text_page(["open until half past nine", "on Sundays too"], 500).rotate(180)
    calls = [
        (text_page(["Reading Room 206", "Maple Bridge"]), ReadOptions(detail="word")),
        (headlong, ReadOptions()),
        (headlong, ReadOptions(page_orientation=False, line_orientation=False, min_score=0.0)),
        (text_page(["The quick brown fox"], 400, 30), ReadOptions(min_score=1.1)),
    ]
    alone = [as_record(read(reader, *call)) for call in calls]
    assert len({len(page["lines"]) for page in alone}) > 1
    with ThreadPoolExecutor(len(calls)) as callers:
        for _ in range(3):
            assert [as_record(page) for page in callers.map(lambda call: read(reader, *call), calls)] == alone


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_cancelled_call_stops_and_the_next_is_read(tiny: Reader, after: int) -> None:
    asked = count()
    with pytest.raises(CancelledError):
        tiny.read(encode(picture("columns"), "PNG"), OPTIONS, lambda: next(asked) >= after)
    assert texts(read(tiny, text_page(["Reading Room 206"]))) == ["Reading Room 206"]


def test_a_picture_at_fault_is_told_as_such(tiny: Reader) -> None:
    with pytest.raises(UnsupportedImageError):
        tiny.read(b"no picture", OPTIONS)
    with pytest.raises(ImageTooLargeError):
        read(tiny, picture("notice"), ReadOptions(limits=ImageLimits(max_pixels=100)))


def test_missing_weights_are_told_when_loading(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalledError):
        Reader(ReaderConfig(tmp_path, "small"))
