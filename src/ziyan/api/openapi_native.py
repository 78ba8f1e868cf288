"""``POST /v1/ocr`` as OpenAPI says it, in English and, as ``x-description-zh`` and ``x-summary-zh``, in Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ziyan.api.native_request import CHOICES, JSON, MAX_PICTURE_BYTES, MAX_URL_CHARS, TEXT
from ziyan.api.problems import PROBLEMS, Problem

_PROBLEM: Final = "application/problem+json"
_ID: Final = {"type": "string", "pattern": "^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$"}
_EXAMPLE_ID: Final = "0F7C2A9E-5B1D-4C7E-9A60-3D2B8E4F1A75"
_SCORE: Final = {"type": "number", "minimum": 0, "maximum": 1}
_LIMIT: Final = f"{MAX_PICTURE_BYTES:,}"

#: Options: English, Chinese, and what each value means where there are several.
_OPTIONS: Final = {
    "model": (
        "Weights that read: `tiny` is the fastest, `medium` the most accurate. Those of this service are listed; "
        "its own choice if left out.",
        "识别所用的模型：`tiny` 最快，`medium` 最准。这里列出本服务可选的模型；不传则用服务的默认模型。",
    ),
    "orientation": (
        "`auto` turns pages that lie on their side or upside down; `none` leaves them as they are.",
        "`auto` 自动扶正横放或倒置的页面；`none` 不转。",
    ),
    "detail": (
        "How finely lines are taken apart: `line` gives none of their parts, `word` their words, `character` the "
        "characters of the words too.",
        "细分到哪一级：`line` 只给行，`word` 另给词，`character` 再给词中的每个字。",
    ),
    "order": (
        "`reading`: by columns and blocks, as a person reads. `position`: every piece by itself, from the top and then "
        "from the left.",
        "`reading` 按栏与段落，即人的阅读顺序；`position` 每段文字各自成行，先上后下、再从左到右。",
    ),
    "min_score": (
        "Lines recognised with a lower score are left out. Below the default, more of what is doubtful is kept.",
        "置信度低于此值的行不返回；取值低于默认值时，会多返回一些不太确定的行。",
    ),
}
_IMAGE: Final = (
    "The picture in base64, with or without `data:…;base64,` before it.",
    "图片的 base64，前面可带 `data:…;base64,`。",
)
_FILE: Final = (f"The file, at most {_LIMIT} bytes.", f"图片文件，不超过 {_LIMIT} 字节。")
_URL: Final = (
    f"Public http or https address of the picture, at most {MAX_URL_CHARS:,} characters.",
    f"图片的公开 http 或 https 地址，不超过 {MAX_URL_CHARS:,} 个字符。",
)
_KEY: Final = (
    "A text of your own for each picture. The same request with it within 24 hours gets the same answer and is not "
    "billed again; another picture, other options or another `Accept` is `idempotency_key_reused`.",
    "每张图片自取一个值。24 小时内用同一个值重发同一请求，得到同样的回答且不再计费；"
    "图片、选项或 `Accept` 不同则返回 `idempotency_key_reused`。",
)


def said(english: str, chinese: str) -> dict[str, str]:
    """A description in both languages."""
    return {"description": english, "x-description-zh": chinese}


def path_item(models: Sequence[str] = ()) -> dict[str, Any]:
    """The path ``/v1/ocr``; a new one for each call.

    Args:
        models: As of ``openapi.document``.
    """
    return {
        "post": {
            "operationId": "read",
            "summary": "Read a picture: text, places and scores",
            "x-summary-zh": "识别图片：文字、位置与置信度",
            **said(
                f"Takes one picture of at most {_LIMIT} bytes: JPEG, PNG, GIF, WebP, BMP, TIFF, AVIF, and HEIC where "
                "its decoder is installed. Options may stand in the query string or among the fields of the body; "
                "those of the body win. `Accept: text/plain` gives the text alone.",
                f"每次识别一张不超过 {_LIMIT} 字节的图片：JPEG、PNG、GIF、WebP、BMP、TIFF、AVIF，"
                "装有解码器时还有 HEIC。选项可放在查询串或请求体中，以请求体为准。`Accept: text/plain` 只返回文字。",
            ),
            "security": [{"appcode": []}, {"bearer": []}, {"appkey": [], "signature": []}],
            "parameters": [
                {"name": name, "in": "query", **said(*texts), "schema": _option_schema(name, models)}
                for name, texts in (*_OPTIONS.items(), ("url", _URL))
            ]
            + [{"name": "Idempotency-Key", "in": "header", **said(*_KEY), "schema": {"type": "string"}}],
            "requestBody": {"required": False, "content": _bodies(models)},
            "responses": {"200": _success(), **_problems()},
        }
    }


def schemas() -> dict[str, Any]:
    """The records of the answers; new ones for each call."""
    point = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    read = {
        "text": {"type": "string", **said("The characters.", "文字。")},
        "score": {**_SCORE, **said("Mean recognition score.", "识别置信度的平均值。")},
        "polygon": {
            "type": "array",
            "items": point,
            "minItems": 4,
            **said(
                "Corners, clockwise from the text's own top-left; more than four where the line is bent. Pixels of the "
                "original upright picture, x to the right, y down.",
                "轮廓各点，从文字自身的左上角起顺时针排列，弯曲的行多于四点。"
                "单位为原图（按 EXIF 扶正后）的像素，x 向右，y 向下。",
            ),
        },
        "box": _box(),
    }
    parts = {
        "Character": ("One character of a word", "词中的一个字", read),
        "Word": (
            "A Latin word, a number, or one CJK character",
            "一个西文单词、一个数，或一个汉字",
            {
                **read,
                "characters": _list_of("Character", "Only with `detail=character`.", "仅 `detail=character` 时有。"),
            },
        ),
        "Line": ("A line of text", "一行文字", {**read, **_line_only()}),
        "Block": (
            "Lines that belong together: a paragraph, a column, a table",
            "属于一处的若干行：一段、一栏或一个表格",
            {
                "text": {"type": "string", **said("Its lines, one under another.", "各行文字，以换行符连接。")},
                "box": _box(),
                "lines": _list_of("Line", "In order.", "按顺序排列。"),
            },
        ),
        "Page": ("A picture, read", "识别结果", _page()),
        "Problem": ("Why there is no result (RFC 9457)", "没有结果的原因（RFC 9457）", _problem()),
    }
    return {name: _record(english, chinese, properties) for name, (english, chinese, properties) in parts.items()}


def _record(english: str, chinese: str, properties: dict[str, Any]) -> dict[str, Any]:
    optional = {"words", "characters"}
    return {
        "type": "object",
        **said(english, chinese),
        "required": [name for name in properties if name not in optional],
        "properties": properties,
        "additionalProperties": False,
    }


def _box() -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"type": "number"},
        "minItems": 4,
        "maxItems": 4,
        **said("x0, y0, x1, y1: the upright rectangle around it, pixels.", "x0、y0、x1、y1：外接正矩形，单位为像素。"),
    }


def _list_of(record: str, english: str, chinese: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{record}"}, **said(english, chinese)}


def _line_only() -> dict[str, Any]:
    return {
        "detection_score": {**_SCORE, **said("How sure it is that there is text at all.", "此处确有文字的置信度。")},
        "orientation": {
            "enum": [0, 180],
            **said("180: the line stands on its head on its page.", "180 表示该行相对页面倒置。"),
        },
        "vertical": {"type": "boolean", **said("Written from top to bottom.", "竖排，自上而下书写。")},
        "words": _list_of("Word", "Only with `detail=word` or `character`.", "仅 `detail=word` 或 `character` 时有。"),
    }


def _page() -> dict[str, Any]:
    size = {"type": "integer", "minimum": 1}
    return {
        "request_id": {**_ID, **said("As in the header X-Request-Id.", "与响应头 X-Request-Id 相同。")},
        "model": {"type": "string", **said("Weights that read it.", "实际使用的模型。")},
        "width": {**size, **said("Of the original upright picture, pixels.", "原图（扶正后）的宽，像素。")},
        "height": {**size, **said("Of the original upright picture, pixels.", "原图（扶正后）的高，像素。")},
        "orientation": {
            "enum": [0, 90, 180, 270],
            **said("Degrees by which the page lay turned clockwise.", "页面被顺时针转了多少度。"),
        },
        "angle": {
            "type": "number",
            **said("Degrees, clockwise, by which the text ran off the horizontal.", "文字偏离水平的角度，顺时针为正。"),
        },
        "text": {
            "type": "string",
            **said(
                "All lines, one under another, with an empty one between blocks.", "全部文字：行间换行，块间空一行。"
            ),
        },
        "blocks": _list_of("Block", "In order; empty where there is no text.", "按顺序排列；没有文字时为空。"),
        "timings": {
            "type": "object",
            "additionalProperties": {"type": "number", "minimum": 0},
            **said("Milliseconds by stage, and `total`.", "各阶段耗时（毫秒），以及合计 `total`。"),
        },
        "billed": {"type": "boolean", **said("Whether this call was billed.", "本次调用是否计费。")},
        "remaining": {
            "type": ["integer", "null"],
            "minimum": 0,
            **said("Calls that are left; null where that is not known.", "剩余次数；未知时为 null。"),
        },
    }


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": {**text, **said("Where the documentation explains it.", "文档中的说明地址。")},
        "title": {**text, **said("What is wrong; the same for each code.", "错误概要，同一 code 相同。")},
        "status": {"type": "integer", **said("The HTTP status.", "HTTP 状态码。")},
        "code": {
            "enum": [problem.code for problem in PROBLEMS],
            **said("Stable: programs may go by it.", "稳定的错误码，程序可据此判断。"),
        },
        "detail": {**text, **said("What is wrong with this call, and what to do next.", "本次出错的原因与处理办法。")},
        "request_id": {**_ID, **said("To be named when asking for help.", "求助时请提供。")},
    }


def _option_schema(name: str, models: Sequence[str] = ()) -> dict[str, Any]:
    if name == "url":
        return {"type": "string", "maxLength": MAX_URL_CHARS}
    if name == "min_score":
        return {**_SCORE, "default": 0.5}
    choices = CHOICES[name]
    if name == "model":
        return {"enum": list(models), "default": models[0]} if models else {"enum": list(choices)}
    return {"enum": list(choices), "default": choices[0]}


def _bodies(models: Sequence[str]) -> dict[str, Any]:
    options = {name: {**_option_schema(name, models), **said(*texts)} for name, texts in _OPTIONS.items()}
    url = {"url": {**_option_schema("url"), **said(*_URL)}}
    binary = {"schema": {"type": "string", "format": "binary", **said(*_FILE)}}
    as_json = {"type": "object", "properties": {"image": {"type": "string", **said(*_IMAGE)}, **url, **options}}
    file = {"image": {"type": "string", "format": "binary", **said(*_FILE)}}
    as_form = {"type": "object", "properties": {**file, **url, **options}}
    examples = {
        "base64": {"summary": "A picture in base64", "value": {"image": "iVBORw0KGgo…", "detail": "word"}},
        "url": {"summary": "The address of a picture", "value": {"url": "https://example.com/notice.png"}},
    }
    return {
        "image/*": binary,
        "application/octet-stream": binary,
        "multipart/form-data": {"schema": as_form},
        JSON: {"schema": as_json, "examples": examples},
    }


def _success() -> dict[str, Any]:
    return {
        **said("What was read.", "识别结果。"),
        "headers": _headers(),
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/Page"}, "example": _example()},
            TEXT: {"schema": {"type": "string"}, "example": "Reading Room 206\n开放时间 9:30-11:30"},
        },
    }


def _example() -> dict[str, Any]:
    place = {"polygon": [[48, 36], [262, 36], [262, 62], [48, 62]], "box": [48, 36, 262, 62]}
    line = {
        **{"text": "Reading Room 206", "score": 0.9932, **place},
        **{"detection_score": 0.9018, "orientation": 0, "vertical": False},
    }
    return {
        **{"request_id": _EXAMPLE_ID, "model": "small", "width": 640, "height": 96, "orientation": 0, "angle": 0},
        "text": line["text"],
        "blocks": [{"text": line["text"], "box": place["box"], "lines": [line]}],
        "timings": {"receive": 0.2, "queue": 0.4, "decode": 1.9, "detect": 21.7, "recognize": 12.3, "total": 38.1},
        **{"billed": True, "remaining": 49},
    }


def _problems() -> dict[str, Any]:
    """One response for each status, its rows told apart by ``code``."""
    by_status: dict[int, list[Problem]] = {}
    for problem in PROBLEMS:
        by_status.setdefault(problem.status, []).append(problem)
    return {str(status): _problem_answer(rows) for status, rows in by_status.items()}


def _problem_answer(rows: list[Problem]) -> dict[str, Any]:
    headers = _headers()
    if rows[0].status == 401:
        headers["WWW-Authenticate"] = _header({"type": "string"})
    if rows[0].status == 405:
        headers["Allow"] = _header({"type": "string"})
    if any(row.retry_after is not None for row in rows):
        always = all(row.retry_after is not None for row in rows)
        headers["Retry-After"] = {**_header({"type": "integer", "minimum": 1}), "required": always}
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"properties": {"code": {"enum": [row.code for row in rows]}, "status": {"const": rows[0].status}}},
        ]
    }
    examples = {
        row.code: {
            "summary": row.title,
            "x-summary-zh": row.title_zh,
            "value": {
                **{"type": row.type, "title": row.title, "status": row.status, "code": row.code},
                "detail": f"{row.title}. {row.advice}",
                "request_id": _EXAMPLE_ID,
            },
        }
        for row in rows
    }
    english = "; ".join(f"`{row.code}`: {row.title}" for row in rows)
    chinese = "；".join(f"`{row.code}`：{row.title_zh}" for row in rows)
    return {
        **said(f"{english}. Not billed.", f"{chinese}。不计费。"),
        "headers": headers,
        "content": {_PROBLEM: {"schema": schema, "examples": examples}},
    }


def _headers() -> dict[str, Any]:
    return {
        "X-Request-Id": _header(_ID),
        "X-Ca-Request-Id": _header(_ID),
        "X-Ziyan-Billed": _header({"enum": ["0", "1"]}),
    }


def _header(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "schema": schema}
