"""From placed strips to lines: each is cut out, read the ways it may run, and kept if there is text on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ziyan.ocr.cascade import Cascade, Reads, count_trials
from ziyan.ocr.crop import LINE_HEIGHT, cut_line
from ziyan.ocr.halves import Halves
from ziyan.ocr.orient import CLEARLY_TALL, TALL, Strip, cut_column
from ziyan.ocr.polygon import quad_size, turn
from ziyan.ocr.recognize import Alphabet, Reading, Recognizer
from ziyan.ocr.session import StoppableSession
from ziyan.ocr.text import line_text, line_words
from ziyan.ocr.types import Line, Pixels, Polygon, ReadOptions

#: Below this score a line is also tried the other way up.
_DOUBTFUL = 0.7
#: Least scores of such lines where there are no others.
_ALONE = 0.88
_ALONE_DETECTED = 0.65
#: Least score of a long line in a clear region that is believed; who asks for less gets more of what is doubtful.
_BELIEVED = ReadOptions().min_score
#: Lines at least this many times as long as high may be turned around.
_TURNABLE = 2.5
#: From this score on characters laid side by side are not also read on their backs.
_GOOD = 0.88
#: Columns of all crops together that the deciding weights are given to read: some 3,000 characters.
_BUDGET = 150_000
#: Strips read before it is asked whether there is text at all, and the least share of them that holds some.
_BATCH = 96
_TEXT_SHARE = 0.2
#: Lines no longer than this do not prove text.
_SPECKS = 2
#: How much better another way must read.
_MARGIN = 0.1


def read_lines(
    pixels: Pixels,
    strips: Sequence[Strip],
    recognizer: Recognizer,
    options: ReadOptions,
    stop: Callable[[], None],
) -> list[Line]:
    """Lines of the strips that hold text, in no particular order.

    Args:
        pixels: ``[H, W, 3]`` uint8, the picture the strips lie on.
        strips: Where the lines are.
        recognizer: Reads crops; strips are read side by side on its threads.
        options: How to read.
        stop: Called before each run of the network; raises to stop.
    """
    deciding, quick = (
        replace(each, session=StoppableSession(each.session, stop))
        for each in (_choose(strips, recognizer), recognizer.quick)
    )

    def read(chosen: Sequence[Strip], weights: Reads) -> list[tuple[Line | None, Reading]]:
        if len(strips) == 1:
            halves = Halves(deciding, recognizer)
            # The quick weights look at a column anyhow, to find its characters: where they are sure the others rest.
            alone = Cascade(quick, halves) if strips[0].vertical and deciding.name != quick.name else halves
            return [_read_strip(pixels, strips[0], alone, quick, options)]
        # Longest first, or one thread would end with a long line while the others have nothing left.
        order = sorted(chosen, key=_proportion, reverse=True)
        return recognizer.map(lambda strip: _read_strip(pixels, strip, weights, quick, options), order)

    # Most certain first, a few at a time: on a texture that looks like text all over, reading soon ends.
    order = sorted(strips, key=lambda strip: -strip.region.detection_score)
    weights: Reads = deciding
    results: list[tuple[Line | None, Reading]] = []
    if len(order) > 1 and deciding.name != quick.name:
        cascade = Cascade(quick, deciding)
        results = read(order[: count_trials(len(order))], cascade)
        if cascade.is_worth_it([reading for _, reading in results]):
            weights = cascade
    lines = [line for line, _ in results if line is not None]
    while len(results) < len(order):
        results += read(order[len(results) :][:_BATCH], weights)
        lines = [line for line, _ in results if line is not None]
        if len(lines) < _TEXT_SHARE * len(results) and all(len(line.text) <= _SPECKS for line in lines):
            return []
    if all(len(line.text) <= _SPECKS for line in lines):
        # Nothing but a character here and there: each must stand for itself.
        return [line for line in lines if line.score >= _ALONE and line.detection_score >= _ALONE_DETECTED]
    return lines


def _read_strip(
    pixels: Pixels, strip: Strip, weights: Reads, quick: Alphabet, options: ReadOptions
) -> tuple[Line | None, Reading]:
    """The strip's line, None where what was read is not believed to be text, and its reading."""
    quad, reading, vertical = _best_way(pixels, strip, weights, quick, options)
    text = line_text(reading, vertical)
    if not text or reading.score < _least_score(text, strip.region.detection_score, options.min_score):
        return None, reading
    polygon = np.clip(quad, 0, np.array(pixels.shape[1::-1], np.float32))
    line = Line(
        text=text,
        score=reading.score,
        polygon=polygon,
        detection_score=strip.region.detection_score,
        orientation=0 if np.array_equal(quad, strip.quad) else 180,
        vertical=vertical,
        words=()
        if options.detail == "line"
        else line_words(reading, polygon, vertical, characters=options.detail == "character"),
    )
    return line, reading


