"""The difference of two texts, marked up for a page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

#: Characters of each text that are compared; a longer one is cut, and its end says so.
MOST = 3_000


def marked(truth: Sequence[str], read: Sequence[str]) -> str:
    """HTML of ``read`` with what ``truth`` has besides as ``<del>`` and what it has not as ``<ins>``."""
    one, other = _joined(truth), _joined(read)
    return "".join(_pieces(one, other))


def _pieces(truth: str, read: str) -> Iterator[str]:
    matcher = SequenceMatcher(None, truth, read, autojunk=False)
    for kind, start, end, read_start, read_end in matcher.get_opcodes():
        if kind == "equal":
            yield html.escape(truth[start:end])
            continue
        if end > start:
            yield f"<del>{_visible(truth[start:end])}</del>"
        if read_end > read_start:
            yield f"<ins>{_visible(read[read_start:read_end])}</ins>"


def _visible(text: str) -> str:
    # a line break that is missing or too many would otherwise be marked on nothing
    return html.escape(text).replace("\n", "↵\n")


def _joined(lines: Sequence[str]) -> str:
    text = "\n".join(lines)
    return text if len(text) <= MOST else text[:MOST] + "…"
