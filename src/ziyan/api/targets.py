"""Targets of request lines, as old clients write them."""

from __future__ import annotations

import re
from typing import Final

_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_SCHEME_AND_HOST: Final = re.compile(rb"(?i)https?://[^/?#]*")


def origin_form(target: bytes) -> bytes:
    """What a request line names, without the scheme and host that a client for proxies puts before it."""
    absolute = _SCHEME_AND_HOST.match(target)
    if absolute is None:
        return target
    rest = target[absolute.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def escaped(target: bytes) -> bytes:
    """A request's target with what is not ASCII percent-encoded, as its client ought to have done."""
    return _NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], target)