def _choose(strips: Sequence[Strip], recognizer: Recognizer) -> Alphabet:
    """Which weights decide on a page with these strips.

    A page of several thousand characters would take the deciding weights longer than anybody waits; letters so many
    are so small that the quick weights read them about as well.
    """
    columns = sum(LINE_HEIGHT * _proportion(strip) for strip in strips)
    return recognizer.deciding if columns <= _BUDGET else recognizer.quick


def _proportion(strip: Strip) -> float:
    """How many times as long as high a strip is, whichever way it runs."""
    size = quad_size(strip.quad)
    return max(size) / max(1.0, min(size))


def _least_score(text: str, detection_score: float, min_score: float) -> float:
    """Score from which on ``text`` is believed to be text.

    Textures and faces look like a character or two, never like a sentence, and the detector is in two minds about
    them: the shorter the text and the fainter the region, the surer the reading must be.
    """
    doubt = 0.3 * np.exp(-len(text) / 4) + 1.5 * max(0.0, 0.65 - detection_score)
    # Who asks for high scores asks for no more than that of what is believed anyway.
    return float(max(min_score, min(min_score, _BELIEVED) + doubt))


def _best_way(
    pixels: Pixels, strip: Strip, weights: Reads, quick: Alphabet, options: ReadOptions
) -> tuple[Polygon, Reading, bool]:
    """Where the line begins, what stands on it, and whether it runs from top to bottom."""
    width, height = quad_size(strip.quad)
    if strip.vertical and height > CLEARLY_TALL * width:
        return strip.quad, _read_column(pixels, strip.quad, weights, quick), True
    if height > TALL * width:
        column = _read_column(pixels, strip.quad, weights, quick)
        upright = weights.read(cut_line(pixels, strip.quad))
        return (strip.quad, column, True) if column.weight > upright.weight else (strip.quad, upright, False)
    reading = weights.read(cut_line(pixels, strip.quad))
    # A character or two tell too little: a 6 on its head is a 9.
    if options.line_orientation and reading.score < _DOUBTFUL and width > _TURNABLE * height:
        turned = turn(strip.quad, 2)
        other = weights.read(cut_line(pixels, turned))
        if other.score > reading.score + _MARGIN:
            return turned, other, False
    return strip.quad, reading, False


def _read_column(pixels: Pixels, quad: Polygon, weights: Reads, quick: Alphabet) -> Reading:
    """A vertical line: its characters laid side by side, or on their backs where that reads better.

    On their backs the recogniser finds nearly all characters, though not the punctuation between them; where they are
    tells how far apart they stand, which is what laying them side by side needs.
    """
    lying_crop = cut_line(pixels, turn(quad, 1))
    lying = quick.read(lying_crop)
    _, height = quad_size(quad)
    centers = [(token.start + token.stop) / 2 for token in lying.tokens]
    pitch = float(np.median(np.diff(centers))) / lying.width * height if len(centers) > 2 else None
    stacked = weights.read(cut_column(pixels, quad, pitch))
    if stacked.score >= _GOOD and (stacked.text == lying.text or stacked.weight >= lying.weight):
        return stacked
    lying = weights.read_again(lying_crop, lying)
    return lying if lying.weight > stacked.weight else stacked
