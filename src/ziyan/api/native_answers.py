"""Answers of the native API: a page as JSON or as plain text, and problems."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from ziyan.api.headers import Answer, Header
from ziyan.api.native_request import JSON, TEXT
from ziyan.api.problems import (
    METHOD_NOT_ALLOWED,
    problem_of,
    retry_after,
    told_of,
)
from ziyan.ocr.types import Character, Line, Page, Polygon, Word, bounding_box

PROBLEM_TYPE: Final = "application/problem+json; charset=utf-8"
METHODS: Final = "POST, OPTIONS"
_ACCEPTED: Final = "image/*, application/octet-stream, multipart/form-data, application/json"
#: Bearer comes first: it is the one that tools know.
_CHALLENGE: Final = 'Bearer realm="Ziyan", APPCODE realm="Ziyan"'


def success(page: Page, media_type: str, request_id: str, timings: Mapping[str, float]) -> Answer:
    """What was read.

    Args:
        page: The page.
        media_type: ``JSON`` or ``TEXT``.
        request_id: Of the call.
        timings: Milliseconds by stage.
    """
    if media_type == TEXT:
        return Answer(200, f"{TEXT}; charset=utf-8".encode(), page_text(page).encode())
    return Answer(200, JSON.encode(), _json(page_json(page, request_id, timings)))


def shape_of(media_type: str) -> str:
    """What an answer of this kind adds to the fingerprint of a call: nothing, where it is the usual one."""
    return "" if media_type == JSON else media_type


def told(answer: Answer, request_id: str) -> Answer:
    """An answer with what is known only once the call has ended: what it cost, and what is left.

    An answer that was given before is given again with its own ``request_id``, and costs nothing.
    """
    extra: tuple[Header, ...] = ((b"X-Request-Id", request_id.encode()), *answer.extra)
    if answer.status != 200 or not answer.body:
        return replace(answer, extra=extra)
    extra += ((b"Vary", b"Accept"),)
    if answer.content_type != JSON.encode():
        return replace(answer, extra=extra)
    bill = _json({"billed": answer.billed, "remaining": answer.remaining})
    return replace(answer, body=answer.body[:-1] + b"," + bill[1:], extra=extra)


def options() -> Answer:
    """What ``OPTIONS`` is answered with."""
    extra = ((b"Allow", METHODS.encode()), (b"Accept-Post", _ACCEPTED.encode()))
    return Answer(200, TEXT.encode(), extra=extra)


def failure(error: Exception, request_id: str, method: str) -> Answer:
    """What any exception is answered with (RFC 9457)."""
    problem = problem_of(error)
    content = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": f"{told_of(error)} {problem.advice}",
        "request_id": request_id,
    }
    extra: list[Header] = []
    if problem.status == 401:
        extra.append((b"WWW-Authenticate", _CHALLENGE.encode()))
    if problem == METHOD_NOT_ALLOWED:
        extra.append((b"Allow", METHODS.encode()))
    if (seconds := retry_after(error)) is not None:
        extra.append((b"Retry-After", str(seconds).encode()))
    answer = Answer(
        problem.status, PROBLEM_TYPE.encode(), _json(content), tuple(extra), problem.title, outcome=problem.code
    )
    return replace(answer, body=b"") if method == "HEAD" else answer


def page_text(page: Page) -> str:
    """Lines one under another, with an empty one between blocks."""
    return "\n\n".join(_block_text(lines) for lines in _blocks(page))


def page_json(page: Page, request_id: str, timings: Mapping[str, float]) -> dict[str, Any]:
    """The whole page but for what it cost; ``docs/native.md`` describes it."""
    return {
        "request_id": request_id,
        "model": page.model,
        "width": page.width,
        "height": page.height,
        "orientation": page.orientation,
        "angle": page.skew,
        "text": page_text(page),
        "blocks": [_block_json(lines) for lines in _blocks(page)],
        "timings": {stage: round(milliseconds, 1) for stage, milliseconds in timings.items()},
    }


def _blocks(page: Page) -> list[list[Line]]:
    return [list(lines) for _, lines in groupby(page.lines, key=lambda line: line.block)]


def _block_text(lines: Iterable[Line]) -> str:
    return "\n".join(line.text for line in lines)


def _block_json(lines: list[Line]) -> dict[str, Any]:
    boxes = [line.box for line in lines]
    around = (*(min(box[i] for box in boxes) for i in (0, 1)), *(max(box[i] for box in boxes) for i in (2, 3)))
    return {"text": _block_text(lines), "box": _numbers(around), "lines": [_line_json(line) for line in lines]}


def _line_json(line: Line) -> dict[str, Any]:
    content = _text_json(line)
    content["detection_score"] = round(line.detection_score, 4)
    content["orientation"] = line.orientation
    content["vertical"] = line.vertical
    if line.words:
        content["words"] = [_word_json(word) for word in line.words]
    return content


def _word_json(word: Word) -> dict[str, Any]:
    content = _text_json(word)
    if word.characters:
        content["characters"] = [_text_json(character) for character in word.characters]
    return content


def _text_json(read: Line | Word | Character) -> dict[str, Any]:
    """What everything that was read has."""
    return {"text": read.text, "score": round(read.score, 4), **_place_json(read.polygon)}


def _place_json(polygon: Polygon) -> dict[str, Any]:
    return {"polygon": [_numbers(point) for point in polygon.tolist()], "box": _numbers(bounding_box(polygon))}


def _numbers(values: Iterable[float]) -> list[float]:
    """Pixels to a tenth."""
    return [round(value, 1) for value in values]


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
