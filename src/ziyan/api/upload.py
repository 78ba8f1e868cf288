"""Parameters → what is to be read and how: the checks of ``docs/contract.md`` §1 that need no picture yet."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import pybase64

from ziyan.api.form import Form, decode_percent
from ziyan.api.refusals import Check, CheckError, GatewayRefusedError

MAX_PICTURE_BYTES: Final = 1 << 20

_DATA_URI: Final = re.compile(rb"data:[^,]{0,200};base64,", re.IGNORECASE)
_PICTURE_MAGIC: Final = (b"\xff\xd8", b"\x89PNG", b"GIF8")
#: A space was a ``+`` before somebody decoded it; ``-_`` is the URL alphabet.
_TO_STANDARD_ALPHABET: Final = bytes.maketrans(b" -_", b"++/")
_LINE_BREAKS: Final = b"\r\n\t"


@dataclass(frozen=True, slots=True)
class Upload:
    """A request that passed checks 1 to 3: exactly one of ``img``, ``url`` and ``file``.

    Attributes:
        blocks: Answer a list of blocks rather than one string.
        img: Base64 text of the picture, as received.
        url: Its address, as received.
        file: The picture itself, or its base64 text, out of a multipart file part.
    """

    blocks: bool
    img: bytes = b""
    url: bytes = b""
    file: bytes = b""


def check_parameters(form: Form, query: Mapping[str, bytes], semantics: Literal["samples", "labels"]) -> Upload:
    """Make checks 1 to 3, in this order.

    Args:
        form: The body; its values win over the query's.
        query: The query string.
        semantics: Whether ``ver=1`` means blocks (as the marketplace's samples) or one string (as its labels).

    Raises:
        CheckError: One of the three.
    """

    def value(name: str) -> bytes:
        given = form.fields.get(name, b"")
        given = given if given.strip() else query.get(name, b"")
        return given if given.strip() else b""  # blank counts as absent

    ver, url, img, file = value("ver").strip() or b"0", value("url").strip(), value("img"), b""
    if "img" in form.files and not form.fields.get("img", b"").strip() and form.files["img"].strip():
        img, file = b"", form.files["img"]
    if ver not in {b"0", b"1"}:
        raise CheckError(Check.VER)
    if (img or file) and url:
        raise CheckError(Check.BOTH)
    if not (img or file or url):
        raise CheckError(Check.NEITHER)
    return Upload((ver == b"1") == (semantics == "samples"), img=img, url=url, file=file)


def decode_img(text: bytes) -> bytes:
    """Base64 as clients send it → the picture's bytes.

    Raises:
        CheckError: Not base64, or over 1 MiB.
    """
    if b"%" in text:  # encoded twice
        try:
            text = decode_percent(text)
        except GatewayRefusedError as error:
            raise CheckError(Check.IMG, cause="not_base64", internal=error.internal) from None
    text = text.strip(_LINE_BREAKS).lstrip()  # before spaces become "+": around the value they are no part of it
    if prefix := _DATA_URI.match(text):
        text = text[prefix.end() :].lstrip()  # no picture's base64 begins with a "+"
    try:
        picture = pybase64.b64decode(text, validate=True)
    except binascii.Error:
        picture = _decode_sloppily(text)
    if len(picture) > MAX_PICTURE_BYTES:
        raise CheckError(Check.IMG, cause="image_too_large")
    return picture


def _decode_sloppily(text: bytes) -> bytes:
    """Base64 in another alphabet, in lines, or with its padding lost: not looked for where the standard one is."""
    text = _without_blanks_behind(text.translate(None, delete=_LINE_BREAKS)).translate(_TO_STANDARD_ALPHABET)
    text = text.rstrip(b"=")
    try:
        return pybase64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise CheckError(Check.IMG, cause="not_base64", internal=str(error)) from None


def _without_blanks_behind(text: bytes) -> bytes:
    """Spaces at the end are stray, unless just they complete the last group of four: then each was a ``+``."""
    bare = text.rstrip(b" ")
    return text if len(text) - len(bare) == -len(bare) % 4 and not bare.endswith(b"=") else bare


def decode_file(content: bytes) -> bytes:
    """A multipart file part → the picture's bytes; many clients put the base64 text into it.

    Raises:
        CheckError: Neither a picture nor base64, or over 1 MiB.
    """
    if not content.startswith(_PICTURE_MAGIC):
        return decode_img(content)
    if len(content) > MAX_PICTURE_BYTES:
        raise CheckError(Check.IMG, cause="image_too_large")
    return content


def decode_url(raw: bytes) -> str:
    """The address as text.

    Raises:
        CheckError: It is no text.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckError(Check.URL_DOWNLOAD, cause="fetch_malformed", internal="not UTF-8") from None
