"""A call's arguments → the request, the same for both clients."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Union

Model = Literal["tiny", "small", "medium"]
Orientation = Literal["auto", "none"]
Detail = Literal["line", "word", "character"]
Order = Literal["reading", "position"]
#: A file's name, its bytes, or the file opened in binary.
Picture = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes]]


@dataclass(frozen=True)
class Options:
    """How to read; what is None is left to the service."""

    model: Model | None = None
    orientation: Orientation | None = None
    detail: Detail | None = None
    min_score: float | None = None
    order: Order | None = None

    def parameters(self) -> dict[str, str]:
        """The query string's."""
        return {name: str(value) for name, value in vars(self).items() if value is not None}


def credential(appcode: str | None) -> str:
    """The AppCode given, or that of the environment.

    Raises:
        ValueError: There is none.
    """
    found = appcode or os.environ.get("ZIYAN_APPCODE", "")
    if not found.strip():
        raise ValueError("give an appcode, or set ZIYAN_APPCODE")
    return found.strip()


def check_one(picture: Picture | None, url: str | None) -> None:
    """Refuse what is neither one picture nor one address.

    Raises:
        ValueError: Both are given, or neither, or an address where a picture belongs.
    """
    if (picture is None) == (url is None):
        raise ValueError("give a picture or a url, and not both")
    if isinstance(picture, str) and picture.startswith(("http://", "https://")):
        raise ValueError("give an address as url=…")


def load(picture: Picture) -> bytes:
    """The bytes of a picture; read once, so that they can be sent again.

    Raises:
        OSError: The file cannot be read.
        TypeError: It is none of what a picture may be.
    """
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (str, os.PathLike)):
        return Path(picture).read_bytes()
    content = picture.read()
    if not isinstance(content, bytes):
        raise TypeError("open the file in binary mode")
    return content


def new_key() -> str:
    """An ``Idempotency-Key``: one for all tries of a call."""
    return str(uuid.uuid4())
