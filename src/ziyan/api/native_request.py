"""A call to ``POST /v1/ocr`` → the picture and how to read it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from ziyan.api.body import LARGEST_BODY_BYTES
from ziyan.api.form import Form, is_json_object, parse_body
from ziyan.api.problems import (
    BAD_OPTION,
    MODEL_NOT_OFFERED,
    NOT_ACCEPTABLE,
    NOT_BASE64,
    PICTURE_AMBIGUOUS,
    PICTURE_MISSING,
    UNSUPPORTED_CONTENT_TYPE,
    ProblemError,
)
from ziyan.api.refusals import CheckError
from ziyan.api.upload import decode_img
from ziyan.errors import ImageTooLargeError
from ziyan.ocr.models import MODELS
from ziyan.ocr.types import Detail, ImageLimits, ModelName, Order, ReadOptions
from ziyan.settings import Settings

#: Largest picture, however it comes.
MAX_PICTURE_BYTES: Final = 20_000_000
#: Largest body: such a picture as base64 in lines, in JSON.
MAX_BODY_BYTES: Final = LARGEST_BODY_BYTES
#: Longest address; those that a storage service signs are long.
MAX_URL_CHARS: Final = 2048
JSON: Final = "application/json"
TEXT: Final = "text/plain"

#: What each option takes; the first is the default, but of ``model``, which the service chooses.
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "model": get_args(ModelName),
    "orientation": ("auto", "none"),
    "detail": get_args(Detail),
    "order": get_args(Order),
}
_OPTIONS: Final = (*CHOICES, "min_score")
_PICTURES: Final = ("image", "url")
_SCORE: Final = re.compile(r"[0-9]{0,9}\.?[0-9]{1,20}(?:[eE]-?[0-9]{1,3})?")
_QUALITY: Final = re.compile(r"[ \t]*q=([01](?:\.[0-9]{0,3})?)[ \t]*", re.IGNORECASE)
_MAX_RANGES: Final = 100
#: How the files of the kinds that are read begin.
_MAGIC: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|BM|II\*\x00|MM\x00\*|....ftyp(?:avi|hei|hev|mif|msf)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller wants read: either ``picture`` or ``url`` is given.

    Attributes:
        options: How to read.
        picture: The file's bytes.
        url: Its address.
    """

    options: ReadOptions
    picture: bytes = b""
    url: str = ""


def parse_wanted(
    content_type: str, content: bytes, query: Mapping[str, bytes], limits: ImageLimits, models: Sequence[str]
) -> Wanted:
    """What a caller wants, by a body of any of the three kinds; options of the body win over those of the query.

    Args:
        content_type: As received; may be empty.
        content: The body.
        query: The query string.
        limits: What is refused of pictures.
        models: Which may be named.

    Raises:
        ProblemError: There is not exactly one picture, or an option makes no sense.
        ImageTooLargeError: The picture is over the limit.
        GatewayRefusedError: The body cannot be parsed.
    """
    form = _parse_content(content_type, content)
    given = {name: value for name, value in query.items() if value.strip() and name.lower() != "appcode"}
    given |= {name: value for name, value in form.fields.items() if value.strip()}
    options = _parse_options(given, limits, models)
    url = given.get("url", b"").strip()
    file, text = form.files.get("image", b""), given.get("image", b"")
    if [bool(file), bool(text), bool(url)].count(True) > 1:
        raise ProblemError(PICTURE_AMBIGUOUS)
    if url:
        return Wanted(options, url=url.decode("utf-8", "replace"))
    picture = file or _decode(text, limits.max_bytes)
    if not picture:
        raise ProblemError(PICTURE_MISSING)
    if len(picture) > limits.max_bytes:
        raise _too_large(limits.max_bytes)
    return Wanted(options, picture)


def choose_media_type(accept: str) -> str:
    """JSON or plain text, whichever a caller prefers; JSON where that is not said.

    Raises:
        ProblemError: Neither will do.
    """
    if not accept.strip():
        return JSON
    ranges = [_parse_range(one) for one in accept.split(",")[:_MAX_RANGES]]

    def quality(media_type: str) -> float:
        wild = media_type.partition("/")[0] + "/*"
        for name in (media_type, wild, "*/*"):  # the most specific decides
            if found := [value for kind, value in ranges if kind == name]:
                return max(found)
        return 0.0

    best = max((JSON, TEXT), key=quality)
    if not quality(best):
        raise ProblemError(NOT_ACCEPTABLE)
    return best


def _parse_range(text: str) -> tuple[str, float]:
    kind, *parameters = text.split(";")
    found = [match[1] for parameter in parameters if (match := _QUALITY.fullmatch(parameter))]
    return kind.strip().lower(), float(found[0]) if found else 1.0


def _parse_content(content_type: str, content: bytes) -> Form:
    """The body as parameters; of one that is a picture, as the file ``image``."""
    kind = content_type.partition(";")[0].strip().lower()
    if not content:
        return Form()
    if kind == "multipart/form-data" or kind == JSON or kind.endswith("+json"):
        return parse_body(content_type, content)
    # A common client says of whatever it is given that it were a form.
    if kind.startswith("image/") or kind == "application/octet-stream" or _MAGIC.match(content):
        return Form(files={"image": content})
    if not kind and is_json_object(content):
        return parse_body(content_type, content)
    raise ProblemError(UNSUPPORTED_CONTENT_TYPE)


def _parse_options(given: Mapping[str, bytes], limits: ImageLimits, models: Sequence[str]) -> ReadOptions:
    for name in given:
        if name not in _OPTIONS and name not in _PICTURES:
            raise ProblemError(BAD_OPTION, f"There is no option `{_shown(name)}`, only {_listed(_OPTIONS)}.")
    texts = {name: given[name].decode("utf-8", "replace").strip() for name in _OPTIONS if name in given}
    for name, choices in CHOICES.items():
        if name in texts and texts[name] not in choices:
            offers = models if name == "model" else choices
            raise ProblemError(BAD_OPTION, f"`{name}` is one of {_listed(offers)}.")
    if texts.get("model", models[0]) not in models:
        raise ProblemError(MODEL_NOT_OFFERED, f"This service offers {_listed(models)}.")
    options: dict[str, Any] = {name: texts[name] for name in ("model", "detail", "order") if name in texts}
    if "min_score" in texts:
        options["min_score"] = _parse_score(texts["min_score"])
    return ReadOptions(limits=limits, page_orientation=texts.get("orientation") != "none", **options)


def _parse_score(text: str) -> float:
    score = float(text) if _SCORE.fullmatch(text) else -1.0
    if not 0 <= score <= 1:
        raise ProblemError(BAD_OPTION, "`min_score` is a number from 0 to 1.")
    return score


def _decode(text: bytes, max_bytes: int) -> bytes:
    try:
        return decode_img(text, max_bytes)
    except CheckError as error:
        if error.cause == "image_too_large":
            raise _too_large(max_bytes) from None
        raise ProblemError(NOT_BASE64, internal=error.internal) from None


def _too_large(max_bytes: int) -> ImageTooLargeError:
    return ImageTooLargeError(f"The picture is over {max_bytes:,} bytes")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shown(name: str) -> str:
    """A name that a caller chose, harmless wherever it is printed."""
    return re.sub(r"[^\w.-]", "?", name[:40])


def offered(settings: Settings) -> tuple[ModelName, ...]:
    """Models that callers may name: what every reading process has loaded anyway, the usual one first."""
    wanted = (settings.model, *settings.further_models)
    drafts = (draft for name in wanted if (draft := MODELS[name].draft))
    return tuple(dict.fromkeys((*wanted, *drafts)))
