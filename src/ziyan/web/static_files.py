"""Stylesheet, scripts and icons, under addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_VERSION_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, ready to be sent.

    Attributes:
        content: Its bytes.
        packed: The same, compressed; empty where that gains nothing.
        media_type: Value of ``Content-Type``.
    """

    content: bytes
    packed: bytes
    media_type: str


class StaticFiles:
    """All files of a folder, in memory.

    One version stands for them all and is part of every address, so modules can import each other by relative
    addresses, and browsers may keep what they have for ever.

    Attributes:
        version: Hex digits that change with any file.
    """

    def __init__(self, folder: Path = FOLDER, extra: tuple[Path, ...] = ()) -> None:
        """Read the files of ``folder``, and ``extra`` ones."""
        paths = [*sorted(path for path in folder.iterdir() if path.suffix in _TYPES), *extra]
        self._files = {path.name: _load(path) for path in paths}
        digest = hashlib.sha256()
        for name, file in self._files.items():
            digest.update(f"{name} {len(file.content)} ".encode() + file.content)
        self.version = digest.hexdigest()[:_VERSION_CHARS]

    def address(self, name: str) -> str:
        """Where a file is served.

        Raises:
            KeyError: There is no such file.
        """
        self._files[name]
        return f"/static/{self.version}/{name}"

    async def serve(self, request: Request) -> Response:
        """Answer ``/static/{version}/{name}``; an address of another version is served too, but not to be kept."""
        file = self._files.get(request.path_params["name"])
        if file is None:
            return Response(status_code=404)
        kept = request.path_params["version"] == self.version
        cache = "public, max-age=31536000, immutable" if kept else "no-cache"
        headers = {"Cache-Control": cache, "X-Content-Type-Options": "nosniff"}
        if not file.packed:
            return Response(file.content, media_type=file.media_type, headers=headers)
        headers["Vary"] = "Accept-Encoding"
        if takes_gzip(request.headers):
            headers["Content-Encoding"] = "gzip"
            return Response(file.packed, media_type=file.media_type, headers=headers)
        return Response(file.content, media_type=file.media_type, headers=headers)


def takes_gzip(headers: Headers) -> bool:
    """Whether a client says that it can unpack gzip."""
    for coding in headers.get("accept-encoding", "").split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _load(path: Path) -> StaticFile:
    content = path.read_bytes()
    packed = gzip.compress(content, 9, mtime=0)
    return StaticFile(content, packed if len(packed) < 0.9 * len(content) else b"", _TYPES[path.suffix])
