"""Passwords: argon2id, by argon2-cffi, with the costs of RFC 9106's second recommendation (64 MiB)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ziyan.errors import ConflictError

LEAST_CHARS: Final = 10
MOST_CHARS: Final = 200
#: Characters that a password has besides the name of whoever chose it.
_LEAST_BESIDES: Final = 6
#: Letters and digits that nobody takes for each other on a screen.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_CHARS = 4, 5


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _decoy() -> str:
    """The hash of a password that nobody knows."""
    return _hasher().hash(secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Fresh:
    """A password that was just made; it is known at this moment only.

    Attributes:
        text: The password; secret.
        hash: What is stored of it.
    """

    text: str = field(repr=False)
    hash: str = field(repr=False)


def fresh() -> Fresh:
    """A new password of 99 bits that can be copied from a terminal by hand.  Takes a while."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARS)) for _ in range(_GROUPS))
    text = "-".join(groups)
    return Fresh(text, hashed(text))


def hashed(password: str) -> str:
    """What is stored of a password."""
    return _hasher().hash(password)


def checked(password: str, name: str = "") -> str:
    """A password that somebody chose.

    Raises:
        ConflictError: It is too short, too long, or little else than the name.
    """
    if not LEAST_CHARS <= len(password) <= MOST_CHARS:
        raise ConflictError(f"A password has {LEAST_CHARS} to {MOST_CHARS} characters")
    if name and len(password.lower().replace(name.partition("@")[0].lower(), "")) < _LEAST_BESIDES:
        raise ConflictError("A password must not be the name")
    return password


def matches(stored: str | None, password: str) -> bool:
    """Whether a password is the one that was stored.  Where none was, as much work is done and it is not."""
    try:
        fits = _hasher().verify(stored if stored is not None else _decoy(), password[:MOST_CHARS])
    except (VerificationError, InvalidHashError):
        return False
    return fits and stored is not None
