"""What stands in the navigation of those who are signed in: only pages that are there."""

from __future__ import annotations

from typing import Final

#: Role → address and name of each section, in both languages; the first is where one comes after signing in.
NAVIGATION: Final[dict[str, tuple[tuple[str, tuple[str, str]], ...]]] = {
    "buyer": (),
    "operator": (),
}
